"""Checkpoint: a function whose inner values are not kept, but worked out again when needed.

The function runs as it stands, and its rows are recorded like any others. Only when its call is
over do the traces that took part let go of the arrays in between. Which traces those are, what was
returned tells: a value's own trace, the trace of the value it holds, and so on.
"""

import sys
from collections.abc import Callable, Container, Iterable
from functools import wraps
from typing import Any

from chainrule.circuit.notes import Region
from chainrule.errors import InputError
from chainrule.trace.frames import user_frame, where
from chainrule.trace.trace import Trace, open_traces
from chainrule.trace.traced import Traced


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, with less memory taken for its gradient: arrays made in a call of it are not kept for the
    backward pass, which works them out again, once, when it gets there.

    Values and gradients keep every bit. What f returns is kept, so checkpoint the steps of a long
    computation, each by itself: n steps checkpointed in about sqrt(n) blocks take the memory of
    about 2 sqrt(n). Calls may nest. Outside of a gradient f just runs.
    Raises InputError for what is not a function.
    """
    if not callable(f):
        raise InputError(
            f"checkpoint takes a function and gives one; it was given {f!r:.60}"
            f"{where(user_frame)}\n"
            "  Write checkpoint(f)(x), not checkpoint(f(x))."
        )

    @wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        begins = {trace.birth: len(trace) for trace in open_traces()}
        out = f(*args, **kwargs)
        for trace, outputs in _traces(out):
            if trace.calls is not None:
                trace.calls.leave(sys._getframe())
            if trace.birth in begins:
                _end_region(trace, begins[trace.birth], outputs)
        return out

    return checkpointed


PASSES_ON = checkpoint(abs).__code__  # code that returns just what the function it calls returns


def _traces(out: Any) -> Iterable[tuple[Trace, set[int]]]:
    """The traces that hold what was returned, each with its wires of it."""
    found: dict[int, tuple[Trace, set[int]]] = {}
    for value in _leaves(out):
        while isinstance(value, Traced):
            found.setdefault(value.birth, (value.trace, set()))[1].add(value.wire)
            value = value.value
    return found.values()


def _end_region(trace: Trace, first: int, outputs: Container[int]) -> None:
    """The call whose rows begin at `first` is over: let go of its arrays, but the outputs."""
    stop = len(trace)
    if first == stop:
        return
    trace.let_go(first, trace.kinds(first), outputs)
    trace.regions.append(Region(first, stop))


def _leaves(out: Any) -> Iterable[Any]:
    if isinstance(out, Traced):
        return [out]
    import optree

    return optree.tree_leaves(out, none_is_leaf=True)
