"""Rows: a large circuit by function, one row for each call and each run of stages between calls.

    call     gates   reads              gives    gradient   sends back
    step 1       5   X[0] 1.21, W 3.1   h 1.17       0.21         0.74
    step 2       5   h 1.17, ...

All numbers but the gates are norms. Of more than 40 rows those in the middle are folded, one row a
function.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.views.numbers import array_size, norm
from chainrule.views.sections import Section, sections
from chainrule.views.sheet import Sheet

MOST, KEPT = 40, 10  # rows shown; of more, so many at the beginning and at the end
LARGE = 40  # gates of a circuit above which it is told by function
NAMED, LONGEST = 5, 20  # wires of a row that are named, and letters of a name


@dataclass(frozen=True, slots=True)
class Row:
    """A section in words and numbers. `gradient` and `sent` are norms, None where none arrives."""

    name: str
    function: str
    section: Section
    gradient: float | None
    sent: float | None


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows of one function that are told together."""

    function: str
    rows: tuple[Row, ...]

    @property
    def gates(self) -> int:
        """Of all of them."""
        return sum(len(row.section.rows) for row in self.rows)


def is_large(s: Sheet) -> bool:
    """True where a row for each stage would be too many, and there are calls to tell instead."""
    return len(s.gates) > LARGE and any(x.call for x in sections(s.circuit, s.part))


def rows_of(s: Sheet) -> list[Row]:
    """All sections in order."""
    found = sections(s.circuit, s.part)
    total = Counter(x.call[0] for x in found if x.call)
    count: Counter[str] = Counter()
    rows = []
    for x in found:
        function = x.call[0] if x.call else _own(s, x)
        count[function] += 1
        many = x.call and total[function] > 1
        name = f"{function} {count[function]}" if many else function
        rows.append(Row(name, function if x.call else "", x, *_gradients(s, x)))
    return rows


def folded(rows: Sequence[Row]) -> list[Row | Folded]:
    """At most 40 rows as they are; of more, those in the middle by function."""
    if len(rows) <= MOST:
        return list(rows)
    middle: dict[str, list[Row]] = {}
    for row in rows[KEPT:-KEPT]:
        middle.setdefault(row.function, []).append(row)
    between = [Folded(function, tuple(own)) for function, own in middle.items()]
    return [*rows[:KEPT], *between, *rows[-KEPT:]]


def _own(s: Sheet, section: Section) -> str:
    """Where a run of stages outside of calls stands: `loss line 7`."""
    origins = [o for o in map(s.circuit.origin_of, section.rows) if o and o.line]
    lines = sorted({o.line for o in origins if o.line})
    if not lines:
        return s.output
    where = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]}-{lines[-1]}"
    function = origins[0].function
    return f"{function} {where}" if function[:1] != "<" else where


def _gradients(s: Sheet, section: Section) -> tuple[float | None, float | None]:
    """The norm of what arrives at a section, and of what it sends back."""
    arriving = [s.readings.gradient(s.part, w) for w in section.gives]
    sent = [g for _, g in sent_back(s, section)]
    return _norm(g for g in arriving if g is not None), _norm(sent)


def sent_back(s: Sheet, section: Section) -> list[tuple[int, Any]]:
    """Per wire a section reads, the gradient it sends back, where it sends any."""
    found: dict[int, Any] = {}
    inside = set(section.rows)
    for row in section.rows:
        for index, wire in enumerate(s.circuit.operands(row)):
            term = s.readings.term(s.part, row, index)
            if wire not in inside and term is not None:
                found[wire] = term if wire not in found else found[wire] + term
    return list(found.items())


def _norm(gradients: Any) -> float | None:
    sizes = [norm(g) for g in gradients]
    return norm(np.array(sizes)) if sizes else None


def name_of(s: Sheet, wire: int) -> str:
    """The variable on a wire; for one without, what it is made of."""
    if s.circuit.is_constant(wire):
        return s.circuit.name(wire) or "constant"
    text = s.variable(wire) or s.texts[wire].source
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def wires_words(s: Sheet, wires: Sequence[int]) -> str:
    """Some wires with their values, those of arrays as norms: `h 1.17, W 3.13 and 4 more`."""
    more = f" and {len(wires) - NAMED} more" if len(wires) > NAMED + 1 else ""
    named = wires[:NAMED] if more else wires
    return (", ".join(f"{name_of(s, w)} {_size(s, w)}" for w in named) or "nothing") + more


def _size(s: Sheet, wire: int) -> str:
    value = s.readings.value(wire)
    if not np.shape(value):
        return s.value(wire)
    return array_size(value, s.integers, s.decimals).removeprefix("norm ")


def span(rows: Sequence[Row]) -> Iterator[float]:
    """The least and largest norm of the gradients that arrive at some rows; nothing if none do."""
    known = [row.gradient for row in rows if row.gradient is not None]
    if known:
        yield from (min(known), max(known))
