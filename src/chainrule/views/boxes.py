"""Boxes: runs of stages that a picture draws as one, be they a closed group or a call."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.notes import Part
from chainrule.views.labels import gates
from chainrule.views.sections import Collapse, sections


@dataclass(frozen=True, slots=True)
class Box:
    """Rows drawn as one. reads and gives: the wires that lead in and out, one or more each."""

    symbol: str
    rows: tuple[int, ...]
    reads: tuple[int, ...]
    gives: tuple[int, ...]


Unit = int | Box  # what is drawn as one gate


def call_boxes(circuit: Circuit, part: Part, collapse: Collapse) -> list[Box]:
    """The calls to be drawn as one box each; a call of a single gate stays that gate."""
    return [
        Box(s.call[0], s.rows, s.reads, s.gives or s.rows[-1:])
        for s in sections(circuit, part, collapse) if s.call and len(s.rows) > 1 and s.reads
    ]


def group_box(group: Group) -> Box:
    """A closed group as a box."""
    return Box(group.gate.symbol, group.stages, group.inputs, (group.output,))


def units(circuit: Circuit, part: Part, boxes: Sequence[Box]) -> Iterator[Unit]:
    """Gates and boxes in order, a box where its last gate stands."""
    owner = {row: box for box in boxes for row in box.rows}
    for row in gates(circuit, part):
        box = owner.get(row)
        if box is None:
            yield row
        elif row == box.rows[-1]:
            yield box


def caption(calls: Sequence[Box], count: int) -> str:
    """What calls drawn as boxes leave out: `30 calls of step drawn as boxes, 152 gates in all`."""
    if not calls:
        return ""
    counts = Counter(box.symbol for box in calls)
    listed = ", ".join(f"{_number(n)} of {name}" for name, n in counts.items())
    boxes = "a box" if len(calls) == 1 else "a box each"
    return f"{listed} drawn as {boxes}, {count} gates in all"


def _number(n: int) -> str:
    return "1 call" if n == 1 else f"{n} calls"
