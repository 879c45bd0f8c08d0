"""Each gate by itself: is what it sends back right, given what arrives at it?

When every gate sends the right gradient and every fork adds up what it is sent, the chain rule
makes every gradient right; when one is not, this names it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chainrule.check.compare import TOLERANCE, tolerance_for
from chainrule.check.differences import widened
from chainrule.check.groups import stage_terms
from chainrule.check.judge import judge
from chainrule.check.verdict import Finding, finding
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.transform.backward import active_rows


def check_gates(
    circuit: Circuit, part: Part, readings: Readings, wrt: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
) -> list[Finding]:
    """What each stage sends back to each operand, against differences of that gate alone.

    wrt: the inputs differentiated by (default: those that have a gradient).
    """
    active = active_rows(circuit, inputs_of(circuit, part, wrt), part.output)
    inside = stage_terms(circuit, part, readings)
    found = []
    for row in circuit.forward_rows():
        if row > part.output or not active[row] or part.gradient[row] == NOTHING:
            continue
        for index, wire in enumerate(circuit.operands(row)):
            if active[wire]:
                term = readings.term(part, row, index)
                term = inside.get((row, index), term)
                dout = readings.gradient(part, row)
                found.append(_edge(circuit, readings, row, index, term, dout, tolerance))
    return found


def inputs_of(circuit: Circuit, part: Part, wrt: Sequence[int] | None) -> list[int]:
    """The inputs differentiated by: those given, or those that have a gradient."""
    if wrt is not None:
        return [w for w in wrt if w <= part.output]
    known = (w for w in circuit.inputs if w <= part.output)
    return [w for w in known if part.gradient[w] != NOTHING]


def _edge(
    circuit: Circuit, readings: Readings, row: int, index: int, term: Any, dout: Any,
    tolerance: float,
) -> Finding:
    kind = circuit.kind_of(row)
    wires = circuit.operands(row)
    operands = [widened(readings.value(w)) for w in wires]

    def gate_alone(x: Any) -> Any:
        return kind.compute([*operands[:index], x, *operands[index + 1 :]])

    dtypes = [circuit.type_of(w).dtype for w in (*wires, row)]
    held = tolerance_for(dtypes, tolerance)
    found = judge(gate_alone, readings.value(wires[index]), term, dout, held)
    variable = _operand_name(circuit, row, index)
    if found.verdict == "wrong":
        found = replace(found, note=f"its partial by {variable} is wrong: {found.note}")
    return finding(circuit, row, kind.gate.name, "gate", found, variable)


def _operand_name(circuit: Circuit, row: int, index: int) -> str:
    """The user's name for an operand; the gate's own name for it where that is not enough."""
    wires = circuit.operands(row)
    name, own = circuit.name(wires[index]), circuit.kind_of(row).gate.inputs[index]
    if name is None:
        return f"its input {own}"
    return f"{name} (as its input {own})" if wires.count(wires[index]) > 1 else name
