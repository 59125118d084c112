"""`wsb run --standby`: nothing but a look at the lease every second, until this process leads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from prometheus_client.core import Metric

from alerts import health
from alerts.health import Health
from alerts.metrics import Vitals, process_metrics
from bot.monitor import Pulse, Stage
from bot.serve import end_on_signals
from bot.settings import MetricsSettings
from bot.signs import Signs
from engine import activities, leadership
from engine.leadership import LOOK_EVERY, RENEW_EVERY, TELL_EVERY, Standby
from engine.store import Store

log = structlog.get_logger()


@dataclass(slots=True)
class Waiting:
    """A process that stands by, as it is seen from outside (`bot.monitor.Seen`)."""

    store: Store
    now: Callable[[], datetime]
    pulse: Pulse = field(default_factory=Pulse)
    looked: Pulse = field(default_factory=Pulse)
    """When a look at the lease last ended, whatever it found."""

    @property
    def stage(self) -> Stage:
        """It waits."""
        return Stage.WAITS

    @property
    def alive(self) -> Health:
        """Whether the process has to be started anew: one whose look hangs would never lead."""
        return health.patience(self.pulse.age, self.looked.age)

    def have_begun(self) -> bool:
        """Whether the books are open; asks the database."""
        with self.store.read() as work:
            return activities.have_begun(work)

    def ready(self, have_begun: bool | None) -> Health:
        """Never: the desk trades elsewhere."""
        return health.readiness((health.stands_by(), health.database(have_begun is not None), *self.alive.parts))

    def numbers(self, settings: MetricsSettings) -> Callable[[], tuple[Metric, ...]]:
        """None of the desk: whoever leads tells them."""
        del settings
        return tuple

    def about(self, failed: tuple[str, ...]) -> tuple[Metric, ...]:
        """How the process does, with `wsb_is_leader` 0."""
        return process_metrics(self.store.term, self.now(), Vitals(acts=lambda: False), failed)


async def stand_by(store: Store, now: Callable[[], datetime], signs: Signs, upgrade: Callable[[], object]) -> None:
    """Wait until this process may act for the desk of `store`; a signal that ends it cancels this.

    `signs` tell meanwhile that this process lives and stands by. `upgrade` brings the tables to this program's,
    when nobody else works with them any more; it blocks.

    Asks no platform, no broker and no provider for anything, and writes a sign of life alone.

    Raises:
        ConfigError: whoever led meanwhile has brought the database to a revision this program does not know.
        BackupFailed: it would have to be upgraded and cannot be backed up; the lease is given back.
    """
    end_on_signals()
    waiting = Waiting(store, now)
    async with signs.given(waiting):
        await _free(waiting)
        log.warning("standby.leads", epoch=store.term.epoch)
        try:
            await _upgraded(waiting, upgrade)
            store.revision()
        except Exception:
            leadership.give_back(store, now())
            raise


async def _free(waiting: Waiting) -> None:
    """Wait until this process has the lease."""
    standby = Standby(waiting.store, waiting.now)
    log.info("standby.waiting", name=standby.name)
    telling = asyncio.create_task(_told(standby))
    try:
        while not await asyncio.to_thread(_tried, standby):
            waiting.looked.beat = time.monotonic()
            await asyncio.sleep(LOOK_EVERY)
    finally:
        telling.cancel()


async def _upgraded(waiting: Waiting, upgrade: Callable[[], object]) -> None:
    """The lease is kept while the database is backed up; while its tables change nobody can write, nor take it."""
    upgrading = asyncio.create_task(asyncio.to_thread(upgrade))
    while not (await asyncio.wait([upgrading], timeout=RENEW_EVERY))[0]:
        await asyncio.to_thread(_tried, lambda: leadership.renew(waiting.store, waiting.now()))
        waiting.looked.beat = time.monotonic()
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
