"""Heights: neighbours near each other, chains exactly straight, nothing closer than it may be.

First each layer by itself: given where its neighbours are, the heights that are nearest in least
squares and keep the order and the gaps are an isotonic regression (pool adjacent violators).
Then wires to be straight join their ends into *blocks* of one height; blocks are moved apart until
nothing touches, and each is moved to its best place between the blocks above and below it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, inf

from chainrule.views.layout.layers import Layered
from chainrule.views.layout.order import Rows

GAP, PASSING, BESIDE = 16, 14, 12  # between two nodes, a node and a bend, two bends
SWEEPS, MOVES = 12, 8
FEEDS, READS, BENT = 4.0, 1.0, 6.0  # pull of what feeds a node, of its readers, within a long wire
SMALL_STEP = 9.0  # a step in a wire that is too small for two round corners


def heights(g: Layered, rows: Rows) -> list[float]:
    """Per vertex its height, a whole number."""
    y = [0.0] * len(g.layer)
    gaps = [_gaps(g, row) for row in rows]
    for row, gap in zip(rows, gaps, strict=True):
        _stack(row, gap, y)
    for sweep in range(SWEEPS):
        inward = sweep % 2 == 1
        for layer in range(len(rows))[:: -1 if inward else 1]:
            _fit(g, rows[layer], gaps[layer], y, left=not inward or sweep > SWEEPS // 2)
    b = _blocks(g, rows, gaps, y)
    _separate(b)
    for move in range(MOVES):
        for block in b.order[:: -1 if move % 2 else 1]:
            b.y[block] = _clamped(b, block, _wanted(g, b, block))
    b.y[:] = [floor(y + 0.5) for y in b.y]
    _centre(g, rows, b)
    _level(g, rows, b)
    return [b.height(v) for v in range(len(g.layer))]


def _gaps(g: Layered, row: Sequence[int]) -> list[float]:
    """From each vertex of a layer to the next one below it, centre to centre."""
    found = []
    for a, b in pairwise(row):
        bends = g.is_bend(a) + g.is_bend(b)
        found.append(g.below(a) + g.above(b) + (GAP, PASSING, BESIDE)[bends])
    return found


def _stack(row: Sequence[int], gaps: Sequence[float], y: list[float]) -> None:
    at = -sum(gaps) / 2
    for vertex, gap in zip(row, (*gaps, 0.0), strict=True):
        y[vertex] = at
        at += gap


# ---- layer by layer


def _fit(g: Layered, row: Sequence[int], gaps: Sequence[float], y: list[float], left: bool) -> None:
    """One layer moved towards the layer before (left) and after it, or after it only."""
    targets, weights = [], []
    offset = 0.0
    for v, gap in zip(row, (*gaps, 0.0), strict=True):
        total, weight = 0.01 * y[v], 0.01
        for other, place, pull in _pulls(g, v):
            if left or pull != FEEDS:
                total += pull * (y[other] + place)
                weight += pull
        targets.append(total / weight - offset)
        weights.append(weight)
        offset += gap
    offset = 0.0
    for v, gap, found in zip(row, (*gaps, 0.0), isotonic(targets, weights), strict=True):
        y[v] = found + offset
        offset += gap


def _pulls(g: Layered, v: int) -> Iterator[tuple[int, float, float]]:
    """What a vertex is connected to: (other, height wanted above other, how strongly)."""
    for port, u in enumerate(g.left[v]):
        yield u, -g.ports[v][port], BENT if g.is_bend(u) and g.is_bend(v) else FEEDS
    for w, port in g.right[v]:
        yield w, g.ports[w][port], BENT if g.is_bend(v) and g.is_bend(w) else READS


def isotonic(targets: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The increasing sequence nearest to the targets in weighted least squares."""
    pools: list[tuple[float, float, int]] = []  # (mean, weight, size)
    for mean, weight in zip(targets, weights, strict=True):
        size = 1
        while pools and pools[-1][0] > mean:
            above, heavy, more = pools.pop()
            mean = (mean * weight + above * heavy) / (weight + heavy)
            weight, size = weight + heavy, size + more
        pools.append((mean, weight, size))
    return [mean for mean, _, size in pools for _ in range(size)]


# ---- blocks


@dataclass(frozen=True, slots=True)
class Blocks:
    """Vertices joined by straight wires. A vertex is at its block's y plus its own offset."""

    of: list[int]  # per vertex its block
    offset: list[float]  # per vertex
    members: list[list[int]]
    y: list[float]  # per block
    above: list[list[tuple[int, float]]]  # per block, (block above it, least distance)
    below: list[list[tuple[int, float]]]
    order: list[int]  # every block after those above it

    def height(self, vertex: int) -> float:
        """Where a vertex is now."""
        return self.y[self.of[vertex]] + self.offset[vertex]


def _blocks(g: Layered, rows: Rows, gaps: Sequence[Sequence[float]], y: Sequence[float]) -> Blocks:
    """Blocks at the mean of their members' heights."""
    of, offset = [-1] * len(g.layer), [0.0] * len(g.layer)
    members: list[list[int]] = []
    follow = _straight(g, rows)
    for row in rows:
        for first in row:
            if of[first] >= 0:
                continue
            chain, v, at = [], first, 0.0
            while True:
                of[v], offset[v] = len(members), at
                chain.append(v)
                if v not in follow:
                    break
                v, port = follow[v]
                at -= g.ports[v][port]
            members.append(chain)
    means = [sum(y[v] - offset[v] for v in chain) / len(chain) for chain in members]
    above: list[list[tuple[int, float]]] = [[] for _ in members]
    below: list[list[tuple[int, float]]] = [[] for _ in members]
    for row, gap in zip(rows, gaps, strict=True):
        for a, b, least in zip(row, row[1:], gap, strict=False):
            distance = least + offset[a] - offset[b]
            above[of[b]].append((of[a], distance))
            below[of[a]].append((of[b], distance))
    return Blocks(of, offset, members, means, above, below, _topmost_first(above, below))


def _straight(g: Layered, rows: Rows) -> dict[int, tuple[int, int]]:
    """Wires to be drawn straight: vertex -> (vertex, port) after it; none crosses another."""
    chosen: dict[int, tuple[int, int]] = {}
    for row, after in pairwise(rows):
        place = {v: i for i, v in enumerate(after)}
        wishes = [
            (_rank(g, u, w, port), i, place[w], w, port)
            for i, u in enumerate(row) for w, port in g.right[u]
        ]
        kept: list[tuple[int, int]] = []  # (place before, place after), increasing in both
        for rank, i, j, w, port in sorted(wishes):
            at = bisect_left(kept, (i, j))
            left_free = at == 0 or (kept[at - 1][0] < i and kept[at - 1][1] < j)
            right_free = at == len(kept) or (kept[at][0] > i and kept[at][1] > j)
            if rank < NEVER and left_free and right_free:
                insort(kept, (i, j))
                chosen[row[i]] = (w, port)
    return chosen


NEVER = 9


def _rank(g: Layered, u: int, w: int, port: int) -> int:
    """Long wires first, then the way into the centre of a gate."""
    if g.is_bend(u) and g.is_bend(w):
        return 0
    if g.ports[w][port] != 0 or g.is_again(u):
        return NEVER  # straight wires of names drawn again would climb from column to column
    return 1 + g.is_bend(w) + (2 if not g.is_bend(u) and g.nodes[u].is_leaf else 0)


def _topmost_first(
    above: Sequence[Sequence[tuple[int, float]]], below: Sequence[Sequence[tuple[int, float]]]
) -> list[int]:
    missing = [len(a) for a in above]
    order = [b for b, count in enumerate(missing) if count == 0]
    for block in order:  # grows while it is read
        for other, _ in below[block]:
            missing[other] -= 1
            if missing[other] == 0:
                order.append(other)
    assert len(order) == len(above), "straight wires never cross, so no block is above itself"
    return order


def _separate(b: Blocks) -> None:
    """Push overlapping blocks apart: halfway between pushing all down and pushing all up."""
    down, up = b.y[:], b.y[:]
    for block in b.order:
        down[block] = max([down[block], *(down[a] + least for a, least in b.above[block])])
    for block in reversed(b.order):
        up[block] = min([up[block], *(up[c] - least for c, least in b.below[block])])
    b.y[:] = [(d + u) / 2 for d, u in zip(down, up, strict=True)]


def _clamped(b: Blocks, block: int, wanted: float) -> float:
    """The nearest height to the one wanted that keeps its distances."""
    low = max((b.y[a] + least for a, least in b.above[block]), default=-inf)
    high = min((b.y[c] - least for c, least in b.below[block]), default=inf)
    return max(low, min(high, wanted))


def _wanted(g: Layered, b: Blocks, block: int) -> float:
    total, weight = 0.001 * b.y[block], 0.001
    for v in b.members[block]:
        for other, place, pull in _pulls(g, v):
            if b.of[other] != block:
                total += pull * (b.height(other) + place - b.offset[v])
                weight += pull
    return total / weight


def _centre(g: Layered, rows: Rows, b: Blocks) -> None:
    """Gates of several inputs move to the middle of what feeds them, if there is room."""
    for v in (v for row in rows for v in row):
        feeds = [(u, p) for u, p in zip(g.left[v], g.ports[v], strict=True)]
        if len(feeds) > 1 and all(b.of[u] != b.of[v] for u, _ in feeds):
            middle = sum(b.height(u) - p for u, p in feeds) / len(feeds)
            block = b.of[v]
            b.y[block] = _clamped(b, block, floor(middle - b.offset[v] + 0.5))


def _level(g: Layered, rows: Rows, b: Blocks) -> None:
    """Steps too small to draw well are made none where there is room, from the last layer back."""
    for v in (v for row in reversed(rows) for v in row):
        for port, u in enumerate(g.left[v]):
            step = b.height(v) + g.ports[v][port] - b.height(u)
            block = b.of[u]
            if 0 < abs(step) < SMALL_STEP and len(g.right[u]) == 1:
                b.y[block] = _clamped(b, block, b.y[block] + step)
