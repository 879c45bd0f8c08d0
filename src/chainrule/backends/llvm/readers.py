"""Who reads the rows of a circuit."""

from collections import Counter

from chainrule.circuit.circuit import Circuit


def last_readers(circuit: Circuit) -> list[int]:
    """Per row, the last row that reads it; its end for outputs."""
    last = list(range(len(circuit)))
    for row in range(len(circuit)):
        for wire in circuit.operands(row):
            last[wire] = row
    for wire in circuit.outputs:
        last[wire] = len(circuit)
    return last


def reads_of(circuit: Circuit) -> Counter[int]:
    """How often each row is read, or is an output."""
    found = Counter(circuit.outputs)
    found.update(circuit.operand)
    return found
