"""Shared by all tests: every pass verifies the circuit it gives."""

import pytest

from chainrule.transform import rewrite


@pytest.fixture(autouse=True)
def checked_passes(monkeypatch):
    monkeypatch.setattr(rewrite, "checks_every_pass", True)
