"""Readings: the values, and through a part the gradients, on all wires at one input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.notes import Part


@dataclass(frozen=True, slots=True)
class Readings:
    """Values on every wire of a circuit, by row."""

    circuit: Circuit
    values: Sequence[Any]

    def value(self, wire: int) -> Any:
        """The value on a wire."""
        return self.values[wire]

    def gradient(self, part: Part, wire: int) -> Any:
        """The gradient on a wire, or None where the output does not depend on it."""
        at = part.gradient[wire] if wire < len(part.gradient) else NOTHING
        return None if at == NOTHING else self.values[at]

    def term(self, part: Part, row: int, index: int) -> Any:
        """The gradient sent back along one edge, or None where none was."""
        at = part.terms[self.circuit.start[row] + index]
        return None if at == NOTHING else self.values[at]
