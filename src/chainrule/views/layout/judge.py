"""How good a drawing is, counted from its lines and boxes alone.

Counted are pairs: wires of different sources that cross or run over each other, operands of a gate
that arrive in the wrong order, inputs that do not stand in order of first use, wires across a gate
that is not theirs, and boxes that overlap.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from chainrule.views.layout.graph import Drawing, Node

Box = tuple[float, float, float, float]  # left, top, right, bottom
Line = tuple[float, float, float, int]  # at, from, to, wire


@dataclass(frozen=True, slots=True)
class Counts:
    """Faults of a drawing. `overlaid`: wires of different sources on one line."""

    crossings: int
    operands: int
    inputs: int
    through: int
    overlaps: int
    overlaid: int


def judge(nodes: Sequence[Node], drawing: Drawing) -> Counts:
    """All counts."""
    across, down = _lines(drawing)
    return Counts(
        len(_crossings(drawing, across, down)), _operands(drawing), _inputs(nodes, drawing),
        _through(nodes, drawing), _overlaps(nodes, drawing),
        len(_overlaid(drawing, across) | _overlaid(drawing, down)),
    )


def _lines(drawing: Drawing) -> tuple[list[Line], list[Line]]:
    """Horizontal and vertical pieces of all wires, sorted."""
    across, down = [], []
    for i, wire in enumerate(drawing.wires):
        for (x, y), (u, v) in pairwise(wire.points):
            assert x == u or y == v, "wires run horizontally or vertically"
            if y == v:
                across.append((y, min(x, u), max(x, u), i))
            else:
                down.append((x, min(y, v), max(y, v), i))
    return sorted(across), sorted(down)


def _crossings(
    drawing: Drawing, across: Sequence[Line], down: Sequence[Line]
) -> set[tuple[int, int]]:
    found = set()
    source = [w.source for w in drawing.wires]
    for x, low, high, i in down:
        first, last = bisect_right(across, (low, float("inf"))), bisect_left(across, (high,))
        for _, begin, end, j in across[first:last]:
            if begin < x < end and source[i] != source[j]:
                found.add((min(i, j), max(i, j)))
    return found


def _overlaid(drawing: Drawing, lines: Sequence[Line]) -> set[tuple[int, int]]:
    found = set()
    source = [w.source for w in drawing.wires]
    open_now: list[Line] = []
    for line in lines:
        at, begin, _, i = line
        open_now = [o for o in open_now if o[0] == at and o[2] > begin]
        found |= {(min(i, o[3]), max(i, o[3])) for o in open_now if source[i] != source[o[3]]}
        open_now.append(line)
    return found


def _operands(drawing: Drawing) -> int:
    """Operands of a gate are told apart by where they arrive, port after port."""
    arrivals: dict[int, list[float]] = {}
    for wire in sorted(drawing.wires, key=lambda w: (w.target, w.port)):
        arrivals.setdefault(wire.target, []).append(wire.points[-1][1])
    return sum(a >= b for ys in arrivals.values() for a, b in combinations(ys, 2))


def _inputs(nodes: Sequence[Node], drawing: Drawing) -> int:
    used = dict.fromkeys(
        s for node in nodes for s in node.inputs if nodes[s].is_leaf and not nodes[s].is_late
    )
    return sum(drawing.spots[a].y > drawing.spots[b].y for a, b in combinations(used, 2))


def boxes(nodes: Sequence[Node], drawing: Drawing) -> list[Box]:
    """The box of each spot, without its numbers."""
    return [
        (s.x - nodes[s.node].width / 2, s.y - nodes[s.node].height / 2,
         s.x + nodes[s.node].width / 2, s.y + nodes[s.node].height / 2)
        for s in drawing.spots
    ]


def _through(nodes: Sequence[Node], drawing: Drawing) -> int:
    every = sorted(enumerate(boxes(nodes, drawing)), key=lambda b: b[1][0])
    lefts = [box[0] for _, box in every]
    widest = max((box[2] - box[0] for _, box in every), default=0)
    found = set()
    for i, wire in enumerate(drawing.wires):
        for piece in pairwise(wire.points):
            (x, y), (u, v) = sorted(piece)
            for s, box in every[bisect_left(lefts, x - widest) : bisect_right(lefts, u)]:
                inside = x < box[2] and u > box[0] and min(y, v) < box[3] and max(y, v) > box[1]
                if inside and s not in (wire.source, wire.target):
                    found.add((i, s))
    return len(found)


def _overlaps(nodes: Sequence[Node], drawing: Drawing) -> int:
    return sum(1 for _ in overlapping(boxes(nodes, drawing)))


def overlapping(every: Sequence[Box]) -> Iterator[tuple[Box, Box]]:
    """Pairs of boxes that overlap."""
    open_now: list[Box] = []
    for box in sorted(every):
        open_now = [o for o in open_now if o[2] > box[0]]
        yield from ((o, box) for o in open_now if o[1] < box[3] and box[1] < o[3])
        open_now.append(box)
