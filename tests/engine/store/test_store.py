"""Opening, upgrading and refusing databases; transactions."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from engine.errors import ConfigError, NotFound
from engine.schema import HEAD, REVISIONS
from engine.schema.tables import metadata
from engine.store import Store, UnitOfWork
from engine.store.database import usable
from tests import make
from tests.older import created_at


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'new.db'}"


either = pytest.mark.parametrize(
    "new_url", ["file", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


def rewrite_revision(url: str, revision: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    engine.dispose()


@either
def test_migrations_lead_to_the_tables_the_program_uses(new_url: str):
    with Store.create(new_url) as store, store._engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        difference = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert difference == []


def test_the_newest_revision_is_the_last_migration():
    config = Config()
    config.set_main_option("script_location", "engine:schema")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == HEAD
    assert tuple(reversed([script.revision for script in scripts.walk_revisions()])) == REVISIONS


@either
def test_closes_from_before_strategies_had_a_history_keep_their_numbers_and_have_no_rate(new_url: str):
    created_at(new_url, "0004")
    engine = create_engine(new_url)
    columns = "day, at, equity, cash, realised, unrealised, dividends, interest, flows, fees"
    values = "'2026-06-12', '2026-06-12T20:15:00.000000+00:00', 100000, 100000, 0, 0, 0, 0, 0, 0"
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO equity_history ({columns}) VALUES ({values})"))
    engine.dispose()
    with Store.create(new_url) as store, store.read() as work:
        (row,) = work.equity_history()
        assert (row.day.isoformat(), row.rate) == ("2026-06-12", None)
        assert work.strategy_history(row.day) == ()


@either
def test_a_created_store_opens_again_with_what_was_written(new_url: str):
    with Store.create(new_url) as store, store.begin() as work:
        work.set_setting("mood", "good", "ann", make.NOW)
    with Store.create(new_url) as store, store.read() as work:
        assert work.setting("mood") == "good"
        assert store.revision() == HEAD


@either
def test_a_plain_postgresql_or_sqlite_url_is_enough(new_url: str):
    with Store.create(new_url.replace("+psycopg", "")) as store:
        assert store.revision() == HEAD


@either
def test_a_newer_database_is_refused_with_the_way_out_and_left_alone(new_url: str):
    Store.create(new_url).close()
    rewrite_revision(new_url, "0099")
    for attempt in (Store.open, Store.create, Store.upgrade):
        with pytest.raises(ConfigError, match=r"revision 0099, newer than this program's .* restore the backup"):
            attempt(new_url)
    rewrite_revision(new_url, HEAD)
    Store.open(new_url).close()


def test_an_older_database_is_sent_to_the_upgrade():
    with pytest.raises(ConfigError, match="has revision 0001, this program needs 0002: run `wsb db upgrade`"):
        usable("0001", "sqlite:///desk.db", known=("0001", "0002"))


def test_a_file_that_is_not_there_is_not_created_by_opening_it(tmp_path: Path):
    file = tmp_path / "none.db"
    with pytest.raises(ConfigError, match="run `wsb db upgrade` to create it"):
        Store.open(f"sqlite:///{file}")
    assert not file.exists()


@either
def test_an_empty_database_is_sent_to_the_upgrade(new_url: str):
    if new_url.startswith("sqlite"):
        sqlite3.connect(new_url.removeprefix("sqlite:///")).close()
        Path(new_url.removeprefix("sqlite:///")).touch()
    with pytest.raises(ConfigError, match="is empty: run `wsb db upgrade`"):
        Store.open(new_url)


def test_somebody_else_s_database_is_left_alone(tmp_path: Path):
    file = tmp_path / "cookbook.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE recipes (id INTEGER)")
    connection.close()
    for attempt in (Store.open, Store.create):
        with pytest.raises(ConfigError, match="tables that are not ours"):
            attempt(f"sqlite:///{file}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("wsb.db", "is not a database URL"),
        ("mysql://x/y", "names mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_the_desk_cannot_use_is_named(url: str, words: str):
    with pytest.raises(ConfigError, match=words):
        Store.open(url)


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("buy low, sell high\n" * 100, encoding="utf-8")
    for attempt in (Store.open, Store.create):
        with pytest.raises(ConfigError, match=r"notes\.txt \(DATABASE_URL\) cannot be opened: .*not a database"):
            attempt(f"sqlite:///{file}")
    assert file.read_text(encoding="utf-8").startswith("buy low")


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be opened"):
        Store.create(f"sqlite:///{tmp_path / 'none' / 'desk.db'}")


def test_a_server_that_does_not_answer_is_named_without_the_password(tmp_path: Path):
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    with pytest.raises(ConfigError, match="cannot be opened") as refusal:
        Store.open(f"postgresql://ann:secret@/desk?host={tmp_path}")
    assert "secret" not in str(refusal.value)


def test_a_password_is_not_in_the_message(tmp_path: Path):
    with pytest.raises(ConfigError) as refusal:
        Store.open("mysql://ann:secret@db/desk")
    assert "secret" not in str(refusal.value)


def test_a_file_is_durable_and_checks_its_keys(tmp_path: Path):
    with Store.create(f"sqlite:///{tmp_path / 'desk.db'}") as store, store.read() as work:
        pragmas = {
            name: work._connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_an_error_takes_the_whole_transaction_back(store: Store):
    def change(work: UnitOfWork) -> None:
        work.set_setting("mood", "good", "ann", make.NOW)
        work.position("P404")

    with pytest.raises(NotFound), store.begin() as work:
        change(work)
    with store.read() as work:
        assert work.setting("mood") is None


def test_reading_transactions_refuse_to_write(store: Store):
    with store.read() as work, pytest.raises(RuntimeError, match="only reads"):
        work.set_setting("mood", "good", "ann", make.NOW)


def test_a_transaction_inside_another_is_refused_at_once(store: Store):
    with store.begin(), pytest.raises(RuntimeError, match="in a transaction already"), store.begin():
        pass
    with store.read(), pytest.raises(RuntimeError, match="in a transaction already"), store.begin():
        pass
    with store.begin() as work:
        work.set_setting("mood", "good", "ann", make.NOW)


def test_reading_inside_a_transaction_sees_its_writes(store: Store):
    with store.begin() as work:
        work.set_setting("mood", "good", "ann", make.NOW)
        with store.read() as reading:
            assert reading.setting("mood") == "good"


def test_a_reader_sees_one_moment(durable_url: str):
    with Store.open(durable_url) as store, Store.open(durable_url) as other:
        with store.read() as reading:
            assert reading.setting("mood") is None
            with other.begin() as work:
                work.set_setting("mood", "good", "ann", make.NOW)
            assert reading.setting("mood") is None
        with store.read() as reading:
            assert reading.setting("mood") == "good"


def test_a_store_in_memory_serves_several_threads():
    with Store.memory() as store:

        def write(number: int) -> None:
            with store.begin() as work:
                work.set_setting(f"n{number}", "x", "ann", make.NOW)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as work:
            assert [x.name for x in work.settings()] == [f"n{number}" for number in range(8)]


def test_every_store_in_memory_is_its_own():
    with Store.memory() as one, Store.memory() as other:
        with one.begin() as work:
            work.set_setting("mood", "good", "ann", make.NOW)
        with other.read() as work:
            assert work.setting("mood") is None


@pytest.mark.postgres
def test_connections_that_the_server_ended_are_not_used_again(postgres_url: str):
    with Store.create(postgres_url) as store:
        with store.begin() as work:
            work.set_setting("mood", "good", "ann", make.NOW)
        assert end_other_connections(postgres_url) >= 1
        with store.begin() as work:
            assert work.setting("mood") == "good"
        with store.read() as work:
            assert work.setting("mood") == "good"


def end_other_connections(url: str) -> int:
    """How many connections the server has ended before this returns."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    engine = create_engine(url)
    with engine.connect() as connection:
        ended = connection.execute(text(f"SELECT pg_terminate_backend(pid, 5000) {others}")).all()
    engine.dispose()
    return len(ended)
