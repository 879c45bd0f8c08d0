"""Generated calls hold out where the interpreter would crash or leak if they were wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("stress.py")
PARTS = (
    "nomemory", "plainly", "million", "threads", "taken", "interrupt", "fork", "shutdown",
    "mutants",
)


@pytest.mark.parametrize("part", PARTS)
def test_generated_calls_hold_out(part):
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning",
         "-X", "faulthandler", PROGRAM, part],
        capture_output=True, text=True, check=False,
        env=os.environ | {"CHAINRULE_CALL": "generated"},
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "good\n", "")
