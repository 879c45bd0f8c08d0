"""One program for plans that differ only in an extent n, the length of an axis of their inputs.

A function compiled for a batch of 64 and called with 37 is traced and planned again. Where the two
plans are the same items, and every whole number in them is the same or follows from n by a
polynomial (37*256 and 64*256 from n*256), they become one plan in which sizes stand for those
numbers, and one program. A further extent is traced and planned as well, which costs a tenth of
compiling; its plan must be what the common one says at its n, number by number. So nothing is
trusted to follow from n: where Python or the planner decided otherwise, the plans differ.

What else may differ is given to the program in a table, at each call: n, real and whole numbers
that stand in steps (the count of a mean), and the places of buffers between the items.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from chainrule.backends.llvm.extent import LEAST, Given, Size, Unsettled, explained
from chainrule.backends.llvm.nests import (
    ArrayPlan,
    Buffer,
    Fetch,
    Fold,
    Kernel,
    Load,
    Nest,
    Product,
    Scan,
    Shape,
    Store,
    Varying,
    View,
)
from chainrule.backends.llvm.plan import Step
from chainrule.backends.llvm.values import Value
from chainrule.circuit.notes import Origin
from chainrule.gates.elementwise import power

RECORDS = (Nest, Load, Step, Store, Fold, Product, Kernel, Scan, Fetch, View)
SETTLED = (power,)  # gates whose instructions depend on the numbers they are given


class Unlike(Exception):
    """Two plans are not one plan at two extents."""


@dataclass(frozen=True, slots=True)
class Common:
    """A plan for every extent n, and where n stands: the inputs and their axes."""

    plan: ArrayPlan
    shapes: tuple[tuple[int | Size, ...], ...]  # of the inputs

    def at(self, plan: ArrayPlan, shapes: Sequence[Shape]) -> ArrayPlan | None:
        """A plan with what the program of this one reads beside its arrays; None where it is not
        this plan at an extent."""
        n = _extent(self.shapes, shapes)
        if n is None:
            return None
        try:
            pairs = _Pairs(lambda x, y: _same(x, y, n), self.plan.varying)
            pairs.plans(self.plan, plan)
        except Unlike:
            return None
        return _with_table(plan, n, pairs)


@dataclass(frozen=True, slots=True)
class Seen:
    """A plan for one extent, without the arrays it read."""

    plan: ArrayPlan
    shapes: tuple[Shape, ...]

    def with_other(self, plan: ArrayPlan, shapes: Sequence[Shape]) -> Common | None:
        """What this plan and another one are at two extents; None where they are no such pair."""
        ends = _extents(self.shapes, shapes)
        if ends is None or min(ends) < LEAST:
            return None
        n, m = ends
        try:
            pairs = _Pairs(lambda x, y: explained(x, n, y, m))
            made = pairs.plans(self.plan, plan)
        except (Unlike, Unsettled):
            return None
        where = tuple(
            tuple(a if a == b else Size((0, 1)) for a, b in zip(x, y, strict=True))
            for x, y in zip(self.shapes, shapes, strict=True)
        )
        return Common(made, where)


def _extents(first: Sequence[Shape], second: Sequence[Shape]) -> tuple[int, int] | None:
    """The two lengths that axes have where shapes differ, if all that differ have the same two."""
    if [*map(len, first)] != [*map(len, second)]:
        return None
    both = {
        (n, m)
        for x, y in zip(first, second, strict=True) for n, m in zip(x, y, strict=True) if n != m
    }
    return both.pop() if len(both) == 1 else None


def _extent(where: Sequence[tuple[int | Size, ...]], shapes: Sequence[Shape]) -> int | None:
    """What n is for inputs of these shapes."""
    if [*map(len, where)] != [*map(len, shapes)]:
        return None
    pairs = (zip(x, y, strict=True) for x, y in zip(where, shapes, strict=True))
    found = {n for pair in pairs for x, n in pair if isinstance(x, Size)}
    return found.pop() if len(found) == 1 else None


def _same(x: int | Size, y: int, n: int) -> int | Size:
    """x, if it is y at n. Sizes of 0 and 1 have other plans: without a step, without a loop."""
    at = x if isinstance(x, int) else x.at(n)
    if at != y or (isinstance(x, Size) and abs(at) < LEAST):
        raise Unlike
    return x


class _Pairs:
    """Walks two plans side by side, and makes the plan that both are."""

    def __init__(
        self, whole: Callable[[Any, int], int | Size], varying: Varying | None = None
    ) -> None:
        self.whole = whole
        self.buffers: dict[Buffer, tuple[Buffer, Buffer]] = {}  # of the first -> second, common
        self.second: set[Buffer] = set()
        self.places: list[int] = []  # of the second plan's buffers, in the order they are met
        self.numbers: dict[Any, tuple[Value, Value]] = {}  # of the second plan, in common
        self.given = None if varying is None else {x.name for x in varying.numbers}

    def plans(self, x: ArrayPlan, y: ArrayPlan) -> ArrayPlan:
        """The common plan."""
        if (x.title, len(x.faults)) != (y.title, len(y.faults)):
            raise Unlike
        fixed = x.constants if x.varying is None else x.constants[:-1]
        if len(fixed) != len(y.constants):
            raise Unlike
        constants = tuple(
            (self.pair(a, b), None) for (a, _), (b, _) in zip(fixed, y.constants, strict=True)
        )
        inputs, items, outputs = (
            self.pair(a, b)
            for a, b in ((x.inputs, y.inputs), (x.items, y.items), (x.outputs, y.outputs))
        )
        numbers = tuple(value for _, value in self.numbers.values())
        table = Buffer(".table", "i", 1 + len(numbers) + len(self.places), "constant")
        return ArrayPlan(
            x.title, inputs, (*constants, (table, None)), items, outputs, 0, x.faults,
            Varying(table, numbers),
        )

    def pair(self, x: Any, y: Any) -> Any:
        """What stands for both in the common plan."""
        if isinstance(x, int | Size) and y.__class__ is int and not isinstance(x, bool):
            return self.whole(x, y)
        if x.__class__ is not y.__class__:
            raise Unlike
        if isinstance(x, Origin):
            return x
        if isinstance(x, Buffer):
            return self.buffer(x, y)
        if isinstance(x, Value):
            return self.value(x, y)
        if isinstance(x, tuple | list):
            if len(x) != len(y):
                raise Unlike
            return x.__class__(map(self.pair, x, y))
        if isinstance(x, RECORDS):
            self.check(x, y)
            return x.__class__(**{
                f.name: self.pair(getattr(x, f.name), getattr(y, f.name)) for f in fields(x)
            })
        if x is y or (isinstance(x, str | float) and repr(x) == repr(y)):
            return x
        raise Unlike

    def check(self, x: Any, y: Any) -> None:
        """Refuse steps that are other instructions for other numbers."""
        if isinstance(x, Step) and x.gate in SETTLED:
            numbers = [[v.number for v in step.operands] for step in (x, y)]
            if repr(numbers[0]) != repr(numbers[1]):
                raise Unlike

    def buffer(self, x: Buffer, y: Buffer) -> Buffer:
        """One buffer for both, met here first or as before."""
        if x is y:  # no memory: the places of an axis themselves
            return x
        if x in self.buffers:
            other, common = self.buffers[x]
            if other is not y:
                raise Unlike
            return common
        if y in self.second or (x.name, x.kind, x.role) != (y.name, y.kind, y.role):
            raise Unlike
        common = Buffer(x.name, x.kind, 0, x.role, x.place)
        common.size = self.whole(x.size, y.size)  # type: ignore[assignment]  # a Size
        if x.role == "arena":
            common.place = Given(len(self.places))  # type: ignore[assignment]
            self.places.append(y.place)
        self.buffers[x] = y, common
        self.second.add(y)
        return common

    def value(self, x: Value, y: Value) -> Value:
        """A value of the same name, or a number: the same, or one that a call gives."""
        if x.kind != y.kind:
            raise Unlike
        if self.given is not None and x.name in self.given and y.number is not None:
            return self.number((x.name,), x, y)
        if y.number is None or x.number is None:
            if (x.name, x.number) != (y.name, y.number):
                raise Unlike
            return x
        if repr(x.number) == repr(y.number):
            return x
        if self.given is not None or x.kind == "b":
            raise Unlike
        name = f".at_n.{len(self.numbers)}"
        return self.number((x.kind, repr(x.number), repr(y.number)), Value(x.kind, name), y)

    def number(self, key: Any, common: Value, y: Value) -> Value:
        """A number of the second plan; wherever the common plan has this one, it must be there."""
        before, common = self.numbers.setdefault(key, (y, common))
        if repr(before.number) != repr(y.number):
            raise Unlike
        return common


def without_arrays(plan: ArrayPlan) -> ArrayPlan:
    """A plan that keeps no array alive."""
    return replace(plan, constants=tuple((buffer, None) for buffer, _ in plan.constants))


def _with_table(plan: ArrayPlan, n: int, pairs: _Pairs) -> ArrayPlan:
    """A plan for one extent that gives a common program its table."""
    numbers = (value.number for value, _ in pairs.numbers.values())
    words = [n, *map(_bits, numbers), *pairs.places]
    table = Buffer(".table", "i", len(words), "constant", len(plan.constants))
    return replace(plan, constants=(*plan.constants, (table, np.array(words, np.int64))))


def _bits(x: Any) -> int:
    """A number as it stands in 8 bytes."""
    return x if isinstance(x, int) else int(struct.unpack("<q", struct.pack("<d", x))[0])
