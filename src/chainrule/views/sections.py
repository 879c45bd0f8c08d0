"""Sections: the gates of a circuit by the call of a function they were written in.

    h = step(h, x)      step, call 1: reads h and x, gives h
    h = step(h, x)      step, call 2
    return h @ v        the traced function's own, between calls

A drawing makes a box of a call; a table, and words, give it a row. A loop that calls a function n
times gives n sections.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Part
from chainrule.views.labels import gates

Called = tuple[str, int]  # a function, and which of its calls
Collapse = bool | int | str | Collection[str] | None
READABLE = 150  # gates in one drawing; of a larger circuit calls are drawn as boxes


@dataclass(frozen=True, slots=True)
class Section:
    """A call, or a run of stages outside of all calls asked for (`call` is None).

    reads: wires from outside, but for plain constants; gives: wires that others read, or the
    output.
    """

    call: Called | None
    rows: tuple[int, ...]
    reads: tuple[int, ...]
    gives: tuple[int, ...]


def sections(circuit: Circuit, part: Part, collapse: Collapse = True) -> list[Section]:
    """All gates of the user's in order, each in one section.

    collapse: True or 1 for the outermost calls, 2 for those within them and so on, or the names of
    functions. Gates that a call shares with others in a way that cannot be one box stay outside.
    """
    rows = gates(circuit, part)
    readers = _readers(circuit, rows)
    chosen = _chooser(collapse)
    found: dict[Called, list[int]] = {}
    for row in rows:
        call = chosen(calls_of(circuit, row))
        if call:
            found.setdefault(call, []).append(row)
    owner: dict[int, Called] = {}
    for call, own in found.items():
        if _is_whole(circuit, own, readers):
            owner.update(dict.fromkeys(own, call))
    return [
        _section(circuit, part, call, run, readers) for call, run in _runs(rows, owner, found)
    ]


def calls_of(circuit: Circuit, row: int) -> tuple[Called, ...]:
    """The calls that led to a row, outermost first."""
    origin = circuit.origin_of(row)
    return origin.calls if origin else ()


def readable(circuit: Circuit, part: Part) -> Collapse:
    """How a drawing collapses by itself: as little as leaves at most 150 gates and boxes.

    Where no depth does, by the one that leaves fewest; one box for all would tell nothing.
    """
    rows = gates(circuit, part)
    if len(rows) <= READABLE:
        return False
    chains = [calls_of(circuit, row) for row in rows]
    visible = {}
    for depth in range(max(map(len, chains), default=0), 0, -1):
        boxes = {chain[depth - 1] for chain in chains if len(chain) >= depth}
        visible[depth] = len(boxes) + sum(len(chain) < depth for chain in chains)
        if 1 < visible[depth] <= READABLE:
            return depth
    return min((d for d in visible if visible[d] > 1), key=visible.__getitem__, default=False)


def _chooser(collapse: Collapse) -> Callable[[Sequence[Called]], Called | None]:
    """Which of the calls that led to a row is the section it belongs to."""
    if isinstance(collapse, int):
        depth = int(collapse)
        return lambda calls: calls[depth - 1] if 0 < depth <= len(calls) else None
    names = {collapse} if isinstance(collapse, str) else set(collapse or ())
    return lambda calls: next((call for call in calls if call[0] in names), None)


def _readers(circuit: Circuit, rows: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row in rows:
        for wire in circuit.operands(row):
            found.setdefault(wire, []).append(row)
    return found


def _is_whole(circuit: Circuit, own: Sequence[int], readers: Mapping[int, list[int]]) -> bool:
    """All that a call reads is there before it begins, and nobody reads of it before it ends.

    False for the calls of generators, which run in turn with those who ask them for more.
    """
    inside = set(own)
    before = all(
        w in inside or w < own[0] or circuit.is_leaf(w)
        for row in own for w in circuit.operands(row)
    )
    return before and all(
        r in inside or r > own[-1] for row in own for r in readers.get(row, ())
    )


def _runs(
    rows: Sequence[int], owner: Mapping[int, Called], found: Mapping[Called, list[int]]
) -> Iterator[tuple[Called | None, list[int]]]:
    """Calls, each where it ends, and between them the runs of the rows of none."""
    run: list[int] = []
    for row in rows:
        call = owner.get(row)
        if call is None:
            run.append(row)
        elif row == found[call][-1]:
            if run:
                yield None, run
                run = []
            yield call, found[call]
    if run:
        yield None, run


def _section(
    circuit: Circuit, part: Part, call: Called | None, rows: Sequence[int],
    readers: Mapping[int, list[int]],
) -> Section:
    inside = set(rows)
    reads = dict.fromkeys(
        w for row in rows for w in circuit.operands(row)
        if w not in inside and not (circuit.is_constant(w) and not circuit.type_of(w).shape)
    )
    gives = tuple(
        row for row in rows
        if row == part.output or any(r not in inside for r in readers.get(row, ()))
    )
    return Section(call, tuple(rows), tuple(reads), gives)
