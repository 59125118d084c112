"""Programs of the system that some tests drive: their path, or a skip that says what to install."""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
from pathlib import Path
from typing import NoReturn

import pytest

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


def missing(reason: str) -> NoReturn:
    """Skip this test for `reason`; fail it where nothing may be skipped (WSB_CI=1, set by `make ci`)."""
    if os.environ.get("WSB_CI") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def chromium() -> Path:
    """The browser's program."""
    for name in CHROMIUM_NAMES:
        if found := shutil.which(name):
            return Path(found)
    missing("needs Chromium (on Debian: apt-get install chromium)")


def prometheus(name: str) -> Path:
    """A program of Prometheus: `prometheus` itself, or `promtool`, which checks configurations and tests rules."""
    if found := shutil.which(name):
        return Path(found)
    missing(f"needs {name} (on Debian: apt-get install prometheus)")


def alertmanager(name: str) -> Path:
    """A program of Alertmanager: `prometheus-alertmanager`, as Debian calls it, or `amtool`."""
    if found := shutil.which(name) or shutil.which(name.removeprefix("prometheus-")):
        return Path(found)
    missing(f"needs {name} (on Debian: apt-get install prometheus-alertmanager)")


def systemd_analyze() -> Path:
    """systemd's program that checks units."""
    if found := shutil.which("systemd-analyze"):
        return Path(found)
    missing("needs systemd-analyze (on Debian: apt-get install systemd)")


def dev_tool(name: str) -> Path:
    """A program that `make dev` installs beside this interpreter."""
    if found := shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name):
        return Path(found)
    missing(f"needs {name} (make dev)")


def postgres_programs() -> Path:
    """The folder with `initdb`, `pg_ctl` and `createdb`, of the newest PostgreSQL there is."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent  # past a link, to where the other programs are
    folders = [folder for pattern in POSTGRES_FOLDERS for folder in Path("/").glob(pattern[1:])]
    complete = [folder for folder in folders if (folder / "initdb").exists()]
    if not complete:
        missing("needs PostgreSQL's server programs (on Debian: apt-get install postgresql)")
    return max(complete, key=_version)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", folder.parent.name))
