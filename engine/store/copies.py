"""Copies of a SQLite database while others write to it, and proof that a copy is whole.

SQLite's online backup starts again from the beginning whenever somebody writes between two of its steps
(https://www.sqlite.org/backup.html, "Example 2"), so that the copy of a busy desk would never end. Here it reads inside
one transaction: in WAL mode that is one moment of the database, which no writer changes and which holds up none.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from engine.errors import DataInvalid

PAGES = 512
"""Copied at a time: 2 MB."""
PAUSE = 0.005
"""Seconds between two such steps, so that the disk has time for the desk."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds, to compare it with its copy.

    `head` is the last sealed event's number and hash, None where nothing was sealed.
    """

    revision: str | None
    rows: Mapping[str, int]
    head: tuple[int, str] | None


def copy(source: Path, target: Path) -> Contents:
    """Write what `source` holds at this moment to the new file `target`, and say what that is.

    Only its owner may read it. It is one file in itself, without a log beside it.

    Raises:
        sqlite3.Error, OSError: it cannot be read, or not be written whole; `target` is not to be used.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    pause = threading.Event()
    with closing(_opened(source, "rw")) as books, closing(_opened(target, "rw")) as made:
        books.execute("BEGIN")
        held = _contents(books)
        made.execute("PRAGMA synchronous = OFF")
        books.backup(made, pages=PAGES, progress=lambda *_: pause.wait(PAUSE) and None)
        made.execute("PRAGMA journal_mode = DELETE")
    return held


def check(file: Path) -> Contents:
    """What the database in `file` holds, when every page of it is sound.

    Raises:
        DataInvalid: it is damaged, or no database.
    """
    try:
        with closing(_opened(file, "ro")) as books:
            problem = str(books.execute("PRAGMA integrity_check(1)").fetchone()[0])
            if problem != "ok":
                raise DataInvalid(f"{file} is damaged: {problem}.")
            return _contents(books)
    except sqlite3.Error as error:
        raise DataInvalid(f"{file} is no sound database: {error}.") from error


def settle(file: Path) -> None:
    """Bring the log beside a database into it, so that the file alone is the whole of it.

    Raises:
        DataInvalid: another program has it open.
        sqlite3.Error: it cannot be read.
    """
    with closing(_opened(file, "rw")) as books:
        is_busy = bool(books.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
    # The last connection to a database takes its log away when it closes.
    if is_busy or logs(file)[0].exists():
        raise DataInvalid(f"Another program has {file} open: end it first.")


def logs(file: Path) -> tuple[Path, ...]:
    """The write-ahead log of a database and its index: they belong to this very file."""
    return file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")


def size(file: Path) -> int:
    """Bytes of a database with its log."""
    return sum(each.stat().st_size for each in (file, *logs(file)[:1]) if each.exists())


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk when this returns."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _opened(file: Path, mode: str) -> sqlite3.Connection:
    """A connection that never makes a file."""
    return sqlite3.connect(f"file:{quote(str(file))}?mode={mode}", uri=True, isolation_level=None, timeout=30)


def _contents(books: sqlite3.Connection) -> Contents:
    names = [row[0] for row in books.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    rows = {name: int(books.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}
    revision = (
        books.execute("SELECT version_num FROM alembic_version").fetchone() if "alembic_version" in rows else None
    )
    last = "SELECT number, hash FROM events WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1"
    head = books.execute(last).fetchone() if "events" in rows else None
    return Contents(None if revision is None else str(revision[0]), rows, head)
