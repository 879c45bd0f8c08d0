"""Slopes measured by difference quotients, in float64, each with the doubt it is measured with.

The central difference (f(x + h) - f(x - h)) / 2h errs by about f''' h^2 / 6 from the curve and by
about eps |f| / h from rounding, so no single h serves every function. A ladder of steps

    h = s 2^-10, s 2^-13, s 2^-16, s 2^-19, s 2^-22     (1e-3 ... 2e-7; s = size of x, at least 1)

is measured instead; s is a power of two, which keeps x + h exact for short x. Neighbouring rungs
cancel the h^2 term (Richardson: (64 D(h/8) - D(h)) / 63), and the rung whose answer moves least to
the next one is believed. A second ladder, scaled by x alone, is tried where the first is unsure.

Where every gate on the way is analytic and takes complex numbers, a step i h to the side gives

    imag(f(x + i h)) / h        off by about f''' h^2 / 6, which is nothing: h = s 2^-100

with nothing subtracted, and so with all its digits. What is not analytic, such as abs, may answer
a complex number all the same, and wrongly; so this is believed where the central difference agrees
and is itself sure of a few digits.

One-sided slopes of a smooth function approach each other in proportion to h. Where they do not,
the function has a kink: no single slope exists, and a gradient should lie between the two.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Along = Callable[[Any], Any]  # step -> the output, that step away along a fixed direction

RUNGS = tuple(2.0**-k for k in (10, 13, 16, 19, 22))
SIDEWAYS = 2.0**-100  # its square is nothing beside 1, and it is far from underflow
CONFIRMED = 1e-2  # doubt of a central difference that can confirm a complex step
SHRINK = 64.0  # (ratio of neighbouring rungs) ** 2: what the h^2 term falls by
SURE = 1e-9  # doubt, relative to max(1, |slope|), below which no second ladder is tried
ARRIVING = "the gradient arriving"
Method = Literal["central", "complex-step", ""]
VISIBLE = 1e-6  # a kink is reported when its slopes differ by more than this, relatively


@dataclass(frozen=True, slots=True)
class Slope:
    """A measured derivative: the value, how far it may be off, and the slopes on either side.

    total: sum(|weights * output|). problem: why there is no number, or "".
    """

    value: float
    doubt: float
    left: float
    right: float
    is_kink: bool = False
    total: float = 0.0
    problem: str = ""
    by: Method = "central"


def widened(value: Any) -> Any:
    """The same numbers in float64; Python floats stay as they are, integers and booleans too."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f":
        return np.asarray(value, np.float64)[()]
    return value


def central(f: Callable[[float], float], x: float, h: float = 1e-5) -> float:
    """(f(x + h) - f(x - h)) / 2h with h scaled by max(1, |x|): one rung, as in textbooks."""
    h *= max(1.0, abs(x))
    return (f(x + h) - f(x - h)) / (2 * h)


def slope(along: Along, weights: Any = 1.0, size: float = 1.0) -> Slope:
    """Derivative of sum(weights * along(t)) at t = 0.

    weights: gradient of the output, of its shape. size: magnitude of what is moved.
    """
    with np.errstate(all="ignore"):
        centre = along(0.0)
        best = _ladder(along, centre, weights, max(1.0, size), size)
        if best.doubt > SURE * max(1.0, abs(best.value)) and 0 < size < 0.5:
            closer = _ladder(along, centre, weights, size, size)
            best = min(closer, best, key=lambda s: s.doubt)
        best = replace(best, total=_total(weights, centre))
        return _sideways(along, weights, max(size, 2.0**-600), best)


def _sideways(along: Along, weights: Any, size: float, central: Slope) -> Slope:
    """The slope by a complex step, where one can be taken and the central difference agrees."""
    sure = central.doubt <= VISIBLE * max(1.0, abs(central.value))
    if central.problem or central.is_kink or not sure:
        return central
    h = SIDEWAYS * 2.0 ** math.ceil(math.log2(size))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # a cast to real numbers
            value = float(np.sum(weights * np.imag(along(1j * h)))) / h
    except Exception:  # gates refuse complex numbers in ways of their own
        return central
    agrees = abs(value - central.value) <= 4 * central.doubt + SURE * abs(central.value)
    if not (agrees and central.doubt <= CONFIRMED * abs(value)):
        return central
    doubt = 8 * float(np.finfo(np.float64).eps) * abs(value)
    return replace(central, value=value, left=value, right=value, doubt=doubt, by="complex-step")


def _ladder(along: Along, centre: Any, weights: Any, scale: float, size: float) -> Slope:
    scale = 2.0 ** math.ceil(math.log2(scale))
    steps = np.array(RUNGS) * scale
    outputs = [(along(h), along(-h)) for h in steps.tolist()]
    two_sided = np.array([_change(weights, up, down) for up, down in outputs]) / (2 * steps)
    right = np.array([_change(weights, up, centre) for up, _ in outputs]) / steps
    left = np.array([_change(weights, centre, down) for _, down in outputs]) / steps
    if not np.isfinite(two_sided[-2:]).all() or (not two_sided.any() and _broken(centre).size):
        return _nothing(centre, weights)
    up, down = map(np.asarray, outputs[0])
    moved = (up != centre) | (down != centre)
    noise = 2 * _eps(centre) * (_total(weights * moved, centre) + abs(two_sided[-1]) * size) / steps
    found = _most_settled(two_sided, noise)
    jump = np.abs(right - left)
    visible = VISIBLE * max(1.0, abs(right[-1]), abs(left[-1])) + 4 * noise[-1]
    if jump[-1] > visible and jump[-1] > 0.5 * jump[-2]:  # smooth: an eighth
        return replace(found, left=float(left[-1]), right=float(right[-1]), is_kink=True)
    if _grows(two_sided) and visible < abs(two_sided[-1]):  # as 1 / h does: the value jumps
        far = math.copysign(math.inf, two_sided[-1])
        return replace(found, left=min(0.0, far), right=max(0.0, far), is_kink=True)
    return found


def _grows(slopes: Array) -> bool:
    """True where each slope is about as much larger than the one before as its step is smaller."""
    return bool(np.all(np.abs(slopes[1:]) > 6 * np.abs(slopes[:-1])) and slopes[0])


def _change(weights: Any, to: Any, start: Any) -> float:
    """sum(weights * (to - start)); an infinity or nan that stays the same has not changed."""
    to, start = np.asarray(to, np.float64), np.asarray(start, np.float64)
    moved = (to != start) & ~(np.isnan(to) & np.isnan(start))
    return float(np.sum(np.where(moved, weights * (to - start), 0.0)))


def _eps(values: Any) -> float:
    dtype = np.asarray(values).dtype
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0


def _total(weights: Any, outputs: Any) -> float:
    """sum(|weights * outputs|), of the finite ones."""
    sizes = np.abs(weights * np.asarray(outputs, np.float64))
    return float(np.sum(sizes[np.isfinite(sizes)]))


def _most_settled(two_sided: Array, noise: Array) -> Slope:
    """The Richardson value that differs least from its neighbour one rung down."""
    values = (SHRINK * two_sided[1:] - two_sided[:-1]) / (SHRINK - 1)
    neighbours = np.append(values[1:], two_sided[-2])
    doubts = 4 * np.abs(values - neighbours) + noise[1:]
    at = int(np.nanargmin(doubts))
    value = float(values[at])
    return Slope(value, float(doubts[at]), value, value)


def _broken(values: Any) -> Array:
    """The numbers among `values` that are infinite or nan."""
    values = np.asarray(values, np.float64)
    return values[~np.isfinite(values)]  # type: ignore[no-any-return]  # numpy stubs


def _nothing(centre: Any, weights: Any) -> Slope:
    """No number: say whether a value itself is at fault, or only what lies around it."""
    problem = "values close by are not finite"
    for name, values in ((ARRIVING, weights), ("its value", centre)):
        if broken := _broken(values).tolist():
            problem = f"{name} is {broken[0]}"
    return Slope(math.nan, math.inf, math.nan, math.nan, problem=problem)
