"""Each page of examples/ runs by itself, and its own checks hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PAGES = [path for path in sorted(EXAMPLES.glob("*.py")) if path.name != "digits.py"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(page), str(tmp_path)], capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "good:" in done.stdout and "WRONG" not in done.stdout
