"""Scalar functions: one row each, with the partial written so that it keeps its digits.

| gate               | out                 | local gradient by x (by y)                          |
|--------------------|---------------------|-----------------------------------------------------|
| square sqrt cbrt   | x**2, x**1/2, x**1/3| 2 * x, 0.5 / out, 1 / (3 * out**2)                  |
| reciprocal         | 1 / x               | -out * out                                          |
| abs, sign          | |x|, -1 0 or 1      | sign(x), which is 0 at 0; 0                         |
| log1p log2 log10   | log(1 + x), ...     | 1 / (1 + x), 1 / (x * log(base))                    |
| expm1 exp2         | exp(x) - 1, 2**x    | exp(x), out * log(2)                                |
| sin cos tan        |                     | cos(x), -sin(x), 1 + out**2                         |
| arcsin arccos      |                     | +-1 / sqrt((1 - x) * (1 + x))                       |
| arctan             |                     | 1 / (1 + x**2)                                      |
| sinh cosh tanh sech| sech = 1 / cosh     | cosh(x), sinh(x), sech(x)**2, -out * tanh(x)        |
| arcsinh            |                     | 1 / hypot(1, x)                                     |
| arccosh            |                     | 1 / (sqrt(x - 1) * sqrt(x + 1))                     |
| arctanh            |                     | 1 / ((1 - x) * (1 + x))                             |
| deg2rad, rad2deg   | x * pi / 180, ...   | pi / 180, 180 / pi                                  |
| hypot              | sqrt(x**2 + y**2)   | x / out, y / out; 0 at the origin                   |
| arctan2            | angle of (x, y)     | by y: x / r**2, by x: -y / r**2; 0 at the origin    |
| floor_divide       | floor(x / y)        | 0, 0                                                |
| copysign           | |x| as y is signed  | sign(x) * copysign(1, y), which is 0 at 0; 0        |
| heaviside          | 0, y at 0, 1        | 0; 1 at x = 0                                       |
| remainder          | x - floor(x / y) * y| 1, -floor(x / y)                                    |
| floor ceil trunc rint |                  | 0                                                   |

tanh is sech**2 and not 1 - out**2, which is 0 at x = 20 where 1.7e-17 is right.
Source of the partials: NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov,
4.20, 4.34 and 4.40; each is checked against finite differences in tests.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.gates.define import elementwise, gate, ufunc_type
from chainrule.gates.elementwise import as_float, equal, exp, where

Samples = tuple[tuple[float, ...], ...]


def _function(
    name: str, ufunc: np.ufunc, scalar: Callable[[float], float], samples: Samples,
    partial: Callable[[Any, Any], Any], words: str, **fields: Any,
) -> Gate:
    """A function of one number that NumPy and Python's math module both have."""
    return elementwise(
        name, "x", ufunc, f"np.{ufunc.__name__}({{x}})", scalar=scalar,
        scalar_code=fields.pop("scalar_code", f"math.{scalar.__name__}({{x}})"), samples=samples,
        local=lambda x, out: (lambda: partial(x, out),), words=words, **fields,
    )


# ---- powers and roots

square = _function(
    "square", np.square, lambda x: x**2, ((1.5,), (-2.0,), (0.0,)),
    lambda x, out: 2 * x, "multiplies by twice its input: {x} gets 2 * {x} * {dout}",
    symbol="**2", scalar_code="{x} ** 2",
)
sqrt = _function(
    "sqrt", np.sqrt, math.sqrt, ((2.25,), (0.01,)),
    lambda x, out: 0.5 / out, "divides by twice its output: {x} gets 0.5 / {out} * {dout}",
)
cbrt = _function(
    "cbrt", np.cbrt, math.cbrt, ((3.5,), (-0.3,)),
    lambda x, out: 1 / (3 * out * out),
    "divides by 3 * {out} ** 2: {x} gets {dout} / (3 * {out} ** 2)",
    scipy=("cbrt",),
)
reciprocal = _function(
    "reciprocal", np.reciprocal, lambda x: 1 / x, ((1.5,), (-0.25,)),
    lambda x, out: -out * out, "multiplies by minus its output squared: "
    "{x} gets -{out} * {out} * {dout}",
    symbol="1/x", scalar_code="1 / {x}",
)


def _sign(x: Any) -> Any:
    return x if x != x else as_float((x > 0) - (x < 0), x)


def _is_zero(*inputs: Any) -> bool:
    """Any place where all the inputs are 0."""
    return bool(np.any(np.all(np.broadcast_arrays(*(np.equal(x, 0) for x in inputs)), axis=0)))


def _flat(
    name: str, ufunc: np.ufunc, scalar: Callable[[float], float], scalar_code: str,
    samples: Samples, kinks: Callable[[Any], bool],
) -> Gate:
    """A function that stays level between its jumps."""
    return elementwise(
        name, "x", ufunc, f"np.{ufunc.__name__}({{x}})", scalar=scalar, scalar_code=scalar_code,
        local=lambda x, out: (None,), samples=samples, kinks=kinks,
        words="is flat between its jumps: nothing flows back",
    )


def _at_integer(x: Any) -> bool:
    return bool(np.any(np.floor(x) == x))


sign = _flat("sign", np.sign, _sign, "float(np.sign({x}))", ((1.5,), (-2.0,), (0.0,)), _is_zero)
floor = _flat(
    "floor", np.floor, lambda x: as_float(math.floor(x), x), "float(math.floor({x}))",
    ((1.5,), (-2.25,), (3.0,)), _at_integer,
)
ceil = _flat(
    "ceil", np.ceil, lambda x: as_float(math.ceil(x), x), "float(math.ceil({x}))",
    ((1.5,), (-2.25,), (3.0,)), _at_integer,
)
trunc = _flat(
    "trunc", np.trunc, lambda x: as_float(math.trunc(x), x), "float(math.trunc({x}))",
    ((1.5,), (-2.25,), (3.0,)), _at_integer,
)
rint = _flat(
    "rint", np.rint, lambda x: float(round(x)), "float(round({x}))",
    ((1.25,), (-2.75,), (2.5,)), lambda x: _at_integer(np.asarray(x) + 0.5),
)
abs_ = elementwise(
    "abs", "x", np.absolute, "np.abs({x})", evaluate=operator.abs, scalar=operator.abs,
    scalar_code="abs({x})", operator="abs",
    local=lambda x, out: (lambda: sign(x),),
    words="keeps or flips the sign: {x} gets sign({x}) * {dout}; at 0 that is 0",
    kinks=_is_zero, samples=((1.5,), (-2.0,), (0.0,)),
)

copysign: Gate = elementwise(
    "copysign", "x y", np.copysign, "np.copysign({x}, {y})", scalar=math.copysign,
    scalar_code="math.copysign({x}, {y})",
    local=lambda x, y, out: (lambda: sign(x) * copysign(1.0, y), None),
    words="keeps or flips the sign: {x} gets sign({x}) * sign({y}) * {dout}; at 0 that is 0",
    kinks=lambda x, y: _is_zero(x) or _is_zero(y),
    samples=((1.5, -2.0), (-0.25, 3.0), (-1.5, -1.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)
heaviside = elementwise(
    "heaviside", "x y", np.heaviside, "np.heaviside({x}, {y})",
    scalar=lambda x, y: float(np.heaviside(x, y)), scalar_code="float(np.heaviside({x}, {y}))",
    local=lambda x, y, out: (None, where(equal(x, 0), 1, 0)),
    words="is flat between its jumps: {x} gets nothing, and {y} gets {dout} where {x} is 0",
    kinks=lambda x, y: _is_zero(x), samples=((1.5, 0.5), (-2.0, 0.5), (0.0, 0.5)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)

# ---- exponentials and logarithms

LN2, LN10 = math.log(2), math.log(10)
RADIAN = math.pi / 180

log1p = _function(
    "log1p", np.log1p, math.log1p, ((0.5,), (-0.3,), (1e-3,)),
    lambda x, out: 1 / (1 + x), "divides by 1 + {x}: {x} gets {dout} / (1 + {x})",
    scipy=("log1p",),
)
log2 = _function(
    "log2", np.log2, math.log2, ((1.5,), (0.25,)),
    lambda x, out: 1 / LN2 / x, "divides by {x} * log(2): {x} gets {dout} / ({x} * log(2))",
)
log10 = _function(
    "log10", np.log10, math.log10, ((1.5,), (0.25,)),
    lambda x, out: 1 / LN10 / x, "divides by {x} * log(10): {x} gets {dout} / ({x} * log(10))",
)
expm1 = _function(
    "expm1", np.expm1, math.expm1, ((1.5,), (-2.0,), (1e-3,)),
    lambda x, out: exp(x),  # not out + 1: it has no digits left in the tail
    "multiplies by exp({x}): {x} gets exp({x}) * {dout}",
    scipy=("expm1",),
)
exp2 = _function(
    "exp2", np.exp2, math.exp2, ((1.5,), (-2.0,)),
    lambda x, out: LN2 * out, "multiplies by log(2) * {out}: {x} gets log(2) * {out} * {dout}",
    scipy=("exp2",),
)

# ---- circular functions

sin: Gate = _function(
    "sin", np.sin, math.sin, ((0.7,), (-2.0,), (0.0,)),
    lambda x, out: cos(x), "multiplies by cos({x}): {x} gets cos({x}) * {dout}",
)
cos: Gate = _function(
    "cos", np.cos, math.cos, ((0.7,), (-2.0,)),
    lambda x, out: -sin(x), "multiplies by -sin({x}): {x} gets -sin({x}) * {dout}",
)
tan = _function(
    "tan", np.tan, math.tan, ((0.7,), (-2.0,), (0.0,)),
    lambda x, out: 1 + out * out,
    "multiplies by 1 + {out} ** 2: {x} gets (1 + {out} ** 2) * {dout}",
)
arcsin = _function(
    "arcsin", np.arcsin, math.asin, ((0.7,), (-0.2,), (0.0,)),
    lambda x, out: 1 / sqrt((1 - x) * (1 + x)),
    "divides by sqrt(1 - {x} ** 2): {x} gets {dout} / sqrt(1 - {x} ** 2)",
)
arccos = _function(
    "arccos", np.arccos, math.acos, ((0.7,), (-0.2,), (0.0,)),
    lambda x, out: -1 / sqrt((1 - x) * (1 + x)),
    "divides by -sqrt(1 - {x} ** 2): {x} gets -{dout} / sqrt(1 - {x} ** 2)",
)
arctan = _function(
    "arctan", np.arctan, math.atan, ((0.7,), (-2.0,), (0.0,)),
    lambda x, out: 1 / (1 + x * x), "divides by 1 + {x} ** 2: {x} gets {dout} / (1 + {x} ** 2)",
)

deg2rad = _function(
    "deg2rad", np.deg2rad, math.radians, ((30.0,), (-2.0,)),
    lambda x, out: RADIAN, "multiplies by pi / 180: {x} gets pi / 180 * {dout}", also=(np.radians,),
)
rad2deg = _function(
    "rad2deg", np.rad2deg, math.degrees, ((0.7,), (-2.0,)),
    lambda x, out: 1 / RADIAN, "multiplies by 180 / pi: {x} gets 180 / pi * {dout}",
    also=(np.degrees,),
)

# ---- hyperbolic functions

sinh: Gate = _function(
    "sinh", np.sinh, math.sinh, ((0.7,), (-2.0,), (0.0,)),
    lambda x, out: cosh(x), "multiplies by cosh({x}): {x} gets cosh({x}) * {dout}",
)
cosh: Gate = _function(
    "cosh", np.cosh, math.cosh, ((0.7,), (-2.0,), (0.5,)),
    lambda x, out: sinh(x), "multiplies by sinh({x}): {x} gets sinh({x}) * {dout}",
)
sech: Gate = gate(
    "sech", "x", family="elementwise", evaluate=lambda x: 1 / np.cosh(x),
    scalar=lambda x: 1 / math.cosh(x), infer=ufunc_type(np.cosh), code="1 / np.cosh({x})",
    scalar_code="1 / math.cosh({x})",
    local=lambda x, out: (lambda: -out * tanh(x),),
    decompose=lambda x: 1 / cosh(x),
    words="multiplies by -{out} * tanh({x}): {x} gets -{out} * tanh({x}) * {dout}",
    samples=((0.7,), (-2.0,), (0.5,)),
)
tanh: Gate = _function(
    "tanh", np.tanh, math.tanh, ((0.7,), (-2.0,), (0.0,)),
    lambda x, out: square(sech(x)),
    "multiplies by 1 - {out} ** 2 = 1 / cosh({x}) ** 2: most at 0, almost nothing where it is flat",
)
arcsinh = _function(
    "arcsinh", np.arcsinh, math.asinh, ((0.7,), (-2.0,), (0.0,)),
    lambda x, out: 1 / hypot(1, x),
    "divides by sqrt(1 + {x} ** 2): {x} gets {dout} / sqrt(1 + {x} ** 2)",
)
arccosh = _function(
    "arccosh", np.arccosh, math.acosh, ((1.5,), (4.0,)),
    lambda x, out: 1 / (sqrt(x - 1) * sqrt(x + 1)),
    "divides by sqrt({x} ** 2 - 1): {x} gets {dout} / sqrt({x} ** 2 - 1)",
)
arctanh = _function(
    "arctanh", np.arctanh, math.atanh, ((0.7,), (-0.2,), (0.0,)),
    lambda x, out: 1 / ((1 - x) * (1 + x)),
    "divides by 1 - {x} ** 2: {x} gets {dout} / (1 - {x} ** 2)",
)

# ---- the plane


def over(x: Any, length: Any) -> Any:
    """x / length, and 0 where the length is 0 (then so is x); never 0 / 0, nor its derivatives."""
    return x / where(equal(length, 0), 1, length)


hypot: Gate = elementwise(
    "hypot", "x y", np.hypot, "np.hypot({x}, {y})", scalar=math.hypot,
    scalar_code="math.hypot({x}, {y})", commutes=True,
    local=lambda x, y, out: (lambda: over(x, out), lambda: over(y, out)),
    words="divides its inputs by {out}: {x} gets {x} / {out} * {dout}, and "
          "{y} gets {y} / {out} * {dout}; at the origin they get 0",
    kinks=_is_zero, samples=((3.0, -4.0), (0.25, 3.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)


def _on_the_cut(y: Any, x: Any) -> bool:
    """At the origin, or where the angle jumps from pi to -pi."""
    return bool(np.any((np.asarray(y) == 0) & (np.asarray(x) <= 0)))


def _twice_over(x: Any, r: Any) -> Any:
    """x / r**2 without squaring, which would overflow."""
    return over(over(x, r), r)


arctan2 = elementwise(
    "arctan2", "y x", np.arctan2, "np.arctan2({y}, {x})", scalar=math.atan2,
    scalar_code="math.atan2({y}, {x})",
    local=lambda y, x, out: (
        lambda: _twice_over(x, hypot(x, y)), lambda: -_twice_over(y, hypot(x, y)),
    ),
    words="swaps its inputs: {y} gets {x} / ({x} ** 2 + {y} ** 2) * {dout}, and "
          "{x} gets -{y} / ({x} ** 2 + {y} ** 2) * {dout}; at the origin they get 0",
    kinks=_on_the_cut, samples=((3.0, -4.0), (-0.25, 3.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)

# ---- division with remainder


def _divides(x: Any, y: Any) -> bool:
    return bool(np.any(np.remainder(x, y) == 0))


floor_divide = elementwise(
    "floor_divide", "x y", np.floor_divide, "{x} // {y}", symbol="//",
    evaluate=operator.floordiv, scalar=operator.floordiv,
    operator="floordiv",
    local=lambda x, y, out: (None, None),
    words="is flat between its jumps: nothing flows back",
    kinks=_divides, samples=((5.5, 2.0), (-5.5, 2.0), (6.0, 2.0)),
    error_samples=((np.ones(2), np.ones(3)),),
)
remainder = elementwise(
    "remainder", "x y", np.remainder, "{x} % {y}", symbol="%",
    evaluate=operator.mod, scalar=operator.mod, operator="mod",
    local=lambda x, y, out: (1, lambda: -floor_divide(x, y)),
    words="passes {dout} on to {x}, and {y} gets -floor({x} / {y}) * {dout}",
    kinks=_divides, samples=((5.5, 2.0), (-5.5, 2.0), (6.0, 2.0)),
    error_samples=((np.ones(2), np.ones(3)),),
)
