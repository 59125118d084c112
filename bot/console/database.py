"""`wsb db`, `wsb audit`: the schema and the hash chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.console.output import emit, say
from bot.console.replay import load_config
from engine import audit
from engine.errors import BadRequest
from engine.store import Store


def upgrade(config_file: Path | None, environment: Mapping[str, str], as_json: bool) -> int:
    """Bring the database to this program's revision."""
    url = load_config(config_file, environment).database.url
    revision = Store.upgrade(url)
    if as_json:
        emit({"revision": revision})
    else:
        say(f"The database is at revision {revision}.")
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
