"""Yahoo Finance through yfinance: unofficial, for personal use, never for the price of an order.

Yahoo documents none of it and permits personal use only (yfinance 1.7, README.md: "Yahoo! finance API is intended for
personal use only"). Every price is marked as delayed, whatever Yahoo says of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar

from engine.data.budget import Allowance, Budget
from engine.data.providers import yahoo_chain, yahoo_company, yahoo_prices
from engine.data.providers.fields import Row
from engine.data.providers.port import Offer, Provider, RawChain, Report, ScreenRow
from engine.data.providers.reader import TIMEOUTS
from engine.data.providers.trouble import Throttled, Unreachable
from engine.data.providers.yahoo_chain import Window
from engine.data.providers.yahoo_client import NAME, YahooClient
from engine.data.providers.yahoo_fields import FIELDS, LEVELS, batches, symbol
from engine.errors import NotFound
from engine.model.market import Bar, Bars, Dividend, Fundamentals, IntradayBars, Kind, Level, Quote, Split
from engine.model.news import Headline
from engine.sessions import NEW_YORK, Sessions
from engine.transport import Timeouts

OUR_OWN = (Allowance(60, 60.0), Allowance(1_000, 3_600.0))
"""Yahoo names no limit; people were stopped after a thousand answers in one go (yfinance's issue 2128)."""
TOGETHER = 100
"""Symbols in one request for quotes, which keeps its address short."""
ARTICLES = 20
NAMES = 100
"""Rows of a screen; Yahoo gives 250 at most (yfinance 1.7, screener.py)."""
REACH = timedelta(days=59)
"""Bars of minutes are given of the last 60 days (yfinance 1.7, history.py); what begins before is refused whole."""
USUAL = Window()
QUOTES, OPTIONS, CHART = "/v7/finance/quote", "/v7/finance/options/", "/v8/finance/chart/"
SUMMARY, SEARCH = "/v10/finance/quoteSummary/", "/v1/finance/search"
SCREEN = "/v1/finance/screener/predefined/saved"
NEWS = "news_cie_vespa"
"""The kind of search that finds articles (yfinance 1.7, search.py)."""
PLAIN = {"formatted": "false", "lang": "en-US", "region": "US"}

Read = TypeVar("Read")


class YahooData(Provider):
    """Delayed prices and chains, past bars, dividends and splits, reports, fundamentals, headlines and a screen.

    `folder`: where yfinance may write. `url`: another address in place of all of Yahoo's hosts. `window`: which
    expiries of a chain are asked for, a request each.
    """

    name = NAME
    allowances = OUR_OWN
    is_proven = True

    def __init__(
        self,
        clock: Callable[[], datetime],
        folder: Path,
        url: str = "",
        timeouts: Timeouts = TIMEOUTS,
        window: Window = USUAL,
    ) -> None:
        self._clock = clock
        self._window = window
        self._sessions = Sessions()
        self.budget = Budget(NAME, *OUR_OWN)
        self._client = YahooClient(url, folder, self.budget, clock, timeouts)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        prices = (
            Offer.QUOTES, Offer.SESSIONS, Offer.BARS, Offer.INTRADAY, Offer.CHAIN, Offer.LEVELS, Offer.SCREEN
        )  # fmt: skip
        facts = (Offer.REPORTS, Offer.DIVIDENDS, Offer.SPLITS, Offer.FUNDAMENTALS, Offer.NEWS)
        return dict.fromkeys(prices, Kind.DELAYED) | dict.fromkeys(facts, Kind.REAL)

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        return self._quoted(tickers, yahoo_prices.quote)

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        return self._quoted(tickers, yahoo_prices.session)

    def levels(self, symbols: Sequence[str]) -> Mapping[str, Level]:
        spelled = {name: LEVELS.get(name, f"^{name}") for name in symbols}
        return self._rows(spelled, yahoo_prices.level)

    def bars(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, Bars]:
        def read(ticker: str) -> Bars:
            return yahoo_prices.bars(ticker, self._chart(ticker, start, end), start, end, self._today())

        return self._each_known(tickers, read)

    def intraday(self, tickers: Sequence[str], start: date, minutes: int) -> Mapping[str, IntradayBars]:
        """A request each. Of what it can be asked before it has enough, the rest is left out."""
        now = self._clock()
        first = max(_midnight(start), now - REACH)
        found: dict[str, IntradayBars] = {}
        for ticker in tickers:
            try:
                chart = self._rows_of(ticker, first, now + timedelta(minutes=minutes), f"{minutes}m")
                bars = yahoo_prices.intraday(ticker, minutes, chart, now, self._sessions)
            except (NotFound, Throttled, Unreachable) as trouble:
                if len(tickers) == 1 or (not found and not isinstance(trouble, NotFound)):
                    raise
                if isinstance(trouble, NotFound):
                    continue
                break
            if bars is not None:
                found[ticker] = bars
        return found

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
        def read(ticker: str) -> tuple[Dividend, ...]:
            return yahoo_prices.dividends(self._chart(ticker, start, max(end, self._today())), start, end)

        return self._each_known(tickers, read)

    def splits(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Split, ...]]:
        def read(ticker: str) -> tuple[Split, ...]:
            return yahoo_prices.splits(self._chart(ticker, start, end), start, end)

        return self._each_known(tickers, read)

    def chain(self, ticker: str) -> RawChain:
        """The options that expire within the window; every expiry is a request of its own, the nearest first."""
        path = OPTIONS + symbol(ticker)
        first = self._client.results(path, PLAIN, "optionChain")
        if not first:
            raise NotFound(f"{NAME} knows no options of {ticker}.")
        stamps = yahoo_chain.expiries(first[0], self._window, self._today())
        later = [self._client.results(path, {**PLAIN, "date": str(stamp)}, "optionChain") for stamp in stamps]
        return yahoo_chain.chain(ticker, [first[0], *(row for rows in later for row in rows)])

    def reports(self, tickers: Iterable[str], start: date, end: date) -> Mapping[str, tuple[Report, ...]]:
        def read(ticker: str, row: Row) -> tuple[Report, ...] | None:
            return yahoo_company.reports(ticker, row, start, end, self._today())

        return self._quoted(list(tickers), read)

    def fundamentals(self, ticker: str) -> Fundamentals:
        params = {**PLAIN, "modules": yahoo_company.MODULES}
        rows = self._client.results(SUMMARY + symbol(ticker), params, "quoteSummary")
        if not rows:
            raise NotFound(f"{NAME} knows no company {ticker}.")
        return yahoo_company.fundamentals(rows[0], self._clock())

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        found: dict[str, Headline] = {}
        for ticker in tickers:
            params = {"q": symbol(ticker), "newsCount": str(ARTICLES), "quotesCount": "0", "newsQueryId": NEWS}
            articles = FIELDS.rows("news", self._client.json(SEARCH, params).get("news"))
            rows = [row for row in articles if isinstance(row, dict)]
            for headline in yahoo_company.headlines(rows, frozenset(tickers), since):
                found[headline.id] = headline
        return tuple(sorted(found.values(), key=lambda headline: (headline.at, headline.id), reverse=True))

    def screen(self) -> tuple[ScreenRow, ...]:
        params = {**PLAIN, "scrIds": "most_actives", "count": str(NAMES)}
        found = self._client.results(SCREEN, params, "finance")
        rows = [row for each in found for row in FIELDS.rows("quotes", each.get("quotes"))]
        return tuple(FIELDS.each("quotes", rows, yahoo_prices.screened))

    def close(self) -> None:
        self._client.close()

    def _today(self) -> date:
        return self._clock().astimezone(NEW_YORK).date()

    def _quoted(self, tickers: Sequence[str], read: Callable[[str, Row], Read | None]) -> dict[str, Read]:
        return self._rows({ticker: symbol(ticker) for ticker in tickers}, read)

    def _rows(self, spelled: Mapping[str, str], read: Callable[[str, Row], Read | None]) -> dict[str, Read]:
        """What `read` makes of our name and Yahoo's row of each that it knows and quotes in dollars.

        Raises:
            NotFound: one was asked for, and it is not known.
        """
        ours = {theirs: name for name, theirs in spelled.items()}
        rows: list[Row] = []
        for batch in batches(list(ours), TOGETHER):
            rows += self._client.results(QUOTES, {**PLAIN, "symbols": ",".join(batch)}, "quoteResponse")
        known = [row for row in rows if row.get("quoteType") != "NONE" and row.get("currency", "USD") == "USD"]
        named = [row for row in known if isinstance(row.get("symbol"), str) and row["symbol"] in ours]
        if len(ours) == 1 and not named:
            raise NotFound(f"{NAME} does not know {next(iter(spelled))}.")

        def pair(row: Row) -> tuple[str, Read] | None:
            name = ours[row["symbol"]]
            value = read(name, row)
            return None if value is None else (name, value)

        return dict(FIELDS.each("quoteResponse", named, pair))

    def _chart(self, ticker: str, start: date, end: date) -> Row:
        """Daily rows and events from `start` to `end`; empty where there are none."""
        return self._rows_of(ticker, _midnight(start), _midnight(end + timedelta(days=1)), "1d")

    def _rows_of(self, ticker: str, start: datetime, end: datetime, interval: str) -> Row:
        params = {
            "period1": str(int(start.timestamp())),
            "period2": str(int(end.timestamp())),
            "interval": interval,
            "events": "div,splits",
            "includePrePost": "false",
        }
        rows = self._client.results(CHART + symbol(ticker), params, "chart")
        return rows[0] if rows else {}

    def _each_known(self, tickers: Sequence[str], read: Callable[[str], Read]) -> dict[str, Read]:
        """What `read` makes of each name, a request each; of several one that is not known is left out.

        Raises:
            NotFound: one was asked for, and it is not known.
        """
        found: dict[str, Read] = {}
        for ticker in tickers:
            try:
                found[ticker] = read(ticker)
            except NotFound:
                if len(tickers) == 1:
                    raise
        return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), NEW_YORK)
