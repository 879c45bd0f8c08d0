"""Calls by each way into compiled functions: memory and references stay as they were.

The ways: results, errors and fallbacks, of functions of numbers, of arrays, and of index arrays,
by generated calls and by plain ones, each in a process of its own. References are counted of every
argument, of what the jitted function holds, and of the results that were kept.
"""

import os
import subprocess
import sys

from bench.harness import fell_back

TITLE = "memory and references over a million calls, by generated and by plain calls"
CALLS = {"generated": 1_000_000, "plain": 125_000}  # by each of the eight ways
FLAT = 1 << 21  # bytes that a process may grow; a float kept at each of 125,000 calls takes 3 MB

CHILD = """
import gc, os, sys
from contextlib import suppress
import numpy as np
import chainrule as cr
from chainrule.errors import ShapeError

def resident():
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * os.sysconf("SC_PAGESIZE")

def neuron(w0, x0, w1, x1, w2):
    return 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2)))

def chosen(x, i):
    return (x[i] ** 2).sum()

def signed(x):
    return x * 2 if x > 0 else x * x

numbers, x, i = (2.0, -1.0, -3.0, -2.0, -3.0), np.arange(4.0), np.array([1, 2])
wrong, strided = np.array([1, 7]), np.arange(8.0)[::2]
scalar = cr.jit(cr.value_and_grad(neuron, (0, 1, 2, 3, 4)))
array = cr.jit(cr.value_and_grad(lambda x: (x * x).sum()))
picks = cr.jit(cr.value_and_grad(chosen))
ways = cr.jit(signed)

def failing():
    with suppress(ShapeError):
        picks(x, wrong)

def other_way():
    ways(-1.5)
    ways(1.5)

ROUTES = {
    "numbers": lambda: scalar(*numbers), "an array": lambda: array(x),
    "picked numbers": lambda: picks(x, i), "an error": failing, "another way": other_way,
    "by keyword": lambda: ways(x=1.5), "a strided array": lambda: array(strided),
    "whole numbers": lambda: ways(2),
}

def held():
    gc.collect()
    touched = [*numbers, x, i, wrong, strided, scalar, array, picks, ways]
    touched += [o for run in (scalar, array, picks, ways) for o in gc.get_referents(run)]
    touched += kept
    counts = [sys.getrefcount(o) for o in touched]
    del touched
    return counts

for call in ROUTES.values():
    for _ in range(5):
        call()
assert all(run.is_compiled for run in (scalar, array, picks, ways)), "NOT COMPILED"
kept = [scalar(*numbers), array(x), picks(x, i), ways(1.5)]
for name, call in ROUTES.items():
    for _ in range(5_000):
        call()
    counts, size = held(), resident()
    for _ in range(CALLS):
        call()
    grown = resident() - size
    assert grown < FLAT, f"{name}: {grown:,} bytes more"
    assert held() == counts, f"{name}: references grew"
    print(f"  {name:16} {grown / 1024:8.0f} KiB more, references as before", flush=True)
"""


def run(quick: bool) -> None:
    """Print how memory grew by each way; raises where one leaks."""
    for kind, full in CALLS.items():
        calls = full // 50 if quick else full
        code = CHILD.replace("CALLS", str(calls)).replace("FLAT", str(FLAT))
        print(f"{calls:,} {kind} calls each:", flush=True)
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"CHAINRULE_CALL": kind}
        )
        if done.returncode:
            fell_back.append(f"{kind} calls leak, or are not compiled")
