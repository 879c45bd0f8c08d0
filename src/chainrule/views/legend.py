"""The legend under a drawing: what widths and colours of arrays mean, what was drawn as boxes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainrule.views.flow import THIN, Flow
from chainrule.views.layout.measure import text_width
from chainrule.views.numbers import format_number
from chainrule.views.plots import Layer, Plot
from chainrule.views.printing import signs
from chainrule.views.shapes import Item, Line, Placed, Text

LEFT, ROW, SIZE = 24, 22, 12.0
SAMPLE, SWATCH, BETWEEN = 30, 11, 26  # px: a piece of wire, a square, what keeps entries apart


@dataclass(frozen=True, slots=True)
class Legend:
    """Lines and items below a drawing, and the room they take."""

    width: float = 0
    height: float = 0
    lines: tuple[Line, ...] = ()
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A piece of wire of some width, or swatches in the colours of some roles, and words."""

    words: str
    wire: float = 0
    roles: tuple[str, ...] = ()

    @property
    def mark(self) -> float:
        """How wide the sign before the words is."""
        return (SAMPLE if self.wire else len(self.roles) * (SWATCH + 3)) + 5

    @property
    def width(self) -> float:
        return self.mark + text_width(self.words, SIZE)


def legend(flow: Flow | None, plots: Sequence[Plot], caption: str, top: float) -> Legend:
    """The legend of a drawing that ends at height `top`; an empty one where nothing needs it."""
    rows = [row for row in ([*_entries(flow, plots)], [_Entry(caption)] if caption else []) if row]
    if not rows:
        return Legend()
    lines: list[Line] = []
    texts: list[Text] = []
    swatches: list[Placed] = []
    width = 0.0
    for number, row in enumerate(rows):
        x, y = float(LEFT), top + ROW * number + 4
        for entry in row:
            if entry.wire:
                lines.append(Line(((x, y), (x + SAMPLE, y)), False, False, entry.wire))
            swatches += [
                Placed(x + i * (SWATCH + 3), y - SWATCH / 2, _swatch(role))
                for i, role in enumerate(entry.roles)
            ]
            before = entry.mark if entry.wire or entry.roles else 0
            texts.append(Text(x + before, y + 4, entry.words, "muted", SIZE))
            x += entry.width + BETWEEN
        width = max(width, x - BETWEEN + LEFT)
    return Legend(width, ROW * len(rows) + 6, tuple(lines),
                  (Item("", None, tuple(texts), tuple(swatches)),))


def _entries(flow: Flow | None, plots: Sequence[Plot]) -> Iterator[_Entry]:
    if flow:
        thin, largest = (signs(format_number(n)) for n in (flow.thin, flow.largest))
        most = "at most " if flow.least < flow.thin else ""
        yield _Entry(f"gradient of norm {most}{thin}", THIN)
        if thin != largest:
            yield _Entry(largest, flow.width(flow.largest))
    if plots:
        yield _Entry("values", roles=("value",))
        yield _Entry("gradients", roles=("gradient",))
    if any(plot.has_cells for plot in plots):
        yield _Entry("cells below zero", roles=("negative",))


def _swatch(role: str) -> Plot:
    return Plot(SWATCH, SWATCH, (Layer(role, 1, ((0, 0, SWATCH, SWATCH),)),), False)
