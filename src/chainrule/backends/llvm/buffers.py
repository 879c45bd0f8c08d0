"""Memory for what stands between the items of a plan: one arena, places reused once they are free.

A buffer lives from the first item that touches it to the last. Buffers that live at the same time
do not overlap; each begins at a multiple of 64 bytes, so that a vector never crosses two lines.
"""

from dataclasses import replace

from chainrule.backends.llvm.nests import ArrayPlan, Buffer, views_of

ALIGNMENT = 64


def arranged(plan: ArrayPlan) -> ArrayPlan:
    """The plan with a place for every buffer: an offset in the arena, or the slot of an array."""
    arrays = [x for x in plan.inputs if isinstance(x, Buffer)]
    for slot, buffer in enumerate([*arrays, *(b for b, _ in plan.constants)]):
        buffer.place = slot
    return replace(plan, arena=_arena(plan, ALIGNMENT if plan.faults else 0))


def _arena(plan: ArrayPlan, begin: int) -> int:
    """Give places to the buffers in between, first fit; how many bytes that takes.

    begin: bytes kept at the arena's beginning, for the index that is wrong at a fault.
    """
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for at, item in enumerate(plan.items):
        for view in views_of(item):
            first.setdefault(view.buffer, at)
            last[view.buffer] = at
    waiting = sorted((b for b in first if b.role == "arena"), key=lambda b: first[b])
    placed: list[Buffer] = []
    for buffer in waiting:
        beside = [b for b in placed if last[b] >= first[buffer]]
        buffer.place = _gap(beside, buffer.bytes, begin)
        placed.append(buffer)
    return max((b.place + b.bytes for b in placed), default=begin)


def _gap(beside: list[Buffer], size: int, at: int) -> int:
    """The lowest place from `at` on, of a size, that none of these overlaps."""
    for other in sorted(beside, key=lambda b: b.place):
        if at + size <= other.place:
            break
        at = max(at, -(-(other.place + other.bytes) // ALIGNMENT) * ALIGNMENT)
    return at
