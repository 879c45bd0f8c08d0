"""What `w.group(...)` and `w.ungroup(...)` do to a worked circuit's groups.

A group is asked for by the name of a gate that is recognised or was made (`"sigmoid"`), by the
names of lines that are to be one gate (`"den", "invden"`), or by a function whose calls are each to
be one.
"""

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.record import stages_gate
from chainrule.code.wanted import gets_a_line
from chainrule.errors import InputError
from chainrule.trace.names import DEEPEST, called
from chainrule.trace.places import lines_of
from chainrule.transform.grouping import find_groups
from chainrule.transform.groups import group_of, joined, overlapping

Wanted = str | Callable[..., Any]
Called = tuple[str, int]  # a function, and which of its calls


def grouped(
    circuit: Circuit, own: Sequence[Group], wanted: Sequence[Wanted]
) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """A circuit's groups with those wanted closed too, and all that are the user's own.

    With nothing wanted: every group that is recognised or was made.
    """
    recognised = find_groups(circuit)
    if not wanted:
        return joined(own, recognised), tuple(own)
    known = [*own, *recognised]
    lines = [n for n in wanted if isinstance(n, str) and _is_line(circuit, n)]
    chosen = list(circuit.groups)
    for name in wanted:
        if isinstance(name, str) and name not in lines:
            chosen += _named(circuit, name, known)
    made = [_of_lines(circuit, lines)] if lines else []
    made += [g for f in wanted if not isinstance(f, str) for g in _of_calls(circuit, f)]
    everything = [*own, *made]
    clash = overlapping(everything)
    if clash:
        raise InputError(f"the groups {clash[0].gate.name} and {clash[1].gate.name} share stages, "
                         "and neither lies in the other")
    mine = {id(g.gate) for g in everything}
    chosen_own = [g for g in chosen if id(g.gate) in mine] + made
    others = [g for g in chosen if id(g.gate) not in mine]
    return joined(chosen_own, list({g.stages: g for g in others}.values())), tuple(everything)


def ungrouped(circuit: Circuit, own: Sequence[Group], names: Sequence[str]) -> tuple[Group, ...]:
    """A circuit's groups without those of these names; without names, none."""
    if not names:
        return ()
    for name in names:
        _named(circuit, name, circuit.groups)
    mine = {id(g.gate) for g in own}
    kept = [g for g in circuit.groups if g.gate.name not in names]
    return joined([g for g in kept if id(g.gate) in mine],
                  [g for g in kept if id(g.gate) not in mine])


def _is_line(circuit: Circuit, name: str) -> bool:
    return any(name in names and not circuit.is_leaf(w) for w, names in circuit.names.items())


def _named(circuit: Circuit, name: str, known: Sequence[Group]) -> list[Group]:
    found = [g for g in known if g.gate.name == name]
    if not found:
        gates = ", ".join(dict.fromkeys(g.gate.name for g in known)) or "none"
        lines = ", ".join(n for w, names in circuit.names.items() for n in names
                          if not circuit.is_leaf(w))
        raise InputError(f"no group {name!r}; groups here: {gates}; lines: {lines}")
    return found


def _of_lines(circuit: Circuit, names: Sequence[str]) -> Group:
    """The group of some lines: each named stage with what is written inside its line."""
    lines = gets_a_line(circuit)
    waiting = [w for w, found in circuit.names.items() if not circuit.is_leaf(w)
               and any(n in names for n in found)]
    rows = set(waiting)
    while waiting:
        for wire in circuit.operands(waiting.pop()):
            if wire not in rows and wire not in lines and not circuit.is_leaf(wire):
                rows.add(wire)
                waiting.append(wire)
    name = circuit.name(max(rows)) or names[-1]
    return group_of(circuit, rows, stages_gate(name))


def _of_calls(circuit: Circuit, f: Callable[..., Any]) -> list[Group]:
    """A group for each call of f that lies in no other call of it."""
    name = getattr(f, "__name__", type(f).__name__)
    rows: dict[Called, set[int]] = {}
    calls = _calls(circuit, _code(f))
    for row in circuit.forward_rows():
        call = next((c for c in _led_to(circuit, row) if c in calls), None)
        if call is not None:
            rows.setdefault(call, set()).add(row)
    if not rows:
        raise InputError(f"{name} was not called while {circuit.title} was recorded, so there is "
                         "nothing to group")
    gate = stages_gate("group" if name == "<lambda>" else name)
    return [group_of(circuit, found, gate) for found in rows.values()]


def _code(f: Any) -> CodeType | None:
    """The code that a call of f runs."""
    while hasattr(f, "__wrapped__"):
        f = f.__wrapped__
    code = getattr(f, "__code__", None) or getattr(type(f).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _calls(circuit: Circuit, code: CodeType | None) -> set[Called]:
    """The calls that go by a code's name, but for those that were written somewhere else."""
    if code is None:
        return set()
    name, lines = called(code), lines_of(code)
    found: set[Called] = set()
    elsewhere: set[Called] = set()
    for origin in circuit.origins:
        found.update(call for call in origin.calls if call[0] == name)
        is_there = origin.file == code.co_filename and (origin.line or lines[0]) in lines
        if not is_there and 0 < len(origin.calls) < DEEPEST:
            elsewhere.add(origin.calls[-1])
    return found - elsewhere


def _led_to(circuit: Circuit, row: int) -> Sequence[Called]:
    origin = circuit.origin_of(row)
    return origin.calls if origin else ()
