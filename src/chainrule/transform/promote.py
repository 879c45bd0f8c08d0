"""Promote: constants of a circuit become inputs, so that gradients reach them."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.inline import carry
from chainrule.circuit.record import BY_NAME
from chainrule.circuit.types import FLOAT, TYPES, Type


@dataclass(frozen=True)
class Place:
    """A constant: the row that reads it, and which operand; -1 for one the gate is short for.

    -x is x * -1, and the -1 a constant like any other.
    """

    row: int
    index: int
    wire: int


def places(circuit: Circuit) -> list[Place]:
    """Every number and array that gates with a derivative read as a constant, in order."""
    found = []
    for row in circuit.forward_rows():
        kind = circuit.kind_of(row)
        if kind.gate.hidden is not None:
            found.append(Place(row, NOTHING, NOTHING))
        if not kind.is_differentiable:
            continue
        for index, wire in enumerate(circuit.operands(row)):
            t = circuit.type_of(wire)
            if circuit.is_constant(wire) and (t.is_inexact or (t.weak and t.dtype.kind == "i")):
                found.append(Place(row, index, wire))
    return found


def with_inputs(
    circuit: Circuit, chosen: Mapping[str, Place]
) -> tuple[Circuit, tuple[int, ...], Mapping[int, int]]:
    """The circuit with the chosen constants as inputs of these names, the new inputs in order, and
    where the old wires are."""
    b = Builder(circuit.title)
    b.origins, b.bodies = list(circuit.origins), circuit.bodies
    moved = array("i", [NOTHING]) * len(circuit)
    constants = {place.wire: name for name, place in chosen.items() if place.wire != NOTHING}
    hidden = {place.row: name for name, place in chosen.items() if place.wire == NOTHING}
    made: dict[str, int] = {}
    for row in range(len(circuit)):
        b.origin = circuit.origin[row]
        if row in constants:
            name = constants[row]
            made[name] = moved[row] = b.input(_real(circuit.type_of(row)), name)
        elif row in hidden:
            name = hidden[row]
            made[name] = b.input(TYPES[FLOAT], name)
            gate, _ = circuit.kind_of(row).gate.hidden or ("", 0.0)
            operands = [moved[w] for w in circuit.operands(row)]
            moved[row] = b.apply(BY_NAME[gate], [*operands, made[name]], {})
        else:
            moved[row] = carry(circuit, row, moved, b)
    for wire, names in circuit.names.items():
        b.names.setdefault(moved[wire], names)
    new = tuple(made[name] for name in chosen)
    b.inputs = [*(moved[w] for w in circuit.inputs), *new]
    return b.build([moved[w] for w in circuit.outputs]), new, dict(enumerate(moved))


def _real(t: Type) -> Type:
    """The type as an input has it: whole numbers of Python's become floats."""
    return TYPES[FLOAT] if t.weak else t
