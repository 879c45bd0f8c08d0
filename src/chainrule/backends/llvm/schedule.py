"""The items of a plan while it grows: what runs where, and how a wire is read there.

Items stand in a list in the order they run. A stage over an iteration space joins the first nest of
that space that comes after everything it reads; what it reads from that very nest it reads as a
value, what comes from before it loads. So a chain and its gradient, which wait for no sum in
between, share one nest and read their input once. A result that a later item needs is stored, or
computed once more there if that is cheaper. Numbers are steps between the items, in registers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from chainrule.backends.llvm.nests import (
    Buffer,
    Fetch,
    Item,
    Kernel,
    Load,
    Nest,
    Product,
    Scan,
    Shape,
    Sort,
    Store,
    View,
    whole,
)
from chainrule.backends.llvm.plan import Step
from chainrule.backends.llvm.values import Value
from chainrule.circuit.notes import Origin
from chainrule.circuit.record import BY_NAME, Gate

CHEAP = 3  # steps computed again rather than stored and loaded
CHEAP_GATES = frozenset(
    BY_NAME[name] for name in (
        "add", "subtract", "multiply", "negate", "accumulate", "where", "greater",
        "greater_equal", "less", "less_equal", "equal", "not_equal", "maximum", "minimum",
        "relu", "logical_and", "logical_or", "logical_not", "abs", "square", "sign",
    )
)
CAST = BY_NAME["cast"]


@dataclass(slots=True, eq=False)
class Wire:
    """What is known of a wire: a number (the same at every place), a view, or a value in a nest."""

    shape: Shape
    kind: str
    name: str
    ready: int = 0  # the first item that may read it from memory or a register
    number: Value | None = None
    view: View | None = None
    nest: int = -1  # the item that computes it, while it is a value there
    value: Value | None = None
    step: Step | None = None  # what makes the value there
    operands: tuple["Wire", ...] = ()
    is_gone: bool = False  # its memory holds a later array by now


class Schedule:
    """Items in order, the steps before each, and what is loaded where."""

    def __init__(self) -> None:
        self.items: list[Nest | Product | Kernel | Scan | Sort] = []
        self.before: list[list[Step | Fetch | Nest]] = [[]]
        self.read_there: dict[Any, Value] = {}  # (item, what) -> its value in that nest
        self.stored: list[Wire] = []  # that got memory after they were made
        self.count = 0

    def __len__(self) -> int:
        return len(self.items)

    def append(self, item: Nest | Product | Kernel | Scan | Sort) -> int:
        """One more item, after all others; its place."""
        self.items.append(item)
        self.before.append([])
        return len(self.items) - 1

    def nest(self, p: int) -> Nest:
        """The nest at a place."""
        found = self.items[p]
        assert isinstance(found, Nest)
        return found

    def in_order(self) -> list[Item]:
        """All items and steps, in the order they run."""
        done: list[Item] = []
        for steps, item in zip(self.before, [*self.items, None], strict=True):
            done += steps if item is None else [*steps, item]
        return done

    # ---- where a stage goes

    def place(self, shape: Shape, operands: Sequence[Wire]) -> int:
        """The first nest over a shape that may read these wires; a new one where there is none."""
        first = max(
            (w.nest if w.nest >= 0 and w.shape == shape else w.ready for w in operands), default=0
        )
        for p in range(first, len(self.items)):
            item = self.items[p]
            if isinstance(item, Nest) and item.shape == shape and not item.in_turn:
                return p
        return self.append(Nest(shape))

    def place_after(self, shape: Shape, ready: int) -> int:
        """The first nest over a shape that runs at an item or later."""
        return self.place(shape, [Wire(shape, "f", "", ready=ready)])

    def step(
        self, gate: Gate, operands: Sequence[Wire], wire: Wire, origin: Origin | None, real: str
    ) -> Wire:
        """An elementwise stage in a nest; `wire` gets its value."""
        p = self.place(wire.shape, operands)
        values = tuple(self.read(w, p, wire.shape) for w in operands)
        value = Value(wire.kind, wire.name)
        made = Step(value, gate, values, origin, real)
        self.nest(p).steps.append(made)
        return replace(
            wire, ready=p + 1, nest=p, value=value, step=made, operands=tuple(operands)
        )

    def cast_to(self, w: Wire, kind: str) -> Wire:
        """The wire in another kind."""
        if w.kind == kind:
            return w
        made = Wire(w.shape, kind, self.fresh(w.name))
        if w.number is None:
            return self.step(CAST, [w], made, None, kind)
        value = Value(kind, made.name)
        self.before[w.ready].append(Step(value, CAST, (w.number,), None, kind))
        return replace(made, ready=w.ready, number=value)

    # ---- how a wire is read

    def read(self, w: Wire, p: int, shape: Shape) -> Value:
        """A wire as a value in the nest at p."""
        if w.number is not None:
            return w.number
        if w.nest == p and w.shape == shape:
            assert w.value is not None
            return w.value
        if w.view is None and w.shape == shape and self._cost(w, p) <= CHEAP:
            return self._again(w, p)
        return self.load(self.view(w).spread(shape), p)

    def load(self, view: View, p: int) -> Value:
        """A number of a view in the nest at p, loaded there once."""
        key = (p, view.buffer.name, view.strides, view.offset)
        if key not in self.read_there:
            self.read_there[key] = Value(view.buffer.kind, self.fresh(view.buffer.name))
            self.nest(p).loads.append(Load(self.read_there[key], view))
        return self.read_there[key]

    def _cost(self, w: Wire, p: int) -> int:
        """How many cheap steps compute a wire once more in the nest at p; many if some is dear."""
        if w.is_gone:
            return CHEAP + 1
        if w.number is not None or w.nest == p:
            return 0
        if w.view is not None:  # it may have been copied since then, by a later nest
            return 0 if w.ready <= p else CHEAP + 1
        if w.step is None or w.step.gate not in CHEAP_GATES:
            return CHEAP + 1
        if any(x.shape != w.shape and x.view is None and x.number is None for x in w.operands):
            return CHEAP + 1
        return 1 + sum(self._cost(x, p) for x in w.operands)

    def _again(self, w: Wire, p: int) -> Value:
        """A wire computed once more, in the nest at p, rather than stored and loaded."""
        key = (p, id(w))
        if key not in self.read_there:
            assert w.step is not None
            values = tuple(self.read(x, p, w.shape) for x in w.operands)
            self.read_there[key] = Value(w.kind, self.fresh(w.name))
            again = replace(w.step, value=self.read_there[key], operands=values)
            self.nest(p).steps.append(again)
        return self.read_there[key]

    def fresh(self, stem: str) -> str:
        """A name not used before."""
        self.count += 1
        return f"{stem}.l{self.count}"

    # ---- wires in memory

    def view(self, w: Wire) -> View:
        """A wire in memory; stored where its nest computes it, if it is not there yet."""
        if w.view is None:
            w.view = self.room(w)
            self.stored.append(w)
            if w.number is not None:
                p = self.append(Nest(w.shape, stores=[Store(w.number, w.view)]))
                w.ready = max(w.ready, p + 1)
            else:
                assert w.value is not None
                self.nest(w.nest).stores.append(Store(w.value, w.view))
        return w.view

    def room(self, w: Wire) -> View:
        """A new buffer for a wire."""
        self.count += 1
        name = f"{w.name}.b{self.count}"
        return whole(Buffer(name, w.kind, prod(w.shape), "arena"), w.shape)

    def copied(self, view: View, w: Wire) -> Wire:
        """A view's numbers in a new buffer, without gaps; as a wire of w's name."""
        p = self.append(Nest(view.shape))
        made = Wire(view.shape, w.kind, w.name, ready=p + 1)
        made.view = self.room(made)
        self.nest(p).stores.append(Store(self.load(view, p), made.view))
        return made

    def contiguous(self, w: Wire) -> View:
        """A wire in memory without gaps; copied there if need be."""
        view = self.view(w)
        if not view.is_contiguous:
            made = self.copied(view, w)
            assert made.view is not None
            w.view, w.ready = made.view, made.ready
            self.stored.append(w)
        assert w.view is not None
        return w.view

    def fetched(self, view: View, ready: int, name: str) -> Wire:
        """One number of an array."""
        value = Value(view.buffer.kind, self.fresh(name))
        self.before[ready].append(Fetch(value, view))
        return Wire((), value.kind, name, ready=ready, number=value)


def placed(w: Wire) -> View:
    """A wire's view, where it has one."""
    assert w.view is not None
    return w.view
