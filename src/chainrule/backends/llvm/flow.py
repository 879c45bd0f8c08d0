"""What the items of a plan read and write, and so which of them may change places."""

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.nests import Blocks, Buffer, Fetch, Item, Nest, Scan, Sort, views_of
from chainrule.backends.llvm.plan import Step


@dataclass(frozen=True, slots=True)
class Flow:
    """Buffers read and written; numbers used and made, by name."""

    reads: Set[Buffer] = frozenset()
    writes: Set[Buffer] = frozenset()
    uses: Set[str] = frozenset()
    makes: Set[str] = frozenset()

    def meets(self, other: "Flow") -> bool:
        """True where one of the two needs the other before it or after it."""
        return not (
            self.writes.isdisjoint(other.reads) and self.writes.isdisjoint(other.writes)
            and self.reads.isdisjoint(other.writes) and self.makes.isdisjoint(other.uses)
            and self.uses.isdisjoint(other.makes)
        )


class Passed:
    """What several items read and write together, as they are passed."""

    def __init__(self) -> None:
        self.flow = Flow(set(), set(), set(), set())

    def add(self, flow: Flow) -> None:
        """One more item."""
        for ours, more in zip(_sets(self.flow), _sets(flow), strict=True):
            ours.update(more)

    def meets(self, flow: Flow) -> bool:
        """True where an item and one of these need each other's order."""
        return flow.meets(self.flow)


def _sets(flow: Flow) -> tuple[Any, ...]:
    return flow.reads, flow.writes, flow.uses, flow.makes


def touches(flows: Iterable[Flow]) -> Counter[Buffer]:
    """How many items touch each buffer."""
    return Counter(b for flow in flows for b in {*flow.reads, *flow.writes})


def flow_of(item: Item) -> Flow:
    """What an item reads and writes."""
    if isinstance(item, Step):
        return Flow(uses=_names(x.name for x in item.operands), makes=_names([item.value.name]))
    if isinstance(item, Fetch):
        return Flow(frozenset([item.view.buffer]), makes=_names([item.value.name]))
    if isinstance(item, Nest):
        return _of_nest(item)
    if isinstance(item, Blocks):
        touched = frozenset(v.buffer for v in views_of(item))
        return Flow(touched, frozenset(b for b in touched if b.role in ("arena", "output")))
    if isinstance(item, Sort):
        written = frozenset([item.out.buffer, item.spare.buffer])
        return Flow(frozenset([item.x.buffer]), written)
    read = [item.x] if isinstance(item, Scan) else [item.x, item.y]
    return Flow(frozenset(v.buffer for v in read), frozenset([item.out.buffer]))


def _of_nest(nest: Nest) -> Flow:
    used = [x for s in nest.steps for x in s.operands]
    used += [x.value for x in nest.stores] + [x for f in nest.folds for x in f.sources]
    used += [x for s in nest.loads for x, *_ in s.picks]
    used += [x for s in nest.stores for x, *_ in s.picks]
    folds = [f.into.buffer for f in nest.folds if f.into is not None]
    return Flow(
        frozenset(x.view.buffer for x in nest.loads),
        frozenset([*(x.view.buffer for x in nest.stores), *folds]),
        _names(x.name for x in used), _names(f.value.name for f in nest.folds if f.into is None),
    )


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names) - {""}
