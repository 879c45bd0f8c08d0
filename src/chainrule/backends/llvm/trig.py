"""sin, cos and tan: x less the nearest multiple of pi / 2, then polynomials within pi / 4.

The multiple is taken off as three doubles, which leaves the rest to about 70 bits for |x| up to
1e9. Beyond that, as for inf and nan, the C library's own `sin`, `cos` and `tan` are called.

Largest errors found against mpmath, in units in the last place: sin 0.72, cos 0.67, tan 0.75
(within 1e9).
Coefficients: interpolation at Chebyshev nodes in 80 digits, rounded.
Source: derived here; a reduction of this kind is named after Cody and Waite.
"""

from collections.abc import Callable

from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.math import ROUND, ROUND_BITS
from chainrule.backends.llvm.twofold import (
    Two,
    negative,
    polynomial,
    quick_sum,
    quotient,
    select_two,
    two_sum,
)

BOTH = "sin_and_cos"  # the name of the function that gives a pair
LARGEST = 1e9
SMALL = 2.0**-28  # below it, sin and tan are x to half a unit
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
PI = (3.141592653589793, 1.2246467991473532e-16)
PER_HALF_PI = 0.6366197723675814

# (sin(r) / r - 1) / r**2 and (cos(r) - 1 + r**2 / 2) / r**4, by r**2 up to (pi / 4)**2
SIN = (
    -0.16666666666666666, 0.008333333333333331, -0.00019841269841265063,
    2.7557319219337312e-06, -2.5052106231802837e-08, 1.6058531516797758e-10,
    -7.58669109419786e-13,
)
COS = (
    0.041666666666666664, -0.0013888888888888887, 2.4801587301584645e-05,
    -2.755731922140179e-07, 2.0876755790721963e-09, -1.1470460830795196e-11,
    4.7458685530762326e-14,
)


def _reduced(w: Lines, x: str) -> tuple[Two, str]:
    """x = n pi / 2 + r with |r| <= pi / 4: r and n."""
    rounded = w.fma(x, PER_HALF_PI, ROUND)
    n = w.sub(rounded, ROUND)
    r = w.fma(n, -HALF_PI[0], x)  # exact: both are multiples of 2**-53, and |r| < 1
    p = w.mul(n, HALF_PI[1])
    high, low = two_sum(w, r, w.neg(p))
    p_low = w.fma(n, HALF_PI[1], w.neg(p))
    low = w.sub(low, w.fma(n, HALF_PI[2], p_low))
    return quick_sum(w, high, low), w.whole("sub", w.bits(rounded), ROUND_BITS)


def _sin(w: Lines, r: Two) -> Two:
    """sin(r) = r + r**3 s(r**2), its derivative 1 - r**2 / 2 for the low part."""
    z = w.mul(r[0], r[0])
    low = w.fma(w.mul(z, -0.5), r[1], r[1])
    return quick_sum(w, r[0], w.fma(w.mul(r[0], z), polynomial(w, z, SIN), low))


def _cos(w: Lines, r: Two) -> Two:
    """cos(r) = 1 - r**2 / 2 + r**4 c(r**2), its derivative -r for the low part."""
    z = w.mul(r[0], r[0])
    z_low = w.fma(r[0], r[0], w.neg(z))
    top, lost = quick_sum(w, 1.0, w.mul(z, -0.5))
    low = w.sub(lost, w.fma(r[0], r[1], w.mul(z_low, 0.5)))
    return quick_sum(w, top, w.fma(w.mul(z, z), polynomial(w, z, COS), low))


def half_turns(w: Lines, x: str) -> tuple[Two, Two]:
    """sin(pi x) and cos(pi x) for x >= 0, without error beside that of the polynomials."""
    n = w.intrinsic("rint", w.add(x, x))
    r = w.sub(x, w.mul(n, 0.5))  # exact: quarters of a turn left, half a quarter at most
    high = w.mul(r, PI[0])
    rest = quick_sum(w, high, w.fma(r, PI[1], w.fma(r, PI[0], w.neg(high))))
    s, c = _sin(w, rest), _cos(w, rest)
    odd = _is_odd_real(w, n)
    sine, cosine = select_two(w, odd, c, s), select_two(w, odd, negative(w, s), c)
    back = _is_odd_real(w, w.intrinsic("floor", w.mul(n, 0.5)))
    return select_two(w, back, negative(w, sine), sine), select_two(
        w, back, negative(w, cosine), cosine
    )


def _is_odd_real(w: Lines, n: str) -> str:
    half = w.mul(n, 0.5)
    return w.compare("une", w.intrinsic("floor", half), half)


def is_odd(w: Lines, n: str) -> str:
    """A flag: a whole number is odd."""
    return w.compare_whole("ne", w.whole("and", n, 1), 0)


def waves(w: Lines, s: Two, c: Two, n: str, sign: int, *shifts: int) -> list[str]:
    """sin(r + (n + shift) pi / 2) for each shift, by sin(r) and cos(r); `sign` bits lie above 2."""
    found = []
    for shift in shifts:
        turns = w.whole("add", n, shift)
        odd = is_odd(w, turns)
        high, low = (w.select(odd, *two) for two in zip(c, s, strict=True))
        flipped = w.whole("shl", w.whole("and", turns, 2), sign)  # the bit of 2 becomes the sign
        found.append(w.from_bits(w.whole("xor", w.bits(w.add(high, low)), flipped)))
    return found


def _waves(w: Lines, x: str, *shifts: int) -> list[str]:
    r, n = _reduced(w, x)
    return waves(w, _sin(w, r), _cos(w, r), n, 62, *shifts)


def sin(w: Lines, x: str) -> str:
    """The sine of x radians."""
    return _near_or_far(w, x, lambda: _or_itself(w, x, *_waves(w, x, 0)), "sin")


def cos(w: Lines, x: str) -> str:
    """The cosine of x radians."""
    return _near_or_far(w, x, lambda: _waves(w, x, 1)[0], "cos")


def tan(w: Lines, x: str) -> str:
    """The tangent of x radians: sin / cos, or -cos / sin an odd number of quarters on."""
    return _near_or_far(w, x, lambda: _or_itself(w, x, _slope(w, x)), "tan")


def sin_and_cos(w: Lines, x: str) -> str:
    """Both as a pair, each with the bits it has by itself."""

    def near() -> str:
        s, c = _waves(w, x, 0, 1)
        return w.pair(_or_itself(w, x, s), c)

    return _near_or_far(w, x, near, "sin", "cos")


def _slope(w: Lines, x: str) -> str:
    r, n = _reduced(w, x)
    s, c, odd = _sin(w, r), _cos(w, r), is_odd(w, n)
    top = w.select(odd, w.neg(c[0]), s[0]), w.select(odd, w.neg(c[1]), s[1])
    base = w.select(odd, s[0], c[0]), w.select(odd, s[1], c[1])
    return w.add(*quotient(w, top, base))


def _or_itself(w: Lines, x: str, value: str) -> str:
    return w.select(w.compare("olt", w.intrinsic("fabs", x), SMALL), x, value)


def _near_or_far(w: Lines, x: str, near: Callable[[], str], *names: str) -> str:
    """Our own value up to LARGEST, the C library's beyond; only the one taken is computed."""

    def far() -> str:
        return w.pair(*(w.one_by_one(n, x) if w.lanes else w.library(n, x) for n in names))

    is_near = w.compare("ole", w.intrinsic("fabs", x), LARGEST)
    every = w.holds_for_all(is_near) if w.lanes else is_near
    return w.either(every, near, far, len(names))


FUNCTIONS: dict[str, Callable[..., str]] = {"sin": sin, "cos": cos, "tan": tan}
