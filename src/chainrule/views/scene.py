"""A scene: things that have a place in a picture, as shapes, lines and texts.

    things -> nodes with sizes -> layout -> scene

Values stand above the wires, gradients below with an arrow. Where a wire forks, each branch shows
the gradient it sends back in small type at its gate. What has no gradient is dashed and says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from chainrule.views.layout import Drawing, Node, Spot, layout
from chainrule.views.layout.graph import Point
from chainrule.views.layout.judge import overlapping
from chainrule.views.layout.measure import text_width

SYMBOL, NAME, NUMBER, CAPTION, SMALL = 17.0, 15.0, 14.0, 12.5, 11.5
SMALLEST = 12.0  # size of a symbol in a circle; if it does not fit, the gate is a box
ROUND = 46  # a gate's diameter, a box's height
INSIDE = 36  # of a round gate, for its symbol
BOX_CORNER = 12
PAD = 10  # from a gate to its group's hull
DEAD = "no gradient"
BADGES = ("nan", "inf", "−inf")


@dataclass(frozen=True, slots=True)
class Thing:
    """An input, a constant or a gate, and what is written at it, with true signs.

    `label` is all of it in ASCII. `text` is an input's name or a gate's symbol, `name` the name of
    a gate's wire. Per input: `terms`, the gradient sent back where that wire forks, else empty;
    `dead`, True where none is sent.
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

    @property
    def is_leaf(self) -> bool:
        """True for inputs and constants."""
        return not self.inputs


@dataclass(frozen=True, slots=True)
class Closed:
    """A group of things that is differentiated as one; the last of them is its output."""

    caption: str
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Words at a baseline. role: value, gradient, ink, muted or group, as `svg` colours them."""

    x: float
    y: float
    words: str
    role: str
    size: float
    anchor: str = "start"
    name: str = ""  # of the wire, in ink before the words
    is_badge: bool = False  # on a filled ground: nan and inf


@dataclass(frozen=True, slots=True)
class Shape:
    """A rounded box; a gate on numbers is one so round that it is a circle."""

    x: float
    y: float
    width: float
    height: float
    radius: float


@dataclass(frozen=True, slots=True)
class Item:
    """A thing with its shape, if it has one, and its texts."""

    label: str
    shape: Shape | None
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A wire. Dashed: no gradient comes back along it."""

    points: tuple[Point, ...]
    is_dashed: bool = False
    has_arrow: bool = True


@dataclass(frozen=True, slots=True)
class Hull:
    """Around the gates of a group that is differentiated as one; no caption but on the last."""

    shape: Shape
    caption: Text | None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything to draw, back to front: hulls, lines, items."""

    width: float
    height: float
    hulls: tuple[Hull, ...]
    lines: tuple[Line, ...]
    items: tuple[Item, ...]


def scene(things: Sequence[Thing], closed: Sequence[Closed] = ()) -> Scene:
    """The scene of things in tape order, with a hull around each closed group."""
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
    hulls = tuple(_hulls(closed, nodes, drawing))
    return Scene(drawing.width, drawing.height, hulls, lines, tuple(items))


# ---- sizes


def _node(thing: Thing, in_hull: bool, ends_hull: bool) -> Node:
    label = ceil(max(_value_width(thing), _gradient_width(thing))) + _offset(ends_hull) + 4
    if thing.is_leaf:
        width = ceil(text_width(thing.text, NAME)) + 5
        return Node(width=width, height=20, label=label, is_late=thing.is_constant)
    height = max(ROUND, 14 + 16 * (len(thing.inputs) - 1))
    above, below = (ROUND / 2 + PAD, 54.0) if in_hull else (26.0, 26.0)
    grown = (height - ROUND) / 2
    lead = max((text_width("← " + t, SMALL) + 20 for t in thing.terms if t), default=0)
    return Node(
        thing.inputs, _gate_width(thing, height), height, above + grown, below + grown, label,
        ceil(lead),
    )


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
    return text_width(DEAD, SMALL)


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
        return Item(thing.label, None, (name, *_numbers(thing, right + 8, spot.y)))
    size = _symbol_size(thing, in_circle=node.width == node.height == ROUND)
    symbol = Text(spot.x, spot.y + round(size * 0.36, 1), thing.text, "ink", size, "middle")
    numbers = _numbers(thing, right + _offset(bool(hull)), spot.y)
    branches = (
        _branch(thing, port, end, 17 if hull is not None else 12)
        for port, end in ends if thing.terms[port]
    )
    return Item(thing.label, _shape(thing, spot, node), (symbol, *numbers, *branches))


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
    else:
        yield Text(x, y + 16, DEAD, "muted", SMALL)


def _branch(thing: Thing, port: int, end: Point, before: float) -> Text:
    """The gradient one branch sends back, above its wire; below it at a gate's last port."""
    down = 13 if 0 < port == len(thing.inputs) - 1 else -5
    words = "← " + thing.terms[port]
    badge = _is_badge(thing.terms[port])
    return Text(end[0] - before, end[1] + down, words, "gradient", SMALL, "end", is_badge=badge)


def _is_badge(text: str) -> bool:
    return text.rpartition("norm ")[2] in BADGES


# ---- lines


def _wires(things: Sequence[Thing], drawing: Drawing) -> Iterator[Line]:
    for wire in drawing.wires:
        thing = things[drawing.spots[wire.target].node]
        yield Line(wire.points, is_dashed=thing.dead[wire.port])


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
            yield Line(((x, spot.y), end), not thing.gradient, not node.is_leaf)


# ---- hulls


def _hulls(
    closed: Sequence[Closed], nodes: Sequence[Node], drawing: Drawing
) -> Iterator[Hull]:
    """One hull around a group; one around each gate where others would be inside."""
    for group in closed:
        members = group.members
        around = _around(drawing, nodes, members)
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
