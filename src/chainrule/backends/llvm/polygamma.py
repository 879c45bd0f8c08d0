"""polygamma n for n = 1 .. 6, the slopes of digamma.

    x > 0   +-n! times the sum of (x + k)**-(n + 1), k = 0, 1, 2, ...: eight terms, and the rest by
            Euler and Maclaurin's formula
    x < 0   the same at 1 + |x| and the n-th slope of pi cot(pi |x|), a polynomial of the cotangent

All but the formula's corrections is computed in sums of two doubles. Far out and beside 0 one power
is all there is; it is taken of the fraction, and the exponent put in at the end.

Largest errors found against mpmath, in units in the last place: 0.51 for x > 0, 1.04 below.
The even orders have zeros below 0, whose places are no doubles: there units are those of the larger
of the two terms that cancel. Special values are SciPy's.
Source: derived here; NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov, 2.10
and 5.15, for the formulas.
"""

import math
from collections.abc import Callable
from fractions import Fraction

from chainrule.backends.llvm.exponential import clamped
from chainrule.backends.llvm.gamma import PI, TINY, at_poles
from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.math import scaled
from chainrule.backends.llvm.trig import half_turns
from chainrule.backends.llvm.twofold import (
    Two,
    half,
    known,
    negative,
    polynomial,
    product,
    quick_sum,
    quotient,
    select_two,
    single,
    total,
    two_sum,
)

HIGHEST = 6  # order
TERMS, CORRECTIONS = 8, 10


def _bernoulli(count: int) -> list[Fraction]:
    """The first Bernoulli numbers, with B1 = -1/2."""
    found: list[Fraction] = []
    for n in range(count):
        before = sum((math.comb(n + 1, k) * b for k, b in enumerate(found)), Fraction())
        found.append(Fraction(n == 0) - before / (n + 1))
    return found


def _corrections(s: int) -> list[float]:
    """Euler and Maclaurin's terms B2j / (2j)! s (s + 1) ... (s + 2j - 2), j = 1, 2, ..."""
    numbers = _bernoulli(2 * CORRECTIONS + 1)
    return [
        float(numbers[k] * math.factorial(s + k - 2) / math.factorial(s - 1) / math.factorial(k))
        for k in range(2, 2 * CORRECTIONS + 1, 2)
    ]


def _power(w: Lines, x: Two, n: int) -> Two:
    value = x
    for _ in range(n - 1):
        value = product(w, value, x)
    return value


def _inverse(w: Lines, x: Two) -> Two:
    return quotient(w, known(w, (1.0, 0.0)), x)


def _plus(w: Lines, x: Two, n: int) -> Two:
    high, low = two_sum(w, x[0], float(n))
    return quick_sum(w, high, w.add(low, x[1]))


def _zeta(w: Lines, s: int, x: Two) -> Two:
    """The sum of (x + k)**-s over k = 0, 1, 2, ..., for x > 0."""
    value = _power(w, _inverse(w, x), s)
    for k in range(1, TERMS):
        value = total(w, value, _power(w, _inverse(w, _plus(w, x, k)), s))
    return total(w, value, _rest_of_zeta(w, s, _inverse(w, _plus(w, x, TERMS))))


def _rest_of_zeta(w: Lines, s: int, r: Two) -> Two:
    """The sum from z = 1 / r on: r**(s - 1) / (s - 1) + r**s / 2 + corrections."""
    area = quotient(w, _power(w, r, s - 1), known(w, (float(s - 1), 0.0)))
    last = _power(w, r, s)
    corrections = polynomial(w, w.mul(r[0], r[0]), _corrections(s))
    rest = w.mul(w.mul(last[0], r[0]), corrections)
    return total(w, total(w, area, half(w, last)), single(w, rest))


def _cotangent_slope(n: int) -> list[int]:
    """The n-th slope of cot(x) as a polynomial of cot(x)."""
    found = [0, 1]  # cot
    for _ in range(n):
        slope = [k * c for k, c in enumerate(found)][1:]
        found = [-a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return found


def _slope_of_cotangent(w: Lines, n: int, size: str) -> Two:
    """The n-th slope of pi cot(pi x)."""
    sine, cosine = half_turns(w, size)
    cot = quotient(w, cosine, sine)
    z, odd = product(w, cot, cot), (n + 1) % 2
    first, *others = _cotangent_slope(n)[odd::2][::-1]
    value = known(w, (float(first), 0.0))
    for c in others:
        value = total(w, product(w, value, z), known(w, (float(c), 0.0)))
    if odd:
        value = product(w, value, cot)
    return product(w, value, _power(w, known(w, PI), n + 1))


def _polygamma(n: int) -> Callable[[Lines, str], str]:
    """The n-th slope of digamma: infinite at poles."""
    sign = 1.0 if n % 2 else -1.0

    def slope(w: Lines, x: str) -> str:
        size = w.intrinsic("fabs", x)
        is_below = w.compare("olt", x, 0.0)
        inside = clamped(w, size, TINY, 1 / TINY)
        z = select_two(w, is_below, two_sum(w, 1.0, inside), single(w, inside))
        value = product(w, _zeta(w, n + 1, z), known(w, (sign * math.factorial(n), 0.0)))
        turned = total(w, value, _slope_of_cotangent(w, n, inside))
        turned = negative(w, turned) if n % 2 else turned
        out = w.add(*select_two(w, is_below, turned, value))
        tiny, huge = w.compare("olt", size, TINY), w.compare("ogt", x, 1 / TINY)
        ends = w.select(tiny, _over_power(w, x, sign * math.factorial(n), n + 1),
                        _over_power(w, x, sign * math.factorial(n - 1), n))
        out = w.select(w.flag("or", tiny, huge), ends, out)
        out = w.select(w.compare("oeq", x, 0.0), sign * math.inf, out)
        out = w.select(w.compare("oeq", x, math.inf), sign * 0.0, out)
        return at_poles(w, x, sign * math.inf, out)

    return slope


def _over_power(w: Lines, x: str, factor: float, n: int) -> str:
    """factor / x**n, rounded about once, for any finite x but 0."""
    small = w.compare("olt", w.intrinsic("fabs", x), 2.0**-500)
    bits = w.bits(w.mul(x, w.select(small, 2.0**600, 1.0)))
    e = w.whole("sub", w.whole("and", w.whole("ashr", bits, 52), 2047), 1023)
    mantissa = w.from_bits(w.whole("sub", bits, w.whole("shl", e, 52)))
    high, low = _power(w, _inverse(w, single(w, mantissa)), n)
    value = w.fma(high, factor, w.mul(low, factor))
    e = w.whole("mul", w.whole("sub", e, w.select_whole(small, 600, 0)), -n)
    e = w.select_whole(w.compare_whole("sgt", e, 1500), 1500, e)
    return scaled(w, value, w.select_whole(w.compare_whole("slt", e, -1500), -1500, e))


FUNCTIONS: dict[str, Callable[..., str]] = {
    f"polygamma_{n}": _polygamma(n) for n in range(1, HIGHEST + 1)
}
