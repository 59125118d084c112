"""Backups of the desk's database: made and proved, kept for a while; and one before every migration.

A backup is written under a temporary name, proved to be whole and only then given its own name, so that a file with
such a name is one to rely on.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from engine import leadership
from engine.errors import BackupFailed, ConfigError, DataInvalid
from engine.model.backups import Backup, BackupRules, Occasion
from engine.schema import HEAD, REVISIONS
from engine.store import Store, copies, database, dumps

log = structlog.get_logger()

NAME = re.compile(r"(?P<stem>.+)-(?P<at>\d{8}T\d{6}Z)-(?P<revision>\w+)-(?P<occasion>daily|upgrade|hand)\.(db|dump)")
TIME = "%Y%m%dT%H%M%SZ"
PART = ".part"
ROOM = 16 * 1024 * 1024
"""Bytes that must stay free on the disk beside a backup."""
PROOF = {
    ".db": "Each was checked before it got its name: every page is sound, and it has the rows of each table and the "
    "last event of the chain that the database had at that moment.",
    ".dump": "Each was checked before it got its name: it was read back whole by pg_restore, and has the rows of each "
    "table that the database had at that moment. The chain is checked when it is restored.",
}
"""What was verified of a backup, by the ending of its name."""
LEFT_OVER = timedelta(days=1)
"""After which the unfinished file of a process that was killed is removed."""


def folder_of(url: str, rules: BackupRules) -> Path:
    """Where the backups of a database are."""
    if rules.folder:
        return Path(rules.folder)
    file = database.file_of(database.parse(url))
    return (Path() if file is None else file.parent) / "backups"


def listed(url: str, rules: BackupRules) -> tuple[Backup, ...]:
    """Every finished backup of this database, the newest first."""
    stem = _stem(url)
    found = (_read(file, stem) for file in folder_of(url, rules).glob(f"{stem}-*"))
    made = (backup for backup in found if backup is not None)
    return tuple(sorted(made, key=lambda backup: (backup.at, backup.file.name), reverse=True))


def _read(file: Path, stem: str) -> Backup | None:
    """The backup in a file, None where its name is not a finished one's of this database."""
    found = NAME.fullmatch(file.name)
    if found is None or found["stem"] != stem:
        return None
    return Backup(file, _time(found), found["revision"], Occasion(found["occasion"]), file.stat().st_size)


def _time(found: re.Match[str]) -> datetime:
    return datetime.strptime(found["at"], TIME).replace(tzinfo=UTC)


def _stem(url: str) -> str:
    """What the names of a database's backups begin with: the name of its file or, on a server, its own."""
    file = database.file_of(database.parse(url))
    return str(database.parse(url).database) if file is None else file.stem


def outdated(backups: Iterable[Backup], now: datetime, rules: BackupRules) -> tuple[Backup, ...]:
    """Those that are kept no longer, the newest first.

    All of the latest days that have any stay, then the last one of each of the latest weeks, the last few made before a
    migration, and the newest. It is counted how many came after one, never how old it is: a clock that runs years ahead
    makes no backup old. One stamped after `now`, by a clock that was wrong then or is now, stays and stands for no day.
    """
    newest = sorted((each for each in backups if each.at <= now), key=lambda backup: backup.at, reverse=True)
    days = list(dict.fromkeys(each.at.date() for each in newest))[: rules.keep_days]
    stay = newest[:1]
    stay += [each for each in newest if each.at.date() in days]
    stay += [each for each in newest if each.occasion is Occasion.UPGRADE][: rules.keep_upgrades]
    weeks = {each.at.isocalendar()[:2]: each for each in reversed(newest)}
    stay += list(reversed(weeks.values()))[: rules.keep_weeks]
    return tuple(each for each in newest if each not in stay)


def rotate(url: str, rules: BackupRules, now: datetime) -> int:
    """Delete what is outdated, and what killed processes left unfinished; returns how many backups went."""
    old = outdated(listed(url, rules), now, rules)
    for backup in old:
        backup.file.unlink(missing_ok=True)
    for part in folder_of(url, rules).glob(f".{_stem(url)}-*{PART}*"):
        found = NAME.fullmatch(part.name.partition(PART)[0].removeprefix("."))
        if found is not None and now - _time(found) > LEFT_OVER:
            part.unlink(missing_ok=True)
    return len(old)


def make(url: str, rules: BackupRules, now: datetime, occasion: Occasion) -> Backup:
    """A backup of the database as it is at this moment, whole and checked. Whoever writes to it goes on meanwhile.

    Raises:
        BackupFailed: nothing was backed up; the message says why.
        ConfigError: there is no such database.
    """
    revision = Store.revision_at(url)
    if revision is None:
        raise ConfigError("There is nothing to back up: the database is empty or not there.")
    folder, kind = folder_of(url, rules), "dump" if database.file_of(database.parse(url)) is None else "db"
    name = f"{_stem(url)}-{now.astimezone(UTC).strftime(TIME)}-{revision}-{occasion}.{kind}"
    final, part = folder / name, folder / f".{name}{PART}"
    with _failing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _write(url, part)
            _publish(part, final)
        finally:
            _remove(part)
        made = Backup(final, now.astimezone(UTC).replace(microsecond=0), revision, occasion, final.stat().st_size)
    log.info("backup.made", file=str(made.file), size=made.size, occasion=occasion.value)
    return made


@contextmanager
def _failing(folder: Path) -> Iterator[None]:
    """Whatever keeps a backup from being written, as one kind of error."""
    try:
        yield
    except (DataInvalid, OSError, sqlite3.Error) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        raise BackupFailed(f"Nothing was backed up to {folder}: {reason.rstrip('.')}.") from problem


def _write(url: str, part: Path) -> None:
    """The database written to the new file `part`, and the copy held against the original."""
    parsed = database.parse(url)
    source = database.file_of(parsed)
    if source is None:
        dumps.write(parsed, part)
        return
    needed, free = copies.size(source) + ROOM, shutil.disk_usage(part.parent).free
    if free < needed:
        raise DataInvalid(f"{free // 2**20} MB are free on its disk and {needed // 2**20} MB are needed.")
    if copies.copy(source, part) != copies.check(part):
        raise DataInvalid("The copy does not hold what the database held.")


def _publish(part: Path, final: Path) -> None:
    """Give a finished file its name once it is on the disk; never over another file."""
    copies.sync(part)
    os.link(part, final)
    copies.sync(final.parent)


def _remove(part: Path) -> None:
    for left in (part, *copies.logs(part), part.with_name(f"{part.name}-journal")):
        left.unlink(missing_ok=True)


def daily(url: str, rules: BackupRules, now: datetime) -> str:
    """Make the backup of the day, remove what is outdated, and say what was done.

    Raises:
        BackupFailed, ConfigError: as `make`; nothing is removed then.
    """
    made = make(url, rules, now, Occasion.DAILY)
    removed = rotate(url, rules, now)
    gone = f", {removed} old ones removed" if removed else ""
    return f"{made.file.name}, {made.size / 1_000_000:,.1f} MB{gone}"


def upgrade(url: str, now: datetime, name: str = "") -> str:
    """The database's revision after bringing it to this program's, without a backup; `name` may have its lease.

    Raises:
        ConfigError: its revision is newer than the program, or another process runs the desk on it.
    """
    return Store.upgrade(url, lambda work: leadership.end_others(work, now, name))


def bring_up(url: str, rules: BackupRules, now: datetime, name: str = "") -> tuple[str, Backup | None]:
    """The database's revision after bringing it to this program's, and the backup made before.

    No backup is made (None) of a database that is empty, or at this program's revision already. `name` is the process
    that does it, where it has the lease.

    Raises:
        BackupFailed: it could not be backed up, and was not touched.
        ConfigError: its revision is newer than the program, another process runs the desk on it, or the migration
            failed: then it is as it was before.
    """
    found = Store.revision_at(url)
    if found == HEAD:
        return HEAD, None
    if found not in REVISIONS:
        return Store.upgrade(url), None
    with Store.as_it_is(url) as store, store.read() as work:
        leadership.require_nobody(work, now, name)
    try:
        kept = make(url, rules, now, Occasion.UPGRADE)
    except BackupFailed as problem:
        raise BackupFailed(
            f"The database was not upgraded, for it could not be backed up first. {problem}"
        ) from problem
    try:
        return upgrade(url, now, name), kept
    except Exception as problem:
        log.error("backup.upgrade_failed", found=found, file=str(kept.file))
        words = f"The upgrade from revision {found} failed and was taken back: {problem}"
        raise ConfigError(f"{words.rstrip('.')}. The backup made before it is {kept.file}.") from problem
