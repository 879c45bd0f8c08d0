"""SVG text of a scene, written by hand: the same scene gives the same bytes.

Every colour stands on its element, so that a saved file is right where style sheets are dropped.
With theme "auto" one adds the dark colours where the reader prefers them, as `--chainrule-*`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal
from xml.sax.saxutils import escape

from chainrule.views.flow import THIN as WIRE
from chainrule.views.layout.graph import Point
from chainrule.views.layout.measure import text_width
from chainrule.views.shapes import Hull, Item, Line, Placed, Scene, Shape, Text

Theme = Literal["auto", "light", "dark"]
LIGHT = {
    "back": "#ffffff", "value": "#006b5e", "gradient": "#b93a12", "ink": "#1b2330",
    "muted": "#5a6472", "wire": "#6b7686", "group": "#1457c8", "panel": "#f5f7f9",
    "negative": "#7a3fb8",
}  # fmt: skip
DARK = {
    "back": "#14181f", "value": "#8eebd2", "gradient": "#f9785a", "ink": "#e6eaf0",
    "muted": "#a3aebd", "wire": "#7e8a9b", "group": "#8ab8ff", "panel": "#1b212a",
    "negative": "#c9a6ff",
}  # fmt: skip
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
CORNER, ARROW = 9, 7
HALO = 4


def to_svg(scene: Scene, *, title: str, description: str, theme: Theme = "auto") -> str:
    """A whole SVG document, without a prolog, so that it can stand in a page."""
    colors = DARK if theme == "dark" else LIGHT
    width, height = _number(scene.width), _number(scene.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chainrule-{theme}" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{FONT}" font-weight="600" style="font-variant-numeric:tabular-nums">',
        f"<title>{escape(_legal(title))}</title>",
        f"<desc>{escape(_legal(description))}</desc>",
        f"<style>{_halo(theme, colors)}{_dark() if theme == 'auto' else ''}</style>",
        f'<rect width="{width}" height="{height}" {_paint("fill", "back", colors)}/>',
        *(line for hull in scene.hulls for line in _hull(hull, colors)),
        f'<g stroke-width="{WIRE}">',
        *(line for wire in scene.lines for line in _line(wire, colors)),
        "</g>",
        *(line for item in scene.items for line in _item(item, colors)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _halo(theme: Theme, colors: Mapping[str, str]) -> str:
    """Words stand out from a wire behind them; on a badge they need not.

    Behind @supports, which CairoSVG passes by: it would paint the halo over the words, and knows
    no variables.
    """
    back = "var(--chainrule-back)" if theme == "auto" else colors["back"]
    return (
        f"@supports (paint-order:stroke){{.chainrule-{theme} text:not(.f-back){{paint-order:stroke;"
        f"stroke:{back};stroke-width:{HALO}px;stroke-linejoin:round}}}}"
    )


def _dark() -> str:
    """Dark colours by the reader's preference; classes are the roles, f- fills and s- strokes."""
    light, dark = (
        "".join(f"--chainrule-{role}:{color};" for role, color in colors.items())
        for colors in (LIGHT, DARK)
    )
    rules = "".join(
        f".chainrule-auto .f-{role}{{fill:var(--chainrule-{role})}}"
        f".chainrule-auto .s-{role}{{stroke:var(--chainrule-{role})}}"
        for role in LIGHT
    )
    preferred = f"@media (prefers-color-scheme:dark){{.chainrule-auto{{{dark}}}}}"
    return f"@supports (color:var(--c)){{.chainrule-auto{{{light}}}{preferred}{rules}}}"


# ---- elements


def _paint(fill_or_stroke: str, role: str, colors: Mapping[str, str]) -> str:
    """Class and colour of an element that has only a fill or only a stroke."""
    return f'class="{fill_or_stroke[0]}-{role}" {fill_or_stroke}="{colors[role]}"'


def _both(fill: str, stroke: str, colors: Mapping[str, str]) -> str:
    return f'class="f-{fill} s-{stroke}" fill="{colors[fill]}" stroke="{colors[stroke]}"'


def _rect(shape: Shape) -> str:
    return (
        f'x="{_number(shape.x)}" y="{_number(shape.y)}" width="{_number(shape.width)}" '
        f'height="{_number(shape.height)}" rx="{_number(shape.radius)}"'
    )


def _hull(hull: Hull, colors: Mapping[str, str]) -> Iterator[str]:
    paint = _both("panel", "group", colors)
    yield f'<rect {_rect(hull.shape)} {paint} stroke-width="1.2" stroke-dasharray="5 4"/>'
    if hull.caption:
        yield _text(hull.caption, colors)


def _line(line: Line, colors: Mapping[str, str]) -> Iterator[str]:
    dash = ' stroke-dasharray="4 4"' if line.is_dashed else ""
    wide = "" if line.width == WIRE else f' stroke-width="{_number(line.width)}"'
    points = line.points
    if line.has_arrow:
        x, y = points[-1]
        half = max(ARROW / 2, line.width)
        points = (*points[:-1], (x - ARROW + 1, y))
        tip = f"M{_number(x)} {_number(y)}l{-ARROW} {_number(-half)}v{_number(2 * half)}z"
    yield f'<path d="{path(points)}" fill="none" {_paint("stroke", "wire", colors)}{dash}{wide}/>'
    if line.has_arrow:
        yield f'<path d="{tip}" {_paint("fill", "wire", colors)}/>'


def path(points: Sequence[Point]) -> str:
    """Path data of a wire with round corners."""
    found = [f"M{_number(points[0][0])} {_number(points[0][1])}"]
    for (a, b), (_, c) in pairwise(pairwise(points)):
        r = min(CORNER, _length(a, b) / (1 if a == points[0] else 2),
                _length(b, c) / (1 if c == points[-1] else 2))
        (x, y), (u, v), corner = _towards(b, a, r), _towards(b, c, r), b
        found.append(f"L{_number(x)} {_number(y)}")
        found.append(f"Q{_number(corner[0])} {_number(corner[1])} {_number(u)} {_number(v)}")
    found.append(f"L{_number(points[-1][0])} {_number(points[-1][1])}")
    return "".join(found)


def _length(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(a: Point, b: Point, distance: float) -> Point:
    """The point at a distance from a on the horizontal or vertical line to b."""
    whole = _length(a, b) or 1.0
    return a[0] + (b[0] - a[0]) * distance / whole, a[1] + (b[1] - a[1]) * distance / whole


def _item(item: Item, colors: Mapping[str, str]) -> Iterator[str]:
    label = escape(_legal(item.label), {'"': "&quot;"})
    yield f'<g data-label="{label}">' if label else "<g>"
    if item.shape:
        yield f'<rect {_rect(item.shape)} {_both("back", "ink", colors)} stroke-width="{WIRE}"/>'
    yield from ((_badge if t.is_badge else _text)(t, colors) for t in item.texts)
    yield from (path for placed in item.plots for path in _plot(placed, colors))
    yield "</g>"


def _plot(placed: Placed, colors: Mapping[str, str]) -> Iterator[str]:
    """One path a colour: a plot of 256 cells is at most 18 elements."""
    for layer in placed.plot.layers:
        boxes = "".join(
            f"M{_number(placed.x + x)} {_number(placed.y + y)}h{_number(w)}v{_number(h)}"
            f"h{_number(-w)}z" for x, y, w, h in layer.boxes
        )
        clear = "" if layer.strength == 1 else f' fill-opacity="{layer.strength:g}"'
        yield f'<path d="{boxes}" {_paint("fill", layer.role, colors)}{clear}/>'


def _text(text: Text, colors: Mapping[str, str]) -> str:
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    place = f'x="{_number(text.x)}" y="{_number(text.y)}" font-size="{_number(text.size)}"{anchor}'
    words = escape(_legal(text.words))
    if text.name:
        name = escape(_legal(text.name))
        words = f'<tspan {_paint("fill", "ink", colors)}>{name}</tspan> {words}'
    return f'<text {place} {_paint("fill", text.role, colors)}>{words}</text>'


def _badge(text: Text, colors: Mapping[str, str]) -> str:
    """Words in the background's colour on a ground in their own."""
    width = text_width(text.words, text.size) + 4
    left = text.x + 2 - width if text.anchor == "end" else text.x - 2
    ground = Shape(left, text.y - text.size, width, text.size + 4, 4)
    middle = Text(left + width / 2, text.y, text.words, "back", text.size, "middle")
    return f'<rect {_rect(ground)} {_paint("fill", text.role, colors)}/>' + _text(middle, colors)


def _number(x: float) -> str:
    """At most one decimal, none where it would be zero."""
    return f"{x:.1f}".removesuffix(".0")


def _legal(text: str) -> str:
    """Without the control characters that no XML document may hold."""
    return "".join(c if c in "\t\n" or c.isprintable() else "\ufffd" for c in text)
