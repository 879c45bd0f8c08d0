"""Digest: what matters in the backward pass of a large circuit, in words.

    step is called 30 times, 150 gates in all. The gradient that reaches it has norm 1.50 at call 30
    and 3.96e-17 at call 1: it vanishes on the way.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.views.numbers import format_number, norm
from chainrule.views.rows import Row, name_of, rows_of, sent_back
from chainrule.views.sheet import Sheet

LARGEST = 3  # calls told one by one
NAMED = 8  # wires named in one list
VANISHING, EXPLODING = 1e-7, 1e3


def by_function(s: Sheet) -> Iterator[str]:
    """A paragraph on each function called, the calls with the largest gradients, and the dead."""
    rows = rows_of(s)
    calls = [row for row in rows if row.function]
    for function in dict.fromkeys(row.function for row in calls):
        yield _function(s, function, [row for row in calls if row.function == function])
    own = sum(len(row.section.rows) for row in rows if not row.function)
    if own:
        yield f"{_gates(own)} stand outside of these calls."
    known = [row for row in calls if row.gradient is not None]
    largest = sorted(known, key=lambda row: -_rank(row.gradient))[:LARGEST]
    if len(known) > 1:
        yield "The largest gradients: " + "; ".join(_call(s, row) for row in largest) + "."


def _function(s: Sheet, function: str, rows: Sequence[Row]) -> str:
    gates = _gates(sum(len(row.section.rows) for row in rows))
    known = [(i, row.gradient) for i, row in enumerate(rows, 1) if row.gradient is not None]
    times = "once" if len(rows) == 1 else f"{len(rows)} times"
    opening = f"{function} is called {times}, {gates}{' in all' if len(rows) > 1 else ''}."
    if not known:
        return f"{opening} No gradient reaches it."
    most, least = max(known, key=lambda x: _rank(x[1])), min(known, key=lambda x: _rank(x[1]))
    if len(known) == 1:
        return f"{opening} The gradient that reaches it has norm {_number(s, most[1])}."
    return (
        f"{opening} The gradient that reaches it has norm {_number(s, most[1])} at call {most[0]} "
        f"and {_number(s, least[1])} at call {least[0]}{_way(most[1], least[1])}."
    )


def _way(most: float, least: float) -> str:
    """What to say of gradients far from 1."""
    if most != most or most > EXPLODING:
        return ": it explodes on the way" if most == most else ": it is lost on the way"
    return ": it vanishes on the way" if 0 < least < VANISHING else ""


def _call(s: Sheet, row: Row) -> str:
    gives = ", ".join(name_of(s, w) for w in row.section.gives[:NAMED])
    sent = sorted(sent_back(s, row.section), key=lambda x: -_rank(norm(x[1])))[:NAMED]
    shares = ", ".join(f"{name_of(s, w)} {_number(s, norm(g))}" for w, g in sent)
    arrives = f"{_number(s, row.gradient)} reaches {row.name}, which gives {gives}"
    return f"{arrives} and sends back {shares}"


def largest(s: Sheet, count: int) -> list[int]:
    """The gates but the output where the largest gradients arrive, last one first."""
    found = [(row, s.readings.gradient(s.part, row)) for row in s.gates if row != s.part.output]
    sizes = {row: _rank(norm(g)) for row, g in found if g is not None}
    return sorted(sorted(sizes, key=lambda row: -sizes[row])[:count], reverse=True)


def dead(s: Sheet) -> str:
    """Variables that no gradient reaches, or only zeros; empty where there are none."""
    none, zero = [], []
    for wire in (line.wire for line in s.lines):
        gradient = s.readings.gradient(s.part, wire)
        if gradient is None:
            none.append(wire)
        elif not np.any(gradient):
            zero.append(wire)
    sentences = [
        f"No gradient reaches {_listed(s, none)}." if none else "",
        f"The gradient is zero at {_listed(s, zero)}." if zero else "",
    ]
    return " ".join(x for x in sentences if x)


def _listed(s: Sheet, wires: Sequence[int]) -> str:
    names = [name_of(s, w) for w in wires]
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED + 1 else []
    return _and([*(names[:NAMED] if more else names), *more])


def _and(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _gates(count: int) -> str:
    return f"{count} gate{'' if count == 1 else 's'}"


def _rank(size: Any) -> float:
    """A norm to sort by: nan is larger than anything."""
    return float("inf") if size != size else float(size)


def _number(s: Sheet, size: Any) -> str:
    return format_number(size, s.integers, s.decimals)
