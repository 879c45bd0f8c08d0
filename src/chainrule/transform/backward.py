"""The backward pass: from the output to the inputs, each gate multiplying by its local gradient.

Everything common to all gates happens here and nowhere else: multiply by the arriving gradient,
sum over axes that were broadcast, return to the input's dtype, add at forks, skip what is zero by
structure. Rules compute with whatever stands in `values`: handles in a builder (then the backward
pass becomes more stages of the circuit), plain numbers (then it is computed at once), or traced
values of an older trace (then it is differentiated again).
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from chainrule.circuit.circuit import Group
from chainrule.circuit.record import CONSTANT, KINDS, Gate, Kind, Rule
from chainrule.gates.elementwise import where
from chainrule.gates.terms import Passed
from chainrule.transform.fit import called, chain, fit
from chainrule.transform.masks import Masks, fit_mask, note_mask, select, sent_masks
from chainrule.transform.sums import Observer, pass_on, send


class Rows(Protocol):
    """The columns a backward pass reads: those of a circuit or of a trace."""

    @property
    def kind(self) -> Sequence[int]: ...
    @property
    def start(self) -> Sequence[int]: ...
    @property
    def operand(self) -> Sequence[int]: ...


def active_rows(rows: Rows, wrt: Iterable[int], stop: int) -> bytearray:
    """Per row up to `stop`: 1 where the wire depends on an input we differentiate by."""
    active = bytearray(stop + 1)
    for wire in wrt:
        if wire <= stop:
            active[wire] = 1
    start, operand, kinds = rows.start, rows.operand, rows.kind
    begin = start[0]
    for row in range(stop + 1):
        end = start[row + 1]
        for position in range(begin, end):
            if active[operand[position]]:
                active[row] = KINDS[kinds[row]].is_differentiable
                break
        begin = end
    return active


def backpropagate(
    rows: Rows,
    values: Sequence[Any],
    output: int,
    dout: Any,
    wrt: Iterable[int],
    *,
    groups: Iterable[Group] = (),
    one: Any = None,
    observer: Observer | None = None,
    inside: bool = False,
) -> list[Any]:
    """Gradients of `wrt`, by row, None where nothing arrives; an observer sees all others.

    dout: the gradient of the output, of the output's shape. `one` marks the dout that is exactly
    1, by which nothing need be multiplied. With `inside`, stages inside a closed group get
    gradients too, which go no further than the group.
    """
    wanted = set(wrt)
    active = active_rows(rows, wanted, output)
    masks: Masks = {}
    gradients: list[Any] = [None] * (output + 1)
    gradients[output] = dout
    owned: set[int] = set()
    closed = {g.output: g for g in groups if g.is_one}
    inner = {row: g for g in closed.values() for row in g.stages} if closed else {}
    start, operand, kinds = rows.start, rows.operand, rows.kind
    for row in range(output, -1, -1):
        dout = gradients[row]
        begin, end = start[row], start[row + 1]
        if dout is None or begin == end or not active[row]:
            continue
        if observer is not None:
            dout = gradients[row] = observer.at(row, dout)
        kind = KINDS[kinds[row]]
        if row in closed:
            _through_group(
                closed[row], rows, values, gradients, owned, active, one, observer, masks
            )
            if not inside:
                continue
        wires = operand[begin:end]
        inputs = [values[w] for w in wires]
        terms = _terms(kind, inputs, values[row], dout)
        live = masks.pop(row, None) if masks else None
        sent = None
        if live is not None or kind.gate.mask is not None:
            sent = sent_masks(kind, live, inputs, values[row])
        last: tuple[int, int, Passed] | None = None
        its_mask = None
        for index, (wire, partial) in enumerate(zip(wires, terms, strict=True)):
            if not active[wire]:
                continue
            term = chain(partial, dout, one) if kind.by_partials else called(partial)
            if term is None:
                continue
            if live is not None and partial.__class__ is not int:
                by_literal = any(
                    partial is x and _is_literal(KINDS[kinds[w]])
                    for x, w in zip(inputs, wires, strict=True)
                )
                term = select(kind, live, term, inputs, by_literal=by_literal)
            target = KINDS[kinds[wire]]
            if target.type_id != kind.type_id or not kind.by_partials:
                term = fit(term, target.type)
            if row in inner and wire not in inner[row].stages:
                continue  # the group has sent its own, in one
            mask = fit_mask(sent[index], kind.type, target.type) if sent else None
            if isinstance(term, Passed):  # it may take dout's memory: after all others
                last, its_mask = (wire, begin + index, term), mask
                continue
            if mask is not None or masks:
                note_mask(masks, wire, mask, first=gradients[wire] is None)
            if last is not None and row in owned and isinstance(term, np.ndarray):
                term = term.copy()  # maybe a view of dout
            send(gradients, owned, wire, begin + index, term, observer)
        if last is not None:
            if its_mask is not None or masks:
                note_mask(masks, last[0], its_mask, first=gradients[last[0]] is None)
            pass_on(gradients, owned, row, row in wanted, *last, observer)
        if row not in wanted:
            gradients[row] = None
            owned.discard(row)
    return gradients


def _is_literal(kind: Kind) -> bool:
    return kind.gate is CONSTANT and kind.type.weak


def _terms(kind: Kind, inputs: Sequence[Any], out: Any, dout: Any) -> Iterable[Any]:
    """Per input: its partial where the kind goes by them, else the gradient it gets."""
    gate = kind.gate
    if gate.vjp is not None:
        return gate.vjp(dout, *inputs, out, **kind.attrs)  # type: ignore[no-any-return]  # rules are Any
    local = gate.local(*inputs, out, **kind.attrs)  # type: ignore[misc]  # active: it has one
    if kind.by_partials:
        return local  # type: ignore[no-any-return]  # rules are Any
    return [lambda p=p: chain(p, dout, None) for p in local]


def entry_position(group: Group, wire: int, rows: Rows) -> int:
    """The operand position through which a wire enters a group."""
    for row in sorted(group.stages):
        for position in range(rows.start[row], rows.start[row + 1]):
            if rows.operand[position] == wire:
                return position
    raise AssertionError("a group's input is read inside it")


def _through_group(
    group: Group, rows: Rows, values: Sequence[Any], gradients: list[Any], owned: set[int],
    active: bytearray, one: Any, observer: Observer | None, masks: Masks,
) -> None:
    """Differentiate a closed group as the one gate it means."""
    terms = _group_terms(group, values, gradients[group.output], one)
    of_output = KINDS[rows.kind[group.output]].type
    for wire, entry in zip(group.inputs, terms, strict=True):
        term = called(entry) if active[wire] else None
        if term is None:
            continue
        of_input = KINDS[rows.kind[wire]].type
        by_number = _by_number(group.gate) and of_input.shape in ((), of_output.shape)
        live = masks.get(group.output) if by_number else None
        if live is not None:
            term = where(live(), term, 0)
        mask = fit_mask(live, of_output, of_input)
        note_mask(masks, wire, mask, first=gradients[wire] is None)
        term = fit(term, of_input)
        position = 0 if observer is None else entry_position(group, wire, rows)
        send(gradients, owned, wire, position, term, observer)


def _by_number(gate: Gate) -> bool:
    """True where a group's gate sends each number of its inputs what that one is due, no more."""
    return gate.family == "elementwise" or (gate.family == "user" and gate.local is not None)


def _group_terms(group: Group, values: Sequence[Any], dout: Any, one: Any) -> Iterable[Any]:
    """Per input of a group, the gradient its one gate sends there, called when it is wanted."""
    inputs, out = [values[w] for w in group.inputs], values[group.output]
    back = group.gate.recognised_vjp or group.gate.vjp
    local = group_local(group)
    if local is None:
        return back(dout, *inputs, out, **dict(group.attrs))  # type: ignore[misc, no-any-return]  # groups have a rule
    return [lambda p=p: chain(p, dout, one) for p in local(*inputs, out)]


def group_local(group: Group) -> Rule | None:
    """The rule for a group's partial by each input; None where there is no single partial."""
    gate = group.gate
    rule = gate.recognised_local or (None if gate.recognised_vjp or gate.vjp else gate.local)
    return functools.partial(rule, **dict(group.attrs)) if rule and group.attrs else rule
