"""`wsb replay` and `wsb demo --headless`: the whole journey over recorded days, and its summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from alerts.routes import Channels
from bot import app, logs
from bot.bulkheads import finish
from bot.config import load
from bot.console.output import emit, note, say
from bot.parse import nearest
from bot.people import owner
from bot.platforms.replay_chat import DESTINATION, IDENTITY, Answer, Person, ReplayChat
from bot.replay import Journey
from bot.settings import Config
from bot.summary import Json, summary, told
from engine.errors import BadRequest, ConfigError
from engine.model.trade import Strategy
from engine.sessions import Sessions
from engine.store import Store


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What the command line said. `strategies` empty: all that are enabled."""

    folder: app.Folder
    start: date
    end: date
    approve: Answer = "all"
    seed: int = 1
    strategies: tuple[str, ...] = ()
    label: str = "REPLAY"


def load_config(path: Path | None, environment: Mapping[str, str]) -> Config:
    """The configuration, with logging set up as it says."""
    config = load(path, environment)
    logs.configure(config.logging)
    logs.keep_secrets(config)
    return config


def chosen(config: Config, names: tuple[str, ...]) -> dict[str, Strategy]:
    """The strategies called `names`, all enabled ones when none is named. A report may be named: it always reports.

    Raises:
        BadRequest: one of them is unknown or not enabled; the nearest is suggested.
    """
    if not names:
        return dict(config.strategies)
    for name in names:
        if name not in config.strategies and name not in config.reports:
            known = ", ".join(config.strategies) or "none"
            hint = nearest(name, config.strategies)
            raise BadRequest(f"“{name}” is not an enabled strategy.{hint} Enabled: {known}.")
    return {name: config.strategies[name] for name in config.strategies if name in names}


def make_journey(config: Config, options: ReplayOptions, store: Store) -> Journey:
    """A desk on recorded days with one simulated person and the in-process chat."""
    strategies = chosen(config, options.strategies)
    made = app.build_replay_desk(options.folder, options.start, strategies, store, app.settings_of(config))
    banner = app.replay_banner(made.desk, options.label)
    room = app.build_room(made.desk, owner([IDENTITY]), banner)
    chat = ReplayChat()
    person = Person(chat, options.approve, options.seed)
    channels = Channels((DESTINATION,), {})
    return Journey(made, room, {chat.name: chat}, channels, chat, person, config.schedule.tick_minutes)


def run_days(config: Config, options: ReplayOptions, store: Store) -> Json:
    """Live through the days and say what came of them.

    Raises:
        BadRequest: no recorded session lies between the dates, or a strategy is unknown.
        DataInvalid: the books do not add up, or the data are malformed.
    """
    days = options.folder.trading_days(options.start, options.end, Sessions())
    journey = make_journey(config, options, store)
    finish(journey.run(days))
    return summary(journey.made.desk)


@dataclass(frozen=True, slots=True)
class ReplayCommand:
    """The words of `wsb replay`."""

    data: Path
    start: date
    end: date
    strategies: tuple[str, ...] = ()
    approve: Literal["all", "none"] = "all"
    seed: int = 1
    db: str | None = None
    config: Path | None = None


def replay(said: ReplayCommand, environment: Mapping[str, str], as_json: bool) -> int:
    """The command; returns the exit code."""
    if said.end < said.start:
        raise BadRequest(f"--to {said.end} is before --from {said.start}.")
    config = load_config(said.config, environment)
    chosen(config, said.strategies)
    folder = app.open_folder(said.data)
    store = app.open_store(said.db)
    _refuse_history(store, said.db)
    options = ReplayOptions(folder, said.start, said.end, said.approve, said.seed, said.strategies)
    result = run_days(config, options, store)
    tell(result, as_json)
    return 1 if result["errors"] else 0


def _refuse_history(store: Store, url: str | None) -> None:
    """A replay starts from an empty desk: the same inputs must give the same bytes."""
    with store.read() as work:
        has_history = bool(work.events(limit=1))
    if has_history:
        raise ConfigError(f"--db {url} holds a desk's history already: give the replay a database of its own.")


def tell(result: Json, as_json: bool) -> None:
    """The summary as one JSON object, or as lines."""
    if as_json:
        emit(result)
        return
    for key, value in result.items():
        if not isinstance(value, dict | list):
            say(f"{key:<16}{value}")
    for words in told(result):
        say(words)
    unchecked = result["not_checked"]
    if isinstance(unchecked, list) and unchecked:
        note(f"Not checked, for the data do not cover it: {', '.join(map(str, unchecked))}.")
