"""What holds for every test: no network beyond this machine, repeatable examples in CI, charts without a screen."""

from __future__ import annotations

import os
import sys
from ipaddress import ip_address

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")

pytest_plugins = ["tests.postgres"]

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("WSB_CI") == "1" else "default")

LOCAL_NAMES = {"localhost", "", None}


def keep_to_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: refuse to connect to, or look up, anything that is not this machine."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in LOCAL_NAMES and not is_loopback(str(host)):
        raise AssertionError(f"a test tried to reach {host}: tests talk to this machine only")


def is_loopback(host: str) -> bool:
    """Whether `host` is a numeric address of this machine (0.0.0.0 and ::, which servers bind, included)."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(keep_to_this_machine)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a database server, so that `-m postgres` selects it."""
    for item in items:
        if "postgres_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")
