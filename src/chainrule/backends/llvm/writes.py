"""Writes into arrays, x[key] = v and x[key] += v, in a schedule: what memory holds whose numbers.

A write goes into x's own memory where nobody needs x any more, else into a copy. At fixed places of
an array that begins as copies of one number, it joins the nest that computes v (pieces.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.backends.llvm.gathers import Gathers
from chainrule.backends.llvm.nests import Buffer, Nest, Store, View, steps_of
from chainrule.backends.llvm.picks import Picking, picking
from chainrule.backends.llvm.pieces import Pieces, begun
from chainrule.backends.llvm.readers import last_readers, reads_of
from chainrule.backends.llvm.schedule import Schedule, Wire, placed
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import Kind, gate_named
from chainrule.gates.along import add_along_axis


class Writes:
    """Which rows' numbers each buffer holds, and what is written there."""

    def __init__(self, circuit: Circuit, schedule: Schedule, gathers: Gathers) -> None:
        self.circuit, self.schedule, self.gathers = circuit, schedule, gathers
        self.last_reader = last_readers(circuit)
        self.reads = reads_of(circuit)
        self.wires: list[Wire] = []  # of the rows so far
        self.rows_of: dict[int, list[int]] = {}  # of each wire
        self.holders: dict[Buffer, set[int]] = {}  # rows whose numbers a buffer of ours holds
        self.rewritten: set[Buffer] = set()  # no longer hold what they held first
        self.pieces: dict[Buffer, Pieces] = {}  # of arrays that begin as copies of a number

    def close(self) -> None:
        """No row is left that could write."""
        for pieces in self.pieces.values():
            pieces.close()

    # ---- what memory holds

    def made(self, row: int) -> None:
        """Note the wire of a row, and whose numbers its memory holds."""
        self.rows_of.setdefault(id(self.wires[row]), []).append(row)
        self.hold(self.wires[row])

    def hold(self, w: Wire) -> None:
        """Note whose numbers the wire's buffer holds."""
        if w.view is not None:
            self.holders.setdefault(w.view.buffer, set()).update(self.rows_of.get(id(w), ()))

    def held_in(self, buffer: Buffer) -> set[int]:
        """The rows whose numbers a buffer holds, those included that got it after they were made.
        """
        while self.schedule.stored:
            self.hold(self.schedule.stored.pop())
        return self.holders.get(buffer, set())

    def give_up(self, buffer: Buffer) -> None:
        """From now on the buffer holds something else."""
        self.rewritten.add(buffer)
        for row in self.held_in(buffer):
            self.wires[row].is_gone = True

    # ---- what is written

    def written(self, kind: Kind, operands: Sequence[Wire], row: int, name: str) -> Wire:
        """x[key] = v or x[key] += v: in x's own memory where nobody needs x any more."""
        x, v, *indices = operands
        wire = Wire(kind.type.shape, x.kind, name)
        how = picking(_reading(kind, len(indices)), x.shape, [w.shape for w in indices])
        adds = "add" in kind.gate.name
        if how is not None and not indices and self.is_piece(wire, how, x, v, row, adds=adds):
            return wire
        if x.number is not None:
            wire.view = self.schedule.view(replace(x, view=None))
        elif self.is_free(x, row):
            wire.view = placed(x)
            self.give_up(wire.view.buffer)
            if wire.view.buffer in self.pieces:
                self.pieces[wire.view.buffer].is_open = False
        else:
            wire.view = placed(self.schedule.copied(self.schedule.view(x), x))
        fault = self.gathers.fault(kind, how, x.shape, self.circuit.origin_of(row))
        return self.stored(wire, how, v, indices, fault, adds=adds)

    def is_piece(
        self, wire: Wire, how: Picking, x: Wire, v: Wire, row: int, *, adds: bool
    ) -> bool:
        """True where a write at fixed places is one more piece of x, and `wire` is x with it."""
        if x.number is not None:
            pieces = begun(self.schedule, x, wire)
        else:
            pieces = self.pieces.get(placed(x).buffer) if self.is_free(x, row) else None
        if pieces is None or not pieces.is_open:
            return False
        if any(self.reads[r] > 1 for r in self.held_in(pieces.buffer)):
            return False
        at = View(pieces.buffer, how.shape, steps_of(how.strides, how.shape), how.offset)
        v, origin = self.schedule.cast_to(v, wire.kind), self.circuit.origin_of(row)
        ready = pieces.take(at, v, wire.name, origin, adds=adds)
        if ready:
            wire.view, wire.ready = pieces.whole, max(x.ready, ready)
            if x.view is not None and x.number is None:
                self.give_up(pieces.buffer)
            self.pieces[pieces.buffer] = pieces
        return ready > 0

    def stored(
        self, wire: Wire, how: Picking | None, v: Wire, indices: Sequence[Wire], fault: int, *,
        adds: bool,
    ) -> Wire:
        """Numbers stored into a wire's view, or added there, one after another where index arrays
        may name a place twice."""
        wire.ready = len(self.schedule)
        if how is None:
            return wire
        sources = [self.apart(self.gathers.index(w), placed(wire)) for w in indices]
        v = self.apart(self.schedule.cast_to(v, wire.kind), placed(wire))
        if v.number is None:
            self.schedule.view(v)
        nest = Nest(how.shape, in_turn=bool(indices))
        p = self.schedule.append(nest)
        value = v.number
        if value is None:
            value = self.schedule.load(placed(v).spread(how.shape), p)
        at = placed(wire)
        start = View(at.buffer, how.shape, steps_of(how.strides, how.shape), at.offset + how.offset)
        picks = self.gathers.picks(how, sources, p, how.shape)
        nest.stores.append(Store(value, start, picks, fault, adds))
        wire.ready = p + 1
        return wire

    def apart(self, w: Wire, target: View) -> Wire:
        """The wire, copied if it lies in memory that is written to: y[:] = y[::-1]."""
        is_there = w.view is not None and w.view.buffer is target.buffer
        return self.schedule.copied(placed(w), w) if is_there else w

    def is_free(self, x: Wire, row: int) -> bool:
        """True where x's memory is ours, without gaps, and no later row reads it under any name."""
        view = x.view
        if view is None or view.buffer.role != "arena" or not view.is_contiguous:
            return False
        rows = self.held_in(view.buffer)
        return bool(rows) and all(
            self.last_reader[r] <= row and self.wires[r].shape == x.shape for r in rows
        )


def _reading(kind: Kind, count: int) -> Callable[..., Any]:
    """What reads the places that a gate writes to."""
    if kind.gate is add_along_axis:
        return lambda x, i: np.take_along_axis(x, i, kind.attrs["axis"])
    read = gate_named(f"index_{count}" if count else "index")
    assert read is not None
    return lambda *given: read.evaluate(*given, key=kind.attrs["key"])
