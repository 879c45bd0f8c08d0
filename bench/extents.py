"""One program for every batch size, against a program for each: what calls and new sizes cost."""

from collections.abc import Callable
from typing import Any

import numpy as np
import optree

import chainrule as cr
from bench.harness import compare
from chainrule.api.recorded import record
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.programs import Programs
from chainrule.circuit.circuit import Circuit
from chainrule.trace.names import with_names

TITLE = "One program for every batch size"
SEEN = 50, 41  # the sizes that the shared program is made from


def network(p: Any, x: Any, y: Any) -> Any:
    W, b, V, c = p
    scores = np.maximum(x @ W + b, 0) @ V + c
    scores = scores - scores.max(axis=1, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def step(*sizes: int) -> Callable[[int], tuple[Any, ...]]:
    """The arguments of a step of a network of these widths, in singles, for a batch."""
    rng = np.random.default_rng(0)
    wide, hidden, classes = sizes
    shapes = ((wide, hidden), (hidden,), (hidden, classes), (classes,))
    p = [0.05 * rng.standard_normal(s, dtype=np.float32) for s in shapes]
    return lambda n: (
        p, rng.standard_normal((n, wide), dtype=np.float32), rng.integers(0, classes, n)
    )


def chain(x: Any) -> Any:
    return (np.exp(x) * np.tanh(x)).mean()


def numbers(*others: int) -> Callable[[int], tuple[Any, ...]]:
    rng = np.random.default_rng(0)
    return lambda n: (rng.standard_normal((n, *others)),)


WORK: tuple[tuple[str, Any, Any, tuple[int, ...]], ...] = (
    ("784-256-10, singles", network, step(784, 256, 10), (64, 37, 1000)),
    ("784-1024-10, singles, BLAS", network, step(784, 1024, 10), (64, 37)),
    ("chain of n x 256", chain, numbers(256), (64, 37)),
    ("chain of n", chain, numbers(), (64, 37, 10_007)),
)


def traced(f: Any, args: Any) -> Circuit:
    done = record(f, args, {})
    return with_names(done.circuit, done.trace)


def run(quick: bool) -> None:
    rounds = 5 if quick else 31
    for name, f, given, extents in WORK:
        both, programs = cr.value_and_grad(f), Programs()
        for n in SEEN:
            compiled(traced(both, given(n)), 1, programs)
        for n in extents:
            print(f"\n{name}, n = {n}: a call")
            time_calls(both, given(n), programs, rounds)
        print(f"\n{name}: what a new size costs (with CHAINRULE_CACHE=off)")
        time_sizes(both, given(extents[0]), programs, min(rounds, 7))


def time_calls(f: Any, args: Any, programs: Programs, rounds: int) -> None:
    circuit, leaves = traced(f, args), optree.tree_leaves(args)
    own, shared = compiled(circuit), compiled(circuit, 1, programs)
    compare(
        {"own": lambda: own(*leaves), "shared": lambda: shared(*leaves)},
        rounds=rounds, singles=15,
    )


def time_sizes(f: Any, args: Any, programs: Programs, rounds: int) -> None:
    compare({
        "own": lambda: compiled(traced(f, args)),
        "shared": lambda: compiled(traced(f, args), 1, programs),
        "trace alone": lambda: traced(f, args),
    }, rounds=rounds, target=0.001)
