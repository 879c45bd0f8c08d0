"""Forks: where a wire is read more than once, the gradients sent back to it add up."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.check.compare import TOLERANCE, Judgement, agree, tolerance_for
from chainrule.check.groups import group_gradients
from chainrule.check.verdict import Finding, finding, wire_name
from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings

SHOWN = 6  # terms of a sum that a note writes out


def fork_terms(circuit: Circuit, part: Part, readings: Readings) -> dict[int, list[Any]]:
    """Per wire that is read more than once, what each reader sends back to it, last reader first.

    A closed group is one reader, and sends once.
    """
    terms = _terms(circuit, part, readings)
    return {wire: found for wire, found in terms.items() if len(found) > 1}


def _terms(circuit: Circuit, part: Part, readings: Readings) -> dict[int, list[Any]]:
    """Per wire, what each reader sends back to it, last reader first."""
    grouped = _sent_by_groups(circuit, part, readings)
    terms: dict[int, list[Any]] = {}
    for row in reversed(circuit.forward_rows()):
        if row > part.output:
            continue
        group, sent = grouped.get(row, (None, {}))
        for index, wire in enumerate(circuit.operands(row)):
            enters = group is not None and wire in group.inputs
            term = sent.pop(wire, None) if enters else readings.term(part, row, index)
            if term is not None and part.gradient[wire] != NOTHING:
                terms.setdefault(wire, []).append(term)
    return terms


def _sent_by_groups(
    circuit: Circuit, part: Part, readings: Readings
) -> dict[int, tuple[Group, dict[int, Any]]]:
    """Per stage of a closed group, the group and what it sends to each of its inputs."""
    found: dict[int, tuple[Group, dict[int, Any]]] = {}
    for group in circuit.groups:
        if group.is_one and group.output <= part.output:
            dout = readings.gradient(part, group.output)
            sent: dict[int, Any] = {}
            if dout is not None:
                sent = group_gradients(circuit, group, readings.values, dout, as_one=True)
            found |= dict.fromkeys(group.stages, (group, sent))
    return found


def check_forks(
    circuit: Circuit, part: Part, readings: Readings, tolerance: float = TOLERANCE
) -> list[Finding]:
    """The gradient of every wire read more than once, against the sum of what is sent to it.

    A wire read once appears only when its gradient is not the one sent to it.
    """
    found = []
    for wire, terms in _terms(circuit, part, readings).items():
        held = tolerance_for([circuit.type_of(wire).dtype], tolerance)
        with np.errstate(all="ignore"):
            judged = agree(readings.gradient(part, wire), sum(terms), held, terms)
        if len(terms) > 1 or judged.verdict == "wrong":
            found.append(finding(circuit, wire, wire_name(circuit, wire), "fork", judged))
    return found


def readers(circuit: Circuit, output: int, wire: int) -> list[tuple[int, int]]:
    """The (row, operand index) pairs of the user's stages up to `output` that read a wire."""
    return [
        (row, index)
        for row in circuit.forward_rows() if wire < row <= output
        for index, operand in enumerate(circuit.operands(row)) if operand == wire
    ]


def wrong_fork(
    circuit: Circuit, wire: int, found: Judgement, places: int, terms: Sequence[Any]
) -> Finding:
    """A wrong gradient of a wire read in several places, explained by the terms of its sum."""
    name = wire_name(circuit, wire)
    along = 1.0 if found.along is None else found.along
    parts = [float(np.sum(t * along)) for t in terms]
    note = f"{name} is read in {places} places, so its gradients add up"
    which = ""
    if len(parts) > 1:
        total = f"{_written_sum(parts)} = {sum(parts):.6g}"
        note = f"{name} is read in {places} places, so its {len(parts)} gradients add up: {total}"
        which = _which(found.analytic, parts)
        note += f"; the value given, {found.analytic:.6g}, {which or 'is not that sum'}"
    if not which:
        note += f"; {found.note}"
    judged = Judgement(found.analytic, found.numeric, found.error, "wrong", note)
    return finding(circuit, wire, name, "fork", judged)


def _which(given: float, parts: Sequence[float]) -> str:
    """Which of the terms a wrong sum is, if it is one."""
    same = [abs(given - p) <= 1e-6 * max(abs(given), abs(p)) for p in parts]
    if same[-1]:
        return "is only the last of them (was = written for +=?)"
    if any(same):
        return f"is only number {same.index(True) + 1} of them (is += missing?)"
    return ""


def _written_sum(parts: Sequence[float]) -> str:
    """`1.58 - 0.036 + 0.51`, the middle of a long sum left out."""
    signed = [("- " if p < 0 else "+ ") + f"{abs(p):.6g}" for p in parts]
    if len(signed) > SHOWN:
        signed[SHOWN - 2 : -1] = ["+ ..."]
    text = " ".join(signed)
    return text.removeprefix("+ ") if parts[0] >= 0 else "-" + text.removeprefix("- ")
