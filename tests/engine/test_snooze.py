"""Proposals put off: they sleep without expiring, and come back at new prices or end with the reason."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from engine import approvals, halts
from engine.approvals import Outcome
from engine.errors import AlreadyDecided, BadRequest
from engine.model.trade import Approval, ApprovalStatus
from tests import make
from tests.desk import World, make_world, propose, quote_all

D = Decimal


def asleep(minutes: int = 10) -> World:
    world = make_world()
    propose(world)
    approvals.snooze(world.desk, "A00001", 1, "ann", minutes)
    return world


def stored(world: World) -> Approval:
    with world.store.read() as work:
        return work.approval("A00001")


def later(world: World, seconds: float, bid: str = "0.98", ask: str = "1.08") -> None:
    world.clock.advance(seconds)
    quote_all(world, bid, ask)


def test_a_snoozed_proposal_says_until_when_and_does_not_expire_meanwhile() -> None:
    world = asleep(10)
    later(world, 599)

    assert approvals.wake_due(world.desk) == ()
    assert approvals.expire_due(world.desk) == ()
    assert (stored(world).status, stored(world).version) == (ApprovalStatus.PENDING, 2)
    assert stored(world).note == "Snoozed by ann until 10:10:00 ET."


def test_at_its_end_it_asks_again_at_the_prices_of_then_with_a_fresh_life() -> None:
    world = asleep(10)
    later(world, 600, "1.10", "1.20")

    (awake,) = approvals.wake_due(world.desk)

    assert (awake.version, awake.plan.signal.limit) == (3, D("-1.15"))
    assert awake.note == "Back from its snooze: 1.03 then, 1.15 now."
    assert awake.snoozed_until is None
    assert awake.expires_at == world.clock() + timedelta(seconds=300)
    assert approvals.approve(world.desk, "A00001", 3, "ann").outcome is Outcome.SENT


def test_the_buttons_from_before_the_snooze_do_nothing() -> None:
    world = asleep()

    with pytest.raises(AlreadyDecided, match="has changed"):
        approvals.approve(world.desk, "A00001", 1, "ann")


def test_a_sleeping_proposal_can_still_be_answered() -> None:
    assert approvals.approve(asleep().desk, "A00001", 2, "ann").outcome is Outcome.SENT


def test_it_ends_with_the_reason_when_the_desk_is_halted_meanwhile() -> None:
    world = asleep(10)
    halts.halt(world.desk, "bob", "lunch")
    later(world, 600)

    (ended,) = approvals.wake_due(world.desk)

    assert ended.status is ApprovalStatus.EXPIRED
    assert ended.note == "not asked again after its snooze: Entries are halted by bob: lunch"


def test_it_ends_with_the_limit_it_would_break() -> None:
    world = asleep(10)
    world.broker.cash = D(50_000)  # collateral of 8,800 is 17.6 %
    later(world, 600)

    (ended,) = approvals.wake_due(world.desk)

    assert "risk of this trade 0.0 % → 17.6 %" in ended.note


def test_a_missing_quote_is_waited_for_a_minute() -> None:
    world = asleep(10)
    world.clock.advance(600)  # the quotes are ten minutes old

    assert approvals.wake_due(world.desk) == ()
    assert stored(world).is_pending
    world.clock.advance(60)
    (ended,) = approvals.wake_due(world.desk)

    assert (ended.status, ended.decided_by) == (ApprovalStatus.EXPIRED, "desk")
    assert "660 s old" in ended.note


def test_a_snooze_never_outlives_its_session() -> None:
    world = make_world()
    propose(world)

    with pytest.raises(BadRequest, match="Entries end at 16:00 ET: 360 minutes are too long"):
        approvals.snooze(world.desk, "A00001", 1, "ann", 360)


def test_on_an_early_close_it_ends_with_the_entries() -> None:
    world = make_world()
    world.clock.set(world.desk.sessions.at(date(2026, 11, 27), "11:00"))
    propose(world, expires_at=world.clock() + timedelta(minutes=5))

    with pytest.raises(BadRequest, match="Entries end at 11:30 ET"):
        approvals.snooze(world.desk, "A00001", 1, "ann", 30)


def test_a_desk_that_was_down_at_the_time_does_not_wake_it_the_next_morning() -> None:
    world = asleep(10)
    world.clock.set(world.desk.sessions.at(make.TODAY + timedelta(days=1), "09:31"))
    quote_all(world)

    (ended,) = approvals.wake_due(world.desk)

    assert ended.status is ApprovalStatus.EXPIRED
