"""`wsb run --standby`: nothing but a look at the lease every second, until this process leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from bot.notify import Supervisor
from bot.serve import end_on_signals
from engine.leadership import LOOK_EVERY, TELL_EVERY, Standby
from engine.store import Store

log = structlog.get_logger()


async def stand_by(store: Store, now: Callable[[], datetime], supervisor: Supervisor) -> None:
    """Wait until this process may act for the desk of `store`; a signal that ends it cancels this.

    `supervisor` is told at each look that this process is alive.

    Asks no platform, no broker and no provider for anything, and writes a sign of life alone.

    Raises:
        ConfigError: whoever led meanwhile has brought the database to a revision this program does not know.
    """
    end_on_signals()
    standby = Standby(store, now)
    log.info("standby.waiting", name=standby.name)
    supervisor.tell(READY="1", STATUS="Stands by.")
    telling = asyncio.create_task(_told(standby))
    try:
        while not await asyncio.to_thread(_tried, standby):
            supervisor.tell(WATCHDOG="1")
            await asyncio.sleep(LOOK_EVERY)
    finally:
        telling.cancel()
    log.warning("standby.leads", epoch=store.term.epoch)
    store.revision()


async def _told(standby: Standby) -> None:
    """Signs of life, beside the looks: one that has to wait holds up none of them."""
    while True:
        await asyncio.to_thread(_tried, standby.tell)
        await asyncio.sleep(TELL_EVERY)


def _tried(step: Callable[[], object]) -> bool:
    """Whether it was done and says yes; a database that is away for a moment is tried again."""
    try:
        return step() is True
    except Exception as problem:
        log.error("standby.database_away", exc_info=problem)
        return False
