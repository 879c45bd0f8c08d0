"""Gates that move numbers, as other views of the same memory where there is one.

What a move does is asked of NumPy once, on an array of places: where its answer shares memory it
is a view, with NumPy's strides; where it copies, the answer is a table of places to read. Asked a
second time with all places shifted, what did not shift was not moved there: the border of pad, the
other triangle of tril.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.backends.llvm.nests import Shape, View
from chainrule.circuit.record import Gate, Kind
from chainrule.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Table:
    """Where each number comes from: a place of the buffer counted from 1, or 0 for the filling."""

    places: Any
    filling: float


def moved(kind: Kind, x: View) -> View | Table:
    """What a move makes of x: a view of the same buffer, or a table of its places."""
    span = 1 + sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True) if s > 0)
    low = sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True) if s < 0)
    places = np.arange(1, span - low + 1)
    span -= low
    seen = np.lib.stride_tricks.as_strided(
        places[-low:] if low else places, x.shape, [s * places.itemsize for s in x.strides]
    )
    found = kind.gate.evaluate(seen, **kind.attrs)
    if isinstance(found, np.ndarray) and np.shares_memory(found, places):
        begin = (_address(found) - _address(places)) // places.itemsize
        strides = _strides([s // places.itemsize for s in found.strides], found.shape)
        return View(x.buffer, found.shape, strides, x.offset + low + begin)
    table = np.asarray(found)
    was_moved = np.asarray(kind.gate.evaluate(seen + span, **kind.attrs)) == table + span
    fillings = set(np.ravel(kind.gate.evaluate(seen * 0.0, **kind.attrs)[~was_moved]).tolist())
    if len(fillings) > 1:
        raise UnsupportedError(f"machine code fills with one number: {kind.gate.name}")
    return Table(np.where(was_moved, table + (x.offset + low), 0), *(fillings or {0.0}))


_RESHAPING = ("reshape", "ravel", "expand_dims", "squeeze", "atleast_1d", "atleast_2d")


def only_reshapes(gate: Gate) -> bool:
    """True for moves that leave the numbers in their order."""
    return gate.name in _RESHAPING


def _address(x: Any) -> int:
    return int(x.__array_interface__["data"][0])


def _strides(strides: Sequence[int], shape: Shape) -> Shape:
    return tuple(0 if n == 1 else s for s, n in zip(strides, shape, strict=True))


def collapsed(shape: Shape, views: Sequence[View]) -> tuple[Shape, list[View]]:
    """Fewer axes for the same places: axes of one number dropped, neighbours joined where every
    view steps from one to the next as within one."""
    kept = [i for i, n in enumerate(shape) if n != 1]
    sizes: list[int] = []
    strides: list[list[int]] = []  # per axis, of each view
    for i in kept:
        here = [v.strides[i] for v in views]
        if sizes and strides[-1] == [s * shape[i] for s in here]:
            sizes[-1] *= shape[i]
            strides[-1] = here
        else:
            sizes.append(shape[i])
            strides.append(here)
    new = tuple(sizes)
    return new, [
        replace(v, shape=new, strides=tuple(s[n] for s in strides)) for n, v in enumerate(views)
    ]
