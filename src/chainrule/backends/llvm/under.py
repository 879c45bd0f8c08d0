"""Choices that decide nothing, left out while nests are planned.

A gradient behind a choice is selected twice: what the choice sends is 0 where it was not taken, and
a product with a local gradient is 0 there again, so that 0 * inf is not nan. Where the second
condition implies the first, the product takes what the first select was given:

    where(live and b, p * where(b, h, 0), 0)  ->  where(live and b, p * h, 0)
"""

from chainrule.backends.llvm.schedule import Wire
from chainrule.gates.elementwise import where

DEEP = 8  # conditions that are joined by and; further ones are not looked at


def bare(x: Wire, condition: Wire) -> Wire:
    """A wire that is x wherever a condition holds: what x chose from, in the same nest."""
    if x.step is None or x.step.gate is not where or not _implies(condition, x.operands[0]):
        return x
    taken = x.operands[1]
    is_like = (taken.kind, taken.shape, taken.nest) == (x.kind, x.shape, x.nest)
    return taken if is_like and not taken.is_gone else x


def _implies(condition: Wire, other: Wire) -> bool:
    """True where the second flag surely holds wherever the first does."""
    for _ in range(DEEP):
        if condition is other:
            return True
        step = condition.step
        if step is None or step.gate is not where or not _is_false(condition.operands[2]):
            return False
        first, second, _false = condition.operands
        if second is other:
            return True
        condition = first
    return False


def _is_false(x: Wire) -> bool:
    return x.number is not None and x.number.number is False
