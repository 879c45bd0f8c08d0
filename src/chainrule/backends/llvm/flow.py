"""What the items of a plan read and write, and so which of them may change places."""

from collections.abc import Iterable
from dataclasses import dataclass

from chainrule.backends.llvm.nests import Blocks, Buffer, Fetch, Item, Nest, Scan, views_of
from chainrule.backends.llvm.plan import Step


@dataclass(frozen=True, slots=True)
class Flow:
    """Buffers read and written; numbers used and made, by name."""

    reads: frozenset[Buffer] = frozenset()
    writes: frozenset[Buffer] = frozenset()
    uses: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()

    def __or__(self, other: "Flow") -> "Flow":
        return Flow(
            self.reads | other.reads, self.writes | other.writes, self.uses | other.uses,
            self.makes | other.makes,
        )

    def meets(self, other: "Flow") -> bool:
        """True where one of the two needs the other before it or after it."""
        return not (
            self.writes.isdisjoint(other.reads) and self.writes.isdisjoint(other.writes)
            and self.reads.isdisjoint(other.writes) and self.makes.isdisjoint(other.uses)
            and self.uses.isdisjoint(other.makes)
        )


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
    return Flow(frozenset([item.x.buffer] if isinstance(item, Scan) else
                          [item.x.buffer, item.y.buffer]), frozenset([item.out.buffer]))


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
