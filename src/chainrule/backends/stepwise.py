"""Stepwise: the reference. Computes each row's value in order, straight from the columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.readings import Readings
from chainrule.circuit.record import KINDS


def run(
    circuit: Circuit, inputs: Sequence[Any], fixed: Mapping[int, Any] | None = None
) -> Readings:
    """Values on all wires for these inputs. `fixed` wires take the given value instead."""
    fixed = fixed or {}
    values: list[Any] = [None] * len(circuit)
    given = dict(zip(circuit.inputs, inputs, strict=True))
    given.update(zip(circuit.constant_rows, circuit.constants, strict=True))
    given.update(fixed)
    start, operand, kinds = circuit.start, circuit.operand, circuit.kind
    begin = 0
    for row in range(len(circuit)):
        end = start[row + 1]
        if row in given:
            values[row] = given[row]
        else:
            values[row] = KINDS[kinds[row]].compute([values[w] for w in operand[begin:end]])
        begin = end
    return Readings(circuit, values)
