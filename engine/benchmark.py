"""What the same money would be in an index fund, and how far an account is below its best day; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.model.market import Bars, Dividend, Floats
from engine.model.records import EquityDay


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """(m,) dollars on the days of the bars; `has_dividends` False where nobody told them and they are missing."""

    bars: Bars
    value: Floats
    has_dividends: bool


def beside(history: Sequence[EquityDay], bars: Bars | None, dividends: Sequence[Dividend] | None) -> Beside | None:
    """The account's money in the index: its equity of the first day, and every flow at the close of its day.

    Dividends are put back in at the close of their ex-date (total return), on the same share basis as the bars. None
    where there is no price of the first day, or only that one.
    """
    if bars is None or not history or len(bars) < 2 or bars.day[0] != np.datetime64(history[0].day, "D"):
        return None
    paid = np.zeros(len(bars))
    for dividend in dividends or ():
        at = int(np.searchsorted(bars.day, np.datetime64(dividend.ex_date, "D")))
        if 0 < at < len(bars) and bars.day[at] == np.datetime64(dividend.ex_date, "D"):
            paid[at] += float(dividend.amount)
    flows = _flows(history, bars)
    value = np.empty(len(bars))
    value[0] = float(history[0].equity)
    for day in range(1, len(bars)):
        growth = (bars.close[day] + paid[day]) / bars.close[day - 1]
        value[day] = value[day - 1] * growth + flows[day]
    return Beside(bars, value, dividends is not None)


def _flows(history: Sequence[EquityDay], bars: Bars) -> Floats:
    """(m,) dollars that came or went since the bar before, by the first bar on or after the account's day."""
    flows = np.zeros(len(bars))
    for before, row in pairwise(history):
        moved = float(row.flows - before.flows)
        at = int(np.searchsorted(bars.day, np.datetime64(row.day, "D")))
        if moved and at < len(bars):
            flows[at] += moved
    return flows


def peaks(history: Sequence[EquityDay]) -> Floats:
    """(n,) dollars: each day's equity without what it has lost since its best day; flows are no gain and no loss.

    An account of 100 that falls to 90 and is given 90 has 180 and its peak at 200: it is still a tenth below.
    """
    equity = np.array([float(row.equity) for row in history])
    flows = np.diff(np.array([float(row.flows) for row in history]))
    worth, best = 1.0, 1.0
    found = equity.copy()
    for day in range(1, len(equity)):
        before = equity[day - 1]
        worth *= (equity[day] - flows[day - 1]) / before if before > 0 else 1.0
        best = max(best, worth)
        found[day] = equity[day] * best / worth if worth > 0 else equity[day]
    return found
