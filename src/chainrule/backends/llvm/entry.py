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

from chainrule.backends.llvm.arrays import CompiledArrays, address, is_long, is_stray, ready
from chainrule.backends.llvm.buffers import ALIGNMENT
from chainrule.backends.llvm.compiled import Compiled
from chainrule.backends.llvm.host import CompiledParts
from chainrule.backends.llvm.nests import DTYPE_OF, ArrayPlan, Buffer, View
from chainrule.backends.llvm.targets.entered import Entry
from chainrule.backends.llvm.targets.forms import Form, Item, tree_of
from chainrule.backends.llvm.targets.python_calls import entry_of
from chainrule.backends.llvm.targets.wrapper import BOXES, ON_STACK
from chainrule.backends.llvm.values import Value

__all__ = ["Entry", "bound_entry", "direct_entry"]


def direct_entry(
    code: Compiled,
    given: Sequence[Any],
    arguments: Sequence[Any],
    result: Any,
    weak: Sequence[bool],
    outcomes: Sequence[bool],
    over: Sequence[tuple[int, int]] = (),
) -> Entry | None:
    """What lets calls `enter` the code directly; None where they cannot.

    given: the inputs the code was compiled for. arguments, result: as they are nested, with places
    of inputs and outputs in place of them. weak: which outputs are Python's numbers, where it has
    such. outcomes: what the outputs after them must be. over: outputs, each with the input whose
    array it is written over and returned in; the code may.
    """
    if isinstance(code, CompiledParts):
        return None
    keys: list[str] = []
    *trees, tree = (tree_of(x, keys) for x in (*arguments, result))
    if tree is None or None in trees:
        return None
    count = len(code.plan.outputs) - len(outcomes)
    inputs = [_input(x, y) for x, y in zip(code.plan.inputs, given, strict=True)]
    outputs = [_output(x, w) for x, w in zip(code.plan.outputs[:count], weak, strict=False)]
    form = Form(
        _all(inputs), _all(outputs), tree, len(outcomes), nested=tuple(trees), keys=len(keys),
        over=tuple(over),
    )
    is_whole = (len(form.inputs), len(form.outputs)) == (len(inputs), count)
    if not is_whole or not _are_flags(code.plan.outputs[count:]) or _has_strays(code):
        return None
    block: dict[Any, int] = {"core": code.address}
    alive: list[Any] = [code, keys]
    block |= {("decision", k): int(x) for k, x in enumerate(outcomes)}
    block |= {("key", k): id(x) for k, x in enumerate(keys)}
    if isinstance(code, CompiledArrays):
        form = _with_memory(form, code)
        block |= _shapes("in", given) | _shapes("out", code.plan.outputs)
        constants = [x for _, x in code.plan.constants]
        block |= {("bytes", k): getattr(x, "nbytes", 0) for k, x in enumerate(given)}
        block |= {("bytes", len(given) + k): x.nbytes for k, x in enumerate(constants)}
        block |= {("over", k): 1 for _, k in over}
        block |= _addresses(form, code.plan, alive)
    return entry_of(form, block, alive)


def bound_entry(
    code: Compiled, inputs: Sequence[Any], outputs: Sequence[Any], outcomes: Sequence[bool]
) -> Entry | None:
    """What lets calls without arguments enter the code, between these arrays; None where they
    cannot. A number's array has no axes."""
    if isinstance(code, CompiledParts):
        return None
    count, split = len(outputs), len(inputs)
    ends = (*code.plan.inputs, *code.plan.outputs[:count])
    decisions = code.plan.outputs[count:]
    if len(decisions) != len(outcomes) or not _are_flags(decisions) or _has_strays(code):
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
        form = _with_memory(form, code)
        block |= _addresses(form, code.plan, alive)
    return entry_of(form, block, alive)


def _has_strays(code: Compiled) -> bool:
    """True where an array from outside the function has to be copied at each call."""
    return isinstance(code, CompiledArrays) and any(
        is_stray(array, buffer.kind) for buffer, array in code.plan.constants
    )


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
        is_number = x.kind == "f" and given.__class__ in (float, np.float64)
        return Item("f", None, given.__class__ is float) if is_number else None
    is_ready = given.__class__ is np.ndarray and given.dtype is DTYPE_OF[x.kind]
    return Item(x.kind, given.ndim) if is_ready else None


def _output(x: Value | View, weak: bool) -> Item | None:
    if isinstance(x, Value):
        return Item(x.kind, None, weak and x.kind in BOXES)
    return Item(x.buffer.kind, len(x.shape)) if x.shape else None


def _with_memory(form: Form, code: CompiledArrays) -> Form:
    plan = code.plan
    arena = 64 * -(-plan.arena // 64) if plan.arena <= ON_STACK else None
    if arena and code.is_for_every_n:
        arena = ON_STACK  # one wrapper, whatever n
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
