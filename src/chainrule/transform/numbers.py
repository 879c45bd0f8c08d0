"""The backward pass on plain numbers: gradients at once, and one gate's partials."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.record import KINDS, Kind
from chainrule.gates.terms import whole
from chainrule.transform.backward import Rows, backpropagate
from chainrule.transform.fit import called, unit


def backpropagate_numbers(
    rows: Rows,
    values: Sequence[Any],
    output: int,
    dout: Any,
    wrt: Sequence[int],
    groups: Iterable[Group] = (),
) -> list[Any]:
    """Gradients of `wrt` as plain numbers; division by zero and overflow as NumPy has them.

    dout: the output's gradient, or None for 1.
    """
    one = unit(KINDS[rows.kind[output]].type) if dout is None else None
    dout = one if dout is None else dout
    try:
        found = backpropagate(rows, values, output, dout, wrt, groups=groups, one=one)
    except (ArithmeticError, ValueError):
        found = backpropagate(rows, _Wide(values), output, dout, wrt, groups=groups, one=one)
    return [found[w] if w <= output else None for w in wrt]


class _Wide(Sequence[Any]):
    """Values with NumPy's numbers for Python's, which raise where NumPy's overflow."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, wire: Any) -> Any:
        value = self.values[wire]
        return np.float64(value) if value.__class__ is float else value


def local_gradients(
    circuit: Circuit, row: int, values: Sequence[Any]
) -> tuple[Any, ...] | None:
    """A gate's partial by each of its inputs, at these values, knowing nothing of the circuit.

    None for leaves, and for gates without one partial per input, such as matmul.
    """
    kind = circuit.kind_of(row)
    gate = kind.gate
    inputs = [values[w] for w in circuit.operands(row)]
    if not inputs or kind.type.shape or (gate.local is None and gate.vjp is None):
        return None
    with np.errstate(all="ignore"):
        try:
            return _partials(kind, inputs, values[row])
        except (ArithmeticError, ValueError):
            return _partials(kind, [np.float64(x) for x in inputs], np.float64(values[row]))


def _partials(kind: Kind, inputs: Sequence[Any], out: Any) -> tuple[Any, ...] | None:
    rule = kind.gate.local
    if rule is not None:
        return tuple(called(p) for p in rule(*inputs, out, **kind.attrs))
    if kind.gate.family not in ("elementwise", "user") or kind.gate.vjp is None:
        return None
    return tuple(whole(called(t)) for t in kind.gate.vjp(1.0, *inputs, out, **kind.attrs))
