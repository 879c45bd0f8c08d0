"""Values worked out again: what a backward or forward pass reads of a trace with regions.

A region's inner arrays were let go when its call was over. When the first of them is read, the rows
of the region run again, in order, from what stands before it; when another region is wanted, they
are let go again. Regions nest: running one again runs those inside it too, and lets go of their
inner values as each ends. So at any time the regions held form a chain, each inside the last.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import Kind

if TYPE_CHECKING:
    from chainrule.circuit.notes import Region


def all_values(circuit: Circuit, kept: Sequence[Any]) -> Sequence[Any]:
    """Values by row, where those `kept` have None for what a region has let go."""
    return Recomputed(circuit, kept) if circuit.regions else kept


class _Node:
    """A region in the tree of regions."""

    def __init__(self, region: "Region", parent: "_Node | None") -> None:
        self.region: Final = region
        self.parent: Final = parent
        self.escaping: set[int] = set()  # rows of it that rows after it read

    def holds(self, row: int) -> bool:
        return self.region.first <= row < self.region.stop


class Recomputed(Sequence[Any]):
    """A trace's values by row, those of its regions only while they are in use."""

    def __init__(self, circuit: Circuit, kept: Sequence[Any]) -> None:
        self.circuit = circuit
        self.kept = kept
        self.found: dict[int, Any] = {}
        self.held: list[_Node] = []  # outermost first
        self.innermost: list[_Node | None] = [None] * len(circuit)
        self.ending: dict[int, list[_Node]] = {}
        for region in sorted(circuit.regions, key=lambda r: (r.first, -r.stop)):
            node = _Node(region, self.innermost[region.first])
            size = region.stop - region.first
            self.innermost[region.first : region.stop] = [node] * size
            self.ending.setdefault(region.stop, []).append(node)
        self._note_escaping()

    def _note_escaping(self) -> None:
        start = self.circuit.start
        for row, own in enumerate(self.innermost):
            for wire in self.circuit.operand[start[row] : start[row + 1]]:
                node = self.innermost[wire]
                while node is not None and node is not own and not node.holds(row):
                    node.escaping.add(wire)
                    node = node.parent

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, wire: Any) -> Any:
        value = self.kept[wire]
        if value is None:
            if wire not in self.found:
                self._work_out(wire)
            value = self.found[wire]
        return value

    def _work_out(self, wire: int) -> None:
        """Run regions again until a wire has its value; those that one reads come before it."""
        waiting = [wire]
        while waiting:
            wire = waiting[-1]
            if self._has(wire):
                waiting.pop()
                continue
            node = self._next(wire)
            missing = [w for w in self._read_by(node) if not self._has(w)]
            if missing:
                waiting.extend(missing)
            else:
                self._run(node)
                self.held += [node, *self._ending_with(node)]

    def _has(self, wire: int) -> bool:
        return self.kept[wire] is not None or wire in self.found

    def _next(self, wire: int) -> _Node:
        """The outermost region round a wire that is not held; those not round it are let go."""
        while self.held and not self.held[-1].holds(wire):
            self._let_go(self.held.pop())
        node = self.innermost[wire]
        assert node is not None  # only a region's values are let go
        while node.parent is not None and node.parent not in self.held:
            node = node.parent
        return node

    def _read_by(self, node: _Node) -> Iterable[int]:
        """Wires from before a region that its rows read, each once, the last first."""
        start, first = self.circuit.start, node.region.first
        wires = self.circuit.operand[start[first] : start[node.region.stop]]
        return sorted({w for w in wires if w < first}, reverse=True)

    def _run(self, node: _Node) -> None:
        """Work out the rows of a region that were let go."""
        c = self.circuit
        for row in range(node.region.first, node.region.stop):
            for ended in self.ending.get(row, ()):
                if ended.region.first >= node.region.first:
                    self._let_go(ended)
            if not self._has(row):
                self.found[row] = _computed(c.kind_of(row), [self[w] for w in c.operands(row)])

    def _ending_with(self, node: _Node) -> Iterable[_Node]:
        """The regions inside one that end where it ends, whose values are therefore still there."""
        ending = self.ending[node.region.stop]
        return ending[ending.index(node) + 1 :]

    def _let_go(self, node: _Node) -> None:
        for row in range(node.region.first, node.region.stop):
            if row not in node.escaping:
                self.found.pop(row, None)


def _computed(kind: Kind, operands: Sequence[Any]) -> Any:
    """A stage's value, with the bits it had; of traced values, recorded in their trace."""
    if any(hasattr(x, "birth") for x in operands):
        return kind.gate(*operands, **kind.attrs)
    return kind.compute(operands)
