"""When jobs are due: pure schedules in exchange time. A schedule lists the due times of one calendar day in New York.

Wall times are New York's, so that daylight saving moves no job against the bells; a time that the clock skips in spring
is the instant the clock would have shown it at. Nothing here knows what the time is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from engine.sessions import NEW_YORK, Sessions


class Schedule(Protocol):
    """The due times of a job."""

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        """Those of the New York date `day`, aware UTC, oldest first; () on a day without any."""

    @property
    def words(self) -> str:
        """For people: `15 min after the close`."""


def listed(clocks: Sequence[str]) -> str:
    """Times of day in words.

    >>> listed(("10:00", "12:30", "15:30")), listed(("10:00",))
    ('10:00, 12:30 and 15:30', '10:00')
    """
    *others, last = clocks
    return f"{', '.join(others)} and {last}" if others else last


def _minutes(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again while the exchange is open, from the opening bell + `after` on, never at or past the close."""

    every: timedelta
    after: timedelta = timedelta(0)

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        if not sessions.is_session(day):
            return ()
        return tuple(_steps(sessions.open(day) + self.after, sessions.close(day), self.every))

    @property
    def words(self) -> str:
        return f"every {_minutes(self.every)} while the market is open"


@dataclass(frozen=True, slots=True)
class Always:
    """Again and again around the clock, every day, counted from midnight in UTC: no hour is left out or doubled."""

    every: timedelta

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        return _around_the_clock(self.every, sessions.at(day, "00:00"), sessions.at(day + timedelta(days=1), "00:00"))

    @property
    def words(self) -> str:
        return f"every {_minutes(self.every)}"


@dataclass(frozen=True, slots=True)
class AfterOpen:
    """Once in every session, so long after the opening bell."""

    after: timedelta = timedelta(0)

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        return (sessions.open(day) + self.after,) if sessions.is_session(day) else ()

    @property
    def words(self) -> str:
        return f"{_minutes(self.after)} after the open" if self.after else "at the open"


@dataclass(frozen=True, slots=True)
class BeforeClose:
    """Once in every session, so long before the closing bell, early closes included."""

    before: timedelta

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        return (sessions.close(day) - self.before,) if sessions.is_session(day) else ()

    @property
    def words(self) -> str:
        return f"{_minutes(self.before)} before the close"


@dataclass(frozen=True, slots=True)
class AfterClose:
    """Once in every session, so long after the closing bell, early closes included."""

    after: timedelta = timedelta(0)

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        return (sessions.close(day) + self.after,) if sessions.is_session(day) else ()

    @property
    def words(self) -> str:
        return f"{_minutes(self.after)} after the close" if self.after else "at the close"


@dataclass(frozen=True, slots=True)
class AfterWeek:
    """Once a week, so long after the close of its last session (Thursday's where Friday is a holiday)."""

    after: timedelta = timedelta(0)

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        is_last = sessions.is_session(day) and sessions.next(day).isocalendar()[:2] != day.isocalendar()[:2]
        return (sessions.close(day) + self.after,) if is_last else ()

    @property
    def words(self) -> str:
        return f"{_minutes(self.after)} after the last close of the week"


@dataclass(frozen=True, slots=True)
class AfterMonth:
    """Once a month, so long after the close of its last session."""

    after: timedelta = timedelta(0)

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        is_last = sessions.is_session(day) and sessions.next(day).month != day.month
        return (sessions.close(day) + self.after,) if is_last else ()

    @property
    def words(self) -> str:
        return f"{_minutes(self.after)} after the last close of the month"


@dataclass(frozen=True, slots=True)
class QuarterOpen:
    """Once a quarter, so long after the opening bell of its first session."""

    after: timedelta = timedelta(0)

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        is_first = sessions.is_session(day) and _quarter(sessions.previous(day)) != _quarter(day)
        return (sessions.open(day) + self.after,) if is_first else ()

    @property
    def words(self) -> str:
        return f"{_minutes(self.after)} after the first open of the quarter"


def _quarter(day: date) -> tuple[int, int]:
    return day.year, (day.month - 1) // 3


@dataclass(frozen=True, slots=True)
class Daily:
    """Every day, sessions or not, at a wall time of `zone` ("18:30"); a day in that zone has exactly one."""

    clock: str
    zone: str = NEW_YORK.key

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        begins, ends = sessions.at(day, "00:00"), sessions.at(day + timedelta(days=1), "00:00")
        zone, clock = ZoneInfo(self.zone), time.fromisoformat(self.clock)
        around = (day + timedelta(days=n) for n in (-1, 0, 1))
        found = (datetime.combine(each, clock, zone).astimezone(begins.tzinfo) for each in around)
        return tuple(at for at in found if begins <= at < ends)

    @property
    def words(self) -> str:
        place = "New York" if self.zone == NEW_YORK.key else self.zone
        return f"at {self.clock} {place}"


@dataclass(frozen=True, slots=True)
class AtClock:
    """In every session at these New York wall times, as far as they lie before its close."""

    clocks: tuple[str, ...]

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        if not sessions.is_session(day):
            return ()
        return tuple(sorted(at for clock in self.clocks if (at := sessions.at(day, clock)) < sessions.close(day)))

    @property
    def words(self) -> str:
        return f"at {listed(self.clocks)}"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Whenever one of several schedules is due."""

    parts: tuple[Schedule, ...]

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        return tuple(sorted({at for part in self.parts for at in part.times(sessions, day)}))

    @property
    def words(self) -> str:
        return " and ".join(part.words for part in self.parts)


@lru_cache(maxsize=16)  # a job that is due every second has 86,400 of them, and asks for the next one each second
def _around_the_clock(every: timedelta, begins: datetime, ends: datetime) -> tuple[datetime, ...]:
    midnight = begins.replace(hour=0, minute=0, second=0, microsecond=0)
    skipped = -(-(begins - midnight) // every)
    return tuple(_steps(midnight + skipped * every, ends, every))


def _steps(start: datetime, end: datetime, every: timedelta) -> Iterable[datetime]:
    at = start
    while at < end:
        yield at
        at += every
