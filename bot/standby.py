"""`wsb run --standby`: nothing but a look at the lease every second, until this process leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from bot.notify import Supervisor
from bot.serve import end_on_signals
from engine import leadership
from engine.leadership import LOOK_EVERY, RENEW_EVERY, TELL_EVERY, Standby
from engine.store import Store

log = structlog.get_logger()


async def stand_by(
    store: Store, now: Callable[[], datetime], supervisor: Supervisor, upgrade: Callable[[], object]
) -> None:
    """Wait until this process may act for the desk of `store`; a signal that ends it cancels this.

    `supervisor` is told at each look that this process is alive. `upgrade` brings the tables to this program's, when
    nobody else works with them any more; it blocks.

    Asks no platform, no broker and no provider for anything, and writes a sign of life alone.

    Raises:
        ConfigError: whoever led meanwhile has brought the database to a revision this program does not know.
        BackupFailed: it would have to be upgraded and cannot be backed up; the lease is given back.
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
    try:
        await _upgraded(store, now, supervisor, upgrade)
        store.revision()
    except Exception:
        leadership.give_back(store, now())
        raise


async def _upgraded(
    store: Store, now: Callable[[], datetime], supervisor: Supervisor, upgrade: Callable[[], object]
) -> None:
    """The lease is kept while the database is backed up; while its tables change nobody can write, nor take it."""
    upgrading = asyncio.create_task(asyncio.to_thread(upgrade))
    while not (await asyncio.wait([upgrading], timeout=RENEW_EVERY))[0]:
        supervisor.tell(WATCHDOG="1")
        await asyncio.to_thread(_tried, lambda: leadership.renew(store, now()))
    upgrading.result()


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
