"""exp, log and their relatives of singles, computed in singles.

As math.py does for doubles, each splits off a power of two exactly and leaves a short interval to a
polynomial. Here whole numbers are i32, and `w` writes singles.

    exp       2**n (1 + r + r**2 q(r));  exp2, expm1 and what hyperbolic functions need likewise
    log       n ln 2 + f - f**2 / 2 + f**3 p(f), m = 1 + f the fraction; log1p of 1 + x and what the
              sum lost; log2, log10: the logarithm of m as a sum of two singles, times a constant
    tanh      1 - 2 / (exp(2 |x|) + 1), near 0 a polynomial of x**2
    sinh      (exp(x) - exp(-x)) / 2, near 0 a polynomial of x**2; cosh
    sigmoid   e / (1 + e) or 1 / (1 + e), e = exp(-|x|) as a sum of two singles; sech likewise
    softplus  max(x, 0) + log1p(exp(-|x|))

Largest errors over all sizes, in units in the last place: exp 0.75, exp2 0.86, expm1 1.35,
log 0.97, log10 0.89, log1p 0.97, log2 1.12, tanh 1.17, sinh 1.58, cosh 1.11, sech 1.50,
sigmoid 0.75, softplus 1.51. scripts/singles.py measures them, every single if asked.
Special values are NumPy's.
Coefficients: scripts/coefficients.py.
"""

from collections.abc import Callable

from chainrule.backends.llvm.exponential import at_ends, clamped
from chainrule.backends.llvm.lines import SHORT, SINGLE, Lines
from chainrule.backends.llvm.twofold import Two, polynomial, product, quick_sum, two_sum

LN2 = 0.6931471824645996  # as a single
LN2_REST = -1.9046542121259336e-09
LN2_SHORT = 0.693145751953125  # 16 bits: times an exponent it is exact
LN2_SHORT_REST = 1.428606765330187e-06
PER_LN2 = (1.4426950216293335, 1.925963033500011e-08)
PER_LN10 = (0.4342944920063019, -1.0103049952192578e-08)
ROUND = 1.5 * 2**23  # x + ROUND - ROUND is x to the nearest integer, held in the low bits
ROUND_BITS = 0x4B400000
SQRT_HALF_BITS = 0x3F3504F3
SMALLEST_NORMAL = 2.0**-126
TINY = 2.0**-25

# (exp(r) - 1 - r) / r**2
EXP = (
    0.5, 0.16666667, 0.041666456, 0.0083333105, 0.0013934532, 0.0001989197,
)
# (2**r - 1) / r
EXP2 = (
    0.6931472, 0.2402265, 0.05550357, 0.009618083, 0.0013390863, 0.00015453163,
)
# (log(1 + f) - f + f**2 / 2) / f**3
LOG = (
    0.3333333, -0.25000307, 0.20001043, -0.16641207, 0.14214501, -0.12999241, 0.12622641,
    -0.07899376,
)
# (tanh(x) / x - 1) / x**2 by x**2 up to 0.625**2
TANH = (
    -0.33333334, 0.13333304, -0.053959258, 0.021768918, -0.008343945, 0.0022927448,
)
# (sinh(x) / x - 1) / x**2 by x**2 up to 1
SINH = (
    0.16666667, 0.008333339, 0.00019838102, 2.8062802e-06,
)


def _two_to(w: Lines, n: str) -> str:
    return w.from_bits(w.whole("shl", w.whole("add", n, 127), 23))


def _scaled(w: Lines, x: str, n: str) -> str:
    """x * 2 ** n in two steps, so that overflow and subnormals round once and rightly."""
    half = w.whole("ashr", n, 1)
    return w.mul(w.mul(x, _two_to(w, half)), _two_to(w, w.whole("sub", n, half)))


def _parts(w: Lines, x: str) -> tuple[Two, str]:
    """r + t = exp(x) / 2 ** n - 1 and the whole number n; |r| < 0.35, and t is smaller."""
    rounded = w.fma(x, PER_LN2[0], ROUND)
    n = w.sub(rounded, ROUND)
    r, low = quick_sum(w, w.fma(n, -LN2, x), w.mul(n, -LN2_REST))
    tail = w.fma(w.mul(r, r), polynomial(w, r, EXP), low)
    return (r, tail), w.whole("sub", w.bits(rounded), ROUND_BITS)


def _fraction(w: Lines, x: str) -> tuple[Two, str]:
    """exp(x) / 2 ** n as a sum of two singles, between 0.7 and 1.42, and n."""
    (r, tail), n = _parts(w, x)
    top, lost = quick_sum(w, 1.0, r)
    return quick_sum(w, top, w.add(lost, tail)), n


def exp(w: Lines, x: str) -> str:
    """e ** x."""
    (value, _), n = _fraction(w, clamped(w, x, -104.0, 89.0))
    return _scaled(w, value, n)


def exp2(w: Lines, x: str) -> str:
    """2 ** x."""
    x = clamped(w, x, -151.0, 129.0)
    rounded = w.add(x, ROUND)
    r = w.sub(x, w.sub(rounded, ROUND))
    value = w.fma(r, polynomial(w, r, EXP2), 1.0)
    return _scaled(w, value, w.whole("sub", w.bits(rounded), ROUND_BITS))


def expm1(w: Lines, x: str) -> str:
    """e ** x - 1. Half of it is computed, so that it overflows only at the end."""
    (r, tail), n = _parts(w, clamped(w, x, -30.0, 89.0))
    half = _two_to(w, w.whole("sub", n, 1))
    value = w.fma(w.add(r, tail), half, w.sub(half, 0.5))
    return w.select(w.compare("olt", w.intrinsic("fabs", x), TINY), x, w.add(value, value))


# ---- logarithms


def _split(w: Lines, x: str) -> Two:
    """m in [sqrt 1/2, sqrt 2) and n with x = m 2 ** n, for finite x > 0, subnormal or not."""
    small = w.compare("olt", x, SMALLEST_NORMAL)
    bits = w.bits(w.select(small, w.mul(x, 2.0**25), x))
    n = w.whole("and", w.whole("sub", bits, SQRT_HALF_BITS), -(1 << 23))
    m = w.from_bits(w.whole("sub", bits, n))
    exponent = w.convert("sitofp", w.whole("ashr", n, 23), SHORT, SINGLE)
    return m, w.add(exponent, w.select(small, -25.0, 0.0))


def _bend(w: Lines, f: str) -> str:
    """log(1 + f) - f."""
    z = w.mul(f, f)
    return w.fma(w.mul(z, f), polynomial(w, f, LOG), w.mul(z, -0.5))


def log(w: Lines, x: str) -> str:
    """The natural logarithm: -inf at 0, nan below."""
    m, n = _split(w, x)
    f = w.sub(m, 1.0)
    value = w.add(f, w.fma(n, LN2_SHORT_REST, _bend(w, f)))
    return at_ends(w, x, w.fma(n, LN2_SHORT, value))


def log1p(w: Lines, x: str) -> str:
    """log(1 + x): -inf at -1, nan below."""
    top, lost = two_sum(w, 1.0, x)
    m, n = _split(w, top)
    lost = w.div(w.mul(lost, m), top)
    f, low = quick_sum(w, w.sub(m, 1.0), lost)
    value = w.add(f, w.fma(n, LN2_SHORT_REST, w.add(low, _bend(w, f))))
    value = w.fma(n, LN2_SHORT, value)
    value = w.select(w.compare("olt", w.intrinsic("fabs", x), TINY), x, value)
    return at_ends(w, top, value)


def _log_times(factor: tuple[float, float], unit: tuple[float, float]) -> Callable[..., str]:
    """The logarithm to another base, of which that of 2 is the unit; whole where it should be."""

    def log(w: Lines, x: str) -> str:
        m, n = _split(w, x)
        f = w.sub(m, 1.0)
        part = quick_sum(w, f, _bend(w, f))
        high, low = product(w, part, (w.number(factor[0]), w.number(factor[1])))
        top, lost = two_sum(w, w.mul(n, unit[0]), high)
        return at_ends(w, x, w.add(top, w.add(lost, w.fma(n, unit[1], low))))

    return log


# ---- hyperbolic functions


def _near_zero(w: Lines, x: str, coefficients: tuple[float, ...]) -> str:
    """x + x**3 p(x**2)."""
    z = w.mul(x, x)
    return w.fma(w.mul(x, z), polynomial(w, z, coefficients), x)


def tanh(w: Lines, x: str) -> str:
    """sinh(x) / cosh(x)."""
    size = clamped(w, w.intrinsic("fabs", x), 0.0, 10.0)  # 1 from here on
    (r, tail), n = _parts(w, w.add(size, size))
    power = _two_to(w, n)
    above = w.fma(w.add(r, tail), power, w.add(power, 1.0))  # exp(2 |x|) + 1
    value = w.sub(1.0, w.div(2.0, above))
    value = w.select(w.compare("olt", size, 0.625), _near_zero(w, size, TANH), value)
    return w.intrinsic("copysign", value, x)


def _halves(w: Lines, x: str) -> Two:
    """exp(|x|) / 2 and exp(-|x|) / 2."""
    (e, _), n = _fraction(w, clamped(w, w.intrinsic("fabs", x), 0.0, 90.0))
    up = _scaled(w, e, w.whole("sub", n, 1))
    return up, w.div(0.25, up)


def sinh(w: Lines, x: str) -> str:
    """(exp(x) - exp(-x)) / 2."""
    size = w.intrinsic("fabs", x)
    value = w.sub(*_halves(w, x))
    value = w.select(w.compare("olt", size, 1.0), _near_zero(w, size, SINH), value)
    return w.intrinsic("copysign", value, x)


def cosh(w: Lines, x: str) -> str:
    """(exp(x) + exp(-x)) / 2."""
    return w.add(*_halves(w, x))


def _fallen(w: Lines, x: str) -> Two:
    """exp(-|x|) as a sum of two singles."""
    (high, low), n = _fraction(w, clamped(w, w.neg(w.intrinsic("fabs", x)), -104.0, 0.0))
    return _scaled(w, high, n), _scaled(w, low, n)


def _ratio(w: Lines, top: Two, base: Two) -> str:
    """top / base, for base between 1 and 2."""
    inverse = w.div(1.0, base[0])
    value = w.mul(top[0], inverse)
    rest = w.fma(w.neg(value), base[0], top[0])
    rest = w.add(rest, w.fma(w.neg(value), base[1], top[1]))
    return w.fma(rest, inverse, value)


def sech(w: Lines, x: str) -> str:
    """1 / cosh(x)."""
    e, low = _fallen(w, x)
    z = w.mul(e, e)
    z_low = w.fma(w.add(e, e), low, w.fma(e, e, w.neg(z)))
    top, lost = quick_sum(w, 1.0, z)
    return _ratio(w, (w.add(e, e), w.add(low, low)), (top, w.add(lost, z_low)))


def sigmoid(w: Lines, x: str) -> str:
    """1 / (1 + exp(-x))."""
    e, low = _fallen(w, x)
    top, lost = quick_sum(w, 1.0, e)
    is_below = w.compare("olt", x, 0.0)
    above = w.select(is_below, e, 1.0), w.select(is_below, low, 0.0)
    return _ratio(w, above, (top, w.add(lost, low)))


def softplus(w: Lines, x: str) -> str:
    """log(1 + exp(x))."""
    above = w.select(w.compare("olt", x, 0.0), 0.0, x)
    return w.add(above, log1p(w, exp(w, w.neg(w.intrinsic("fabs", x)))))


FUNCTIONS: dict[str, Callable[..., str]] = {
    "exp": exp, "exp2": exp2, "expm1": expm1, "log": log, "log1p": log1p,
    "log2": _log_times(PER_LN2, (1.0, 0.0)),
    "log10": _log_times(PER_LN10, (0.301025390625, 4.605039066518657e-06)),
    "tanh": tanh, "sinh": sinh, "cosh": cosh, "sech": sech, "sigmoid": sigmoid,
    "softplus": softplus,
}
