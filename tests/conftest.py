"""What holds for every test: no network beyond this machine, repeatable examples in CI, charts without a screen,
log settings of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.network import keep_to_this_machine

pytest_plugins = ["tests.postgres"]

os.environ.setdefault("MPLBACKEND", "Agg")
sys.addaudithook(keep_to_this_machine)

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("WSB_CI") == "1" else "default")


def log_as_by_default() -> None:
    """As structlog does by itself, but for tracebacks: drawn with every variable in them, each takes seconds."""
    structlog.reset_defaults()
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, plain])


log_as_by_default()


@pytest.fixture(autouse=True)
def log_settings_end_with_their_test() -> Iterator[None]:
    """A command that sets its own log level must not silence the tests behind it."""
    yield
    log_as_by_default()


LONGEST = ("journeys", "deploy", "faults", "browser")
"""The folders of the tests that take long and mostly wait: they come first, and the many short ones fill the gaps."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a database server, so that `-m postgres` selects it, and put what takes long first."""
    for item in items:
        if "postgres_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """The place of a test's folder among the longest ones, or after them all."""
    _, _, path = item.nodeid.partition("tests/")
    folder = path.partition("/")[0]
    return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)


def pytest_xdist_auto_num_workers() -> int:
    """Three for two processors: a third of the time is spent waiting for clocks and sockets."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return processors + (processors + 1) // 2
