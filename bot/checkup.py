"""What the doctor finds: one line for each part of the desk, for `wsb check`, the start of the bot and /setup."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bot import app, clocks, data_check, practice
from bot.config import require_admin
from bot.doctor import Finding
from bot.fronts import examined
from bot.settings import Config, DeskSettings
from engine import gateway, redaction
from engine.errors import DeskError
from engine.store import Store

SKEW_WARNS, SKEW_FAILS = 1.0, 5.0
"""Seconds: the oldest quote a tap trades on is a few seconds old, so a clock must not be wrong by as much."""


def findings(config: Config) -> tuple[Finding, ...]:
    """Everything, in the order in which one would put it right. It takes seconds and must not run in an event loop.

    All parts are looked at at the same time: one that does not answer holds up no other.
    """
    with ThreadPoolExecutor(len(PARTS) + 1) as pool:
        looks = [pool.submit(_looked, part, look, config) for part, look in PARTS.items()]
        data = pool.submit(_data, config)
        chats = asyncio.run(_chats(config))
    found = (*(look.result() for look in looks), *data.result(), *chats)
    return tuple(replace(each, words=redaction.clean(each.words)) for each in found)


def _looked(part: str, look: Callable[[Config], tuple[str, str]], config: Config) -> Finding:
    try:
        state, words = look(config)
    except DeskError as problem:
        return Finding(part, "fail", str(problem))
    return Finding(part, state, words)


async def _chats(config: Config) -> tuple[Finding, ...]:
    """What each platform says, at the same time."""
    with Store.memory() as store:
        desk = app.build_desk(replace(config, desk=DeskSettings()), store)
        room = app.build_room(desk, config.people, lambda: "")
        fronts = app.build_fronts(config, room, lambda words: None)
        found = await asyncio.gather(*(examined(front) for front in fronts))
    return tuple(finding for one in found for finding in one)


def _users(config: Config) -> tuple[str, str]:
    """There is an admin, and everybody can be reached where they have an id."""
    require_admin(config)
    names = ", ".join(f"{user.name} ({user.role})" for user in config.people.users)
    platforms = {identity.partition(":")[0].removesuffix("-role") for identity in config.people.by_identity}
    idle = [name for name in CHATS if config.connects(name) and name not in platforms]
    mute = [name for name in CHATS if name in platforms and not config.connects(name)]
    notes = [f"{name.upper()}_TOKEN is set, but nobody has an id there" for name in idle]
    notes += [f"ids of {name} are of no use without {name.upper()}_TOKEN" for name in mute]
    return ("warn" if notes else "ok"), "; ".join((names, *notes))


def _mode(config: Config) -> tuple[str, str]:
    if config.is_live:
        return "warn", f"LIVE: real money in account {config.alpaca.account}"
    return "ok", f"paper trading at the {config.desk.broker} broker"


def _keys(config: Config) -> tuple[str, str]:
    return "ok", ", ".join(sorted(config.secrets)) or "none set, none needed by this configuration"


def _broker(config: Config) -> tuple[str, str]:
    """The account answers, is the pinned one and may trade options."""
    if config.desk.broker == "paper":
        return "ok", f"paper exchange, {config.risk.account_size:,.2f} dollars, option level 3"
    account = app.alpaca_broker(config).account()
    wrong = gateway.why_wrong(app.mode_of(config), config.alpaca.account, account)
    if wrong:
        return "fail", wrong
    if account.blocked:
        return "fail", f"account {account.number} is blocked by the broker"
    state = "ok" if account.options_level >= 3 else "warn"
    return state, f"account {account.number}, option level {account.options_level}"


def _clock(config: Config) -> tuple[str, str]:
    """This machine's clock beside Alpaca's: quotes, expiries and lives of cards are measured with it."""
    if config.desk.broker == "paper" and not data_check.has_alpaca(config):
        return "ok", "the exchange inside this program has this machine's"
    try:
        skew = clocks.measured(app.system_clock, lambda: app.alpaca_clock(config))
    except DeskError as problem:
        return ("warn" if config.desk.broker == "paper" else "fail"), str(problem)
    words = f"{abs(skew.seconds):.1f} s {'ahead of' if skew.seconds > 0 else 'behind'} Alpaca's"
    apart = abs(skew.sure)
    if apart <= SKEW_WARNS:
        return "ok", words
    return ("warn" if apart <= SKEW_FAILS else "fail"), f"{words}: let this machine set its clock by a time server"


def _promotions(config: Config) -> tuple[str, str]:
    """Which strategies may open positions with real money."""
    if not config.is_live:
        return "ok", "none needed: no real money moves"
    with Store.open(config.database.url) as store, store.read() as work:
        live = [name for name in config.strategies if work.promotion(name, config.alpaca.account) is not None]
    kept = ", ".join(name for name in config.strategies if name not in live)
    held_back = f"; on paper only: {kept}" if kept else ""
    return "ok" if live else "warn", f"live: {', '.join(live) or 'no strategy'}{held_back}"


def _data(config: Config) -> tuple[Finding, ...]:
    """Where prices come from: every provider of live ones has a line of its own."""
    if config.data.source == "live":
        return data_check.findings(config, app.system_clock())
    return (_looked("data", _recorded, config),)


def _recorded(config: Config) -> tuple[str, str]:
    if config.data.source == "recorded":
        folder = practice.folder_of(config)
        return "ok", f"practice on the recorded days from {practice.first_day(config, folder)} to {folder.last_day}"
    if not config.data.folder:
        return "fail", "no live data source is configured: `wsb run` cannot start; [data] folder serves `wsb ask`"
    folder = app.open_folder(Path(config.data.folder))
    days = folder.sessions
    return "warn", f"recorded days {days[0]} to {days[-1]} only: no live data source is configured"


def _database(config: Config) -> tuple[str, str]:
    with Store.open(config.database.url) as store:
        practice.check_mark(config, store)
        return "ok", f"revision {store.revision()}"


CHATS = ("discord", "telegram")
PARTS: Mapping[str, Callable[[Config], tuple[str, str]]] = {
    "users": _users,
    "mode": _mode,
    "keys": _keys,
    "broker": _broker,
    "clock": _clock,
    "promotions": _promotions,
    "database": _database,
}
