"""A circuit in a terminal: a tree where there are no forks, else a stage table; then its inputs.

The same words are printed everywhere; colour, box drawing and the arrow are added where the stream
has them.
"""

from typing import TYPE_CHECKING, TextIO

from chainrule.circuit.circuit import Circuit, Part
from chainrule.circuit.readings import Readings
from chainrule.views.look import STRONG, look, to_text
from chainrule.views.sheet import sheet
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
    stream: TextIO | None = None,
) -> str:
    """The text of a circuit: title, tree or table, then what a push on each input would do.

    color and width: None lets the stream decide (stdout by default), which NO_COLOR, a dumb
    terminal or a pipe make plain. Nothing is cut to fit: long text wraps.
    """
    from rich.text import Text

    s = sheet(circuit, part, readings, decimals=decimals)
    k = look(color, width, stream)
    blank = Text("")
    body = [tree(s, k), *group_notes(s)] if fits_as_tree(s, k) else [table(s, k)]
    parts: list[RenderableType] = [Text(title, style=STRONG), blank]
    parts += [*body, blank, summary(s, k), blank, Text(FOOTNOTE)]
    return to_text(parts, k)
