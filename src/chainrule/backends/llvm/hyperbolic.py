"""Hyperbolic functions and their inverses, odd and even by construction.

    tanh          1 - 2 / (exp(2 |x|) + 1), near 0 a polynomial of x**2
    sinh, cosh    exp(|x|) / 2 -+ exp(-|x|) / 2; sinh near 0 a polynomial of x**2
    sech          2 e / (1 + e**2) with e = exp(-|x|): it reaches 0 only where it underflows
    arcsinh       log(|x| + root(x**2 + 1)), the argument a sum of two doubles
    arccosh       log(x + root(x**2 - 1)), likewise
    arctanh       log((1 + |x|) / (1 - |x|)) / 2, likewise

Largest errors found against mpmath, in units in the last place: tanh 0.59, sinh 0.69,
cosh 0.61, sech 0.62, arcsinh, arccosh and arctanh 0.50.
Coefficients: interpolation at Chebyshev nodes in 80 digits, rounded.
"""

import math
from collections.abc import Callable

from chainrule.backends.llvm.exponential import clamped
from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.math import LN2, LN2_REST, exp_two, log_of_two, scaled, two_to
from chainrule.backends.llvm.twofold import (
    Two,
    polynomial,
    quick_sum,
    quotient,
    root,
    square,
    total,
    two_sum,
)

HUGE = 2.0**30  # above it, x**2 + 1 and x**2 - 1 have the root x, to 60 bits
SMALL = 2.0**-28  # below it, an odd function is x and its cubic term

# (sinh(x) / x - 1) / x**2 by x**2 up to 1
SINH = (
    0.16666666666666666, 0.008333333333333333, 0.00019841269841269773, 2.755731922404034e-06,
    2.505210836405804e-08, 1.6059048396350562e-10, 7.646625361656656e-13, 2.8445264169895616e-15,
)
# (tanh(x) / x - 1) / x**2 by x**2 up to 0.42**2
TANH = (
    -0.3333333333333333, 0.13333333333333158, -0.05396825396792601, 0.02186948851227644,
    -0.008863234645235769, 0.0035921091597506958, -0.0014555881481284109,
    0.0005880251671992408, -0.00022915035943124745, 6.841532337040085e-05,
)


def odd(w: Lines, x: str, value: str) -> str:
    """The value for |x| with the sign of x."""
    return w.intrinsic("copysign", value, x)


def _near_zero(w: Lines, x: str, coefficients: tuple[float, ...]) -> str:
    """x + x**3 p(x**2)."""
    z = w.mul(x, x)
    return w.fma(w.mul(x, z), polynomial(w, z, coefficients), x)


def tanh(w: Lines, x: str) -> str:
    """sinh(x) / cosh(x)."""
    size = w.intrinsic("fabs", x)
    below = w.select(w.compare("ogt", size, 20.0), 20.0, size)  # 1 from here on; nan passes
    (high, low), n = exp_two(w, w.add(below, below))
    power = two_to(w, n)
    top, lost = two_sum(w, w.mul(high, power), 1.0)
    share, rest = quotient(w, (w.number(2.0), w.number(0.0)), (top, w.fma(low, power, lost)))
    value, lost = two_sum(w, 1.0, w.neg(share))
    value = w.add(value, w.sub(lost, rest))
    near = w.compare("olt", size, 0.42)
    return odd(w, x, w.select(near, _near_zero(w, size, TANH), value))


def _halves(w: Lines, size: str) -> tuple[Two, Two]:
    """exp(size) / 4 and exp(-size) / 4 for size up to 710.6, each a sum of two doubles."""
    (high, low), n = exp_two(w, size)
    up, down = two_to(w, w.whole("sub", n, 2)), two_to(w, w.whole("sub", -2, n))
    down = w.select(w.compare("ogt", size, 100.0), 0.0, down)
    back, rest = quotient(w, (w.number(1.0), w.number(0.0)), (high, low))
    return (w.mul(high, up), w.mul(low, up)), (w.mul(back, down), w.mul(rest, down))


def sinh(w: Lines, x: str) -> str:
    """(exp(x) - exp(-x)) / 2."""
    size = w.intrinsic("fabs", x)
    up, (down, rest) = _halves(w, clamped(w, size, 0.0, 710.6))
    high, low = total(w, up, (w.neg(down), w.neg(rest)))
    half = w.add(high, low)
    near = w.compare("olt", size, 1.0)
    return odd(w, x, w.select(near, _near_zero(w, size, SINH), w.add(half, half)))


def cosh(w: Lines, x: str) -> str:
    """(exp(x) + exp(-x)) / 2."""
    high, low = total(w, *_halves(w, clamped(w, w.intrinsic("fabs", x), 0.0, 710.6)))
    half = w.add(high, low)
    return w.add(half, half)


def sech(w: Lines, x: str) -> str:
    """1 / cosh(x)."""
    size = clamped(w, w.intrinsic("fabs", x), 0.0, 800.0)
    (high, low), n = exp_two(w, w.neg(size))
    e = scaled(w, high, n)
    z, z_low = square(w, e)
    z_low = w.fma(w.add(e, e), scaled(w, low, n), z_low)
    top, lost = quick_sum(w, 1.0, z)
    value, rest = quotient(w, (w.add(high, high), w.add(low, low)), (top, w.add(lost, z_low)))
    return scaled(w, w.add(value, rest), n)


# ---- inverses


def _log_of_sum(w: Lines, x: str, one: float) -> Two:
    """log(x + root(x**2 + one)) for finite x >= 0."""
    is_huge = w.compare("ogt", x, HUGE)
    z, z_low = square(w, w.select(is_huge, 1.0, x))
    top, lost = two_sum(w, z, one)
    length, rest = root(w, quick_sum(w, top, w.add(lost, z_low)))
    high, low = two_sum(w, x, length)
    high, low = quick_sum(w, high, w.add(low, rest))
    value = log_of_two(w, (w.select(is_huge, x, high), w.select(is_huge, 0.0, low)))
    twice = w.select(is_huge, LN2, 0.0), w.select(is_huge, LN2_REST, 0.0)
    return total(w, value, twice)


def arcsinh(w: Lines, x: str) -> str:
    """The inverse of sinh."""
    size = w.intrinsic("fabs", x)
    high, low = _log_of_sum(w, size, 1.0)
    value = w.select(w.compare("oeq", size, math.inf), math.inf, w.add(high, low))
    return odd(w, x, _or_cubic(w, size, -1 / 6, value))


def _or_cubic(w: Lines, size: str, third: float, value: str) -> str:
    """size + third size**3 where it is small, nan where it is nan, else the value."""
    cubic = w.fma(w.mul(size, third), w.mul(size, size), size)
    value = w.select(w.compare("olt", size, SMALL), cubic, value)
    return w.select(w.compare("uno", size, size), size, value)


def arccosh(w: Lines, x: str) -> str:
    """The inverse of cosh: nan below 1."""
    high, low = _log_of_sum(w, x, -1.0)
    value = w.select(w.compare("oeq", x, math.inf), math.inf, w.add(high, low))
    value = w.select(w.compare("olt", x, 1.0), math.nan, value)
    return w.select(w.compare("uno", x, x), x, value)


def arctanh(w: Lines, x: str) -> str:
    """The inverse of tanh: inf at 1, nan above."""
    size = w.intrinsic("fabs", x)
    ratio = quotient(w, two_sum(w, 1.0, size), two_sum(w, 1.0, w.neg(size)))
    high, low = log_of_two(w, ratio)
    value = w.mul(w.add(high, low), 0.5)
    value = w.select(w.compare("oeq", size, 1.0), math.inf, value)
    value = w.select(w.compare("ogt", size, 1.0), math.nan, value)
    return odd(w, x, _or_cubic(w, size, 1 / 3, value))


FUNCTIONS: dict[str, Callable[..., str]] = {
    "tanh": tanh, "sinh": sinh, "cosh": cosh, "sech": sech,
    "arcsinh": arcsinh, "arccosh": arccosh, "arctanh": arctanh,
}
