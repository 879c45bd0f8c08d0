"""Items that share an extent, as one loop over blocks of its places.

A circuit over N points whose nests wait for sums along other axes writes and reads arrays of N rows
between them. Run for a block of points after another, the same nests leave them in the cache:

    nest [1000, 25, 10]  ...  store a           blocks of 32 of 1,000
    nest [1000, 25, 10]  load a ... store b  =>   nest [25, 10, 32]  ...  store a
    nest [1000, 25]      load b ... fold c        nest [25, 10, 32]  load a ... store b
                                                  nest [25, 32]      load b ... fold c

A block keeps its places side by side, so the lanes are places whatever the other axes are. An item
joins if it keeps to its place in all that the others write; one that needs a sum over all places
runs after the blocks, one that needs nothing of theirs before. Sums over the places go on from
block to block in order. The size of a block follows from the shapes alone, and so do the results.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from chainrule.backends.llvm.flow import Flow, Passed, flow_of, touches
from chainrule.backends.llvm.members import Members, as_nest
from chainrule.backends.llvm.nests import ArrayPlan, Buffer, Item, Nest
from chainrule.backends.llvm.windows import Windows

CACHE = 1 << 19  # bytes that a block's arrays have together: they should stay in the second cache
STEP, LARGEST = 32, 256  # a block is a multiple of the lanes, and not longer than pays
WORTH = 1 << 16  # bytes no longer written to memory; fewer stay in the cache anyway
SHORT = 64  # numbers in a row; in longer ones the lanes are well used already
FAR = 32  # items that could not join, one after another: then those behind them hardly can
LEAST_SAVED = 4  # numbers kept in the block for each that is turned on its way in or out


@dataclass(frozen=True, slots=True)
class _Piece:
    """An item of the plan; what it reads and writes; as a nest, where it may be one."""

    item: Item
    flow: Flow
    nest: Nest | None


def blocked(plan: ArrayPlan) -> ArrayPlan:
    """The plan with the items of each long extent in blocks, where it pays."""
    pieces = _pieces(plan.items)
    counts = touches(p.flow for p in pieces)
    for extent in _extents(pieces):
        pieces = _with_blocks(pieces, extent, counts)
    return replace(plan, items=tuple(p.item for p in pieces))


def _pieces(items: Iterable[Item]) -> list[_Piece]:
    return [_Piece(item, flow_of(item), as_nest(item)) for item in items]


def _extents(pieces: Sequence[_Piece]) -> list[int]:
    """Extents of two blocks and more whose nests write enough between them, the longest first."""
    between: Counter[int] = Counter()
    for nest in (p.nest for p in pieces if p.nest is not None):
        targets = [f.into for f in nest.folds if f.into is not None]
        arrays = {v.buffer for v in (*(s.view for s in nest.stores), *targets)}
        for n in set(nest.shape):
            between[n] += sum(b.bytes for b in arrays if b.role == "arena")
    return sorted((n for n in between if n >= 2 * STEP and between[n] >= WORTH), reverse=True)


def _with_blocks(
    pieces: list[_Piece], extent: int, counts: Mapping[Buffer, int]
) -> list[_Piece]:
    """The items, those of one extent in blocks: as many at once as may run together."""
    done: list[_Piece] = []
    while pieces:
        before, members, after, first = _parted(pieces, extent)
        windows = Windows(members, counts)
        size = _size(windows) if len(members.nests) > 1 else 0
        if size:
            done += [*before, *_pieces(windows.items(size))]
            pieces = after
        else:
            done += pieces[:first]
            pieces = pieces[first:]
    return done


def _parted(
    pieces: list[_Piece], extent: int
) -> tuple[list[_Piece], Members, list[_Piece], int]:
    """What runs before the blocks, in them and after them; the place of the first item after."""
    members = Members(extent)
    before: list[_Piece] = []
    after: list[_Piece] = []
    inside, beyond, first, late = Passed(), Passed(), len(pieces), 0
    for at, piece in enumerate(pieces):
        is_late = beyond.meets(piece.flow)
        if not is_late and piece.nest is not None and members.take(piece.nest, piece.flow.uses):
            inside.add(piece.flow)
            late = 0
        elif not is_late and not inside.meets(piece.flow):
            before.append(piece)
        else:
            first, late = min(first, at), late + 1
            after.append(piece)
            beyond.add(piece.flow)
        if late == FAR:
            return before, members, after + pieces[at + 1 :], first
    return before, members, after, first


def _size(windows: Windows) -> int:
    """How many places a block has; 0 where blocks do not pay."""
    members = windows.members
    own, turned = (sum(b.bytes for b in buffers) for buffers in (windows.local, windows.moved))
    if own < WORTH or own < LEAST_SAVED * turned or not any(map(_is_short, members.nests)):
        return 0
    place = (own + turned) // members.extent
    size = max((CACHE // place + STEP // 2) // STEP * STEP, STEP)
    size = min(size, LARGEST) if size * place <= 2 * CACHE else 0
    return size if size < members.extent or _mostly_turns(members) else 0


def _is_short(member: tuple[Nest, int]) -> bool:
    """True for nests whose rows, beside the axis of the blocks, fill few vectors."""
    nest, axis = member
    others = [n for a, n in enumerate(nest.shape) if a != axis and n > 1]
    return bool(others) and others[-1] < SHORT


def _mostly_turns(members: Members) -> bool:
    """True where most of the work is in short rows, whose lanes are the places in a block only."""
    work = [(prod(nest.shape), axis < len(nest.shape) - 1 and _is_short((nest, axis)))
            for nest, axis in members.nests]
    return 2 * sum(n for n, turns in work if turns) >= sum(n for n, _ in work)
