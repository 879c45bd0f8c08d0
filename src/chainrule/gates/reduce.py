"""Gates that fold axes away, or add up along one.

| gate        | out                         | gradient of each number of x                       |
|-------------|-----------------------------|----------------------------------------------------|
| sum, mean   | total, total / n            | dout, dout / n                                     |
| max, min    | the largest, the smallest   | dout to it; ties share equally                     |
| prod        | product                     | dout * product of the others, zeros or not         |
| var(ddof)   | total of d**2 / (n - ddof)  | 2 * d / (n - ddof) * dout, d = x - mean            |
| std(ddof)   | sqrt(var)                   | d / (n - ddof) / out * dout; 0 where out is 0      |
| cumsum      | totals up to each place     | total of dout from its place on: cumsum in reverse |
| any, all    | flags                       | flat                                               |

`axis` is None (all axes) or a sorted tuple; for cumsum it is one number.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.define import gate
from chainrule.gates.elementwise import equal, where
from chainrule.gates.functions import over, sqrt
from chainrule.gates.move import broadcast_to, cast, expand_dims, reshape, shape_of

Axis = tuple[int, ...] | None


def reduced_shape(shape: tuple[int, ...], axis: Axis, keepdims: bool) -> tuple[int, ...]:
    """Shape after folding `axis` (None: all of them)."""
    gone = set(range(len(shape))) if axis is None else {a % len(shape) for a in axis}
    if keepdims:
        return tuple(1 if i in gone else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in gone)


def _whole(dtype: "np.dtype[Any]") -> "np.dtype[Any]":
    """The dtype NumPy adds and multiplies up in: small integers and flags grow."""
    if dtype.kind == "u":
        return np.promote_types(dtype, np.uint64)
    return np.promote_types(dtype, np.int64) if dtype.kind in "ib" else dtype


def _summed(types: Sequence[Type], *, axis: Axis, keepdims: bool) -> Type:
    return Type(reduced_shape(types[0].shape, axis, keepdims), _whole(types[0].dtype))


def averaged(types: Sequence[Type], *, axis: Axis, keepdims: bool, **_: Any) -> Type:
    """Real numbers, of the input's precision where it has one."""
    (x,) = types
    dtype = x.dtype if x.is_inexact else np.dtype(np.float64)
    return Type(reduced_shape(x.shape, axis, keepdims), dtype)


def _largest(types: Sequence[Type], *, axis: Axis, keepdims: bool) -> Type:
    (x,) = types
    if not all(x.shape[a] for a in (range(len(x.shape)) if axis is None else axis)):
        raise ShapeError(
            f"max and min need at least one number: the shape is {list(x.shape)}"
            + ("" if axis is None else f", axis {axis_code(axis)}")
        )
    return Type(reduced_shape(x.shape, axis, keepdims), x.dtype)


def _flag(types: Sequence[Type], *, axis: Axis, keepdims: bool) -> Type:
    return Type(reduced_shape(types[0].shape, axis, keepdims), np.dtype(np.bool_))


def bind_reduction(a: Any, axis: Any = None, dtype: Any = None, out: Any = None,
                   keepdims: Any = False, **others: Any) -> Any:
    """NumPy's arguments of a reduction as operands and attrs."""
    if dtype is not None or out is not None or others:
        raise TypeError("a traced value is folded by axis and keepdims only: not by "
                        + (", ".join(f"{name}=" for name in others) or "dtype= or out="))
    return (a,), {"axis": axes_of(a, axis), "keepdims": bool(keepdims)}


def axes_of(a: Any, axis: Any) -> Axis:
    """NumPy's axis as a sorted tuple counted from the front; None stays: all of them."""
    if axis is None:
        return None
    rank = len(shape_of(a))
    if axis.__class__ is int and -rank <= axis < rank:
        return (axis % rank,)
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    if any(not -rank <= x < rank for x in axes):
        raise ShapeError(f"axis {axis} is out of range for shape {list(shape_of(a))}")
    return tuple(sorted(int(x) % rank for x in axes))


def spread(dout: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """Copy each sum's gradient to every number that went into it."""
    if axis is not None and not keepdims and len(axis) < len(shape):
        dout = expand_dims(dout, axis=axis)
    return broadcast_to(dout, shape=shape)


def beside(dout: Any, axis: Axis, keepdims: bool) -> Any:
    """Folded numbers in a shape that broadcasts with what was folded; leading axes need no help."""
    if axis is None or keepdims or axis == tuple(range(len(axis))):
        return dout
    return expand_dims(dout, axis=axis)


def folded(shape: tuple[int, ...], axis: Axis) -> int:
    """How many numbers go into each one that comes out."""
    return math.prod(shape if axis is None else (shape[a] for a in axis))


def axis_code(axis: Axis) -> str:
    return str(axis[0] if axis is not None and len(axis) == 1 else axis)


def settings_code(attrs: Mapping[str, Any], **fixed: Any) -> str:
    """The settings as they stand in a call; those that NumPy has by default are left out."""
    given = {**attrs, **fixed}
    texts = [] if given["axis"] is None else [f"axis={axis_code(given['axis'])}"]
    texts += [f"{name}={given[name]}" for name in ("ddof", "keepdims") if given.get(name)]
    return "".join(f", {text}" for text in texts)


def reduction(
    name: str, function: Callable[..., Any], ufunc: np.ufunc | None = None, **fields: Any
) -> Gate:
    """A gate that is one NumPy reduction over `axis`, with `keepdims`.

    ufunc: what the function folds with. Called directly it gives the same bits and saves a
    microsecond, half of the time for small arrays.
    """
    numpy = (function, *fields.pop("also", ()))
    settings = {"sample_attrs": SETTINGS, "method": name, "numpy": numpy, "bind": bind_reduction}
    if ufunc is not None:
        settings["fold"] = ufunc.__name__
        settings["quick_code"] = lambda attrs, operands: (
            f"np.{ufunc.__name__}.reduce({{x}}, axis={attrs['axis']}"
            f"{', keepdims=True' * attrs['keepdims']})"
        )
    fold = function if ufunc is None else ufunc.reduce
    def evaluate(x: Any, **attrs: Any) -> Any:
        return (fold if x.__class__ is np.ndarray else function)(x, **attrs)

    return gate(
        name, "x", family="reduce", evaluate=fields.pop("evaluate", evaluate),
        code=lambda attrs, operands: f"np.{name}({{x}}{settings_code(attrs)})",
        **{**settings, **fields},
    )


SETTINGS = (
    {"axis": None, "keepdims": False}, {"axis": (0,), "keepdims": False},
    {"axis": (1,), "keepdims": True}, {"axis": (1,), "keepdims": False},
)
TABLE = np.arange(6.0).reshape(2, 3)  # a sample: [[0, 1, 2], [3, 4, 5]]
UNEVEN = np.array([[1.5, -2.0, 0.25], [-0.5, 3.0, 1.0]])

sum_ = reduction(
    "sum", np.sum, np.add, infer=_summed,
    vjp=lambda dout, x, out, axis, keepdims: (
        lambda: spread(dout, shape_of(x), axis, keepdims),
    ),
    words="copies {dout} to every number it added up",
    samples=((TABLE,),),
)


def _mean_back(dout: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    shape = shape_of(x)
    return spread(dout / max(folded(shape, axis), 1), shape, axis, keepdims)


def _mean(x: Any, axis: Axis, keepdims: bool) -> Any:
    """np.mean's own sum and division, without what it asks first."""
    if x.__class__ is not np.ndarray or x.dtype != np.float64 or not x.size:
        return np.mean(x, axis=axis, keepdims=keepdims)
    total: Any = np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]
    return total / folded(x.shape, axis)


mean = reduction(
    "mean", np.mean, infer=averaged, evaluate=_mean,
    vjp=lambda dout, x, out, axis, keepdims: (lambda: _mean_back(dout, x, axis, keepdims),),
    decompose=lambda x, axis, keepdims: (
        sum_(x, axis=axis, keepdims=keepdims) / folded(shape_of(x), axis)
    ),
    words="shares {dout} equally among the numbers it averaged",
    samples=((UNEVEN,),),
)


def _extreme_back(dout: Any, x: Any, out: Any, axis: Axis, keepdims: bool) -> Any:
    """dout to the largest (or smallest) number; equal ones share it equally."""
    shape = shape_of(x)
    chosen = equal(x, spread(out, shape, axis, keepdims))
    count = sum_(chosen, axis=axis, keepdims=keepdims)
    if out.dtype != np.float64:  # float32 by a whole number would be float64
        count = cast(count, dtype=out.dtype.name)
    share = dout / count
    return where(chosen, spread(share, shape, axis, keepdims), 0)


def _extreme(
    name: str, function: Callable[..., Any], ufunc: np.ufunc, also: Any, which: str
) -> Gate:
    return reduction(
        name, function, ufunc, also=(also,), infer=_largest,
        vjp=lambda dout, x, out, axis, keepdims: (
            lambda: _extreme_back(dout, x, out, axis, keepdims),
        ),
        words=f"routes: all of {{dout}} goes to the {which} number of {{x}}; "
              "ties share it equally",
        kinks=lambda x: int(np.sum(x == function(x))) > 1,
        samples=((UNEVEN,), (np.array([[1.0, 3.0, 1.0], [2.0, 3.0, 1.0]]),)),
    )


max_ = _extreme("max", np.max, np.maximum, np.amax, "largest")
min_ = _extreme("min", np.min, np.minimum, np.amin, "smallest")


def _prod_back(dout: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """dout times the product of all the others; no division by the zeros among them.

    Numbers that are not 0 divide the product of their like, which the zeros then multiply: none
    of them by 1, one by itself, two or more by 0. So second derivatives are exact at zeros too.
    """
    is_zero = equal(x, 0)
    zero = where(is_zero, x, 0)
    rest = where(is_zero, 1, x)
    zeros = sum_(is_zero, axis=axis, keepdims=True) - is_zero  # among the others
    zero_beside = sum_(zero, axis=axis, keepdims=True) - zero
    others = prod(rest, axis=axis, keepdims=True) / rest
    others = where(equal(zeros, 0), others, where(equal(zeros, 1), zero_beside * others, 0))
    return spread(dout, shape_of(x), axis, keepdims) * others


prod: Gate = reduction(
    "prod", np.prod, np.multiply, infer=_summed,
    vjp=lambda dout, x, out, axis, keepdims: (lambda: _prod_back(dout, x, axis, keepdims),),
    words="swaps: each number of {x} gets {dout} times the product of the others",
    samples=(
        (UNEVEN,), (np.array([[1.5, 0.0, 0.25], [-0.5, 3.0, 1.0]]),),
        (np.array([[1.5, 0.0, 0.0], [-0.5, 3.0, 2.0]]),),
    ),
)


def _spread_about(dout: Any, x: Any, scale: float, axis: Axis, keepdims: bool) -> Any:
    """scale * dout times each number's distance from the mean."""
    distance = x - mean(x, axis=axis, keepdims=True)
    return spread(scale * dout, shape_of(x), axis, keepdims) * distance


def _per_freedom(x: Any, axis: Axis, ddof: int) -> float:
    """1 / (n - ddof); nan where NumPy's variance is nan for want of numbers."""
    free = folded(shape_of(x), axis) - ddof
    return 1 / free if free > 0 else math.nan


def _plain_var(x: Any, axis: Axis, keepdims: bool, ddof: int) -> Any:
    distance = x - mean(x, axis=axis, keepdims=True)
    total = sum_(distance * distance, axis=axis, keepdims=keepdims)
    return total / (folded(shape_of(x), axis) - ddof)


def _bind_spread(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
                 keepdims: Any = False, **others: Any) -> Any:
    operands, attrs = bind_reduction(a, axis, dtype, out, keepdims, **others)
    return operands, {**attrs, "ddof": ddof}


def _is_constant(x: Any) -> bool:
    return bool(np.ptp(x) == 0)


WITH_DDOF = (
    {"axis": None, "keepdims": False, "ddof": 0}, {"axis": (0,), "keepdims": True, "ddof": 0},
    {"axis": (1,), "keepdims": False, "ddof": 1},
)

var = reduction(
    "var", np.var, infer=averaged, bind=_bind_spread, sample_attrs=WITH_DDOF,
    vjp=lambda dout, x, out, axis, keepdims, ddof: (
        lambda: _spread_about(dout, x, 2 * _per_freedom(x, axis, ddof), axis, keepdims),
    ),
    decompose=_plain_var,
    words="multiplies by twice the distance from the mean: "
          "{x} gets 2 * ({x} - its mean) * {dout} / n",
    samples=((UNEVEN,),),
)
std = reduction(
    "std", np.std, infer=averaged, bind=_bind_spread, sample_attrs=WITH_DDOF,
    vjp=lambda dout, x, out, axis, keepdims, ddof: (
        lambda: _spread_about(
            over(dout, out), x, _per_freedom(x, axis, ddof), axis, keepdims
        ),
    ),
    decompose=lambda x, **attrs: sqrt(_plain_var(x, **attrs)),
    words="divides the distance from the mean by {out}: "
          "{x} gets ({x} - its mean) / {out} * {dout} / n; equal numbers get 0",
    kinks=_is_constant, samples=((UNEVEN,),),
)
any_ = reduction(
    "any", np.any, infer=_flag, words="is flat: nothing flows back",
    samples=((np.array([[True, False, False], [False, False, False]]),),),
)
all_ = reduction(
    "all", np.all, infer=_flag, words="is flat: nothing flows back",
    samples=((np.array([[True, False, True], [True, True, True]]),),),
)


def _cumulated(types: Sequence[Type], *, axis: int, reverse: bool) -> Type:
    return Type(types[0].shape, _whole(types[0].dtype))


def _cumsum(x: Any, axis: int, reverse: bool = False) -> Any:
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


def _bind_cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    if dtype is not None or out is not None:
        raise TypeError("cumsum of a traced value takes axis only, not dtype= or out=")
    if axis is None:
        a, axis = reshape(a, shape=(math.prod(shape_of(a)),)), 0
    (place,) = axes_of(a, int(axis)) or ()
    return (a,), {"axis": place, "reverse": False}


cumsum: Gate = gate(
    "cumsum", "x", family="reduce", evaluate=_cumsum, infer=_cumulated,
    code=lambda attrs, operands: (
        "np.flip(np.cumsum(np.flip({x}, AXIS), axis=AXIS), AXIS)" if attrs["reverse"]
        else "np.cumsum({x}, axis=AXIS)"
    ).replace("AXIS", str(attrs["axis"])),
    numpy=(np.cumsum,), bind=_bind_cumsum, method="cumsum",
    vjp=lambda dout, x, out, axis, reverse: (
        lambda: cumsum(dout, axis=axis, reverse=not reverse),
    ),
    words="adds up the other way round: each number of {x} gets the sum of {dout} "
          "over the places it went into",
    samples=((UNEVEN,),),
    sample_attrs=({"axis": 0, "reverse": False}, {"axis": 1, "reverse": True}),
)
