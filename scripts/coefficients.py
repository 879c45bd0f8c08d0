"""The coefficients of the machine code's own functions, computed anew from mpmath's.

    python scripts/coefficients.py [NAME ...]      prints the tables of src/chainrule/backends/llvm

Each is the polynomial through a function at Chebyshev nodes of an interval, in 50 digits, its
coefficients rounded to doubles (or singles) at the end. A variable that spreads the interval evenly
over what the function does needs fewer of them: log z for what has poles at 0, -1, -2, ..., and
(z - k) / (z + k) for what goes on to infinity.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

Function = Callable[[Any], Any]
NEAR_0 = mpf(2) ** -60  # where a quotient of two small numbers stands for its limit
NEAR_INF = 2**60


@dataclass(frozen=True)
class Fit:
    """A function of the variable, the interval, and the degree of the polynomial."""

    function: Function
    low: Any
    high: Any
    degree: int


def polynomial(fit: Fit) -> list[Any]:
    """c0, c1, ... of the polynomial through a function at the Chebyshev nodes of an interval."""
    count = fit.degree + 1
    low, high = mpf(fit.low), mpf(fit.high)
    nodes = [
        (low + high) / 2 + (high - low) / 2 * mpmath.cos(mpmath.pi * (k + mpf(1) / 2) / count)
        for k in range(count)
    ]
    slopes = [fit.function(x) for x in nodes]  # Newton's divided differences
    for step in range(1, count):
        for k in range(count - 1, step - 1, -1):
            slopes[k] = (slopes[k] - slopes[k - 1]) / (nodes[k] - nodes[k - step])
    found = [slopes[-1]]
    for k in range(count - 2, -1, -1):  # times (x - node), plus the next difference
        shifted, scaled = [mpf(0), *found], [nodes[k] * c for c in found] + [mpf(0)]
        found = [a - b for a, b in zip(shifted, scaled, strict=True)]
        found[0] += slopes[k]
    return found


def spread(function: Function, k: float) -> Function:
    """The function of z as one of t = (z - k) / (z + k)."""
    return lambda t: function(k * (1 + t) / (1 - t))


def place(z: Any, k: float) -> Any:
    return (mpf(z) - k) / (mpf(z) + k)


# ---- functions in the form that is interpolated


def scaled_tail(z: Any) -> Any:
    return (1 + 2 * z) * mpmath.exp(z * z) * mpmath.erfc(z)


def erf_ratio(v: Any) -> Any:
    return mpmath.erf(mpmath.sqrt(v)) / mpmath.sqrt(v)


def erfinv_ratio(v: Any) -> Any:
    """erfinv(y) / y by v = -log(1 - y**2)."""
    y = mpmath.sqrt(-mpmath.expm1(-v))
    beyond = mpmath.exp(-v) / (1 + y)  # 1 - y, which y itself has lost
    if v < 20:
        return mpmath.erfinv(y) / y
    def gap(x):
        return mpmath.log(mpmath.erfc(x)) - mpmath.log(beyond)
    return mpmath.findroot(gap, mpmath.sqrt(v)) / y


def stirling_rest(z: Any) -> Any:
    """z times what Stirling's formula leaves out."""
    return z * (mpmath.loggamma(z) - (z - mpf(1) / 2) * mpmath.log(z) + z
                - mpmath.log(2 * mpmath.pi) / 2)


def gammaln_ratio(z: Any) -> Any:
    return mpmath.loggamma(z) / ((z - 1) * (z - 2))


def digamma_rest(z: Any) -> Any:
    return z * z * (mpmath.log(z) - 1 / (2 * z) - mpmath.digamma(z))


def digamma_ratio(z: Any) -> Any:
    return mpmath.digamma(z) / (z - mpmath.findroot(mpmath.digamma, 1.46))


def odd_rest(function: Function) -> Function:
    """(f(x) / x - 1) / x**2 by x**2."""
    return lambda v: (function(mpmath.sqrt(v)) / mpmath.sqrt(v) - 1) / v


HALF_LN2 = mpf(0.35)  # and a little more
SINGLES: dict[str, Fit] = {
    "EXP": Fit(lambda r: (mpmath.exp(r) - 1 - r) / r**2, -HALF_LN2, HALF_LN2, 5),
    "EXP2": Fit(lambda r: (2**r - 1) / r, -0.5, 0.5, 5),
    "LOG": Fit(lambda f: (mpmath.log1p(f) - f + f * f / 2) / f**3, -0.293, 0.4145, 7),
    "TANH": Fit(odd_rest(mpmath.tanh), NEAR_0, 0.625**2, 5),
    "SINH": Fit(odd_rest(mpmath.sinh), NEAR_0, 1, 3),
    "SIN": Fit(odd_rest(mpmath.sin), NEAR_0, 0.8**2, 3),
    "COS": Fit(
        lambda v: (mpmath.cos(mpmath.sqrt(v)) - 1 + v / 2) / v**2, mpf(2) ** -30, 0.8**2, 3
    ),
}
FITS: dict[str, Fit] = {
    "ERF": Fit(erf_ratio, NEAR_0, 0.25, 9),
    "TAIL": Fit(spread(scaled_tail, 4), place(0.45, 4), place(28, 4), 24),
    "ERFINV": Fit(lambda t: erfinv_ratio(t + 3.125), NEAR_0 - 3.125, 3.125, 25),
    "ERFINV_FAR": Fit(
        spread(lambda s: erfinv_ratio(s * s) / s, 4), place(2.5, 4), place(6.08, 4), 25
    ),
    "STIRLING": Fit(spread(stirling_rest, 1), 0, place(NEAR_INF, 1), 20),
    "GAMMALN": Fit(
        lambda t: gammaln_ratio(mpmath.exp(t + 0.5)), NEAR_0 - 0.5, mpmath.log(2.5) - 0.5, 14
    ),
    "DIGAMMA": Fit(
        lambda t: digamma_ratio(mpmath.exp(t + 0.375)), -0.375, mpmath.log(2) - 0.375, 13
    ),
    "DIGAMMA_REST": Fit(spread(digamma_rest, 1), place(2, 1), place(NEAR_INF, 1), 17),
}


def rounded(name: str) -> list[float]:
    """The coefficients as doubles, and what the rounding of the first left."""
    found = polynomial(FITS[name])
    return [*map(float, found), float(found[0] - mpf(float(found[0])))]


def rounded_to_singles(name: str) -> list[float]:
    """The coefficients as singles, in the fewest digits that name them."""
    return [float(str(np.float32(c))) for c in polynomial(SINGLES[name])]


def written(name: str) -> str:
    """A table as it stands in a module."""
    if name in SINGLES:
        lines = wrap(", ".join(map(repr, rounded_to_singles(name))) + ",", 96)
        return "\n".join([f"{name} = (", *(f"    {line}" for line in lines), ")"])
    *table, rest = rounded(name)
    lines = wrap(", ".join(map(repr, table)) + ",", 96)
    return "\n".join([f"{name} = (", *(f"    {line}" for line in lines), ")",
                      f"{name}_LOST = {rest!r}  # of the first, in rounding"])


if __name__ == "__main__":
    mpmath.mp.dps = 50
    for wanted in sys.argv[1:] or (*FITS, *SINGLES):
        print(written(wanted))
