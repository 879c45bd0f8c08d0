"""Picking by index arrays, as places that follow from the loops and from the indices.

    place = offset + sum over axes of stride * loop + sum over index arrays of stride * index

How a gate picks is asked of NumPy: it is evaluated on an array of places, with all indices 0, with
each of them 1 or -1, and with each varied along each of its axes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backends.llvm.nests import Shape
from chainrule.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Index:
    """One index array: how far one place is from the next, how many there are, and for each axis
    of the output the array's own axis that goes along it, or None."""

    stride: int
    size: int
    axes: tuple[int | None, ...]

    def along(self, own: Shape) -> Shape:
        """The index array's strides along the axes of the output."""
        return tuple(0 if a is None else own[a] for a in self.axes)


@dataclass(frozen=True, slots=True)
class Picking:
    """Where a gate picks from an array in row-major order."""

    shape: Shape
    strides: Shape
    offset: int
    picks: tuple[Index, ...]


def picking(
    pick: Callable[..., Any], shape: Shape, indices: Sequence[Shape]
) -> Picking | None:
    """How a function picks from arrays of a shape; None where it picks nothing."""
    places = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
    zeros = [np.zeros(s, np.int64) for s in indices]
    if not places.size:
        return None
    start = np.asarray(pick(places, *zeros))
    if not start.size:
        return None
    strides = tuple(_difference(start, axis) for axis in range(start.ndim))
    found = [_pick(pick, places, zeros, start, k) for k in range(len(indices))]
    return Picking(start.shape, strides, int(start.flat[0]), tuple(found))


def _difference(table: Any, axis: int) -> int:
    if table.shape[axis] < 2:
        return 0
    first = table[(0,) * table.ndim]
    return int(table[tuple(int(a == axis) for a in range(table.ndim))] - first)


def _pick(
    pick: Callable[..., Any], places: Any, zeros: Sequence[Any], start: Any, k: int
) -> Index:
    def with_index(index: Any) -> Any:
        given = [index if i == k else z for i, z in enumerate(zeros)]
        return np.asarray(pick(places, *given)) - start

    try:
        stride = int(with_index(np.ones_like(zeros[k])).flat[0])
    except (IndexError, ShapeError):  # one place only
        return Index(0, 1, (None,) * start.ndim)
    size = 1 + int(with_index(np.full_like(zeros[k], -1)).flat[0]) // stride
    axes: list[int | None] = [None] * start.ndim
    for own, count in enumerate(zeros[k].shape):
        if count > 1:
            index = np.zeros_like(zeros[k])
            index[(slice(None),) * own + (1,)] = 1
            moved = with_index(index) != 0
            (along,) = (a for a in range(start.ndim)
                        if np.any(moved != np.take(moved, [0], axis=a)))
            axes[along] = own
    return Index(stride, size, tuple(axes))
