"""A circuit made ready for a plan: what the outputs need, core gates only, types by the gates.

Traced rows carry the type of the value they had, which for numbers may be the type of the branch
taken: where(x > 0, x, 0) is Python's 0 at x = -1. Here each type follows from the gate's rule.
"""

from chainrule.backends.llvm.elementwise import ROWS
from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit, Origin
from chainrule.circuit.record import INPUT, KINDS, Gate, Kind, inferred_kind, kind_id
from chainrule.circuit.types import Type, intern_type
from chainrule.errors import UnsupportedError
from chainrule.gates.handle import Handle

NUMBERS = {"f": "float64", "i": "int64", "b": "bool"}


def prepared(circuit: Circuit) -> Circuit:
    """The same inputs and outputs, computed by rows that have instructions.

    Raises UnsupportedError, naming gate and line, for arrays, for other dtypes than float64, int64
    and bool, and for gates without instructions or decomposition.
    """
    done = _rebuilt(circuit)
    while any(_is_compound(KINDS[k].gate) for k in set(done.kind)):
        done = _rebuilt(done)
    return done


def _is_compound(gate: Gate) -> bool:
    return gate.family != "leaf" and gate not in ROWS


def _rebuilt(circuit: Circuit) -> Circuit:
    """Live rows only, each compound gate replaced by its decomposition."""
    live = _live_rows(circuit)
    b = Builder(circuit.title)
    b.origins = list(circuit.origins)
    moved = [NOTHING] * len(circuit)
    for row in range(len(circuit)):
        if live[row]:
            b.origin = _root_origin(circuit, row)
            moved[row] = _moved_row(circuit, row, moved, b)
            if row in circuit.names:
                b.names.setdefault(moved[row], circuit.names[row])
    return b.build([moved[w] for w in circuit.outputs])


def _live_rows(circuit: Circuit) -> bytearray:
    live = bytearray(len(circuit))
    for wire in (*circuit.outputs, *circuit.inputs):
        live[wire] = 1
    for row in range(len(circuit) - 1, -1, -1):
        if live[row]:
            for wire in circuit.operands(row):
                live[wire] = 1
    return live


def _root_origin(circuit: Circuit, row: int) -> int:
    """The user's place of a row; of the stage it differentiates for a backward row."""
    code = circuit.origin[row]
    while code <= -2:
        code = circuit.origin[-2 - code]
    return code


def _moved_row(circuit: Circuit, row: int, moved: list[int], b: Builder) -> int:
    kind = circuit.kind_of(row)
    where = circuit.origin_of(row)
    if circuit.is_constant(row):
        return b.constant(circuit.constant(row))
    says = "an input is" if kind.gate is INPUT else f"{kind.gate.name} works on"
    for t in (kind.type, *map(circuit.type_of, circuit.operands(row))):
        _check_number(t, says, where)
    if kind.gate is INPUT:
        return b.input(kind.type, circuit.name(row))
    operands = [moved[w] for w in circuit.operands(row)]
    if _is_compound(kind.gate):
        return _decomposed(kind, operands, b, where)
    return b.append(_kind(kind, operands, b), operands)


def _decomposed(kind: Kind, operands: list[int], b: Builder, where: Origin | None) -> int:
    if kind.gate.decompose is None:
        raise UnsupportedError(
            f"machine code has no instructions for {kind.gate.name}, and its record no "
            f"decomposition{_at(where)}"
        )
    out = kind.gate.decompose(*(Handle(b, w) for w in operands), **kind.attrs)
    return out.wire if isinstance(out, Handle) else b.constant(out)


def _kind(kind: Kind, operands: list[int], b: Builder) -> int:
    """The row's kind with the dtype its gate gives; a Python number or not as it was traced."""
    types = tuple(KINDS[b.kind[w]].type_id for w in operands)
    found = inferred_kind(kind.gate, kind.attrs, types)
    t = KINDS[found].type
    if t.weak == kind.type.weak:
        return found
    return kind_id(kind.gate, kind.key, intern_type(Type((), t.dtype, kind.type.weak)))


def _check_number(t: Type, says: str, where: Origin | None) -> None:
    if t.shape != ():
        raise UnsupportedError(
            f"machine code is for numbers so far, and {says} an array: {t}{_at(where)}"
        )
    if t.dtype.name != NUMBERS.get(t.dtype.kind):
        raise UnsupportedError(
            f"machine code computes in {', '.join(NUMBERS.values())}, and {says} {t.dtype}"
            f"{_at(where)}"
        )


def _at(where: Origin | None) -> str:
    return f"\n  in {where.function}, {where}" if where else ""
