"""How long compiling takes, by the number of gates: the first time, and from the disk cache.

The time from circuit to callable is taken to grow as a power of the number of gates; the exponent
printed fits the larger half of the sizes. Where matplotlib is installed, a plot is written too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

import chainrule as cr
from bench.arrays import chain
from bench.harness import disk_cache, duration, peer
from chainrule.api.recorded import record
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.targets import cache, cpu
from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.types import FLOAT, TYPES
from chainrule.gates.elementwise import maximum
from chainrule.gates.functions import tanh
from chainrule.gates.handle import Handle

TITLE = "compile time by the number of gates, circuit to callable (codegen level 1, no passes)"
NUMBERS = (10, 20, 50, 100, 200, 500, 1000, 2000)
ARRAYS = (10, 20, 50, 100, 200, 500)
PLOT = Path("build/compile_times.svg")


def mixed(gates: int) -> Circuit:
    """A circuit of numbers, each gate reading two wires not far back."""
    b = Builder("mixed")
    wires = [Handle(b, b.input(TYPES[FLOAT], name)) for name in "xy"]
    kinds = (lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x - y, maximum,
             lambda x, y: tanh(x))
    while len(wires) < gates + 2:
        at = len(wires)
        wires.append(kinds[at % 5](wires[-1], wires[at * 7 % min(at, 30) - min(at, 30)]))
    return b.build([wires[-1].wire])


def arrays(gates: int) -> Circuit:
    """The same kinds of gates on arrays of 1,000 numbers, a mean after every twenty."""
    kinds = (lambda x, y: x + y, lambda x, y: x * 0.9, lambda x, y: x - y, np.maximum,
             lambda x, y: np.tanh(x))

    def f(x: Any, y: Any) -> Any:
        before, now = x, y
        for k in range(gates):
            before, now = now, now.mean() * x if k % 20 == 19 else kinds[k % 5](now, before)
        return now

    x = np.linspace(-1, 1, 1000)
    return record(f, (x, x), {}).circuit


@dataclass(frozen=True)
class Row:
    """Seconds to compile so many gates."""

    gates: int
    fresh: float  # without a disk cache
    missed: float  # kept on disk for the next time
    found: float  # read from there
    text: float  # the same, without plan and text


def measured(circuit: Circuit, gates: int, rounds: int) -> Row:
    """A circuit compiled without the disk cache, with an empty one, and with a full one."""
    with disk_cache("off"):
        fresh = compile_time(circuit, rounds)
    missed = []
    for _ in range(rounds):
        with TemporaryDirectory() as folder, disk_cache(folder):
            assert cache.opened(), f"{folder} is no safe place for compiled code"
            missed.append(_seconds(lambda: compiled(circuit)))
            found = compile_time(circuit, rounds)
            text = compiled(circuit).text
            loaded = median(_seconds(lambda t=text: cpu.compile_text(t)) for _ in range(rounds))
    return Row(gates, fresh, median(missed), found, loaded)


def compile_time(circuit: Circuit, rounds: int) -> float:
    compiled(circuit)  # the first loads llvmlite, and fills the cache where one is used
    return median(_seconds(lambda: compiled(circuit)) for _ in range(rounds))


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The power of the size with which the time grows, over the larger half."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(seconds[half:]), 1)[0])


def run(quick: bool) -> None:
    """Print the times by size and how they grow; draw them where matplotlib is there."""
    rounds, step = (3, 2) if quick else (7, 1)
    curves: dict[str, list[Row]] = {}
    for title, build, sizes in (
        ("gates on numbers", mixed, NUMBERS[::step]), ("gates on arrays", arrays, ARRAYS[::step]),
    ):
        print(f"{title:>20} {'fresh':>9} {'and kept':>9} {'from disk':>9} {'from text':>9}")
        curves[title] = []
        for row in _rows(build, sizes, rounds):
            curves[title].append(row)
            _print(str(row.gates), row)
        gates = [row.gates for row in curves[title]]
        fresh = exponent(gates, [row.fresh for row in curves[title]])
        found = exponent(gates, [row.found for row in curves[title]])
        print(f"time grows as gates^{fresh:.2f}, from disk as gates^{found:.2f}\n")
    x = np.linspace(-1, 1, 1000)
    _print("20 steps on arrays", measured(record(chain, (x,), {}).circuit, 20, rounds))
    both = record(cr.value_and_grad(chain), (x,), {}).circuit
    _print("with gradient", measured(both, 40, rounds))
    _draw(curves)


def _rows(build: Callable[[int], Circuit], sizes: tuple[int, ...], rounds: int) -> Iterator[Row]:
    for gates in sizes:
        yield measured(build(gates), gates, rounds)


def _print(title: str, row: Row) -> None:
    times = (row.fresh, row.missed, row.found, row.text)
    print(f"{title:>20}", *(f"{duration(t):>9}" for t in times))


def _draw(curves: dict[str, list[Row]]) -> None:
    if not peer("matplotlib"):
        print("matplotlib: not installed, no plot")
        return
    from matplotlib.figure import Figure

    axes = (figure := Figure((5, 3.5), layout="constrained")).subplots()
    for k, (title, rows) in enumerate(curves.items()):
        for name, said, style in (("fresh", "", "o-"), ("found", ", from the disk cache", "o--")):
            times = [1e3 * getattr(row, name) for row in rows]
            axes.loglog([row.gates for row in rows], times, style, color=f"C{k}", ms=3,
                        label=title + said)
    axes.set(xlabel="gates", ylabel="ms to compile")
    axes.legend(fontsize="small")
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT)
    print(f"drawn in {PLOT}")


def _seconds(call: Callable[[], Any]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start
