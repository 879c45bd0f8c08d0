"""Traced: a number or array that records what is done to it. A carrier with NumPy's face."""

import math
import operator
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from chainrule.circuit.record import (
    BY_METHOD,
    BY_NAME,
    BY_NUMPY,
    BY_OPERATOR,
    CONSTANT,
    INPUT,
    KINDS,
    Gate,
    attrs_key,
    kind_id,
)
from chainrule.circuit.types import FLOAT, TYPES, WEAK, Type, is_number, type_id
from chainrule.errors import ShapeError, TraceError, UnsupportedError
from chainrule.gates.handle import BINARY, COMPARE, UNARY, Carrier
from chainrule.gates.index import bind_write
from chainrule.trace.cells import (
    Cell,
    Share,
    arrays_of,
    is_basic,
    is_same_memory,
    key_of,
    picked,
    plain,
)
from chainrule.trace.trace import LEAF, Trace, finished

_frame = sys._getframe
_new = object.__new__


def _as_plain(convert: Callable[..., Any]) -> Callable[..., Any]:
    """A method that gives a plain number: of what no input reaches, or not at all."""

    def method(self: "Traced", *settings: Any) -> Any:
        if is_fixed(self):
            return convert(self.value, *settings)
        raise _cannot(
            "float(x), int(x), complex(x), round(x) or math.f(x) was called on a traced value, "
            "or it was written into a plain array; this would lose its gradient",
            "write np.exp(x) instead of math.exp(x), and use x itself instead of float(x); to "
            "write into an array, make it with np.zeros(n, like=x), where x is traced",
        )

    return method


class Traced(Carrier):
    """A value inside a function being traced. Behaves as the number or array it stands for."""

    __slots__ = ("__weakref__", "share", "trace", "value", "wire")
    trace: Trace
    wire: int
    value: Any
    share: Share | None  # of a memory that is written to; not set: none so far

    @property
    def birth(self) -> int:  # type: ignore[override]  # the trace's own
        """Birth number of the trace; the youngest records."""
        return self.trace.birth

    @property
    def type_id(self) -> int:
        """Interned shape and dtype."""
        return type_id(self.value)

    @property
    def type(self) -> Type:
        """Shape, dtype and weakness."""
        return TYPES[self.type_id]

    def apply(self, gate: Gate, operands: Sequence[Any], attrs: Mapping[str, Any]) -> "Traced":
        """Record one stage in this trace; other operands become constants."""
        return record(self.trace, gate, operands, attrs, user_frame(_frame(1)))

    # ---- NumPy's face

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        gate = BY_NUMPY.get(ufunc)
        if gate is None or method != "__call__" or settings:
            if all(is_fixed(x) for x in inputs) and "out" not in settings:
                return getattr(ufunc, method)(*map(fixed_value, inputs), **settings)
            raise _no_gate(_ufunc_name(ufunc, method, settings))
        trace = youngest(inputs)
        return record(trace, gate, inputs, {}, user_frame(_frame(1)), ufunc)

    def __array_function__(
        self, function: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        about = _ABOUT_SHAPE.get(function)
        if about is not None:
            return about(*args, **kwargs)
        make = _MAKING.get(function)
        if make is not None:
            return make(self, user_frame(_frame(1)), *args, **kwargs)
        gate = BY_NUMPY.get(function)
        if gate is None:
            if all(is_fixed(x) for x in (*args, *kwargs.values())):
                return function(*map(fixed_value, args),
                                **{k: fixed_value(x) for k, x in kwargs.items()})
            raise _no_gate(f"np.{function.__name__}")
        return call(gate, user_frame(_frame(1)), *args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if is_fixed(self):
            return np.array(self.value, dtype)
        raise _cannot(
            "NumPy tried to turn a traced value into a plain array, which would lose its gradient",
            "np.array([...]) and np.asarray(...) cannot hold traced values, unless they are told "
            "like=x with a traced x: write np.array([...], like=x), and where you write into an "
            "array, make it with np.zeros(n, like=x)",
        )

    __float__, __int__, __complex__ = _as_plain(float), _as_plain(int), _as_plain(complex)
    __index__, __round__ = _as_plain(operator.index), _as_plain(round)
    __trunc__ = _as_plain(math.trunc)

    def __bool__(self) -> bool:
        outcome = bool(self.value)
        frame = user_frame(_frame(1))
        self.trace.decisions.append((self.wire, outcome, frame.f_code, frame.f_lasti))
        return outcome

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a traced number has no len()")
        return self.shape[0]

    def __iter__(self) -> Any:
        frame = user_frame(_frame(1))
        return iter([call(BY_OPERATOR["getitem"], frame, self, i) for i in range(len(self))])

    def __getitem__(self, key: Any) -> Any:
        return call(BY_OPERATOR["getitem"], user_frame(_frame(1)), self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _write(self, key, value, user_frame(_frame(1)))

    def __getattr__(self, name: str) -> Any:
        if name == "share":
            return None
        if name.startswith("__"):
            raise AttributeError(name)
        gate = BY_METHOD.get(name)
        if gate is not None:
            return lambda *args, **kwargs: call(gate, user_frame(_frame(1)), self, *args, **kwargs)
        raise UnsupportedError(
            f"a traced value has no attribute or method {name!r}"
            f"{where(user_frame(_frame(1)))}\n  Known: "
            + f"T shape dtype ndim size {' '.join(sorted(BY_METHOD))}, and the np functions "
            + ", ".join(known_numpy())
        )

    def __repr__(self) -> str:
        return f"Traced({self.value!r})"

    def __pos__(self) -> "Traced":
        return record(self.trace, COPY, (self,), {"order": "K"}, _frame(1)) if self.shape else self

    @property
    def T(self) -> "Traced":
        """The transpose."""
        return call(BY_NAME["transpose"], _frame(1), self)  # type: ignore[no-any-return]  # Traced


# What NumPy says of an array without looking at its numbers; nothing flows back from it.
_ABOUT_SHAPE: dict[Any, Callable[..., Any]] = {
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
}


# ---- arrays to write to


def _like(value: Any) -> Callable[..., Any]:
    """np.zeros_like and its kind: an array of one number, made by a stage."""

    def make(
        carrier: Traced, frame: Any, a: Any, dtype: Any = None, order: str = "K",
        subok: bool = True, shape: Any = None, device: Any = None,
    ) -> Any:
        wide = np.shape(a) if shape is None else shape
        return _full(carrier, frame, wide, value, dtype or a.dtype, of=a)

    return make


def _of_shape(value: Any) -> Callable[..., Any]:
    """np.zeros and its kind, with like=x."""

    def make(
        carrier: Traced, frame: Any, shape: Any, dtype: Any = None, order: str = "C",
        device: Any = None,
    ) -> Any:
        return _full(carrier, frame, shape, value, dtype or np.float64)

    return make


def _full(
    carrier: Traced, frame: Any, shape: Any, value: Any, dtype: Any, of: Any = None
) -> Any:
    """An array of one number as a traced value; plain where it is no array."""
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    name = np.dtype(dtype).name
    if not sizes:
        return np.full((), value, dtype)
    if isinstance(of, Traced) and of.shape == sizes:
        attrs = {"value": value, "dtype": None if of.dtype == np.dtype(dtype) else name}
        return record(of.trace, BY_NAME["full_like"], (of,), attrs, frame)
    attrs = {"shape": tuple(int(n) for n in sizes), "value": value, "dtype": name}
    return record(carrier.trace, BY_NAME["full"], (carrier,), attrs, frame)


def _filled(
    carrier: Traced, frame: Any, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C",
    device: Any = None,
) -> Any:
    """np.full with like=x."""
    if isinstance(fill_value, int | float | np.number) and not isinstance(fill_value, np.bool_):
        value = fill_value.item() if isinstance(fill_value, np.number) else fill_value
        return _full(carrier, frame, shape, value, dtype or np.asarray(fill_value).dtype)
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    wide = call(BY_NAME["broadcast_to"], frame, _array(carrier, frame, fill_value), sizes)
    return _array(carrier, frame, wide, dtype)


def _filled_like(
    carrier: Traced, frame: Any, a: Any, fill_value: Any, dtype: Any = None, order: str = "K",
    subok: bool = True, shape: Any = None, device: Any = None,
) -> Any:
    wide = np.shape(a) if shape is None else shape
    return _filled(carrier, frame, wide, fill_value, dtype or a.dtype)


def _array(
    carrier: Traced, frame: Any, a: Any, dtype: Any = None, *, copy: Any = True, **settings: Any
) -> Any:
    """np.array with like=x: of numbers and traced values, nested as they may be."""
    if isinstance(a, list | tuple):
        parts = [_array(carrier, frame, x) for x in a]
        if any(isinstance(x, Traced) for x in parts):
            made = call(BY_NUMPY[np.stack], frame, parts)
        else:
            made = np.asarray(a)
    else:
        made = a
    if not np.shape(made):
        return made
    if not isinstance(made, Traced) or (made is a and copy):
        made = record(carrier.trace if not isinstance(made, Traced) else made.trace,
                      BY_NAME["copy"], (made,), {"order": "K"}, frame)
    if dtype is not None and made.dtype != np.dtype(dtype):
        made = record(made.trace, BY_NAME["cast"], (made,), {"dtype": np.dtype(dtype).name}, frame)
    return made


def _asarray(carrier: Traced, frame: Any, a: Any, dtype: Any = None, **settings: Any) -> Any:
    return _array(carrier, frame, a, dtype, copy=False)


_MAKING: dict[Any, Callable[..., Any]] = {
    np.zeros_like: _like(0), np.ones_like: _like(1), np.empty_like: _like(0),
    np.full_like: _filled_like, np.zeros: _of_shape(0), np.ones: _of_shape(1),
    np.empty: _of_shape(0), np.full: _filled, np.array: _array, np.asarray: _asarray,
}


def is_fixed(x: Any) -> bool:
    """True for plain values, and for traced ones that no input's number reaches."""
    if isinstance(x, list | tuple):
        return all(map(is_fixed, x))
    if not isinstance(x, Traced):
        return True
    waiting, known = [x.wire], {x.wire}
    while waiting:
        kind, operands = x.trace.row(waiting.pop())
        gate = KINDS[kind].gate
        if gate is INPUT:
            return False
        if not gate.reads_shape:
            waiting += [w for w in operands if w not in known]
            known.update(operands)
    return not isinstance(x.value, Traced)


def fixed_value(x: Any) -> Any:
    """The plain value of what `is_fixed`."""
    if isinstance(x, list | tuple):
        return type(x)(map(fixed_value, x))
    return x.value if isinstance(x, Traced) else x


def known_numpy() -> list[str]:
    """NumPy functions that have a gate, by name."""
    return sorted({f.__name__ for f in BY_NUMPY})


def call(gate: Gate, frame: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a gate to NumPy-style arguments, written at a frame."""
    operands: Sequence[Any] = args
    attrs: Mapping[str, Any] = kwargs
    if gate.bind is not None:
        try:
            bound = gate.bind(*args, **kwargs)  # (operands, attrs), or another gate before them
            gate, operands, attrs = bound if len(bound) == 3 else (gate, *bound)
        except ShapeError as error:
            raise ShapeError(f"{error}{where(frame)}") from None
        except TypeError as error:
            raise UnsupportedError(f"{gate.name}: {error}{where(frame)}") from None
    return record(youngest(operands), gate, operands, attrs, frame)


def youngest(operands: Sequence[Any]) -> Trace:
    """The trace that records: of all operands' traces the one born last."""
    traces = [x.trace for x in operands if isinstance(x, Traced)]
    if not traces:
        raise _cannot("a traced value was passed inside a list", "pass it as the argument itself")
    return max(traces, key=lambda t: t.birth)


def record(
    trace: Trace,
    gate: Gate,
    operands: Sequence[Any],
    attrs: Mapping[str, Any],
    frame: Any,
    ufunc: np.ufunc | None = None,
) -> Traced:
    """Compute a stage's value and record it. By a ufunc, Python numbers give NumPy's."""
    if not trace.is_open:
        raise finished()
    wires = [
        x.wire if isinstance(x, Traced) and x.trace is trace else _capture(trace, x, gate, frame)
        for x in operands
    ]
    values = [trace.values[w] for w in wires]
    try:
        if ufunc is not None:
            value = ufunc(*values)
        else:  # values of an older trace are that trace's to compute, and to record
            value = gate(*values, **attrs) if trace.is_nested else gate.compute(values, attrs)
        if value.__class__ is np.ndarray and not value.shape:
            value = value[()]
    except ChainError as error:
        raise type(error)(f"{error}{where(frame)}") from None
    except (ValueError, TypeError) as error:
        raise _explained(gate, wires, attrs, trace, error, frame) from error
    kind = kind_id(gate, attrs_key(attrs), type_id(value))
    made = traced(trace, trace.record(kind, wires, value, frame), value)
    if gate.makes_view and made.shape and isinstance(operands[0], Traced):
        _share(made, operands[0], gate, attrs)
    return made


ChainError = (ShapeError, UnsupportedError)


def _explained(
    gate: Gate, wires: Sequence[int], attrs: Any, trace: Trace, error: Exception, frame: Any
) -> Exception:
    """Our own words for what NumPy refused, where the gate's type rule can tell."""
    try:
        gate.infer([TYPES[type_id(trace.values[w])] for w in wires], **attrs)
    except ShapeError as ours:
        return ShapeError(f"{ours}{where(frame)}")
    return UnsupportedError(f"{gate.name}: {error}{where(frame)}")


def _capture(trace: Trace, value: Any, gate: Gate, frame: Any) -> int:
    """A constant for a value from outside the trace."""
    if isinstance(value, Traced):
        if not value.trace.is_open:
            raise finished()
        trace.is_nested = True
    elif not is_number(value):
        value = _as_array(value, gate, frame)
    elif value.__class__ is int and abs(value) > EXACT:
        value = float(value)  # what meeting a float makes of it
    elif isinstance(value, np.ndarray) and not value.shape:
        value = value[()]
    return trace.constant(value)


EXACT = 2**53  # integers up to here are floats without rounding


def _as_array(value: Any, gate: Gate, frame: Any) -> Any:
    """Lists of plain numbers, as NumPy would read them."""
    if isinstance(value, list | tuple):
        array = np.asarray(value)
        if is_number(array):
            return array
    raise UnsupportedError(
        f"{gate.name} cannot take {type(value).__name__} {value!r:.60}{where(frame)}\n"
        "  A wire carries real numbers: Python int or float, or NumPy arrays of them."
    )


def traced(trace: Trace, wire: int, value: Any) -> Traced:
    """A traced value for a wire of a trace."""
    made = _new(Traced)
    made.trace = trace
    made.wire = wire
    made.value = value
    return made


# ---- fast operators: the same as `record`, with the common cases spelled out


def _binary(
    gate: Gate, *, reflected: bool = False, in_place: bool = False
) -> Callable[[Any, Any], Any]:
    """An operator method. Its body is the inner loop of every eager gradient.

    in_place: of y += x, which is y = y + x for numbers and writes to an array.
    """
    compute = _swapped(gate.evaluate) if reflected else gate.evaluate
    float_kind = kind_id(gate, (), FLOAT)
    constants = {cls: (kind_id(CONSTANT, (), WEAK[cls]), *LEAF) for cls in (float, int)}
    kinds: dict[Any, int] = {}

    def operate(self: Traced, other: Any) -> Any:
        trace = self.trace
        log = trace.log
        if len(log) > trace.limit:
            trace.make_room()
        values = trace.values
        cls = other.__class__
        if cls is Traced and other.trace is trace:
            wire, theirs = other.wire, other.value
        elif cls is float or (cls is int and -EXACT <= other <= EXACT):
            wire, theirs = len(values), other
            values.append(other)
            log += constants[cls]
        else:
            return _slow(
                gate, (other, self) if reflected else (self, other), _frame(1), in_place
            )
        frame = _frame(1)
        if frame is not trace.frame:
            trace.enter(frame)
        try:
            value = compute(self.value, theirs)
        except (ArithmeticError, ValueError):
            value = None
        cls = value.__class__
        if cls is float:
            kind = float_kind
        elif cls is np.ndarray:
            kind = kinds.get((value.shape, value.dtype)) or new_kind(value)
        elif cls is np.float64:
            kind = kinds.get(cls) or new_kind(value)
        else:  # refused, complex, or a value of an older trace
            return _slow(gate, (other, self) if reflected else (self, other), frame, in_place)
        made = _new(Traced)
        made.trace = trace
        made.wire = len(values)
        made.value = value
        values.append(value)
        if reflected:
            log += (kind, wire, self.wire, trace.call, frame.f_lasti)
        else:
            log += (kind, self.wire, wire, trace.call, frame.f_lasti)
        if in_place and cls is np.ndarray:
            return _assign(self, made, frame)
        return made

    def new_kind(value: Any) -> int:
        key = (value.shape, value.dtype) if isinstance(value, np.ndarray) else value.__class__
        found = kinds[key] = kind_id(gate, (), type_id(value))
        return found

    return operate


def _swapped(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: compute(y, x)


def _slow(gate: Gate, operands: tuple[Any, Any], frame: Any, in_place: bool) -> Any:
    if not all(isinstance(x, Traced | list | tuple) or is_number(x) for x in operands):
        return NotImplemented
    made = record(youngest(operands), gate, operands, {}, frame)
    return _assign(operands[0], made, frame) if in_place else made


def _compare(gate: Gate) -> Callable[[Any, Any], Any]:
    def compare(self: Traced, other: Any) -> Any:
        if not (isinstance(other, Traced) or is_number(other)):
            return NotImplemented
        operands = (self, other)
        return record(youngest(operands), gate, operands, {}, _frame(1))

    return compare


def _unary(gate: Gate) -> Callable[[Any], Any]:
    return lambda self: record(self.trace, gate, (self,), {}, _frame(1))


def _install() -> None:
    for python, name in BINARY.items():
        setattr(Traced, f"__{python}__", _binary(BY_NAME[name]))
        setattr(Traced, f"__i{python}__", _binary(BY_NAME[name], in_place=True))
        setattr(Traced, f"__r{python}__", _binary(BY_NAME[name], reflected=True))
    for python, name in COMPARE.items():
        setattr(Traced, f"__{python}__", _compare(BY_NAME[name]))
    for python, name in UNARY.items():
        setattr(Traced, f"__{python}__", _unary(BY_NAME[name]))


_install()


# ---- writing


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


def _share(made: Traced, of: Traced, gate: Gate, attrs: Mapping[str, Any]) -> None:
    """Note that a new value is a view of another, if it is and that may be written to."""
    if not np.may_share_memory(plain(made.value), plain(of.value)):
        return
    share = of.share
    if share is None:
        if KINDS[of.trace.row(of.wire)[0]].gate in LEAVES:
            return
        share = of.share = Share(Cell(of.wire, of.value, weakref.ref(of)))
    made.share = Share(share.cell, (*share.steps, (gate, attrs)))
    share.cell.fresh.append(weakref.ref(made))


def _write(target: Traced, key: Any, v: Any, frame: Any) -> None:
    """target[key] = v: one stage on the base, in its memory."""
    if isinstance(v, list | tuple) and not is_fixed(v):
        v = _array(target, frame, v)
    cell, steps = _writable(target, v, "[...] = ", frame)
    trace, view = target.trace, cell.memory(steps)
    if not view.flags.writeable:
        raise _cannot("a read-only view was written to, such as np.broadcast_to gives",
                      "write to a copy, y = np.copy(view)")
    if isinstance(v, Traced) and v.share is not None and v.share.cell is cell and is_basic(key) \
            and is_same_memory(_picked(view, key, frame), cell.memory(v.share.steps)):
        return  # y[1:3] += 1 writes to the view y[1:3], and then once more to y
    if _is_mask(key, view.shape) and not np.shape(v):
        chosen = record(youngest((target, key, v)), BY_NAME["where"], (key, v, target), {}, frame)
        _assign(target, chosen, frame)
        return
    base = traced(trace, cell.wire, cell.value)
    if steps:
        v, key = _in_base(plain(cell.value), view, key, v, frame)
    try:
        gate, operands, attrs = bind_write(base, key, v)
    except ShapeError as error:
        raise ShapeError(f"{error}{where(frame)}") from None
    except TypeError as error:
        raise UnsupportedError(f"x[...] = v: {error}{where(frame)}") from None
    _record_write(trace, cell, gate, operands, attrs, frame)


def _is_mask(key: Any, shape: tuple[int, ...]) -> bool:
    """True for flags of a whole array: where they are true, a number is chosen for it."""
    return getattr(key, "shape", ()) == shape and key.dtype.kind == "b"


def _record_write(
    trace: Trace, cell: Cell, gate: Gate, operands: Sequence[Any], attrs: Mapping[str, Any],
    frame: Any,
) -> None:
    """One row for a write; the memory changes in place, or a copy of it if it is needed."""
    wires = [cell.wire] + [
        x.wire if isinstance(x, Traced) and x.trace is trace else _capture(trace, x, gate, frame)
        for x in operands[1:]
    ]
    _, *others = values = [cell.value, *(trace.values[w] for w in wires[1:])]
    _refuse_fractions(values, frame)
    trace.note_reads()
    before = cell.wire
    try:
        if any(isinstance(x, Traced) for x in values):
            cell.value, cell.is_own = gate(*values, **attrs), False
        else:
            if not cell.is_own:
                cell.value = np.array(cell.value)  # in the order of its axes in memory
            gate.change(cell.value, *others, **attrs)  # type: ignore[misc]  # such gates have one
            cell.is_own = True
    except (ValueError, IndexError, ShapeError) as error:
        raise _explained(gate, wires, attrs, trace, error, frame) from error
    kind = kind_id(gate, attrs_key(attrs), type_id(cell.value))
    _new_version(trace, cell, trace.record(kind, wires, cell.value, frame), before)


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


def _assign(target: Any, made: Traced, frame: Any) -> Traced:
    """target += x, where `made` is target + x: a new version of an array; a number is rebound."""
    if not isinstance(target, Traced) or not target.shape:
        return made
    if made.shape != target.shape:
        raise ShapeError(
            f"an array of shape {list(target.shape)} cannot hold what is assigned to it in place, "
            f"of shape {list(made.shape)}{where(frame)}"
        )
    cell, steps = _writable(target, made, " += ", frame)
    if made.dtype != target.dtype:
        _refuse_fractions((plain(target.value), plain(made.value)), frame)
        made = record(made.trace, BY_NAME["cast"], (made,), {"dtype": target.dtype.name}, frame)
    if steps:
        _write(target, ..., made, frame)
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


def _writable(target: Traced, v: Any, how: str, frame: Any) -> tuple[Cell, tuple[Any, ...]]:
    """The cell of an array, and how it lies in it; raises for what must not be written to."""
    trace = target.trace
    if not trace.is_open:
        raise finished()
    share = target.share
    if isinstance(v, Traced) and v.birth > trace.birth:
        if share is not None:
            raise _cannot(
                "a value of an inner gradient was written into an array from outside of its "
                "function", "make the array inside, and return it",
            )
        _refuse_arguments(target, how, frame)
        before = traced(trace, target.wire, target.value)
        inner = record(v.trace, COPY, (before,), {"order": "K"}, frame)
        target.trace, target.wire, target.value = inner.trace, inner.wire, inner.value
        trace = v.trace
    if share is None:
        _refuse_arguments(target, how, frame)
        if not isinstance(plain(target.value), np.ndarray):
            raise _cannot("a number was written to as if it were an array",
                          "give it a new value, y = v")
        share = target.share = Share(Cell(target.wire, target.value, weakref.ref(target)))
    elif not share.cell.is_own:
        _refuse_arguments(traced(trace, share.cell.wire, None), how, frame)
    return share.cell, share.steps


def _refuse_arguments(target: Traced, how: str, frame: Any) -> None:
    """Raise for an argument, a captured array, or a view of one."""
    trace, wire, is_view = target.trace, target.wire, False
    while True:
        kind, operands = trace.row(wire)
        gate = KINDS[kind].gate
        if gate in LEAVES:
            break
        if not gate.makes_view or not np.may_share_memory(
            plain(trace.values[wire]), plain(trace.values[operands[0]])
        ):
            return
        wire, is_view = operands[0], True
    names = trace.names.get(wire)
    what = ("a view of " if is_view else "") + (
        "an argument" if gate is INPUT else "an array from outside of the function"
    )
    name = f", {names[0]}," if names else ""
    written = names[0] if names else "x"
    raise _cannot(
        f"{what}{name} was written to: y{how}value would change what the caller holds",
        f"y = {written}.copy(), and write to y",
    )


def _refuse_fractions(values: Sequence[Any], frame: Any) -> None:
    """Raise where an array of integers would cut what is written to it."""
    held, written = np.result_type(plain(values[0])), np.result_type(plain(values[1]))
    if held.kind in "iub" and written.kind == "f":
        raise UnsupportedError(
            f"{written} numbers were written to an array of {held}, which would cut off their "
            f"fractions and lose their gradient{where(frame)}\n  Make the array of floats."
        )


def _picked(view: Any, key: Any, frame: Any) -> Any:
    try:
        return picked(view, key)
    except IndexError as error:
        raise ShapeError(
            f"a key does not fit the shape {list(view.shape)}: {error}{where(frame)}"
        ) from None


def _in_base(base: Any, view: Any, key: Any, v: Any, frame: Any) -> tuple[Any, Any]:
    """A write to a view as one to its base: what is written, and at which key."""
    if is_basic(key):
        part = _picked(view, key, frame)
        found = key_of(base, part)
        if any(isinstance(k, np.ndarray) for k in found):
            return v, found
        return _without_ones(v, part.shape, frame), found
    parts = key if isinstance(key, tuple) else (key,)
    try:
        return v, arrays_of(base, view, tuple(plain(p) for p in parts))
    except IndexError as error:
        raise ShapeError(
            f"a key does not fit the shape {list(view.shape)}: {error}{where(frame)}"
        ) from None


def _without_ones(v: Any, shape: tuple[int, ...], frame: Any) -> Any:
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
            f"{list(mine)}{where(frame)}"
        )
    mine = mine[max(spare, 0):]
    kept = tuple(n for n, wide in zip(mine[::-1], shape[::-1], strict=False) if wide != 1)[::-1]
    return v if kept == tuple(getattr(v, "shape", ())) else RESHAPE(v, shape=kept)


COPY, RESHAPE = BY_NAME["copy"], BY_NAME["reshape"]
LEAVES = (INPUT, CONSTANT)


# ---- where the user is


_PACKAGE = __name__.split(".")[0]


def user_frame(frame: Any) -> Any:
    """The nearest frame outside this package and NumPy."""
    found = frame
    while found is not None and _is_library(found.f_globals.get("__name__")):
        found = found.f_back
    return frame if found is None else found


def _is_library(module: Any) -> bool:
    return (
        isinstance(module, str)
        and module.startswith(_LIBRARY)  # the quick answer for most
        and module.split(".")[0] in _LIBRARY
    )


_LIBRARY = (_PACKAGE, "numpy")


def where(frame: Any) -> str:
    """One line naming the user's function, file and line."""
    if frame is None:
        return ""
    code, line = frame.f_code, frame.f_lineno
    return f"\n  in {code.co_name}, {code.co_filename} line {line}{_source(code, line)}"


def _source(code: CodeType, line: int) -> str:
    import linecache  # costs a tenth of importing this package, and only errors need it

    text = linecache.getline(code.co_filename, line).strip()
    return f":  {text}" if text else ""


def _cannot(what: str, instead: str) -> TraceError:
    return TraceError(f"{what}{where(user_frame(_frame(1)))}\n  Instead: {instead}.")


def _no_gate(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} has no gate{where(user_frame(_frame(1)))}\n"
        f"  Known: {', '.join(known_numpy())}."
    )


def _ufunc_name(ufunc: np.ufunc, method: str, settings: Mapping[str, Any]) -> str:
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    return name + (f" with {', '.join(settings)}=" if settings else "")
