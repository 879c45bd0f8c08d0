"""Values on wires: a name in the text or a known number, and its kind of number.

Kinds are "f" for real numbers, "s" for singles, "i" for whole numbers, "b" for flags. To a row,
reals are "f" whatever their precision: the writer knows it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backends.llvm.lines import FLAG, REAL, SINGLE, WHOLE, Lines
from chainrule.errors import UnsupportedError

IR_TYPE = {"f": REAL, "s": SINGLE, "i": WHOLE, "b": FLAG}


class Room(np.ndarray[Any, Any]):
    """An array whose numbers are written before they are read."""


class Count(np.ndarray[Any, Any]):
    """Whole numbers evenly apart along each axis: machine code reads them off its loops."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a wire carries: the name of a value, or a number known already."""

    kind: str  # a key of IR_TYPE
    name: str
    number: float | int | bool | None = None

    def __str__(self) -> str:
        return self.name if self.number is None else repr(self.number)


# The writer, the kind of the output and the operands -> the name of the output.
Row = Callable[[Lines, str, Sequence[Value]], str]


def as_kind(w: Lines, kind: str, x: Value) -> str:
    """The text of a value in another kind: whole numbers as reals, flags as 0 and 1."""
    if x.number is not None:
        return _constant(w, kind, x.number)
    if x.kind == kind:
        return x.name
    if kind == "b":  # nan is true, as in NumPy
        is_real = x.kind == "f"
        return w.compare("une", x.name, 0.0) if is_real else w.compare_whole("ne", x.name, 0)
    if kind == "i" and x.kind == "f":
        raise UnsupportedError("machine code does not cut real numbers to whole ones")
    how = _HOW[x.kind, kind]
    return w.convert(how, x.name, IR_TYPE[x.kind], w.real_type if kind == "f" else IR_TYPE[kind])


_HOW = {
    ("b", "i"): "zext", ("b", "f"): "uitofp", ("i", "f"): "sitofp", ("s", "f"): "fpext",
    ("f", "s"): "fptrunc",
}


def _constant(w: Lines, kind: str, number: float | int | bool) -> str:
    if kind == "f":
        return w.number(float(number))
    if kind == "b":
        return w.spread(FLAG, "true" if number else "false")
    return w.spread(WHOLE, str(int(number)))


def as_kinds(w: Lines, kind: str, operands: Sequence[Value]) -> list[str]:
    return [as_kind(w, kind, x) for x in operands]


def function(name: str) -> Row:
    """A call of one of our functions of reals (see functions.py)."""

    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        return w.call(name, *as_kinds(w, "f", operands))

    return row
