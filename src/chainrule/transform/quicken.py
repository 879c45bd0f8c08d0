"""Quicken: stages that have one quick way to the same bits, in programs that nobody reads."""

from typing import Any

from chainrule.circuit.record import BY_NAME, Kind
from chainrule.gates.handle import Handle
from chainrule.gates.quick import TO_LARGER
from chainrule.transform.rewrite import Context, Rules

rule = Rules()
where, equal, multiply = BY_NAME["where"], BY_NAME["equal"], BY_NAME["multiply"]
greater, less = BY_NAME["greater"], BY_NAME["less"]


@rule(where)
def shared_at_ties(c: Context, kind: Kind, condition: Handle, x: Handle, y: Handle) -> Any:
    """x if a > b else (0.5 * x if a == b else 0)  ->  to_larger(x, a, b)"""
    larger = c.made_by(condition, greater) or (c.made_by(condition, less) or [])[::-1]
    rest = c.made_by(y, where)
    if not larger or not rest or not kind.type.shape or not c.is_literal(rest[2], 0):
        return None
    tie, half = c.made_by(rest[0], equal), c.made_by(rest[1], multiply)
    if not tie or not half or not c.is_literal(half[0], 0.5) or half[1].wire != x.wire:
        return None
    if {w.wire for w in tie} != {w.wire for w in larger}:
        return None
    found = c.builder.apply(TO_LARGER, [x.wire, *(w.wire for w in larger)], {})
    return Handle(c.builder, found) if c.builder.type_of(found) == kind.type else None
