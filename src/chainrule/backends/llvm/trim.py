"""What a plan does not need: loads and steps nobody reads, and loops that do nothing."""

from collections.abc import Sequence

from chainrule.backends.llvm.nests import (
    Blocks,
    Buffer,
    Dots,
    Fetch,
    Item,
    Kernel,
    Nest,
    Product,
    Scan,
    Sort,
    View,
)
from chainrule.backends.llvm.values import Value


def needed_items(items: Sequence[Item], outputs: Sequence[Value | View]) -> list[Item]:
    """The items that the outputs depend on, each without what nothing after it reads."""
    wanted = {x.name for x in outputs if isinstance(x, Value)}
    read = {x.buffer for x in outputs if isinstance(x, View)}
    kept: list[Item] = []
    for item in reversed(items):
        if _is_needed(item, wanted, read):
            kept.append(item)
    return kept[::-1]


def _is_needed(item: Item, wanted: set[str], read: set[Buffer]) -> bool:
    """Whether anything after an item depends on it; if so, what it depends on is noted."""
    if isinstance(item, Nest):
        _trim(item, wanted, read)
        read.update(x.view.buffer for x in item.loads)
        return bool(item.stores or item.folds)
    if isinstance(item, Blocks):  # of needed items
        read.update(v.buffer for v in item.views())
        return True
    if isinstance(item, Product | Kernel | Dots | Scan | Sort):
        needed = item.out.buffer in read
        read.update(v.buffer for v in item.views() if needed)
        return needed
    if item.value.name not in wanted:
        return False
    if isinstance(item, Fetch):
        read.add(item.view.buffer)
    else:
        wanted.update(x.name for x in item.operands)
    return True


def _trim(nest: Nest, wanted: set[str], read: set[Buffer]) -> None:
    nest.stores = [s for s in nest.stores if s.view.buffer in read]
    nest.folds = [
        f for f in nest.folds
        if (f.into.buffer in read if f.into is not None else f.value.name in wanted)
    ]
    inside = {x.name for f in nest.folds for x in f.sources}
    for s in nest.stores:
        inside.update((s.value.name, *(x.name for x, *_ in s.picks)))
    steps = []
    for step in reversed(nest.steps):
        if step.value.name in inside:
            inside.update(x.name for x in step.operands)
            steps.append(step)
    nest.steps = steps[::-1]
    for load in reversed(nest.loads):  # indices are loaded before what they pick
        if load.value.name in inside:
            inside.update(x.name for x, *_ in load.picks)
            inside.update([load.table.name] if load.table is not None else [])
    nest.loads = [x for x in nest.loads if x.value.name in inside]
    wanted |= inside
