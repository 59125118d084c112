"""The pulse of a process: whether its event loop answers, for its monitor, and what systemd is told of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.notify import Supervisor
from bot.service import Service

EVERY = 0.5
"""Seconds between two beats."""
STANDS_BY = 10.0
"""Seconds after which a process that does not act yet is one that stands by, and ready for it."""
SHARE = 3.0
"""How many words systemd gets within the time it waits for one."""


@dataclass(slots=True)
class Signs:
    """What was told, so that it is told once; called from the event loop, whose answer it is."""

    made: Service
    supervisor: Supervisor
    began: float
    is_ready: bool = False
    has_acted: bool = False
    is_ending: bool = False
    told: float = float("-inf")

    def give(self, now: float) -> None:
        """One beat (`now` is monotonic): systemd hears of it while the exits are looked at, too."""
        self.made.watched.pulse.beat = now
        self._tell_state(now)
        patience = self.supervisor.patience
        if patience is not None and now - self.told >= patience / SHARE and self.made.watched.alive.is_ok:
            self.told = now
            self.supervisor.tell(WATCHDOG="1")

    def _tell_state(self, now: float) -> None:
        acts = self.made.serving.runtime.is_running
        if acts and not self.has_acted:
            self.has_acted = self.is_ready = True
            self.supervisor.tell(READY="1", STATUS="Acts for the desk.")
        elif not acts and not self.is_ready and now - self.began >= STANDS_BY:
            self.is_ready = True
            self.supervisor.tell(READY="1", STATUS="Stands by.")
        elif self.has_acted and not acts and not self.is_ending:
            self.is_ending = True
            self.supervisor.tell(STOPPING="1", STATUS="Ends.")


@asynccontextmanager
async def watched(made: Service, supervisor: Supervisor) -> AsyncIterator[None]:
    """Inside, its event loop has a pulse, and its monitor answers."""
    signs = Signs(made, supervisor, time.monotonic())
    giving = asyncio.create_task(_given(signs))
    if made.monitor is not None:
        await asyncio.to_thread(made.monitor.start)
    try:
        yield
    finally:
        giving.cancel()
        if made.monitor is not None:
            await asyncio.to_thread(made.monitor.stop)


async def _given(signs: Signs) -> None:
    while True:
        signs.give(time.monotonic())
        await asyncio.sleep(EVERY)
