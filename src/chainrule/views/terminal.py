"""A circuit in a terminal: a tree where there are no forks, else a stage table; then its inputs.

Of more than 40 gates, those of each call of a function are one row, unless all are asked for.

The same words are printed everywhere; colour, box drawing and the arrow are added where the stream
has them.
"""

from typing import TYPE_CHECKING, TextIO

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.views.byfunction import by_function
from chainrule.views.look import STRONG, Look, look, to_text
from chainrule.views.rows import is_large
from chainrule.views.sheet import Sheet, sheet
from chainrule.views.table import summary, table
from chainrule.views.tree import fits_as_tree, group_notes, tree

if TYPE_CHECKING:
    from rich.console import RenderableType

FOOTNOTE = "A gradient is a slope at this point: it holds for small pushes, near here."


def render(
    circuit: Circuit,
    part: Part,
    readings: Readings,
    *,
    title: str,
    decimals: int | None = None,
    color: bool | None = None,
    width: int | None = None,
    full: bool = False,
    stream: TextIO | None = None,
) -> str:
    """The text of a circuit: title, tree or table, then what a push on each input would do.

    color and width: None lets the stream decide (stdout by default), which NO_COLOR, a dumb
    terminal or a pipe make plain. Nothing is cut to fit: long text wraps. full: every stage of a
    circuit of more than 40 gates, instead of a row for each call of a function.
    """
    from rich.text import Text

    s = sheet(circuit, part, readings, decimals=decimals)
    k = look(color, width, stream)
    blank = Text("")
    parts: list[RenderableType] = [Text(title, style=STRONG), blank]
    parts += [*_body(s, k, full), blank, summary(s, k), blank, Text(FOOTNOTE)]
    return to_text(parts, k)


def _body(s: Sheet, k: Look, full: bool) -> "list[RenderableType]":
    """The tree, the table by function or the table of stages, whichever the circuit calls for."""
    from rich.text import Text

    if fits_as_tree(s, k):
        return [tree(s, k), *group_notes(s)]
    if full or not is_large(s):
        return [table(s, k, full)]
    note = (
        f"{len(s.gates)} gates, by the calls they are in; of arrays and gradients stands the norm. "
        "full=True or --all prints every stage."
    )
    return [Text(note), Text(""), by_function(s, k)]
