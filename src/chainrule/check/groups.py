"""Each closed group by itself: as one gate it must send back what its stages send one by one."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.check.compare import TOLERANCE, Judgement, agree, tolerance_for
from chainrule.check.differences import widened
from chainrule.check.judge import judge
from chainrule.check.verdict import Finding, finding
from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.transform.backward import active_rows, backpropagate
from chainrule.transform.sums import Observer


class _Sent(Observer):
    """Keeps the terms sent from inside a group to its inputs, by (row, operand index)."""

    def __init__(self, circuit: Circuit, group: Group) -> None:
        self.circuit, self.group = circuit, group
        self.terms: dict[tuple[int, int], Any] = {}

    def sent(self, position: int, term: Any) -> None:
        row = bisect_right(self.circuit.start, position) - 1
        if row in self.group.stages and self.circuit.operand[position] in self.group.inputs:
            self.terms[row, position - self.circuit.start[row]] = term


def _entering(
    circuit: Circuit, group: Group, values: Sequence[Any], dout: Any, *, as_one: bool
) -> dict[tuple[int, int], Any]:
    """What a group sends back along each edge that enters it, as one gate or stage by stage."""
    wide = [np.float64(v) if v.__class__ is float else v for v in values]
    sent = _Sent(circuit, group)
    with np.errstate(all="ignore"):
        backpropagate(
            circuit, wide, group.output, dout, group.inputs, groups=(group,) if as_one else (),
            observer=sent,
        )
    return sent.terms


def group_gradients(
    circuit: Circuit, group: Group, values: Sequence[Any], dout: Any, *, as_one: bool
) -> dict[int, Any]:
    """What a group sends to each of its inputs, as one gate or stage by stage."""
    totals: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for (row, index), term in _entering(circuit, group, values, dout, as_one=as_one).items():
            wire = circuit.operands(row)[index]
            totals[wire] = term + totals[wire] if wire in totals else term
    return totals


def stage_terms(
    circuit: Circuit, part: Part, readings: Readings
) -> dict[tuple[int, int], Any]:
    """What the stages of closed groups would send back along the edges that enter the group.

    There a part holds what the group sends as one gate instead.
    """
    found: dict[tuple[int, int], Any] = {}
    for group, dout in _closed(circuit, part, readings):
        found |= _entering(circuit, group, readings.values, dout, as_one=False)
    return found


def _closed(circuit: Circuit, part: Part, readings: Readings) -> Iterator[tuple[Group, Any]]:
    """Each closed group that a gradient arrives at, with that gradient."""
    for group in circuit.groups:
        if group.is_one and group.output <= part.output:
            dout = readings.gradient(part, group.output)
            if dout is not None:
                yield group, dout


def check_groups(
    circuit: Circuit, part: Part, readings: Readings, tolerance: float = TOLERANCE,
    wrt: Sequence[int] | None = None,
) -> list[Finding]:
    """What each closed group sends back, against what its stages send back one by one.

    Where those give no number, as the four gates of sigmoid(-1000) do, against differences.
    """
    found = []
    active = active_rows(circuit, circuit.inputs if wrt is None else wrt, part.output)
    for group, dout in _closed(circuit, part, readings):
        one, many = (
            group_gradients(circuit, group, readings.values, dout, as_one=as_one)
            for as_one in (True, False)
        )
        for wire in group.inputs:
            if active[wire]:
                sent = one.get(wire, 0.0), many.get(wire, 0.0)
                judged = _group_edge(circuit, group, readings, wire, dout, *sent, tolerance)
                name = group.gate.name
                variable = circuit.name(wire) or "its input"
                found.append(finding(circuit, group.output, name, "group", judged, variable))
    return found


def _group_edge(
    circuit: Circuit, group: Group, readings: Readings, wire: int, dout: Any, one: Any, many: Any,
    tolerance: float,
) -> Judgement:
    held = tolerance_for([circuit.type_of(w).dtype for w in (wire, group.output)], tolerance)
    if np.isfinite(many).all():
        return agree(one, many, held)

    def stages(x: Any) -> Any:
        return _run_group(circuit, group, readings.values, {wire: x})

    found = judge(stages, readings.value(wire), one, dout, held)
    broken = np.ravel(many)[~np.isfinite(np.ravel(many))][0]
    note = f"stage by stage the gradient is {broken}{_culprit(circuit, group, readings)}"
    return replace(found, note="; ".join(filter(None, (note, found.note))))


def _run_group(circuit: Circuit, group: Group, values: Sequence[Any], given: dict[int, Any]) -> Any:
    """The group's output with some of its inputs replaced."""
    held = dict(given)
    for row in sorted(group.stages):
        operands = [held.get(w, widened(values[w])) for w in circuit.operands(row)]
        held[row] = circuit.kind_of(row).compute(operands)
    return held[group.output]


def _culprit(circuit: Circuit, group: Group, readings: Readings) -> str:
    for row in sorted(group.stages):
        broken = [v for v in np.ravel(readings.value(row)) if not np.isfinite(v)]
        if broken:
            name = circuit.kind_of(row).gate.name
            return f", since {name} gives {broken[0]}; {group.gate.name} as one gate avoids it"
    return ""
