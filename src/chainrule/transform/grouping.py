"""Grouping: find runs of the user's stages that mean one gate, in any of its spellings.

A gate's record lists its spellings as functions; each is traced into a small pattern, once per
order of the operands of commuting gates. Groups are annotations: no stage goes away.
"""

from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from itertools import product

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.record import CONSTANT, GATES, INPUT, KINDS, Gate
from chainrule.circuit.types import FLOAT, TYPES
from chainrule.gates.handle import Handle

Pattern = Circuit


@lru_cache(maxsize=8)
def _patterns(catalogue: int) -> dict[int, list[tuple[Gate, Pattern]]]:
    """Patterns by the gate of their last stage; made again when the catalogue has grown."""
    found: dict[int, list[tuple[Gate, Pattern]]] = {}
    for gate in GATES[:catalogue]:
        for spelling in gate.spellings:
            b = Builder(gate.name)
            inputs = [Handle(b, b.input(TYPES[FLOAT], name)) for name in gate.inputs]
            traced = b.build([spelling(*inputs).wire])
            root = traced.kind_of(traced.outputs[0]).gate
            for pattern in _orders(traced):
                found.setdefault(root.id, []).append((gate, pattern))
    return found


def _orders(pattern: Pattern) -> Iterable[Pattern]:
    """The pattern with the operands of its commuting gates in every order."""
    rows = [r for r in range(len(pattern)) if pattern.kind_of(r).gate.commutes]
    for swaps in product((False, True), repeat=len(rows)):
        operand = pattern.operand[:]
        for row, swap in zip(rows, swaps, strict=True):
            if swap:
                begin, end = pattern.start[row], pattern.start[row + 1]
                operand[begin:end] = operand[begin:end][::-1]
        yield pattern.with_(operand=operand)


def find_groups(circuit: Circuit, varying: Container[int] = ()) -> tuple[Group, ...]:
    """Closed groups for every spelling found whose inner wires nobody else reads.

    varying: constants whose number may change from call to call; they match no pattern.
    """
    patterns = _patterns(len(GATES))
    groups: list[Group] = []
    taken: set[int] = set()
    readers: list[list[tuple[int, int]]] | None = None
    for row in range(len(circuit)):
        for gate, pattern in patterns.get(KINDS[circuit.kind[row]].gate.id, ()):
            match = _match(pattern, circuit, row)
            if match is None or any(w in varying for w in match.values()):
                continue
            readers = circuit.readers() if readers is None else readers
            group = _group(gate, pattern, match)
            if taken.isdisjoint(group.stages) and _is_private(group, circuit, readers):
                groups.append(group)
                taken.update(group.stages)
                break
    return tuple(groups)


def with_groups(circuit: Circuit) -> Circuit:
    """The circuit with its recognised groups annotated."""
    return circuit.with_(groups=find_groups(circuit))


def _match(pattern: Pattern, circuit: Circuit, row: int) -> dict[int, int] | None:
    """Pattern wire -> circuit wire when the stages up to `row` are the pattern, else None."""
    bound: dict[int, int] = {}
    waiting = [(pattern.outputs[0], row)]
    while waiting:
        p, w = waiting.pop()
        if p in bound:
            if bound[p] != w:
                return None
            continue
        bound[p] = w
        wanted, found = KINDS[pattern.kind[p]], KINDS[circuit.kind[w]]
        if wanted.gate is INPUT:
            continue
        if wanted.gate is not found.gate or wanted.key != found.key:
            return None
        if wanted.gate is CONSTANT and not _same_number(
            pattern.constant(p), circuit.constant(w)
        ):
            return None
        waiting.extend(zip(pattern.operands(p), circuit.operands(w), strict=True))
    return bound


def _same_number(wanted: float, found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and found == wanted


def _group(gate: Gate, pattern: Pattern, match: dict[int, int]) -> Group:
    stages = sorted({w for p, w in match.items() if not pattern.is_leaf(p)})
    inputs = tuple(match[p] for p in pattern.inputs)
    return Group(gate, tuple(stages), inputs, match[pattern.outputs[0]])


def _is_private(
    group: Group, circuit: Circuit, readers: Sequence[Sequence[tuple[int, int]]]
) -> bool:
    """True when only the group itself reads its inner wires."""
    inside = set(group.stages)
    inner = inside - {group.output}
    return inner.isdisjoint(circuit.outputs) and all(
        row in inside for wire in inner for row, _ in readers[wire]
    )
