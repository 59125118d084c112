"""Finnhub: earnings dates, the day so far, company facts and news. Unproven: no recorded answer was at hand.

Fields and units are read as in https://finnhub.io/docs/api (earnings-calendar, quote, company-basic-financials,
company-profile2, company-news) and in the models generated from its schema (Finnhub-Stock-API/finnhub-go).

- The paths and parameters are the library's own; the transport is ours. The library puts the key into the address,
  follows redirects and gives one time-out for everything (`finnhub.client.Client`); the service takes the key as the
  header X-Finnhub-Token (https://finnhub.io/docs/api/authentication).
- Its option chain is not offered: users report wrong quotes in it (Finnhub-Stock-API/finnhub-python, issue 65), and it
  says no time with them.
- It has no bid and ask of shares, so there are no quotes either.
- `finnhubIndustry` is a classification of its own, finer here and coarser there than sectors: it is not given as one,
  for two names of one sector must be called the same by all sources.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from engine.data.budget import Allowance, Budget
from engine.data.providers.calendars import rows_between
from engine.data.providers.entitlements import Entitlements
from engine.data.providers.fields import Fields, Point, Row, is_ticker, last_and_year_before, within
from engine.data.providers.port import Offer, Provider, Report
from engine.data.providers.reader import TIMEOUTS, Reader
from engine.errors import DataUnavailable, NotFound
from engine.model.market import Bar, Fundamentals, Kind, ReportTime, Source
from engine.model.news import Headline
from engine.sessions import NEW_YORK
from engine.transport import Timeouts

try:
    from finnhub import Client
except ImportError:
    Client = object

NAME = "finnhub"
URL = "https://finnhub.io/api/v1"
MISSING = 'Finnhub needs its client library: pip install "finnhub-python>=2.4,<3" (the extra "providers").'
ALLOWANCES = (Allowance(60, 60.0),)
"""Of the free plan (https://finnhub.io/pricing)."""
LONGEST_ANSWER = 1500
"""Rows at which the earnings calendar is cut without a word, the nearest dates first to go (seen by its users, not
documented): an answer of this length is asked for again in halves."""
HOURS = {"bmo": ReportTime.BEFORE_OPEN, "amc": ReportTime.AFTER_CLOSE}
"""`dmh` is during market hours: on the day itself it may still be ahead, as one whose time is not known."""
MILLION = 1_000_000
KINDS = {Offer.REPORTS: Kind.REAL, Offer.SESSIONS: Kind.REAL, Offer.FUNDAMENTALS: Kind.REAL, Offer.NEWS: Kind.REAL}
FIELDS = Fields(NAME)


class Finnhub(Provider):
    """See the module. `clock` tells aware UTC; `tick` monotonic seconds.

    Raises:
        DataUnavailable: its library is not installed; the message says how to install it.
    """

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
        if Client is object:
            raise DataUnavailable(MISSING)
        self._clock = clock
        self.budget = Budget(NAME, *ALLOWANCES, tick=tick)
        self._reader = Reader(NAME, url or URL, self.budget, clock, headers={"X-Finnhub-Token": key}, timeouts=timeouts)
        self._client = _Client(self._reader)
        self._granted = Entitlements(NAME, KINDS, tick)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return self._granted.offers

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)

    def close(self) -> None:
        self._reader.close()

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        """The day so far, one request a ticker; without a volume, which /quote does not tell."""
        answers = self._granted.each(Offer.SESSIONS, tickers, self._client.quote)
        bars = {ticker: _session(FIELDS.mapping("quote", answer)) for ticker, answer in answers.items()}
        return {ticker: bar for ticker, bar in bars.items() if bar is not None}

    def reports(self, tickers: Iterable[str], start: date, end: date) -> Mapping[str, tuple[Report, ...]]:
        """Reports from `start` to `end`, in one request for the whole market where its length allows.

        The free plan looks about a month ahead and leaves out names (https://finnhub.io/pricing), so a ticker
        that is not in the answer is one nothing is known about: it is left out, never said to have no report.
        """
        wanted = frozenset(tickers)
        only = next(iter(wanted)) if len(wanted) == 1 else ""
        with self._granted.using(Offer.REPORTS):
            rows = rows_between(partial(self._calendar, only), start, end, LONGEST_ANSWER)
        found = FIELDS.of_tickers("earningsCalendar", rows, wanted, _symbol, _report)
        dated = within(found, lambda report: report.day, start, end)
        return {ticker: each for ticker, each in dated.items() if each}

    def _calendar(self, ticker: str, start: date, end: date) -> list[Any]:
        answer = self._client.earnings_calendar(start.isoformat(), end.isoformat(), ticker, international=False)
        return FIELDS.rows("earningsCalendar", FIELDS.mapping("calendar", answer).get("earningsCalendar"))

    def fundamentals(self, ticker: str) -> Fundamentals:
        """Company facts of today, from two requests: the profile for the currency, the metrics for the rest."""
        with self._granted.using(Offer.FUNDAMENTALS, ticker):
            profile = FIELDS.mapping("profile", self._client.company_profile2(symbol=ticker))
            if not profile:
                raise NotFound(f"Finnhub knows no company {ticker}.")
            answer = FIELDS.mapping("metrics", self._client.company_basic_financials(ticker, "all"))
        facts = _facts(FIELDS.mapping("metric", answer.get("metric") or {}), answer.get("series") or {})
        return replace(facts, market_cap=_market_cap(profile), known_on=self._clock().astimezone(NEW_YORK).date())

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        """Articles about any of the tickers, one request each; an article about several is one headline."""
        start, end = since.astimezone(UTC).date(), self._clock().astimezone(UTC).date() + timedelta(days=1)
        answers = self._granted.each(
            Offer.NEWS, tickers, lambda ticker: self._client.company_news(ticker, start.isoformat(), end.isoformat())
        )
        found: dict[str, Headline] = {}
        for ticker, answer in answers.items():
            for headline in FIELDS.each("news", FIELDS.rows("news", answer), partial(_headline, ticker)):
                if headline.at >= since:
                    found[headline.id] = _joined(found.get(headline.id), headline)
        return tuple(sorted(found.values(), key=lambda headline: headline.at, reverse=True))


class _Client(Client):  # type: ignore[misc, unused-ignore]
    """The library's questions, asked through `reader`."""

    def __init__(self, reader: Reader) -> None:
        # Not super().__init__: it would make a session of its own, with the key in every address.
        self._reader = reader

    def _request(self, method: str, path: str, **kwargs: Any) -> Any:
        given = self._format_params(kwargs.get("params", {}))
        params = {name: str(value) for name, value in given.items() if value not in (None, "")}
        return self._reader.json(path, params)


def _session(row: Row) -> Bar | None:
    """None before the first trade of the day, and for a ticker nobody knows: all numbers are 0 then."""
    return FIELDS.session(row, ("o", "h", "l", "c"), FIELDS.seconds("t", row.get("t")))


def _symbol(row: Row) -> str:
    return FIELDS.text("symbol", row.get("symbol"))


def _report(row: Row) -> Report | None:
    day = FIELDS.day("date", row.get("date"))
    if day is None:
        return None
    return Report(
        _symbol(row),
        day,
        Source(NAME, KINDS[Offer.REPORTS]),
        HOURS.get(FIELDS.text("hour", row.get("hour")), ReportTime.UNKNOWN),
        eps_estimate=FIELDS.number("epsEstimate", row.get("epsEstimate")),
        eps_actual=FIELDS.number("epsActual", row.get("epsActual")),
    )


def _market_cap(profile: Row) -> Decimal | None:
    """In millions of the currency of the company's filings: of a foreign company it is not in dollars."""
    if FIELDS.text("currency", profile.get("currency")) != "USD":
        return None
    millions = FIELDS.money("marketCapitalization", profile.get("marketCapitalization"))
    return None if millions is None else (millions * MILLION).quantize(Decimal(1))


def _facts(metric: Row, series: object) -> Fundamentals:
    """`metric` is in percent; the `series` of margins are decimals."""
    kinds = FIELDS.mapping("series", series)
    annual, quarterly = (FIELDS.mapping(name, kinds.get(name) or {}) for name in ("annual", "quarterly"))
    margin, margin_before = last_and_year_before(_points(annual, "netMargin"))
    eps, eps_before = last_and_year_before(_points(quarterly, "eps"))
    # A growth from a loss means nothing, whatever its sign; without the base nobody can tell.
    is_growth = eps is not None and eps_before is not None and eps_before > 0
    return Fundamentals(
        beta=FIELDS.number("beta", metric.get("beta")),
        revenue_growth=_percent(metric, "revenueGrowthQuarterlyYoy"),
        earnings_growth=_percent(metric, "epsGrowthQuarterlyYoy") if is_growth else None,
        margin=margin,
        margin_before=margin_before,
        margin_change=None if margin is None or margin_before is None else margin - margin_before,
        dividend_yield=_percent(metric, "currentDividendYieldTTM"),
        sources=(NAME,),
    )


def _percent(metric: Row, name: str) -> float | None:
    percent = FIELDS.number(name, metric.get(name))
    return None if percent is None else percent / 100


def _points(series: Row, name: str) -> list[Point]:
    def point(row: Row) -> Point | None:
        period = FIELDS.day(f"{name} period", row.get("period"))
        return None if period is None else (period, FIELDS.number(name, row.get("v")))

    return FIELDS.each(name, FIELDS.rows(name, series.get(name) or []), point)


def _headline(about: str, row: Row) -> Headline | None:
    at, title = FIELDS.seconds("datetime", row.get("datetime")), FIELDS.text("headline", row.get("headline"))
    article = row.get("id")
    if at is None or not title or not isinstance(article, int | str):
        return None
    related = [each.strip() for each in FIELDS.text("related", row.get("related")).split(",")]
    return Headline(
        id=str(article),
        at=at,
        title=title,
        summary=FIELDS.text("summary", row.get("summary")),
        tickers=tuple(dict.fromkeys([about, *(each for each in related if is_ticker(each))])),
        source=NAME,
        publisher=FIELDS.text("source", row.get("source")),
        url=FIELDS.text("url", row.get("url")),
    )


def _joined(first: Headline | None, second: Headline) -> Headline:
    """One article that came with two tickers."""
    if first is None:
        return second
    return replace(first, tickers=tuple(dict.fromkeys([*first.tickers, *second.tickers])))
