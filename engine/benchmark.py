"""What the same money would be in an index fund, and how far an account is below its best day; pure.

What is put in or taken out counts as moved before the open of its day, as in `engine.performance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.model.market import Bars, Dates, Dividend, Floats
from engine.model.records import EquityDay
from engine.performance import daily_returns, total_return


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """`value`: (m,) dollars on `days`; `has_dividends` False where nobody told them and they are missing."""

    name: str
    days: Dates
    value: Floats
    has_dividends: bool


def beside(history: Sequence[EquityDay], bars: Bars | None, dividends: Sequence[Dividend] | None) -> Beside | None:
    """The account's money in the index: its equity of the first day, and every flow, with dividends reinvested.

    None where there is no price of the first day, or only that one. `dividends` on the share basis of the bars.
    """
    if bars is None or not history or len(bars) < 2 or bars.day[0] != np.datetime64(history[0].day, "D"):
        return None
    level, flows = total_return(bars, dividends or ()).level, _flows(history, bars)
    value = np.empty(len(bars))
    value[0] = float(history[0].equity)
    for day in range(1, len(bars)):
        value[day] = (value[day - 1] + flows[day]) * level[day] / level[day - 1]
    return Beside(bars.ticker, bars.day, value, dividends is not None)


def _flows(history: Sequence[EquityDay], bars: Bars) -> Floats:
    """(m,) dollars that came or went, each on the first bar on or after its day."""
    flows = np.zeros(len(bars))
    for before, row in pairwise(history):
        at = int(np.searchsorted(bars.day, np.datetime64(row.day, "D")))
        if at < len(bars):
            flows[at] += float(row.flows - before.flows)
    return flows


def peaks(history: Sequence[EquityDay]) -> Floats:
    """(n,) dollars: each day's equity without what it has lost since its best day; flows are no gain and no loss.

    An account of 100 that falls to 90 and is given 90 has 180 and its peak at 200: it is still a tenth below.
    """
    closes = [row.equity for row in history]
    moved = [row.flows - before.flows for before, row in pairwise(history)]
    made = np.nan_to_num(daily_returns(closes, moved))
    worth = np.concatenate(([1.0], np.cumprod(1.0 + made)))
    best = np.maximum.accumulate(worth)
    equity = np.array([float(close) for close in closes])
    return np.where(worth > 0, equity * best / np.where(worth > 0, worth, 1.0), equity)
