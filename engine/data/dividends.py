"""What is known of a ticker's cash dividends: recorded, told by the adjusted closes, or expected from the past ones."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
from statistics import median

import numpy as np
import structlog

from engine.data.series import Series
from engine.data.splits import SMALLEST, factor
from engine.model.market import Dividend, Kind, Source, Split

log = structlog.get_logger()

SMALLEST_STEP = 1e-5
"""Of the price: a smaller step between close and adjusted close is rounding."""
SPECIAL = 0.03
"""Of the price: a recorded dividend above this must be confirmed by the adjusted closes."""
INTERVALS = ((25, 38), (80, 105), (165, 200), (340, 390))
"""Days between regular dividends: monthly, quarterly, half-yearly, yearly."""


@dataclass(frozen=True, slots=True)
class Payouts:
    """The cash dividends of one ticker as paid, oldest first, complete up to and including `until`."""

    dividends: tuple[Dividend, ...]
    until: date
    source: Source

    def up_to(self, day: date) -> int:
        """How many have gone ex up to and including `day`."""
        return bisect_right(self.dividends, day, key=attrgetter("ex_date"))


def payouts(
    series: Series, splits: tuple[Split, ...], recorded: tuple[Dividend, ...] | None, recorded_until: date
) -> Payouts | None:
    """What is known of a ticker's dividends: the recorded ones, and what its adjusted closes tell where none are.

    A recorded amount above 3 % of the price that the adjusted closes do not show is no cash: vendors list the value of
    a spin-off or of a new share class so, while the prices are already adjusted for it.

    Args:
        recorded: dividends on file for this ticker, None when the file does not know it.
        recorded_until: the last day the file covers.

    Returns:
        None when nothing covers the ticker.
    """
    if series.adj_close is None:
        return Payouts(recorded, recorded_until, Source("dividends", Kind.RECORDED)) if recorded is not None else None
    derived = derived_dividends(series, splits)
    if recorded is None:
        return Payouts(derived, date.max, Source("adjusted closes", Kind.RECONSTRUCTED))
    cash = tuple(dividend for dividend in recorded if _is_cash(dividend, series, splits, derived))
    if len(cash) < len(recorded):
        days = [str(dividend.ex_date) for dividend in recorded if dividend not in cash]
        log.debug("dividends_not_cash", ticker=series.ticker, ex_dates=days)
    later = tuple(dividend for dividend in derived if dividend.ex_date > recorded_until)
    return Payouts(cash + later, date.max, Source("dividends", Kind.RECORDED))


def _is_cash(dividend: Dividend, series: Series, splits: tuple[Split, ...], derived: tuple[Dividend, ...]) -> bool:
    before = int(np.searchsorted(series.day, np.datetime64(dividend.ex_date, "D"))) - 1
    if before < 0 or before + 1 >= len(series):
        return True
    price = float(series.close[before]) * factor(splits, dividend.ex_date, series.basis)
    return float(dividend.amount) <= SPECIAL * price or any(seen.ex_date == dividend.ex_date for seen in derived)


def derived_dividends(series: Series, splits: tuple[Split, ...]) -> tuple[Dividend, ...]:
    """The dividends as paid that explain the steps between close and adjusted close, rounded to 0.0001.

    A back-adjusted close before an ex-date is scaled by 1 - dividend / (last close before it), so that
    dividend = close x (1 - ratio before / ratio on the day) with ratio = adjusted close / close.
    """
    if series.adj_close is None or len(series) < 2:
        return ()
    ratio = series.adj_close / series.close
    part = 1.0 - ratio[:-1] / ratio[1:]
    rows = np.flatnonzero(part > SMALLEST_STEP) + 1
    return tuple(_derived(series, splits, int(row), float(part[row - 1])) for row in rows)


def _derived(series: Series, splits: tuple[Split, ...], row: int, part: float) -> Dividend:
    ex_date = series.day[row].astype(object)
    amount = part * float(series.close[row - 1]) * factor(splits, ex_date, series.basis)
    return Dividend(ex_date, Decimal(amount).quantize(SMALLEST))


def expected(paid: tuple[Dividend, ...], today: date, until: date) -> tuple[tuple[date, float], ...]:
    """The dividends a model counts on after `today` and up to `until`: the usual amount at the usual interval.

    The interval is the median of the last four, the amount that of the last four payments. Nothing is expected of a
    ticker that paid fewer than three times, at no regular interval, or that missed a payment by half an interval.

    Args:
        paid: on today's share basis, oldest first, declared ones of days to come included.

    >>> paid = tuple(Dividend(date(2018, month, 7), Decimal("0.50")) for month in (2, 5, 8, 11))
    >>> expected(paid, date(2019, 1, 2), date(2019, 6, 21))
    ((datetime.date(2019, 2, 7), 0.5), (datetime.date(2019, 5, 10), 0.5))
    """
    recent = paid[-5:]
    if len(recent) < 3:
        return ()
    interval = median((after.ex_date - before.ex_date).days for before, after in pairwise(recent))
    last = recent[-1].ex_date
    if not any(low <= interval <= high for low, high in INTERVALS) or (today - last).days > 1.5 * interval:
        return ()
    amount = float(median(dividend.amount for dividend in recent[-4:]))
    days = (
        last + timedelta(days=round(interval * step)) for step in range(1, int((until - last).days // interval) + 1)
    )
    return tuple((day, amount) for day in days if today < day <= until)


def ahead(known: tuple[Dividend, ...], today: date, until: date) -> tuple[tuple[date, float], ...]:
    """The dividends to price options with after `today` and up to `until`: the declared ones, then the expected ones.

    >>> known = tuple(Dividend(date(2018, month, 7), Decimal("0.50")) for month in (2, 5, 8, 11))
    >>> ahead((*known, Dividend(date(2019, 2, 8), Decimal("0.55"))), date(2019, 1, 2), date(2019, 6, 21))
    ((datetime.date(2019, 2, 8), 0.55), (datetime.date(2019, 5, 11), 0.5))
    """
    ordered = tuple(sorted(known, key=attrgetter("ex_date")))
    declared = tuple((each.ex_date, float(each.amount)) for each in ordered if today < each.ex_date <= until)
    return declared + expected(ordered, today, until)
