"""Staged code that keeps fewer values: forward lines in segments, printed again where needed.

    a = x * 2     # (1)          forward, segment by segment; at the end of one, what neither the
    b = a * x     # (2)          segments after it nor the backward pass will read is deleted
    del a
    f = b * b     # (3)

    db = 2 * b    # (3)          backward, segment by segment; before one, the forward lines it
    del b                        needs are printed again, and after it they are deleted again
    a = x * 2     # (1) again
    da = x * db   # (2)

What a later segment reads, its *base*, is kept; so every line is printed again at most once in the
segment it belongs to. With s segments of n / s lines at most about s + n / s values are kept: least
for s = sqrt(n).
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isqrt

from chainrule.circuit.notes import Region
from chainrule.code.forward import Line

LONGEST = 90  # characters in a line of deletions
OUTSIDE = None  # no region: the values of such lines are kept


@lru_cache(maxsize=2**16)
def names_in(statement: str) -> tuple[frozenset[str], frozenset[str]]:
    """The variables a statement reads, and those it assigns."""
    (tree,) = ast.parse(statement).body
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    assigned: set[str] = set()
    if isinstance(tree, ast.Assign):
        assigned.update(t.id for t in tree.targets if isinstance(t, ast.Name))
    elif isinstance(tree, ast.AugAssign) and isinstance(tree.target, ast.Name):
        assigned.add(tree.target.id)
        read.add(tree.target.id)
    return frozenset(read), frozenset(assigned)


def most_held(lines: Iterable[Line]) -> int:
    """The most variables that lines hold at once, one after another; arguments are not counted."""
    held: set[str] = set()
    most = 0
    for line in lines:
        held |= names_in(line.text)[1]
        held.difference_update(line.deletes)
        most = max(most, len(held))
    return most


def segments_of(lines: Sequence[Line], regions: Sequence[Region]) -> list[tuple[int, bool]]:
    """Per forward line its segment, counted from 0, and whether that lies outside all regions.

    The user's regions part the lines, at each begin and end; without any, about sqrt(n) lines make
    a segment.
    """
    if not regions:
        size = isqrt(len(lines) - 1) + 1 if lines else 1
        return [(index // size, False) for index in range(len(lines))]
    around = [_innermost(line.wire, regions) for line in lines]
    found: list[tuple[int, bool]] = []
    for index, region in enumerate(around):
        count = found[-1][0] if found else -1
        found.append((count + (index == 0 or region != around[index - 1]), region is OUTSIDE))
    return found


def _innermost(row: int, regions: Sequence[Region]) -> Region | None:
    """The shortest region round a row."""
    found = [r for r in regions if r.first <= row < r.stop]
    return min(found, key=lambda r: r.stop - r.first, default=OUTSIDE)


def recomputing(
    lines: Sequence[Line], regions: Sequence[Region], returned: Iterable[str]
) -> tuple[Line, ...]:
    """The lines of a program rearranged to keep fewer values, for the same bits.

    returned: variables that must be there at the end.
    """
    plan = _Plan.of(lines, regions)
    if len(plan.segments) < 2:
        return tuple(lines)
    blocks = plan.blocks([line for line in lines if line.is_backward])
    return tuple(plan.arranged(blocks, frozenset(returned)))


@dataclass(frozen=True)
class _Block:
    """The backward lines of a segment, the forward lines they need again, the bases they need."""

    again: tuple[Line, ...]
    lines: tuple[Line, ...]
    bases: frozenset[str]


@dataclass(frozen=True)
class _Plan:
    """The forward lines by segment; which line makes a variable; which variables are bases."""

    segments: tuple[tuple[Line, ...], ...]
    outside: frozenset[int]  # segments that lie outside of all regions
    segment_of: tuple[int, ...]  # by the line's number, less 1
    maker: dict[str, Line]
    bases: frozenset[str]

    @classmethod
    def of(cls, lines: Sequence[Line], regions: Sequence[Region]) -> "_Plan":
        forward = [line for line in lines if not line.is_backward]
        found = segments_of(forward, regions)
        at = tuple(segment for segment, _ in found)
        count = at[-1] + 1 if at else 0
        segments = tuple(
            tuple(line for line, s in zip(forward, at, strict=True) if s == segment)
            for segment in range(count)
        )
        maker = {name: line for line in forward for name in names_in(line.text)[1]}
        made_in = {name: at[line.number - 1] for name, line in maker.items()}
        outside = frozenset(segment for segment, is_outside in found if is_outside)
        bases = {n for n, segment in made_in.items() if segment in outside | {count - 1}}
        for segment, line in zip(at, forward, strict=True):
            bases |= {n for n in names_in(line.text)[0] if made_in.get(n, segment) < segment}
        return cls(segments, outside, at, maker, frozenset(bases))

    def blocks(self, backward: Sequence[Line]) -> list[_Block]:
        """The backward lines by the segment they differentiate, in their order, the last first."""
        found: list[list[Line]] = [[]]
        current = len(self.segments) - 1
        for line in backward:
            segment = self.segment_of[line.number - 1] if line.number else current
            if segment < current:  # an unnamed wire may be differentiated later than its line
                current = segment
                found.append([])
            found[-1].append(line)
        return [self._block(lines) for lines in found if lines]

    def _block(self, lines: Sequence[Line]) -> _Block:
        """What a block needs: bases as they are, other variables from their lines again."""
        waiting = [name for line in lines for name in names_in(line.text)[0]]
        needed: set[str] = set()
        again: dict[int, Line] = {}
        while waiting:
            name = waiting.pop()
            if name in needed or name not in self.maker:
                continue
            needed.add(name)
            if name not in self.bases:
                line = self.maker[name]
                again[line.number] = replace(line, is_backward=True, is_again=True)
                waiting.extend(names_in(line.text)[0])
        ordered = tuple(again[number] for number in sorted(again))
        return _Block(ordered, tuple(lines), frozenset(needed & self.bases))

    def arranged(self, blocks: Sequence[_Block], returned: frozenset[str]) -> Iterable[Line]:
        """All lines in their new order, with lines that delete between them."""
        held: dict[str, None] = {}  # a set in order
        wanted = returned.union(*(block.bases for block in blocks))
        last = _last_use([_read_by(lines) for lines in self.segments])
        for index, lines in enumerate(self.segments):
            yield from _holding(lines, held)
            if index not in self.outside and index + 1 < len(self.segments):
                over = [n for n in held if n not in wanted and last.get(n, 0) <= index]
                yield from _deletions(over, held, is_backward=False)
        last = _last_use([b.bases | _read_by(b.lines) - self.maker.keys() for b in blocks])
        for index, block in enumerate(blocks):
            yield from _holding((*block.again, *block.lines), held)
            if index + 1 < len(blocks):
                over = [n for n in held if n not in returned and last.get(n, 0) <= index]
                yield from _deletions(over, held, is_backward=True)


def _read_by(lines: Iterable[Line]) -> frozenset[str]:
    return frozenset().union(*(names_in(line.text)[0] for line in lines))


def _last_use(uses: Sequence[Iterable[str]]) -> dict[str, int]:
    """Per variable, the last place where it is used."""
    return {name: index for index, names in enumerate(uses) for name in names}


def _holding(lines: Iterable[Line], held: dict[str, None]) -> Iterable[Line]:
    """The lines, noting what they assign."""
    for line in lines:
        held.update(dict.fromkeys(sorted(names_in(line.text)[1])))
        yield line


def _deletions(
    names: Sequence[str], held: dict[str, None], *, is_backward: bool
) -> Iterable[Line]:
    """Lines that delete variables."""
    row: list[str] = []
    for name in names:
        del held[name]
        if row and len(", ".join([*row, name])) > LONGEST:
            yield _deletion(row, is_backward)
            row = []
        row.append(name)
    if row:
        yield _deletion(row, is_backward)


def _deletion(names: Sequence[str], is_backward: bool) -> Line:
    return Line(f"del {', '.join(names)}", 0, is_backward, "", deletes=tuple(names))
