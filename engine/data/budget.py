"""How often a provider may be asked: one count for all callers, with a share kept for what is more urgent."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from engine import meters
from engine.data.providers.trouble import Throttled


class Urgency(IntEnum):
    """Who is waiting for the answer."""

    ORDER = 0
    """A stop, an exit, a tap."""
    PERSON = 1
    SCAN = 2
    BACKGROUND = 3


KEPT = {Urgency.ORDER: 0.0, Urgency.PERSON: 0.10, Urgency.SCAN: 0.25, Urgency.BACKGROUND: 0.50}
"""The share of every allowance that a question of this urgency leaves to the more urgent ones."""
FOR_STOPS = {Urgency.ORDER: 0.0, Urgency.PERSON: 0.35, Urgency.SCAN: 0.40, Urgency.BACKGROUND: 0.60}
"""The same where stops are judged on the answers: after any burst of others there is a question left for every second
of the minute in which the burst counts."""
PATIENCE = {Urgency.ORDER: 1.0, Urgency.PERSON: 2.0, Urgency.SCAN: 20.0, Urgency.BACKGROUND: 0.0}
"""Seconds such a question waits for its turn."""

LONG = 3600.0
"""Seconds from which an allowance outlives the process: a restart must not give it anew."""

_urgency: ContextVar[Urgency] = ContextVar("urgency", default=Urgency.PERSON)


def _for_ever() -> float:
    return float("inf")


_left: ContextVar[Callable[[], float]] = ContextVar("left", default=_for_ever)


@contextmanager
def asking(urgency: Urgency, left: Callable[[], float] = _for_ever) -> Iterator[None]:
    """Every question inside is of this urgency (threads started inside need `contextvars.copy_context`).

    `left` tells how many more seconds it makes sense to wait for a turn: none once nobody waits for the answer.
    """
    tokens = _urgency.set(urgency), _left.set(left)
    try:
        yield
    finally:
        _urgency.reset(tokens[0])
        _left.reset(tokens[1])


def urgency() -> Urgency:
    """Who is waiting for the question being asked now."""
    return _urgency.get()


@dataclass(frozen=True, slots=True)
class Allowance:
    """`requests` in any `seconds`."""

    requests: int
    seconds: float

    def __str__(self) -> str:
        periods = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}
        return f"{self.requests:,} {periods.get(int(self.seconds), f'in {self.seconds:g} s')}"


class Requests(Protocol):
    """The requests of a provider, also those of earlier runs and of other processes."""

    def note(self) -> None:
        """One more, now."""

    def ages(self) -> list[float]:
        """Seconds since each of the last two days, the oldest first."""


class Budget:
    """The allowances of one provider. Safe to share between threads.

    `tick` gives seconds that only rise (monotonic); `kept` is the share that each urgency leaves to more urgent ones.
    """

    def __init__(
        self,
        provider: str,
        *allowances: Allowance,
        tick: Callable[[], float] = time.monotonic,
        kept: Mapping[Urgency, float] = KEPT,
    ) -> None:
        self._provider = provider
        self._allowances = allowances
        self._kept = kept
        self._tick = tick
        self._asked: deque[float] = deque()
        self._paused_until = float("-inf")
        self._turn = threading.Condition()
        self._diary: Requests | None = None

    @property
    def provider(self) -> str:
        return self._provider

    def remember(self, diary: Requests) -> bool:
        """Count what was asked before this process began, and beside it; False where no allowance is that long."""
        if not any(each.seconds >= LONG for each in self._allowances):
            return False
        self._diary = diary
        return True

    def wait(self, level: Urgency, requests: int = 1) -> float:
        """Seconds until so many requests of this urgency could be asked at once, 0 for now."""
        with self._turn:
            return self._wait(level, requests)

    def take(self) -> None:
        """Count one request, after waiting for its turn as long as its urgency allows.

        Raises:
            Throttled: its turn does not come in time, or nobody waits for the answer any more.
        """
        level = urgency()
        remaining = _left.get()()
        if remaining <= 0:
            raise Throttled(f"Nobody waits for {self._provider} any more.", 0.0)
        limit = self._tick() + min(PATIENCE[level], remaining)
        with self._turn:
            while (wait := self._wait(level)) > 0:
                left = limit - self._tick()
                if wait > left:
                    words = f"{self._provider} was asked as often as it allows; it can be asked again in {wait:.0f} s."
                    raise Throttled(words, wait)
                self._turn.wait(wait)
            self._asked.append(self._tick())
            if self._diary is not None:
                self._diary.note()
        meters.requested(self._provider)

    def pause(self, seconds: float) -> None:
        """Ask nothing for so long: the provider said so."""
        with self._turn:
            self._paused_until = max(self._paused_until, self._tick() + seconds)

    @property
    def is_paused(self) -> bool:
        """Whether the provider has asked for a pause that is not over."""
        with self._turn:
            return self._paused_until > self._tick()

    def allow(self, *allowances: Allowance) -> None:
        """Count by these from now on: the provider said so."""
        with self._turn:
            self._allowances = allowances

    @property
    def left(self) -> tuple[tuple[Allowance, int], ...]:
        """What may still be asked now under each allowance."""
        with self._turn:
            now = self._tick()
            return tuple((each, max(0, each.requests - len(self._within(each, now)))) for each in self._allowances)

    def __str__(self) -> str:
        """What may still be asked, in words.

        >>> str(Budget("acme", Allowance(200, 60.0), Allowance(25, 86_400.0)))
        'acme: 200 of 200 a minute, 25 of 25 a day'
        """
        return f"{self._provider}: " + ", ".join(f"{left:,} of {allowance}" for allowance, left in self.left)

    def _wait(self, level: Urgency, requests: int = 1) -> float:
        """Seconds until so many questions of this urgency may be asked, 0 for now."""
        now = self._tick()
        self._forget(now)
        waits = [self._paused_until - now]
        for each in self._allowances:
            recent = self._within(each, now)
            room = max(1, int(each.requests * (1 - self._kept[level])))
            over = len(recent) + min(requests, room) - room
            if over > 0:
                waits.append(recent[over - 1] + each.seconds - now)
        return max(0.0, *waits)

    def _within(self, allowance: Allowance, now: float) -> list[float]:
        """When it was asked in the time of an allowance, the oldest first."""
        own = [moment for moment in self._asked if moment > now - allowance.seconds]
        if self._diary is None or allowance.seconds < LONG:
            return own
        written = [now - age for age in self._diary.ages() if age < allowance.seconds]
        return max(own, written, key=len)

    def _forget(self, now: float) -> None:
        longest = max((each.seconds for each in self._allowances), default=0.0)
        while self._asked and self._asked[0] <= now - longest:
            self._asked.popleft()
