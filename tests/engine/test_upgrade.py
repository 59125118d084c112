"""A newer program beside a desk that an older one runs: its tables are not changed beneath it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine import backup, leadership
from engine.errors import ConfigError, LeaseLost
from engine.model.backups import BackupRules
from engine.schema import HEAD
from engine.store import Store
from engine.store.operations import LEASE
from tests.older import created_at, made_at

NOW = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
RULES = BackupRules()
OLDER = "0005"
THEIRS = "other:77:ab12"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of an older program, on either kind."""
    if request.param == "sqlite":
        return made_at(OLDER, tmp_path / "desk.db")
    found: str = request.getfixturevalue("postgres_url")
    created_at(found, OLDER)
    return found


def led(url: str, until: datetime, by: str = THEIRS) -> Store:
    """The store of the process that has the lease until then."""
    store = Store.as_it_is(url)
    with store.begin() as work:
        work.take_lease(LEASE, by, NOW, until)
    store.term.begin(by, 1, 0.0, NOW)
    return store


def test_beneath_a_running_desk_nothing_is_upgraded_nor_backed_up(url: str, tmp_path: Path) -> None:
    led(url, NOW + timedelta(seconds=9)).close()
    rules = BackupRules(folder=str(tmp_path / "backups"))

    with pytest.raises(ConfigError, match=r"other:77 runs this desk on it: it is not upgraded"):
        backup.bring_up(url, rules, NOW)

    assert (Store.revision_at(url), backup.listed(url, rules)) == (OLDER, ())


def test_without_a_backup_it_is_refused_too(url: str) -> None:
    led(url, NOW + timedelta(seconds=9)).close()

    with pytest.raises(ConfigError, match=r"other:77 runs this desk"):
        backup.upgrade(url, NOW)

    assert Store.revision_at(url) == OLDER


def test_the_transaction_that_changes_the_tables_looks_itself(tmp_path: Path) -> None:
    url = made_at(OLDER, tmp_path / "desk.db")
    led(url, NOW + timedelta(seconds=9)).close()

    with pytest.raises(ConfigError, match="runs this desk"):
        Store.upgrade(url, lambda work: leadership.end_others(work, NOW, ""))

    assert Store.revision_at(url) == OLDER


def test_who_was_stopped_until_the_lease_ran_out_writes_nothing_into_the_new_tables(url: str, tmp_path: Path) -> None:
    with led(url, NOW - timedelta(seconds=1)) as stopped:
        backup.bring_up(url, BackupRules(folder=str(tmp_path / "backups")), NOW)

        with pytest.raises(LeaseLost), stopped.begin() as work:
            work.set_setting("mood", "gone", "them", NOW)

    assert Store.revision_at(url) == HEAD


def test_who_leads_upgrades_with_a_backup_and_keeps_the_lease(url: str, tmp_path: Path) -> None:
    rules = BackupRules(folder=str(tmp_path / "backups"))
    with led(url, NOW + timedelta(seconds=9)) as store:
        revision, kept = backup.bring_up(url, rules, NOW, THEIRS)

        with store.begin() as work:
            work.set_setting("mood", "better", "us", NOW)

    assert revision == HEAD
    assert [each.revision for each in backup.listed(url, rules)] == [OLDER]
    assert kept == backup.listed(url, rules)[0]
