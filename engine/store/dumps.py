"""Dumps of a PostgreSQL database by its own programs `pg_dump` and `pg_restore`.

They are told where the database is through the environment (https://www.postgresql.org/docs/current/libpq-envars.html),
so that no password stands on a command line or in an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL

from engine.errors import DataInvalid
from engine.store import database

ENVIRONMENT = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "options": "PGOPTIONS",
}
"""What may stand in a database's address -> the variable that libpq reads it from."""
LONGEST = 3600.0
"""Seconds a dump may take."""
COPY = re.compile(rb'COPY (?:\w+\.)?"?(\w+)"? \(')
"""Where the rows of a table begin in a script of pg_restore."""
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
"""Where distributions put programs of a version of their own."""


def program(name: str, server: int) -> Path:
    """The newest `pg_dump` or `pg_restore` there is, at least as new as a server of major version `server`.

    Raises:
        DataInvalid: there is none; the message says what to install.
    """
    on_path = shutil.which(name)
    beside = [found for pattern in FOLDERS for found in Path("/").glob(f"{pattern[1:]}/{name}")]
    found = [(_version(each), each) for each in (*([Path(on_path)] if on_path else []), *beside)]
    if not found:
        raise DataInvalid(f"The program {name} is not here: install PostgreSQL's client programs (postgresql-client).")
    version, best = max(found)
    if version < server:
        raise DataInvalid(
            f"{best} is of version {version}, the server of {server}: install postgresql-client-{server}."
        )
    return best


def write(url: URL, target: Path) -> None:
    """Write the database at one moment to the new file `target`, in PostgreSQL's own compressed format.

    The file is then read back whole, and has to hold as many rows of every table as the database did at that moment.

    Raises:
        DataInvalid: pg_dump is missing, too old, or failed, or what it wrote is damaged or lacks a row.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with _moment(url) as moment:
        words = ["--format=custom", "--no-owner", "--no-privileges", "--no-password", f"--snapshot={moment.snapshot}"]
        run(url, program("pg_dump", moment.major), [*words, f"--file={target}"])
    found = rows(url, target, moment.major)
    for table, count in sorted(moment.rows.items()):
        if found.get(table) != count:
            held = "not at all" if table not in found else f"with {found[table]:,} of {count:,} rows"
            raise DataInvalid(f"The dump has the table {table} {held}.")


def rows(url: URL, file: Path, major: int = 0) -> dict[str, int]:
    """How many rows of each table a dump holds, every one of them read.

    In a script of pg_restore the rows of a table stand between `COPY table (...) FROM stdin;` and `\\.`, one a line
    (https://www.postgresql.org/docs/current/sql-copy.html, "Text Format").

    Raises:
        DataInvalid: it is damaged, or pg_restore is missing or too old.
    """
    found: dict[str, int] = {}
    table = ""
    for line in _lines(url, program("pg_restore", major), ["--data-only", "--file=-", str(file)]):
        if table and line == b"\\.\n":
            table = ""
        elif table:
            found[table] += 1
        elif (began := COPY.match(line)) is not None:
            table = began[1].decode()
            found[table] = 0
    return found


def revision(url: URL, file: Path) -> str | None:
    """The revision of the schema in a dump, None where it has none.

    Raises:
        DataInvalid: it is damaged, or pg_restore is missing or too old.
    """
    words = ["--data-only", "--table=alembic_version", "--file=-", str(file)]
    found = re.search(
        r"^COPY \S*alembic_version .*\n(\w+)$", run(url, program("pg_restore", _server(url)[0]), words), re.M
    )
    return None if found is None else found[1]


def restore(url: URL, file: Path) -> None:
    """Fill the empty database at `url` from a dump: all of it or nothing.

    Raises:
        DataInvalid: it failed, and the database is as empty as before.
    """
    words = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--no-password"]
    run(url, program("pg_restore", _server(url)[0]), [*words, f"--dbname={url.database}", str(file)])


def _server(url: URL) -> tuple[int, set[str]]:
    """The major version of the server, and the tables of the database."""
    engine = database.connect(url)
    try:
        with database.reached(engine), engine.connect() as connection:
            return _major(connection), set(inspect(connection).get_table_names())
    finally:
        engine.dispose()


def _major(connection: Connection) -> int:
    return int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


@dataclass(frozen=True, slots=True)
class _Moment:
    """The database at one moment: the server's version, the name others know the moment by, and the rows of tables."""

    major: int
    snapshot: str
    rows: dict[str, int]


@contextmanager
def _moment(url: URL) -> Iterator[_Moment]:
    """One moment, which pg_dump can dump as long as the block lasts.

    https://www.postgresql.org/docs/current/functions-admin.html, "Snapshot Synchronization Functions".
    """
    engine = database.connect(url)
    try:
        with database.reached(engine), database.transaction(database.reader(engine)) as connection:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            names = inspect(connection).get_table_names()
            held = {
                name: int(connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()) for name in names
            }
            snapshot = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())
            yield _Moment(_major(connection), snapshot, held)
    finally:
        engine.dispose()


def run(url: URL, path: Path, words: list[str]) -> str:
    """What the program printed.

    Raises:
        DataInvalid: it failed or took too long; the message has its last line.
    """
    try:
        done = subprocess.run(
            [path, *words],
            env={**os.environ, "LC_ALL": "C", **_environment(url)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataInvalid(f"{path.name} could not do its work: {type(error).__name__}.") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise DataInvalid(f"{path.name} failed: {said[-1]}")
    return done.stdout


def _lines(url: URL, path: Path, words: list[str]) -> Iterator[bytes]:
    """What the program prints, line by line, however much it is.

    Raises:
        DataInvalid: it failed; the message has its last line.
    """
    with TemporaryFile() as errors:
        with subprocess.Popen(
            [path, *words],
            env={**os.environ, "LC_ALL": "C", **_environment(url)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as doing:
            assert doing.stdout is not None
            yield from doing.stdout
        if doing.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines() or ["it gave no reason"]
            raise DataInvalid(f"{path.name} failed: {said[-1]}")


def _environment(url: URL) -> dict[str, str]:
    parts: dict[str, object] = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    parts |= {"password": url.password, **url.query}
    return {ENVIRONMENT[key]: str(value) for key, value in parts.items() if value is not None and key in ENVIRONMENT}


def _version(path: Path) -> int:
    """The major version of a program, 0 where it does not say."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0
