"""Two traced calls compared, before machine code is made of them."""

from typing import Any

import numpy as np

from chainrule.api.recorded import Recorded, is_of
from chainrule.circuit.record import KINDS
from chainrule.errors import TraceError, UnsupportedError
from chainrule.trace.names import with_names
from chainrule.trace.places import span


def too_many_ways(recorded: Recorded, count: int) -> UnsupportedError:
    """The error for a function that keeps going new ways through its decisions."""
    _, _, code, lasti = recorded.trace.decisions[-1]
    return UnsupportedError(
        f"it went a new way through its decisions for the {count}th time, the last of them in "
        f"{code.co_name}, {code.co_filename} line {span(code, lasti).line}\n"
        f"  Machine code is kept for {count} ways. A loop whose length follows from the numbers "
        "goes a new way for each length; for a choice between two values write "
        "np.where(condition, x, y), or np.maximum(x, y) for max(x, y)."
    )


def check_same(first: Recorded, second: Recorded, name: str) -> None:
    """Both traces hold the same stages and constants.

    Raises UnsupportedError where the stages differ, TraceError where only a constant does.
    """
    others = zip(_others(first), _others(second), strict=True)
    if _stages(first) != _stages(second) or not all(_is_same(x, y) for x, y in others):
        raise UnsupportedError(
            f"two calls of {name} with the same kinds of arguments took different steps, so "
            "something outside of its arguments decides"
        )
    pairs = zip(first.circuit.constants, second.circuit.constants, strict=True)
    for row, (before, now) in zip(second.circuit.constant_rows, pairs, strict=True):
        if not _is_same(before, now):
            raise TraceError(
                f"jit({name}): a constant was {before!r:.40} in the first call and {now!r:.40} in "
                f"the second{_reader(second, row)}\n"
                "  Machine code would keep one of them for ever. Pass it in as an argument."
            )


def _stages(recorded: Recorded) -> tuple[Any, ...]:
    """All of a trace but its numbers; types are left out, where() has that of the branch taken."""
    c = recorded.circuit
    rows = [(KINDS[k].gate.id, repr(KINDS[k].key)) for k in c.kind]
    return rows, c.operand, c.inputs, c.outputs, recorded.spec, len(_others(recorded))


def _others(recorded: Recorded) -> list[Any]:
    """What the function returned that does not follow from its inputs."""
    return [x for x in recorded.leaves if not is_of(x, recorded.trace)]


def _is_same(x: Any, y: Any) -> bool:
    if x is y:
        return True  # an array read at each call, whatever it holds then
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    return x.__class__ is y.__class__ and repr(x) == repr(y)  # tells -0.0 from 0.0, keeps nan


def _reader(recorded: Recorded, constant: int) -> str:
    """Where the first stage stands that reads a constant."""
    circuit = with_names(recorded.circuit, recorded.trace)
    for row, _ in circuit.readers()[constant]:
        where = circuit.origin_of(row)
        if where is not None:
            return f": in {where.function}, {where}"
    return ""
