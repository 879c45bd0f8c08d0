"""Gates that move or relabel numbers without computing: their backward pass moves them back."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.define import gate

Shape = tuple[int, ...]


def shape_of(x: Any) -> Shape:
    """Shape of an array, a handle, or a Python number."""
    shape = getattr(x, "shape", ())
    return tuple(shape)


def _reshaped(types: Sequence[Type], *, shape: Shape) -> Type:
    if math.prod(shape) != types[0].size:
        raise ShapeError(
            f"reshape keeps the number of elements: {list(types[0].shape)} has {types[0].size}, "
            f"{list(shape)} has {math.prod(shape)}"
        )
    return Type(shape, types[0].dtype)


def _bind_reshape(a: Any, shape: Any, *more: int, order: str = "C") -> Any:
    wanted = (shape, *more) if more or isinstance(shape, int) else tuple(shape)
    if -1 in wanted:
        rest = math.prod(n for n in wanted if n != -1)
        filled = math.prod(shape_of(a)) // max(rest, 1)
        wanted = tuple(filled if n == -1 else n for n in wanted)
    if order != "C":
        raise ShapeError(f"reshape is supported in C order, not order={order!r}")
    return (a,), {"shape": tuple(int(n) for n in wanted)}


def _numbers(shape: Shape) -> str:
    return ", ".join(map(str, shape))


reshape: Gate = gate(
    "reshape", "x", family="move", evaluate=np.reshape, infer=_reshaped,
    code=lambda attrs, operands: "np.reshape({x}, (" + _numbers(attrs["shape"]) + ",))"
    if len(attrs["shape"]) == 1 else "np.reshape({x}, (" + _numbers(attrs["shape"]) + "))",
    numpy=(np.reshape,), method="reshape", bind=_bind_reshape, makes_view=True,
    vjp=lambda dout, x, out, shape: (lambda: reshape(dout, shape=shape_of(x)),),
    words="moves {dout} back to the shape of {x}",
    samples=((np.arange(6.0).reshape(2, 3),),), sample_attrs=({"shape": (3, 2)},),
)


def _expanded(types: Sequence[Type], *, axis: Shape) -> Type:
    rank = len(types[0].shape) + len(axis)
    new = {a % rank for a in axis}
    sizes = iter(types[0].shape)
    return Type(tuple(1 if i in new else next(sizes) for i in range(rank)), types[0].dtype)


def _bind_expand(a: Any, axis: Any) -> Any:
    return (a,), {"axis": (axis,) if isinstance(axis, int) else tuple(axis)}


def _one_or_tuple(axis: Shape) -> str:
    return str(axis[0]) if len(axis) == 1 else str(axis)


expand_dims = gate(
    "expand_dims", "x", family="move", evaluate=np.expand_dims, infer=_expanded,
    code=lambda attrs, operands: "np.expand_dims({x}, " + _one_or_tuple(attrs["axis"]) + ")",
    numpy=(np.expand_dims,), bind=_bind_expand, makes_view=True,
    vjp=lambda dout, x, out, axis: (lambda: reshape(dout, shape=shape_of(x)),),
    words="moves {dout} back to the shape of {x}",
    samples=((np.arange(6.0).reshape(2, 3),),), sample_attrs=({"axis": (1,)},),
)
broadcast_to = gate(
    "broadcast_to", "x", family="move", evaluate=np.broadcast_to,
    infer=lambda types, *, shape: Type(shape, types[0].dtype),
    code=lambda attrs, operands: "np.broadcast_to({x}, " + str(attrs["shape"]) + ")",
    numpy=(np.broadcast_to,), makes_view=True,
    bind=lambda x, shape: ((x,), {"shape": (shape,) if isinstance(shape, int) else tuple(shape)}),
    local=lambda x, out, shape: (1,),  # the engine sums over the axes that were spread
    words="copies its input, so {x} gets the sum of {dout} over the copies",
    samples=((np.arange(3.0),),), sample_attrs=({"shape": (2, 3)},),
)


def _transposed(types: Sequence[Type], *, axes: Shape) -> Type:
    return Type(tuple(types[0].shape[a] for a in axes), types[0].dtype)


def _bind_transpose(a: Any, axes: Any = None, *more: int) -> Any:
    if isinstance(axes, int):
        axes = (axes, *more)
    rank = len(shape_of(a))
    order = tuple(range(rank))[::-1] if axes is None else tuple(x % rank for x in axes)
    return (a,), {"axes": order}


def _transpose_code(attrs: Mapping[str, Any], operands: Any) -> str:
    axes = attrs["axes"]
    return "{x}.T" if axes == tuple(range(len(axes)))[::-1] else f"np.transpose({{x}}, {axes})"


transpose: Gate = gate(
    "transpose", "x", family="move", symbol="T",
    evaluate=lambda x, axes: np.transpose(x, axes), infer=_transposed, code=_transpose_code,
    numpy=(np.transpose,), method="transpose", bind=_bind_transpose, makes_view=True,
    vjp=lambda dout, x, out, axes: (
        lambda: transpose(dout, axes=tuple(int(i) for i in np.argsort(axes))),
    ),
    words="moves {dout} back to the order of {x}",
    samples=((np.arange(6.0).reshape(2, 3),),), sample_attrs=({"axes": (1, 0)},),
)


def _cast(x: Any, dtype: str) -> Any:
    return np.asarray(x).astype(dtype)[()]


cast = gate(
    "cast", "x", family="move", evaluate=_cast,
    infer=lambda types, *, dtype: Type(types[0].shape, np.dtype(dtype)),
    code=lambda attrs, operands: "np.asarray({x}, np." + attrs["dtype"] + ")[()]",
    method="astype", bind=lambda x, dtype: ((x,), {"dtype": np.dtype(dtype).name}),
    local=lambda x, out, dtype: (1,),  # the engine casts the gradient back
    words="passes {dout} on in the dtype of {x}",
    samples=((np.arange(3.0),),), sample_attrs=({"dtype": "float64"},),
)
alias = gate(
    "alias", "x", family="move", evaluate=lambda x: x, infer=lambda types: types[0], code="{x}",
    makes_view=True,
    local=lambda x, out: (1,),
    words="is another name for {x}: {dout} passes unchanged",
    samples=((1.5,),),
)
