"""Which stages a program may do in place, and what must be read before they do.

A gate whose record has a `statement` changes its first input. A program may write it so when that
array is its own and nobody reads the old numbers afterwards:

    dt = dy[1]              reads the old numbers, so it stands before
    dy[1] = 0               in place of a copy with 0 at [1]

Else it copies first. What would be written inside a later line is *settled*: given a line where it
stands. A view that is read later still needs memory of its own.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from chainrule.circuit.circuit import Circuit

NEVER = -1


@dataclass(slots=True)
class InPlace:
    """Rows done in place; rows to settle before; views that need memory of their own."""

    changes: set[int] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)
    copied: set[int] = field(default_factory=set)


def in_place(
    circuit: Circuit, rows: Sequence[int], *, has_line: Callable[[int], bool],
    is_own: Callable[[int], bool], kept: Collection[int],
) -> InPlace:
    """The plan for a program that computes these rows in this order.

    has_line: the row is computed where it stands, not inside a reader's line. is_own: its array is
    made by the program. kept: rows whose arrays are read after the last row.
    """
    found = InPlace()
    readers = _readers(circuit, rows)
    placed, last = _last_reads(circuit, rows, readers, has_line)
    owned: set[int] = set()
    for row in rows:
        gate = circuit.kind_of(row).gate
        if not gate.statement:
            if is_own(row) and not gate.makes_view:
                owned.add(row)
            continue
        owned.add(row)  # changed in place, or a copy
        target, *others = circuit.operands(row)
        before = [r for r in readers[target] if r != row]
        if target not in owned or target in kept or target in others or any(
            r > row for r in before
        ):
            continue
        found.changes.add(row)
        for reader in before:
            is_late = circuit.kind_of(reader).gate.makes_view and last[reader] > row
            if placed[reader] > row or is_late:
                found.settled.add(reader)
            if is_late and circuit.type_of(reader).shape:
                found.copied.add(reader)
    return found


def _readers(circuit: Circuit, rows: Sequence[int]) -> dict[int, list[int]]:
    """Per wire, the rows that read its numbers, in order."""
    readers: dict[int, list[int]] = {}
    for row in rows:
        if not circuit.kind_of(row).gate.reads_shape:
            for wire in set(circuit.operands(row)):
                readers.setdefault(wire, []).append(row)
    return readers


def _last_reads(
    circuit: Circuit, rows: Sequence[int], readers: dict[int, list[int]],
    has_line: Callable[[int], bool],
) -> tuple[dict[int, int], dict[int, int]]:
    """Per row, the row in whose line it is computed; and where its memory is read last."""
    placed: dict[int, int] = {}
    last: dict[int, int] = {}
    for row in reversed(rows):
        after = readers.get(row, ())
        last[row] = max(
            (max(placed[r], last[r] if circuit.kind_of(r).gate.makes_view else NEVER)
             for r in after), default=NEVER,
        )
        is_line = has_line(row) or bool(circuit.kind_of(row).gate.statement)
        placed[row] = row if is_line else max((placed[r] for r in after), default=row)
    return placed, last
