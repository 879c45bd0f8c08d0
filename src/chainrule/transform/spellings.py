"""Spellings: the ways a user writes one gate with others, as small circuits to look for.

A gate's record lists its spellings as functions; each is traced once per order of the operands of
commuting gates. A gate that folds is traced on a table, over its last axis, with `keepdims`: so in
a pattern a wire of the table's shape stands for one of x's shape, and a smaller one for numbers
folded over the group's axes, in whatever shape the user keeps them.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from typing import Final

import numpy as np

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import KINDS, SPELLED, Gate, Kind
from chainrule.circuit.types import FLOAT, TYPES, Type, intern_type
from chainrule.gates.handle import Handle

TABLE = intern_type(Type((2, 3), np.dtype(np.float64)))
SETTINGS = {"axis": (1,), "keepdims": True}


class Pattern:
    """One spelling of a gate, its operands in one order."""

    def __init__(self, gate: Gate, circuit: Circuit) -> None:
        self.gate: Final = gate
        self.circuit: Final = circuit

    @property
    def root(self) -> int:
        """The stage that gives the output."""
        return self.circuit.outputs[0]

    def is_whole(self, wire: int) -> bool:
        """True for wires of the input's shape, False for folded ones and constants."""
        c = self.circuit
        return c.type_of(wire).shape == c.type_of(c.inputs[0]).shape and not c.is_constant(wire)

    @property
    def folds(self) -> bool:
        """True when some stage folds axes."""
        return any(is_fold(KINDS[k]) for k in self.circuit.kind)


def is_fold(kind: Kind) -> bool:
    """True for stages that fold axes away: those whose settings are `axis` and `keepdims`."""
    return kind.gate.family == "reduce" and kind.attrs.keys() == SETTINGS.keys()


def settings_of(gate: Gate) -> frozenset[str]:
    """The names of a gate's settings."""
    return frozenset(gate.sample_attrs[0])


def patterns_among(kinds: Iterable[int]) -> dict[int, list[Pattern]]:
    """The patterns whose gates are all among these kinds', longest first, by their last gate."""
    gates = {KINDS[k].gate.id for k in kinds}
    found: dict[int, list[Pattern]] = {}
    for needed, pattern in _patterns(len(SPELLED)):
        if needed <= gates:
            found.setdefault(pattern.circuit.kind_of(pattern.root).gate.id, []).append(pattern)
    return found


@lru_cache(maxsize=8)
def _patterns(count: int) -> Sequence[tuple[frozenset[int], Pattern]]:
    """Every pattern of so many gates with the gates it needs."""
    found = []
    for gate in SPELLED[:count]:
        for spelling in gate.spellings:
            b = Builder(gate.name)
            settings = {name: SETTINGS[name] for name in settings_of(gate)}
            on = TYPES[TABLE if settings else FLOAT]
            inputs = [Handle(b, b.input(on, name)) for name in gate.inputs]
            traced = b.build([spelling(*inputs, **settings).wire])
            needed = frozenset(
                KINDS[k].gate.id for k in traced.kind if KINDS[k].gate.family != "leaf"
            )
            found += [(needed, Pattern(gate, order)) for order in _orders(traced)]
    return sorted(found, key=lambda entry: -len(entry[1].circuit))


def _orders(traced: Circuit) -> Iterable[Circuit]:
    """The circuit with the operands of its commuting gates in every order that differs."""
    rows = [r for r in range(len(traced)) if _may_swap(traced, r)]
    for swaps in product((False, True), repeat=len(rows)):
        operand = traced.operand[:]
        for row, swap in zip(rows, swaps, strict=True):
            if swap:
                begin, end = traced.start[row], traced.start[row + 1]
                operand[begin:end] = operand[begin:end][::-1]
        yield traced.with_(operand=operand)


def _may_swap(traced: Circuit, row: int) -> bool:
    return traced.kind_of(row).gate.commutes and len(set(traced.operands(row))) > 1
