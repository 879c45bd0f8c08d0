"""Gates that pick along one axis: dout is added up at the places picked.

| gate            | out                             | x gets                             |
|-----------------|---------------------------------|------------------------------------|
| take            | x[:, i], or i of all numbers    | dout added up at the places picked |
| take_along_axis | one pick per row                | dout added up at the places picked |
| add_along_axis  | x, v added along one axis       | dout; v gets dout at the places    |
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.batched import count_of, flat, shifted, spread
from chainrule.gates.define import gate
from chainrule.gates.index import ROWS, changed, index_batch, indexing
from chainrule.gates.keys import ALL, dummy, encoded, only, picked
from chainrule.gates.move import Bound, Shape, expand_dims, one_axis, ravel, reshape, shape_of
from chainrule.gates.terms import AddedAt, Passed, Places

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
    shape = shape_of(x)
    if not prod(shape_of(dout)):
        return None
    if axis is None and len(shape) > 1:
        added = AddedAt(Places(ravel(x), ("i",), (i,)), dout)
        return reshape(added.whole(), shape=shape)
    return AddedAt(Places(x, ((None, None, None),) * (axis or 0) + ("i",), (i,)), dout)


def _axis_text(axis: int | None) -> str:
    return "" if axis is None else f", axis={axis}"


def _take_batch(gate: Gate, many: Sequence[bool], x: Any, i: Any, axis: int | None) -> Any:
    if axis is None:
        x, axis = flat(x, many[0]), 0
    if not many[1]:
        return gate(x, i, axis=axis + 1)
    return index_batch(indexing(1), many, x, i, key=(ALL,) * axis + ("i",))


take = gate(
    "take", "x i", family="gather", evaluate=_take, infer=_take_type,
    code=lambda attrs, operands: f"np.take({{x}}, {{i}}{_axis_text(attrs['axis'])})",
    numpy=(np.take,), method="take", bind=_bind_take, batch=_take_batch,
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


def _both(many: Sequence[bool], *inputs: Any) -> Any:
    """Inputs of one rank: what all examples share as one more, to broadcast."""
    return [a if m else expand_dims(a, axis=(0,)) for a, m in zip(inputs, many, strict=True)]


_BEST = np.array([[3], [0], [-1]])  # one pick per row of _X

take_along_axis: Gate = gate(
    "take_along_axis", "x i", family="gather", evaluate=_along, infer=_along_type,
    code=lambda attrs, operands: f"np.take_along_axis({{x}}, {{i}}, {attrs['axis']})",
    numpy=(np.take_along_axis,), bind=_bind_along,
    batch=lambda gate, many, x, i, axis: gate(*_both(many, x, i), axis=shifted(axis)),
    vjp=lambda dout, x, i, out, axis: (
        lambda: AddedAt(Along(x, (axis,), (i,)), dout) if prod(shape_of(dout)) else None, None,
    ),
    words="adds {dout} up at the places taken from {x}; places never taken get 0",
    samples=((_X, _BEST), (_X, np.array([[1, 1, 0, 3], [0, 2, 2, 2], [1, 1, 1, 1]]))),
    sample_attrs=({"axis": 1},),
    error_samples=((_X, np.zeros((2, 2), np.intp)),),
)


def _places_along(i: Any, axis: int, shape: Shape) -> Any:
    """The key that picks from an array what take_along_axis does."""
    others = [np.arange(n).reshape(n, *(1,) * len(shape[k + 1 :])) for k, n in enumerate(shape)]
    return (*others[:axis], i, *others[axis + 1 :])


def _add_along(x: Any, v: Any, i: Any, axis: int, shape: Shape) -> None:
    np.add.at(x, _places_along(i, axis, shape), v)


def _added_text(attrs: Mapping[str, Any], operands: Any) -> str:
    shape = attrs["shape"]
    others = [f"np.arange({n})" + f"[:{', None' * len(shape[k + 1 :])}]" * (k + 1 < len(shape))
              for k, n in enumerate(shape)]
    key = ", ".join((*others[: attrs["axis"]], "{i}", *others[attrs["axis"] + 1 :]))
    return f"np.add.at({{x}}, {key if len(shape) == 1 else f'({key})'}, {{v}})"


def _add_batch(
    gate: Gate, many: Sequence[bool], x: Any, v: Any, i: Any, axis: int, shape: Shape
) -> Any:
    count = count_of(many, (x, v, i))
    x, v = (spread(a, m, count) for a, m in zip((x, v), many, strict=False))
    return gate(x, v, *_both(many[2:], i), axis=shifted(axis), shape=(count, *shape))


# add_along_axis changes x where x is its to change; else it changes a copy.
add_along_axis: Gate = gate(
    "add_along_axis", "x v i", family="scatter", symbol="[]+=",
    evaluate=changed(_add_along), change=_add_along, code="", statement=_added_text,
    batch=_add_batch,
    infer=lambda types, *, axis, shape: Type(types[0].shape, types[0].dtype),
    vjp=lambda dout, x, v, i, out, axis, shape: (
        lambda: Passed(dout), lambda: take_along_axis(dout, i, axis=axis), None,
    ),
    mask=lambda live, x, v, i, out, axis, shape: (live, None, None),
    words="passes {dout} on to {x}, and gives {v} what {dout} has at the places added to",
    samples=((_X, _X[:, :1], _BEST),), sample_attrs=({"axis": 1, "shape": (3, 4)},),
)


class Along(Places):
    """The places that take_along_axis picks; their key is the axis."""

    __slots__ = ()

    def added(self, total: Any, dout: Any) -> Any:
        """The total with dout added at the places, as an array of its own."""
        (i,), (axis,) = self.arrays, self.key
        return add_along_axis(total, dout, i, axis=axis, shape=shape_of(self.x))

    def add(self, total: Any, dout: Any) -> None:
        """Add dout at the places of an array, in place."""
        _add_along(total, dout, self.arrays[0], self.key[0], shape_of(self.x))
