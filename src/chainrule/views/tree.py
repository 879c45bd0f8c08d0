"""The tree of a circuit without forks, from its output down.

    f *         -12   <-  1
    |-- q +       3   <- -4   local z = -4, times upstream 1
    |   |-- x    -2   <- -4   local 1, times upstream -4
    |   `-- y     5   <- -4   local 1, times upstream -4
    `-- z        -4   <-  3   local q = 3, times upstream 1

A gate stands above what it reads. A gate that reads one wire has it right below, in its own
column, so that chains do not wander off to the right.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.views.labels import drawn_inputs, symbol
from chainrule.views.look import GRADIENT, VALUE, Look
from chainrule.views.sheet import Edge, Sheet
from chainrule.views.why import closed_groups, group_words, why_edge

if TYPE_CHECKING:
    from rich.text import Text

MOST = 40  # gates of a circuit shown as a tree
GAP = 3  # blanks between columns


@dataclass(frozen=True, slots=True)
class _Node:
    """One line of the tree. `below` goes before further lines of the same node."""

    lead: str
    below: str
    wire: int
    label: str
    edge: Edge | None


def is_tree(s: Sheet) -> bool:
    """True when every gate but the output is read exactly once, and every input at most once."""
    counts = {wire: len(edges) for wire, edges in s.readers.items()}
    inner = [counts.get(row, 0) == 1 for row in s.gates if row != s.part.output]
    return all(inner) and s.part.output not in counts and all(
        counts.get(wire, 0) <= 1 for wire in s.inputs
    )


def fits_as_tree(s: Sheet, k: Look) -> bool:
    """A tree, not too large, whose lines without words fit the width."""
    if len(s.gates) > MOST or not is_tree(s):
        return False
    return sum(_widths(s, list(_nodes(s, k)), k)) <= k.width


def _nodes(s: Sheet, k: Look) -> Iterator[_Node]:
    """Lines from the output down, operands in order."""
    waiting: list[tuple[int, Edge | None, str, str]] = [(s.part.output, None, "", "")]
    while waiting:
        wire, edge, lead, rest = waiting.pop()
        children = _children(s, wire)
        forks = len(children) > 1
        yield _Node(lead, rest + (k.trunk if forks else "    "), wire, _label(s, wire), edge)
        for place in range(len(children) - 1, -1, -1):
            to_child = (k.corner if place == len(children) - 1 else k.branch) if forks else ""
            past = ("    " if place == len(children) - 1 else k.trunk) if forks else ""
            child = s.circuit.operands(wire)[children[place]]
            waiting.append((child, (wire, children[place]), rest + to_child, rest + past))


def _children(s: Sheet, wire: int) -> list[int]:
    """Operand indices that are drawn: all but a constant folded into the gate."""
    drawn = set(drawn_inputs(s.circuit, wire))
    return [i for i, w in enumerate(s.circuit.operands(wire)) if w in drawn]


def _label(s: Sheet, wire: int) -> str:
    if s.circuit.is_constant(wire):
        return s.circuit.name(wire) or "constant"
    if s.circuit.is_leaf(wire):
        return s.texts[wire].source
    name = s.output if wire == s.part.output else s.circuit.name(wire)
    return f"{name} {symbol(s.circuit, wire)}" if name else symbol(s.circuit, wire)


def _widths(s: Sheet, nodes: list[_Node], k: Look) -> tuple[int, int, int, int]:
    """Columns taken by the label, the value, the arrow and the gradient, gaps included."""
    from rich.cells import cell_len

    label = max(cell_len(n.lead + n.label) for n in nodes)
    value = max(len("value"), *(len(s.value(n.wire)) for n in nodes))
    gradient = max(len(s.gradient(n.wire) or "") for n in nodes)
    return label, GAP + value, GAP + len(k.arrow), 1 + gradient


def tree(s: Sheet, k: Look) -> "Text":
    """The circuit from its output down; each line has value, gradient, and the chain rule."""
    from rich.text import Text

    nodes = list(_nodes(s, k))
    widths = _widths(s, nodes, k)
    words = [why_edge(s, n.edge) if n.edge else "" for n in nodes]
    taken = sum(widths) + GAP
    beside = taken + max(map(len, words)) <= k.width
    head = Text("").append(" " * widths[0]).append("value".rjust(widths[1]), VALUE)
    head.append(" " * GAP).append(f"{k.arrow} gradient", GRADIENT)
    lines = [head]
    for node, why in zip(nodes, words, strict=True):
        line = _tree_line(s, k, node, widths)
        lines.append(line.append(" " * GAP + why if why and beside else ""))
        if why and not beside:
            inside = max(k.width - len(node.below), 12)
            lines += [Text(node.below + piece) for piece in textwrap.wrap(why, inside)]
    return Text("\n").join(lines)


def _tree_line(s: Sheet, k: Look, node: _Node, widths: tuple[int, int, int, int]) -> "Text":
    from rich.cells import set_cell_size
    from rich.text import Text

    line = Text(set_cell_size(node.lead + node.label, widths[0]))
    line.append(s.value(node.wire).rjust(widths[1]), VALUE)
    gradient = s.gradient(node.wire)
    if gradient is None:
        return line.append(" " * GAP + "no gradient")
    is_array = widths[3] > GAP + len("-1.66e-4")
    padded = gradient.ljust(widths[3] - 1) if is_array else gradient.rjust(widths[3] - 1)
    return line.append(" " * GAP).append(f"{k.arrow} {padded}", GRADIENT)


def group_notes(s: Sheet) -> list["Text"]:
    """A sentence on each closed group, whose gates the tree shows one by one."""
    from rich.text import Text

    notes: list[Text] = []
    for group in closed_groups(s).values():
        symbols = [symbol(s.circuit, row) for row in group.stages]
        notes += [Text(""), Text(group_words(s, group, symbols))]
    return notes
