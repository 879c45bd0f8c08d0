"""Runs: numbers of one pattern at places evenly apart, enough of them for a loop nest.

    x[0] ** 2, x[1] ** 2, ..., x[98] ** 2      a run: the picks are evenly apart
    x[1] - x[0] ** 2, x[2] - x[1] ** 2, ...    a run: its squares are in one

A number whose operands are in no run stays by itself, and so do those that are made of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.scalars import LEAST, Pick, Scalars, Step

At = tuple[Any, int]  # what numbers evenly apart have in common, and where one stands there


@dataclass(frozen=True, slots=True)
class Runs:
    """The numbers of each run in order; per number of one, its run and where it stands there."""

    scalars: Scalars
    members: list[list[int]]
    at: dict[int, tuple[int, int]]

    def place(self, number: int) -> At | None:
        """Where a number stands in its run, or along an array."""
        if number in self.at:
            return self.at[number]
        if isinstance(self.scalars.made[number], Pick) and self.scalars.patterns[number] >= 0:
            return ("pick", self.scalars.patterns[number]), self.scalars.places[number]
        return None


def runs_of(scalars: Scalars) -> Runs:
    """Steps of one pattern, at places evenly apart, of numbers in the same runs."""
    by_pattern: dict[int, list[int]] = {}
    for number in scalars.steps():
        if scalars.patterns[number] >= 0:
            by_pattern.setdefault(scalars.patterns[number], []).append(number)
    runs = Runs(scalars, [], {})
    for numbers in by_pattern.values():
        if len(numbers) >= LEAST:
            for run in _parted(sorted(numbers, key=scalars.places.__getitem__), runs):
                if len(run) >= LEAST:
                    runs.at.update((x, (len(runs.members), k)) for k, x in enumerate(run))
                    runs.members.append(run)
    return runs


def _parted(numbers: Sequence[int], runs: Runs) -> list[list[int]]:
    """Numbers in the order of their places, cut where a run ends."""
    place, parts = runs.scalars.places, list[list[int]]()
    sources: list[Any] | None = None
    for x in numbers:
        before, sources = sources, _sources(x, runs)
        if sources is None:
            continue
        run = parts[-1] if parts and before == sources else []
        if not run or (len(run) > 1 and place[x] - place[run[-1]] != place[run[1]] - place[run[0]]):
            run = []
            parts.append(run)
        run.append(x)
    return parts


def _sources(number: int, runs: Runs) -> list[Any] | None:
    """What the operands of a step are places of, None for those that have none; None in all where
    one is of a pattern, but in no run."""
    step = runs.scalars.made[number]
    assert isinstance(step, Step)
    places = [runs.place(x) for x in step.operands]
    if any(at is None and runs.scalars.patterns[x] >= 0
           for x, at in zip(step.operands, places, strict=True)):
        return None
    return [at and at[0] for at in places]
