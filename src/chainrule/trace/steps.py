"""Steps: a gate with its settings, and what is known of it from the times it was recorded.

What NumPy's arguments mean to a gate, and the kind of what it gives, are worked out once for each
way a gate is used, and looked up from then on.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np

from chainrule.circuit.record import CONSTANT, INPUT, Attrs, Gate, attrs_key, kind_id
from chainrule.circuit.types import WEAK, type_id


class Step:
    """A gate with its settings, and the kinds of its outputs.

    arrays: by dtype and then by shape; numbers: by class.
    """

    __slots__ = ("arrays", "attrs", "gate", "key", "numbers", "run")

    def __init__(self, gate: Gate, attrs: Mapping[str, Any]) -> None:
        self.gate = gate
        self.attrs = attrs
        self.key: Attrs = attrs_key(attrs)
        self.arrays: dict[np.dtype[Any], dict[tuple[int, ...], int]] = {}
        self.numbers: dict[type, int] = {}
        self.run = partial(gate.evaluate, **attrs) if attrs else gate.evaluate  # on NumPy values

    def kind(self, value: Any) -> int:
        """The kind of a row that gave this value."""
        try:
            cls = value.__class__
            return self.arrays[value.dtype][value.shape] if cls is np.ndarray else self.numbers[cls]
        except KeyError:
            return self.new_kind(value)

    def new_kind(self, value: Any) -> int:
        """The same, for a value unlike those before."""
        found = kind_id(self.gate, self.key, type_id(value))
        if value.__class__ is np.ndarray:
            self.arrays.setdefault(value.dtype, {})[value.shape] = found
        elif value.__class__ in _OF_ONE_TYPE:
            self.numbers[value.__class__] = found
        return found


_OF_ONE_TYPE = {*WEAK, np.float64, np.float32}  # classes whose values all have the same type
_STEPS: dict[tuple[int, str], Step] = {}


def step_of(gate: Gate, attrs: Mapping[str, Any] = {}) -> Step:  # only read
    """The one step of a gate with these settings."""
    key = (gate.id, repr(attrs) if attrs else "")  # repr tells True from 1, 0.0 from -0.0
    found = _STEPS.get(key)
    if found is None:
        found = _STEPS[key] = Step(gate, dict(attrs))
    return found


AS_INPUT, AS_CONSTANT = step_of(INPUT), step_of(CONSTANT)


class Shaped:
    """Stands for an operand of which a bind may ask the shape, and no more."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise _AskedForMore


class _AskedForMore(Exception):  # no error: it ends the asking
    pass


@lru_cache(maxsize=1024, typed=True)
def meant(gate: Gate, shape: tuple[int, ...], *args: Any, **kwargs: Any) -> Step | None:
    """The step that NumPy's other arguments make of a gate of one input, of this shape.

    None where they make more of it than its settings.
    """
    operand = Shaped(shape)
    try:
        bound = gate.bind(operand, *args, **kwargs)  # type: ignore[misc]  # it has one
    except (AttributeError, _AskedForMore):
        return None
    gate, operands, attrs = bound if len(bound) == 3 else (gate, *bound)
    return step_of(gate, attrs) if len(operands) == 1 and operands[0] is operand else None
