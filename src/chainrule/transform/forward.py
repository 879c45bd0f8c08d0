"""The forward pass of tangents: from the inputs to the outputs, beside the values.

    out_dot = sum over inputs of  partial * input_dot

A gate with one partial per input needs nothing more. A gate that has only a `vjp` is linear in dout
there, so its forward rule is that map transposed: the gradient, by dout, of the inner product of
what the vjp sends back with the tangents. The transposed rule is worked out once per kind, as a
small circuit, and replayed on whatever stands in `values`: numbers, handles, or traced values.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.record import CONSTANT, KINDS, Kind
from chainrule.circuit.types import TYPES
from chainrule.gates import reduce
from chainrule.gates.elementwise import accumulate
from chainrule.gates.handle import Handle
from chainrule.gates.terms import whole
from chainrule.transform.backward import Rows, group_local
from chainrule.transform.fit import called, chain, fit
from chainrule.transform.recorder import with_backward
from chainrule.transform.simplify import simplify


def push(
    rows: Rows, values: Sequence[Any], tangents: Mapping[int, Any], stop: int,
    groups: Iterable[Group] = (),
) -> list[Any]:
    """Tangents by row up to `stop`, None where nothing arrives; closed groups as one gate each."""
    found: list[Any] = [None] * (stop + 1)
    one = {g.output: g for g in groups if g.is_one and group_local(g) is not None}
    for row in range(stop + 1):
        if row in tangents:
            found[row] = tangents[row]
            continue
        if row in one:
            found[row] = _through_group(one[row], rows, values, found)
            continue
        wires = rows.operand[rows.start[row] : rows.start[row + 1]]
        kind = KINDS[rows.kind[row]]
        arriving = [found[w] for w in wires]
        if kind.is_differentiable and any(t is not None for t in arriving):
            types = tuple(KINDS[rows.kind[w]].type_id for w in wires)
            inputs = [values[w] for w in wires]
            found[row] = _through(kind, types, inputs, values[row], arriving)
    return found


def _through_group(
    group: Group, rows: Rows, values: Sequence[Any], found: Sequence[Any]
) -> Any:
    """The tangent of a group's output, by the group's own partials."""
    partials = group_local(group)(*(values[w] for w in group.inputs), values[group.output])  # type: ignore[misc]  # it has one
    tangents = [found[w] for w in group.inputs]
    return _summed(partials, tangents, KINDS[rows.kind[group.output]])


def _through(
    kind: Kind, types: tuple[int, ...], inputs: Sequence[Any], out: Any, tangents: Sequence[Any]
) -> Any:
    """The tangent of one stage's output."""
    if kind.gate.local is None:
        return _transposed(kind, types, inputs, out, tangents)
    return _summed(kind.gate.local(*inputs, out, **kind.attrs), tangents, kind)


def _summed(partials: Iterable[Any], tangents: Sequence[Any], kind: Kind) -> Any:
    """The sum of partials times tangents, in the shape of the output."""
    total = None
    for partial, tangent in zip(partials, tangents, strict=True):
        if tangent is None:
            continue
        term = chain(called(partial), tangent, None)
        if term is not None:
            total = term if total is None else total + term
    return None if total is None else fit(total, kind.type)


def _transposed(
    kind: Kind, types: tuple[int, ...], inputs: Sequence[Any], out: Any, tangents: Sequence[Any]
) -> Any:
    active = tuple(t is not None for t in tangents)
    circuit = _transposed_rule(kind, types, active)
    if circuit is None:
        return None
    dout = out  # the rule is linear in dout: it reads no more of it than its shape, which is out's
    return replay(circuit, [dout, *inputs, out, *(t for t in tangents if t is not None)])


@lru_cache(maxsize=4096)
def _transposed_rule(
    kind: Kind, types: tuple[int, ...], active: tuple[bool, ...]
) -> Circuit | None:
    """The forward rule of a kind: a circuit over (dout, inputs, out, tangents)."""
    b = Builder(kind.gate.name)
    dout = Handle(b, b.input(kind.type))
    inputs = [Handle(b, b.input(TYPES[t])) for t in types]
    out = Handle(b, b.input(kind.type))
    given = kind.gate.vjp(dout, *inputs, out, **kind.attrs)  # type: ignore[misc]  # has no local
    total, dots = None, []
    for entry, x, is_active in zip(given, inputs, active, strict=True):
        if not is_active:
            continue
        dots.append(Handle(b, b.input(x.type)))
        sent = whole(called(entry))
        if sent is not None:
            product = fit(sent, x.type) * dots[-1]
            product = reduce.sum_(product, axis=None, keepdims=False) if x.shape else product
            total = product if total is None else accumulate(total, product)
    if total is None:
        return None
    done = with_backward(b.build([total.wire]), total.wire, [dout.wire])
    tangent = done.parts[0].gradient[dout.wire]
    if tangent == NOTHING:
        return None
    return simplify(done, outputs=[tangent], parts=False, prune_forward=True)


def replay(circuit: Circuit, given: Sequence[Any]) -> Any:
    """Apply a circuit's gates again, to numbers, handles or traced values."""
    values: dict[int, Any] = dict(zip(circuit.inputs, given, strict=True))
    for row in range(len(circuit)):
        kind = circuit.kind_of(row)
        if kind.gate is CONSTANT:
            values[row] = circuit.constant(row)
        elif row not in values:
            values[row] = kind.gate(*(values[w] for w in circuit.operands(row)), **kind.attrs)
    return values[circuit.outputs[0]]
