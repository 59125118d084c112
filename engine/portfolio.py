"""What is held, what it is worth and what it made: the views behind /positions, /account, /pnl, /risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from engine import bounds, pricing, quoted, results, risk, standing
from engine.desk import Desk
from engine.errors import DataError, DataUnavailable, NotFound
from engine.exposures import first_expiry
from engine.model.book import ZERO, Account, Book, Position, Totals
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import Structure
from engine.model.market import NO_GREEKS, Greeks
from engine.model.records import EquityDay, PnlLine, StrategyDay
from engine.reckoning import Close, made_by
from engine.standing import Marks
from engine.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class PositionView:
    """One open position now. Dollars; `package` and `entry` per share of a unit, signed as held; None is unknown.

    `stale_at` is the time of the oldest stored price used in place of a quote.
    """

    position: Position
    units: int
    package: Decimal | None
    value: Decimal | None
    unrealised: Decimal | None
    spot: Decimal | None
    dte: int | None
    greeks: Greeks | None = None
    stale_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountView:
    """Cash, reserved and buying power are three numbers; `free` is the smaller of our own and the broker's.

    Attributes:
        reserved: set aside for what is held (a put's strike, a spread's width); shares are paid for, not reserved.
        in_flight: what the unfilled part of working entries would take. The broker's own number leaves out the orders
            it works already, so only what it has not been sent yet is taken off that one.
        pinned: the one account live orders may touch, "" where none is.
    """

    account: Account
    book_cash: Decimal
    equity: Decimal | None
    liquidation: Decimal | None
    reserved: Decimal
    in_flight: Decimal
    free: Decimal
    missing: tuple[Instrument, ...]
    pinned: str = ""


@dataclass(frozen=True, slots=True)
class PnlView:
    """P&L of the account, dollars. day, week, month: since earlier closes (or the opening), flows taken out."""

    equity: Decimal
    totals: Totals
    unrealised: Decimal
    day: Decimal | None
    week: Decimal | None
    month: Decimal | None
    lines: tuple[PnlLine, ...]

    @property
    def total(self) -> Decimal:
        """Everything made since the start, after fees."""
        t = self.totals
        return t.realised + self.unrealised + t.dividends + t.interest - t.fees

    @property
    def gap(self) -> Decimal:
        """Equity change less its parts: zero to the cent, or the books are wrong."""
        return self.equity - self.totals.start - self.total - self.totals.flows


@dataclass(frozen=True, slots=True)
class RiskView:
    """The limits in use, account-wide Greeks in shares and dollars, and the state they come from."""

    state: risk.RiskState
    uses: tuple[risk.LimitUse, ...]
    greeks: Greeks | None
    delta_dollars: Decimal | None
    positions: tuple[PositionView, ...]


BESIDE = "SPY"
"""The index fund that the digest puts beside the account."""
RATE_TRIES = 3
"""Names of the universe that are asked for the short rate where the index fund is not known."""


def priced(desk: Desk) -> tuple[Book, Marks]:
    """What is held, and prices of it now."""
    with desk.store.read() as work:
        book = work.book()
        stored = standing.stored_marks(work)
    return book, standing.marks(desk, book, stored)


def positions(desk: Desk) -> tuple[PositionView, ...]:
    """Every open position with its marks and Greeks, by ticker."""
    book, marks = priced(desk)
    return _views(desk, book, marks)


def _views(desk: Desk, book: Book, marks: Marks) -> tuple[PositionView, ...]:
    held = sorted(book.positions.values(), key=lambda position: (position.ticker, position.id))
    spots = _spots(desk, {position.ticker for position in held})
    greeks = option_greeks(desk, book, marks, spots)
    return tuple(_view(desk, position, marks, spots.get(position.ticker), greeks) for position in held)


def _spots(desk: Desk, tickers: set[str]) -> dict[str, Decimal]:
    quotes = quoted.known(desk, (Stock(ticker) for ticker in sorted(tickers)))
    return {share.symbol: quote.mid for share, quote in quotes.items()}


def _view(
    desk: Desk, position: Position, marks: Marks, spot: Decimal | None, greeks: Mapping[Instrument, Greeks]
) -> PositionView:
    expiry = first_expiry(position.instruments)
    stale = [marks.stale[x] for x in position.instruments if x in marks.stale]
    return PositionView(
        position=position,
        units=position.units,
        package=position.package(marks.prices),
        value=position.value(marks.prices),
        unrealised=position.unrealised(marks.prices),
        spot=spot,
        dte=None if expiry is None else (expiry - desk.today).days,
        greeks=_net_greeks(position, greeks),
        stale_at=min(stale, default=None),
    )


def option_greeks(desk: Desk, book: Book, marks: Marks, spots: Mapping[str, Decimal]) -> dict[Instrument, Greeks]:
    """Greeks per share of everything held that has a price, each from the implied volatility of its own mark.

    European Black-Scholes-Merton with dividends escrowed; an option whose mark has no implied volatility is left out.
    """
    held = [x for p in book.positions.values() for x in p.instruments if isinstance(x, Option)]
    priced = sorted({x for x in held if x in marks.prices and x.underlying in spots}, key=lambda x: x.symbol)
    found: dict[Instrument, Greeks] = {
        Stock(p.ticker): Greeks(1.0, 0.0, 0.0, 0.0) for p in book.positions.values() if p.ticker in spots
    }
    if not priced:
        return found
    terms = {ticker: _terms(desk, ticker) for ticker in {x.underlying for x in priced}}
    price = np.array([float(marks.prices[x]) for x in priced])
    columns = pricing.analyse(
        price,
        price,
        np.array([_escrowed(desk, x, float(spots[x.underlying]), terms[x.underlying]) for x in priced]),
        np.array([float(x.strike) for x in priced]),
        pricing.year_fraction(np.array([x.dte(desk.today) for x in priced], dtype=float)),
        np.array([terms[x.underlying].rate for x in priced]),
        np.array([x.right is Right.CALL for x in priced]),
    )
    rows = zip(columns.delta, columns.gamma, columns.theta, columns.vega, columns.rho, strict=True)
    for item, row in zip(priced, rows, strict=True):
        if not np.isnan(row).any():
            found[item] = Greeks(*map(float, row))
    return found


@dataclass(frozen=True, slots=True)
class _Terms:
    """The short rate and the discrete dividends (ex-date, dollars) of a name."""

    rate: float = 0.0
    dividends: tuple[tuple[date, float], ...] = ()


def _terms(desk: Desk, ticker: str) -> _Terms:
    """Those of the market's snapshot; where there is none, neither interest nor dividends are assumed."""
    try:
        snapshot = desk.market.snapshot(ticker)
    except (DataError, NotFound):
        return _Terms()
    return _Terms(snapshot.rate, tuple((each.ex_date, float(each.amount)) for each in snapshot.dividends or ()))


def _escrowed(desk: Desk, option: Option, spot: float, terms: _Terms) -> float:
    """The spot less the dividends that go ex before the option ends."""
    expiry = np.array([option.expiry], dtype="datetime64[D]")
    return float(pricing.escrowed_spot(spot, desk.today, expiry, terms.dividends, terms.rate)[0])


def _net_greeks(position: Position, greeks: Mapping[Instrument, Greeks]) -> Greeks | None:
    """Greeks of everything held in the position, multiplied out; None when a leg has none."""
    total = NO_GREEKS
    for leg in position.legs:
        single = greeks.get(leg.instrument)
        if single is None:
            return None
        total = total.plus(single.times(leg.quantity * leg.instrument.multiplier))
    return total


def account(desk: Desk) -> AccountView:
    """The broker's account beside our own book."""
    broker = standing.refresh_account(desk)
    book, marks = priced(desk)
    with desk.store.read() as work:
        state = standing.risk_state(desk, work, work.open_tickets())
    reserved = sum((x.collateral for x in state.held if x.structure is not Structure.SHARES), ZERO)
    return AccountView(
        account=broker,
        book_cash=book.cash,
        equity=book.equity(marks.prices),
        liquidation=book.equity(marks.sides),
        reserved=reserved,
        in_flight=state.promised,
        free=min(book.cash - reserved - state.promised, broker.options_buying_power - state.unsent),
        missing=marks.missing,
        pinned=desk.account,
    )


def pnl(desk: Desk) -> PnlView:
    """P&L now.

    Raises:
        DataUnavailable: something held has no price at all; the message names it.
    """
    book, marks = priced(desk)
    with desk.store.read() as work:
        return _pnl(desk, work, book, marks)


def _pnl(desk: Desk, work: UnitOfWork, book: Book, marks: Marks) -> PnlView:
    row = _row(desk, book, desk.today, marks)
    if row is None:
        missing = ", ".join(str(item) for item in marks.missing)
        raise DataUnavailable(f"No price for {missing}; P&L is not known right now.")
    made = made_by(work, row)
    return PnlView(
        equity=row.equity,
        totals=book.totals,
        unrealised=row.unrealised,
        day=made.day,
        week=made.week,
        month=made.month,
        lines=results.by_strategy(work.strategy_totals(), book.positions.values(), marks.prices),
    )


def strategy_lines(desk: Desk) -> tuple[PnlLine, ...]:
    """What each strategy has made since the start; unknown for one that holds something without a price."""
    book, marks = priced(desk)
    with desk.store.read() as work:
        return results.by_strategy(work.strategy_totals(), book.positions.values(), marks.prices)


def risk_view(desk: Desk) -> RiskView:
    """The limits in use now; reads the book, quotes and Greeks, decides nothing."""
    standing.ensure_account(desk)
    views = positions(desk)
    with desk.store.read() as work:
        state = standing.risk_state(desk, work, work.open_tickets())
        limits = bounds.limits_in_force(desk, work)
    known = [view.greeks for view in views]
    greeks = NO_GREEKS
    dollars = ZERO
    for view in views:
        if view.greeks is not None and view.spot is not None:
            greeks = greeks.plus(view.greeks)
            dollars += Decimal(f"{view.greeks.delta:.4f}") * view.spot
    complete = None not in known
    uses = risk.usage(state, limits)
    return RiskView(state, uses, greeks if complete else None, dollars if complete else None, views)


def close(desk: Desk, work: UnitOfWork, day: date, marks: Marks, rate: float | None) -> Close | None:
    """The account as it stands in this transaction, as the close of `day`; None while something held has no price."""
    book = work.book()
    row = _row(desk, book, day, marks)
    if row is None:
        return None
    totals, held = work.strategy_totals(), book.positions.values()
    return Close(replace(row, rate=rate), results.by_strategy(totals, held, marks.prices, desk.strategies))


def _row(desk: Desk, book: Book, day: date, marks: Marks) -> EquityDay | None:
    """The account now, as of `day`; None while something held has no price."""
    equity, unrealised = book.equity(marks.prices), book.unrealised(marks.prices)
    if equity is None or unrealised is None:
        return None
    totals = book.totals
    return EquityDay(
        day=day,
        at=desk.now(),
        equity=equity,
        cash=totals.cash,
        realised=totals.realised,
        unrealised=unrealised,
        dividends=totals.dividends,
        interest=totals.interest,
        flows=totals.flows,
        fees=totals.fees,
        liquidation=book.equity(marks.sides),
    )


def keep_close(desk: Desk, work: UnitOfWork, taken: Close, marks: Marks) -> None:
    """Store a session's equity, what each strategy has made, and the marks."""
    work.add_equity(taken.row)
    for line in taken.lines or ():
        if line.unrealised is not None:
            work.add_strategy_day(
                StrategyDay(taken.row.day, line.strategy, line.realised, line.unrealised, line.dividends, line.fees)
            )
    standing.save_marks(work, marks, desk.now())


def decay(desk: Desk, book: Book, marks: Marks) -> float | None:
    """Theta by the model of every option that lives on after today, dollars a calendar day; None where one has none."""
    held = [(x.instrument, x.quantity) for position in book.positions.values() for x in position.legs]
    alive = [(x, count) for x, count in held if isinstance(x, Option) and count and x.expiry > desk.today]
    if not alive:
        return 0.0
    greeks = option_greeks(desk, book, marks, _spots(desk, {x.underlying for x, _ in alive}))
    if any(x not in greeks for x, _ in alive):
        return None
    return sum(greeks[x].theta * count * x.multiplier for x, count in alive)


def short_rate(desk: Desk) -> float | None:
    """The continuous short rate now, a decimal a year: the same of every name; None where none of them can be told."""
    for ticker in (BESIDE, *desk.tickers[:RATE_TRIES]):
        try:
            return desk.market.snapshot(ticker).rate
        except (DataError, NotFound):
            continue
    return None
