"""Where the account stands: marks, equity and the state that the risk limits are checked against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from engine import risk
from engine.desk import Desk
from engine.errors import DataUnavailable
from engine.model.book import ZERO, Account, Book, Totals
from engine.model.instruments import Instrument, Option, instrument
from engine.model.market import Quote
from engine.model.orders import Ticket
from engine.model.records import EquityDay
from engine.store import UnitOfWork

MARKS = "marks"
ACCOUNT = "account"
ACCOUNT_AGE = timedelta(seconds=60)
WEEK = 5
"""Sessions."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Prices per share of everything held.

    Attributes:
        prices: mid of a two-sided quote, else the last stored one. sides: the price it could be closed at now.
        stale: instruments whose price is the stored one, with its time. missing: no price at all.
    """

    prices: Mapping[Instrument, Decimal]
    sides: Mapping[Instrument, Decimal]
    stale: Mapping[Instrument, datetime]
    missing: tuple[Instrument, ...]


def marks(desk: Desk, book: Book, stored: Mapping[str, tuple[Decimal, datetime]] | None = None) -> Marks:
    """Prices of every instrument in the book, from quotes now or the last stored marks."""
    wanted = sorted({x for position in book.positions.values() for x in position.instruments}, key=lambda x: x.symbol)
    quotes = desk.market.quotes(wanted)
    prices: dict[Instrument, Decimal] = {}
    sides: dict[Instrument, Decimal] = {}
    stale: dict[Instrument, datetime] = {}
    for item in wanted:
        quote = quotes.get(item)
        if quote is not None and _is_mark(quote):
            prices[item] = quote.mid
            sides[item] = _closing_side(book, item, quote)
        elif stored and item.symbol in stored:
            prices[item], stale[item] = stored[item.symbol]
            sides[item] = prices[item]
    missing = tuple(item for item in wanted if item not in prices)
    return Marks(prices, sides, stale, missing)


def _is_mark(quote: Quote) -> bool:
    """Whether its mid is a price: an option may have no bid, shares without one are not quoted."""
    return quote.ask >= quote.bid and quote.ask > 0 and (quote.bid > 0 or isinstance(quote.instrument, Option))


def _closing_side(book: Book, item: Instrument, quote: Quote) -> Decimal:
    held = sum(leg.quantity for p in book.positions.values() for leg in p.legs if leg.instrument == item)
    return quote.bid if held > 0 else quote.ask


def save_marks(work: UnitOfWork, found: Marks, now: datetime) -> None:
    """Remember these prices as the last valid ones; one that was remembered before keeps its time."""
    body = {x.symbol: [str(price), found.stale.get(x, now).isoformat()] for x, price in found.prices.items()}
    work.set_setting(MARKS, json.dumps(body, sort_keys=True), "desk", now)


def stored_marks(work: UnitOfWork) -> dict[str, tuple[Decimal, datetime]]:
    """Symbol -> (price, time) of the last stored marks."""
    text = work.setting(MARKS)
    if not text:
        return {}
    return {symbol: (Decimal(price), datetime.fromisoformat(at)) for symbol, (price, at) in json.loads(text).items()}


def refresh_account(desk: Desk) -> Account:
    """The broker's account now, remembered for the checks of the next minute."""
    account = desk.broker.account()
    with desk.store.begin() as work:
        work.set_setting(ACCOUNT, _account_text(account, desk.now()), "desk", desk.now())
    return account


def forget_account(desk: Desk, work: UnitOfWork) -> None:
    """Money has moved: what the broker last said about buying power may not be relied on."""
    work.set_setting(ACCOUNT, "", "desk", desk.now())


def forget_marks(desk: Desk, work: UnitOfWork, ticker: str) -> None:
    """A split: prices from before it say nothing about what is held after it."""
    kept = {symbol: mark for symbol, mark in stored_marks(work).items() if instrument(symbol).underlying != ticker}
    body = {symbol: [str(price), at.isoformat()] for symbol, (price, at) in kept.items()}
    work.set_setting(MARKS, json.dumps(body, sort_keys=True), "desk", desk.now())


def ensure_account(desk: Desk) -> None:
    """Ask the broker for the account unless its last answer is younger than half a minute."""
    with desk.store.read() as reading:
        is_known = account_is_known(desk, reading)
    if not is_known:
        refresh_account(desk)


def account_is_known(desk: Desk, work: UnitOfWork) -> bool:
    """Whether the broker's last answer is younger than half a minute: young enough to decide something on it now."""
    text = work.setting(ACCOUNT)
    if not text:
        return False
    return abs(desk.now() - datetime.fromisoformat(json.loads(text)[0])) <= ACCOUNT_AGE / 2


def _account_text(account: Account, now: datetime) -> str:
    numbers = (account.equity, account.cash, account.buying_power, account.options_buying_power)
    return json.dumps([now.isoformat(), account.number, *map(str, numbers)])


def known_account(desk: Desk, work: UnitOfWork) -> tuple[Decimal, Decimal]:
    """(equity, options buying power) of the account, at most a minute old.

    Raises:
        DataUnavailable: the broker has not been heard for a minute; nothing is opened on old numbers.
    """
    text = work.setting(ACCOUNT)
    if text:
        at, _, equity, _, _, options = json.loads(text)
        if abs(desk.now() - datetime.fromisoformat(at)) <= ACCOUNT_AGE:
            return Decimal(equity), Decimal(options)
    raise DataUnavailable("The account's buying power is not known right now; try again in a moment.")


def risk_state(desk: Desk, work: UnitOfWork, tickets: Iterable[Ticket]) -> risk.RiskState:
    """The account as the limits see it: open positions, working entry orders, losses of day, week and from the peak.

    `tickets`: everything being worked, as `work.open_tickets()` says.
    """
    equity, buying_power = known_account(desk, work)
    book = work.book()
    held = risk.held_exposures(book)
    reserved = []
    for ticket in tickets:
        if risk.is_entry(ticket) and ticket.approval_id:
            plan = work.approval_version(ticket.approval_id, ticket.version).plan
            reserved.append(risk.ticket_exposure(ticket, plan))
    history = work.equity_history(limit=WEEK)
    return risk.RiskState(
        equity=equity,
        buying_power=buying_power,
        held=held,
        reserved=tuple(reserved),
        day_pnl=_change(history, equity, book.totals, 1),
        week_pnl=_change(history, equity, book.totals, WEEK),
        drawdown=_drawdown(work.equity_peak(), book.totals.start, equity - book.totals.flows),
        levels={name: strategy.risk_level for name, strategy in desk.strategies.items()},
    )


def _change(history: tuple[EquityDay, ...], equity: Decimal, totals: Totals, sessions: int) -> Decimal:
    """Dollars made since the close `sessions` sessions ago, deposits and withdrawals taken out.

    With fewer closes than that, since the account was opened: the first day has a limit too.
    """
    if len(history) >= sessions:
        base = history[-sessions]
        return equity - base.equity - (totals.flows - base.flows)
    return equity - totals.start - totals.flows if totals.start else ZERO


def _drawdown(highest: Decimal | None, start: Decimal, now: Decimal) -> Decimal:
    """Fall from the highest close (or the opening balance) as a fraction of that peak; flows are taken out."""
    peak = max(now, start, start if highest is None else highest)
    return (peak - now) / peak if peak > 0 else ZERO
