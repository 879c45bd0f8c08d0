"""Memory for what stands between the items of a plan: one arena, places reused once they are free.

A buffer lives from the first item that touches it to the last. Buffers that live at the same time
do not overlap; each begins at a multiple of 64 bytes, so that a vector never crosses two lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from chainrule.backends.llvm.nests import ArrayPlan, Blocks, Buffer, Item, views_of

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
    for at, buffer in _touched(plan.items):
        first.setdefault(buffer, at)
        last[buffer] = at
    waiting = sorted((b for b in first if b.role == "arena"), key=lambda b: first[b])
    placed: list[Buffer] = []
    for buffer in waiting:
        beside = [b for b in placed if last[b] >= first[buffer]]
        buffer.place = _gap(beside, buffer.bytes, begin)
        placed.append(buffer)
    return max((b.place + b.bytes for b in placed), default=begin)


def _touched(items: Sequence[Item]) -> Iterator[tuple[int, Buffer]]:
    """When each buffer is touched; what blocks share with others, from their begin to their end."""
    at = 0
    for item in items:
        if isinstance(item, Blocks):
            inside = list(_touched(item.items))
            own = {b for b in (b for _, b in inside) if b in item.own}
            shared = {v.buffer for v in views_of(item)} - own
            yield from ((at, b) for b in shared)
            yield from ((at + 1 + k, b) for k, b in inside if b in own)
            at += 2 + len(item.items)
            yield from ((at - 1, b) for b in shared)
        else:
            yield from ((at, v.buffer) for v in views_of(item))
            at += 1


def _gap(beside: list[Buffer], size: int, at: int) -> int:
    """The lowest place from `at` on, of a size, that none of these overlaps."""
    for other in sorted(beside, key=lambda b: b.place):
        if at + size <= other.place:
            break
        at = max(at, -(-(other.place + other.bytes) // ALIGNMENT) * ALIGNMENT)
    return at
