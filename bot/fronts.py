"""Every chat platform of a desk, each kept connected by a task of its own: one in trouble holds up nobody else.

A platform that dies is started again, later each time. One that refuses to work as configured is told with the setting
and tried again every few minutes only. What lasts is told on the other platforms, and its end too; a short drop is not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from bot.command import Pool, Room
from bot.doctor import Finding
from bot.platforms.base import Front, Refused
from engine.model.events import Event, EventKind, Severity

log = structlog.get_logger()

EXAMINING = 15.0
"""Seconds a platform has to answer what the doctor asks."""
TELLING = 10.0
"""Seconds the database has to take what is told; later it is tried again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds.

    Attributes:
        first, longest: before a platform that died is started again; doubled from the first to the longest.
        refused: the same where it will not work as configured.
        drop: how long a platform may be away before people are told. stuck: before it is ended and started anew.
        look: between two looks at how it is doing.
    """

    first: float = 1.0
    longest: float = 60.0
    refused: float = 300.0
    drop: float = 30.0
    stuck: float = 300.0
    look: float = 1.0

    def back_off(self, failures: int) -> float:
        """Seconds to the next start after so many failures in a row.

        >>> [Patience().back_off(failures) for failures in (1, 2, 3, 99)]
        [1.0, 2.0, 4.0, 60.0]
        """
        return min(self.first * float(1 << min(failures - 1, 20)), self.longest)


class Stuck(Exception):
    """A platform that is neither connected nor at an end."""


class Keeper:
    """One platform: run, watched, told about and run again."""

    def __init__(self, front: Front, room: Room, patience: Patience) -> None:
        self._front = front
        self._room = room
        self._patience = patience
        self._life: asyncio.Task[None] | None = None
        self._away_since: float | None = None
        self._problem = ""
        self._told: Severity | None = None
        """How gravely people were told that it is away."""
        self._failures = 0
        self._again_at = 0.0
        self._examination: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self._front.name

    @property
    def part(self) -> tuple[str, tuple[bool, str]]:
        """Its line of /health."""
        return self.name.capitalize(), (self._is_well, self._words)

    @property
    def _is_alive(self) -> bool:
        return self._life is not None and not self._life.done()

    @property
    def _is_well(self) -> bool:
        return self._is_alive and self._front.state.is_well

    @property
    def _words(self) -> str:
        if self._is_alive:
            return self._front.state.words
        seconds = max(0.0, self._again_at - time.monotonic())
        return f"{self._problem or 'Not started.'} It is tried again in {seconds:.0f} s."

    @property
    def _away(self) -> float:
        """Seconds it has been away."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    async def keep(self) -> None:
        """Run the platform until canceled."""
        while True:
            pause = await self._live()
            self._again_at = time.monotonic() + pause
            while time.monotonic() < self._again_at:
                await self._notice()
                await asyncio.sleep(min(self._patience.look, pause))

    async def _live(self) -> float:
        """One life of the platform; returns the seconds to wait before the next."""
        life = self._life = asyncio.create_task(self._front.run(), name=f"{self.name} platform")
        try:
            await self._watched(life)
            return self._failed("It ended by itself." if life.cancelled() else _ending(life))
        except Refused as refusal:
            self._failed(str(refusal))
            await self._tell_away(Severity.URGENT)
            return self._patience.refused
        except Exception as problem:  # noqa: BLE001 - whatever a platform throws, the desk and the others go on
            return self._failed(f"{type(problem).__name__}: {str(problem)[:300]}.")
        finally:
            # A second life beside one that does not end would answer everything twice: its end is waited for.
            await _ended(life)

    def _failed(self, problem: str) -> float:
        """Seconds to the next try."""
        self._problem = problem
        self._failures += 1
        log.warning("platform.lost", platform=self.name, problem=problem, failures=self._failures)
        return self._patience.back_off(self._failures)

    async def _watched(self, life: asyncio.Task[None]) -> None:
        """Wait for the end of `life`, and tell meanwhile what lasts.

        Raises:
            Stuck: it has been away for too long.
        """
        begun = time.monotonic()
        while not life.done():
            await self._notice()
            await asyncio.wait({life}, timeout=self._patience.look)
            if min(self._away, time.monotonic() - begun) > self._patience.stuck:
                raise Stuck(f"not connected for {self._patience.stuck:.0f} s, {self._front.state.words}")

    async def _notice(self) -> None:
        """Look how it is doing; tell when it has been away for a while, and when it is back."""
        if self._is_well:
            self._away_since, self._failures, self._problem = None, 0, ""
            await self._tell_back()
            self._examination = self._examination or asyncio.create_task(self._examine())
            return
        self._away_since = self._away_since or time.monotonic()
        if self._away > self._patience.drop:
            await self._tell_away(Severity.WARNING)

    async def _examine(self) -> None:
        """Once it is connected: what the doctor finds is logged, and a channel that fails is told on the others."""
        for finding in await examined(self._front):
            log.info("platform.found", platform=self.name, part=finding.part, state=finding.state, words=finding.words)
            if finding.state == "fail":
                await self._tell(EventKind.PLATFORM_DOWN, finding.words, Severity.WARNING, finding.part)

    async def _tell_away(self, severity: Severity) -> None:
        """Tell it once; once more when it is graver than what was told."""
        if self._told in (severity, Severity.URGENT):
            return
        problem = self._problem or self._front.state.words
        words = f"{problem} What is to be said on {self.name.capitalize()} waits and follows in order."
        if await self._tell(EventKind.PLATFORM_DOWN, words, severity):
            self._told = severity

    async def _tell_back(self) -> None:
        if self._told is None:
            return
        if await self._tell(EventKind.PLATFORM_UP, "What waited for it is on its way.", Severity.INFO):
            self._told = None

    async def _tell(self, kind: EventKind, words: str, severity: Severity, about: str = "") -> bool:
        """Whether it could be written down for the other platforms."""
        log.warning("platform.told", platform=self.name, kind=kind.value, words=words)
        event = self._room.desk.event(kind, about or self.name, {"words": words}, severity)
        try:
            await asyncio.wait_for(self._room.run(Pool.LOOK, lambda: self._record(event)), TELLING)
        except Exception as problem:
            log.error("platform.untold", platform=self.name, exc_info=problem)
            return False
        return True

    def _record(self, event: Event) -> None:
        with self._room.desk.store.begin() as work:
            work.add_event(event)


def _ending(life: asyncio.Task[None]) -> str:
    """How a life that was not canceled ended; raises what it raised."""
    life.result()
    return "It ended by itself."


async def _ended(life: asyncio.Task[None]) -> None:
    """End a life and wait until it is over, whatever it still says."""
    life.cancel()
    await asyncio.wait({life})
    if not life.cancelled() and life.exception() is not None:
        log.debug("platform.ended", problem=repr(life.exception()))


async def examined(front: Front) -> tuple[Finding, ...]:
    """What the doctor finds about one platform; never raises."""
    try:
        return await asyncio.wait_for(front.check(), EXAMINING)
    except TimeoutError:
        return (Finding(front.name, "fail", f"{front.name.capitalize()} did not answer within {EXAMINING:.0f} s."),)
    except Exception as problem:  # noqa: BLE001 - whatever a platform throws is what was found
        return (Finding(front.name, "fail", f"{type(problem).__name__}: {problem}"[:300]),)


class Fronts:
    """Every platform of one desk."""

    def __init__(self, room: Room, fronts: Iterable[Front], patience: Patience | None = None) -> None:
        self._keepers = tuple(Keeper(front, room, patience or Patience()) for front in fronts)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def parts(self) -> tuple[tuple[str, tuple[bool, str]], ...]:
        """How each is doing, for /health."""
        return tuple(keeper.part for keeper in self._keepers)

    def start(self) -> None:
        """Begin to connect to each."""
        self._tasks = {keeper.name: asyncio.create_task(keeper.keep()) for keeper in self._keepers}

    async def stop(self, seconds: float) -> tuple[str, ...]:
        """End each; the names of those that have not ended within so many seconds."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        return tuple(name for name, task in self._tasks.items() if not task.done())
