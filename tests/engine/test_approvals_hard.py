"""Taps at bad moments: money spent twice, sizes that grow with the price, shares that are gone, short days."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from engine import approvals, orders, scanning, standing
from engine.approvals import Outcome
from engine.errors import DataInvalid, NotAllowed
from engine.model.book import Position
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import MarketSnapshot
from engine.model.trade import Found, Needs, RiskLevel, Signal, Step, Strategy
from tests import make
from tests.desk import World, make_world, propose, quote_all

D = Decimal


def buy_call(**more: object) -> Signal:
    """Calls at 2.25 of which the cap on long premium allows four: 900 of 1,000 dollars."""
    call = make.call(80, dte=14)
    defaults: dict[str, object] = {
        "strategy": "swing",
        "structure": Structure.LONG_CALL,
        "legs": (Leg(call, 1),),
        "limit": D("2.25"),
        "natural": D("2.30"),
        "spot": D(80),
        "exits": ExitPlan(target=D("2.8125"), stop=D("1.5750")),
        "outlook": make.outlook(max_loss=D(225), max_gain=None, collateral=D(0)),
    }
    return make.signal(**(defaults | more))


def quote_call(world: World, bid: str, ask: str) -> None:
    world.market.set_quote(make.call(80, dte=14), bid, ask)
    world.market.set_quote(make.share(), "79.99", "80.01")


def test_buying_power_spent_a_second_ago_is_not_spent_again() -> None:
    world = make_world()
    world.broker.cash = D(100_000)
    broke = replace(make.account(), options_buying_power=D(9_000), equity=D(100_000))
    world.broker.account = lambda: broke  # type: ignore[method-assign]
    standing.refresh_account(world.desk)
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1")
    orders.reconcile(world.desk)
    spent = replace(broke, options_buying_power=D(200))
    world.broker.account = lambda: spent  # type: ignore[method-assign]
    propose(world, id="A00002")

    decision = approvals.approve(world.desk, "A00002", 1, "ann")

    assert decision.outcome is Outcome.BLOCKED
    assert "buying power" in decision.words


def test_a_card_at_a_new_price_asks_for_no_more_than_the_trade_may_risk() -> None:
    world = make_world()
    propose(world, plan=make.plan(buy_call(), 4, counted_risk=D(900)))
    quote_call(world, "3.95", "4.05")

    decision = approvals.approve(world.desk, "A00001", 1, "ann")

    plan = decision.approval.plan
    assert (decision.outcome, plan.quantity, plan.max_loss) == (Outcome.MOVED, 2, D("800.00"))
    assert "4 → 2" in decision.words


def test_a_price_at_which_a_single_unit_is_too_much_is_blocked() -> None:
    world = make_world()
    propose(world, plan=make.plan(buy_call(), 4, counted_risk=D(900)))
    quote_call(world, "10.95", "11.05")

    decision = approvals.approve(world.desk, "A00001", 1, "ann")

    assert decision.outcome is Outcome.BLOCKED


def test_a_one_sided_quote_of_the_shares_is_no_spot() -> None:
    world = make_world()
    propose(world)
    world.market.set_quote(make.share(), "0", "96")

    with pytest.raises(DataInvalid, match="one-sided"):
        approvals.approve(world.desk, "A00001", 1, "ann")


@pytest.mark.parametrize(("hour", "minute", "allowed"), [(16, 29, True), (16, 30, False)])
def test_on_an_early_close_entries_end_at_half_past_eleven(hour: int, minute: int, allowed: bool) -> None:
    world = make_world()
    half_day = date(2026, 11, 27)
    world.clock.set(world.desk.sessions.open(half_day).replace(hour=hour, minute=minute))
    quote_all(world)
    put = make.put(expiry=date(2026, 12, 31))
    world.market.set_quote(put, "0.98", "1.08")
    signal = make.signal(legs=(Leg(put, -1),), asof=world.clock())
    propose(world, plan=make.plan(signal), expires_at=world.clock() + timedelta(minutes=5))

    if allowed:
        assert approvals.approve(world.desk, "A00001", 1, "ann").outcome is Outcome.SENT
    else:
        with pytest.raises(NotAllowed, match="closes early"):
            approvals.approve(world.desk, "A00001", 1, "ann")


def covered(*more: Position) -> World:
    """A card that sells a call on the hundred shares P00002, and what else is held."""
    world = make_world()
    written = make.call(56, dte=35)
    signal = make.signal(
        structure=Structure.COVERED_CALL,
        legs=(Leg(written, -1),),
        campaign="C1",
        covers="P00002",
        outlook=make.outlook(max_loss=D(0), collateral=D(0)),
    )
    world.market.set_quote(written, "0.98", "1.08")
    with world.store.begin() as work:
        for position in more:
            work.save_position(position)
    propose(world, plan=make.plan(signal, 1, counted_risk=D(0)))
    return world


def shares(quantity: int = 100) -> Position:
    return make.position(
        id="P00002",
        campaign="C1",
        approval_id=None,
        structure=Structure.SHARES,
        unit=(Leg(make.share(), 1),),
        lots=(make.held(make.share(), quantity, 43),),
        opened_units=quantity,
    )


def test_a_call_on_shares_that_are_held_is_sent() -> None:
    assert approvals.approve(covered(shares()).desk, "A00001", 1, "ann").outcome is Outcome.SENT


def test_a_call_on_shares_that_were_sold_meanwhile_is_not_sent() -> None:
    decision = approvals.approve(covered(shares(60)).desk, "A00001", 1, "ann")

    assert (decision.outcome, decision.order) == (Outcome.BLOCKED, None)


def test_a_second_call_on_the_same_shares_is_not_sent() -> None:
    written = make.call(60, dte=35)
    call = make.position(
        id="P00003",
        campaign="C1",
        approval_id=None,
        structure=Structure.COVERED_CALL,
        unit=(Leg(written, -1),),
        lots=(make.held(written, -1, 1),),
        opened_units=1,
    )

    assert approvals.approve(covered(shares(), call).desk, "A00001", 1, "ann").outcome is Outcome.BLOCKED


def test_a_call_on_shares_that_an_imported_call_is_written_on_is_not_sent() -> None:
    written = make.call(60, dte=35)
    imported = make.position(
        id="I00003",
        campaign="I00003",
        approval_id=None,
        structure=Structure.COVERED_CALL,
        unit=(Leg(written, -1),),
        lots=(make.held(written, -1, 1),),
        opened_units=1,
    )

    assert approvals.approve(covered(shares(), imported).desk, "A00001", 1, "ann").outcome is Outcome.BLOCKED


def test_two_calls_on_the_same_shares_tapped_one_after_the_other_are_one() -> None:
    world = covered(shares())
    again = make.call(58, dte=35)
    world.market.set_quote(again, "0.98", "1.08")
    with world.store.read() as work:
        first = work.approval("A00001").plan.signal
    propose(world, id="A00002", plan=make.plan(replace(first, legs=(Leg(again, -1),)), 1, counted_risk=D(0)))

    approvals.approve(world.desk, "A00001", 1, "ann")
    decision = approvals.approve(world.desk, "A00002", 1, "bob")

    assert decision.outcome is Outcome.BLOCKED
    assert world.broker.posts == ["A00001.1.1"]


def test_the_first_day_has_a_loss_limit_too() -> None:
    world = make_world()
    poorer = make.account(equity=D(97_000), options_buying_power=D(97_000))
    world.broker.account = lambda: poorer  # type: ignore[method-assign]
    standing.refresh_account(world.desk)
    propose(world)

    decision = approvals.approve(world.desk, "A00001", 1, "ann")

    assert decision.outcome is Outcome.BLOCKED
    assert "day's P&L" in decision.words


def test_two_scans_at_once_propose_a_name_once() -> None:
    world = make_world()

    def find(snapshot: MarketSnapshot, *_: object) -> Found:
        return Found((make.signal(ticker=snapshot.ticker, asof=world.clock()),))

    strategy = Strategy("wheel", "Wheel", RiskLevel.LOW, None, Needs(), find=find, manage=lambda *_: ())
    world.market.set_snapshot(make.snapshot("XYZ", 48))
    desk = replace(world.desk, strategies={"wheel": strategy})

    def meanwhile(found: tuple[Signal, ...], *_: object) -> tuple[tuple[Signal, ...], dict[str, Step]]:
        scanning.run(desk, "wheel")
        return found, {}

    late = replace(strategy, choose=meanwhile)
    scanning.run(replace(desk, strategies={"wheel": late}), "wheel")

    with world.store.read() as work:
        assert len(work.pending_approvals()) == 1


def test_an_id_met_before_does_not_make_two_trades_one() -> None:
    world = make_world()
    numbers = iter(["P00001", "P00001", "P00002"])
    events = iter(range(1000))
    desk = replace(world.desk, new_id=lambda prefix: next(numbers) if prefix == "P" else f"{prefix}{next(events)}")
    for id in ("A00001", "A00002"):
        propose(world, id=id)
        approvals.approve(desk, id, 1, "ann")

    with world.store.read() as work:
        assert [ticket.position_id for ticket in work.open_tickets()] == ["P00001", "P00002"]
