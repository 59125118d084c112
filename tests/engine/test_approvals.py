"""The tap: price protection, limits, exactly one order."""

from datetime import timedelta
from decimal import Decimal

import pytest

from engine import approvals, halts, standing, variants
from engine.approvals import Decision, Outcome
from engine.errors import AlreadyDecided, BadRequest, DataInvalid, DataUnavailable, NotAllowed
from engine.model.limits import Limits
from engine.model.trade import ApprovalStatus
from tests import make
from tests.desk import Fault, World, make_world, propose, quote_all

D = Decimal


def approve(world: World, version: int = 1, by: str = "ann") -> approvals.Decision:
    return approvals.approve(world.desk, "A00001", version, by)


def status(world: World) -> ApprovalStatus:
    with world.store.read() as work:
        return work.approval("A00001").status


def test_an_approved_card_becomes_one_order_at_the_fresh_mid() -> None:
    world = make_world()
    propose(world)

    decision = approve(world)

    assert decision.outcome is Outcome.SENT
    assert world.broker.posts == ["A00001.1.1"]
    assert world.broker.sent["A00001.1.1"].limit == D("-1.03")
    assert world.broker.sent["A00001.1.1"].quantity == 2


def test_a_second_tap_places_no_second_order() -> None:
    world = make_world()
    propose(world)
    approve(world)

    with pytest.raises(AlreadyDecided, match="already approved by ann"):
        approve(world, by="bob")

    assert world.broker.posts == ["A00001.1.1"]


def test_a_price_inside_the_band_is_sent_at_the_price_of_now() -> None:
    world = make_world()
    propose(world)
    quote_all(world, "0.95", "1.03")  # mid 0.99 against the card's 1.03: band max(0.02, 4 %) = 0.0412

    approve(world)

    assert world.broker.sent["A00001.1.1"].limit == D("-0.99")


@pytest.mark.parametrize(("bid", "ask"), [("0.94", "1.02"), ("1.07", "1.17")], ids=["worse", "two bands better"])
def test_a_moved_price_asks_again_and_sends_nothing(bid: str, ask: str) -> None:
    world = make_world()
    propose(world)
    quote_all(world, bid, ask)

    decision = approve(world)

    assert decision.outcome is Outcome.MOVED
    assert decision.approval.version == 2
    assert decision.approval.is_pending
    assert decision.approval.plan.signal.limit == -(D(bid) + D(ask)) / 2
    assert world.broker.posts == []


def test_the_old_button_of_a_moved_card_does_nothing() -> None:
    world = make_world()
    propose(world)
    quote_all(world, "0.94", "1.02")
    approve(world)

    with pytest.raises(AlreadyDecided, match="has changed"):
        approve(world, version=1)

    assert approve(world, version=2).outcome is Outcome.SENT


def test_a_spot_one_percent_away_asks_again() -> None:
    world = make_world()
    propose(world)
    quote_all(world, spot="48.48")

    assert approve(world).outcome is Outcome.MOVED


def test_a_six_second_old_quote_is_refused_and_the_card_stays() -> None:
    world = make_world()
    propose(world)
    world.clock.advance(6)

    with pytest.raises(DataInvalid, match="6 s old"):
        approve(world)

    assert status(world) is ApprovalStatus.PENDING


def test_without_a_quote_the_card_stays_pending() -> None:
    world = make_world()
    propose(world)
    world.market.drop_quote(make.put())

    with pytest.raises(DataUnavailable, match="No quote for"):
        approve(world)

    assert status(world) is ApprovalStatus.PENDING


def test_a_halted_desk_keeps_the_card_and_says_who_halted_it() -> None:
    world = make_world()
    propose(world)
    halts.halt(world.desk, "bob", "lunch")

    with pytest.raises(NotAllowed, match="halted by bob: lunch"):
        approve(world)

    assert (status(world), world.broker.posts) == (ApprovalStatus.PENDING, [])


def test_a_resumed_desk_sends_again() -> None:
    world = make_world()
    propose(world)
    halts.halt(world.desk, "bob")
    halts.resume(world.desk, "bob")

    assert approve(world).outcome is Outcome.SENT


@pytest.mark.parametrize(("hours", "says"), [(-1, "closed"), (7, "closed"), (-0.4, "first 15 minutes")])
def test_outside_the_hours_for_entries_nothing_is_sent(hours: float, says: str) -> None:
    world = make_world()
    propose(world, expires_at=make.NOW + timedelta(days=1))
    world.clock.advance(hours=hours)

    with pytest.raises(NotAllowed, match=says):
        approve(world)

    assert world.broker.posts == []


def test_an_expired_card_cannot_be_approved() -> None:
    world = make_world()
    propose(world)
    world.clock.advance(300)

    with pytest.raises(AlreadyDecided, match=r"has expired: it could be answered until \d\d:\d\d:\d\d ET"):
        approve(world)


def test_expiry_closes_only_what_is_late() -> None:
    world = make_world()
    propose(world)
    propose(world, id="A00002", expires_at=world.clock() + timedelta(seconds=900))
    world.clock.advance(300)

    assert [approval.id for approval in approvals.expire_due(world.desk)] == ["A00001"]
    assert status(world) is ApprovalStatus.EXPIRED


def test_a_plan_over_a_limit_is_blocked_with_its_number() -> None:
    world = make_world()
    propose(world, plan=make.plan(quantity=3))  # collateral 13,200 of 100,000

    decision = approve(world)

    assert decision.outcome is Outcome.BLOCKED
    assert "risk of this trade 0.0 % → 13.2 % (limit 10.0 %)" in decision.words
    assert world.broker.posts == []


def after_one(power: str, before: float, after: float) -> Decision:
    """What becomes of a second order like the first: 8,800 of collateral each, limits wide, nothing but money short.

    The broker was asked `before` seconds after the first one was taken (negative: before), its answer: `power` is left.
    """
    roomy = Limits(one_underlying=D("0.50"), put_collateral_total=D("0.90"))
    world = make_world(limits=roomy)
    world.broker.power = D(power)
    propose(world)
    propose(world, id="A00002", plan=make.plan(make.signal(limit=D("-1.03"))))
    if before < 0:
        standing.refresh_account(world.desk)
        world.clock.advance(-before)
        quote_all(world)
    approve(world)
    if before > 0:
        world.clock.advance(before)
        standing.refresh_account(world.desk)
    world.clock.advance(after)
    quote_all(world)
    return approvals.approve(world.desk, "A00002", 1, "ann")


def test_a_working_order_counts_against_the_next_one_while_the_broker_was_not_asked_since() -> None:
    decision = after_one("17000", before=-1, after=1)

    assert decision.outcome is Outcome.BLOCKED
    assert "options buying power" in decision.words


def test_a_working_order_is_not_taken_off_a_buying_power_that_is_without_it() -> None:
    assert after_one("9000", before=1, after=1).outcome is Outcome.SENT


def test_a_buying_power_without_the_working_order_is_not_passed_either() -> None:
    assert after_one("8000", before=1, after=1).outcome is not Outcome.SENT


def test_rejecting_keeps_the_reason_and_ends_the_card() -> None:
    world = make_world()
    propose(world)

    approvals.reject(world.desk, "A00001", 1, "ann", "earnings rumour")

    with pytest.raises(AlreadyDecided, match="already rejected by ann"):
        approve(world)


def test_half_makes_a_new_version_of_half_the_size() -> None:
    world = make_world()
    propose(world)

    revised = variants.resize(world.desk, "A00001", 1, "ann", 1)

    assert (revised.version, revised.plan.quantity, revised.plan.collateral) == (2, 1, D(4400))
    approve(world, version=2)
    assert world.broker.sent["A00001.2.1"].quantity == 1


def test_half_tells_what_the_smaller_size_does_to_the_limits() -> None:
    world = make_world()
    propose(world)

    plan = variants.resize(world.desk, "A00001", 1, "ann", 1).plan

    assert "risk of this trade 0.0 % → 4.4 % (limit 10.0 %)" in plan.impact
    chosen = plan.sizing[-1]
    assert (chosen.rule, chosen.value, chosen.limit) == ("chosen by ann", "1", "of 2")


def test_a_size_that_is_not_smaller_is_refused() -> None:
    world = make_world()
    propose(world)

    with pytest.raises(BadRequest, match="not a smaller size"):
        variants.resize(world.desk, "A00001", 1, "ann", 2)


def test_a_refusal_by_the_broker_ends_the_order_with_its_words() -> None:
    world = make_world()
    propose(world)
    world.broker.faults = [Fault.REFUSE]

    approve(world)

    with world.store.read() as work:
        ticket = work.ticket("A00001.1")
    assert not ticket.is_open
    assert "insufficient options buying power" in ticket.note
