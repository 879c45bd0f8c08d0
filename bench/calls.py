"""Generated calls under stress, at full length: minutes, where the test suite takes seconds."""

import os
import subprocess
import sys
from pathlib import Path

from bench.harness import duration, elapsed

TITLE = "generated calls under stress"
PROGRAM = Path(__file__).parents[1] / "tests/backends/llvm/targets/stress.py"
FULL = {"million": 1_000_000, "threads": 1_000_000, "nomemory": 10, "fork": 1, "shutdown": 1}


def run(quick: bool) -> None:
    """Run each part of the stress in a process of its own; raise where one does not hold."""
    for part, calls in FULL.items():
        given = [] if quick else [str(calls)]
        seconds = elapsed(lambda part=part, given=given: _hold(part, *given), 1)
        print(f"{part:10} {'' if quick else calls:>9}  good, {duration(seconds)}")


def _hold(part: str, *given: str) -> None:
    subprocess.run(
        [sys.executable, "-X", "faulthandler", PROGRAM, part, *given], check=True,
        stdout=subprocess.DEVNULL, env=os.environ | {"CHAINRULE_CALL": "generated"},
    )
