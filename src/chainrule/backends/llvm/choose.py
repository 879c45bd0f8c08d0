"""Rows of gates that choose, round, or divide with a remainder, and of flags.

Each gives NumPy's bits. max(-0.0, 0.0) is either zero, as NumPy's choice differs between
processors; rounding keeps the sign of zero, where Python's floats through math.floor lose it.
remainder calls `fmod` of the C library, which is exact.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from chainrule.backends.llvm import whole
from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.values import Row, Value, as_kinds
from chainrule.circuit.record import BY_NAME, Gate
from chainrule.gates import choose, elementwise, functions


def _chosen(real: str, whole: str, flag: str) -> Row:
    """y where it compares so to x or is nan, else x; x stays where it is nan, or equal."""

    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        x, y = as_kinds(w, kind, operands)
        if kind == "b":
            return w.flag(flag, x, y)
        if kind == "i":
            return w.select_whole(w.compare_whole(whole, y, x), y, x)
        chosen = w.select(w.compare(real, y, x), y, x)  # one instruction, as of x86
        return w.select(w.compare("uno", y, y), y, chosen)

    return row


MAXIMUM, MINIMUM = _chosen("ogt", "sgt", "or"), _chosen("olt", "slt", "and")


def _clip(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    x, low, high = operands
    return MINIMUM(w, kind, [Value(kind, MAXIMUM(w, kind, [x, low])), high])


def _relu(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    """0 where x <= 0, else x: nan stays."""
    (x,) = as_kinds(w, kind, operands)
    if kind == "f":
        return w.select(w.compare("ole", x, 0.0), 0.0, x)
    return w.select_whole(w.compare_whole("sle", x, 0), 0, x) if kind == "i" else x


# ---- one number


def _square(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    (x,) = as_kinds(w, kind, operands)
    return w.mul(x, x) if kind == "f" else w.whole("mul", x, x)


def _reciprocal(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    (x,) = as_kinds(w, kind, operands)
    return w.div(1.0, x) if kind == "f" else whole.reciprocal(w, x)


def _abs(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    (x,) = as_kinds(w, kind, operands)
    if kind == "f":
        return w.intrinsic("fabs", x)
    if kind == "b":
        return x
    return w.select_whole(w.compare_whole("slt", x, 0), w.whole("sub", 0, x), x)


def _sign(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    """1 above 0, -1 below; 0.0 at either zero; nan stays."""
    (x,) = as_kinds(w, kind, operands)
    if kind == "i":
        below = w.select_whole(w.compare_whole("slt", x, 0), -1, 0)
        return w.select_whole(w.compare_whole("sgt", x, 0), 1, below)
    one = w.intrinsic("copysign", w.number(1.0), x)
    value = w.select(w.compare("oeq", x, 0.0), 0.0, one)
    return w.select(w.compare("uno", x, x), x, value)


def _intrinsic(name: str) -> Row:
    """A function that LLVM has, of reals; it leaves whole numbers as they are."""

    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        (x,) = as_kinds(w, kind, operands)
        return w.intrinsic(name, x) if kind == "f" else x

    return row


def _copysign(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    return w.intrinsic("copysign", *as_kinds(w, "f", operands))


def _heaviside(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    """0 below 0, 1 above, y at 0; nan stays."""
    x, y = as_kinds(w, "f", operands)
    value = w.select(w.compare("ogt", x, 0.0), 1.0, w.number(0.0))
    value = w.select(w.compare("oeq", x, 0.0), y, value)
    return w.select(w.compare("uno", x, x), x, value)


def _is(how: str, bound: float) -> Row:
    """Whether |x| compares so to a bound."""

    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        (x,) = as_kinds(w, "f", operands)
        return w.compare(how, w.intrinsic("fabs", x), bound)

    return row


def _scaled(factor: float) -> Row:
    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        (x,) = as_kinds(w, "f", operands)
        return w.mul(x, factor)

    return row


# ---- division with remainder


Divided = Callable[[Lines, str, str, str, str], str]


def _divided(give: Divided, of_wholes: Callable[[Lines, str, str | int], str]) -> Row:
    """A row of x, y, fmod(x, y) and whether that has the sign that y has not."""

    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        x, y = as_kinds(w, kind, operands)
        if kind == "i":
            number = operands[1].number
            return of_wholes(w, x, y if number is None else int(number))
        rest = w.real("frem", x, y)
        crosses = w.flag("xor", w.compare("olt", rest, 0.0), w.compare("olt", y, 0.0))
        return give(w, x, y, rest, w.flag("and", w.compare("une", rest, 0.0), crosses))

    return row


def _remainder(w: Lines, x: str, y: str, rest: str, crosses: str) -> str:
    """A number with the sign of y; nan where y is 0."""
    value = w.select(crosses, w.add(rest, y), rest)
    zero = w.intrinsic("copysign", w.number(0.0), y)
    return w.select(w.compare("oeq", rest, 0.0), zero, value)


def _floor_divide(w: Lines, x: str, y: str, rest: str, crosses: str) -> str:
    """(x - rest) / y is whole but for rounding; x / y where y is 0."""
    exact = w.div(w.sub(x, rest), y)
    exact = w.select(crosses, w.sub(exact, 1.0), exact)
    floor = w.intrinsic("floor", exact)
    floor = w.select(w.compare("ogt", w.sub(exact, floor), 0.5), w.add(floor, 1.0), floor)
    quotient = w.div(x, y)
    zero = w.intrinsic("copysign", w.number(0.0), quotient)
    floor = w.select(w.compare("oeq", exact, 0.0), zero, floor)
    return w.select(w.compare("oeq", y, 0.0), quotient, floor)


# ---- flags


def _logical(operation: str) -> Row:
    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        x, y = as_kinds(w, "b", operands)
        return w.flag(operation, x, y)

    return row


def _logical_not(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    (x,) = as_kinds(w, "b", operands)
    return w.opposite(x)


def _bitwise(operation: str) -> Row:
    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        x, y = as_kinds(w, kind, operands)
        return w.flag(operation, x, y) if kind == "b" else w.whole(operation, x, y)

    return row


def _invert(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    (x,) = as_kinds(w, kind, operands)
    return w.opposite(x) if kind == "b" else w.whole("xor", x, -1)


ROWS: Mapping[Gate, Row] = {
    BY_NAME["copysign"]: _copysign,
    BY_NAME["heaviside"]: _heaviside,
    BY_NAME["isinf"]: _is("oeq", math.inf),
    BY_NAME["isfinite"]: _is("olt", math.inf),
    BY_NAME["isnan"]: _is("uno", 0.0),
    BY_NAME["deg2rad"]: _scaled(math.pi / 180),
    BY_NAME["rad2deg"]: _scaled(180 / math.pi),
    elementwise.maximum: MAXIMUM,
    choose.minimum: MINIMUM,
    choose.clip: _clip,
    choose.relu: _relu,
    functions.square: _square,
    functions.sqrt: _intrinsic("sqrt"),
    functions.reciprocal: _reciprocal,
    functions.abs_: _abs,
    functions.sign: _sign,
    functions.floor: _intrinsic("floor"),
    functions.ceil: _intrinsic("ceil"),
    functions.trunc: _intrinsic("trunc"),
    functions.rint: _intrinsic("rint"),
    functions.remainder: _divided(_remainder, whole.remainder),
    functions.floor_divide: _divided(_floor_divide, whole.floor_divide),
    choose.logical_and: _logical("and"),
    choose.logical_or: _logical("or"),
    choose.logical_not: _logical_not,
    choose.bitwise_and: _bitwise("and"),
    choose.bitwise_or: _bitwise("or"),
    choose.invert: _invert,
}
