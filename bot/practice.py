"""Practice: the configured people and platforms on recorded prices, with books of its own.

A database holds a practice or a desk, never first one and then the other: what was practised would count as money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from bot import app
from bot.settings import Config
from engine.errors import ConfigError
from engine.model.events import EventKind
from engine.sessions import Sessions
from engine.store import Store, UnitOfWork

LABEL = "PRACTICE"
MARK = "practice"
"""The setting that says whose prices the books of a practice are on."""
FIRST_DAY = date(2009, 2, 3)
"""Of the demo's prices: a session on which the wheel finds puts to sell half an hour after the open."""


@dataclass(frozen=True, slots=True)
class Days:
    """What is lived through: recorded sessions, from an instant on."""

    folder: app.Folder
    start: datetime
    sessions: tuple[date, ...]


def days_of(config: Config, store: Store) -> Days:
    """Where the practice begins, or goes on where it was left.

    Raises:
        ConfigError: it cannot be practised as configured; names the key.
    """
    if config.desk.broker != "paper":
        raise ConfigError(
            f'data.source = "recorded" is practice: desk.broker should be "paper", not "{config.desk.broker}".'
        )
    folder = folder_of(config)
    begun = _claimed(config, store, folder.name)
    sessions = Sessions()
    first = first_day(config, folder)
    start = sessions.open(sessions.upcoming(first, 1)[0]) if begun is None else begun + timedelta(seconds=1)
    return Days(folder, start, sessions.between(sessions.today(start), folder.last_day))


def folder_of(config: Config) -> app.Folder:
    """The recorded days that are practised on: the configured ones, or the demo's."""
    return app.open_folder(Path(config.data.folder)) if config.data.folder else app.demo_prices()


def first_day(config: Config, folder: app.Folder) -> date:
    """The day a new practice begins on.

    Raises:
        ConfigError: there are no prices of the configured one.
    """
    if not config.data.start:
        return folder.sessions[0] if config.data.folder else FIRST_DAY
    try:
        first = date.fromisoformat(config.data.start)
    except ValueError as error:
        raise ConfigError(f'data.start = "{config.data.start}": expected YYYY-MM-DD.') from error
    if not folder.sessions[0] <= first <= folder.last_day:
        raise ConfigError(f"data.start = {first}: recorded are {folder.sessions[0]} to {folder.last_day}.")
    return first


def _claimed(config: Config, store: Store, name: str) -> datetime | None:
    """The market time at which the practice was left, None for one that begins; its database is marked.

    Raises:
        ConfigError: the database holds something else.
    """
    check_mark(config, store)
    with store.begin() as work:
        mark, left = work.setting(MARK), _left(work)
        if mark not in (None, name):
            raise ConfigError(
                f"database.url = {config.database.url} holds a practice on the prices of {mark}, not of {name}: "
                "give this one a database of its own."
            )
        work.set_setting(MARK, name, "desk", app.system_clock())
    return left


def check_mark(config: Config, store: Store) -> None:
    """Keep a practice off the books of a desk, and a desk off those of a practice.

    Raises:
        ConfigError: the database holds the other.
    """
    is_practice = config.data.source == "recorded"
    with store.read() as work:
        mark, left = work.setting(MARK), _left(work)
    if is_practice and mark is None and left is not None:
        raise ConfigError(
            f"database.url = {config.database.url} holds a desk that is no practice: "
            "give the practice a database of its own, such as sqlite:///practice.db."
        )
    if mark is not None and not is_practice:
        raise ConfigError(
            f"database.url = {config.database.url} holds a practice: give the desk a database of its own."
        )


def _left(work: UnitOfWork) -> datetime | None:
    newest = work.newest_events(EventKind, 1)
    return newest[0].at if newest else None
