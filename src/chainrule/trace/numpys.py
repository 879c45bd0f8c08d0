"""NumPy's functions on traced values: which gate each means, and what its arguments mean to it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_NUMPY, gate_of
from chainrule.errors import ShapeError, UnsupportedError
from chainrule.trace.fixed import fixed_value, is_fixed
from chainrule.trace.frames import user_frame, where
from chainrule.trace.operators import binary
from chainrule.trace.steps import Step, step_of
from chainrule.trace.trace import Trace
from chainrule.trace.traced import Traced, call, later, stage, stage_of_one, youngest

# ufuncs with the bits of their gate, once they were called: of one operand the step; of two what
# they do where the first one is traced, and where only the second one is
_ONE: dict[Any, Step] = {}
_TWO: dict[Any, tuple[Callable[..., Any], Callable[..., Any]]] = {}


def array_ufunc(
    self: Traced, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any
) -> Any:
    """What NumPy calls for a ufunc of a traced value."""
    if not settings and method == "__call__":
        if ufunc in _ONE:
            return stage_of_one(self, _ONE[ufunc], ufunc, user_frame)
        if ufunc in _TWO:
            x, y = inputs
            direct, reflected = _TWO[ufunc]
            return direct(x, y) if isinstance(x, Traced) else reflected(y, x)
    return _new_ufunc(ufunc, method, inputs, settings)


def _new_ufunc(
    ufunc: np.ufunc, method: str, inputs: Sequence[Any], settings: Mapping[str, Any]
) -> Any:
    """The same for a ufunc not called before, or called in a way of its own."""
    gate = gate_of(ufunc)
    if gate is None and ufunc in later.composed and method == "__call__" and not settings:
        return _compose(ufunc, inputs, {})
    if gate is None or method != "__call__" or settings:
        if all(is_fixed(x) for x in inputs) and "out" not in settings:
            return getattr(ufunc, method)(*map(fixed_value, inputs), **settings)
        raise _no_gate(_ufunc_name(ufunc, method, settings))
    step = step_of(gate)
    if ufunc not in gate.numpy:  # SciPy's bits may differ from the gate's
        return stage(youngest(inputs), step, inputs, user_frame)
    if len(inputs) == 1:
        _ONE[ufunc] = step
    elif len(inputs) == 2:
        _TWO[ufunc] = binary(gate, ufunc=ufunc), binary(gate, ufunc=ufunc, reflected=True)
    return stage(youngest(inputs), step, inputs, user_frame, ufunc)


def array_function(
    self: Traced, function: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """What NumPy calls for any other function of a traced value."""
    gate = BY_NUMPY.loaded.get(function)  # the short way, of families that are loaded
    if gate is not None:
        return call(gate, user_frame, *args, **kwargs)
    about = _ABOUT_SHAPE.get(function)
    if about is not None:
        return about(*args, **kwargs)
    make = later.making.get(function)
    if make is not None:
        return make(self, user_frame, *args, **kwargs)
    if function in later.composed:
        return _compose(function, args, kwargs)
    gate = gate_of(function)
    if gate is not None:
        return call(gate, user_frame, *args, **kwargs)
    if all(is_fixed(x) for x in (*args, *kwargs.values())):
        return function(*map(fixed_value, args), **{k: fixed_value(x) for k, x in kwargs.items()})
    raise _no_gate(f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__}")


# What NumPy says of an array without looking at its numbers; nothing flows back from it.
_ABOUT_SHAPE: dict[Any, Callable[..., Any]] = {
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
}


def known_numpy() -> list[str]:
    """NumPy functions that have a gate or are made of some, by name."""
    return sorted({f.__name__ for f in (*BY_NUMPY, *later.composed)})


def _compose(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a NumPy function made of others gives."""
    given = [x for x in (*args, *kwargs.values()) if isinstance(x, Traced)]
    before = len(given[0].trace) if given else 0
    try:
        found = later.composed[function](*args, **kwargs)
    except (TypeError, ShapeError) as error:
        if where(user_frame) in str(error):
            raise
        raised = type(error) if isinstance(error, ShapeError) else UnsupportedError
        raise raised(f"np.{function.__name__}: {error}{where(user_frame)}") from None
    if given:
        _name_results(given[0].trace, before, found)
    return found


def _name_results(trace: Trace, before: int, found: Any) -> None:
    """Of the rows from `before` on, let what was given have the variables' names, and no other."""
    parts = found if isinstance(found, list | tuple) else [found]
    items = {
        x.wire: k for k, x in enumerate(parts)
        if isinstance(x, Traced) and x.trace is trace and x.wire >= before
    }
    if items and found is parts:
        trace.items |= items
    for row in range(before, max(items, default=before)):
        if row not in items:
            trace.names.setdefault(row, ())


def _no_gate(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} has no gate{where(user_frame)}\n  Known: {', '.join(known_numpy())}."
    )


def _ufunc_name(ufunc: np.ufunc, method: str, settings: Mapping[str, Any]) -> str:
    where_from = "np" if getattr(np, ufunc.__name__, None) is ufunc else "scipy.special"
    name = f"{where_from}.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    return name + (f" with {', '.join(settings)}=" if settings else "")


def _divmod(self: Traced, other: Any) -> Any:
    """Python's divmod of a traced value."""
    before = len(self.trace)
    found = self // other, self % other
    _name_results(self.trace, before, found)
    return found


def _rdivmod(self: Traced, other: Any) -> Any:
    before = len(self.trace)
    found = other // self, other % self
    _name_results(self.trace, before, found)
    return found


setattr(Traced, "__divmod__", _divmod)  # noqa: B010  # as operators.py does
setattr(Traced, "__rdivmod__", _rdivmod)  # noqa: B010
Traced.__array_ufunc__ = array_ufunc  # type: ignore[assignment, method-assign]  # its face
Traced.__array_function__ = array_function  # type: ignore[assignment, method-assign]
later.known_numpy = known_numpy
