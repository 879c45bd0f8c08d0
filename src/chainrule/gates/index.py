"""Gates that pick numbers out of an array by a key: dout goes back where they came from.

| gate                  | out                          | x gets                                |
|-----------------------|------------------------------|---------------------------------------|
| index                 | x[1:3, 0]                    | zeros with dout in that box           |
| index_1, index_2, ... | x[i], x[i, :, j]             | dout added up at the places picked    |
| index_add, ..._1 ...  | x[key] += v                  | dout; v gets dout at the places       |
| index_set, ..._1 ...  | x[key] = v                   | dout, 0 there; v gets dout at them    |
| is_last_1, ...        | which writes stay            | nothing: flags are flat               |

The last gates change x where x is theirs to change; else they change a copy.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_COUNT, Gate
from chainrule.circuit.registry import once_each
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.batched import (
    aligned,
    count_of,
    moved,
    shape_of_one,
    spread,
    with_ones,
)
from chainrule.gates.define import gate
from chainrule.gates.elementwise import where
from chainrule.gates.keys import (
    ALL,
    Key,
    dummy,
    filled,
    key_text,
    names_of_indices,
    no_such_place,
    whole_masks,
)
from chainrule.gates.move import Bound, Shape, chosen, reshape, shape_of
from chainrule.gates.terms import AddedAt, ClearedAt, Passed, Places

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
    if key.__class__ is tuple and key and all(map(is_places, key)):  # x[rows, columns]: as it is
        return chosen(indexing(len(key)), (x, *key), key=names_of_indices(len(key)))
    items = whole_masks(key if isinstance(key, tuple) else (key,), shape_of(x))
    arrays = [item for item in items if hasattr(item, "shape")]
    names = iter(names_of_indices(len(arrays)))
    found = tuple(next(names) if hasattr(item, "shape") else item for item in items)
    if arrays:
        return chosen(indexing(len(arrays)), (x, *arrays), key=found)
    if "..." in found and len(found) - found.count(None) > len(shape_of(x)):
        found = tuple(item for item in found if item != "...")  # of no axes; x[..., 0] is no number
    return (x,), {"key": found}


def is_places(item: Any) -> bool:
    """True for an index array that stands in a key as it is."""
    return isinstance(item, np.ndarray) and item.size * item.ndim > 0 and item.dtype.kind in "iu"


# ---- index and its gradient


def _index_back(dout: Any, x: Any, arrays: Sequence[Any], key: Key) -> Any:
    """dout at the places picked, zeros elsewhere; None where nothing was picked."""
    return AddedAt(Places(x, key, tuple(arrays)), dout) if prod(shape_of(dout)) else None


# ---- many examples at once


@lru_cache(maxsize=4096)
def _block_begins(key: Key, rank: int) -> int:
    """Where in x[key] the axes of its index arrays stand: in their place, or first of all."""
    sevens = [np.zeros(7, np.intp) for k in key if isinstance(k, str) and k != "..."]
    items = [0 if isinstance(k, int) else ALL if isinstance(k, tuple) else k for k in key]
    return np.zeros((1,) * rank)[filled(tuple(items), sevens)].shape.index(7)


def _with_rows(
    key: Key, many: Sequence[bool], arrays: Sequence[Any], count: int
) -> tuple[Key, list[Any]]:
    """A key that picks from each example its own: one index array more, the example's number."""
    every = aligned(many, arrays)
    rank = _block_rank(many, arrays)
    names = iter(names_of_indices(len(every) + 1))
    first = next(names)
    rest = (next(names) if isinstance(k, str) and k != "..." else k for k in key)
    return (first, *rest), [np.arange(count).reshape(count, *(1,) * rank), *every]


def _block_rank(many: Sequence[bool], arrays: Sequence[Any]) -> int:
    """How many axes the index arrays of one example have together."""
    return max(len(shape_of_one(i, m)) for i, m in zip(arrays, many, strict=True))


def index_batch(gate: Gate, many: Sequence[bool], x: Any, *arrays: Any, key: Key) -> Any:
    """x[key] of each example."""
    which = many[1:]
    if not arrays:
        return gate(x, key=(ALL, *key))
    rank = _block_rank(which, arrays)
    at = _block_begins(key, len(shape_of_one(x, many[0])))
    if not any(which):
        first = rank if not _block_begins((ALL, *key), len(shape_of(x))) else 0
        return moved(gate(x, *arrays, key=(ALL, *key)), (first,), (0,))
    if not many[0]:
        return moved(gate(x, *aligned(which, arrays), key=key), (at,), (0,))
    key, every = _with_rows(key, which, arrays, shape_of(x)[0])
    out = indexing(len(every))(x, *every, key=key)  # [n, index arrays' axes, others]
    return moved(out, tuple(range(1, 1 + rank)), tuple(range(1 + at, 1 + at + rank)))


def _write_batch(
    gate: Gate, many: Sequence[bool], x: Any, v: Any, *arrays: Any, key: Key, **attrs: Any
) -> Any:
    """x[key] = v of each example: into all of them at once, v laid out as what is picked."""
    which, count = many[2:], count_of(many, (x, v, *arrays))
    shape = shape_of_one(x, many[0])
    examples = [Type(shape_of_one(i, m), np.dtype(np.intp))
                for i, m in zip(arrays, which, strict=True)]
    picked = _index_type([Type(shape, np.dtype(np.bool_)), *examples], key=key).shape
    x = spread(x, many[0], count)
    if many[1] or shape_of(v):
        v = spread(v, many[1], count)
        v = with_ones(v, len(picked) + 1 - len(shape_of(v)))
    if not any(which):
        wide = (ALL, *key)
        if arrays and shape_of(v) and not _block_begins(wide, 1 + len(shape)):
            v = moved(v, (0,), (_block_rank(which, arrays),))
        return gate(x, v, *arrays, key=wide, **attrs)
    rank, at = _block_rank(which, arrays), _block_begins(key, len(shape))
    if shape_of(v):
        v = moved(v, tuple(range(1 + at, 1 + at + rank)), tuple(range(1, 1 + rank)))
    key, every = _with_rows(key, which, arrays, count)
    return BY_COUNT[gate.name.rpartition("_")[0]](len(every))(x, v, *every, key=key, **attrs)


def _lasting_batch(
    gate: Gate, many: Sequence[bool], *arrays: Any, key: Key, shape: Shape, picked: Shape
) -> Any:
    count, rank = count_of(many, arrays), _block_rank(many, arrays)
    at = _block_begins(key, len(shape))
    wide, every = _with_rows(key, many, arrays, count)
    ordered = (count, *picked[at : at + rank], *picked[:at], *picked[at + rank :])
    out = lasting(len(every))(*every, key=wide, shape=(count, *shape), picked=ordered)
    return moved(out, tuple(range(1, 1 + rank)), tuple(range(1 + at, 1 + at + rank)))


# Keys to test with; the index arrays are ROWS and COLUMNS.
_KEYS: dict[int, tuple[Key, ...]] = {
    0: ((1,), ((0, 2, None), -1), ((None, None, 2),), ("...", None, (-3, None, -1)), (),
        (2, (3, 0, -2))),
    1: (("i",), (None, "i"), ((None, None, -1), "i"), ("i", (1, 3, None))),
    2: (("i", "j"), ("i", None, "j")),
}


@once_each
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
        makes_view=not count, batch=index_batch,
        vjp=lambda dout, x, *rest, key: (
            lambda: _index_back(dout, x, rest[:-1], key), *(None,) * count,
        ),
        words=words,
        samples=((_X, *(ROWS, COLUMNS)[:count]),) if count in _KEYS else (),
        sample_attrs=tuple({"key": key} for key in _KEYS.get(count, ())),
        error_samples=((np.zeros(()),),) if not count else (),
    )


index = indexing(0)


# ---- writing at a key


def _added(x: Any, v: Any, *arrays: Any, key: Key) -> None:
    where = filled(key, arrays)
    if arrays:
        np.add.at(x, where, v)  # a place named twice is added to twice
    else:
        x[where] += v


def _set(x: Any, v: Any, *arrays: Any, key: Key, **_: Any) -> None:
    x[filled(key, arrays)] = v


def _written_type(types: Sequence[Type], *, key: Key, **_: Any) -> Type:
    x, v, *indices = types
    picked = _index_type([x, *indices], key=key).shape
    try:
        fits = np.broadcast_shapes(picked, v.shape) == picked
    except ValueError:
        fits = False
    if not fits:
        written = key_text(key).replace("{", "").replace("}", "")
        raise ShapeError(
            f"x[{written}] of x, which has shape {list(x.shape)}, is of shape {list(picked)}: "
            f"what is written there has shape {list(v.shape)}"
        )
    return Type(x.shape, x.dtype)


def _target(attrs: Mapping[str, Any]) -> str:
    return f"{{x}}[{key_text(attrs['key']) or '...'}]"


def _add_text(attrs: Mapping[str, Any], operands: Any) -> str:
    key = attrs["key"]
    if not any(isinstance(k, str) and k != "..." for k in key):
        return _target(attrs) + " += {v}"
    one = key_text(key) if len(key) == 1 else f"({key_text(key)})"
    if any(isinstance(k, tuple) for k in key) or "..." in key:
        one = f"np.s_[{key_text(key)}]"
    return f"np.add.at({{x}}, {one}, {{v}})"


def changed(change: Callable[..., None]) -> Callable[..., Any]:
    """The value of a gate that changes a copy of its first input."""

    def evaluate(x: Any, *rest: Any, **attrs: Any) -> Any:
        out = np.array(x)
        change(out, *rest, **attrs)
        return out

    return evaluate


@once_each
def adding(count: int) -> Gate:
    """The gate x[key] += v for a key with so many index arrays."""
    return _writing(
        "index_add", count, "[]+=", _added, _add_text,
        vjp=lambda dout, x, v, *rest, key: (
            lambda: Passed(dout), lambda: indexing(count)(dout, *rest[:-1], key=key),
            *(None,) * count,
        ),
        mask=lambda live, x, *rest, key: (live, *(None,) * (1 + count)),
        words="passes {dout} on to {x}, and gives {v} what {dout} has at the places added to",
        sample_attrs=_KEYS.get(count, ()), samples=_VALUES,
    )


@once_each
def setting(count: int) -> Gate:
    """The gate x[key] = v for a key with so many index arrays.

    repeats: the arrays may name a place twice; then the last number written there stays.
    """
    return _writing(
        "index_set", count, "[]=", _set, lambda attrs, operands: _target(attrs) + " = {v}",
        vjp=lambda dout, x, v, *rest, key, repeats=False: (
            lambda: ClearedAt(dout, Places(x, key, rest[:-1])),
            lambda: _written_back(dout, x, rest[:-1], key, repeats), *(None,) * count,
        ),
        mask=lambda live, x, v, *rest, key, repeats=False: (
            (live, Places(x, key, rest[:-1])), *(None,) * (1 + count),
        ),
        words="gives {v} what {dout} has at the places written to; there {x} gets 0, and the "
              "rest of {dout} elsewhere",
        sample_attrs=_KEYS.get(count, ()), samples=_VALUES, repeats=True if count else None,
    )


def _written_back(dout: Any, x: Any, arrays: Sequence[Any], key: Key, repeats: bool) -> Any:
    """dout at the places written to; where one was written twice, to the last only."""
    picked = indexing(len(arrays))(dout, *arrays, key=key)
    if not repeats:
        return picked
    last = lasting(len(arrays))(*arrays, key=key, shape=shape_of(x), picked=shape_of(picked))
    return where(last, picked, 0)


_VALUES = (2.0,)  # written to every place


def _writing(
    name: str, count: int, symbol: str, change: Callable[..., None], statement: Any, *,
    sample_attrs: Sequence[Key], samples: Sequence[Any], repeats: bool | None = None,
    **fields: Any,
) -> Gate:
    """A gate that changes x at a key."""
    more = {} if repeats is None else {"repeats": repeats}
    return gate(
        f"{name}_{count}" if count else name, " ".join(("x", "v", *names_of_indices(count))),
        family="scatter", symbol=symbol, evaluate=changed(change), infer=_written_type,
        code="", statement=statement, change=change, batch=_write_batch,
        samples=tuple((_X, v, *(ROWS, COLUMNS)[:count]) for v in samples),
        sample_attrs=tuple({"key": key, **more} for key in sample_attrs), **fields,
    )


def _positions(arrays: Sequence[Any], key: Key, shape: Shape) -> Any:
    return np.arange(prod(shape)).reshape(shape)[filled(key, arrays)]


def _is_last(*arrays: Any, key: Key, shape: Shape, picked: Shape) -> Any:
    places = _positions(arrays, key, shape).ravel()
    count = np.arange(places.size)
    last = np.zeros(prod(shape), np.intp)
    last[places] = count
    return (last[places] == count).reshape(picked)


def _is_last_text(attrs: Mapping[str, Any], operands: Any) -> str:
    shape = attrs["shape"]
    again = "" if len(shape) == 1 else f".reshape{shape}"
    places = f"np.arange({prod(shape)}){again}[{key_text(attrs['key'])}].ravel().tolist()"
    return (
        "(lambda p: np.equal([*map(dict(zip(p, range(len(p)))).get, p)], range(len(p))))"
        f"({places}).reshape({attrs['picked']})"
    )


@once_each
def lasting(count: int) -> Gate:
    """The gate that tells which of the numbers written at index arrays stay: the last of each."""
    key, picked = ("i", "j")[:count], (4, 4)[: 3 - count]
    return gate(
        f"is_last_{count}", " ".join(names_of_indices(count)), family="gather",
        evaluate=_is_last, code=_is_last_text, batch=_lasting_batch,
        infer=lambda types, *, key, shape, picked: Type(picked, np.dtype(np.bool_)),
        words="gives flags, which are flat: nothing flows back",
        samples=((ROWS, COLUMNS)[:count],),
        sample_attrs=({"key": key, "shape": (3, 4), "picked": picked},) if count <= 2 else (),
    )


index_add, index_set = adding(0), setting(0)
index_1, index_2, index_add_1, index_add_2, index_set_1, index_set_2, is_last_1, is_last_2 = (
    made(count) for made in (indexing, adding, setting, lasting) for count in (1, 2)
)


def bind_write(x: Any, key: Any, v: Any) -> Bound:
    """What x[key] = v means: the gate, (x, v, index arrays), and the settings."""
    bound = _bind_index(x, key)
    operands, attrs = bound[-2:]
    arrays = operands[1:]
    if len(shape_of(v)) > 0:
        v = _trimmed(v, len(_index_type_of(x, arrays, attrs["key"])))
    if arrays:
        attrs = {**attrs, "repeats": _may_repeat(shape_of(x), arrays, attrs["key"], key)}
    return setting(len(arrays)), (x, v, *arrays), attrs


def _index_type_of(x: Any, arrays: Sequence[Any], key: Key) -> Shape:
    types = [Type(shape_of(a), np.dtype(np.intp)) for a in arrays]
    return _index_type([Type(shape_of(x), np.dtype(np.bool_)), *types], key=key).shape


def _trimmed(v: Any, rank: int) -> Any:
    """v without axes of size 1 in front that the places have not; NumPy lets them be."""
    shape = shape_of(v)
    spare = len(shape) - rank
    return reshape(v, shape=shape[spare:]) if spare > 0 and set(shape[:spare]) == {1} else v


def _may_repeat(shape: Shape, arrays: Sequence[Any], found: Key, written: Any) -> bool:
    """False where no place is named twice: it is known of constants, and of masks alone."""
    if not arrays:
        return False
    if not all(isinstance(a, np.ndarray) for a in arrays):
        parts = written if isinstance(written, tuple) else (written,)
        return not (len(parts) == 1 and parts[0].dtype.kind == "b")
    places = _evaluate_index(np.arange(prod(shape)).reshape(shape), *arrays, key=found)
    return bool(np.unique(places).size != places.size)


BY_COUNT["index"] = indexing
BY_COUNT["index_add"] = adding
BY_COUNT["index_set"] = setting
BY_COUNT["is_last"] = lasting
