"""Results in memory of the caller: `out=`, and arguments that are donated.

An array that takes a part of the result has its shape and dtype; afterwards it is that part.

    in place    machine code writes it, where it shares memory with nothing that is read, or lies
                just where an array lies of which nothing is read any more (llvm/overlap.py)
    copied      everywhere else the result is made first

So the numbers are those of a call that makes new arrays, whatever shares memory with whatever. A
call that raises leaves all arrays as they were.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.api.paths import Like, Path
from chainrule.api.results import Copied, Slot
from chainrule.backends.llvm.arrays import CompiledArrays, address
from chainrule.backends.llvm.compiled import Compiled
from chainrule.backends.llvm.nests import ArrayPlan
from chainrule.errors import InputError

Name = Callable[[], str]
Targets = Sequence[Any]  # for each leaf of a result, the array that takes it, or None


def takes_out(f: Callable[..., Any]) -> bool:
    """True for a function with an argument `out` of its own."""
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):  # some builtins do not tell
        return False
    return "out" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


# ---- which array takes what


def targets_in(out: Any, spec: Any, likes: Sequence[Like | None]) -> Targets:
    """The arrays of `out` for a result of this nesting. Raises InputError where they differ."""
    import optree

    leaves, nesting = optree.tree_flatten(out, none_is_leaf=True)
    if spec != nesting:
        raise InputError(f"out is nested as {nesting}, but the result as {spec}")
    for k, (x, wanted) in enumerate(zip(leaves, likes, strict=True)):
        wrong = _wrong(x, wanted)
        if wrong:
            raise InputError(f"{names_in('out', spec)[k]} {wrong}")
    for pair in meetings(leaves):
        i, j = sorted(pair)
        if np.shares_memory(leaves[i], leaves[j]):
            names = names_in("out", spec)
            raise InputError(f"{names[j]} shares memory with {names[i]}")
    return leaves


def _wrong(x: Any, wanted: Like | None) -> str | None:
    """Why an array cannot take a part of a result; None where it can."""
    if wanted is None:
        return "cannot take its part of the result, which is no number and no array"
    if not isinstance(x, np.ndarray):
        return f"is a {type(x).__name__}; out is made of NumPy arrays"
    if (x.shape, x.dtype) != (wanted.shape, wanted.dtype):
        there = f"{wanted.dtype} {list(wanted.shape)}"
        return f"is {x.dtype} {list(x.shape)}; the result there is {there}"
    return None if x.flags.writeable else "is read-only"


def names_in(name: str, spec: Any) -> list[str]:
    """How leaves are written: out[0], out['W']."""
    return [name + "".join(f"[{key!r}]" for key in path) for path in spec.paths()]


def targets_among(
    args: Sequence[Any], donated: Sequence[int], likes: Sequence[Like | None]
) -> Targets:
    """The donated arrays, each where the first result of its shape and dtype is that no other one
    takes. Raises InputError for an array that no result fits."""
    free: list[Like | None] = list(likes)
    targets: list[Any] = [None] * len(likes)
    arrays = [*_donated(args, donated)]
    for x, name in arrays:
        if not x.flags.writeable:
            raise InputError(f"{name()} is donated, but read-only")
        own = Like(x.shape, x.dtype)
        if own not in free:
            raise InputError(
                f"{name()} is donated, but no result is left to take its place: it is "
                f"{x.dtype} {list(x.shape)}"
            )
        targets[free.index(own)] = x
        free[free.index(own)] = None
    for pair in meetings([x for x, _ in arrays]):
        (x, first), (y, second) = (arrays[k] for k in sorted(pair))
        if np.shares_memory(x, y):
            raise InputError(f"{second()} shares memory with {first()}; both are donated")
    return targets


def _donated(args: Sequence[Any], places: Sequence[int]) -> Iterator[tuple[Any, Name]]:
    """The arrays in donated arguments, and what they are called. Other leaves have no memory that
    could be given."""
    import optree

    for k in places:
        if k >= len(args):
            raise InputError(f"argument {k} is donated, but the call has {len(args)} by position")
        leaves, spec = optree.tree_flatten(args[k], none_is_leaf=True)
        for at, x in enumerate(leaves):
            if isinstance(x, np.ndarray) and x.shape:
                yield x, partial(_name, k, spec, at)


def _name(k: int, spec: Any, at: int) -> str:
    return names_in(f"argument {k}", spec)[at]


# ---- shared memory


def meetings(arrays: Sequence[Any]) -> list[tuple[int, int]]:
    """Pairs of arrays that share memory, as far as the ends of their memory tell."""
    waiting: list[tuple[int, int]] = []  # (end, which) of those begun
    found = []
    ends = ((*_ends(x), k) for k, x in enumerate(arrays) if x.size)
    for begin, end, k in sorted(ends):
        waiting = [(e, j) for e, j in waiting if e > begin]
        found += [(j, k) for _, j in waiting]
        waiting.append((end, k))
    return found


def _ends(x: Any) -> tuple[int, int]:
    if not x.flags.c_contiguous:
        return np.lib.array_utils.byte_bounds(x)
    begin = address(x)
    return begin, begin + x.nbytes


def written_over(
    code: Compiled, args: Sequence[Any], donated: Sequence[int], slots: Sequence[Any],
    likes: Sequence[Like | None],
) -> list[tuple[int, int]] | None:
    """Outputs, each with the input whose array it takes, where machine code may write all of them
    directly; None where it may not."""
    import optree

    if not donated:
        return []
    if not isinstance(code, CompiledArrays):
        return None
    targets = targets_among(args, donated, likes)
    leaves = [optree.tree_leaves(x, none_is_leaf=True) for x in args]
    begins = [sum(map(len, leaves[:k])) for k in range(len(args))]
    places = {id(x): begins[k] + at for k in donated for at, x in enumerate(leaves[k])}
    pairs = []
    for slot, x in zip(slots, targets, strict=True):
        if x is None:
            continue
        source = places[id(x)]
        if not isinstance(slot, Slot) or not code.may_replace(slot.index, source):
            return None
        pairs.append((slot.index, source))
    return pairs


# ---- how it gets there


def computed_into(path: Path, inputs: Sequence[Any], targets: Targets) -> list[Any]:
    """The leaves of a result, computed by machine code, in their targets where they have one."""
    outputs = path.code.fill(inputs, places(path, inputs, targets))
    values = [x.boxed(outputs) if isinstance(x, Slot | Copied) else x for x in path.slots]
    return delivered(values, targets)


def delivered(values: Sequence[Any], targets: Targets) -> list[Any]:
    """The leaves of a result, copied to their targets where they are not there yet."""
    ready = [
        x.copy() if isinstance(x, np.ndarray) and _meets_other(x, t, targets) else x
        for x, t in zip(values, targets, strict=True)
    ]
    return [_set(t, x) for x, t in zip(ready, targets, strict=True)]


def _set(target: Any, value: Any) -> Any:
    if target is None:
        return value
    if target is not value:
        target[...] = value
    return target


def _meets_other(x: Any, own: Any, targets: Targets) -> bool:
    """True for an array that is not its own target, but may be overwritten through one."""
    return x is not own and any(t is not None and np.may_share_memory(x, t) for t in targets)


def places(path: Path, inputs: Sequence[Any], targets: Targets) -> list[Any]:
    """For each output the array that machine code may write directly, or None."""
    code = path.code
    into: list[Any] = [None] * len(code.plan.outputs)
    if path.outcomes or not isinstance(code, CompiledArrays):
        return into  # on another way, the arguments have to be what they were
    for slot, x in zip(path.slots, targets, strict=True):
        if isinstance(slot, Slot) and x is not None and x.shape and _is_ready(x):
            into[slot.index] = x
    slots = [k for k, x in enumerate(into) if x is not None]
    read = [*inputs, *captured(path)]
    arrays = [*(into[k] for k in slots), *(np.asarray(x) for x in read)]
    for pair in meetings(arrays):
        i, j = sorted(pair)
        if i >= len(slots):
            continue  # both are only read
        is_same = arrays[j].flags.c_contiguous and _ends(arrays[i]) == _ends(arrays[j])
        if not (is_same and code.may_replace(slots[i], j - len(slots))):
            into[slots[i]] = None
    return into


def captured(path: Path) -> list[Any]:
    """Arrays from outside the function, which machine code reads beside its inputs."""
    plan = path.code.plan
    return [array for _, array in plan.constants] if isinstance(plan, ArrayPlan) else []


def _is_ready(x: Any) -> bool:
    return type(x) in (np.ndarray, np.memmap) and x.flags.c_contiguous and x.flags.aligned
