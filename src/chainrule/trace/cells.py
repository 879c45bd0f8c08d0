"""Cells: memory that a function made and writes to, and the traced arrays that share it.

`y[1] = v` records one stage that gives a new version of y, and changes y's memory in place, so that
n writes cost what they do in NumPy. The cell of y knows what shares that memory:

    y = np.zeros_like(x)        base
    v = y[1:3]                  a view: the base through the gates that made it
    v[0] = 5                    a write to the base, at place 1: where v's strides say it lies
    y * v                       v is stale, and read again from the base when it is used

An older version's numbers may be needed backward: `y * w` keeps y. The rows recorded since are
looked at once, in order; where one of them needs more of the memory than its shape, the next write
copies first. All other readers cost as much as the copy, so the whole stays linear. A cell's first
write copies as well: from then on its memory is its own.
"""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chainrule.circuit.record import CONSTANT, INPUT, KINDS, Gate

Step = tuple[Gate, Mapping[str, Any]]
LEAVES = (INPUT, CONSTANT)
MOVING = frozenset({"move", "gather", "scatter"})  # of their first input they need the shape alone


class Cell:
    """One memory: its newest version, and what reads it.

    base and fresh: weak references to the traced arrays, the views as long as they are up to date.
    """

    def __init__(self, wire: int, value: Any, base: Any) -> None:
        self.wire = wire
        self.value = value  # an array, or a value of an older trace that stands for one
        self.base = base
        self.is_own = False  # nobody else has this memory, and no row needs its numbers
        self.fresh: list[Any] = []

    def memory(self, steps: Sequence[Step]) -> Any:
        """The plain array that a view is of this memory."""
        array = plain(self.value)
        for gate, attrs in steps:
            array = gate.evaluate(array, **attrs)
        return array


class Share:
    """What a traced array has of a cell: all of it, or what some gates make of it."""

    def __init__(self, cell: Cell, steps: tuple[Step, ...] = ()) -> None:
        self.cell: Final = cell
        self.steps: Final = steps


def note_view(made: Any, of: Any, gate: Gate, attrs: Mapping[str, Any]) -> None:
    """Note that a new traced value is a view of another, if it is and that may be written to."""
    if not np.may_share_memory(plain(made.value), plain(of.value)):
        return
    share = of.share
    if share is None:
        if KINDS[of.trace.row(of.wire)[0]].gate in LEAVES:
            return
        share = of.share = Share(Cell(of.wire, of.value, weakref.ref(of)))
    made.share = Share(share.cell, (*share.steps, (gate, attrs)))
    share.cell.fresh.append(weakref.ref(made))


def plain(value: Any) -> Any:
    """The number or array behind a value, through all traces."""
    while hasattr(value, "wire"):
        value = value.value
    return value


def note_reads(
    row: int, kind: int, operands: Sequence[int], sharing: dict[int, Cell]
) -> None:
    """Look at a row recorded since: which cells it needs as they are now."""
    gate = KINDS[kind].gate
    for position, wire in enumerate(operands):
        cell = sharing.get(wire)
        if cell is None:
            continue
        if position == 0 and gate.makes_view:
            if KINDS[kind].type.shape:  # a number picked is a copy
                sharing[row] = cell
        elif gate.family not in MOVING or position > (gate.change is not None):
            cell.is_own = False  # of what is written, too, the shape alone is needed


# ---- where a view lies in its base


def is_same_memory(one: Any, other: Any) -> bool:
    """True where two arrays are the same numbers in the same order."""
    return (
        isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        and _start(one) == _start(other) and one.shape == other.shape
        and one.strides == other.strides
    )


def is_basic(key: Any) -> bool:
    """True for keys of integers, slices, None and `...`: what they pick is a view."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None or part is Ellipsis
        or (isinstance(part, slice | int | np.integer) and not isinstance(part, bool))
        for part in parts
    )


def picked(view: Any, key: Any) -> Any:
    """The part of a view that a basic key picks, as a view even where it is one number."""
    parts = key if isinstance(key, tuple) else (key,)
    return view[parts if any(part is Ellipsis for part in parts) else (*parts, ...)]


def key_of(base: Any, part: Any) -> tuple[Any, ...]:
    """The key by which a base, without gaps, picks a part of its memory.

    Of integers and slices, axes of size 1 left out, where the part is a box of the base with its
    axes in order; else of index arrays.
    """
    strides = [s // base.itemsize for s in base.strides]
    starts = _indices(base, strides, (_start(part) - _start(base)) // base.itemsize)
    key: list[Any] = [int(i) for i in starts]
    free = sorted(range(base.ndim), key=lambda axis: -strides[axis])
    free = [axis for axis in free if base.shape[axis] > 1]
    taken: list[int] = []
    for count, step in zip(part.shape, (s // base.itemsize for s in part.strides), strict=True):
        if count == 1:
            continue
        axis = next((a for a in free if not step % strides[a] and 0 <= key[a] + (count - 1) * (
            step // strides[a]) < base.shape[a]), None)
        if axis is None or (taken and axis < taken[-1]):
            return tuple(_indices(base, strides, _offsets(base, part)))
        free.remove(axis)
        taken.append(axis)
        key[axis] = _slice(key[axis], count, step // strides[axis])
    return tuple(key)


def arrays_of(base: Any, view: Any, key: Any) -> tuple[Any, ...]:
    """The index arrays by which a base picks what a key with arrays picks of a view."""
    strides = [s // base.itemsize for s in base.strides]
    return tuple(_indices(base, strides, np.asarray(_offsets(base, view)[key])))


def _start(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _slice(start: int, count: int, step: int) -> slice:
    stop = start + (count - 1) * step + (1 if step > 0 else -1)
    return slice(start, stop if stop >= 0 else None, None if step == 1 else step)


def _offsets(base: Any, part: Any) -> Any:
    """Per number of the part, how many numbers it lies behind the start of the base."""
    found = np.full(part.shape, (_start(part) - _start(base)) // base.itemsize, np.intp)
    for axis, (count, stride) in enumerate(zip(part.shape, part.strides, strict=True)):
        along = np.arange(count) * (stride // base.itemsize)
        found += along.reshape((-1,) + (1,) * (part.ndim - axis - 1))
    return found


def _indices(base: Any, strides: Sequence[int], offset: Any) -> list[Any]:
    """The place along each axis of a base without gaps that lies so many numbers on."""
    return [
        offset // stride % count if count > 1 else offset * 0
        for stride, count in zip(strides, base.shape, strict=True)
    ]
