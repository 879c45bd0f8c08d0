"""Importing chainrule is light, and its public names are a sorted list that resolves."""

import subprocess
import sys

import pytest

import chainrule

LOADED_WHEN_NEEDED = ("optree", "rich", "scipy", "llvmlite")


@pytest.mark.parametrize("library", LOADED_WHEN_NEEDED)
def test_importing_chainrule_does_not_load(library):
    code = f"import sys, chainrule; print({library!r} in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (answer.stdout, answer.stderr) == ("False\n", "")


def test_public_names_are_sorted_and_listed_once():
    assert list(chainrule.__all__) == sorted(set(chainrule.__all__))


def test_every_public_name_resolves():
    missing = [name for name in chainrule.__all__ if not hasattr(chainrule, name)]
    assert missing == []
