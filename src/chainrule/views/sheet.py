"""A sheet: one part of a circuit with its readings, and the names every view calls its wires by.

A wire with a variable (named by the user, read more than once, or the output) has a line, numbered
as in the printed code; any other wire is known by its expression over those variables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.code.expression import ATOM, Text
from chainrule.code.forward import Line, forward_lines
from chainrule.code.names import Namer
from chainrule.views.labels import gates, inputs
from chainrule.views.numbers import are_integers, format_value

Edge = tuple[int, int]  # (row, operand index)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything a view reads. `texts` has each wire's source, `readers` the edges that read it."""

    circuit: Circuit
    part: Part
    readings: Readings
    integers: bool
    decimals: int | None
    lines: tuple[Line, ...]
    texts: Mapping[int, Text]
    readers: Mapping[int, tuple[Edge, ...]]

    @property
    def gates(self) -> list[int]:
        """Rows of the user's gates."""
        return gates(self.circuit, self.part)

    @property
    def inputs(self) -> list[int]:
        """The user's inputs."""
        return inputs(self.circuit, self.part)

    @property
    def output(self) -> str:
        """The output's variable."""
        return self.texts[self.part.output].source

    def variable(self, wire: int) -> str | None:
        """The variable that holds a wire, if one does."""
        text = self.texts[wire]
        return text.source if text.binds == ATOM and text.source.isidentifier() else None

    def value(self, wire: int) -> str:
        """The value on a wire, printed."""
        return self.printed(self.readings.value(wire))

    def gradient(self, wire: int) -> str | None:
        """The gradient on a wire, printed; None where there is none."""
        found = self.readings.gradient(self.part, wire)
        return None if found is None else self.printed(found)

    def printed(self, value: Any) -> str:
        """Any number or array in this sheet's format."""
        return format_value(value, self.integers, self.decimals)


def sheet(
    circuit: Circuit, part: Part, readings: Readings, *, decimals: int | None = None
) -> Sheet:
    """The sheet of one part."""
    readers = _readers(circuit, part)
    lines, texts = _lines(circuit, part, readers)
    return Sheet(
        circuit, part, readings, are_integers(readings, part), decimals, lines, texts, readers
    )


def _readers(circuit: Circuit, part: Part) -> dict[int, tuple[Edge, ...]]:
    """Per wire, the edges to gates of the user's that read it; the backward pass is not asked."""
    found: dict[int, list[Edge]] = {}
    for row in gates(circuit, part):
        for index, wire in enumerate(circuit.operands(row)):
            found.setdefault(wire, []).append((row, index))
    return {wire: tuple(edges) for wire, edges in found.items()}


def _lines(
    circuit: Circuit, part: Part, readers: Mapping[int, tuple[Edge, ...]]
) -> tuple[tuple[Line, ...], dict[int, Text]]:
    """Lines in order, and how each wire is written where it is read."""
    namer = Namer()
    names = {w: Text(namer.again(circuit.name(w) or "x"), ATOM) for w in inputs(circuit, part)}
    printed = {w for w in gates(circuit, part) if _has_line(circuit, part, w, readers)}
    f = forward_lines(circuit, len(part.gradient), part.output, printed, names, namer)
    return tuple(f.lines), f.texts


def _has_line(
    circuit: Circuit, part: Part, row: int, readers: Mapping[int, tuple[Edge, ...]]
) -> bool:
    is_output = row == part.output or row in circuit.outputs
    return is_output or bool(circuit.name(row)) or len(readers.get(row, ())) > 1
