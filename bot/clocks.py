"""This machine's clock beside the broker's: quotes, expiries and lives of cards are measured with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from engine import meters
from engine.errors import DeskError

log = structlog.get_logger()

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Skew:
    """Seconds that our clock is ahead of the other one, negative behind it, as measured at `at`.

    The answer may have been stamped anywhere between question and arrival: `sure` is how much of the difference its
    way does not explain, with the same sign.
    """

    seconds: float
    sure: float
    at: datetime


def measured(ours: Clock, theirs: Clock) -> Skew:
    """What lies between the two now.

    Raises:
        DeskError: the other one does not answer.
    """
    before = ours()
    told = theirs()
    after = ours()
    seconds = (before + (after - before) / 2 - told).total_seconds()
    sure = max(0.0, abs(seconds) - abs((after - before).total_seconds()) / 2)
    return Skew(seconds, sure if seconds > 0 else -sure, after)


class ClockWatch:
    """The last measurement, and how to make the next one."""

    def __init__(self, ours: Clock, theirs: Clock) -> None:
        self._ours, self._theirs = ours, theirs
        self.last: Skew | None = None

    def measure(self) -> str:
        """Measure now; what came of it, in words. Where nobody answers the last measurement stays, and grows old."""
        try:
            self.last = measured(self._ours, self._theirs)
        except DeskError as problem:
            log.info("clock.not_measured", problem=str(problem))
            return f"not measured: {problem}"
        meters.SKEW.value = self.last.seconds
        return f"{abs(self.last.seconds):.1f} s {'ahead' if self.last.seconds > 0 else 'behind'}"
