"""Alpaca as a provider of market data: shares, company events, indices and options under one pair of keys.

Source: Alpaca's market data API (OpenAPI 1.1, June 2026) and, for assets, clock, calendar and contracts, its trading
API (OpenAPI 2.0.1). Halts come over the stream only (docs.alpaca.markets/docs/real-time-stock-pricing-data, trading
statuses): without one they are not offered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TypeVar

from engine.data.alpaca_ticks import AlpacaTicks
from engine.data.budget import Budget
from engine.data.listening import I, Listening, Streaming
from engine.data.providers.alpaca_client import DATA, NAME, AlpacaClient
from engine.data.providers.alpaca_company import AlpacaCompany
from engine.data.providers.alpaca_options import AlpacaOptions
from engine.data.providers.alpaca_reference import AlpacaReference, TradingDay
from engine.data.providers.alpaca_shares import AlpacaShares
from engine.data.providers.entitlements import Entitlements
from engine.data.providers.port import Asset, Listings, Offer, Provider, RawChain, ScreenRow
from engine.data.providers.trouble import NotEntitled
from engine.errors import NotFound
from engine.model.instruments import Option, Stock
from engine.model.market import Bar, Bars, Dividend, IntradayBars, Kind, Level, Quote, Split
from engine.model.news import Headline
from engine.model.status import TradingStatus

Answer = TypeVar("Answer")

ALWAYS = dict.fromkeys(
    (
        Offer.BARS, Offer.DIVIDENDS, Offer.SPLITS, Offer.LISTINGS, Offer.PAST_LISTINGS, Offer.OPTION_BARS,
        Offer.ASSETS,
    ),
    Kind.REAL,
)  # fmt: skip
OPTIONAL = {Offer.LEVELS: Kind.REAL, Offer.NEWS: Kind.REAL, Offer.SCREEN: Kind.REAL}
"""What not all keys are given: once refused, it is not offered for an hour."""


class AlpacaData(Provider):
    """Everything Alpaca answers. Safe to share between threads.

    `clock` tells aware UTC. `stock_feed` is the configured feed of latest prices (`iex`, `sip`, `delayed_sip`), empty
    for the best the keys give; `option_feed` is that of options (`opra`, `indicative`). `shares` and
    `options` are its streams of newest quotes; that of shares tells halts too. `tick` gives seconds that only rise.
    """

    name = NAME
    allowances = (DATA,)
    is_proven = True

    def __init__(
        self,
        client: AlpacaClient,
        clock: Callable[[], datetime],
        *,
        stock_feed: str = "",
        option_feed: str = "",
        shares: AlpacaTicks | None = None,
        options: AlpacaTicks | None = None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._shares = AlpacaShares(client, clock, stock_feed, tick)
        self._options = AlpacaOptions(client, clock, option_feed, tick)
        self._company = AlpacaCompany(client)
        self._reference = AlpacaReference(client, clock)
        self._halts = shares
        self._streams = tuple(stream for stream in (shares, options) if stream is not None)
        self._heard_shares = None if shares is None else Listening(shares, clock, tick)
        self._heard_options = None if options is None else Listening(options, clock, tick)
        self._entitlements = Entitlements(NAME, OPTIONAL, tick)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        """What these keys give now: prices of the feed that answers, and nothing that was refused within the hour."""
        shares, options = self._shares.kind, self._options.kind
        latest = dict.fromkeys((Offer.QUOTES, Offer.SESSIONS, Offer.INTRADAY), shares)
        latest |= dict.fromkeys((Offer.CHAIN, Offer.OPTION_QUOTES), options)
        halts = {} if self._halts is None else {Offer.STATUSES: Kind.REAL}
        return {**latest, **ALWAYS, **halts, **self._entitlements.offers}

    @property
    def streams(self) -> tuple[Streaming, ...]:
        return self._streams

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """What may still be asked for market data and for trading."""
        return self._client.budgets

    @property
    def feeds(self) -> Mapping[str, str]:
        """The feeds of latest prices that these keys may read; the best ones until one was refused."""
        return {"shares": self._shares.feed, "options": self._options.feed}

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        heard = {share.ticker: quote for share, quote in _heard(self._heard_shares, map(Stock, tickers)).items()}
        silent = [ticker for ticker in tickers if ticker not in heard]
        return heard | self._known(silent, self._shares.quotes(silent)) if silent else heard

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        return self._known(tickers, self._shares.sessions(tickers))

    def bars(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, Bars]:
        return self._known(tickers, self._shares.bars(tickers, start, end))

    def intraday(self, tickers: Sequence[str], start: date, minutes: int) -> Mapping[str, IntradayBars]:
        return self._known(tickers, self._shares.intraday(tickers, start, minutes))

    def chain(self, ticker: str) -> RawChain:
        found = self._options.chain(ticker)
        return found if len(found) else self._without_options(ticker, found)

    def option_quotes(self, options: Sequence[Option]) -> Mapping[Option, Quote]:
        heard = _heard(self._heard_options, options)
        silent = [each for each in options if each not in heard]
        return {**heard, **self._options.quotes(silent)} if silent else heard

    def listings(self, ticker: str) -> Listings:
        found = self._options.listings(ticker)
        return found if len(found) else self._without_options(ticker, found)

    def past_listings(
        self, ticker: str, expiries: tuple[date, date], strikes: tuple[float, float]
    ) -> tuple[Option, ...]:
        return self._options.past_listings(ticker, expiries, strikes)

    def option_bars(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
        return self._options.bars(options, start, end)

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
        return self._covered(tickers, self._company.dividends(tickers, start, end))

    def splits(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Split, ...]]:
        return self._covered(tickers, self._company.splits(tickers, start, end))

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        return self._optional(Offer.NEWS, lambda: self._company.news(tickers, since))

    def levels(self, symbols: Sequence[str]) -> Mapping[str, Level]:
        found = self._optional(Offer.LEVELS, lambda: self._company.levels(symbols))
        if not found and len(symbols) == 1:
            raise NotFound(f"{NAME} has no index {symbols[0]}.")
        return found

    def statuses(self, tickers: Sequence[str]) -> Mapping[str, TradingStatus]:
        return super().statuses(tickers) if self._halts is None else self._halts.statuses(tickers)

    def screen(self) -> tuple[ScreenRow, ...]:
        return self._optional(Offer.SCREEN, self._company.most_active)

    def assets(self) -> Mapping[str, Asset]:
        return self._reference.assets()

    def clock(self) -> datetime:
        """The time at Alpaca, aware UTC."""
        return self._reference.now()

    def calendar(self, start: date, end: date) -> tuple[TradingDay, ...]:
        """The sessions from `start` to `end` inclusive as Alpaca has them, early closes included."""
        return self._reference.calendar(start, end)

    def close(self) -> None:
        self._client.close()

    def _without_options(self, ticker: str, nothing: Answer) -> Answer:
        """Nothing, for a name that is listed and has no options.

        Raises:
            NotFound: there is no such name.
        """
        if ticker not in self.assets():
            raise NotFound(f"{NAME} does not know {ticker}.")
        return nothing

    def _known(self, tickers: Sequence[str], found: dict[str, Answer]) -> dict[str, Answer]:
        """What was found; nothing at all about one name may also mean that there is no such name.

        Raises:
            NotFound: there is not.
        """
        if not found and len(tickers) == 1 and tickers[0] not in self.assets():
            raise NotFound(f"{NAME} does not know {tickers[0]}.")
        return found

    def _covered(self, tickers: Sequence[str], found: dict[str, tuple[Answer, ...]]) -> dict[str, tuple[Answer, ...]]:
        """The same with an empty tuple for the names that are listed and have none: nothing is not the unknown."""
        silent = [ticker for ticker in tickers if ticker not in found]
        listed = self.assets() if silent else {}
        return self._known(tickers, found | {ticker: () for ticker in silent if ticker in listed})

    def _optional(self, offer: Offer, question: Callable[[], Answer]) -> Answer:
        """The answer to what not all keys are given; an address that is not there (404) is not given either."""
        with self._entitlements.using(offer):
            try:
                return question()
            except NotFound as error:
                raise NotEntitled(f"{NAME} does not offer {offer} at this address.") from error


def _heard(stream: Listening | None, instruments: Iterable[I]) -> Mapping[I, Quote]:
    """What the stream has told a moment ago."""
    return {} if stream is None else stream.heard(instruments)
