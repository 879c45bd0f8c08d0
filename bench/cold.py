"""From nothing to the first gradient: a whole process, from its start to its end.

Every process runs the same function at the same place and prints the gradient, which is compared
first. "from the disk cache" is a process that compiles what an earlier one has left there.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.harness import Absent, compare, disk_cache, fell_back

TITLE = "whole processes, from start to the first gradient and the end"
AIM = 1.0  # times autograd

# The functions, spelled once: {np} is the library's numpy, and torch has names of its own below.
STAGED = """
def f(x, y):
    sigy = 1.0 / (1 + np.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + np.exp(-x))
    xpy = x + y
    den = sigx + xpy**2
    return num * (1.0 / den)

args, places = (3.0, -4.0), (0, 1)
"""
NETWORK = """
def f(W1, b1, W2, b2, W3, b3, X, y):
    h = np.maximum(X @ W1 + b1, 0.0)
    h = np.maximum(h @ W2 + b2, 0.0)
    s = h @ W3 + b3
    e = np.exp(s)
    return np.mean(np.log(np.sum(e, 1)) - np.sum(s * y, 1))

rng = numpy.random.default_rng(0)
sizes = [(784, 256), 256, (256, 128), 128, (128, 10), 10]
args = [rng.normal(size=s).astype("f") * numpy.float32(0.05) for s in sizes]
args += [rng.normal(size=(64, 784)).astype("f"), numpy.eye(10, dtype="f")[rng.integers(0, 10, 64)]]
places = tuple(range(6))
"""
FUNCTIONS = {"the note's staged function": STAGED, "784-256-128-10 network, batch 64": NETWORK}
LAST = "print(json.dumps([float(numpy.asarray(g).ravel()[0]) for g in gradients]))"
BEGIN = "import json, numpy, numpy as np\n"
OURS = BEGIN + "import chainrule as cr\n"
LIBRARIES = {
    "chainrule": (OURS, "_, gradients = cr.value_and_grad(f, places)(*args)\n"),
    "chainrule jit": (
        OURS, "_, gradients = cr.jit(cr.value_and_grad(f, places))(*args)\n"
    ),
    "chainrule jit, from the disk cache": (
        OURS,
        "run = cr.jit(cr.value_and_grad(f, places))\nrun.compile(*args)\n"
        "assert run.is_compiled\n_, gradients = run(*args)\n",
    ),
    "autograd": (
        BEGIN + "import autograd, autograd.numpy as np\n",
        "gradients = autograd.grad(f, places)(*args)\n",
    ),
    "jax": (
        BEGIN + "import jax, jax.numpy as np\n",
        "gradients = jax.jit(jax.grad(f, places))(*args)\n",
    ),
    "torch eager": (
        BEGIN + "import torch, torch as np\n",
        "args = [torch.tensor(x, requires_grad=k in places) for k, x in enumerate(args)]\n"
        "if args[0].ndim: np.maximum = lambda x, y: torch.clamp(x, min=y)\n"
        "f(*args).backward()\ngradients = [args[k].grad for k in places]\n",
    ),
    "numpy, imported alone": ("import numpy\n", ""),
}


def run(quick: bool) -> None:
    """Print each function's times, after comparing what the processes print."""
    for title, function in FUNCTIONS.items():
        with TemporaryDirectory() as folder, disk_cache(folder):
            calls = {name: _process(name, function) for name in LIBRARIES}
            answers = {name: call() for name, call in calls.items() if callable(call)}
            answers.pop("numpy, imported alone")
            for name, found in answers.items():
                np.testing.assert_allclose(
                    json.loads(found), json.loads(answers["chainrule"]), 1e-3, 1e-6, err_msg=name
                )
            is_kept = any(path.is_file() for path in Path(folder).rglob("*"))
            if not is_kept:
                fell_back.append(title)
            print(f"{title}: {'compiled, and kept' if is_kept else 'NOT COMPILED'}")
            timings = compare(
                calls, rounds=3 if quick else 9, warm_up=1,
                reference="autograd" if calls["autograd"] else "chainrule",
            )
        if "autograd" in timings:
            ratio = timings["chainrule"].ratio(timings["autograd"])
            print(f"{ratio:.2f} times autograd, aim {AIM}")
        print()


def _process(name: str, function: str) -> Callable[[], str] | Absent:
    """A library's process for a function; gives what it prints."""
    library = name.split()[0].rstrip(",")
    if find_spec(library) is None:
        return Absent()
    begin, end = LIBRARIES[name]
    program = begin + (function + end + LAST if end else "")
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return lambda: subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=settings
    ).stdout
