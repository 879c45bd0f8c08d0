"""One gradient against difference quotients: element by element, or along random directions."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.check.compare import SEVERITY, TOLERANCE, Judgement, compare, unchecked
from chainrule.check.differences import Array, slope, widened

ELEMENTS = 32  # arrays up to this size are checked element by element
DIRECTIONS = 4  # larger ones along this many random directions
SEED = 20  # the same directions in every run


def judge(
    function: Callable[[Any], Any], x: Any, gradient: Any, weights: Any,
    tolerance: float = TOLERANCE, cancelling: float = 0.0,
) -> Judgement:
    """The worst judgement on `gradient`, claimed of sum(weights * function(x)) by x.

    gradient: of x's shape, or None for zero. weights: the output's gradient. cancelling: size of
    the products (gradient sent) * (value it is sent to) whose sum may have cancelled.
    """
    x, weights = widened(x), widened(weights)
    eps = _eps(gradient)
    gradient = np.asarray(0.0 if gradient is None else gradient, np.float64)
    if gradient.shape != np.shape(x) and gradient.any():
        note = f"the gradient has shape {list(gradient.shape)}, the variable {list(np.shape(x))}"
        return Judgement(math.nan, math.nan, math.inf, "wrong", note)
    gradient = np.broadcast_to(gradient, np.shape(x))
    if np.size(x) and not np.isfinite(x).any():
        return unchecked(f"its input is {np.ravel(x)[0]}")
    trial = _Trial(function, x, gradient, weights, tolerance, eps, cancelling)
    if np.size(x) <= ELEMENTS:
        return _worst([trial.element(i) for i in range(np.size(x))], np.size(x))
    return _along_directions(trial)


@dataclass(frozen=True, eq=False, slots=True)
class _Trial:
    function: Callable[[Any], Any]
    x: Any
    gradient: Array
    weights: Any
    tolerance: float
    eps: float  # of the dtype the gradient was computed in
    cancelling: float

    def element(self, index: int) -> Judgement:
        """Judge one element of the gradient, by its flat index."""
        along = np.zeros(np.shape(self.x))
        along.flat[index] = 1.0
        size = abs(float(np.ravel(self.x)[index]))
        if not math.isfinite(size):
            return unchecked(f"its input is {np.ravel(self.x)[index]}")
        found = self._along(along, float(self.gradient.flat[index]), size)
        if along.ndim and found.verdict != "good":
            place = [int(i) for i in np.unravel_index(index, along.shape)]
            return replace(found, note=f"at element {place}{found.note and ': ' + found.note}")
        return found

    def direction(self, along: Array) -> Judgement:
        """Judge the gradient's projection on a direction."""
        with np.errstate(invalid="ignore"):
            projected = float(np.sum(self.gradient * along))
        found = self._along(along, projected, 1.0)
        note = "along a random direction" + (found.note and f": {found.note}")
        return found if found.verdict == "good" else replace(found, note=note)

    def _along(self, along: Array, analytic: float, size: float) -> Judgement:
        x: Any = self.x
        step: Any = float(along) if isinstance(x, float) else along  # floats stay floats
        measured = slope(lambda t: self.function(x + t * step), self.weights, size)
        cancelled = max(self.cancelling, measured.total) / (size or 1.0)
        scale = self._mixed(along) + cancelled
        lost = 16 * self.eps * scale
        return replace(compare(analytic, measured, lost, self.tolerance, scale), along=along)

    def _mixed(self, along: Array) -> float:
        """Size of the sums the gradient is part of, which lose digits of their terms."""
        known = np.where(np.isfinite(self.gradient), self.gradient, 0.0)
        least = np.min(np.abs(along[along != 0]))
        return float(max(np.sum(np.abs(known * along)), np.linalg.norm(known) * least))


def _along_directions(trial: "_Trial") -> Judgement:
    """The worst along random directions; where one fails, some elements are looked at singly.

    A step along a wide direction may leave a small element's domain. So when it alone fails, and
    single elements are good, they are believed.
    """
    tried = [trial.direction(d) for d in _directions(trial.x)]
    found = _worst(tried, 0)
    if found.verdict in ("good", "kink"):
        return found
    singled = _worst([trial.element(i) for i in _suspects(trial.gradient, trial.x)], ELEMENTS)
    narrow_are_good = all(j.verdict == "good" for j in tried[1::2])
    return singled if singled.verdict != "good" or narrow_are_good else found


def _eps(gradient: Any) -> float:
    dtype = np.asarray(gradient).dtype
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def _worst(found: list[Judgement], elements: int) -> Judgement:
    """The gravest of several; of equals, the one with the largest error."""
    if not found:
        return unchecked("it has no elements")
    worst = max(found, key=lambda j: (SEVERITY.index(j.verdict), j.error))
    alike = sum(j.verdict == worst.verdict for j in found)
    if worst.verdict == "good" or elements < 2 or alike < 2:
        return worst
    return replace(worst, note=f"{worst.note} (and {alike - 1} more of {elements} elements)")


def _directions(x: Array) -> Iterator[Array]:
    """Random directions, no component near zero; each element moves in proportion to its size.

    Every other one is wide: it moves small elements as much as 1, so that none goes unseen.
    """
    rng = np.random.default_rng(SEED)
    sizes = np.where(np.isfinite(x) & (x != 0), np.abs(x), 1.0)
    for i in range(DIRECTIONS):
        signs = rng.choice([-1.0, 1.0], sizes.shape)
        yield rng.uniform(0.5, 1.5, sizes.shape) * signs * np.maximum(sizes, float(i % 2 == 0))


def _suspects(gradient: Array, x: Array) -> list[int]:
    """Flat indices of up to ELEMENTS elements: not finite ones first, then small, then random."""
    broken = np.flatnonzero(~np.isfinite(gradient))
    smallest = np.argsort(np.abs(x), axis=None)[: ELEMENTS // 2]
    others = np.random.default_rng(SEED).permutation(gradient.size)
    return list(dict.fromkeys([*broken.tolist(), *smallest.tolist(), *others.tolist()]))[:ELEMENTS]
