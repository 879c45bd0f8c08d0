"""How candidates are timed against each other.

A machine's speed drifts over seconds, so the candidates take turns (A B C, A B C, ...) and are
compared within a round: a ratio of two neighbouring measurements keeps little of the drift, and the
median over the rounds drops the rounds in which something else ran.
"""

import gc
import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from math import floor, log10
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import Any

Candidate = Callable[[], Any]
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()  # as started
fell_back: list[str] = []  # rows whose function was to be machine code and was not


@dataclass(frozen=True)
class Absent:
    """A candidate that cannot be measured here, and why."""

    why: str = "not installed"

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True)
class Timing:
    """One candidate's measurements: seconds for one call, one number for each round."""

    name: str
    calls: int  # in one measurement
    samples: tuple[float, ...]

    @property
    def seconds(self) -> float:
        return median(self.samples)

    def ratio(self, reference: "Timing") -> float:
        """Median over the rounds of this time in units of the reference's time in that round."""
        return median(a / b for a, b in zip(self.samples, reference.samples, strict=True))

    def above(self, reference: "Timing") -> float:
        """Median over the rounds of the seconds by which this call is longer."""
        return median(a - b for a, b in zip(self.samples, reference.samples, strict=True))


def peer(name: str) -> ModuleType | None:
    """The library to compare with, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name != name.partition(".")[0]:
            raise  # installed, but broken
        return None


def headed(title: str, run: Any) -> None:
    """Print a row's title, and whether its jitted function is machine code, as it must be."""
    if not run.is_compiled:
        fell_back.append(title)
    print(f"{title}: {'compiled' if run.is_compiled else 'NOT COMPILED'}")


def compare(
    candidates: Mapping[str, Candidate | Absent | None],
    *,
    rounds: int = 31,
    reference: str | None = None,
    target: float = 0.01,
    warm_up: int = 3,
    pinned: bool = True,
    singles: int = 0,
) -> dict[str, Timing]:
    """Timings of the candidates by name, after printing them as a table.

    A candidate that is None is a library that is not installed: skipped, by name; so is an Absent
    one, which says why.
    reference: the candidate that ratios are taken to (the first one measured by default).
    target: seconds for one measurement, long beside the clock's steps and short beside drift.
    warm_up: calls before the first measurement; three pass a compilation on the second call.
    pinned: keep all candidates on one core; False for those that use several threads, on all.
    singles: a measurement is the fastest of so many single calls, instead of a mean over `target`:
    for calls of 0.1 ms and more on a machine that others use too, who can only add time.
    """
    if reference is not None and reference not in candidates:
        raise ValueError(f"reference {reference!r} is not one of {', '.join(candidates)}")
    present = {name: call for name, call in candidates.items() if callable(call)}
    for name, call in candidates.items():
        if not callable(call):
            print(f"{name}: {getattr(call, 'why', Absent.why)}, skipped")
    timings = measure(present, rounds, target, warm_up, pinned, singles)
    if timings:
        print(table(timings, reference if reference in timings else next(iter(timings))))
    return timings


def measure(
    candidates: Mapping[str, Candidate], rounds: int, target: float, warm_up: int,
    pinned: bool = True, singles: int = 0,
) -> dict[str, Timing]:
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    with cores({max(CORES)} if pinned and CORES else CORES):
        calls = {name: calibrate(call, target, warm_up) for name, call in candidates.items()}
        for _ in range(rounds):
            for name, call in candidates.items():
                samples[name].append(
                    fastest(call, singles) if singles else elapsed(call, calls[name]) / calls[name]
                )
    return {name: Timing(name, calls[name], tuple(samples[name])) for name in candidates}


def calibrate(call: Candidate, target: float, warm_up: int) -> int:
    """How many calls last about `target` seconds; at least one."""
    for _ in range(warm_up):
        call()
    calls = 1
    while (seconds := elapsed(call, calls)) < target / 2:
        calls *= 2
    return max(1, round(calls * target / seconds))


def fastest(call: Candidate, count: int) -> float:
    """Seconds of the fastest of so many calls."""
    seconds = []
    for _ in range(count):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return min(seconds)


def elapsed(call: Candidate, calls: int) -> float:
    """Seconds for that many calls, without the garbage collector's turns."""
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        start = perf_counter()
        for _ in repeat(None, calls):
            call()
        return perf_counter() - start
    finally:
        if was_on:
            gc.enable()


@contextmanager
def cores(chosen: set[int]) -> Iterator[None]:
    """Keeps this process, and those it starts, on some cores where the system allows it."""
    if not chosen:
        yield
        return
    before = os.sched_getaffinity(0)
    with suppress(OSError):  # some containers forbid it
        os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)


@contextmanager
def disk_cache(folder: str) -> Iterator[None]:
    """Has compiled code kept in a folder, or nowhere ("off"), here and in processes started."""
    before = os.environ.get("CHAINRULE_CACHE")
    os.environ["CHAINRULE_CACHE"] = folder
    try:
        yield
    finally:
        os.environ.pop("CHAINRULE_CACHE")
        if before is not None:
            os.environ["CHAINRULE_CACHE"] = before


def table(timings: Mapping[str, Timing], reference: str) -> str:
    """One row for each candidate: median time of a call, and the ratio to the reference."""
    base = timings[reference]
    width = max(map(len, timings))
    head = f"{'':{width}}  {'one call':>10}  {'ratio':>8}   (1 is {reference})"
    rows = [
        f"{name:{width}}  {duration(timing.seconds):>10}  {digits(timing.ratio(base)):>8}"
        for name, timing in timings.items()
    ]
    return "\n".join([head, *rows, f"medians of {len(base.samples)} rounds"])


def duration(seconds: float) -> str:
    """Three significant digits with a unit: 0.0000123 -> 12.3 us."""
    units = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
    unit, scale = next((u for u in units if seconds >= u[1]), units[-1])
    return f"{digits(seconds / scale)} {unit}"


def digits(size: float) -> str:
    """A positive number to three significant digits, never with an exponent."""
    return f"{size:.{max(0, 2 - floor(log10(size)))}f}"
