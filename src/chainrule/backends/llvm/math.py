"""exp, log and power of doubles as straight instructions, without tables or branches.

Each splits off a power of two exactly and leaves a short interval to a polynomial:

    exp    x = n ln 2 + r, |r| <= ln 2 / 2;   exp(x) = 2**n (1 + r + r**2 q(r))
    log    x = 2**n m, m in [sqrt 1/2, sqrt 2); with s = (m - 1) / (m + 1)
           log(x) = n ln 2 + 2 (s + s**3 / 3 + s**5 / 5 + ...)
    power  exp(y log(x)), with log(x) and the product each held as a sum of two doubles

Largest errors found against mpmath, in units in the last place: exp 0.61, log 0.80, power 0.72
(bench/machine.py and tests/backends/llvm/test_math.py measure them again). nan, infinities, signed
zeros and subnormals as NumPy has them; the sign and payload of nan are the processor's choice.
Coefficients: interpolation at Chebyshev nodes in 70 digits, rounded.
Source: derived here; exact reductions of this kind are named after Cody and Waite, sums of two
doubles after Dekker.
"""

import math
from collections.abc import Callable

from chainrule.backends.llvm.lines import REAL, WHOLE, Lines
from chainrule.backends.llvm.twofold import Two, polynomial, polynomial_in_two, product, quick_sum

LN2 = 0.6931471805599453
LN2_REST = 2.3190468138462996e-17  # ln 2 - LN2
LN2_SHORT = 0.6931471805598903  # 42 bits: times an exponent it is exact
LN2_SHORT_REST = 5.497923018708371e-14
PER_LN2 = 1.4426950408889634
ROUND = 1.5 * 2**52  # x + ROUND - ROUND is x to the nearest integer, held in the low bits
ROUND_BITS = 0x4338000000000000
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
SQRT_HALF = 0.7071067811865476
SMALLEST_NORMAL = 2.0**-1022
THIRD, THIRD_REST = 0.3333333333333333, 1.850371707708594e-17

# (exp(r) - 1 - r) / r**2
EXP = (
    0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333325544, 0.0013888888888883327,
    0.00019841269876864356, 2.4801587327007187e-05, 2.755725283351691e-06, 2.75572718102198e-07,
    2.5106274733573296e-08, 2.0915442297780116e-09,
)
# (log((1 + s) / (1 - s)) / s - 2) / s**2, by s**2
LOG = (
    0.6666666666666666, 0.40000000000001007, 0.2857142857072325, 0.22222222409750114,
    0.18181793732111753, 0.15386342449645143, 0.13266048812203002, 0.131148348695975,
)
# (atanh(s) / s - 1 - s**2 / 3) / s**4, by s**2
ATANH = (
    0.2, 0.14285714285714282, 0.11111111111114683, 0.09090909089689904, 0.07692307900570979,
    0.06666646712795038, 0.05883473133596818, 0.052266866299918266, 0.05394465064747185,
)


def exp(w: Lines, x: str) -> str:
    """e ** x."""
    below = w.select(w.compare("ogt", x, 710.0), 710.0, x)  # inf from here on; nan passes
    return _exp(w, w.select(w.compare("olt", below, -746.0), -746.0, below))


def _exp(w: Lines, x: str, rest: str | None = None) -> str:
    """exp(x + rest) for x in [-746, 710]; rest is far smaller than x."""
    rounded = w.fma(x, PER_LN2, ROUND)
    n = w.sub(rounded, ROUND)
    r = w.fma(n, -LN2, x)  # exact: both are multiples of 2**-54, and |r| < 1/2
    low = w.mul(n, -LN2_REST) if rest is None else w.fma(n, -LN2_REST, rest)
    high, low = exp_of_rest(w, r, low)
    return scaled(w, w.add(high, low), w.whole("sub", w.bits(rounded), ROUND_BITS))


def exp_two(w: Lines, x: str) -> tuple[Two, str]:
    """exp(x) / 2 ** n as a sum of two doubles, good to 2**-56, and the whole number n."""
    rounded = w.fma(x, PER_LN2, ROUND)
    n = w.sub(rounded, ROUND)
    value = quick_sum(w, *exp_of_rest(w, w.fma(n, -LN2, x), w.mul(n, -LN2_REST)))
    return value, w.whole("sub", w.bits(rounded), ROUND_BITS)


def exp_of_rest(w: Lines, r: str, low: str) -> Two:
    """exp(r + low) for |r| <= ln 2 / 2, as 1 + r and the rest."""
    r, low = quick_sum(w, r, low)
    square = w.mul(r, r)
    tail = w.fma(square, polynomial_in_two(w, r, square, EXP), low)
    top, lost = quick_sum(w, 1.0, r)
    return top, w.add(lost, tail)


def scaled(w: Lines, x: str, n: str) -> str:
    """x * 2 ** n in two steps, so that overflow and subnormals round once and rightly."""
    half = w.whole("ashr", n, 1)
    return w.mul(w.mul(x, two_to(w, half)), two_to(w, w.whole("sub", n, half)))


def two_to(w: Lines, n: str) -> str:
    return w.from_bits(w.whole("shl", w.whole("add", n, 1023), 52))


def split(w: Lines, x: str) -> Two:
    """m in [sqrt 1/2, sqrt 2) and n with x = m 2 ** n, for finite x > 0, subnormal or not."""
    small = w.compare("olt", x, SMALLEST_NORMAL)
    bits = w.bits(w.select(small, w.mul(x, 2.0**54), x))
    n = w.whole("and", w.whole("sub", bits, SQRT_HALF_BITS), -(1 << 52))
    m = w.from_bits(w.whole("sub", bits, n))
    exponent = w.convert("sitofp", w.whole("ashr", n, 52), WHOLE, REAL)
    return m, w.add(exponent, w.select(small, -54.0, 0.0))


def log(w: Lines, x: str) -> str:
    """The natural logarithm: -inf at 0, nan below."""
    m, n = split(w, x)
    f = w.sub(m, 1.0)
    s = w.div(f, w.add(f, 2.0))
    z = w.mul(s, s)
    series = w.mul(polynomial(w, z, LOG), z)
    half = w.mul(w.mul(f, f), 0.5)  # log(1 + f) = f - f**2 / 2 + s (f**2 / 2 + series)
    tail = w.fma(s, w.add(half, series), w.mul(n, LN2_SHORT_REST))
    value = w.fma(n, LN2_SHORT, w.sub(f, w.sub(half, tail)))
    value = w.select(w.compare("oeq", x, math.inf), math.inf, value)
    value = w.select(w.compare("oeq", x, 0.0), -math.inf, value)
    value = w.select(w.compare("olt", x, 0.0), math.nan, value)
    return w.select(w.compare("uno", x, x), x, value)


def power(w: Lines, x: str, y: str) -> str:
    """x ** y with the special cases of C's pow, which are NumPy's."""
    size = w.intrinsic("fabs", x)
    value = _power_of_size(w, size, y)
    positive = w.compare("ogt", y, 0.0)
    grows = w.select(positive, math.inf, 0.0)
    shrinks = w.select(positive, 0.0, math.inf)
    value = w.select(w.compare("oeq", size, math.inf), grows, value)
    value = w.select(w.compare("oeq", size, 0.0), shrinks, value)
    return _signed_power(w, x, y, value)


def _power_of_size(w: Lines, size: str, y: str) -> str:
    """size ** y for finite size > 0; y beyond 2**65 only overflows or underflows."""
    y = w.select(w.compare("ogt", y, 2.0**65), 2.0**65, y)
    y = w.select(w.compare("olt", y, -(2.0**65)), -(2.0**65), y)
    high, low = log_two(w, size)
    product = w.mul(y, high)
    rest = w.fma(y, low, w.fma(y, high, w.neg(product)))
    above, below = w.compare("ogt", product, 710.0), w.compare("olt", product, -746.0)
    product = w.select(below, -746.0, w.select(above, 710.0, product))
    rest = w.select(w.flag("or", above, below), 0.0, rest)
    return _exp(w, product, rest)


def _signed_power(w: Lines, x: str, y: str, value: str) -> str:
    """The sign of x ** y, and what holds whatever the size: x ** 0 = 1 ** y = 1."""
    is_whole = w.compare("oeq", w.intrinsic("floor", y), y)
    half = w.mul(y, 0.5)
    halves = w.compare("oeq", w.intrinsic("floor", half), half)
    is_odd = w.flag("and", is_whole, w.opposite(halves))
    value = w.select(is_odd, w.intrinsic("copysign", value, x), value)
    below = w.flag("and", w.compare("olt", x, 0.0), w.compare("one", x, -math.inf))
    refused = w.flag("and", below, w.opposite(is_whole))
    value = w.select(refused, math.nan, value)
    value = w.select(w.compare("uno", x, y), math.nan, value)
    is_one = w.flag("or", w.compare("oeq", y, 0.0), w.compare("oeq", x, 1.0))
    return w.select(is_one, 1.0, value)


def log_two(w: Lines, x: str) -> Two:
    """log(x) as a sum of two doubles, for finite x > 0: atanh's series, its first terms doubled."""
    m, n = split(w, x)
    high, low = _ratio(w, m)
    z = w.mul(high, high)
    z_low = w.fma(high, w.add(low, low), w.fma(high, high, w.neg(z)))
    t, t_low = quick_sum(w, THIRD, w.mul(z, polynomial(w, z, ATANH)))
    u, u_low = product(w, (z, z_low), (t, w.add(t_low, THIRD_REST)))
    v, v_low = product(w, (high, low), (u, u_low))
    s, s_low = quick_sum(w, high, v)
    s_low = w.add(s_low, w.add(low, v_low))
    total, lost = quick_sum(w, w.mul(n, LN2_SHORT), w.add(s, s))
    return quick_sum(w, total, w.add(lost, w.fma(n, LN2_SHORT_REST, w.add(s_low, s_low))))


def log_of_two(w: Lines, x: Two) -> Two:
    """log of a sum of two doubles, for finite x > 0."""
    high, low = log_two(w, x[0])
    return quick_sum(w, high, w.add(low, w.div(x[1], x[0])))


def _ratio(w: Lines, m: str) -> Two:
    """(m - 1) / (m + 1), the remainder of the division divided again."""
    f, d = w.sub(m, 1.0), w.add(m, 1.0)
    d_low = w.sub(m, w.sub(d, 1.0))
    s = w.div(f, d)
    remainder = w.fma(w.neg(s), d_low, w.fma(w.neg(s), d, f))
    return s, w.div(remainder, d)


FUNCTIONS: dict[str, Callable[..., str]] = {"exp": exp, "log": log, "power": power}
