"""An order's life over the broker's wire: what is in the way is cleared, late fills count, ids tell repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from engine import exits, holdings, orders
from engine.model.events import EventKind, Severity
from engine.model.instruments import Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Order, OrderStatus, OrderType, Purpose, TicketStatus, TimeInForce
from engine.model.trade import Signal
from tests import make
from tests.wire import WireWorld, wire_world

D = Decimal
FIRST = "A00001.1.1"
TARGET = ExitPlan(target=D("-0.52"))
SPREAD = (Leg(make.put(44), -1), Leg(make.put(40), 1))


@pytest.fixture
def world() -> Iterator[WireWorld]:
    with wire_world() as made:
        yield made


def hold_puts(world: WireWorld, quantity: int = 2) -> str:
    """The id of the position: short 44 puts, filled."""
    world.approve(plan=make.plan(make.signal(exits=TARGET), quantity))
    world.exchange.fill(FIRST, quantity)
    orders.reconcile(world.desk)
    return world.ticket().position_id


def start_exit(world: WireWorld) -> str:
    world.quote_all("0.48", "0.52")
    started = exits.supervise(world.desk)
    return started[0].id if started else ""


def units(world: WireWorld, position_id: str) -> int:
    with world.store.read() as work:
        return work.position(position_id).units


def hold_shares_with_a_net(world: WireWorld) -> tuple[str, Order]:
    """A hundred shares under a stop of ours at 45, and the stop order that rests at the broker below it."""
    shares = Stock("XYZ")
    world.exchange.hold("XYZ", 100, "46")
    leg = make.held(shares, 100, "46")
    position = make.position(
        (Leg(shares, 1),), (leg,), id="P00009", exits=ExitPlan(target=D(47)), structure=Structure.SHARES,
        approval_id=None,
    )  # fmt: skip
    ticket = make.ticket(
        id="P00009.net.1", purpose=Purpose.EXIT, reason="net", legs=(Leg(shares, -1),), quantity=100,
        position_id="P00009", approval_id=None,
    )  # fmt: skip
    made, order = orders.next_order(ticket, D(-45), world.clock())
    net = replace(order, limit=None, type=OrderType.STOP, stop=D(45), tif=TimeInForce.GTC)
    with world.store.begin() as work:
        work.save_position(position)
        work.add_ticket(made)
        work.add_order(net)
    orders.send(world.desk, net)
    return "P00009", net


def exit_order(world: WireWorld, position_id: str) -> Order:
    """An exit of the shares, committed as the supervisor would."""
    legs = (Leg(Stock("XYZ"), -1),)
    ticket = make.ticket(
        id=f"{position_id}.stop.2", purpose=Purpose.EXIT, reason="stop", legs=legs, quantity=100,
        position_id=position_id, approval_id=None, limit=D("-47.90"),
    )  # fmt: skip
    made, order = orders.next_order(ticket, D("-47.90"), world.clock())
    with world.store.begin() as work:
        work.add_ticket(made)
        work.add_order(order)
    return order


def test_shares_held_by_a_resting_stop_are_freed_and_sold_by_the_next_attempt(world: WireWorld) -> None:
    position, net = hold_shares_with_a_net(world)

    answered = orders.send(world.desk, exit_order(world, position))

    assert (answered.client_order_id, answered.status) == (f"{position}.stop.2.2", OrderStatus.ACCEPTED)
    assert world.open == [f"{position}.stop.2.2"]
    assert world.ticket("P00009.net.1").note == f"in the way of {position}.stop.2"
    assert world.events(EventKind.EXIT_FAILED) == []
    assert net.client_order_id in world.placed


def test_an_exit_waits_while_what_holds_its_shares_is_still_being_canceled(world: WireWorld) -> None:
    position, _ = hold_shares_with_a_net(world)
    world.exchange.slow_cancels = True
    orders.send(world.desk, exit_order(world, position))
    assert world.open == ["P00009.net.1.1"]

    world.exchange.finish_cancels()
    world.quote_all()
    world.go_on()

    assert world.open == [f"{position}.stop.2.2"]
    assert world.events(EventKind.EXIT_FAILED) == []


def test_shares_that_the_stop_sold_while_it_was_taken_off_are_not_sold_again(world: WireWorld) -> None:
    position, _ = hold_shares_with_a_net(world)
    world.exchange.fills_on_cancel = True

    orders.send(world.desk, exit_order(world, position))

    assert world.open == []
    assert world.exchange.held("XYZ") == 0
    assert not world.ticket(f"{position}.stop.2").is_open
    with world.store.read() as work:
        assert not work.position(position).is_open


def test_an_exit_that_meets_a_strangers_order_names_it_and_calls(world: WireWorld) -> None:
    hold_puts(world)
    stranger = world.exchange.place(
        {"symbol": make.put().symbol, "side": "sell", "qty": "1", "type": "limit", "time_in_force": "day",
         "limit_price": "3.00", "position_intent": "sell_to_open"}
    )  # fmt: skip

    start_exit(world)

    (alarm,) = world.events(EventKind.EXIT_FAILED)
    assert alarm.severity is Severity.URGENT
    assert stranger.id in str(alarm.data["note"])
    assert stranger.is_open


def test_an_exit_that_meets_our_own_entry_takes_it_off_first(world: WireWorld) -> None:
    position = hold_puts(world)
    world.approve("A00002", plan=make.plan(make.signal(exits=TARGET), 1))
    closing = exit_of_puts(world, position)

    answered = orders.send(world.desk, closing)

    assert answered.status is OrderStatus.ACCEPTED
    assert world.open == [f"{position}.stop.1.2"]
    assert "in the way" in world.ticket("A00002.1").note


def exit_of_puts(world: WireWorld, position_id: str) -> Order:
    ticket = make.ticket(
        id=f"{position_id}.stop.1", purpose=Purpose.EXIT, reason="stop", legs=(Leg(make.put(), 1),), quantity=2,
        position_id=position_id, approval_id=None, limit=D("0.50"),
    )  # fmt: skip
    made, order = orders.next_order(ticket, D("0.50"), world.clock())
    with world.store.begin() as work:
        work.add_ticket(made)
        work.add_order(order)
    return order


@pytest.mark.parametrize("fault", ["done-504", "done-cut", "done-slow"])
def test_an_exit_whose_answer_was_lost_is_adopted_and_sent_once(world: WireWorld, fault: str) -> None:
    hold_puts(world)
    world.standin.fail_next(fault, method="POST")
    exit_id = start_exit(world)

    world.go_on(11)

    assert world.placed == [FIRST, f"{exit_id}.1"]
    assert len(world.posted) == 2
    with world.store.read() as work:
        assert work.order(f"{exit_id}.1").status is OrderStatus.ACCEPTED


@pytest.mark.parametrize("fault", ["429", "500", "504", "html", "html-404", "html-ok", "silence", "cut"])
def test_an_exit_that_never_arrived_goes_again_under_the_same_id(world: WireWorld, fault: str) -> None:
    hold_puts(world)
    world.standin.fail_next(fault, method="POST")
    exit_id = start_exit(world)
    assert world.open == []

    world.go_on(11)

    assert [body["client_order_id"] for body in world.posted] == [FIRST, f"{exit_id}.1", f"{exit_id}.1"]
    assert world.open == [f"{exit_id}.1"]


def test_no_order_is_sent_again_while_the_broker_cannot_be_asked(world: WireWorld) -> None:
    world.standin.fail_next("504", method="POST")
    world.approve()
    world.clock.advance(11)
    world.standin.fail_next("html", times=3, method="GET")

    with pytest.raises(Exception, match="cannot answer"):
        orders.reconcile(world.desk)

    assert len(world.posted) == 1


def test_a_part_filled_while_it_was_canceled_is_booked_and_only_the_rest_goes_on(world: WireWorld) -> None:
    world.approve(plan=make.plan(make.signal(exits=TARGET), 2))
    world.exchange.slow_cancels = True
    world.quote_all()
    world.go_on()
    world.exchange.fill(FIRST, 1)
    world.exchange.finish_cancels()

    world.quote_all()
    world.go_on(1)

    assert [body["qty"] for body in world.posted] == ["2", "1"]
    assert units(world, world.ticket().position_id) == 1


def test_units_of_a_package_filled_while_it_was_canceled_are_booked_whole(world: WireWorld) -> None:
    world.quote(make.put(40), "0.40", "0.44")
    world.approve(plan=make.plan(spread(), 3))
    world.exchange.slow_cancels = True
    world.quote_all()
    world.go_on()
    world.exchange.fill(FIRST, 2)
    world.exchange.finish_cancels()

    world.quote_all()
    world.quote(make.put(40), "0.40", "0.44")
    world.go_on(1)

    assert [body["qty"] for body in world.posted] == ["3", "1"]
    assert {leg["ratio_qty"] for leg in world.posted[1]["legs"]} == {"1"}
    assert units(world, world.ticket().position_id) == 2
    assert (world.exchange.held(make.put(44).symbol), world.exchange.held(make.put(40).symbol)) == (-2, 2)


def spread() -> Signal:
    """Sell the 44 put, buy the 40 put, at 0.61."""
    unit = make.outlook(max_loss=D(339), max_gain=D(61), collateral=D(400))
    exits = ExitPlan(target=D("-0.30"))
    return make.signal(legs=SPREAD, limit=D("-0.61"), structure=Structure.CREDIT_SPREAD, outlook=unit, exits=exits)


def test_an_order_that_filled_before_its_cancel_arrived_is_filled(world: WireWorld) -> None:
    world.approve()
    world.exchange.fill(FIRST, 2)
    world.clock.advance(15)

    orders.work(world.desk)

    assert (world.cancels, world.ticket().status) == (1, TicketStatus.FILLED)
    assert world.placed == [FIRST]


def test_a_cancel_whose_answer_was_lost_is_seen_at_the_next_look_and_the_ladder_goes_on(world: WireWorld) -> None:
    world.approve()
    world.standin.fail_next("done-cut", method="DELETE")
    world.clock.advance(15)
    orders.work(world.desk)
    assert world.placed == [FIRST]

    world.quote_all()
    world.go_on(1)

    assert world.open == ["A00001.1.2"]
    assert world.cancels == 1


def test_nothing_follows_an_order_that_is_still_being_canceled(world: WireWorld) -> None:
    """The trap: 204 read as "canceled", the next step sent, both filled."""
    world.exchange.slow_cancels = True
    world.approve()
    for _ in range(4):
        world.quote_all()
        world.go_on()

    assert (world.placed, world.cancels) == ([FIRST], 1)
    world.exchange.fill(FIRST, 2)
    world.go_on()
    assert world.exchange.held(make.put().symbol) == -2


def test_a_cancel_that_never_ends_keeps_an_exit_from_going_on_and_is_one_alarm(world: WireWorld) -> None:
    hold_puts(world)
    start_exit(world)
    world.exchange.slow_cancels = True
    for _ in range(8):
        world.quote_all("0.48", "0.52")
        world.go_on()

    alarm, *reminders = world.events(EventKind.EXIT_FAILED)
    assert {again.data["alarm"] for again in reminders} == {alarm.id}
    assert "has not ended for a minute" in str(alarm.data["note"])
    assert len(world.posted) == 2


def test_an_execution_that_the_venue_takes_back_is_told_as_a_difference(world: WireWorld) -> None:
    world.standin.schemas = None
    hold_puts(world)
    assert holdings.reconcile(world.desk).agrees

    world.exchange.bust(FIRST)
    for _ in range(2):
        world.clock.advance(16)
        holdings.reconcile(world.desk)

    (told, *_) = world.events(EventKind.POSITION_MISMATCH)
    assert (told.data["broker"], told.data["desk"]) == (
        "+0 × XYZ 20 Jul 26 44 put, cash 100,000.00",
        "-2 × XYZ 20 Jul 26 44 put, cash 100,196.00",
    )
    with world.store.read() as work:
        assert len(work.fills()) == 1


def test_an_exits_order_that_the_broker_does_not_know_any_more_is_an_alarm_and_is_not_sent_again(
    world: WireWorld,
) -> None:
    hold_puts(world)
    start_exit(world)
    world.exchange.orders.pop()

    world.go_on(5)

    (alarm, *_) = world.events(EventKind.EXIT_FAILED)
    assert "does not know order" in str(alarm.data["note"])
    assert len(world.posted) == 2


def test_a_person_frees_a_position_from_an_order_that_the_broker_does_not_know_any_more(world: WireWorld) -> None:
    hold_puts(world)
    ticket_id = start_exit(world)
    world.exchange.orders.pop()
    world.go_on(5)

    ended = orders.cancel(world.desk, ticket_id, "ann")
    world.clock.advance(16)
    world.quote_all("0.48", "0.52")
    again = exits.supervise(world.desk)

    assert not ended.is_open
    assert [ticket.id for ticket in again] == [ticket_id.replace(".1", ".2")]
