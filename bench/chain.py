"""A chain of a million gates, forward and backward: time, memory, and no recursion anywhere.

Each length runs in a process of its own, in a thread with a 256 KiB stack and a recursion limit of
100, and frees everything before it ends. Memory is the peak above what the imports take.
"""

import json
import subprocess
import sys
from typing import Any

TITLE = "A chain of scalar gates, forward and backward"
LENGTHS = (10_000, 100_000, 1_000_000)

CHILD = """
import gc, json, resource, sys, threading, time
import numpy as np
import chainrule as cr
from chainrule.trace.trace import Trace
from chainrule.trace.traced import traced
from chainrule.transform.recorder import with_backward

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def chain(x):
    y = x
    for _ in range(GATES // 2):
        y = y * x
        y = y - 0.25
    return y

def work():
    sys.setrecursionlimit(100)
    start = peak()
    began = time.perf_counter()
    value, gradient = cr.value_and_grad(chain)(0.5)
    eager = time.perf_counter() - began
    eager_bytes = peak() - start
    assert np.isfinite(gradient)
    gc.collect()
    began = time.perf_counter()
    trace = Trace()
    out = chain(traced(trace, trace.input(0.5, "x"), 0.5))
    trace.close()
    circuit = trace.circuit([out.wire])
    forward = circuit.nbytes
    both = with_backward(circuit, out.wire, circuit.inputs)
    built = time.perf_counter() - began
    columns, rows = both.nbytes, len(both)
    del trace, circuit, both, out
    gc.collect()
    print(json.dumps(dict(eager=eager, eager_bytes=eager_bytes, built=built, forward=forward,
                          columns=columns, rows=rows, peak=peak() - start)))

cr.grad(lambda x: x * x)(1.0)
threading.stack_size(256 * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def measure(gates: int) -> dict[str, Any]:
    """One length in a process of its own."""
    code = CHILD.replace("GATES", str(gates))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def run(quick: bool) -> None:
    """Print time and memory by length, and how time grows."""
    lengths = LENGTHS[:2] if quick else LENGTHS
    found = {n: min((measure(n) for _ in range(3)), key=lambda m: m["eager"]) for n in lengths}
    print(f"{'gates':>9} {'eager s':>9} {'us/gate':>8} {'peak B/gate':>12} "
          f"{'columns s':>10} {'fwd B/gate':>11} {'fwd+bwd B/gate':>15}")
    for n, m in found.items():
        print(f"{n:>9} {m['eager']:>9.3f} {m['eager'] / n * 1e6:>8.2f} "
              f"{m['eager_bytes'] / n:>12.0f} {m['built']:>10.3f} {m['forward'] / n:>11.0f} "
              f"{m['columns'] / n:>15.0f}")
    largest, before = lengths[-1], lengths[-2]
    ratio = found[largest]["eager"] / found[before]["eager"]
    built = found[largest]["built"] / found[before]["built"]
    print(f"time({largest}) / time({before}): eager {ratio:.1f}, columns {built:.1f} (aim <= 13)")
    print("bytes a gate aimed at: 200. Every run: recursion limit 100, 256 KiB stack.")
