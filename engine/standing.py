"""Where the account stands: marks, equity and the state that the risk limits are checked against."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import structlog

from engine import aftermath, daytrades, quoted, risk
from engine.correlation import log_returns
from engine.desk import Desk
from engine.errors import DataError, DataUnavailable, NotFound
from engine.exposures import held_exposures, is_entry
from engine.model.book import ZERO, Account, Book, Totals
from engine.model.instruments import Instrument, Option, instrument
from engine.model.limits import DayTradeRule
from engine.model.market import Quote
from engine.model.orders import Ticket
from engine.model.trade import TradePlan
from engine.reckoning import made_since, monday
from engine.sensitivities import MARKET, Beta, beta
from engine.shortfall import SESSIONS as YEAR
from engine.store import UnitOfWork

log = structlog.get_logger()

MARKS = "marks"
ACCOUNT = "account"
MOVED = "account:moved"
"""Setting: when money last moved."""
ACCOUNT_AGE = timedelta(seconds=60)
DELTAS = "deltas"
FALLS = "falls"
PEAK = "peak"
"""Setting: when a drawdown was last forgiven, and the equity (flows taken out) it is measured from since."""
READ = (ACCOUNT, DELTAS, FALLS, PEAK)
"""Settings that `risk_state` reads."""


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
    return marked(book, quoted.known(desk, instruments_of(book)), stored)


def instruments_of(book: Book) -> tuple[Instrument, ...]:
    """Everything that is held, by symbol."""
    held = {x for position in book.positions.values() for x in position.instruments}
    return tuple(sorted(held, key=lambda x: x.symbol))


def marked(
    book: Book, quotes: Mapping[Instrument, Quote], stored: Mapping[str, tuple[Decimal, datetime]] | None = None
) -> Marks:
    """`marks` from quotes that are there already."""
    wanted = instruments_of(book)
    held = _quantities(book)
    prices: dict[Instrument, Decimal] = {}
    sides: dict[Instrument, Decimal] = {}
    stale: dict[Instrument, datetime] = {}
    for item in wanted:
        quote = quotes.get(item)
        if quote is not None and is_mark(quote):
            prices[item] = quote.mid
            sides[item] = _closing_side(held[item], quote)
        elif stored and item.symbol in stored:
            prices[item], stale[item] = stored[item.symbol]
            sides[item] = prices[item]
    missing = tuple(item for item in wanted if item not in prices)
    return Marks(prices, sides, stale, missing)


def is_mark(quote: Quote) -> bool:
    """Whether its mid is a price: an option may have no bid, shares without one are not quoted."""
    return quote.ask >= quote.bid and quote.ask > 0 and (quote.bid > 0 or isinstance(quote.instrument, Option))


def _quantities(book: Book) -> Counter[Instrument]:
    """How much of each instrument is held in all, negative for what is sold."""
    held: Counter[Instrument] = Counter()
    for position in book.positions.values():
        for leg in position.legs:
            held[leg.instrument] += leg.quantity
    return held


def _closing_side(held: int, quote: Quote) -> Decimal:
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
    """The broker's account now, remembered for the checks of the next minute.

    An answer during which money moved is not remembered: nobody knows whether it is from before or after.
    """
    asked = desk.now()
    account = desk.broker.account()
    with desk.store.begin() as work:
        moved = work.setting(MOVED)
        if not moved or datetime.fromisoformat(moved) <= asked:
            work.set_setting(ACCOUNT, _account_text(account, asked), "desk", desk.now())
    return account


def forget_account(desk: Desk, work: UnitOfWork) -> None:
    """Money has moved: what the broker last said about buying power may not be relied on."""
    work.set_setting(ACCOUNT, "", "desk", desk.now())
    work.set_setting(MOVED, desk.now().isoformat(), "desk", desk.now())


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


def _account_text(account: Account, asked: datetime) -> str:
    numbers = (account.equity, account.cash, account.buying_power, account.options_buying_power)
    maintenance = None if account.maintenance is None else str(account.maintenance)
    return json.dumps([asked.isoformat(), account.number, *map(str, numbers), maintenance])


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """The broker's numbers, dollars, as they were a moment ago: it was asked for them at `asked`."""

    asked: datetime
    equity: Decimal
    options_buying_power: Decimal
    margin: risk.Margin


def known_account(desk: Desk, work: UnitOfWork) -> KnownAccount:
    """The account as the broker said at most a minute ago.

    Raises:
        DataUnavailable: the broker has not been heard for a minute; nothing is opened on old numbers.
    """
    last = last_account(work)
    if last is None or abs(desk.now() - last.asked) > ACCOUNT_AGE:
        raise DataUnavailable("The account's buying power is not known right now; try again in a moment.")
    return last


def last_account(work: UnitOfWork) -> KnownAccount | None:
    """The account as the broker said last, however long ago; None before it has, and since money last moved."""
    text = work.setting(ACCOUNT)
    if not text:
        return None
    at, _, equity, cash, power, options, *rest = json.loads(text)
    maintenance = Decimal(rest[0]) if rest and rest[0] is not None else None
    margin = risk.Margin(Decimal(cash), Decimal(power), maintenance)
    return KnownAccount(datetime.fromisoformat(at), Decimal(equity), Decimal(options), margin)


def money_moved(work: UnitOfWork) -> datetime | None:
    """When money last moved: what the broker had said before is not relied on since."""
    text = work.setting(MOVED)
    return datetime.fromisoformat(text) if text else None


def ensure_returns(desk: Desk, tickers: Iterable[str]) -> None:
    """Have the daily returns of these names and of everything held and worked ready; asks the market for new ones."""
    with desk.store.read() as reading:
        missing = missing_returns(desk, reading, tickers)
    ask_returns(desk, missing)


def missing_returns(desk: Desk, work: UnitOfWork, tickers: Iterable[str]) -> tuple[str, ...]:
    """Those of these names, of everything held and worked, and of the market, whose daily returns are not here yet."""
    wanted = {*tickers, *work.names_in_play()}
    return desk.returns.missing(desk.today, {*wanted, MARKET} if wanted else ())


def ask_returns(desk: Desk, missing: tuple[str, ...]) -> None:
    """Have the market's daily returns of these names ready.

    A name without bars stays unknown and is asked for again next time.
    """
    today = desk.today
    if not missing:
        return
    last = desk.sessions.previous(today)
    wanted = max(desk.limits.correlation_sessions, YEAR)
    days = desk.sessions.between(desk.sessions.previous(today, wanted + 1), last)
    for ticker in missing:
        try:
            bars = desk.market.bars(ticker, days[0], last)
        except (DataError, NotFound) as problem:
            log.debug("returns.unknown", ticker=ticker, problem=str(problem))
            continue
        returns = log_returns(bars, days)
        desk.year.keep(today, ticker, returns)
        desk.returns.keep(today, ticker, returns[-desk.limits.correlation_sessions :])


def betas(desk: Desk, tickers: Iterable[str]) -> dict[str, Beta]:
    """The betas of those of these names whose daily returns, and the market's, were asked for today. Asks nobody."""
    returns = desk.year.known(desk.today).returns
    if MARKET not in returns:
        return {}
    found = ((ticker, beta(returns[ticker], returns[MARKET])) for ticker in tickers if ticker in returns)
    return {ticker: slope for ticker, slope in found if slope is not None}


def told(desk: Desk, plan: TradePlan, state: risk.RiskState) -> TradePlan:
    """The plan with what it would do to buying power, short puts and the loss in a fall of SPY, from what is known."""
    slope = betas(desk, (plan.signal.ticker,)).get(plan.signal.ticker)
    fresh = aftermath.stressed(plan, None if slope is None else slope.value)
    return replace(fresh, after=aftermath.words(fresh, state))


def risk_state(desk: Desk, work: UnitOfWork, tickets: Iterable[Ticket]) -> risk.RiskState:
    """The account as the limits see it: open positions, working entry orders, losses of day, week and from the peak.

    `tickets`: everything being worked, as `work.open_tickets()` says.
    """
    account = known_account(desk, work)
    state = state_at(desk, work, tickets, account.equity, account.options_buying_power, account.margin)
    return as_told(work, state, account.asked)


def as_told(work: UnitOfWork, state: risk.RiskState, asked: datetime) -> risk.RiskState:
    """The state beside a buying power that the broker told when it was asked then: what it had taken off already."""
    counted = _at_broker(work, asked)
    return replace(state, reserved=tuple(replace(x, is_at_broker=x.source in counted) for x in state.reserved))


def _at_broker(work: UnitOfWork, asked: datetime) -> frozenset[str]:
    """Tickets whose order the broker had taken before it was asked for the account: its buying power is without them.

    By our own clock, from the answer to the order to the question about the account. What is not sure is not counted.
    """
    taken = (order for order in work.open_orders() if order.accepted_at is not None and order.accepted_at < asked)
    return frozenset(order.ticket_id for order in taken)


def state_at(
    desk: Desk,
    work: UnitOfWork,
    tickets: Iterable[Ticket],
    equity: Decimal,
    buying_power: Decimal,
    margin: risk.Margin | None = None,
) -> risk.RiskState:
    """As `risk_state`, at an equity of one's own."""
    book = work.book()
    working = tuple(ticket for ticket in tickets if is_entry(ticket) and ticket.approval_id)
    rule = daytrades.rule_of(desk)
    return risk.RiskState(
        equity=equity,
        buying_power=buying_power,
        held=held_exposures(book, _by_position(work, DELTAS), _by_position(work, FALLS)),
        reserved=desk.reservations.of(working, work.plans),
        day_pnl=_made(work, equity, book.totals, desk.today),
        week_pnl=_made(work, equity, book.totals, monday(desk.today)),
        drawdown=_drawdown(_peak(work, book.totals), equity - book.totals.flows),
        levels={name: strategy.risk_level for name, strategy in desk.strategies.items()},
        correlations=desk.returns.known(desk.today),
        unknown=desk.unknown,
        day_trade_rule=rule,
        day_trades=daytrades.counted(desk, work, working) if rule is DayTradeRule.PDT else risk.DayTrades(),
        margin=margin,
    )


def save_deltas(desk: Desk, work: UnitOfWork, deltas: Mapping[str, Decimal]) -> None:
    """Remember the delta dollars of one unit of each position, by its id, for the limit on one underlying."""
    _save_by_position(desk, work, DELTAS, deltas)


def save_falls(desk: Desk, work: UnitOfWork, falls: Mapping[str, Decimal]) -> None:
    """Remember the dollars one unit of each position makes when SPY falls by 5 %, by its id, for the cards."""
    _save_by_position(desk, work, FALLS, falls)


def _save_by_position(desk: Desk, work: UnitOfWork, name: str, dollars: Mapping[str, Decimal]) -> None:
    body = {id: str(each) for id, each in dollars.items()}
    work.set_setting(name, json.dumps(body, sort_keys=True), "desk", desk.now())


def _by_position(work: UnitOfWork, name: str) -> dict[str, Decimal]:
    """The last remembered ones; a position opened since has none."""
    return {id: Decimal(dollars) for id, dollars in json.loads(work.setting(name) or "{}").items()}


def _made(work: UnitOfWork, equity: Decimal, totals: Totals, first: date) -> Decimal:
    """Dollars made since the last close before `first`; since the account was opened, the first day has a limit too."""
    return made_since(work, equity, totals.flows, first) or ZERO


def _peak(work: UnitOfWork, totals: Totals) -> Decimal:
    """The highest close or the opening balance, flows taken out; since a drawdown was forgiven, what it was then."""
    text = work.setting(PEAK)
    if not text:
        return max(totals.start, work.equity_peak() or totals.start)
    at, base = json.loads(text)
    return max(Decimal(base), work.equity_peak(since=datetime.fromisoformat(at)) or ZERO)


def forgive_drawdown(desk: Desk, work: UnitOfWork, equity: Decimal, by: str) -> None:
    """From now on the drawdown is measured from `equity`, and from what is higher later."""
    base = equity - work.totals().flows
    work.set_setting(PEAK, json.dumps([desk.now().isoformat(), str(base)]), by, desk.now())


def _drawdown(highest: Decimal, now: Decimal) -> Decimal:
    """Fall from the peak as a fraction of it."""
    peak = max(now, highest)
    return (peak - now) / peak if peak > 0 else ZERO
