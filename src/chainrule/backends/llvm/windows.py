"""The items of blocks: members whose views are of the block's own memory, or of windows.

    only members touch it     the block's own memory, places side by side
    others do too             a window on it that moves on with the blocks; where its places do not
                              lie side by side, they are turned on their way in or out
    a total over the places   set before the blocks, and gone on with in each
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from chainrule.backends.llvm.folds import identity
from chainrule.backends.llvm.members import Members
from chainrule.backends.llvm.nests import (
    Blocks,
    Buffer,
    Fetch,
    Fold,
    Item,
    Load,
    Moving,
    Nest,
    Store,
    View,
    whole,
)
from chainrule.backends.llvm.rows import moved_last
from chainrule.backends.llvm.tiles import as_product
from chainrule.backends.llvm.values import Value


class Windows:
    """Where the members of a block read and write, given how many items touch each buffer."""

    def __init__(
        self, members: Members, touches: Mapping[Buffer, int], packed: Sequence[Buffer] = ()
    ) -> None:
        self.members = members
        self.rows = {b: rows for b, rows in members.rows.items() if rows is not None}
        written = [b for b in self.rows if b in members.written]
        self.local = [
            b for b in written if b.role == "arena" and touches.get(b) == members.touches[b]
        ]
        shared = [b for b in written if b not in self.local]
        self.brought = [b for b in shared if self._is_brought_out(b)]
        self.turned = [
            b for b in self.rows if b not in written and (self.rows[b].step > 1 or b in packed)
        ]
        self.own: dict[Buffer, Buffer] = {}
        self.windows: dict[tuple[Buffer, int], Moving] = {}
        self.cells: dict[str, Buffer] = {}

    def _is_brought_out(self, buffer: Buffer) -> bool:
        """True where places lie apart, and the first member that touches a buffer sets it all."""
        if self.rows[buffer].step == 1:
            return False
        for nest, _ in self.members.nests:
            if any(x.view.buffer is buffer for x in nest.loads):
                return False
            if any(f.into is not None and f.into.buffer is buffer for f in nest.folds):
                return True
            for s in nest.stores:
                if s.view.buffer is buffer:
                    return not s.adds and prod(nest.shape) == buffer.size
        return False

    @property
    def moved(self) -> list[Buffer]:
        """Buffers whose numbers are copied into a block or out of it."""
        return [*self.turned, *self.brought]

    # ---- the items

    def items(self, size: int) -> list[Item]:
        """What stands in place of the members."""
        extent = self.members.extent
        size = min(size, extent)
        for b in (*self.local, *self.moved):
            n = self.rows[b].count(b) * size
            self.own[b] = Buffer(f"{b.name}.block", b.kind, n, "arena")
        full, rest = self._block(size), self._block(extent % size) if extent % size else ()
        folds = [f for nest, axis in self.members.nests for f in nest.folds
                 if f.into is None or f.into.strides[axis] == 0]
        moving = tuple(self.windows.values())
        return [
            *(self._start(f) for f in folds),
            Blocks(extent, size, frozenset(self.own.values()), moving, full, rest),
            *(Fetch(f.value, View(self.cells[f.value.name], (), ()))
              for f in folds if f.into is None),
        ]

    def _start(self, fold: Fold) -> Nest:
        """A total's numbers before the first block."""
        target = self.cells[fold.value.name] if fold.into is None else fold.into.buffer
        place = whole(target, (target.size,))
        return Nest(place.shape, stores=[Store(identity(fold), place)])

    def _block(self, size: int) -> tuple[Item, ...]:
        nests = (self._narrowed(nest, axis, size) for nest, axis in self.members.nests)
        return (
            *(self._copied(b, size, is_in=True) for b in self.turned), *map(as_product, nests),
            *(self._copied(b, size, is_in=False) for b in self.brought),
        )

    def _copied(self, buffer: Buffer, size: int, *, is_in: bool) -> Nest:
        """A block's numbers on their way between a buffer and the block's own memory."""
        rows, own = self.rows[buffer], self.own[buffer]
        there, here = rows.apart(buffer, own, size)
        there = replace(there, buffer=self._window(buffer, rows.step))
        begin, end = (there, here) if is_in else (here, there)
        value = Value(buffer.kind, f"{buffer.name}.copied")
        return Nest(begin.shape, [Load(value, begin)], stores=[Store(value, end)])

    def _narrowed(self, nest: Nest, axis: int, size: int) -> Nest:
        """A member for one block: the axis last, and that many places."""
        loads = [replace(x, view=self._view(x.view, axis, size)) for x in nest.loads]
        stores = [replace(x, view=self._view(x.view, axis, size)) for x in nest.stores]
        shape = (*nest.shape[:axis], *nest.shape[axis + 1 :], size)
        folds = [self._fold(f, axis, size, shape) for f in nest.folds]
        return Nest(shape, loads, nest.steps, stores, folds)

    def _fold(self, fold: Fold, axis: int, size: int, shape: Sequence[int]) -> Fold:
        if fold.into is not None:
            into = self._view(fold.into, axis, size)
            return replace(fold, into=into, goes_on=fold.into.strides[axis] == 0)
        name = fold.value.name
        cell = self.cells.setdefault(name, Buffer(f"{name}.total", fold.value.kind, 1, "arena"))
        return replace(fold, into=View(cell, tuple(shape), (0,) * len(shape)), goes_on=True)

    def _view(self, view: View, axis: int, size: int) -> View:
        if view.buffer in self.own:
            return self.rows[view.buffer].in_block(view, axis, self.own[view.buffer], size)
        narrow, step = moved_last(view, axis, size), view.strides[axis]
        return replace(narrow, buffer=self._window(view.buffer, step)) if step else narrow

    def _window(self, buffer: Buffer, step: int) -> Buffer:
        key = buffer, step
        if key not in self.windows:
            marks = "'" * (1 + sum(b is buffer for b, _ in self.windows))
            window = Buffer(f"{buffer.name}{marks}", buffer.kind, buffer.size, "window")
            self.windows[key] = Moving(window, buffer, step)
        return self.windows[key].window
