"""A desk to test use cases on: a real store, a market and a clock set by hand, and a broker that can misbehave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from engine import approvals, portfolio, promotions, standing
from engine.approvals import Decision, Outcome
from engine.desk import Desk, Mode
from engine.errors import BrokerUnavailable, OrderRejected
from engine.model.book import Account, Holding
from engine.model.events import Event, EventKind
from engine.model.limits import ApprovalRules
from engine.model.orders import DONE, Activity, Fill, Order, OrderStatus
from engine.model.records import EquityDay
from engine.model.trade import Approval, Strategy
from engine.ports import Ability, Capabilities
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.fakes import FakeClock, FakeMarket, ids

LIVE = "123456789"
"""The number of the live account of `make_world(mode=Mode.LIVE)`."""


class Fault(StrEnum):
    """What the broker does with the next submission or cancellation."""

    REFUSE = "refuse"
    LOST_BEFORE = "lost before it arrived"
    LOST_AFTER = "accepted, the answer lost"
    CANCEL_LOST = "cancel asked, no answer"
    FILL_ON_CANCEL = "fills while it is being canceled"


@dataclass
class FakeBroker:
    """A `Broker` that keeps what it was sent; fills, refusals and lost answers are ordered by the test."""

    clock: FakeClock
    cash: Decimal = Decimal(100_000)
    power: Decimal | None = None
    """Its options buying power, open orders taken off; the cash where it is None."""
    name: str = "fake"
    is_paper: bool = True
    number: str = "PA-TEST"
    is_mute: bool = False
    """Whether it gives no answer when asked for the account."""
    faults: list[Fault] = field(default_factory=list)
    sent: dict[str, Order] = field(default_factory=dict)
    refusals: list[OrderRejected] = field(default_factory=list)
    """What the next submissions are refused with."""
    posts: list[str] = field(default_factory=list)
    executions: list[Fill] = field(default_factory=list)
    happened: list[Activity] = field(default_factory=list)
    can: Capabilities = field(default_factory=lambda: Capabilities(frozenset(Ability)))
    suspended: bool = False
    account_looks: int = 0
    """How often it was asked for the account."""

    def capabilities(self) -> Capabilities:
        return self.can

    def suspend(self, suspended: bool) -> None:
        self.suspended = suspended

    def account(self) -> Account:
        self.account_looks += 1
        if self.is_mute:
            raise BrokerUnavailable("no answer about the account")
        return make.account(
            number=self.number,
            is_paper=self.is_paper,
            cash=self.cash,
            equity=self.cash,
            buying_power=self.cash,
            options_buying_power=self.cash if self.power is None else self.power,
        )

    def holdings(self) -> tuple[Holding, ...]:
        return ()

    def submit(self, order: Order) -> Order:
        self.posts.append(order.client_order_id)
        if self.refusals:
            raise self.refusals.pop(0)
        fault = self._next(Fault.REFUSE, Fault.LOST_BEFORE, Fault.LOST_AFTER)
        if fault is Fault.REFUSE:
            raise OrderRejected("insufficient options buying power", 40310000)
        if fault is Fault.LOST_BEFORE:
            raise BrokerUnavailable("no answer")
        known = self.sent.setdefault(
            order.client_order_id,
            replace(order, status=OrderStatus.ACCEPTED, broker_id=f"b-{len(self.sent)}", accepted_at=self.clock()),
        )
        if fault is Fault.LOST_AFTER:
            raise BrokerUnavailable("no answer")
        return known

    def _next(self, *kinds: Fault) -> Fault | None:
        if self.faults and self.faults[0] in kinds:
            return self.faults.pop(0)
        return None

    def find(self, order: Order) -> Order | None:
        return self.sent.get(order.client_order_id)

    def cancel(self, order: Order) -> None:
        known = self.sent[order.client_order_id]
        if known.status in DONE:
            raise OrderRejected("order is not cancelable", 42210000)
        fault = self._next(Fault.CANCEL_LOST, Fault.FILL_ON_CANCEL)
        if fault is Fault.CANCEL_LOST:
            raise BrokerUnavailable("no answer")
        if fault is Fault.FILL_ON_CANCEL:
            self.fill(order.client_order_id)
            return
        self.sent[order.client_order_id] = replace(known, status=OrderStatus.CANCELED)

    def open_orders(self) -> tuple[str, ...]:
        return tuple(key for key, order in self.sent.items() if order.is_open)

    def working(self, orders: Iterable[Order]) -> Mapping[str, Order]:
        known = (self.sent.get(order.client_order_id) for order in orders)
        return {order.client_order_id: order for order in known if order is not None and order.is_open}

    def fills(self, since: datetime) -> tuple[Fill, ...]:
        return tuple(fill for fill in self.executions if fill.at >= since)

    def activities(self, since: datetime) -> tuple[Activity, ...]:
        return tuple(activity for activity in self.happened if activity.at >= since)

    def fill(self, client_order_id: str, units: int | None = None, price: Decimal | None = None) -> None:
        """Execute `units` (default: the rest) of an order; single legs at `price` or their limit."""
        order = self.sent[client_order_id]
        part = units or order.quantity - order.filled
        for leg in order.legs:
            limit = price if price is not None else abs(order.limit or Decimal(0)) / len(order.legs)
            key = f"x{len(self.executions) + 1}"
            quantity = leg.ratio * part
            self.executions.append(
                Fill(key, client_order_id, leg.instrument, quantity, limit, self.clock(), Decimal(part))
            )
        filled = order.filled + part
        status = OrderStatus.FILLED if filled == order.quantity else OrderStatus.PARTIALLY_FILLED
        self.sent[client_order_id] = replace(order, filled=filled, status=status)

    def expire(self, client_order_id: str) -> None:
        self.sent[client_order_id] = replace(self.sent[client_order_id], status=OrderStatus.EXPIRED)


@dataclass
class World:
    """The desk and the handles a test turns."""

    desk: Desk
    broker: FakeBroker
    market: FakeMarket
    clock: FakeClock
    store: Store

    def events(self, *kinds: EventKind) -> list[Event]:
        """What happened of these kinds, in order."""
        with self.store.read() as work:
            return list(work.events(kinds=kinds))


def make_world(
    strategies: Mapping[str, Strategy] | None = None,
    store: Store | None = None,
    deposit: int | None = 100_000,
    **more: Any,
) -> World:
    """A paper desk on Monday 15 June 2026, 10:00 New York, XYZ at 48 and its 44 put quoted 0.98/1.08.

    No nets rest at its broker unless `rules` say so. With `mode=Mode.LIVE` its broker holds the live account that is
    pinned, and the wheel is promoted for it. Without a `deposit` its books are not opened yet.
    """
    clock = FakeClock()
    market = FakeMarket(clock)
    broker = FakeBroker(clock)
    is_live = more.get("mode") is Mode.LIVE
    if is_live:
        more = {"account": LIVE} | more
        broker = FakeBroker(clock, is_paper=False, number=LIVE)
    more = {"rules": ApprovalRules(nets=False)} | more
    kept = store or Store.memory()
    desk = Desk(
        store=kept,
        market=market,
        broker=broker,
        now=clock,
        new_id=ids(),
        sessions=Sessions(),
        strategies=strategies or {},
        **more,
    )
    if deposit:
        with kept.begin() as work:
            work.add_postings((make.deposit(deposit),))
    if is_live:
        promotions.record(desk, "wheel", LIVE, "ann")
    world = World(desk, broker, market, clock, kept)
    quote_all(world)
    standing.refresh_account(desk)
    return world


def quote_all(world: World, bid: make.Money = "0.98", ask: make.Money = "1.08", spot: make.Money = 48) -> None:
    """Fresh quotes for the 44 put and for XYZ."""
    world.market.set_quote(make.put(), bid, ask)
    middle = Decimal(str(spot))
    world.market.set_quote(make.share(), middle - Decimal("0.01"), middle + Decimal("0.01"))


def propose(world: World, **more: Any) -> Approval:
    """The default proposal (sell two 44 puts at 1.03), pending in the store."""
    approval = make.approval(created_at=world.clock(), **more)
    with world.store.begin() as work:
        work.add_approval(approval)
    return approval


def tap(world: World, id: str = "A00001", version: int = 1, by: str = "ann") -> Decision:
    """Approve, and where real money asks for it, Confirm."""
    decision = approvals.approve(world.desk, id, version, by)
    if decision.outcome is Outcome.ASKED:
        return approvals.confirm(world.desk, id, version, by)
    return decision


def close_day(desk: Desk) -> EquityDay | None:
    """Keep today's close at the prices of now, as the end of a day does; None where something held has no price."""
    _, marks = portfolio.priced(desk)
    rate = portfolio.short_rate(desk)
    with desk.store.begin() as work:
        taken = portfolio.close(desk, work, desk.today, marks, rate)
        if taken is not None:
            portfolio.keep_close(desk, work, taken, marks)
    return None if taken is None else taken.row
