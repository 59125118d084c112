"""Massive (Polygon.io until 2025): quotes, bars, chains with greeks, contracts, index levels, ex-dates, news, facts.

- A free key has 5 requests a minute: bars of completed days of the last two years, reference data, ex-dates, news
  (https://massive.com/pricing). Snapshots are for paying users, whose requests are not limited; they are counted apart,
  and what a plan denies is closed for an hour.
- Every number of a snapshot says whether it is REAL-TIME or DELAYED; one without its time is left out.
- Market status is of the whole market only, so there are no statuses.
- Proven on recorded answers, but for dividends and splits: what was recorded is of the predecessors (/v3/reference) of
  the endpoints asked here (/stocks/v1), which took their place in February 2026 with the same fields and more
  (https://massive.com/blog/new-splits-and-dividends-endpoints).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from engine.data.budget import Allowance, Budget
from engine.data.providers import massive_client
from engine.data.providers import massive_rows as read
from engine.data.providers.entitlements import Entitlements
from engine.data.providers.fields import Row, within
from engine.data.providers.massive_client import FIELDS, NAME, Client
from engine.data.providers.port import Listings, Offer, Provider, RawChain
from engine.data.providers.reader import TIMEOUTS, Reader
from engine.data.providers.trouble import NotEntitled, Refused
from engine.errors import DataUnavailable, NotFound
from engine.model.instruments import Option, Stock
from engine.model.market import Bar, Bars, Dividend, Fundamentals, IntradayBars, Kind, Level, Quote, Split
from engine.model.news import Headline
from engine.sessions import Sessions
from engine.transport import Timeouts

URL = "https://api.massive.com"
MISSING = 'Massive needs its client library: pip install "massive>=2.9,<3" (the extra "providers").'
FREE = Allowance(5, 60.0)
PAID = Allowance(50, 1.0)
"""Of our choosing."""
KINDS = {
    Offer.QUOTES: Kind.REAL,
    Offer.SESSIONS: Kind.DELAYED,
    Offer.BARS: Kind.REAL,
    Offer.INTRADAY: Kind.DELAYED,
    Offer.CHAIN: Kind.REAL,
    Offer.OPTION_QUOTES: Kind.REAL,
    Offer.LISTINGS: Kind.REAL,
    Offer.PAST_LISTINGS: Kind.REAL,
    Offer.OPTION_BARS: Kind.REAL,
    Offer.LEVELS: Kind.REAL,
    Offer.DIVIDENDS: Kind.REAL,
    Offer.SPLITS: Kind.REAL,
    Offer.FUNDAMENTALS: Kind.REAL,
    Offer.NEWS: Kind.REAL,
}
"""What the best plan gives; the numbers themselves say what they are."""
BATCH = 250
"""Tickers in one snapshot, and options on a page of a chain."""
PAGE = 1000
NAMED = 100
"""Tickers in one question about ex-dates: their names are in the address."""
ALL_BARS = 50_000
FREE_REACH = timedelta(days=2 * 365)
Answer = TypeVar("Answer")


class Massive(Provider):
    """See the module. `clock` tells aware UTC; `tick` monotonic seconds; `allowance` is of all but snapshots.

    Raises:
        DataUnavailable: its library is not installed; the message says how to install it.
    """

    name = NAME
    is_proven = True

    def __init__(
        self,
        key: str,
        clock: Callable[[], datetime],
        *,
        url: str = "",
        allowance: Allowance = FREE,
        timeouts: Timeouts = TIMEOUTS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        if massive_client.Library is object:
            raise DataUnavailable(MISSING)
        self.allowances = (allowance, PAID)
        self._names = allowance.requests
        self._clock = clock
        self._sessions = Sessions()
        headers = {"Authorization": f"Bearer {key}"}
        self._budgets = tuple(Budget(NAME, each, tick=tick) for each in self.allowances)
        self._readers = tuple(
            Reader(NAME, url or URL, each, clock, headers=headers, timeouts=timeouts) for each in self._budgets
        )
        self._client = Client(*self._readers)
        self._granted = Entitlements(NAME, KINDS, tick, enough=1)
        self._reach = date.min

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return self._granted.offers

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return self._budgets

    def close(self) -> None:
        for reader in self._readers:
            reader.close()

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        """The NBBO; plans without it have no quotes, which leaves the tickers out."""
        instruments = {ticker: Stock(ticker) for ticker in tickers}
        found = self._quotes(Offer.QUOTES, instruments)
        return {instruments[symbol].ticker: quote for symbol, quote in found.items()}

    def option_quotes(self, options: Sequence[Option]) -> Mapping[Option, Quote]:
        instruments = {f"O:{option.symbol}": option for option in options}
        found = self._quotes(Offer.OPTION_QUOTES, instruments)
        return {instruments[symbol]: quote for symbol, quote in found.items()}

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        """The day so far, which may be an earlier one: it says which."""
        found: dict[str, Bar] = {}
        with self._granted.using(Offer.SESSIONS):
            for batch in _batches(tickers, BATCH):
                answer = FIELDS.mapping("answer", self._client.get_snapshot_all("stocks", tickers=batch))
                rows = FIELDS.rows("tickers", answer.get("tickers"))
                for ticker, bars in FIELDS.of_tickers("tickers", rows, batch, read.ticker_of, read.session).items():
                    found[ticker] = bars[-1]
        if not found and len(tickers) == 1:
            raise NotFound(f"massive has no prices of {tickers[0]} today.")
        return found

    def bars(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, Bars]:
        """Bars of completed sessions, a request each; of at most as many names as a minute has requests."""
        return self._granted.each(Offer.BARS, self._first(tickers), partial(self._bars, start=start, end=end))

    def intraday(self, tickers: Sequence[str], start: date, minutes: int) -> Mapping[str, IntradayBars]:
        """A request each, of at most as many names as a minute has requests; free plans have none of today."""
        ask = partial(self._intraday, start=start, minutes=minutes)
        return self._granted.each(Offer.INTRADAY, self._first(tickers), ask)

    def option_bars(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
        """As `bars`, as traded."""
        symbols = {f"O:{option.symbol}": option for option in options}
        ask = partial(self._bars, start=start, end=end)
        found = self._granted.each(Offer.OPTION_BARS, self._first(tuple(symbols)), ask)
        return {symbols[symbol]: bars for symbol, bars in found.items()}

    def chain(self, ticker: str) -> RawChain:
        with self._granted.using(Offer.CHAIN):
            rows = self._client.list_snapshot_options_chain(read.asked(ticker), params={"limit": BATCH})
        return read.chain(ticker, [FIELDS.mapping("results", row) for row in rows], self._today())

    def listings(self, ticker: str) -> Listings:
        with self._granted.using(Offer.LISTINGS):
            rows = self._client.list_options_contracts(underlying_ticker=ticker, expired=False, limit=PAGE)
        return read.listings(ticker, rows)

    def past_listings(
        self, ticker: str, expiries: tuple[date, date], strikes: tuple[float, float]
    ) -> tuple[Option, ...]:
        """Without adjusted contracts. The expired ones are a question of their own."""
        (first, last), today, rows = expiries, self._today(), []
        with self._granted.using(Offer.PAST_LISTINGS):
            for is_expired in (True, False):
                if first < today if is_expired else last >= today:
                    rows += self._client.list_options_contracts(
                        underlying_ticker=ticker,
                        expiration_date_gte=first.isoformat(),
                        expiration_date_lte=last.isoformat(),
                        strike_price_gte=strikes[0],
                        strike_price_lte=strikes[1],
                        expired=is_expired,
                        limit=PAGE,
                    )
        return read.options(ticker, rows)

    def levels(self, symbols: Sequence[str]) -> Mapping[str, Level]:
        found: list[Level] = []
        with self._granted.using(Offer.LEVELS):
            for batch in _batches([f"I:{symbol}" for symbol in symbols], BATCH):
                answer = FIELDS.mapping("answer", self._client.get_snapshot_indices(ticker_any_of=batch))
                rows = read.answered(FIELDS.rows("results", answer.get("results")))
                found += FIELDS.each("results", rows, read.level)
        return {level.symbol: level for level in found if level.symbol in symbols}

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
        """As paid on their own day. It answers alike for a name that pays none and for one it does not know."""

        def ask(batch: list[str]) -> list[Any]:
            rows: list[Any] = self._client.list_stocks_dividends(
                ticker_any_of=batch,
                ex_dividend_date_gte=start.isoformat(),
                ex_dividend_date_lte=end.isoformat(),
                limit=PAGE,
            )
            return rows

        with self._granted.using(Offer.DIVIDENDS):
            known = _by_ticker(tickers, ask, read.dividend)
        return within(known, lambda dividend: dividend.ex_date, start, end)

    def splits(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Split, ...]]:
        """Unknown names: as `dividends`."""

        def ask(batch: list[str]) -> list[Any]:
            rows: list[Any] = self._client.list_stocks_splits(
                ticker_any_of=batch,
                execution_date_gte=start.isoformat(),
                execution_date_lte=end.isoformat(),
                limit=PAGE,
            )
            return rows

        with self._granted.using(Offer.SPLITS):
            known = _by_ticker(tickers, ask, read.split)
        return within(known, lambda split: split.ex_date, start, end)

    def fundamentals(self, ticker: str) -> Fundamentals:
        """Company facts as of today, from three requests: the company, its quarters and its years."""
        with self._granted.using(Offer.FUNDAMENTALS):
            answer = FIELDS.mapping("answer", self._client.get_ticker_details(ticker))
            company = FIELDS.mapping("results", answer.get("results"))
            quarters, years = (
                self._client.list_stock_financials(
                    ticker=ticker, timeframe=each, limit=8, sort="period_of_report_date", order="desc"
                )
                for each in ("quarterly", "annual")
            )
        return replace(read.facts(company, quarters, years), known_on=self._today())

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        """Headlines, a request for each name.

        Raises:
            Refused: more names than a minute has requests.
        """
        if len(tickers) > self._names:
            raise Refused(f"Massive is asked for the news of at most {self._names} names at once, not {len(tickers)}.")
        found: dict[str, Headline] = {}
        begin = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._granted.using(Offer.NEWS):
            for ticker in tickers:
                rows = self._client.list_ticker_news(
                    ticker=ticker, published_utc_gte=begin, limit=PAGE, sort="published_utc", order="desc"
                )
                found |= {each.id: each for each in FIELDS.each("news", rows, read.headline) if each.at >= since}
        return tuple(sorted(found.values(), key=lambda headline: headline.at, reverse=True))

    def _quotes(self, offer: Offer, instruments: Mapping[str, Stock] | Mapping[str, Option]) -> dict[str, Quote]:
        def named(row: Row) -> tuple[str, Quote] | None:
            symbol = read.ticker_of(row)
            found = instruments.get(symbol)
            quote = None if found is None else read.quote(found, row)
            return None if quote is None else (symbol, quote)

        quotes: dict[str, Quote] = {}
        with self._granted.using(offer):
            for batch in _batches(tuple(instruments), BATCH):
                rows = self._client.list_universal_snapshots(ticker_any_of=batch, limit=BATCH)
                quotes |= dict(FIELDS.each("results", read.answered(rows), named))
        return quotes

    def _bars(self, symbol: str, start: date, end: date) -> Bars:
        """Shares are adjusted for splits, options are as traded."""
        is_adjusted = not symbol.startswith("O:")
        last = self._last_completed(end)
        if start > last:
            raise NotFound(f"No session from {start} to {end} has ended yet.")
        answer = self._aggregates(symbol, start, last, is_adjusted)
        bars = read.bars(symbol.removeprefix("O:"), FIELDS.mapping("answer", answer), is_adjusted, last)
        if bars is None:
            raise NotFound(f"massive has no bars of {symbol} from {start} to {last}.")
        return bars

    def _intraday(self, symbol: str, start: date, minutes: int) -> IntradayBars:
        now = self._clock()
        answer = self._client.get_aggs(
            symbol, minutes, "minute", start.isoformat(), self._today().isoformat(), adjusted=True, sort="asc",
            limit=ALL_BARS,
        )  # fmt: skip
        found = read.intraday(symbol, minutes, FIELDS.mapping("answer", answer), now, self._sessions)
        if found is None:
            raise NotFound(f"massive has no bars of {minutes} minutes of {symbol} since {start}.")
        return found

    def _aggregates(self, symbol: str, start: date, end: date, is_adjusted: bool) -> Any:
        """Daily rows; where the plan does not reach back so far, those that it reaches."""
        reach = self._today() - FREE_REACH
        try:
            return self._days(symbol, max(start, self._reach), end, is_adjusted)
        except NotEntitled as error:
            # Days out of a plan's reach are denied as the whole question would be; the others can be asked for.
            if end < reach or start >= self._today():
                raise Refused(f"Massive has no bars from {start} to {end} under this key.") from error
            if max(start, self._reach) >= reach:
                raise
            answer = self._days(symbol, reach, end, is_adjusted)
        self._reach = reach
        return answer

    def _days(self, symbol: str, start: date, end: date, is_adjusted: bool) -> Any:
        return self._client.get_aggs(
            symbol, 1, "day", start.isoformat(), end.isoformat(), adjusted=is_adjusted, sort="asc", limit=ALL_BARS
        )

    def _first(self, names: Sequence[str]) -> Sequence[str]:
        """As many as a minute has requests."""
        return tuple(dict.fromkeys(names))[: self._names]

    def _last_completed(self, end: date) -> date:
        """The last session up to `end` whose closing bell was heard."""
        now, day = self._clock(), min(end, self._today())
        is_over = day < self._today() or (self._sessions.is_session(day) and self._sessions.close(day) <= now)
        return day if is_over else self._sessions.previous(day)

    def _today(self) -> date:
        return self._sessions.today(self._clock())


def _batches(names: Sequence[str], size: int) -> Iterator[list[str]]:
    unique = list(dict.fromkeys(names))
    for place in range(0, len(unique), size):
        yield unique[place : place + size]


def _by_ticker(
    tickers: Sequence[str], ask: Callable[[list[str]], list[Any]], reading: Callable[[Row], Answer | None]
) -> dict[str, list[Answer]]:
    """What the rows say of each ticker; one of which no row tells has none, one with a row of nonsense is left out."""
    known: dict[str, list[Answer]] = {}
    for batch in _batches(tickers, NAMED):
        rows = ask(batch)
        found = FIELDS.of_tickers("results", rows, batch, read.ticker_of, reading)
        told = {row.get("ticker") for row in rows if isinstance(row, Mapping)}
        known |= {ticker: found.get(ticker, []) for ticker in batch if ticker in found or ticker not in told}
    return known
