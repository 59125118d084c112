"""The half year of recorded days that several journeys read: replayed once, whichever worker comes first."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from engine.store import Store
from tests.journeys.program import HALF_YEAR, Run, replay


@dataclass(frozen=True, slots=True)
class Replayed:
    """A finished replay and the database it left. Only read it: every test looks at the same one."""

    run: Run
    url: str
    store: Store


@pytest.fixture(scope="session")
def half_year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """The first half of 2019, everything approved."""
    folder = _folder_of_all_workers(tmp_path_factory)
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = _replayed_once(folder)
    store = Store.open(_url(folder))
    yield Replayed(run, _url(folder), store)
    store.close()


def _folder_of_all_workers(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "half-year"


def _replayed_once(folder: Path) -> Run:
    finished = folder / "run.json"
    if finished.exists():
        return Run(**json.loads(finished.read_text(encoding="utf-8")))
    run = replay(HALF_YEAR, "--db", _url(folder), cwd=folder)
    finished.write_text(json.dumps(asdict(run)), encoding="utf-8")
    return run


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'desk.db'}"
