"""Simplify: exact rewrites of the backward pass, so that it reads as a person would write it.

Every rule keeps each bit of the result, NaN, infinities and signed zeros included; x + 0 and x * 0
are therefore left alone.
"""

from typing import Any

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import BY_NAME, Kind
from chainrule.gates.elementwise import accumulate
from chainrule.gates.handle import Handle
from chainrule.gates.move import alias
from chainrule.transform.rewrite import ANY, Context, Rules, rewrite

rule = Rules()
multiply, negate, power = BY_NAME["multiply"], BY_NAME["negate"], BY_NAME["power"]
where, broadcast_to, cast = BY_NAME["where"], BY_NAME["broadcast_to"], BY_NAME["cast"]


def simplify(circuit: Circuit, **settings: Any) -> Circuit:
    """The circuit with a shorter backward pass and the same bits; settings as `rewrite` has."""
    first = rewrite(circuit, rule, **settings)
    settings.pop("outputs", None)  # by now they are the circuit's own
    return rewrite(first, rule, **settings)  # what the first sweep made, and left dead


@rule(power)
def power_one(c: Context, kind: Kind, x: Handle, y: Handle) -> Any:
    """x ** 1  ->  x"""
    return x if c.is_literal(y, 1) and x.type == kind.type else None


@rule(multiply)
def times_one(c: Context, kind: Kind, x: Handle, y: Handle) -> Any:
    """x * 1  ->  x,  1 * y  ->  y"""
    if c.is_literal(y, 1) and x.type == kind.type:
        return x
    return y if c.is_literal(x, 1) and y.type == kind.type else None


@rule(multiply)
def times_minus_one(c: Context, kind: Kind, x: Handle, y: Handle) -> Any:
    """-1 * y  ->  -y"""
    return negate(y) if c.is_literal(x, -1) and y.type == kind.type else None


@rule(negate)
def twice_negated(c: Context, kind: Kind, x: Handle) -> Any:
    """-(-x)  ->  x"""
    inner = c.made_by(x, negate)
    return inner[0] if inner else None


@rule(where)
def decided(c: Context, kind: Kind, condition: Handle, x: Handle, y: Handle) -> Any:
    """x if True else y  ->  x"""
    answer = c.literal(condition)
    if answer is None:
        return None
    taken = x if answer else y
    return taken if taken.type == kind.type else None


@rule(broadcast_to)
def already_wide(c: Context, kind: Kind, x: Handle) -> Any:
    """broadcast_to(x, shape of x)  ->  x"""
    return x if x.type == kind.type else None


@rule(cast)
def cast_once(c: Context, kind: Kind, x: Handle) -> Any:
    """cast(broadcast_to(y))  ->  broadcast_to(cast(y)), and of a literal the number in its dtype"""
    inner = c.made_by(x, broadcast_to)
    if not inner:
        return None
    literal = c.literal(inner[0])
    if literal is None:
        return broadcast_to(cast(inner[0], **kind.attrs), shape=kind.type.shape)
    number = Handle(c.builder, c.builder.constant(kind.type.dtype.type(literal)))
    return broadcast_to(number, shape=kind.type.shape)


def computed_now(c: Context, kind: Kind, *operands: Handle) -> Any:
    """A gate on literal numbers  ->  its value"""
    if kind.gate is accumulate:
        return None  # the terms of a fork stay apart, to be seen
    numbers = [c.literal(x) for x in operands]
    if not numbers or None in numbers or not kind.type.weak:
        return None
    return kind.compute(numbers)


def spread_by_the_gate(c: Context, kind: Kind, *operands: Handle) -> Any:
    """x * broadcast_to(y, shape of x)  ->  x * y: elementwise gates spread by themselves

    And x[key] += broadcast_to(v, shape of x[key])  ->  x[key] += v.
    """
    if kind.gate.change is not None:
        x, v, *arrays = operands
        inner = c.made_by(v, broadcast_to)
        return kind.gate(x, inner[0], *arrays, **kind.attrs) if inner else None
    if kind.gate.family != "elementwise" or len(operands) < 2:
        return None
    for i, x in enumerate(operands):
        inner = c.made_by(x, broadcast_to)
        others = [o for j, o in enumerate(operands) if j != i]
        if inner and any(o.shape == kind.type.shape for o in others):
            new = kind.gate(*(inner[0] if j == i else o for j, o in enumerate(operands)))
            if new.type == kind.type:
                return new
    return None


def computed_before(c: Context, kind: Kind, *operands: Handle) -> Any:
    """A stage that stands there already  ->  that one"""
    if kind.gate.reads_shape:
        return None  # an array to write to: each needs memory of its own
    if kind.gate is accumulate or kind.gate is alias or not operands:
        return None
    wire = c.computed.get(c.key(kind, [x.wire for x in operands]))
    return None if wire is None else Handle(c.builder, wire)


rule.by_gate[ANY] = [computed_now, spread_by_the_gate, computed_before]
