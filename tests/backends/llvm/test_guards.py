"""Machine code touches no byte outside its arrays: all of them stand against unreadable pages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule

HERE = Path(__file__)
ROOT = HERE.parents[3]


@pytest.mark.parametrize("part", ["catalogue", "tails", "random"])
def test_nothing_is_read_or_written_outside(part):
    paths = [str(Path(chainrule.__file__).parents[1]), str(ROOT)]
    command = [sys.executable, "-W", "error", str(HERE.with_name("guarded.py")), part]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, cwd=ROOT,
        capture_output=True, text=True, timeout=600,
    )
    said = done.stdout.splitlines()
    ends = "a read or write outside its arrays" if done.returncode < 0 else done.stderr
    assert not done.returncode, f"{said[-1] if said else part}: {ends}"
    assert said[-1] == "done" and len(said) > 100
