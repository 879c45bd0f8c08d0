"""A circuit traced for one example, applied to many at once.

Every stage is applied again, by its gate's batch rule, to values that hold one entry for each
example on their first axis; what is shared by all examples stays as it is. So a function of n
examples costs as many NumPy calls as a function of one. Values may be numbers, handles or traced
values: then what is applied is recorded, and differentiated or batched again.

A gate without a rule of its own follows its family; else its decomposition, stage by stage; else it
is applied to each example and the outputs are stacked, which is right for every gate, and slow.
A user's gate keeps the gradient its user gave: it broadcasts where it does the same to each number;
else only one that is differentiated through its stages goes by them.
"""

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.record import BY_COUNT, Kind
from chainrule.circuit.types import TYPES
from chainrule.errors import ShapeError, UnsupportedError
from chainrule.gates.batched import BatchRule, along_axes, broadcasting, count_of
from chainrule.gates.handle import Carrier, Handle
from chainrule.gates.index import index
from chainrule.transform.spreads import spreads

BY_FAMILY: Mapping[str, BatchRule] = {"elementwise": broadcasting, "reduce": along_axes}
Watch = Mapping[int, Callable[[Any], None]]  # by row


def batch(
    circuit: Circuit,
    given: Mapping[int, Any],
    mapped: Collection[int],
    watch: Watch | None = None,
    place: Callable[[int], str] = lambda row: "",
) -> list[tuple[Any, bool]]:
    """The circuit's outputs, each with True where it holds one entry for each example.

    given: values by row, of the inputs and of any constants that stand for something else; mapped:
    those of them that are many. watch: called with the value of a row as soon as it is known.
    place: the words that say, in an error, where a row was written. A value nobody will read again
    is let go.
    """
    watch = watch or {}
    last = _last_readers(circuit, watch)
    values: list[Any] = [None] * len(circuit)
    many = bytearray(len(circuit))
    for row in range(len(circuit)):
        if last[row] == NOTHING:
            continue
        if row in given:
            values[row], many[row] = given[row], row in mapped
        elif circuit.is_constant(row):
            values[row] = circuit.constant(row)
        else:
            wires = circuit.operands(row)
            which = tuple(bool(many[w]) for w in wires)
            many[row] = any(which)
            try:
                values[row] = _applied(circuit, row, which, [values[w] for w in wires])
            except ShapeError as error:
                raise ShapeError(f"{error}{place(row)}") from None
            for wire in wires:
                if last[wire] == row:
                    values[wire] = None
        if row in watch:
            watch[row](values[row])
    return [(values[w], bool(many[w])) for w in circuit.outputs]


def _last_readers(circuit: Circuit, watch: Collection[int]) -> "array[int]":
    """Per row the last row that reads it; NOTHING where nobody needs it; its end for outputs."""
    last = array("i", [NOTHING]) * len(circuit)
    for wire in circuit.outputs:
        last[wire] = len(circuit)
    for row in range(len(circuit) - 1, -1, -1):
        if row in watch and last[row] == NOTHING:
            last[row] = row
        if last[row] != NOTHING:
            for wire in circuit.operands(row):
                last[wire] = max(last[wire], row)
    return last


def _applied(circuit: Circuit, row: int, many: tuple[bool, ...], inputs: Sequence[Any]) -> Any:
    """The output of one stage for all examples."""
    kind = circuit.kind_of(row)
    gate = kind.gate
    if not any(many):
        return gate(*inputs, **kind.attrs)
    rule = gate.batch or BY_FAMILY.get(gate.family)
    types = tuple(circuit.kind_of(w).type_id for w in circuit.operands(row))
    if gate.family == "user" and spreads(kind, types, many):
        rule = broadcasting
    if rule is not None:
        return rule(gate, many, *inputs, **kind.attrs)
    stages = _decomposition(kind, types)
    return _one_by_one(kind, many, inputs) if stages is None else _decomposed(stages, many, inputs)


@lru_cache(maxsize=4096)
def _decomposition(kind: Kind, types: tuple[int, ...]) -> Circuit | None:
    """The stages to go by in a gate's place, where there are such and they have its gradient."""
    gate = kind.gate
    if gate.decompose is None or (gate.family == "user" and not gate.through_body):
        return None
    b = Builder(gate.name)
    inputs = [Handle(b, b.input(TYPES[t])) for t in types]
    try:
        return b.build([gate.decompose(*inputs, **kind.attrs).wire])
    except UnsupportedError:  # a user's function that cannot be taken apart
        if gate.family == "user":
            return None
        raise


def _decomposed(circuit: Circuit, many: tuple[bool, ...], inputs: Sequence[Any]) -> Any:
    given = dict(zip(circuit.inputs, inputs, strict=True))
    mapped = [w for w, is_many in zip(circuit.inputs, many, strict=True) if is_many]
    ((value, _),) = batch(circuit, given, mapped)
    return value


def _one_by_one(kind: Kind, many: tuple[bool, ...], inputs: Sequence[Any]) -> Any:
    """Each example by itself, and the outputs stacked."""
    outs = [
        kind.gate(*(_example(x, m, n) for x, m in zip(inputs, many, strict=True)), **kind.attrs)
        for n in range(count_of(many, inputs))
    ]
    if not outs:
        return np.zeros((0, *kind.type.shape), kind.type.dtype)
    if any(isinstance(out, Carrier) for out in outs):
        return BY_COUNT["stack"](len(outs))(*outs, axis=0)
    return np.stack(outs)


def _example(x: Any, is_many: bool, n: int) -> Any:
    return index(x, key=(n,)) if is_many else x
