"""A circuit some of whose gates have no instructions: machine code in parts, Python in between.

    part 0     the rows that need no such gate
    calls      of the gates that need nothing else, each a host call: its record's own function
    part 1     the rows that need those; and so on

A wire that a part or a call takes from an earlier one is an input there. Host calls see arrays that
cannot be written to, and have to give what they gave in the traced call: its shape and dtype.

Decisions, which are the last outputs, are looked at as soon as a part has computed them, and before
anything is done that was traced after them: a call that another way would not make is not made.
"""

from bisect import bisect_right
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from chainrule.backends.llvm.arrays import CompiledArrays
from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.backends.llvm.fuse import array_plan
from chainrule.backends.llvm.nests import ArrayPlan
from chainrule.backends.llvm.panels import by_panels
from chainrule.backends.llvm.plan import Plan, is_plain, names_of_wires, plan_of
from chainrule.backends.llvm.prepare import has_instructions, opened
from chainrule.backends.llvm.programs import Programs
from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import KINDS
from chainrule.circuit.types import TYPES, type_id
from chainrule.errors import HostCallError, UnsupportedError

BY_VALUE = ("nonzero",)  # gates whose output has a shape that follows from numbers


@dataclass(frozen=True, slots=True)
class Part:
    """Rows computed by machine code: those it takes, those it gives."""

    circuit: Circuit
    takes: tuple[int, ...]
    gives: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """A circuit in parts, and the rows of host calls that follow each."""

    circuit: Circuit
    parts: tuple[tuple[Part | None, tuple[int, ...]], ...]
    known: tuple[tuple[int, ...], ...]  # after each part, the decisions known so far, in order

    @property
    def calls(self) -> list[int]:
        """The rows of all host calls."""
        return [row for _, rows in self.parts for row in rows]


def cut(circuit: Circuit, decisions: int = 0) -> Cut:
    """The circuit cut around its host calls. Raises UnsupportedError where that helps nothing.

    decisions: how many of its outputs, the last ones, are decisions.
    """
    c = opened(circuit)
    leaves = {*c.inputs, *c.constant_rows}
    calls = {r for r in range(len(c)) if r not in leaves and not has_instructions(c, r)}
    decided = c.outputs[len(c.outputs) - decisions :]
    level = _levels(c, calls, decided)
    if any(c.kind_of(row).gate.name in BY_VALUE for row in calls) or len(calls | leaves) == len(c):
        raise UnsupportedError("nothing is left between the host calls")
    names = names_of_wires(c)
    parts = []
    for k in range(max(level) + 1):
        rows = [r for r in range(len(c)) if level[r] == k and r not in calls and r not in leaves]
        after = tuple(r for r in sorted(calls) if level[r] == k + 1)
        parts.append((_part(c, rows, names) if rows else None, after))
    highest = list(accumulate((level[w] for w in decided), max))
    known = (decided[: bisect_right(highest, k)] for k in range(len(parts)))
    return Cut(c, tuple(parts), tuple(known))


def _levels(c: Circuit, calls: Container[int], decided: Sequence[int]) -> list[int]:
    """For each row, the host calls on the longest way to it, and to the decisions before it."""
    level, asked, least = [0] * len(c), 0, 0
    for row in range(len(c)):
        while asked < len(decided) and decided[asked] < row:
            least, asked = max(least, level[decided[asked]]), asked + 1
        before = max((level[w] for w in c.operands(row)), default=0)
        level[row] = max(before, least) + (row in calls)
    return level


def _part(c: Circuit, rows: Sequence[int], names: Sequence[str]) -> Part:
    inside, b, moved = set(rows), Builder(c.title), dict[int, int]()
    b.origins = list(c.origins)
    constants = dict(zip(c.constant_rows, c.constants, strict=True))
    takes = sorted({w for r in rows for w in c.operands(r)} - inside - set(constants))
    for w in takes:
        moved[w] = b.input(c.type_of(w), names[w])
    for row in rows:
        for w in c.operands(row):
            if w not in moved:
                moved[w] = b.constant(constants[w])
        b.origin = c.origin[row]
        moved[row] = b.append(c.kind[row], [moved[w] for w in c.operands(row)])
        b.names[moved[row]] = c.names.get(row, (names[row],))
    wanted = {*c.outputs}
    for row in range(len(c)):
        wanted |= set(c.operands(row)) if row not in inside else set()
    gives = [r for r in rows if r in wanted]
    return Part(b.build([moved[r] for r in gives]), tuple(takes), tuple(gives))


# ---- running it


@dataclass(frozen=True, slots=True)
class Way:
    """How many of the outputs, the last ones, are decisions, and what to do with their values so
    far: it raises where they are those of another way."""

    decisions: int
    check: Callable[[Sequence[bool]], None]


class CompiledParts:
    """Inputs in the circuit's order -> the list of its outputs, by parts and host calls."""

    def __init__(self, circuit: Circuit, level: int = 1, way: Way | None = None) -> None:
        self._way = way or Way(0, lambda decided: None)
        self.plan: PartsPlan = parts_plan(circuit, self._way.decisions)
        self.cut = self.plan.cut
        c = self.cut.circuit
        self.weak = [c.type_of(w).weak for w in c.outputs]
        self.boxes: list[Callable[[Any], Any] | None] = [None] * len(self.weak)
        self._codes = [
            None if part is None else compiled_part(part.circuit, level)
            for part, _ in self.cut.parts
        ]

    def __call__(self, *inputs: Any) -> list[Any]:
        """The outputs, each with memory of its own."""
        c = self.cut.circuit
        values = dict(zip(c.constant_rows, c.constants, strict=True))
        values |= dict(zip(c.inputs, inputs, strict=True))
        for k, (code, (part, calls)) in enumerate(zip(self._codes, self.cut.parts, strict=True)):
            if part is None or code is None:
                self._keep(values, k, ())
            else:
                _run(code, [values[w] for w in part.takes], partial(self._keep, values, k))
            for row in calls:
                values[row] = _called(c, row, [_closed(values[w]) for w in c.operands(row)])
        return [x.copy() if isinstance(x := values[w], np.ndarray) else x for w in c.outputs]

    def _keep(self, values: dict[int, Any], k: int, found: Sequence[Any]) -> None:
        """Note what a part gave, and look at the decisions known by now."""
        part, _ = self.cut.parts[k]
        values.update(zip(part.gives, found, strict=True) if part is not None else ())
        self._way.check([bool(values[w]) for w in self.cut.known[k]])

    def fill(self, inputs: Sequence[Any], into: Sequence[Any]) -> list[Any]:
        """The outputs; none goes into an array directly."""
        return self(*inputs)

    def delivering(self, deliver: Callable[[Sequence[Any]], Any]) -> Callable[..., Any]:
        """A callable: inputs -> deliver(outputs)."""
        return lambda *inputs: deliver(self(*inputs))

    @property
    def calls(self) -> str:
        """The names of the gates called, and where the user's line is."""
        c = self.cut.circuit
        names = dict.fromkeys(
            f"{c.kind_of(row).gate.name}" + (f" in {at.function}, {at}" if at else "")
            for row in self.cut.calls for at in [c.origin_of(row)]
        )
        return "; ".join(names)


def _run(
    code: CompiledNumbers | CompiledArrays, given: list[Any], keep: Callable[[Any], None]
) -> None:
    """Run a part. An index without a place is told after `keep`, which may find another way."""
    if isinstance(code, CompiledNumbers):
        keep(code(*given))
    else:
        code.delivering(keep)(*given)


def _called(c: Circuit, row: int, operands: list[Any]) -> Any:
    kind = c.kind_of(row)
    with np.errstate(all="ignore"):
        value = kind.compute(operands)
    t = TYPES[type_id(value)]
    if (t.shape, t.dtype) != (kind.type.shape, kind.type.dtype):
        raise HostCallError(f"{kind.gate.name} gave {t}, and {kind.type} when it was traced")
    return value


def _closed(x: Any) -> Any:
    """An array that a host call cannot write to."""
    if not isinstance(x, np.ndarray):
        return x
    view = x.view()
    view.flags.writeable = False
    return view


def compiled_part(
    circuit: Circuit, level: int, programs: Programs | None = None
) -> CompiledNumbers | CompiledArrays:
    """The machine code of a part, or of a whole circuit."""
    if _is_plain(circuit):
        return CompiledNumbers(circuit, level)
    return CompiledArrays(circuit, level, programs)


def _is_plain(circuit: Circuit) -> bool:
    return all(is_plain(KINDS[k].type) for k in set(circuit.kind))


@dataclass(frozen=True, slots=True)
class PartsPlan:
    """What machine code and host calls do, in order."""

    cut: Cut
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __str__(self) -> str:
        c, lines = self.cut.circuit, list[str]()
        names = names_of_wires(c)
        for part, calls in self.cut.parts:
            if part is not None:
                lines.append(str(planned(part.circuit)))
            for row in calls:
                given = ", ".join(names[w] for w in c.operands(row))
                lines.append(f"host call {names[row]} = {c.kind_of(row).gate.name}({given})")
        return "\n".join(lines)


def parts_plan(circuit: Circuit, decisions: int = 0) -> PartsPlan:
    """The plan of a circuit in parts. Raises UnsupportedError where it cannot be cut."""
    found = cut(circuit, decisions)
    return PartsPlan(found, found.circuit.inputs, found.circuit.outputs)


def planned(circuit: Circuit) -> Plan | ArrayPlan:
    """What machine code would do for a part."""
    return plan_of(circuit) if _is_plain(circuit) else by_panels(array_plan(circuit))
