"""Opened: users' gates shown as their own stages, and still differentiated as the one gate each is.

The stages take the gate's place and are annotated as a closed group with the gate's own rule, if
it has one.
"""

from collections.abc import Callable

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.inline import inlined
from chainrule.circuit.record import Gate


def opened(circuit: Circuit, wanted: Callable[[Gate], bool]) -> Circuit:
    """The circuit with wanted users' gates as closed groups of their own stages.

    Raises UnsupportedError for a gate whose stages cannot be recorded.
    """
    done, places, _ = inlined(circuit, wanted)
    own = []
    for place in places:
        kind = circuit.kind_of(place.row)
        if kind.gate.through_body:
            continue
        own.append(Group(kind.gate, place.stages, place.inputs, place.output, attrs=kind.key))
    inside = {row for group in own for row in group.stages}
    kept = [g for g in done.groups if inside.isdisjoint(g.stages)]
    return done.with_(groups=(*kept, *own))
