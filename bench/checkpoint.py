"""Memory and time of a gradient with and without `checkpoint`, on a chain of 64 blocks."""

import gc
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import chainrule as cr
from bench.harness import compare

TITLE = "value_and_grad of 64 blocks of 8 gates on arrays of 1e5, checkpointed or not"
BLOCKS = 64
SIZE = 100_000


def block(h: Any) -> Any:
    a = np.tanh(h * 0.9)
    b = a * h
    return h + 0.1 * np.exp(-b * b)


def eight(h: Any) -> Any:
    return repeated(block, 8)(h)


def eight_checkpointed(h: Any) -> Any:
    return repeated(cr.checkpoint(block), 8)(h)


def repeated(step: Callable[[Any], Any], count: int) -> Callable[[Any], Any]:
    def steps(h: Any) -> Any:
        for _ in range(count):
            h = step(h)
        return h

    return steps


def loss(steps: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: (steps(x) ** 2).sum()


WAYS = {
    "plain": loss(repeated(block, BLOCKS)),
    "each block": loss(repeated(cr.checkpoint(block), BLOCKS)),
    "each eight blocks": loss(repeated(cr.checkpoint(eight), BLOCKS // 8)),
    "each eight, and each": loss(repeated(cr.checkpoint(eight_checkpointed), BLOCKS // 8)),
}


def peak(call: Callable[[], Any]) -> int:
    """Bytes that a call takes at the most."""
    gc.collect()
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def run(quick: bool) -> None:
    """Print the peak of each way in arrays of one value, then the times."""
    x = np.linspace(-1.0, 1.0, SIZE)
    calls = {name: partial(cr.value_and_grad(f), x) for name, f in WAYS.items()}
    for name, call in calls.items():
        call()
        bytes_ = peak(call)
        print(f"{name:>20}: peak {bytes_ / 1e6:6.1f} MB, {bytes_ / x.nbytes:5.0f} arrays")
    compare(calls, rounds=3 if quick else 15, reference="plain", warm_up=1)
