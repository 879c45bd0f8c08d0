"""Arrays that a function makes to write to: np.zeros_like(x), np.zeros(n, like=x), and so on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_NAME, BY_NUMPY
from chainrule.gates.composed import COMPOSED
from chainrule.trace.frames import Find
from chainrule.trace.traced import Traced, call, later, record


def _like(value: Any) -> Callable[..., Any]:
    """np.zeros_like and its kind: an array of one number, made by a stage."""

    def make(
        carrier: Traced, find: Find, a: Any, dtype: Any = None, order: str = "K",
        subok: bool = True, shape: Any = None, device: Any = None,
    ) -> Any:
        wide = np.shape(a) if shape is None else shape
        return _full(carrier, find, wide, value, dtype or a.dtype, of=a)

    return make


def _of_shape(value: Any) -> Callable[..., Any]:
    """np.zeros and its kind, with like=x."""

    def make(
        carrier: Traced, find: Find, shape: Any, dtype: Any = None, order: str = "C",
        device: Any = None,
    ) -> Any:
        return _full(carrier, find, shape, value, dtype or np.float64)

    return make


def _full(
    carrier: Traced, find: Find, shape: Any, value: Any, dtype: Any, of: Any = None
) -> Any:
    """An array of one number as a traced value; plain where it is no array."""
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    name = np.dtype(dtype).name
    if not sizes:
        return np.full((), value, dtype)
    if isinstance(of, Traced) and of.shape == sizes:
        attrs = {"value": value, "dtype": None if of.dtype == np.dtype(dtype) else name}
        return record(of.trace, BY_NAME["full_like"], (of,), attrs, find)
    attrs = {"shape": tuple(int(n) for n in sizes), "value": value, "dtype": name}
    return record(carrier.trace, BY_NAME["full"], (carrier,), attrs, find)


def _filled(
    carrier: Traced, find: Find, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C",
    device: Any = None,
) -> Any:
    """np.full with like=x."""
    if isinstance(fill_value, int | float | np.number) and not isinstance(fill_value, np.bool_):
        value = fill_value.item() if isinstance(fill_value, np.number) else fill_value
        return _full(carrier, find, shape, value, dtype or np.asarray(fill_value).dtype)
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    wide = call(BY_NAME["broadcast_to"], find, array_of(carrier, find, fill_value), sizes)
    return array_of(carrier, find, wide, dtype)


def _filled_like(
    carrier: Traced, find: Find, a: Any, fill_value: Any, dtype: Any = None, order: str = "K",
    subok: bool = True, shape: Any = None, device: Any = None,
) -> Any:
    wide = np.shape(a) if shape is None else shape
    return _filled(carrier, find, wide, fill_value, dtype or a.dtype)


def array_of(
    carrier: Traced, find: Find, a: Any, dtype: Any = None, *, copy: Any = True, **settings: Any
) -> Any:
    """np.array with like=x: of numbers and traced values, nested as they may be."""
    if isinstance(a, list | tuple):
        parts = [array_of(carrier, find, x) for x in a]
        if any(isinstance(x, Traced) for x in parts):
            made = call(BY_NUMPY[np.stack], find, parts)
        else:
            made = np.asarray(a)
    else:
        made = a
    if not np.shape(made):
        return made
    if not isinstance(made, Traced) or (made is a and copy):
        made = record(carrier.trace if not isinstance(made, Traced) else made.trace,
                      BY_NAME["copy"], (made,), {"order": "K"}, find)
    if dtype is not None and made.dtype != np.dtype(dtype):
        made = record(made.trace, BY_NAME["cast"], (made,), {"dtype": np.dtype(dtype).name}, find)
    return made


def _asarray(carrier: Traced, find: Find, a: Any, dtype: Any = None, **settings: Any) -> Any:
    return array_of(carrier, find, a, dtype, copy=False)


later.composed = COMPOSED
later.making = {
    np.zeros_like: _like(0), np.ones_like: _like(1), np.empty_like: _like(0),
    np.full_like: _filled_like, np.zeros: _of_shape(0), np.ones: _of_shape(1),
    np.empty: _of_shape(0), np.full: _filled, np.array: array_of, np.asarray: _asarray,
}
