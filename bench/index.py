"""Reading an array number by number: the gradient costs what is read, not the array each time."""

import time
from typing import Any

import numpy as np

import chainrule as cr
from bench.harness import peer

TITLE = "n reads x[i] * x[i + 1] in a loop, value_and_grad"
LENGTHS = (1_000, 10_000, 100_000)
LIMIT = 10_000  # of a peer that makes a whole array at each read


def products(x: Any) -> Any:
    """The sum of products of neighbours, one at a time."""
    total = 0.0
    for i in range(len(x) - 1):
        total = total + x[i] * x[i + 1]
    return total


def seconds(f: Any, x: Any, rounds: int) -> float:
    """The quickest of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        f(x)
        best = min(best, time.perf_counter() - began)
    return best


def run(quick: bool) -> None:
    """Print time by length, how it grows, and the same of autograd."""
    autograd = peer("autograd")
    lengths = LENGTHS[:2] if quick else LENGTHS
    rounds = 1 if quick else 3
    print(f"{'n':>9} {'chainrule s':>12} {'us/read':>8} {'ratio':>6} "
          f"{'autograd s':>11} {'ratio':>6}")
    before: tuple[float, float] | None = None
    for n in lengths:
        x = np.linspace(0.5, 1.5, n)
        ours = seconds(cr.value_and_grad(products), x, rounds)
        theirs = float("nan")
        if autograd and n <= LIMIT:
            theirs = seconds(autograd.value_and_grad(products), x, 1)
        ratios = (ours / before[0], theirs / before[1]) if before else (float("nan"),) * 2
        print(f"{n:>9} {ours:>12.4f} {ours / n / 2 * 1e6:>8.2f} {ratios[0]:>6.1f} "
              f"{theirs:>11.4f} {ratios[1]:>6.1f}")
        before = ours, theirs
    print("aimed at: a ratio of 10 for ten times the reads")
