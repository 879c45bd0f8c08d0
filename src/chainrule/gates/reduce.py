"""Gates that fold axes away."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.define import gate
from chainrule.gates.move import broadcast_to, expand_dims, shape_of

Axis = tuple[int, ...] | None


def reduced_shape(shape: tuple[int, ...], axis: Axis, keepdims: bool) -> tuple[int, ...]:
    """Shape after folding `axis` (None: all of them)."""
    gone = set(range(len(shape))) if axis is None else {a % len(shape) for a in axis}
    if keepdims:
        return tuple(1 if i in gone else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in gone)


def _summed(types: Sequence[Type], *, axis: Axis, keepdims: bool) -> Type:
    (x,) = types
    dtype = np.dtype(np.int64) if x.dtype.kind in "ib" else x.dtype
    return Type(reduced_shape(x.shape, axis, keepdims), dtype)


def bind_reduction(a: Any, axis: Any = None, dtype: Any = None, out: Any = None,
                   keepdims: Any = False) -> Any:
    """NumPy's arguments of a reduction as operands and attrs."""
    if dtype is not None or out is not None:
        raise TypeError("sum of a traced value takes axis and keepdims only")
    rank = len(shape_of(a))
    axes = (axis,) if isinstance(axis, int | np.integer) else axis
    if axes is not None:
        if any(not -rank <= x < rank for x in axes):
            raise ShapeError(f"axis {axis} is out of range for shape {list(shape_of(a))}")
        axes = tuple(sorted(int(x) % rank for x in axes))
    return (a,), {"axis": axes, "keepdims": bool(keepdims)}


def spread(dout: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """Copy each sum's gradient to every number that went into it."""
    if axis is not None and not keepdims and len(axis) < len(shape):
        dout = expand_dims(dout, axis=axis)
    return broadcast_to(dout, shape=shape)


def _sum_code(attrs: Mapping[str, Any], operands: Any) -> str:
    axis, keepdims = attrs["axis"], attrs["keepdims"]
    extra = "" if axis is None else f", axis={axis[0] if len(axis) == 1 else axis}"
    return "np.sum({x}" + extra + (", keepdims=True)" if keepdims else ")")


sum_ = gate(
    "sum", "x", family="reduce",
    evaluate=lambda x, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims),
    infer=_summed, code=_sum_code, numpy=(np.sum,), bind=bind_reduction, method="sum",
    vjp=lambda dout, x, out, axis, keepdims: (
        lambda: spread(dout, shape_of(x), axis, keepdims),
    ),
    words="copies {dout} to every number it added up",
    samples=((np.arange(6.0).reshape(2, 3),),),
    sample_attrs=({"axis": None, "keepdims": False}, {"axis": (0,), "keepdims": False},
                  {"axis": (1,), "keepdims": True}),
)
