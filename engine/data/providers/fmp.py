"""Financial Modeling Prep: report dates, dividends, splits, company facts and a screen. Unproven: no recorded answer
was at hand.

Fields, limits and units are read as in the pages of its stable API, https://site.financialmodelingprep.com/developer/
docs/stable (earnings-company, earnings-calendar, dividends-company, splits-company, profile-symbol, metrics-ratios,
income-statement, search-company-screener). The key goes in the header `apikey`, which the quickstart there allows
beside the address.

- It says neither the time of day of a report nor whether the company has confirmed it.
- An empty list is its answer for a name without dividends, splits or reports and for one it does not know: such a
  ticker is left out, never said to have none.
- Growth is computed here, of the latest quarter over the one a year before, from the income statements: its own growth
  figures compare with the period before, and do not say what a growth from a loss is.
- Tickers of other exchanges are written with a dot (KEC.NS), share classes with a dash (BRK-B).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from engine.data.budget import Allowance, Budget
from engine.data.providers.calendars import rows_between
from engine.data.providers.entitlements import Entitlements
from engine.data.providers.fields import Fields, Point, Row, is_ticker, last_and_year_before, within
from engine.data.providers.port import Offer, Provider, Report, ScreenRow
from engine.data.providers.reader import TIMEOUTS, Reader, invalid
from engine.data.providers.trouble import NotEntitled, Refused, Throttled, Unauthorised
from engine.errors import NotFound
from engine.model.market import Dividend, Fundamentals, Kind, Source, Split
from engine.sessions import NEW_YORK
from engine.transport import Timeouts

NAME = "fmp"
URL = "https://financialmodelingprep.com/stable"
ALLOWANCES = (Allowance(250, 86_400.0),)
"""Of the free plan (https://site.financialmodelingprep.com/pricing-plans)."""
LONGEST_RANGE = timedelta(days=89)
"""Between the first and the last day of a calendar: 90 days at most."""
LONGEST_ANSWER = 4000
"""Rows of a calendar at most."""
SCREENED = {
    "exchange": "NASDAQ,NYSE,AMEX",
    "isActivelyTrading": "true",
    "isFund": "false",
    "volumeMoreThan": "100000",
    "limit": "10000",
}
"""All that trades at all on the three exchanges, so that the most active are among them whatever its order is."""
KINDS = {
    Offer.REPORTS: Kind.REAL,
    Offer.DIVIDENDS: Kind.REAL,
    Offer.SPLITS: Kind.REAL,
    Offer.FUNDAMENTALS: Kind.REAL,
    Offer.SCREEN: Kind.DELAYED,
}
FIELDS = Fields(NAME)
T = TypeVar("T")


class FinancialModelingPrep(Provider):
    """See the module. `clock` tells aware UTC; `tick` monotonic seconds."""

    name = NAME
    allowances = ALLOWANCES
    is_proven = False

    def __init__(
        self,
        key: str,
        clock: Callable[[], datetime],
        *,
        url: str = "",
        timeouts: Timeouts = TIMEOUTS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self.budget = Budget(NAME, *ALLOWANCES, tick=tick)
        self._reader = Reader(NAME, url or URL, self.budget, clock, headers={"apikey": key}, timeouts=timeouts)
        self._granted = Entitlements(NAME, KINDS, tick)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return self._granted.offers

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)

    def close(self) -> None:
        self._reader.close()

    def reports(self, tickers: Iterable[str], start: date, end: date) -> Mapping[str, tuple[Report, ...]]:
        """Reports from `start` to `end`: of one ticker in one request, of several from the market's calendar.

        In the calendar a ticker without a row may be one that is not covered: it is left out.
        """
        wanted = frozenset(tickers)
        if len(wanted) == 1:
            return within(self._rows_of(Offer.REPORTS, "/earnings", wanted, _report), _report_day, start, end)
        with self._granted.using(Offer.REPORTS):
            rows = self._calendar("/earnings-calendar", start, end)
        found = FIELDS.of_tickers("earnings-calendar", rows, wanted, _ticker, _report)
        return {ticker: each for ticker, each in within(found, _report_day, start, end).items() if each}

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
        """Dividends as paid, one request a ticker."""
        found = self._rows_of(Offer.DIVIDENDS, "/dividends", tickers, _dividend)
        return within(found, lambda dividend: dividend.ex_date, start, end)

    def splits(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Split, ...]]:
        """Splits, one request a ticker."""
        found = self._rows_of(Offer.SPLITS, "/splits", tickers, _split)
        return within(found, lambda split: split.ex_date, start, end)

    def fundamentals(self, ticker: str) -> Fundamentals:
        """Company facts of today, from three requests; growth is missing where the plan has no quarters."""
        with self._granted.using(Offer.FUNDAMENTALS, ticker):
            profiles = self._of("/profile", ticker)
            if not profiles:
                raise NotFound(f"Financial Modeling Prep knows no company {ticker}.")
            ratios = self._of("/ratios", ticker, period="annual", limit="2")
        margin, before = last_and_year_before(_points(ratios, "netProfitMargin"))
        quarters = self._quarters(ticker)
        profile = FIELDS.mapping("profile", profiles[0])
        is_dollars = FIELDS.text("currency", profile.get("currency")) == "USD"
        return Fundamentals(
            market_cap=FIELDS.money("marketCap", profile.get("marketCap")) if is_dollars else None,
            sector=FIELDS.text("sector", profile.get("sector")) or None,
            beta=FIELDS.number("beta", profile.get("beta")),
            revenue_growth=_growth(_points(quarters, "revenue")),
            earnings_growth=_growth(_points(quarters, "epsDiluted")),
            margin=margin,
            margin_before=before,
            margin_change=None if margin is None or before is None else margin - before,
            known_on=self._clock().astimezone(NEW_YORK).date(),
            sources=(NAME,),
        )

    def screen(self) -> tuple[ScreenRow, ...]:
        """The names of the three exchanges by the volume it knows of, highest first."""
        with self._granted.using(Offer.SCREEN):
            rows = FIELDS.each("screener", self._rows("/company-screener", SCREENED), _screened)
        return tuple(sorted(rows, key=lambda row: row.volume or 0.0, reverse=True))

    def _quarters(self, ticker: str) -> list[Any]:
        """The last five quarters, none where the plan does not cover them."""
        try:
            return self._of("/income-statement", ticker, period="quarter", limit="5")
        except NotEntitled:
            return []

    def _rows_of(
        self, offer: Offer, path: str, tickers: Iterable[str], read: Callable[[Row], T | None]
    ) -> dict[str, list[T]]:
        """What `read` makes of each ticker's own answer; a ticker without a row is left out."""
        answers = self._granted.each(offer, tickers, lambda ticker: self._of(path, ticker))
        rows = [row for answer in answers.values() for row in answer]
        return FIELDS.of_tickers(path.removeprefix("/"), rows, answers, _ticker, read)

    def _of(self, path: str, ticker: str, **params: str) -> list[Any]:
        return self._rows(path, {"symbol": ticker.replace(".", "-"), **params})

    def _calendar(self, path: str, start: date, end: date) -> list[Any]:
        """The rows of a calendar, in ranges that it allows."""

        def ask(first: date, last: date) -> list[Any]:
            return self._rows(path, {"from": first.isoformat(), "to": last.isoformat()})

        rows: list[Any] = []
        while start <= end:
            last = min(start + LONGEST_RANGE, end)
            rows += rows_between(ask, start, last, LONGEST_ANSWER)
            start = last + timedelta(days=1)
        return rows

    def _rows(self, path: str, params: Mapping[str, str]) -> list[Any]:
        answer = self._reader.json(path, params)
        if isinstance(answer, Mapping) and "Error Message" in answer:
            raise self._said(path, str(answer["Error Message"]).casefold())
        return FIELDS.rows(path.removeprefix("/"), answer)

    def _said(self, path: str, words: str) -> Exception:
        """The trouble behind an "Error Message", which also comes with status 200. Its text is not passed on."""
        if "limit reach" in words:
            self.budget.pause(60.0)
            return Throttled(f"{NAME} says that its limit is reached ({path}).")
        if "invalid api key" in words:
            return Unauthorised(f"{NAME} does not accept the key ({path}).")
        if any(word in words for word in ("premium", "subscription", "upgrade", "legacy", "exclusive")):
            return NotEntitled(f"{NAME} does not give this under this key ({path}).")
        return Refused(f"{NAME} refused the question ({path}).")


def _ours(symbol: str) -> str:
    """Their spelling as ours, "" for a listing elsewhere.

    >>> _ours("BRK-B"), _ours("KEC.NS"), _ours("AAPL")
    ('BRK.B', '', 'AAPL')
    """
    ticker = "" if "." in symbol else symbol.replace("-", ".")
    return ticker if is_ticker(ticker) else ""


def _ticker(row: Row) -> str:
    return _ours(FIELDS.text("symbol", row.get("symbol")))


def _day(row: Row) -> date:
    day = FIELDS.day("date", row.get("date"))
    if day is None:
        raise invalid(NAME, "date", row.get("date"))
    return day


def _report(row: Row) -> Report:
    return Report(
        _ticker(row),
        _day(row),
        Source(NAME, KINDS[Offer.REPORTS]),
        eps_estimate=FIELDS.number("epsEstimated", row.get("epsEstimated")),
        eps_actual=FIELDS.number("epsActual", row.get("epsActual")),
    )


def _report_day(report: Report) -> date:
    return report.day


def _dividend(row: Row) -> Dividend | None:
    """`dividend` is as paid; `adjDividend` is on today's share basis and not what we want. 0 is none."""
    if FIELDS.number("dividend", row.get("dividend")) is None:
        raise invalid(NAME, "dividend", row.get("dividend"))
    amount = FIELDS.money("dividend", row.get("dividend"))
    return None if amount is None else Dividend(_day(row), amount)


def _split(row: Row) -> Split:
    new, old = (FIELDS.money(name, row.get(name)) for name in ("numerator", "denominator"))
    if new is None or old is None:
        raise invalid(NAME, "numerator, denominator", (row.get("numerator"), row.get("denominator")))
    return Split(_day(row), new / old)


def _points(rows: list[Any], name: str) -> list[Point]:
    def point(row: Row) -> Point | None:
        period = FIELDS.day("date", row.get("date"))
        return None if period is None else (period, FIELDS.number(name, row.get(name)))

    return FIELDS.each(name, rows, point)


def _growth(points: list[Point]) -> float | None:
    """Of the last figure over the one a year before; from a loss or from nothing there is none."""
    last, before = last_and_year_before(points)
    return None if last is None or before is None or before <= 0 else last / before - 1


def _screened(row: Row) -> ScreenRow | None:
    ticker = _ticker(row)
    if not ticker:
        return None
    price = FIELDS.money("price", row.get("price"))
    dividend = FIELDS.positive("lastAnnualDividend", row.get("lastAnnualDividend"))
    return ScreenRow(
        ticker,
        price,
        FIELDS.positive("volume", row.get("volume")),
        FIELDS.money("marketCap", row.get("marketCap")),
        dividend / float(price) if dividend is not None and price is not None else None,
    )
