"""Groups that users make: a function's stages, or lines, that are one gate in meaning.

A user's group and a recognised one live together by three rules:

    inside a user's group without a rule of its own    the recognised one keeps its rule
    inside one with a rule                             it has no say while that is closed
    otherwise overlapping                              the user's stands, the recognised one goes

A group within a group of the user's is open, as nobody sees it, while one with a rule is closed
round it; taking the outer away closes it again.
"""

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.record import Gate, kind_id
from chainrule.errors import InputError

if TYPE_CHECKING:
    from chainrule.circuit.notes import Mark


def marked_groups(circuit: Circuit, marks: "Iterable[Mark]") -> tuple[Group, ...]:
    """The groups that were marked while a circuit was traced, inner ones first.

    Raises InputError for a rule that does not know all that its stages read.
    """
    last = _last_readers(circuit)
    return tuple(g for g in (_marked(circuit, m, last) for m in marks) if g is not None)


def _last_readers(circuit: Circuit) -> list[int]:
    """Per wire, the last row that reads it, or -1."""
    last = [NOTHING] * len(circuit)
    for row in range(len(circuit)):
        for wire in circuit.operands(row):
            last[wire] = row
    return last


def _marked(circuit: Circuit, mark: "Mark", last: Sequence[int]) -> Group | None:
    rows = range(mark.begin, mark.end)
    stages = _leading_to(circuit, mark.output, rows)
    if not stages:
        return None
    read = _read(circuit, stages)
    if not mark.inputs:
        return Group(mark.gate, stages, read, mark.output)
    unknown = [w for w in read if w not in mark.inputs]
    if unknown:
        raise InputError(
            f"local= of the group {mark.gate.name} is about its arguments, but its function also "
            f"reads {_called(circuit, unknown[0])} from outside, whose gradient would be lost.\n"
            "  Pass it in as an argument."
        )
    _check_private(circuit, mark, last)
    return Group(mark.gate, stages, mark.inputs, mark.output, attrs=mark.attrs)


def _check_private(circuit: Circuit, mark: "Mark", last: Sequence[int]) -> None:
    """A group with a rule sends gradient to its inputs only; nothing may read what is inside."""
    for wire in range(mark.begin, mark.end):
        if last[wire] >= mark.end and wire != mark.output and not circuit.is_leaf(wire):
            raise InputError(
                f"{_called(circuit, wire)}, computed inside the group {mark.gate.name}, is read "
                "outside of it, where local= sends no gradient.\n  Return it from a function of "
                "its own."
            )


def group_of(circuit: Circuit, rows: Collection[int], gate: Gate) -> Group:
    """The group of these rows. Raises InputError unless one wire leads out of them."""
    ends = _ends(circuit, set(rows))
    if len(ends) != 1:
        told = ", ".join(_called(circuit, w) for w in ends) or "nothing"
        raise InputError(
            f"a group has one output, but {told} would lead out of {gate.name}\n"
            "  Take in the lines that read them, or leave out those they do not need."
        )
    stages = _leading_to(circuit, ends[0], rows)
    return Group(gate, stages, _read(circuit, stages), ends[0])


def _ends(circuit: Circuit, rows: set[int]) -> list[int]:
    """Rows that are read outside of `rows`, or by nobody."""
    ends = {w for w in circuit.outputs if w in rows}
    for row in circuit.forward_rows():
        if row not in rows:
            ends.update(w for w in circuit.operands(row) if w in rows)
    return sorted(ends)


def _leading_to(circuit: Circuit, output: int, rows: Collection[int]) -> tuple[int, ...]:
    """The stages among `rows` that an output is computed by."""
    if output not in rows or circuit.is_leaf(output):
        return ()
    found, waiting = {output}, [output]
    while waiting:
        for wire in circuit.operands(waiting.pop()):
            if wire in rows and wire not in found and not circuit.is_leaf(wire):
                found.add(wire)
                waiting.append(wire)
    return tuple(sorted(found))


def _read(circuit: Circuit, stages: Sequence[int]) -> tuple[int, ...]:
    """Wires that lead into stages, numbers written there left out."""
    inside = set(stages)
    read = (w for row in stages for w in circuit.operands(row))
    return tuple(dict.fromkeys(
        w for w in read if w not in inside and not circuit.is_constant(w)
    ))


def _called(circuit: Circuit, wire: int) -> str:
    origin = circuit.origin_of(wire)
    place = f" ({origin})" if origin else ""
    return (circuit.name(wire) or f"a value of {circuit.kind_of(wire).gate.name}") + place


def as_gates(circuit: Circuit, groups: Iterable[Group]) -> Circuit:
    """The circuit with each group that has a rule as one stage, in the row of its output.

    Every row keeps its number; what was inside such a group is read by nobody any more.
    """
    ends = {g.output: g for g in groups if g.is_one}
    kind, start, operand = circuit.kind[:], array("i", [0]), array("i")
    for row in range(len(circuit)):
        group = ends.get(row)
        if group is not None:
            kind[row] = kind_id(group.gate, group.attrs, circuit.kind_of(row).type_id)
        operand.extend(circuit.operands(row) if group is None else group.inputs)
        start.append(len(operand))
    return circuit.with_(kind=kind, start=start, operand=operand)


def joined(own: Sequence[Group], recognised: Sequence[Group]) -> tuple[Group, ...]:
    """Users' groups with those recognised groups that may stand beside or inside them."""
    own = list({g.stages: g for g in own}.values())  # of equal ones the outer
    covers = _covers(own)
    kept = [g for g in recognised if _may_stand(g, covers)]
    return tuple(_closed(g, covers) for g in sorted((*own, *kept), key=lambda g: g.output))


def _covers(groups: Iterable[Group]) -> Mapping[int, list[Group]]:
    """Per row, the groups it is a stage of."""
    found: dict[int, list[Group]] = {}
    for group in groups:
        for row in group.stages:
            found.setdefault(row, []).append(group)
    return found


def _may_stand(g: Group, covers: Mapping[int, list[Group]]) -> bool:
    over = {id(o): o for row in g.stages for o in covers.get(row, ())}
    return all(set(g.stages) <= set(o.stages) and not _has_rule(o) for o in over.values())


def _has_rule(g: Group) -> bool:
    return g.with_(is_closed=True).is_one


def _closed(g: Group, covers: Mapping[int, list[Group]]) -> Group:
    stages = set(g.stages)
    round_it = covers.get(g.output, ())
    hidden = any(_has_rule(o) and stages < set(o.stages) for o in round_it)
    return g.with_(is_closed=not hidden)


def overlapping(groups: Sequence[Group]) -> tuple[Group, Group] | None:
    """Two groups that share stages without one lying in the other, if there are such."""
    for over in _covers(groups).values():
        for a, b in combinations(over, 2):
            x, y = set(a.stages), set(b.stages)
            if not (x <= y or y <= x):
                return a, b
    return None
