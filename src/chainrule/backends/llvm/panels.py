"""What follows a product in registers, done for each panel of its columns: bias, activation.

    kernel w = X @ W                 blocks of 32 of 256:
    nest [64, 256]             =>      kernel w = X @ W
      h = maximum(w + b, 0)            nest [64, 32]
                                         h = maximum(w + b, 0)

A product is computed panel by panel of columns anyway, so it costs nothing to look at a panel while
it is in the cache; its gradient, and sums of that over the rows, join in the same way. So does what
lays out a transposed right operand. Where many rows read a panel of another one, it is copied row
beside row first: apart, its rows share few lines of the first cache, and each crosses two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from chainrule.backends.llvm.buffers import arranged
from chainrule.backends.llvm.flow import Passed, flow_of, touches
from chainrule.backends.llvm.kernel import LANES
from chainrule.backends.llvm.members import Members, product_nest
from chainrule.backends.llvm.nests import ArrayPlan, Buffer, Item, Kernel, Nest
from chainrule.backends.llvm.windows import Windows

PANELS = 2  # so many panels are worth a loop of their own,
WORTH = 1 << 15  # and so many bytes: fewer stay in the first cache anyway
NEAR = 8  # items after a product among which those that join it are looked for
OFTEN = 256  # rows for which a panel of y is read, 8 at once; for fewer its copy may not pay


def by_panels(plan: ArrayPlan) -> ArrayPlan:
    """The plan with each product and the elementwise nests after it in blocks of columns; the same
    plan where there are none such."""
    items, at = list(plan.items), 0
    counts = touches(map(flow_of, items))
    while at < len(items):
        item = items[at]
        if isinstance(item, Kernel) and _is_worth(item):
            before, end = _laid_out(items[at - 1 : at], item), at + 1 + NEAR
            joined = _joined(before, item, items[at + 1 : end], counts)
            at -= len(before)
            items[at:end] = joined
        at += 1
    return plan if items == [*plan.items] else arranged(replace(plan, items=tuple(items)))


def _is_worth(kernel: Kernel) -> bool:
    out = kernel.out.buffer
    return kernel.y.shape[-1] >= PANELS * LANES[out.kind] and out.bytes >= WORTH


def _laid_out(before: Sequence[Item], kernel: Kernel) -> list[Nest]:
    """The item before a product, if it lays the right operand out for it and does no more."""
    return [
        x for x in before
        if isinstance(x, Nest) and not (x.steps or x.folds) and x.shape == kernel.y.shape
        and [s.view.buffer for s in x.stores] == [kernel.y.buffer]
    ]


def _joined(
    before: Sequence[Nest], kernel: Kernel, later: Sequence[Item], counts: Mapping[Buffer, int]
) -> list[Item]:
    """A product, what lays its right operand out and what comes soon after, nests over its output,
    in one loop."""
    members, passed = Members(kernel.y.shape[-1]), Passed()
    first = [x for x in before if not members.join(x, len(x.shape) - 1)]
    if not members.join(product_nest(kernel), len(kernel.out.shape) - 1):
        return [*before, kernel, *later]
    rest: list[Item] = []
    for item in later:
        flow = flow_of(item)
        if passed.meets(flow) or not _follows(item, kernel, members):
            passed.add(flow)
            rest.append(item)
    packed = [kernel.y.buffer] if _is_worth_packing(kernel, members) else []
    if len(members.nests) > 1 or packed:
        windows = Windows(members, counts, packed)
        return [*first, *windows.items(LANES[kernel.out.buffer.kind]), *rest]
    return [*before, kernel, *later]


def _is_worth_packing(kernel: Kernel, members: Members) -> bool:
    """True where the numbers of a panel of y, rows apart, are laid side by side first."""
    y, rows = kernel.y, members.rows.get(kernel.y.buffer)
    is_whole = rows is not None and len(y.shape) == 2 and prod(y.shape) == y.buffer.size
    return is_whole and kernel.x.shape[0] >= OFTEN


def _follows(item: Item, kernel: Kernel, members: Members) -> bool:
    """True for a nest over a product's output that has joined it."""
    if not isinstance(item, Nest) or item.shape != kernel.out.shape or item.in_turn:
        return False
    axis = len(item.shape) - 1
    reads = any(x.view.buffer in members.written for x in item.loads)
    adds_along = any(f.into is None or f.into.strides[axis] == 0 for f in item.folds)
    return reads and not adds_along and members.join(item, axis)
