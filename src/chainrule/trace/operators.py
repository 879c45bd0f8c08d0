"""Python's operators on traced values: the inner loop of every eager gradient.

Each does what `traced.stage` does, with the common cases spelled out: numbers and arrays of one
trace, and Python numbers; all others go the long way.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_NAME, CONSTANT, Gate, kind_id
from chainrule.circuit.types import FLOAT, WEAK, is_number
from chainrule.gates.handle import BINARY, COMPARE, UNARY
from chainrule.trace.frames import caller, user_frame
from chainrule.trace.steps import step_of
from chainrule.trace.trace import LEAF
from chainrule.trace.traced import (
    EXACT,
    Traced,
    is_whole,
    later,
    stage,
    stage_of_one,
    youngest,
)

_new = object.__new__
_OF_NUMBER = {cls: (kind_id(CONSTANT, (), WEAK[cls]), *LEAF) for cls in (float, int)}  # rows


def binary(
    gate: Gate, *, reflected: bool = False, in_place: bool = False, ufunc: np.ufunc | None = None
) -> Callable[[Any, Any], Any]:
    """A method of two operands: an operator, or what a ufunc does.

    reflected: the traced value is the second operand. in_place: y += x, which is y = y + x for
    numbers and writes to an array.
    """
    evaluate: Any = ufunc or gate.evaluate
    compute = _swapped(evaluate) if reflected else evaluate
    find = user_frame if ufunc else caller
    step = step_of(gate)
    arrays, numbers = step.arrays, step.numbers
    float_kind = kind_id(gate, (), FLOAT)

    def operate(self: Traced, other: Any) -> Any:
        trace = self.trace
        log = trace.log
        if len(log) > trace.limit:
            trace.attend(find)
        if trace.is_nested:  # computing on a value of an older trace records there
            return slow(self, other)
        values = trace.values
        cls = other.__class__
        if cls is Traced and other.trace is trace:
            wire, theirs = other.wire, other.value
        elif cls is float or (cls is int and -EXACT <= other <= EXACT):
            wire, theirs = len(values), other
            values.append(other)
            log += _OF_NUMBER[cls]
        elif cls is np.ndarray and is_whole(other):
            wire = trace.constant(other)
            theirs = values[wire]
        else:
            return slow(self, other)
        try:
            value = compute(self.value, theirs)
        except (ArithmeticError, ValueError):
            value = None
        cls = value.__class__
        if cls is float:
            kind = float_kind
        elif cls is np.ndarray:
            try:
                kind = arrays[value.dtype][value.shape]
            except KeyError:
                kind = step.new_kind(value)
        elif cls is np.float64 or cls is np.float32:
            kind = numbers.get(cls) or step.new_kind(value)
        else:  # refused, or complex
            return slow(self, other)
        made = _new(Traced)
        made.trace = trace
        made.wire = len(values)
        made.value = value
        values.append(value)
        if reflected:
            log += (kind, wire, self.wire)
        else:
            log += (kind, self.wire, wire)
        if in_place and kind is not float_kind and cls is np.ndarray:  # floats the soonest
            return later.assign(self, made, caller)
        return made

    def slow(self: Traced, other: Any) -> Any:
        operands = (other, self) if reflected else (self, other)
        may_be_theirs = not all(
            isinstance(x, Traced | list | tuple) or is_number(x) for x in operands
        )
        if ufunc is None and may_be_theirs:
            return NotImplemented
        made = stage(youngest(operands), step, operands, find, ufunc)
        return later.assign(self, made, find) if in_place else made

    return operate


def _swapped(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: compute(y, x)


def _compare(gate: Gate) -> Callable[[Any, Any], Any]:
    step = step_of(gate)

    def compare(self: Traced, other: Any) -> Any:
        if not (isinstance(other, Traced) or is_number(other)):
            return NotImplemented
        operands = (self, other)
        return stage(youngest(operands), step, operands, caller)

    return compare


def _unary(gate: Gate) -> Callable[[Any], Any]:
    step = step_of(gate)

    def operate(self: Traced) -> Any:
        cls = self.value.__class__
        if cls is np.ndarray or cls is np.float64:
            return stage_of_one(self, step, step.run, caller)
        return stage(self.trace, step, (self,), caller)

    return operate


def _install() -> None:
    for python, name in BINARY.items():
        setattr(Traced, f"__{python}__", binary(BY_NAME[name]))
        setattr(Traced, f"__i{python}__", binary(BY_NAME[name], in_place=True))
        setattr(Traced, f"__r{python}__", binary(BY_NAME[name], reflected=True))
    for python, name in COMPARE.items():
        setattr(Traced, f"__{python}__", _compare(BY_NAME[name]))
    for python, name in UNARY.items():
        setattr(Traced, f"__{python}__", _unary(BY_NAME[name]))


_install()
