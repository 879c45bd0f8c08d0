"""Gates that move or relabel numbers without computing: their backward pass moves them back.

| gate                     | out                                  | x gets                       |
|--------------------------|--------------------------------------|------------------------------|
| reshape, ravel           | the same numbers in another shape    | dout in the shape of x       |
| expand_dims, squeeze     | axes of size 1 more, or fewer        | dout in the shape of x       |
| atleast_1d, atleast_2d   | axes of size 1 in front, if missing  | dout in the shape of x       |
| broadcast_to             | copies                               | the sum over the copies      |
| transpose                | axes in another order                | dout, axes in their order    |
| swapaxes, moveaxis       | one or two axes elsewhere            | dout, axes moved back        |
| cast, alias, copy        | x in another dtype, or as it is      | dout                         |
| stop_gradient            | x                                    | nothing                      |
| full_like, full          | one number everywhere                | nothing                      |
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_METHOD, BY_NUMPY, Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.batched import (
    as_it_stands,
    flat,
    reshaped,
    shifted,
    shifting,
    with_ones,
)
from chainrule.gates.define import gate

Shape = tuple[int, ...]
Bound = tuple[Any, ...]  # (operands, attrs), or (another gate, operands, attrs)
Bind = Callable[..., Bound]


def shape_of(x: Any) -> Shape:
    """Shape of an array, a handle, or a Python number."""
    shape = getattr(x, "shape", ())
    return tuple(shape)


def one_axis(axis: Any, shape: Shape, gate_name: str) -> int:
    """An axis counted from the front; ShapeError where there is none."""
    if not isinstance(axis, int | np.integer):
        raise TypeError(f"axis must be a whole number, not {axis!r}")
    rank = len(shape)
    if not -rank <= axis < rank:
        raise ShapeError(f"{gate_name}: axis {axis} is out of range for shape {list(shape)}")
    return int(axis) % rank


def some_axes(axis: Any, shape: Shape, gate_name: str) -> Shape:
    """One axis or several, each counted from the front."""
    several = axis if isinstance(axis, tuple | list) else (axis,)
    found = tuple(one_axis(a, shape, gate_name) for a in several)
    if len(set(found)) != len(found):
        raise ShapeError(f"{gate_name}: axis {axis} names one axis twice, of {list(shape)}")
    return found


def tuple_text(numbers: Sequence[Any]) -> str:
    """A tuple as source, one number as itself."""
    return str(numbers[0]) if len(numbers) == 1 else str(tuple(numbers))


def joined_dtype(types: Sequence[Type]) -> "np.dtype[Any]":
    """The dtype of functions that make arrays of all they get, Python's numbers too."""
    return np.result_type(*(t.dtype for t in types))


def names_of(count: int) -> str:
    """Names of so many inputs: x, y, z, or x1, x2 ... where there are more."""
    return " ".join("xyz"[:count] if count <= 3 else (f"x{n + 1}" for n in range(count)))


# ---- gates chosen by their arguments


def chosen(
    gate: Gate, operands: Sequence[Any], **attrs: Any
) -> Bound:
    """What a `bind` gives when its arguments decide on another gate."""
    return gate, operands, attrs


def entry(bind: Bind, *functions: Callable[..., Any], method: str | None = None) -> None:
    """Let NumPy functions mean whatever gate `bind` chooses."""
    stand_in = Gate(**{**vars(alias), "bind": bind})
    for function in functions:
        BY_NUMPY[function] = stand_in
    if method is not None:
        BY_METHOD[method] = stand_in


# ---- the same numbers in another shape


def _reshaping(name: str, **fields: Any) -> Gate:
    """A gate that only changes the shape: going back, the old shape is all that matters."""
    fields.setdefault("makes_view", True)
    return gate(
        name, "x", family="move", passes_mask=True,
        vjp=lambda dout, x, out, **_: (lambda: reshape(dout, shape=shape_of(x)),),
        words="moves {dout} back to the shape of {x}", **fields,
    )


def _reshaped(types: Sequence[Type], *, shape: Shape) -> Type:
    if math.prod(shape) != types[0].size:
        raise ShapeError(
            f"reshape keeps the number of elements: {list(types[0].shape)} has {types[0].size}, "
            f"{list(shape)} has {math.prod(shape)}"
        )
    return Type(shape, types[0].dtype)


def _bind_reshape(a: Any, shape: Any, *more: int, order: str = "C") -> Bound:
    several = isinstance(shape, tuple | list)
    wanted = (*shape,) if several else (shape, *more)
    if -1 in wanted:
        rest = math.prod(n for n in wanted if n != -1)
        filled = math.prod(shape_of(a)) // max(rest, 1)
        wanted = tuple(filled if n == -1 else n for n in wanted)
    if order != "C":
        raise TypeError(f"reshape is supported in C order, not order={order!r}")
    return (a,), {"shape": tuple(int(n) for n in wanted)}


def _reshape_code(attrs: Mapping[str, Any], operands: Any) -> str:
    shape = attrs["shape"]
    if not shape:
        return "np.reshape({x}, ())[()]"
    return f"np.reshape({{x}}, {tuple_text(shape)})"


reshape: Gate = _reshaping(
    "reshape", evaluate=lambda x, shape: np.reshape(x, shape)[()], infer=_reshaped,
    code=_reshape_code, numpy=(np.reshape,), method="reshape", bind=_bind_reshape,
    batch=lambda gate, many, x, shape: reshaped(x, True, shape),
    samples=((np.arange(6.0).reshape(2, 3),),),
    sample_attrs=({"shape": (3, 2)}, {"shape": (6,)}),
    error_samples=((np.zeros((2, 2)),),),
)


def _bind_ravel(a: Any, order: str = "C") -> Bound:
    if order != "C":
        raise TypeError(f"in C order only, not order={order!r}")
    return (a,), {}


ravel: Gate = _reshaping(
    "ravel", evaluate=np.ravel, infer=lambda types: Type((types[0].size,), types[0].dtype),
    code="np.ravel({x})", numpy=(np.ravel,), method="ravel", bind=_bind_ravel,
    batch=lambda gate, many, x: flat(x, True),
    samples=((np.arange(6.0).reshape(2, 3),), (1.5,)),
)
flatten = _reshaping(
    "flatten", evaluate=lambda x: np.array(x).ravel(),
    infer=lambda types: Type((types[0].size,), types[0].dtype), code="np.array({x}).ravel()",
    method="flatten", bind=_bind_ravel, makes_view=False,
    batch=lambda gate, many, x: flat(copy(x, order="C"), True),
    samples=((np.arange(6.0).reshape(2, 3),),),
)


def _expanded(types: Sequence[Type], *, axis: Shape) -> Type:
    rank = len(types[0].shape) + len(axis)
    new = {a % rank for a in axis}
    sizes = iter(types[0].shape)
    return Type(tuple(1 if i in new else next(sizes) for i in range(rank)), types[0].dtype)


def _bind_expand(a: Any, axis: Any) -> Bound:
    count = len(axis) if isinstance(axis, tuple | list) else 1
    new_shape = (1,) * count + shape_of(a)
    return (a,), {"axis": some_axes(axis, new_shape, "expand_dims")}


expand_dims = _reshaping(
    "expand_dims", evaluate=np.expand_dims, infer=_expanded,
    code=lambda attrs, operands: "np.expand_dims({x}, " + tuple_text(attrs["axis"]) + ")",
    numpy=(np.expand_dims,), bind=_bind_expand, batch=shifting("axis"),
    samples=((np.arange(6.0).reshape(2, 3),),), sample_attrs=({"axis": (1,)},),
)


def _squeezed(types: Sequence[Type], *, axis: Shape) -> Type:
    shape = types[0].shape
    if any(a >= len(shape) or shape[a] != 1 for a in axis):
        raise ShapeError(f"squeeze drops axes of size 1: axis {tuple_text(axis)} of {list(shape)}")
    return Type(tuple(n for i, n in enumerate(shape) if i not in axis), types[0].dtype)


def _bind_squeeze(a: Any, axis: Any = None) -> Bound:
    shape = shape_of(a)
    if axis is None:
        axis = tuple(i for i, n in enumerate(shape) if n == 1)
    return (a,), {"axis": some_axes(axis, shape, "squeeze")}


squeeze = _reshaping(
    "squeeze", evaluate=lambda x, axis: np.squeeze(x, axis)[()], infer=_squeezed,
    code=lambda attrs, operands: "np.squeeze({x}, " + tuple_text(attrs["axis"]) + ")",
    numpy=(np.squeeze,), method="squeeze", bind=_bind_squeeze, batch=shifting("axis"),
    samples=((np.arange(6.0).reshape(2, 1, 3),),), sample_attrs=({"axis": (1,)},),
    error_samples=((np.zeros((2, 3)),),),
)


def _at_least(rank: int, function: Callable[..., Any]) -> Gate:
    name = function.__name__
    return _reshaping(
        name, evaluate=function,
        infer=lambda types: Type(
            (1,) * (rank - len(types[0].shape)) + types[0].shape, types[0].dtype
        ),
        code=f"np.{name}({{x}})", numpy=(function,), bind=lambda x: ((x,), {}),
        batch=lambda gate, many, x: with_ones(x, rank + 1 - len(x.shape)),
        samples=((1.5,), (np.arange(3.0),), (np.arange(6.0).reshape(2, 3),)),
    )


atleast_1d = _at_least(1, np.atleast_1d)
atleast_2d = _at_least(2, np.atleast_2d)


def _broadcast(types: Sequence[Type], *, shape: Shape) -> Type:
    try:
        fits = np.broadcast_shapes(types[0].shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"cannot broadcast {list(types[0].shape)} to {list(shape)}")
    return Type(shape, types[0].dtype)


broadcast_to = gate(
    "broadcast_to", "x", family="move", passes_mask=True, evaluate=np.broadcast_to,
    infer=_broadcast,
    code=lambda attrs, operands: "np.broadcast_to({x}, " + str(attrs["shape"]) + ")",
    numpy=(np.broadcast_to,), makes_view=True,
    bind=lambda x, shape: ((x,), {"shape": (shape,) if isinstance(shape, int) else tuple(shape)}),
    batch=lambda gate, many, x, shape: gate(
        with_ones(x, len(shape) + 1 - len(x.shape)), shape=(x.shape[0], *shape)
    ),
    local=lambda x, out, shape: (1,),  # the engine sums over the axes that were spread
    words="copies its input, so {x} gets the sum of {dout} over the copies",
    samples=((np.arange(3.0),),), sample_attrs=({"shape": (2, 3)},),
    error_samples=((np.zeros(2),),),
)


# ---- axes in another order


def _transposed(types: Sequence[Type], *, axes: Shape) -> Type:
    return Type(tuple(types[0].shape[a] for a in axes), types[0].dtype)


def _bind_transpose(a: Any, axes: Any = None, *more: int) -> Bound:
    if isinstance(axes, int):
        axes = (axes, *more)
    shape = shape_of(a)
    if axes is None:
        return (a,), {"axes": tuple(range(len(shape)))[::-1]}
    order = some_axes(tuple(axes), shape, "transpose")
    if len(order) != len(shape):
        raise ShapeError(f"transpose names every axis once: {axes} for shape {list(shape)}")
    return (a,), {"axes": order}


def _transpose_code(attrs: Mapping[str, Any], operands: Any) -> str:
    axes = attrs["axes"]
    return "{x}.T" if axes == tuple(range(len(axes)))[::-1] else f"np.transpose({{x}}, {axes})"


transpose: Gate = gate(
    "transpose", "x", family="move", passes_mask=True, symbol="T",
    evaluate=lambda x, axes: np.transpose(x, axes), infer=_transposed, code=_transpose_code,
    numpy=(np.transpose,), method="transpose", bind=_bind_transpose, makes_view=True,
    batch=lambda gate, many, x, axes: gate(x, axes=(0, *shifted(axes))),
    vjp=lambda dout, x, out, axes: (
        lambda: transpose(dout, axes=tuple(int(i) for i in np.argsort(axes))),
    ),
    words="moves {dout} back to the order of {x}",
    samples=((np.arange(6.0).reshape(2, 3),),), sample_attrs=({"axes": (1, 0)},),
)


def type_by(function: Callable[..., Any]) -> Callable[..., Type]:
    """The type rule of a NumPy function of shapes alone: asked about an array without memory."""

    def infer(types: Sequence[Type], **attrs: Any) -> Type:
        x = np.broadcast_to(np.zeros((), np.bool_), types[0].shape)
        return Type(function(x, **attrs).shape, types[0].dtype)

    return infer


_CUBE = np.arange(24.0).reshape(2, 3, 4)


def _bind_swap(a: Any, axis1: Any, axis2: Any) -> Bound:
    axes = sorted(one_axis(axis, shape_of(a), "swapaxes") for axis in (axis1, axis2))
    return (a,), {"axis1": axes[0], "axis2": axes[1]}


swapaxes: Gate = gate(
    "swapaxes", "x", family="move", passes_mask=True, evaluate=np.swapaxes,
    infer=type_by(np.swapaxes),
    code=lambda attrs, operands: f"np.swapaxes({{x}}, {attrs['axis1']}, {attrs['axis2']})",
    numpy=(np.swapaxes,), method="swapaxes", bind=_bind_swap, makes_view=True,
    batch=shifting("axis1", "axis2"),
    vjp=lambda dout, x, out, axis1, axis2: (
        lambda: swapaxes(dout, axis1=axis1, axis2=axis2),
    ),
    words="swaps the same two axes of {dout} back",
    samples=((_CUBE,),), sample_attrs=({"axis1": 0, "axis2": 2},),
)


def _bind_moveaxis(a: Any, source: Any, destination: Any) -> Bound:
    pairs = [some_axes(axis, shape_of(a), "moveaxis") for axis in (source, destination)]
    if len(pairs[0]) != len(pairs[1]):
        raise ShapeError(f"moveaxis needs as many destinations as sources: {source}, {destination}")
    return (a,), {"source": pairs[0], "destination": pairs[1]}


moveaxis: Gate = gate(
    "moveaxis", "x", family="move", passes_mask=True, evaluate=np.moveaxis,
    infer=type_by(np.moveaxis),
    code=lambda attrs, operands: "np.moveaxis({x}, "
    + f"{tuple_text(attrs['source'])}, {tuple_text(attrs['destination'])})",
    numpy=(np.moveaxis,), bind=_bind_moveaxis, makes_view=True,
    batch=shifting("source", "destination"),
    vjp=lambda dout, x, out, source, destination: (
        lambda: moveaxis(dout, source=destination, destination=source),
    ),
    words="moves the axes of {dout} back to where {x} has them",
    samples=((_CUBE,),),
    sample_attrs=({"source": (0,), "destination": (2,)},
                  {"source": (0, 1), "destination": (2, 0)}),
)


# ---- the same numbers under another name


def _cast(x: Any, dtype: str) -> Any:
    return np.asarray(x).astype(dtype)[()]


cast = gate(
    "cast", "x", family="move", passes_mask=True, evaluate=_cast,
    infer=lambda types, *, dtype: Type(types[0].shape, np.dtype(dtype)),
    code=lambda attrs, operands: "np.asarray({x}, np." + attrs["dtype"] + ")[()]",
    makes_view=True,  # its source does, where the dtype is the same
    method="astype", bind=lambda x, dtype: ((x,), {"dtype": np.dtype(dtype).name}),
    batch=as_it_stands,
    local=lambda x, out, dtype: (1,),  # the engine casts the gradient back
    words="passes {dout} on in the dtype of {x}",
    samples=((np.arange(3.0),),), sample_attrs=({"dtype": "float64"},),
)
alias = gate(
    "alias", "x", family="move", passes_mask=True, evaluate=lambda x: x,
    infer=lambda types: types[0], code="{x}", makes_view=True, batch=as_it_stands,
    local=lambda x, out: (1,),
    words="is another name for {x}: {dout} passes unchanged",
    samples=((1.5,),),
)
stop_gradient = gate(
    "stop_gradient", "x", family="move", evaluate=lambda x: x, infer=lambda types: types[0],
    code="{x}", makes_view=True, batch=as_it_stands,
    words="lets {x} through and stops {dout}: nothing flows back",
    samples=((1.5,), (np.arange(3.0),)),
)
def _copy_code(attrs: Mapping[str, Any], operands: Any) -> str:
    return "{x}.copy()" if attrs["order"] == "C" else "np.copy({x})"


copy: Gate = gate(
    "copy", "x", family="move", passes_mask=True,
    evaluate=lambda x, order: np.array(x, order=order)[()],  # as later views find it in memory
    infer=lambda types, *, order: Type(types[0].shape, types[0].dtype),
    code=_copy_code, number_code="{x}", batch=as_it_stands,
    numpy=(np.copy,), bind=lambda a, order="K": ((a,), {"order": order}),
    local=lambda x, out, order: (1,),
    words="is {x} in memory of its own: {dout} passes unchanged",
    samples=((np.arange(6.0).reshape(2, 3),),), sample_attrs=({"order": "K"}, {"order": "C"}),
)
entry(lambda a, order="C": chosen(copy, (a,), order=order), method="copy")


# ---- arrays of one number


def _filled_text(shape: str, like: str, attrs: Mapping[str, Any]) -> str:
    value, dtype = attrs["value"], attrs["dtype"]
    name = {"0": "zeros", "0.0": "zeros", "1": "ones", "1.0": "ones", "True": "ones"}.get(
        repr(value), "full"  # -0.0 is no zero to print
    )
    inside = [shape] if name != "full" else [shape, repr(value)]
    if dtype is not None and (like or dtype != "float64"):
        inside.append("bool" if dtype == "bool" else f"np.{dtype}")
    return f"np.{name}{like}({', '.join(inside)})"


full_like: Gate = gate(
    "full_like", "x", family="move", reads_shape=True, batch=as_it_stands,
    evaluate=lambda x, value, dtype: np.full_like(x, value, dtype, subok=False),
    infer=lambda types, *, value, dtype: Type(types[0].shape, np.dtype(dtype or types[0].dtype)),
    code=lambda attrs, operands: _filled_text("{x}", "_like", attrs),
    quick_code=lambda attrs, operands: _filled_text("{x}", "_like", attrs).replace(
        "np.zeros_like({x})", "quick.zeros_like({x})"
    ),
    words="gives numbers of its own in the shape of {x}: nothing flows back",
    samples=((np.arange(6.0).reshape(2, 3),),),
    sample_attrs=({"value": 0, "dtype": None}, {"value": 1, "dtype": "bool"},
                  {"value": 2.5, "dtype": None}, {"value": 0, "dtype": "float32"}),
)
full: Gate = gate(
    "full", "x", family="move", reads_shape=True,  # x only says which trace records
    evaluate=lambda x, shape, value, dtype: np.full(shape, value, dtype),
    batch=lambda gate, many, x, shape, value, dtype: gate(
        x, shape=(x.shape[0], *shape), value=value, dtype=dtype
    ),
    infer=lambda types, *, shape, value, dtype: Type(shape, np.dtype(dtype)),
    code=lambda attrs, operands: _filled_text(
        str(attrs["shape"][0] if len(attrs["shape"]) == 1 else attrs["shape"]), "", attrs
    ),
    words="gives numbers of its own: nothing flows back to {x}",
    samples=((np.arange(3.0),), (1.5,)),
    sample_attrs=({"shape": (2, 3), "value": 0, "dtype": "float64"},
                  {"shape": (4,), "value": 1, "dtype": "float32"},
                  {"shape": (2,), "value": -0.5, "dtype": "float64"}),
)
