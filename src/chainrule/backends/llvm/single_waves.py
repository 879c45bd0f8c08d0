"""sin, cos and tan of singles, computed in singles up to 1e5; beyond, through doubles (trig.py).

x less the nearest multiple of pi / 2, taken off as three singles, then polynomials within pi / 4.

Largest errors over all sizes, in units in the last place: sin 0.73, cos 0.75, tan 0.89.
Coefficients: scripts/coefficients.py.
"""

from collections.abc import Callable

from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.single import ROUND, ROUND_BITS
from chainrule.backends.llvm.trig import is_odd, waves
from chainrule.backends.llvm.twofold import Two, polynomial, quick_sum, quotient, two_sum

LARGEST = 1e5
SMALL = 2.0**-13  # below it, sin and tan are x to half a unit
HALF_PI = (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15)
PER_HALF_PI = 0.6366197723675814

# (sin(r) / r - 1) / r**2 and (cos(r) - 1 + r**2 / 2) / r**4, by r**2 up to 0.8**2
SIN = (
    -0.16666667, 0.008333332, -0.00019839997, 2.7238455e-06,
)
COS = (
    0.041666668, -0.0013888888, 2.4800525e-05, -2.7291384e-07,
)


def _reduced(w: Lines, x: str) -> tuple[Two, str]:
    """x = n pi / 2 + r with |r| at most a little above pi / 4: r and n."""
    rounded = w.fma(x, PER_HALF_PI, ROUND)
    n = w.sub(rounded, ROUND)
    r = w.fma(n, -HALF_PI[0], x)  # exact: both are multiples of 2**-24, and |r| < 1
    p = w.mul(n, HALF_PI[1])
    high, low = two_sum(w, r, w.neg(p))
    low = w.sub(low, w.fma(n, HALF_PI[2], w.fma(n, HALF_PI[1], w.neg(p))))
    return quick_sum(w, high, low), w.whole("sub", w.bits(rounded), ROUND_BITS)


def _sin(w: Lines, r: Two) -> Two:
    z = w.mul(r[0], r[0])
    low = w.fma(w.mul(z, -0.5), r[1], r[1])
    return r[0], w.fma(w.mul(r[0], z), polynomial(w, z, SIN), low)


def _cos(w: Lines, r: Two) -> Two:
    z = w.mul(r[0], r[0])
    z_low = w.fma(r[0], r[0], w.neg(z))
    top, lost = quick_sum(w, 1.0, w.mul(z, -0.5))
    low = w.sub(lost, w.fma(r[0], r[1], w.mul(z_low, 0.5)))
    return top, w.fma(w.mul(z, z), polynomial(w, z, COS), low)


def _waves(w: Lines, x: str, *shifts: int) -> list[str]:
    r, n = _reduced(w, x)
    return waves(w, _sin(w, r), _cos(w, r), n, 30, *shifts)


def _slope(w: Lines, x: str) -> str:
    r, n = _reduced(w, x)
    s, c, odd = quick_sum(w, *_sin(w, r)), quick_sum(w, *_cos(w, r)), is_odd(w, n)
    top = w.select(odd, w.neg(c[0]), s[0]), w.select(odd, w.neg(c[1]), s[1])
    base = w.select(odd, s[0], c[0]), w.select(odd, s[1], c[1])
    return w.add(*quotient(w, top, base))


def sin(w: Lines, x: str) -> str:
    """The sine of x radians."""
    return _near_or_far(w, x, lambda: [_or_itself(w, x, *_waves(w, x, 0))], "sin")


def cos(w: Lines, x: str) -> str:
    """The cosine of x radians."""
    return _near_or_far(w, x, lambda: _waves(w, x, 1), "cos")


def tan(w: Lines, x: str) -> str:
    """The tangent of x radians: sin / cos, or -cos / sin an odd number of quarters on."""
    return _near_or_far(w, x, lambda: [_or_itself(w, x, _slope(w, x))], "tan")


def sin_and_cos(w: Lines, x: str) -> str:
    """Both as a pair, each with the bits it has by itself."""

    def near() -> list[str]:
        s, c = _waves(w, x, 0, 1)
        return [_or_itself(w, x, s), c]

    return _near_or_far(w, x, near, "sin", "cos")


def _or_itself(w: Lines, x: str, value: str) -> str:
    return w.select(w.compare("olt", w.intrinsic("fabs", x), SMALL), x, value)


def _near_or_far(w: Lines, x: str, near: Callable[[], list[str]], *names: str) -> str:
    """Our own values up to LARGEST, by doubles beyond; only those taken are computed.

    Where any lane is beyond, every lane is chosen from both, so that no number depends on others.
    """

    def far() -> str:
        pairs = zip(near(), names, strict=True)
        return w.pair(*(w.select(is_near, v, w.through_doubles(n, x)) for v, n in pairs))

    is_near = w.compare("ole", w.intrinsic("fabs", x), LARGEST)
    every = w.holds_for_all(is_near) if w.lanes else is_near
    return w.either(every, lambda: w.pair(*near()), far, len(names))


FUNCTIONS: dict[str, Callable[..., str]] = {"sin": sin, "cos": cos, "tan": tan}
