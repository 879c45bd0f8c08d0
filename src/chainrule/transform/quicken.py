"""Quicken: stages that have one quick way to the same bits, in programs that nobody reads."""

from typing import Any

from chainrule.circuit.record import BY_NAME, Kind
from chainrule.gates.handle import Handle
from chainrule.gates.quick import TO_LARGER
from chainrule.transform.rewrite import Context, Rules

rule = Rules()
where, equal, multiply = BY_NAME["where"], BY_NAME["equal"], BY_NAME["multiply"]
greater_equal, less_equal = BY_NAME["greater_equal"], BY_NAME["less_equal"]


@rule(where)
def shared_at_ties(c: Context, kind: Kind, condition: Handle, x: Handle, y: Handle) -> Any:
    """(0.5 * x if a == b else x) if a >= b else 0  ->  to_larger(x, a, b)"""
    larger = c.made_by(condition, greater_equal) or (c.made_by(condition, less_equal) or [])[::-1]
    shared = c.made_by(x, where)
    if not larger or not shared or not kind.type.shape or not c.is_literal(y, 0):
        return None
    tie, half, dout = c.made_by(shared[0], equal), c.made_by(shared[1], multiply), shared[2]
    if not tie or not half or not c.is_literal(half[0], 0.5) or half[1].wire != dout.wire:
        return None
    if {w.wire for w in tie} != {w.wire for w in larger}:
        return None
    found = c.builder.apply(TO_LARGER, [dout.wire, *(w.wire for w in larger)], {})
    return Handle(c.builder, found) if c.builder.type_of(found) == kind.type else None
