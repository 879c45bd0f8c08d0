"""Gates of the diagonal.

| gate            | out                                   | x gets                            |
|-----------------|---------------------------------------|-----------------------------------|
| diagonal, trace | the diagonal, its sum                 | dout on the diagonal              |
| diag            | the diagonal, or a matrix that has it | dout on the diagonal, or its own  |
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.batched import shape_of_one, shifting
from chainrule.gates.border import pad
from chainrule.gates.define import gate
from chainrule.gates.keys import dummy, only
from chainrule.gates.move import (
    Bound,
    Shape,
    broadcast_to,
    expand_dims,
    moveaxis,
    shape_of,
    some_axes,
)
from chainrule.gates.shift import tril, triu

_X = np.arange(12.0).reshape(3, 4) - 5


def _on_diagonal(dout: Any, shape: Shape, offset: int, axes: tuple[int, int]) -> Any:
    """Zeros of a shape with dout on the diagonal of two of its axes."""
    *lead, length = shape_of(dout)
    if not length:
        return None
    rank, n, m = len(lead), shape[axes[0]], shape[axes[1]]
    if offset >= 0:  # one number per row, then only the diagonal of the rows kept
        rows = expand_dims(dout, axis=(rank + 1,))
        spread, border = broadcast_to(rows, shape=(*lead, length, m)), (n - length, 0)
    else:
        columns = expand_dims(dout, axis=(rank,))
        spread, border = broadcast_to(columns, shape=(*lead, n, length)), (0, m - length)
    if any(border):
        widths = ((0, 0),) * rank + ((0, border[0]), (0, border[1]))
        spread = pad(spread, pad_width=widths, value=0.0)
    return _diagonal_of(spread, offset, axes)


def _diagonal_of(spread: Any, offset: int, axes: tuple[int, int]) -> Any:
    """The diagonal of the last two axes kept, and these two moved to their places."""
    rank = len(shape_of(spread)) - 2
    kept = tril(triu(spread, k=offset), k=offset)
    if axes == (rank, rank + 1):
        return kept
    return moveaxis(kept, source=(rank, rank + 1), destination=axes)


def _bind_diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Bound:
    shape = shape_of(a)
    if len(shape) < 2:
        raise ShapeError(f"a diagonal is of a matrix, not of shape {list(shape)}")
    axes = some_axes((axis1, axis2), shape, "diagonal")
    return (a,), {"offset": int(offset), "axis1": axes[0], "axis2": axes[1]}


def _bind_trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Bound:
    only({"dtype": dtype, "out": out})
    return _bind_diagonal(a, offset, axis1, axis2)


def _diagonal_code(name: str, attrs: Mapping[str, Any]) -> str:
    values = [attrs["offset"], attrs["axis1"], attrs["axis2"]]
    shown = values if values[1:] != [0, 1] else values[:1] if values[0] else []
    return f"np.{name}({', '.join(['{x}', *map(str, shown)])})"


def _diagonal_type(types: Sequence[Type], **attrs: int) -> Type:
    x = types[0]
    if len(x.shape) < 2:
        raise ShapeError(f"a diagonal is of a matrix, not of shape {list(x.shape)}")
    return Type(np.diagonal(dummy(x.shape), **attrs).shape, x.dtype)


def _trace_type(types: Sequence[Type], **attrs: int) -> Type:
    t = _diagonal_type(types, **attrs)
    return Type(t.shape[:-1], np.dtype(np.int64) if t.dtype.kind in "ib" else t.dtype)


def _trace_back(dout: Any, x: Any, offset: int, axis1: int, axis2: int) -> Any:
    shape, lead = shape_of(x), shape_of(dout)
    if lead:
        dout = expand_dims(dout, axis=(len(lead), len(lead) + 1))
    spread = broadcast_to(dout, shape=(*lead, shape[axis1], shape[axis2]))
    return _diagonal_of(spread, offset, (axis1, axis2))


_DIAGONALS = ({"offset": 0, "axis1": 0, "axis2": 1}, {"offset": 1, "axis1": 0, "axis2": 1},
              {"offset": -1, "axis1": 1, "axis2": 0})

diagonal = gate(
    "diagonal", "x", family="gather", evaluate=np.diagonal, infer=_diagonal_type,
    code=lambda attrs, operands: _diagonal_code("diagonal", attrs), makes_view=True,
    numpy=(np.diagonal,), method="diagonal", bind=_bind_diagonal,
    batch=shifting("axis1", "axis2"),
    vjp=lambda dout, x, out, offset, axis1, axis2: (
        lambda: _on_diagonal(dout, shape_of(x), offset, (axis1, axis2)),
    ),
    words="puts {dout} back on the diagonal of {x}; the rest gets 0",
    samples=((_X,), (np.arange(12.0).reshape(3, 2, 2),)), sample_attrs=_DIAGONALS,
    error_samples=((np.zeros(3),),),
)
trace = gate(
    "trace", "x", family="gather", evaluate=np.trace, infer=_trace_type,
    code=lambda attrs, operands: _diagonal_code("trace", attrs),
    numpy=(np.trace,), bind=_bind_trace, batch=shifting("axis1", "axis2"),
    vjp=lambda dout, x, out, **attrs: (lambda: _trace_back(dout, x, **attrs),),
    words="gives {dout} to every number on the diagonal of {x}; the rest gets 0",
    samples=((_X,), (np.arange(12.0).reshape(3, 2, 2),)), sample_attrs=_DIAGONALS,
    error_samples=((np.zeros(3),),),
)


def _diag_type(types: Sequence[Type], *, k: int) -> Type:
    x = types[0]
    if len(x.shape) not in (1, 2):
        raise ShapeError(f"diag needs a vector or a matrix, not shape {list(x.shape)}")
    return Type(np.diag(dummy(x.shape), k).shape, x.dtype)


def _diag_back(dout: Any, x: Any, k: int) -> Any:
    if len(shape_of(x)) == 1:
        return diagonal(dout, offset=k, axis1=0, axis2=1)
    return _on_diagonal(dout, shape_of(x), k, (0, 1))


def _diag_batch(gate: Gate, many: Any, x: Any, k: int) -> Any:
    shape = shape_of_one(x, True)
    if len(shape) == 2:
        return diagonal(x, offset=k, axis1=1, axis2=2)
    whole = (shape_of(x)[0], *(shape[0] + abs(k),) * 2)
    return _on_diagonal(x, whole, k, (1, 2)) if shape[0] else np.zeros(whole, x.dtype)


diag = gate(
    "diag", "x", family="gather", evaluate=np.diag, infer=_diag_type, makes_view=True,
    code=lambda attrs, operands: f"np.diag({{x}}, {attrs['k']})" if attrs["k"] else "np.diag({x})",
    numpy=(np.diag,), bind=lambda v, k=0: ((v,), {"k": int(k)}), batch=_diag_batch,
    vjp=lambda dout, x, out, k: (lambda: _diag_back(dout, x, k),),
    words="sends the numbers of {dout} back to the places of {x} they came from",
    samples=((np.array([1.0, -2.0, 0.5]),), (_X,)), sample_attrs=({"k": 0}, {"k": 1}, {"k": -2}),
    error_samples=((np.zeros((2, 2, 2)),),),
)
