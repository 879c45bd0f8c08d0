"""vmap: a function of one example as a function of many.

The function runs once, on the first example, while a trace records it; then its circuit is applied
to all examples at once (transform/batch). The trace holds plain numbers, also of values that follow
an older trace: only what is applied to all examples is recorded there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from chainrule.api.decision import SameBranch
from chainrule.api.inputs import leaf_name, parameter_names
from chainrule.circuit.types import is_number
from chainrule.errors import InputError, OutputError, ShapeError
from chainrule.gates.batched import moved, spread
from chainrule.trace.cells import plain as plain_number
from chainrule.trace.frames import where_in
from chainrule.trace.names import with_names
from chainrule.trace.trace import Trace
from chainrule.trace.traced import Traced, traced
from chainrule.transform.batch import batch
from chainrule.transform.groups import as_gates, joined, marked_groups

Axes = Any  # an axis, None, or containers of them


@dataclass(frozen=True, slots=True)
class Leaf:
    """One mapped array: all examples on its first axis; where that axis was, in which shape."""

    name: str
    values: Any
    axis: int
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many examples."""
        return self.shape[self.axis]

    def example(self) -> Any:
        """The first of them, as plain numbers; ones if there is none."""
        plain = plain_number(self.values)
        first = (plain[0] if len(plain) else np.ones(plain.shape[1:], plain.dtype))[()]
        if isinstance(first, np.ndarray):
            first.flags.writeable = False
        return first


@dataclass(frozen=True, slots=True)
class Subtree:
    """What one entry of in_axes speaks of: mapped leaves, or a value passed as it is."""

    leaves: tuple[Leaf, ...]
    rebuilt: Callable[[Sequence[Any]], Any]


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """f for many examples at once: f of each, stacked, in as many NumPy calls as f of one.

    in_axes: the axis of each array in the positional arguments that counts the examples; None for
    what all examples share. One number for all arguments, or one entry for each, which may be a
    container nested as the argument is. Keyword arguments are mapped over their first axis.
    out_axes: where the axis stands in each output, in the same way; None for an output that is the
    same for all examples.

    f runs once, on the first example; an `if` in it must go the same way for all of them.
    Raises InputError where axes do not fit the arguments, ShapeError where they differ in size,
    TraceError where examples would take different branches.
    """
    who = f"vmap({getattr(f, '__name__', type(f).__name__)})"

    @wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        subtrees, whole = _subtrees(who, f, in_axes, args, kwargs)
        leaves = [leaf for s in subtrees for leaf in s.leaves]
        count = _count(who, leaves, parameter_names(f, len(args)) + list(kwargs))
        trace = Trace(is_plain=True)
        given: dict[int, Any] = {}
        lifted = []
        for subtree in subtrees:
            wires = [trace.input(leaf.example(), leaf.name) for leaf in subtree.leaves]
            given.update(zip(wires, (leaf.values for leaf in subtree.leaves), strict=True))
            lifted.append(subtree.rebuilt([traced(trace, w, trace.values[w]) for w in wires]))
        positional, named = whole(lifted)
        try:
            out = f(*positional, **named)
        finally:
            trace.close()
        return _result(who, trace, given, count, out, out_axes)

    return mapped


# ---- arguments


def _subtrees(
    who: str, f: Callable[..., Any], in_axes: Axes, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Subtree], Callable[[list[Any]], Any]]:
    """The arguments, parted as in_axes is, and how to put the parts together again."""
    import optree

    per_argument = _per_argument(who, in_axes, len(args))
    axes: Any = (per_argument, dict.fromkeys(kwargs, 0))
    given: Any = (args, kwargs)
    paths, entries, spec = optree.tree_flatten_with_path(axes, none_is_leaf=True)
    try:
        parts = spec.flatten_up_to(given)
    except ValueError as error:
        raise InputError(
            f"{who}: in_axes is not nested as the arguments are: {error!s:.200}"
        ) from None
    names = parameter_names(f, len(args))
    subtrees = []
    for path, axis, part in zip(paths, entries, parts, strict=True):
        side, key, *rest = path
        name = leaf_name(names[key] if side == 0 else str(key), rest)
        subtrees.append(_subtree(who, name, part, _axis(who, "in_axes", axis)))
    return subtrees, spec.unflatten


def _per_argument(who: str, in_axes: Axes, count: int) -> tuple[Axes, ...]:
    if not isinstance(in_axes, tuple | list):
        return (_axis(who, "in_axes", in_axes),) * count
    if len(in_axes) != count:
        raise InputError(
            f"{who}: in_axes has {len(in_axes)} entries, but there are {count} positional arguments"
        )
    return tuple(in_axes)


def _axis(who: str, setting: str, axis: Any) -> int | None:
    if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int | np.integer)):
        raise InputError(f"{who}: {setting} holds whole numbers and None, not {axis!r:.60}")
    return None if axis is None else int(axis)


def _subtree(who: str, name: str, part: Any, axis: int | None) -> Subtree:
    import optree

    if axis is None:
        return Subtree((), lambda _: part)
    if _is_list_of_numbers(part):
        part = np.asarray(part)
    paths, leaves, spec = optree.tree_flatten_with_path(part, none_is_leaf=True)
    named = zip(paths, leaves, strict=True)
    found = tuple(_leaf(who, leaf_name(name, path), x, axis) for path, x in named)
    return Subtree(found, spec.unflatten)


def _is_list_of_numbers(part: Any) -> bool:
    """A list as np.array has it, whose numbers have no axis one by one."""
    if not isinstance(part, list) or not part:
        return False
    return all(x.__class__ in (float, int, bool) or _is_list_of_numbers(x) for x in part)


def _leaf(who: str, name: str, value: Any, axis: int) -> Leaf:
    if not (isinstance(value, Traced) or is_number(value)):
        raise InputError(
            f"{who}: {name} is {type(value).__name__} {value!r:.60}, which has no axis of real "
            f"numbers to map over; give None for it in in_axes"
        )
    shape = tuple(getattr(value, "shape", ()))
    if not -len(shape) <= axis < len(shape):
        what = f"has shape {list(shape)}, without an axis {axis}" if shape else "is a number"
        raise InputError(
            f"{who}: {name} {what}. Give None in in_axes for what all examples share"
        )
    axis %= len(shape)
    values = value if isinstance(value, Traced) else np.asarray(value)
    return Leaf(name, moved(values, (axis,), (0,)), axis, shape)


def _count(who: str, leaves: Sequence[Leaf], names: Sequence[str]) -> int:
    """How many examples there are, the same in every mapped array."""
    if not leaves:
        raise InputError(
            f"{who} needs an argument to map over: there is none in {', '.join(names) or 'none'}"
        )
    counts = {leaf.count for leaf in leaves}
    if len(counts) > 1:
        sizes = ", ".join(
            f"{x.name} has {x.count} (axis {x.axis} of {list(x.shape)})" for x in leaves
        )
        raise ShapeError(
            f"{who}: the axes mapped over differ in size: {sizes}.\n"
            "  Give None in in_axes for what all examples share."
        )
    return counts.pop()


# ---- results


def _result(
    who: str, trace: Trace, given: dict[int, Any], count: int, out: Any, out_axes: Axes
) -> Any:
    """What the function returned, for all examples."""
    import optree

    leaves, spec = optree.tree_flatten(out, none_is_leaf=True)
    axes = _out_axes(who, out_axes, out)
    inner = [x.wire for x in leaves if isinstance(x, Traced) and x.trace is trace]
    watch = {
        wire: SameBranch(who, outcome, code, lasti)
        for wire, outcome, code, lasti in trace.decisions
    }
    circuit = trace.circuit(inner)

    def place(row: int) -> str:
        origin = with_names(circuit, trace).origin_of(row)
        return where_in(origin.function, origin.file, origin.line or 0) if origin else ""

    inputs = {**trace.captured, **given}
    if trace.marks and any(isinstance(x, Traced) for x in inputs.values()):
        circuit = as_gates(circuit, joined(marked_groups(circuit, trace.marks), ()))
    found = iter(batch(circuit, inputs, given.keys(), watch, place))
    held = {id(x) for x in given.values()}
    done = []
    for leaf, axis in zip(leaves, axes, strict=True):
        is_inner = isinstance(leaf, Traced) and leaf.trace is trace
        value, is_many = next(found) if is_inner else (_shared(who, leaf), False)
        done.append(_delivered(who, value, is_many, axis, count, held))
    return spec.unflatten(done)


def _out_axes(who: str, out_axes: Axes, out: Any) -> list[int | None]:
    """An axis for every leaf of the output."""
    import optree

    entries, spec = optree.tree_flatten(out_axes, none_is_leaf=True)
    try:
        parts = spec.flatten_up_to(out)
    except ValueError as error:
        raise InputError(
            f"{who}: out_axes is not nested as the output is: {error!s:.200}"
        ) from None
    axes: list[int | None] = []
    for entry, part in zip(entries, parts, strict=True):
        axes += [_axis(who, "out_axes", entry)] * len(optree.tree_leaves(part, none_is_leaf=True))
    return axes


def _shared(who: str, leaf: Any) -> Any:
    if isinstance(leaf, Traced) or is_number(leaf):
        return leaf
    raise OutputError(
        f"{who}: the function returned {type(leaf).__name__} {leaf!r:.60}; examples are stacked, "
        "so it may return numbers, arrays, and containers of them"
        + (". Did it forget to return its result?" if leaf is None else "")
    )


def _delivered(
    who: str, value: Any, is_many: bool, axis: int | None, count: int, held: set[int]
) -> Any:
    """One output, its examples along `axis`, in memory of its own."""
    if axis is None:
        if is_many:
            raise OutputError(
                f"{who}: out_axes is None for an output that differs between the examples; "
                "give the axis they go along"
            )
        return value
    rank = len(getattr(value, "shape", ())) + (not is_many)
    if not -rank <= axis < rank:
        raise InputError(f"{who}: out_axes is {axis}, but that output has {rank} axes")
    whole = moved(spread(value, is_many, count), (0,), (axis % rank,))
    if isinstance(whole, np.ndarray):
        if whole.base is not None or id(whole) in held or not whole.flags.writeable:
            whole = whole.copy()
        held.add(id(whole))
    return whole
