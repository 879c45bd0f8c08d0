"""Gates that move or relabel numbers without computing: their backward pass moves them back.

| gate                     | out                                  | x gets                       |
|--------------------------|--------------------------------------|------------------------------|
| reshape, ravel           | the same numbers in another shape    | dout in the shape of x       |
| expand_dims, squeeze     | axes of size 1 more, or fewer        | dout in the shape of x       |
| atleast_1d, atleast_2d   | axes of size 1 in front, if missing  | dout in the shape of x       |
| broadcast_to             | copies                               | the sum over the copies      |
| transpose                | axes in another order                | dout, axes in their order    |
| swapaxes, moveaxis       | one or two axes elsewhere            | dout, axes moved back        |
| flip, roll, rot90        | numbers reversed, shifted, turned    | dout moved the other way     |
| tril, triu               | one triangle, zeros elsewhere        | the same triangle of dout    |
| cast, alias, copy        | x in another dtype, or as it is      | dout                         |
| stop_gradient            | x                                    | nothing                      |
| full_like, full          | one number everywhere                | nothing                      |
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_METHOD, BY_NUMPY, Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
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
    stand_in = replace(alias, bind=bind)
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
    samples=((np.arange(6.0).reshape(2, 3),), (1.5,)),
)
flatten = _reshaping(
    "flatten", evaluate=lambda x: np.array(x).ravel(),
    infer=lambda types: Type((types[0].size,), types[0].dtype), code="np.array({x}).ravel()",
    method="flatten", bind=_bind_ravel, makes_view=False,
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
    numpy=(np.expand_dims,), bind=_bind_expand,
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
    numpy=(np.squeeze,), method="squeeze", bind=_bind_squeeze,
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
    vjp=lambda dout, x, out, source, destination: (
        lambda: moveaxis(dout, source=destination, destination=source),
    ),
    words="moves the axes of {dout} back to where {x} has them",
    samples=((_CUBE,),),
    sample_attrs=({"source": (0,), "destination": (2,)},
                  {"source": (0, 1), "destination": (2, 0)}),
)


# ---- numbers elsewhere in the same axes


def _bind_flip(m: Any, axis: Any = None) -> Bound:
    shape = shape_of(m)
    axes = tuple(range(len(shape))) if axis is None else some_axes(axis, shape, "flip")
    return (m,), {"axis": tuple(sorted(axes))}


flip: Gate = gate(
    "flip", "x", family="move", passes_mask=True, evaluate=lambda x, axis: np.flip(x, axis),
    infer=lambda types, *, axis: Type(types[0].shape, types[0].dtype),
    code=lambda attrs, operands: f"np.flip({{x}}, {tuple_text(attrs['axis'])})",
    numpy=(np.flip,), bind=_bind_flip, makes_view=True,
    vjp=lambda dout, x, out, axis: (lambda: flip(dout, axis=axis),),
    words="flips {dout} back",
    samples=((_CUBE,),), sample_attrs=({"axis": (1,)}, {"axis": (0, 2)}),
)


def _bind_roll(a: Any, shift: Any, axis: Any = None) -> Bound:
    shifts = tuple(shift) if isinstance(shift, tuple | list) else (shift,)
    if axis is None:
        if len(shifts) != 1:
            raise TypeError("several shifts need as many axes")
        return (a,), {"shift": (int(shift),), "axis": None}
    axes = tuple(one_axis(x, shape_of(a), "roll")
                 for x in (axis if isinstance(axis, tuple | list) else (axis,)))
    if len(shifts) != len(axes):
        if 1 not in (len(shifts), len(axes)):
            raise TypeError(f"as many shifts as axes: {shift} and {axis}")
        shifts, axes = shifts * len(axes), axes * len(shifts)
    return (a,), {"shift": tuple(int(s) for s in shifts), "axis": axes}


def _roll(x: Any, shift: Shape, axis: Shape | None) -> Any:
    return np.roll(x, shift[0] if axis is None else shift, axis)


def _roll_code(attrs: Mapping[str, Any], operands: Any) -> str:
    axis = "" if attrs["axis"] is None else f", {tuple_text(attrs['axis'])}"
    return f"np.roll({{x}}, {tuple_text(attrs['shift'])}{axis})"


roll: Gate = gate(
    "roll", "x", family="move", passes_mask=True, evaluate=_roll,
    infer=lambda types, *, shift, axis: Type(types[0].shape, types[0].dtype),
    code=_roll_code, numpy=(np.roll,), bind=_bind_roll,
    vjp=lambda dout, x, out, shift, axis: (
        lambda: roll(dout, shift=tuple(-s for s in shift), axis=axis),
    ),
    words="rolls {dout} back the other way",
    samples=((_CUBE,),),
    sample_attrs=({"shift": (2,), "axis": None}, {"shift": (1, -2), "axis": (0, 2)}),
)


def _bind_rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Bound:
    return (m,), {"k": int(k) % 4, "axes": some_axes(tuple(axes), shape_of(m), "rot90")}


rot90: Gate = gate(
    "rot90", "x", family="move", passes_mask=True, evaluate=np.rot90, infer=type_by(np.rot90),
    code=lambda attrs, operands: f"np.rot90({{x}}, {attrs['k']}"
    + (")" if attrs["axes"] == (0, 1) else f", {attrs['axes']})"),
    numpy=(np.rot90,), bind=_bind_rot90, makes_view=True,
    vjp=lambda dout, x, out, k, axes: (lambda: rot90(dout, k=-k % 4, axes=axes),),
    words="turns {dout} back by as many quarters",
    samples=((_CUBE,),), sample_attrs=({"k": 1, "axes": (0, 1)}, {"k": 3, "axes": (0, 2)}),
)


# ---- a part kept


def _bind_triangle(m: Any, k: int = 0) -> Bound:
    if len(shape_of(m)) < 2:
        raise ShapeError(f"a triangle is of a matrix, not of shape {list(shape_of(m))}")
    return (m,), {"k": int(k)}


def _triangle(function: Callable[..., Any], which: str) -> Gate:
    name = function.__name__
    made: Gate = gate(
        name, "x", family="move", passes_mask=True, evaluate=lambda x, k: function(x, k),
        infer=lambda types, *, k: Type(types[0].shape, types[0].dtype),
        code=lambda attrs, operands: f"np.{name}({{x}}" + (f", {attrs['k']})" if attrs["k"]
                                                           else ")"),
        numpy=(function,), bind=_bind_triangle,
        vjp=lambda dout, x, out, k: (lambda: made(dout, k=k),),
        words=f"keeps the {which} triangle of {{dout}}, as it did of {{x}}; the rest gets 0",
        samples=((np.arange(12.0).reshape(3, 4) + 1,), (_CUBE + 1,)),
        sample_attrs=({"k": 0}, {"k": -1}, {"k": 2}),
    )
    return made


tril = _triangle(np.tril, "lower")
triu = _triangle(np.triu, "upper")


# ---- the same numbers under another name


def _cast(x: Any, dtype: str) -> Any:
    return np.asarray(x).astype(dtype)[()]


cast = gate(
    "cast", "x", family="move", passes_mask=True, evaluate=_cast,
    infer=lambda types, *, dtype: Type(types[0].shape, np.dtype(dtype)),
    code=lambda attrs, operands: "np.asarray({x}, np." + attrs["dtype"] + ")[()]",
    makes_view=True,  # its source does, where the dtype is the same
    method="astype", bind=lambda x, dtype: ((x,), {"dtype": np.dtype(dtype).name}),
    local=lambda x, out, dtype: (1,),  # the engine casts the gradient back
    words="passes {dout} on in the dtype of {x}",
    samples=((np.arange(3.0),),), sample_attrs=({"dtype": "float64"},),
)
alias = gate(
    "alias", "x", family="move", passes_mask=True, evaluate=lambda x: x,
    infer=lambda types: types[0], code="{x}", makes_view=True,
    local=lambda x, out: (1,),
    words="is another name for {x}: {dout} passes unchanged",
    samples=((1.5,),),
)
stop_gradient = gate(
    "stop_gradient", "x", family="move", evaluate=lambda x: x, infer=lambda types: types[0],
    code="{x}", makes_view=True,
    words="lets {x} through and stops {dout}: nothing flows back",
    samples=((1.5,), (np.arange(3.0),)),
)
def _copy_code(attrs: Mapping[str, Any], operands: Any) -> str:
    return "{x}.copy()" if attrs["order"] == "C" else "np.copy({x})"


copy = gate(
    "copy", "x", family="move", passes_mask=True,
    evaluate=lambda x, order: np.array(x, order=order)[()],  # as later views find it in memory
    infer=lambda types, *, order: Type(types[0].shape, types[0].dtype),
    code=_copy_code, number_code="{x}",
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
    "full_like", "x", family="move", reads_shape=True,
    evaluate=lambda x, value, dtype: np.full_like(x, value, dtype, subok=False),
    infer=lambda types, *, value, dtype: Type(types[0].shape, np.dtype(dtype or types[0].dtype)),
    code=lambda attrs, operands: _filled_text("{x}", "_like", attrs),
    words="gives numbers of its own in the shape of {x}: nothing flows back",
    samples=((np.arange(6.0).reshape(2, 3),),),
    sample_attrs=({"value": 0, "dtype": None}, {"value": 1, "dtype": "bool"},
                  {"value": 2.5, "dtype": None}, {"value": 0, "dtype": "float32"}),
)
full: Gate = gate(
    "full", "x", family="move", reads_shape=True,  # x only says which trace records
    evaluate=lambda x, shape, value, dtype: np.full(shape, value, dtype),
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
