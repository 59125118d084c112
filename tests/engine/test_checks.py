"""What must hold at the moment of a tap: each near miss stays pending, with a sentence."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine import approvals, checks, scanning
from engine.approvals import Outcome
from engine.desk import Mode
from engine.errors import DataInvalid, NotAllowed
from engine.model.legs import Leg
from engine.model.market import DatesAhead, Kind, Source
from engine.model.status import Opinion, TradingStatus
from engine.model.trade import ApprovalStatus
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world, propose, quote_all
from tests.strategies import cases

D = Decimal


def approve(world: World, version: int = 1) -> approvals.Decision:
    return approvals.approve(world.desk, "A00001", version, "ann")


def refused(world: World, says: str, kind: type[Exception] = NotAllowed) -> None:
    """The tap is refused with these words, nothing is sent and the card stays."""
    with pytest.raises(kind, match=says):
        approve(world)
    assert world.broker.posts == []
    with world.store.read() as work:
        assert work.approval("A00001").status is ApprovalStatus.PENDING


def proposed(**more: Any) -> World:
    world = make_world()
    propose(world, plan=make.plan(make.signal(**more)))
    return world


def test_a_halted_name_is_not_entered() -> None:
    world = proposed()
    world.market.set_status(TradingStatus("XYZ", is_halted=True, since=make.NOW - timedelta(minutes=3)))

    refused(world, r"XYZ is halted since 09:57 ET\.")


def test_numbers_that_a_second_source_contradicts_are_not_entered_on_and_the_proposal_waits() -> None:
    world = proposed()
    world.market.opinions["XYZ"] = Opinion(("acme and other have XYZ at 48.00 and 480.00.",))

    refused(world, "48.00 and 480.00. No entry in XYZ on such numbers", DataInvalid)

    world.market.opinions["XYZ"] = Opinion(alone=("options",))
    assert approve(world).outcome is Outcome.SENT


@pytest.mark.parametrize(("minutes", "sent"), [(14.9, False), (15, True)])
def test_a_name_that_was_resumed_is_left_alone_for_fifteen_minutes(minutes: float, sent: bool) -> None:
    world = proposed()
    world.market.set_status(TradingStatus("XYZ", since=make.NOW - timedelta(minutes=minutes)))

    if sent:
        assert approve(world).outcome is Outcome.SENT
    else:
        refused(world, "no entries for 15 minutes after a halt")


def test_after_a_market_wide_halt_nothing_is_opened_that_day() -> None:
    world = proposed()
    world.market.set_status(TradingStatus("XYZ", since=make.NOW - timedelta(hours=2), is_market_wide=True))

    refused(world, "whole market was halted today")


@pytest.mark.parametrize(("bid", "ask", "sent"), [("0.98", "1.08", True), ("0.975", "1.085", False)])
def test_a_sold_option_is_not_traded_with_a_spread_above_ten_percent(bid: str, ask: str, sent: bool) -> None:
    world = proposed()
    quote_all(world, bid, ask)

    if sent:
        assert approve(world).outcome is Outcome.SENT
    else:
        refused(world, r"spread of XYZ 20 Jul 26 44 put is 10\.7 % of its mid, more than 10 %", DataInvalid)


@pytest.mark.parametrize(("bid", "ask", "sent"), [("0.93", "1.07", True), ("0.92", "1.08", False)])
def test_a_bought_option_may_be_wider_but_not_beyond_fifteen_percent(bid: str, ask: str, sent: bool) -> None:
    world = proposed(legs=(make.leg(ratio=1),), limit=D("1.00"), natural=D("1.07"))
    quote_all(world, bid, ask)

    if sent:
        assert approve(world).outcome is Outcome.SENT
    else:
        refused(world, "more than 15 %", DataInvalid)


def test_a_wing_with_a_wide_spread_stops_the_whole_package() -> None:
    legs = make.vertical(580, 575)
    world = make_world()
    propose(world, plan=make.plan(make.signal(ticker="SPY", legs=legs, limit=D("-1.00"), spot=D(600))))
    world.market.set_quote(make.share("SPY"), "599.99", "600.01")
    world.market.set_quote(legs[0].instrument, "4.95", "5.05")
    world.market.set_quote(legs[1].instrument, "3.60", "4.40")

    refused(world, r"SPY 23 Jul 26 575 put is 20\.0 % of its mid", DataInvalid)


@pytest.mark.parametrize(("put", "age", "sent"), [(make.put(dte=0), 2, True), (make.put(dte=0), 3, False)])
def test_on_the_last_day_a_quote_may_be_two_seconds_old(put: Any, age: int, sent: bool) -> None:
    world = proposed(legs=(Leg(put, -1),))
    world.market.set_quote(put, "0.98", "1.08")
    world.clock.advance(age)

    if sent:
        assert approve(world).outcome is Outcome.SENT
    else:
        refused(world, "3 s old, more than 2 s", DataInvalid)


def delta_world(spot: str, **more: Any) -> World:
    """The 44 put (|delta| 0.239 at 48) with its strategy's range, and the shares at `spot`."""
    world = make_world()
    world.market.set_snapshot(make.snapshot(spot=spot))
    propose(world, plan=make.plan(make.signal(spot=D(spot), delta_range=(0.15, 0.30), **more)))
    world.market.set_quote(make.put(), "0.98", "1.08")
    return world


@pytest.mark.parametrize(("spot", "sent"), [("48", True), ("45.40", True), ("45.20", False)])
def test_delta_may_leave_its_range_by_five_hundredths(spot: str, sent: bool) -> None:
    """At a mid of 1.03 the volatility that explains it falls as the spot nears the strike, and |delta| grows."""
    world = delta_world(spot)

    if sent:
        assert approve(world).outcome is Outcome.SENT
    else:
        refused(world, r"\|delta\| of XYZ 20 Jul 26 44 put is 0\.3\d now, no longer in 0\.15 to 0\.30")


def test_a_delta_that_cannot_be_computed_is_no_delta() -> None:
    world = delta_world("42.50")  # intrinsic 1.50 is more than the mid of 1.03

    refused(world, "has no implied volatility right now", DataInvalid)


def dated(**more: Any) -> World:
    """A card made while the next report was known for 14 August, and what is known of it now."""
    world = make_world()
    world.market.set_snapshot(make.snapshot(earnings=(make.earnings(60),)))
    report = DatesAhead(make.TODAY + timedelta(days=60), None)
    propose(world, plan=make.plan(make.signal(dates=report)))
    world.market.set_snapshot(make.snapshot(**more))
    quote_all(world)
    return world


def test_a_report_that_was_moved_up_since_the_card_asks_again() -> None:
    world = dated(earnings=(make.earnings(20),))

    decision = approve(world)

    assert decision.outcome is Outcome.MOVED
    assert decision.words == ("The next report was 14 Aug 2026 on the card and is 05 Jul 2026 now: approve again?")
    assert approve(world, version=2).outcome is Outcome.SENT


def test_an_ex_date_that_was_declared_since_the_card_asks_again() -> None:
    world = dated(earnings=(make.earnings(60),), dividends=(make.dividend(10),))

    assert "ex-date was unknown on the card and is 25 Jun 2026 now" in approve(world).words


def test_unchanged_dates_ask_nothing() -> None:
    assert approve(dated(earnings=(make.earnings(60),))).outcome is Outcome.SENT


def test_a_scan_writes_down_the_dates_it_knew() -> None:
    world = make_world(strategies=dict(CATALOGUE))
    world.market.set_snapshot(cases.wheel_name())

    scanning.run(world.desk, "wheel", ["XYZ"])

    with world.store.read() as work:
        (approval,) = work.pending_approvals()
    assert approval.plan.signal.dates == DatesAhead(make.TODAY + timedelta(days=60), None)


@pytest.mark.parametrize(("hours", "sent"), [(("10:00", "15:00"), True), (("10:01", "15:00"), False)])
def test_a_strategy_enters_in_its_own_hours_only(hours: tuple[str, str], sent: bool) -> None:
    strategy = replace(CATALOGUE["wheel"], entry_hours=hours, exits=None)
    world = make_world(strategies={"wheel": strategy})
    propose(world)

    if sent:
        assert approve(world).outcome is Outcome.SENT
    else:
        refused(world, "wheel enters from 10:01 to 15:00 only")


@pytest.mark.parametrize(("day", "dte", "sent"), [(date(2026, 7, 2), 2, False), (date(2026, 7, 2), 4, True),
                                                  (date(2026, 7, 1), 2, True)])  # fmt: skip
def test_before_a_holiday_nothing_is_opened_that_ends_within_two_days(day: date, dte: int, sent: bool) -> None:
    world = make_world()
    world.clock.set(world.desk.sessions.at(day, "10:00"))
    put = make.put(expiry=day + timedelta(days=dte))
    propose(world, plan=make.plan(make.signal(legs=(Leg(put, -1),))), expires_at=world.clock() + timedelta(minutes=5))
    quote_all(world)
    world.market.set_quote(put, "0.98", "1.08")

    if sent:
        assert approve(world).outcome is Outcome.SENT
    else:
        refused(world, "Before a holiday")


def test_an_adjusted_contract_is_close_only() -> None:
    adjusted = make.put(root="XYZ1")
    world = proposed(legs=(Leg(adjusted, -1),))
    world.market.set_quote(adjusted, "0.98", "1.08")

    decision = approve(world)

    assert decision.outcome is Outcome.BLOCKED
    assert "adjusted contract" in decision.words


@pytest.mark.parametrize(
    ("mode", "kind", "sent"),
    [
        (Mode.PAPER, Kind.REAL, True),
        (Mode.PAPER, Kind.INDICATIVE, True),
        (Mode.PAPER, Kind.DELAYED, False),
        (Mode.PAPER, Kind.MODELLED, False),
        (Mode.LIVE, Kind.REAL, True),
        (Mode.LIVE, Kind.INDICATIVE, False),
        (Mode.LIVE, Kind.RECORDED, False),
        (Mode.LIVE, Kind.DELAYED, False),
        (Mode.REPLAY, Kind.MODELLED, True),
    ],
)
def test_an_entry_is_priced_on_quotes_of_a_fitting_kind_only(mode: Mode, kind: Kind, sent: bool) -> None:
    world = make_world()
    propose(world)
    put = make.put()
    world.market.put_quote(make.quote(put, "0.98", "1.08", world.clock(), source=Source("acme", kind)))
    desk = replace(world.desk, mode=mode)
    with world.store.read() as work:
        signal = work.approval("A00001").plan.signal
    if sent:
        assert checks.prices(desk, signal).limit
    else:
        with pytest.raises(DataInvalid, match=rf"44 put is from acme \({kind}\)"):
            checks.prices(desk, signal)


@pytest.mark.parametrize(("most", "is_wide"), [(None, True), (0.30, False), (0.20, True)])
def test_a_strategy_with_a_spread_of_its_own_is_held_to_that_one(most: float | None, is_wide: bool) -> None:
    made = make_world()
    option = make.call(48)
    signal = make.signal(legs=(Leg(option, 1),), limit=D("1.00"), max_spread=most)
    quotes = {option: make.quote(option, "0.875", "1.125")}

    assert bool(checks.wide_legs(made.desk, signal, quotes)) is is_wide
