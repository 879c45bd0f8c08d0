"""Sums that Python adds up number by number, as one gate that adds in the same order.

    total = total + p[0] + q[0]
    total = total + p[1] + q[1]        becomes        total = in_turn(total, p, q)
    ...

Each number is added to what the ones before it gave, so the bits are those of the chain.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.runs import At, Runs
from chainrule.backends.llvm.scalars import LEAST, Scalars, Step, Written
from chainrule.circuit.record import KINDS, Gate
from chainrule.circuit.types import Type
from chainrule.gates.elementwise import accumulate, add

MOST = 16  # columns of a sum
Added = tuple[int, int, int]  # a total, the number added to it, what they give


def _added(start: Any, *columns: Any) -> Any:
    for terms in zip(*columns, strict=True):
        for x in terms:
            start = start + x
    return start


def _type(types: Sequence[Type]) -> Type:
    return types[0]


IN_TURN = Gate("in_turn", ("start",), "in turn", "+", _added, _added, _type, "", "")


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum: the number it begins with, and the numbers added, column by column."""

    start: int
    columns: tuple[tuple[int, ...], ...]


def sums_of(runs: Runs) -> tuple[dict[int, Sum], set[int]]:
    """Sums by the number each gives, and the totals on the way there, which nobody else reads."""
    sums: dict[int, Sum] = {}
    inside: set[int] = set()
    for chain in _chains(runs):
        for begin, period, end in _rounds([runs.place(x) for _, x, _ in chain]):
            part = chain[begin:end]
            columns = tuple(tuple(x for _, x, _ in part[k::period]) for k in range(period))
            sums[part[-1][2]] = Sum(part[0][0], columns)
            inside.update(total for _, _, total in part[:-1])
    return sums, inside


def _chains(runs: Runs) -> Iterator[list[Added]]:
    """Additions one after another, where nobody else reads the totals between."""
    scalars, reads = runs.scalars, _reads(runs.scalars)
    chains: dict[int, list[Added]] = {}  # by the last total
    for number in scalars.steps():
        made = scalars.made[number]
        if number in runs.at or not isinstance(made, Step) or not _adds(made, scalars):
            continue
        before, x = made.operands
        if runs.place(x) is None:
            before, x = x, before
        chain = chains.pop(before, []) if reads[before] == 1 else []
        chain.append((before, x, number))
        chains[number] = chain
    yield from chains.values()


def _adds(step: Step, scalars: Scalars) -> bool:
    """True for a sum of two numbers of its own dtype."""
    kind = KINDS[step.kind]
    dtypes = {kind.type.dtype, *(scalars.type_of(x).dtype for x in step.operands)}
    return kind.gate in (add, accumulate) and len(dtypes) == 1 and kind.type.dtype.kind != "b"


def _reads(scalars: Scalars) -> Counter[int]:
    """How often each number is read."""
    c, found = scalars.circuit, Counter[int]()
    rows = (entry for entry in scalars.order if isinstance(entry, int))
    wires = [*c.outputs, *(w for row in rows for w in c.operands(row))]
    found.update(scalars.number_of[w] for w in wires if w in scalars.number_of)
    for made in scalars.made:
        found.update(made.operands if isinstance(made, Step) else ())
    for entry in (x for x in scalars.order if isinstance(x, Written)):
        found.update(x for _, x in entry.numbers)
    return found


def _rounds(terms: Sequence[At | None]) -> Iterator[tuple[int, int, int]]:
    """Where terms go round the same columns, each a step on or back: begin, columns, end."""
    begin = 0
    while begin < len(terms):
        period = _period(terms, begin)
        end = begin + period
        while period and end < len(terms) and _follows(terms, begin, period, end):
            end += 1
        rounds = (end - begin) // period if period else 0
        if rounds >= LEAST:
            yield begin, period, begin + rounds * period
        begin += rounds * period if rounds >= LEAST else 1


def _period(terms: Sequence[At | None], begin: int) -> int:
    """How many terms on the next one of the first one's column stands; 0 where none does."""
    for k in range(1, min(MOST + 1, len(terms) - begin)):
        if _step(terms[begin], terms[begin + k]) in (1, -1):
            return k
    return 0


def _follows(terms: Sequence[At | None], begin: int, period: int, end: int) -> bool:
    """Whether a term stands one on from that of its column before, as in the first rounds."""
    first = begin + (end - begin) % period
    step = _step(terms[end - period], terms[end])
    return step in (1, -1) and step == _step(terms[first], terms[first + period])


def _step(x: At | None, y: At | None) -> int:
    return y[1] - x[1] if x and y and x[0] == y[0] else 0
