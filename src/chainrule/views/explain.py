"""The backward pass in words: what each gate did with the gradient that reached it.

    q = x + y is 3. f wants q lower, with force 4.
      add distributes: both inputs get -4.

Then, for each input, what a small push would do to the output. Every sentence is made from the
numbers and the gates' records; none knows a gate by name.
"""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.notes import Decision, Part
from chainrule.circuit.readings import Readings
from chainrule.views.digest import by_function, dead, largest
from chainrule.views.labels import drawn_groups, symbol
from chainrule.views.numbers import format_number
from chainrule.views.rows import LARGE, is_large
from chainrule.views.sheet import Sheet, sheet
from chainrule.views.why import (
    LONGEST,
    at_kink,
    fork_words,
    gate_words,
    group_words,
    is_scalar,
    local_number,
    no_gradient,
    sends,
    short,
)

WIDTH = 100
MOST = 10  # gates of a large circuit without calls that are told one by one
BRANCHES = 12  # told one by one
LOCAL = (
    "These slopes are local only: they tell what a very small push does, and nothing about a large "
    "one."
)


def explain(
    circuit: Circuit, part: Part, readings: Readings, *, decimals: int | None = None,
    decisions: Sequence[Decision] = (), full: bool = False,
) -> str:
    """The backward pass in words, from the output to the inputs.

    decisions: the branches Python took while the circuit was traced.
    full: every gate of a circuit of more than 40, instead of the functions called and what matters.
    """
    s = sheet(circuit, part, readings, decimals=decimals)
    heard = [row for row in reversed(s.gates) if part.gradient[row] != NOTHING]
    told = _one_by_one(s, heard) if full or len(s.gates) <= LARGE else _digest(s)
    paragraphs = [_opening(s), *told, "\n".join(_decided(s, decisions)), "\n".join(_inputs(s))]
    return "\n\n".join(p for p in paragraphs if p) + "\n"


def _digest(s: Sheet) -> list[str]:
    """A large circuit by function, or by the gates that matter where none is called."""
    if is_large(s):
        told = [_wrapped(text) for text in by_function(s)]
    else:
        told = [f"Of {len(s.gates)} gates, the {MOST} with the largest gradients:"]
        told += _one_by_one(s, largest(s, MOST))
    note = "This is a digest; full=True or --all tells every gate."
    return [*told, _wrapped(dead(s)), note]


def _opening(s: Sheet) -> str:
    return _wrapped(
        f"{s.output} is {s.value(s.part.output)}. Its gradient on itself is "
        f"{s.gradient(s.part.output)}; each gate multiplies the gradient that reaches it by its "
        "local gradients, and sends the products back to its inputs."
    )


# ---- gates


def _one_by_one(s: Sheet, rows: Sequence[int]) -> list[str]:
    ends = {g.output: g for g in drawn_groups(s.circuit)}
    return [_gate(s, row, ends.get(row)) for row in rows]


def _gate(s: Sheet, row: int, group: Group | None) -> str:
    """What a stage is, what is wanted of it, and what it sends back; what group it ends."""
    lines = [_wrapped(f"{_called(s, row)} is {s.value(row)}. {_wanted(s, row)}".rstrip())]
    fork = fork_words(s, row)
    if fork:
        lines.append(_wrapped(f"Its own gradient is a sum: {fork}.", "  "))
    lines.append(_wrapped(_sent(s, row), "  "))
    if group is not None:
        symbols = [symbol(s.circuit, r) for r in group.stages]
        lines.append(_wrapped(group_words(s, group, symbols), "  "))
    return "\n".join(lines)


def _called(s: Sheet, row: int) -> str:
    """`q = x + y`, or `x * y` for a stage without a name."""
    for line in s.lines:
        if line.wire == row:
            return line.text
    return s.texts[row].source


def _wanted(s: Sheet, row: int) -> str:
    """The gradient as a wish: lower, with force 4."""
    if row == s.part.output or not is_scalar(s, row):
        return ""
    gradient = float(s.readings.gradient(s.part, row))
    if math.isnan(gradient):
        return f"Its gradient is nan, so nothing can be said of what {s.output} wants."
    if gradient == 0:
        return f"{s.output} does not care about it: its gradient is {s.gradient(row)}."
    way = "higher" if gradient > 0 else "lower"
    return f"{s.output} wants it {way}, with force {_number(s, abs(gradient))}."


def _sent(s: Sheet, row: int) -> str:
    """The gate's way with gradients, in the numbers at hand."""
    gate = s.circuit.kind_of(row).gate
    called = f"The {symbol(s.circuit, row)} gate"
    heard = [i for i in range(len(s.circuit.operands(row))) if sends(s, row, i)]
    if not heard:
        return f"{called} sends nothing back."
    if not is_scalar(s, row):
        return f"{called} {gate_words(s, row)}."
    whole = len(heard) == len(s.circuit.operands(row))
    way = _way(gate.words) if whole else "sends back"
    return f"{called} {way}: {_shares(s, row, heard)}."


def _way(words: str) -> str:
    """The verb a gate's words begin with: `swaps its inputs`."""
    verb, colon, _ = words.partition(":")
    return verb if colon and "{" not in verb else "sends back"


def _shares(s: Sheet, row: int, heard: list[int]) -> str:
    """Who gets what: `both inputs get 2.00`, `all to z, none to w`, or the products."""
    locals_ = {i: float(local_number(s, row, i)) for i in heard}
    names = {i: _named(s, s.circuit.operands(row)[i]) for i in heard}
    dout = s.gradient(row)
    if len(heard) > 1 and set(locals_.values()) == {1.0}:
        return f"{'both' if len(heard) == 2 else 'all'} inputs get {dout}"
    if len(heard) > 1 and sorted(locals_.values()) == [0.0] * (len(heard) - 1) + [1.0]:
        winner = next(i for i in heard if locals_[i] == 1.0)
        losers = " and ".join(names[i] for i in heard if i != winner)
        return f"all to {names[winner]}, none to {losers}"
    tie = " (a tie is shared equally)" if at_kink(s, row) and len(heard) > 1 else ""
    return ", ".join(_product(s, row, i, names[i], locals_[i]) for i in heard) + tie


def _named(s: Sheet, wire: int) -> str:
    """A wire as an operand, without the parentheses it would need in an expression."""
    source = s.texts[wire].source
    return source if len(source) <= LONGEST else short(s, wire)


def _product(s: Sheet, row: int, index: int, name: str, partial: float) -> str:
    position = s.circuit.start[row] + index
    term = s.readings.values[s.part.terms[position]]
    return f"{name} gets {_number(s, partial)} x {s.gradient(row)} = {s.printed(term)}"


def _number(s: Sheet, v: float) -> str:
    return format_number(v, s.integers, s.decimals)


# ---- branches


def _decided(s: Sheet, decisions: Sequence[Decision]) -> Iterator[str]:
    """The branches that were taken; the gradient is that of the way the program went."""
    for decision in decisions[:BRANCHES]:
        yield _wrapped(_branch(s, decision))
    if len(decisions) > BRANCHES:
        yield _wrapped(f"{len(decisions) - BRANCHES} more such branches were taken.")
    if decisions:
        gates = sorted({d.instead for d in decisions if d.instead})
        advice = f" Write {' or '.join(gates)} for a gate that routes it." if gates else ""
        yield _wrapped(f"The gradient knows nothing of the ways not taken.{advice}")


def _branch(s: Sheet, d: Decision) -> str:
    asked, place = s.texts[d.wire].source, f"In line {d.line}" if d.line else "On the way"
    value = s.readings.value(d.wire)
    outcome = bool(np.all(value)) if np.ndim(value) else bool(value)
    other = "" if outcome == d.outcome else (
        f" At these inputs it is {outcome}, but the circuit was traced when it was {d.outcome}: "
        "trace again to follow the other way."
    )
    if d.call:
        went = f"followed its branch, to {_named(s, d.taken)}, as {asked} was {d.outcome}"
        return f"{place} {d.call} {went}.{other}"
    return f"{place} the program asked {asked}: it was {d.outcome}, and went that way.{other}"


# ---- inputs


def _inputs(s: Sheet) -> Iterator[str]:
    """What a small push on each input does."""
    for wire in s.inputs:
        fork = fork_words(s, wire)
        total = f"{s.texts[wire].source} gets {fork}. " if fork else ""
        yield _wrapped(total + _push(s, wire))
    yield _wrapped(LOCAL)


def _push(s: Sheet, wire: int) -> str:
    name = s.texts[wire].source
    if s.part.gradient[wire] == NOTHING:
        return f"{name} has {no_gradient(s, wire)}."
    gradient = s.readings.gradient(s.part, wire)
    if np.shape(gradient):
        return f"The gradient by {name} has its shape: {s.gradient(wire)}."
    return f"Raising {name} a little {_moves(s, float(gradient))}."


def _moves(s: Sheet, slope: float) -> str:
    if math.isnan(slope):
        return f"does what cannot be said: the slope of {s.output} is nan"
    if slope == 0:
        return f"does not move {s.output}"
    return f"{'raises' if slope > 0 else 'lowers'} {s.output}, {_times(s, abs(slope))}"


_WORDS: dict[Any, str] = {
    1.0: "just as fast", 2.0: "twice as fast", 3.0: "three times as fast",
    4.0: "four times as fast", 5.0: "five times as fast", 6.0: "six times as fast",
    8.0: "eight times as fast",
}


def _times(s: Sheet, factor: float) -> str:
    return _WORDS.get(factor, f"{_number(s, factor)} times as fast")


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
