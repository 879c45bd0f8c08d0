"""What a wire can carry: a shape, a dtype, and whether it is a plain Python number.

A Python number is *weak*, as in NumPy's promotion: it never changes the dtype of an array it
meets. Types are interned: a column of a circuit stores the integer id.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.circuit.registry import LOCK


class Type:
    """Shape and dtype of a wire; `weak` for Python's own float, int and bool."""

    __slots__ = ("dtype", "shape", "weak")

    def __init__(
        self, shape: tuple[int, ...], dtype: "np.dtype[Any]", weak: bool = False
    ) -> None:
        self.shape: Final = shape
        self.dtype: Final = dtype
        self.weak: Final = weak

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Type) and self.shape == other.shape and self.dtype == other.dtype
            and self.weak == other.weak
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak))

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def is_inexact(self) -> bool:
        """True when the values are real numbers that can have a gradient."""
        return self.dtype.kind == "f"

    def __repr__(self) -> str:
        if self.weak:
            return _WEAK_NAMES[self.dtype.kind]
        return self.dtype.name + "[" + ",".join(map(str, self.shape)) + "]"


_WEAK_NAMES = {"f": "float", "i": "int", "b": "bool"}
TYPES: list[Type] = []
_IDS: dict[Type, int] = {}
_BY_SHAPE: dict[tuple[tuple[int, ...], np.dtype[Any]], int] = {}


def intern_type(t: Type) -> int:
    """The id of a type, the same for equal types for as long as the process lives."""
    found = _IDS.get(t)
    if found is None:
        with LOCK:
            if t not in _IDS:
                TYPES.append(t)
                _IDS[t] = len(TYPES) - 1  # last, as others read it without the lock
            found = _IDS[t]
    return found


FLOAT = intern_type(Type((), np.dtype(np.float64), weak=True))
INT = intern_type(Type((), np.dtype(np.int64), weak=True))
BOOL = intern_type(Type((), np.dtype(np.bool_), weak=True))
WEAK = {float: FLOAT, int: INT, bool: BOOL}
_SAMPLE = {"f": 0.0, "i": 0, "b": False}


def type_id(value: Any) -> int:
    """The type id of a Python number, a NumPy array or scalar, or a traced value."""
    weak = WEAK.get(value.__class__)
    if weak is not None:
        return weak
    if isinstance(value, (np.ndarray, np.generic)):
        key = (value.shape, value.dtype)
        found = _BY_SHAPE.get(key)
        if found is None:
            found = _BY_SHAPE[key] = intern_type(Type(*key))
        return found
    return value.type_id  # type: ignore[no-any-return]  # a handle knows its own


def is_number(value: Any) -> bool:
    """True for what a wire can carry as it stands: Python numbers, NumPy arrays and scalars."""
    return value.__class__ in WEAK or (
        isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fiub"
    )


def promote(types: Sequence[Type]) -> np.dtype[Any]:
    """The dtype NumPy gives when values of these types meet; weak ones yield to the others."""
    if all(t.dtype == types[0].dtype and t.weak == types[0].weak for t in types):
        return types[0].dtype
    return np.result_type(*(_SAMPLE[t.dtype.kind] if t.weak else t.dtype for t in types))
