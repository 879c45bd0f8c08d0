"""What a wrapper is made for: kinds of inputs and outputs, and the words of its block."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

Tree = Any  # an int, the place of an output; or a tuple of trees


@dataclass(frozen=True, slots=True)
class Item:
    """An input or output: a Python number, a NumPy scalar, or an array of a rank."""

    kind: str  # as in values.py
    rank: int | None = None  # None: a number
    is_python: bool = True

    @property
    def is_array(self) -> bool:
        """True for arrays."""
        return self.rank is not None


@dataclass(frozen=True)
class Form:
    """What a wrapper is made for; functions of one form share it."""

    inputs: tuple[Item, ...]
    outputs: tuple[Item, ...]
    tree: Tree  # of the places of outputs
    decisions: int = 0  # further outputs, flags that must be as the block says
    fixed: int = 0  # addresses of arrays that follow the inputs
    arena: int | None = 0  # bytes on the stack; None: the block's
    has_status: bool = False  # the machine code takes an arena and returns a status
    is_long: bool = False  # other threads run meanwhile
    is_bound: bool = False  # no arguments: the block has the addresses of inputs and outputs

    @cached_property
    def places(self) -> dict[Any, int]:
        """Where each word of the block lies, in bytes."""
        keys: list[Any] = ["wrapper", "core", "arena"]
        keys += [("fixed", k) for k in range(self.fixed)]
        keys += [("decision", k) for k in range(self.decisions)]
        for side, items in (("in", self.inputs), ("out", self.outputs)):
            if self.is_bound:
                keys += [(side, k) for k in range(len(items))]
                continue
            keys += [(side, k, axis) for k, x in enumerate(items) for axis in range(x.rank or 0)]
        return {key: 8 * at for at, key in enumerate(keys)}

    @property
    def arguments(self) -> int:
        """How many a call has."""
        return 0 if self.is_bound else len(self.inputs)
