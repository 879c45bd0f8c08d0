"""What a jitted function returns: the outputs of machine code, put where they belong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.api.recorded import Recorded, is_of, python_number
from chainrule.backends.llvm.compiled import Compiled
from chainrule.backends.numpy import compile_source


def deliverer(spec: Any, slots: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
    """A function from the outputs to what f returns, numbers that never change included."""
    source = _source(spec.unflatten(slots))
    if source is not None:
        return compile_source(f"def deliver(v):\n    return {source}\n", "deliver")
    return lambda v: spec.unflatten(
        [x.boxed(v) if isinstance(x, Slot | Copied) else x for x in slots]
    )


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one output in the result."""

    index: int
    box: Callable[[Any], Any] | None  # None: it is of its class already

    def boxed(self, outputs: Sequence[Any]) -> Any:
        """The output, of its own class."""
        value = outputs[self.index]
        return value if self.box is None else self.box(value)


@dataclass(frozen=True, slots=True)
class Copied:
    """An array that is the same at every call; each gets one of its own."""

    array: Any

    def boxed(self, outputs: Sequence[Any]) -> Any:
        """A copy."""
        return self.array.copy()


_PYTHON: dict[Any, Callable[[Any], Any]] = {
    float: float, int: int, bool: bool, np.float64: float, np.int64: int, np.bool_: bool,
}


def slots_of(recorded: Recorded, compiled: Compiled) -> tuple[Any, ...]:
    """The leaves of the result, with a slot for each output."""
    boxes = compiled.boxes
    if recorded.gives_numbers:
        boxes = [_PYTHON.get(box, python_number) for box in boxes]
    slots = iter(map(Slot, range(len(boxes)), boxes))
    return tuple(
        next(slots) if is_of(x, recorded.trace) else _fixed(x, recorded) for x in recorded.leaves
    )


def _fixed(x: Any, recorded: Recorded) -> Any:
    if isinstance(x, np.ndarray):
        return Copied(x)
    return python_number(x) if recorded.gives_numbers else x


def _source(tree: Any) -> str | None:
    """Python source of nested tuples, lists and dicts of outputs; None for anything else."""
    if isinstance(tree, Slot):
        return None if tree.box is python_number else _boxed(tree)
    if tree.__class__ not in (tuple, list, dict):
        return None
    items = [_source(x) for x in (tree.values() if isinstance(tree, dict) else tree)]
    if None in items:
        return None
    if isinstance(tree, dict):
        if any(key.__class__ not in (str, int) for key in tree):
            return None
        return "{" + ", ".join(f"{k!r}: {x}" for k, x in zip(tree, items, strict=True)) + "}"
    inside = ", ".join(map(str, items))
    return f"[{inside}]" if isinstance(tree, list) else f"({inside}{',' * (len(items) == 1)})"


def _boxed(slot: Slot) -> str:
    if slot.box in (float, int, None):
        return f"v[{slot.index}]"  # as it was unpacked
    name = slot.box.__name__
    return f"{name if slot.box is bool else f'np.{name}'}(v[{slot.index}])"
