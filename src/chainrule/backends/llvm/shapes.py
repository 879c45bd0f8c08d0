"""Gates that move numbers, as other views of the same memory where there is one.

What a move does is asked of NumPy once, on an array of places: where its answer shares memory it is
a view, with NumPy's strides; where it copies, the answer is a table of places to read, and 0 says
that nothing was moved there (the border of pad, the other triangle of tril).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.backends.llvm.nests import Shape, View
from chainrule.circuit.record import Kind

LARGEST_TABLE = 1 << 24  # places


def moved(kind: Kind, x: View) -> "View | np.ndarray[Any, Any]":
    """The view that a move gives of x, or a table of places of x counted from 1, 0 for none."""
    span = 1 + sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True) if s > 0)
    low = sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True) if s < 0)
    places = np.arange(1, span - low + 1)
    seen = np.lib.stride_tricks.as_strided(
        places[-low:], x.shape, [s * places.itemsize for s in x.strides]
    )
    found = kind.gate.evaluate(seen, **kind.attrs)
    if isinstance(found, np.ndarray) and np.shares_memory(found, places):
        begin = (_address(found) - _address(places)) // places.itemsize
        strides = _strides([s // places.itemsize for s in found.strides], found.shape)
        return View(x.buffer, found.shape, strides, x.offset + low + begin)
    table = np.asarray(found, np.int64)
    return np.where(table > 0, table + (x.offset + low), 0)


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
