"""What `import chainrule` costs above the numpy it stands on."""

import os
import subprocess
import sys
from collections.abc import Callable
from statistics import median

from bench.harness import compare

TITLE = "importing chainrule, in fresh interpreters"
AIM = 20.0  # ms above numpy


def run(quick: bool) -> None:
    timings = compare(
        {name: fresh_interpreter(f"import {name}") for name in ("numpy", "chainrule")},
        rounds=5 if quick else 41,
    )
    extra = 1e3 * timings["chainrule"].above(timings["numpy"])
    print(f"whole process, start to end, above numpy: {extra:.1f} ms")
    inside = 1e3 * median(import_alone() for _ in range(5 if quick else 41))
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
