"""Fixed values: plain ones, and traced ones that no input's number reaches."""

from typing import Any

from chainrule.circuit.record import INPUT, KINDS
from chainrule.gates.handle import Carrier


def is_fixed(x: Any) -> bool:
    """True for plain values, and for traced ones that no input's number reaches."""
    if isinstance(x, list | tuple):
        return all(map(is_fixed, x))
    if not _is_traced(x):
        return True
    waiting, known = [x.wire], {x.wire}
    while waiting:
        kind, operands = x.trace.row(waiting.pop())
        gate = KINDS[kind].gate
        if gate is INPUT:
            return False
        if not gate.reads_shape:
            waiting += [w for w in operands if w not in known]
            known.update(operands)
    return not _is_traced(x.value)


def fixed_value(x: Any) -> Any:
    """The plain value of what `is_fixed`."""
    if isinstance(x, list | tuple):
        return type(x)(map(fixed_value, x))
    return x.value if _is_traced(x) else x


def _is_traced(x: Any) -> bool:
    return isinstance(x, Carrier)
