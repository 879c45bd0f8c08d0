"""What follows a product in registers, done for each panel of its columns: bias, activation.

    kernel w = X @ W                 blocks of 32 of 256:
    nest [64, 256]             =>      kernel w = X @ W
      h = maximum(w + b, 0)            nest [64, 32]
                                         h = maximum(w + b, 0)

A product is computed panel by panel of columns anyway, so it costs nothing to look at a panel while
it is in the cache; its gradient, and sums of that over the rows, join in the same way.
"""

from collections.abc import Sequence
from dataclasses import replace

from chainrule.backends.llvm.flow import Flow, flow_of
from chainrule.backends.llvm.kernel import LANES
from chainrule.backends.llvm.members import Members, product_nest
from chainrule.backends.llvm.nests import ArrayPlan, Item, Kernel, Nest
from chainrule.backends.llvm.windows import Windows

PANELS = 2  # so many panels are worth a loop of their own,
WORTH = 1 << 15  # and so many bytes: fewer stay in the first cache anyway
NEAR = 8  # items after a product among which those that join it are looked for


def by_panels(plan: ArrayPlan) -> ArrayPlan:
    """The plan with each product and the elementwise nests after it in blocks of columns."""
    items, at = list(plan.items), 0
    while at < len(items):
        item = items[at]
        if isinstance(item, Kernel) and _is_worth(item):
            items[at:] = _joined(item, items[:at], items[at + 1 :])
        at += 1
    return replace(plan, items=tuple(items))


def _is_worth(kernel: Kernel) -> bool:
    out = kernel.out.buffer
    return kernel.y.shape[-1] >= PANELS * LANES[out.kind] and out.bytes >= WORTH


def _joined(kernel: Kernel, before: Sequence[Item], later: Sequence[Item]) -> list[Item]:
    """A product and what comes later, nests over its output in one loop with it."""
    members, passed = Members(kernel.y.shape[-1]), Flow()
    members.join(product_nest(kernel), len(kernel.out.shape) - 1)
    rest: list[Item] = []
    for item in later[:NEAR]:
        flow = flow_of(item)
        if flow.meets(passed) or not _follows(item, kernel, members):
            passed |= flow
            rest.append(item)
    rest += later[NEAR:]
    if len(members.nests) == 1:
        return [kernel, *later]
    outside = Flow()
    for item in (*before, *rest):
        outside |= flow_of(item)
    windows = Windows(members, outside)
    size = LANES[kernel.out.buffer.kind]
    return [*windows.items(size), *rest]


def _follows(item: Item, kernel: Kernel, members: Members) -> bool:
    """True for a nest over a product's output that has joined it."""
    if not isinstance(item, Nest) or item.shape != kernel.out.shape or item.in_turn:
        return False
    axis = len(item.shape) - 1
    reads = any(x.view.buffer in members.written for x in item.loads)
    adds_along = any(f.into is None or f.into.strides[axis] == 0 for f in item.folds)
    return reads and not adds_along and members.join(item, axis)
