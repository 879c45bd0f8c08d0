"""The records of a plan for arrays: buffers, views of them, and what is done in which order.

    nest [64, 100]                    one loop nest over an iteration space
      h = load b0[i*100 + j]            views: strides in elements, 0 along axes spread over
      z = maximum(h, 0)                 steps, as in the plan of numbers
      store z b3[i*100 + j]
      fold sum z -> b4[j]               folds: sums and their kind, over axes the target lacks

A view is (buffer, shape, strides, offset), all in elements; flags take a byte each in memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal

import numpy as np

from chainrule.backends.llvm.dtypes import SHORT
from chainrule.backends.llvm.plan import Step
from chainrule.backends.llvm.values import Value
from chainrule.errors import PlaceError
from chainrule.gates.keys import no_such_place

Shape = tuple[int, ...]
Role = Literal["input", "constant", "output", "arena", "window", "count"]
BYTES = {"f": 8, "s": 4, "i": 8, "b": 1}
KIND_OF = {"float64": "f", "float32": "s", "int64": "i", "bool": "b"}
DTYPE_OF = {kind: np.dtype(name) for name, kind in KIND_OF.items()}
KIND_OF |= dict.fromkeys(SHORT, "i")  # as they are read


@dataclass(slots=True, eq=False)
class Buffer:
    """Memory for the numbers of an array; `place` is its slot, or its offset in the arena."""

    name: str
    kind: str
    size: int
    role: Role
    place: int = -1

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return self.size * BYTES[self.kind]


@dataclass(frozen=True, slots=True)
class View:
    """Numbers of a buffer seen as an array; strides and offset in elements."""

    buffer: Buffer
    shape: Shape
    strides: Shape
    offset: int = 0

    @property
    def is_contiguous(self) -> bool:
        """True for row-major order without gaps, wherever it begins."""
        return self.strides == row_major(self.shape) or 0 in self.shape

    def spread(self, shape: Shape) -> "View":
        """The view broadcast to a shape."""
        lead = len(shape) - len(self.shape)
        strides = tuple(
            0 if i < lead or (self.shape[i - lead] == 1 and n != 1) else self.strides[i - lead]
            for i, n in enumerate(shape)
        )
        return replace(self, shape=shape, strides=strides)

    def __str__(self) -> str:
        letters = zip(self.strides, "ijklmnopq" * 4, strict=False)
        axes = [letter if s == 1 else f"{s!s}*{letter}" for s, letter in letters if s]
        ahead = [str(self.offset)] if self.offset or not axes else []
        return f"{self.buffer.name}[{' + '.join([*axes, *ahead])}]"


def row_major(shape: Shape) -> Shape:
    """Strides of an array without gaps; 0 along axes of one number."""
    return tuple(
        0 if n == 1 else prod(shape[i + 1 :]) for i, n in enumerate(shape)
    )


def steps_of(strides: Iterable[int], shape: Shape) -> Shape:
    """Strides of a part: none along axes of one number."""
    return tuple(0 if n == 1 else s for s, n in zip(strides, shape, strict=True))


def whole(buffer: Buffer, shape: Shape) -> View:
    """A view of all of a buffer."""
    return View(buffer, shape, row_major(shape))


TURN = "in turn"  # a fold to a number that adds one number after another to its first source
COUNT = Buffer(".count", "i", 0, "count")  # holds 0, 1, 2 ... and takes no memory
Pick = tuple[Value, int, int]  # an index; from one place to the next; how many places there are


@dataclass(frozen=True, slots=True)
class Load:
    """A number read from memory: at its place in a view, or at the place a table has there.

    picks: index values, each with the distance from one place to the next and their number.
    table: a value that counts the places of the buffer from 1; where it is 0, the number is the
    filling.
    """

    value: Value
    view: View
    table: Value | None = None
    filling: float = 0.0
    picks: tuple[Pick, ...] = ()
    fault: int = 0  # what the program returns when the first index is out of range; 1 more: 2nd

    def __str__(self) -> str:
        if self.table is None:
            picks = "".join(f" + {stride!s}*{x}" for x, stride, _ in self.picks)
            return f"{self.value} = load {self.view}{picks}"
        return f"{self.value} = load {self.view.buffer.name} at {self.table}"


@dataclass(frozen=True, slots=True)
class Store:
    """A number written to its place in a view, or to where picks say; `adds`: added to it."""

    value: Value
    view: View
    picks: tuple[Pick, ...] = ()
    fault: int = 0
    adds: bool = False

    def __str__(self) -> str:
        picks = "".join(f" + {stride!s}*{x}" for x, stride, _ in self.picks)
        return f"{'add' if self.adds else 'store'} {self.value} {self.view}{picks}"


@dataclass(frozen=True, slots=True)
class Fold:
    """Numbers added up, or otherwise joined, along the axes where the target has stride 0.

    how: sum, prod, max, min, any, all; dot, the sum of products of two sources; or TURN. into: the
    target in memory, or None where all axes are folded and `value` holds the result. goes_on: the
    target begins with what it holds, from blocks before.
    """

    how: str
    sources: tuple[Value, ...]
    value: Value
    into: View | None
    goes_on: bool = False

    def __str__(self) -> str:
        said = f"fold {self.how} {', '.join(map(str, self.sources))}"
        return f"{said} {'->>' if self.goes_on else '->'} {self.into or self.value}"


@dataclass(slots=True, eq=False)
class Nest:
    """A loop nest over one iteration space, its body straight. in_turn: one place at a time, in
    row-major order, as it must be where several may write to one place."""

    shape: Shape
    loads: list[Load] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    in_turn: bool = False

    def views(self) -> list[View]:
        """Every view it reads or writes."""
        return [*(x.view for x in self.loads), *(x.view for x in self.stores),
                *(f.into for f in self.folds if f.into is not None)]

    def __str__(self) -> str:
        lines = [*map(str, self.loads), *map(str, self.steps),
                 *map(str, self.stores), *map(str, self.folds)]
        return "\n    ".join([f"nest {list(self.shape)}", *lines])


@dataclass(frozen=True, slots=True)
class Product:
    """out = x @ y of matrices, by BLAS."""

    x: View
    y: View
    out: View

    def views(self) -> list[View]:
        """Every view it reads or writes."""
        return [self.x, self.y, self.out]

    def __str__(self) -> str:
        (m, k), n = self.x.shape, self.y.shape[1]
        return f"product {self.out} = {self.x} @ {self.y}  [{m!s}, {k!s}] @ [{k!s}, {n!s}]"


@dataclass(frozen=True, slots=True)
class Kernel:
    """out = x @ y of matrices or stacks of them, in registers; the views are broadcast already."""

    x: View  # [..., rows, depth]
    y: View  # [..., depth, columns]
    out: View

    def views(self) -> list[View]:
        """Every view it reads or writes."""
        return [self.x, self.y, self.out]

    def __str__(self) -> str:
        shapes = f"{list(self.x.shape)} @ {list(self.y.shape)}"
        return f"kernel {self.out} = {self.x} @ {self.y}  {shapes}"


@dataclass(frozen=True, slots=True)
class Dots:
    """out += x @ y.T of matrices or stacks of them, whose rows lie along the lanes."""

    x: View  # [..., rows, depth]
    y: View  # [..., columns, depth]
    out: View  # [..., rows, columns]

    def views(self) -> list[View]:
        """Every view it reads or writes."""
        return [self.x, self.y, self.out]

    def __str__(self) -> str:
        shapes = f"{list(self.x.shape)} @ {list(self.y.shape)}.T"
        return f"dots {self.x} @ {self.y}.T ->> {self.out}  {shapes}"


@dataclass(frozen=True, slots=True)
class Fetch:
    """One number of an array, read outside of loops."""

    value: Value
    view: View

    def views(self) -> list[View]:
        """What it reads."""
        return [self.view]

    def __str__(self) -> str:
        return f"{self.value} = fetch {self.view}"


@dataclass(frozen=True, slots=True)
class Scan:
    """Totals along one axis of a view, up to each place; from its end where `reverse`."""

    x: View
    out: View
    axis: int
    reverse: bool

    def views(self) -> list[View]:
        """Every view it reads or writes."""
        return [self.x, self.out]

    def __str__(self) -> str:
        way = "down" if self.reverse else "up"
        return f"scan {self.out} = {self.x} {way} axis {self.axis} of {list(self.x.shape)}"


@dataclass(frozen=True, slots=True)
class Sort:
    """Places along one axis of a view that put it in order; equal numbers stay in theirs."""

    x: View
    out: View
    axis: int
    spare: View  # room for keys and places

    def views(self) -> list[View]:
        """Every view it reads or writes."""
        return [self.x, self.out, self.spare]

    def __str__(self) -> str:
        return f"sort {self.out} = {self.x} along axis {self.axis} of {list(self.x.shape)}"


@dataclass(frozen=True, slots=True)
class Moving:
    """A window on a buffer that moves on with the blocks: by `step` numbers for each place."""

    window: Buffer
    buffer: Buffer
    step: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """Items that share an extent, run for a block of its places after another.

    own: buffers of a block, which stay in the cache. rest: the items for the places that are left
    after the full blocks.
    """

    extent: int
    size: int
    own: frozenset[Buffer]
    windows: tuple[Moving, ...]
    items: tuple["Item", ...]
    rest: tuple["Item", ...]

    def views(self) -> list[View]:
        """Every view it reads or writes, of buffers from outside too."""
        return [*(whole(m.buffer, (m.buffer.size,)) for m in self.windows), *self.inner_views()]

    def inner_views(self) -> list[View]:
        """Every view of its items, but those of windows."""
        every = [v for item in (*self.items, *self.rest) for v in views_of(item)]
        return [v for v in every if v.buffer.role != "window"]

    def __str__(self) -> str:
        head = f"blocks of {self.size} of {self.extent:,}"
        moving = ", ".join(f"{m.window.name} by {m.step}" for m in self.windows)
        head += f"; each place moves {moving}" if moving else ""
        lines = "\n".join([head, *map(str, self.items)])
        return lines.replace("\n", "\n    ")


Item = Nest | Product | Kernel | Dots | Scan | Sort | Blocks | Fetch | Step


def views_of(item: Item) -> list[View]:
    """Every view an item reads or writes."""
    return [] if isinstance(item, Step) else item.views()


@dataclass(frozen=True, slots=True)
class Varying:
    """What else depends on the extent n of a plan for every n. A call gives it in a table of 8
    bytes a row: n, these numbers, then the places of buffers."""

    table: Buffer
    numbers: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What a program tells by its result: an index that has no place."""

    what: str  # as it is written
    shape: Shape  # of the array
    size: int  # of the axis
    where: str

    def error(self, index: int) -> PlaceError:
        """What to raise, as eager does."""
        why = IndexError(f"index {index} is out of bounds for an axis of {self.size} numbers")
        return PlaceError(f"{no_such_place(self.what, self.shape, why)}{self.where}")


@dataclass(frozen=True, slots=True)
class ArrayPlan:
    """Inputs, items in order, outputs; the memory they need. Sizes may depend on an extent n (see
    shared.py)."""

    title: str
    inputs: tuple[Value | Buffer, ...]
    constants: tuple[tuple[Buffer, Any], ...]  # arrays read at each call, beside the inputs
    items: tuple[Item, ...]
    outputs: tuple[Value | View, ...]
    arena: int  # bytes
    faults: tuple[Fault, ...] = ()  # what each result of the program but 0 means
    varying: Varying | None = None

    def __str__(self) -> str:
        given = ", ".join(x.name for x in self.inputs)
        got = ", ".join(str(x) if isinstance(x, Value) else x.buffer.name for x in self.outputs)
        space = "any n" if self.varying else f"{self.arena:,} bytes between"
        head = f"plan {self.title}: {given} -> {got}; {space}"
        return "\n  ".join([head, *map(str, self.items)])
