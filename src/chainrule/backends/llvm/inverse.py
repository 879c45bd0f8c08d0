"""Lengths and angles: hypot, cbrt, arctan, arctan2, arcsin and arccos.

    angle of (x, y), both >= 0: turned back by the nearest of 0, atan 1/2, atan 1, atan 3/2, pi / 2
                                to a slope below 7/16, whose arctan is a polynomial
    arctan x     angle of (1, x)
    arcsin x     angle of (root(1 - x**2), x); arccos x  angle of (x, root(1 - x**2))
    hypot, cbrt  a root and one step of Newton's method, its remainder exact

Largest errors found against mpmath, in units in the last place: hypot 0.50, cbrt 0.60,
arctan 0.61, arctan2 0.61, arcsin 0.68, arccos 0.62.
Coefficients: interpolation at Chebyshev nodes in 80 digits, rounded.
Source: derived here.
"""

import math
from collections.abc import Callable

from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.math import SMALLEST_NORMAL
from chainrule.backends.llvm.twofold import Two, polynomial, quick_sum, root, square, two_sum

# (atan(t) / t - 1) / t**2 by t**2 up to (7/16)**2
ARCTAN = (
    -0.3333333333333333, 0.19999999999999407, -0.1428571428556615, 0.11111111096587765,
    -0.09090908353049669, 0.07692285488764959, -0.06666240859375785, 0.05876935496530156,
    -0.05216607416782575, 0.04491963714911859, -0.033121323310557324, 0.014766421553716417,
)
PI, PI_REST = 3.141592653589793, 1.2246467991473532e-16
# from this slope on: turn back by the angle of (1, turn), which is this sum
TURNS = (
    (7 / 16, 0.5, 0.4636476090008061, 2.2698777452961687e-17),
    (11 / 16, 1.0, PI / 4, PI_REST / 4),
    (19 / 16, 1.5, 0.982793723247329, 1.3903311031230998e-17),
)
STEEP = 39 / 16


def _angle(w: Lines, y: Two, x: Two) -> Two:
    """The angle of (x, y) in 0..pi/2, for finite x, y >= 0 that are not both 0."""
    across: str | float = 1.0  # the point turned is (across x + turn y, across y - turn x)
    turn: str | float = 0.0
    high: str | float = 0.0
    low: str | float = 0.0
    for slope, *values in TURNS:
        beyond = w.compare("oge", y[0], w.mul(x[0], slope))
        turn, high, low = (
            w.select(beyond, new, old) for new, old in zip(values, (turn, high, low), strict=True)
        )
    beyond = w.compare("oge", y[0], w.mul(x[0], STEEP))
    values = [0.0, 1.0, PI / 2, PI_REST / 2]
    across, turn, high, low = (
        w.select(beyond, new, old)
        for new, old in zip(values, (across, turn, high, low), strict=True)
    )
    back = w.neg(turn)
    top = w.fma(back, x[0], w.mul(across, y[0]))
    top_low = w.fma(back, x[1], w.mul(across, y[1]))
    base = w.fma(turn, y[0], w.mul(across, x[0]))
    base_low = w.fma(turn, y[1], w.mul(across, x[1]))
    t = w.div(top, base)
    rest = w.add(w.fma(w.neg(t), base, top), w.fma(w.neg(t), base_low, top_low))
    z = w.mul(t, t)
    tail = w.fma(w.mul(t, z), polynomial(w, z, ARCTAN), w.div(rest, base))
    angle, lost = quick_sum(w, high, t)
    return angle, w.add(lost, w.add(tail, low))


def arctan(w: Lines, x: str) -> str:
    """The angle of (1, x), between -pi/2 and pi/2."""
    size = w.intrinsic("fabs", x)
    y = w.select(w.compare("ogt", size, 2.0**100), 2.0**100, size)
    high, low = _angle(w, (y, w.number(0.0)), (w.number(1.0), w.number(0.0)))
    value = w.select(w.compare("olt", size, 2.0**-30), size, w.add(high, low))
    return w.intrinsic("copysign", value, x)


def arctan2(w: Lines, y: str, x: str) -> str:
    """The angle of (x, y), between -pi and pi, with C's choice at zeros and infinities."""
    tall, wide = w.intrinsic("fabs", y), w.intrinsic("fabs", x)
    tall_end, wide_end = (w.compare("oeq", size, math.inf) for size in (tall, wide))
    ends = w.flag("or", tall_end, wide_end)
    tall = w.select(ends, w.select(tall_end, 1.0, 0.0), tall)
    wide = w.select(ends, w.select(wide_end, 1.0, 0.0), wide)
    larger = w.select(w.compare("ogt", tall, wide), tall, wide)
    scale = w.select(w.compare("ogt", larger, 2.0**900), 2.0**-120, 1.0)
    scale = w.select(w.compare("olt", larger, 2.0**-800), 2.0**120, scale)
    wide = w.select(w.compare("oeq", larger, 0.0), 1.0, wide)
    zero = w.number(0.0)
    high, low = _angle(w, (w.mul(tall, scale), zero), (w.mul(wide, scale), zero))
    value = w.intrinsic("copysign", _turned(w, x, high, low), y)
    return w.select(w.compare("uno", x, y), math.nan, value)


def _turned(w: Lines, x: str, high: str, low: str) -> str:
    """The angle, or pi less the angle where x has a minus sign."""
    other, lost = two_sum(w, PI, w.neg(high))
    other = w.add(other, w.add(lost, w.sub(w.number(PI_REST), low)))
    is_left = w.compare_whole("slt", w.bits(x), 0)
    return w.select(is_left, other, w.add(high, low))


def _other_side(w: Lines, x: str) -> Two:
    """root(1 - x**2) for |x| <= 1."""
    z, z_low = square(w, x)
    top, lost = quick_sum(w, 1.0, w.neg(z))
    return root(w, quick_sum(w, top, w.sub(lost, z_low)))


def arcsin(w: Lines, x: str) -> str:
    """The angle whose sine is x; nan beyond 1."""
    size = w.intrinsic("fabs", x)
    high, low = _angle(w, (size, w.number(0.0)), _other_side(w, size))
    value = w.select(w.compare("olt", size, 2.0**-30), size, w.add(high, low))
    return w.intrinsic("copysign", value, x)


def arccos(w: Lines, x: str) -> str:
    """The angle whose cosine is x; nan beyond 1."""
    size = w.intrinsic("fabs", x)
    return _turned(w, x, *_angle(w, _other_side(w, size), (size, w.number(0.0))))


# ---- roots


def hypot(w: Lines, x: str, y: str) -> str:
    """root(x**2 + y**2), scaled so that no square overflows; inf beside nan is inf."""
    x, y = w.intrinsic("fabs", x), w.intrinsic("fabs", y)
    is_larger = w.compare("ogt", x, y)
    larger, smaller = w.select(is_larger, x, y), w.select(is_larger, y, x)
    is_big, is_small = w.compare("ogt", larger, 2.0**500), w.compare("olt", larger, 2.0**-400)
    scale = w.select(is_big, 2.0**-600, w.select(is_small, 2.0**600, 1.0))
    back = w.select(is_big, 2.0**600, w.select(is_small, 2.0**-600, 1.0))
    a, a_low = square(w, w.mul(larger, scale))
    b, b_low = square(w, w.mul(smaller, scale))
    top, lost = quick_sum(w, a, b)
    high, low = root(w, (top, w.add(lost, w.add(a_low, b_low))))
    value = w.mul(w.add(high, low), back)
    infinite = w.flag("or", w.compare("oeq", x, math.inf), w.compare("oeq", y, math.inf))
    return w.select(infinite, math.inf, value)


CBRT_BITS = 715094163 << 32  # two thirds of the bias, so that bits / 3 begin within 6 %


def cbrt(w: Lines, x: str) -> str:
    """The cube root: a third of the exponent, then four steps of Newton's method."""
    size = w.intrinsic("fabs", x)
    small, large = w.compare("olt", size, SMALLEST_NORMAL), w.compare("ogt", size, 2.0**1000)
    size = w.mul(size, w.select(small, 2.0**54, w.select(large, 2.0**-54, 1.0)))
    r = w.from_bits(w.whole("add", w.whole("sdiv", w.bits(size), 3), CBRT_BITS))
    for _ in range(4):
        r = w.sub(r, w.div(w.sub(r, w.div(w.div(size, r), r)), 3.0))
    z, z_low = square(w, r)
    cube = w.mul(z, r)
    rest = w.add(w.sub(cube, size), w.fma(z_low, r, w.fma(z, r, w.neg(cube))))
    value = w.sub(r, w.div(w.div(rest, z), 3.0))
    value = w.mul(value, w.select(small, 2.0**-18, w.select(large, 2.0**18, 1.0)))
    flat = w.flag("or", w.compare("oeq", size, 0.0), w.compare("oeq", size, math.inf))
    value = w.intrinsic("copysign", w.select(flat, size, value), x)
    return w.select(w.compare("uno", x, x), x, value)


FUNCTIONS: dict[str, Callable[..., str]] = {
    "hypot": hypot, "cbrt": cbrt, "arctan": arctan, "arctan2": arctan2,
    "arcsin": arcsin, "arccos": arccos,
}
