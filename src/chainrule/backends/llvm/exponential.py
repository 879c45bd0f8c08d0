"""Relatives of exp and log, through sums of two doubles where a plain formula would lose digits.

    expm1     2**n exp(r) - 1, the subtraction exact
    exp2      2**n exp(r ln 2), n the nearest whole number
    log1p     log of 1 + x with what the sum lost; log2, log10: log times a constant
    softplus  max(x, 0) + log(1 + exp(-|x|))
    logaddexp max(x, y) + log(1 + exp(-|x - y|)); where the terms cancel, the error is below one
              unit in the last place of the larger, and so of no fixed number of places of the sum

Largest errors found against mpmath, in units in the last place: expm1 0.95, exp2 0.74, log1p 0.63,
log2 0.50, log10 0.50, softplus 1.04, logaddexp 0.53 (of the larger of its inputs and output).
"""

import math
from collections.abc import Callable

from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.math import (
    LN2,
    LN2_REST,
    ROUND,
    ROUND_BITS,
    exp_of_rest,
    exp_two,
    log_of_two,
    log_two,
    scaled,
    two_to,
)
from chainrule.backends.llvm.twofold import Two, product, quick_sum, two_sum

TINY = 2.0**-54  # below it, 1 + x rounds to 1
PER_LN2 = (1.4426950408889634, 2.0355273740931033e-17)
PER_LN10 = (0.4342944819032518, 1.098319650216765e-17)


def clamped(w: Lines, x: str, least: float, most: float) -> str:
    """x between two bounds; nan passes."""
    below = w.select(w.compare("ogt", x, most), most, x)
    return w.select(w.compare("olt", below, least), least, below)


def expm1(w: Lines, x: str) -> str:
    """e ** x - 1. Half of it is computed, so that it overflows only at the end."""
    (high, low), n = exp_two(w, clamped(w, x, -64.0, 710.0))
    half = two_to(w, w.whole("sub", n, 1))
    top, lost = two_sum(w, w.mul(high, half), -0.5)
    value = w.add(top, w.fma(low, half, lost))
    return w.select(w.compare("olt", w.intrinsic("fabs", x), TINY), x, w.add(value, value))


def exp2(w: Lines, x: str) -> str:
    """2 ** x."""
    x = clamped(w, x, -1100.0, 1100.0)
    rounded = w.add(x, ROUND)
    r = w.sub(x, w.sub(rounded, ROUND))
    high = w.mul(r, LN2)
    low = w.fma(r, LN2_REST, w.fma(r, LN2, w.neg(high)))
    top, rest = exp_of_rest(w, high, low)
    return scaled(w, w.add(top, rest), w.whole("sub", w.bits(rounded), ROUND_BITS))


def log1p(w: Lines, x: str) -> str:
    """log(1 + x): -inf at -1, nan below."""
    high, low = log_of_two(w, two_sum(w, 1.0, x))
    value = w.select(w.compare("olt", w.intrinsic("fabs", x), TINY), x, w.add(high, low))
    return at_ends(w, w.add(x, 1.0), value)


def at_ends(w: Lines, x: str, value: str) -> str:
    """What a logarithm is at x = 0, below it, at infinity and for nan; else the value."""
    value = w.select(w.compare("oeq", x, math.inf), math.inf, value)
    value = w.select(w.compare("oeq", x, 0.0), -math.inf, value)
    value = w.select(w.compare("olt", x, 0.0), math.nan, value)
    return w.select(w.compare("uno", x, x), x, value)


def _log_times(factor: tuple[float, float]) -> Callable[[Lines, str], str]:
    """The logarithm to another base; whole where it should be."""

    def log(w: Lines, x: str) -> str:
        high, low = product(w, log_two(w, x), (w.number(factor[0]), w.number(factor[1])))
        return at_ends(w, x, w.add(high, low))

    return log


def softplus(w: Lines, x: str) -> str:
    """log(1 + exp(x))."""
    above = w.select(w.compare("olt", x, 0.0), 0.0, x)
    return _above(w, above, (w.neg(w.intrinsic("fabs", x)), w.number(0.0)))


def logaddexp(w: Lines, x: str, y: str) -> str:
    """log(exp(x) + exp(y)), and x where it equals y = inf or -inf."""
    is_larger = w.compare("ogt", x, y)
    larger, smaller = w.select(is_larger, x, y), w.select(is_larger, y, x)
    value = _above(w, larger, two_sum(w, smaller, w.neg(larger)))
    infinite = w.compare("oeq", w.intrinsic("fabs", larger), math.inf)
    value = w.select(infinite, larger, value)
    return w.select(w.compare("uno", x, y), math.nan, value)


def _above(w: Lines, larger: str, below: Two) -> str:
    """larger + log(1 + exp(below)) for below <= 0; exp(below) alone where that is all there is."""
    lowest = w.compare("olt", below[0], -746.0)
    x, rest = w.select(lowest, -746.0, below[0]), w.select(lowest, 0.0, below[1])
    (high, low), n = exp_two(w, x)
    e, e_low = scaled(w, high, n), scaled(w, w.fma(rest, high, low), n)
    top, lost = quick_sum(w, 1.0, e)
    value = log_of_two(w, (top, w.add(lost, e_low)))
    is_tiny = w.compare("olt", e, TINY)
    single = scaled(w, w.add(high, w.fma(rest, high, low)), n)  # rounded once, subnormal or not
    high, low = w.select(is_tiny, single, value[0]), w.select(is_tiny, 0.0, value[1])
    total, lost = two_sum(w, larger, high)
    infinite = w.compare("oeq", larger, math.inf)
    return w.select(infinite, math.inf, w.add(total, w.add(lost, low)))


FUNCTIONS: dict[str, Callable[..., str]] = {
    "expm1": expm1, "exp2": exp2, "log1p": log1p, "log2": _log_times(PER_LN2),
    "log10": _log_times(PER_LN10), "softplus": softplus, "logaddexp": logaddexp,
}
