"""The pulse of a process, from before it leads until its end: whether its event loop answers, for its monitor, and what
systemd is told of it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.monitor import Monitor, Seen, Stage
from bot.notify import Supervisor
from bot.settings import MetricsSettings

EVERY = 0.5
"""Seconds between two beats."""
SHARE = 3.0
"""How many words systemd gets within the time it waits for one."""
WORDS = {Stage.WAITS: "Stands by.", Stage.ACTS: "Acts for the desk."}


class Signs:
    """One for a process: a standby that takes over is ready once, and goes on at the same port."""

    def __init__(self, settings: MetricsSettings, supervisor: Supervisor) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._stage = Stage.BEGINS
        self._is_ready = False
        self._fed = float("-inf")
        self.monitor: Monitor | None = None
        """What answers; None before the first `given`, and where it is not wanted."""

    @classmethod
    def of(cls, settings: MetricsSettings) -> Signs:
        """Those of this process, for the systemd that started it."""
        return cls(settings, Supervisor.of(os.environ))

    @asynccontextmanager
    async def given(self, seen: Seen) -> AsyncIterator[None]:
        """Inside, this event loop has a pulse, and the monitor tells of `seen`; it does so still after."""
        giving = asyncio.create_task(self._given(seen))
        try:
            await asyncio.to_thread(self._show, seen)
            yield
        finally:
            giving.cancel()

    def give(self, seen: Seen, now: float) -> None:
        """One beat (`now` is monotonic): systemd hears of it while what has to be looked at is, too."""
        seen.pulse.beat = now
        self._tell(seen.stage)
        patience = self._supervisor.patience
        if patience is not None and now - self._fed >= patience / SHARE and seen.alive.is_ok:
            self._fed = now
            self._supervisor.tell(WATCHDOG="1")

    def close(self) -> None:
        """Answer nobody any more."""
        if self.monitor is not None:
            self.monitor.stop()

    async def _given(self, seen: Seen) -> None:
        while True:
            self.give(seen, time.monotonic())
            await asyncio.sleep(EVERY)

    def _show(self, seen: Seen) -> None:
        if self.monitor is not None:
            self.monitor.watch(seen)
        elif self._settings.enabled:
            self.monitor = Monitor(self._settings, seen)
            self.monitor.start()

    def _tell(self, stage: Stage) -> None:
        """Tell systemd of a new stage, once each."""
        if stage is self._stage:
            return
        has_acted, self._stage = self._stage is Stage.ACTS, stage
        if stage is Stage.BEGINS:
            if has_acted:
                self._supervisor.tell(STOPPING="1", STATUS="Ends.")
            return
        ready = {} if self._is_ready else {"READY": "1"}
        self._is_ready = True
        self._supervisor.tell(**ready, STATUS=WORDS[stage])
