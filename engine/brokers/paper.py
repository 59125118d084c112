"""The paper exchange: a broker in this process that fills against the market data and settles like the real one.

`advance` makes time pass for it. Prices: `paper_matching`; money: `paper_account`; expiry: `paper_settlement`.
The same orders on the same quotes give the same fills under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from threading import RLock

import structlog

from engine.brokers import paper_checks, wire
from engine.brokers.paper_account import fees, free, reserved_by_orders
from engine.brokers.paper_days import CorporateActions, PaperDays
from engine.brokers.paper_matching import Depth, Execution, execute, triggered
from engine.brokers.paper_state import Journal, PaperState
from engine.errors import BadRequest, DataError, OrderRejected, Refusal
from engine.model.book import ZERO, Account, Holding
from engine.model.instruments import Instrument, Option
from engine.model.limits import Costs
from engine.model.market import Quote
from engine.model.orders import Activity, Fill, Order, OrderStatus, OrderType
from engine.ports import Ability, Capabilities, MarketData
from engine.sessions import Sessions

log = structlog.get_logger()

OPTIONS_LEVEL = 3
ACCOUNT_NUMBER = "PAPER"
AVERAGE_UNIT = Decimal("0.000001")


class PaperBroker:
    """A `Broker` with 100 % simulated money. Safe to call from several threads."""

    def __init__(
        self,
        market: MarketData,
        now: Callable[[], datetime],
        sessions: Sessions,
        costs: Costs,
        cash: Decimal,
        journal: Journal | None = None,
        actions: CorporateActions | None = None,
    ) -> None:
        """An account opened with `cash` dollars, or the one that `journal` remembers.

        Without `actions`, official closes come from the market's daily bars and there are no dividends or splits.
        """
        self._market = market
        self._now = now
        self._sessions = sessions
        self._costs = costs
        self._lock = RLock()
        self._depth = Depth()
        self._marks: dict[Instrument, Decimal] = {}
        self._state = PaperState(cash, sessions.today(now()), _last_closed(sessions, now()), journal)
        self._days = PaperDays(self._state, sessions, market, actions)
        self._state.set_days(self._state.opened, self._state.closed)
        self._state.flush()

    @property
    def name(self) -> str:
        return "paper"

    @property
    def is_paper(self) -> bool:
        return True

    def capabilities(self) -> Capabilities:
        """Everything."""
        return Capabilities(frozenset(Ability))

    def suspend(self, suspended: bool) -> None:
        """Refuse every new order from now on, or take orders again; durable."""
        with self._lock:
            self._state.set_suspended(suspended)
            self._state.flush()

    def account(self) -> Account:
        """Equity at midpoints; a holding without a quote counts at its last one, or at cost before the first."""
        with self._lock:
            held = tuple(self._state.wallet.holdings)
        quotes = self._quotes(held)
        with self._lock:
            self._remember(quotes)
            wallet = self._state.wallet
            equity = wallet.cash + sum((self._value(holding) for holding in wallet.holdings.values()), ZERO)
            power = free(reserved_by_orders(wallet, self._state.open_orders, self._marks, self._costs))
            return Account(
                ACCOUNT_NUMBER,
                wallet.cash,
                equity,
                power,
                power,
                OPTIONS_LEVEL,
                is_paper=True,
                blocked=self._state.suspended,
            )

    def holdings(self) -> tuple[Holding, ...]:
        with self._lock:
            held = self._state.wallet.holdings.values()
            return tuple(sorted(held, key=lambda holding: holding.instrument.symbol))

    def submit(self, order: Order) -> Order:
        """The order as accepted; it is durable. It fills, at the earliest, on the first quote after this instant.

        Raises:
            OrderRejected: the order is malformed, or the account cannot carry it; nothing was placed.
        """
        with self._lock:
            known = self._state.order(order.client_order_id)
            if known is not None:
                return _same(order, known)
            wire.check(order)
            if self._state.suspended:
                raise OrderRejected("trading is suspended by the user", wire.FORBIDDEN, Refusal.SUSPENDED)
            now = self._now()
            if order.type is OrderType.MARKET:
                self._price_market(order)
            self._refuse_expired(order, now)
            paper_checks.check(order, self._state.wallet, self._state.open_orders, self._marks, self._costs)
            accepted = replace(
                order,
                status=OrderStatus.ACCEPTED,
                broker_id=self._state.next_broker_id(),
                sent_at=order.sent_at or now,
                accepted_at=now,
            )
            self._state.save_order(accepted)
            self._state.flush()
            return accepted

    def find(self, order: Order) -> Order | None:
        with self._lock:
            known = self._state.order(order.client_order_id)
            return known if known is not None and _is_same(order, known) else None

    def cancel(self, order: Order) -> None:
        """The order is canceled when this returns.

        Raises:
            OrderRejected: it is not open any more, or was never placed.
        """
        with self._lock:
            known = self._state.order(order.client_order_id)
            if known is None:
                raise OrderRejected(f"There is no order {order.client_order_id} here.", wire.NOT_FOUND, Refusal.MISSING)
            if not known.is_open:
                raise OrderRejected(
                    f"Order {order.client_order_id} is {known.status} already.", wire.UNPROCESSABLE, Refusal.OVER
                )
            self._state.save_order(replace(known, status=OrderStatus.CANCELED, done_at=self._now()))
            self._state.flush()

    def open_orders(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(order.client_order_id for order in self._state.open_orders)

    def working(self, orders: Iterable[Order]) -> Mapping[str, Order]:
        found = ((order.client_order_id, self.find(order)) for order in orders)
        return {id: known for id, known in found if known is not None and known.is_open}

    def fills(self, since: datetime) -> tuple[Fill, ...]:
        with self._lock:
            return self._state.fills_since(since)

    def activities(self, since: datetime) -> tuple[Activity, ...]:
        with self._lock:
            return self._state.activities_since(since)

    def advance(self) -> None:
        """Let what is due by now happen: fills, day orders ending, expiries, assignments, dividends, splits."""
        with self._lock:
            wanted = {leg.instrument: None for order in self._state.open_orders for leg in order.legs}
        quotes = self._quotes(wanted) if wanted and self._sessions.is_open(self._now()) else {}
        with self._lock:
            now = self._now()
            self._remember(quotes)
            for ticker in self._days.roll(now):
                self._forget(ticker)
            # What rests may be priced in shares of before a split.
            for resting in () if self._days.is_waiting else self._state.open_orders:
                order = self._trigger(resting, quotes)
                execution = execute(order, quotes, self._depth, self._costs.slippage)
                if execution is not None:
                    self._fill(order, execution, now)
            self._state.flush()

    def _trigger(self, order: Order, quotes: Mapping[Instrument, Quote]) -> Order:
        """The order, working from now on when it is a stop that the price is through; that is durable."""
        working = triggered(order, quotes)
        if working is not order:
            self._state.save_order(working)
        return working

    def assign(self, option: Option, contracts: int) -> Activity:
        """Assign `contracts` of a short option to this account, as the clearing house may on any day.

        Raises:
            BadRequest: fewer are short, or the account cannot pay for or deliver the shares.
        """
        with self._lock:
            most = self._days.assignable(option)
            if not 0 < contracts <= most:
                raise BadRequest(f"{contracts} of {option} cannot be assigned: the account can settle {most} of them.")
            activity = self._days.assign(option, contracts, self._now())
            self._state.flush()
            return activity

    def _quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        wanted = tuple(instruments)
        if not wanted:
            return {}
        try:
            return self._market.quotes(wanted)
        except DataError as error:
            log.warning("paper.no_quotes", instruments=len(wanted), error=str(error))
            return {}

    def _remember(self, quotes: Mapping[Instrument, Quote]) -> None:
        self._marks.update(
            {instrument: quote.mid for instrument, quote in quotes.items() if quote.ask >= quote.bid >= 0}
        )

    def _forget(self, ticker: str) -> None:
        """Prices from before a split say nothing about what is held after it."""
        self._marks = {held: price for held, price in self._marks.items() if held.underlying != ticker}

    def _value(self, holding: Holding) -> Decimal:
        price = self._marks.get(holding.instrument, holding.average)
        return price * holding.quantity * holding.instrument.multiplier

    def _price_market(self, order: Order) -> None:
        """Know a price for a market order, to hold money against."""
        instrument = order.legs[0].instrument
        self._remember(self._quotes([instrument]))
        if instrument not in self._marks:
            raise OrderRejected(
                f"There is no quote of {instrument} to price a market order with.", wire.UNPROCESSABLE, Refusal.TIMING
            )

    def _refuse_expired(self, order: Order, now: datetime) -> None:
        for leg in order.legs:
            if self._days.has_expired(leg.instrument, now):
                raise OrderRejected(f"{leg.instrument.symbol} has expired.", wire.UNPROCESSABLE)

    def _fill(self, order: Order, execution: Execution, now: datetime) -> None:
        number = self._state.next_execution(order)
        wallet = self._state.wallet
        for row, (leg, price) in enumerate(zip(order.legs, execution.prices, strict=True), start=1):
            quantity = leg.ratio * execution.units
            fee = self._fee(order, abs(quantity), number)
            execution_id = f"{order.client_order_id}/{number}.{row}"
            fill = Fill(execution_id, order.client_order_id, leg.instrument, quantity, price, now, fee)
            wallet = wallet.traded(leg.instrument, quantity, price, fee)
            self._state.add_fill(fill)
        self._state.set_wallet(wallet)
        filled = order.filled + execution.units
        paid = (order.average or ZERO) * order.filled + execution.net(order) * execution.units
        done = filled == order.quantity
        self._state.save_order(
            replace(
                order,
                status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
                filled=filled,
                average=_trimmed(paid / filled),
                done_at=now if done else None,
            )
        )

    def _fee(self, order: Order, quantity: int, execution: int) -> Decimal:
        """Options pay for each contract, a stock order once, with its first execution."""
        if isinstance(order.legs[0].instrument, Option):
            return self._costs.option_commission * quantity
        return fees(order, quantity, self._costs) if execution == 1 else ZERO


def _is_same(order: Order, known: Order) -> bool:
    return (order.legs, order.quantity) == (known.legs, known.quantity)


def _same(order: Order, known: Order) -> Order:
    if not _is_same(order, known):
        raise OrderRejected(
            f"Order id {order.client_order_id} was used before for another order on this account.",
            wire.BAD_INPUT,
            Refusal.DUPLICATE,
        )
    return known


def _last_closed(sessions: Sessions, now: datetime) -> date:
    today = sessions.today(now)
    if sessions.is_session(today) and now >= sessions.close(today):
        return today
    return sessions.previous(today)


def _trimmed(average: Decimal) -> Decimal:
    return average.quantize(AVERAGE_UNIT).normalize() + ZERO
