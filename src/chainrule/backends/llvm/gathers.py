"""Numbers at the places that index arrays say: x[i], take and their kin, in a schedule."""

from collections.abc import Sequence

from chainrule.backends.llvm.dtypes import line_of
from chainrule.backends.llvm.nests import Fault, Fold, Load, Pick, Shape, View, steps_of
from chainrule.backends.llvm.picks import Picking, picking
from chainrule.backends.llvm.schedule import Schedule, Wire, placed
from chainrule.backends.llvm.values import Value
from chainrule.circuit.notes import Origin
from chainrule.circuit.record import Kind
from chainrule.gates.keys import key_text


class Gathers:
    """What is picked so, and the faults that an index without a place gives."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.faults: list[Fault] = []

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
        view = self.schedule.contiguous(x)
        sources = [self.index(w) for w in indices]
        p = self.schedule.place_after(shape, max(x.ready, *(w.ready for w in sources)))
        value = Value(out, self.schedule.fresh(name))
        start = View(view.buffer, shape, steps_of(how.strides, shape), view.offset + how.offset)
        picks, fault = self.picks(how, sources, p, shape), self.fault(kind, how, x.shape, origin)
        self.schedule.nest(p).loads.append(Load(value, start, picks=picks, fault=fault))
        if shape == ():
            return self.single(p, value, name)
        return Wire(shape, out, name, ready=p + 1, nest=p, value=value)

    def index(self, w: Wire) -> Wire:
        """An index array in memory, or one index in a register."""
        w = self.schedule.cast_to(w, "i")
        if w.number is None:
            self.schedule.view(w)
        return w

    def picks(
        self, how: Picking, sources: Sequence[Wire], p: int, shape: Shape
    ) -> tuple[Pick, ...]:
        """The index values of a nest over what is picked."""
        found = []
        for source, pick in zip(sources, how.picks, strict=True):
            if source.number is not None:
                index = source.number
            else:
                v = placed(source)
                spread = View(v.buffer, shape, pick.along(v.strides), v.offset)
                index = self.schedule.load(spread, p)
            found.append((index, pick.stride, pick.size))
        return tuple(found)

    def single(self, p: int, value: Value, name: str) -> Wire:
        """The one number of a nest over nothing, held from there on."""
        number = Value(value.kind, name)
        how = "any" if value.kind == "b" else "max"
        self.schedule.nest(p).folds.append(Fold(how, (value,), number, None))
        return Wire((), value.kind, name, ready=p + 1, number=number)

    def fault(self, kind: Kind, how: Picking | None, shape: Shape, origin: Origin | None) -> int:
        """The number of a fault, an index out of range at this stage; one more for each index."""
        first, key = len(self.faults) + 1, kind.attrs.get("key")
        what = f"x[{key_text(key)}]".replace("{", "").replace("}", "") if key else kind.gate.name
        where = line_of(origin)
        self.faults += [Fault(what, shape, pick.size, where) for pick in (how.picks if how else ())]
        return first
