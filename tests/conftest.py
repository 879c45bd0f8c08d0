"""Shared by all tests: every pass verifies the circuit it gives; compiled code is kept apart.

Random tests take the same examples each time; --hypothesis-profile=default looks at new ones.
"""

import pytest
from hypothesis import settings

from chainrule.transform import rewrite

settings.register_profile("same", derandomize=True)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def checked_passes(monkeypatch):
    monkeypatch.setattr(rewrite, "checks_every_pass", True)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """No test reads or fills the user's cache of compiled code, nor do commands they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
