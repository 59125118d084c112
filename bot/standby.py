"""`wsb run --standby`: nothing but a look at the lease every second, until this process leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from bot.notify import Supervisor
from bot.serve import end_on_signals
from engine.leadership import LOOK_EVERY, Standby
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
    while not await asyncio.to_thread(_looked, standby):
        supervisor.tell(WATCHDOG="1")
        await asyncio.sleep(LOOK_EVERY)
    log.warning("standby.leads", epoch=store.term.epoch)
    store.revision()


def _looked(standby: Standby) -> bool:
    try:
        return standby()
    except Exception as problem:
        log.error("standby.not_looked", exc_info=problem)
        return False
