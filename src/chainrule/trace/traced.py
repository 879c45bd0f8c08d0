"""Traced: a number or array that records what is done to it. A carrier with NumPy's face."""

import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import (
    BY_METHOD,
    BY_NAME,
    BY_NUMPY,
    BY_OPERATOR,
    BY_SCIPY,
    CONSTANT,
    INPUT,
    KINDS,
    Gate,
    gate_of,
    kind_id,
    kind_of,
)
from chainrule.circuit.types import FLOAT, TYPES, WEAK, Type, is_number, type_id
from chainrule.errors import OutputError, ShapeError, TraceError, UnsupportedError
from chainrule.gates.composed import COMPOSED
from chainrule.gates.handle import BINARY, COMPARE, UNARY, Carrier
from chainrule.trace.cells import Share
from chainrule.trace.trace import LEAF, Trace, finished

_frame = sys._getframe
_new = object.__new__


class _Later:
    """What the modules `write` and `make` add; they need this one themselves."""

    write: Callable[..., None]  # x[key] = v
    assign: Callable[..., "Traced"]  # x += v
    share: Callable[..., None]  # a new value may be a view
    making: Mapping[Any, Callable[..., Any]]  # NumPy functions that make arrays


later = _Later()


def _as_plain(convert: Callable[..., Any]) -> Callable[..., Any]:
    """A method that gives a plain number: of what no input reaches, or not at all."""

    def method(self: "Traced", *settings: Any) -> Any:
        if is_fixed(self):
            return convert(self.value, *settings)
        raise cannot(
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

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.value.shape if self.value.__class__ not in WEAK else ()

    def apply(self, gate: Gate, operands: Sequence[Any], attrs: Mapping[str, Any]) -> "Traced":
        """Record one stage in this trace; other operands become constants."""
        return record(self.trace, gate, operands, attrs, user_frame(_frame(1)))

    # ---- NumPy's face

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        gate = gate_of(ufunc)
        if gate is None and ufunc in COMPOSED and method == "__call__" and not settings:
            return COMPOSED[ufunc](*inputs)
        if gate is None or method != "__call__" or settings:
            if all(is_fixed(x) for x in inputs) and "out" not in settings:
                return getattr(ufunc, method)(*map(fixed_value, inputs), **settings)
            raise _no_gate(_ufunc_name(ufunc, method, settings))
        trace = youngest(inputs)
        numpys = ufunc if ufunc in gate.numpy else None  # SciPy's bits may differ from the gate's
        return record(trace, gate, inputs, {}, user_frame(_frame(1)), numpys)

    def __array_function__(
        self, function: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        about = _ABOUT_SHAPE.get(function)
        if about is not None:
            return about(*args, **kwargs)
        make = later.making.get(function)
        if make is not None:
            return make(self, user_frame(_frame(1)), *args, **kwargs)
        if function in COMPOSED:
            return _compose(function, user_frame(_frame(1)), args, kwargs)
        gate = gate_of(function)
        if gate is None:
            if all(is_fixed(x) for x in (*args, *kwargs.values())):
                return function(*map(fixed_value, args),
                                **{k: fixed_value(x) for k, x in kwargs.items()})
            raise _no_gate(f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__}")
        return call(gate, user_frame(_frame(1)), *args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if is_fixed(self):
            return np.array(self.value, dtype)
        if name := _scipy_function(_frame(1)):
            gate = BY_SCIPY.get(name)
            raise cannot(
                f"SciPy's {name} turns a traced value into a plain array, which would lose its "
                "gradient",
                gate.written if gate is not None and gate.written else
                "write it with NumPy's functions, or with the ufuncs of scipy.special",
            )
        raise cannot(
            "NumPy tried to turn a traced value into a plain array, which would lose its gradient",
            "np.array([...]) and np.asarray(...) cannot hold traced values, unless they are told "
            "like=x with a traced x: write np.array([...], like=x), and where you write into an "
            "array, make it with np.zeros(n, like=x)",
        )

    __float__, __int__, __complex__ = _as_plain(float), _as_plain(int), _as_plain(complex)
    __index__, __round__ = _as_plain(operator.index), _as_plain(round)
    __trunc__ = _as_plain(math.trunc)

    def __bool__(self) -> bool:
        if self.type.size != 1:
            raise ShapeError(
                f"a decision needs one number, and this has shape {list(self.shape)}"
                f"{where(user_frame(_frame(1)))}\n"
                "  Instead: write np.where(condition, a, b) to decide for each number by itself."
            )
        outcome = bool(self.value)
        frame = user_frame(_frame(1))
        self.trace.decisions.append((self.wire, outcome, frame.f_code, frame.f_lasti))
        return outcome

    def __len__(self) -> int:
        if not self.shape:
            raise cannot("this is one number: it has no length, and no items to go through",
                          "give an array, or use the number itself")
        return self.shape[0]

    def __iter__(self) -> Any:
        frame = user_frame(_frame(1))
        return iter([call(BY_OPERATOR["getitem"], frame, self, i) for i in range(len(self))])

    def __getitem__(self, key: Any) -> Any:
        return call(BY_OPERATOR["getitem"], user_frame(_frame(1)), self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        later.write(self, key, value, user_frame(_frame(1)))

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
        if not self.shape:
            return self
        return record(self.trace, BY_NAME["copy"], (self,), {"order": "K"}, _frame(1))

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
    """NumPy functions that have a gate or are made of some, by name."""
    return sorted({f.__name__ for f in (*BY_NUMPY, *COMPOSED)})


def _compose(
    function: Callable[..., Any], frame: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """What a NumPy function made of others gives."""
    given = [x for x in (*args, *kwargs.values()) if isinstance(x, Traced)]
    before = len(given[0].trace) if given else 0
    try:
        found = COMPOSED[function](*args, **kwargs)
    except (TypeError, ShapeError) as error:
        if where(frame) in str(error):
            raise
        raised = type(error) if isinstance(error, ShapeError) else UnsupportedError
        raise raised(f"np.{function.__name__}: {error}{where(frame)}") from None
    if given and isinstance(found, Traced):
        for row in range(before, found.wire):  # only the last stage has the variable's name
            found.trace.names.setdefault(row, ())
    return found


def call(gate: Gate, frame: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a gate to NumPy-style arguments, written at a frame."""
    operands: Sequence[Any] = args
    attrs: Mapping[str, Any] = kwargs
    if gate.bind is not None:
        try:
            bound = gate.bind(*args, **kwargs)  # (operands, attrs), or another gate before them
            gate, operands, attrs = bound if len(bound) == 3 else (gate, *bound)
        except ShapeError as error:
            raise type(error)(f"{error}{where(frame)}") from None
        except TypeError as error:
            raise UnsupportedError(f"{gate.name}: {error}{where(frame)}") from None
    return record(youngest(operands), gate, operands, attrs, frame)


def youngest(operands: Sequence[Any]) -> Trace:
    """The trace that records: of all operands' traces the one born last."""
    found: Trace | None = None
    for x in operands:
        if isinstance(x, Traced) and (found is None or x.trace.birth > found.birth):
            found = x.trace
    if found is None:
        raise cannot("a traced value was passed inside a list", "pass it as the argument itself")
    return found


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
        raise finished(where(frame))
    wires = []
    values = []
    for x in operands:
        if isinstance(x, Traced) and x.trace is trace:
            wires.append(x.wire)
            values.append(x.value)
        else:
            wires.append(capture(trace, x, gate, frame))
            values.append(trace.values[wires[-1]])
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
        raise explained(gate, values, attrs, error, frame) from error
    kind = kind_of(gate, attrs, value)
    made = traced(trace, trace.record(kind, wires, value, frame), value)
    if gate.makes_view and made.shape and isinstance(operands[0], Traced):
        later.share(made, operands[0], gate, attrs)
    return made


ChainError = (ShapeError, UnsupportedError, OutputError)


def explained(
    gate: Gate, values: Sequence[Any], attrs: Any, error: Exception, frame: Any
) -> Exception:
    """Our own words for what NumPy refused, where the gate's type rule can tell."""
    try:
        gate.infer([TYPES[type_id(x)] for x in values], **attrs)
    except ShapeError as ours:
        return type(ours)(f"{ours}{where(frame)}")
    except UnsupportedError:
        pass  # the error at hand says more
    return UnsupportedError(f"{gate.name}: {error}{where(frame)}")


def capture(trace: Trace, value: Any, gate: Gate, frame: Any) -> int:
    """A constant for a value from outside the trace."""
    cls = value.__class__
    if cls is float or (cls is int and -EXACT <= value <= EXACT) or (
        cls is np.ndarray and value.shape and value.dtype.kind in "fiub"
    ):
        return trace.constant(value)  # as it stands; what is below gives the same, later
    if isinstance(value, Traced):
        if not value.trace.is_open:
            raise finished(where(frame))
        if trace.is_plain:
            trace.captured[len(trace)] = value
            value = plain_number(value)
        else:
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


def plain_number(value: Any) -> Any:
    """The number or array a value stands for, through all the traces that follow it."""
    while isinstance(value, Traced):
        value = value.value
    return value


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
            if not trace.is_open:
                raise finished(where(_frame(1)))
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
        elif cls is np.float64 or cls is np.float32:
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
            return later.assign(self, made, frame)
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
    return later.assign(operands[0], made, frame) if in_place else made


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


_LIBRARY = (_PACKAGE, "numpy", "scipy")


def _scipy_function(frame: Any) -> str:
    """The name of the SciPy function the user called, if that is how we came here; else ""."""
    name = ""
    while frame is not None and _is_library(module := frame.f_globals.get("__name__")):
        if module.startswith("scipy."):
            name = frame.f_code.co_name
        frame = frame.f_back
    return name


def where(frame: Any) -> str:
    """One line naming the user's function, file and line."""
    if frame is None:
        return ""
    code = frame.f_code
    return where_in(code.co_name, code.co_filename, frame.f_lineno)


def where_in(function: str, file: str, line: int) -> str:
    """The same, of a place known by its names."""
    import linecache  # costs a tenth of importing this package, and only errors need it

    text = linecache.getline(file, line).strip()
    return f"\n  in {function}, {file} line {line}" + (f":  {text}" if text else "")


def cannot(what: str, instead: str) -> TraceError:
    return TraceError(f"{what}{where(user_frame(_frame(1)))}\n  Instead: {instead}.")


def _no_gate(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} has no gate{where(user_frame(_frame(1)))}\n"
        f"  Known: {', '.join(known_numpy())}."
    )


def _ufunc_name(ufunc: np.ufunc, method: str, settings: Mapping[str, Any]) -> str:
    where_from = "np" if getattr(np, ufunc.__name__, None) is ufunc else "scipy.special"
    name = f"{where_from}.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    return name + (f" with {', '.join(settings)}=" if settings else "")
