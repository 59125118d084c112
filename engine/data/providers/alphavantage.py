"""Alpha Vantage: report dates of the whole market in one request, company facts, ex-dates, news, old chains.

Functions and parameters: https://www.alphavantage.co/documentation/.

- A free key has 25 requests a day, so a question about many names is answered for the first few of them, and what a
  plan does not cover is asked for again a day later, not an hour.
- Bars are not offered: 100 unadjusted rows for two requests a name are too few and too dear (the whole history,
  outputsize=full, is for paying users).
- Shares have no bid and ask here. GLOBAL_QUOTE is the last session's bar, of now only where a plan covers it.
- HISTORICAL_OPTIONS without a date are the closing quotes of the last session: for reading, not for an order.
- Its sentiment scores are not read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TypeVar

from engine.data.budget import Allowance, Budget
from engine.data.providers import alphavantage_rows as read
from engine.data.providers.alphavantage_client import FREE, NAME, Client
from engine.data.providers.alphavantage_rows import FIELDS, KINDS
from engine.data.providers.entitlements import Entitlements
from engine.data.providers.fields import within
from engine.data.providers.option_rows import raw_chain
from engine.data.providers.port import Offer, Provider, RawChain, Report
from engine.data.providers.reader import TIMEOUTS
from engine.data.providers.trouble import Refused, Throttled
from engine.errors import DataUnavailable, NotFound
from engine.model.market import Bar, Dividend, Fundamentals, Kind, Source, Split
from engine.model.news import Headline
from engine.sessions import Sessions
from engine.transport import Timeouts

Answer = TypeVar("Answer")
DAY = 86_400.0
NAMES = 5
"""Names one question is answered for where each is a request: a fifth of a free key's day."""
CALENDAR_KEPT = timedelta(hours=6)
HORIZONS = ((90, "3month"), (180, "6month"), (366, "12month"))
CALENDAR_COLUMNS = ("symbol", "reportDate", "fiscalDateEnding", "estimate", "currency", "timeOfTheDay")
QUOTE_COLUMNS = ("symbol", "open", "high", "low", "price", "volume", "latestDay")


class AlphaVantage(Provider):
    """See the module. `clock` tells aware UTC; `tick` monotonic seconds; paying users have other `allowances`."""

    name = NAME
    is_proven = True

    def __init__(
        self,
        key: str,
        clock: Callable[[], datetime],
        *,
        url: str = "",
        allowances: tuple[Allowance, ...] = FREE,
        timeouts: Timeouts = TIMEOUTS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.allowances = allowances
        self._clock = clock
        self._client = Client(key, clock, url=url, allowances=allowances, timeouts=timeouts, tick=tick)
        self.budget = self._client.budget
        self._granted = Entitlements(NAME, KINDS, tick, closed_for=DAY, enough=1)
        self._calendars: dict[str, tuple[datetime, read.Calendar]] = {}
        self._reading = threading.Lock()
        self._sessions = Sessions()

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return self._granted.offers

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)

    def close(self) -> None:
        self._client.close()

    def reports(self, tickers: Iterable[str], start: date, end: date) -> Mapping[str, tuple[Report, ...]]:
        """Reports ahead, from one request for the whole market; those behind, a request each, of the first few names.

        A ticker that the calendar does not have is left out, unless its past was asked for and is known.
        """
        wanted = tuple(dict.fromkeys(tickers))
        today = self._today()
        with self._granted.using(Offer.REPORTS):
            calendar = self._calendar((end - today).days)
        past = self._past(wanted, calendar) if start < today else {}
        found: dict[str, tuple[Report, ...]] = {}
        for ticker in wanted:
            if ticker in calendar or ticker in past:
                days = {each.report.day: each.report for each in calendar.get(ticker, ())}
                days |= {report.day: report for report in past.get(ticker, ())}
                found[ticker] = tuple(days[day] for day in sorted(days) if start <= day <= end)
        return found

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
        """As paid on their own day. It answers alike for a name that pays none and for one it does not know."""
        found = self._each(Offer.DIVIDENDS, tickers, self._dividends)
        return within(found, lambda dividend: dividend.ex_date, start, end)

    def splits(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Split, ...]]:
        """Without its factors of spin-offs, which are none. Unknown names: as `dividends`."""
        found = self._each(Offer.SPLITS, tickers, self._splits)
        return within(found, lambda split: split.ex_date, start, end)

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        """The bar of the last session it has: its day may be an earlier one."""
        return self._each(Offer.SESSIONS, tickers, self._session)

    def fundamentals(self, ticker: str) -> Fundamentals:
        """Company facts as of today, from two requests: the overview, and the income statements for the margins."""
        with self._granted.using(Offer.FUNDAMENTALS):
            overview = self._client.object("OVERVIEW", symbol=read.theirs(ticker))
            if not overview:
                raise NotFound(f"Alpha Vantage knows no company {ticker}.")
            statements = self._client.object("INCOME_STATEMENT", symbol=read.theirs(ticker))
        margin, before = read.margins(statements)
        return replace(
            read.facts(overview),
            margin=margin,
            margin_before=before,
            margin_change=None if margin is None or before is None else margin - before,
            known_on=self._today(),
        )

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        """Headlines, a request for each name: asked for several at once it gives what is about all of them.

        Raises:
            Refused: more names than one question is answered for.
        """
        if len(tickers) > NAMES:
            raise Refused(f"Alpha Vantage is asked for the news of at most {NAMES} names at once, not {len(tickers)}.")
        found: dict[str, Headline] = {}
        with self._granted.using(Offer.NEWS):
            for ticker in tickers:
                found.update({headline.id: headline for headline in self._headlines(ticker, since)})
        return tuple(sorted(found.values(), key=lambda headline: headline.at, reverse=True))

    def chain(self, ticker: str) -> RawChain:
        """The closing quotes of the last session it has."""
        with self._granted.using(Offer.CHAIN):
            rows = self._client.table("HISTORICAL_OPTIONS", ("contractID", "date"), symbol=read.theirs(ticker))
        options = FIELDS.each("options", rows, partial(read.option, ticker, self._closing))
        if not options:
            raise NotFound(f"Alpha Vantage knows no options of {ticker}.")
        return raw_chain(ticker, options, Source(NAME, KINDS[Offer.CHAIN]))

    def _each(self, offer: Offer, tickers: Sequence[str], ask: Callable[[str], Answer]) -> dict[str, Answer]:
        """The answers for the first few names, as far as the allowance goes."""
        return self._granted.each(offer, tuple(dict.fromkeys(tickers))[:NAMES], ask)

    def _calendar(self, days: int) -> read.Calendar:
        """The coming reports of every name it knows, so many days ahead; one request for several hours."""
        horizon = next((name for most, name in HORIZONS if days <= most), HORIZONS[-1][1])
        with self._reading:
            now = self._clock()
            at, calendar = self._calendars.get(horizon, (None, {}))
            if at is None or now - at >= CALENDAR_KEPT:
                calendar = self._read_calendar(horizon)
                self._calendars[horizon] = (now, calendar)
            return calendar

    def _read_calendar(self, horizon: str) -> read.Calendar:
        calendar = read.calendar(self._client.table("EARNINGS_CALENDAR", CALENDAR_COLUMNS, horizon=horizon))
        if not calendar:
            raise DataUnavailable("Alpha Vantage sent an earnings calendar without a single report.")
        return calendar

    def _past(self, tickers: Sequence[str], calendar: read.Calendar) -> Mapping[str, tuple[Report, ...]]:
        """What was reported by the first few names; nothing where the allowance does not go so far."""
        with suppress(NotFound, Throttled):
            return self._each(Offer.REPORTS, tickers, lambda ticker: self._history(ticker, calendar.get(ticker, ())))
        return {}

    def _history(self, ticker: str, coming: tuple[read.Coming, ...]) -> tuple[Report, ...]:
        """The currency of EPS is told by the calendar only: without it they are left out."""
        answer = self._client.object("EARNINGS", symbol=read.theirs(ticker))
        if not answer:
            raise NotFound(f"Alpha Vantage knows no earnings of {ticker}.")
        quarters = FIELDS.rows("quarterlyEarnings", answer.get("quarterlyEarnings"))
        reports = tuple(FIELDS.each("quarterlyEarnings", quarters, partial(read.reported, ticker)))
        if coming and all(each.is_dollars for each in coming):
            return reports
        return tuple(replace(report, eps_estimate=None, eps_actual=None) for report in reports)

    def _dividends(self, ticker: str) -> list[Dividend]:
        rows = self._client.table("DIVIDENDS", ("ex_dividend_date", "amount"), symbol=read.theirs(ticker))
        return [dividend for dividend in map(read.dividend, rows) if dividend is not None]

    def _splits(self, ticker: str) -> list[Split]:
        rows = self._client.table("SPLITS", ("effective_date", "split_factor"), symbol=read.theirs(ticker))
        return [split for split in map(read.split, rows) if split is not None]

    def _session(self, ticker: str) -> Bar:
        rows = self._client.table("GLOBAL_QUOTE", QUOTE_COLUMNS, symbol=read.theirs(ticker))
        bars = FIELDS.each("quote", rows, partial(read.bar, ticker))
        if not bars:
            raise NotFound(f"Alpha Vantage has no prices of {ticker}.")
        return bars[0]

    def _headlines(self, ticker: str, since: datetime) -> list[Headline]:
        begin = f"{since.astimezone(UTC):%Y%m%dT%H%M}"
        try:
            answer = self._client.object(
                "NEWS_SENTIMENT", tickers=read.theirs(ticker), time_from=begin, sort="LATEST", limit="1000"
            )
        except NotFound:
            return []
        feed = FIELDS.rows("feed", answer.get("feed"))
        return [headline for headline in FIELDS.each("feed", feed, read.headline) if headline.at >= since]

    def _closing(self, day: date | None) -> datetime | None:
        """The bell that ended the session of `day`, the time of its closing quotes; None while it is on."""
        if day is None or not self._sessions.is_session(day):
            return None
        bell = self._sessions.close(day)
        return bell if bell <= self._clock() else None

    def _today(self) -> date:
        return self._sessions.today(self._clock())
