"""The short interest rate on a past day: the Treasury curve, then a policy rate as a labelled proxy."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from math import log1p

from engine.model.market import Kind, Source

THREE_MONTHS = 0.25
"""Years: the tenor read from the curve."""
PRIMARY_CREDIT_SPREAD = 0.50
"""Percentage points taken off the Fed's primary credit rate: what it stood above the target range from 2010 to 2020."""
STALE = timedelta(days=10)
"""A curve older than this is not used."""

FED_TARGET: tuple[tuple[date, float], ...] = (
    (date(1999, 11, 16), 5.50),
    (date(2000, 2, 2), 5.75),
    (date(2000, 3, 21), 6.00),
    (date(2000, 5, 16), 6.50),
    (date(2001, 1, 3), 6.00),
    (date(2001, 1, 31), 5.50),
    (date(2001, 3, 20), 5.00),
    (date(2001, 4, 18), 4.50),
    (date(2001, 5, 15), 4.00),
    (date(2001, 6, 27), 3.75),
    (date(2001, 8, 21), 3.50),
    (date(2001, 9, 17), 3.00),
    (date(2001, 10, 2), 2.50),
    (date(2001, 11, 6), 2.00),
    (date(2001, 12, 11), 1.75),
    (date(2002, 11, 6), 1.25),
    (date(2003, 6, 25), 1.00),
    (date(2004, 6, 30), 1.25),
    (date(2004, 8, 10), 1.50),
    (date(2004, 9, 21), 1.75),
    (date(2004, 11, 10), 2.00),
    (date(2004, 12, 14), 2.25),
    (date(2005, 2, 2), 2.50),
    (date(2005, 3, 22), 2.75),
    (date(2005, 5, 3), 3.00),
    (date(2005, 6, 30), 3.25),
    (date(2005, 8, 9), 3.50),
    (date(2005, 9, 20), 3.75),
    (date(2005, 11, 1), 4.00),
    (date(2005, 12, 13), 4.25),
    (date(2006, 1, 31), 4.50),
    (date(2006, 3, 28), 4.75),
    (date(2006, 5, 10), 5.00),
    (date(2006, 6, 29), 5.25),
    (date(2007, 9, 18), 4.75),
    (date(2007, 10, 31), 4.50),
    (date(2007, 12, 11), 4.25),
    (date(2008, 1, 22), 3.50),
    (date(2008, 1, 30), 3.00),
    (date(2008, 3, 18), 2.25),
    (date(2008, 4, 30), 2.00),
    (date(2008, 10, 8), 1.50),
    (date(2008, 10, 29), 1.00),
    (date(2008, 12, 16), 0.25),
    (date(2015, 12, 16), 0.50),
    (date(2016, 12, 14), 0.75),
    (date(2017, 3, 15), 1.00),
    (date(2017, 6, 14), 1.25),
    (date(2017, 12, 13), 1.50),
    (date(2018, 3, 21), 1.75),
    (date(2018, 6, 13), 2.00),
    (date(2018, 9, 26), 2.25),
    (date(2018, 12, 19), 2.50),
    (date(2019, 7, 31), 2.25),
    (date(2019, 9, 18), 2.00),
    (date(2019, 10, 30), 1.75),
    (date(2020, 3, 3), 1.25),
    (date(2020, 3, 15), 0.25),
    (date(2022, 3, 16), 0.50),
    (date(2022, 5, 4), 1.00),
    (date(2022, 6, 15), 1.75),
    (date(2022, 7, 27), 2.50),
    (date(2022, 9, 21), 3.25),
    (date(2022, 11, 2), 4.00),
    (date(2022, 12, 14), 4.50),
    (date(2023, 2, 1), 4.75),
    (date(2023, 3, 22), 5.00),
    (date(2023, 5, 3), 5.25),
    (date(2023, 7, 26), 5.50),
    (date(2024, 9, 18), 5.00),
    (date(2024, 11, 7), 4.75),
    (date(2024, 12, 18), 4.50),
    (date(2025, 9, 17), 4.25),
    (date(2025, 10, 29), 4.00),
    (date(2025, 12, 10), 3.75),
)
"""Day decided and the federal funds target (its upper end from 2008-12-16 on), percent: Federal Reserve Board, "Open
Market Operations" archive (a work of the US government). Used where a folder brings no rates."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A continuous short rate, decimal a year, and who said so."""

    value: float
    source: Source


@dataclass(frozen=True, slots=True)
class Rates:
    """The short rate by day.

    Attributes:
        curve: (day, 3-month Treasury yield as a decimal), oldest first.
        policy: (day it took effect, policy rate as a decimal, already less its spread), oldest first; it holds until
            the next one.
        policy_name: what the policy rate is, for the label.
    """

    curve: tuple[tuple[date, float], ...] = ()
    policy: tuple[tuple[date, float], ...] = tuple((day, percent / 100) for day, percent in FED_TARGET)
    policy_name: str = "federal funds target"

    def on(self, day: date) -> Rate | None:
        """The rate a person knew on the morning of `day`, None before the first one recorded.

        The curve of a day is published after its close, so the latest earlier one is read; the policy rate is that in
        force on the day before.

        >>> Rates().on(date(2019, 3, 4))
        Rate(value=0.0249..., source=Source(name='federal funds target', kind=<Kind.PROXY: 'proxy'>))
        """
        row = bisect_left(self.curve, (day,)) - 1
        if row >= 0 and day - self.curve[row][0] <= STALE:
            return Rate(continuous(self.curve[row][1]), Source("3-month Treasury yield", Kind.RECORDED))
        row = bisect_right(self.policy, (day,)) - 1
        if row < 0:
            return None
        return Rate(continuous(self.policy[row][1]), Source(self.policy_name, Kind.PROXY))


def continuous(simple: float) -> float:
    """The continuous rate that grows as much over three months as a money-market yield paid at their end.

    >>> round(continuous(0.04), 6)
    0.039801
    """
    return log1p(simple * THREE_MONTHS) / THREE_MONTHS
