"""Whether a user's gate may be applied to many examples at once, as it stands.

It may where it does the same to each number, however many there are: where its stages, and what
its rule computes, are elementwise, and are the same for many examples as for one. A function that
reads a size (`x / x.size`) or adds up, and a rule that does (`dout / norm(dout)`), may not.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import KINDS, Gate, Kind
from chainrule.circuit.types import TYPES, Type, intern_type
from chainrule.errors import ChainruleError
from chainrule.gates.handle import Handle
from chainrule.transform.fit import called

TypeIds = tuple[int, ...]


def spreads(kind: Kind, types: TypeIds, many: Sequence[bool]) -> bool:
    """True where a user's gate, for one example of these types, does the same to many."""
    return _spreads(kind, types, _side_by_side(types, many))


def _side_by_side(types: TypeIds, many: Sequence[bool]) -> TypeIds:
    """Types of two examples each, as a rule that broadcasts puts them."""
    most = max(len(TYPES[t].shape) for t in types)

    def two(t: int) -> int:
        shape = TYPES[t].shape
        return intern_type(Type((2, *(1,) * (most - len(shape)), *shape), TYPES[t].dtype))

    return tuple(two(t) if is_many else t for t, is_many in zip(types, many, strict=True))


@lru_cache(maxsize=4096)
def _spreads(kind: Kind, one: TypeIds, two: TypeIds) -> bool:
    try:
        a, b = (_recorded(kind.gate, kind.attrs, types) for types in (one, two))
    except ChainruleError:
        return False  # a function without stages, or a rule that fits one example only
    return _is_elementwise(a) and _is_elementwise(b) and _same(a, b)


def _recorded(gate: Gate, attrs: Mapping[str, Any], types: TypeIds) -> Circuit:
    """The stages of a gate and of its rule, for inputs of these types, in one circuit."""
    b = Builder(gate.name)
    inputs = [Handle(b, b.input(TYPES[t])) for t in types]
    out = gate.decompose(*inputs, **attrs)  # type: ignore[misc]  # users' gates have one
    if gate.local is not None:
        found = gate.local(*inputs, out, **attrs)
    elif gate.vjp is not None and not gate.through_body:
        found = gate.vjp(Handle(b, b.input(out.type)), *inputs, out, **attrs)
    else:
        found = ()
    ends = [called(entry) for entry in found]
    wires = [e.wire if isinstance(e, Handle) else b.constant(e) for e in ends if e is not None]
    return b.build([out.wire, *wires])


def _is_elementwise(c: Circuit) -> bool:
    return all(KINDS[k].gate.family in ("leaf", "elementwise") for k in set(c.kind))


def _same(a: Circuit, b: Circuit) -> bool:
    """The same stages on the same wires and constants, of whatever shapes."""
    return (
        (a.operand, a.outputs) == (b.operand, b.outputs)
        and all(
            (x.gate, x.key) == (y.gate, y.key)
            for x, y in zip(map(a.kind_of, range(len(a))), map(b.kind_of, range(len(b))),
                            strict=True)
        )
        and all(map(np.array_equal, a.constants, b.constants))
    )
