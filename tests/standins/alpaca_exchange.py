"""The pretended account: orders are checked by the table, matched against quotes the test sets, and booked.

An order trades as soon as its limit reaches the natural price (buy asks, sell bids), at that price. Nothing is random:
ids are counted, the clock is given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from tests.standins import alpaca_rules
from tests.standins.alpaca_book import (
    ZERO,
    LegState,
    OrderState,
    PositionState,
    Quote,
    contract,
    multiplier,
    requirement,
)

NEW_YORK = ZoneInfo("America/New_York")
OPENS, CLOSES = time(9, 30), time(16)
Body = Mapping[str, Any]
Row = dict[str, Any]


class Exchange:
    """One account. Every public method takes the lock, so that a test may turn it while the server answers."""

    def __init__(self, now: Callable[[], datetime], cash: Decimal = Decimal(100_000)) -> None:
        self.now = now
        self.cash = cash
        self.number = "PA3STANDIN01"
        self.options_level = 3
        self.configuration: Row = {
            "max_margin_multiplier": "4",
            "max_options_trading_level": 3,
            "no_shorting": False,
            "suspend_trade": False,
            "fractional_trading": True,
            "trade_confirm_email": "none",
            "disable_overnight_trading": False,
        }
        self.unlisted: set[str] = set()
        self.orders: list[OrderState] = []
        self.positions: dict[str, PositionState] = {}
        self.activities: list[Row] = []
        self.quotes: dict[str, Quote] = {}
        self.lock = threading.RLock()
        self.matching = True
        """False: nothing trades until `fill` says so."""
        self.fills_at_limit = False
        """True: the worst that can happen, every fill at the limit instead of the natural price."""
        self.fills_on_cancel = False
        """True: what a cancel is asked for fills while it is on its way."""
        self.slow_cancels = False
        """True: a cancel leaves `pending_cancel` until `finish_cancels`."""
        self.option_stops = True
        """Whether stops on single options are taken, as documented since August 2026."""
        self.option_gtc = True
        """Whether orders on options may be good till canceled, as documented since August 2026."""
        self.listeners: list[Callable[[str, OrderState, Row | None], None]] = []
        """Told of every change of an order: its event, the order, the execution where there was one."""
        self.classes: dict[str, str] = {}
        """Asset class of symbols that are neither shares nor options: `crypto`."""
        self._count = 0

    def new_id(self) -> str:
        """The next id, the same in every run."""
        self._count += 1
        return str(uuid5(NAMESPACE_URL, f"standin:{self._count}"))

    @property
    def today(self) -> date:
        return self.now().astimezone(NEW_YORK).date()

    @property
    def is_open(self) -> bool:
        """Weekdays 9:30 to 16:00 in New York; this exchange has no holidays."""
        here = self.now().astimezone(NEW_YORK)
        return here.weekday() < 5 and OPENS <= here.time() < CLOSES

    # what a test turns

    def quote(
        self, symbol: str, bid: Decimal | str, ask: Decimal | str, size: int | None = None, ask_size: int | None = None
    ) -> None:
        """Set bid and ask (and how many units are offered on each side) and match."""
        with self.lock:
            self.quotes[symbol] = Quote(Decimal(bid), Decimal(ask), size, size if ask_size is None else ask_size)
            self.match()

    def hold(self, symbol: str, quantity: int, average: Decimal | str) -> None:
        """Give the account a position as if it had been there before."""
        with self.lock:
            self.positions[symbol] = PositionState(quantity, Decimal(average))

    def fill(self, client_order_id: str, units: int) -> None:
        """Execute `units` of an open order now, at the natural price."""
        with self.lock:
            order = self._named(client_order_id)
            self._execute(order, units, self._prices(order))

    def bust(self, client_order_id: str) -> None:
        """The venue takes back the latest execution of an order."""
        with self.lock:
            order = self._named(client_order_id)
            row = next(
                row for row in reversed(self.activities) if row.get("order_id") in {leg.id for leg in order.legs}
            )
            quantity = int(row["qty"]) * (1 if row["side"] == "buy" else -1)
            self._book(row["symbol"], -quantity, Decimal(row["price"]))
            self.activities.append({**row, "id": self.activity_id(self.now()), "type": "trade_bust"})

    def finish_cancels(self) -> None:
        """Let every pending cancel end."""
        with self.lock:
            for order in self.orders:
                if order.status == "pending_cancel":
                    self._end(order, "canceled")

    def close_day(self) -> None:
        """Expire what is good for the day."""
        with self.lock:
            for order in self.orders:
                if order.is_open and order.tif == "day":
                    self._end(order, "expired")

    def reject(self, client_order_id: str) -> None:
        """The venue turns down an accepted order."""
        with self.lock:
            order = self._named(client_order_id)
            order.end("failed", self.now())
            order.status = "rejected"
            self._tell("rejected", order)

    def _end(self, order: OrderState, status: str) -> None:
        order.end(status, self.now())
        self._tell(status, order)

    def _tell(self, event: str, order: OrderState, execution: Row | None = None) -> None:
        for listener in self.listeners:
            listener(event, order, execution)

    def _named(self, client_order_id: str) -> OrderState:
        order = self.by_client_id(client_order_id)
        if order is None:
            raise KeyError(client_order_id)
        return order

    # orders

    def place(self, body: Body) -> OrderState:
        """A new order in the state of its first answer; it has not met the quotes yet.

        Raises:
            Refusal: a row of the table applies.
        """
        with self.lock:
            alpaca_rules.enforce(alpaca_rules.SUBMIT, self, body)
            order = self._order(body)
            self.orders.append(order)
            return order

    def _order(self, body: Body) -> OrderState:
        order_id = self.new_id()
        client_order_id = body.get("client_order_id") or self.new_id()
        is_package = body.get("order_class") == "mleg"
        legs = [
            LegState(
                id=self.new_id() if is_package else order_id,
                client_order_id=self.new_id() if is_package else client_order_id,
                symbol=leg["symbol"],
                side=leg.get("side") or leg["position_intent"].split("_")[0],
                ratio=leg["ratio"],
                intent=leg.get("position_intent"),
            )
            for leg in alpaca_rules.legs_of(body)
        ]
        limit = Decimal(str(body["limit_price"])) if body["type"] in ("limit", "stop_limit") else None
        return OrderState(
            order_id,
            client_order_id,
            body.get("order_class") or "simple",
            body["type"],
            body["time_in_force"],
            int(body["qty"]),
            limit,
            legs,
            self.now(),
            Decimal(str(body["stop_price"])) if body["type"] in ("stop", "stop_limit") else None,
        )

    def settle(self, order: OrderState) -> None:
        """What happens right after the answer: routed to the venue, matched."""
        with self.lock:
            if order.status == "pending_new":
                order.status = "new" if self.is_open else "accepted"
                self._tell(order.status, order)
            self.match()

    def cancel(self, order_id: str) -> None:
        """Raises Refusal when there is none or it is over."""
        with self.lock:
            order = self.order(order_id)
            if not order.is_open or order.status == "pending_cancel":
                raise alpaca_rules.not_cancelable(order.status)
            order.status = "pending_cancel"
            self._tell("pending_cancel", order)
            if self.fills_on_cancel:
                self._execute(order, order.left, self._prices(order))
            elif not self.slow_cancels:
                self._end(order, "canceled")

    def replace(self, order_id: str, body: Body) -> OrderState:
        """A new order in the place of an open one (its own page: the id changes)."""
        with self.lock:
            old = self.order(order_id)
            if old.status not in ("new", "partially_filled"):
                raise alpaca_rules.not_cancelable(old.status)
            new = OrderState(
                id=self.new_id(),
                client_order_id=body.get("client_order_id") or self.new_id(),
                order_class=old.order_class,
                type=old.type,
                tif=body.get("time_in_force", old.tif),
                quantity=int(body.get("qty", old.quantity)),
                limit=Decimal(str(body["limit_price"])) if "limit_price" in body else old.limit,
                legs=[],
                created_at=self.now(),
                stop=Decimal(str(body["stop_price"])) if "stop_price" in body else old.stop,
            )
            new.legs = [
                replace(
                    leg,
                    id=self.new_id() if old.is_package else new.id,
                    client_order_id=self.new_id(),
                    filled=0,
                    paid=ZERO,
                )
                for leg in old.legs
            ]
            new.replaces, old.replaced_by = old.id, new.id
            self._end(old, "replaced")
            self.orders.append(new)
            return new

    def by_client_id(self, client_order_id: str) -> OrderState | None:
        """The order under a client_order_id."""
        with self.lock:
            return next((order for order in self.orders if order.client_order_id == client_order_id), None)

    def order(self, order_id: str) -> OrderState:
        """Raises Refusal (404) when there is none."""
        with self.lock:
            found = next((order for order in self.orders if order.id == order_id), None)
            if found is None:
                raise alpaca_rules.no_order(order_id)
            return found

    # matching

    def match(self) -> None:
        """Trade every open order that the quotes reach, oldest first."""
        with self.lock:
            if not self.matching or not self.is_open:
                return
            for order in list(self.orders):
                if order.status in ("new", "accepted", "partially_filled"):
                    self._match(order)

    def _match(self, order: OrderState) -> None:
        if any(leg.symbol not in self.quotes for leg in order.legs):
            return
        if order.is_waiting and not self._is_through(order):
            return
        order.triggered = True
        natural = [self.quotes[leg.symbol].price(leg.side) for leg in order.legs]
        net = sum((leg.sign * leg.ratio * price for leg, price in zip(order.legs, natural, strict=True)), ZERO)
        signed = None if order.limit is None else order.limit * (1 if order.is_package else order.legs[0].sign)
        if signed is not None and net > signed:
            return
        sizes = [
            size // leg.ratio for leg in order.legs if (size := self.quotes[leg.symbol].size(leg.side)) is not None
        ]
        units = min([order.left, *sizes])
        if units:
            self._execute(order, units, self._prices(order))

    def _is_through(self, order: OrderState) -> bool:
        """Whether the middle of the quote has reached the stop price."""
        leg, mark = order.legs[0], self.mark(order.legs[0].symbol)
        stop = order.stop or ZERO
        return mark >= stop if leg.side == "buy" else mark <= stop

    def _prices(self, order: OrderState) -> list[Decimal]:
        """Natural prices of the legs; at the limit, the difference is laid on the first leg."""
        prices = [self.quotes[leg.symbol].price(leg.side) for leg in order.legs]
        if self.fills_at_limit and order.limit is not None:
            net = sum((leg.sign * leg.ratio * price for leg, price in zip(order.legs, prices, strict=True)), ZERO)
            first = order.legs[0]
            limit = order.limit if order.is_package else order.limit * first.sign
            prices[0] += (limit - net) / (first.sign * first.ratio)
        return prices

    def _execute(self, order: OrderState, units: int, prices: list[Decimal]) -> None:
        at = self.now()
        order.filled += units
        if order.left == 0 or order.status != "pending_cancel":
            order.status = "filled" if order.left == 0 else "partially_filled"
        order.stamps["filled_at"] = at
        for leg, price in zip(order.legs, prices, strict=True):
            quantity = units * leg.ratio
            leg.filled += quantity
            leg.paid += price * quantity
            self._book(leg.symbol, leg.sign * quantity, price)
            self._use(leg.symbol, leg.side, quantity)
            row = self._fill_row(order, leg, quantity, price, at)
            self.activities.append(row)
            self._tell(row["type"], order, row)

    def _book(self, symbol: str, quantity: int, price: Decimal) -> None:
        position = self.positions.setdefault(symbol, PositionState())
        position.add(quantity, price)
        self.cash -= price * quantity * multiplier(symbol)
        if not position.quantity:
            del self.positions[symbol]

    def _use(self, symbol: str, side: str, quantity: int) -> None:
        old = self.quotes[symbol]
        size = old.size(side)
        if size is None:
            return
        left = size - quantity
        sizes = (old.bid_size, left) if side == "buy" else (left, old.ask_size)
        self.quotes[symbol] = Quote(old.bid, old.ask, *sizes)

    def _fill_row(self, order: OrderState, leg: LegState, quantity: int, price: Decimal, at: datetime) -> Row:
        return {
            "id": self.activity_id(at),
            "activity_type": "FILL",
            "transaction_time": stamp(at),
            "type": "fill" if order.left == 0 else "partial_fill",
            "price": str(price),
            "qty": str(quantity),
            "side": leg.side,
            "symbol": leg.symbol,
            "leaves_qty": str(order.left * leg.ratio),
            "order_id": leg.id,
            "cum_qty": str(leg.filled),
            "order_status": order.status,
        }

    def activity_id(self, at: datetime) -> str:
        """`time::uuid`, as Alpaca spells it; later ones sort later."""
        return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{self.new_id()}"

    # numbers of the account

    def held(self, symbol: str) -> int:
        """Signed quantity."""
        position = self.positions.get(symbol)
        return position.quantity if position else 0

    def available(self, symbol: str) -> int:
        """What may still be closed: held less what open closing orders and short calls need."""
        held = abs(self.held(symbol))
        working = sum(
            order.left * leg.ratio
            for order in self.orders
            if order.is_open
            for leg in order.legs
            if leg.symbol == symbol and (leg.intent or "").endswith("close")
        )
        written = sum(
            -position.quantity * 100
            for name, position in self.positions.items()
            if (item := contract(name)) and item.root == symbol and item.is_call and position.quantity < 0
        )
        return max(held - working - written, 0)

    def closing_orders(self, symbol: str) -> list[str]:
        """Ids of the open orders that close `symbol`."""
        return [
            order.id
            for order in self.orders
            if order.is_open
            and any(leg.symbol == symbol and (leg.intent or "").endswith("close") for leg in order.legs)
        ]

    def open_simple(self, symbol: str) -> list[OrderState]:
        """Open single-leg orders on `symbol`."""
        return [
            order for order in self.orders if order.is_open and not order.is_package and order.legs[0].symbol == symbol
        ]

    def _exposure(self) -> dict[str, int]:
        """Signed quantities held, plus everything open orders may still add."""
        total = {symbol: position.quantity for symbol, position in self.positions.items()}
        for order in self.orders:
            if order.is_open:
                for leg in order.legs:
                    total[leg.symbol] = total.get(leg.symbol, 0) + leg.sign * leg.ratio * order.left
        return total

    def call_cover(self, root: str) -> int:
        """Shares that more short calls on `root` could still be covered with (long calls count 100 each)."""
        exposure = {symbol: quantity for symbol, quantity in self._exposure().items() if quantity}
        options = {
            symbol: item for symbol in exposure if (item := contract(symbol)) and item.root == root and item.is_call
        }
        return exposure.get(root, 0) + sum(exposure[symbol] * 100 for symbol in options)

    @property
    def buying_power(self) -> Decimal:
        return 2 * self.options_buying_power

    @property
    def options_buying_power(self) -> Decimal:
        """Cash less what positions and open orders may lose at expiry and what open orders may still pay."""
        with self.lock:
            paying = sum((self._debit(order) for order in self.orders if order.is_open), ZERO)
            return self.cash - paying - requirement(self._exposure())

    def _debit(self, order: OrderState) -> Decimal:
        if order.limit is None or (not order.is_package and order.legs[0].side == "sell"):
            return ZERO
        return max(order.limit, ZERO) * order.left * multiplier(order.legs[0].symbol)

    def required(self, body: Body) -> Decimal:
        """Dollars an order request would tie up: what it pays plus what it adds to the possible loss."""
        order = self._order(body)
        price = order.limit if order.limit is not None else self.quotes[order.legs[0].symbol].ask
        pays = ZERO if not order.is_package and order.legs[0].side == "sell" else max(price, ZERO)
        before = self._exposure()
        after = dict(before)
        for leg in order.legs:
            after[leg.symbol] = after.get(leg.symbol, 0) + leg.sign * leg.ratio * order.quantity
        added = max(requirement(after) - requirement(before), ZERO)
        return pays * order.quantity * multiplier(order.legs[0].symbol) + added

    def mark(self, symbol: str) -> Decimal:
        """Mid of the quote, or the average paid where there is none."""
        quote = self.quotes.get(symbol)
        return (quote.bid + quote.ask) / 2 if quote else self.positions[symbol].average

    @property
    def equity(self) -> Decimal:
        with self.lock:
            held = self.positions.items()
            return self.cash + sum((p.quantity * self.mark(s) * multiplier(s) for s, p in held), ZERO)


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def next_morning(at: datetime) -> datetime:
    """When Alpaca books what happened on the day of `at`: 08:20 UTC on the day after."""
    return datetime.combine((at + timedelta(days=1)).date(), time(8, 20), UTC)
