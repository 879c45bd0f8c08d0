"""Places of an extent: where each of them begins in a view, and the memory of a block of them.

A buffer whose views all step by s along an extent of N places holds, for each of outer x N x s
numbers, those of one place apart from those of the others. What lies within one place is the same
for all places; a block of them keeps its places side by side, one a lane.

    in the buffer    outer*N*s + place*s + inner
    in the block     (outer*s + inner)*block + place
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chainrule.backends.llvm.nests import Buffer, Shape, View, whole


@dataclass(frozen=True, slots=True)
class Rows:
    """How a buffer is parted into the places of an extent: so many of them, a step apart."""

    extent: int
    step: int

    def count(self, buffer: Buffer) -> int:
        """How many numbers a place has."""
        return buffer.size // self.extent

    def fit(self, view: View, axis: int) -> bool:
        """True where a view keeps to one place of the buffer for each place of the axis."""
        if self.step <= 0 or view.strides[axis] != self.step:
            return False
        if view.buffer.size % (self.extent * self.step):
            return False
        within, beyond = self.split(view.offset)
        low = high = within
        others = [(n, s) for a, (n, s) in enumerate(zip(view.shape, view.strides, strict=True))
                  if a != axis and n > 1 and s]
        for n, s in others:
            if abs(s) >= self.step and s % (self.extent * self.step):
                return False
            if abs(s) < self.step:
                low, high = low + min(0, s * (n - 1)), high + max(0, s * (n - 1))
        return beyond >= 0 and low >= 0 and high < self.step

    def split(self, offset: int) -> tuple[int, int]:
        """The number within a place that an offset stands for, and which of the outer ones; -1
        where the offset is not of the first place."""
        outer, rest = divmod(offset, self.extent * self.step)
        return (rest, outer) if rest < self.step else (0, -1)

    def stride(self, s: int) -> int:
        """The stride of an axis among the numbers of one place."""
        return s if abs(s) < self.step else s // self.extent

    def in_block(self, view: View, axis: int, local: Buffer, size: int) -> View:
        """The view in the memory of a block, the axis last."""
        within, outer = self.split(view.offset)
        strides = [self.stride(s) * size for s in view.strides]
        return View(
            local, last(view.shape, axis, size), last(strides, axis, 1),
            (outer * self.step + within) * size,
        )

    def apart(self, buffer: Buffer, own: Buffer, size: int) -> tuple[View, View]:
        """All numbers of a block of places, in the buffer and in the block's own memory."""
        shape = buffer.size // (self.extent * self.step), self.step, size
        return View(buffer, shape, (self.extent * self.step, 1, self.step)), whole(own, shape)


def last(numbers: Sequence[int], axis: int, number: int) -> Shape:
    """A shape or strides with one axis moved to the end, and what it has there."""
    return (*numbers[:axis], *numbers[axis + 1 :], number)


def moved_last(view: View, axis: int, size: int) -> View:
    """A view with its axis last, cut to so many places."""
    return replace(
        view, shape=last(view.shape, axis, size),
        strides=last(view.strides, axis, view.strides[axis]),
    )
