"""What a printed program has lines for: wires with a variable, and the terms sent to them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.notes import Part
from chainrule.gates.elementwise import accumulate
from chainrule.gates.move import alias

Terms = dict[int, list[tuple[int, int]]]


@dataclass(frozen=True)
class Wanted:
    """The edges that gradient is sent along, and the rows with lines of their own.

    stop: the first row of the backward pass. terms: per forward row, the (input wire, term wire) of
    what it sends back. sums: rows that add one more term at a fork; they print as `+=`, and alias
    rows as nothing. printed: forward rows with a line. gradient: per wire, the row of its gradient.
    """

    stop: int
    gradient: Sequence[int]
    terms: Terms
    sums: set[int]
    printed: set[int]
    readers: list[list[int]]

    @cached_property
    def wire_of(self) -> dict[int, int]:
        """The wire that a row is the gradient of."""
        return {g: w for w, g in enumerate(self.gradient) if g != NOTHING}

    def sent_to(self) -> Counter[int]:
        """How many terms each wire is sent."""
        return Counter(wire for edges in self.terms.values() for wire, _ in edges)

    def uses(self, circuit: Circuit, printed: set[int]) -> Counter[int]:
        """How often each backward row is written into a line, those printed having variables."""
        uses = Counter(
            wire for row in range(self.stop, len(circuit)) if row not in self.sums
            for wire in circuit.operands(row)
        )
        uses.update(
            term for edges in self.terms.values() for wire, term in edges
            if wire in printed or wire in circuit.inputs
        )
        return uses


def wanted(circuit: Circuit, part: Part) -> Wanted:
    """What a program has lines for that computes the gradients of a part."""
    stop = len(part.gradient)
    terms = _terms(circuit, part, stop)
    sums = _sums(circuit, part, terms, stop)
    readers = [[row for row, _ in found] for found in circuit.readers()]
    printed = _printed(circuit, terms, sums, readers, stop)
    return Wanted(stop, part.gradient, terms, sums, printed, readers)


def gets_a_line(circuit: Circuit) -> set[int]:
    """Forward wires whose value and gradient have a variable: named ones and those read twice."""
    readers = circuit.readers()
    rows = circuit.forward_rows()
    changed = [row for row in rows if circuit.kind_of(row).gate.statement]
    found = {
        row for row in rows
        if circuit.name(row) or len(readers[row]) > 1 or row in circuit.outputs
    }
    return found.union(changed, (circuit.operands(row)[0] for row in changed)) - set(
        w for w in range(len(circuit)) if circuit.is_leaf(w)
    ) if changed else found


def _terms(circuit: Circuit, part: Part, stop: int) -> Terms:
    """Per forward row, (input wire, term wire) of the edges it sends gradient along."""
    inner = {row: g for g in circuit.groups if g.is_one for row in g.stages}
    found: Terms = {}
    for row in range(stop - 1, -1, -1):
        at = inner[row].output if row in inner else row
        for position in range(circuit.start[row], circuit.start[row + 1]):
            term = part.terms[position]
            if term != NOTHING:
                found.setdefault(at, []).append((circuit.operand[position], term))
    return found


def _sums(circuit: Circuit, part: Part, terms: Terms, stop: int) -> set[int]:
    """Rows that add one more term at a fork."""
    kinds = circuit.kind_of
    term_rows = {term for edges in terms.values() for _, term in edges}
    found = {row for row in range(stop, len(circuit)) if kinds(row).gate in (accumulate, alias)}
    for row in part.gradient:  # totals, and what they were before one more term
        while row >= stop and row not in term_rows and (row in found or kinds(row).gate.statement):
            found.add(row)
            row = circuit.operands(row)[0]
    return found


def _printed(
    circuit: Circuit, terms: Terms, sums: set[int], readers: list[list[int]], stop: int
) -> set[int]:
    """Forward rows with a line of their own."""
    read = {
        w for row in range(stop, len(circuit)) if row not in sums for w in circuit.operands(row)
    }
    read.update(term for edges in terms.values() for _, term in edges)
    read = {w for w in read if w < stop and not circuit.is_leaf(w)}
    once = (row for row in range(stop) if sum(r < stop for r in readers[row]) <= 1)
    picks = {w for w in once if not circuit.name(w) and _is_pick(circuit, w)}
    found = (gets_a_line(circuit) | read) - (picks - set(circuit.outputs))
    return {row for row in found if row < stop and circuit.differentiates(row) is None}


def _is_pick(circuit: Circuit, row: int) -> bool:
    """True for one number picked, such as x[0]: it is picked again where it is read."""
    kind = circuit.kind_of(row)
    return kind.gate.makes_view and not kind.type.shape and kind.gate.family == "move"
