"""Gates that choose one of their inputs, and the flags that choices are made of.

| gate              | out                    | gradient of x (of the other inputs likewise)        |
|-------------------|------------------------|-----------------------------------------------------|
| minimum           | min(x, y)              | dout to the smaller; a tie shares equally           |
| clip              | min(max(x, lo), hi)    | dout between the bounds, half at one, 0 outside     |
| relu              | x where x > 0, else 0  | dout where x > 0; 0 at 0, unlike max(x, 0): half    |
| logical_and or not| of truth values        | flat                                                |
| bitwise_and or invert | & and ~ of NumPy   | flat                                                |
| isnan isinf isfinite | flags of what is no number | flat                                         |

Each routes with `where`, so that a branch not taken gives 0 whatever is in it.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import INT, TYPES, Type, promote
from chainrule.gates.define import Infer, broadcast_shapes, elementwise, gate, ufunc_type
from chainrule.gates.elementwise import (
    as_float,
    both,
    equal,
    greater,
    less_equal,
    maximum,
    maximum_back,
    where,
)


def minimum_back(dout: Any, x: Any, y: Any) -> Any:
    """What the input x of min(x, y) gets: all, nothing, or half at a tie."""
    return where(less_equal(x, y), where(equal(x, y), 0.5 * dout, dout), 0)


minimum = elementwise(
    "minimum", "x y", np.minimum, "np.minimum({x}, {y})", symbol="min",
    scalar=lambda x, y: as_float(y if y < x or y != y else x, x, y),
    scalar_code="min({x}, {y})", commutes=True, builtin=("min", "less"),
    vjp=lambda dout, x, y, out: (
        lambda: minimum_back(dout, x, y), lambda: minimum_back(dout, y, x),
    ),
    mask=lambda live, x, y, out: (
        lambda: both(live, less_equal(x, y)), lambda: both(live, less_equal(y, x)),
    ),
    words="routes: all of {dout} goes to the smaller input; a tie shares it equally",
    kinks=lambda x, y: bool(np.any(np.asarray(x) == np.asarray(y))),
    samples=((1.5, -2.0), (0.25, 3.0), (1.0, 1.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)


def _clipped(types: Sequence[Type]) -> Type:
    return Type(broadcast_shapes(types, "clip"), promote(types), all(t.weak for t in types))


_NO_BOUND = object()


def _bind_clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *,
    min: Any = _NO_BOUND, max: Any = _NO_BOUND,
) -> Any:
    """np.clip's arguments as x, lo, hi; a bound that is None lies beyond every number."""
    if out is not None:
        raise TypeError("clip of a traced value takes the two bounds only, not out=")
    lo = a_min if min is _NO_BOUND else min
    hi = a_max if max is _NO_BOUND else max
    dtype = np.dtype(getattr(a, "dtype", float))
    whole = np.iinfo(dtype) if dtype.kind in "iu" else None  # an infinity would make it a float
    least, most = (-np.inf, np.inf) if whole is None else (whole.min, whole.max)
    return (a, least if lo is None else lo, most if hi is None else hi), {}


def _clip_kinks(x: Any, lo: Any, hi: Any) -> bool:
    x, lo, hi = np.asarray(x), np.asarray(lo), np.asarray(hi)
    return bool(np.any((x == lo) | (x == hi) | (lo == hi)))


def _below(dout: Any, x: Any, lo: Any, hi: Any) -> Any:
    """The gradient of max(x, lo) inside min(max(x, lo), hi)."""
    return minimum_back(dout, maximum(x, lo), hi)


clip = gate(
    "clip", "x lo hi", family="elementwise", evaluate=np.clip, infer=_clipped,
    code="np.clip({x}, {lo}, {hi})",
    scalar=lambda x, lo, hi: as_float(
        minimum.scalar(maximum.scalar(x, lo), hi), x, lo, hi
    ),
    scalar_code="min(max({x}, {lo}), {hi})", numpy=(np.clip,), bind=_bind_clip, method="clip",
    vjp=lambda dout, x, lo, hi, out: (
        lambda: maximum_back(_below(dout, x, lo, hi), x, lo),
        lambda: maximum_back(_below(dout, x, lo, hi), lo, x),
        lambda: minimum_back(dout, hi, maximum(x, lo)),
    ),
    decompose=lambda x, lo, hi: minimum(maximum(x, lo), hi),
    mask=lambda live, x, lo, hi, out: (
        lambda: both(live, where(less_equal(lo, x), less_equal(x, hi), False)),
        lambda: both(live, where(less_equal(x, lo), less_equal(lo, hi), False)),
        lambda: both(live, less_equal(hi, maximum(x, lo))),
    ),
    words="routes {dout} to {x} between the bounds, outside them to the bound; "
          "at a bound they share it equally",
    kinks=_clip_kinks,
    samples=(
        (0.5, -1.0, 2.0), (-3.0, -1.0, 2.0), (3.0, -1.0, 2.0), (2.0, -1.0, 2.0), (0.5, 3.0, 2.0),
    ),
    error_samples=((np.zeros(2), np.zeros(3), np.zeros(3)),),
)
relu: Gate = gate(
    "relu", "x", family="elementwise", evaluate=lambda x: np.maximum(x, 0),
    infer=lambda types: maximum.infer([*types, TYPES[INT]]), code="np.maximum({x}, 0)",
    scalar=lambda x: as_float(maximum.scalar(x, 0), x), scalar_code="max({x}, 0)",
    vjp=lambda dout, x, out: (lambda: where(greater(x, 0), dout, 0),),
    decompose=lambda x: where(less_equal(x, 0), 0, x),  # max(x, 0) would send half back at 0
    mask=lambda live, x, out: (lambda: both(live, greater(x, 0)),),
    words="passes {dout} on where {x} is above 0; at 0 it passes nothing",
    kinks=lambda x: bool(np.any(np.asarray(x) == 0)),
    samples=((1.5,), (-2.0,), (0.0,)),
)

# ---- flags

FLAT = "is flat: nothing flows back"

logical_and = elementwise(
    "logical_and", "x y", np.logical_and, "np.logical_and({x}, {y})", symbol="and",
    scalar=lambda x, y: all((x, y)), scalar_code="all(({x}, {y}))", commutes=True,
    words=FLAT, samples=((True, False), (True, True), (1.5, 0.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)
logical_or = elementwise(
    "logical_or", "x y", np.logical_or, "np.logical_or({x}, {y})", symbol="or",
    scalar=lambda x, y: any((x, y)), scalar_code="any(({x}, {y}))", commutes=True,
    words=FLAT, samples=((True, False), (False, False), (1.5, 0.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)
logical_not = elementwise(
    "logical_not", "x", np.logical_not, "np.logical_not({x})", symbol="not",
    scalar=operator.not_, scalar_code="(not {x})",
    words=FLAT, samples=((True,), (False,), (1.5,)),
)


def _flags(operands: Sequence[Any]) -> Sequence[bool]:
    """Python's own integers have other bits than NumPy's: refuse to guess a width."""
    if any(x.__class__ is not bool for x in operands):
        raise TypeError("& | ~ of Python numbers: use them on comparisons or on NumPy arrays")
    return operands


def _flag_type(ufunc: np.ufunc) -> Infer:
    """Flags of Python stay flags; the rest as the ufunc has it."""
    of_arrays = ufunc_type(ufunc)

    def infer(types: Sequence[Type]) -> Type:
        return types[0] if all(t.weak for t in types) else of_arrays(types)

    return infer


bitwise_and = gate(
    "bitwise_and", "x y", family="elementwise", symbol="&", evaluate=np.bitwise_and,
    infer=_flag_type(np.bitwise_and), code="np.bitwise_and({x}, {y})",
    scalar=lambda x, y: all(_flags((x, y))), scalar_code="all(({x}, {y}))",
    numpy=(np.bitwise_and,), operator="and", commutes=True,
    words=FLAT, samples=((True, False), (True, True)),
    error_samples=((np.zeros(2, bool), np.zeros(3, bool)),),
)
bitwise_or = gate(
    "bitwise_or", "x y", family="elementwise", symbol="|", evaluate=np.bitwise_or,
    infer=_flag_type(np.bitwise_or), code="np.bitwise_or({x}, {y})",
    scalar=lambda x, y: any(_flags((x, y))), scalar_code="any(({x}, {y}))",
    numpy=(np.bitwise_or,), operator="or", commutes=True,
    words=FLAT, samples=((True, False), (False, False)),
    error_samples=((np.zeros(2, bool), np.zeros(3, bool)),),
)
invert = gate(
    "invert", "x", family="elementwise", symbol="~", evaluate=np.invert,
    infer=_flag_type(np.invert), code="np.invert({x})",
    scalar=lambda x: not _flags((x,))[0],  # as NumPy's flags; ~True is -2 in Python
    scalar_code="(not {x})", numpy=(np.invert,), operator="invert",
    words=FLAT, samples=((True,), (False,)),
)


def _flag(ufunc: np.ufunc, scalar: Callable[[float], bool]) -> Gate:
    name = ufunc.__name__
    return elementwise(
        name, "x", ufunc, f"np.{name}({{x}})", scalar=scalar, scalar_code=f"math.{name}({{x}})",
        words=FLAT, samples=((1.5,), (math.inf,), (math.nan,)),
    )


isnan = _flag(np.isnan, math.isnan)
isinf = _flag(np.isinf, math.isinf)
isfinite = _flag(np.isfinite, math.isfinite)
