"""When to leave somebody who fails alone, and when to try again: a circuit breaker.

Closed, open and half-open as in Michael Nygard, "Release It!", 2nd ed., section 5.2: after a few failures in a row
nobody is let through; when the wait is over one question is, and how it goes decides.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

FIRST_WAIT = 5.0
LONGEST_WAIT = 300.0
"""Seconds between two tries of what stays down: each wait is twice the one before, up to here."""
JITTER = 0.25
"""The share of a wait that chance takes off, so that what failed together is not tried together."""


class Leave(Enum):
    """Whether a question may be asked."""

    YES = auto()
    PROBE = auto()
    """To find out whether it works again: nobody should have to wait for it."""
    NO = auto()


class Breaker:
    """Opens after `failures` in a row. Not safe to share between threads: its owner holds a lock.

    `tick` gives seconds that only rise, `chance` a number from 0 to 1.
    """

    def __init__(self, failures: int, tick: Callable[[], float], chance: Callable[[], float]) -> None:
        self._most = failures
        self._tick = tick
        self._chance = chance
        self._failures = 0
        self._wait = 0.0
        self._retry_at = 0.0
        self._probe_ends = 0.0
        self._is_open = False
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether it is down as far as anybody knows; being tried again is still down."""
        return self._is_open

    @property
    def wait(self) -> float:
        """Seconds until the next try, 0 when it may be now."""
        return max(0.0, self._retry_at - self._tick()) if self._is_open else 0.0

    def leave(self) -> Leave:
        """What a question would be; asking binds nobody."""
        if self._is_probing and self._tick() >= self._probe_ends:
            self.failed()  # a try that never came back
        if not self._is_open:
            return Leave.YES
        return Leave.NO if self._is_probing or self.wait > 0 else Leave.PROBE

    def begin(self, patience: float) -> None:
        """A question is on its way that ends within `patience` seconds or counts as failed where it was a probe."""
        if self._is_open:
            self._is_probing = True
            self._probe_ends = self._tick() + patience

    def worked(self) -> None:
        """It answered: everything is forgiven."""
        self._failures, self._wait = 0, 0.0
        self._is_open = self._is_probing = False

    def failed(self) -> None:
        """It did not; failures of questions that were on their way when it opened add nothing."""
        if self._is_open and not self._is_probing:
            return
        self._failures += 1
        if self._is_probing or self._failures >= self._most:
            self.open(min(max(FIRST_WAIT, 2 * self._wait), LONGEST_WAIT))

    def neither(self) -> None:
        """How it went says nothing: a probe is to be tried once more after the same wait."""
        if self._is_probing:
            self.open(self._wait)

    def open(self, wait: float) -> None:
        """Let nobody through for `wait` seconds, give or take chance."""
        self._wait = wait
        self._retry_at = self._tick() + wait * (1 - JITTER * self._chance())
        self._is_open, self._is_probing = True, False
