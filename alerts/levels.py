"""The service levels of the desk, measured by itself: uptime and recovery, execution, errors.

**Uptime** counts the market hours of the last 30 sessions (early closes as they are), from the first sign of life that
is kept. A silence of more than 30 s is down time from its first to its last second, as far as it lies in market hours;
one that lasts still counts up to now. A halt by people is none: exits go on, and so do the signs of life.

**Recovery** is the market time from the last sign of life before an outage to the first one after it: nothing could
have been traded outside. What was ended in order (a clean end of `wsb run`) is down time like any other and is told
apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.desk import Desk
from engine.model.records import Silence
from engine.sessions import Sessions
from engine.store import UnitOfWork

SESSIONS = 30
"""Over how many sessions the levels are measured, that of today included."""
UPTIME = 0.999
RECOVERY = timedelta(minutes=5)
NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Outage:
    """A silence in market hours. `took` is market time; `until` is None while it lasts."""

    since: datetime
    until: datetime | None
    took: timedelta
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long the desk was at work in the market hours from `since` to `until`; `measured` are those hours."""

    since: datetime
    until: datetime
    measured: timedelta
    outages: tuple[Outage, ...] = ()

    @property
    def down(self) -> timedelta:
        return sum((outage.took for outage in self.outages), NONE)

    @property
    def planned(self) -> timedelta:
        """The part of it that began with an end in order."""
        return sum((outage.took for outage in self.outages if outage.is_planned), NONE)

    @property
    def ratio(self) -> float | None:
        """From 0 to 1; None where no market hours were measured."""
        return 1 - self.down / self.measured if self.measured else None

    @property
    def longest(self) -> Outage | None:
        """The outage with the longest recovery, None where there was none."""
        return max(self.outages, key=lambda outage: outage.took, default=None)

    @property
    def is_met(self) -> bool:
        """Whether the desk was at work for long enough; where nothing was measured nothing was missed."""
        return self.ratio is None or self.ratio >= UPTIME

    @property
    def is_recovery_met(self) -> bool:
        return self.longest is None or self.longest.took < RECOVERY


def span(sessions: Sessions, now: datetime, count: int = SESSIONS) -> datetime:
    """The opening of the first of the last `count` sessions, that of today included."""
    last = sessions.last(sessions.today(now))
    return sessions.open(last if count == 1 else sessions.previous(last, count - 1))


def uptime(sessions: Sessions, silences: Iterable[Silence], since: datetime, until: datetime) -> Uptime:
    """The market hours from `since` to `until` and what of them was down."""
    outages = (
        Outage(each.since, each.until, took, each.is_planned)
        for each in silences
        if (took := sessions.time_between(max(each.since, since), min(each.until or until, until)))
    )
    return Uptime(since, until, sessions.time_between(since, until), tuple(outages))


def uptime_now(desk: Desk, work: UnitOfWork, count: int = SESSIONS) -> Uptime | None:
    """The uptime of the last `count` sessions; None before the first sign of life."""
    now = desk.now()
    first = work.first_beat()
    if first is None or first > now:
        return None
    since = max(first, span(desk.sessions, now, count))
    return uptime(desk.sessions, work.silences(since, now), since, now)
