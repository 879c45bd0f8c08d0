"""Memory of one compiled step, each library in a process of its own.

Above what the process has with its imports and its data: the most it ever has, compiling included;
what it keeps when that is done; and the most that it has during one more step, what it keeps
included.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Absent, fell_back

TITLE = "peak memory of one compiled value and gradient, in a process of its own"
LIBRARY = {"chainrule jit": "chainrule", "jax": "jax", "torch eager": "torch",
           "torch.compile": "torch"}
STEPS = {
    "784-256-128-10 network, batch 1,024, float32":
        "layers, network((784, 256, 128, 10), 1024, np.float32)",
    "20 steps with exp, log, tanh, sin on 1,000,000 float64":
        "chain, (np.random.default_rng(1).normal(size=1_000_000),)",
}

CHILD = """
import ctypes, gc, json, sys
import numpy as np
from bench.arrays import ROUTES, chain, layers, network

f, args = STEP
call = ROUTES["NAME"](f, args)
if not call:
    sys.exit(call.why)

def of_status(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))

def peak_of(work):
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")  # the peak so far is forgotten
    before = of_status("VmRSS:")
    found = work()
    return before, of_status("VmHWM:"), found

def several():
    for _ in range(3):
        found = call(*args)
    return float(found[0]), getattr(call, "is_compiled", True)

start, compiling, (value, is_compiled) = peak_of(several)
kept, step, _ = peak_of(lambda: call(*args))
print(json.dumps(dict(compiling=compiling - start, kept=kept - start, step=step - start,
                      value=value, is_compiled=is_compiled)))
"""


def run(quick: bool) -> None:
    """Print each library's memory, after comparing the values."""
    if not Path("/proc/self/clear_refs").exists():
        print("this system does not tell the peak of a process: skipped")
        return
    for title, step in STEPS.items():
        found = {name: measured(name, step) for name in LIBRARY}
        ours = found["chainrule jit"]
        if not ours["is_compiled"]:
            fell_back.append(title)
        print(f"{title}: {'compiled' if ours['is_compiled'] else 'NOT COMPILED'}")
        print(f"{'':15} {'compiling MB':>13} {'kept MB':>9} {'a step MB':>10} {'ratio':>6}")
        for name, m in found.items():
            if isinstance(m, Absent):
                print(f"{name:15} {m.why}, skipped")
                continue
            np.testing.assert_allclose(m["value"], ours["value"], 1e-3, err_msg=name)
            sizes = (m[key] / 1e6 for key in ("compiling", "kept", "step"))
            print("{:15} {:13.1f} {:9.1f} {:10.1f}".format(name, *sizes),
                  f"{m['step'] / ours['step']:6.2f}")
        print()


def measured(name: str, step: str) -> Any:
    """One library's memory, or why there is none."""
    if find_spec(LIBRARY[name]) is None:
        return Absent()
    code = CHILD.replace("STEP", step).replace("NAME", name)
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=plain)
    if done.returncode == 1 and "Traceback" not in done.stderr:
        return Absent(done.stderr.strip().splitlines()[-1])
    done.check_returncode()
    return json.loads(done.stdout.splitlines()[-1])
