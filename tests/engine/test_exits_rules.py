"""Each rule of "A stop fires", the time exits and what runs whatever may not be opened: both sides of every line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from engine import approvals, exits, halts, orders
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Option, Right, Style
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Ticket
from engine.model.status import TradingStatus
from engine.model.trade import Exit, Found, Needs, RiskLevel, Strategy
from engine.sessions import NEW_YORK
from tests import make
from tests.desk import World, make_world, propose
from tests.engine.exit_cases import (
    CALL,
    STOPPED,
    calls,
    held,
    holding,
    look,
    on_a_file,
    quote,
    quote_shares,
    restarted,
)
from tests.engine.test_exits import long_call

D = Decimal
EARLY = date(2026, 11, 27)
"""The Friday after Thanksgiving: the session closes at 13:00."""


def at(day: date, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=NEW_YORK)


# gaps, the first minutes, worthless and nearly lost positions


def test_a_gap_through_the_stop_leaves_from_the_mid_of_now_and_the_stop_stays_where_it_was() -> None:
    world = holding()
    look(world, "0.50", "0.60")

    (ticket,) = look(world, "0.50", "0.60")

    assert ticket.limit == D("-0.55")
    with world.store.read() as work:
        assert work.position("P00001").exits.stop == D("1.5750")


def test_in_the_first_five_minutes_three_valid_quotes_are_needed_and_the_model_does_not_help() -> None:
    world = holding()
    world.clock.set(at(make.TODAY, "09:30"))
    look(world, "1.75", "1.85", seconds=5)
    looks = [bool(look(world, "1.00", "1.10", spot=76)) for _ in range(3)]

    assert looks == [False, False, True]


def test_two_quotes_looked_at_again_and_again_are_not_three() -> None:
    world = holding()
    world.clock.set(at(make.TODAY, "09:30"))
    looks = [look(world, "1.00", "1.10") for _ in range(2)]
    for _ in range(8):
        world.clock.advance(1)
        looks.append(exits.supervise(world.desk))

    assert looks == [()] * 10


@pytest.mark.parametrize(("spot", "is_closed"), [("30", True), ("40.01", False)])
def test_what_is_worth_nothing_is_left_only_while_nothing_sold_in_it_can_be_assigned(
    spot: str, is_closed: bool
) -> None:
    """A calendar of 40 puts on its last day: 10.00 in the money its sold put would be assigned that night."""
    front, later = make.put(40, dte=1), make.put(40, dte=36)
    plan = ExitPlan(stop=D("0.50"), close_on=make.TODAY)
    world = holding(
        held("P00001", later, 1, "1.00", plan, structure=Structure.CALENDAR, unit=(Leg(later, 1), Leg(front, -1)),
             lots=(make.held(later, 1, "3.00"), make.held(front, -1, "2.00")))
    )  # fmt: skip
    low = max(D(40) - D(spot), D("0.30"))
    world.market.set_quote(front, low - D("0.15"), low + D("0.15"))
    world.market.set_quote(later, low - D("0.10"), low + D("0.20"))
    quote_shares(world, spot)

    exits.supervise(world.desk)

    assert (len(world.broker.posts), len(world.events(EventKind.EXIT_OFFERED))) == ((1, 0) if is_closed else (0, 1))


def test_at_five_minutes_past_the_open_two_quotes_are_enough() -> None:
    world = holding()
    world.clock.set(at(make.TODAY, "09:35"))

    assert [bool(look(world, "1.00", "1.10")) for _ in range(2)] == [False, True]


def spread(loss_taken: str, dte: int = 30) -> World:
    """A 580/575 put spread sold at 1.00 (it can lose 4.00), now costing so much that `loss_taken` of that is gone."""
    short, long = make.vertical(580, 575, dte=dte, underlying="XYZ")
    position = make.position(
        (short, long),
        (make.held(short.instrument, -1, "5.00"), make.held(long.instrument, 1, "4.00")),
        structure=Structure.CREDIT_SPREAD,
        exits=ExitPlan(stop=D("-3.00")),
        entry=D("-1.00"),
        opened_units=1,
        max_loss=D(400),
        approval_id=None,
    )
    world = holding(position)
    cost = D("1.00") + 4 * D(loss_taken)
    for _ in range(2):
        world.clock.advance(10)
        world.market.set_quote(short.instrument, D(10) + cost - D("0.05"), D(10) + cost + D("0.05"))
        world.market.set_quote(long.instrument, "9.95", "10.05")
        quote_shares(world, 570)
        exits.supervise(world.desk)
    return world


@pytest.mark.parametrize(("lost", "dte", "asks"), [("0.90", 6, True), ("0.89", 6, False), ("0.95", 5, False)])
def test_a_spread_that_has_lost_nearly_everything_with_time_left_is_asked_about(
    lost: str, dte: int, asks: bool
) -> None:
    world = spread(lost, dte)

    assert len(world.broker.posts) == (0 if asks else 1)
    assert len(world.events(EventKind.EXIT_OFFERED)) == (1 if asks else 0)


def test_the_question_about_a_nearly_lost_spread_is_asked_once_and_says_what_happens_unanswered() -> None:
    world = spread("0.95")
    for _ in range(3):
        world.clock.advance(10)
        exits.supervise(world.desk)

    (asked,) = world.events(EventKind.EXIT_OFFERED)
    assert "95 % of what it can lose" in str(asked.data["words"])
    assert "unanswered, it is held" in str(asked.data["words"])


# halted names


def status(world: World, halted: bool) -> None:
    world.market.set_status(TradingStatus("XYZ", halted, world.clock()))


def test_nothing_is_judged_in_a_halt_and_a_minute_after_it_exits_go_on_from_nothing() -> None:
    world = holding()
    look(world, "1.50", "1.60")
    status(world, halted=True)
    halted = [look(world, "1.00", "1.10") for _ in range(3)]
    status(world, halted=False)
    paused = [look(world, "1.00", "1.10", seconds=s) for s in (10, 40, 9)]

    assert [*halted, *paused] == [()] * 6
    assert look(world, "1.00", "1.10", seconds=1) == ()  # sixty seconds: the first quote that counts
    assert [ticket.reason for ticket in look(world, "1.00", "1.10")] == ["stop"]


def test_a_halt_of_another_name_holds_nothing_up() -> None:
    world = holding()
    world.market.set_status(TradingStatus("ABC", True, world.clock()))

    assert look(world, "2.80", "2.90")


def test_silence_in_a_halt_is_the_halt_and_no_stale_data() -> None:
    world = holding()
    status(world, halted=True)
    for _ in range(12):
        world.clock.advance(10)
        exits.supervise(world.desk)

    assert world.events(EventKind.DATA_STALE) == []


# restarts


def test_a_breach_outlives_a_restart_and_one_quote_is_not_counted_twice_over_it(tmp_path: Path) -> None:
    world = on_a_file(tmp_path, calls())
    look(world, "1.50", "1.60")

    world = restarted(world, tmp_path)
    world.clock.advance(10)

    assert exits.supervise(world.desk) == ()  # the very quote of before
    assert [ticket.reason for ticket in look(world, "1.50", "1.60", seconds=1)] == ["stop"]


def test_the_first_partial_fill_arms_the_exits_in_its_own_transaction(tmp_path: Path) -> None:
    world = on_a_file(tmp_path, held("P99999", make.put(), -1, "1.00", ExitPlan()))
    quote(world, "2.20", "2.30")
    propose(world, plan=make.plan(long_call(), 4, counted_risk=D(900)))
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1", units=1)
    orders.reconcile(world.desk)

    world = restarted(world, tmp_path)

    with world.store.read() as work:
        position = next(p for p in work.open_positions() if p.id != "P99999")
        assert (position.units, position.exits.stop, position.exits.target) == (1, D("1.5750"), D("2.8125"))
    started = [ticket for ticket in look(world, "2.80", "2.90") if ticket.position_id == position.id]
    assert [(ticket.reason, ticket.quantity) for ticket in started] == [("target", 1)]


# time exits, early closes


def own_day(day: date, clock: str, plan: ExitPlan, option: Option = CALL) -> tuple[Ticket, ...]:
    world = holding(held("P00001", option, 4, "2.25", plan))
    world.clock.set(at(day, clock).astimezone(make.NOW.tzinfo))
    world.market.set_quote(option, "2.20", "2.30")
    quote_shares(world, 80)
    return exits.supervise(world.desk)


@pytest.mark.parametrize(
    ("day", "clock", "leaves"),
    [
        (make.TODAY, "15:44", False),
        (make.TODAY, "15:45", True),
        (EARLY, "12:44", False),
        (EARLY, "12:45", True),
    ],
)
def test_a_swing_is_flat_by_fifteen_minutes_before_the_close_early_closes_too(
    day: date, clock: str, leaves: bool
) -> None:
    option = Option("XYZ", day + timedelta(days=14), Right.CALL, D(80))

    assert bool(own_day(day, clock, ExitPlan(close_on=day, before_close=15), option)) is leaves


@pytest.mark.parametrize(("day", "clock"), [(make.TODAY, "14:45"), (EARLY, "11:45")])
def test_an_intraday_spread_sends_its_first_closing_order_in_time_to_be_flat(day: date, clock: str) -> None:
    plan = ExitPlan(close_on=day, before_close=75)

    assert own_day(day, clock, plan, Option("XYZ", day + timedelta(days=3), Right.CALL, D(80)))


def test_what_is_still_held_the_session_after_is_closed_from_0935() -> None:
    plan = ExitPlan(close_on=make.TODAY, before_close=15)
    tuesday = make.TODAY + timedelta(days=1)

    assert own_day(tuesday, "09:34", plan) == ()
    assert own_day(tuesday, "09:35", plan)


@pytest.mark.parametrize(
    ("day", "clock", "leaves"),
    [(make.TODAY, "14:59", False), (make.TODAY, "15:00", True), (EARLY, "11:59", False), (EARLY, "12:00", True)],
)
def test_on_its_expiry_day_the_whole_spread_leaves_as_one_order_before_the_broker_would_sell_it(
    day: date, clock: str, leaves: bool
) -> None:
    legs = (Leg(Option("XYZ", day, Right.PUT, D(48)), -1), Leg(Option("XYZ", day, Right.PUT, D(44)), 1))
    lots = (make.held(legs[0].instrument, -2, 2), make.held(legs[1].instrument, 2, 1))
    position = make.position(
        legs, lots, structure=Structure.CREDIT_SPREAD, exits=ExitPlan(), opened_units=2, approval_id=None
    )
    world = holding(position)
    world.clock.set(at(day, clock).astimezone(make.NOW.tzinfo))
    world.market.set_quote(legs[0].instrument, "1.00", "1.10")
    world.market.set_quote(legs[1].instrument, "0.20", "0.26")

    started = exits.supervise(world.desk)

    assert [ticket.reason for ticket in started] == (["expiry"] if leaves else [])
    sent = list(world.broker.sent.values())
    assert [(len(order.legs), order.quantity, order.opening) for order in sent] == ([(2, 2, False)] if leaves else [])


@pytest.mark.parametrize(("root", "reasons"), [("SPX", ["expiry"]), ("SPXW", [])])
def test_an_index_spread_settled_on_the_open_leaves_on_the_session_before(root: str, reasons: list[str]) -> None:
    tomorrow = make.TODAY + timedelta(days=1)
    legs = tuple(
        Leg(Option("SPX", tomorrow, Right.PUT, D(strike), root, Style.EUROPEAN), ratio)
        for strike, ratio in ((5800, -1), (5750, 1))
    )
    lots = (make.held(legs[0].instrument, -2, 2), make.held(legs[1].instrument, 2, 1))
    position = make.position(
        legs, lots, structure=Structure.CREDIT_SPREAD, exits=ExitPlan(), opened_units=2, approval_id=None
    )
    world = holding(position)
    world.clock.set(at(make.TODAY, "15:00").astimezone(make.NOW.tzinfo))
    world.market.set_quote(legs[0].instrument, "1.00", "1.10")
    world.market.set_quote(legs[1].instrument, "0.20", "0.26")

    assert [ticket.reason for ticket in exits.supervise(world.desk)] == reasons


def test_a_secured_put_and_a_covered_call_are_held_to_their_expiry() -> None:
    sold = held("P00001", make.put(44, dte=0), -1, "1.00", ExitPlan(), structure=Structure.SHORT_PUT)
    written = held("P00002", make.call(52, dte=0), -1, "1.00", ExitPlan(), structure=Structure.COVERED_CALL)
    world = holding(sold, written)
    world.clock.set(at(make.TODAY, "15:30").astimezone(make.NOW.tzinfo))
    world.market.set_quote(sold.unit[0].instrument, "0.50", "0.55")
    world.market.set_quote(written.unit[0].instrument, "0.50", "0.55")

    assert exits.supervise(world.desk) == ()


def test_the_target_listens_to_the_natural_price_when_the_quote_is_wide() -> None:
    assert look(holding(), "2.81", "6.00") == ()
    assert look(holding(), "2.82", "6.00")


# the ladder


def test_the_ladder_of_what_expires_today_steps_every_five_seconds() -> None:
    option = make.call(80, dte=0)
    world = holding(held("P00001", option, 1, "2.25", STOPPED))
    world.market.set_quote(option, "2.80", "2.90")
    exits.supervise(world.desk)
    for _ in range(4):
        world.clock.advance(5)
        world.market.set_quote(option, "2.80", "2.90")
        orders.work(world.desk)

    limits = [order.limit for order in world.broker.sent.values()]
    assert limits == [D("-2.85"), D("-2.83"), D("-2.82"), D("-2.80"), D("-2.66")]


def test_the_ladder_of_an_entry_that_expires_today_still_steps_every_fifteen() -> None:
    world = make_world()
    option = make.call(80, dte=0)
    signal = long_call(legs=(Leg(option, 1),))
    world.market.set_quote(option, "2.20", "2.30")
    quote_shares(world, 80)
    propose(world, plan=make.plan(signal, 4, counted_risk=D(900)))
    approvals.approve(world.desk, "A00001", 1, "ann")
    for _ in range(2):
        world.clock.advance(7)
        world.market.set_quote(option, "2.20", "2.30")
        orders.work(world.desk)

    assert len(world.broker.sent) == 1


# what runs whatever may not be opened


def test_exits_run_while_entries_are_halted_and_the_days_loss_limit_is_reached() -> None:
    world = holding()
    halts.halt(world.desk, "ann")
    world.broker.cash = D(90_000)  # ten percent down: far beyond -2 % for the day and at the drawdown's halt
    with world.store.begin() as work:
        work.add_postings((make.deposit(-10_000, key="lost"),))

    assert [ticket.reason for ticket in look(world, "2.80", "2.90")] == ["target"]


def test_a_strategy_that_breaks_holds_up_neither_its_stop_nor_the_next_position() -> None:
    def broken(*_: object) -> tuple[Exit, ...]:
        raise ValueError("a bug in a strategy")

    strategy = Strategy("swing", "Swing", RiskLevel.MEDIUM, None, Needs(), find=lambda *_: Found(), manage=broken)
    first = replace(calls(ExitPlan(stop=D("0.10"))), strategy="swing")
    world = holding(first, calls(id="P00002"))
    world.market.set_snapshot(make.snapshot("XYZ", 80))
    world = replace(world, desk=replace(world.desk, strategies={"swing": strategy}))

    with pytest.raises(ValueError, match="a bug in a strategy"):
        look(world, "2.80", "2.90")
    assert world.broker.open_orders() == ("P00002.target.1.1",)


def test_a_broken_package_that_cannot_be_mended_does_not_hold_up_a_stop() -> None:
    short, long = make.vertical(580, 575, underlying="XYZ")
    broken: Position = make.position(
        (short, long), (make.held(long.instrument, 1, 1),), id="P00000", approval_id=None, opened_units=1
    )
    world = holding(broken, calls())

    look(world, "2.80", "2.90")

    assert world.broker.open_orders() == ("P00001.target.1.1",)


def working_exit() -> World:
    """The target's order working at 2.85, the name's quotes then fall."""
    world = holding()
    assert look(world, "2.80", "2.90")
    return world


def step(world: World, bid: str, ask: str, seconds: float = 15) -> list[Decimal | None]:
    world.clock.advance(seconds)
    quote(world, bid, ask)
    orders.reconcile(world.desk)
    orders.work(world.desk)
    return [order.limit for order in world.broker.sent.values()]


def test_a_working_exit_does_not_walk_down_the_ladder_in_a_halt_and_goes_on_a_minute_after_it() -> None:
    world = working_exit()
    status(world, halted=True)
    halted = [step(world, "1.00", "1.10") for _ in range(4)]
    status(world, halted=False)
    paused = [step(world, "1.00", "1.10") for _ in range(3)]

    assert halted + paused == [[D("-2.85")]] * 7
    assert step(world, "1.00", "1.10") == [D("-2.85"), D("-1.03")]


def test_an_exit_that_stays_unfilled_beyond_natural_is_told_again_with_longer_and_longer_pauses() -> None:
    world = working_exit()
    for _ in range(44):  # eleven minutes
        step(world, "2.80", "2.90")

    counts = [event.data["count"] for event in world.events(EventKind.EXIT_FAILED)]
    assert counts == [1, 2, 3, 4, 5, 6]  # after one minute, then 15, 30, 60, 120 and 240 seconds more


def test_a_step_that_has_no_quote_is_an_alarm_and_the_ladder_goes_on_with_the_next_one() -> None:
    world = working_exit()
    world.market.drop_quote(CALL)
    world.clock.advance(15)
    orders.work(world.desk)
    orders.work(world.desk)

    (alarm,) = world.events(EventKind.EXIT_FAILED)
    assert "no quote to price its next step with" in str(alarm.data["note"])
    assert step(world, "2.80", "2.90", seconds=1) == [D("-2.85"), D("-2.83")]


@pytest.mark.parametrize(("clock", "leaves"), [("13:59", False), ("14:00", True)])
def test_a_position_leaves_once_its_trading_hours_have_passed(clock: str, leaves: bool) -> None:
    """Opened at 10:00; the hours of a night do not count."""
    assert bool(own_day(make.TODAY, clock, ExitPlan(trading_hours=4))) is leaves


@pytest.mark.parametrize(("clock", "leaves"), [("09:59", False), ("10:00", True)])
def test_trading_hours_go_on_the_next_session(clock: str, leaves: bool) -> None:
    tuesday = make.TODAY + timedelta(days=1)

    assert bool(own_day(tuesday, clock, ExitPlan(trading_hours=6.5))) is leaves
