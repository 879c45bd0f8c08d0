"""Compiled code entered without a word of Python: what of it a target is asked to generate.

A target that can (targets/python_calls.py) answers calls whose arguments are Python floats and
arrays as the code was traced with, and gives the rest to a fallback.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.backends.llvm.arrays import CompiledArrays, address, is_long, ready
from chainrule.backends.llvm.buffers import ALIGNMENT
from chainrule.backends.llvm.compiled import Compiled
from chainrule.backends.llvm.nests import DTYPE_OF, ArrayPlan, Buffer, View
from chainrule.backends.llvm.targets.python_calls import Entered, Entry, enter, entry_of
from chainrule.backends.llvm.targets.wrapper import ON_STACK, Form, Item, Tree
from chainrule.backends.llvm.values import Value

__all__ = ["Entered", "Entry", "direct_entry", "enter"]


def direct_entry(
    code: Compiled, given: Sequence[Any], tree: Tree, outcomes: Sequence[bool]
) -> Entry | None:
    """What lets calls `enter` the code directly; None where they cannot.

    given: arguments the code was compiled for. tree: the result, nested tuples of places of
    outputs. outcomes: what the outputs after them must be.
    """
    count = len(code.plan.outputs) - len(outcomes)
    inputs = [_input(x, y) for x, y in zip(code.plan.inputs, given, strict=True)]
    outputs = [_output(x, w) for x, w in zip(code.plan.outputs[:count], code.weak, strict=False)]
    form = Form(_all(inputs), _all(outputs), tree, len(outcomes))
    if len(form.inputs) < len(inputs) or len(form.outputs) < count or not all(
        isinstance(x, Value) and x.kind == "b" for x in code.plan.outputs[count:]
    ):
        return None
    block: dict[Any, int] = {"core": code.address}
    alive: list[Any] = [code]
    block |= {("decision", k): int(x) for k, x in enumerate(outcomes)}
    if isinstance(code, CompiledArrays):
        form = _with_memory(form, code.plan)
        block |= _shapes("in", given) | _shapes("out", code.plan.outputs)
        block |= _addresses(form, code.plan, alive)
    return entry_of(form, block, alive)


def _all(items: Sequence[Item | None]) -> tuple[Item, ...]:
    return tuple(x for x in items if x is not None)


def _input(x: Value | Buffer, given: Any) -> Item | None:
    """What a wrapper takes for it; None where only the fallback does."""
    if isinstance(x, Value):
        return Item("f") if x.kind == "f" and given.__class__ is float else None
    is_ready = given.__class__ is np.ndarray and given.dtype is DTYPE_OF[x.kind]
    return Item(x.kind, given.ndim) if is_ready else None


def _output(x: Value | View, weak: bool) -> Item | None:
    if isinstance(x, Value):
        return Item(x.kind, None, weak)
    return Item(x.buffer.kind, len(x.shape)) if x.shape else None


def _with_memory(form: Form, plan: ArrayPlan) -> Form:
    arena = 64 * -(-plan.arena // 64) if plan.arena <= ON_STACK else None
    return replace(
        form, fixed=len(plan.constants), arena=arena, has_status=True, is_long=is_long(plan)
    )


def _shapes(side: str, arrays: Sequence[Any]) -> dict[Any, int]:
    shapes = enumerate(getattr(x, "shape", ()) for x in arrays)
    return {(side, k, axis): size for k, shape in shapes for axis, size in enumerate(shape)}


def _addresses(form: Form, plan: ArrayPlan, alive: list[Any]) -> dict[Any, int]:
    """Of the arrays that come after the inputs, and of the spare arena; they join `alive`."""
    found: dict[Any, int] = {}
    for k, (buffer, array) in enumerate(plan.constants):
        alive.append(ready(array, buffer.kind))
        found["fixed", k] = address(alive[-1])
    if form.arena is None:
        alive.append(np.empty(plan.arena + ALIGNMENT, np.uint8))
        found["arena"] = -(-address(alive[-1]) // ALIGNMENT) * ALIGNMENT
    return found
