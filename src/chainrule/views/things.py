"""Things: what a picture shows of a circuit, with the words, plots and widths at each wire."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.errors import UnsupportedError
from chainrule.views.boxes import Box, Unit, call_boxes, caption, group_box, units
from chainrule.views.flow import THIN, Flow, flow
from chainrule.views.labels import (
    Label,
    drawn_groups,
    drawn_inputs,
    gates,
    inputs_in_order_of_use,
    labels,
)
from chainrule.views.numbers import are_integers, format_value, norm
from chainrule.views.printing import LONGEST, SHORT, Printer, signs
from chainrule.views.scene import Closed, Thing
from chainrule.views.sections import Collapse, readable

LARGEST = 1500  # gates in one drawing; a larger one would be 100 000 px wide and tell nothing
MANY = 30  # gates of a drawing above which short arrays show shape and norm, to be narrower


@dataclass(frozen=True, slots=True)
class Things:
    """`rows` are the circuit's rows behind the things. flow: how wide wires are, where some carry
    arrays. caption: what is drawn as boxes, if calls are."""

    things: tuple[Thing, ...]
    closed: tuple[Closed, ...]
    rows: tuple[int, ...]
    flow: Flow | None = None
    caption: str = ""


Reads = Sequence[tuple[int, Any]]  # (wire read, gradient sent back along it or None)


@dataclass(frozen=True, slots=True)
class _Source:
    """A part with its readings, and how its numbers are printed."""

    circuit: Circuit
    part: Part
    readings: Readings
    printer: Printer
    label: Mapping[int, Label]
    forks: set[int]  # wires read more than once
    flow: Flow | None

    def gradient(self, wire: int) -> Any:
        return self.readings.gradient(self.part, wire)

    def width(self, gradient: Any) -> float:
        return THIN if self.flow is None or gradient is None else self.flow.width(norm(gradient))

    def shown(self, wire: int) -> dict[str, Any]:
        """What a thing has at the wire that leaves it."""
        value, gradient = self.readings.value(wire), self.gradient(wire)
        p = self.printer
        return {
            "value": p.value(value), "gradient": p.gradient(gradient),
            "value_plot": p.plot(value, "value"), "gradient_plot": p.plot(gradient, "gradient"),
            "width": self.width(gradient),
        }


def things(
    circuit: Circuit, part: Part, readings: Readings, *, decimals: int | None = None,
    boxed: bool = False, collapse: Collapse = False,
) -> Things:
    """Inputs in order of first use, then constants, gates and boxes in order."""
    calls = call_boxes(circuit, part, readable(circuit, part) if collapse is None else collapse)
    hidden = {row for box in calls for row in box.rows}
    groups = [
        g for g in drawn_groups(circuit)
        if g.output < len(part.gradient) and hidden.isdisjoint(g.stages)
    ]
    own = list(units(circuit, part, [*calls, *(group_box(g) for g in groups if boxed)]))
    if len(own) > LARGEST:
        raise UnsupportedError(
            f"a picture of {len(own)} gates would tell nothing: at most {LARGEST} are drawn. "
            "Write parts of the function as functions of their own, which collapse=True draws as "
            "one box each, or read the table or the code instead."
        )
    reads = [_reads(circuit, part, readings, unit) for unit in own]
    longest = LONGEST if len(own) <= MANY else SHORT
    source = _Source(
        circuit, part, readings, Printer(are_integers(readings, part), decimals, longest),
        {found.row: found for found in labels(circuit, part, readings, decimals)},
        _forks(reads), _flow(circuit, reads),
    )
    found, rows, at = _drawn(source, own, reads)
    closed = tuple(_closed(g, at) for g in groups if not boxed)
    left_out = caption(calls, len(gates(circuit, part)))
    return Things(tuple(found), closed, tuple(rows), source.flow, left_out)


def _drawn(
    source: _Source, own: Sequence[Unit], reads: Sequence[Reads]
) -> tuple[list[Thing], list[int], dict[int, int]]:
    """The things, the row behind each, and the place of each row among them."""
    found: list[Thing] = []
    rows: list[int] = []
    at: dict[int, int] = {}

    def add(row: int, thing: Thing) -> None:
        at[row] = len(found)
        found.append(thing)
        rows.append(row)

    for row in inputs_in_order_of_use(source.circuit, source.part):
        add(row, _input(source, row))
    for unit, read in zip(own, reads, strict=True):
        for wire, _ in read:
            if wire not in at:
                add(wire, _constant(source, wire))
        places = tuple(at[wire] for wire, _ in read)
        gives = unit.gives if isinstance(unit, Box) else (unit,)
        if len(gives) == 1:
            add(gives[0], _gate(source, unit, gives[0], read, places))
            continue
        add(-1, _bundle(source, unit, len(gives), read, places))  # type: ignore[arg-type]  # a box
        for index, wire in enumerate(gives):
            add(wire, _picked(source, wire, index, len(gives), at[-1]))
    return found, rows, at


def _reads(circuit: Circuit, part: Part, readings: Readings, unit: Unit) -> Reads:
    if not isinstance(unit, Box):
        operands = list(circuit.operands(unit))
        drawn = drawn_inputs(circuit, unit)
        which = range(len(operands)) if len(drawn) == len(operands) else [operands.index(drawn[0])]
        return [(operands[i], readings.term(part, unit, i)) for i in which]
    terms: dict[int, Any] = dict.fromkeys(unit.reads)
    for row in unit.rows:
        for i, wire in enumerate(circuit.operands(row)):
            term = readings.term(part, row, i) if wire in terms else None
            if term is not None:
                terms[wire] = term if terms[wire] is None else terms[wire] + term
    return list(terms.items())


def _forks(reads: Sequence[Reads]) -> set[int]:
    """Wires read more than once."""
    seen: set[int] = set()
    twice: set[int] = set()
    for read in reads:
        for wire, _ in read:
            (twice if wire in seen else seen).add(wire)
    return twice


def _flow(circuit: Circuit, reads: Sequence[Reads]) -> Flow | None:
    """Wires are of one width where all carry numbers, as in the note's figures."""
    if not any(circuit.type_of(wire).shape for read in reads for wire, _ in read):
        return None
    return flow(norm(term) for read in reads for _, term in read if term is not None)


# ---- one thing


def _input(source: _Source, row: int) -> Thing:
    label = source.label[row]
    return Thing(_ascii(label), label.name or "?", **source.shown(row))


def _constant(source: _Source, row: int) -> Thing:
    """A number is its own name; an array has its shape and norm on its wire."""
    value, p = source.circuit.constant(row), source.printer
    label = f"{format_value(value, p.integers, p.decimals)}/"
    if np.ndim(value) == 0:
        return Thing(label, p.value(value), "", "", is_constant=True)
    name = source.circuit.name(row) or "constant"
    plot = p.plot(value, "value")
    return Thing(f"{name} {label}", name, p.value(value), "", is_constant=True, value_plot=plot)


def _gate(
    source: _Source, unit: Unit, row: int, read: Reads, places: tuple[int, ...]
) -> Thing:
    label, circuit = source.label[row], source.circuit
    is_box = isinstance(unit, Box)
    symbol = unit.symbol if isinstance(unit, Box) else label.symbol
    numbers = [circuit.type_of(w).shape == () for w in (row, *(w for w, _ in read))]
    return Thing(
        _ascii(Label(row, label.name, symbol, label.value, label.gradient)), signs(symbol),
        name=label.name or "", is_round=not is_box and all(numbers),
        **_entering(source, read, places), **source.shown(row),
    )


def _entering(source: _Source, read: Reads, places: tuple[int, ...]) -> dict[str, Any]:
    """What a thing has at the wires that lead to it."""
    return {
        "inputs": places,
        "terms": tuple(source.printer.gradient(t) if w in source.forks else "" for w, t in read),
        "dead": tuple(term is None for _, term in read),
        "widths": tuple(source.width(term) for _, term in read),
    }


def _bundle(
    source: _Source, box: Box, count: int, read: Reads, places: tuple[int, ...]
) -> Thing:
    """A box that gives several values: one wire, from which each is picked as from a tuple."""
    return Thing(
        f"{box.symbol} {count} values/", signs(box.symbol), "", "", is_bundle=True, is_round=False,
        **_entering(source, read, places),
    )


def _picked(source: _Source, row: int, index: int, count: int, bundle: int) -> Thing:
    label, gradient = source.label[row], source.gradient(row)
    which = f"{index + 1} of {count}"
    return Thing(
        _ascii(Label(row, label.name, which, label.value, label.gradient)), which, is_round=False,
        name=label.name or "", inputs=(bundle,), terms=("",), dead=(gradient is None,),
        widths=(source.width(gradient),), **source.shown(row),
    )


def _ascii(label: Label) -> str:
    return f"{label.text} {label.value}/{label.gradient}"


def _closed(group: Group, at: Mapping[int, int]) -> Closed:
    members = [at[row] for row in group.stages if row != group.output]
    return Closed(group.gate.name, (*members, at[group.output]))


# ---- in words

SPOKEN = 100  # gates that the text alternative goes through one by one


def describe(title: str, drawn: Sequence[Thing]) -> str:
    """The text alternative: every input and gate with its value and gradient."""
    return "\n".join(_sentences(title, drawn))


def _sentences(title: str, drawn: Sequence[Thing]) -> Iterator[str]:
    leaves = [t for t in drawn if t.is_leaf]
    stages = [i for i, t in enumerate(drawn) if not t.is_leaf]
    yield f"{title}: a circuit of {len(stages)} gates, with values and gradients."
    yield from (f"{t.text}: {_said(t)}." for t in leaves if not t.is_constant)
    number = {i: n for n, i in enumerate(stages, 1)}

    def name(i: int) -> str:
        thing = drawn[i]
        return thing.text if thing.is_leaf else thing.name or f"gate {number[i]}"

    shown = stages if len(stages) <= SPOKEN else stages[-1:]
    if len(shown) < len(stages):
        yield f"{len(stages) - 1} gates are left out here; the last one:"
    for i in shown:
        thing = drawn[i]
        called = f" {thing.name}" if thing.name else ""
        reads = ", ".join(map(name, thing.inputs))
        yield f"Gate {number[i]}{called} ({thing.text} of {reads}): {_said(thing)}."


def _said(thing: Thing) -> str:
    if thing.is_bundle:
        return "several values"
    gradient = f"gradient {thing.gradient}" if thing.gradient else "no gradient"
    return f"value {thing.value}, {gradient}" if thing.value else gradient
