"""Decompose: compound gates as the gates they are made of, users' gates as their stages."""

from collections.abc import Mapping

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.inline import carry, inlined
from chainrule.circuit.record import Kind
from chainrule.gates.handle import Handle


def decomposed(circuit: Circuit) -> tuple[Circuit, Mapping[int, int]]:
    """The circuit with every compound gate on arrays decomposed, and where the wires are."""
    done, _, moved = inlined(circuit, lambda gate: True)
    while any(_is_compound(done.kind_of(row)) for row in done.forward_rows()):
        done, now = _decomposed_once(done)
        moved = {wire: now[at] for wire, at in moved.items()}
    return done, moved


def _is_compound(kind: Kind) -> bool:
    return kind.gate.decompose is not None and kind.gate.family != "elementwise"


def _decomposed_once(circuit: Circuit) -> tuple[Circuit, Mapping[int, int]]:
    b = Builder(circuit.title)
    b.origins = list(circuit.origins)
    moved: dict[int, int] = {}
    for row in range(len(circuit)):
        b.origin = circuit.origin[row]
        kind = circuit.kind_of(row)
        if kind.gate.decompose is None or not _is_compound(kind):
            moved[row] = carry(circuit, row, moved, b)
            continue
        out = kind.gate.decompose(
            *(Handle(b, moved[w]) for w in circuit.operands(row)), **kind.attrs
        )
        moved[row] = out.wire if isinstance(out, Handle) else b.constant(out)
    for wire, names in circuit.names.items():
        b.names.setdefault(moved[wire], names)
    b.inputs = [moved[w] for w in circuit.inputs]
    return b.build([moved[w] for w in circuit.outputs]), moved
