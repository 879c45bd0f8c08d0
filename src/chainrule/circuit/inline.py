"""Inline: users' gates replaced by their own stages, in circuits that have no derivative yet."""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.record import CONSTANT, INPUT, KINDS, Gate, inferred_kind


@dataclass(frozen=True)
class Inlined:
    """One gate's place in the new circuit: the old row, the new stages, and what they read."""

    row: int
    stages: tuple[int, ...]
    inputs: tuple[int, ...]
    output: int


def inlined(
    circuit: Circuit, wanted: Callable[[Gate], bool]
) -> tuple[Circuit, tuple[Inlined, ...], Mapping[int, int]]:
    """The circuit with wanted gates replaced by their bodies; where those are; the wires moved.

    Raises UnsupportedError for a gate that has no body.
    """
    b = Builder(circuit.title)
    b.origins, b.bodies = list(circuit.origins), circuit.bodies
    moved = array("i", [NOTHING]) * len(circuit)
    places: list[Inlined] = []
    for row in range(len(circuit)):
        b.origin = circuit.origin[row]
        gate = circuit.kind_of(row).gate
        if gate.body is not None and wanted(gate):
            places.append(_inline(circuit, row, moved, b, wanted))
            moved[row] = places[-1].output
        else:
            moved[row] = carry(circuit, row, moved, b)
    for wire, names in circuit.names.items():
        b.names.setdefault(moved[wire], names)
    b.inputs = [moved[w] for w in circuit.inputs]
    stages = {p.row: p.stages for p in places}
    b.groups = [_moved(g, moved, stages) for g in circuit.groups]
    done = b.build([moved[w] for w in circuit.outputs])
    return done, tuple(places), dict(enumerate(moved))


def carry(circuit: Circuit, row: int, moved: "Mapping[int, int] | array[int]", b: Builder) -> int:
    """The same row in a builder, on the wires its operands have moved to; its new wire.

    Its kind follows from the gate's rule where the operands' types have changed.
    """
    kind = circuit.kind_of(row)
    if kind.gate is CONSTANT:
        return b.constant(circuit.constant(row))
    if kind.gate is INPUT:
        return b.input(kind.type)
    operands = [moved[w] for w in circuit.operands(row)]
    found = inferred_kind(kind.gate, kind.attrs, tuple(KINDS[b.kind[w]].type_id for w in operands))
    t, old = KINDS[found].type, kind.type
    same = (t.shape, t.dtype) == (old.shape, old.dtype) and (t.weak == old.weak or t.weak)
    return b.append(circuit.kind[row] if same else found, operands)


def _inline(
    circuit: Circuit, row: int, moved: "array[int]", b: Builder, wanted: Callable[[Gate], bool]
) -> Inlined:
    kind = circuit.kind_of(row)
    operands = tuple(moved[w] for w in circuit.operands(row))
    assert kind.gate.body is not None  # asked before
    body, _, _ = inlined(kind.gate.body(tuple(map(b.type_of, operands)), kind.attrs), wanted)
    at: dict[int, int] = dict(zip(body.inputs, operands, strict=True))
    for inner in range(len(body)):
        if inner not in at:
            at[inner] = carry(body, inner, at, b)
    stages = tuple(at[r] for r in body.forward_rows())
    return Inlined(row, stages, operands, at[body.outputs[0]])


def _moved(group: Group, moved: "array[int]", inside: Mapping[int, tuple[int, ...]]) -> Group:
    stages = [s for r in group.stages for s in inside.get(r, (moved[r],))]
    inputs = tuple(moved[w] for w in group.inputs)
    return group.with_(stages=tuple(stages), inputs=inputs, output=moved[group.output])
