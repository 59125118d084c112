"""The heartbeat of the desk: a row written every ten seconds while what protects and what trades really looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import structlog

from bot.runtime import Beat
from engine.desk import Desk

log = structlog.get_logger()

EVERY = 10.0
"""Seconds between two heartbeats."""
AGAIN = 1.0
"""Seconds until the loops are asked again that have not looked."""
VITAL = frozenset({"exits", "exit orders", "undo windows", "entries"})
"""The loops without which a running process is no working desk."""
SESSIONS_KEPT = 40
"""How many sessions heartbeats are kept for: levels are measured over thirty."""


@dataclass(slots=True)
class Heartbeat:
    """The heartbeat of the process that acts for `desk`; `beats` tells how its loops are doing.

    `ends_in_order`: whether somebody asked the process to end, so that its silence is a planned one.
    """

    desk: Desk
    beats: Callable[[], tuple[Beat, ...]]
    ends_in_order: bool = False
    tidied: date | None = None

    async def run(self) -> None:
        """Beat until canceled; then write down an end in order as one."""
        try:
            while True:
                await asyncio.sleep(EVERY if await self._tried(self.beat) else AGAIN)
        finally:
            if self.ends_in_order:
                await self._tried(self.end)

    async def _tried(self, write: Callable[[], bool]) -> bool:
        """Whether it was written; a database that is away for a moment costs a beat and nothing else."""
        try:
            return await asyncio.to_thread(write)
        except Exception as problem:
            log.error("heartbeat.failed", exc_info=problem)
            return False

    def beat(self) -> bool:
        """Write down a heartbeat, unless a vital loop has not finished a look since the one before.

        Raises:
            LeaseLost: another process acts for the desk.
        """
        if any(beat.name in VITAL and (not beat.looks or beat.age > EVERY) for beat in self.beats()):
            return False
        self._write(is_last=False)
        self._tidy()
        return True

    def end(self) -> bool:
        """Write down that the desk ends in order here."""
        self._write(is_last=True)
        return True

    def _write(self, *, is_last: bool) -> None:
        desk = self.desk
        with desk.store.begin() as work:
            now = desk.now()
            work.beat(now, desk.term, is_last=is_last)

    def _tidy(self) -> None:
        """Once a day."""
        desk = self.desk
        if self.tidied == desk.today:
            return
        with desk.store.begin() as work:
            work.forget_beats(desk.sessions.open(desk.sessions.previous(desk.today, SESSIONS_KEPT)))
        self.tidied = desk.today
