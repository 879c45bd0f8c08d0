"""Shapes: what a scene is made of, in px, x to the right and y down."""

from dataclasses import dataclass

from chainrule.views.flow import THIN
from chainrule.views.layout.graph import Point
from chainrule.views.plots import Plot


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
class Placed:
    """A plot with its top left corner at (x, y)."""

    x: float
    y: float
    plot: Plot


@dataclass(frozen=True, slots=True)
class Item:
    """A thing with its shape, if it has one, its texts and its plots."""

    label: str
    shape: Shape | None
    texts: tuple[Text, ...]
    plots: tuple[Placed, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A wire. Dashed: no gradient comes back along it."""

    points: tuple[Point, ...]
    is_dashed: bool = False
    has_arrow: bool = True
    width: float = THIN


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
