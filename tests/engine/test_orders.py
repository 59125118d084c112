"""From the committed order to the booked fill: lost answers, partial fills, ladders, pulls, restarts."""

from datetime import timedelta
from decimal import Decimal

import pytest

from engine import approvals, halts, orders
from engine.errors import AlreadyDecided
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.limits import ApprovalRules
from engine.model.orders import OrderStatus, Ticket, TicketStatus
from engine.model.trade import Working
from tests import make
from tests.desk import Fault, World, make_world, propose, quote_all

D = Decimal
FIRST = "A00001.1.1"


def approved(world: World, **more: object) -> None:
    propose(world, **more)
    approvals.approve(world.desk, "A00001", 1, "ann")


def ticket(world: World) -> Ticket:
    with world.store.read() as work:
        return work.ticket("A00001.1")


def position(world: World) -> Position | None:
    with world.store.read() as work:
        return work.find_position(ticket(world).position_id)


def later(world: World, seconds: float = 15) -> None:
    world.clock.advance(seconds)
    quote_all(world)


def kinds(world: World) -> list[EventKind]:
    with world.store.read() as work:
        return [event.kind for event in work.events()]


def test_a_fill_opens_the_position_with_its_exits_armed() -> None:
    world = make_world()
    approved(world)
    world.broker.fill(FIRST)

    orders.reconcile(world.desk)

    held = position(world)
    assert held is not None
    assert (held.units, held.entry, held.fees) == (2, D("-1.03"), D(2))
    assert held.exits == make.exits()
    assert (held.risk, held.collateral) == (D(914), D(8800))
    assert ticket(world).status is TicketStatus.FILLED
    with world.store.read() as work:
        assert work.book().cash == D("100204.00")


def test_booking_the_same_executions_again_changes_nothing() -> None:
    world = make_world()
    approved(world)
    world.broker.fill(FIRST)
    orders.reconcile(world.desk)
    before = position(world)

    orders.reconcile(world.desk)
    orders.resume(world.desk)

    assert position(world) == before
    with world.store.read() as work:
        assert len(work.fills()) == 1


def test_a_partial_fill_is_held_and_the_rest_goes_on() -> None:
    world = make_world()
    approved(world)
    world.broker.fill(FIRST, units=1)
    orders.reconcile(world.desk)
    held = position(world)
    assert held is not None
    assert (held.units, held.risk) == (1, D(457))

    later(world)
    orders.work(world.desk)

    assert world.broker.sent["A00001.1.2"].quantity == 1
    world.broker.fill("A00001.1.2")
    orders.reconcile(world.desk)
    done = position(world)
    assert done is not None
    assert (done.units, done.opened_units, done.risk) == (2, 2, D(914))


def test_the_ladder_walks_from_mid_to_sixty_percent_of_the_half_spread_and_stops() -> None:
    world = make_world()
    approved(world)

    for _ in range(5):
        later(world)
        orders.work(world.desk)

    limits = [order.limit for order in world.broker.sent.values()]
    assert limits == [D("-1.03"), D("-1.02"), D("-1.01"), D("-1.00")]
    assert ticket(world).status is TicketStatus.CLOSED
    assert "not filled" in ticket(world).note
    assert world.broker.open_orders() == ()


def test_the_ladder_never_passes_the_band_of_the_card() -> None:
    world = make_world()
    propose(world)
    quote_all(world, "0.95", "1.05")  # mid 1.00; 60 % of the half-spread of later would be 0.94, the band ends at 0.99
    approvals.approve(world.desk, "A00001", 1, "ann")

    for _ in range(4):
        world.clock.advance(15)
        quote_all(world, "0.90", "1.10")
        orders.work(world.desk)

    assert max(order.limit or D(0) for order in world.broker.sent.values()) == D("-0.99")


def test_a_resting_order_is_pulled_when_the_spot_moves_one_percent() -> None:
    world = make_world()
    approved(world, plan=make.plan(make.signal(working=Working.REST)))

    later(world, 600)
    orders.work(world.desk)
    assert world.broker.open_orders() == (FIRST,)
    world.clock.advance(15)
    quote_all(world, spot="48.50")
    orders.work(world.desk)

    assert world.broker.open_orders() == ()
    assert "moved 1 %" in ticket(world).note


def test_an_answer_lost_after_acceptance_is_adopted_not_sent_again() -> None:
    world = make_world()
    world.broker.faults = [Fault.LOST_AFTER]
    approved(world)

    later(world, 11)
    orders.reconcile(world.desk)

    assert world.broker.posts == [FIRST]
    with world.store.read() as work:
        assert work.order(FIRST).status is OrderStatus.ACCEPTED


def test_a_submission_lost_before_it_arrived_is_sent_under_the_same_id() -> None:
    world = make_world()
    world.broker.faults = [Fault.LOST_BEFORE]
    approved(world)

    later(world, 11)
    orders.reconcile(world.desk)

    assert world.broker.posts == [FIRST, FIRST]
    assert list(world.broker.sent) == [FIRST]


def test_a_submission_found_lost_after_the_card_expired_is_dropped() -> None:
    world = make_world()
    world.broker.faults = [Fault.LOST_BEFORE]
    approved(world)

    later(world, 301)
    orders.resume(world.desk)

    assert world.broker.posts == [FIRST]
    assert ticket(world).status is TicketStatus.CLOSED
    assert "too late" in ticket(world).note


def test_a_fill_during_cancel_is_booked_and_nothing_more_is_sent() -> None:
    world = make_world()
    approved(world)
    world.broker.faults = [Fault.FILL_ON_CANCEL]

    later(world)
    orders.work(world.desk)

    held = position(world)
    assert held is not None
    assert held.units == 2
    assert list(world.broker.sent) == [FIRST]
    assert ticket(world).status is TicketStatus.FILLED


def test_a_cancel_without_an_answer_sends_no_next_step() -> None:
    world = make_world()
    approved(world)
    world.broker.faults = [Fault.CANCEL_LOST]

    later(world)
    orders.work(world.desk)

    assert list(world.broker.sent) == [FIRST]


def test_canceling_a_ticket_takes_its_order_off_and_names_who() -> None:
    world = make_world()
    approved(world)

    ended = orders.cancel(world.desk, "A00001.1", "bob")

    assert (ended.status, ended.note) == (TicketStatus.CLOSED, "canceled by bob")
    assert world.broker.open_orders() == ()
    with pytest.raises(AlreadyDecided, match="already ended"):
        orders.cancel(world.desk, "A00001.1", "ann")


def test_an_order_in_its_undo_window_can_be_canceled_before_it_is_sent() -> None:
    world = make_world(rules=ApprovalRules(undo_paper=5))
    approved(world)
    assert world.broker.posts == []

    orders.cancel(world.desk, "A00001.1", "ann")
    later(world)
    orders.send_due(world.desk)

    assert world.broker.posts == []


def test_after_the_undo_window_the_order_is_sent_once() -> None:
    world = make_world(rules=ApprovalRules(undo_paper=5))
    approved(world)
    later(world, 5)

    orders.send_due(world.desk)
    orders.send_due(world.desk)

    assert world.broker.posts == [FIRST]


def test_halting_takes_working_entries_off() -> None:
    world = make_world()
    approved(world)

    halts.halt(world.desk, "bob")
    orders.work(world.desk)

    assert world.broker.open_orders() == ()
    assert "halted" in ticket(world).note


def test_a_day_order_that_expired_ends_its_entry() -> None:
    world = make_world()
    approved(world)
    world.broker.expire(FIRST)

    orders.reconcile(world.desk)
    orders.work(world.desk)

    assert ticket(world).note == "expired at the close"
    assert EventKind.ORDER_ENDED in kinds(world)


def test_everything_that_happened_can_be_read_as_one_story() -> None:
    world = make_world()
    approved(world)
    world.broker.fill(FIRST)
    orders.reconcile(world.desk)

    with world.store.read() as work:
        story = [event.kind for event in work.events_about("A00001")]
    assert story == [
        EventKind.CHECKED,
        EventKind.APPROVAL_CHANGED,
        EventKind.ATTEMPTED,
        EventKind.ORDER_SENT,
        EventKind.FILLED,
    ]


def test_nothing_is_reconciled_that_is_being_sent_right_now() -> None:
    world = make_world()
    world.broker.faults = [Fault.LOST_BEFORE]
    approved(world)

    world.clock.now += timedelta(seconds=5)
    orders.reconcile(world.desk)

    assert world.broker.posts == [FIRST]
