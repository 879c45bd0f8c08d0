"""Elementwise gates: one number out for one number (or two) in, broadcast over arrays.

| gate      | out          | local gradient by x, y          |
|-----------|--------------|---------------------------------|
| add       | x + y        | 1, 1                            |
| accumulate| x + y        | 1, 1 (gradients at a fork)      |
| subtract  | x - y        | 1, -1                           |
| multiply  | x * y        | y, x                            |
| divide    | x / y        | 1 / y, -out / y                 |
| negate    | -x           | -1                              |
| power     | x ** y       | y * x ** (y - 1), out * log(x)  |
| exp       | e ** x       | out                             |
| log       | log x        | 1 / x                           |
| maximum   | max(x, y)    | 1 to the larger; a tie shares   |
| where     | c ? x : y    | 1 to the branch taken           |

Source of the partials: any calculus text; each is checked against finite differences in tests.
"""

import math
import operator
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_NAME, Gate
from chainrule.gates.define import (
    elementwise,
    gate,
    power_of_floats,
    select_type,
    ufunc_type,
)

add = elementwise(
    "add", "x y", np.add, "{x} + {y}", symbol="+", evaluate=operator.add, scalar=operator.add,
    operator="add", commutes=True,
    local=lambda x, y, out: (1, 1),
    words="distributes: {inputs} get {dout} unchanged",
    samples=((1.5, -2.0), (0.25, 3.0)), error_samples=((np.zeros(2), np.zeros(3)),),
)
accumulate = gate(
    "accumulate", "x y", family="elementwise", symbol="+=", evaluate=operator.add,
    infer=ufunc_type(np.add), code="{x} + {y}",
    local=lambda x, y, out: (1, 1),
    words="adds one more gradient at a fork",
    samples=((1.5, -2.0), (0.25, 3.0)),
)
subtract = elementwise(
    "subtract", "x y", np.subtract, "{x} - {y}", symbol="-", evaluate=operator.sub,
    scalar=operator.sub, operator="sub",
    local=lambda x, y, out: (1, -1),
    words="passes {dout} on to {x}, and its negative to {y}",
    samples=((1.5, -2.0), (0.25, 3.0)), error_samples=((np.zeros(2), np.zeros(3)),),
)
multiply = elementwise(
    "multiply", "x y", np.multiply, "{x} * {y}", symbol="*", evaluate=operator.mul,
    scalar=operator.mul, operator="mul", commutes=True,
    local=lambda x, y, out: (y, x),
    words="swaps its inputs: {x} gets {y} * {dout}, and {y} gets {x} * {dout}",
    samples=((1.5, -2.0), (0.25, 3.0)), error_samples=((np.zeros(2), np.zeros(3)),),
)
divide = elementwise(
    "divide", "x y", np.divide, "{x} / {y}", symbol="/", evaluate=operator.truediv,
    scalar=operator.truediv, operator="truediv",
    local=lambda x, y, out: (lambda: 1 / y, lambda: -out / y),
    # dout / y rather than (1 / y) * dout: one rounding less, and what a person would write
    vjp=lambda dout, x, y, out: (lambda: dout / y, lambda: -out / y * dout),
    words="divides: {x} gets {dout} / {y}, and {y} gets -{out} / {y} * {dout}",
    samples=((1.5, -2.0), (0.25, 3.0)), error_samples=((np.zeros(2), np.zeros(3)),),
)
negate = elementwise(
    "negate", "x", np.negative, "-{x}", symbol="*-1", evaluate=operator.neg,
    scalar=operator.neg, hidden=("multiply", -1.0),
    local=lambda x, out: (-1,),
    words="flips the sign: {x} gets -{dout}",
    samples=((1.5,), (-2.0,)),
)
greater = elementwise(
    "greater", "x y", np.greater, "{x} > {y}", symbol=">", scalar=operator.gt,
    words="is flat: nothing flows back", samples=((1.0, 2.0),),
)
greater_equal = elementwise(
    "greater_equal", "x y", np.greater_equal, "{x} >= {y}", symbol=">=", scalar=operator.ge,
    words="is flat: nothing flows back", samples=((1.0, 2.0),),
)
less = elementwise(
    "less", "x y", np.less, "{x} < {y}", symbol="<", scalar=operator.lt,
    words="is flat: nothing flows back", samples=((1.0, 2.0),),
)
less_equal = elementwise(
    "less_equal", "x y", np.less_equal, "{x} <= {y}", symbol="<=", scalar=operator.le,
    words="is flat: nothing flows back", samples=((1.0, 2.0),),
)
equal = elementwise(
    "equal", "x y", np.equal, "{x} == {y}", symbol="==", scalar=operator.eq, commutes=True,
    words="is flat: nothing flows back", samples=((1.0, 2.0),),
)
not_equal = elementwise(
    "not_equal", "x y", np.not_equal, "{x} != {y}", symbol="!=", scalar=operator.ne,
    commutes=True,
    words="is flat: nothing flows back", samples=((1.0, 2.0),),
)
def as_float(out: Any, *operands: Any) -> Any:
    """A chosen Python number, a float if any it was chosen from is one."""
    return float(out) if any(x.__class__ is float for x in operands) else out


def _select(condition: Any, x: Any, y: Any) -> Any:
    return np.where(condition, x, y)[()]


def both(live: Any, flags: Any) -> Any:
    """Where a gradient under the mask `live` (or None) is alive behind a choice as well."""
    return flags if live is None else where(live(), flags, False)


where: Gate = gate(
    "where", "condition x y", family="elementwise", evaluate=_select, infer=select_type,
    code="np.where({condition}, {x}, {y})",
    scalar=lambda condition, x, y: as_float(x if condition else y, x, y),
    scalar_code="{x} if {condition} else {y}", number_code="{x} if {condition} else {y}",
    numpy=(np.where,), bind=lambda condition, x, y: ((condition, x, y), {}),
    local=lambda condition, x, y, out: (None, where(condition, 1, 0), where(condition, 0, 1)),
    vjp=lambda dout, condition, x, y, out: (
        None, lambda: where(condition, dout, 0), lambda: where(condition, 0, dout),
    ),
    mask=lambda live, condition, x, y, out: (
        None, lambda: both(live, condition), lambda: both(live, BY_NAME["logical_not"](condition)),
    ),
    words="routes {dout} to the branch taken",
    samples=((True, 1.5, -2.0), (False, 0.25, 3.0)),
)
exp = elementwise(
    "exp", "x", np.exp, "np.exp({x})", scalar=math.exp, scalar_code="math.exp({x})",
    local=lambda x, out: (out,),
    words="multiplies by its own output: {x} gets {out} * {dout}",
    samples=((1.5,), (-2.0,), (0.0,)),
)
log = elementwise(
    "log", "x", np.log, "np.log({x})", scalar=math.log, scalar_code="math.log({x})",
    local=lambda x, out: (lambda: 1 / x,),
    vjp=lambda dout, x, out: (lambda: dout / x,),
    words="divides by its input: {x} gets {dout} / {x}",
    samples=((1.5,), (0.25,)),
)


def _power_by_base(x: Any, y: Any) -> Any:
    """y * x ** (y - 1), and 0 where y is 0 (x ** 0 is 1 everywhere, at 0 too)."""
    return where(equal(y, 0), 0, y * power(x, y - 1))


def _power_by_exponent(x: Any, out: Any) -> Any:
    """out * log(x), and 0 at x = 0, where out does not move while y > 0."""
    return where(equal(x, 0), 0, out * log(where(equal(x, 0), 1, x)))


power = elementwise(
    "power", "x y", np.power, "{x} ** {y}", symbol="**", evaluate=operator.pow,
    scalar=power_of_floats, operator="pow",
    scalar_code=lambda attrs, operands: (
        "{x} ** {y}" if float(operands[1] or 0.5).is_integer() else "math.pow({x}, {y})"
    ),
    local=lambda x, y, out: (
        lambda: _power_by_base(x, y), lambda: _power_by_exponent(x, out),
    ),
    words="{x} gets {y} * {x} ** ({y} - 1) * {dout}",
    samples=((1.5, 2.0), (0.25, -3.0), (2.0, 0.5)),
)


def maximum_back(dout: Any, x: Any, y: Any) -> Any:
    """What the input x of max(x, y) gets: all, nothing, or half at a tie."""
    return where(greater_equal(x, y), where(equal(x, y), 0.5 * dout, dout), 0)


maximum = elementwise(
    "maximum", "x y", np.maximum, "np.maximum({x}, {y})", symbol="max",
    scalar=lambda x, y: as_float(y if y > x or y != y else x, x, y),
    scalar_code="max({x}, {y})", commutes=True, builtin=("max", "greater"),
    vjp=lambda dout, x, y, out: (
        lambda: maximum_back(dout, x, y), lambda: maximum_back(dout, y, x),
    ),
    mask=lambda live, x, y, out: (
        lambda: both(live, greater_equal(x, y)), lambda: both(live, greater_equal(y, x)),
    ),
    words="routes: all of {dout} goes to the larger input; a tie shares it equally",
    kinks=lambda x, y: bool(np.any(np.asarray(x) == np.asarray(y))),
    samples=((1.5, -2.0), (0.25, 3.0), (1.0, 1.0)),
    error_samples=((np.zeros(2), np.zeros(3)),),
)
