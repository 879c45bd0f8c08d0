"""The pictures in the documents are those that today's code draws."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
DRAWN = dict(runpy.run_path(str(ROOT / "scripts" / "pictures.py"))["pictures"]())


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_current(name):
    """If not: python scripts/pictures.py, and look at it."""
    assert (FOLDER / name).read_text(encoding="utf-8") == DRAWN[name]


def test_every_picture_is_drawn_by_the_script():
    assert {file.name for file in FOLDER.iterdir()} == set(DRAWN)
