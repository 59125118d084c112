"""What a provider of market data may be asked, and the values it answers with.

Adapters translate; they never decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.data.budget import Allowance, Budget
from engine.data.listening import Streaming
from engine.data.providers.trouble import NotOffered
from engine.model.instruments import Option, Style
from engine.model.market import (
    Bar,
    Bars,
    Dates,
    Dividend,
    Floats,
    Fundamentals,
    IntradayBars,
    Kind,
    Level,
    Quote,
    ReportTime,
    Source,
    Split,
)
from engine.model.news import Headline
from engine.model.status import TradingStatus

Instants = NDArray[np.datetime64]


class Offer(StrEnum):
    """What a provider can be asked, by the name of the method that asks it."""

    QUOTES = "quotes"
    SESSIONS = "sessions"
    BARS = "bars"
    INTRADAY = "intraday"
    CHAIN = "chain"
    OPTION_QUOTES = "option_quotes"
    LISTINGS = "listings"
    PAST_LISTINGS = "past_listings"
    OPTION_BARS = "option_bars"
    LEVELS = "levels"
    REPORTS = "reports"
    DIVIDENDS = "dividends"
    SPLITS = "splits"
    FUNDAMENTALS = "fundamentals"
    NEWS = "news"
    STATUSES = "statuses"
    CURVE = "curve"
    SCREEN = "screen"
    ASSETS = "assets"


@dataclass(frozen=True, slots=True, eq=False)
class RawChain:
    """The options of one underlying as the provider gave them, as columns of equal length n. NaN, NaT: not given.

    Attributes:
        root: OCC root (object array of str). expiry: datetime64[D]. strike, bid, ask, last: dollars a share.
        quoted_at: datetime64[us], UTC: when the quote was made. volume: contracts today.
        iv: annualised decimal; delta, gamma, theta, vega, rho: in the provider's own units where it says nothing else
            (see the adapter); they are compared with ours, never used.
        spot: of the underlying where the provider sends it along, with its time.
    """

    underlying: str
    root: NDArray[np.object_]
    expiry: Dates
    strike: Floats
    is_call: NDArray[np.bool_]
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    quoted_at: Instants
    last: Floats
    volume: Floats
    open_interest: Floats
    iv: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    source: Source
    spot: float = float("nan")
    spot_at: datetime | None = None
    style: Style | None = None

    COLUMNS = (
        "root", "expiry", "strike", "is_call", "bid", "ask", "bid_size", "ask_size", "quoted_at", "last", "volume",
        "open_interest", "iv", "delta", "gamma", "theta", "vega", "rho",
    )  # fmt: skip

    def __len__(self) -> int:
        return len(self.strike)


@dataclass(frozen=True, slots=True, eq=False)
class Listings:
    """The listed contracts of one underlying, as columns of equal length n. NaN: not given.

    Attributes:
        open_interest: contracts, of the close of `counted_on` (datetime64[D], NaT: not given).
        multiplier: dollars for one dollar of premium. is_adjusted: the deliverable is not the usual one (close-only).
        is_penny: in the Penny Interval Program (1 = yes, 0 = no, NaN = not given).
        style: exercise style of each contract (object array of Style).
    """

    underlying: str
    root: NDArray[np.object_]
    expiry: Dates
    strike: Floats
    is_call: NDArray[np.bool_]
    style: NDArray[np.object_]
    open_interest: Floats
    counted_on: Dates
    multiplier: Floats
    is_adjusted: NDArray[np.bool_]
    is_penny: Floats
    source: Source

    def __len__(self) -> int:
        return len(self.strike)


@dataclass(frozen=True, slots=True)
class Report:
    """One provider's word about one earnings report. EPS in dollars; None is not given.

    `is_confirmed`: the provider itself says that the company has announced the day.
    """

    ticker: str
    day: date
    source: Source
    when: ReportTime = ReportTime.UNKNOWN
    is_confirmed: bool = False
    eps_estimate: float | None = None
    eps_actual: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Yields of one day by maturity in years, annualised decimals as published (bond-equivalent)."""

    day: date
    yields: Mapping[float, float]
    source: Source


@dataclass(frozen=True, slots=True)
class ScreenRow:
    """One name of a screen; None is not given. `volume` of the day so far or the last one, shares; dollars else."""

    ticker: str
    price: Decimal | None = None
    volume: float | None = None
    market_cap: Decimal | None = None
    dividend_yield: float | None = None
    is_optionable: bool | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """A name that is listed.

    Attributes:
        is_tradable: whether orders in it are taken at all (no word about a halt).
        is_optionable: it has, or once had, listed options. closes_late: they trade until 16:15.
    """

    ticker: str
    name: str
    exchange: str
    is_tradable: bool
    is_optionable: bool
    closes_late: bool


class Provider:
    """One source of market data. Every question raises `NotOffered` unless the adapter answers it.

    An adapter sets `name`, `allowances` and `is_proven` (whether its reading was checked against real recorded
    answers), and tells in `offers` what can be asked under its keys now and of what kind the numbers are. Every
    question may raise the troubles of `engine.data.providers.trouble`, `NotFound` for a ticker that is unknown there
    when one ticker was asked for (of several, it is left out) and `DataInvalid` for an answer that makes no sense.
    Tickers are spelled our way (BRK.B), times are aware UTC, nothing that was not given is filled in.
    """

    name: str = ""
    allowances: tuple[Allowance, ...] = ()
    is_proven: bool = False

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        """What can be asked, and what kind of number the answer is."""
        return {}

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The counts of what may still be asked; an adapter that keeps some gives them."""
        return ()

    @property
    def streams(self) -> tuple[Streaming, ...]:
        """What listens for it; begun and ended by whoever runs the desk."""
        return ()

    @property
    def feeds(self) -> Mapping[str, str]:
        """Which of its feeds are read, by what of ("shares": "iex"), where it has several."""
        return {}

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        """The latest bid and ask of shares."""
        raise self._no(Offer.QUOTES)

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        """The day so far: open, high, low, last price, volume."""
        raise self._no(Offer.SESSIONS)

    def bars(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, Bars]:
        """Completed daily bars from `start` to `end` inclusive, adjusted for splits only."""
        raise self._no(Offer.BARS)

    def intraday(self, tickers: Sequence[str], start: date, minutes: int) -> Mapping[str, IntradayBars]:
        """Bars of so many minutes of the regular sessions from `start` to now that are over, adjusted for splits only.

        All bars of a name are of one feed, which their `source` names: volumes of two feeds cannot be compared.
        """
        raise self._no(Offer.INTRADAY)

    def chain(self, ticker: str) -> RawChain:
        """The quotes of all listed options; adjusted contracts may be among them."""
        raise self._no(Offer.CHAIN)

    def option_quotes(self, options: Sequence[Option]) -> Mapping[Option, Quote]:
        """The latest bid and ask of contracts; one without a quote is left out."""
        raise self._no(Offer.OPTION_QUOTES)

    def listings(self, ticker: str) -> Listings:
        """The contracts that can be traded, with open interest."""
        raise self._no(Offer.LISTINGS)

    def past_listings(
        self, ticker: str, expiries: tuple[date, date], strikes: tuple[float, float]
    ) -> tuple[Option, ...]:
        """Contracts, expired ones too, with expiry and strike inside the given ranges (both ends included)."""
        raise self._no(Offer.PAST_LISTINGS)

    def option_bars(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
        """Daily bars of contracts (of trades, not of quotes)."""
        raise self._no(Offer.OPTION_BARS)

    def levels(self, symbols: Sequence[str]) -> Mapping[str, Level]:
        """The latest values of indices."""
        raise self._no(Offer.LEVELS)

    def reports(self, tickers: Iterable[str], start: date, end: date) -> Mapping[str, tuple[Report, ...]]:
        """Earnings reports from `start` to `end` inclusive of the named tickers, oldest first.

        A ticker that is covered and has none there has an empty tuple; one that is not covered is left out.
        """
        raise self._no(Offer.REPORTS)

    def dividends(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Dividend, ...]]:
        """Cash dividends by ex-date from `start` to `end` inclusive, as paid, oldest first; empty where none is."""
        raise self._no(Offer.DIVIDENDS)

    def splits(self, tickers: Sequence[str], start: date, end: date) -> Mapping[str, tuple[Split, ...]]:
        """Splits by ex-date from `start` to `end` inclusive, oldest first; empty where there is none."""
        raise self._no(Offer.SPLITS)

    def fundamentals(self, ticker: str) -> Fundamentals:
        """Company facts as they are known now."""
        raise self._no(Offer.FUNDAMENTALS)

    def news(self, tickers: Sequence[str], since: datetime) -> tuple[Headline, ...]:
        """Headlines about any of the names published at or after `since`, newest first."""
        raise self._no(Offer.NEWS)

    def statuses(self, tickers: Sequence[str]) -> Mapping[str, TradingStatus]:
        """Halts and resumptions; a name whose status is not known is left out."""
        raise self._no(Offer.STATUSES)

    def curve(self) -> Curve:
        """The latest published Treasury yields."""
        raise self._no(Offer.CURVE)

    def screen(self) -> tuple[ScreenRow, ...]:
        """The most active names, most active first."""
        raise self._no(Offer.SCREEN)

    def assets(self) -> Mapping[str, Asset]:
        """Everything that is listed, by ticker."""
        raise self._no(Offer.ASSETS)

    def close(self) -> None:
        """Let go of connections and threads."""

    def _no(self, offer: Offer) -> NotOffered:
        return NotOffered(f"{self.name} does not offer {offer.replace('_', ' ')} here.")
