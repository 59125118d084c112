"""Dumps of a PostgreSQL desk by its own programs, put back into an empty database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine import audit, backup, halts, missing, restore
from engine.errors import BackupFailed, ConfigError, DataInvalid
from engine.model.backups import BackupRules, Occasion
from engine.model.trade import ApprovalStatus
from engine.schema import HEAD
from engine.store import Store, dumps
from engine.store.database import parse
from tests.engine.store import writer
from tests.older import migrated
from tests.postgres import Cluster

NOW = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)


@pytest.fixture
def url(postgres_url: str) -> str:
    with Store.create(postgres_url) as store:
        for number in range(5):
            writer.write(store, number)
        audit.seal(store)
    return postgres_url


@pytest.fixture
def empty(postgres_cluster: Cluster) -> Iterator[str]:
    with postgres_cluster.database() as url:
        yield url


def test_a_dump_comes_back_into_an_empty_database_and_into_no_other(url: str, empty: str, tmp_path: Path) -> None:
    rules = BackupRules(folder=str(tmp_path))
    made = backup.make(url, rules, NOW, Occasion.DAILY)
    assert made.file.name.endswith(f"-20261127T220000Z-{HEAD}-daily.dump")
    assert backup.listed(url, rules) == (made,)
    with pytest.raises(ConfigError, match="is not empty: a dump is restored into an empty one only"):
        restore.restore(url, made.file, NOW)

    done = restore.restore(empty, made.file, NOW + timedelta(hours=1))

    assert (done.revision, done.aside) == (HEAD, None)
    assert dumps.rows(parse(url), made.file) == rows_of(url)
    assert rows_of(empty) == rows_of(url) | {"settings": rows_of(empty)["settings"]}
    with Store.open(url) as before, Store.open(empty) as after, before.read() as old, after.read() as new:
        assert new.fills() == old.fills()
        assert new.open_positions() == old.open_positions()
        assert len(new.fills()) == 5
        assert {each.status for each in new.approvals()} == {ApprovalStatus.EXPIRED}
        assert halts.current(new) is not None
        assert halts.current(old) is None
        assert all(missing.units(new, position) == 0 for position in new.open_positions())
        assert audit.verify(after).ok


def rows_of(url: str) -> dict[str, int]:
    """How many rows every table has, counted here."""
    with psycopg.connect(url.replace("+psycopg", "")) as books:
        names = [row[0] for row in books.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {name: books.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # type: ignore[index]


def test_a_dump_is_of_the_moment_it_was_counted_at_whoever_writes_meanwhile(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is written between the count and the dump: it is in neither."""
    dump = dumps.run

    def late(*arguments: Any) -> str:
        with Store.open(url) as store:
            writer.write(store, 99)
        return dump(*arguments)

    monkeypatch.setattr(dumps, "run", late)
    made = backup.make(url, BackupRules(folder=str(tmp_path)), NOW, Occasion.HAND)
    assert (dumps.rows(parse(url), made.file)["fills"], rows_of(url)["fills"]) == (5, 6)


def test_a_dump_that_lacks_rows_is_not_kept(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pg_dump that leaves out the rows of one table."""
    dump = dumps.run

    def without(at: Any, path: Path, words: list[str]) -> str:
        return dump(at, path, [*words, "--exclude-table-data=fills"])

    monkeypatch.setattr(dumps, "run", without)
    with pytest.raises(BackupFailed, match="The dump has the table fills not at all"):
        backup.make(url, BackupRules(folder=str(tmp_path)), NOW, Occasion.HAND)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_look_like_the_end_of_a_table_are_counted(url: str, tmp_path: Path) -> None:
    with Store.open(url) as store, store.begin() as work:
        for number, value in enumerate(("\\.", "a\nb", "\\.\n\\.", "COPY public.fills (id) FROM stdin;")):
            work.set_setting(f"odd {number}", value, "ann", NOW)
    made = backup.make(url, BackupRules(folder=str(tmp_path)), NOW, Occasion.HAND)
    assert dumps.rows(parse(url), made.file) == rows_of(url)


def test_an_upgrade_on_a_server_makes_its_dump_first(postgres_url: str, tmp_path: Path) -> None:
    rules = BackupRules(folder=str(tmp_path))
    migrated(postgres_url, "0005")
    reached, kept = backup.bring_up(postgres_url, rules, NOW)
    assert kept is not None
    assert (reached, kept.revision, dumps.revision(parse(postgres_url), kept.file)) == (HEAD, "0005", "0005")


def test_without_pg_dump_it_is_said_that_nothing_was_backed_up(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dumps, "FOLDERS", ())
    folder = tmp_path / "kept"
    with pytest.raises(BackupFailed, match=r"Nothing was backed up to .*: The program pg_dump is not here: install"):
        backup.make(url, BackupRules(folder=str(folder)), NOW, Occasion.DAILY)
    assert list(folder.iterdir()) == []


def test_a_pg_dump_that_is_too_old_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dumps, "FOLDERS", ())
    with pytest.raises(DataInvalid, match=r"is of version 9, the server of 15: install postgresql-client-15"):
        dumps.program("pg_dump", 15)


def test_no_password_is_on_a_command_line_or_in_an_error(tmp_path: Path) -> None:
    """What the program is given is written down by one that fails."""
    spy = tmp_path / "pg_dump"
    spy.write_text(
        f'#!/bin/sh\necho "$@" >{tmp_path}/words\necho "$PGPASSWORD $PGHOST $PGPORT" >{tmp_path}/told\nexit 1\n'
    )
    spy.chmod(0o755)
    url = parse("postgresql://ann:s3cret@db.example:6543/desk?sslmode=require")
    with pytest.raises(DataInvalid) as failed:
        dumps.run(url, spy, ["--format=custom"])
    assert "s3cret" not in f"{failed.value} {failed.value.__cause__}"
    assert "s3cret" not in (tmp_path / "words").read_text()
    assert (tmp_path / "told").read_text().split() == ["s3cret", "db.example", "6543"]


def test_a_damaged_dump_is_refused_and_the_database_stays_empty(url: str, empty: str, tmp_path: Path) -> None:
    made = backup.make(url, BackupRules(folder=str(tmp_path)), NOW, Occasion.HAND)
    torn = tmp_path / "torn.dump"
    torn.write_bytes(made.file.read_bytes()[:3000])
    with pytest.raises(DataInvalid, match="pg_restore failed"):
        restore.restore(empty, torn, NOW)
    assert Store.revision_at(empty) is None
