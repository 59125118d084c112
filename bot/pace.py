"""Recorded days at a pace people can follow: how the market's time runs beside ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from bot.bulkheads import Bulkheads
from bot.command import Pool

T = TypeVar("T")

ONE_SECOND = timedelta(seconds=1)
LONGEST_PAUSE = 2.0
"""Real seconds: nights and weekends are not waited for."""
NIGHT = timedelta(hours=2)
"""Between two looks of a session there is less."""
READING = 8.0
"""Real seconds in which what has just been heard is read, before the days go on."""


async def nothing_waits() -> bool:
    """Nobody is asked anything."""
    return False


class Reading:
    """Whether something heard is still being read; `tick` counts seconds."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick = tick
        self._since: dict[str, float] = {}

    def __call__(self, heard: Iterable[str]) -> bool:
        """Whether any of this came within the last seconds."""
        now = self._tick()
        self._since = {each: self._since.get(each, now) for each in heard}
        return any(now - since < READING for since in self._since.values())


class Pace:
    """Real time between two looks: market time runs `speed` times as fast, and as in life while a card waits.

    It runs the desk's work too, on one thread in order, and wakes up early when somebody has acted, so that an order
    placed by a tap is looked after at once.
    """

    def __init__(self, speed: float, longest: float = LONGEST_PAUSE) -> None:
        self._speed = speed
        self._longest = longest
        self._desk = Bulkheads(trading=1)
        self._acted = asyncio.Event()
        self.waiting: Callable[[], Awaitable[bool]] = nothing_waits
        """Whether a card waits for a person."""

    async def run(self, pool: Pool, work: Callable[[], T]) -> T:
        """A `Runner`: everything that touches the desk happens on one thread."""
        result = await self._desk.run(pool, work)
        if pool is Pool.TRADE:  # messages are brought and noted in the other pools, all the time
            self._acted.set()
        return result

    async def quiet(self, seconds: float) -> bool:
        """Whether nothing that acts is under way any more, within so many seconds."""
        return await self._desk.quiet(seconds)

    async def __call__(self, now: datetime, planned: datetime) -> datetime:
        """Wait until the next look is due, and say at which market time it is."""
        self._acted.clear()
        waits = await self.waiting()
        left = (planned - now).total_seconds() / self._speed
        acted = await self._pause(1.0 if waits else min(left, self._longest))
        if waits or acted:
            return min(planned, now + ONE_SECOND)
        if left <= self._longest or planned - now > NIGHT:
            return planned
        return now + timedelta(seconds=self._longest * self._speed)

    async def _pause(self, seconds: float) -> bool:
        """Whether somebody acted before `seconds` were over.

        Not `asyncio.timeout`: entered by a task that has just been canceled, it takes the cancellation for its own when
        it expires in the same moment, and Ctrl-C would be lost.
        """
        acted = asyncio.ensure_future(self._acted.wait())
        try:
            done, _ = await asyncio.wait({acted}, timeout=seconds)
        finally:
            acted.cancel()
        return bool(done)

    def close(self) -> None:
        """Let the work under way end."""
        self._desk.close()
