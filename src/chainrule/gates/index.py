"""Gates that pick numbers out of an array: their backward pass puts dout where they came from.

| gate                  | out                          | x gets                                |
|-----------------------|------------------------------|---------------------------------------|
| index                 | x[1:3, 0]                    | zeros with dout in that box           |
| index_1, index_2, ... | x[i], x[i, :, j]             | dout added up at the places picked    |
| take                  | x[:, i], or i of all numbers | dout added up at the places picked    |
| take_along_axis       | one pick per row             | dout added up at the places picked    |
| pad                   | x with a border              | dout without the border               |
| scatter_add           | zeros, x added at places     | dout picked at the places             |
| add_along_axis        | the same, along one axis     | dout picked at the places             |
| diagonal, trace, diag | the diagonal, its sum; or a  | dout on the diagonal; or its diagonal |
|                       | matrix with that diagonal    |                                       |
| nonzero               | where a mask is true         | nothing: places are flat              |

A key is kept in the settings as a tuple: integers, None, "...", a slice as (start, stop, step), and
for each index array the name of the input that holds it. Masks become index arrays first.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_COUNT, Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError, UnsupportedError
from chainrule.gates.batched import (
    aligned,
    count_of,
    flat,
    moved,
    shape_of_one,
    shifted,
    shifting,
    spread,
)
from chainrule.gates.define import gate
from chainrule.gates.move import (
    Bound,
    Shape,
    broadcast_to,
    chosen,
    expand_dims,
    moveaxis,
    one_axis,
    ravel,
    reshape,
    shape_of,
    some_axes,
    tuple_text,
)
from chainrule.gates.shift import flip, tril, triu

Key = tuple[Any, ...]
Box = list[range]  # per axis, the places picked
ALL = (None, None, None)  # the slice : in a key

_X = np.arange(12.0).reshape(3, 4) - 5
_ROWS, _COLUMNS = np.array([2, 0, 2, -1]), np.array([1, 0, 1, -4])  # one place twice


# ---- keys


@lru_cache(maxsize=4096)
def _python_key(key: Key) -> Key:
    """The key as Python has it, the names of index arrays left standing."""
    return tuple(_python_item(item) for item in key)


def _python_item(item: Any) -> Any:
    if item == "...":
        return Ellipsis
    return slice(*item) if isinstance(item, tuple) else item


def _filled(key: Key, arrays: Sequence[Any]) -> Key:
    """The key with its index arrays, which it names in the order of the inputs."""
    if not arrays:
        return _python_key(key)
    if len(arrays) == len(key):
        return tuple(arrays)
    rest = iter(arrays)
    return tuple(next(rest) if isinstance(k, str) else k for k in _python_key(key))


def key_text(key: Key) -> str:
    """The key as source, index arrays as placeholders; empty for the empty key."""
    return ", ".join(map(_item_text, key))


def _item_text(item: Any) -> str:
    if isinstance(item, tuple):
        start, stop, step = ("" if n is None else str(n) for n in item)
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return item if item == "..." else f"{{{item}}}" if isinstance(item, str) else str(item)


def names_of_indices(count: int) -> tuple[str, ...]:
    """Names of the index arrays: i, j, k, or i1, i2 ... where there are more."""
    return ("i", "j", "k")[:count] if count <= 3 else tuple(f"i{n + 1}" for n in range(count))


def _picked(pick: Callable[..., Any], x: Any, *how: Any, name: str) -> Any:
    """What is picked, or ShapeError naming the shape."""
    try:
        return pick(x, *how)
    except IndexError as error:
        raise _no_such_place(name, np.shape(x), error) from None


def _no_such_place(what: str, shape: Shape, error: IndexError) -> ShapeError:
    return ShapeError(
        f"{what} does not fit x of shape {list(shape)}: {error}\n"
        "  An axis of n numbers has places 0 to n - 1, and -n to -1 from its end."
    )


def _dummy(shape: Shape) -> Any:
    return np.broadcast_to(np.zeros((), np.bool_), shape)  # an array without memory


def _evaluate_index(x: Any, *arrays: Any, key: Key) -> Any:
    try:
        return x[_filled(key, arrays)][()]
    except IndexError as error:
        written = key_text(key).replace("{", "").replace("}", "")
        raise _no_such_place(f"x[{written}]", x.shape, error) from None


def _index_type(types: Sequence[Type], *, key: Key) -> Type:
    x, *indices = types
    arrays = [np.zeros(t.shape, np.intp) for t in indices]
    return Type(_evaluate_index(_dummy(x.shape), *arrays, key=key).shape, x.dtype)


# ---- from what the user writes to a key


def _bind_index(x: Any, key: Any) -> Bound:
    if getattr(getattr(x, "type", None), "weak", False):
        raise TypeError("a plain number has no parts")
    if key.__class__ is tuple and key and all(map(_is_places, key)):  # x[rows, columns]: as it is
        return chosen(indexing(len(key)), (x, *key), key=names_of_indices(len(key)))
    items = _whole_masks(key if isinstance(key, tuple) else (key,), shape_of(x))
    arrays = [item for item in items if hasattr(item, "shape")]
    names = iter(names_of_indices(len(arrays)))
    found = tuple(next(names) if hasattr(item, "shape") else item for item in items)
    if arrays:
        return chosen(indexing(len(arrays)), (x, *arrays), key=found)
    return (x,), {"key": found}


def _whole_masks(items: Key, shape: Shape) -> list[Any]:
    """Settings and index arrays, each mask replaced by the places where it is true."""
    found: list[Any] = []
    encoded = [_encoded(item) for item in items]
    widths = [max(1, item.ndim) if _is_mask(item) else item is not None for item in encoded]
    named = [item.__class__ is str for item in encoded]  # "..." stands for all other axes
    spare = len(shape) - sum(w for w, rest in zip(widths, named, strict=True) if not rest)
    at = 0
    for item, width, is_rest in zip(encoded, widths, named, strict=True):
        if _is_mask(item):
            found += _places(item, shape[at : at + width])
        else:
            found.append(item)
        at += spare if is_rest else width
    return found


def _is_places(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.size * item.ndim > 0 and item.dtype.kind in "iu"


def _is_mask(item: Any) -> bool:
    return hasattr(item, "shape") and item.dtype.kind == "b"


def _encoded(item: Any) -> Any:
    if isinstance(item, bool | np.bool_):
        raise TypeError("True and False are not places; write x[None] or a mask of x's shape")
    if isinstance(item, slice):
        return tuple(
            None if n is None else operator.index(n) for n in (item.start, item.stop, item.step)
        )
    if item is None:
        return None
    if item is Ellipsis:
        return "..."
    if isinstance(item, list | tuple):
        item = np.asarray(item)
    if isinstance(item, np.ndarray) and item.size == 0 and item.dtype.kind != "b":
        item = item.astype(np.int32)  # NumPy reads [] as floats; source shows this dtype
    if isinstance(item, np.generic | np.ndarray) and not item.ndim:
        item = item.item()
    if not hasattr(item, "dtype"):
        if not isinstance(item, int):
            raise TypeError(f"{item!r} is no place: use whole numbers, slices or arrays of them")
        return item
    if item.dtype.kind not in "iub":
        raise TypeError(f"an array of {item.dtype} is no index: use whole numbers or a mask")
    return item


def _places(mask: Any, part: Shape) -> list[Any]:
    """Index arrays of the places where a mask is true."""
    if mask.shape != part:
        raise ShapeError(
            f"a mask needs the shape of what it picks from: the mask is {list(mask.shape)}, "
            f"and these axes of x are {list(part)}"
        )
    if isinstance(mask, np.ndarray):
        return [_encoded(places) for places in np.nonzero(mask)]
    count = int(np.count_nonzero(_plain(mask)))
    return [nonzero(mask, axis=axis, count=count) for axis in range(mask.ndim)]


def _plain(mask: Any) -> Any:
    """The array a traced value holds, through all traces."""
    while not isinstance(mask, np.ndarray):
        if not hasattr(mask, "value"):
            raise UnsupportedError("a mask picks as many numbers as it happens to have true")
        mask = mask.value
    return mask


# ---- index and its gradient


def box_of(key: Key, shape: Shape) -> Box | None:
    """Per axis the places that a key of integers and slices picks; None for index arrays."""
    items = [item for item in key if item is not None]
    if any(isinstance(item, str) and item != "..." for item in items):
        return None
    at = items.index("...") if "..." in items else len(items)
    free = len(shape) - len(items) + ("..." in items)
    items[at : at + 1] = [(None, None, None)] * free
    return [
        range(n)[slice(*item)] if isinstance(item, tuple) else range(item % n, item % n + 1)
        for item, n in zip(items, shape, strict=True)
    ]


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


# ---- many examples at once


@lru_cache(maxsize=4096)
def _block_begins(key: Key, rank: int) -> int:
    """Where in x[key] the axes of its index arrays stand: in their place, or first of all."""
    sevens = [np.zeros(7, np.intp) for k in key if isinstance(k, str) and k != "..."]
    items = [0 if isinstance(k, int) else (None,) * 3 if isinstance(k, tuple) else k for k in key]
    return np.zeros((1,) * rank)[_filled(tuple(items), sevens)].shape.index(7)


def _with_rows(
    key: Key, many: Sequence[bool], arrays: Sequence[Any], count: int
) -> tuple[Key, list[Any]]:
    """A key that picks from each example its own: one index array more, the example's number."""
    every = aligned(many, arrays)
    rank = max(len(shape_of_one(i, m)) for i, m in zip(arrays, many, strict=True))
    names = iter(names_of_indices(len(every) + 1))
    first = next(names)
    rest = (next(names) if isinstance(k, str) and k != "..." else k for k in key)
    return (first, *rest), [np.arange(count).reshape(count, *(1,) * rank), *every]


def _index_batch(gate: Gate, many: Sequence[bool], x: Any, *arrays: Any, key: Key) -> Any:
    which = many[1:]
    if not arrays:
        return gate(x, key=(ALL, *key))
    rank = max(len(shape_of_one(i, m)) for i, m in zip(arrays, which, strict=True))
    at = _block_begins(key, len(shape_of_one(x, many[0])))
    if not any(which):
        first = rank if not _block_begins((ALL, *key), len(shape_of(x))) else 0
        return moved(gate(x, *arrays, key=(ALL, *key)), (first,), (0,))
    if not many[0]:
        return moved(gate(x, *aligned(which, arrays), key=key), (at,), (0,))
    key, every = _with_rows(key, which, arrays, shape_of(x)[0])
    out = indexing(len(every))(x, *every, key=key)  # [n, index arrays' axes, others]
    return moved(out, tuple(range(1, 1 + rank)), tuple(range(1 + at, 1 + at + rank)))


def _scatter_batch(
    gate: Gate, many: Sequence[bool], x: Any, *arrays: Any, key: Key, shape: Shape, flat: bool
) -> Any:
    """What _index_batch does, the other way round."""
    which, count = many[1:], count_of(many, (x, *arrays))
    x, shapes = spread(x, many[0], count), (count, *shape)
    if not arrays:
        return gate(x, key=(ALL, *key), shape=shapes, flat=False)
    rank = max(len(shape_of_one(i, m)) for i, m in zip(arrays, which, strict=True))
    if any(which):
        at = _block_begins(key, len(shape))
        key, every = _with_rows(key, which, arrays, count)
        x = moved(x, tuple(range(1 + at, 1 + at + rank)), tuple(range(1, 1 + rank)))
    else:
        key, every = (ALL, *key), list(arrays)
        x = moved(x, (0,), (0 if _block_begins(key, len(shapes)) else rank,))
    return scattering(len(every))(x, *every, key=key, shape=shapes, flat=len(shape_of(x)) == 1)


# Keys to test with; the index arrays are _ROWS and _COLUMNS.
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
        makes_view=not count, batch=_index_batch,
        vjp=lambda dout, x, *rest, key: (
            lambda: _index_back(dout, x, rest[:-1], key), *(None,) * count,
        ),
        words=words,
        samples=((_X, *(_ROWS, _COLUMNS)[:count]),) if count in _KEYS else (),
        sample_attrs=tuple({"key": key} for key in _KEYS.get(count, ())),
        error_samples=((np.zeros(()),),) if not count else (),
    )


index = indexing(0)


# ---- adding up at places


def _added(positions: Any, x: Any, shape: Shape) -> Any:
    """Zeros of a shape, with every number of x added at its position in C order; in float64."""
    total = np.bincount(np.ravel(positions), np.ravel(x), prod(shape))
    return total.astype(np.float64, copy=False).reshape(shape)  # of nothing it is of integers


def _positions(shape: Shape) -> Any:
    return np.arange(prod(shape)).reshape(shape)


def _added_text(picked: str, shape: Shape, flat: bool) -> str:
    """Source of `_added`; picked: how positions are picked from the array of all, at %s.

    flat: x is a vector already.
    """
    again = "" if len(shape) == 1 else f".reshape{shape}"
    positions = picked % f"np.arange({prod(shape)}){again}"
    added = f"{positions}, {{x}}" if flat else f"{positions}.ravel(), np.ravel({{x}})"
    return f"np.bincount({added}, {prod(shape)}){again}"


def _as_wide(types: Sequence[Type], *, shape: Shape, **_: Any) -> Type:
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
        evaluate=lambda x, *arrays, key, shape, flat: _added(
            _positions(shape)[_filled(key, arrays)], x, shape
        ),
        infer=_as_wide, batch=_scatter_batch,
        code=lambda attrs, operands: _added_text(
            f"%s[{key_text(attrs['key']) or '...'}]", attrs["shape"], attrs["flat"]
        ),
        vjp=lambda dout, x, *rest, key, shape, flat: (
            lambda: back(dout, *rest[:-1], key=key), *(None,) * count,
        ),
        words="gives {x} what {dout} has at the places it was added to",
        samples=((x, *(_ROWS, _COLUMNS)[:count]),) if key else (),
        sample_attrs=({"key": tuple(key), "shape": (5,) if count == 1 else (3, 4),
                       "flat": count > 0},),
    )


scatter_add = scattering(0)
index_1, index_2, scatter_add_1, scatter_add_2 = (
    made(count) for made in (indexing, scattering) for count in (1, 2)
)


def _is_true(mask: Any, axis: int, count: int, lead: int = 0) -> Any:
    """Places along an axis where a mask is true, of each mask behind so many leading axes."""
    shape = np.shape(mask)
    counts = np.ravel(np.count_nonzero(mask, axis=tuple(range(lead, len(shape)))))
    wrong = counts[counts != count]
    if wrong.size:
        before, instead = (
            ("was", " when the circuit was made; trace the function again") if not lead else
            ("the first", ": each must pick as many numbers. Write np.where(mask, x, 0)")
        )
        raise ShapeError(
            f"{'one of these masks' if lead else 'this mask'} of shape {list(shape[lead:])} is "
            f"true at {wrong[0]} places, and {before} at {count}{instead}"
        )
    return np.nonzero(mask)[axis].reshape(*shape[:lead], count)


def _nonzero_code(attrs: Mapping[str, Any], operands: Any) -> str:
    found = f"np.nonzero({{x}})[{attrs['axis']}]"
    lead = attrs.get("lead", 0)
    return found + (f".reshape(*{{x}}.shape[:{lead}], {attrs['count']})" if lead else "")


nonzero: Gate = gate(
    "nonzero", "x", family="gather", evaluate=_is_true,
    infer=lambda types, *, axis, count, lead=0: Type(
        (*types[0].shape[:lead], count), np.dtype(np.intp)
    ),
    code=_nonzero_code,
    batch=lambda gate, many, x, axis, count, lead=0: gate(
        x, axis=axis + 1, count=count, lead=lead + 1  # as many true in each of the leading places
    ),
    words="gives places, which are flat: nothing flows back",
    samples=((np.array([[True, False], [False, True]]),),),
    sample_attrs=({"axis": 0, "count": 2}, {"axis": 1, "count": 2},
                  {"axis": 1, "count": 1, "lead": 1}),
)


# ---- picking along one axis


def _only(settings: Mapping[str, Any]) -> None:
    """TypeError for NumPy's settings that are not None: they would be lost."""
    given = [name for name, value in settings.items() if value is not None]
    if given:
        raise TypeError(f"without {', '.join(given)}=, please")


def _bind_take(
    a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise"
) -> Bound:
    _only({"out": out, "mode": None if mode == "raise" else mode})
    found = None if axis is None else one_axis(axis, shape_of(a), "take")
    return (a, _encoded(indices)), {"axis": found}


def _take(x: Any, i: Any, axis: int | None) -> Any:
    return _picked(np.take, x, i, axis, name=f"take of {list(np.shape(i))} places")


def _take_type(types: Sequence[Type], *, axis: int | None) -> Type:
    x, i = types
    return Type(_take(_dummy(x.shape), np.zeros(i.shape, np.intp), axis).shape, x.dtype)


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


def _take_batch(gate: Gate, many: Sequence[bool], x: Any, i: Any, axis: int | None) -> Any:
    if axis is None:
        x, axis = flat(x, many[0]), 0
    if not many[1]:
        return gate(x, i, axis=axis + 1)
    return _index_batch(indexing(1), many, x, i, key=(ALL,) * axis + ("i",))


take = gate(
    "take", "x i", family="gather", evaluate=_take, infer=_take_type,
    code=lambda attrs, operands: f"np.take({{x}}, {{i}}{_axis_text(attrs['axis'])})",
    numpy=(np.take,), method="take", bind=_bind_take, batch=_take_batch,
    vjp=lambda dout, x, i, out, axis: (lambda: _take_back(dout, x, i, axis), None),
    words="adds {dout} up at the places taken from {x}; places never taken get 0",
    samples=((_X, _ROWS),), sample_attrs=({"axis": None}, {"axis": 0}, {"axis": 1}),
    error_samples=((np.zeros((0, 2)), _ROWS),),
)


def _bind_along(arr: Any, indices: Any, axis: Any = -1) -> Bound:
    indices = _encoded(indices)
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
    return _picked(np.take_along_axis, x, i, axis, name=name)


def _along_type(types: Sequence[Type], *, axis: int) -> Type:
    x, i = types
    return Type(_along(_dummy(x.shape), np.zeros(i.shape, np.intp), axis).shape, x.dtype)


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
    evaluate=lambda x, i, axis, shape: _added(
        np.take_along_axis(_positions(shape), i, axis), x, shape
    ),
    infer=_as_wide,
    code=lambda attrs, operands: _added_text(
        f"np.take_along_axis(%s, {{i}}, {attrs['axis']})", attrs["shape"], False
    ),
    batch=lambda gate, many, x, i, axis, shape: gate(
        spread(x, many[0], count_of(many, (x, i))), _both(many[1:], i)[0], axis=shifted(axis),
        shape=(count_of(many, (x, i)), *shape),
    ),
    vjp=lambda dout, x, i, out, axis, shape: (
        lambda: take_along_axis(dout, i, axis=axis), None,
    ),
    words="gives {x} what {dout} has at the places it was added to",
    samples=((_X[:, :1], _BEST),), sample_attrs=({"axis": 1, "shape": (3, 4)},),
)


# ---- a border around, and the diagonal


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
    batch=lambda gate, many, x, pad_width, value: gate(
        x, pad_width=((0, 0), *pad_width), value=value
    ),
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
    _only({"dtype": dtype, "out": out})
    return _bind_diagonal(a, offset, axis1, axis2)


def _diagonal_code(name: str, attrs: Mapping[str, Any]) -> str:
    values = [attrs["offset"], attrs["axis1"], attrs["axis2"]]
    shown = values if values[1:] != [0, 1] else values[:1] if values[0] else []
    return f"np.{name}({', '.join(['{x}', *map(str, shown)])})"


def _diagonal_type(types: Sequence[Type], **attrs: int) -> Type:
    x = types[0]
    if len(x.shape) < 2:
        raise ShapeError(f"a diagonal is of a matrix, not of shape {list(x.shape)}")
    return Type(np.diagonal(_dummy(x.shape), **attrs).shape, x.dtype)


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
    return Type(np.diag(_dummy(x.shape), k).shape, x.dtype)


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

BY_COUNT["index"] = indexing
BY_COUNT["scatter_add"] = scattering
