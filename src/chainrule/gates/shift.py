"""Gates that put numbers elsewhere in the same axes, or keep a part: going back undoes it.

| gate                     | out                                  | x gets                       |
|--------------------------|--------------------------------------|------------------------------|
| flip, roll, rot90        | numbers reversed, shifted, turned    | dout moved the other way     |
| tril, triu               | one triangle, zeros elsewhere        | the same triangle of dout    |
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.batched import (
    as_it_stands,
    flat,
    reshaped,
    shape_of_one,
    shifted,
    shifting,
)
from chainrule.gates.define import gate
from chainrule.gates.move import Bound, Shape, one_axis, shape_of, some_axes, tuple_text, type_by

_CUBE = np.arange(24.0).reshape(2, 3, 4)


def _bind_flip(m: Any, axis: Any = None) -> Bound:
    shape = shape_of(m)
    axes = tuple(range(len(shape))) if axis is None else some_axes(axis, shape, "flip")
    return (m,), {"axis": tuple(sorted(axes))}


flip: Gate = gate(
    "flip", "x", family="move", passes_mask=True, evaluate=lambda x, axis: np.flip(x, axis),
    infer=lambda types, *, axis: Type(types[0].shape, types[0].dtype),
    code=lambda attrs, operands: f"np.flip({{x}}, {tuple_text(attrs['axis'])})",
    numpy=(np.flip,), bind=_bind_flip, makes_view=True, batch=shifting("axis"),
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


def _roll_batch(gate: Gate, many: Any, x: Any, shift: Shape, axis: Shape | None) -> Any:
    if axis is not None:
        return gate(x, shift=shift, axis=shifted(axis))
    return reshaped(gate(flat(x, True), shift=shift, axis=(1,)), True, shape_of_one(x, True))


roll: Gate = gate(
    "roll", "x", family="move", passes_mask=True, evaluate=_roll,
    infer=lambda types, *, shift, axis: Type(types[0].shape, types[0].dtype),
    code=_roll_code, numpy=(np.roll,), bind=_bind_roll, batch=_roll_batch,
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
    numpy=(np.rot90,), bind=_bind_rot90, makes_view=True, batch=shifting("axes"),
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
        numpy=(function,), bind=_bind_triangle, batch=as_it_stands,
        vjp=lambda dout, x, out, k: (lambda: made(dout, k=k),),
        words=f"keeps the {which} triangle of {{dout}}, as it did of {{x}}; the rest gets 0",
        samples=((np.arange(12.0).reshape(3, 4) + 1,), (_CUBE + 1,)),
        sample_attrs=({"k": 0}, {"k": -1}, {"k": 2}),
    )
    return made


tril = _triangle(np.tril, "lower")
triu = _triangle(np.triu, "upper")
