"""One order between two threads: a slow answer, a late one, and what a person decides while it is under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from engine import halts, orders
from engine.desk import Mode
from engine.errors import BrokerUnavailable
from engine.model.book import Account
from engine.model.orders import Order, OrderStatus, TicketStatus
from tests.desk import FakeBroker, Fault, World, make_world, propose, tap

D = Decimal
FIRST = "A00001.1.1"


@dataclass
class SlowBroker(FakeBroker):
    """A broker during whose answers something else happens, once each."""

    before_account: list[Callable[[], object]] = field(default_factory=list)
    after_submit: list[Callable[[], object]] = field(default_factory=list)
    """The order has arrived; then this happens, and the answer is lost."""
    after_find: list[Callable[[], object]] = field(default_factory=list)

    def account(self) -> Account:
        if self.before_account:
            self.before_account.pop()()
        return super().account()

    def submit(self, order: Order) -> Order:
        answer = super().submit(order)
        if self.after_submit:
            self.after_submit.pop()()
            raise BrokerUnavailable("no answer")
        return answer

    def find(self, order: Order) -> Order | None:
        answer = super().find(order)
        if self.after_find:
            self.after_find.pop()()
        return answer


def slow(world: World) -> tuple[World, SlowBroker]:
    broker = SlowBroker(world.clock, is_paper=world.broker.is_paper, number=world.broker.number)
    return replace(world, desk=replace(world.desk, broker=broker), broker=broker), broker


def stored(world: World) -> tuple[OrderStatus, TicketStatus]:
    with world.store.read() as work:
        return work.order(FIRST).status, work.ticket("A00001.1").status


def test_a_halt_while_the_account_is_asked_for_stops_the_order_before_it_is_sent() -> None:
    world, broker = slow(make_world(mode=Mode.LIVE))
    propose(world)
    tap(world)
    world.clock.advance(5)
    broker.before_account = [lambda: halts.halt(world.desk, "ann")]

    orders.send_due(world.desk)

    assert broker.posts == []
    world.clock.advance(11)
    orders.reconcile(world.desk)
    assert stored(world) == (OrderStatus.CANCELED, TicketStatus.CLOSED)


def test_an_order_given_up_while_its_submission_hangs_is_looked_up_and_taken_off() -> None:
    """Another look finds nothing at the broker yet and drops it; the order arrives, its answer does not."""
    world, broker = slow(make_world())
    propose(world)

    def given_up() -> None:
        arrived = broker.sent.pop(FIRST)
        world.clock.advance(11)
        halts.halt(world.desk, "ann")
        orders.reconcile(world.desk)
        assert stored(world) == (OrderStatus.CANCELED, TicketStatus.CLOSED)
        broker.sent[FIRST] = arrived

    broker.after_submit = [given_up]
    tap(world)
    for _ in range(2):
        world.clock.advance(11)
        orders.reconcile(world.desk)
        orders.work(world.desk)

    assert broker.sent[FIRST].status is OrderStatus.CANCELED
    assert stored(world) == (OrderStatus.CANCELED, TicketStatus.CLOSED)


def test_a_look_that_began_before_the_answer_does_not_overwrite_it() -> None:
    """It found nothing at the broker; before it can drop the order, another thread has placed it."""
    world, broker = slow(make_world())
    propose(world)
    broker.faults = [Fault.LOST_BEFORE]
    tap(world)
    world.clock.advance(11)

    def placed() -> None:
        with world.store.read() as work:
            order = work.order(FIRST)
        orders.send(world.desk, order)
        halts.halt(world.desk, "ann")

    broker.after_find = [placed]
    orders.reconcile(world.desk)

    assert stored(world) == (OrderStatus.ACCEPTED, TicketStatus.WORKING)
    orders.work(world.desk)
    assert stored(world) == (OrderStatus.CANCELED, TicketStatus.CLOSED)
    assert broker.sent[FIRST].status is OrderStatus.CANCELED
