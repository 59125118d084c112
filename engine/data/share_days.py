"""One ticker on one day of a recording: what stays the same from the opening bell to the closing one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from difflib import get_close_matches
from functools import cached_property, lru_cache

import numpy as np

from engine.data.dividends import expected
from engine.data.folder import RecordedFolder
from engine.data.path import Path, bridged
from engine.data.series import DECIMALS, Series
from engine.data.splits import on_basis_of
from engine.errors import DataUnavailable, NotFound
from engine.indicators import realised_volatility
from engine.model.instruments import Stock
from engine.model.market import CENT, Bar, Bars, Dividend, Earnings, Floats, Kind, Quote, Source
from engine.sessions import Sessions

WARM_UP = 560
"""Sessions of history in a snapshot: two years and two months, so that they reach around the last eight reports."""
PANEL = 400
"""Sessions in a panel: enough for every indicator of the strategies (52 weeks and their warm-up)."""
VOLATILITY_SESSIONS = 30
SPREAD = Decimal("0.0002")
"""Modelled bid-ask spread of shares, of the price: 2 basis points, and at least a cent."""
HORIZON = timedelta(days=1100)
"""Expected dividends reach past the last listed expiry, so that a chain and single quotes count the same ones."""
QUARTER = timedelta(days=110)
"""Reports at most this far back and this far ahead: a ticker's report dates are covered."""
MODELLED = Source("replay", Kind.MODELLED)


@dataclass(frozen=True, eq=False)
class ShareDay:
    """A ticker as it stands on `today`, in the shares of `today`. (No slots: what the model asks for is kept.)

    Attributes:
        bars: the last 560 sessions before today. last_close: when the latest of them ended, None without one.
        open_at, close_at, path: today's bells and its prices between them, all None when there is no session today.
        dividends: gone ex up to today, oldest first; None where nothing covers them.
        earnings: reports on both sides of today; None where nothing covers them.
    """

    ticker: str
    today: date
    bars: Bars
    last_close: datetime | None
    open_at: datetime | None
    close_at: datetime | None
    path: Path | None
    dividends: tuple[Dividend, ...] | None
    earnings: tuple[Earnings, ...] | None

    def instant(self, now: datetime) -> datetime | None:
        """When the session's last price up to `now` was made; None before the opening bell or without a session."""
        if self.open_at is None or self.close_at is None or now < self.open_at:
            return None
        return min(now, self.close_at)

    def session(self, now: datetime) -> Bar | None:
        """Today's bar so far."""
        at = self.instant(now)
        return None if at is None or self.path is None else self.path.so_far(at)

    def price(self, now: datetime) -> tuple[float, datetime] | None:
        """The last price, rounded to 0.0001, and when it was made; the last close before today's opening bell."""
        at = self.instant(now)
        if at is not None and self.path is not None:
            return round(self.path.price(at), DECIMALS), at
        if self.last_close is None:
            return None
        return float(self.bars.close[-1]), self.last_close

    def quote(self, now: datetime) -> Quote | None:
        """A modelled quote around the last price."""
        last = self.price(now)
        return None if last is None else share_quote(self.ticker, *last)

    @cached_property
    def volatility(self) -> float | None:
        """Realised volatility of the 30 sessions up to yesterday; None where they are not all there or never moved."""
        closes: Floats = self.bars.close[-VOLATILITY_SESSIONS - 1 :]
        if len(closes) <= VOLATILITY_SESSIONS:
            return None
        found = float(realised_volatility(closes, VOLATILITY_SESSIONS)[-1])
        return found if found > 0 else None

    @cached_property
    def expected_dividends(self) -> tuple[tuple[date, float], ...]:
        """The ex-dates and dollars a price model counts on up to `HORIZON`, from the dividends gone ex so far."""
        return expected(self.dividends or (), self.today, self.today + HORIZON)


def share_quote(ticker: str, price: float, at: datetime) -> Quote:
    """A bid and an ask in whole cents around a price, as far apart as `SPREAD` says; sizes are unknown.

    >>> from datetime import UTC
    >>> quote = share_quote("IBM", 186.4271, datetime(2013, 10, 7, 14, tzinfo=UTC))
    >>> str(quote.bid), str(quote.ask)
    ('186.41', '186.45')
    """
    mid = Decimal(f"{price:.{DECIMALS}f}")
    spread = max(CENT, (mid * SPREAD).quantize(CENT))
    bid = max((mid - spread / 2).quantize(CENT, ROUND_HALF_EVEN), Decimal(0))
    return Quote(Stock(ticker), bid, bid + spread, at, MODELLED)


class ShareDays:
    """Makes a `ShareDay` of each ticker once a day."""

    def __init__(self, folder: RecordedFolder, sessions: Sessions) -> None:
        self._folder = folder
        self._sessions = sessions
        self._in_shares: dict[str, tuple[float, Bars]] = {}
        self._paid: dict[str, tuple[tuple[int, float], tuple[Dividend, ...]]] = {}
        self._made: tuple[date, dict[str, ShareDay]] = (date.min, {})

    def series(self, ticker: str) -> Series:
        """The recorded bars of a ticker or index.

        Raises:
            NotFound: there are none; the message suggests the nearest ticker.
        """
        series = self._folder.series.get(ticker)
        if series is None:
            raise NotFound(f"“{ticker}” is not in the recorded data{_suggestion(ticker, tuple(self._folder.series))}")
        return series

    def bars(self, ticker: str, today: date) -> Bars:
        """Every recorded bar in the shares of `today`, those of later days included.

        Raises:
            NotFound: the ticker is unknown.
        """
        series, splits = self.series(ticker), self._folder.splits.get(ticker, ())
        times = series.factor(splits, today)
        kept = self._in_shares.get(ticker)
        if kept is None or kept[0] != times:
            kept = self._in_shares[ticker] = (times, series.times(times))
        return kept[1]

    def day(self, ticker: str, today: date) -> ShareDay:
        """The ticker on `today`.

        Raises:
            NotFound: it is unknown. DataUnavailable: it has no bar today, or is an index.
        """
        if self._made[0] != today:
            self._made = (today, {})
        made = self._made[1]
        if ticker not in made:
            made[ticker] = self._make(ticker, today)
        return made[ticker]

    def _make(self, ticker: str, today: date) -> ShareDay:
        series = self.series(ticker)
        if series.is_index:
            raise DataUnavailable(f"{ticker} is an index: it has bars, but no shares to trade.")
        whole = self.bars(ticker, today)
        end = int(series.day.searchsorted(np.datetime64(today, "D")))
        open_at = close_at = path = None
        if self._sessions.is_session(today):
            open_at, close_at = self._sessions.open(today), self._sessions.close(today)
            path = self._path(series, whole, today)
        return ShareDay(
            ticker=ticker,
            today=today,
            bars=whole[max(end - WARM_UP, 0) : end],
            last_close=self._close(series.day[end - 1].astype(object)) if end else None,
            open_at=open_at,
            close_at=close_at,
            path=path,
            dividends=self._dividends(ticker, today),
            earnings=self._earnings(ticker, today),
        )

    def _close(self, day: date) -> datetime:
        return self._sessions.close(day) if self._sessions.is_session(day) else self._sessions.at(day, "16:00")

    def _path(self, series: Series, whole: Bars, today: date) -> Path:
        row = series.row(today)
        if row is None:
            raise DataUnavailable(f"{series.ticker} has no bar for {today}: {_span(series)}.")
        open_at, close_at, official = self._sessions.open(today), self._sessions.close(today), whole.bar(row)
        minutes = self._folder.minutes.get((series.ticker, today))
        recorded = None if minutes is None else minutes.path(official, open_at, close_at)
        return bridged(official, open_at, close_at) if recorded is None else recorded

    def _dividends(self, ticker: str, today: date) -> tuple[Dividend, ...] | None:
        known = self._folder.payouts.get(ticker)
        if known is None or today > known.until:
            return None
        count, times = known.up_to(today), self._in_shares[ticker][0]
        kept = self._paid.get(ticker)
        if kept is None or kept[0] != (count, times):
            paid = on_basis_of(today, known.dividends[:count], self._folder.splits.get(ticker, ()))
            kept = self._paid[ticker] = ((count, times), paid)
        return kept[1]

    def _earnings(self, ticker: str, today: date) -> tuple[Earnings, ...] | None:
        reports = self._folder.earnings.get(ticker, ())
        behind = any(today - QUARTER <= report.day <= today for report in reports)
        ahead = any(today < report.day <= today + QUARTER for report in reports)
        return reports if behind and ahead else None


@lru_cache(maxsize=256)  # a configured name that is not recorded is asked for at every scan
def _suggestion(ticker: str, known: tuple[str, ...]) -> str:
    """The nearest known ticker as the end of a sentence; one with the same first letter goes before others."""
    wanted = ticker.upper()
    near = sorted(get_close_matches(wanted, known, n=5), key=lambda name: name[:1] != wanted[:1])
    return f": did you mean {near[0]}?" if near else "."


def _span(series: Series) -> str:
    return f"its bars run from {series.day[0]} to {series.day[-1]}" if len(series) else "it has none at all"
