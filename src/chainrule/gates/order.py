"""Where numbers stand in order: places, which jump and are flat between their jumps.

| gate            | out                                                      |
|-----------------|----------------------------------------------------------|
| argmax, argmin  | place of the largest or smallest                         |
| argsort         | places that put an axis in order, equal ones as they are |
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.gates.batched import flat, reshaped, shape_of_one, shifted, shifting
from chainrule.gates.define import gate
from chainrule.gates.move import one_axis, ravel, shape_of
from chainrule.gates.reduce import UNEVEN, reduced_shape

PLACE = np.dtype(np.intp)


def _bind_place(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    if out is not None:
        raise TypeError("takes an axis and keepdims only, not out=")
    axis = None if axis is None else one_axis(axis, shape_of(a), "argmax and argmin")
    return (a,), {"axis": axis, "keepdims": bool(keepdims)}


def _place_type(types: Sequence[Type], *, axis: int | None, keepdims: bool) -> Type:
    axes = None if axis is None else (axis,)
    return Type(reduced_shape(types[0].shape, axes, keepdims), PLACE)


def _place_code(name: str) -> Callable[..., str]:
    def code(attrs: Mapping[str, Any], operands: Any) -> str:
        axis = "" if attrs["axis"] is None else f", axis={attrs['axis']}"
        return f"np.{name}({{x}}{axis}{', keepdims=True' * attrs['keepdims']})"

    return code


def _place_batch(gate: Gate, many: Any, x: Any, axis: int | None, keepdims: bool) -> Any:
    if axis is not None:
        return gate(x, axis=shifted(axis), keepdims=keepdims)
    out = gate(flat(x, True), axis=1, keepdims=False)
    return reshaped(out, True, (1,) * len(shape_of_one(x, True))) if keepdims else out


def _placing(function: Callable[..., Any], which: str) -> Gate:
    name = function.__name__
    return gate(
        name, "x", family="gather", evaluate=function, infer=_place_type, code=_place_code(name),
        numpy=(function,), method=name, bind=_bind_place, batch=_place_batch,
        words=f"gives the place of the {which} number, which is flat: nothing flows back",
        samples=((UNEVEN,),),
        sample_attrs=({"axis": None, "keepdims": False}, {"axis": 1, "keepdims": True}),
    )


argmax = _placing(np.argmax, "largest")
argmin = _placing(np.argmin, "smallest")


def _bind_order(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, **others: Any) -> Any:
    if order is not None or any(x is not None for x in others.values()):
        raise TypeError("takes an axis only")
    if axis is None:
        return (ravel(a),), {"axis": 0}
    return (a,), {"axis": one_axis(axis, shape_of(a), "argsort")}


argsort = gate(
    "argsort", "x", family="gather",
    evaluate=lambda x, axis: np.argsort(x, axis=axis, kind="stable"),
    infer=lambda types, *, axis: Type(types[0].shape, PLACE),
    code=lambda attrs, operands: f"np.argsort({{x}}, axis={attrs['axis']}, kind='stable')",
    numpy=(np.argsort,), method="argsort", bind=_bind_order,
    batch=shifting("axis"),
    words="gives places, which are flat: nothing flows back",
    samples=((UNEVEN,),), sample_attrs=({"axis": 0}, {"axis": 1}),
)
