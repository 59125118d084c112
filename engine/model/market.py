"""Market values: quotes, bars, columnar chains and the snapshot a strategy reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.model.instruments import INDEX_ROOTS, Instrument, Option, Right, Style
from engine.model.making import Making
from engine.model.news import News

Floats = NDArray[np.float64]
Dates = NDArray[np.datetime64]

CENT = Decimal("0.01")


class Kind(StrEnum):
    """How much a number may be trusted; the word is shown wherever the number is."""

    REAL = "real"
    RECORDED = "recorded"
    DELAYED = "delayed"
    INDICATIVE = "indicative"
    MODELLED = "modelled"
    RECONSTRUCTED = "reconstructed"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Source:
    """Who said it (`alpaca`, `replay`, ...) and what kind of number it is."""

    name: str
    kind: Kind = Kind.REAL

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


@dataclass(frozen=True, slots=True)
class Quote:
    """A bid and an ask, dollars per share, seen at `at` (aware UTC). Sizes are contracts or shares; 0 is unknown."""

    instrument: Instrument
    bid: Decimal
    ask: Decimal
    at: datetime
    source: Source
    bid_size: int = 0
    ask_size: int = 0

    @property
    def mid(self) -> Decimal:
        """The unrounded midpoint."""
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> Decimal:
        return self.ask - self.bid

    @property
    def spread_ratio(self) -> float:
        """Spread over mid; infinite when the mid is 0."""
        return float(self.spread / self.mid) if self.mid else float("inf")

    @property
    def is_two_sided(self) -> bool:
        """A bid above zero and an ask not below it."""
        return self.bid > 0 and self.ask >= self.bid

    def age(self, now: datetime) -> timedelta:
        return now - self.at


@dataclass(frozen=True, slots=True)
class Bar:
    """One session (or part of it). Dollars per share; `volume` in shares, None where it is not known."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Daily bars of one ticker, oldest first, as columns of equal length.

    `day` is datetime64[D]; prices are dollars per share, split-adjusted to the day of the snapshot that carries
    them (so the last one is as traded); `volume` is shares on the same basis.
    """

    ticker: str
    day: Dates
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    source: Source

    def __len__(self) -> int:
        return len(self.day)

    def __getitem__(self, rows: slice) -> Bars:
        return Bars(
            self.ticker,
            self.day[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            self.source,
        )

    def before(self, day: date) -> Bars:
        """The bars of sessions earlier than `day`."""
        return self[: int(np.searchsorted(self.day, np.datetime64(day, "D"), side="left"))]

    def scaled(self, factor: float) -> Bars:
        """The same bars with prices times `factor` and volumes divided by it."""
        return Bars(
            self.ticker,
            self.day,
            self.open * factor,
            self.high * factor,
            self.low * factor,
            self.close * factor,
            self.volume / factor,
            self.source,
        )

    def bar(self, row: int) -> Bar:
        return Bar(
            self.day[row].astype(object),
            float(self.open[row]),
            float(self.high[row]),
            float(self.low[row]),
            float(self.close[row]),
            float(self.volume[row]),
        )


@dataclass(frozen=True, slots=True)
class Level:
    """The value of an index (SPX, VIX; without a caret) at `at`."""

    symbol: str
    value: float
    at: datetime
    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class IntradayBars:
    """Completed bars of regular sessions of one ticker, oldest first, as columns of equal length n.

    `day` is datetime64[D], the trading date; `start` minutes after midnight in New York at which a bar begins (570 is
    09:30). Prices are dollars per share, split-adjusted to today; `volume` is shares of that bar at the one feed that
    `source` names, NaN where it is not known. A bar counts once it is over; none is bridged or modelled.
    """

    ticker: str
    minutes: int
    day: Dates
    start: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    source: Source

    COLUMNS = ("day", "start", "open", "high", "low", "close", "volume")

    def __len__(self) -> int:
        return len(self.day)

    def take(self, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> IntradayBars:
        """The bars of the chosen rows."""
        changed: dict[str, Any] = {name: getattr(self, name)[rows] for name in self.COLUMNS}
        return replace(self, **changed)

    def of(self, day: date) -> IntradayBars:
        """The bars of one session."""
        return self.take(self.day == np.datetime64(day, "D"))


@dataclass(frozen=True, slots=True)
class Greeks:
    """Per share of one unit: delta and gamma per dollar, theta per calendar day, vega per vol point, rho per 1 %."""

    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float = 0.0

    def times(self, factor: float) -> Greeks:
        return Greeks(
            self.delta * factor, self.gamma * factor, self.theta * factor, self.vega * factor, self.rho * factor
        )

    def plus(self, other: Greeks) -> Greeks:
        return Greeks(
            self.delta + other.delta,
            self.gamma + other.gamma,
            self.theta + other.theta,
            self.vega + other.vega,
            self.rho + other.rho,
        )


NO_GREEKS = Greeks(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Contract:
    """One row of a chain, picked: the option, its quote and what was computed for it. None is unknown."""

    option: Option
    bid: Decimal
    ask: Decimal
    bid_size: int
    ask_size: int
    open_interest: int | None
    volume: int | None
    iv: float | None
    greeks: Greeks | None

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    @property
    def limit(self) -> Decimal:
        """The mid rounded to the cent (half to even)."""
        return self.mid.quantize(CENT)

    @property
    def delta(self) -> float | None:
        return self.greeks.delta if self.greeks else None

    @property
    def spread_ratio(self) -> float:
        return float((self.ask - self.bid) / self.mid) if self.mid else float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """All listed options of one underlying at one instant, as columns of equal length n.

    Attributes:
        expiry: datetime64[D]; `strike`, `bid`, `ask`: dollars per share (float64, as traded; NaN is missing).
        is_call: bool. bid_size, ask_size, open_interest, volume: float64 (NaN is unknown).
        iv: annualised decimal; delta, gamma, theta (calendar day), vega (vol point), rho (1 %): NaN is "no value".
        root: OCC roots (object array of str) where they differ from the underlying, else None.
        spot: price of the underlying, dollars. rate, dividend_yield: continuous, decimal a year.
        dividends: discrete (ex-date, dollars) used for pricing, in place of or beside the yield.
        style: exercise style of the class.
        rates, yields: (n,) rate and dividend yield to each row's own expiry; None where the single ones serve all.
        rate_source: who said the rate, where that is known.
        making: what was left out of the whole chain it belongs to, and how its numbers compare; None is not known.
    """

    underlying: str
    asof: datetime
    today: date
    spot: float
    expiry: Dates
    strike: Floats
    is_call: NDArray[np.bool_]
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    open_interest: Floats
    volume: Floats
    iv: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    source: Source
    rate: float = 0.0
    dividend_yield: float = 0.0
    dividends: tuple[tuple[date, float], ...] = ()
    root: NDArray[np.object_] | None = None
    style: Style = Style.AMERICAN
    rates: Floats | None = None
    yields: Floats | None = None
    rate_source: Source | None = None
    making: Making | None = None

    COLUMNS = (
        "expiry", "strike", "is_call", "bid", "ask", "bid_size", "ask_size", "open_interest", "volume",
        "iv", "delta", "gamma", "theta", "vega", "rho",
    )  # fmt: skip
    OPTIONAL_COLUMNS = ("root", "rates", "yields")

    def __len__(self) -> int:
        return len(self.strike)

    @property
    def mid(self) -> Floats:
        """(n,) midpoints in dollars, NaN where a side is missing."""
        return (self.bid + self.ask) / 2.0

    @property
    def dte(self) -> NDArray[np.int64]:
        """(n,) calendar days to expiry."""
        return (self.expiry - np.datetime64(self.today, "D")).astype(np.int64)

    @property
    def spread_ratio(self) -> Floats:
        """(n,) spread over mid, NaN where there is no two-sided quote."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.bid > 0, (self.ask - self.bid) / self.mid, np.nan)

    @property
    def expiries(self) -> tuple[date, ...]:
        """The listed expiries, soonest first."""
        return tuple(day.astype(object) for day in np.unique(self.expiry))

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Chain:
        """The chain of the chosen rows (a mask or indices)."""
        held = [name for name in self.OPTIONAL_COLUMNS if getattr(self, name) is not None]
        changed: dict[str, Any] = {name: getattr(self, name)[rows] for name in (*self.COLUMNS, *held)}
        return replace(self, **changed)

    def rate_to(self, expiry: date) -> float:
        """The continuous rate to one expiry."""
        return self._at(expiry, self.rates, self.rate)

    def yield_to(self, expiry: date) -> float:
        """The continuous dividend yield to one expiry, beside the discrete dividends."""
        return self._at(expiry, self.yields, self.dividend_yield)

    def _at(self, expiry: date, column: Floats | None, otherwise: float) -> float:
        if column is None:
            return otherwise
        rows = np.flatnonzero(self.expiry == np.datetime64(expiry, "D"))
        return float(column[rows[0]]) if len(rows) else otherwise

    def where(
        self,
        right: Right | None = None,
        dte: tuple[int, int] | None = None,
        expiry: date | None = None,
        abs_delta: tuple[float, float] | None = None,
    ) -> Chain:
        """The rows inside every given condition; ranges include both ends."""
        keep = np.ones(len(self), dtype=bool)
        if right is not None:
            keep &= self.is_call == (right is Right.CALL)
        if dte is not None:
            keep &= (self.dte >= dte[0]) & (self.dte <= dte[1])
        if expiry is not None:
            keep &= self.expiry == np.datetime64(expiry, "D")
        if abs_delta is not None:
            keep &= (np.abs(self.delta) >= abs_delta[0]) & (np.abs(self.delta) <= abs_delta[1])
        return self.take(keep)

    def row(self, index: int) -> Contract:
        """One row as a `Contract`; prices quantised to 0.0001."""
        root = self.underlying if self.root is None else str(self.root[index])
        return Contract(
            option=Option(
                underlying=self.underlying,
                expiry=self.expiry[index].astype(object),
                right=Right.CALL if self.is_call[index] else Right.PUT,
                strike=_money(self.strike[index]),
                root=root,
                style=Style.EUROPEAN if root in INDEX_ROOTS else self.style,
            ),
            bid=_money(self.bid[index]),
            ask=_money(self.ask[index]),
            bid_size=_count(self.bid_size[index]) or 0,
            ask_size=_count(self.ask_size[index]) or 0,
            open_interest=_count(self.open_interest[index]),
            volume=_count(self.volume[index]),
            iv=_known(self.iv[index]),
            greeks=self._greeks(index),
        )

    def _greeks(self, index: int) -> Greeks | None:
        values = [float(getattr(self, name)[index]) for name in ("delta", "gamma", "theta", "vega", "rho")]
        return None if any(np.isnan(values)) else Greeks(*values)

    def contracts(self) -> Iterator[Contract]:
        """Every row with a two-sided quote as a `Contract`, in chain order."""
        return (self.row(int(index)) for index in np.flatnonzero((self.bid > 0) & (self.ask >= self.bid)))

    def find(self, wanted: Option) -> Contract | None:
        """The row of `wanted`, or None."""
        same = (
            (self.expiry == np.datetime64(wanted.expiry, "D"))
            & (self.is_call == (wanted.right is Right.CALL))
            & (np.abs(self.strike - float(wanted.strike)) < 5e-4)
        )
        if self.root is not None:
            same &= self.root == wanted.root
        rows = np.flatnonzero(same)
        return self.row(int(rows[0])) if len(rows) else None


def _money(value: float) -> Decimal:
    if np.isnan(value):
        return Decimal(0)
    return Decimal(f"{float(value):.4f}").normalize() + Decimal(0)


def _count(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True, slots=True)
class Dividend:
    """A cash dividend per share, as paid (dollars on its own day's share basis)."""

    ex_date: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Split:
    """New shares for each old one from `ex_date` on (7 for Apple's of 2014-06-09, 0.125 for a 1:8 reverse split)."""

    ex_date: date
    ratio: Decimal


class ReportTime(StrEnum):
    BEFORE_OPEN = "before open"
    AFTER_CLOSE = "after close"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Earnings:
    """A report date; `confirmed` when two sources agree. `sources`: who says so, by name."""

    day: date
    when: ReportTime = ReportTime.UNKNOWN
    confirmed: bool = False
    sources: tuple[str, ...] = ()

    def is_ahead(self, today: date) -> bool:
        """Whether it is still to come in the session of `today`."""
        return self.day > today or (self.day == today and self.when is not ReportTime.BEFORE_OPEN)


@dataclass(frozen=True, slots=True)
class IvDay:
    """The 30-day at-the-money implied volatility of an underlying (annualised decimal) in one session, and whose."""

    day: date
    iv: float
    source: Source


@dataclass(frozen=True, slots=True)
class DatesAhead:
    """The next report and the next ex-date of a company that are known; None where none is."""

    report: date | None = None
    ex_date: date | None = None


@dataclass(frozen=True, slots=True)
class Fundamentals:
    """Company facts as they were known on `known_on`. None is unknown.

    Attributes:
        market_cap: dollars. beta: against the S&P 500.
        revenue_growth, earnings_growth: of the latest quarter against the same one a year before, decimal.
        margin: net margin of the latest reported year, decimal; margin_before: of the year before it.
        margin_change: their difference.
        dividend_yield: trailing twelve months, decimal.
        known_on: the day on which a person could have known these. sources: who says so, by name.
    """

    market_cap: Decimal | None = None
    sector: str | None = None
    beta: float | None = None
    revenue_growth: float | None = None
    earnings_growth: float | None = None
    margin_change: float | None = None
    margin: float | None = None
    margin_before: float | None = None
    dividend_yield: float | None = None
    known_on: date | None = None
    sources: tuple[str, ...] = ()


def _no_chain() -> Chain | None:
    return None


def _no_reports() -> tuple[Earnings, ...] | None:
    return None


def _no_facts() -> Fundamentals | None:
    return None


def _no_news() -> News | None:
    return None


def _no_intraday() -> IntradayBars | None:
    return None


@dataclass(frozen=True, slots=True)
class MarketSnapshot:
    """Everything known about one underlying at one instant.

    Attributes:
        asof: the instant, aware UTC. today: the trading date in New York.
        spot: quote of the shares, None when there is none.
        bars: completed sessions before `today`, as traded today (split-adjusted to `today`).
        session: today's bar so far (close = last price); its volume is None where the day's path is not recorded.
        dividends: ex-dates known on `today`, oldest first, amounts on today's share basis; None = no source covers it.
        load_earnings: report dates on both sides of today, asked for only when a rule needs them, as `load_chain`;
            None = no source covers it. load_fundamentals, load_news: likewise.
        load_intraday: 15-minute bars of at least the last 21 sessions and of today so far; None = no source covers it.
        iv_history: 30-day at-the-money IV of earlier sessions, oldest first; None = none stored.
        last_iv: annualised volatility of held options by symbol, from their last good quote of this session; given
            only where an exit is judged without good quotes.
        next_session: the session after `today`; given only where an exit is judged.
        load_chain: gives the option chain; asked only when a rule needs it (an expensive input), None = no options.
        rate: continuous short rate, decimal a year.
        troubles: a sentence for each provider that gave no answer or a wrong one; shown on the cards made of this.
    """

    ticker: str
    asof: datetime
    today: date
    bars: Bars
    source: Source
    spot: Quote | None = None
    session: Bar | None = None
    dividends: tuple[Dividend, ...] | None = None
    iv_history: tuple[IvDay, ...] | None = None
    rate: float = 0.0
    halted: bool = False
    last_iv: Mapping[str, float] = field(default_factory=dict)
    next_session: date | None = None
    load_chain: Callable[[], Chain | None] = field(default=_no_chain, repr=False, compare=False)
    load_earnings: Callable[[], tuple[Earnings, ...] | None] = field(default=_no_reports, repr=False, compare=False)
    load_fundamentals: Callable[[], Fundamentals | None] = field(default=_no_facts, repr=False, compare=False)
    load_news: Callable[[], News | None] = field(default=_no_news, repr=False, compare=False)
    load_intraday: Callable[[], IntradayBars | None] = field(default=_no_intraday, repr=False, compare=False)
    troubles: tuple[str, ...] = ()

    @property
    def chain(self) -> Chain | None:
        return self.load_chain()

    @property
    def earnings(self) -> tuple[Earnings, ...] | None:
        return self.load_earnings()

    @property
    def fundamentals(self) -> Fundamentals | None:
        return self.load_fundamentals()

    @property
    def news(self) -> News | None:
        return self.load_news()

    @property
    def intraday(self) -> IntradayBars | None:
        return self.load_intraday()

    @property
    def dates_ahead(self) -> DatesAhead:
        """The next report that is not out yet and the next ex-date after today, as far as they are known."""
        reports = [report.day for report in self.earnings or () if report.is_ahead(self.today)]
        ex_dates = [dividend.ex_date for dividend in self.dividends or () if dividend.ex_date > self.today]
        return DatesAhead(min(reports, default=None), min(ex_dates, default=None))
