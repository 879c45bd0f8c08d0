"""Plots: what an array looks like, small enough to stand above or below its wire.

| array                                | drawn as                                             |
|--------------------------------------|------------------------------------------------------|
| up to 32 numbers, or up to 16 x 16   | cells in rows and columns, stronger where |x| is large |
| any other                            | a histogram of 24 bins from the least to the largest |

Cells above zero have the colour of what is plotted, values or gradients; those below zero have
one of their own, the same for both. Cells that are nan or inf are black. A tick under a histogram
says where zero is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Box = tuple[float, float, float, float]  # x, y, width, height from the plot's top left corner

BINS, WIDE, HIGH = 24, 62.4, 18.0  # of a histogram, in px
TICK = 3.0
ROW, SQUARE = 32, 16  # the longest row and the largest square drawn cell by cell
CELL, STRIP, TILE = 10, 64, 40  # px: the largest cell; the widest row; the highest column
LEVELS = 8  # of strength
NOTHING = 1e-9  # of the largest: as good as zero


@dataclass(frozen=True, slots=True)
class Layer:
    """Boxes of one colour. role: as `svg` colours them; strength: from 0, clear, to 1, full."""

    role: str
    strength: float
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A small picture of an array, back to front."""

    width: float
    height: float
    layers: tuple[Layer, ...]
    has_cells: bool


def plot(array: Any, role: str) -> Plot | None:
    """The plot of an array of real numbers or truth values; None where there is nothing to draw."""
    array = np.asarray(array)
    if not array.shape or array.dtype.kind not in "fiub" or not np.isfinite(array).any():
        return None
    wide = array.astype(float)
    is_small = wide.shape[0] <= ROW if wide.ndim == 1 else (
        wide.ndim == 2 and max(wide.shape) <= SQUARE
    )
    return _cells(np.atleast_2d(wide), role) if is_small else _histogram(wide.ravel(), role)


def _cells(array: Any, role: str) -> Plot:
    rows, columns = array.shape
    size = max(2, min(CELL, STRIP // columns, TILE // rows))
    level = _levels(array)
    layers = [Layer("wire", 0.15, ((0.0, 0.0, columns * size, rows * size),))]
    for wanted in (*range(-LEVELS, 0), *range(1, LEVELS + 1), LEVELS + 1):
        boxes = tuple(_runs(level == wanted, size))
        if boxes:
            layers.append(Layer(*_color(wanted, role), boxes))
    return Plot(columns * size, rows * size, tuple(layers), True)


def _levels(array: Any) -> Any:
    """Per cell, from -8 to 8, how large it is beside the largest; 9 where it is not finite."""
    finite = np.isfinite(array)
    largest = np.abs(array[finite]).max()
    share = np.divide(array, largest, out=np.zeros_like(array), where=finite & (largest > 0))
    share[np.abs(share) < NOTHING] = 0  # what a sum leaves where it should be zero
    level = np.sign(share) * np.ceil(np.abs(share) * LEVELS)
    return np.where(finite, level, LEVELS + 1).astype(int)


def _color(level: int, role: str) -> tuple[str, float]:
    if level > LEVELS:
        return "ink", 1.0
    return role if level > 0 else "negative", abs(level) / LEVELS


def _runs(marked: Any, size: int) -> Iterator[Box]:
    """Marked cells as boxes, neighbours in a row as one."""
    for y, row in enumerate(marked):
        edges = np.flatnonzero(np.diff(row.astype(int), prepend=0, append=0))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            yield begin * size, y * size, (end - begin) * size, size


def _histogram(array: Any, role: str) -> Plot:
    scale = float(np.abs(array[np.isfinite(array)]).max()) or 1.0
    finite = array[np.isfinite(array)] / scale  # so that the range of 1e308 has a width
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(finite, BINS, (low, high))
    step = WIDE / BINS
    heights = [max(round(HIGH * int(n) / int(counts.max()), 1), 0.8) if n else 0 for n in counts]
    bars = tuple(
        (round(i * step, 1), HIGH - h, 2.2, h) for i, h in enumerate(heights) if h
    )
    ground: list[Box] = [(0.0, HIGH, WIDE, 0.8)]
    if low <= 0 <= high:
        ground.append((round((WIDE - 1) * -low / (high - low), 1), HIGH, 1.0, TICK))
    layers = (Layer("wire", 1.0, tuple(ground)), Layer(role, 1.0, bars))
    return Plot(WIDE, HIGH + TICK, layers, False)
