"""Diagnosis: what is odd about a backward pass, where it began, and what to do.

    overflow    a stage made inf or nan from finite inputs
    0 * inf     a gate multiplied a gradient of 0 by an infinite local gradient: nan from there on
    imbalance   the inputs of a product differ so much in size that one gets a huge gradient and
                the other a tiny one
    dead        no gradient reaches one side of a choice: its branch was not taken
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.notes import Origin, Part
from chainrule.circuit.readings import Readings
from chainrule.gates.elementwise import multiply

LOPSIDED = 1e5  # ratio of sizes at which a product's gradients are called imbalanced


@dataclass(frozen=True, slots=True)
class Symptom:
    """One thing that is odd: what kind, at which gate, in words, with the user's place."""

    kind: str
    gate: str
    row: int
    text: str
    where: Origin | None

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}" + (f"\n  in {self.where}" if self.where else "")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Every symptom found, in the order of the backward pass. False when there is none."""

    symptoms: tuple[Symptom, ...]

    def __bool__(self) -> bool:
        return bool(self.symptoms)

    def __str__(self) -> str:
        return "\n".join(map(str, self.symptoms)) or "nothing odd: every gradient is finite"


def diagnose(
    circuit: Circuit, part: Part, readings: Readings, known: Sequence[Group] = ()
) -> Diagnosis:
    """What is odd about the readings of a backward part.

    known: groups that the user's stages could be closed into, proposed where they help.
    """
    found = [
        *_overflows(circuit, part, readings), *_lost(circuit, part, readings, known),
        *_lopsided(circuit, part, readings), *_dead(circuit, part, readings),
    ]
    return Diagnosis(tuple(found))


def _rows(circuit: Circuit, part: Part) -> list[int]:
    return [r for r in circuit.forward_rows() if r <= part.output]


def _is_finite(value: Any) -> bool:
    return bool(np.isfinite(value).all())


def _named(circuit: Circuit, wire: int) -> str:
    return circuit.name(wire) or f"the output of {circuit.kind_of(wire).gate.name}"


def _number(value: Any) -> str:
    """A number, or the first of an array that is not finite, or its largest."""
    flat = np.ravel(np.asarray(value, float))
    if flat.size == 0:
        return "empty"
    broken = flat[~np.isfinite(flat)]
    return f"{broken[0] if broken.size else flat[np.argmax(np.abs(flat))]:.4g}"


def _overflows(circuit: Circuit, part: Part, readings: Readings) -> Iterator[Symptom]:
    """Stages whose inputs are finite and whose output is not."""
    for row in _rows(circuit, part):
        inputs = [readings.value(w) for w in circuit.operands(row)]
        value = readings.value(row)
        if not _is_finite(value) and all(_is_finite(x) for x in inputs):
            gate = circuit.kind_of(row).gate.name
            of = ", ".join(_number(x) for x in inputs)
            text = f"{gate}({of}) is {_number(value)}"
            yield Symptom("overflow", gate, row, text, circuit.origin_of(row))


def _lost(
    circuit: Circuit, part: Part, readings: Readings, known: Sequence[Group]
) -> Iterator[Symptom]:
    """Gates that made a nan of a gradient that was not one; what a closed group hides is unused."""
    inside = {row for g in circuit.groups if g.is_one for row in g.stages}
    for row in reversed(_rows(circuit, part)):
        dout = readings.gradient(part, row)
        if dout is None or np.isnan(dout).any() or row in inside:
            continue
        for index, wire in enumerate(circuit.operands(row)):
            term = readings.term(part, row, index)
            if term is not None and np.isnan(term).any():
                gate = circuit.kind_of(row).gate.name
                text = (
                    f"{gate} was sent {_shown(dout, term)} and multiplied it by a local gradient "
                    f"that is not finite, so {_named(circuit, wire)} gets nan{_cure(known, row)}"
                )
                yield Symptom("0 * inf", gate, row, text, circuit.origin_of(row))
                break


def _shown(dout: Any, term: Any) -> str:
    """The arriving gradient where nan came of it."""
    if np.shape(dout) == np.shape(term):
        return _number(np.asarray(dout)[np.isnan(term)])
    return _number(dout)


def _cure(groups: Sequence[Group], row: int) -> str:
    for group in groups:
        if row in group.stages:
            return (
                f".\n  These stages are one {group.gate.name}, which keeps its digits here: "
                "close the group with w.group()"
            )
    return ".\n  Rewrite it so that the infinity is not made, or guard it with np.where"


def _lopsided(circuit: Circuit, part: Part, readings: Readings) -> Iterator[Symptom]:
    """Products of a very small and a very big number."""
    for row in _rows(circuit, part):
        if circuit.kind_of(row).gate is not multiply:
            continue
        wires = circuit.operands(row)
        sizes = [float(np.max(np.abs(readings.value(w)), initial=0.0)) for w in wires]
        if min(sizes) <= 0 or not np.isfinite(sizes).all() or max(sizes) / min(sizes) < LOPSIDED:
            continue
        if all(part.gradient[w] != NOTHING for w in wires):
            small, big = (wires[i] for i in np.argsort(sizes))
            text = (
                f"multiply swaps {_named(circuit, small)} = {min(sizes):.3g} and "
                f"{_named(circuit, big)} = {max(sizes):.3g}: the small one gets a gradient "
                f"{max(sizes) / min(sizes):.3g} times that of the big one"
            )
            yield Symptom("imbalance", multiply.name, row, text, circuit.origin_of(row))


def _dead(circuit: Circuit, part: Part, readings: Readings) -> Iterator[Symptom]:
    """Sides of a choice that no gradient reaches."""
    for row in _rows(circuit, part):
        gate = circuit.kind_of(row).gate
        dout = readings.gradient(part, row)
        if gate.mask is None or dout is None or not np.any(dout):
            continue
        for index, wire in enumerate(circuit.operands(row)):
            term = readings.term(part, row, index)
            if term is not None and not np.any(term):
                text = f"{gate.name} sends nothing to {_named(circuit, wire)}: it was not chosen"
                yield Symptom("dead", gate.name, row, text, circuit.origin_of(row))
