"""Which items may run in blocks of one extent together.

An item joins along an axis of that extent if, for each place of the axis, it touches only that
place's numbers of what the members write. Sums over the axis are for items after the blocks.
"""

from collections import Counter
from collections.abc import Set
from math import prod

from chainrule.backends.llvm.nests import (
    BYTES,
    COUNT,
    TURN,
    Buffer,
    Fold,
    Item,
    Kernel,
    Load,
    Nest,
    View,
)
from chainrule.backends.llvm.rows import Rows
from chainrule.backends.llvm.values import Value

SMALL = 1 << 16  # bytes of a product's matrix that is read again for each block


def as_nest(item: Item) -> Nest | None:
    """A nest, or a small product written as one; None for items that join no block."""
    if isinstance(item, Nest):
        one_by_one = item.in_turn or any(f.how == TURN for f in item.folds)
        return None if one_by_one or 0 in item.shape else item
    if isinstance(item, Kernel) and min(map(_matrix, item.views())) <= SMALL:
        return product_nest(item)
    return None


def _matrix(view: View) -> int:
    return prod(view.shape[-2:]) * BYTES[view.buffer.kind]


def product_nest(kernel: Kernel) -> Nest:
    """A product as a nest over rows, columns and what it adds up over."""
    x, y, out = kernel.x, kernel.y, kernel.out
    shape = (*out.shape, x.shape[-1])
    values = [Value(v.buffer.kind, f"{out.buffer.name}.{side}") for v, side in ((x, "x"), (y, "y"))]
    lefts = View(x.buffer, shape, (*x.strides[:-1], 0, x.strides[-1]), x.offset)
    rights = View(y.buffer, shape, (*y.strides[:-2], 0, y.strides[-1], y.strides[-2]), y.offset)
    total = View(out.buffer, shape, (*out.strides, 0), out.offset)
    loads = [Load(v, view) for v, view in zip(values, (lefts, rights), strict=True)]
    made = Value(out.buffer.kind, out.buffer.name)
    return Nest(shape, loads, folds=[Fold("dot", tuple(values), made, total)])


class Members:
    """The nests that have joined, each with its axis; what they touch, and how."""

    def __init__(self, extent: int) -> None:
        self.extent = extent
        self.nests: list[tuple[Nest, int]] = []
        self.rows: dict[Buffer, Rows | None] = {}  # None: touched across places, or in two ways
        self.written: set[Buffer] = set()  # one place at a time
        self.totals: set[Buffer] = set()  # of folds over the extent
        self.made: set[str] = set()  # numbers that such folds give
        self.touches: Counter[Buffer] = Counter()  # how many of the nests touch a buffer

    def take(self, nest: Nest, uses: Set[str]) -> bool:
        """True where a nest that uses these numbers may join, and has."""
        return self.made.isdisjoint(uses) and any(
            n == self.extent and self.join(nest, axis) for axis, n in enumerate(nest.shape)
        )

    def join(self, nest: Nest, axis: int) -> bool:
        """True where a nest may join along an axis, and has."""
        if any(x.view.buffer is COUNT for x in nest.loads):
            return False  # no memory that a window could move on
        rows: dict[Buffer, Rows | None] = {}
        written, totals = set(), set()
        for load in nest.loads:
            self._touch(rows, load.view, axis, load.table is None and not load.picks)
        for store in nest.stores:
            self._touch(rows, store.view, axis, is_in_place=True)
            written.add(store.view.buffer)
        for view in (f.into for f in nest.folds if f.into is not None):
            if view.strides[axis]:
                self._touch(rows, view, axis, is_in_place=True)
                written.add(view.buffer)
            elif view.buffer in totals:
                return False
            else:
                totals.add(view.buffer)
        crossed = any(b in written or b in self.written for b, known in rows.items() if not known)
        if crossed or any(self.rows.get(b, True) is None for b in written):
            return False
        if not totals.isdisjoint(rows) or any(b in self.totals or b in self.rows for b in totals):
            return False
        if not self.totals.isdisjoint(rows):
            return False
        self.rows.update(rows)
        self.written |= written
        self.totals |= totals
        self.made |= {f.value.name for f in nest.folds if f.into is None}
        self.touches.update({*rows, *totals})
        self.nests.append((nest, axis))
        return True

    def _touch(
        self, rows: dict[Buffer, Rows | None], view: View, axis: int, is_in_place: bool
    ) -> None:
        """Note how a view touches its buffer."""
        known = Rows(self.extent, view.strides[axis])
        found = known if is_in_place and known.fit(view, axis) else None
        before = rows.get(view.buffer, self.rows.get(view.buffer, found))
        rows[view.buffer] = found if before == found else None
