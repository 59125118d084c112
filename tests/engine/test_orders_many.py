"""Many open orders at once: a broker answers so many questions a minute, and fills are booked all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from sqlalchemy import event

from engine import approvals, orders, standing
from engine.errors import BrokerUnavailable
from engine.model.orders import Fill, Order, OrderStatus, TicketStatus
from tests import make
from tests.desk import FakeBroker, World, make_world, propose, quote_all

SOME = 6


@dataclass
class AskedBroker(FakeBroker):
    """Counts what it is asked; `hidden` orders are missing from its list, as if they ended while it was read."""

    asked: Counter[str] = field(default_factory=Counter)
    hidden: set[str] = field(default_factory=set)
    fails: set[str] = field(default_factory=set)

    def find(self, order: Order) -> Order | None:
        self.asked["find"] += 1
        if order.client_order_id in self.fails:
            raise BrokerUnavailable("no answer")
        return super().find(order)

    def working(self, orders: Iterable[Order]) -> Mapping[str, Order]:
        self.asked["working"] += 1
        return {id: known for id, known in super().working(orders).items() if id not in self.hidden}

    def fills(self, since: datetime) -> tuple[Fill, ...]:
        self.asked["fills"] += 1
        return super().fills(since)


def desk_with_orders() -> tuple[World, AskedBroker, list[str]]:
    """A desk with so many working orders of one unit each."""
    world = make_world()
    broker = AskedBroker(world.clock, cash=make.D(10_000_000))
    made = replace(world, desk=replace(world.desk, broker=broker), broker=broker)
    standing.refresh_account(made.desk)
    small = make.plan(quantity=1)
    for number in range(1, SOME + 1):
        propose(made, id=f"A0000{number}", plan=small)
        approvals.approve(made.desk, f"A0000{number}", 1, "ann")
    broker.asked.clear()
    return made, broker, [f"A0000{number}.1.1" for number in range(1, SOME + 1)]


def status(world: World, id: str) -> OrderStatus:
    with world.store.read() as work:
        return work.order(id).status


def test_many_orders_to_which_nothing_happened_cost_one_question_and_no_write() -> None:
    world, broker, _ = desk_with_orders()
    statements: list[str] = []
    event.listen(
        world.store._engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: statements.append(statement)
    )

    orders.reconcile(world.desk)

    assert broker.asked == {"working": 1}
    assert [statement for statement in statements if not statement.startswith("SELECT")] == []


def test_the_fills_of_many_orders_are_asked_for_once_and_all_booked() -> None:
    world, broker, ids = desk_with_orders()
    for id in ids[:3]:
        broker.fill(id)

    orders.reconcile(world.desk)

    assert broker.asked == {"working": 1, "find": 3, "fills": 1}
    with world.store.read() as work:
        assert sum(position.units for position in work.open_positions()) == 3
    assert [status(world, id) for id in ids] == [OrderStatus.FILLED] * 3 + [OrderStatus.ACCEPTED] * 3


def test_an_order_that_fills_after_the_executions_were_read_is_read_again() -> None:
    world, broker, ids = desk_with_orders()
    broker.fill(ids[0])
    late = ids[1]
    asked = broker.find

    def find(order: Order) -> Order | None:
        if order.client_order_id == late and broker.sent[late].is_open:
            broker.fill(late)
        return asked(order)

    broker.find = find  # type: ignore[method-assign]
    broker.hidden.add(late)

    orders.reconcile(world.desk)

    assert broker.asked["fills"] == 2
    assert status(world, late) is OrderStatus.FILLED


def test_an_order_that_is_missing_from_the_list_is_asked_for_alone() -> None:
    world, broker, ids = desk_with_orders()
    broker.hidden.add(ids[2])
    broker.expire(ids[4])

    orders.reconcile(world.desk)

    assert broker.asked == {"working": 1, "find": 2}
    assert (status(world, ids[2]), status(world, ids[4])) == (OrderStatus.ACCEPTED, OrderStatus.EXPIRED)


def test_one_order_that_cannot_be_looked_up_does_not_hold_up_the_others() -> None:
    world, broker, ids = desk_with_orders()
    broker.fill(ids[0])
    broker.fill(ids[5])
    broker.fails.add(ids[0])

    with pytest.raises(BrokerUnavailable):
        orders.reconcile(world.desk)

    assert (status(world, ids[0]), status(world, ids[5])) == (OrderStatus.ACCEPTED, OrderStatus.FILLED)


def test_a_part_that_fills_between_two_looks_is_booked_once() -> None:
    world = make_world()
    broker = AskedBroker(world.clock)
    made = replace(world, desk=replace(world.desk, broker=broker), broker=broker)
    propose(made)
    propose(made, id="A00002", plan=make.plan(quantity=1))
    for id in ("A00001", "A00002"):
        approvals.approve(made.desk, id, 1, "ann")
    broker.fill("A00001.1.1", units=1)
    orders.reconcile(made.desk)
    orders.reconcile(made.desk)
    quote_all(made)
    broker.fill("A00001.1.1")
    orders.reconcile(made.desk)

    with made.store.read() as work:
        (position,) = work.open_positions()
        assert [fill.quantity for fill in work.fills()] == [-1, -1]
        assert work.ticket("A00001.1").status is TicketStatus.FILLED
    assert position.units == 2
