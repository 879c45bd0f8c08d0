"""Layers: which column each node stands in, and the bends where wires pass columns by.

Gates stand one column after their latest input. In a small circuit all inputs are in the first
column, as in the note. In a larger one every leaf stands just before its first reader, and a gate
moves right as long as no wire gets longer in sum. A leaf read often or far away is wired to its
nearest readers only: at each other its name is drawn again, as net labels are in circuit diagrams.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chainrule.views.layout.graph import Node, port_offsets

SMALL = 40  # nodes below which all inputs stand in the first column
MANY = 6  # readers above which a leaf's name is repeated
FAR = 8  # columns above which it is
PASSES = 6  # of moving gates right
BEND = 2.0  # half the height of a wire passing by
NAME = 14.0  # half the height of a name drawn again: its numbers stand at the first one


@dataclass(frozen=True, slots=True)
class Layered:
    """Vertices are the spots in order, then bends. left and right connect neighbouring layers."""

    nodes: list[Node]  # per spot
    origin: list[int]  # per spot, the node it draws
    layer: list[int]  # per vertex
    source: list[int]  # per vertex, the spot whose wire leaves it
    left: list[list[int]]  # per vertex and port, the vertex that feeds it
    right: list[list[tuple[int, int]]]  # per vertex, the (vertex, port) pairs it feeds
    ports: list[tuple[float, ...]]  # per vertex, heights of its ports from its centre
    first_use: list[int]  # per spot, for inputs in order of first use; -1 for all others

    def is_bend(self, vertex: int) -> bool:
        """True where a wire only passes."""
        return vertex >= len(self.nodes)

    def is_again(self, vertex: int) -> bool:
        """True for a leaf's name drawn again at a reader."""
        return not self.is_bend(vertex) and self.origin[vertex] != vertex

    def above(self, vertex: int) -> float:
        """What must stay free above a vertex's centre."""
        if self.is_bend(vertex):
            return BEND
        return max(self.nodes[vertex].above, self.nodes[vertex].height / 2)

    def below(self, vertex: int) -> float:
        """What must stay free below a vertex's centre."""
        if self.is_bend(vertex):
            return BEND
        return max(self.nodes[vertex].below, self.nodes[vertex].height / 2)


def layered(given: Sequence[Node]) -> Layered:
    """Nodes in their layers, with names repeated and wires bent where they pass a layer."""
    nodes = list(given)
    layer = _gate_layers(nodes)
    inputs, origin = _repeat_names(nodes, layer)
    _place_leaves(nodes, inputs, layer, is_small=len(given) < SMALL)
    ports = [
        port_offsets([nodes[s].is_leaf for s in reads], node.height)
        for node, reads in zip(nodes, inputs, strict=True)
    ]
    first_use = _first_use(nodes, inputs, origin)
    g = Layered(nodes, origin, layer, list(range(len(nodes))), [], [], ports, first_use)
    _connect(g, inputs)
    return g


def _gate_layers(nodes: Sequence[Node]) -> list[int]:
    """Layers of the gates by longest path; in a large circuit moved right where it costs nothing.

    The wire of a source is as long as its farthest reader is away. Leaves follow their readers,
    so their wires do not count.
    """
    layer = [0] * len(nodes)
    for i, node in enumerate(nodes):
        layer[i] = 1 + max((layer[s] for s in node.inputs), default=-1)
    if len(nodes) < SMALL:
        return layer
    readers = _readers([node.inputs for node in nodes])
    for _ in range(PASSES):
        before = layer[:]
        for i in reversed(range(len(nodes))):
            if readers[i] and not nodes[i].is_leaf:
                layer[i] = _rightmost(i, nodes, readers, layer)
        if layer == before:
            break
    return layer


def _rightmost(
    i: int, nodes: Sequence[Node], readers: Sequence[Sequence[int]], layer: Sequence[int]
) -> int:
    """The best layer for gate i from where it is to its first reader; of equals the last."""
    here, last = layer[i], min(layer[r] for r in readers[i]) - 1
    if here == last:
        return here
    ends = [  # where the wires of its inputs end without it
        max((layer[r] for r in readers[s] if r != i), default=layer[s])
        for s in dict.fromkeys(nodes[i].inputs) if not nodes[s].is_leaf
    ]

    def length(at: int) -> int:
        return sum(max(end, at) for end in ends) - at

    return min(sorted({here, last, *(e for e in ends if here < e < last)}, reverse=True),
               key=length)


def _readers(inputs: Sequence[Sequence[int]]) -> list[list[int]]:
    """Per node, its readers, once for each time they read it."""
    readers: list[list[int]] = [[] for _ in inputs]
    for i, reads in enumerate(inputs):
        for s in reads:
            readers[s].append(i)
    return readers


def _repeat_names(nodes: list[Node], layer: list[int]) -> tuple[list[list[int]], list[int]]:
    """Inputs per spot and the node behind each, with a new spot for each repeated name."""
    inputs = [list(node.inputs) for node in nodes]
    origin = list(range(len(nodes)))
    start = 0 if len(nodes) < SMALL else None
    for leaf, reads in enumerate(_readers(inputs)):
        if not nodes[leaf].is_leaf or len(reads) < 2:
            continue
        columns = [layer[r] for r in reads]
        first = min(columns) - 1 if start is None or nodes[leaf].is_late else start
        if len(reads) <= MANY and max(columns) - first <= FAR:
            continue
        for reader in (r for r in dict.fromkeys(reads) if layer[r] > first + 1):
            spot = len(nodes)
            nodes.append(replace(nodes[leaf], above=NAME, below=NAME, label=0))
            layer.append(layer[reader] - 1)
            origin.append(leaf)
            inputs[reader] = [spot if s == leaf else s for s in inputs[reader]]
            inputs.append([])
    return inputs, origin


def _place_leaves(
    nodes: Sequence[Node], inputs: Sequence[Sequence[int]], layer: list[int], is_small: bool
) -> None:
    for leaf, reads in enumerate(_readers(inputs)):
        if nodes[leaf].is_leaf and reads:
            first = min(layer[r] for r in reads)
            alone_and_far = len(reads) == 1 and first > FAR
            if not is_small or nodes[leaf].is_late or alone_and_far:
                layer[leaf] = first - 1


def _first_use(
    nodes: Sequence[Node], inputs: Sequence[Sequence[int]], origin: Sequence[int]
) -> list[int]:
    """The place of each input in the order of first use; constants and repeated names have none."""
    used = dict.fromkeys(
        s for reads in inputs for s in reads
        if nodes[s].is_leaf and not nodes[s].is_late and origin[s] == s
    )
    place = {s: i for i, s in enumerate(used)}
    return [place.get(s, -1) for s in range(len(nodes))]


def _connect(g: Layered, inputs: Sequence[Sequence[int]]) -> None:
    """Fill left and right; each source has one chain of bends that all its readers share."""
    readers = _readers(inputs)
    chains: list[list[int]] = []  # per spot, the vertex that carries its wire in each layer on
    g.left.extend([] for _ in inputs)
    g.right.extend([] for _ in inputs)
    for spot, reads in enumerate(readers):
        chain = [spot]
        for column in range(g.layer[spot] + 1, max((g.layer[r] for r in reads), default=0)):
            bend = len(g.layer)
            g.layer.append(column)
            g.source.append(spot)
            g.left.append([chain[-1]])
            g.right.append([])
            g.ports.append((0.0,))
            g.right[chain[-1]].append((bend, 0))
            chain.append(bend)
        chains.append(chain)
    for reader, ports in enumerate(inputs):
        for port, s in enumerate(ports):
            feeder = chains[s][g.layer[reader] - g.layer[s] - 1]
            g.left[reader].append(feeder)
            g.right[feeder].append((reader, port))
