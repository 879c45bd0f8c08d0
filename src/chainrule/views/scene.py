"""A scene: things that have a place in a picture, as shapes, lines and texts.

    things -> nodes with sizes -> layout -> scene

Values stand above the wires, gradients below with an arrow, an array's plots beyond them. Where a
wire forks, each branch shows the gradient it sends back in small type at its gate. What has no
gradient is dashed and says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from chainrule.views.flow import THIN, Flow
from chainrule.views.layout import Drawing, Node, Spot, layout
from chainrule.views.layout.graph import Point
from chainrule.views.layout.judge import overlapping
from chainrule.views.layout.measure import text_width
from chainrule.views.legend import legend
from chainrule.views.plots import Plot
from chainrule.views.shapes import Hull, Item, Line, Placed, Scene, Shape, Text

SYMBOL, NAME, NUMBER, CAPTION, SMALL = 17.0, 15.0, 14.0, 12.5, 11.5
SMALLEST = 12.0  # size of a symbol in a circle; if it does not fit, the gate is a box
ROUND = 46  # a gate's diameter, a box's height
INSIDE = 36  # of a round gate, for its symbol
BOX_CORNER = 12
PAD = 10  # from a gate to its group's hull
DEAD = "no gradient"
BADGES = {"nan", "inf", "−inf"}
OVER, UNDER = 24, 26  # from a wire to a plot above its value, below its gradient


@dataclass(frozen=True, slots=True)
class Thing:
    """An input, a constant or a gate, and what is written at it, with true signs.

    `label` is all of it in ASCII. `text` is an input's name or a gate's symbol, `name` the name of
    a gate's wire. Per input: `terms`, the gradient sent back where that wire forks, else empty;
    `dead`, True where none is sent; `widths`, how wide the wire is drawn. The plots are those of
    the value and of the gradient, `width` is that of a wire that leaves the circuit.
    """

    label: str
    text: str
    value: str
    gradient: str  # empty where none arrives
    name: str = ""
    inputs: tuple[int, ...] = ()
    terms: tuple[str, ...] = ()
    dead: tuple[bool, ...] = ()
    is_constant: bool = False
    is_round: bool = True  # False for arrays and groups
    is_bundle: bool = False  # its wire carries several values, each picked by a thing of its own
    value_plot: Plot | None = None
    gradient_plot: Plot | None = None
    widths: tuple[float, ...] = ()
    width: float = THIN

    @property
    def is_leaf(self) -> bool:
        """True for inputs and constants."""
        return not self.inputs


@dataclass(frozen=True, slots=True)
class Closed:
    """A group of things that is differentiated as one; the last of them is its output."""

    caption: str
    members: tuple[int, ...]


def scene(
    things: Sequence[Thing], closed: Sequence[Closed] = (), flow: Flow | None = None,
    caption: str = "",
) -> Scene:
    """The scene of things in tape order, with a hull around each closed group and a legend."""
    hulled = {m: m == c.members[-1] for c in closed for m in c.members}
    nodes = [_node(thing, i in hulled, hulled.get(i, False)) for i, thing in enumerate(things)]
    drawing = layout(nodes)
    ends: dict[int, list[tuple[int, Point]]] = {}
    for wire in drawing.wires:
        ends.setdefault(wire.target, []).append((wire.port, wire.points[-1]))
    items = []
    for i, spot in enumerate(drawing.spots):
        thing, node = things[spot.node], nodes[spot.node]
        items.append(_item(thing, spot, node, hulled.get(spot.node), ends.get(i, ())))
    lines = (*_wires(things, drawing), *_stubs(things, nodes, drawing))
    hulls = tuple(_hulls(closed, things, nodes, drawing))
    plots = [p for t in things for p in (t.value_plot, t.gradient_plot) if p]
    below = legend(flow, plots, caption, drawing.height)
    width = max(drawing.width, below.width)
    return Scene(width, drawing.height + below.height, hulls, (*lines, *below.lines),
                 (*items, *below.items))


# ---- sizes


def _node(thing: Thing, in_hull: bool, ends_hull: bool) -> Node:
    plots = [p.width for p in (thing.value_plot, thing.gradient_plot) if p]
    label = max(_value_width(thing), _gradient_width(thing), *plots)
    label = ceil(label) + _offset(ends_hull) + 4
    over, under = _reach(thing)
    if thing.is_leaf:
        width = ceil(text_width(thing.text, NAME)) + 5
        return Node((), width, 20, over, under, label, is_late=thing.is_constant)
    height = max(ROUND, 14 + 18 * (len(thing.inputs) - 1))
    above, below = (ROUND / 2 + PAD, 54.0) if in_hull else (26.0, 26.0)
    if in_hull and plots:
        over, under = over + PAD, under + PAD + 18  # a caption stands below the hull
    grown = (height - ROUND) / 2
    lead = max((text_width("← " + t, SMALL) + 20 for t in thing.terms if t), default=0)
    return Node(
        thing.inputs, _gate_width(thing, height), height, max(above + grown, over),
        max(below + grown, under), label, ceil(lead),
    )


def _reach(thing: Thing) -> tuple[float, float]:
    """How far a thing's numbers and plots go above and below its wire."""
    value, gradient = thing.value_plot, thing.gradient_plot
    over = OVER + value.height + 4 if value else 26.0
    return over, UNDER + gradient.height + 3 if gradient else 26.0


def _offset(ends_hull: bool) -> int:
    """From a gate to the numbers on its wire; outside of the hull it may end."""
    return PAD + 6 if ends_hull else 8


def _gate_width(thing: Thing, height: float) -> float:
    if thing.is_round and height == ROUND and text_width(thing.text, SMALLEST) <= INSIDE:
        return ROUND
    return max(ceil(text_width(thing.text, _symbol_size(thing, False))) + 18, ROUND + 4)


def _symbol_size(thing: Thing, in_circle: bool) -> float:
    """17 px, smaller to fit a circle; words in boxes are as large as names."""
    if in_circle:
        return min(SYMBOL, int(2 * INSIDE / text_width(thing.text, 1)) / 2)
    return SYMBOL if len(thing.text) < 3 else NAME


def _value_width(thing: Thing) -> float:
    return text_width(f"{thing.name} {thing.value}" if thing.name else thing.value, NUMBER)


def _gradient_width(thing: Thing) -> float:
    if thing.gradient:
        return text_width("← " + thing.gradient, NUMBER)
    return 0.0 if thing.is_bundle else text_width(DEAD, SMALL)


# ---- items


def _item(
    thing: Thing, spot: Spot, node: Node, hull: bool | None, ends: Sequence[tuple[int, Point]]
) -> Item:
    """hull: None outside of all, True at the gate whose wire leaves one."""
    right = spot.x + node.width / 2
    if thing.is_leaf:
        name = Text(right - 5, spot.y + 5, thing.text, "ink", NAME, "end")
        if spot.is_again:  # its value and whole gradient stand at the first one
            return Item(thing.text, None, (name,))
        texts = (name, *_numbers(thing, right + 8, spot.y))
        return Item(thing.label, None, texts, _plots(thing, right + 8, spot.y))
    size = _symbol_size(thing, in_circle=node.width == node.height == ROUND)
    symbol = Text(spot.x, spot.y + round(size * 0.36, 1), thing.text, "ink", size, "middle")
    x = right + _offset(bool(hull))
    branches = (
        _branch(thing, port, end, 17 if hull is not None else 12)
        for port, end in ends if thing.terms[port]
    )
    texts = (symbol, *_numbers(thing, x, spot.y), *branches)
    return Item(thing.label, _shape(thing, spot, node), texts, _plots(thing, x, spot.y))


def _shape(thing: Thing, spot: Spot, node: Node) -> Shape:
    corner = (spot.x - node.width / 2, spot.y - node.height / 2)
    radius = node.height / 2 if node.width == node.height == ROUND else BOX_CORNER
    return Shape(*corner, node.width, node.height, radius)


def _numbers(thing: Thing, x: float, y: float) -> Iterator[Text]:
    """Name and value above the wire, gradient below it."""
    if _is_badge(thing.value):
        yield Text(x, y - 8, thing.name, "ink", NUMBER)
        after = x + text_width(thing.name + " ", NUMBER) if thing.name else x
        yield Text(after, y - 8, thing.value, "value", NUMBER, is_badge=True)
    elif thing.value:
        yield Text(x, y - 8, thing.value, "value", NUMBER, name=thing.name)
    if thing.gradient:
        badge = _is_badge(thing.gradient)
        yield Text(x, y + 19, "← " + thing.gradient, "gradient", NUMBER, is_badge=badge)
    elif not thing.is_bundle:
        yield Text(x, y + 16, DEAD, "muted", SMALL)


def _plots(thing: Thing, x: float, y: float) -> tuple[Placed, ...]:
    """The value's plot above its number, the gradient's below."""
    value, gradient = thing.value_plot, thing.gradient_plot
    above = [Placed(x, y - OVER - value.height, value)] if value else []
    below = [Placed(x, y + UNDER, gradient)] if gradient else []
    return (*above, *below)


def _branch(thing: Thing, port: int, end: Point, before: float) -> Text:
    """The gradient one branch sends back, above its wire; below it at a gate's last port."""
    down = 13 if 0 < port == len(thing.inputs) - 1 else -5
    words = "← " + thing.terms[port]
    badge = _is_badge(thing.terms[port])
    return Text(end[0] - before, end[1] + down, words, "gradient", SMALL, "end", is_badge=badge)


def _is_badge(text: str) -> bool:
    return not BADGES.isdisjoint(text.translate(_APART).split())


_APART = str.maketrans(",[]", "   ")


# ---- lines


def _wires(things: Sequence[Thing], drawing: Drawing) -> Iterator[Line]:
    for wire in drawing.wires:
        thing = things[drawing.spots[wire.target].node]
        width = thing.widths[wire.port] if thing.widths else THIN
        yield Line(wire.points, thing.dead[wire.port], width=width)


def _stubs(
    things: Sequence[Thing], nodes: Sequence[Node], drawing: Drawing
) -> Iterator[Line]:
    """The wires that leave the circuit, and those of inputs whose names are drawn again."""
    wired = {wire.source for wire in drawing.wires}
    for i, spot in enumerate(drawing.spots):
        node, thing = nodes[spot.node], things[spot.node]
        if i not in wired and not spot.is_again:
            x = spot.x + node.width / 2
            end = (x + node.label + (8 if not node.is_leaf else 0), spot.y)
            yield Line(((x, spot.y), end), not thing.gradient, not node.is_leaf, thing.width)


# ---- hulls


def _hulls(
    closed: Sequence[Closed], things: Sequence[Thing], nodes: Sequence[Node], drawing: Drawing
) -> Iterator[Hull]:
    """One hull around a group; one around each gate where others would be inside."""
    for group in closed:
        members = group.members
        around = _with_plots(_around(drawing, nodes, members), things, drawing, members[:-1])
        others = [
            _around(drawing, nodes, [s.node], pad=0)
            for s in drawing.spots if s.node not in members
        ]
        if any(_boxes_meet(around, other) for other in others):
            rings = [_around(drawing, nodes, [m], pad=4) for m in members]
            yield from (Hull(ring, None) for ring in rings[:-1])
            around = rings[-1]
        x, y = around.x + 12, around.y + around.height + 16
        yield Hull(around, Text(x, y, group.caption, "group", CAPTION))


def _with_plots(
    hull: Shape, things: Sequence[Thing], drawing: Drawing, members: Sequence[int]
) -> Shape:
    """A hull as high as the plots on the wires inside it."""
    plots = [p for m in members for p in _plots(things[m], 0, drawing.spots[m].y)]
    top = min((p.y - PAD / 2 for p in plots), default=hull.y)
    bottom = max((p.y + p.plot.height + PAD / 2 for p in plots), default=hull.y)
    top, bottom = min(top, hull.y), max(bottom, hull.y + hull.height)
    return Shape(hull.x, top, hull.width, bottom - top, hull.radius)


def _around(
    drawing: Drawing, nodes: Sequence[Node], members: Sequence[int], pad: float = PAD
) -> Shape:
    spots = [(drawing.spots[m], nodes[m]) for m in members]
    left = min(s.x - n.width / 2 for s, n in spots) - pad
    top = min(s.y - n.height / 2 for s, n in spots) - pad
    right = max(s.x + n.width / 2 for s, n in spots) + pad
    bottom = max(s.y + n.height / 2 for s, n in spots) + pad
    return Shape(left, top, right - left, bottom - top, 14)


def _boxes_meet(a: Shape, b: Shape) -> bool:
    corners = [(s.x, s.y, s.x + s.width, s.y + s.height) for s in (a, b)]
    return any(True for _ in overlapping(corners))
