"""Opened: users' gates shown as their own stages, and still differentiated as the one gate each is.

The stages take the gate's place and are annotated as a closed group with the gate's own rule, if
it has one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.inline import inlined
from chainrule.circuit.record import Gate

BOUND = ("evaluate", "scalar", "infer", "local", "vjp", "decompose")


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
        gate = with_settings(kind.gate, kind.attrs)
        own.append(Group(gate, place.stages, place.inputs, place.output))
    inside = {row for group in own for row in group.stages}
    kept = [g for g in done.groups if inside.isdisjoint(g.stages)]
    return done.with_(groups=(*kept, *own))


def with_settings(gate: Gate, attrs: Mapping[str, Any]) -> Gate:
    """The gate with its settings built in, as a group has none of its own."""
    if not attrs:
        return gate
    rules: dict[str, Any] = {n: getattr(gate, n) for n in BOUND if getattr(gate, n)}
    bound: dict[str, Any] = {n: partial(rule, **attrs) for n, rule in rules.items()}
    body, code = gate.body, gate.code
    if body is not None:
        bound["body"] = lambda types, _: body(types, attrs)
    if not isinstance(code, str):
        bound["code"] = bound["scalar_code"] = lambda _, operands: code(attrs, operands)
    return replace(gate, **bound)
