"""A provider in this process that knows a small made world, for tests of the market over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.providers.port import Curve, Listings, Offer, Provider, RawChain, Report
from engine.errors import NotFound
from engine.model.instruments import Option, Right, Stock
from engine.model.market import Bar, Bars, Dividend, Fundamentals, Kind, Quote, Source, Split
from engine.model.news import Headline
from engine.model.status import TradingStatus
from engine.sessions import Sessions
from tests.chains import NOW, TODAY, strip
from tests.ticks import Ticks

EXPIRY = date(2026, 12, 18)
STRIKES = tuple(float(strike) for strike in range(80, 121, 2))


@dataclass
class MadeProvider(Provider):
    """Everybody of `prices` has shares at that price, `history` sessions of it, and options.

    `factor` makes it lie about every price; `error` is raised in place of an answer. `asked` has every question.
    """

    name: str = "made"
    kind: Kind = Kind.REAL
    prices: dict[str, float] = field(default_factory=lambda: {"AAA": 100.0})
    factor: float = 1.0
    history: int = 300
    error: Exception | None = None
    only: frozenset[Offer] = frozenset(Offer) - {Offer.LEVELS, Offer.SCREEN, Offer.OPTION_BARS, Offer.INTRADAY}
    paid: dict[str, tuple[Dividend, ...]] = field(default_factory=dict)
    split: dict[str, tuple[Split, ...]] = field(default_factory=dict)
    halted: frozenset[str] = frozenset()
    at: datetime = NOW - timedelta(seconds=2)
    asked: list[tuple[Offer, tuple[str, ...]]] = field(default_factory=list)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return dict.fromkeys(self.only, self.kind)

    def times(self, offer: Offer) -> int:
        """How often it was asked this."""
        return sum(asked == offer for asked, _ in self.asked)

    @property
    def source(self) -> Source:
        return Source(self.name, self.kind)

    def _known(self, offer: Offer, tickers: Iterable[str]) -> list[str]:
        names = tuple(tickers)
        self.asked.append((offer, names))
        if offer not in self.only:
            raise self._no(offer)
        if self.error is not None:
            raise self.error
        return [name for name in names if name in self.prices]

    def _one(self, offer: Offer, ticker: str) -> str:
        if not self._known(offer, [ticker]):
            raise NotFound(f"{self.name} does not know {ticker}.")
        return ticker

    def _quote(self, ticker: str) -> Quote:
        mid = Decimal(str(round(self.prices[ticker] * self.factor, 2)))
        cent = Decimal("0.01")
        return Quote(Stock(ticker), mid - cent, mid + cent, self.at, self.source)

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        return {ticker: self._quote(ticker) for ticker in self._known(Offer.QUOTES, tickers)}

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        known = self._known(Offer.SESSIONS, tickers)
        return {
            name: Bar(TODAY, price, price + 1, price - 1, price, 1e6) for name in known for price in [self._p(name)]
        }

    def _p(self, ticker: str) -> float:
        return self.prices[ticker] * self.factor

    def bars(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, Bars]:
        return {name: self._bars(name, start, end) for name in self._known(Offer.BARS, tickers)}

    def _bars(self, ticker: str, start: date, end: date) -> Bars:
        days = np.busday_offset(
            np.datetime64(TODAY, "D"), np.arange(-self.history, 1), roll="forward"
        )  # today's is among them
        days = days[(days >= np.datetime64(start, "D")) & (days <= np.datetime64(end, "D"))]
        price = np.full(len(days), self._p(ticker))
        volume = np.full(len(days), 5e6)
        return Bars(ticker, days, price, price + 1, price - 1, price, volume, self.source)

    def chain(self, ticker: str) -> RawChain:
        self._one(Offer.CHAIN, ticker)
        return replace(strip(ticker, EXPIRY, STRIKES, spot=self._p(ticker)), source=self.source)

    def listings(self, ticker: str) -> Listings:
        raise self._no(Offer.LISTINGS)

    def option_quotes(self, options: Sequence[Option]) -> Mapping[Option, Quote]:
        self._known(Offer.OPTION_QUOTES, [option.symbol for option in options])
        return {each: self._option_quote(each) for each in options if each.underlying in self.prices}

    def _option_quote(self, option: Option) -> Quote:
        raw = strip(option.root, EXPIRY, STRIKES, spot=self._p(option.underlying))
        same = (raw.strike == float(option.strike)) & (raw.is_call == (option.right is Right.CALL))
        row = int(np.flatnonzero(same)[0])
        bid, ask = (Decimal(f"{value:.4f}").normalize() for value in (raw.bid[row], raw.ask[row]))
        return Quote(option, bid, ask, self.at, self.source)

    def reports(self, tickers: Iterable[str], start: date, end: date) -> Mapping[str, tuple[Report, ...]]:
        day = TODAY + timedelta(days=30)
        return {name: (Report(name, day, self.source),) for name in self._known(Offer.REPORTS, tickers)}

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
        return {name: self.paid.get(name, ()) for name in self._known(Offer.DIVIDENDS, tickers)}

    def splits(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Split, ...]]:
        return {name: self.split.get(name, ()) for name in self._known(Offer.SPLITS, tickers)}

    def fundamentals(self, ticker: str) -> Fundamentals:
        self._one(Offer.FUNDAMENTALS, ticker)
        return Fundamentals(market_cap=Decimal(50_000_000_000), sector="Technology", sources=(self.name,))

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        known = self._known(Offer.NEWS, tickers)
        return tuple(
            Headline(f"{name}1", NOW - timedelta(hours=1), f"{name} beats estimates", "", (name,), self.name)
            for name in known
        )

    def statuses(self, tickers: Sequence[str]) -> Mapping[str, TradingStatus]:
        return {name: TradingStatus(name, name in self.halted) for name in self._known(Offer.STATUSES, tickers)}

    def curve(self) -> Curve:
        self._known(Offer.CURVE, [])
        return Curve(TODAY - timedelta(days=1), {0.25: 0.04, 1.0: 0.038}, self.source)


@dataclass
class Live:
    market: LiveMarket
    ticks: Ticks


@contextmanager
def live(*providers: MadeProvider, names: tuple[str, ...] = ("AAA",)) -> Iterator[Live]:
    ticks = Ticks()
    panel = Panel(providers, lambda: NOW, tick=ticks, rng=np.random.default_rng(1))
    market = LiveMarket(panel, lambda: NOW, Sessions(), lambda: names, lambda ticker, day: None, tick=ticks)
    yield Live(market, ticks)
    market.close()
