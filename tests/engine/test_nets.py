"""Nets at the broker: under our own stop, never in the way of anything else, back when they are gone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from engine import activities, approvals, exits, halts, nets, orders
from engine.desk import Mode
from engine.errors import NotAllowed
from engine.model.book import Position
from engine.model.events import EventKind, Severity
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import ApprovalRules
from engine.model.orders import ActivityKind, Order, OrderStatus, OrderType, Ticket, TimeInForce
from engine.model.status import TradingStatus
from engine.ports import Ability, Capabilities
from tests import make
from tests.desk import Fault, World, propose
from tests.engine.exit_cases import (
    CALL,
    SHARE,
    STOPPED,
    calls,
    held,
    holding,
    look,
    on_a_file,
    quote_shares,
    restarted,
    shares,
)

D = Decimal
NETS = ApprovalRules()
STOP = ExitPlan(stop_spot=D(60))
WRITTEN = make.call(88, dte=14)


def netted(*positions: Position, rules: ApprovalRules = NETS, **more: object) -> World:
    """A hundred shares with a stop at 60, trading at 80, after one look."""
    world = holding(*(positions or (shares(STOP),)), rules=rules, **more)
    see(world)
    return world


def see(world: World, spot: make.Money = 80, seconds: float = 10) -> tuple[Ticket, ...]:
    """One look of the exits thread: fills, exits, ladders."""
    world.clock.advance(seconds)
    quote_shares(world, spot)
    world.market.set_quote(CALL, "2.20", "2.30")
    orders.reconcile(world.desk)
    started = exits.supervise(world.desk)
    orders.work(world.desk)
    return started


def working(world: World) -> list[Order]:
    return [order for order in world.broker.sent.values() if order.is_open]


def test_a_stop_order_rests_five_percent_below_the_stop_of_shares_until_it_is_canceled() -> None:
    (net,) = working(netted())

    assert (net.client_order_id, net.type, net.tif) == ("P00002.net.1.1", OrderType.STOP, TimeInForce.GTC)
    assert (net.stop, net.limit, net.quantity, net.opening) == (D("57.00"), None, 100, False)
    assert net.legs == (Leg(SHARE, -1),)


def test_the_net_of_a_bought_option_has_a_limit_for_it_never_sells_at_market() -> None:
    (net,) = working(netted(calls()))

    assert (net.type, net.stop, net.limit) == (OrderType.STOP, D("1.15"), D("-1.00"))


def test_under_a_stop_that_is_judged_at_the_close_no_order_rests_that_could_sell_within_the_day() -> None:
    at_close = replace(STOPPED, stop_before_close=15)

    assert (working(netted(calls(at_close))), len(working(netted(calls())))) == ([], 1)


def test_where_the_broker_takes_no_stops_on_options_there_is_none() -> None:
    world = holding(calls(), rules=NETS)
    world.broker.can = Capabilities(frozenset({Ability.STOP_SHARES}))

    see(world)

    assert working(world) == []


def test_a_day_order_is_the_net_of_an_option_where_nothing_stays_longer() -> None:
    world = holding(calls(), rules=NETS)
    world.broker.can = Capabilities(frozenset({Ability.STOP_OPTIONS}))

    see(world)

    assert [order.tif for order in working(world)] == [TimeInForce.DAY]


@pytest.mark.parametrize(
    "position",
    [
        shares(ExitPlan()),
        held("P00002", make.put(), -1, "1.00", ExitPlan(stop=D("-2.00")), structure=Structure.SHORT_PUT),
        calls(ExitPlan(stop_spot=D(60))),
    ],
    ids=["no stop", "sold", "a stop on the shares under an option"],
)
def test_what_has_no_price_to_rest_at_has_no_net(position: Position) -> None:
    world = holding(position, rules=NETS)
    world.market.set_quote(make.put(), "0.98", "1.08")

    see(world)

    assert working(world) == []


def test_the_switch_turns_nets_off_and_takes_those_that_rest() -> None:
    world = netted()
    world = replace(world, desk=replace(world.desk, rules=replace(NETS, nets=False)))

    see(world)

    assert working(world) == []


def test_a_replayed_desk_has_no_nets() -> None:
    world = holding(shares(STOP), rules=NETS, mode=Mode.REPLAY)

    see(world)

    assert working(world) == []


def test_one_net_rests_however_often_the_exits_look() -> None:
    world = netted()
    for _ in range(50):
        see(world)

    assert world.broker.posts == ["P00002.net.1.1"]


def test_while_the_stop_is_breached_no_net_is_placed_for_it_would_sell_at_once() -> None:
    world = holding(shares(STOP), rules=NETS)

    see(world, spot=56)

    assert working(world) == []


def test_our_own_stop_takes_the_net_off_first_and_then_sells() -> None:
    world = netted()
    see(world, spot=59)

    (ticket,) = see(world, spot=59)

    assert ticket.reason == "stop"
    assert world.broker.sent["P00002.net.1.1"].status is OrderStatus.CANCELED
    assert [order.client_order_id for order in working(world)] == ["P00002.stop.2.1"]


def test_no_closing_order_is_sent_while_the_broker_has_not_confirmed_that_the_net_is_gone() -> None:
    world = netted()
    see(world, spot=59)
    world.broker.faults = [Fault.CANCEL_LOST]

    assert see(world, spot=59) == ()
    assert world.broker.posts == ["P00002.net.1.1"]

    see(world, spot=59, seconds=1)
    assert [order.client_order_id for order in working(world)] == ["P00002.stop.2.1"]


def test_a_net_that_stays_in_the_way_is_an_alarm_and_no_storm() -> None:
    world = netted()
    see(world, spot=59)
    world.broker.faults = [Fault.CANCEL_LOST] * 1000
    for _ in range(9):
        see(world, spot=59, seconds=1)
    assert world.events(EventKind.EXIT_FAILED) == []
    for _ in range(30):
        see(world, spot=59, seconds=1)

    alarms = world.events(EventKind.EXIT_FAILED)
    assert "not confirmed" in str(alarms[0].data["note"])
    assert [event.severity for event in alarms] == [Severity.URGENT] * len(alarms)
    assert len(alarms) <= 3


def test_a_net_that_fills_while_it_is_canceled_has_closed_the_position() -> None:
    world = netted()
    see(world, spot=59)
    world.broker.faults = [Fault.FILL_ON_CANCEL]

    see(world, spot=59)
    see(world, spot=59)

    with world.store.read() as work:
        closed = work.position("P00002")
    assert (closed.is_open, closed.close_reason) == (False, "net")
    assert world.broker.posts == ["P00002.net.1.1"]


def test_a_net_that_filled_while_the_desk_was_down_is_booked_as_an_exit_by_the_net(tmp_path: Path) -> None:
    world = on_a_file(tmp_path, shares(STOP), rules=NETS)
    see(world)
    world.broker.fill("P00002.net.1.1", price=D("56.50"))

    world = restarted(world, tmp_path)
    orders.resume(world.desk)

    with world.store.read() as work:
        closed = work.position("P00002")
        assert (closed.is_open, closed.close_reason, closed.realised) == (False, "net", D("-3850.00"))
        (trade,) = work.trades()
        assert (trade.reason, trade.pnl) == ("net", D("-3850.00"))
    assert world.broker.posts == ["P00002.net.1.1"]


def test_a_net_that_filled_in_part_leaves_the_rest_watched_and_netted_again() -> None:
    world = netted()
    world.broker.fill("P00002.net.1.1", units=40, price=D("56.50"))
    world.broker.expire("P00002.net.1.1")

    for _ in range(3):
        see(world)

    (net,) = working(world)
    assert (net.client_order_id, net.quantity) == ("P00002.net.2.1", 60)


def test_an_expired_or_canceled_net_is_placed_again_and_nobody_is_alarmed() -> None:
    world = netted()
    world.broker.expire("P00002.net.1.1")

    for _ in range(3):
        see(world, seconds=15)

    assert [order.client_order_id for order in working(world)] == ["P00002.net.2.1"]
    assert world.events(EventKind.EXIT_FAILED) == []


def test_a_net_the_broker_does_not_know_any_more_is_placed_again() -> None:
    world = netted()
    del world.broker.sent["P00002.net.1.1"]

    for _ in range(3):
        see(world, seconds=15)

    assert [order.client_order_id for order in working(world)] == ["P00002.net.2.1"]


def test_an_answer_lost_after_the_net_was_accepted_places_no_second_one() -> None:
    world = holding(shares(STOP), rules=NETS)
    world.broker.faults = [Fault.LOST_AFTER]

    for _ in range(5):
        see(world, seconds=15)

    assert [order.client_order_id for order in working(world)] == ["P00002.net.1.1"]


def test_a_refused_net_is_told_once_each_time_and_our_own_stop_goes_on() -> None:
    world = holding(shares(STOP), rules=NETS)
    world.broker.faults = [Fault.REFUSE] * 2
    for _ in range(8):
        see(world, seconds=1)

    (alarm,) = world.events(EventKind.EXIT_FAILED)
    assert (alarm.severity, alarm.data["trouble"]) == (Severity.URGENT, "net")
    see(world, spot=59)
    assert [ticket.reason for ticket in see(world, spot=59)] == ["stop"]


def test_a_net_that_is_taken_at_last_ends_its_alarm() -> None:
    world = holding(shares(STOP), rules=NETS)
    world.broker.faults = [Fault.REFUSE] * 2
    for _ in range(10):
        see(world)

    assert [event.data["count"] for event in world.events(EventKind.EXIT_FAILED)] == [1, 2]
    assert len(world.events(EventKind.EXIT_RECOVERED)) == 1
    assert len(working(world)) == 1


def test_refused_nets_do_not_make_our_own_exit_wait() -> None:
    world = holding(shares(STOP), rules=NETS)
    see(world, spot=59)
    world.broker.faults = [Fault.REFUSE]
    see(world, spot=61, seconds=1)
    see(world, spot=59, seconds=10)

    assert [ticket.reason for ticket in see(world, spot=59, seconds=10)] == ["stop"]


def test_after_a_close_of_part_the_net_holds_what_is_left() -> None:
    world = netted()
    ticket = exits.close(world.desk, "P00002", "ann", 40)
    assert [order.quantity for order in working(world)] == [40]
    world.broker.fill(f"{ticket.id}.1")

    for _ in range(8):
        see(world)

    assert [(order.quantity, order.type) for order in working(world)] == [(60, OrderType.STOP)]


def test_after_a_split_the_net_follows_the_new_shares() -> None:
    world = netted()
    world.broker.happened.append(make.activity(ActivityKind.SPLIT, SHARE, 0, at=world.clock(), ratio=2))
    activities.settle(world.desk)

    for _ in range(4):
        see(world, spot=40)

    assert [(order.quantity, order.stop) for order in working(world)] == [(200, D("28.50"))]


def test_a_stop_that_trails_up_takes_its_net_along_but_not_for_a_trifle() -> None:
    world = netted(calls(ExitPlan(stop=D("1.60"))))
    for stop in ("1.62", "2.10"):
        with world.store.begin() as work:
            position = work.position("P00001")
            work.save_position(replace(position, exits=ExitPlan(stop=D(stop))))
        for _ in range(3):
            see(world)

    assert [order.stop for order in world.broker.sent.values()] == [D("1.20"), D("1.55")]


def written(quantity: int = -1) -> Position:
    return held("P00003", WRITTEN, quantity, 1, ExitPlan(), structure=Structure.COVERED_CALL, campaign="P00002")


def test_shares_under_a_written_call_have_no_net_and_those_beyond_it_do() -> None:
    world = holding(shares(STOP, 250), written(-2), rules=NETS)
    world.market.set_quote(WRITTEN, "1.00", "1.10")

    see(world)

    assert [order.quantity for order in working(world)] == [50]


def card_of_a_call(world: World) -> None:
    signal = make.signal(
        structure=Structure.COVERED_CALL,
        legs=(Leg(WRITTEN, -1),),
        covers="P00002",
        spot=D(80),
        limit=D("-1.05"),
        natural=D("-1.00"),
        outlook=make.outlook(max_loss=D(0), collateral=D(0)),
    )
    world.market.set_quote(WRITTEN, "1.00", "1.10")
    quote_shares(world, 80)
    propose(world, plan=make.plan(signal, 1, counted_risk=D(0)))


def test_the_net_makes_way_before_a_call_is_written_on_its_shares_and_stays_away() -> None:
    world = netted()
    card_of_a_call(world)

    approvals.approve(world.desk, "A00001", 1, "ann")

    assert world.broker.sent["P00002.net.1.1"].status is OrderStatus.CANCELED
    assert [order.client_order_id for order in working(world)] == ["A00001.1.1"]
    world.broker.fill("A00001.1.1")
    for _ in range(12):
        world.market.set_quote(WRITTEN, "1.00", "1.10")
        see(world)
    assert working(world) == []


def test_a_call_that_may_not_be_written_now_leaves_the_net_where_it_is() -> None:
    world = netted()
    card_of_a_call(world)
    world.market.set_status(TradingStatus("XYZ", is_halted=True))

    with pytest.raises(NotAllowed, match="XYZ is halted"):
        approvals.approve(world.desk, "A00001", 1, "ann")

    assert [order.client_order_id for order in working(world)] == ["P00002.net.1.1"]


def test_a_call_is_not_written_while_the_net_is_not_confirmed_as_gone_and_the_card_stays() -> None:
    world = netted()
    card_of_a_call(world)
    world.broker.faults = [Fault.CANCEL_LOST]

    with pytest.raises(NotAllowed, match="being taken off"):
        approvals.approve(world.desk, "A00001", 1, "ann")

    assert world.broker.posts == ["P00002.net.1.1"]
    with world.store.read() as work:
        assert work.approval("A00001").is_pending


def test_when_the_call_was_not_written_after_all_the_net_comes_back() -> None:
    world = netted()
    card_of_a_call(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    orders.cancel(world.desk, "A00001.1", "ann")

    for _ in range(8):
        see(world)

    assert [order.client_order_id for order in working(world)] == ["P00002.net.2.1"]


def test_a_person_may_close_shares_that_their_net_holds() -> None:
    world = netted()

    ticket = exits.close(world.desk, "P00002", "ann")

    assert [order.client_order_id for order in working(world)] == [f"{ticket.id}.1"]


def test_a_net_that_made_way_stays_away_for_a_minute_so_that_what_it_made_way_for_can_be_sent() -> None:
    world = netted()
    nets.step_aside(world.desk, "P00002", "made way")
    see(world, seconds=59)
    assert working(world) == []

    see(world, seconds=1)

    assert len(working(world)) == 1


def test_nets_rest_while_entries_are_halted() -> None:
    world = holding(shares(STOP), rules=NETS)
    halts.halt(world.desk, "ann")

    see(world)

    assert len(working(world)) == 1


def test_the_net_of_a_position_closed_by_an_assignment_is_taken_off() -> None:
    world = netted()
    with world.store.begin() as work:
        work.save_position(replace(work.position("P00002"), legs=()))

    see(world)

    assert working(world) == []


def test_the_net_of_a_trade_has_the_audit_of_any_order() -> None:
    world = netted()

    (sent,) = world.events(EventKind.ORDER_SENT)

    assert sent.data["client_order_id"] == "P00002.net.1.1"


def test_resting_nets_are_looked_up_every_fifteen_seconds_and_not_at_every_look() -> None:
    world = netted()
    asked: list[str] = []
    find = world.broker.find

    def counted(order: Order) -> Order | None:
        asked.append(order.client_order_id)
        return find(order)

    world.broker.find = counted  # type: ignore[method-assign]
    for _ in range(60):
        see(world, seconds=1)

    assert len(asked) == 4


def test_exits_are_started_before_nets_are_placed() -> None:
    world = holding(calls(), shares(STOP), rules=NETS)

    look(world, "2.80", "2.90")

    assert world.broker.posts == ["P00001.target.1.1", "P00002.net.1.1"]


def test_while_the_broker_owes_the_answer_about_one_net_no_other_is_placed() -> None:
    world = holding(shares(STOP, id="P00001"), shares(STOP, id="P00002"), rules=NETS)
    world.broker.faults = [Fault.LOST_BEFORE]
    for _ in range(5):
        see(world, seconds=1)
    assert world.broker.posts == ["P00001.net.1.1"]

    for _ in range(3):
        see(world)

    assert {order.client_order_id for order in working(world)} == {"P00001.net.1.1", "P00002.net.1.1"}


def test_nets_of_several_positions_are_placed_one_at_a_look() -> None:
    world = netted(shares(STOP), calls())
    assert len(working(world)) == 1

    see(world)

    assert {order.legs[0].instrument for order in working(world)} == {SHARE, CALL}
