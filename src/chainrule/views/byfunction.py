"""The table of a large circuit in a terminal: one row for each call of a function."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chainrule.views.look import GRADIENT, VALUE, Look
from chainrule.views.numbers import format_number
from chainrule.views.rows import Folded, Row, folded, rows_of, span, wires_words
from chainrule.views.sheet import Sheet
from chainrule.views.table import NARROW, grid

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

HEADS = ["call", "gates", "reads", "gives", "gradient", "sends back"]


def by_function(s: Sheet, k: Look) -> "RenderableType":
    """Name, gates, values in and out, and the norms of the gradients of each call."""
    rows = folded(rows_of(s))
    if k.width < NARROW:
        return _stacked(s, k, rows)
    table = grid(k, HEADS)
    for row in rows:
        if isinstance(row, Folded):
            table.add_row(_between(row), str(row.gates), "", "", _span(s, row), "")
        else:
            x = row.section
            table.add_row(
                row.name, str(len(x.rows)), wires_words(s, x.reads), wires_words(s, x.gives),
                _number(s, row.gradient), _number(s, row.sent),
            )
    return table


def _between(row: Folded) -> str:
    return f"... {len(row.rows)} more of {row.function}" if row.function else \
        f"... {len(row.rows)} runs between"


def _span(s: Sheet, row: Folded) -> str:
    ends = [format_number(n, s.integers, s.decimals) for n in span(row.rows)]
    return " to ".join(dict.fromkeys(ends)) or "none"


def _number(s: Sheet, size: float | None) -> str:
    return "none" if size is None else format_number(size, s.integers, s.decimals)


def _stacked(s: Sheet, k: Look, rows: list[Row | Folded]) -> "Text":
    """The same rows for a narrow terminal, one thing below the other."""
    from rich.text import Text

    lines: list[Text] = []
    for row in rows:
        for text, style, indent in _told(s, k, row):
            wrapped = textwrap.wrap(text, k.width, initial_indent=indent,
                                    subsequent_indent=indent + "  ")
            lines += [Text(line, style=style) for line in wrapped]
    return Text("\n").join(lines)


def _told(s: Sheet, k: Look, row: Row | Folded) -> Iterator[tuple[str, str, str]]:
    if isinstance(row, Folded):
        yield f"{_between(row)}, {row.gates} gates", "", ""
        yield f"{k.arrow} gradient {_span(s, row)}", GRADIENT, "  "
        return
    count = len(row.section.rows)
    yield f"{row.name}: {count} gate{'s' if count > 1 else ''}", "", ""
    yield f"reads {wires_words(s, row.section.reads)}", "", "  "
    yield f"gives {wires_words(s, row.section.gives)}", VALUE, "  "
    arrives, sent = _number(s, row.gradient), _number(s, row.sent)
    yield f"{k.arrow} gradient {arrives}, sends back {sent}", GRADIENT, "  "
