"""An array that begins as copies of one number and gets its numbers piece by piece.

    x = zeros([n, 3])                    nest [n]
    x[:, 0] += a        becomes            store 0.0 + a  x[3*i]
    x[:, 2] += c                           store 0.0 + c  x[3*i + 2]

Each piece is stored by the nest that computes it, so none is written, read and added in a loop of
its own. That holds while pieces are the same places or have none in common, and nothing reads the
array in between. Only where some places are in no piece is it filled first.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.backends.llvm.nests import Buffer, Nest, Store, View
from chainrule.backends.llvm.schedule import Schedule, Wire
from chainrule.circuit.notes import Origin
from chainrule.gates.elementwise import add


@dataclass(slots=True, eq=False)
class Pieces:
    """What an array of a schedule begins with, and the pieces stored there so far."""

    schedule: Schedule
    filling: Wire
    whole: View
    covered: Any  # a flag for each place
    pieces: dict[View, tuple[Wire, Store]] = field(default_factory=dict)
    is_open: bool = True  # until the array is read or written in another way

    @property
    def buffer(self) -> Buffer:
        """The memory of the array."""
        return self.whole.buffer

    def take(self, at: View, v: Wire, name: str, origin: Origin | None, *, adds: bool) -> int:
        """Where numbers that are stored at some places, or added there, may be read from; 0 where
        they are no piece, and nothing is done."""
        old = self.pieces.get(at)
        places = np.lib.stride_tricks.as_strided(self.covered[at.offset :], at.shape, at.strides)
        if old is None and places.any():
            return 0
        if old is not None and adds and _first(v, at) > old[0].nest:
            return 0
        if adds:
            before = self.filling if old is None else old[0]
            sum_ = Wire(at.shape, self.filling.kind, self.schedule.fresh(name))
            real = "s" if sum_.kind == "s" else "f"
            v = self.schedule.step(add, [before, v], sum_, origin, real)
        p = self.schedule.place(at.shape, [v])
        value = self.schedule.read(v, p, at.shape)
        if old is not None:
            self.schedule.nest(old[0].nest).stores.remove(old[1])
        store = Store(value, at)
        self.schedule.nest(p).stores.append(store)
        made = Wire(at.shape, value.kind, name, ready=p + 1, nest=p, value=value)
        self.pieces[at] = made, store
        places[...] = True
        return p + 1

    def close(self) -> None:
        """Fill the array before its first piece, where the pieces leave places out."""
        if not self.covered.all():
            first = min(w.nest for w, _ in self.pieces.values())
            number = self.filling.number
            assert number is not None
            fill = Nest(self.whole.shape, stores=[Store(number, self.whole)])
            self.schedule.before[first].append(fill)


def begun(schedule: Schedule, x: Wire, wire: Wire) -> Pieces | None:
    """The pieces, none so far, of a wire that begins as copies of a number; None where the number
    is not known, or a flag."""
    if x.number is None or x.number.number is None or x.kind == "b":
        return None
    view = schedule.room(wire)
    return Pieces(schedule, replace(x, shape=()), view, np.zeros(view.buffer.size, bool))


def _first(v: Wire, at: View) -> int:
    """The first nest over some places that may read a wire."""
    return v.nest if v.nest >= 0 and v.shape == at.shape else v.ready
