"""Writing to traced arrays: x[key] = v and x += v as stages, views kept in step; see cells."""

import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_NAME, INPUT, KINDS, attrs_key, kind_id
from chainrule.circuit.types import type_id
from chainrule.errors import PlaceError, ShapeError, UnsupportedError
from chainrule.gates.index import bind_write
from chainrule.gates.keys import Key, python_key
from chainrule.gates.move import shape_of
from chainrule.trace.cells import (
    LEAVES,
    Cell,
    Share,
    arrays_of,
    is_basic,
    is_same_memory,
    key_of,
    picked,
    plain,
)
from chainrule.trace.fixed import is_fixed
from chainrule.trace.frames import Find, cannot, where
from chainrule.trace.items import basic_key
from chainrule.trace.make import array_of
from chainrule.trace.steps import Shaped, Step, step_of
from chainrule.trace.trace import Trace, finished
from chainrule.trace.traced import (
    Traced,
    capture,
    explained,
    later,
    record,
    traced,
    youngest,
)


class Stale(Traced):
    """A view whose base was written to since; read again when its wire or value is asked for."""

    __slots__ = ()

    @property
    def wire(self) -> int:  # type: ignore[override]  # a slot again, once read
        """Its newest wire."""
        return _renewed(self).wire

    @property
    def value(self) -> Any:
        """Its newest value."""
        return _renewed(self).value


def _renewed(view: Traced) -> Traced:
    """A stale view, read again from its base."""
    trace, share = view.trace, view.share
    assert share is not None
    if not trace.is_open:
        raise finished()
    view.__class__ = Traced
    del trace.stale[id(view)]
    before, wire, value = view.wire, share.cell.wire, share.cell.value
    for gate, attrs in share.steps:
        value = gate(value, **attrs)
        wire = trace.renew(kind_id(gate, attrs_key(attrs), type_id(value)), wire, value)
    trace.renewed[wire] = before
    view.wire, view.value = wire, value
    share.cell.fresh.append(weakref.ref(view))
    return view


def _write(target: Traced, key: Any, v: Any, find: Find) -> None:
    """target[key] = v: one stage on the base, in its memory."""
    if isinstance(v, list | tuple) and not is_fixed(v):
        v = array_of(target, find, v)
    cell, steps = _writable(target, v, "[...] = ", find)
    trace, view = target.trace, cell.memory(steps)
    if not view.flags.writeable:
        raise cannot("a read-only view was written to, such as np.broadcast_to gives",
                      "write to a copy, y = np.copy(view)")
    if isinstance(v, Traced) and v.share is not None and v.share.cell is cell and is_basic(key) \
            and is_same_memory(_picked(view, key, find), cell.memory(v.share.steps)):
        return  # y[1:3] += 1 writes to the view y[1:3], and then once more to y
    if _is_mask(key, view.shape) and not np.shape(v):
        chosen = record(youngest((target, key, v)), BY_NAME["where"], (key, v, target), {}, find)
        _assign(target, chosen, find)
        return
    base = traced(trace, cell.wire, cell.value)
    if steps:
        v, key = _in_base(plain(cell.value), view, key, v, find)
    try:
        step, operands = _meant(base, key, v)
    except ShapeError as error:
        raise type(error)(f"{error}{where(find)}") from None
    except TypeError as error:
        raise UnsupportedError(f"x[...] = v: {error}{where(find)}") from None
    _record_write(trace, cell, step, operands, find)


def _meant(base: Traced, key: Any, v: Any) -> tuple[Step, Sequence[Any]]:
    """The step that base[key] = v is, and its operands."""
    basic = basic_key(key if key.__class__ is tuple else (key,))
    if basic is not None and not shape_of(v):
        return _of_number(base.shape, basic), (base, v)
    gate, operands, attrs = bind_write(base, key, v)
    return step_of(gate, attrs), operands


@lru_cache(maxsize=4096)
def _of_number(shape: tuple[int, ...], key: Key) -> Step:
    gate, _, attrs = bind_write(Shaped(shape), python_key(key), 0.0)
    return step_of(gate, attrs)


def _is_mask(key: Any, shape: tuple[int, ...]) -> bool:
    """True for flags of a whole array: where they are true, a number is chosen for it."""
    return getattr(key, "shape", ()) == shape and key.dtype.kind == "b"


def _record_write(
    trace: Trace, cell: Cell, step: Step, operands: Sequence[Any], find: Find
) -> None:
    """One row for a write; the memory changes in place, or a copy of it if it is needed."""
    gate, attrs = step.gate, step.attrs
    wires = [cell.wire] + [
        x.wire if isinstance(x, Traced) and x.trace is trace else capture(trace, x, gate, find)
        for x in operands[1:]
    ]
    others = [
        x.value if isinstance(x, Traced) and x.trace is trace else trace.values[wire]
        for x, wire in zip(operands[1:], wires[1:], strict=True)
    ]
    values = [cell.value, *others]
    _refuse_fractions(values, find)
    trace.note_reads()
    before = cell.wire
    try:
        if trace.is_nested and any(isinstance(x, Traced) for x in values):
            cell.value, cell.is_own = gate(*values, **attrs), False
        else:
            if not cell.is_own:
                cell.value = np.array(cell.value)  # in the order of its axes in memory
            gate.change(cell.value, *others, **attrs)  # type: ignore[misc]  # such gates have one
            cell.is_own = True
    except (ValueError, IndexError, ShapeError) as error:
        raise explained(gate, values, attrs, error, find) from error
    _new_version(trace, cell, trace.record(step.kind(cell.value), wires, cell.value, find), before)


def _new_version(trace: Trace, cell: Cell, wire: int, before: int) -> None:
    """A cell's newest version; its base moves on, its views are stale."""
    cell.wire = wire
    trace.renewed[wire] = before
    trace.sharing.pop(before, None)
    trace.sharing[wire] = cell
    base = cell.base()
    if base is not None:
        base.wire, base.value = wire, cell.value
    for reference in cell.fresh:
        view = reference()
        if view is not None:
            view.__class__ = Stale
            trace.stale[id(view)] = _reading_again(reference, trace, id(view))
    cell.fresh.clear()


def _reading_again(reference: Any, trace: Trace, key: int) -> Callable[[], object]:
    """Reads a stale view again, if it is still there."""
    def read_again() -> object:
        view = reference()
        if view is None:
            return trace.stale.pop(key, None)
        return _renewed(view)

    return read_again


def _assign(target: Any, made: Traced, find: Find) -> Traced:
    """target += x, where `made` is target + x: a new version of an array; a number is rebound."""
    if not isinstance(target, Traced) or not target.shape:
        return made
    if made.shape != target.shape:
        raise ShapeError(
            f"an array of shape {list(target.shape)} cannot hold what is assigned to it in place, "
            f"of shape {list(made.shape)}{where(find)}"
        )
    cell, steps = _writable(target, made, " += ", find)
    if made.dtype != target.dtype:
        _refuse_fractions((plain(target.value), plain(made.value)), find)
        made = record(made.trace, BY_NAME["cast"], (made,), {"dtype": target.dtype.name}, find)
    if steps:
        _write(target, ..., made, find)
    else:
        cell.value, cell.is_own = _laid_out(made.value, cell.value), False
        target.trace.values[made.wire] = cell.value
        before = target.wire
        target.wire, target.value = made.wire, cell.value
        _new_version(target.trace, cell, made.wire, before)
    return target


def _laid_out(value: Any, before: Any) -> Any:
    """The numbers in the memory order they had before, which decides what later views share."""
    if not isinstance(value, np.ndarray) or not isinstance(before, np.ndarray) \
            or value.strides == before.strides:
        return value
    found = np.empty_like(before)
    found[...] = value
    return found


def _writable(target: Traced, v: Any, how: str, find: Find) -> tuple[Cell, tuple[Any, ...]]:
    """The cell of an array, and how it lies in it; raises for what must not be written to."""
    trace = target.trace
    if not trace.is_open:
        raise finished()
    share = target.share
    if isinstance(v, Traced) and v.birth > trace.birth:
        if share is not None:
            raise cannot(
                "a value of an inner gradient was written into an array from outside of its "
                "function", "make the array inside, and return it",
            )
        _refuse_arguments(target, how, find)
        before = traced(trace, target.wire, target.value)
        inner = record(v.trace, COPY, (before,), {"order": "K"}, find)
        target.trace, target.wire, target.value = inner.trace, inner.wire, inner.value
        trace = v.trace
    if share is None:
        _refuse_arguments(target, how, find)
        if not isinstance(plain(target.value), np.ndarray):
            raise cannot("a number was written to as if it were an array",
                          "give it a new value, y = v")
        share = target.share = Share(Cell(target.wire, target.value, weakref.ref(target)))
    elif not share.cell.is_own:
        _refuse_arguments(traced(trace, share.cell.wire, share.cell.value), how, find)
    return share.cell, share.steps


def _refuse_arguments(target: Traced, how: str, find: Find) -> None:
    """Raise for an argument, a captured array, or a view of one."""
    trace, wire = target.trace, target.wire
    kind, operands = trace.row(wire)
    while KINDS[kind].gate.makes_view:
        wire = operands[0]
        kind, operands = trace.row(wire)
    gate, is_view = KINDS[kind].gate, wire != target.wire
    if gate not in LEAVES or (is_view and not np.may_share_memory(
        plain(target.value), plain(trace.values[wire])
    )):
        return
    names = trace.names.get(wire)
    what = ("a view of " if is_view else "") + (
        "an argument" if gate is INPUT else "an array from outside of the function"
    )
    name = f", {names[0]}," if names else ""
    written = names[0] if names else "x"
    raise cannot(
        f"{what}{name} was written to: y{how}value would change what the caller holds",
        f"y = {written}.copy(), and write to y",
    )


def _refuse_fractions(values: Sequence[Any], find: Find) -> None:
    """Raise where an array of integers would cut what is written to it."""
    first = plain(values[0])
    if first.__class__ is np.ndarray and first.dtype.kind == "f":
        return
    held, written = np.result_type(first), np.result_type(plain(values[1]))
    if held.kind in "iub" and written.kind == "f":
        raise UnsupportedError(
            f"{written} numbers were written to an array of {held}, which would cut off their "
            f"fractions and lose their gradient{where(find)}\n  Make the array of floats."
        )


def _picked(view: Any, key: Any, find: Find) -> Any:
    try:
        return picked(view, key)
    except IndexError as error:
        raise PlaceError(
            f"a key does not fit the shape {list(view.shape)}: {error}{where(find)}"
        ) from None


def _in_base(base: Any, view: Any, key: Any, v: Any, find: Find) -> tuple[Any, Any]:
    """A write to a view as one to its base: what is written, and at which key."""
    if is_basic(key):
        part = _picked(view, key, find)
        found = key_of(base, part)
        if any(isinstance(k, np.ndarray) for k in found):
            return v, found
        return _without_ones(v, part.shape, find), found
    parts = key if isinstance(key, tuple) else (key,)
    try:
        return v, arrays_of(base, view, tuple(plain(p) for p in parts))
    except IndexError as error:
        raise PlaceError(
            f"a key does not fit the shape {list(view.shape)}: {error}{where(find)}"
        ) from None


def _without_ones(v: Any, shape: tuple[int, ...], find: Find) -> Any:
    """What is written to a part, without the axes that have size 1 there."""
    v = np.asarray(v) if isinstance(v, list | tuple) else v
    mine = tuple(getattr(v, "shape", ()))
    spare = len(mine) - len(shape)
    try:
        fits = np.broadcast_shapes(mine[max(spare, 0):], shape) == shape
    except ValueError:
        fits = False
    if not fits or any(n != 1 for n in mine[: max(spare, 0)]):
        raise ShapeError(
            f"a part of shape {list(shape)} cannot hold what is written to it, of shape "
            f"{list(mine)}{where(find)}"
        )
    mine = mine[max(spare, 0):]
    kept = tuple(n for n, wide in zip(mine[::-1], shape[::-1], strict=False) if wide != 1)[::-1]
    return v if kept == tuple(getattr(v, "shape", ())) else RESHAPE(v, shape=kept)


COPY, RESHAPE = BY_NAME["copy"], BY_NAME["reshape"]
later.write, later.assign = _write, _assign
