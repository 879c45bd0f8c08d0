"""The one driver that rebuilds circuits. A pass is a table of rules; the driver keeps the rest.

Names, origins, groups, regions, and every part's gradients stay attached to their wires. Rows the
user wrote are never rewritten; rows of a backward pass are, and rows nobody needs are left out.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.notes import Part, Region
from chainrule.circuit.record import KINDS, Gate, Kind
from chainrule.circuit.verify import verify
from chainrule.gates.handle import Handle

Rewrite = Callable[..., Any]  # (context, kind, *operands) -> handle, number, or None to keep
checks_every_pass = False  # tests switch it on


class Rules:
    """A table of rewrites by gate, filled with the decorator it is."""

    def __init__(self) -> None:
        self.by_gate: dict[int, list[Rewrite]] = {}

    def __call__(self, *gates: Gate) -> Callable[[Rewrite], Rewrite]:
        def enter(rewrite: Rewrite) -> Rewrite:
            for gate in gates:
                self.by_gate.setdefault(gate.id, []).append(rewrite)
            return rewrite

        return enter


class Context:
    """What a rewrite may ask about the operands it is given."""

    def __init__(self, builder: Builder, *, merges: bool = False) -> None:
        self.builder = builder
        self.literals: dict[int, Any] = {}
        self.computed: dict[Any, int] = {}  # the user's stages, by kind and operands
        self.merges = merges  # those of the backward pass too

    def key(self, kind: Kind, wires: Iterable[int]) -> Any:
        """What makes two stages equal: their kind and their operands, literals by number."""
        literals = self.literals
        return kind, *[
            (w, None) if w not in literals else (repr(literals[w]), literals[w].__class__)
            for w in wires
        ]

    def literal(self, x: Handle) -> Any:
        """The Python number a wire always holds, or None."""
        return self.literals.get(x.wire)

    def is_literal(self, x: Handle, value: float) -> bool:
        """True when the wire always holds this number."""
        found = self.literals.get(x.wire)
        return found is not None and found == value and not isinstance(found, bool)

    def made_by(self, x: Handle, gate: Gate) -> list[Handle] | None:
        """The operands of a wire's stage when that stage is of this gate."""
        b = self.builder
        if KINDS[b.kind[x.wire]].gate is not gate:
            return None
        return [Handle(b, w) for w in b.operand[b.start[x.wire] : b.start[x.wire + 1]]]


def rewrite(
    circuit: Circuit,
    rules: Rules | None = None,
    *,
    outputs: Sequence[int] | None = None,
    parts: bool = True,
    prune_forward: bool = False,
    varying: Iterable[int] = (),
    merge: bool = False,
) -> Circuit:
    """The circuit with each backward row rewritten by the first rule that applies, dead rows gone.

    outputs: the wires that count as outputs (default: the circuit's own). parts: keep them and
    all they name alive. prune_forward: drop the user's rows too when nothing needs them. varying:
    constants whose number may change from call to call, so that no rule may use it. merge: rules
    may know stages of the backward pass again, which readers want to see where they are meant.
    """
    outputs = circuit.outputs if outputs is None else outputs
    live = _live_rows(circuit, outputs, parts, prune_forward)
    b = Builder(circuit.title)
    b.origins, b.bodies = list(circuit.origins), circuit.bodies
    c = Context(b, merges=merge)
    moved = array("i", [NOTHING]) * len(circuit)
    frozen = set(varying)
    for row in range(len(circuit)):
        if live[row]:
            b.origin = _moved_origin(circuit, row, moved)
            moved[row] = _carry(circuit, row, moved, c, rules, frozen)
    b.names = {moved[w]: n for w, n in circuit.names.items() if live[w]}
    b.inputs = [moved[w] for w in circuit.inputs]
    b.groups = [g for g in (_moved_group(g, moved) for g in circuit.groups) if g]
    b.regions = tuple(r for r in (_moved_region(r, moved) for r in circuit.regions) if r)
    if parts:
        b.parts = [_moved_part(circuit, p, moved, b) for p in circuit.parts]
    done = b.build([moved[w] for w in outputs])
    return verify(done) if checks_every_pass else done


def _live_rows(
    circuit: Circuit, outputs: Sequence[int], parts: bool, prune_forward: bool
) -> bytearray:
    live = bytearray(len(circuit))
    for wire in (*outputs, *circuit.inputs):
        live[wire] = 1
    if parts:
        for part in circuit.parts:
            for wire in (part.output, part.output_gradient, *part.gradient, *part.terms):
                if wire != NOTHING:
                    live[wire] = 1
    if not prune_forward:
        for row, origin in enumerate(circuit.origin):
            if origin > -2:
                live[row] = 1
    for row in range(len(circuit) - 1, -1, -1):
        if live[row]:
            for wire in circuit.operands(row):
                live[wire] = 1
    return live


def _moved_origin(circuit: Circuit, row: int, moved: "array[int]") -> int:
    stage = circuit.differentiates(row)
    if stage is None:
        return circuit.origin[row]
    return -2 - moved[stage] if moved[stage] != NOTHING else NOTHING


def _carry(
    circuit: Circuit, row: int, moved: "array[int]", c: Context, rules: Rules | None,
    frozen: set[int],
) -> int:
    """The new wire for a row: rewritten, or the same stage on the moved operands."""
    b = c.builder
    kind = circuit.kind_of(row)
    if circuit.is_constant(row):
        wire = b.constant(circuit.constant(row))
        if kind.type.weak and row not in frozen:
            c.literals[wire] = b.constants[-1]
        return wire
    operands = [moved[w] for w in circuit.operands(row)]
    if rules is not None and circuit.origin[row] <= -2:
        handles = [Handle(b, w) for w in operands]
        for rule in (*rules.by_gate.get(kind.gate.id, ()), *rules.by_gate.get(ANY, ())):
            new = rule(c, kind, *handles)
            if new is not None:
                return _wire(c, new)
    wire = b.append(circuit.kind[row], operands)
    if rules is not None and operands and (c.merges or circuit.origin[row] > -2):
        c.computed.setdefault(c.key(kind, operands), wire)
    return wire


ANY = -1  # the entry for rules that apply to every gate


def _wire(c: Context, new: Any) -> int:
    if isinstance(new, Handle):
        return new.wire
    wire = c.builder.constant(new)
    c.literals[wire] = new
    return wire


def _moved_group(group: Group, moved: "array[int]") -> Group | None:
    wires = (*group.stages, *group.inputs)
    if any(moved[w] == NOTHING for w in wires):
        return None
    return Group(
        group.gate, tuple(moved[w] for w in group.stages), tuple(moved[w] for w in group.inputs),
        moved[group.output], group.is_closed, group.attrs,
    )


def _moved_region(region: Region, moved: "array[int]") -> Region | None:
    rows = [w for w in moved[region.first : region.stop] if w != NOTHING]
    return Region(rows[0], rows[-1] + 1) if rows else None


def _moved_part(circuit: Circuit, part: Part, moved: "array[int]", b: Builder) -> Part:
    """The part on the new rows. A part speaks of the rows that stood before it."""
    stop = 1 + max((moved[w] for w in range(len(part.gradient))), default=-1)
    gradient = array("i", [NOTHING]) * stop
    for wire, found in enumerate(part.gradient):
        if found != NOTHING and moved[wire] != NOTHING:
            gradient[moved[wire]] = moved[found]
    terms = array("i", [NOTHING]) * b.start[stop]
    for row in range(len(part.gradient)):
        if moved[row] == NOTHING or circuit.is_leaf(row):
            continue
        for index in range(circuit.start[row + 1] - circuit.start[row]):
            position = circuit.start[row] + index
            if position < len(part.terms) and part.terms[position] != NOTHING:
                terms[b.start[moved[row]] + index] = moved[part.terms[position]]
    return Part(part.kind, moved[part.output], moved[part.output_gradient], gradient, terms)
