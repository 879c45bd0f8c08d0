"""Numbers of one pattern computed together: the loop that Python unrolled, as gates of arrays.

    x[1] - x[0] ** 2,  x[2] - x[1] ** 2, ...       becomes       x[1:100] - x[0:99] ** 2

Each number keeps its bits: it is made by the same gates in the same order. Numbers of a pattern
depend on no other number of it, so they may be computed where the first of them is.
"""

from collections.abc import Mapping, Sequence, Set
from itertools import pairwise
from typing import Any

from chainrule.backends.llvm.runs import Runs, runs_of
from chainrule.backends.llvm.scalars import LEAST, Known, Pick, Place, Step, Written, axis_of
from chainrule.backends.llvm.sums import IN_TURN, Sum, sums_of
from chainrule.backends.llvm.unrolled import scalars_of
from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import INPUT, KINDS, Gate, kind_id
from chainrule.circuit.types import Type, intern_type
from chainrule.gates.index import index, index_set

Item = tuple[Place, int]  # a place, and the number written there


def rolled(circuit: Circuit) -> Circuit:
    """The same circuit, runs of numbers of one pattern as arrays; itself where there are none."""
    kinds = (KINDS[k] for k in circuit.kind)
    if sum(k.gate is index and k.type.shape == () for k in kinds) < LEAST:
        return circuit
    runs = runs_of(scalars_of(circuit))
    sums, inside = sums_of(runs)
    return _Writer(runs, sums, inside).circuit() if runs.members or sums else circuit


class _Writer:
    """Writes the circuit anew, row by row."""

    def __init__(self, runs: Runs, sums: Mapping[int, Sum], inside: Set[int]) -> None:
        self.runs, self.sums, self.inside = runs, sums, inside
        self.scalars, self.old = runs.scalars, runs.scalars.circuit
        self.b = Builder(self.old.title)
        self.b.origins = list(self.old.origins)
        self.arrays: dict[int, int] = {}  # rows that are no numbers -> wires
        self.numbers: dict[int, int] = {}  # -> wires
        self.vectors: dict[int, int] = {}  # runs -> wires
        self.slices: dict[Any, int] = {}

    def circuit(self) -> Circuit:
        """The new circuit."""
        for entry in self.scalars.order:
            if isinstance(entry, Written):
                self.written(entry)
            elif isinstance(entry, tuple):
                self.step(*entry)
            else:
                self.row(entry)
        return self.b.build([self.wire(w) for w in self.old.outputs])

    def wire(self, row: int) -> int:
        """What an old row is now."""
        number = self.scalars.number_of.get(row)
        return self.arrays[row] if number is None else self.number(number)

    def row(self, row: int) -> None:
        """A row that is neither a step of numbers nor written place by place."""
        kind, operands = self.old.kind_of(row), [self.wire(w) for w in self.old.operands(row)]
        self.b.origin = self.old.origin[row]
        if kind.gate is INPUT:
            made = self.b.input(kind.type)
        elif self.old.is_constant(row):
            made = self.b.constant(self.old.constant(row))
        else:
            made = self.b.append(self.old.kind[row], operands)
        number = self.scalars.number_of.get(row)
        if number is None:
            self.arrays[row] = self.named(made, row)
        else:
            self.numbers[number] = self.named(made, row)

    def apply(self, row: int, gate: Gate, wires: Sequence[int], **attrs: Any) -> int:
        """A gate that stands for an old row."""
        self.b.origin = self.old.origin[row]
        return self.b.apply(gate, wires, attrs)

    def append(self, row: int, kind: int, wires: Sequence[int]) -> int:
        """The same, of a kind that is known."""
        self.b.origin = self.old.origin[row]
        return self.b.append(kind, wires)

    def named(self, wire: int, row: int) -> int:
        """The wire, by the name of an old row."""
        if row in self.old.names:
            self.b.names.setdefault(wire, self.old.names[row])
        return wire

    # ---- numbers

    def step(self, number: int) -> None:
        """A step by itself, or all of its run; one inside a sum that is added in turn waits."""
        if number in self.runs.at:
            self.run(self.runs.at[number][0])
        elif number not in self.inside:
            self.number(number)

    def number(self, number: int) -> int:
        """The wire of a number."""
        if number not in self.numbers:
            self.numbers[number] = self.named(self.made(number), self.scalars.rows[number])
        return self.numbers[number]

    def made(self, number: int) -> int:
        """A number by itself: picked from its array or run, or computed."""
        made, row = self.scalars.made[number], self.scalars.rows[number]
        if isinstance(made, Pick):
            return self.apply(row, index, [self.arrays[made.array]], key=made.place)
        if number in self.runs.at:
            run, k = self.runs.at[number]
            return self.apply(row, index, [self.vectors[run]], key=(k,))
        if isinstance(made, Known):
            return self.b.constant(made.value)
        assert isinstance(made, Step)  # a row is written when its turn comes
        if number not in self.sums:
            return self.append(row, made.kind, [self.number(x) for x in made.operands])
        of, t = self.sums[number], KINDS[made.kind].type_id
        wires = [self.number(of.start), *map(self.vector, of.columns)]
        return self.append(row, kind_id(IN_TURN, (), t), wires)

    def run(self, run: int) -> None:
        """All numbers of a run, once."""
        if run not in self.vectors:
            numbers = self.runs.members[run]
            steps = [x for x in map(self.scalars.made.__getitem__, numbers) if isinstance(x, Step)]
            operands = zip(*(x.operands for x in steps), strict=True)
            kind, row = KINDS[steps[0].kind], self.scalars.rows[numbers[0]]
            t = intern_type(Type((len(numbers),), kind.type.dtype))
            wires = [self.vector(x) for x in operands]
            made = self.append(row, kind_id(kind.gate, kind.key, t), wires)
            self.vectors[run] = self.named(made, row)

    def vector(self, numbers: Sequence[int]) -> int:
        """Numbers evenly apart as one wire; one number that is the same for all stays one."""
        (first, second), count = numbers[:2], len(numbers)
        if first == second:
            return self.number(first)
        x, y = self.scalars.made[first], self.scalars.made[second]
        if isinstance(x, Pick) and isinstance(y, Pick):
            axis = axis_of(self.old.type_of(x.array).shape) or 0
            key = _along(x.place, axis, y.place[axis] - x.place[axis], count)
            return self.slice(self.arrays[x.array], key)
        run, begin = self.runs.at[first]
        return self.slice(
            self.vectors[run], _along((begin,), 0, self.runs.at[second][1] - begin, count)
        )

    def slice(self, wire: int, key: tuple[Any, ...]) -> int:
        """Part of an array; the array itself where that is all of it."""
        if key == ((0, *self.b.type_of(wire).shape, 1),):
            return wire
        if (wire, key) not in self.slices:
            self.slices[wire, key] = self.b.apply(index, [wire], {"key": key})
        return self.slices[wire, key]

    # ---- arrays of them

    def written(self, entry: Written) -> None:
        """An array with numbers stored in it, those evenly apart together."""
        wire, row = self.arrays[entry.before], entry.array
        axis = axis_of(self.old.type_of(row).shape)
        for (place, number), *others in self.parts(entry.numbers, axis):
            if others and axis is not None:
                v = self.vector([number, *(x for _, x in others)])
                key = _along(place, axis, others[0][0][axis] - place[axis], 1 + len(others))
            else:
                v, key = self.number(number), place
            wire = self.apply(row, index_set, [wire, v], key=key)
        self.arrays[row] = self.named(wire, row)

    def parts(self, items: Sequence[Item], axis: int | None) -> list[list[Item]]:
        """What is written, parted into what is evenly apart."""
        if axis is None:
            return [[item] for item in items]
        parts: list[list[Item]] = []
        for item in sorted(items, key=lambda x: (*_line(x[0], axis), x[0][axis])):
            if parts and self.is_even([*parts[-1][-2:], item], axis):
                parts[-1].append(item)
            else:
                parts.append([item])
        return [q for p in parts for q in ([p] if len(p) >= LEAST else [[x] for x in p])]

    def is_even(self, items: Sequence[Item], axis: int) -> bool:
        """Whether two or three numbers stand evenly apart along an axis, and in their run."""
        places = [self.runs.place(x) or (("one", x), 0) for _, x in items]
        at = [(p[axis], k) for (p, _), (_, k) in zip(items, places, strict=True)]
        steps = {(q - p, m - k) for (p, k), (q, m) in pairwise(at)}
        lines = {(_line(p, axis), run) for (p, _), (run, _) in zip(items, places, strict=True)}
        return len(steps) == len(lines) == 1


def _line(place: Place, axis: int) -> tuple[Place, Place]:
    """Where a place stands across an axis."""
    return place[:axis], place[axis + 1 :]


def _along(place: Place, axis: int, step: int, count: int) -> tuple[Any, ...]:
    """The key of so many places from one on, evenly apart along an axis."""
    begin, end = place[axis], place[axis] + step * count
    return (*place[:axis], (begin, end if end >= 0 else None, step), *place[axis + 1 :])
