"""`wsb run`: the desk as one process, until somebody ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import structlog

from bot import app, logs, service, sources
from bot.config import require_admin
from bot.console.output import note, say
from bot.console.replay import load_config
from bot.serve import serve
from bot.settings import Config
from bot.signs import Signs
from bot.standby import stand_by
from engine import backup
from engine.errors import ConfigError
from engine.sessions import Sessions
from engine.store import Store

log = structlog.get_logger()

Begin = Callable[[Config, Signs], Store | None]

NO_SOURCE = (
    "No live data source is configured, so the bot has no prices to work with and does not start. "
    '[data] source = "live" asks the providers whose keys are set; "recorded" lets the bot run on recorded prices, as '
    "practice. `wsb demo` and `wsb replay --data DIR` run the whole journey on them."
)
LEAVE = 0.5
"""Seconds that threads waiting for an answer from outside get, when everything else has ended in order."""


def teller(config: Config) -> Callable[[str], None]:
    """Says to whoever started the desk how people get in: beside the log, which is for programs where it is JSON."""
    return say if config.logging.format == "json" else note


def at_once(config: Config, signs: Signs) -> Store:
    """The store to begin with now; a desk that another process runs is refused in words when it is to be served."""
    del signs
    return app.open_store(config.database.url, config.backup)


def when_free(config: Config, signs: Signs, clock: Callable[[], datetime] = app.system_clock) -> Store | None:
    """The store to begin with when no other process runs the desk; None when this one was ended before, with `signs`
    of it meanwhile.
    """
    note("Another process may run this desk: this one stands by until it ends. Ctrl-C ends it.")
    _load()
    url, rules = config.database.url, config.backup
    with contextlib.ExitStack() as opened:
        store = opened.enter_context(app.waiting_store(url, rules))

        def upgrade() -> None:
            backup.bring_up(url, rules, clock(), store.term.holder)

        try:
            asyncio.run(stand_by(store, clock, signs, upgrade))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return None
        opened.pop_all()
    note("This process runs the desk from now on.")
    return store


def _load() -> None:
    """Load what a desk needs, so that it starts at once when it has to."""
    for name in ("engine.brokers.alpaca", "bot.platforms.discord_app", "bot.platforms.telegram_app"):
        importlib.import_module(name)
    Sessions().is_open(app.system_clock())


def run(path: Path, environment: Mapping[str, str], begin: Begin = at_once) -> int:
    """The command; returns the exit code. `begin` may wait for the time to begin.

    Raises:
        ConfigError: the configuration is wrong, nobody is an admin, there is no live data source, or another process
            runs the desk. LeaseLost: it has taken this desk over.
    """
    config = load_config(path, environment)
    require_admin(config)
    if not config.data.source:
        raise ConfigError(NO_SOURCE)
    signs = Signs.of(config.metrics)
    begun = begin(config, signs)
    if begun is None:
        return 0
    with begun as store, contextlib.closing(signs):
        made = _practice(config, store) if config.data.source == "recorded" else _live(config, store)
        logs.tell_all()
        set_aside()
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(served(made, signs))
    return 0


def set_aside() -> None:
    """What is here when a desk begins stays: the collector looks at it no more, and so looks sooner at what has gone
    since. It comes when there is a quarter more than last time, and every drawn picture waits for it with 3 MB.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # counts what is left to look at


def _practice(config: Config, store: Store) -> service.Service:
    tell = teller(config)
    made = service.rehearsal(config, store, tell)
    tell("This is practice: recorded prices and no money. Ctrl-C ends it.")
    return made


def _live(config: Config, store: Store) -> service.Service:
    kept = sources.build_live_data(config, store, app.system_clock)
    market = kept.market
    tell = teller(config)
    made = service.live(config, store, market, tell, past=market.past(), kept=kept)
    names = ", ".join(state.name for state in market.sources())
    money = f"REAL MONEY in account {config.alpaca.account}" if config.is_live else "no real money"
    tell(f"Live data from {names}; {money}. Ctrl-C ends it.")

    def close() -> None:
        made.close()
        market.close()

    return replace(made, close=close)


async def served(made: service.Service, signs: Signs) -> None:
    """Serve until the end, and leave then, whoever still waits for an answer from outside."""
    code = 1
    try:
        async with signs.given(made.watched):
            await serve(made.serving)
        code = 0
    finally:
        await asyncio.to_thread(signs.close)
        leave_soon(code)
        await asyncio.to_thread(made.close)


def leave_soon(code: int) -> None:
    """End this process in a moment if it does not end by itself: everything that counts is in the store by now."""
    last = threading.Timer(LEAVE, _leave, [code])
    last.daemon = True
    last.start()


def _leave(code: int) -> None:
    log.warning("run.left", threads=[thread.name for thread in threading.enumerate() if not thread.daemon])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
