"""Tracks: which trunk runs where in the channel between two columns.

A trunk comes from the left at one height, runs along its track, and leaves to the right at the
heights of its readers. With a left of b, a's ends cross b where they fall between b's heights, and
b's beginning crosses a. A beginning and an end at one height would run over each other unless the
beginning's track is further left; where two trunks both ask that, one takes two tracks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from chainrule.views.layout.graph import Point

CLOSE = 6  # heights nearer than this would look like one line
OVERLAID = 1000  # as bad as this many crossings
WRONG_WAY = 1_000_000
PASSES = 8
MANY = 150  # trunks in one channel above which only neighbours change places


@dataclass(frozen=True, slots=True)
class End:
    """Where a trunk leaves a channel: at a vertex's port."""

    vertex: int
    port: int
    y: float


@dataclass(frozen=True, slots=True)
class Trunk:
    """The wires of one vertex in the channel after it."""

    y: float
    ends: tuple[End, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """The tracks of a trunk: none if it is straight, one, or two joined at height `middle`."""

    tracks: tuple[int, ...] = ()
    middle: float = 0.0

    def corners(self, trunk: Trunk, end: End, x: Sequence[float]) -> list[Point]:
        """The corners of the wire to one end; x has a place for each track."""
        heights = [trunk.y, self.middle, end.y] if len(x) == 2 else [trunk.y, end.y]
        return [
            (at, y) for at, step in zip(x, pairwise(heights), strict=False)
            if step[0] != step[1] for y in step
        ]


@dataclass(eq=False, slots=True)
class _Run:
    """A stretch along one track."""

    trunk: int
    part: int
    begin: float
    ends: list[float]
    low: float = field(init=False)
    high: float = field(init=False)

    def __post_init__(self) -> None:
        self.low, self.high = min(self.begin, *self.ends), max(self.begin, *self.ends)

    def meets(self, other: "_Run") -> bool:
        return self.low < other.high + CLOSE and other.low < self.high + CLOSE

    def covers(self, y: float) -> bool:
        return self.low < y < self.high


def assigned(channel: Sequence[Trunk]) -> list[Course]:
    """A course for each trunk, with few crossings; no two run over each other."""
    runs = [
        _Run(i, 0, t.y, [e.y for e in t.ends]) for i, t in enumerate(channel)
        if any(e.y != t.y for e in t.ends)
    ]
    taken = {y for t in channel for y in (t.y, *(e.y for e in t.ends))}
    while True:
        runs = _ordered(runs)
        overlaid = _overlaid(runs)
        if overlaid is None:
            break
        middle = _free(overlaid, taken)
        taken.add(middle)
        runs.remove(overlaid)
        runs += [
            _Run(overlaid.trunk, 0, overlaid.begin, [middle]),
            _Run(overlaid.trunk, 1, middle, overlaid.ends),
        ]
    return _courses(len(channel), runs)


def _courses(size: int, runs: Sequence[_Run]) -> list[Course]:
    """Each run as far left as those before it allow."""
    found = [Course()] * size
    track: list[int] = []
    for i, run in enumerate(runs):
        track.append(1 + max((track[j] for j in range(i) if runs[j].meets(run)), default=-1))
        before = found[run.trunk].tracks
        found[run.trunk] = Course((*before, track[i]), run.begin if run.part else 0.0)
    return found


def _cost(a: _Run, b: _Run) -> int:
    """Crossings with a left of b."""
    if a.trunk == b.trunk:
        return WRONG_WAY if a.part > b.part else 0
    crossings = sum(b.covers(y) for y in a.ends) + a.covers(b.begin)
    return crossings + OVERLAID * any(abs(y - b.begin) < CLOSE for y in a.ends)


def _ordered(runs: Sequence[_Run]) -> list[_Run]:
    """From left to right: those going down from below, then those going up from above; improved."""
    row = sorted(runs, key=lambda r: (0, -r.begin) if r.high > r.begin else (1, r.begin))
    reach = len(row) if len(row) <= MANY else 1
    excess = {
        (a, b): _cost(a, b) - _cost(b, a) for a in row for b in row if a is not b and a.meets(b)
    }
    for _ in range(PASSES):
        if not sum(_move(run, row, excess, reach) for run in row[:]):
            break
    return row


def _move(
    run: _Run, row: list[_Run], excess: dict[tuple[_Run, _Run], int], reach: int
) -> bool:
    """Put one run at its best place; False when it stands there."""
    at = row.index(run)
    best, place, total = 0, at, 0
    for i in range(at - 1, max(at - 1 - reach, -1), -1):
        total += excess.get((run, row[i]), 0)
        if total < best:
            best, place = total, i
    total = 0
    for i in range(at + 1, min(at + 1 + reach, len(row))):
        total += excess.get((row[i], run), 0)
        if total < best:
            best, place = total, i
    row.insert(place, row.pop(at))
    return best < 0


def _overlaid(runs: Sequence[_Run]) -> _Run | None:
    """A whole trunk that still runs over another one."""
    for i, a in enumerate(runs):
        for b in runs[i + 1 :]:
            if a.meets(b) and OVERLAID <= _cost(a, b) < WRONG_WAY:
                whole = (r for r in (a, b) if sum(o.trunk == r.trunk for o in runs) == 1)
                return next(whole, None)
    return None


def _free(run: _Run, taken: set[float]) -> float:
    """A height near the middle of a run that no other wire has."""
    middle = round((run.low + run.high) / 2)
    steps = (step for k in range(10_000) for step in (k, -k))
    return next(
        float(middle + step) for step in steps
        if all(abs(middle + step - y) >= CLOSE for y in taken)
    )
