"""New York trading sessions: holidays, opening and closing times, counted in sessions.

A thin wrapper over the XNYS calendar of `exchange_calendars` (exchange rules and recorded special closings).
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from threading import Lock
from zoneinfo import ZoneInfo

from engine.errors import BadRequest, DataUnavailable
from engine.model.instruments import AM_ROOTS

NEW_YORK = ZoneInfo("America/New_York")
FIRST_YEAR = 1990
LAST_YEAR = 2100
YEARS_AHEAD = 3
"""LEAPS are listed up to three years out: a table reaches that much further than the day that asked for it."""
REGULAR_CLOSE = time(16)
LOADING = Lock()
"""One thread loads a table, the others wait for it: it takes a second, and filters of warnings are the process's."""


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Sessions as plain columns of equal length, oldest first; `row` finds a day in them."""

    days: tuple[date, ...]
    opens: tuple[datetime, ...]
    closes: tuple[datetime, ...]
    row: Mapping[date, int]


@lru_cache(maxsize=4)
def _table(last_year: int) -> _Table:
    # Imported here: exchange_calendars takes seconds to import, and most commands never ask for a session.
    import exchange_calendars

    with warnings.catch_warnings():
        # It reads Series.values of a zoned column, which pandas 3.1 deprecates; the values are right.
        warnings.filterwarnings("ignore", message="Series.values", category=DeprecationWarning)
        calendar = exchange_calendars.get_calendar("XNYS", start=f"{FIRST_YEAR}-01-01", end=f"{last_year}-12-31")
        schedule = calendar.schedule
    days = tuple(stamp.date() for stamp in schedule.index)
    return _Table(
        days=days,
        opens=tuple(stamp.to_pydatetime().astimezone(UTC) for stamp in schedule["open"]),
        closes=tuple(stamp.to_pydatetime().astimezone(UTC) for stamp in schedule["close"]),
        row={day: row for row, day in enumerate(days)},
    )


class Sessions:
    """Answers about New York sessions, 1990 to 2100. Cheap to make: the calendar loads at the first question.

    Days are New York calendar dates; instants are aware UTC.

    Raises (every method):
        DataUnavailable: the day lies outside 1990 to 2100.

    >>> Sessions().close(date(2026, 11, 27)).isoformat()
    '2026-11-27T18:00:00+00:00'
    """

    __slots__ = ("_loaded",)

    def __init__(self) -> None:
        self._loaded: _Table | None = None

    def today(self, now: datetime) -> date:
        """The calendar date in New York at `now` (aware)."""
        if now.tzinfo is None:
            raise ValueError(f"{now} has no time zone: instants are aware UTC")
        return now.astimezone(NEW_YORK).date()

    def is_session(self, day: date) -> bool:
        """Whether the exchange trades on `day`."""
        return day in self._to(day).row

    def open(self, day: date) -> datetime:
        """The opening bell of a session.

        Raises:
            BadRequest: `day` is no session.
        """
        table = self._to(day)
        return table.opens[self._row(table, day)]

    def close(self, day: date) -> datetime:
        """The closing bell of a session, early closes included.

        Raises:
            BadRequest: `day` is no session.
        """
        table = self._to(day)
        return table.closes[self._row(table, day)]

    def is_early(self, day: date) -> bool:
        """Whether the session closes before 16:00 in New York."""
        return self.close(day).astimezone(NEW_YORK).time() < REGULAR_CLOSE

    def is_open(self, now: datetime) -> bool:
        """Whether the regular session is on at `now`: from the opening bell to before the closing one."""
        day = self.today(now)
        return self.is_session(day) and self.open(day) <= now < self.close(day)

    def next(self, day: date, n: int = 1) -> date:
        """The n-th session strictly after `day`."""
        table = self._to(day)
        wanted = bisect_right(table.days, day) + n - 1
        while wanted >= len(table.days):
            table = self._to(date(min(table.days[-1].year + YEARS_AHEAD, LAST_YEAR + 1), 1, 1))
        return table.days[wanted]

    def previous(self, day: date, n: int = 1) -> date:
        """The n-th session strictly before `day`."""
        table = self._to(day)
        row = bisect_left(table.days, day) - n
        if row < 0:
            raise DataUnavailable(f"There are not {n} sessions before {day} in the exchange calendar kept here.")
        return table.days[row]

    def last(self, day: date) -> date:
        """`day` itself when it is a session, else the one before it: when an option dated on it trades last."""
        return day if self.is_session(day) else self.previous(day)

    def last_trade(self, root: str, expiry: date) -> date:
        """The session in which options of a root trade for the last time: the one before, where it settles on the open.

        >>> Sessions().last_trade("SPX", date(2026, 12, 18)), Sessions().last_trade("SPXW", date(2026, 12, 18))
        (datetime.date(2026, 12, 17), datetime.date(2026, 12, 18))
        """
        last = self.last(expiry)
        return self.previous(last) if root in AM_ROOTS else last

    def upcoming(self, day: date, n: int) -> tuple[date, ...]:
        """The first n sessions from `day` on, `day` itself included when it is one."""
        if n <= 0:
            return ()
        first = day if self.is_session(day) else self.next(day)
        return self.between(first, first if n == 1 else self.next(first, n - 1))

    def between(self, start: date, end: date) -> tuple[date, ...]:
        """The sessions from `start` to `end`, both ends included."""
        if end < start:
            return ()
        self._to(start)
        table = self._to(end)
        return table.days[bisect_left(table.days, start) : bisect_right(table.days, end)]

    def at(self, day: date, clock: str) -> datetime:
        """The instant of a New York wall time ("10:00") on `day`.

        >>> Sessions().at(date(2019, 7, 1), "10:00").isoformat()
        '2019-07-01T14:00:00+00:00'

        Raises:
            BadRequest: `clock` is not a time of day.
        """
        return datetime.combine(day, _time(clock), NEW_YORK).astimezone(UTC)

    def hours_between(self, start: datetime, end: datetime) -> float:
        """Hours of regular sessions from `start` to `end`, 0 when that is no time ahead.

        >>> sessions = Sessions()
        >>> monday, tuesday = date(2026, 6, 15), date(2026, 6, 16)
        >>> sessions.hours_between(sessions.at(monday, "15:00"), sessions.at(tuesday, "10:30"))
        2.0
        """
        return self.time_between(start, end).total_seconds() / 3600

    def time_between(self, start: datetime, end: datetime) -> timedelta:
        """The time in regular sessions from `start` to `end`, none when that is no time ahead."""
        spans = (
            min(end, self.close(day)) - max(start, self.open(day))
            for day in self.between(self.today(start), self.today(end))
        )
        return sum((max(span, timedelta(0)) for span in spans), timedelta(0))

    def _row(self, table: _Table, day: date) -> int:
        row = table.row.get(day)
        if row is None:
            raise BadRequest(f"{day} is not a trading day in New York: the next one is {self.next(day)}.")
        return row

    def _to(self, day: date) -> _Table:
        """The sessions up to `day` and some years beyond."""
        table = self._loaded
        if table is not None and table.days[0] <= day <= table.days[-1]:
            return table
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise DataUnavailable(f"The exchange calendar here covers {FIRST_YEAR} to {LAST_YEAR}, not {day}.")
        if table is None or day.year > table.days[-1].year:
            with LOADING:
                table = _table(min(day.year + YEARS_AHEAD, LAST_YEAR))
            self._loaded = table
        return table


@lru_cache(maxsize=256)
def _time(clock: str) -> time:
    try:
        return time.fromisoformat(clock)
    except ValueError as error:
        raise BadRequest(f"“{clock}” is not a time of day: expected one such as 10:00.") from error
