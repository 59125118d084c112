"""`wsb db`, `wsb audit`: the schema and the hash chain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.console.output import emit, say
from bot.console.replay import load_config
from engine import audit
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


def verify(config_file: Path | None, environment: Mapping[str, str], as_json: bool) -> int:
    """Walk the hash chain; 1 when it does not hold."""
    with Store.open(load_config(config_file, environment).database.url) as store:
        found = audit.verify(store)
    if as_json:
        emit(
            {
                "ok": found.ok,
                "events": found.head.number,
                "head": found.head.hash,
                "unsealed": found.unsealed,
                "bad": found.bad,
                "words": found.words,
            }
        )
    else:
        say(found.words)
    return 0 if found.ok else 1
