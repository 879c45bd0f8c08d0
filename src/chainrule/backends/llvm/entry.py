"""Compiled code entered without a word of Python: what of it a target is asked to generate.

A target that can (targets/python_calls.py) answers calls whose arguments are Python floats and
arrays as the code was traced with, and gives the rest to a fallback.
"""

import weakref
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from chainrule.backends.llvm.arrays import CompiledArrays, address, is_long, ready
from chainrule.backends.llvm.buffers import ALIGNMENT
from chainrule.backends.llvm.compiled import Compiled
from chainrule.backends.llvm.nests import DTYPE_OF, ArrayPlan, Buffer, View
from chainrule.backends.llvm.targets.entered import Entry
from chainrule.backends.llvm.targets.forms import Form, Item, Tree
from chainrule.backends.llvm.targets.python_calls import entry_of
from chainrule.backends.llvm.targets.wrapper import ON_STACK
from chainrule.backends.llvm.values import Value

__all__ = ["Entry", "bound_entry", "direct_entry"]


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
    is_whole = (len(form.inputs), len(form.outputs)) == (len(inputs), count)
    if not is_whole or not _are_flags(code.plan.outputs[count:]):
        return None
    block: dict[Any, int] = {"core": code.address}
    alive: list[Any] = [code]
    block |= {("decision", k): int(x) for k, x in enumerate(outcomes)}
    if isinstance(code, CompiledArrays):
        form = _with_memory(form, code.plan)
        block |= _shapes("in", given) | _shapes("out", code.plan.outputs)
        block |= _addresses(form, code.plan, alive)
    return entry_of(form, block, alive)


def bound_entry(
    code: Compiled, inputs: Sequence[Any], outputs: Sequence[Any], outcomes: Sequence[bool]
) -> Entry | None:
    """What lets calls without arguments enter the code, between these arrays; None where they
    cannot. A number's array has no axes."""
    count, split = len(outputs), len(inputs)
    ends = (*code.plan.inputs, *code.plan.outputs[:count])
    if len(code.plan.outputs) != count + len(outcomes) or not _are_flags(code.plan.outputs[count:]):
        return None
    if not all(_fits(x, y) for x, y in zip(ends, (*inputs, *outputs), strict=True)):
        return None
    items = [Item(_kind(x), y.ndim or None) for x, y in zip(ends, (*inputs, *outputs), strict=True)]
    form = Form(
        tuple(items[:split]), tuple(items[split:]), None, len(outcomes), is_bound=True
    )
    block: dict[Any, int] = {"core": code.address}
    block |= {("decision", k): int(x) for k, x in enumerate(outcomes)}
    block |= {("in", k): address(x) for k, x in enumerate(inputs)}
    block |= {("out", k): address(x) for k, x in enumerate(outputs)}
    alive: list[Any] = [code]
    for x in (*inputs, *outputs):
        _keep(x, alive)
    if isinstance(code, CompiledArrays):
        form = _with_memory(form, code.plan)
        block |= _addresses(form, code.plan, alive)
    return entry_of(form, block, alive)


def _fits(x: Value | Buffer | View, array: Any) -> bool:
    """True where an array is what machine code reads or fills there."""
    if isinstance(x, Value):
        return x.kind in "fs" and array.shape == () and array.dtype is DTYPE_OF[x.kind]
    size = x.size if isinstance(x, Buffer) else prod(x.shape)
    return array.ndim > 0 and array.size == size and array.dtype is DTYPE_OF[_kind(x)]


def _kind(x: Value | Buffer | View) -> str:
    return x.buffer.kind if isinstance(x, View) else x.kind


def _are_flags(decisions: Sequence[Value | View]) -> bool:
    return all(isinstance(x, Value) and x.kind == "b" for x in decisions)


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
        fixed = ready(array, buffer.kind)
        found["fixed", k] = _keep(fixed, alive)
    if form.arena is None:
        begin = _keep(np.empty(plan.arena + ALIGNMENT, np.uint8), alive)
        found["arena"] = -(-begin // ALIGNMENT) * ALIGNMENT
    return found


def _keep(array: Any, alive: list[Any]) -> int:
    """Where an array lies, and stays: NumPy does not resize what a weak reference points to."""
    alive += [array, weakref.ref(array)]
    return address(array)
