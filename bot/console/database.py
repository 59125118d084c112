"""`wsb db`, `wsb audit`: the schema, its backups and the hash chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot import app
from bot.console.output import emit, say
from bot.console.replay import load_config
from engine import audit, backup, restore
from engine.errors import BadRequest
from engine.model.backups import Backup, Occasion
from engine.store import Store


@dataclass(frozen=True, slots=True)
class UpgradeOptions:
    """The words of `wsb db upgrade`."""

    config_file: Path | None = None
    no_backup: bool = False


def upgrade(options: UpgradeOptions, environment: Mapping[str, str], as_json: bool) -> int:
    """Bring the database to this program's revision; what there is to lose is backed up before."""
    config = load_config(options.config_file, environment)
    url = config.database.url
    if options.no_backup:
        revision, kept = backup.upgrade(url, app.system_clock()), None
    else:
        revision, kept = backup.bring_up(url, config.backup, app.system_clock())
    if as_json:
        emit({"revision": revision, "backup": None if kept is None else str(kept.file)})
        return 0
    if kept is not None:
        say(f"Backed up to {kept.file}.")
    say(f"The database is at revision {revision}.")
    return 0


def back_up(config_file: Path | None, environment: Mapping[str, str], as_json: bool) -> int:
    """Make a backup now, and remove those that are kept no longer."""
    config = load_config(config_file, environment)
    now = app.system_clock()
    made = backup.make(config.database.url, config.backup, now, Occasion.HAND)
    removed = backup.rotate(config.database.url, config.backup, now)
    if as_json:
        emit({"file": str(made.file), "revision": made.revision, "bytes": made.size, "removed": removed})
    else:
        say(f"Backed up to {made.file} ({_size(made.size)}).")
    return 0


def backups(config_file: Path | None, environment: Mapping[str, str], as_json: bool) -> int:
    """List the backups there are, the newest first; last those that a clock ahead of ours has stamped."""
    config = load_config(config_file, environment)
    now = app.system_clock()
    found = sorted(backup.listed(config.database.url, config.backup), key=lambda each: each.at > now)
    if as_json:
        emit({"backups": [_as_json(each) | {"is_ahead": each.at > now} for each in found], "proof": _proofs(found)})
        return 0
    if not found:
        say(f"No backup in {backup.folder_of(config.database.url, config.backup)}: `wsb db backup` makes one.")
    for each in found:
        ahead = "  (stamped ahead of this clock)" if each.at > now else ""
        size = _size(each.size)
        say(f"{each.at:%Y-%m-%d %H:%M} UTC  {each.occasion:<7}  {each.revision}  {size:>9}  {each.file}{ahead}")
    for proof in _proofs(found):
        say(proof)
    return 0


def _proofs(found: Iterable[Backup]) -> list[str]:
    """What was verified of these, a sentence for each kind."""
    return [backup.PROOF[ending] for ending in dict.fromkeys(each.file.suffix for each in found)]


def _as_json(each: Backup) -> dict[str, object]:
    return {
        "file": str(each.file),
        "at": each.at.isoformat(),
        "revision": each.revision,
        "occasion": each.occasion.value,
        "bytes": each.size,
    }


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def put_back(file: Path, config_file: Path | None, environment: Mapping[str, str], as_json: bool) -> int:
    """Put a backup in the place of the database, which is put aside."""
    config = load_config(config_file, environment)
    done = restore.restore(config.database.url, file, app.system_clock())
    if as_json:
        aside = None if done.aside is None else str(done.aside)
        emit({"revision": done.revision, "aside": aside, "words": done.words})
        return 0
    if done.aside is not None:
        say(f"What was there before is now {done.aside}.")
    say(f"{done.words}. Entries are halted until then; what had been proposed is expired.")
    return 0


def revision(config_file: Path | None, environment: Mapping[str, str], as_json: bool) -> int:
    """Say which revision the database has."""
    with Store.open(load_config(config_file, environment).database.url) as store:
        found = store.revision()
    if as_json:
        emit({"revision": found})
    else:
        say(found)
    return 0


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """Where the chain is, and the heads written down elsewhere: given one by one, or in a file such as the log."""

    config_file: Path | None = None
    heads: tuple[str, ...] = ()
    file: Path | None = None


def verify(options: VerifyOptions, environment: Mapping[str, str], as_json: bool) -> int:
    """Walk the hash chain; 1 when it does not hold.

    Raises:
        BadRequest: a head that is not one, or a file without any.
    """
    known = (*(audit.head_of(text) for text in options.heads), *_heads_of(options.file))
    with Store.open(load_config(options.config_file, environment).database.url) as store:
        found = audit.verify(store, known)
    if as_json:
        emit(
            {
                "ok": found.ok,
                "events": found.head.number,
                "head": found.head.hash,
                "unsealed": found.unsealed,
                "bad": found.bad,
                "heads": found.heads,
                "words": found.words,
            }
        )
    else:
        say(found.words)
    return 0 if found.ok else 1


def _heads_of(file: Path | None) -> tuple[audit.Head, ...]:
    """Every head in the lines of `file`."""
    if file is None:
        return ()
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BadRequest(f"{file} cannot be read: {error.strerror}.") from error
    heads = audit.heads_in(text)
    if not heads:
        raise BadRequest(f"There is no head in {file}: expected lines with NUMBER:HASH, such as the log's audit.head.")
    return heads
