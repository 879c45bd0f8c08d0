"""Fusion: from a circuit to a plan of loop nests, each elementwise stage in as few of them as can be.

Items stand in a list in the order they run. A stage over an iteration space joins the first nest
of that space that comes after everything it reads; what it reads from that very nest it reads as a
value, what comes from before it loads. So a chain and its gradient, which wait for no sum in
between, share one nest and read their input once. A result that a later item needs is stored.
Numbers are steps between the items, held in registers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from chainrule.backends.llvm.contract import Contraction, contraction, is_matrix_product
from chainrule.backends.llvm.nests import (
    KIND_OF,
    ArrayPlan,
    Buffer,
    Fetch,
    Fold,
    Item,
    Load,
    Nest,
    Product,
    Scan,
    Shape,
    View,
    whole,
)
from chainrule.backends.llvm.picks import picking
from chainrule.backends.llvm.plan import Step, known, names_of_wires, shortened
from chainrule.backends.llvm.prepare import prepared
from chainrule.backends.llvm.shapes import Table, moved
from chainrule.backends.llvm.values import Value
from chainrule.circuit.circuit import Circuit, Origin
from chainrule.circuit.record import BY_NAME, CONSTANT, INPUT, Kind
from chainrule.circuit.types import Type, promote
from chainrule.errors import UnsupportedError
from chainrule.gates.elementwise import divide, multiply, power
from chainrule.gates.move import alias, cast, stop_gradient
from chainrule.gates.reduce import cumsum


SAME = (alias, stop_gradient)
CHEAP = 3  # steps computed again rather than stored and loaded
CHEAP_GATES = frozenset(
    BY_NAME[name] for name in (
        "add", "subtract", "multiply", "negate", "accumulate", "where", "greater",
        "greater_equal", "less", "less_equal", "equal", "not_equal", "maximum", "minimum",
        "relu", "logical_and", "logical_or", "logical_not", "abs", "square", "sign",
    )
)


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


class _Planner:
    """Walks the rows once; items, and the steps before each, grow."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.names = names_of_wires(circuit)
        self.items: list[Nest | Product | Scan] = []
        self.before: list[list[Step | Fetch]] = [[]]
        self.constants: list[tuple[Buffer, Any]] = []
        self.wires: list[Wire] = []
        self.done: dict[Any, Wire] = {}
        self.loaded: dict[Any, Value] = {}
        self.count = 0
        self.faults: list[str] = []

    # ---- rows

    def row(self, row: int) -> Wire:
        """The wire of a row."""
        c, kind = self.circuit, self.circuit.kind_of(row)
        if kind.gate is INPUT:
            return self.given(kind.type, self.names[row])
        if kind.gate is CONSTANT:
            return self.constant(c.constant(row), kind.type, self.names[row])
        operands = [self.wires[w] for w in c.operands(row)]
        key = (kind.gate.id, repr(kind.key), kind.type_id, *map(_identity, operands))
        found = self.done.get(key)
        if found is None:
            types = [c.type_of(w) for w in c.operands(row)]
            found = self.done[key] = self.stage(kind, operands, types, row)
        return found

    def given(self, t: Type, name: str) -> Wire:
        """An input: an array, or a number."""
        kind = KIND_OF[t.dtype.name]
        if t.shape == ():
            return Wire((), kind, name, number=Value(kind, name))
        return Wire(t.shape, kind, name, view=whole(Buffer(name, kind, t.size, "input"), t.shape))

    def constant(self, value: Any, t: Type, name: str) -> Wire:
        kind = KIND_OF[t.dtype.name]
        if t.shape == ():
            return Wire((), kind, name, number=known(kind, value))
        if value.size and not any(value.strides):  # copies of one number, as a rule spread it
            return Wire(t.shape, kind, name, number=known(kind, value.flat[0]))
        return Wire(t.shape, kind, name, view=self.fixed(value, kind, name))

    def fixed(self, value: Any, kind: str, name: str) -> View:
        """An array read at each call, beside the inputs."""
        buffer = Buffer(name, kind, value.size, "constant")
        self.constants.append((buffer, value))
        return whole(buffer, value.shape)

    def stage(self, kind: Kind, operands: Sequence[Wire], types: Sequence[Type], row: int) -> Wire:
        """The wire a gate makes."""
        gate, name = kind.gate, self.names[row]
        origin = self.circuit.origin_of(row)
        if gate.family == "elementwise" or gate in (*SAME, cast):
            real = _precision(kind, types)
            return self.elementwise(kind, operands, name, origin, real)
        if gate is cumsum:
            return self.scan(kind, operands[0], name)
        if gate.family == "reduce":
            return self.fold(kind, operands[0], name)
        if gate.family == "contract":
            return self.contract(contraction(kind, [w.shape for w in operands]), operands, kind, name)
        if gate.family == "gather" and len(operands) > 1:
            return self.picked(kind, operands, name, origin)
        if gate.family in ("move", "gather") and len(operands) == 1:
            return self.move(kind, operands[0], name)
        if gate.family == "move":
            return self.joined(kind, operands, name)
        raise UnsupportedError(
            f"machine code has no array form of {gate.name}"
            + (f"\n  in {origin.function}, {origin}" if origin else "")
        )

    # ---- elementwise

    def elementwise(
        self, kind: Kind, operands: Sequence[Wire], name: str, origin: Origin | None, real: str
    ) -> Wire:
        out, shape = KIND_OF[kind.type.dtype.name], kind.type.shape
        if all(w.number is not None for w in operands):
            return self.number(kind, operands, name, origin, real, shape)
        same = _unchanged(kind, operands)
        if same is not None:
            return same
        p = self.place(shape, operands)
        nest = self.items[p]
        values = tuple(self.read(w, p, shape) for w in operands)
        value = Value(out, name)
        nest.steps.append(Step(value, kind.gate, values, origin, real))
        return Wire(
            shape, out, name, ready=p + 1, nest=p, value=value, step=nest.steps[-1],
            operands=tuple(operands),
        )

    def number(
        self, kind: Kind, operands: Sequence[Wire], name: str, origin: Origin | None, real: str,
        shape: Shape,
    ) -> Wire:
        """A gate on numbers: a step outside of loops, or no step at all."""
        values = tuple(w.number for w in operands)
        out = KIND_OF[kind.type.dtype.name]
        ready = max((w.ready for w in operands), default=0)
        short = shortened(kind, values) if out != "s" else None
        if short is None:
            short = Value(out, name)
            self.before[ready].append(Step(short, kind.gate, values, origin, real))
        return Wire(shape, short.kind, name, ready=ready, number=short)

    def place(self, shape: Shape, operands: Sequence[Wire]) -> int:
        """The first nest over a shape that may read these wires; a new one where there is none."""
        first = max(
            (w.nest if w.nest >= 0 and w.shape == shape else w.ready for w in operands), default=0
        )
        for p in range(first, len(self.items)):
            item = self.items[p]
            if isinstance(item, Nest) and item.shape == shape:
                return p
        return self.append(Nest(shape))

    def append(self, item: Nest | Product | Scan) -> int:
        self.items.append(item)
        self.before.append([])
        return len(self.items) - 1

    def read(self, w: Wire, p: int, shape: Shape) -> Value:
        """A wire as a value in the nest at p."""
        if w.number is not None:
            return w.number
        if w.nest == p and w.shape == shape:
            assert w.value is not None
            return w.value
        if w.view is None and w.shape == shape and self.cost(w, p) <= CHEAP:
            return self.again(w, p)
        return self.load(self.view(w).spread(shape), p)

    def cost(self, w: Wire, p: int) -> int:
        """How many cheap steps compute a wire once more in the nest at p; many if some is dear."""
        if w.number is not None or w.view is not None or w.nest == p:
            return 0
        if w.step is None or w.step.gate not in CHEAP_GATES:
            return CHEAP + 1
        if any(x.shape != w.shape and x.view is None and x.number is None for x in w.operands):
            return CHEAP + 1
        return 1 + sum(self.cost(x, p) for x in w.operands)

    def again(self, w: Wire, p: int) -> Value:
        """A wire computed once more, in the nest at p, rather than stored and loaded."""
        key = (p, id(w))
        if key not in self.loaded:
            assert w.step is not None
            values = tuple(self.read(x, p, w.shape) for x in w.operands)
            self.loaded[key] = Value(w.kind, self.fresh(w.name))
            self.items[p].steps.append(replace(w.step, value=self.loaded[key], operands=values))
        return self.loaded[key]

    def load(self, view: View, p: int) -> Value:
        """A number of a view in the nest at p, loaded there once."""
        key = (p, id(view.buffer), view.strides, view.offset)
        if key not in self.loaded:
            self.loaded[key] = Value(view.buffer.kind, self.fresh(view.buffer.name))
            self.items[p].loads.append(Load(self.loaded[key], view))
        return self.loaded[key]

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}.l{self.count}"

    def view(self, w: Wire) -> View:
        """A wire in memory; stored where its nest computes it, if it is not there yet."""
        if w.view is None:
            w.view = whole(self.buffer(w), w.shape)
            if w.number is not None:
                p = self.append(Nest(w.shape, stores=[(w.number, w.view)]))
                w.ready = max(w.ready, p + 1)
            else:
                assert w.value is not None
                self.items[w.nest].stores.append((w.value, w.view))
        return w.view

    def buffer(self, w: Wire) -> Buffer:
        size = int(np.prod(w.shape, dtype=int))
        return Buffer(f"{w.name}.b", w.kind, size, "arena")

    # ---- folds and products

    def fold(self, kind: Kind, x: Wire, name: str) -> Wire:
        axis = kind.attrs["axis"]
        axes = range(len(x.shape)) if axis is None else axis
        p = self.place(x.shape, [x])
        source = self.read(x, p, x.shape)
        wire = Wire(kind.type.shape, KIND_OF[kind.type.dtype.name], name, ready=p + 1)
        return self.folded(p, kind.gate.name, (source,), wire, [i not in axes for i in range(len(x.shape))])

    def folded(
        self, p: int, how: str, sources: tuple[Value, ...], wire: Wire, kept: Sequence[bool]
    ) -> Wire:
        """A fold in the nest at p; `wire` gets its number, or its view."""
        nest = self.items[p]
        value = Value(wire.kind, wire.name)
        if all(n == 1 for n in wire.shape):
            wire.number = value
            nest.folds.append(Fold(how, sources, value, None))
            return wire
        wire.view = whole(self.buffer(wire), wire.shape)
        flat = iter(s for s in whole(wire.view.buffer, _kept_sizes(nest.shape, kept)).strides)
        strides = tuple(next(flat) if k else 0 for k in kept)
        into = View(wire.view.buffer, nest.shape, strides)
        nest.folds.append(Fold(how, sources, value, into))
        return wire

    def contract(
        self, c: Contraction, operands: Sequence[Wire], kind: Kind, name: str
    ) -> Wire:
        """A sum of products over letters: by BLAS where it is a large product of matrices."""
        out = Wire(c.out_shape, KIND_OF[kind.type.dtype.name], name)
        views = [self.view(self.cast_to(w, out.kind)) for w in operands]
        ready = max(w.ready for w in operands)
        if is_matrix_product(c, views):
            x, y = views
            out.view = whole(self.buffer(out), c.out_shape)
            out.ready = self.append(Product(x, y, out.view)) + 1
        else:
            self.sum_of_products(c, views, out, ready)
        return replace(out, shape=kind.type.shape, view=_reshaped(out.view, kind.type.shape))

    def sum_of_products(
        self, c: Contraction, views: Sequence[View], out: Wire, ready: int
    ) -> None:
        order = c.loop_order(views)
        shape = tuple(c.sizes[x] for x in order)
        p = self.append(Nest(shape))
        assert p >= ready
        values = [
            self.load(View(v.buffer, shape, c.strides(v, term, order), v.offset), p)
            for v, term in zip(views, c.terms, strict=True)
        ]
        out.ready = p + 1
        while len(values) > 2:
            x, y, *rest = values
            made = Value(out.kind, self.fresh(out.name))
            self.items[p].steps.append(Step(made, c.multiply, (x, y), None, out.kind))
            values = [made, *rest]
        how = "dot" if len(values) == 2 else "sum"
        value = Value(out.kind, out.name)
        if all(n == 1 for n in out.shape):
            out.number = value
            self.items[p].folds.append(Fold(how, tuple(values), value, None))
            return
        out.view = whole(self.buffer(out), out.shape)
        into = View(out.view.buffer, shape, c.strides(out.view, c.out, order))
        self.items[p].folds.append(Fold(how, tuple(values), value, into))

    def cast_to(self, w: Wire, kind: str) -> Wire:
        """The wire in another kind."""
        if w.kind == kind:
            return w
        p = self.place(w.shape, [w])
        value = Value(kind, self.fresh(w.name))
        self.items[p].steps.append(Step(value, cast, (self.read(w, p, w.shape),), None, kind))
        return Wire(w.shape, kind, w.name, ready=p + 1, nest=p, value=value)

    # ---- moves

    def move(self, kind: Kind, x: Wire, name: str) -> Wire:
        shape = kind.type.shape
        if x.number is not None and kind.gate.makes_view:
            return replace(x, shape=shape)
        if shape == x.shape and kind.gate.name == "reshape":
            return x
        view = self.view(x)
        if view.is_contiguous and kind.gate.makes_view and _only_reshapes(kind, x.shape):
            found: Any = _reshaped(view, shape)
        else:
            found = moved(kind, view)
        if isinstance(found, Table):
            return self.by_table(found, view, x, name)
        if shape == ():
            return self.fetched(found, x.ready, name)
        return Wire(shape, x.kind, name, ready=x.ready, view=found)

    def joined(self, kind: Kind, operands: Sequence[Wire], name: str) -> Wire:
        """Arrays one after another, or side by side: each stored into its part of the whole."""
        stacks = kind.gate.name.startswith("stack")
        axis, out = kind.attrs["axis"], KIND_OF[kind.type.dtype.name]
        wire = Wire(kind.type.shape, out, name)
        wire.view = whole(self.buffer(wire), wire.shape)
        begin = 0
        for w in operands:
            w = self.cast_to(w, out)
            count = 1 if stacks else w.shape[axis]
            p = self.place(w.shape, [w])
            strides = wire.view.strides
            if stacks:
                strides = strides[:axis] + strides[axis + 1 :]
            part = View(wire.view.buffer, w.shape, _steps(strides, w.shape),
                        begin * prod(wire.shape[axis + 1 :]))
            self.items[p].stores.append((self.read(w, p, w.shape), part))
            begin += count
            wire.ready = max(wire.ready, p + 1)
        return wire

    def scan(self, kind: Kind, x: Wire, name: str) -> Wire:
        """cumsum, as loops of its own."""
        wire = Wire(kind.type.shape, KIND_OF[kind.type.dtype.name], name)
        wire.view = whole(self.buffer(wire), wire.shape)
        x = self.cast_to(x, wire.kind)
        made = Scan(self.view(x), wire.view, kind.attrs["axis"], kind.attrs["reverse"])
        wire.ready = self.append(made) + 1
        return wire

    def fetched(self, view: View, ready: int, name: str) -> Wire:
        """One number of an array."""
        value = Value(view.buffer.kind, self.fresh(name))
        self.before[ready].append(Fetch(value, view))
        return Wire((), value.kind, name, ready=ready, number=value)

    def picked(
        self, kind: Kind, operands: Sequence[Wire], name: str, origin: Origin | None
    ) -> Wire:
        """Numbers of an array at the places that index arrays say."""
        x, *indices = operands
        shape, out = kind.type.shape, x.kind
        how = picking(
            lambda *given: kind.gate.evaluate(*given, **kind.attrs), x.shape,
            [w.shape for w in indices],
        )
        if how is None:
            return Wire(shape, out, name, number=Value(out, "", 0))
        view = self.contiguous(x)
        sources = [self.view(self.cast_to(w, "i")) if w.number is None else w for w in indices]
        ready = max([x.ready, *(w.ready for w in indices)])
        p = self.place(shape, [Wire(shape, out, "", ready=ready)])
        picks = []
        for source, pick in zip(sources, how.picks, strict=True):
            if isinstance(source, Wire):
                index = source.number
            else:
                index = self.load(
                    View(source.buffer, shape, pick.strides(source.strides), source.offset), p
                )
            picks.append((index, pick.stride, pick.size))
        value = Value(out, self.fresh(name))
        start = View(view.buffer, shape, _steps(how.strides, shape), view.offset + how.offset)
        load = Load(value, start, picks=tuple(picks), fault=self.fault(kind, x, origin))
        self.items[p].loads.append(load)
        if shape == ():
            return self.single(p, value, name)
        return Wire(shape, out, name, ready=p + 1, nest=p, value=value)

    def single(self, p: int, value: Value, name: str) -> Wire:
        """The one number of a nest over nothing, held from there on."""
        number = Value(value.kind, name)
        self.items[p].folds.append(Fold("max" if value.kind != "b" else "any", (value,), number, None))
        return Wire((), value.kind, name, ready=p + 1, number=number)

    def fault(self, kind: Kind, x: Wire, origin: Origin | None) -> int:
        """The number of a fault: an index out of range at this stage."""
        self.faults.append(
            f"{kind.gate.name}: an index is out of range for {x.name} of shape {list(x.shape)}"
            + (f"\n  in {origin.function}, {origin}" if origin else "")
        )
        return len(self.faults)

    def contiguous(self, w: Wire) -> View:
        """A wire in memory without gaps; copied there if need be."""
        view = self.view(w)
        if view.is_contiguous:
            return view
        p = self.append(Nest(w.shape))
        w.view = whole(self.buffer(w), w.shape)
        self.items[p].stores.append((self.load(view, p), w.view))
        w.ready = p + 1
        return w.view

    def by_table(self, found: Table, view: View, x: Wire, name: str) -> Wire:
        """A copy of the places a table names."""
        table = found.places
        if table.shape == ():
            return self.fetched(View(view.buffer, (), (), int(table) - 1), x.ready, name)
        place = self.place(table.shape, [Wire(table.shape, x.kind, "", ready=x.ready)])
        index = self.load(self.fixed(table, "i", f"{name}.places"), place)
        value = Value(x.kind, self.fresh(name))
        start = View(view.buffer, table.shape, (0,) * table.ndim, 0)
        self.items[place].loads.append(Load(value, start, index, found.filling))
        return Wire(table.shape, x.kind, name, ready=place + 1, nest=place, value=value)

    # ---- the end

    def plan(self) -> ArrayPlan:
        c = self.circuit
        for row in range(len(c)):
            self.wires.append(self.row(row))
        outputs = [self.delivered(self.wires[w]) for w in c.outputs]
        items: list[Item] = []
        for steps, item in zip(self.before, [*self.items, None], strict=True):
            items += steps
            if item is not None:
                items.append(item)
        items = needed_items(items, outputs)
        inputs = tuple(
            w.number if w.number is not None else w.view.buffer  # type: ignore[union-attr]  # one of both
            for w in (self.wires[i] for i in c.inputs)
        )
        return ArrayPlan(
            c.title, inputs, tuple(self.constants), tuple(items), tuple(outputs), 0,
            tuple(self.faults),
        )

    def delivered(self, w: Wire) -> Value | View:
        """An output: a number, or a buffer of its own without gaps."""
        if w.shape == () and w.number is not None:
            return w.number
        view = self.view(w)
        buffer = view.buffer
        if buffer.role != "arena" or not view.is_contiguous or view.offset or (
            buffer.size != int(np.prod(w.shape, dtype=int))
        ):
            p = self.append(Nest(w.shape))
            out = Wire(w.shape, w.kind, w.name, ready=p + 1)
            out.view = whole(self.buffer(out), w.shape)
            self.items[p].stores.append((self.load(view, p), out.view))
            view, buffer = out.view, out.view.buffer
        buffer.role = "output"
        return view


def needed_items(items: Sequence[Item], outputs: Sequence[Value | View]) -> list[Item]:
    """What the outputs depend on: loads and steps nobody reads go, and loops that do nothing."""
    wanted = {x.name for x in outputs if isinstance(x, Value)}
    read = {x.buffer for x in outputs if isinstance(x, View)}
    kept: list[Item] = []
    for item in reversed(items):
        if isinstance(item, Nest):
            _trim(item, wanted, read)
            if not (item.stores or item.folds):
                continue
            read.update(x.view.buffer for x in item.loads)
        elif isinstance(item, (Product, Scan)):
            if item.out.buffer not in read:
                continue
            read.update(v.buffer for v in item.views())
        elif item.value.name not in wanted:
            continue
        elif isinstance(item, Fetch):
            read.add(item.view.buffer)
        else:
            wanted.update(x.name for x in item.operands)
        kept.append(item)
    return kept[::-1]


def _trim(nest: Nest, wanted: set[str], read: set[Buffer]) -> None:
    """Leave out of a nest what nothing after it reads."""
    nest.stores = [(x, v) for x, v in nest.stores if v.buffer in read]
    nest.folds = [
        f for f in nest.folds
        if (f.into.buffer in read if f.into is not None else f.value.name in wanted)
    ]
    inside = {x.name for x, _ in nest.stores} | {x.name for f in nest.folds for x in f.sources}
    steps = []
    for step in reversed(nest.steps):
        if step.value.name in inside:
            inside.update(x.name for x in step.operands)
            steps.append(step)
    nest.steps = steps[::-1]
    for load in reversed(nest.loads):  # a table is loaded before what it picks
        if load.value.name in inside and load.table is not None:
            inside.add(load.table.name)
        if load.value.name in inside:
            inside.update(v.name for v, _, _ in load.picks)
    nest.loads = [x for x in nest.loads if x.value.name in inside]
    wanted |= inside


def array_plan(circuit: Circuit) -> ArrayPlan:
    """The plan of a circuit of arrays. Raises UnsupportedError for gates without a form here."""
    from chainrule.backends.llvm.buffers import arranged

    return arranged(_Planner(prepared(circuit)).plan())


def _unchanged(kind: Kind, operands: Sequence[Wire]) -> Wire | None:
    """The operand that an elementwise gate passes on as it is."""
    x, *others = operands
    numbers = [w.number.number if w.number else None for w in others]
    passes = kind.gate in (*SAME, cast) or (
        kind.gate in (multiply, divide, power) and numbers == [1]
    )
    if kind.gate is multiply and x.number is not None and x.number.number == 1:
        x, passes = others[0], True
    same = x.shape == kind.type.shape and x.kind == KIND_OF[kind.type.dtype.name]
    return x if passes and same else None


def _identity(w: Wire) -> Any:
    """What tells a wire from others."""
    return (w.number.kind, w.number.name, repr(w.number.number), w.shape) if w.number else id(w)


def _precision(kind: Kind, types: Sequence[Type]) -> str:
    """Whether a stage computes in doubles or singles."""
    if kind.type.dtype.kind == "f":
        return KIND_OF[kind.type.dtype.name]
    real = [t for t in types if t.dtype.kind == "f"]
    return "s" if real and promote(types) == np.float32 else "f"


def _steps(strides: Sequence[int], shape: Shape) -> Shape:
    """Strides of a part: none along axes of one number."""
    return tuple(0 if n == 1 else s for s, n in zip(strides, shape, strict=True))


def _kept_sizes(shape: Shape, kept: Sequence[bool]) -> Shape:
    return tuple(n for n, k in zip(shape, kept, strict=True) if k)


def _only_reshapes(kind: Kind, shape: Shape) -> bool:
    """True where the numbers stay in their order: asked of a small move of the same kind."""
    return kind.gate.name in ("reshape", "ravel", "expand_dims", "squeeze", "atleast_1d",
                              "atleast_2d")


def _reshaped(view: View | None, shape: Shape) -> View | None:
    return None if view is None else replace(whole(view.buffer, shape), offset=view.offset)
