"""Tight code: the backward pass as one short Python function over the values of the trace.

`backward(v, dout)` reads the forward values it needs from the list `v`, by row, and returns the
gradients asked for, None for inputs that get none. Rows read once are written inside their reader;
stages that change an array do so in place where the array is the program's own.
"""

from collections.abc import Collection, Sequence

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.code.expression import ATOM, Text, apply, change, literal
from chainrule.code.inplace import InPlace, in_place

DEEPEST = 8


def tight_backward(
    circuit: Circuit, wanted: Sequence[int], varying: Collection[int] = ()
) -> str:
    """Source of `backward(v, dout)` for a circuit whose rows past `len(v)` are a backward pass.

    wanted: the wires to return, -1 for None. varying: constants to read from `v`, as their numbers
    may differ from call to call.
    """
    part_start = _first_backward_row(circuit)
    uses = _uses(circuit, wanted, part_start)
    used = [row for row in range(part_start, len(circuit)) if uses[row]]
    for row in used:  # what changes has a line of its own
        if circuit.kind_of(row).gate.statement:
            uses[circuit.operands(row)[0]] += 1
            uses[row] += 1
    plan = in_place(
        circuit, used, has_line=lambda row: uses[row] > 1,
        is_own=lambda row: not circuit.is_leaf(row), kept=wanted,
    )
    for row in plan.settled:
        uses[row] += 1
    texts: dict[int, Text] = {}
    lines: list[str] = []
    for row in range(len(circuit)):
        if uses[row]:
            texts[row] = _text(circuit, row, part_start, uses[row], texts, lines, varying, plan)
    returned = ", ".join(_returned(circuit, w, part_start, texts) for w in wanted)
    body = "\n    ".join([*lines, f"return ({returned},)"])
    return f"def backward(v, dout):\n    {body}\n"


def _returned(circuit: Circuit, wire: int, start: int, texts: dict[int, Text]) -> str:
    if wire == NOTHING:
        return "None"
    is_value = wire < start and circuit.type_of(wire).shape  # the caller may hold this array
    return texts[wire].source + ".copy()" * bool(is_value)


def _first_backward_row(circuit: Circuit) -> int:
    for row in range(len(circuit)):
        if circuit.origin[row] <= -2:
            return row
    return len(circuit)


def _uses(circuit: Circuit, wanted: Sequence[int], start: int) -> list[int]:
    """How often each row is read by the rows that the wanted ones need."""
    uses = [0] * len(circuit)
    for wire in wanted:
        if wire != NOTHING:
            uses[wire] += 1
    for row in range(len(circuit) - 1, start - 1, -1):
        if uses[row]:
            for wire in circuit.operands(row):
                uses[wire] += 1
    return uses


def _text(
    circuit: Circuit, row: int, start: int, uses: int, texts: dict[int, Text], lines: list[str],
    varying: Collection[int], plan: InPlace,
) -> Text:
    if circuit.is_constant(row) and (row >= start or _is_fixed(circuit, row, varying)):
        return literal(circuit.constant(row))
    if row >= start and circuit.is_leaf(row):
        return Text("dout", ATOM)
    if row < start:
        return _named(row, Text(f"v[{row}]", ATOM), uses, lines)
    wires = circuit.operands(row)
    if circuit.kind_of(row).gate.statement:
        target = texts[wires[0]]
        if row not in plan.changes:
            target = _named(row, Text(f"np.array({target.source})", ATOM), uses, lines)
        lines.append(change(circuit.kind_of(row), [target, *(texts[w] for w in wires[1:])]))
        return target
    constants = [
        circuit.constant(w) if circuit.is_constant(w) and w not in varying else None for w in wires
    ]
    text = apply(circuit.kind_of(row), [texts[w] for w in wires], constants, quick=True)
    if row in plan.copied:
        text = Text(f"np.copy({text.source})", ATOM)
    return _named(row, text, uses + (text.depth > DEEPEST), lines)


def _is_fixed(circuit: Circuit, row: int, varying: Collection[int]) -> bool:
    """True for a Python number that is the same at each call."""
    return circuit.type_of(row).weak and row not in varying


def _named(row: int, text: Text, uses: int, lines: list[str]) -> Text:
    """A variable for what is read more than once."""
    if uses <= 1:
        return text
    lines.append(f"v{row} = {text.source}")
    return Text(f"v{row}", ATOM)
