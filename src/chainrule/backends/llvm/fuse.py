"""From a circuit to a plan of loop nests: what each gate adds to the schedule (schedule.py).

| gates                      | in the plan                                                      |
|----------------------------|------------------------------------------------------------------|
| elementwise                | a step in a nest; of numbers alone, a step between the items     |
| sum, max, ... along axes   | a fold in the nest of its operand                                |
| numbers in a Python loop   | arrays of them, where they have one pattern (rolled.py)          |
| matmul, einsum, ...        | a product by BLAS, or a nest over all letters that folds products|
| reshape, transpose, ...    | another view of the same memory, or a table of places            |
| x[i], take                 | loads at places picked by index arrays (gathers.py)              |
| x[key] = v, x[key] += v    | stores there (writes.py)                                         |
| concatenate, stack         | stores into parts of one buffer                                  |
| cumsum                     | a scan                                                           |
| argsort                    | a sort                                                           |
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from chainrule.backends.llvm.blocks import blocked
from chainrule.backends.llvm.buffers import arranged
from chainrule.backends.llvm.contract import as_matrices, contraction
from chainrule.backends.llvm.dtypes import line_of
from chainrule.backends.llvm.gathers import Gathers
from chainrule.backends.llvm.nests import (
    COUNT,
    KIND_OF,
    TURN,
    ArrayPlan,
    Buffer,
    Fold,
    Load,
    Scan,
    Shape,
    Sort,
    Store,
    View,
    steps_of,
    whole,
)
from chainrule.backends.llvm.plan import Step, known, names_of_wires, settings, shortened
from chainrule.backends.llvm.prepare import is_pick, is_write, prepared
from chainrule.backends.llvm.products import product, sum_of_products
from chainrule.backends.llvm.rolled import rolled
from chainrule.backends.llvm.schedule import Schedule, Wire, placed
from chainrule.backends.llvm.shapes import Table, moved, only_reshapes
from chainrule.backends.llvm.sort import spare_size
from chainrule.backends.llvm.sums import IN_TURN
from chainrule.backends.llvm.trim import needed_items
from chainrule.backends.llvm.under import bare
from chainrule.backends.llvm.values import Count, Room, Value
from chainrule.backends.llvm.writes import Writes
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Origin
from chainrule.circuit.record import CONSTANT, INPUT, Kind
from chainrule.circuit.types import Type, promote
from chainrule.errors import UnsupportedError
from chainrule.gates.elementwise import divide, multiply, power, where
from chainrule.gates.move import alias, cast, stop_gradient
from chainrule.gates.order import argsort
from chainrule.gates.reduce import cumsum

SAME = (alias, stop_gradient)


def array_plan(circuit: Circuit) -> ArrayPlan:
    """The plan of a circuit of arrays, without panels, which are for one extent (see panels.py).
    Raises UnsupportedError for gates without a form here."""
    return arranged(blocked(_Planner(rolled(prepared(circuit))).plan()))


class _Planner:
    """Walks the rows once; the schedule grows."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.names = names_of_wires(circuit)
        self.schedule = Schedule()
        self.gathers = Gathers(self.schedule)
        self.writes = Writes(circuit, self.schedule, self.gathers)
        self.wires = self.writes.wires
        self.constants: list[tuple[Buffer, Any]] = []
        self.done: dict[Any, Wire] = {}
        self.roots: dict[int, Wire] = {}  # of a wire in another shape: the one it is

    def plan(self) -> ArrayPlan:
        """The whole plan; its buffers have no places yet."""
        c = self.circuit
        for row in range(len(c)):
            self.wires.append(self.row(row))
            self.writes.made(row)
        outputs = tuple(self.delivered(self.wires[w]) for w in c.outputs)
        self.writes.close()
        items = needed_items(self.schedule.in_order(), outputs)
        inputs = tuple(_given(self.wires[w]) for w in c.inputs)
        faults = tuple(self.gathers.faults)
        return ArrayPlan(c.title, inputs, tuple(self.constants), tuple(items), outputs, 0, faults)

    def delivered(self, w: Wire) -> Value | View:
        """An output: a number, or a buffer of its own without gaps."""
        if w.shape == () and w.number is not None:
            return w.number
        view = self.schedule.view(w)
        is_all = view.is_contiguous and not view.offset and view.buffer.size == prod(w.shape)
        if view.buffer.role != "arena" or not is_all:
            view = placed(self.schedule.copied(view, w))
        view.buffer.role = "output"
        return view

    # ---- rows

    def row(self, row: int) -> Wire:
        """The wire of a row; one computed before is not computed again."""
        c, kind, name = self.circuit, self.circuit.kind_of(row), self.names[row]
        if kind.gate is INPUT:
            return self.given(kind.type, name)
        if kind.gate is CONSTANT:
            return self.constant(c.constant(row), kind.type, name)
        wires = c.operands(row)
        operands = [self.wires[w] for w in wires]
        if is_write(kind.gate):
            return self.writes.written(kind, operands, row, name)
        key = (kind.gate.id, repr(kind.key), kind.type_id, *map(_identity, operands))
        types = [c.type_of(w) for w in wires]
        return self.once(key, lambda: self.stage(kind, operands, types, row))

    def once(self, key: Any, make: Callable[[], Wire]) -> Wire:
        """A wire made before under a key, if its memory still holds it; else made now."""
        found = self.done.get(key)
        if found is None or (found.view is not None and found.view.buffer in self.writes.rewritten):
            found = self.done[key] = make()
        return found

    def given(self, t: Type, name: str) -> Wire:
        """An input: an array, or a number."""
        kind = KIND_OF[t.dtype.name]
        if t.shape == ():
            return Wire((), kind, name, number=Value(kind, name))
        return Wire(t.shape, kind, name, view=whole(Buffer(name, kind, t.size, "input"), t.shape))

    def constant(self, value: Any, t: Type, name: str) -> Wire:
        """A number, or an array read at each call."""
        kind = KIND_OF[t.dtype.name]
        if t.shape == ():
            return Wire((), kind, name, number=known(kind, value))
        if isinstance(value, Room):
            made = Wire(t.shape, kind, name)
            return replace(made, view=self.schedule.room(made))
        if value.size and not any(value.strides):  # copies of one number, as a rule spread it
            return Wire(t.shape, kind, name, number=known(kind, value.flat[0]))
        if isinstance(value, Count):
            steps = steps_of([s // value.itemsize for s in value.strides], t.shape)
            return Wire(t.shape, kind, name, view=View(COUNT, t.shape, steps))
        return Wire(t.shape, kind, name, view=self.fixed(value, kind, name))

    def fixed(self, value: Any, kind: str, name: str) -> View:
        """An array beside the inputs; one that was spread is read where its numbers lie."""
        once = value[tuple(slice(None) if s else slice(1) for s in value.strides)]
        buffer = Buffer(name, kind, once.size, "constant")
        self.constants.append((buffer, once))
        return whole(buffer, once.shape).spread(value.shape)

    def stage(self, kind: Kind, operands: Sequence[Wire], types: Sequence[Type], row: int) -> Wire:
        """The wire a gate makes."""
        gate, name, origin = kind.gate, self.names[row], self.circuit.origin_of(row)
        if gate.family == "elementwise" or gate in (*SAME, cast):
            return self.elementwise(kind, operands, name, origin, _precision(kind, types))
        if gate is cumsum:
            return self.scan(kind, operands[0], name)
        if gate is IN_TURN:
            return self.in_turn(operands, KIND_OF[kind.type.dtype.name], name)
        if gate is argsort:
            return self.order(kind, operands[0], name)
        if gate.family == "reduce":
            return self.fold(kind, operands[0], name)
        if gate.family == "contract":
            return self.contract(kind, operands, name)
        if is_pick(gate) and len(operands) > 1:
            return self.gathers.picked(kind, operands, name, origin)
        if gate.family in ("move", "gather"):
            if len(operands) == 1:
                return self.move(kind, operands[0], name)
            if "axis" in kind.attrs:
                return self.joined(kind, operands, name)
        raise UnsupportedError(
            f"machine code has no array form of {gate.name}{line_of(origin)}"
        )

    # ---- elementwise

    def elementwise(
        self, kind: Kind, operands: Sequence[Wire], name: str, origin: Origin | None, real: str
    ) -> Wire:
        """A step in a nest, or between the items where it works on numbers."""
        out, shape = KIND_OF[kind.type.dtype.name], kind.type.shape
        same = _unchanged(kind, operands)
        if same is not None:
            return same
        if kind.gate is where:
            operands = (operands[0], self.under(operands[0], operands[1]), operands[2])
        numbers = [w.number for w in operands if w.number is not None]
        fixed = settings(kind)
        if len(numbers) < len(operands):
            every = [*operands, *(Wire((), x.kind, "", number=x) for x in fixed)]
            return self.schedule.step(kind.gate, every, Wire(shape, out, name), origin, real)
        ready = max((w.ready for w in operands), default=0)
        short = shortened(kind, tuple(numbers)) if out != "s" else None
        if short is None:
            short = Value(out, name)
            step = Step(short, kind.gate, (*numbers, *fixed), origin, real)
            self.schedule.before[ready].append(step)
        return Wire(shape, short.kind, name, ready=ready, number=short)

    def under(self, condition: Wire, x: Wire) -> Wire:
        """A product as it is wherever a condition holds, with fewer choices (see under.py)."""
        if x.step is None or x.step.gate not in (multiply, divide):
            return x
        operands = [bare(w, condition) for w in x.operands]
        if operands == list(x.operands) or any(w.is_gone for w in operands):
            return x
        made = Wire(x.shape, x.kind, self.schedule.fresh(x.name))
        key = ("under", x.step.gate.id, x.step.real, *map(_identity, operands))
        step = x.step
        return self.once(
            key, lambda: self.schedule.step(step.gate, operands, made, step.origin, step.real)
        )

    # ---- folds, products, scans

    def fold(self, kind: Kind, x: Wire, name: str) -> Wire:
        """Numbers joined along axes, in the nest that computes them."""
        axis = kind.attrs["axis"]
        axes = tuple(range(len(x.shape)) if axis is None else axis)
        out = KIND_OF[kind.type.dtype.name]
        key = "fold", kind.gate.id, axes, out, _identity(x)
        made = self.once(key, lambda: self.folded(kind.gate.name, axes, x, out, name))
        return self.reshaped(made, kind.type.shape)

    def folded(self, how: str, axes: Shape, x: Wire, out: str, name: str) -> Wire:
        """Numbers joined along axes, without those axes."""
        p = self.schedule.place(x.shape, [x])
        source = self.schedule.read(x, p, x.shape)
        kept = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        wire = Wire(kept, out, name, ready=p + 1)
        value, into = Value(wire.kind, name), None
        if all(n == 1 for n in kept):
            wire.number = value
        else:
            wire.view = self.schedule.room(wire)
            steps = iter(wire.view.strides)
            strides = tuple(0 if i in axes else next(steps) for i in range(len(x.shape)))
            into = View(wire.view.buffer, x.shape, strides)
        self.schedule.nest(p).folds.append(Fold(how, (source,), value, into))
        return wire

    def in_turn(self, operands: Sequence[Wire], out: str, name: str) -> Wire:
        """A number and those of columns, added up in order where the columns are computed."""
        start, *columns = operands
        p = self.schedule.place(columns[0].shape, operands)
        sources = [self.schedule.read(w, p, columns[0].shape) for w in columns]
        assert start.number is not None
        value = Value(out, name)
        fold = Fold(TURN, (start.number, *sources), value, None)
        self.schedule.nest(p).folds.append(fold)
        return Wire((), out, name, ready=p + 1, number=value)

    def reshaped(self, x: Wire, shape: Shape) -> Wire:
        """The same numbers in another shape: one wire for each shape."""
        root = self.roots.get(id(x), x)
        if shape == root.shape:
            return root
        if root.number is not None:
            return replace(root, shape=shape)
        made = self.once(
            ("shape", id(root), shape),
            lambda: replace(root, shape=shape, nest=-1, value=None, step=None, operands=(),
                            view=_reshaped(self.schedule.contiguous(root), shape)),
        )
        self.roots[id(made)] = root
        return made

    def contract(self, kind: Kind, operands: Sequence[Wire], name: str) -> Wire:
        """A sum of products over letters: by BLAS where it is a large product of matrices."""
        c = contraction(kind, [w.shape for w in operands])
        out = Wire(c.out_shape, KIND_OF[kind.type.dtype.name], name)
        views = [self.schedule.view(self.schedule.cast_to(w, out.kind)) for w in operands]
        matrices = as_matrices(c, views) if out.kind in "fs" else None
        if matrices is not None:
            product(self.schedule, matrices, out)
        else:
            sum_of_products(self.schedule, c, views, out)
        if out.view is not None:
            out.view = _reshaped(out.view, kind.type.shape)
        return replace(out, shape=kind.type.shape)

    def scan(self, kind: Kind, x: Wire, name: str) -> Wire:
        """cumsum, as loops of its own."""
        wire = Wire(kind.type.shape, KIND_OF[kind.type.dtype.name], name)
        wire.view = self.schedule.room(wire)
        view = self.schedule.view(self.schedule.cast_to(x, wire.kind))
        made = Scan(view, wire.view, kind.attrs["axis"], kind.attrs["reverse"])
        wire.ready = self.schedule.append(made) + 1
        return wire

    def order(self, kind: Kind, x: Wire, name: str) -> Wire:
        """argsort, as loops of its own."""
        wire = Wire(kind.type.shape, "i", name)
        wire.view, view, axis = self.schedule.room(wire), self.schedule.view(x), kind.attrs["axis"]
        size = spare_size(x.shape[axis])
        spare = whole(Buffer(self.schedule.fresh(name), "i", size, "arena"), (size,))
        wire.ready = self.schedule.append(Sort(view, wire.view, axis, spare)) + 1
        return wire

    # ---- moves

    def move(self, kind: Kind, x: Wire, name: str) -> Wire:
        """Another view of the same memory, or a copy by a table of places."""
        shape = kind.type.shape
        if kind.gate.reads_shape:  # full_like and full
            out = KIND_OF[kind.type.dtype.name]
            return Wire(shape, out, name, number=known(out, kind.attrs["value"]))
        if x.number is not None and kind.gate.makes_view:
            return replace(x, shape=shape)
        if only_reshapes(kind.gate) and shape != ():
            return self.reshaped(x, shape)
        view = self.schedule.view(x)
        found = moved(kind, view)
        if isinstance(found, Table):
            return self.by_table(found, view, x, name)
        if shape == ():
            return self.schedule.fetched(found, x.ready, name)
        if found.is_contiguous and view.is_contiguous and found.offset == view.offset and (
            prod(shape) == prod(x.shape)
        ):
            return self.reshaped(x, shape)
        return Wire(shape, x.kind, name, ready=x.ready, view=found)

    def by_table(self, found: Table, view: View, x: Wire, name: str) -> Wire:
        """A copy of the places a table names."""
        table = found.places
        if table.shape == ():
            return self.schedule.fetched(View(view.buffer, (), (), int(table) - 1), x.ready, name)
        p = self.schedule.place_after(table.shape, x.ready)
        places = np.ascontiguousarray(table, np.int64)
        index = self.schedule.load(self.fixed(places, "i", f"{name}.places"), p)
        value = Value(x.kind, self.schedule.fresh(name))
        start = View(view.buffer, table.shape, (0,) * table.ndim, 0)
        self.schedule.nest(p).loads.append(Load(value, start, index, found.filling))
        return Wire(table.shape, x.kind, name, ready=p + 1, nest=p, value=value)

    def joined(self, kind: Kind, operands: Sequence[Wire], name: str) -> Wire:
        """Arrays one after another, or side by side: each stored into its part of the whole."""
        axis, out = kind.attrs["axis"], KIND_OF[kind.type.dtype.name]
        wire = Wire(kind.type.shape, out, name)
        buffer = wire.view = self.schedule.room(wire)
        stacks = len(operands[0].shape) < len(wire.shape)
        begin = 0
        for w in (self.schedule.cast_to(w, out) for w in operands):
            p = self.schedule.place(w.shape, [w])
            strides = buffer.strides[:axis] + buffer.strides[axis + stacks :]
            part = View(buffer.buffer, w.shape, steps_of(strides, w.shape),
                        begin * prod(wire.shape[axis + 1 :]))
            self.schedule.nest(p).stores.append(Store(self.schedule.read(w, p, w.shape), part))
            begin += 1 if stacks else w.shape[axis]
            wire.ready = max(wire.ready, p + 1)
        return wire

def _given(w: Wire) -> Value | Buffer:
    return w.number if w.number is not None else placed(w).buffer


def _unchanged(kind: Kind, operands: Sequence[Wire]) -> Wire | None:
    """The operand that an elementwise gate passes on as it is."""
    x, *others = operands
    first, *numbers = [w.number.number if w.number else None for w in operands]
    passes = kind.gate in (*SAME, cast) or (
        kind.gate in (multiply, divide, power) and numbers == [1]
    )
    if kind.gate is multiply and first == 1:
        x, passes = others[0], True
    if kind.gate is where and first is not None:
        x, passes = others[not first], True
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


def _reshaped(view: View, shape: Shape) -> View:
    return replace(whole(view.buffer, shape), offset=view.offset)
