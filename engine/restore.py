"""A backup put back in the place of the database, and what a desk that opens such books does first.

The books are then older than the broker. They are marked (`engine.store.restoring`): entries are halted until a person
resumes them, nothing that waited can be approved any more, nothing is sold before the broker has said what is held,
and new ids begin after every one that was given before.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine import audit
from engine.backup import TIME
from engine.desk import Desk
from engine.errors import ConfigError, DataInvalid, NotFound
from engine.model.events import EventKind, Severity
from engine.schema import HEAD
from engine.store import Store, copies, database, dumps, restoring
from engine.store.restoring import Before, Mark

LATER = timedelta(minutes=1)
"""How far beyond the last known moment new ids begin: a burst of them may have run ahead of the clock."""
ASIDE = "before-restore"
LONGEST_LEASE = timedelta(minutes=1)
"""One that ends later was given by a clock that ran ahead: whoever has the database open is seen all the same."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Books put back. `aside` is where the database is that was there before, None where there was none."""

    revision: str
    aside: Path | None
    words: str


def restore(url: str, file: Path, now: datetime) -> Restored:
    """Put the backup in `file` in the place of the database; what was there is put aside, never deleted.

    Raises:
        NotFound: there is no such file.
        DataInvalid: it is no sound backup, or its chain of events does not hold; nothing was changed.
        ConfigError: it is newer than the program, a desk runs on the database, or (PostgreSQL) it is not empty.
    """
    if not file.is_file():
        raise NotFound(f"There is no file {file}: `wsb db backups` lists those there are.")
    parsed = database.parse(url)
    place = database.file_of(parsed)
    if place is None:
        return _into_server(url, file, now)
    _check_kind(file, b"SQLite format 3\0", "a backup of a SQLite database")
    return _into_file(place.resolve(), file, now)  # beside a link SQLite keeps no log that would tell who has it open


def _check_kind(file: Path, magic: bytes, what: str) -> None:
    with file.open("rb") as opened:
        if opened.read(len(magic)) != magic:
            raise DataInvalid(f"{file} is not {what}, which the configured database is.")


def _into_file(place: Path, file: Path, now: datetime) -> Restored:
    """Made ready beside the database, then put in its place in one step."""
    left = _left(place, now)
    part = place.with_name(f".{place.name}.restored")
    try:
        part.unlink(missing_ok=True)
        shutil.copyfile(file, part)
        part.chmod(0o600)
        revision = _known(copies.check(part).revision, file)
        _check_chain(f"sqlite:///{part}", revision)
        words = _words(file, now)
        _mark(f"sqlite:///{part}", left, words, now)
        copies.settle(part)
        copies.sync(part)
        aside = _put_aside(place, now) if place.exists() else None
        os.replace(part, place)
        copies.sync(place.parent)
    finally:
        for rest in (part, *copies.logs(part)):
            rest.unlink(missing_ok=True)
    return Restored(revision, aside, words)


def _into_server(url: str, file: Path, now: datetime) -> Restored:
    _check_kind(file, b"PGDMP", "a dump of a PostgreSQL database")
    parsed = database.parse(url)
    if Store.revision_at(url) is not None:
        raise ConfigError(
            f"The database {parsed.database} is not empty: a dump is restored into an empty one only. Create another "
            "(createdb), name it in DATABASE_URL and restore into that."
        )
    revision = _known(dumps.revision(parsed, file), file)
    dumps.restore(parsed, file)
    words = _words(file, now)
    _mark(url, Before(), words, now)
    _check_chain(url, revision)
    return Restored(revision, None, words)


def _words(file: Path, now: datetime) -> str:
    when = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    return f"The books were restored at {when} UTC from {file.name}; compare with the broker before /resume"


def _known(revision: str | None, file: Path) -> str:
    """The revision of a backup, when this program knows it."""
    if revision is None:
        raise DataInvalid(f"{file} holds no desk: it has no revision.")
    database.check_not_newer(revision, str(file))
    return revision


def _check_chain(url: str, revision: str) -> None:
    """Refuse a backup whose events were tampered with. An older schema is read by its own program only."""
    if revision != HEAD:
        return
    with Store.open(url) as store:
        found = audit.verify(store)
    if not found.ok:
        raise DataInvalid(f"The backup's chain of events does not hold: {found.words}")


def _left(place: Path, now: datetime) -> Before:
    """What the database at hand says of its last desk; nothing where it is not there or beyond reading.

    Raises:
        ConfigError: a desk runs on it.
    """
    if not place.exists():
        return Before()
    try:
        found = restoring.before(f"sqlite:///{place}")
        copies.settle(place)
    except (ConfigError, sqlite3.Error):
        return Before()
    if found.expires is not None and now < found.expires <= now + LONGEST_LEASE:
        raise ConfigError(f"A desk runs on this database ({found.holder}): end it first, and wait 15 seconds.")
    return found


def _mark(url: str, left: Before, words: str, now: datetime) -> None:
    last = max(now, left.last_event or now)
    restoring.mark(url, Mark(now, words, last + LATER, left.epoch))


def _put_aside(place: Path, now: datetime) -> Path:
    """Keep the database that is replaced under another name, with its log where it could not be brought into it.

    Raises:
        DataInvalid: somebody has opened it since it was looked at: what is begun again by itself.
    """
    with suppress(sqlite3.Error):  # beyond reading: nobody else works on it either
        copies.settle(place)
    stamp = now.astimezone(UTC).strftime(TIME)
    aside = place.with_name(f"{place.name}.{ASIDE}-{stamp}")
    os.link(place, aside)
    for log, kept in zip(copies.logs(place), copies.logs(aside), strict=True):
        if log.exists():
            log.rename(kept)
    return aside


def ids_after(store: Store) -> datetime | None:
    """The time after which new ids of these books begin; None where they never were restored."""
    with store.read() as work:
        text = work.setting(restoring.RESTORED)
    return datetime.fromisoformat(json.loads(text)["ids_after"]) if text else None


def tell(desk: Desk) -> bool:
    """Tell people, once, that the books they look at were restored; whether there was something to tell."""
    with desk.store.read() as reading:
        text = reading.setting(restoring.RESTORED)
    told = json.loads(text) if text else {"is_told": True}
    if told["is_told"]:
        return False
    with desk.store.begin() as work:
        data = {"by": restoring.BY, "why": told["words"]}
        work.add_event(desk.event(EventKind.HALTED, "desk", data, Severity.URGENT, actor=restoring.BY))
        work.set_setting(restoring.RESTORED, json.dumps(told | {"is_told": True}, sort_keys=True), "desk", desk.now())
    return True
