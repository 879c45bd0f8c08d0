"""A circuit read number by number, as a Python loop left it.

Arrays written to at fixed places are looked through: a number read there is the one written, and
what is added there is a step of its own. Only where the array is wanted as a whole is it stored.

    y[0] = a               numbers known of y: a at 0
    y[1] = y[0] + b                            a at 0, a + b at 1
    y.sum()                stored: y with these two
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from chainrule.backends.llvm.readers import last_readers
from chainrule.backends.llvm.scalars import LEAST, Pick, Place, Scalars, Written
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import CONSTANT, Kind
from chainrule.gates.index import index, index_add, index_set
from chainrule.gates.move import alias, cast, stop_gradient

OFTEN = 4  # times as often as its neighbours is a number read that all of a loop share
MOVED = (alias, cast, stop_gradient)  # steps of numbers, as elementwise gates are


def scalars_of(circuit: Circuit) -> Scalars:
    """The numbers of a circuit, and its other rows and stored arrays in order."""
    reader = _Reader(circuit)
    for row in range(len(circuit)):
        reader.row(row)
    for wire in circuit.outputs:
        reader.whole(wire)
    return reader.scalars


@dataclass(slots=True, eq=False)
class _Cells:
    """An array with numbers written into it: those known, and those not stored yet."""

    array: int  # the last row that was stored
    known: dict[Place, int] = field(default_factory=dict)
    waiting: dict[Place, int] = field(default_factory=dict)


class _Reader:
    """Walks the rows once."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.scalars = Scalars(circuit, _pivots(circuit))
        self.last_reader = last_readers(circuit)
        self.cells: dict[int, _Cells] = {}  # of rows that are arrays
        self.parts: dict[int, tuple[int, Place]] = {}  # of rows that are x[i]: x and i

    def row(self, row: int) -> None:
        """Read a row: as a number, as part of an array or, if all else fails, as it stands."""
        kind, operands = self.circuit.kind_of(row), self.circuit.operands(row)
        if kind.gate in (index_add, index_set):
            if self.is_written(kind, operands[0], operands[1], row):
                return
        elif kind.type.shape == ():
            number = self.number(kind, operands, row)
            if number is not None:
                self.scalars.number_of[row] = number
                return
        for wire in operands:
            self.whole(wire)
        self.scalars.order.append(row)
        if kind.type.shape == ():
            self.scalars.number_of[row] = self.scalars.of_row(row)
        if kind.gate is index:
            self.note_part(kind, operands[0], row)

    def whole(self, wire: int) -> None:
        """Have an array stored, with the numbers that wait."""
        cells = self.cells.get(wire)
        if cells is not None and cells.waiting:
            numbers = tuple(cells.waiting.items())
            self.scalars.order.append(Written(wire, cells.array, numbers))
            cells.array, cells.waiting = wire, {}

    # ---- numbers

    def number(self, kind: Kind, operands: Sequence[int], row: int) -> int | None:
        """The number of a row; None where it takes more than numbers to make it."""
        if kind.gate is CONSTANT:
            return self.scalars.known(self.circuit.constant(row), row)
        if kind.gate is index:
            array, place = self.place(kind, operands[0])
            return None if place is None else self.read(array, place, row)
        numbers = [self.scalars.number_of.get(w, -1) for w in operands]
        is_step = kind.gate.family == "elementwise" or kind.gate in MOVED
        if not is_step or -1 in numbers:
            return None
        return self.scalars.step(self.circuit.kind[row], tuple(numbers), row)

    def read(self, array: int, place: Place, row: int) -> int:
        """The number at a place of an array."""
        cells = self.cells.get(array)
        if cells is not None:
            if place in cells.known:
                return cells.known[place]
            array = cells.array
        filling = _filling(self.circuit, array)
        if filling is not None:
            return self.scalars.known(filling, row)
        return self.scalars.pick(Pick(array, place), row)

    def place(self, kind: Kind, wire: int) -> tuple[int, Place | None]:
        """The array and the place in it that x[i] is, where it is one number or row."""
        array, key = self.parts.get(wire, (wire, ()))
        return array, _place((*key, *kind.attrs["key"]), self.circuit.type_of(array).shape)

    def note_part(self, kind: Kind, wire: int, row: int) -> None:
        """Look through x[i], an array itself, where nothing was written into x."""
        array, place = self.place(kind, wire)
        if place is not None and array not in self.cells:
            self.parts[row] = array, place

    # ---- writes

    def is_written(self, kind: Kind, wire: int, v: int, row: int) -> bool:
        """True for x[i] = v or x[i] += v of numbers, which are known from here on."""
        shape, dtype = kind.type.shape, kind.type.dtype
        place = _place(kind.attrs["key"], shape)
        if place is None or len(place) != len(shape) or v not in self.scalars.number_of:
            return False
        number = self.scalars.cast_to(dtype, self.scalars.number_of[v], row)
        if number is None:
            return False
        if kind.gate is index_add:
            number = self.scalars.sum_of(self.read(wire, place, row), number, dtype, row)
        cells = self.cells.get(wire)
        if cells is None or self.last_reader[wire] > row:
            self.whole(wire)
            cells = _Cells(wire)
        cells.known[place] = cells.waiting[place] = number
        self.cells[row] = cells
        return True


def _place(key: tuple[Any, ...], shape: tuple[int, ...]) -> Place | None:
    """The place that a key of whole numbers names, counted from the begin of each axis."""
    if len(key) > len(shape) or not all(k.__class__ is int for k in key):
        return None
    return tuple(k % n for k, n in zip(key, shape, strict=False))


def _filling(circuit: Circuit, array: int) -> Any:
    """The number that an array holds at all places, where it is known."""
    kind, value = circuit.kind_of(array), None
    if kind.gate.reads_shape:  # full_like and full
        value = kind.attrs["value"]
    elif kind.gate is CONSTANT:
        held = circuit.constant(array)
        if held.size and not any(held.strides) and held.__class__ is np.ndarray:
            value = held.flat[0]
    return None if value is None else kind.type.dtype.type(value)


def _pivots(circuit: Circuit) -> set[Pick]:
    """Numbers of arrays that are read many times as often as their neighbours: x[0] in a loop over
    x[i]. They are no places of the loop, but the same at all of them."""
    reads = Counter(circuit.operand)
    counts: dict[int, Counter[Place]] = {}
    for row in range(len(circuit)):
        kind = circuit.kind_of(row)
        if kind.gate is index and kind.type.shape == ():
            (array,) = circuit.operands(row)
            place = _place(kind.attrs["key"], circuit.type_of(array).shape)
            if place is not None:
                counts.setdefault(array, Counter())[place] += reads[row]
    return {
        Pick(array, place) for array, of_one in counts.items() for place, n in of_one.items()
        if n >= LEAST and n > OFTEN * median(of_one.values())
    }
