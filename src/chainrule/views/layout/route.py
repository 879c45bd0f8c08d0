"""Routes: columns wide enough for their numbers, and between them a channel for the wires.

In a channel stand, from left to right: the numbers of the left column, the tracks of the trunks,
the small numbers at the ports of the right column.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt

from chainrule.views.layout.graph import Drawing, Point, Spot, Wire
from chainrule.views.layout.layers import Layered
from chainrule.views.layout.order import Rows
from chainrule.views.layout.tracks import Course, End, Trunk, assigned

MARGIN = 24
TRACK = 9  # between two tracks
LEAST = 44  # of a channel, beside the numbers
BEFORE, AFTER = 14, 18  # from the numbers to the first track, from the last one to the gate
Paths = Mapping[tuple[int, int], Sequence[Point]]  # by (vertex, port), the corners before it


def routed(g: Layered, rows: Rows, y: Sequence[float]) -> Drawing:
    """The drawing, with its top left corner at (0, 0)."""
    if not rows:
        return Drawing(0, 0, (), ())
    top = min(y[v] - g.above(v) for v in range(len(y))) - MARGIN
    bottom = max(y[v] + g.below(v) for v in range(len(y))) + MARGIN
    y = [at - top for at in y]
    channels = [[_trunk(g, v, y) for v in row if g.right[v]] for row in rows]
    courses = [assigned(channel) for channel in channels]
    left, right = _columns(g, rows, courses)
    x = _centres(g, left, right)
    paths: dict[tuple[int, int], Sequence[Point]] = {}
    for layer, (channel, course) in enumerate(zip(channels, courses, strict=True)):
        first = right[layer] + _label(g, rows[layer]) + BEFORE
        paths.update(_corners(channel, course, first))
    spots = tuple(Spot(node, x[s], y[s], node != s) for s, node in enumerate(g.origin))
    wires = tuple(_wire(g, s, p, x, y, paths) for s in range(len(g.nodes)) for p in _ports(g, s))
    return Drawing(right[-1] + _label(g, rows[-1]) + MARGIN, bottom - top, spots, wires)


def _trunk(g: Layered, vertex: int, y: Sequence[float]) -> Trunk:
    ends = (End(w, port, y[w] + g.ports[w][port]) for w, port in g.right[vertex])
    return Trunk(y[vertex], tuple(ends))


def _ports(g: Layered, spot: int) -> range:
    return range(len(g.left[spot]))


def _corners(
    channel: Sequence[Trunk], courses: Sequence[Course], first: float
) -> Iterator[tuple[tuple[int, int], Sequence[Point]]]:
    for trunk, course in zip(channel, courses, strict=True):
        x = [first + TRACK * track for track in course.tracks]
        for end in trunk.ends:
            yield (end.vertex, end.port), course.corners(trunk, end, x)


# ---- columns


def _columns(
    g: Layered, rows: Rows, courses: Sequence[Sequence[Course]]
) -> tuple[list[float], list[float]]:
    """The left and right edges of the columns."""
    left, right, at = [], [], float(MARGIN)
    for layer, row in enumerate(rows):
        at += _widest(g.nodes[v].lead for v in _spots(g, row))
        left.append(at)
        at += _widest(g.nodes[v].width for v in _spots(g, row))
        right.append(at)
        tracks = 1 + max((t for c in courses[layer] for t in c.tracks), default=-1)
        at += _label(g, row) + max(LEAST, BEFORE + TRACK * (tracks - 1) + AFTER)
    return left, right


def _spots(g: Layered, row: Sequence[int]) -> list[int]:
    return [v for v in row if not g.is_bend(v)]


def _widest(widths: Iterator[float]) -> float:
    return max(widths, default=0.0)


def _label(g: Layered, row: Sequence[int]) -> float:
    return _widest(g.nodes[v].label for v in _spots(g, row))


def _centres(g: Layered, left: Sequence[float], right: Sequence[float]) -> list[float]:
    """Per spot: gates stand in the middle of their column, names at its right edge."""
    found = []
    for spot, node in enumerate(g.nodes):
        a, b = left[g.layer[spot]], right[g.layer[spot]]
        found.append(b - node.width / 2 if node.is_leaf else (a + b) / 2)
    return found


# ---- wires


def _wire(
    g: Layered, target: int, port: int, x: Sequence[float], y: Sequence[float], paths: Paths
) -> Wire:
    """The wire into a port: the corners of every channel on its way back to its source."""
    end = (x[target] - _reach(g, target, port), y[target] + g.ports[target][port])
    pieces: list[Sequence[Point]] = [[end]]
    vertex, at = target, port
    while True:
        pieces.append(paths[vertex, at])
        vertex, at = g.left[vertex][at], 0
        if not g.is_bend(vertex):
            break
    start = (x[vertex] + g.nodes[vertex].width / 2, y[vertex])
    pieces.append([start])
    points = tuple(point for piece in reversed(pieces) for point in piece)
    return Wire(vertex, target, port, points)


def _reach(g: Layered, spot: int, port: int) -> float:
    """How far from its centre a gate begins at the height of a port; a round gate curves away."""
    node, offset = g.nodes[spot], g.ports[spot][port]
    if node.width != node.height:
        return node.width / 2
    return round(sqrt(node.width**2 / 4 - offset**2), 1)
