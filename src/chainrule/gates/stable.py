"""Gates of several others that keep their digits as one: no overflow, no lost tails.

| gate        | out                           | gradient of x                                     |
|-------------|-------------------------------|---------------------------------------------------|
| softplus    | log(1 + exp(x))               | sigmoid(x) * dout                                 |
| apart       | x - y, 0 for equal infinities | dout, and -dout                                   |
| logaddexp   | log(exp(x) + exp(y))          | sigmoid(x - y) * dout, and sigmoid(y - x) * dout  |
| logsumexp   | log(sum(exp(x)))              | softmax(x) * dout                                 |
| softmax     | exp(x) / sum(exp(x))          | out * (dout - sum(dout * out))                    |
| log_softmax | x - log(sum(exp(x)))          | dout - exp(out) * sum(dout)                       |
| norm        | sqrt(sum(x * x))              | x / out * dout; 0 where the norm is 0             |

`decompose` gives the plain formula. Infinities that are equal share as a tie does: softmax of
[inf, 0] is [1, 0], of [-inf, -inf] it is [1/2, 1/2], where the plain formula gives nan.
Source: with m = max(x), log(sum(exp(x))) = m + log(sum(exp(x - m))), and one of the terms is 1.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.batched import flat, reshaped, shape_of_one, shifted
from chainrule.gates.define import elementwise, gate, ufunc_type
from chainrule.gates.elementwise import as_float, equal, exp, log, where
from chainrule.gates.functions import log1p, over, sqrt, square
from chainrule.gates.move import shape_of
from chainrule.gates.reduce import (
    SETTINGS,
    UNEVEN,
    Axis,
    averaged,
    axes_of,
    axis_code,
    beside,
    bind_reduction,
    max_,
    spread,
    sum_,
)
from chainrule.gates.sigmoid import sigmoid

softplus: Gate = gate(
    "softplus", "x", family="elementwise", evaluate=lambda x: np.logaddexp(0, x),
    scalar=lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))), infer=ufunc_type(np.exp),
    code="np.logaddexp(0, {x})",
    scalar_code="max({x}, 0.0) + math.log1p(math.exp(-abs({x})))",
    local=lambda x, out: (lambda: sigmoid(x),),
    decompose=lambda x: log(1 + exp(x)),
    spellings=(lambda x: log(1 + exp(x)), lambda x: log1p(exp(x))),
    words="multiplies by sigmoid({x}): nearly 1 far above 0, almost nothing far below",
    samples=((1.0,), (-2.0,), (0.0,), (30.0,)),
)


apart = gate(
    "apart", "x y", family="elementwise", symbol="-",
    evaluate=lambda x, y: np.where(np.equal(x, y), 0, np.subtract(x, y))[()],
    scalar=lambda x, y: as_float(0 if x == y else x - y, x, y), infer=ufunc_type(np.subtract),
    code="np.where({x} == {y}, 0, {x} - {y})[()]", scalar_code="0.0 if {x} == {y} else {x} - {y}",
    local=lambda x, y, out: (1, -1),
    decompose=lambda x, y: where(equal(x, y), 0, x - y),
    words="passes {dout} on to {x}, and its negative to {y}",
    samples=((1.5, -2.0), (0.25, 3.0), (1.0, 1.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)
logaddexp = elementwise(
    "logaddexp", "x y", np.logaddexp, "np.logaddexp({x}, {y})",
    scalar=lambda x, y: float(np.logaddexp(x, y)), scalar_code="float(np.logaddexp({x}, {y}))",
    commutes=True,
    local=lambda x, y, out: (
        lambda: sigmoid(apart(x, y)), lambda: sigmoid(apart(y, x)),
    ),
    decompose=lambda x, y: log(exp(x) + exp(y)),
    words="shares {dout}: {x} gets sigmoid({x} - {y}) * {dout}, and {y} gets "
          "sigmoid({y} - {x}) * {dout}",
    samples=((1.5, -2.0), (0.25, 3.0), (1.0, 1.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)

# ---- along axes

LARGEST = "np.max({x}, axis=AXIS, keepdims=True)"
# 1 to each largest number, 0 to others; exp of the distance below the largest for those others
ONES = "np.where({x} == LARGEST, np.ones_like({x}), 0)".replace("LARGEST", LARGEST)
BELOW = "np.where({x} == LARGEST, 0, {x} - LARGEST)".replace("LARGEST", LARGEST)
SMALLER = "np.where({x} == LARGEST, 0, np.exp({x} - LARGEST))".replace("LARGEST", LARGEST)


def _code(template: str, axis: Axis, keepdims: bool = True) -> str:
    return template.replace("AXIS", axis_code(axis)).replace("KEEP", str(keepdims))


def _log_count(x: Any, m: Any, axis: Axis, keepdims: bool) -> Any:
    """log(sum(exp(x - m))): the largest, each exp(0) = 1, are counted; only the rest is summed."""
    ones = np.where(x == m, np.ones_like(x), 0)
    with np.errstate(invalid="ignore"):  # inf - inf, in places not taken
        smaller = np.where(x == m, 0, np.exp(x - m))
    count = np.sum(ones, axis=axis, keepdims=keepdims) - 1
    return np.log1p(np.sum(smaller, axis=axis, keepdims=keepdims) + count)


LOG_COUNT = (
    f"np.log1p(np.sum({SMALLER}, axis=AXIS, keepdims=KEEP)"
    f" + (np.sum({ONES}, axis=AXIS, keepdims=KEEP) - 1))"
)


def _below(x: Any, axis: Axis) -> Any:
    """Distance below the largest number: 0 for the largest, infinities included."""
    m = np.max(x, axis=axis, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.where(x == m, 0, x - m)


def _logsumexp(x: Any, axis: Axis, keepdims: bool) -> Any:
    m = np.max(x, axis=axis, keepdims=True)
    return np.max(x, axis=axis, keepdims=keepdims) + _log_count(x, m, axis, keepdims)


def _softmax(x: Any, axis: Axis) -> Any:
    e = np.exp(_below(x, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Axis) -> Any:
    m = np.max(x, axis=axis, keepdims=True)
    return _below(x, axis) - _log_count(x, m, axis, True)


def _some(types: Sequence[Type], axis: Axis, name: str) -> Type:
    (x,) = types
    if not all(x.shape[a] for a in (range(len(x.shape)) if axis is None else axis)):
        raise ShapeError(f"{name} needs at least one number: the shape is {list(x.shape)}")
    return averaged(types, axis=(), keepdims=True)  # x itself, as real numbers


def _folded(types: Sequence[Type], *, axis: Axis, keepdims: bool) -> Type:
    return averaged([_some(types, axis, "logsumexp")], axis=axis, keepdims=keepdims)


def _bind_axis(x: Any, axis: Any = -1) -> Any:
    return (x,), {"axis": axes_of(x, axis)}


def _plain_softmax(x: Any, axis: Axis) -> Any:
    return exp(x) / sum_(exp(x), axis=axis, keepdims=True)


def _plain_logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return log(sum_(exp(x), axis=axis, keepdims=keepdims))


def _shifted(x: Any, axis: Axis) -> Any:
    return x - max_(x, axis=axis, keepdims=axis is not None)


def _shares(x: Any, axis: Axis) -> Any:
    """softmax, gate by gate: in a group these are stages the user may have computed already."""
    e = exp(_shifted(x, axis))
    return e / sum_(e, axis=axis, keepdims=axis is not None)


def _shifted_logsumexp(x: Any, axis: Axis, keepdims: bool) -> Any:
    total = sum_(exp(_shifted(x, axis)), axis=axis, keepdims=keepdims)
    return max_(x, axis=axis, keepdims=keepdims) + log(total)


def _softmax_back(dout: Any, out: Any, axis: Axis) -> Any:
    return out * (dout - sum_(dout * out, axis=axis, keepdims=True))


AXES: tuple[dict[str, Any], ...] = ({"axis": None}, {"axis": (0,)}, {"axis": (1,)})

softmax: Gate = gate(
    "softmax", "x", family="reduce", evaluate=_softmax, bind=_bind_axis,
    infer=lambda types, *, axis: _some(types, axis, "softmax"),
    code=lambda attrs, operands: _code(
        f"np.exp({BELOW}) / np.sum(np.exp({BELOW}), axis=AXIS, keepdims=True)", attrs["axis"]
    ),
    vjp=lambda dout, x, out, axis: (lambda: _softmax_back(dout, out, axis),),
    decompose=_plain_softmax, spellings=(_shares, _plain_softmax),
    scipy=("softmax",),
    written="e = np.exp(x - x.max(axis=-1, keepdims=True)); e / e.sum(axis=-1, keepdims=True)",
    words="compares {dout} with its average: {x} gets {out} * ({dout} - sum({dout} * {out}))",
    samples=((UNEVEN,),), sample_attrs=AXES,
)
log_softmax: Gate = gate(
    "log_softmax", "x", family="reduce", evaluate=_log_softmax, bind=_bind_axis,
    infer=lambda types, *, axis: _some(types, axis, "log_softmax"),
    code=lambda attrs, operands: _code(f"{BELOW} - {LOG_COUNT}", attrs["axis"]),
    vjp=lambda dout, x, out, axis: (
        lambda: dout - exp(out) * sum_(dout, axis=axis, keepdims=True),
    ),
    recognised_vjp=lambda dout, x, out, axis: (
        lambda: dout - _shares(x, axis) * sum_(dout, axis=axis, keepdims=axis is not None),
    ),
    decompose=lambda x, axis: x - _plain_logsumexp(x, axis, True),
    spellings=(
        lambda x, axis: x - _plain_logsumexp(x, axis, True),
        lambda x, axis: _shifted(x, axis) - _plain_logsumexp(_shifted(x, axis), axis, True),
        lambda x, axis: x - _shifted_logsumexp(x, axis, True),
        lambda x, axis: log(_plain_softmax(x, axis)),
        lambda x, axis: log(_shares(x, axis)),
    ),
    scipy=("log_softmax",),
    written="z = x - x.max(axis=-1, keepdims=True); "
            "z - np.log(np.exp(z).sum(axis=-1, keepdims=True))",
    words="takes back what all share: {x} gets {dout} - exp({out}) * sum({dout})",
    samples=((UNEVEN,),), sample_attrs=AXES,
)
logsumexp: Gate = gate(
    "logsumexp", "x", family="reduce", evaluate=_logsumexp, infer=_folded, bind=bind_reduction,
    code=lambda attrs, operands: _code(
        f"np.max({{x}}, axis=AXIS, keepdims=KEEP) + {LOG_COUNT}", **attrs
    ),
    vjp=lambda dout, x, out, axis, keepdims: (
        lambda: softmax(x, axis=axis) * spread(dout, shape_of(x), axis, keepdims),
    ),
    recognised_vjp=lambda dout, x, out, axis, keepdims: (
        lambda: _shares(x, axis) * beside(dout, axis, keepdims),
    ),
    decompose=_plain_logsumexp, spellings=(_plain_logsumexp, _shifted_logsumexp),
    scipy=("logsumexp",),
    written="m = x.max(); m + np.log(np.exp(x - m).sum())",
    words="shares {dout} in proportion to exp({x}): {x} gets softmax({x}) * {dout}",
    samples=((UNEVEN,),), sample_attrs=SETTINGS,
)

# ---- length

EXPONENT = "np.frexp(np.max(np.abs({x}), axis=AXIS, keepdims=KEEP, initial=0))[1]"
SCALED = "np.linalg.norm(np.ldexp({x}, -EXPONENT), axis=AXIS, keepdims=KEEP)"


def _norm(x: Any, axis: Axis, keepdims: bool) -> Any:
    """np.linalg.norm, of x times a power of two that brings it near 1: the same bits, no overflow.

    Doubling every number doubles every rounding, so only what would leave the range differs.
    """
    kept = np.frexp(np.max(np.abs(x), axis=axis, keepdims=True, initial=0))[1]
    exponent = np.frexp(np.max(np.abs(x), axis=axis, keepdims=keepdims, initial=0))[1]
    return np.ldexp(
        np.linalg.norm(np.ldexp(x, -kept), axis=axis, keepdims=keepdims), exponent
    )


def _norm_code(attrs: dict[str, Any], operands: Any) -> str:
    inner = SCALED.replace("EXPONENT", EXPONENT.replace("KEEP", "True"))
    return _code(f"np.ldexp({inner}, {EXPONENT})", **attrs)


def _bind_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """np.linalg.norm's arguments, where they ask for the root of the sum of squares."""
    axes = axes_of(x, axis)
    rank = len(shape_of(x)) if axes is None else len(axes)
    is_length = ord is None or (ord == 2 and rank == 1) or (ord == "fro" and rank == 2)
    if not is_length or (rank > 2 and axes is not None):
        raise TypeError(f"norm of a traced value is the root of the sum of squares, "
                        f"along one axis, two, or all; not ord={ord!r} over {rank} axes")
    return (x,), {"axis": axes, "keepdims": bool(keepdims)}


def _plain_norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return sqrt(sum_(x * x, axis=axis, keepdims=keepdims))


def _norm_batch(gate: Gate, many: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    if axis is not None:
        return gate(x, axis=shifted(axis), keepdims=keepdims)
    out = gate(flat(x, True), axis=(1,), keepdims=False)
    return reshaped(out, True, (1,) * len(shape_of_one(x, True))) if keepdims else out


norm: Gate = gate(
    "norm", "x", family="reduce", evaluate=_norm, infer=averaged, code=_norm_code,
    numpy=(np.linalg.norm,), bind=_bind_norm, batch=_norm_batch,
    vjp=lambda dout, x, out, axis, keepdims: (
        lambda: over(x, beside(out, axis, keepdims)) * beside(dout, axis, keepdims),
    ),
    decompose=_plain_norm,
    spellings=(
        _plain_norm,
        lambda x, axis=None, keepdims=False: sqrt(sum_(x**2, axis=axis, keepdims=keepdims)),
        lambda x, axis=None, keepdims=False: sqrt(sum_(square(x), axis=axis, keepdims=keepdims)),
    ),
    words="divides its input by the norm: {x} gets {x} / {out} * {dout}; 0 where the norm is 0",
    kinks=lambda x: not np.any(x), samples=((UNEVEN,),), sample_attrs=SETTINGS,
)
