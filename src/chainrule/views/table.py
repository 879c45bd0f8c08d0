"""The stage table, numbered as the printed code, and the summary of the inputs."""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.circuit.circuit import NOTHING
from chainrule.views.look import GRADIENT, VALUE, Look, head_rule
from chainrule.views.sheet import Sheet
from chainrule.views.why import no_gradient, why_input, why_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

NARROW = 72  # columns below which the words go under what they explain
_STYLE = {"value": VALUE, "gives": VALUE, "gradient": GRADIENT, "sends back": GRADIENT}
_RIGHT = ("#", "gates", "value", "gradient", "sends back")
MOST, KEPT = 60, 20  # lines shown; of more, so many at the beginning and at the end


def table(s: Sheet, k: Look, full: bool = False) -> "RenderableType":
    """One row per input and per line of the printed code, with value, gradient and why.

    Of more than 60 lines the middle is left out, unless `full`; a note tells how many.
    """
    from rich.console import Group
    from rich.text import Text

    rows = stage_rows(s)
    if full or len(s.lines) <= MOST:
        return _rows(s, k, rows)
    first = len(s.inputs) + KEPT
    note = f"... lines {KEPT + 1} to {len(s.lines) - KEPT} are left out; full=True or --all " \
        "prints them."
    return Group(_rows(s, k, rows[:first]), Text(f"\n{note}\n"), _rows(s, k, rows[-KEPT:]))


def stage_rows(s: Sheet) -> list["Row"]:
    """The inputs, then the lines of the printed code."""
    rows = [Row("", s.texts[w].source, w, why_input(s, w)) for w in s.inputs]
    return rows + [Row(str(x.number), x.text, x.wire, why_line(s, x.wire)) for x in s.lines]


def _rows(s: Sheet, k: Look, rows: list["Row"]) -> "RenderableType":
    if k.width < NARROW:
        return _stacked(s, k, rows)
    table = grid(k, ["#", "stage", "value", "gradient", "why"])
    for row in rows:
        table.add_row(row.number, row.stage, s.value(row.wire), gradient_text(s, row.wire), row.why)
    return table


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the stage table; an input has no number."""

    number: str
    stage: str
    wire: int
    why: str

    @property
    def numbered(self) -> str:
        """The stage with its number before it."""
        return f"{self.number}  {self.stage}" if self.number else self.stage


def gradient_text(s: Sheet, wire: int) -> str:
    """The gradient on a wire in a table; `none` where there is none."""
    return s.gradient(wire) or "none"


def _stacked(s: Sheet, k: Look, rows: list[Row]) -> "Text":
    """The stage table for a narrow terminal: the words stand under what they explain."""
    from rich.text import Text

    value = max(len("value"), *(len(s.value(r.wire)) for r in rows))
    gradient = max(len("gradient"), *(len(gradient_text(s, r.wire)) for r in rows))
    left = k.width - value - gradient - 2 * len("  ")
    if left < len("1  stage = ..."):
        return Text("\n").join(line for row in rows for line in _paragraph(s, k, row))
    lines = [_columns("stage".ljust(left), "value".rjust(value), "gradient".rjust(gradient))]
    lines.append(Text(k.rule * k.width))
    for row in rows:
        first, *more = _wrapped(row.numbered, left, "   ")
        numbers = s.value(row.wire).rjust(value), gradient_text(s, row.wire).rjust(gradient)
        lines.append(_columns(first.ljust(left), *numbers))
        lines += [Text(text) for text in (*more, *_wrapped(row.why, k.width, "      ", "      "))]
    return Text("\n").join(lines)


def _paragraph(s: Sheet, k: Look, row: Row) -> "Iterator[Text]":
    """A row whose numbers are too wide to stand side by side."""
    from rich.text import Text

    told = (
        (row.numbered, "", "   "),
        (f"value {s.value(row.wire)}", VALUE, "      "),
        (f"{k.arrow} gradient {gradient_text(s, row.wire)}", GRADIENT, "      "),
        (row.why, "", "      "),
    )
    for text, style, indent in told:
        first = "" if text == row.numbered else indent
        yield from (Text(line, style=style) for line in _wrapped(text, k.width, indent, first))


def _wrapped(text: str, width: int, indent: str, first: str = "") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=indent)


def _columns(stage: str, value: str, gradient: str) -> "Text":
    from rich.text import Text

    return Text(stage).append("  ").append(value, VALUE).append("  ").append(gradient, GRADIENT)


def grid(k: Look, heads: list[str]) -> "Table":
    """An empty table with one rule below its head; numbers to the right, words wrap."""
    from rich.table import Table

    table = Table(box=head_rule(k), show_edge=False, pad_edge=False, header_style="")
    for head in heads:
        style = _STYLE.get(head, "")
        right = head in _RIGHT
        table.add_column(
            head, style=style, header_style=style, justify="right" if right else "left",
            no_wrap=head == "#", overflow="fold",
        )
    return table


def summary(s: Sheet, k: Look) -> "Table":
    """What one more at each input would do to the output, to first order."""
    table = grid(k, ["input", "value", "gradient", f"{_moved(s)} with 1 more here"])
    for wire in s.inputs:
        name, effect = s.texts[wire].source, _effect(s, wire)
        table.add_row(name, s.value(wire), gradient_text(s, wire), effect)
    return table


def _moved(s: Sheet) -> str:
    """The number that gradients are of: the output, or its sum weighted by its gradient."""
    has_shape = bool(s.circuit.type_of(s.part.output).shape)
    return f"sum(d{s.output} * {s.output})" if has_shape else s.output


def _effect(s: Sheet, wire: int) -> str:
    """In words: one more at an input, or at every number of an array."""
    if s.part.gradient[wire] == NOTHING:
        return no_gradient(s, wire)
    slope = float(np.sum(s.readings.gradient(s.part, wire)))
    everywhere = ", if every number grows by 1" if s.circuit.type_of(wire).shape else ""
    return _push(s, slope) + everywhere


def _push(s: Sheet, slope: Any) -> str:
    if math.isnan(slope):
        return "cannot be said: the gradient is nan"
    if math.isinf(slope):
        return f"jumps {'up' if slope > 0 else 'down'}: the slope is infinite"
    if slope == 0:
        return "does not move"
    return f"goes {'up' if slope > 0 else 'down'} by about {s.printed(abs(slope))}"
