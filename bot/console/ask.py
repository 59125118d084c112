"""`wsb ask`: one chat command through the gate, answered as a text card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bot import app, practice, sources
from bot.bulkheads import finish
from bot.command import Room
from bot.console.output import emit, reply_json, reply_text, say
from bot.console.replay import load_config
from bot.dispatch import dispatch
from bot.message import Request
from bot.parse import nearest
from bot.people import People, owner
from bot.settings import Config
from engine.desk import Desk
from engine.errors import BadRequest, ConfigError
from engine.store import Store

OWNER = "cli:owner"
LOOK_AT = "15:30"


@dataclass(frozen=True, slots=True)
class AskOptions:
    """What the command line said; `None` and "" mean it was not said."""

    text: str
    config: Path | None = None
    user: str = ""
    data: Path | None = None
    day: date | None = None


def ask(options: AskOptions, environment: Mapping[str, str], as_json: bool) -> int:
    """The command; returns the exit code."""
    config = load_config(options.config, environment)
    people, identity = _person(config, options.user)
    room = _room(config, options, people, environment)
    source = f"cli:{room.desk.new_id('U')}"
    reply = finish(dispatch(room, Request(identity, text=options.text, source=source)))
    if as_json:
        emit(reply_json(reply))
    else:
        say(reply_text(reply))
    return 0 if reply.is_ok else 1


def _person(config: Config, name: str) -> tuple[People, str]:
    """Everybody, and the identity of the one who asks: `--as`, else the first admin, else whoever sits here.

    Raises:
        BadRequest: nobody has that name.
    """
    people = config.people
    if not people.users and not name:
        return owner([OWNER]), OWNER
    user = people.named(name) if name else next(iter(people.admins), None)
    if user is None:
        known = [user.name for user in people.users]
        raise BadRequest(f"--as: nobody is called “{name}”.{nearest(name, known)}")
    if not user.ids:
        raise BadRequest(f"{user.name} has no ids in the configuration.")
    return people, user.ids[0]


def _room(config: Config, options: AskOptions, people: People, environment: Mapping[str, str]) -> Room:
    is_configured = options.config is not None or bool(environment.get("DATABASE_URL"))
    store = app.open_store(config.database.url if is_configured else None, config.backup)
    if is_configured and options.data is None:
        practice.check_mark(config, store)
        if config.data.source == "recorded":
            return _practice_room(config, store, people)
    folder = _folder(config, options, is_configured)
    if folder is None:
        market = sources.build_live_market(config, store, app.system_clock) if config.data.source == "live" else None
        desk = app.build_desk(config, store, market)
        return app.build_room(desk, people, lambda: app.live_banner(config))
    day = options.day or _day(config.data.date) or _latest(store, folder)
    folder.check_day(day)
    made = app.build_replay_desk(folder, day, config.strategies, store, app.settings_of(config))
    _move_to(made, day)
    return app.build_room(made.desk, people, app.replay_banner(made.desk, "REPLAY"))


def _practice_room(config: Config, store: Store, people: People) -> Room:
    """The practice as it was left."""
    days = practice.days_of(config, store)
    made = app.build_practice_desk(config, days.folder, days.start, store)
    return app.build_room(made.desk, people, app.replay_banner(made.desk, practice.LABEL))


def _folder(config: Config, options: AskOptions, is_configured: bool) -> app.Folder | None:
    """The recorded days to answer from; a desk that is not configured answers from the demo's."""
    if options.data is not None or config.data.folder:
        return app.open_folder(options.data or Path(config.data.folder))
    return None if is_configured else app.demo_prices()


def _latest(store: Store, folder: app.Folder) -> date:
    """The last session the desk lived through, where the folder has it: what is held is held on that day."""
    with store.read() as work:
        row = next(reversed(work.equity_history(limit=1)), None)
    return row.day if row is not None and row.day in folder.sessions else folder.last_day


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigError(f'data.date = "{text}": expected YYYY-MM-DD.') from error


def _move_to(made: app.ReplayDesk, day: date) -> None:
    """Half past three of `day`. The exchange stays where it is: a question must not expire what the desk holds."""
    desk: Desk = made.desk
    if not desk.sessions.is_session(day):
        raise BadRequest(f"{day} is not a trading session; the next is {desk.sessions.next(day)}.")
    made.clock.set(min(desk.sessions.at(day, LOOK_AT), desk.sessions.close(day)))
