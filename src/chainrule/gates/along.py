"""Gates that pick along one axis: dout is added up at the places picked.

| gate            | out                             | x gets                             |
|-----------------|---------------------------------|------------------------------------|
| take            | x[:, i], or i of all numbers    | dout added up at the places picked |
| take_along_axis | one pick per row                | dout added up at the places picked |
| add_along_axis  | zeros, x added along one axis   | dout picked at the places          |
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.define import gate
from chainrule.gates.index import (
    ROWS,
    added,
    added_text,
    as_wide,
    positions_of,
    scatter_add_1,
)
from chainrule.gates.keys import dummy, encoded, only, picked
from chainrule.gates.move import Bound, one_axis, ravel, reshape, shape_of

_X = np.arange(12.0).reshape(3, 4) - 5


def _bind_take(
    a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise"
) -> Bound:
    only({"out": out, "mode": None if mode == "raise" else mode})
    found = None if axis is None else one_axis(axis, shape_of(a), "take")
    return (a, encoded(indices)), {"axis": found}


def _take(x: Any, i: Any, axis: int | None) -> Any:
    return picked(np.take, x, i, axis, name=f"take of {list(np.shape(i))} places")


def _take_type(types: Sequence[Type], *, axis: int | None) -> Type:
    x, i = types
    return Type(_take(dummy(x.shape), np.zeros(i.shape, np.intp), axis).shape, x.dtype)


def _take_back(dout: Any, x: Any, i: Any, axis: int | None) -> Any:
    shape, flat = shape_of(x), len(shape_of(dout)) == 1
    if not prod(shape_of(dout)):
        return None
    if axis is None:
        every = scatter_add_1(dout, i, key=("i",), shape=(prod(shape),), flat=flat)
        return reshape(every, shape=shape)
    return scatter_add_1(
        dout, i, key=((None, None, None),) * axis + ("i",), shape=shape, flat=flat
    )


def _axis_text(axis: int | None) -> str:
    return "" if axis is None else f", axis={axis}"


take = gate(
    "take", "x i", family="gather", evaluate=_take, infer=_take_type,
    code=lambda attrs, operands: f"np.take({{x}}, {{i}}{_axis_text(attrs['axis'])})",
    numpy=(np.take,), method="take", bind=_bind_take,
    vjp=lambda dout, x, i, out, axis: (lambda: _take_back(dout, x, i, axis), None),
    words="adds {dout} up at the places taken from {x}; places never taken get 0",
    samples=((_X, ROWS),), sample_attrs=({"axis": None}, {"axis": 0}, {"axis": 1}),
    error_samples=((np.zeros((0, 2)), ROWS),),
)


def _bind_along(arr: Any, indices: Any, axis: Any = -1) -> Bound:
    indices = encoded(indices)
    if axis is None:
        arr, axis = ravel(arr), 0
    shape = shape_of(arr)
    if len(shape_of(indices)) != len(shape):
        raise ShapeError(
            f"take_along_axis needs as many axes on both sides: x is {list(shape)}, and the "
            f"indices are {list(shape_of(indices))}"
        )
    return (arr, indices), {"axis": one_axis(axis, shape, "take_along_axis")}


def _along(x: Any, i: Any, axis: int) -> Any:
    name = f"take_along_axis of {list(i.shape)} places"
    return picked(np.take_along_axis, x, i, axis, name=name)


def _along_type(types: Sequence[Type], *, axis: int) -> Type:
    x, i = types
    return Type(_along(dummy(x.shape), np.zeros(i.shape, np.intp), axis).shape, x.dtype)


_BEST = np.array([[3], [0], [-1]])  # one pick per row of _X

take_along_axis: Gate = gate(
    "take_along_axis", "x i", family="gather", evaluate=_along, infer=_along_type,
    code=lambda attrs, operands: f"np.take_along_axis({{x}}, {{i}}, {attrs['axis']})",
    numpy=(np.take_along_axis,), bind=_bind_along,
    vjp=lambda dout, x, i, out, axis: (
        lambda: add_along_axis(dout, i, axis=axis, shape=shape_of(x))
        if prod(shape_of(dout)) else None, None,
    ),
    words="adds {dout} up at the places taken from {x}; places never taken get 0",
    samples=((_X, _BEST), (_X, np.array([[1, 1, 0, 3], [0, 2, 2, 2], [1, 1, 1, 1]]))),
    sample_attrs=({"axis": 1},),
    error_samples=((_X, np.zeros((2, 2), np.intp)),),
)
add_along_axis: Gate = gate(
    "add_along_axis", "x i", family="scatter", symbol="[]+=",
    evaluate=lambda x, i, axis, shape: added(
        np.take_along_axis(positions_of(shape), i, axis), x, shape
    ),
    infer=as_wide,
    code=lambda attrs, operands: added_text(
        f"np.take_along_axis(%s, {{i}}, {attrs['axis']})", attrs["shape"], False
    ),
    vjp=lambda dout, x, i, out, axis, shape: (
        lambda: take_along_axis(dout, i, axis=axis), None,
    ),
    words="gives {x} what {dout} has at the places it was added to",
    samples=((_X[:, :1], _BEST),), sample_attrs=({"axis": 1, "shape": (3, 4)},),
)
