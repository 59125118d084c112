"""Bars of 15 minutes from recorded minutes: of a name whose last sessions are all recorded so, and of no other.

Where a single session of them is missing there is nothing: a path bridged through a daily bar has turning points that
know the day's high and low, and no volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import pairwise

import numpy as np

from engine.data.folder import RecordedFolder
from engine.data.intraday_rows import MINUTES, SESSIONS, Timed, regular_starts, session_bars
from engine.data.minutes import Minutes
from engine.data.splits import factor
from engine.model.market import Bar, IntradayBars, Kind, Source
from engine.sessions import Sessions

RECORDED = Source("replay", Kind.RECORDED)


class RecordedQuarters:
    """Intraday bars of a recorded folder."""

    def __init__(self, folder: RecordedFolder, sessions: Sessions) -> None:
        self._minutes: Mapping[tuple[str, date], Minutes] = folder.minutes
        self._splits = folder.splits
        self._sessions = sessions
        self._days: dict[tuple[str, date], tuple[Timed, ...]] = {}
        self._today = date.min

    def bars(self, ticker: str, today: date, now: datetime) -> IntradayBars | None:
        """The last 21 sessions and today's bars that are over at `now`, in the shares of `today`.

        None where one of the sessions, today's included, is not recorded in minutes.
        """
        if (ticker, today) not in self._minutes:
            return None
        days = self._sessions.between(self._sessions.previous(today, SESSIONS), today)
        if self._today != today:
            self._today = today
            self._days = {key: rows for key, rows in tuple(self._days.items()) if key[1] >= days[0]}
        if not all(self._day(ticker, day) for day in days):
            return None
        rows = (row for day in days for row in self._in_shares(ticker, day, today))
        return session_bars(ticker, MINUTES, rows, RECORDED, now, self._sessions)

    def _in_shares(self, ticker: str, day: date, today: date) -> Iterator[Timed]:
        """The bars of a day, which are recorded as traded, in the shares of `today`."""
        new = factor(self._splits.get(ticker, ()), day, today)
        return (Timed(start, _scaled(bar, new)) for start, bar in self._day(ticker, day))

    def _day(self, ticker: str, day: date) -> tuple[Timed, ...]:
        """The bars of a regular session, as traded; empty where it is not recorded."""
        key = (ticker, day)
        made = self._days.get(key)
        if made is None:
            minutes = self._minutes.get(key)
            starts = regular_starts(day, MINUTES, self._sessions)
            made = self._days[key] = () if minutes is None else tuple(_quarters(day, minutes, starts))
        return made


def _quarters(day: date, minutes: Minutes, starts: range) -> Iterator[Timed]:
    """The minutes of a regular session put together; a quarter of an hour without any has no bar."""
    if not starts:
        return
    of_day = (minutes.starts - np.datetime64(day, "D")).astype("timedelta64[m]").astype(np.int64)
    rows = np.flatnonzero((of_day >= starts.start) & (of_day < starts[-1] + MINUTES))
    place = (of_day[rows] - starts.start) // MINUTES
    edges = np.flatnonzero(np.diff(place, prepend=-1)).tolist()
    columns = {name: values[rows] for name, values in minutes.columns.items()}
    for first, after in pairwise([*edges, len(rows)]):
        cut = {name: values[first:after] for name, values in columns.items()}
        bar = Bar(
            day,
            float(cut["open"][0]),
            float(cut["high"].max()),
            float(cut["low"].min()),
            float(cut["close"][-1]),
            float(cut["volume"].sum()),
        )
        yield Timed(starts[int(place[first])], bar)


def _scaled(bar: Bar, new: float) -> Bar:
    """A bar of old shares in new ones, `new` for each."""
    if new == 1.0:
        return bar
    prices = (bar.open / new, bar.high / new, bar.low / new, bar.close / new)
    return Bar(bar.day, *prices, None if bar.volume is None else bar.volume * new)
