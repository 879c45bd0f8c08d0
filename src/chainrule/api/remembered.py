"""Backward passes of structures seen before.

A structure seen for the first time is differentiated by running the gates' rules on the values;
seen again, its printed backward program is compiled once and kept. Both give the same bits.
"""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from chainrule.api.own import delivered
from chainrule.api.run import Run
from chainrule.circuit.circuit import Circuit, Group
from chainrule.trace.trace import Trace
from chainrule.transform.grouping import find_groups
from chainrule.transform.numbers import backpropagate_numbers

LARGEST = 10_000  # rows; above, a backward program is not worth compiling
KEPT = 2_000_000  # integers in the structures remembered, all together

Program = Callable[[Sequence[Any], Any], tuple[Any, ...]]


class Known:
    """What is remembered of one structure: its groups, its literals, in time its program."""

    def __init__(
        self, groups: tuple[Group, ...], literal_rows: list[int], literals: bytes, is_plain: bool
    ) -> None:
        self.groups = groups
        self.literal_rows = literal_rows
        self.literals = literals
        self.is_plain = is_plain  # nothing but Python floats: no NumPy warnings to silence
        self.varying: set[int] = set()
        self.program: Program | None = None


_known: OrderedDict[tuple[Any, ...], Known] = OrderedDict()


def pull(run: Run, wire: int | None, dout: Any) -> tuple[Any, ...]:
    """The gradients of every lifted argument, for an output gradient; None: of 1."""
    trace = run.trace
    if wire is None or not trace.inputs:
        found: Sequence[Any] = [None] * len(trace.inputs)
    elif trace.is_nested or trace.packed or trace.regions or len(trace) > LARGEST:
        circuit = trace.circuit([wire])
        values = values_of(circuit, trace)
        with np.errstate(all="ignore"):
            found = backpropagate_numbers(
                circuit, values, wire, dout, trace.inputs, groups_of(circuit, trace)
            )
    else:
        found = _remembered(run, wire, dout)
    return delivered(run, found, dout)


def _remembered(run: Run, wire: int, dout: Any) -> Sequence[Any]:
    """Gradients of a structure: by its rules the first time, by its program from then on."""
    trace = run.trace
    seeded = dout is not None
    key = (trace.structure(), wire, seeded, run.code)
    known = _known.get(key)
    values = trace.values
    if known is None:
        circuit = trace.circuit([wire])
        known = _known[key] = _first_seen(circuit, trace)
        _forget_oldest()
        return _by_rules(circuit, known, values, dout)
    rows = known.literal_rows
    if rows and array("d", [values[r] for r in rows]).tobytes() != known.literals:
        _vary(known, values, trace, wire)
    if known.program is None:
        _known.move_to_end(key)
        known.program = _program(trace.circuit([wire]), known, seeded)
    if known.program is None:
        return _by_rules(trace.circuit([wire]), known, values, dout)
    try:
        if known.is_plain:
            return known.program(values, dout)
        with np.errstate(all="ignore"):
            return known.program(values, dout)
    except (ArithmeticError, ValueError):
        return _by_rules(trace.circuit([wire]), known, values, dout)


def _forget_oldest() -> None:
    """Keep the memory of structures bounded: the longest unused go first."""
    while sum(len(key[0]) for key in _known) > KEPT:
        _known.popitem(last=False)


def forget() -> None:
    """Drop every remembered structure and program."""
    _known.clear()


def values_of(circuit: Circuit, trace: Trace) -> Sequence[Any]:
    """A trace's values by row; what a checkpointed call let go is worked out again when read.

    An older trace records that again, so there a group with a rule is one stage, which keeps it.
    """
    if not trace.regions:
        return trace.values
    from chainrule.transform import groups, recompute  # only checkpointed functions need them

    if trace.is_nested and trace.marks:
        own = groups.joined(groups.marked_groups(circuit, trace.marks), ())
        circuit = groups.as_gates(circuit, own)
    return recompute.all_values(circuit, trace.values)


def groups_of(
    circuit: Circuit, trace: Trace, varying: Collection[int] = ()
) -> tuple[Group, ...]:
    """The groups of a traced circuit: recognised ones, and those its user marked."""
    found = find_groups(circuit, varying)
    if not trace.marks:
        return found
    from chainrule.transform import groups  # only functions with groups of the user's need it

    return groups.joined(groups.marked_groups(circuit, trace.marks), found)


def _first_seen(circuit: Circuit, trace: Trace) -> Known:
    values = trace.values
    rows = [r for r in circuit.constant_rows if circuit.type_of(r).weak]
    literals = array("d", [values[r] for r in rows]).tobytes()
    is_plain = all(circuit.type_of(r).weak for r in range(len(circuit)))
    return Known(groups_of(circuit, trace), rows, literals, is_plain)


def _vary(known: Known, values: Sequence[Any], trace: Trace, wire: int) -> None:
    """Some literals differ from last time: from now on the program reads them at each call."""
    before = array("d")
    before.frombytes(known.literals)
    rows = known.literal_rows
    now = array("d", [values[r] for r in rows])
    same = [now[i : i + 1].tobytes() == before[i : i + 1].tobytes() for i in range(len(rows))]
    known.varying.update(r for r, kept in zip(rows, same, strict=True) if not kept)
    known.literal_rows = [r for r, kept in zip(rows, same, strict=True) if kept]
    known.literals = array("d", [values[r] for r in known.literal_rows]).tobytes()
    known.groups = groups_of(trace.circuit([wire]), trace, known.varying)
    known.program = None


def _by_rules(
    circuit: Circuit, known: Known, values: Sequence[Any], dout: Any
) -> Sequence[Any]:
    with np.errstate(all="ignore"):
        return backpropagate_numbers(
            circuit, values, circuit.outputs[0], dout, circuit.inputs, known.groups
        )


def _program(circuit: Circuit, known: Known, seeded: bool) -> Program | None:
    from chainrule.api.program import compiled  # only gradients taken again need it

    return compiled(circuit.with_(groups=known.groups), seeded, known.varying)
