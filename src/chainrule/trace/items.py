"""Picking from a traced array, x[key]: what the common keys mean is looked up."""

from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_OPERATOR
from chainrule.gates.index import indexing, is_places
from chainrule.gates.keys import Key, names_of_indices, python_key
from chainrule.trace.frames import Find, user_frame, where
from chainrule.trace.steps import Shaped, Step, step_of
from chainrule.trace.trace import finished
from chainrule.trace.traced import Traced, call, later, stage, stage_of_one, traced

INDEX = BY_OPERATOR["getitem"]


def item(x: Traced, key: Any, find: Find = user_frame) -> Any:
    """x[key]."""
    if x.__class__ is not Traced or x.value.__class__ is not np.ndarray:
        return call(INDEX, find, x, key)
    parts = key if key.__class__ is tuple else (key,)
    basic = basic_key(parts)
    if basic is not None:
        step = _of_key(x.value.shape, basic)
        return stage_of_one(x, step, step.run, find)
    if all(map(is_places, parts)):
        return _picked(x, parts, find)
    return call(INDEX, find, x, key)


def _picked(x: Traced, places: tuple[Any, ...], find: Find) -> Traced:
    """x at index arrays that are the whole key: a stage with them as constants."""
    trace, step = x.trace, _at_places(len(places))
    if not trace.is_open:
        raise finished(where(find))
    wires = [x.wire, *map(trace.constant, places)]
    try:
        value = x.value[places]
    except IndexError:  # which the gate tells in its own words
        return stage(trace, step, (x, *places), find)
    return traced(trace, trace.record(step.kind(value), wires, value, find), value)


def basic_key(parts: tuple[Any, ...]) -> Key | None:
    """A key of Python's own integers, slices of them, None and `...` as settings; else None."""
    found = []
    for part in parts:
        if part.__class__ is slice:
            part = (part.start, part.stop, part.step)
            if any(n.__class__ is not int and n is not None for n in part):
                return None
        elif part is Ellipsis:
            part = "..."
        elif part.__class__ is not int and part is not None:
            return None
        found.append(part)
    return tuple(found)


@lru_cache(maxsize=4096)
def _of_key(shape: tuple[int, ...], key: Key) -> Step:
    bind: Any = INDEX.bind
    _, attrs = bind(Shaped(shape), python_key(key))
    return step_of(INDEX, attrs)


@lru_cache
def _at_places(count: int) -> Step:
    """Picking at so many index arrays, which are the whole key."""
    return step_of(indexing(count), {"key": names_of_indices(count)})


later.item = item
