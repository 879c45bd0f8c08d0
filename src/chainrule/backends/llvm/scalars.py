"""The numbers of a circuit one by one, and what they have in common.

A Python loop over the places of arrays gives a row for each number. Numbers that the same gate
makes of numbers as far apart have one pattern, and a place in it:

    x[1] - x[0] ** 2            x[i]               a pattern: a pick along an axis
    x[2] - x[1] ** 2            x[i] ** 2          of that one at i, and the number 2
    x[3] - x[2] ** 2            x[i] - that        of the first at i, of the second at i - 1
"""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import KINDS, inferred_kind
from chainrule.circuit.types import TYPES, Type, intern_type, type_id
from chainrule.gates.elementwise import add
from chainrule.gates.move import cast

LEAST = 8  # numbers in a row that are worth a loop nest
Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """A number of an array, which is a row."""

    array: int
    place: Place


@dataclass(frozen=True, slots=True)
class Step:
    """A number that an elementwise gate makes of others."""

    kind: int
    operands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A number written in the code."""

    value: Any


@dataclass(frozen=True, slots=True)
class Written:
    """An array, which is a row, made of an earlier one by numbers at some places."""

    array: int
    before: int
    numbers: tuple[tuple[Place, int], ...]


def axis_of(shape: tuple[int, ...]) -> int | None:
    """The axis of an array that loops go along: the last one that is long enough."""
    return max((a for a, n in enumerate(shape) if n >= LEAST), default=None)


class Scalars:
    """Numbers, each once, by what makes them: a Pick, a Step, a Known or a row of the circuit."""

    def __init__(self, circuit: Circuit, pivots: Set[Pick]) -> None:
        """pivots: picks that are no places of a loop."""
        self.circuit, self.pivots = circuit, pivots
        self.made: list[Pick | Step | Known | int] = []
        self.rows: list[int] = []  # per number, the row it stands for first
        self.patterns: list[int] = []  # per number, or -1
        self.places: list[int] = []  # per number, in its pattern
        self.number_of: dict[int, int] = {}  # of rows that are numbers
        self.order: list[int | Written | tuple[int]] = []  # other rows, arrays, (number,) of a step
        self._found: dict[Any, int] = {}
        self._patterns: dict[Any, int] = {}

    def steps(self) -> list[int]:
        """The numbers that are steps, in order."""
        return [x[0] for x in self.order if isinstance(x, tuple)]

    def type_of(self, number: int) -> Type:
        """The type of a number."""
        made = self.made[number]
        if isinstance(made, Known):
            return TYPES[type_id(made.value)]
        if isinstance(made, Step):
            return KINDS[made.kind].type
        t = self.circuit.type_of(made.array if isinstance(made, Pick) else made)
        return Type((), t.dtype, t.weak)

    # ---- what makes a number; row: the first it stands for

    def of_row(self, row: int) -> int:
        """The number that a row gives which is none of the others."""
        return self._new(row, row)

    def known(self, value: Any, row: int) -> int:
        """The number of a constant."""
        key = type_id(value), repr(value)
        if key not in self._found:
            self._found[key] = self._new(Known(value), row)
        return self._found[key]

    def pick(self, pick: Pick, row: int) -> int:
        """A number of an array."""
        found = self._found.get(pick)
        if found is None:
            found = self._found[pick] = self._new(pick, row)
            axis = axis_of(self.circuit.type_of(pick.array).shape)
            if axis is not None and pick not in self.pivots:
                key = pick.array, pick.place[:axis], pick.place[axis + 1 :]
                self._in_pattern(found, key, pick.place[axis])
        return found

    def step(self, kind: int, operands: tuple[int, ...], row: int) -> int:
        """The number that a gate makes of others."""
        key = kind, *operands
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._new(Step(kind, operands), row)
            self.order.append((found,))
            self._find_pattern(found, kind, operands)
        return found

    def sum_of(self, x: int, y: int, dtype: Any, row: int) -> int:
        """The sum of two numbers of a dtype."""
        t = intern_type(Type((), dtype))
        return self.step(inferred_kind(add, {}, (t, t)), (x, y), row)

    def cast_to(self, dtype: Any, number: int, row: int) -> int | None:
        """A number as one of a dtype; None where machine code has no such cast."""
        made, t = self.made[number], self.type_of(number)
        if t.dtype == dtype:
            return number
        if dtype.kind != "f" and not np.can_cast(t.dtype, dtype):
            return None
        if isinstance(made, Known):
            return self.known(dtype.type(made.value), row)
        kind = inferred_kind(cast, {"dtype": dtype.name}, (intern_type(t),))
        return self.step(kind, (number,), row)

    def _new(self, made: Pick | Step | Known | int, row: int) -> int:
        self.made.append(made)
        self.rows.append(row)
        self.patterns.append(-1)
        self.places.append(0)
        return len(self.made) - 1

    def _find_pattern(self, number: int, kind: int, operands: tuple[int, ...]) -> None:
        placed = [x for x in operands if self.patterns[x] >= 0]
        if placed:
            place = self.places[placed[0]]
            parts = (
                (self.patterns[x], self.places[x] - place) if self.patterns[x] >= 0 else (~x,)
                for x in operands
            )
            self._in_pattern(number, (kind, *parts), place)

    def _in_pattern(self, number: int, key: Any, place: int) -> None:
        self.patterns[number] = self._patterns.setdefault(key, len(self._patterns))
        self.places[number] = place
