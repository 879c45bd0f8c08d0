"""Keys: what stands in the brackets of x[...], kept as settings, and the arrays that go with it.

A key is kept as a tuple: integers, None, "...", a slice as (start, stop, step), and for each index
array the name of the input that holds it. Masks become index arrays first.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import PlaceError, ShapeError, UnsupportedError
from chainrule.gates.define import gate
from chainrule.gates.move import Shape

Key = tuple[Any, ...]
Box = list[range]  # per axis, the places picked
ALL = (None, None, None)  # the slice : in a key


@lru_cache(maxsize=4096)
def python_key(key: Key) -> Key:
    """The key as Python has it, the names of index arrays left standing."""
    return tuple(_python_item(item) for item in key)


def _python_item(item: Any) -> Any:
    if item == "...":
        return Ellipsis
    return slice(*item) if isinstance(item, tuple) else item


def filled(key: Key, arrays: Sequence[Any]) -> Key:
    """The key with its index arrays, which it names in the order of the inputs."""
    if not arrays:
        return python_key(key)
    if len(arrays) == len(key):
        return tuple(arrays)
    rest = iter(arrays)
    return tuple(next(rest) if isinstance(k, str) else k for k in python_key(key))


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


def picked(pick: Callable[..., Any], x: Any, *how: Any, name: str) -> Any:
    """What is picked, or PlaceError naming the shape."""
    try:
        return pick(x, *how)
    except IndexError as error:
        raise no_such_place(name, np.shape(x), error) from None


def no_such_place(what: str, shape: Shape, error: IndexError) -> PlaceError:
    return PlaceError(
        f"{what} does not fit x of shape {list(shape)}: {error}\n"
        "  An axis of n numbers has places 0 to n - 1, and -n to -1 from its end."
    )


def dummy(shape: Shape) -> Any:
    return np.broadcast_to(np.zeros((), np.bool_), shape)  # an array without memory


# ---- from what the user writes to a key


def whole_masks(items: Key, shape: Shape) -> list[Any]:
    """Settings and index arrays, each mask replaced by the places where it is true."""
    found: list[Any] = []
    parts = [encoded(item) for item in items]
    widths = [max(1, item.ndim) if _is_mask(item) else item is not None for item in parts]
    named = [item.__class__ is str for item in parts]  # "..." stands for all other axes
    spare = len(shape) - sum(w for w, rest in zip(widths, named, strict=True) if not rest)
    at = 0
    for item, width, is_rest in zip(parts, widths, named, strict=True):
        if _is_mask(item):
            found += _places(item, shape[at : at + width])
        else:
            found.append(item)
        at += spare if is_rest else width
    return found


def _is_mask(item: Any) -> bool:
    return hasattr(item, "shape") and item.dtype.kind == "b"


def encoded(item: Any) -> Any:
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
        return [encoded(places) for places in np.nonzero(mask)]
    count = int(np.count_nonzero(_plain(mask)))
    return [nonzero(mask, axis=axis, count=count) for axis in range(mask.ndim)]


def _plain(mask: Any) -> Any:
    """The array a traced value holds, through all traces."""
    while not isinstance(mask, np.ndarray):
        if not hasattr(mask, "value"):
            raise UnsupportedError("a mask picks as many numbers as it happens to have true")
        mask = mask.value
    return mask


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


def only(settings: Mapping[str, Any]) -> None:
    """TypeError for NumPy's settings that are not None: they would be lost."""
    given = [name for name, value in settings.items() if value is not None]
    if given:
        raise TypeError(f"without {', '.join(given)}=, please")
