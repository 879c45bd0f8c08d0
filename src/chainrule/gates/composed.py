"""NumPy functions that are others in combination: written with NumPy, on whatever they are given.

    split array_split hsplit vsplit dsplit unstack      parts of an array, as a list
    sort median quantile percentile                     numbers in order, through argsort
    ptp average diff trapezoid cross linspace           differences and weighted sums
    fmax fmin float_power fabs positive fix round       choices, and other names
    divmod                                              quotient and remainder
    flipud fliplr matrix_transpose count_nonzero

They give NumPy's bits. A circuit shows the gates they are made of. What ends one is written as a
function, np.subtract(x, y) and not x - y: functions are recorded where the user calls.
"""

import math
import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.gates.move import one_axis, shape_of

COMPOSED: dict[Callable[..., Any], Callable[..., Any]] = {
    np.fmax: lambda x, y: np.where(
        np.isnan(y), x, np.where(np.isnan(x), y, np.maximum(x, y))),
    np.fmin: lambda x, y: np.where(
        np.isnan(y), x, np.where(np.isnan(x), y, np.minimum(x, y))),
    np.float_power: lambda x, y: np.power(x, y),
    np.fabs: lambda x: np.abs(x),
    np.positive: lambda x: x,
    np.divmod: lambda x, y: (np.floor_divide(x, y), np.remainder(x, y)),
    np.fix: lambda x: np.trunc(x),
    np.flipud: lambda m: np.flip(m, 0),
    np.fliplr: lambda m: np.flip(m, 1),
    np.matrix_transpose: lambda x: np.swapaxes(x, -1, -2),
    np.count_nonzero: lambda a, axis=None, *, keepdims=False: np.sum(
        a != 0, axis=axis, keepdims=keepdims),
    np.ptp: lambda a, axis=None, *, keepdims=False: (
        np.subtract(np.max(a, axis=axis, keepdims=keepdims),
                    np.min(a, axis=axis, keepdims=keepdims))),
}


def composed(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter what is defined next as the meaning of a NumPy function."""
    def enter(meaning: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSED[function] = meaning
        return meaning

    return enter


def _along(a: Any, axis: int, key: Any) -> Any:
    """a[..., key, ...] at one axis."""
    return a[(slice(None),) * axis + (key,)]


# ---- parts of an array


@composed(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Parts along an axis: so many, nearly equal, or between the places given."""
    axis = one_axis(axis, shape_of(ary), "split")
    n = shape_of(ary)[axis]
    if isinstance(indices_or_sections, Sequence | np.ndarray):
        places = [0, *map(operator.index, indices_or_sections), n]
    else:
        count = operator.index(indices_or_sections)
        if count <= 0:
            raise ShapeError(f"split into {count} parts: one at least")
        short, longer = divmod(n, count)
        places = [part * short + min(part, longer) for part in range(count + 1)]
    return [_along(ary, axis, slice(begin, end)) for begin, end in pairwise(places)]


@composed(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Equal parts along an axis, or those between the places given."""
    if not isinstance(indices_or_sections, Sequence | np.ndarray):
        n = shape_of(ary)[one_axis(axis, shape_of(ary), "split")]
        if n % operator.index(indices_or_sections):
            raise ShapeError(f"split into {indices_or_sections} equal parts: axis {axis} of shape "
                             f"{list(shape_of(ary))} has {n}; array_split allows unequal ones")
    return array_split(ary, indices_or_sections, axis)


COMPOSED[np.vsplit] = lambda ary, parts: split(ary, parts, 0)
COMPOSED[np.hsplit] = lambda ary, parts: split(ary, parts, min(1, len(shape_of(ary)) - 1))
COMPOSED[np.dsplit] = lambda ary, parts: split(ary, parts, 2)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The arrays along an axis, one by one."""
    axis = one_axis(axis, shape_of(x), "unstack")
    return tuple(_along(x, axis, i) for i in range(shape_of(x)[axis]))


if hasattr(np, "unstack"):  # NumPy 2.1
    COMPOSED[np.unstack] = unstack

# ---- numbers in order


@composed(np.sort)
def sort(a: Any, axis: int | None = -1) -> Any:
    """The numbers in order: each gradient goes back to the place its number came from."""
    a, axis = (np.ravel(a), 0) if axis is None else (a, one_axis(axis, shape_of(a), "sort"))
    return np.take_along_axis(a, np.argsort(a, axis=axis), axis)


@composed(np.quantile)
def quantile(a: Any, q: float, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The number that a fraction q lie below, between two of them in proportion."""
    if not isinstance(q, float | int | np.floating) or not 0 <= q <= 1:
        raise TypeError(f"one fraction between 0 and 1 at a time, not {q!r}")
    ordered, place = sort(a, axis), 0 if axis is None else one_axis(axis, shape_of(a), "quantile")
    below, t = divmod(q * (shape_of(ordered)[place] - 1), 1)
    x, y = (_along(ordered, place, min(int(below) + i, shape_of(ordered)[place] - 1))
            for i in (0, 1))
    found = np.subtract(y, (y - x) * (1 - t)) if t >= 0.5 else np.add(x, (y - x) * t)  # as NumPy
    return _in_place(a, found, axis, keepdims)


def _in_place(a: Any, found: Any, axis: int | None, keepdims: bool) -> Any:
    """What was folded, its axis kept as one of size 1 where that is wanted."""
    if not keepdims:
        return found
    if axis is None:
        return np.reshape(found, (1,) * len(shape_of(a)))
    return np.expand_dims(found, axis)


COMPOSED[np.percentile] = lambda a, q, axis=None, *, keepdims=False: quantile(
    a, q / 100, axis, keepdims=keepdims)


@composed(np.median)
def median(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The number in the middle, or the mean of the two in the middle."""
    place = 0 if axis is None else one_axis(axis, shape_of(a), "median")
    ordered = sort(a, axis)
    n = shape_of(ordered)[place]
    x, y = _along(ordered, place, (n - 1) // 2), _along(ordered, place, n // 2)
    return _in_place(a, x if n % 2 else np.divide(x + y, 2), axis, keepdims)


# ---- differences and weighted sums


@composed(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """The mean, or the weighted mean."""
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    weights = np.asarray(weights) if isinstance(weights, list | tuple) else weights
    if shape_of(a) != shape_of(weights):
        if len(shape_of(weights)) != 1 or not isinstance(axis, int):
            raise ShapeError(f"average needs as many weights as numbers, or one for each along one "
                             f"axis: {list(shape_of(a))}, weights {list(shape_of(weights))}")
        axis = one_axis(axis, shape_of(a), "average")
        weights = np.reshape(weights, (-1,) + (1,) * (len(shape_of(a)) - axis - 1))
        total = np.sum(weights)
    else:
        total = np.sum(weights, axis=axis, keepdims=keepdims)
    return np.divide(np.sum(a * weights, axis=axis, keepdims=keepdims), total)


@composed(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """What each number is more than the one before it, n times over."""
    axis = one_axis(axis, shape_of(a), "diff")
    for _ in range(n):
        a = np.subtract(_along(a, axis, slice(1, None)), _along(a, axis, slice(None, -1)))
    return a


@composed(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The area below straight lines from point to point."""
    axis = one_axis(axis, shape_of(y), "trapezoid")
    width = dx if x is None else diff(x, axis=axis if len(shape_of(x)) > 1 else 0)
    if x is not None and len(shape_of(x)) == 1:
        width = np.reshape(width, (-1,) + (1,) * (len(shape_of(y)) - axis - 1))
    ends = _along(y, axis, slice(1, None)) + _along(y, axis, slice(None, -1))
    return np.sum(width * ends / 2.0, axis=axis)


@composed(np.cross)
def cross(a: Any, b: Any) -> Any:
    """The product of vectors in space, along the last axis."""
    if shape_of(a)[-1:] != (3,) or shape_of(b)[-1:] != (3,):
        raise ShapeError(f"cross is of vectors of three numbers, in the last axis: "
                         f"{list(shape_of(a))} and {list(shape_of(b))}")
    (x, y, z), (u, v, w) = ([p[..., i] for i in range(3)] for p in (a, b))
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=-1)


@composed(np.linspace)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    """Equal steps between two numbers."""
    if shape_of(start) or shape_of(stop):
        raise TypeError("from one number to another only")
    gaps = num - 1 if endpoint else num
    if gaps < 1:
        return np.reshape(start, 1) if num else np.zeros(0)
    points = np.add(np.arange(0.0, num) * ((stop - start) / gaps), start)
    return np.concatenate([points[:-1], np.reshape(stop, 1)]) if endpoint else points


@composed(np.round)
def round_(a: Any, decimals: int = 0) -> Any:
    """Rounded to so many decimals, half to even: flat."""
    scale = math.pow(10, abs(decimals))
    if decimals >= 0:
        return np.divide(np.rint(a * scale), scale) if decimals else np.rint(a)
    return np.multiply(np.rint(a / scale), scale)
