"""The price of a share through one session, from its recorded minutes or bridged through the daily bar.

A bridged path goes open -> the extreme nearer to the open -> the other extreme -> close, a third of the session each,
in straight lines. It is a path the bar allows, not the one that was: its turning points already know the day's high
and low. No volume is known along it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from engine.model.market import Bar

MINUTE = timedelta(minutes=1)


class Path(Protocol):
    """A session's prices, dollars per share as traded that day."""

    def price(self, at: datetime) -> float:
        """The last price at an instant from the opening bell on; after the close the closing price."""

    def so_far(self, at: datetime) -> Bar:
        """The bar of the session up to an instant; its volume is None where it is not recorded."""


@dataclass(frozen=True, slots=True)
class BridgedPath:
    """Straight lines between the points of a daily bar.

    `points` are (seconds after the opening bell, price), oldest first.
    """

    day: date
    open_at: datetime
    points: tuple[tuple[float, float], ...]

    def price(self, at: datetime) -> float:
        seconds = (at - self.open_at).total_seconds()
        after = bisect_right(self.points, seconds, key=_first)
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (start, before), (end, beyond) = self.points[after - 1], self.points[after]
        return before + (beyond - before) * (seconds - start) / (end - start)

    def so_far(self, at: datetime) -> Bar:
        seconds = (at - self.open_at).total_seconds()
        last = self.price(at)
        seen = [price for second, price in self.points if second <= seconds]
        seen.append(last)
        return Bar(self.day, self.points[0][1], max(seen), min(seen), last)


def bridged(bar: Bar, open_at: datetime, close_at: datetime) -> BridgedPath:
    """The path through `bar` (as traded) between the session's bells."""
    first, second = (bar.high, bar.low) if bar.high - bar.open <= bar.open - bar.low else (bar.low, bar.high)
    length = (close_at - open_at).total_seconds()
    prices = (bar.open, first, second, bar.close)
    return BridgedPath(bar.day, open_at, tuple((length * step / 3, price) for step, price in enumerate(prices)))


@dataclass(frozen=True, slots=True)
class MinutePath:
    """Recorded minute bars of the regular session; a minute counts once it is over.

    Attributes:
        ends: the instant each minute is over, ascending. bars: one for each, same order.
        official: the session's daily bar as traded: its open stands before the first minute is over, its close from
            `close_at` on.
    """

    ends: tuple[datetime, ...]
    bars: tuple[Bar, ...]
    official: Bar
    close_at: datetime

    def price(self, at: datetime) -> float:
        if at >= self.close_at:
            return self.official.close
        over = bisect_right(self.ends, at)
        return self.bars[over - 1].close if over else self.official.open

    def so_far(self, at: datetime) -> Bar:
        seen = self.bars[: bisect_right(self.ends, at)]
        last = self.price(at)
        high = max((bar.high for bar in seen), default=last)
        low = min((bar.low for bar in seen), default=last)
        volume = sum(bar.volume or 0.0 for bar in seen)
        return Bar(self.official.day, self.official.open, max(high, last), min(low, last), last, volume)


def _first(point: tuple[float, float]) -> float:
    return point[0]
