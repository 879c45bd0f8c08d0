"""Two numbers compared: what was claimed, and what was measured.

The error of a gradient a against the measured n, known to within a doubt u, is

    error = |a - n| / max(|a|, |n|, u / tolerance)

so that "error <= tolerance" says: they agree to `tolerance` of the larger, or to within the doubt.
A gradient of 1e-8 is thus held to its own digits, as far as differences can see them; a doubt
above ROUGH says that they see too little to tell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.check.differences import Array, Method, Slope

Word = Literal["good", "wrong", "kink", "unchecked"]
SEVERITY: tuple[Word, ...] = ("good", "kink", "unchecked", "wrong")

TOLERANCE = 1e-6  # float64; lower precisions are held to 1000 of their own eps (float32: 1.2e-4)
ROUGH = 1e-3  # relative to max(1, |a|, |n|)


@dataclass(frozen=True, eq=False, slots=True)
class Judgement:
    """What was claimed, what was measured, and whether they agree along one direction.

    The gradient of an array stands for many numbers; `along` is the direction judged.
    """

    analytic: float
    numeric: float
    error: float
    verdict: Word
    note: str = ""
    along: Array | None = None
    by: Method = ""  # how the number was measured, where it was


def tolerance_for(dtypes: "list[np.dtype[Any]]", tolerance: float) -> float:
    """The tolerance to hold values of these dtypes to: that of the least precise one."""
    eps = max((float(np.finfo(d).eps) for d in dtypes if d.kind == "f"), default=0.0)
    return max(tolerance, min(1000 * eps, 0.05))


def compare(
    analytic: float, measured: Slope, lost: float, tolerance: float, scale: float = 0.0
) -> Judgement:
    """The judgement on one number. lost: what rounding may have taken from the analytic one.

    scale: size of what was added up; an exact measurement is compared relative to that.
    """
    numeric = measured.value
    if measured.problem:
        return unchecked(measured.problem, analytic)
    if not math.isfinite(analytic):
        return Judgement(analytic, numeric, math.inf, "wrong", "it is not a number to go by")
    doubt = measured.doubt + lost
    if measured.is_kink:
        return _at_kink(analytic, measured, doubt, tolerance)
    error = _error(analytic, numeric, doubt, tolerance)
    if error > tolerance:
        note = how_they_differ(analytic, numeric)
        return Judgement(analytic, numeric, error, "wrong", note, by=measured.by)
    if measured.doubt > max(ROUGH, tolerance) * max(1.0, abs(analytic), abs(numeric)):
        why = f"central differences are only sure to {measured.doubt:.1g}"
        return unchecked(why, analytic, numeric)
    if measured.by == "complex-step" and (largest := max(abs(analytic), abs(numeric), scale)):
        error = min(error, abs(analytic - numeric) / largest)
    return Judgement(analytic, numeric, error, "good", by=measured.by)


def _error(analytic: float, numeric: float, doubt: float, tolerance: float) -> float:
    size = max(abs(analytic), abs(numeric), doubt / tolerance)
    return abs(analytic - numeric) / size if size else 0.0


def _at_kink(analytic: float, measured: Slope, doubt: float, tolerance: float) -> Judgement:
    """At a kink any gradient between the slopes on either side is a fair one."""
    low, high = sorted((measured.left, measured.right))
    nearest = min(max(analytic, low), high)
    error = _error(analytic, nearest, doubt, tolerance)
    slopes = f"the slope is {measured.left:.6g} on the left and {measured.right:.6g} on the right"
    if error > tolerance:
        note = f"not differentiable here: {slopes}, and {analytic:.6g} is not between them"
        return Judgement(analytic, measured.value, error, "wrong", note)
    note = f"not differentiable here: {slopes}; {analytic:.6g} lies between them"
    return Judgement(analytic, measured.value, error, "kink", note)


def agree(one: Any, other: Any, tolerance: float, terms: Sequence[Any] = ()) -> Judgement:
    """The judgement on two gradients computed in different ways, at the element farthest apart.

    terms: what was added up, when it may be larger than the sum.
    """
    a, n = np.broadcast_arrays(np.asarray(one, np.float64), np.asarray(other, np.float64))
    if a.size == 0:
        return unchecked("it has no elements")
    with np.errstate(invalid="ignore"):
        apart = np.where((a == n) | (np.isnan(a) & np.isnan(n)), 0.0, np.abs(a - n))
    at = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    first, second = float(a.flat[at]), float(n.flat[at])
    size = max(_largest(x) for x in (a, n, *terms))
    error = float(apart.flat[at]) / size if apart.flat[at] else 0.0
    if error <= tolerance:
        return Judgement(first, second, error, "good")
    return Judgement(first, second, error, "wrong", how_they_differ(first, second))


def _largest(x: Any) -> float:
    finite = np.abs(np.asarray(x, np.float64))
    return float(np.max(finite[np.isfinite(finite)], initial=0.0))


def how_they_differ(analytic: float, numeric: float) -> str:
    """In what way a wrong gradient is wrong: nothing sent, sign flipped, a factor, or an amount."""
    if not (math.isfinite(analytic) and math.isfinite(numeric)):
        return "one of them is not finite"
    if analytic == 0:
        return "nothing is sent"
    if abs(numeric) < 1e-9 * abs(analytic):
        return "nothing should be sent"
    factor = analytic / numeric
    if abs(factor + 1) < 1e-6:
        return "the sign is flipped"
    for whole in (factor, 1 / factor):
        if abs(whole - round(whole)) < 1e-6 * abs(whole) and 1 < abs(whole) < 1e4:
            word = "large" if whole is factor else "small"
            sign = " and of the other sign" if whole < 0 else ""
            return f"{abs(round(whole))} times too {word}{sign}"
    return f"off by {analytic - numeric:.6g}"


def unchecked(why: str, analytic: float = math.nan, numeric: float = math.nan) -> Judgement:
    return Judgement(analytic, numeric, 0.0, "unchecked", f"cannot be checked: {why}")
