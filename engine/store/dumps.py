"""Dumps of a PostgreSQL database by its own programs `pg_dump` and `pg_restore`.

They are told where the database is through the environment (https://www.postgresql.org/docs/current/libpq-envars.html),
so that no password stands on a command line or in an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import inspect, text
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

    Raises:
        DataInvalid: pg_dump is missing, too old, or failed, or what it wrote lacks a table.
    """
    major, held = _server(url)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    words = ["--format=custom", "--no-owner", "--no-privileges", "--no-password", f"--file={target}"]
    run(url, program("pg_dump", major), words)
    listing = run(url, program("pg_restore", major), ["--list", str(target)])
    lacking = held - set(re.findall(r" TABLE DATA \S+ (\S+) ", listing))
    if lacking:
        raise DataInvalid(f"The dump lacks the table {min(lacking)}.")


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
            number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
            return number // 10_000, set(inspect(connection).get_table_names())
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
