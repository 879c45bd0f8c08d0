"""A whole circuit: every gate by itself, every fork, every group, and end to end.

End to end, a wire is held a little above and a little below its value and the circuit is run; the
change of the output, weighted by the output's gradient, must be what the wire's gradient says.
The callable that runs a circuit comes as an argument.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.check.compare import TOLERANCE, Judgement, tolerance_for
from chainrule.check.differences import RUNGS, widened
from chainrule.check.forks import check_forks, fork_terms, readers, wrong_fork
from chainrule.check.gates import check_gates, inputs_of
from chainrule.check.groups import check_groups
from chainrule.check.judge import judge
from chainrule.check.verdict import Finding, Subject, Verdict, finding, wire_name
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.transform.backward import active_rows

__all__ = [
    "check", "check_forks", "check_gates", "check_gradients", "check_groups", "check_inputs",
    "fork_terms",
]

Run = Callable[[Circuit, Sequence[Any], Mapping[int, Any] | None], Readings]


def check(
    circuit: Circuit, part: Part, readings: Readings, run: Run, wrt: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
) -> Verdict:
    """The verdict on a backward part: gates, forks and groups by themselves, inputs end to end.

    wrt: the inputs differentiated by (default: those that have a gradient). tolerance: relative.
    """
    local = [
        *check_gates(circuit, part, readings, wrt, tolerance),
        *check_forks(circuit, part, readings, tolerance),
        *check_groups(circuit, part, readings, tolerance, wrt),
    ]
    inputs = check_inputs(circuit, part, readings, run, wrt, tolerance)
    return Verdict((*local, *_explained(circuit, part, readings, run, local, inputs)))


def check_inputs(
    circuit: Circuit, part: Part, readings: Readings, run: Run, wrt: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
) -> list[Finding]:
    """The gradient of every input, end to end."""
    claims = {w: readings.gradient(part, w) for w in inputs_of(circuit, part, wrt)}
    dout = readings.value(part.output_gradient)
    sizes = {w: _largest_term(circuit, part, readings, w) for w in claims}
    judged = _end_to_end(circuit, part.output, dout, readings, run, claims, tolerance, sizes)
    return [_named(circuit, wire, found) for wire, found in judged.items()]


def check_gradients(
    circuit: Circuit, output: int, output_gradient: Any, readings: Readings, run: Run,
    gradients: Mapping[int, Any], terms: Mapping[int, Sequence[Any]] | None = None,
    tolerance: float = TOLERANCE,
) -> list[Finding]:
    """Gradients claimed from outside for any wires, such as those that staged code left behind.

    terms: what each reader of a wire sends back to it, last reader first, as `fork_terms` gives;
    with it, a wrong gradient of a fork is explained by what was left out of the sum.
    """
    sizes = {
        w: max((float(np.sum(np.abs(t * readings.value(w)))) for t in sent), default=0.0)
        for w, sent in (terms or {}).items()
    }
    judged = _end_to_end(
        circuit, output, output_gradient, readings, run, gradients, tolerance, sizes
    )
    places = {wire: len(readers(circuit, output, wire)) for wire in judged}
    return [
        wrong_fork(circuit, wire, found, places[wire], (terms or {}).get(wire, ()))
        if found.verdict == "wrong" and found.along is not None and places[wire] > 1
        else _named(circuit, wire, found)
        for wire, found in judged.items()
    ]


def _end_to_end(
    circuit: Circuit, output: int, dout: Any, readings: Readings, run: Run,
    claims: Mapping[int, Any], tolerance: float, sizes: Mapping[int, float],
) -> dict[int, Judgement]:
    forward = circuit.until(output)
    inputs = [widened(readings.value(w)) for w in forward.inputs]
    rows = [r for r in range(output + 1) if not circuit.is_constant(r)]
    held = tolerance_for([circuit.type_of(r).dtype for r in rows], tolerance)

    def output_with(wire: int) -> Callable[[Any], Any]:
        return lambda value: run(forward, inputs, {wire: value}).value(output)

    return {
        wire: judge(
            output_with(wire), readings.value(wire), claim, dout, held, sizes.get(wire, 0.0)
        )
        for wire, claim in claims.items()
    }


def _largest_term(circuit: Circuit, part: Part, readings: Readings, wire: int) -> float:
    """The largest |gradient sent * value| on the way from the output to a wire.

    Such terms may cancel at forks, and leave rounding errors of their own size in its gradient.
    """
    reached = active_rows(circuit, [wire], part.output)
    largest = 0.0
    for row in (r for r in range(wire + 1, len(reached)) if reached[r]):
        for index, operand in enumerate(circuit.operands(row)):
            term = readings.term(part, row, index) if reached[operand] else None
            if term is not None:
                value = readings.value(operand)
                with np.errstate(all="ignore"):
                    size = float(np.sum(np.abs(term * np.where(value == 0, 1.0, value))))
                largest = max(largest, size) if math.isfinite(size) else largest
    return largest


def _named(circuit: Circuit, wire: int, found: Judgement) -> Finding:
    kind: Subject = "input" if wire in circuit.inputs else "wire"
    return finding(circuit, wire, wire_name(circuit, wire), kind, found)


def _explained(
    circuit: Circuit, part: Part, readings: Readings, run: Run, local: Sequence[Finding],
    inputs: Sequence[Finding],
) -> list[Finding]:
    """The findings on inputs, the wrong ones traced to what lies on their way.

    relu(x) - relu(-x) is x, yet at 0 each relu passes nothing. Where every gate, fork and group is
    right by itself, such a gradient is the chain rule's, and differences are no judge of it.
    """
    kinks = {f.row for f in local if f.kind == "gate" and f.verdict == "kink"}
    is_sound = all(f.verdict != "wrong" for f in local)
    found = []
    for f in inputs:
        if f.verdict == "wrong" and not math.isfinite(f.numeric - f.analytic):
            reached = active_rows(circuit, [f.row], part.output)
            f = replace(f, note=f.note + _first_broken(circuit, readings, reached))
        elif f.verdict == "wrong" and is_sound:
            reached = active_rows(circuit, [f.row], part.output)
            bends = sorted(row for row in kinks if reached[row])
            bends = bends or _flipping(circuit, part.output, readings, run, f.row)
            if bends:
                name = circuit.kind_of(bends[0]).gate.name
                f = replace(f, verdict="kink", note=_placed(circuit, name, bends[0]) + _EXCUSE)
        found.append(f)
    return found


_EXCUSE = (
    " changes course right here; every gate is right by itself, but differences end to end need "
    "not follow the chain rule"
)


def _placed(circuit: Circuit, name: str, row: int) -> str:
    place = circuit.origin_of(row)
    return f"{name} in {place}" if place else name


def _flipping(circuit: Circuit, output: int, readings: Readings, run: Run, wire: int) -> list[int]:
    """Rows of decisions, such as x > 0, that differ just above and just below a wire's value."""
    x = widened(readings.value(wire))
    inputs = [widened(readings.value(w)) for w in circuit.inputs]
    step = RUNGS[-1] * np.maximum(1.0, np.abs(x))
    above, below = (run(circuit, inputs, {wire: x + s * step}) for s in (1, -1))
    return [
        row for row in circuit.forward_rows()
        if row <= output and not circuit.type_of(row).is_inexact
        and np.any(above.value(row) != below.value(row))
    ]


def _first_broken(circuit: Circuit, readings: Readings, reached: bytearray) -> str:
    """The first stage on the way whose value is not finite."""
    for row in (r for r in range(len(reached)) if reached[r]):
        values = np.ravel(readings.value(row))
        if not np.isfinite(values).all():
            name = circuit.kind_of(row).gate.name
            first = values[~np.isfinite(values)][0]
            return f": {_placed(circuit, name, row)} gives {first}"
    return ""
