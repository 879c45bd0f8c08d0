"""The order of the vertices in each layer: few crossings, inputs in order of first use.

Depth first from the outputs, operands in order, a tree needs no crossing at all. From there sweeps
sort each layer by where its neighbours stand (ports included), and sifting moves single vertices.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

from chainrule.views.layout.layers import Layered

CROSSING = 4  # as bad as this many pairs of inputs out of order
SWEEPS = 10
WORK = 300_000  # pairs of neighbours to compare, in all sweeps; about 3 s at most
WIDE = 80  # a layer of more vertices is improved by neighbour swaps only
Rows = list[list[int]]


def ordered(g: Layered) -> Rows:
    """Per layer its vertices from top to bottom."""
    best = start = _start(g)
    least = score(g, start)
    sweeps = _affordable(start)
    for latest_first in (False, True) if sweeps == SWEEPS else (False,):
        rows = start
        for sweep in range(sweeps):
            if least == 0:
                return best
            rows = _sweep(g, rows, rightward=sweep % 2 == 0, latest_first=latest_first)
            for layer in (*range(len(rows)), *reversed(range(len(rows)))):
                _sift(g, rows, layer)
            found = score(g, rows)
            if found < least:
                best, least = rows, found
    return best


def _affordable(rows: Rows) -> int:
    """How many sweeps; counted, not timed, so that the drawing is always the same."""
    return max(1, min(SWEEPS, WORK // (1 + sum(len(row) * min(len(row), WIDE) for row in rows))))


def _start(g: Layered) -> Rows:
    rank = _depth_first(g)
    rows: Rows = [[] for _ in range(max(g.layer, default=-1) + 1)]
    for vertex in sorted(range(len(g.layer)), key=lambda v: (rank[g.source[v]], v)):
        rows[g.layer[vertex]].append(vertex)
    return rows


def _depth_first(g: Layered) -> list[int]:
    """Per spot, when a walk from the outputs, operands in order, first meets it."""
    rank = [len(g.nodes)] * len(g.nodes)
    found = 0
    outputs = [s for s in range(len(g.nodes)) if not g.right[s] and g.left[s]]
    waiting = outputs[::-1]
    while waiting:
        spot = waiting.pop()
        if rank[spot] < len(g.nodes):
            continue
        rank[spot], found = found, found + 1
        waiting.extend(g.source[v] for v in reversed(g.left[spot]))
    return rank


def score(g: Layered, rows: Rows) -> int:
    """4 for each crossing of wires of different sources, 1 for two inputs out of order."""
    total = 0
    for row, after in pairwise(rows):
        port = _ports_from_top(g, after)
        ends = [sorted(port[v] + p for v, p in g.right[u]) for u in row]
        total += CROSSING * _inversions(ends)
    return total + sum(_inversions([[g.first_use[v]] for v in _inputs(g, row)]) for row in rows)


def _inputs(g: Layered, row: Sequence[int]) -> list[int]:
    return [v for v in row if not g.is_bend(v) and g.first_use[v] >= 0]


def _ports_from_top(g: Layered, row: Sequence[int]) -> dict[int, int]:
    """Per vertex, how many ports of its layer lie above its own."""
    found, total = {}, 0
    for v in row:
        found[v] = total
        total += len(g.left[v])
    return found


def _inversions(runs: Sequence[Sequence[int]]) -> int:
    """Pairs out of order, not counting those within one run; each run is sorted."""
    seen: list[int] = []
    total = 0
    for run in runs:
        total += sum(len(seen) - bisect_right(seen, x) for x in run)
        for x in run:
            insort(seen, x)
    return total


def _sweep(g: Layered, rows: Rows, rightward: bool, latest_first: bool) -> Rows:
    """Each layer sorted by the middle of its neighbours in the layer just sorted."""
    rows = [row[:] for row in rows]
    layers = range(1, len(rows)) if rightward else range(len(rows) - 2, -1, -1)
    for layer in layers:
        row = rows[layer]
        near = _neighbours(g, rows, layer, left=rightward, right=not rightward)
        keys = {v: _middle(near[v], i) for i, v in enumerate(row)}
        if latest_first:
            row.reverse()
        row.sort(key=keys.__getitem__)
    return rows


def _neighbours(
    g: Layered, rows: Rows, layer: int, left: bool, right: bool
) -> dict[int, tuple[list[int], list[int]]]:
    """Per vertex of a layer, the places of the vertices that feed it, of the ports it feeds."""
    before = {v: i for i, v in enumerate(rows[layer - 1])} if left and layer > 0 else {}
    after = _ports_from_top(g, rows[layer + 1]) if right and layer + 1 < len(rows) else {}
    return {
        v: (
            [before[u] for u in g.left[v]] if before else [],
            [after[w] + port for w, port in g.right[v]] if after else [],
        )
        for v in rows[layer]
    }


def _middle(near: tuple[list[int], list[int]], otherwise: float) -> float:
    places = sorted(near[0] or near[1])
    if not places:
        return otherwise
    half = len(places) // 2
    return (places[half] + places[~half]) / 2


def _sift(g: Layered, rows: Rows, layer: int) -> None:
    """Move the vertices of one layer, one after the other, to their best places in it."""
    row = rows[layer]
    near = _neighbours(g, rows, layer, left=True, right=True)
    reach = len(row) if len(row) <= WIDE else 1
    known: dict[tuple[int, int], int] = {}

    def excess(a: int, b: int) -> int:
        """The score with a above b, less that with b above a."""
        found = known.get((a, b))
        if found is None:
            found = known[a, b] = _excess(g, near, a, b)
            known[b, a] = -found
        return found

    for v in row[:]:
        at = row.index(v)
        best, place, total = 0, at, 0
        for i in range(at - 1, max(at - 1 - reach, -1), -1):
            total += excess(v, row[i])
            if total < best:
                best, place = total, i
        total = 0
        for i in range(at + 1, min(at + 1 + reach, len(row))):
            total += excess(row[i], v)
            if total < best:
                best, place = total, i
        if best < 0:
            row.insert(place, row.pop(at))


def _excess(
    g: Layered, near: dict[int, tuple[list[int], list[int]]], a: int, b: int
) -> int:
    crossings = sum(
        (x > y) - (x < y)
        for xs, ys in zip(near[a], near[b], strict=True) for x in xs for y in ys
    )
    if g.is_bend(a) or g.is_bend(b) or min(g.first_use[a], g.first_use[b]) < 0:
        return CROSSING * crossings
    return CROSSING * crossings + (1 if g.first_use[a] > g.first_use[b] else -1)
