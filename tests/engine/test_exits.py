"""Exits run by themselves: stops on valid quotes only, targets, time, and never two closing orders."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from engine import approvals, exits, orders
from engine.errors import AlreadyDecided, NotAllowed
from engine.model.events import EventKind
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Purpose, Ticket, TicketStatus
from engine.model.trade import Exit, Found, Needs, RiskLevel, Signal, Strategy
from tests import make
from tests.desk import World, make_world, propose

D = Decimal
CALL = make.call(80, dte=14)


def long_call(**more: object) -> Signal:
    """EXAMPLES 8 and 12: four 80 calls bought at 2.25, target 2.8125, stop 1.5750."""
    plan = ExitPlan(target=D("2.8125"), stop=D("1.5750"), words=("…",))
    defaults: dict[str, object] = {
        "strategy": "swing",
        "structure": Structure.LONG_CALL,
        "legs": (Leg(CALL, 1),),
        "limit": D("2.25"),
        "natural": D("2.30"),
        "spot": D(80),
        "exits": plan,
        "outlook": make.outlook(max_loss=D(225), max_gain=None, collateral=D(0)),
    }
    return make.signal(**(defaults | more))


def holding(signal: Signal | None = None, units: int = 4) -> World:
    """A world that holds the position of EXAMPLES 12, opened at 10:00."""
    world = make_world()
    quote(world, "2.20", "2.30", spot=80)
    propose(world, plan=make.plan(signal or long_call(), units, counted_risk=D(900)))
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1")
    orders.reconcile(world.desk)
    return world


def quote(world: World, bid: str, ask: str, spot: make.Money = 80) -> None:
    world.market.set_quote(CALL, bid, ask)
    world.market.set_quote(make.share(), D(str(spot)) - D("0.01"), D(str(spot)) + D("0.01"))


def look(world: World, bid: str, ask: str, seconds: float = 10, spot: make.Money = 80) -> tuple[Ticket, ...]:
    world.clock.advance(seconds)
    quote(world, bid, ask, spot)
    return exits.supervise(world.desk)


def test_the_stop_of_the_worked_example_fires_at_fifty_seconds_and_not_on_the_wide_quote() -> None:
    world = holding()
    rows = [("1.75", "1.85"), ("1.20", "1.90"), ("1.50", "1.60"), ("1.56", "1.66"), ("1.50", "1.60"), ("1.47", "1.57")]

    fired = [bool(look(world, bid, ask)) for bid, ask in rows]

    assert fired == [False, False, False, False, False, True]


def test_the_exit_ladder_of_the_worked_example() -> None:
    world = holding()
    look(world, "1.50", "1.60")
    look(world, "1.47", "1.57")

    for _ in range(4):
        world.clock.advance(15)
        quote(world, "1.47", "1.57")
        orders.work(world.desk)

    sold = [order.limit for key, order in world.broker.sent.items() if key.startswith("P")]
    assert sold == [D("-1.52"), D("-1.50"), D("-1.49"), D("-1.47"), D("-1.40")]
    with world.store.read() as work:
        urgent = [event for event in work.events() if event.kind is EventKind.EXIT_FAILED]
    assert len(urgent) == 1


def test_a_target_is_taken_at_the_mid() -> None:
    world = holding()

    (ticket,) = look(world, "2.80", "2.90")

    assert (ticket.reason, ticket.limit, ticket.quantity) == ("target", D("-2.85"), 4)


def test_a_value_below_the_target_is_left_alone() -> None:
    world = holding()

    assert look(world, "2.75", "2.85") == ()


def test_while_an_exit_is_working_no_second_one_is_started() -> None:
    world = holding()
    look(world, "2.80", "2.90")

    assert look(world, "2.80", "2.90") == ()
    with world.store.read() as work:
        assert len([t for t in work.open_tickets() if t.purpose is Purpose.EXIT]) == 1


def test_a_filled_exit_closes_the_position_and_realises_its_profit() -> None:
    world = holding()
    (ticket,) = look(world, "2.80", "2.90")
    world.broker.fill(f"{ticket.id}.1")

    orders.reconcile(world.desk)

    with world.store.read() as work:
        closed = work.position(ticket.position_id)
        assert not closed.is_open
        assert (closed.realised, closed.fees, closed.close_reason) == (D("240.00"), D(8), "target")
        assert work.book().cash == D("100232.00")
        assert [trade.pnl for trade in work.trades()] == [D("240.00")]


def test_a_time_exit_waits_for_five_minutes_after_the_open() -> None:
    world = holding(long_call(exits=ExitPlan(stop=D("0.1"), close_on=make.TODAY + timedelta(days=1))))
    world.clock.set(make.NOW + timedelta(days=1, minutes=-28))
    assert look(world, "2.20", "2.30", 0) == ()

    (ticket,) = look(world, "2.20", "2.30", 240)

    assert ticket.reason == "time"


def test_a_spot_stop_needs_two_looks_too() -> None:
    world = holding(long_call(exits=ExitPlan(stop_spot=D(75))))

    assert look(world, "2.20", "2.30", spot=74) == ()
    (ticket,) = look(world, "2.20", "2.30", spot=74)
    assert ticket.reason == "stop"


def test_a_stop_does_not_listen_to_an_old_quote() -> None:
    world = holding()
    quote(world, "1.40", "1.50")

    for _ in range(3):
        world.clock.advance(11)
        assert exits.supervise(world.desk) == ()


def test_a_person_can_close_and_cannot_close_twice() -> None:
    world = holding()
    with world.store.read() as work:
        (position,) = work.open_positions()
    quote(world, "2.20", "2.30")

    ticket = exits.close(world.desk, position.id, "ann")

    assert (ticket.reason, ticket.limit) == ("manual", D("-2.25"))
    with pytest.raises(AlreadyDecided, match="already has a working order"):
        exits.close(world.desk, position.id, "bob")


def test_a_close_that_is_taken_back_is_no_alarm_and_leaves_the_position_watched() -> None:
    world = holding()
    with world.store.read() as work:
        (position,) = work.open_positions()
    ticket = exits.close(world.desk, position.id, "ann")

    ended = orders.cancel(world.desk, ticket.id, "ann")

    with world.store.read() as work:
        kinds = [event.kind for event in work.events_about(ticket.id)]
        assert work.position(position.id).is_open
    assert (ended.status, ended.note) == (TicketStatus.CLOSED, "canceled by ann")
    assert (EventKind.ORDER_ENDED in kinds, EventKind.EXIT_FAILED in kinds) == (True, False)


def test_closing_after_hours_is_refused_with_a_sentence() -> None:
    world = holding()
    with world.store.read() as work:
        (position,) = work.open_positions()
    world.clock.advance(hours=8)

    with pytest.raises(NotAllowed, match="market is closed"):
        exits.close(world.desk, position.id, "ann")


def test_the_exit_of_a_partly_filled_entry_first_takes_the_rest_off() -> None:
    world = make_world()
    quote(world, "2.20", "2.30")
    propose(world, plan=make.plan(long_call(), 4, counted_risk=D(900)))
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1", units=1)
    orders.reconcile(world.desk)

    (ticket,) = look(world, "2.80", "2.90")

    assert ticket.quantity == 1
    assert world.broker.open_orders() == (f"{ticket.id}.1",)


def test_a_trailing_wish_moves_the_stop_up_and_closes_nothing() -> None:
    trail = Exit("trail", "70 % of the peak", stop=D("2.00"))
    world = holding()
    strategy = Strategy(
        "swing", "Swing", RiskLevel.MEDIUM, None, Needs(), find=lambda *_: Found(), manage=lambda *_: (trail,)
    )
    world.market.set_snapshot(make.snapshot("XYZ", 80))
    world = replace(world, desk=replace(world.desk, strategies={"swing": strategy}))

    started = look(world, "2.40", "2.50")

    with world.store.read() as work:
        (position,) = work.open_positions()
    assert (started, position.exits.stop) == ((), D("2.00"))


def test_shares_at_their_stop_have_their_call_bought_back_first() -> None:
    world = make_world()
    share, written = make.share(), make.call(88, dte=14)
    shares = make.position(
        id="P00001",
        campaign="C1",
        approval_id=None,
        structure=Structure.SHARES,
        unit=(Leg(share, 1),),
        lots=(make.held(share, 100, 80),),
        exits=ExitPlan(stop_spot=D(60)),
        opened_units=100,
    )
    call = make.position(
        id="P00002",
        campaign="C1",
        approval_id=None,
        structure=Structure.COVERED_CALL,
        unit=(Leg(written, -1),),
        lots=(make.held(written, -1, 1),),
        exits=ExitPlan(stop_spot=D(1)),
        opened_units=1,
    )
    with world.store.begin() as work:
        work.save_position(shares)
        work.save_position(call)
    started = []
    for _ in range(2):
        world.clock.advance(10)
        world.market.set_quote(written, "0.10", "0.12")
        world.market.set_quote(share, "59.99", "60.00")
        started += exits.supervise(world.desk)

    assert [(ticket.position_id, ticket.limit) for ticket in started] == [("P00002", D("0.11"))]
    with pytest.raises(NotAllowed, match="close that one first"):
        exits.close(world.desk, "P00001", "ann")


def test_a_question_is_asked_once() -> None:
    wish = Exit("21 DTE", "21 days left and not a winner.", ask=True)
    world = holding()
    strategy = Strategy(
        "swing", "Swing", RiskLevel.MEDIUM, None, Needs(), find=lambda *_: Found(), manage=lambda *_: (wish,)
    )
    world.market.set_snapshot(make.snapshot("XYZ", 80))
    world = replace(world, desk=replace(world.desk, strategies={"swing": strategy}))

    for days in (0, 0, 1):
        world.clock.advance(days=days)
        look(world, "2.20", "2.30")

    with world.store.read() as work:
        asked = [event for event in work.events() if event.kind is EventKind.EXIT_OFFERED]
    assert [event.data["reason"] for event in asked] == ["21 DTE"]


def test_shares_leave_by_a_limit_a_quarter_percent_beyond_the_bid() -> None:
    world = make_world()
    share = make.share()
    shares = make.position(
        approval_id=None,
        structure=Structure.SHARES,
        unit=(Leg(share, 1),),
        lots=(make.held(share, 100, 80),),
        exits=ExitPlan(stop_spot=D(60)),
        opened_units=100,
    )
    with world.store.begin() as work:
        work.save_position(shares)
    for _ in range(2):
        world.clock.advance(10)
        world.market.set_quote(share, "59.99", "60.00")
        started = exits.supervise(world.desk)

    assert [ticket.limit for ticket in started] == [D("-59.84")]
