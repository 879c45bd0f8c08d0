"""One row per core gate: the instructions that compute it, by the kind of number on its wire.

A row is a function of the writer, the kind of the output and the operands; it gives the value's
name. It converts its operands to the kind it computes in: "f" for real numbers, "i" for whole
numbers, "b" for flags. Rows that choose or round are in choose.py, calls of our own
functions in functions.py. Gates that have no row are decomposed (see prepare.py).
"""

from collections.abc import Mapping, Sequence

from chainrule.backends.llvm import choose, functions, whole
from chainrule.backends.llvm.lines import SINGLE, Lines
from chainrule.backends.llvm.values import IR_TYPE, Row, Value, as_kind, as_kinds
from chainrule.circuit.record import Gate
from chainrule.gates import elementwise, move, reduce, sigmoid


def _arithmetic(real: str, whole: str, flag: str = "") -> Row:
    """An instruction for each kind; NumPy adds flags by or, and multiplies them by and."""

    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        x, y = as_kinds(w, kind, operands)
        if kind == "f":
            return w.real(real, x, y)
        return w.whole(whole, x, y) if kind == "i" else w.flag(flag, x, y)

    return row


def _divide(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    return w.div(*as_kinds(w, "f", operands))


def _negate(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    (x,) = as_kinds(w, kind, operands)
    return w.neg(x) if kind == "f" else w.whole("sub", 0, x)


def _comparison(real: str, whole: str) -> Row:
    def row(w: Lines, kind: str, operands: Sequence[Value]) -> str:
        if any(x.kind == "f" for x in operands):
            return w.compare(real, *as_kinds(w, "f", operands))
        return w.compare_whole(whole, *as_kinds(w, "i", operands))

    return row


def _where(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    condition, x, y = operands
    test = as_kind(w, "b", condition)
    element = None if kind == "f" else IR_TYPE[kind]
    return w.select(test, as_kind(w, kind, x), as_kind(w, kind, y), element)


def _power(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    """Repeated multiplication where that stays within 2 ulp: whole exponents from -1 to 4."""
    base, exponent = operands
    if kind != "f":
        assert exponent.number is not None  # see prepare.py
        return whole.power(w, as_kind(w, kind, base), int(exponent.number))
    x = as_kind(w, "f", base)
    match exponent.number:
        case 2:
            return w.mul(x, x)
        case 3:
            return w.mul(w.mul(x, x), x)
        case 4:
            square = w.mul(x, x)
            return w.mul(square, square)
        case -1:
            return w.div(1.0, x)
    return w.call("power", x, as_kind(w, "f", exponent))


def _sigmoid(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    """exp(min(x, 0)) / (1 + exp(-|x|)), where one of the two exponentials is exp(-|x|)."""
    (x,) = as_kinds(w, "f", operands)
    if w.real_type is SINGLE:
        return w.call("sigmoid", x)
    e = w.call("exp", w.neg(w.intrinsic("fabs", x)))
    return w.div(w.select(w.compare("olt", x, 0.0), e, 1.0), w.add(e, 1.0))


def _same(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    """Gates that move numbers or add them up, when there is only one."""
    return as_kind(w, kind, operands[0])


ROWS: Mapping[Gate, Row] = {
    elementwise.add: _arithmetic("fadd", "add", "or"),
    elementwise.accumulate: _arithmetic("fadd", "add", "or"),
    elementwise.subtract: _arithmetic("fsub", "sub"),
    elementwise.multiply: _arithmetic("fmul", "mul", "and"),
    elementwise.divide: _divide,
    elementwise.negate: _negate,
    elementwise.power: _power,
    elementwise.where: _where,
    elementwise.greater: _comparison("ogt", "sgt"),
    elementwise.greater_equal: _comparison("oge", "sge"),
    elementwise.less: _comparison("olt", "slt"),
    elementwise.less_equal: _comparison("ole", "sle"),
    elementwise.equal: _comparison("oeq", "eq"),
    elementwise.not_equal: _comparison("une", "ne"),
    sigmoid.sigmoid: _sigmoid,
    **dict.fromkeys(
        (move.alias, move.stop_gradient, move.cast, move.reshape, move.broadcast_to,
         move.transpose, reduce.sum_),
        _same,
    ),
    **choose.ROWS,
    **functions.ROWS,
}
