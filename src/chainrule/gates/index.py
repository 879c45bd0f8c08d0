"""Gates that pick numbers out of an array by a key: dout goes back where they came from.

| gate                  | out                          | x gets                                |
|-----------------------|------------------------------|---------------------------------------|
| index                 | x[1:3, 0]                    | zeros with dout in that box           |
| index_1, index_2, ... | x[i], x[i, :, j]             | dout added up at the places picked    |
| scatter_add           | zeros, x added at places     | dout picked at the places             |
| pad                   | x with a border              | dout without the border               |
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_COUNT, Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.define import gate
from chainrule.gates.keys import (
    Key,
    box_of,
    dummy,
    filled,
    key_text,
    names_of_indices,
    no_such_place,
    whole_masks,
)
from chainrule.gates.move import Bound, Shape, chosen, flip, reshape, shape_of, tuple_text

_X = np.arange(12.0).reshape(3, 4) - 5
ROWS, COLUMNS = np.array([2, 0, 2, -1]), np.array([1, 0, 1, -4])  # one place twice

def _evaluate_index(x: Any, *arrays: Any, key: Key) -> Any:
    try:
        return x[filled(key, arrays)][()]
    except IndexError as error:
        written = key_text(key).replace("{", "").replace("}", "")
        raise no_such_place(f"x[{written}]", x.shape, error) from None


def _index_type(types: Sequence[Type], *, key: Key) -> Type:
    x, *indices = types
    arrays = [np.zeros(t.shape, np.intp) for t in indices]
    return Type(_evaluate_index(dummy(x.shape), *arrays, key=key).shape, x.dtype)

def _bind_index(x: Any, key: Any) -> Bound:
    if getattr(getattr(x, "type", None), "weak", False):
        raise TypeError("a plain number has no parts")
    items = whole_masks(key if isinstance(key, tuple) else (key,), shape_of(x))
    arrays = [item for item in items if hasattr(item, "shape")]
    names = iter(names_of_indices(len(arrays)))
    found = tuple(next(names) if hasattr(item, "shape") else item for item in items)
    if arrays:
        return chosen(indexing(len(arrays)), (x, *arrays), key=found)
    return (x,), {"key": found}


# ---- index and its gradient


def _index_back(dout: Any, x: Any, arrays: Sequence[Any], key: Key) -> Any:
    """dout at the places picked, zeros elsewhere."""
    shape = shape_of(x)
    if not prod(shape_of(dout)):
        return None  # nothing was picked
    box = box_of(key, shape)
    if box is None or any(len(r) > 1 and abs(r.step) > 1 for r in box):
        return scattering(len(arrays))(
            dout, *arrays, key=key, shape=shape, flat=len(shape_of(dout)) == 1
        )
    sizes = tuple(map(len, box))
    if shape_of(dout) != sizes:
        dout = reshape(dout, shape=sizes)
    backwards = tuple(axis for axis, r in enumerate(box) if len(r) > 1 and r.step < 0)
    if backwards:
        dout = flip(dout, axis=backwards)
    widths = tuple((min(r), n - 1 - max(r)) for r, n in zip(box, shape, strict=True))
    return pad(dout, pad_width=widths, value=0.0) if any(map(any, widths)) else dout


# Keys to test with; the index arrays are ROWS and COLUMNS.
_KEYS: dict[int, tuple[Key, ...]] = {
    0: ((1,), ((0, 2, None), -1), ((None, None, 2),), ("...", None, (-3, None, -1)), (),
        (2, (3, 0, -2))),
    1: (("i",), (None, "i"), ((None, None, -1), "i"), ("i", (1, 3, None))),
    2: (("i", "j"), ("i", None, "j")),
}


@cache
def indexing(count: int) -> Gate:
    """The gate x[key] for a key with so many index arrays."""
    words = ("puts {dout} back where it was taken from {x}; the other places get 0" if not count
             else "adds {dout} up at the places picked from {x}; places never picked get 0")
    return gate(
        f"index_{count}" if count else "index", " ".join(("x", *names_of_indices(count))),
        family="gather" if count else "move", symbol="[]", evaluate=_evaluate_index,
        infer=_index_type,
        code=lambda attrs, operands: f"{{x}}[{key_text(attrs['key'])}]" if attrs["key"] else "{x}",
        operator=None if count else "getitem", bind=None if count else _bind_index,
        makes_view=not count,
        vjp=lambda dout, x, *rest, key: (
            lambda: _index_back(dout, x, rest[:-1], key), *(None,) * count,
        ),
        words=words,
        samples=((_X, *(ROWS, COLUMNS)[:count]),) if count in _KEYS else (),
        sample_attrs=tuple({"key": key} for key in _KEYS.get(count, ())),
        error_samples=((np.zeros(()),),) if not count else (),
    )


index = indexing(0)


# ---- adding up at places


def added(positions: Any, x: Any, shape: Shape) -> Any:
    """Zeros of a shape, with every number of x added at its position in C order; in float64."""
    total = np.bincount(np.ravel(positions), np.ravel(x), prod(shape))
    return total.astype(np.float64, copy=False).reshape(shape)  # of nothing it is of integers


def positions_of(shape: Shape) -> Any:
    return np.arange(prod(shape)).reshape(shape)


def added_text(picked: str, shape: Shape, flat: bool) -> str:
    """Source of `added`; picked: how positions are picked from the array of all, at %s.

    flat: x is a vector already.
    """
    again = "" if len(shape) == 1 else f".reshape{shape}"
    positions = picked % f"np.arange({prod(shape)}){again}"
    added = f"{positions}, {{x}}" if flat else f"{positions}.ravel(), np.ravel({{x}})"
    return f"np.bincount({added}, {prod(shape)}){again}"


def as_wide(types: Sequence[Type], *, shape: Shape, **_: Any) -> Type:
    return Type(shape, np.dtype(np.float64))  # bincount's


@cache
def scattering(count: int) -> Gate:
    """The gate that adds numbers up at the places of a key with so many index arrays."""
    back = indexing(count)
    samples = {0: (_X[:2], (None, None, 2)), 1: (_X[0], "i"), 2: (_X[0], "i", "j")}
    x, *key = samples.get(count, (None,))
    return gate(
        f"scatter_add_{count}" if count else "scatter_add", " ".join(back.inputs),
        family="scatter", symbol="[]+=",
        evaluate=lambda x, *arrays, key, shape, flat: added(
            positions_of(shape)[filled(key, arrays)], x, shape
        ),
        infer=as_wide,
        code=lambda attrs, operands: added_text(
            f"%s[{key_text(attrs['key']) or '...'}]", attrs["shape"], attrs["flat"]
        ),
        vjp=lambda dout, x, *rest, key, shape, flat: (
            lambda: back(dout, *rest[:-1], key=key), *(None,) * count,
        ),
        words="gives {x} what {dout} has at the places it was added to",
        samples=((x, *(ROWS, COLUMNS)[:count]),) if key else (),
        sample_attrs=({"key": tuple(key), "shape": (5,) if count == 1 else (3, 4),
                       "flat": count > 0},),
    )


scatter_add = scattering(0)
index_1, index_2, scatter_add_1, scatter_add_2 = (
    made(count) for made in (indexing, scattering) for count in (1, 2)
)

# ---- a border around


def _bind_pad(array: Any, pad_width: Any, mode: str = "constant", **settings: Any) -> Bound:
    value = settings.pop("constant_values", 0)
    if mode != "constant" or settings or not isinstance(value, int | float | np.number):
        raise TypeError(
            "mode='constant' with one number only; write other borders with np.take or "
            "np.concatenate"
        )
    shape = shape_of(array)
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (len(shape), 2))
    except ValueError:
        raise ShapeError(f"pad_width {pad_width} is not (before, after) for each axis of "
                         f"{list(shape)}") from None
    if not shape or widths.dtype.kind not in "iu" or widths.min() < 0:
        raise ShapeError(f"pad needs an axis and whole numbers from 0: {pad_width}, {list(shape)}")
    pairs = tuple((before, after) for before, after in widths.tolist())
    return (array,), {"pad_width": pairs, "value": float(value)}


def _padded_shape(shape: Shape, pad_width: Sequence[tuple[int, int]]) -> Shape:
    if len(shape) != len(pad_width):
        raise ShapeError(f"pad needs (before, after) per axis: {pad_width} for {list(shape)}")
    return tuple(before + n + after for n, (before, after) in zip(shape, pad_width, strict=True))


def _pad(x: Any, pad_width: Sequence[tuple[int, int]], value: float) -> Any:
    x = np.asarray(x)
    out = np.full(_padded_shape(x.shape, pad_width), value, x.dtype)
    out[_inside(x.shape, pad_width)] = x
    return out


def _inside(shape: Shape, pad_width: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple(slice(b, b + n) for n, (b, _) in zip(shape, pad_width, strict=True))


def _pad_code(attrs: Mapping[str, Any], operands: Any) -> str:
    value = attrs["value"]
    border = f", constant_values={value!r}" if repr(value) != "0.0" else ""
    return f"np.pad({{x}}, {tuple_text(attrs['pad_width'])}{border})"


pad: Gate = gate(
    "pad", "x", family="move", evaluate=_pad,
    infer=lambda types, *, pad_width, value: Type(
        _padded_shape(types[0].shape, pad_width), types[0].dtype
    ),
    code=_pad_code, numpy=(np.pad,), bind=_bind_pad,
    vjp=lambda dout, x, out, pad_width, value: (
        lambda: index(dout, key=tuple(
            (s.start, s.stop, None) for s in _inside(shape_of(x), pad_width)
        )),
    ),
    words="cuts the border off {dout}: what is inside goes to {x}",
    samples=((_X,),),
    sample_attrs=({"pad_width": ((0, 2), (1, 0)), "value": 0.0},
                  {"pad_width": ((1, 1), (0, 0)), "value": -1.5}),
    error_samples=((np.zeros(3),),),
)

BY_COUNT["index"] = indexing
BY_COUNT["scatter_add"] = scattering
