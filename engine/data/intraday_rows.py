"""Rows of a provider as intraday bars: those of regular sessions that are over, by the exchange's calendar.

Every provider names a bar by the instant it begins (alpaca-py 0.44, data/models/bars.py: "the opening timestamp of the
bar"; massive.com/docs/rest/stocks/aggregates/custom-bars: "the start of the aggregate window"; Yahoo's charts begin
with the opening bell). Trades before the bell and after it are among the rows of some, and no row at all stands for a
quarter of an hour without a trade.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np

from engine.model.market import Bar, IntradayBars, Source
from engine.sessions import NEW_YORK, Sessions

MINUTES = 15
"""Of every bar that a snapshot has."""
SESSIONS = 21
"""Sessions before today in a snapshot: one more than the rules compare with."""
LATE = timedelta(minutes=1)
"""A bar counts a minute after its end: trades may be told some seconds late (ten off the exchanges, says
massive.com/knowledge-base, "Why am I receiving a late aggregate bar"), and clocks differ."""
DELAY = timedelta(minutes=16)
"""The same where the trades themselves come fifteen minutes late."""
PRICES = ("open", "high", "low", "close", "volume")


class Timed(NamedTuple):
    """A bar and the minute of the day in New York at which it begins."""

    start: int
    bar: Bar


def timed(at: datetime, bar: Bar) -> Timed | None:
    """The bar that begins at an instant, None where that is no whole minute: Yahoo's last row may be of just now."""
    local = at.astimezone(NEW_YORK)
    if local.second or local.microsecond:
        return None
    return Timed(local.hour * 60 + local.minute, replace(bar, day=local.date()))


def session_bars(
    ticker: str, minutes: int, rows: Iterable[Timed], source: Source, until: datetime, sessions: Sessions
) -> IntradayBars | None:
    """The bars of regular sessions that were over at `until`, oldest first; None where there is none.

    Of two rows of the same minute the first counts: the other is a latest price of just that minute.
    """
    last = until.astimezone(NEW_YORK)
    now = (last.date(), last.hour * 60 + last.minute)
    hours: dict[date, range] = {}
    found: dict[tuple[date, int], Bar] = {}
    for start, bar in rows:
        if bar.day not in hours:
            hours[bar.day] = regular_starts(bar.day, minutes, sessions)
        if start in hours[bar.day] and (bar.day, start + minutes) <= now:
            found.setdefault((bar.day, start), bar)
    if not found:
        return None
    places = sorted(found)
    columns = {name: np.array([getattr(found[place], name) for place in places], dtype=float) for name in PRICES}
    return IntradayBars(
        ticker,
        minutes,
        np.array([day for day, _ in places], dtype="datetime64[D]"),
        np.array([start for _, start in places], dtype=np.int64),
        **columns,
        source=source,
    )


def regular_starts(day: date, minutes: int, sessions: Sessions) -> range:
    """The minutes of the day in New York at which the bars of its regular session begin; none without a session."""
    if not sessions.is_session(day):
        return range(0)
    opened, closed = (at.astimezone(NEW_YORK) for at in (sessions.open(day), sessions.close(day)))
    first = opened.hour * 60 + opened.minute
    return range(first, closed.hour * 60 + closed.minute - minutes + 1, minutes)
