"""A circuit made ready for a plan: what the outputs need, core gates only, types by the gates.

Gates along an axis that decompose into formulas which overflow have other formulas here.

Traced rows carry the type of the value they had, which for numbers may be the type of the branch
taken: where(x > 0, x, 0) is Python's 0 at x = -1. Here each type follows from the gate's rule.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

import numpy as np

from chainrule.backends.llvm.dtypes import (
    check_number,
    check_row,
    is_computed_in,
    is_read,
    leaves_whole,
    line_of,
)
from chainrule.backends.llvm.elementwise import ROWS
from chainrule.backends.llvm.values import Count, Room
from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.notes import Origin
from chainrule.circuit.record import BY_NAME, INPUT, KINDS, Gate, Kind, inferred_kind, kind_id
from chainrule.circuit.types import Type, intern_type
from chainrule.errors import UnsupportedError
from chainrule.gates import along, choose, index, keys, move, order, reduce, stable
from chainrule.gates.elementwise import equal, exp, log, not_equal, where
from chainrule.gates.handle import Handle

# Gates of arrays that a plan takes as they are; all others decompose.
FOLDS = (reduce.sum_, reduce.max_, reduce.min_, reduce.prod, reduce.any_, reduce.all_)
PRODUCTS = tuple(BY_NAME[name] for name in ("matmul", "inner", "tensordot"))
MOVES = tuple(BY_NAME[name] for name in ("diagonal", "diag", "argsort"))


def _shifted(x: Any, axis: Any) -> Any:
    """x less its largest number along an axis; equal infinities give 0."""
    return stable.apart(x, reduce.max_(x, axis=axis, keepdims=True))


def _softmax(x: Any, axis: Any) -> Any:
    e = exp(_shifted(x, axis))
    return e / reduce.sum_(e, axis=axis, keepdims=True)


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    total = log(reduce.sum_(exp(_shifted(x, axis)), axis=axis, keepdims=keepdims))
    return reduce.max_(x, axis=axis, keepdims=keepdims) + total


def _log_softmax(x: Any, axis: Any) -> Any:
    below = _shifted(x, axis)
    return below - log(reduce.sum_(exp(below), axis=axis, keepdims=True))


def _outer(x: Any, y: Any) -> Any:
    return move.expand_dims(move.ravel(x), axis=(1,)) * move.expand_dims(move.ravel(y), axis=(0,))


def _kron(x: Any, y: Any) -> Any:
    rank = max(len(x.shape), len(y.shape))
    first, second = ((1,) * (rank - len(a.shape)) + a.shape for a in (x, y))
    apart = [n for m in first for n in (m, 1)], [n for m in second for n in (1, m)]
    product = move.reshape(x, shape=tuple(apart[0])) * move.reshape(y, shape=tuple(apart[1]))
    return move.reshape(product, shape=tuple(m * n for m, n in zip(first, second, strict=True)))


def _vdot(x: Any, y: Any) -> Any:
    products = move.ravel(x) * move.ravel(y)
    total = reduce.any_ if products.dtype == np.bool_ else reduce.sum_
    return total(products, axis=None, keepdims=False)


def _first_place(best: Gate, x: Any, axis: int | None, keepdims: bool) -> Any:
    """The first place along an axis where x is its largest or smallest number, or nan."""
    if axis is None:
        out = _first_place(best, move.ravel(x), 0, False)
        return move.reshape(out, shape=(1,) * len(x.shape)) if keepdims else out
    n = x.shape[axis]
    is_best = choose.logical_or(equal(x, best(x, axis=(axis,), keepdims=True)), not_equal(x, x))
    places = np.arange(n).view(Count).reshape(n, *(1,) * (len(x.shape) - axis - 1))
    return reduce.min_(where(is_best, places, n), axis=(axis,), keepdims=keepdims)


def _is_last(*arrays: Any, key: Any, shape: Any, picked: Any) -> Any:
    """Each writes its number to its place; the last of a place finds its own there."""
    numbers = np.arange(prod(picked)).view(Count).reshape(picked)
    room = np.broadcast_to(0, shape).view(Room)
    written = index.setting(len(arrays))(room, numbers, *arrays, key=key, repeats=True)
    return equal(index.indexing(len(arrays))(written, *arrays, key=key), numbers)


REFUSED: Mapping[Gate, str] = {
    keys.nonzero: "\n  How many numbers x[mask] picks follows from the mask, and machine code has "
    "fixed shapes.\n  Write np.where(mask, x, 0), which gives the same sums and gradients.",
}
# Formulas that stay within range, in place of the plain ones that explain a gate.
FORMULAS: Mapping[Gate, Callable[..., Any]] = {
    stable.softmax: _softmax, stable.logsumexp: _logsumexp, stable.log_softmax: _log_softmax,
    order.argmax: partial(_first_place, reduce.max_),
    order.argmin: partial(_first_place, reduce.min_),
    BY_NAME["outer"]: _outer, BY_NAME["kron"]: _kron,
    BY_NAME["trace"]: lambda x, **attrs: reduce.sum_(
        BY_NAME["diagonal"](x, **attrs), axis=(len(x.shape) - 2,), keepdims=False
    ),
    BY_NAME["vdot"]: _vdot,
}


def prepared(circuit: Circuit) -> Circuit:
    """The same inputs and outputs, computed by rows that have instructions.

    Raises UnsupportedError, naming gate and line, for other dtypes than float64, float32, int64 and
    bool where anything is computed in them, and for gates without instructions or decomposition.
    """
    done = _rebuilt(circuit)
    while any(_is_compound(KINDS[k].gate) for k in set(done.kind)):
        done = _rebuilt(done)
    for row in range(len(done)):  # what decompositions made, too
        check_row(done, row)
    for wire in done.outputs:
        check_number(done.type_of(wire), "a result is", done.origin_of(wire))
    return done


def opened(circuit: Circuit) -> Circuit:
    """As `prepared`, but rows that have no instructions are left as they are."""
    stuck: set[int] = set()
    done = _rebuilt(circuit, stuck)
    while any(_is_compound(KINDS[k].gate) for k in set(done.kind) - stuck):
        done = _rebuilt(done, stuck)
    return done


def has_instructions(circuit: Circuit, row: int) -> bool:
    """True for a row of an opened circuit that machine code computes."""
    kind = circuit.kind_of(row)
    is_one = not _is_compound(kind.gate) and not leaves_whole(circuit, row)
    read = (circuit.type_of(w) for w in circuit.operands(row))
    return is_one and is_computed_in(kind.type.dtype) and all(is_read(t.dtype) for t in read)


def is_pick(gate: Gate) -> bool:
    """True for gates that read an array at places named by index arrays."""
    return gate.name in ("take", "take_along_axis") or (
        gate.family == "gather" and gate.name.rpartition("_")[0] == "index"
    )


def is_write(gate: Gate) -> bool:
    """True for gates that write into an array at a key."""
    return gate.family == "scatter" and (
        gate is along.add_along_axis or gate.name.startswith(("index_add", "index_set"))
    )


def _is_compound(gate: Gate) -> bool:
    """True for what has to be replaced by other gates."""
    is_core = gate in ROWS or gate in (*FOLDS, *PRODUCTS, *MOVES, reduce.cumsum)
    is_core = is_core or gate.family in ("leaf", "move") or gate.name.startswith("einsum_")
    return not (is_core or is_pick(gate) or is_write(gate))


def _rebuilt(circuit: Circuit, stuck: set[int] | None = None) -> Circuit:
    """Live rows only, each compound gate replaced by its decomposition. What cannot be stays, and
    its kind joins `stuck`; without that set, it raises."""
    live = _live_rows(circuit)
    b = Builder(circuit.title)
    b.origins = list(circuit.origins)
    moved = [NOTHING] * len(circuit)
    first: dict[Any, int] = {}  # origins of the first rows that pick at some places
    for row in range(len(circuit)):
        origin = first.setdefault(_places(circuit, row), _root_origin(circuit, row))
        if live[row]:
            b.origin = origin
            moved[row] = _moved_or_left(circuit, row, moved, b, stuck)
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


def _places(circuit: Circuit, row: int) -> Any:
    """What is the same for rows that pick at the same places: one is at fault where all are, and
    the user wrote the first. The row itself where none is picked."""
    gate, operands = circuit.kind_of(row).gate, circuit.operands(row)
    if gate.family not in ("gather", "scatter"):
        return row
    indices = operands[2:] if is_write(gate) else operands[1:] if is_pick(gate) else ()
    return (circuit.type_of(operands[0]).shape, *indices) if indices else row


def _moved_or_left(
    circuit: Circuit, row: int, moved: list[int], b: Builder, stuck: set[int] | None
) -> int:
    if stuck is None:
        return _moved_row(circuit, row, moved, b)
    if circuit.kind[row] not in stuck:
        try:
            return _moved_row(circuit, row, moved, b)
        except UnsupportedError:
            stuck.add(circuit.kind[row])
    kind = circuit.kind_of(row)
    if kind.gate is INPUT:
        return b.input(kind.type, circuit.name(row))
    return b.append(circuit.kind[row], [moved[w] for w in circuit.operands(row)])


def _moved_row(circuit: Circuit, row: int, moved: list[int], b: Builder) -> int:
    kind = circuit.kind_of(row)
    where = circuit.origin_of(row)
    if circuit.is_constant(row):
        return b.constant(circuit.constant(row))
    check_row(circuit, row)
    if kind.gate is INPUT:
        return b.input(kind.type, circuit.name(row))
    operands = [moved[w] for w in circuit.operands(row)]
    if _is_compound(kind.gate):
        return _decomposed(kind, operands, b, where)
    if leaves_whole(circuit, row):
        raise UnsupportedError(
            f"{kind.gate.name} of whole numbers may raise or give a real number here, which "
            f"machine code does not{line_of(where)}"
        )
    return b.append(_kind(kind, operands, b), operands)


def _decomposed(kind: Kind, operands: list[int], b: Builder, where: Origin | None) -> int:
    decompose = FORMULAS.get(kind.gate, kind.gate.decompose)
    if kind.gate.name.startswith("is_last"):
        decompose = _is_last
    if decompose is None:
        raise UnsupportedError(
            f"machine code has no instructions for {kind.gate.name}, and its record no "
            f"decomposition{line_of(where)}" + REFUSED.get(kind.gate, "")
        )
    out = decompose(*(Handle(b, w) for w in operands), **kind.attrs)
    return out.wire if isinstance(out, Handle) else b.constant(out)


def _kind(kind: Kind, operands: list[int], b: Builder) -> int:
    """The row's kind with the dtype its gate gives; a Python number or not as it was traced."""
    types = tuple(KINDS[b.kind[w]].type_id for w in operands)
    found = inferred_kind(kind.gate, kind.attrs, types)
    t = KINDS[found].type
    if t.weak == kind.type.weak:
        return found
    return kind_id(kind.gate, kind.key, intern_type(Type(t.shape, t.dtype, kind.type.weak)))
