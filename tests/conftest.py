"""What holds for every test: no network beyond this machine, repeatable examples in CI, charts without a screen."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import settings

from tests.network import keep_to_this_machine

pytest_plugins = ["tests.postgres"]

os.environ.setdefault("MPLBACKEND", "Agg")
sys.addaudithook(keep_to_this_machine)

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("WSB_CI") == "1" else "default")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a database server, so that `-m postgres` selects it."""
    for item in items:
        if "postgres_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")
