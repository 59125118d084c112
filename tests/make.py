"""Builders with good defaults: a test names only what it is about.

The desk of these builders stands on Monday 15 June 2026, 10:00 in New York, and trades XYZ at 48.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import erf, exp, log, pi, sqrt
from typing import Any

import numpy as np

from engine.model.book import Account, Book, Lot, Position, PositionLeg, Posting, PostingKind, Totals
from engine.model.events import Event, EventKind
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import (
    Bar,
    Bars,
    Chain,
    Dividend,
    Earnings,
    Floats,
    Fundamentals,
    IntradayBars,
    IvDay,
    Kind,
    MarketSnapshot,
    Quote,
    Source,
)
from engine.model.orders import (
    Activity,
    ActivityKind,
    Fill,
    Order,
    OrderStatus,
    OrderType,
    Purpose,
    Ticket,
    TicketStatus,
)
from engine.model.trade import Approval, ApprovalStatus, Campaign, Context, Outlook, Signal, TradePlan, Working

Money = Decimal | str | int | float

TODAY = date(2026, 6, 15)
NOW = datetime(2026, 6, 15, 14, 0, tzinfo=UTC)
TICKER = "XYZ"
RATE = 0.04
BARS_A_SESSION = 26
"""Of 15 minutes."""
SOURCE = Source("test", Kind.RECORDED)
QUOTED = Source("test", Kind.REAL)
"""Of quotes: a desk that trades real money takes no others."""


def D(value: Money) -> Decimal:
    """Exact decimal of what is written: D(1.03) is 1.03."""
    return Decimal(str(value))


def share(ticker: str = TICKER) -> Stock:
    return Stock(ticker)


def option(
    strike: Money = 44,
    right: Right = Right.PUT,
    dte: int = 35,
    underlying: str = TICKER,
    expiry: date | None = None,
    **more: Any,
) -> Option:
    """One contract, `dte` calendar days after TODAY unless `expiry` is given."""
    return Option(underlying, expiry or TODAY + timedelta(days=dte), right, D(strike), **more)


def put(strike: Money = 44, dte: int = 35, **more: Any) -> Option:
    return option(strike, Right.PUT, dte, **more)


def call(strike: Money = 48, dte: int = 30, **more: Any) -> Option:
    return option(strike, Right.CALL, dte, **more)


def quote(
    instrument: Instrument,
    bid: Money,
    ask: Money,
    at: datetime = NOW,
    bid_size: int = 0,
    ask_size: int = 0,
    source: Source = QUOTED,
) -> Quote:
    return Quote(instrument, D(bid), D(ask), at, source, bid_size, ask_size)


def stock_quote(price: Money = 48, ticker: str = TICKER, at: datetime = NOW, spread: Money = "0.02") -> Quote:
    """A quote of shares whose midpoint is `price`."""
    half = D(spread) / 2
    return quote(Stock(ticker), D(price) - half, D(price) + half, at)


@dataclass(frozen=True, slots=True)
class Row:
    """One chain row as the worked examples print it: price, bid, ask and delta at a strike, and the volatility used."""

    strike: float
    price: float
    bid: float
    ask: float
    delta: float
    iv: float


def rows(text: str, iv: Mapping[int, float] | Mapping[float, float]) -> tuple[Row, ...]:
    """Rows from `44: 1.0345 / 0.98 / 1.08 / -0.2392; 48: ...` and the volatility at each strike.

    >>> rows("44: 1.0345 / 0.98 / 1.08 / -0.2392", {44: 0.46})[0].bid
    0.98
    """
    cut = (part.split(":") for part in text.split(";"))
    parsed = ((float(strike), *(float(number) for number in rest.split("/"))) for strike, rest in cut)
    smile = {float(strike): volatility for strike, volatility in iv.items()}
    return tuple(Row(strike, price, bid, ask, delta, smile[strike]) for strike, price, bid, ask, delta in parsed)


def chain(
    puts: Sequence[Row] = (),
    calls: Sequence[Row] = (),
    spot: float = 48.0,
    dte: int = 35,
    underlying: str = TICKER,
    today: date = TODAY,
    asof: datetime = NOW,
    rate: float = RATE,
    dividend_yield: float = 0.0,
    open_interest: float = 500.0,
    volume: float = 100.0,
    size: float = np.nan,
    **more: Any,
) -> Chain:
    """A chain of one expiry from example rows. Greeks are those of Black-Scholes-Merton at the row's volatility."""
    both = [*((row, False) for row in puts), *((row, True) for row in calls)]
    years = dte / 365
    greeks = [bsm_greeks(spot, row.strike, years, rate, row.iv, is_call, dividend_yield) for row, is_call in both]
    n = len(both)

    def column(values: Iterable[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.fromiter(values, dtype=np.float64, count=n)

    return Chain(
        underlying=underlying,
        asof=asof,
        today=today,
        spot=spot,
        expiry=np.full(n, np.datetime64(today + timedelta(days=dte), "D")),
        strike=column(row.strike for row, _ in both),
        is_call=np.array([is_call for _, is_call in both], dtype=bool),
        bid=column(row.bid for row, _ in both),
        ask=column(row.ask for row, _ in both),
        bid_size=np.full(n, size),
        ask_size=np.full(n, size),
        open_interest=np.full(n, open_interest),
        volume=np.full(n, volume),
        iv=column(row.iv for row, _ in both),
        delta=column(greek[0] for greek in greeks),
        gamma=column(greek[1] for greek in greeks),
        theta=column(greek[2] for greek in greeks),
        vega=column(greek[3] for greek in greeks),
        rho=column(greek[4] for greek in greeks),
        source=more.pop("source", SOURCE),
        rate=rate,
        dividend_yield=dividend_yield,
        **more,
    )


def join(*chains: Chain) -> Chain:
    """One chain with the rows of several (other expiries of the same underlying)."""
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in chains]) for name in Chain.COLUMNS}
    return replace(chains[0], **columns)


def bsm_greeks(
    spot: float, strike: float, years: float, rate: float, iv: float, is_call: bool, dividend_yield: float = 0.0
) -> tuple[float, float, float, float, float]:
    """(delta, gamma, theta per calendar day, vega per point, rho per 1 %), written out on purpose."""
    root = iv * sqrt(years)
    d1 = (log(spot / strike) + (rate - dividend_yield + iv * iv / 2) * years) / root
    d2 = d1 - root
    sign = 1.0 if is_call else -1.0
    kept, paid = exp(-dividend_yield * years), exp(-rate * years)
    density = exp(-d1 * d1 / 2) / sqrt(2 * pi)
    decay = -spot * kept * density * iv / (2 * sqrt(years))
    carry = sign * (dividend_yield * spot * kept * _normal(sign * d1) - rate * strike * paid * _normal(sign * d2))
    return (
        sign * kept * _normal(sign * d1),
        kept * density / (spot * root),
        (decay + carry) / 365,
        spot * kept * density * sqrt(years) / 100,
        sign * strike * years * paid * _normal(sign * d2) / 100,
    )


def _normal(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


def weekdays(count: int, before: date = TODAY) -> tuple[date, ...]:
    """The `count` weekdays that end the day before `before`, oldest first (holidays are not looked at)."""
    days = np.busday_offset(np.datetime64(before, "D"), np.arange(-count, 0), roll="forward")
    return tuple(day.astype(object) for day in days)


def bars(
    closes: Iterable[float] = (),
    ticker: str = TICKER,
    before: date = TODAY,
    volume: float = 5_000_000.0,
    swing: float = 0.01,
    days: Sequence[date] = (),
) -> Bars:
    """Daily bars with these closes (260 flat ones at 48 by default), the last on the weekday before `before`.

    Each opens at the close before it; high and low reach `swing` beyond the body.
    """
    close = np.fromiter(closes, dtype=np.float64)
    close = close if len(close) else np.full(260, 48.0)
    opens = np.concatenate(([close[0]], close[:-1]))
    return Bars(
        ticker=ticker,
        day=np.array(days or weekdays(len(close), before), dtype="datetime64[D]"),
        open=opens,
        high=np.maximum(opens, close) * (1 + swing),
        low=np.minimum(opens, close) * (1 - swing),
        close=close,
        volume=np.full(len(close), volume),
        source=SOURCE,
    )


def snapshot(
    ticker: str = TICKER,
    spot: Money | None = 48,
    chain: Chain | None = None,
    bars: Bars | None = None,
    today: date = TODAY,
    asof: datetime = NOW,
    **more: Any,
) -> MarketSnapshot:
    """Everything about one name: pass only what the test is about (`earnings=`, `fundamentals=`: what it loads)."""
    reports = more.pop("earnings", ())
    facts = more.pop("fundamentals", Fundamentals(market_cap=D(20_000_000_000), sector="Technology", beta=1.0))
    price = None if spot is None else float(spot)
    defaults: dict[str, Any] = {
        "spot": None if spot is None else stock_quote(spot, ticker, asof),
        "session": None if price is None else Bar(today, price, price, price, price, 1_000_000.0),
        "dividends": (),
        "rate": RATE,
        "source": SOURCE,
        "load_chain": lambda: chain,
        "load_earnings": lambda: reports,
        "load_fundamentals": lambda: facts,
    }
    given = bars if bars is not None else _flat(ticker, price, today)
    return MarketSnapshot(ticker=ticker, asof=asof, today=today, bars=given, **(defaults | more))


def _flat(ticker: str, price: float | None, today: date) -> Bars:
    return bars(np.full(260, price or 48.0), ticker, today)


def intraday(
    close: Sequence[float] | Floats,
    today_bars: int = 2,
    ticker: str = TICKER,
    volume: float | Sequence[float] | Floats = 100_000.0,
    **columns: Sequence[float] | Floats,
) -> IntradayBars:
    """15-minute bars: the last `today_bars` are of `TODAY` from 09:30 on, the ones before of full earlier weekdays."""
    prices = np.asarray(close, dtype=np.float64)
    place = np.arange(len(prices)) - len(prices) + today_bars
    back = -(place // BARS_A_SESSION)
    days = np.array([*weekdays(int(back.max(initial=0)))[::-1], TODAY], dtype="datetime64[D]")
    day = np.where(place >= 0, days[-1], days[np.maximum(back - 1, 0)])
    given = {name: np.asarray(columns.get(name, prices), dtype=np.float64) for name in ("open", "high", "low")}
    return IntradayBars(
        ticker=ticker,
        minutes=15,
        day=day,
        start=570 + 15 * (place % BARS_A_SESSION),
        **given,
        close=prices,
        volume=np.broadcast_to(np.asarray(volume, dtype=np.float64), prices.shape).copy(),
        source=SOURCE,
    )


def dividend(days_from_today: int = 10, amount: Money = "0.30") -> Dividend:
    return Dividend(TODAY + timedelta(days=days_from_today), D(amount))


def earnings(days_from_today: int = 60, confirmed: bool = True) -> Earnings:
    return Earnings(TODAY + timedelta(days=days_from_today), confirmed=confirmed)


def iv_days(values: Iterable[float], before: date = TODAY, source: Source = SOURCE) -> tuple[IvDay, ...]:
    """Volatilities of the weekdays that end the day before `before`, oldest first."""
    known = tuple(values)
    days = weekdays(len(known), before)
    return tuple(IvDay(day, iv, source) for day, iv in zip(days, known, strict=True))


def context(**more: Any) -> Context:
    """Monday with 100,000 of equity, nothing held, and the coming ten weekdays as sessions."""
    ahead = np.busday_offset(np.datetime64(TODAY, "D"), np.arange(10))
    defaults: dict[str, Any] = {
        "today": TODAY,
        "next_sessions": tuple(day.astype(object) for day in ahead),
        "equity": D(100_000),
    }
    return Context(**(defaults | more))


def campaigns(wins: int, win_r: float, losses: int, loss_r: float, strategy: str = "wsb_dip") -> tuple[Campaign, ...]:
    """Closed campaigns, winners first, one an hour before NOW."""
    results = [*([win_r] * wins), *([-abs(loss_r)] * losses)]
    start = NOW - timedelta(hours=len(results))
    return tuple(
        Campaign(strategy, TICKER, start + timedelta(hours=hour), D(round(1000 * r, 2)), r)
        for hour, r in enumerate(results)
    )


def leg(instrument: Instrument | None = None, ratio: int = -1) -> Leg:
    return Leg(instrument or put(), ratio)


def vertical(
    short: Money = 580, long: Money = 575, right: Right = Right.PUT, dte: int = 38, underlying: str = "SPY"
) -> tuple[Leg, Leg]:
    """The legs of a two-strike package: one sold, one bought."""
    return (
        Leg(option(short, right, dte, underlying), -1),
        Leg(option(long, right, dte, underlying), 1),
    )


def outlook(**more: Any) -> Outlook:
    """Those of the 44 put sold at 1.03."""
    defaults: dict[str, Any] = {
        "max_loss": D("4297"),
        "max_gain": D("103"),
        "breakevens": (D("42.97"),),
        "pop": 0.7652,
        "pop_method": "N(d2) at the breakeven, IV linear in strike",
        "greeks": None,
        "collateral": D("4400"),
    }
    return Outlook(**(defaults | more))


def signal(**more: Any) -> Signal:
    """Sell the 44 put of XYZ at 1.03."""
    defaults: dict[str, Any] = {
        "strategy": "wheel",
        "ticker": TICKER,
        "structure": Structure.SHORT_PUT,
        "legs": (leg(),),
        "limit": D("-1.03"),
        "natural": D("-0.98"),
        "spot": D("48"),
        "outlook": outlook(),
        "exits": exits(),
        "asof": NOW,
        "reasons": ("-0.24 delta, 46 % implied volatility",),
        "against": ("assignment would take 4,400.00",),
        "data": "test (recorded), 0 s",
    }
    return Signal(**(defaults | more))


def exits(**more: Any) -> ExitPlan:
    """Buy back at half the premium, stop at twice it, out by 21 DTE."""
    defaults: dict[str, Any] = {
        "target": D("-0.515"),
        "stop": D("-2.06"),
        "close_on": TODAY + timedelta(days=14),
        "words": ("Buy back at 0.51.", "Stop at 2.06.", "Out at 21 days to expiry."),
    }
    return ExitPlan(**(defaults | more))


def plan(signal: Signal | None = None, quantity: int = 2, **more: Any) -> TradePlan:
    """A sized signal; totals follow from the outlook of one unit."""
    chosen = signal or _signal()
    unit = chosen.outlook
    defaults: dict[str, Any] = {
        "max_loss": None if unit.max_loss is None else unit.max_loss * quantity,
        "max_gain": None if unit.max_gain is None else unit.max_gain * quantity,
        "collateral": unit.collateral * quantity,
        "counted_risk": D("457") * quantity,
        "fees": D(quantity * sum(abs(leg.ratio) for leg in chosen.legs)),
    }
    return TradePlan(chosen, quantity, **(defaults | more))


def _signal() -> Signal:
    return signal()


def approval(plan: TradePlan | None = None, **more: Any) -> Approval:
    """A pending card, five minutes to live."""
    defaults: dict[str, Any] = {
        "id": "A00001",
        "version": 1,
        "status": ApprovalStatus.PENDING,
        "created_at": NOW,
        "expires_at": NOW + timedelta(seconds=300),
    }
    return Approval(plan=plan or _plan(), **(defaults | more))


def _plan() -> TradePlan:
    return plan()


def ticket(**more: Any) -> Ticket:
    """The working entry of the default approval."""
    defaults: dict[str, Any] = {
        "id": "A00001.1",
        "purpose": Purpose.ENTRY,
        "reason": "approved",
        "strategy": "wheel",
        "ticker": TICKER,
        "legs": (leg(),),
        "quantity": 2,
        "limit": D("-1.03"),
        "worst": D("-0.98"),
        "working": Working.LADDER,
        "status": TicketStatus.WORKING,
        "created_at": NOW,
        "send_after": NOW,
        "position_id": "P00001",
        "approval_id": "A00001",
        "spot": D("48"),
    }
    return Ticket(**(defaults | more))


def order(
    legs: Sequence[Leg] = (),
    limit: Money | None = "-1.03",
    quantity: int = 2,
    opening: bool = True,
    client_order_id: str = "A00001.1.1",
    **more: Any,
) -> Order:
    """A new order: two 44 puts sold to open at 1.03 unless told otherwise; `limit=None` makes it a market order."""
    defaults: dict[str, Any] = {
        "ticket_id": client_order_id.rpartition(".")[0] or client_order_id,
        "legs": tuple(legs) or (leg(),),
        "limit": None if limit is None else D(limit),
        "quantity": quantity,
        "opening": opening,
        "status": OrderStatus.NEW,
        "created_at": NOW,
        "type": OrderType.MARKET if limit is None else OrderType.LIMIT,
    }
    return Order(client_order_id=client_order_id, **(defaults | more))


def fill(
    instrument: Instrument | None = None,
    quantity: int = -2,
    price: Money = "1.03",
    execution_id: str = "E1",
    fee: Money = 0,
    at: datetime = NOW,
    client_order_id: str = "A00001.1.1",
) -> Fill:
    """Two 44 puts sold at 1.03 unless told otherwise."""
    return Fill(execution_id, client_order_id, instrument or put(), quantity, D(price), at, D(fee))


def activity(
    kind: ActivityKind = ActivityKind.ASSIGNMENT,
    instrument: Instrument | None = None,
    quantity: int = -2,
    id: str = "ACT1",
    at: datetime = NOW,
    amount: Money = 0,
    ratio: Money | None = None,
) -> Activity:
    """Two short 44 puts assigned unless told otherwise."""
    subject = put() if instrument is None and kind is ActivityKind.ASSIGNMENT else instrument
    return Activity(id, kind, at, subject, quantity, D(amount), None if ratio is None else D(ratio))


def position(legs: Sequence[Leg] = (), lots: Sequence[PositionLeg] = (), **more: Any) -> Position:
    """A wheel position in XYZ with nothing filled yet; `lots` fills it."""
    defaults: dict[str, Any] = {
        "id": "P00001",
        "campaign": "C00001",
        "strategy": "wheel",
        "ticker": TICKER,
        "structure": Structure.SHORT_PUT,
        "unit": tuple(legs) or (leg(),),
        "legs": tuple(lots),
        "exits": exits(),
        "opened_at": NOW,
        "approval_id": "A00001",
    }
    return Position(**(defaults | more))


def held(instrument: Instrument, quantity: int, price: Money, at: datetime = NOW) -> PositionLeg:
    """One lot of an instrument."""
    return PositionLeg(instrument, (Lot(quantity, D(price), at),))


def deposit(amount: Money = 100_000, kind: PostingKind = PostingKind.START, key: str = "start") -> Posting:
    """A ledger line of cash in: the opening balance unless told otherwise."""
    return Posting(key, kind, NOW, D(amount))


def book(cash: Money = 100_000, *positions: Position) -> Book:
    """Open positions over an opening balance."""
    return Book(Totals(start=D(cash), cash=D(cash)), {position.id: position for position in positions})


def account(**more: Any) -> Account:
    """100,000 in cash and nothing held, on paper."""
    defaults: dict[str, Any] = {
        "number": "PA-TEST",
        "cash": D(100_000),
        "equity": D(100_000),
        "buying_power": D(100_000),
        "options_buying_power": D(100_000),
        "options_level": 3,
        "is_paper": True,
    }
    return Account(**(defaults | more))


def event(kind: EventKind = EventKind.FILLED, subject: str = "P00001", id: str = "V00001", **more: Any) -> Event:
    return Event(id=id, kind=kind, at=more.pop("at", NOW), subject=subject, **more)
