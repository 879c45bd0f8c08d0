"""What numbers machine code computes in, and what it only reads.

    float64 float32 int64 bool     computed in
    shorter whole numbers          read as int64: arrays given, and what is moved or picked of them

Whole numbers whose result may be a real one, or an error, are not computed here.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Origin
from chainrule.circuit.record import INPUT, Kind
from chainrule.circuit.types import Type
from chainrule.errors import UnsupportedError
from chainrule.gates import reduce
from chainrule.gates.elementwise import power
from chainrule.gates.functions import floor_divide, reciprocal, remainder

NUMBERS = ("float64", "float32", "int64", "bool")
SHORT = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
# Python's whole numbers may give a real one, as 7 // 0 and 2 ** -1 do; arrays ** -1 raise.
LEAVE_WHOLE = (floor_divide, remainder, reciprocal, power)


def check_row(circuit: Circuit, row: int) -> None:
    """Raise UnsupportedError, naming gate and line, where a row has other numbers."""
    if circuit.is_constant(row):
        return
    kind, where = circuit.kind_of(row), circuit.origin_of(row)
    says = "an input is" if kind.gate is INPUT else f"{kind.gate.name} works on"
    read = [circuit.type_of(w) for w in circuit.operands(row)]
    check_number(kind.type, says, where, short=_is_passed_on(kind, read))
    for t in read:
        check_number(t, says, where, short=True)


def check_number(t: Type, says: str, where: Origin | None, *, short: bool = False) -> None:
    """The same for one type; `short`: where it is only read."""
    if not (is_read(t.dtype) if short else is_computed_in(t.dtype)):
        raise UnsupportedError(
            f"machine code computes in {', '.join(NUMBERS)}, and {says} {t.dtype}"
            f"{line_of(where)}"
        )


@cache
def is_computed_in(dtype: Any) -> bool:
    """True for the dtypes of instructions."""
    return dtype.name in NUMBERS  # a name that NumPy puts together anew each time


@cache
def is_read(dtype: Any) -> bool:
    """True for those, and for what is read as int64."""
    return dtype.name in (*NUMBERS, *SHORT)


def _is_passed_on(kind: Kind, read: Sequence[Type]) -> bool:
    """True for inputs, and for gates whose numbers are some of those they are given."""
    passes = kind.gate.family in ("move", "gather") or kind.gate in (reduce.max_, reduce.min_)
    return kind.gate is INPUT or (passes and kind.type.dtype in [t.dtype for t in read])


def leaves_whole(circuit: Circuit, row: int) -> bool:
    """True for a stage of whole numbers that gives them only if its last operand is right, where
    that is not known."""
    gate, operands = circuit.kind_of(row).gate, circuit.operands(row)
    types = [circuit.type_of(w) for w in operands]
    if gate not in LEAVE_WHOLE or any(t.is_inexact for t in types):
        return False
    last, least = operands[-1], 0 if gate is power else 1
    if circuit.is_constant(last) and types[-1].shape == () and circuit.constant(last) >= least:
        return False
    return gate is power or all(t.weak for t in types)


def line_of(where: Origin | None) -> str:
    """The user's place, as a line of a message."""
    return f"\n  in {where.function}, {where}" if where else ""
