"""Orders when things go wrong: late answers, nights, refusals after acceptance, positions that end by themselves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from engine import activities, approvals, exits, halts, orders
from engine.desk import Mode
from engine.errors import BrokerUnavailable
from engine.model.events import EventKind
from engine.model.legs import ExitPlan
from engine.model.orders import ActivityKind, Order, OrderStatus, Ticket, TicketStatus
from tests import make
from tests.desk import FakeBroker, World, make_world, propose, quote_all, tap

D = Decimal
FIRST = "A00001.1.1"


def approved(world: World, **more: object) -> None:
    propose(world, **more)
    tap(world)


def ticket(world: World, id: str = "A00001.1") -> Ticket:
    with world.store.read() as work:
        return work.ticket(id)


def live_world() -> World:
    return make_world(mode=Mode.LIVE)


def test_an_order_approved_before_a_kill_is_not_sent_the_next_morning() -> None:
    world = live_world()
    approved(world)
    world.clock.advance(days=1)
    quote_all(world)

    orders.resume(world.desk)

    assert world.broker.posts == []
    assert (ticket(world).status, ticket(world).note) == (TicketStatus.CLOSED, "not sent: its time was over")


def test_a_price_that_leaves_in_the_undo_window_is_not_traded() -> None:
    world = live_world()
    approved(world)
    world.clock.advance(5)
    quote_all(world, "0.80", "0.90")

    orders.send_due(world.desk)

    assert world.broker.posts == []
    assert "moved in the undo window" in ticket(world).note


def test_an_order_whose_price_stands_is_sent_when_the_undo_window_ends() -> None:
    world = live_world()
    approved(world)
    world.clock.advance(5)
    quote_all(world)

    orders.send_due(world.desk)

    assert world.broker.posts == [FIRST]


@dataclass
class SlowBroker(FakeBroker):
    """Takes its first order only after `meanwhile` has happened: a POST under way while others act."""

    meanwhile: Callable[[], None] | None = None

    def submit(self, order: Order) -> Order:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().submit(order)


def slow(world: World, meanwhile: Callable[[], None]) -> World:
    """The world with a broker that lets `meanwhile` happen before it takes the next order."""
    broker = SlowBroker(**vars(world.broker), meanwhile=meanwhile)
    return replace(world, broker=broker, desk=replace(world.desk, broker=broker))


def test_an_order_given_up_while_it_was_being_sent_is_taken_off_again() -> None:
    world = make_world()
    propose(world)

    def given_up() -> None:
        world.clock.advance(11)
        halts.halt(world.desk, "bob")
        orders.reconcile(world.desk)

    world = slow(world, given_up)
    approvals.approve(world.desk, "A00001", 1, "ann")
    orders.work(world.desk)

    assert world.broker.open_orders() == ()
    assert ticket(world).status is TicketStatus.CLOSED


def test_a_slow_answer_does_not_undo_fills_that_were_booked_meanwhile() -> None:
    world = make_world()
    propose(world)
    seen: list[Order] = []

    def filled_first() -> None:
        with world.store.read() as work:
            order = work.order(FIRST)
        world.broker.submit(order)
        world.broker.fill(FIRST)
        world.clock.advance(11)
        orders.reconcile(world.desk)
        with world.store.read() as work:
            seen.append(work.order(FIRST))

    world = slow(world, filled_first)
    approvals.approve(world.desk, "A00001", 1, "ann")

    with world.store.read() as work:
        assert (work.order(FIRST), work.order(FIRST).status) == (seen[0], OrderStatus.FILLED)


def test_an_entry_between_two_steps_at_the_close_is_not_sent_the_next_morning() -> None:
    world = make_world()
    world.clock.set(world.desk.sessions.close(make.TODAY) - timedelta(seconds=10))
    quote_all(world)
    approved(world, expires_at=world.clock() + timedelta(minutes=5))
    world.clock.advance(15)
    orders.work(world.desk)

    world.clock.set(world.desk.sessions.open(make.TODAY + timedelta(days=1)) + timedelta(seconds=1))
    quote_all(world)
    orders.work(world.desk)

    assert world.broker.posts == [FIRST]
    assert "session ended" in ticket(world).note


def test_an_order_refused_after_acceptance_ends_its_ticket() -> None:
    world = make_world()
    approved(world)
    world.broker.sent[FIRST] = replace(world.broker.sent[FIRST], status=OrderStatus.REJECTED)

    orders.reconcile(world.desk)
    orders.work(world.desk)

    assert world.broker.posts == [FIRST]
    assert "refused by the broker" in ticket(world).note


def test_an_order_changed_on_the_brokers_page_is_not_sent_a_second_time() -> None:
    world = make_world()
    approved(world)
    known = world.broker.sent[FIRST]
    world.broker.sent[FIRST] = replace(known, status=OrderStatus.CANCELED, error="replaced outside the desk")

    orders.reconcile(world.desk)
    orders.work(world.desk)

    assert world.broker.posts == [FIRST]
    assert ticket(world).note == "replaced outside the desk"


def test_one_order_that_cannot_be_looked_up_does_not_hide_the_fills_of_the_next() -> None:
    world = make_world()
    approved(world)
    propose(world, id="A00002")
    approvals.approve(world.desk, "A00002", 1, "ann")
    world.broker.fill("A00002.1.1")
    find = world.broker.find

    def no_answer(order: Order) -> Order | None:
        if order.client_order_id == FIRST:
            raise BrokerUnavailable("Alpaca's answer has no id.")
        return find(order)

    world.broker.find = no_answer  # type: ignore[method-assign]
    world.broker.working = lambda _: {}  # type: ignore[method-assign]

    with pytest.raises(BrokerUnavailable):
        orders.reconcile(world.desk)

    assert ticket(world, "A00002.1").status is TicketStatus.FILLED


def holding(world: World, **more: object) -> str:
    """The id of the position: two short 44 puts, filled."""
    approved(world, plan=make.plan(make.signal(exits=ExitPlan(target=D("-0.52"), **more))))  # type: ignore[arg-type]
    world.broker.fill(FIRST)
    orders.reconcile(world.desk)
    return ticket(world).position_id


def test_a_put_assigned_while_it_is_being_bought_back_is_not_bought_back() -> None:
    world = make_world()
    held = holding(world)
    quote_all(world, "0.48", "0.52")
    (closing,) = exits.supervise(world.desk)
    put = make.put()
    world.broker.happened.append(make.activity(ActivityKind.ASSIGNMENT, put, -2, id="n1", at=world.clock()))
    activities.settle(world.desk)
    world.broker.expire(f"{closing.id}.1")
    orders.reconcile(world.desk)

    world.clock.advance(days=1)
    quote_all(world, "0.48", "0.52")
    orders.work(world.desk)

    assert world.broker.posts == [FIRST, f"{closing.id}.1"]
    assert not ticket(world, closing.id).is_open
    with world.store.read() as work:
        assert not work.position(held).is_open
        assert not [event for event in work.events() if event.kind is EventKind.EXIT_FAILED]


def test_an_exit_goes_on_with_what_an_assignment_has_left() -> None:
    world = make_world()
    holding(world)
    quote_all(world, "0.48", "0.52")
    (closing,) = exits.supervise(world.desk)
    put = make.put()
    world.broker.expire(f"{closing.id}.1")
    orders.reconcile(world.desk)
    world.broker.happened.append(make.activity(ActivityKind.ASSIGNMENT, put, -1, id="n1", at=world.clock()))
    activities.settle(world.desk)

    world.clock.advance(days=1)
    quote_all(world, "0.48", "0.52")
    for _ in range(3):
        orders.work(world.desk)
        exits.supervise(world.desk)

    assert [world.broker.sent[key].quantity for key in world.broker.posts[2:]] == [1]
