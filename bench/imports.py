"""What a new process pays: for `import chainrule`, and for all that its first gradient loads."""

import os
import subprocess
import sys
from collections.abc import Callable
from statistics import median

from bench.harness import compare, peer

TITLE = "importing chainrule and its first gradient, in fresh interpreters"
AIM = 20.0  # ms for the import, above numpy
F = "lambda x: x * np.tanh(x)"
OURS = "import numpy as np, chainrule as cr; "
PROGRAMS = {
    "numpy": "import numpy",
    "chainrule": "import numpy, chainrule",
    "chainrule, first gradient": f"{OURS}cr.grad({F})(1.0)",
    "chainrule, first call of a jit": f"{OURS}cr.jit(cr.grad({F}))(1.0)",
    "autograd, first gradient":
        f"import autograd.numpy as np, autograd; autograd.grad({F})(1.0)",
}


def run(quick: bool) -> None:
    rounds = 5 if quick else 41
    programs = {
        name: fresh_interpreter(code) for name, code in PROGRAMS.items()
        if not name.startswith("autograd") or peer("autograd")
    }
    timings = compare(programs, rounds=rounds)
    for name in ("chainrule", "chainrule, first gradient", "chainrule, first call of a jit"):
        extra = 1e3 * timings[name].above(timings["numpy"])
        print(f"{name}: {extra:.1f} ms above numpy, whole process, start to end")
    if theirs := timings.get("autograd, first gradient"):
        ratio = timings["chainrule, first gradient"].ratio(theirs)
        verdict = "within" if ratio <= 1 else "over"
        print(f"a first gradient takes {ratio:.2f} of autograd's time, {verdict} the aim of 1")
    inside = 1e3 * median(import_alone() for _ in range(rounds))
    verdict = "within" if inside <= AIM else "over"
    print(f"the import itself, after numpy: {inside:.1f} ms, {verdict} the aim of {AIM:.0f} ms")


def import_alone() -> float:
    """Seconds that `import chainrule` takes in a new process that has numpy."""
    code = (
        "import numpy, time; start = time.perf_counter(); import chainrule; "
        "print(time.perf_counter() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=settings(), capture_output=True, text=True
    )
    return float(done.stdout)


def fresh_interpreter(code: str) -> Callable[[], object]:
    """Runs code in a new process that may keep bytecode, as an installed package has it."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, env=settings())


def settings() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
