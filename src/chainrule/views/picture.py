"""The picture of a circuit: inputs as names, gates as circles, values in green, gradients in red.

    circuit, part, readings -> things (what is drawn, and the words at it) -> scene -> SVG
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.circuit.circuit import Circuit, Group, Part
from chainrule.circuit.readings import Readings
from chainrule.errors import UnsupportedError
from chainrule.views.labels import Label, drawn_inputs, gates, inputs_in_order_of_use, labels
from chainrule.views.numbers import FEW, are_integers, format_number, format_value
from chainrule.views.scene import Closed, Thing, scene
from chainrule.views.svg import Theme, to_svg

LARGEST = 1500  # gates in one drawing; a larger one would be 100 000 px wide and tell nothing
LONGEST = 26  # letters of a small array; a longer one shows its shape and norm
SPOKEN = 100  # gates that the text alternative goes through one by one
SUPERSCRIPTS = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")


def picture(
    circuit: Circuit,
    part: Part,
    readings: Readings,
    *,
    title: str,
    decimals: int | None = None,
    theme: Theme = "auto",
    boxed: bool = False,
) -> str:
    """The SVG text of one part of a circuit at one input.

    decimals: for every number, instead of as many as read well. theme: "auto" follows the reader's
    preference, "light" and "dark" need no style sheet. boxed: a closed group is one box, instead
    of a hull around its gates. Raises UnsupportedError for more than 1500 gates.
    """
    drawn = things(circuit, part, readings, decimals=decimals, boxed=boxed)
    description = describe(title, drawn.things)
    return to_svg(scene(drawn.things, drawn.closed), title=title, description=description,
                  theme=theme)


@dataclass(frozen=True, slots=True)
class Things:
    """What a picture shows: `rows` are the circuit's rows behind the things."""

    things: tuple[Thing, ...]
    closed: tuple[Closed, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """A part with its readings, and how its numbers are printed."""

    circuit: Circuit
    part: Part
    readings: Readings
    integers: bool
    decimals: int | None

    def printed(self, value: Any) -> str:
        """A number or a short array as the labels print it, a larger array as shape and norm."""
        array = np.asarray(value)
        short = format_value(value, self.integers, self.decimals)
        if not array.shape or (array.size <= FEW and len(short) <= LONGEST and array.size):
            return signs(short)
        return f"{_shape(array)} {self.norm(array)}" if array.dtype.kind != "b" else _shape(array)

    def norm(self, array: Any) -> str:
        found = float(np.linalg.norm(np.asarray(array, dtype=float).ravel()))
        return f"norm {signs(format_number(found, self.integers, self.decimals))}"

    def gradient(self, gradient: Any) -> str:
        """As `printed`, without the shape, which is the value's."""
        if gradient is None:
            return ""
        text = self.printed(gradient)
        return text if "norm" not in text else self.norm(gradient)


def _shape(array: Any) -> str:
    dtype = "" if array.dtype == np.float64 else f" {array.dtype}"
    return "×".join(map(str, array.shape)) + dtype


def signs(text: str) -> str:
    """A number or a gate's symbol with true signs: −, ×, superscripts for powers."""
    before, power, exponent = text.partition("**")
    if power:
        raised = exponent.replace("x", "ˣ").translate(SUPERSCRIPTS)
        return f"{signs(before) or 'x'}{raised or 'ʸ'}"
    return text.replace("*", "×").replace("-", "−")


# ---- what is drawn


def things(
    circuit: Circuit, part: Part, readings: Readings, *, decimals: int | None = None,
    boxed: bool = False,
) -> Things:
    """Inputs in order of first use, then constants and gates in order."""
    own = gates(circuit, part)
    if len(own) > LARGEST:
        raise UnsupportedError(
            f"a picture of {len(own)} gates would tell nothing: at most {LARGEST} are drawn. "
            f"Put parts of the function into groups, or read the table or the code instead."
        )
    source = _Source(circuit, part, readings, are_integers(readings, part), decimals)
    label = {found.row: found for found in labels(circuit, part, readings, decimals)}
    groups = [g for g in circuit.groups if g.is_closed and g.output < len(part.gradient)]
    boxes = {g.output: g for g in groups} if boxed else {}
    hidden = {row for g in boxes.values() for row in g.stages if row != g.output}
    edges = {
        row: _edges(source, row, boxes.get(row)) for row in own if row not in hidden
    }
    forks = _forks(edges)
    found: list[Thing] = []
    rows: list[int] = []
    at: dict[int, int] = {}  # place of a row among the things

    def add(row: int, thing: Thing) -> int:
        found.append(thing)
        rows.append(row)
        return len(found) - 1

    for row in inputs_in_order_of_use(circuit, part):
        at[row] = add(row, _input(source, label[row]))
    for row, reads in edges.items():
        places = [
            at[w] if w in at else add(w, _constant(source, w)) for w, _ in reads
        ]
        thing = _gate(source, label[row], boxes.get(row), reads, places, forks)
        at[row] = add(row, thing)
    closed = tuple(_closed(g, at) for g in groups if not boxed)
    return Things(tuple(found), closed, tuple(rows))


Edges = Sequence[tuple[int, Any]]  # (wire read, gradient sent back along it or None)


def _edges(source: _Source, row: int, box: Group | None) -> Edges:
    circuit, part, readings = source.circuit, source.part, source.readings
    if box is None:
        operands = list(circuit.operands(row))
        drawn = drawn_inputs(circuit, row)
        which = range(len(operands)) if len(drawn) == len(operands) else [operands.index(drawn[0])]
        return [(operands[i], readings.term(part, row, i)) for i in which]
    terms: dict[int, Any] = dict.fromkeys(box.inputs)
    for stage in box.stages:
        for i, wire in enumerate(circuit.operands(stage)):
            term = readings.term(part, stage, i) if wire in terms else None
            if term is not None:
                terms[wire] = term if terms[wire] is None else terms[wire] + term
    return list(terms.items())


def _forks(edges: Mapping[int, Edges]) -> set[int]:
    """Wires read more than once."""
    seen: set[int] = set()
    twice: set[int] = set()
    for reads in edges.values():
        for wire, _ in reads:
            (twice if wire in seen else seen).add(wire)
    return twice


def _input(source: _Source, label: Label) -> Thing:
    return Thing(_ascii(label), label.name or "?", *_numbers(source, label.row))


def _numbers(source: _Source, row: int) -> tuple[str, str]:
    gradient = source.readings.gradient(source.part, row)
    return source.printed(source.readings.value(row)), source.gradient(gradient)


def _constant(source: _Source, row: int) -> Thing:
    """A number is its own name; an array has its shape and norm on its wire."""
    value = source.circuit.constant(row)
    printed = source.printed(value)
    label = f"{format_value(value, source.integers, source.decimals)}/"
    if np.ndim(value) == 0:
        return Thing(label, printed, "", "", is_constant=True)
    name = source.circuit.name(row) or "constant"
    return Thing(f"{name} {label}", name, printed, "", is_constant=True)


def _gate(
    source: _Source, label: Label, box: Group | None, reads: Edges, places: Sequence[int],
    forks: set[int],
) -> Thing:
    circuit = source.circuit
    symbol = box.gate.symbol if box else label.symbol
    text = Label(label.row, label.name, symbol, label.value, label.gradient)
    numbers = [circuit.type_of(w).shape == () for w in (label.row, *(w for w, _ in reads))]
    return Thing(
        _ascii(text), signs(symbol), *_numbers(source, label.row), label.name or "",
        tuple(places),
        tuple(source.gradient(term) if wire in forks else "" for wire, term in reads),
        tuple(term is None for _, term in reads),
        is_round=box is None and all(numbers),
    )


def _ascii(label: Label) -> str:
    return f"{label.text} {label.value}/{label.gradient}"


def _closed(group: Group, at: Mapping[int, int]) -> Closed:
    members = [at[row] for row in group.stages if row != group.output]
    return Closed(group.gate.name, (*members, at[group.output]))


# ---- in words


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
    gradient = f"gradient {thing.gradient}" if thing.gradient else "no gradient"
    return f"value {thing.value}, {gradient}" if thing.value else gradient
