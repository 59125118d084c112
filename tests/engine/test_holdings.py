"""The broker and the books: what differs is told once with both sides, and no exit sells what is not there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from engine import approvals, exits, holdings, missing, orders
from engine.model.adoptions import AdoptionStatus
from engine.model.events import Event, EventKind
from engine.model.instruments import Stock
from engine.model.legs import ExitPlan, Structure
from engine.model.limits import ApprovalRules
from engine.model.orders import ActivityKind, OrderStatus, OrderType, Ticket, TicketStatus
from tests import make
from tests.custodian import Kept, kept
from tests.desk import Fault, propose, quote_all

PUT, SHARE = make.put(), make.share()


def sold(units: int | None = None) -> Kept:
    """A desk that sold two puts, of which `units` (both) are filled and booked."""
    desk = kept()
    holdings.reconcile(desk.world.desk)
    propose(desk.world)
    approvals.approve(desk.world.desk, "A00001", 1, "ann")
    desk.broker.fill("A00001.1.1", units)
    orders.reconcile(desk.world.desk)
    desk.world.clock.advance(5)
    return desk


def look(desk: Kept) -> set[str]:
    """The keys of what differs and is told."""
    return {difference.key for difference in holdings.reconcile(desk.world.desk).lasting}


def told(desk: Kept) -> tuple[Event, ...]:
    return desk.events(EventKind.POSITION_MISMATCH)


def working_exit(desk: Kept) -> Ticket:
    with desk.world.store.read() as work:
        return next(ticket for ticket in work.open_tickets() if ticket.purpose == "exit")


def test_what_agrees_is_not_told_and_costs_three_questions() -> None:
    desk = sold()
    desk.broker.asked.clear()

    assert look(desk) == set()

    assert told(desk) == ()
    assert desk.broker.asked == {"holdings": 1, "account": 1, "open orders": 1}


def test_an_execution_that_is_not_booked_yet_is_booked_instead_of_told() -> None:
    desk = kept()
    propose(desk.world)
    approvals.approve(desk.world.desk, "A00001", 1, "ann")
    desk.broker.fill("A00001.1.1")

    assert look(desk) == set()

    assert told(desk) == ()
    with desk.world.store.read() as work:
        assert [position.units for position in work.open_positions()] == [2]


def test_shares_that_came_from_nowhere_are_told_once_with_both_sides() -> None:
    desk = sold()
    desk.broker.move(SHARE, 200, 44)

    found = [look(desk) for _ in range(3)]

    assert found == [{"XYZ"}] * 3
    assert [(event.data["broker"], event.data["desk"]) for event in told(desk)] == [("+200 × XYZ", "+0 × XYZ")]


def test_a_difference_is_told_again_only_when_it_changes_and_its_end_is_told() -> None:
    desk = sold()
    for quantity in (200, 200, 150, 150, 0, 0):
        desk.broker.move(SHARE, quantity, 44)
        desk.world.clock.advance(20)
        look(desk)

    assert [event.data["broker"] for event in told(desk)] == ["+200 × XYZ", "+150 × XYZ"]
    assert len(desk.events(EventKind.RECONCILED)) == 1


def test_a_difference_on_what_an_order_works_on_has_to_be_seen_twice() -> None:
    desk = sold(units=1)
    desk.broker.move(PUT, 1)

    first = holdings.reconcile(desk.world.desk)
    desk.world.clock.advance(5)
    second = holdings.reconcile(desk.world.desk)
    desk.world.clock.advance(11)
    third = holdings.reconcile(desk.world.desk)

    assert (first.lasting, second.lasting) == ((), ())
    assert {difference.key for difference in first.waiting} == {PUT.symbol}
    assert {difference.key for difference in third.lasting} == {PUT.symbol}


def test_a_difference_in_motion_that_goes_away_is_never_told() -> None:
    desk = sold(units=1)
    for quantity in (1, 0, 1):
        desk.broker.move(PUT, quantity)
        look(desk)
        desk.world.clock.advance(10)

    assert told(desk) == ()


def test_short_stock_and_symbols_nobody_knows_are_told_and_raise_nothing() -> None:
    desk = sold()
    desk.broker.move(Stock("ZZZZ"), -50, 10)
    desk.broker.move(make.option(10, underlying="QQQQ", expiry=make.TODAY, root="QQQQ1"), 3, 1)

    assert look(desk) == {"ZZZZ", "QQQQ1260615P00010000"}


def test_cash_that_differs_is_told_once_however_its_cents_move() -> None:
    desk = sold()
    for cents in ("500.00", "500.03", "499.98", "700"):
        desk.broker.wired = Decimal(cents)
        desk.world.clock.advance(20)
        look(desk)

    assert [event.data["broker"] for event in told(desk)] == ["cash 100,704.00", "cash 100,904.00"]


def test_a_few_dollars_of_fees_are_no_difference() -> None:
    desk = sold()
    desk.broker.wired = Decimal("-4.99")

    assert look(desk) == set()


def test_an_order_that_is_not_ours_is_told_when_it_stays() -> None:
    desk = sold()
    desk.broker.strange.append("somebody-elses")

    first = look(desk)
    desk.world.clock.advance(16)

    assert (first, look(desk)) == (set(), {"somebody-elses"})
    assert told(desk)[0].data["desk"] == "no such order"


def test_an_order_that_ended_here_and_works_there_is_told_and_canceled() -> None:
    desk = sold(units=1)
    with desk.world.store.begin() as work:
        work.save_order(replace(work.order("A00001.1.1"), status=OrderStatus.CANCELED))
        work.save_ticket(replace(work.ticket("A00001.1"), status=TicketStatus.CLOSED))
    desk.world.clock.advance(5)
    look(desk)
    desk.world.clock.advance(16)

    assert look(desk) == {"A00001.1.1"}

    assert desk.broker.sent["A00001.1.1"].status is OrderStatus.CANCELED


def test_an_order_that_works_here_and_not_there_is_told_when_it_stays() -> None:
    desk = sold(units=1)
    del desk.broker.sent["A00001.1.1"]
    look(desk)
    desk.world.clock.advance(16)

    assert "A00001.1.1" in look(desk)


def closing(desk: Kept) -> Ticket:
    """The put's exit, working."""
    with desk.world.store.read() as work:
        position = work.open_positions()[0]
    exits.close(desk.world.desk, position.id, "ann")
    return working_exit(desk)


def test_an_exit_for_more_than_the_broker_holds_is_taken_off_without_a_tap() -> None:
    desk = sold()
    closing(desk)
    desk.broker.move(PUT, 1)
    look(desk)
    assert working_exit(desk).left == 2
    desk.world.clock.advance(16)

    assert PUT.symbol in look(desk)

    with desk.world.store.read() as work:
        assert [ticket for ticket in work.open_tickets() if ticket.purpose == "exit"] == []
    assert [order.quantity for order in desk.broker.sent.values() if order.is_open] == []


def test_the_next_exit_is_for_no_more_than_the_broker_holds() -> None:
    desk = sold()
    desk.broker.move(PUT, 1)
    look(desk)

    assert closing(desk).quantity == 1


@pytest.mark.parametrize("moved", [2, 5])
def test_no_exit_is_started_for_what_is_gone_or_turned_round(moved: int) -> None:
    desk = sold()
    desk.broker.move(PUT, moved)
    look(desk)

    with desk.world.store.read() as work:
        position = work.open_positions()[0]
        assert missing.units(work, position) == 0
    watched = exits.watch(desk.world.desk, position)
    assert watched is not None
    assert exits.start(desk.world.desk, watched, "stop", "stop") is None


def test_what_another_position_sells_is_not_there_twice() -> None:
    desk = sold()
    with desk.world.store.begin() as work:
        twin = replace(work.open_positions()[0], id="P90000", campaign="P90000")
        work.save_position(twin)
    desk.broker.move(PUT, 1 - 2)
    look(desk)
    exits.close(desk.world.desk, "P90000", "ann")

    with desk.world.store.read() as work:
        other = next(position for position in work.open_positions() if position.id != "P90000")
        assert missing.units(work, other) == 1


def test_what_an_exit_closed_since_the_last_look_is_not_there_once_more() -> None:
    desk = sold()
    desk.broker.move(PUT, 1)
    look(desk)
    ticket = closing(desk)
    desk.broker.fill(f"{ticket.id}.1")
    orders.reconcile(desk.world.desk)

    with desk.world.store.read() as work:
        (position,) = work.open_positions()
        assert (position.units, missing.units(work, position)) == (1, 0)


def test_a_net_is_cut_down_to_what_the_broker_holds() -> None:
    desk = kept(rules=ApprovalRules())
    with desk.world.store.begin() as work:
        shares = make.position(
            (make.leg(SHARE, 1),), (make.held(SHARE, 100, 44),), structure=Structure.SHARES, opened_units=100,
            approval_id=None, exits=ExitPlan(stop_spot=make.D(40)),
        )  # fmt: skip
        work.save_position(shares)
    desk.broker.move(SHARE, 100, 44)
    exits.supervise(desk.world.desk)
    desk.broker.move(SHARE, 60, 44)
    desk.world.clock.advance(20)
    quote_all(desk.world)
    look(desk)
    exits.supervise(desk.world.desk)

    resting = [order for order in desk.broker.sent.values() if order.is_open]

    first = next(iter(desk.broker.sent.values()))
    assert (first.type, first.quantity, first.is_open) == (OrderType.STOP, 100, False)
    assert [(order.type, order.quantity) for order in resting] == [(OrderType.STOP, 60)]


def test_exits_are_whole_again_once_the_broker_shows_everything() -> None:
    desk = sold()
    for quantity in (2, 0):
        desk.broker.move(PUT, quantity)
        desk.world.clock.advance(20)
        look(desk)

    assert closing(desk).quantity == 2


def test_an_option_that_expired_is_waited_for_and_not_told() -> None:
    desk = sold()
    close = desk.world.desk.sessions.close(PUT.expiry)
    desk.world.clock.set(close)
    desk.broker.move(PUT, 2)
    assert look(desk) == set()

    desk.world.clock.advance(days=5)

    assert look(desk) == {PUT.symbol}


def test_cash_of_an_expiry_that_is_not_reported_yet_asks_nothing_for_it_would_be_booked_twice() -> None:
    desk = sold()
    desk.world.clock.set(desk.world.desk.sessions.close(PUT.expiry))
    desk.broker.move(PUT, 2)
    desk.broker.wired = Decimal(-300)

    assert look(desk) == {"cash"}

    assert desk.events(EventKind.ADOPTION_ASKED) == ()


def test_an_assignment_that_is_not_reported_yet_is_told_and_asks_nothing() -> None:
    desk = sold()
    desk.broker.move(PUT, 2)
    desk.broker.move(SHARE, 200, 44)
    desk.broker.wired = Decimal(-8800)

    assert look(desk) == {PUT.symbol, "XYZ", "cash"}

    assert "perhaps assigned" in str(told(desk)[0].data["broker"])
    assert desk.events(EventKind.ADOPTION_ASKED) == ()
    desk.broker.happened.append(make.activity(ActivityKind.ASSIGNMENT, PUT, -2, at=desk.world.clock()))
    desk.world.clock.advance(20)
    holdings.reconcile(desk.world.desk)
    with desk.world.store.read() as work:
        assert work.adoptions(AdoptionStatus.ASKED) == ()


def test_a_broker_that_does_not_answer_changes_nothing() -> None:
    desk = sold()
    desk.broker.is_mute = True

    with pytest.raises(Exception, match="no answer"):
        holdings.reconcile(desk.world.desk)

    assert told(desk) == ()


def test_a_withdrawal_without_an_answer_is_tried_at_the_next_look() -> None:
    desk = sold()
    closing(desk)
    desk.broker.move(PUT, 1)
    look(desk)
    desk.world.clock.advance(16)
    desk.broker.faults.append(Fault.CANCEL_LOST)
    look(desk)

    assert working_exit(desk).cancel_requested
    orders.work(desk.world.desk)

    assert [order for order in desk.broker.sent.values() if order.is_open] == []
