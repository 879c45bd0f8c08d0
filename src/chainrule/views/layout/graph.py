"""What a layout is given and what it gives back; it knows nothing of circuits.

Lengths are in px, x to the right, y down. A node without inputs is a leaf: it has no box of its
own, its wire starts at the right edge of its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Node:
    """A gate or a leaf. `inputs` are indices of earlier nodes, in operand order."""

    inputs: tuple[int, ...] = ()
    width: float = 46
    height: float = 46
    above: float = 26  # from its centre, what nothing else may enter: its numbers, a hull, ...
    below: float = 26
    label: float = 56  # the widest text on its wire
    lead: float = 0  # the widest text at one of its ports
    is_late: bool = False  # a leaf that stands just before its first reader, as constants do

    @property
    def is_leaf(self) -> bool:
        """True for names: inputs and constants."""
        return not self.inputs


@dataclass(frozen=True, slots=True)
class Spot:
    """A node drawn with its centre at (x, y). `is_again`: a leaf's name repeated at a reader."""

    node: int
    x: float
    y: float
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Wire:
    """From a spot to one port of another, along horizontal and vertical lines."""

    source: int
    target: int
    port: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """`spots` has the nodes in order, then the names drawn again."""

    width: float
    height: float
    spots: tuple[Spot, ...]
    wires: tuple[Wire, ...]


def port_offsets(inputs: Sequence[bool], height: float) -> tuple[float, ...]:
    """Heights of a gate's ports from its centre, top to bottom; per input, whether it is a leaf.

    Where one of two inputs is a gate, its wire runs straight through the centre: this keeps the
    main path of x @ W1 + b1 ... on one line.
    """
    k = len(inputs)
    if k < 2:
        return (0.0,) * k
    if k == 2 and inputs[0] != inputs[1]:
        return (-14.0, 0.0) if inputs[0] else (0.0, 14.0)
    step = 22 if k == 2 else min(18, (height - 14) // (k - 1))
    return tuple(float(ceil((i - (k - 1) / 2) * step)) for i in range(k))
