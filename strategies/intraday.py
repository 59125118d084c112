"""Numbers from 15-minute bars, and the rule that they are there: for strategies that trade within the day.

A bar that is over is all that is used: nothing here looks at the one that is still being made, nor ahead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from math import isnan
from typing import TypeVar

import numpy as np

from engine import indicators
from engine.model.market import Floats, IntradayBars, MarketSnapshot
from engine.model.trade import Step
from engine.sessions import NEW_YORK
from strategies import funnel
from strategies.funnel import Case, step, unknown

P = TypeVar("P")

MAY_LACK = 2
"""Sessions of a window that may have no bar at a time of day: twenty sessions hold at most two early closes (the Friday
after Thanksgiving and Christmas Eve), and the first low of a pattern may lie two sessions back."""


def ended(bars: IntradayBars, row: int = -1) -> datetime:
    """The instant at which a bar was over."""
    midnight = datetime.combine(bars.day[row].astype(object), time(), NEW_YORK)
    return midnight + timedelta(minutes=int(bars.start[row]) + bars.minutes)


def clock(bars: IntradayBars, row: int = -1) -> str:
    """Day and time in New York at which a bar was over: `Mon 10:45`."""
    return f"{ended(bars, row):%a %H:%M}"


def is_latest(bars: IntradayBars, now: datetime) -> bool:
    """Whether the last bar is the last that can be over: it has ended, and the next one has not."""
    return len(bars) > 0 and timedelta(0) <= now - ended(bars) < timedelta(minutes=bars.minutes)


def loaded(case: Case[P]) -> tuple[IntradayBars | None, tuple[Step, ...]]:
    """(the bars, the rule on them); None where nobody has any, or where they ended too long ago to act on."""
    rule, limit = "15-minute bars", "up to the last one that is over"
    bars = case.snapshot.intraday
    if bars is None or not len(bars):
        return None, funnel.missing(rule, limit, case.context)
    has_latest = is_latest(bars, case.snapshot.asof)
    told = step(rule, limit, f"to {ended(bars):%d %b %H:%M}, {bars.source}", has_latest)
    return (bars if has_latest else None), (told,)


def latest(snapshot: MarketSnapshot) -> IntradayBars | None:
    """The bars for an exit; None where there are none or they have stopped: an exit by them then waits."""
    bars = snapshot.intraday
    return bars if bars is not None and is_latest(bars, snapshot.asof) else None


@dataclass(frozen=True, slots=True)
class Traded:
    """What one bar traded, and the mean of its time of day; shares of one feed, NaN is unknown."""

    volume: float
    usual: float
    clock: str

    @property
    def ratio(self) -> float:
        """Volume over the usual one; NaN where either is unknown or nothing is usual."""
        return self.volume / self.usual if self.usual > 0 else float("nan")

    @property
    def words(self) -> str:
        """`3.2143 x (450,000 against 140,000, Mon 11:15)`."""
        return f"{self.ratio:.4f} x ({self.volume:,.0f} against {self.usual:,.0f}, {self.clock})"


def traded(bars: IntradayBars, row: int, sessions: int) -> Traded:
    """A bar's volume against the mean of the bars of its time of day over the `sessions` sessions before its own."""
    days = np.unique(bars.day)
    before = days[days < bars.day[row]][-sessions:]
    same = bars.volume[(bars.start == bars.start[row]) & np.isin(bars.day, before)]
    usual = float(same.mean()) if len(same) >= max(sessions - MAY_LACK, 1) else float("nan")
    return Traded(float(bars.volume[row]), usual, clock(bars, row))


def busiest(bars: IntradayBars, rows: Iterable[int], sessions: int) -> Traded:
    """Of some bars the one that traded most against its time of day."""
    seen = (traded(bars, row, sessions) for row in rows)
    return max(seen, key=lambda one: float("-inf") if isnan(one.ratio) else one.ratio)


def volume_rule(case: Case[P], one: Traded, least: float) -> Step:
    """A bar that traded at least `least` times what is usual."""
    rule, limit = "bar volume", f"≥ {least:g} x the same time of day"
    if isnan(one.ratio):
        return unknown(rule, limit, case.context)
    return step(rule, limit, one.words, one.ratio >= least)


def pivot_high(bars: IntradayBars, sessions: int, neighbours: int) -> float:
    """The highest pivot high known before the last bar, of the `sessions` sessions before its own and of its own.

    NaN with fewer sessions, or without a pivot.
    """
    days = np.unique(bars.day)[:-1][-sessions:]
    if len(days) < sessions:
        return float("nan")
    known = bars.high[:-1]
    highs = known[indicators.pivot_highs(known, neighbours) & (bars.day[:-1] >= days[0])]
    return float(highs.max()) if len(highs) else float("nan")


def session_vwap(bars: IntradayBars) -> float:
    """The volume-weighted average price of the last bar's session up to it; NaN where a volume is unknown."""
    own = bars.of(bars.day[-1].astype(object))
    return float(indicators.vwap(own.high, own.low, own.close, own.volume)[-1])


def rsi(bars: IntradayBars, n: int) -> float:
    """Wilder's RSI of the closes at the last bar, over all sessions given; NaN before it is warm."""
    return float(indicators.rsi(bars.close, n)[-1])


def averages(bars: IntradayBars, fast: int, slow: int) -> tuple[float, float]:
    """(fast, slow) exponential averages of the closes at the last bar."""
    found: tuple[Floats, Floats] = (indicators.ema(bars.close, fast), indicators.ema(bars.close, slow))
    return float(found[0][-1]), float(found[1][-1])
