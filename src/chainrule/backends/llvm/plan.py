"""A plan: the stages that run, in order, and the value each keeps.

For numbers that is one straight line of steps, each held in a register. Steps whose operands are
all known are computed now, steps done before are not done again, and steps nobody needs are left
out; every rewrite keeps each bit of the result.

    plan f: x, y -> f
      sigy = sigmoid(y)         line 6
      num = add(x, sigy)        line 7
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backends.llvm.dtypes import line_of
from chainrule.backends.llvm.prepare import prepared
from chainrule.backends.llvm.values import IR_TYPE, Value
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Origin
from chainrule.circuit.record import CONSTANT, INPUT, Gate, Kind
from chainrule.circuit.types import Type
from chainrule.errors import UnsupportedError
from chainrule.gates.elementwise import divide, multiply, power, where
from chainrule.gates.move import alias, broadcast_to, reshape, transpose
from chainrule.gates.reduce import sum_

LARGEST = 2000  # steps; compiling takes about 0.05 ms a step


@dataclass(frozen=True, slots=True)
class Step:
    """One gate applied to values, and the value it keeps. `real`: the precision it computes in."""

    value: Value
    gate: Gate
    operands: tuple[Value, ...]
    origin: Origin | None
    real: str = "f"

    def __str__(self) -> str:
        said = f"{self.value} = {self.gate.name}({', '.join(map(str, self.operands))})"
        return f"{said:<40}  line {self.origin.line}" if self.origin else said


@dataclass(frozen=True, slots=True)
class Plan:
    """Inputs, steps in order, outputs."""

    title: str
    inputs: tuple[Value, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]

    def __str__(self) -> str:
        given, got = (", ".join(map(str, xs)) for xs in (self.inputs, self.outputs))
        return "\n  ".join([f"plan {self.title}: {given} -> {got}", *map(str, self.steps)])


def plan_of(circuit: Circuit) -> Plan:
    """The plan of a circuit of numbers. Raises UnsupportedError above 2,000 steps; see prepared."""
    ready = prepared(circuit)
    for row in range(len(ready)):
        _check_plain(ready, row)
    names = names_of_wires(ready)
    values: list[Value] = []
    steps: list[Step] = []
    done: dict[Any, Value] = {}
    for row in range(len(ready)):
        values.append(_value(ready, row, values, names, steps, done))
    outputs = tuple(values[w] for w in ready.outputs)
    needed = _needed(steps, outputs)
    if len(needed) > LARGEST:
        raise UnsupportedError(
            f"{len(needed):,} gates are more than machine code for numbers takes: {LARGEST:,}"
        )
    return Plan(circuit.title, tuple(values[w] for w in ready.inputs), needed, outputs)


def is_plain(t: Type) -> bool:
    """True for numbers held in one register: Python's, float64, int64 and bool."""
    return t.shape == () and t.dtype.name in ("float64", "int64", "bool")


def _check_plain(circuit: Circuit, row: int) -> None:
    t, where = circuit.type_of(row), circuit.origin_of(row)
    if not is_plain(t):
        raise UnsupportedError(
            f"a plan of numbers has none for {circuit.kind_of(row).gate.name}: {t}{line_of(where)}"
        )


def _value(
    circuit: Circuit, row: int, values: Sequence[Value], names: Sequence[str], steps: list[Step],
    done: dict[Any, Value],
) -> Value:
    """What a row's wire carries; appends a step where it takes one."""
    kind = circuit.kind_of(row)
    if kind.gate is INPUT:
        return Value(kind.type.dtype.kind, names[row])
    if kind.gate is CONSTANT:
        return known(kind.type.dtype.kind, circuit.constant(row))
    operands = tuple(values[w] for w in circuit.operands(row))
    short = shortened(kind, operands)
    if short is not None:
        return short
    operands += settings(kind)
    key = (kind.gate.id, kind.type_id, *((x.kind, x.name, repr(x.number)) for x in operands))
    if key not in done:
        done[key] = Value(kind.type.dtype.kind, names[row])
        steps.append(Step(done[key], kind.gate, operands, circuit.origin_of(row)))
    return done[key]


def settings(kind: Kind) -> tuple[Value, ...]:
    """The whole numbers that a gate is set to, as operands after its own: n of polygamma."""
    return tuple(known("i", n) for n in kind.attrs.values() if isinstance(n, int))


_PYTHON = {"f": float, "s": float, "i": int, "b": bool}


def known(kind: str, number: Any) -> Value:
    return Value(kind, "", _PYTHON[kind](number))


def shortened(kind: Kind, operands: tuple[Value, ...]) -> Value | None:
    """The value of a row that needs no step, or None."""
    numbers = [x.number for x in operands]
    if None not in numbers:
        return _computed(kind, numbers)
    same = _unchanged(kind.gate, operands)
    if same is None or (same.kind != kind.type.dtype.kind and same.number is None):
        return None
    return same if same.number is None else known(kind.type.dtype.kind, same.number)


def _computed(kind: Kind, numbers: Sequence[Any]) -> Value:
    with np.errstate(all="ignore"):
        number = kind.compute(numbers)
    dtype = np.asarray(number).dtype.kind  # 2 ** -1 of whole numbers is real
    return known(dtype if dtype in IR_TYPE else kind.type.dtype.kind, number)


def _unchanged(gate: Gate, operands: tuple[Value, ...]) -> Value | None:
    """The operand that a gate passes on as it is:  x * 1,  x / 1,  x ** 1,  where(True, x, y)."""
    numbers = [x.number for x in operands]
    if gate in (alias, broadcast_to, reshape, transpose, sum_):
        return operands[0]
    if gate is where and numbers[0] is not None:
        return operands[1 if numbers[0] else 2]
    if gate in (multiply, divide, power) and numbers[1] == 1:
        return operands[0]
    return operands[1] if gate is multiply and numbers[0] == 1 else None


def _needed(steps: Sequence[Step], outputs: Sequence[Value]) -> tuple[Step, ...]:
    """The steps that outputs depend on, in order."""
    wanted = {x.name for x in outputs}
    kept = []
    for step in reversed(steps):
        if step.value.name in wanted:
            wanted.update(x.name for x in step.operands)
            kept.append(step)
    return tuple(reversed(kept))


def names_of_wires(circuit: Circuit) -> list[str]:
    """A name for each wire, the user's where there is one: x, x.1, w.7; fit for IR as they are."""
    names: dict[str, None] = {}
    counts: dict[str, int] = {}
    for wire in range(len(circuit)):
        user = circuit.name(wire)
        stem = name = re.sub(r"[^A-Za-z0-9_]|^(?=\d)", "_", user) if user else f"w.{wire}"
        while name in names:  # the user's seventh w may be our w.7
            counts[stem] = counts.get(stem, 0) + 1
            name = f"{stem}.{counts[stem]}"
        names[name] = None
    return list(names)
