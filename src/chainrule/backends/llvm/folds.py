"""The instructions of a fold: what it begins with, how a number joins it, and how two totals do."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainrule.backends.llvm.choose import MAXIMUM, MINIMUM
from chainrule.backends.llvm.elementwise import ROWS
from chainrule.backends.llvm.lines import REAL, SINGLE, Lines
from chainrule.backends.llvm.nests import Fold
from chainrule.backends.llvm.steps import text_of
from chainrule.backends.llvm.values import IR_TYPE, Value
from chainrule.gates.elementwise import add, multiply

_IDENTITY = {
    "sum": -0.0, "dot": -0.0, "prod": 1.0, "max": -math.inf, "min": math.inf, "any": 0, "all": 1,
}
_LEAST = {"max": -(2**63), "min": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class Off:
    """The lanes that count: all of them, or those of a mask, which may be the `first` so many."""

    mask: str | None = None
    first: int = 0


def identity(fold: Fold) -> Value:
    """What joins with any number to give that number."""
    kind, number = fold.value.kind, _IDENTITY[fold.how]
    if kind == "i":
        number = _LEAST.get(fold.how, number)
    if kind == "b":
        number = number > 0
    return Value(kind, "", number if kind in "fs" else int(number))


def join(w: Lines, how: str, kind: str, x: str, y: str) -> str:
    """Two results of a fold as one."""
    operands = [Value("f" if kind == "s" else kind, n) for n in (x, y)]
    row = _JOIN[how]
    if kind != "s":
        return row(w, kind, operands)
    with w.in_single():
        return row(w, "f", operands)


def _flags(how: str) -> Callable[[Lines, str, Sequence[Value]], str]:
    return lambda w, kind, operands: w.flag(how, *(v.name for v in operands))


_JOIN: dict[str, Callable[[Lines, str, Sequence[Value]], str]] = {
    "sum": ROWS[add], "dot": ROWS[add], "prod": ROWS[multiply], "max": MAXIMUM, "min": MINIMUM,
    "any": _flags("or"), "all": _flags("and"),
}


def taken_in(w: Lines, fold: Fold, total: str, terms: Sequence[str], off: Off) -> str:
    """The total with one more term; lanes that are off leave it."""
    kind = fold.value.kind
    if fold.how == "dot" and kind in "fs":
        w.real_type = SINGLE if kind == "s" else REAL
        made = w.fma(terms[0], terms[1], total)
        w.real_type = REAL
    elif fold.how == "dot":
        made = join(w, "sum", kind, join(w, "prod", kind, *terms), total)
    else:
        made = join(w, fold.how, kind, total, terms[0])
    return made if off.mask is None else w.select(off.mask, made, total, IR_TYPE[kind])


def taken_in_turn(
    w: Lines, fold: Fold, total: str, terms: Sequence[str], off: Off
) -> str:
    """The total with the numbers of one lane after another; those of lanes that are off are -0.0,
    which changes no sum."""
    kind, t, one = fold.value.kind, IR_TYPE[fold.value.kind], w.with_lanes(0, {})
    if off.mask is not None and not off.first:
        nothing = text_of(w, kind, Value(kind, "", -0.0 if kind in "fs" else 0), {})
        terms = [w.select(off.mask, x, nothing, t) for x in terms]
    for lane in range(off.first or w.lanes):
        for x in terms:
            number = one.line(f"extractelement {w.many(t)} {x}, i32 {lane}")
            total = join(one, "sum", kind, total, number)
    return total
