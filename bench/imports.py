"""What `import chainrule` costs above the numpy it stands on."""

import os
import subprocess
import sys
from collections.abc import Callable

from bench.harness import compare

TITLE = "importing chainrule, in fresh interpreters"
AIM = 20.0  # ms above numpy


def run(quick: bool) -> None:
    timings = compare(
        {name: fresh_interpreter(f"import {name}") for name in ("numpy", "chainrule")},
        rounds=5 if quick else 41,
    )
    extra = 1e3 * timings["chainrule"].above(timings["numpy"])
    verdict = "within" if extra <= AIM else "over"
    print(f"chainrule above numpy: {extra:.1f} ms, {verdict} the aim of {AIM:.0f} ms")


def fresh_interpreter(code: str) -> Callable[[], object]:
    """Runs code in a new process that may keep bytecode, as an installed package has it."""
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, env=settings)
