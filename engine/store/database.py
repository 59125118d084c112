"""Connections: which database a URL means, how it is opened, and whether its schema is ours."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from select import select
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InvalidatePoolError
from sqlalchemy.pool import StaticPool

from engine.errors import ConfigError
from engine.schema import HEAD, REVISIONS
from engine.schema.tables import metadata

EMPTY = "The database {name} is empty: run `wsb db upgrade` to create its tables."

BUSY_SECONDS = 30
"""How long a writer waits for another program that writes."""

WRITER_LOCK = 7_302_115_001
"""PostgreSQL advisory lock held by the one transaction that may write."""

IDLE_SECONDS = 1.0
"""A connection to a server that was used more recently than this is taken for alive unless the server hung up."""

BEGIN = "begin"
"""Option of an engine: the words that begin its transactions."""
SQLITE_WRITES, SQLITE_READS = "BEGIN IMMEDIATE", "BEGIN"
STOPPED_SECONDS = 5
"""How long a writer may say nothing inside its transaction before the server ends it: its process may be stopped, and
everybody else waits for it."""
POSTGRES_WRITES = (
    f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '{STOPPED_SECONDS}s'; "
    f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'; SELECT pg_advisory_xact_lock({WRITER_LOCK})"
)
"""All in one round trip; what is read afterwards is what the writer before has left."""
POSTGRES_ALIVE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""When a server that went without a word is given up; the names are libpq's
(https://www.postgresql.org/docs/current/libpq-connect.html), seconds but for the last one's milliseconds."""
POSTGRES_READS = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def parse(url: str) -> URL:
    """The database that `url` means; `postgresql://` is spoken through psycopg 3.

    Raises:
        ConfigError: not a URL, a kind of database the desk does not speak, or SQLite without a file.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # whose words may name the password
        raise ConfigError("DATABASE_URL is not a database URL: expected sqlite:///wsb.db.") from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ConfigError(f"DATABASE_URL names {parsed.drivername}: expected sqlite:/// or postgresql://.")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError("DATABASE_URL names no file: expected sqlite:///wsb.db.")
    return parsed


def file_of(url: URL) -> Path | None:
    """The file of a SQLite database, None for a server."""
    return Path(url.database) if url.drivername.startswith("sqlite") and url.database else None


def connect(url: URL) -> Engine:
    """An engine for `url`, opened lazily.

    Raises:
        ConfigError: the PostgreSQL driver is not installed.
    """
    if file_of(url) is not None:
        arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        return _sqlite(create_engine(url, connect_args=arguments, pool_use_lifo=True, pool_size=8, max_overflow=24))
    try:
        return _postgres(
            create_engine(
                url,
                isolation_level="AUTOCOMMIT",
                connect_args=POSTGRES_ALIVE,
                pool_use_lifo=True,
                pool_size=8,
                max_overflow=24,
            )
        )
    except ModuleNotFoundError as error:
        raise ConfigError('PostgreSQL needs its driver: pip install "wallstreetbots[postgres]".') from error


def memory() -> Engine:
    """A SQLite database of its own that lives in this process, on the single connection all threads share.

    It has all tables and is marked with the newest revision: a copy of one that was created once. Statements are
    compiled once for all of them.
    """
    first = _first_memory()
    options = {"compiled_cache": _COMPILED}
    engine = Engine(first.pool.recreate(), first.dialect, first.url, execution_options=options)
    with first.connect() as whole, engine.connect() as empty:
        _driver(whole).backup(_driver(empty))
    return engine


_COMPILED: dict[Any, Any] = {}
"""The statements as SQLite gets them: as many as this program has."""


@cache
def _first_memory() -> Engine:
    """The one that others are copied from."""
    engine = _sqlite(create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}))
    with transaction(writer(engine)) as connection:
        metadata.create_all(connection)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    return engine


def _driver(connection: Connection) -> Any:
    """The driver's own connection under SQLAlchemy's."""
    return connection.connection.driver_connection


def _sqlite(engine: Engine) -> Engine:
    """Leave the beginning of a transaction to `transaction`; durable commits, and readers beside one writer."""

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    return engine


def _postgres(engine: Engine) -> Engine:
    """Never give out a connection whose server is gone.

    A server that hangs up says so on the socket, which costs no round trip to look at; one that went without a word is
    asked, when the connection has been idle.
    """

    @event.listens_for(engine, "checkin")
    def put_back(_connection: object, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def take_out(connection: Any, record: Any, _proxy: object) -> None:
        try:
            is_quiet = not select([connection], (), (), 0)[0]
            if not is_quiet or time.monotonic() - record.info.get("used", 0.0) >= IDLE_SECONDS:
                engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as gone:
            raise InvalidatePoolError from gone

    return engine


def writer(engine: Engine) -> Engine:
    """The same engine, for the one transaction at a time that writes."""
    return engine.execution_options(**{BEGIN: SQLITE_WRITES if _is_sqlite(engine) else POSTGRES_WRITES})


def reader(engine: Engine) -> Engine:
    """The same engine, for transactions that see one moment and change nothing."""
    return engine.execution_options(**{BEGIN: SQLITE_READS if _is_sqlite(engine) else POSTGRES_READS})


def _is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


@contextmanager
def reached(engine: Engine) -> Iterator[None]:
    """Turn the driver's complaint about a file or server it cannot open into words.

    Raises:
        ConfigError: no such server, wrong password, not a database file, a folder that does not exist.
    """
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        name = engine.url.render_as_string(hide_password=True)
        reason = " ".join(str(error.orig if isinstance(error, DatabaseError) else error).split())
        raise ConfigError(f"The database {name} (DATABASE_URL) cannot be opened: {reason}") from error


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection inside a transaction that has really begun: committed at the end, rolled back on any error.

    The drivers' own guesses begin too late for two writers to be safe, and cost a round trip more. The word goes to
    the driver itself: through SQLAlchemy, or from its event, it would cost as much as the rest of a short transaction.
    """
    with engine.begin() as connection:
        _driver(connection).execute(engine.get_execution_options()[BEGIN])
        yield connection


def revision_of(connection: Connection) -> str | None:
    """The schema revision the database says it has; None when it is empty.

    Raises:
        ConfigError: it holds somebody else's tables.
    """
    names = inspect(connection).get_table_names()
    if "alembic_version" in names:
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found
    if names:
        raise ConfigError(f"The database holds tables that are not ours ({names[0]}): choose another in DATABASE_URL.")
    return None


def check_revision(engine: Engine) -> str:
    """The revision of a database this program can work with.

    Raises:
        ConfigError: empty, older (`wsb db upgrade` helps) or newer than this program.
    """
    with reached(engine), engine.connect() as connection:
        found = revision_of(connection)
    return usable(found, engine.url.render_as_string(hide_password=True))


def check_known(engine: Engine) -> None:
    """Refuse a database without tables, and one that a newer program wrote.

    Raises:
        ConfigError: it is one of these.
    """
    with reached(engine), engine.connect() as connection:
        found = revision_of(connection)
    name = engine.url.render_as_string(hide_password=True)
    if found is None:
        raise ConfigError(EMPTY.format(name=name))
    check_not_newer(found, name)


def usable(found: str | None, name: str, known: tuple[str, ...] = REVISIONS) -> str:
    """The revision `found` in database `name`, when it is the newest of those `known`.

    Raises:
        ConfigError: as `check_revision`.
    """
    if found is None:
        raise ConfigError(EMPTY.format(name=name))
    check_not_newer(found, name, known)
    if found != known[-1]:
        needed = f"this program needs {known[-1]}: run `wsb db upgrade`"
        raise ConfigError(f"The database {name} has revision {found}, {needed}.")
    return found


def check_not_newer(found: str | None, name: str, known: tuple[str, ...] = REVISIONS) -> None:
    """Refuse a revision this program has never heard of."""
    if found is not None and found not in known:
        raise ConfigError(
            f"The database {name} has revision {found}, newer than this program's {known[-1]}; nothing was changed. "
            "Upgrade wallstreetbots, or restore the backup made before the database was upgraded."
        )


def upgrade(engine: Engine, allow: Callable[[Connection], object]) -> str:
    """Bring the schema to the newest revision in one transaction; data is kept.

    `allow` is asked inside it before tables change that are there already, and raises where they must not.

    Raises:
        ConfigError: it is newer than this program, or not ours.
    """
    with reached(engine), transaction(writer(engine)) as connection:
        found = revision_of(connection)
        check_not_newer(found, engine.url.render_as_string(hide_password=True))
        if found == HEAD:
            return HEAD
        if found is not None:
            allow(connection)
        _migrate(connection)
    return HEAD


def _migrate(connection: Connection) -> None:
    """Take every step to the newest revision."""
    # Alembic is needed here alone and takes a tenth of a second to import.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "engine:schema")
    attributes: dict[str, Any] = config.attributes
    attributes["connection"] = connection
    command.upgrade(config, HEAD)
