"""Traced: a number or array that records what is done to it. A carrier with NumPy's face.

What Python's operators and NumPy's functions do with it stands in `operators` and `numpys`.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.circuit.record import BY_METHOD, BY_NAME, BY_OPERATOR, BY_SCIPY, Gate
from chainrule.circuit.types import TYPES, WEAK, Type, is_number, type_id
from chainrule.errors import OutputError, ShapeError, UnsupportedError
from chainrule.gates.handle import Carrier
from chainrule.trace.cells import Share, note_view, plain
from chainrule.trace.fixed import is_fixed
from chainrule.trace.frames import Find, caller, cannot, scipy_function, user_frame, where
from chainrule.trace.steps import Step, meant, step_of
from chainrule.trace.trace import Trace, finished

_new = object.__new__


class _Later:
    """What the modules `items`, `write`, `make` and `numpys` add; they need this one themselves.

    The first three load when one of them is first needed: many functions do without.
    """

    item: Callable[..., Any]  # x[key]
    write: Callable[..., None]  # x[key] = v
    assign: Callable[..., "Traced"]  # x += v
    making: Mapping[Any, Callable[..., Any]]  # NumPy functions that make arrays
    composed: Mapping[Any, Callable[..., Any]]  # those that are others in combination
    known_numpy: Callable[[], list[str]]  # names of the functions that can be traced

    if not TYPE_CHECKING:  # a type checker reads the names above, and finds misspelt ones

        def __getattr__(self, name: str) -> Any:
            BY_OPERATOR["getitem"]  # the gates they import load as a family: whole, or not at all
            import_module(f"{__package__}.write")  # which needs the others
            return vars(self)[name]


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
        return record(self.trace, gate, operands, attrs, user_frame)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if is_fixed(self):
            return np.array(self.value, dtype)
        if name := scipy_function():
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
                f"{where(user_frame)}\n"
                "  Instead: write np.where(condition, a, b) to decide for each number by itself."
            )
        outcome = bool(self.value)
        frame = user_frame()
        self.trace.decisions.append((self.wire, outcome, frame.f_code, frame.f_lasti))
        return outcome

    def __len__(self) -> int:
        if not self.shape:
            raise cannot("this is one number: it has no length, and no items to go through",
                          "give an array, or use the number itself")
        return self.shape[0]

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, key: Any) -> Any:
        return later.item(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        later.write(self, key, value, user_frame)

    def __getattr__(self, name: str) -> Any:
        if name == "share":
            return None
        if name.startswith("__"):
            raise AttributeError(name)
        gate = BY_METHOD.get(name)
        if gate is not None:
            return lambda *args, **kwargs: call(gate, user_frame, self, *args, **kwargs)
        raise UnsupportedError(
            f"a traced value has no attribute or method {name!r}"
            f"{where(user_frame)}\n  Known: "
            + f"T shape dtype ndim size {' '.join(sorted(BY_METHOD))}, and the np functions "
            + ", ".join(later.known_numpy())
        )

    def __repr__(self) -> str:
        return f"Traced({self.value!r})"

    def __pos__(self) -> "Traced":
        if not self.shape:
            return self
        return record(self.trace, BY_NAME["copy"], (self,), {"order": "K"}, caller)

    @property
    def T(self) -> "Traced":
        """The transpose."""
        return call(BY_NAME["transpose"], caller, self)  # type: ignore[no-any-return]  # Traced


# ---- recording


def call(gate: Gate, find: Find, *args: Any, **kwargs: Any) -> Any:
    """Apply a gate to NumPy-style arguments, written where `find` tells."""
    operands: Sequence[Any] = args
    attrs: Mapping[str, Any] = kwargs
    if gate.bind is not None:
        step = _settled(gate, args, kwargs)
        if step is not None:
            return stage_of_one(args[0], step, step.run, find)
        try:
            bound = gate.bind(*args, **kwargs)  # (operands, attrs), or another gate before them
            gate, operands, attrs = bound if len(bound) == 3 else (gate, *bound)
        except ShapeError as error:
            raise type(error)(f"{error}{where(find)}") from None
        except TypeError as error:
            raise UnsupportedError(f"{gate.name}: {error}{where(find)}") from None
    return record(youngest(operands), gate, operands, attrs, find)


def _settled(gate: Gate, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Step | None:
    """The step that a call of a gate of one input means, where that has been worked out."""
    if len(gate.inputs) != 1 or not args or args[0].__class__ is not Traced:
        return None
    value = args[0].value
    if value.__class__ is not np.ndarray:
        return None
    try:
        return meant(gate, value.shape, *args[1:], **kwargs)
    except (TypeError, ShapeError):
        return None  # not hashable, or an error which `bind` will tell again


def youngest(operands: Sequence[Any]) -> Trace:
    """The trace that records: of all operands' traces the one born last."""
    found: Trace | None = None
    for x in operands:
        if isinstance(x, Traced):
            trace = x.trace
            if found is None or (trace is not found and trace.birth > found.birth):
                found = trace
    if found is None:
        raise cannot("a traced value was passed inside a list", "pass it as the argument itself")
    return found


def record(
    trace: Trace, gate: Gate, operands: Sequence[Any], attrs: Mapping[str, Any], find: Find
) -> Traced:
    """Compute a stage's value and record it."""
    return stage(trace, step_of(gate, attrs), operands, find)


def stage(
    trace: Trace, step: Step, operands: Sequence[Any], find: Find, ufunc: np.ufunc | None = None
) -> Traced:
    """Compute a stage's value and record it. By a ufunc, Python numbers give NumPy's."""
    if not trace.is_open:
        raise finished(where(find))
    gate = step.gate
    wires = []
    values = []
    for x in operands:
        if isinstance(x, Traced) and x.trace is trace:
            wires.append(x.wire)
            values.append(x.value)
        else:
            wires.append(capture(trace, x, gate, find))
            values.append(trace.values[-1])
    try:
        if ufunc is not None:
            value = ufunc(*values)
        elif trace.is_nested:  # values of an older trace are that trace's to compute and record
            value = gate(*values, **step.attrs)
        else:
            value = gate.compute(values, step.attrs)
        if value.__class__ is np.ndarray and not value.shape:
            value = value[()]
    except ChainError as error:
        raise type(error)(f"{error}{where(find)}") from None
    except (ValueError, TypeError) as error:
        raise explained(gate, values, step.attrs, error, find) from error
    made = traced(trace, trace.record(step.kind(value), wires, value, find), value)
    if gate.makes_view and made.shape and isinstance(operands[0], Traced):
        note_view(made, operands[0], gate, step.attrs)
    return made


def stage_of_one(x: Traced, step: Step, compute: Callable[[Any], Any], find: Find) -> Traced:
    """The same for one operand, which records, and by a given function; in the fewest steps."""
    trace = x.trace
    log = trace.log
    if len(log) > trace.limit:
        trace.attend(find)
    given = x.value
    try:
        value = compute(given)
    except ChainError as error:
        raise type(error)(f"{error}{where(find)}") from None
    except (ValueError, TypeError) as error:
        raise explained(step.gate, (given,), step.attrs, error, find) from error
    try:
        if value.__class__ is np.ndarray:
            if not value.shape:
                value = value[()]
            kind = step.arrays[value.dtype][value.shape]
        else:
            kind = step.numbers[value.__class__]
    except KeyError:
        kind = step.new_kind(value)
    made = _new(Traced)
    made.trace = trace
    made.wire = len(trace.values)
    made.value = value
    trace.values.append(value)
    log += (kind, x.wire, -1)
    if step.gate.makes_view and value.__class__ not in NUMBERS and made.shape:
        note_view(made, x, step.gate, step.attrs)
    return made


NUMBERS = frozenset({*WEAK, np.float64, np.float32})


ChainError = (ShapeError, UnsupportedError, OutputError)


def explained(
    gate: Gate, values: Sequence[Any], attrs: Any, error: Exception, find: Find
) -> Exception:
    """Our own words for what NumPy refused, where the gate's type rule can tell."""
    try:
        gate.infer([TYPES[type_id(x)] for x in values], **attrs)
    except ShapeError as ours:
        return type(ours)(f"{ours}{where(find)}")
    except UnsupportedError:
        pass  # the error at hand says more
    return UnsupportedError(f"{gate.name}: {error}{where(find)}")


def capture(trace: Trace, value: Any, gate: Gate, find: Find) -> int:
    """A constant for a value from outside the trace."""
    cls = value.__class__
    if cls is float or (cls is int and -EXACT <= value <= EXACT) or (
        cls is np.ndarray and is_whole(value)
    ):
        return trace.constant(value)  # as it stands; what is below gives the same, later
    if isinstance(value, Traced):
        if not value.trace.is_open:
            raise finished(where(find))
        if trace.is_plain:
            trace.captured[len(trace)] = value
            value = plain(value)
        else:
            trace.is_nested = True
    elif not is_number(value):
        value = _as_array(value, gate, find)
    elif value.__class__ is int and abs(value) > EXACT:
        value = float(value)  # what meeting a float makes of it
    elif isinstance(value, np.ndarray) and not value.shape:
        value = value[()]
    return trace.constant(value)


def is_whole(array: Any) -> bool:
    """True for an array that a wire carries as it stands."""
    return array.shape != () and array.dtype.kind in "fiub"


EXACT = 2**53  # integers up to here are floats without rounding


def _as_array(value: Any, gate: Gate, find: Find) -> Any:
    """Lists of plain numbers, as NumPy would read them."""
    if isinstance(value, list | tuple):
        array = np.asarray(value)
        if is_number(array):
            return array
    raise UnsupportedError(
        f"{gate.name} cannot take {type(value).__name__} {value!r:.60}{where(find)}\n"
        "  A wire carries real numbers: Python int or float, or NumPy arrays of them."
    )


def traced(trace: Trace, wire: int, value: Any) -> Traced:
    """A traced value for a wire of a trace."""
    made = _new(Traced)
    made.trace = trace
    made.wire = wire
    made.value = value
    return made
