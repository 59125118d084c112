"""Whose word sends an order: two taps on live money, two names above a risk, and nothing by a finger that slipped."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine import approvals, consents, orders
from engine.approvals import Outcome
from engine.desk import Mode
from engine.errors import AlreadyDecided, NotAllowed
from engine.model.events import EventKind
from engine.model.limits import ApprovalRules
from engine.model.records import Consent, Need
from engine.model.trade import ApprovalStatus
from engine.store import Store
from tests import make
from tests.desk import World, make_world, propose, quote_all
from tests.engine.exit_cases import address, restarted

D = Decimal
BIG = ApprovalRules(second_approver_above=D(8000))
"""The default proposal may lose 8,594.00."""


def live(**more: Any) -> World:
    world = make_world(mode=Mode.LIVE, **more)
    propose(world)
    return world


def tap(world: World, by: str = "ann", version: int = 1) -> approvals.Decision:
    return approvals.approve(world.desk, "A00001", version, by)


def confirm(world: World, by: str = "ann", version: int = 1) -> approvals.Decision:
    return approvals.confirm(world.desk, "A00001", version, by)


def wait(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    quote_all(world)


def test_one_tap_on_live_money_sends_nothing_and_is_kept_with_name_and_end() -> None:
    world = live()

    decision = tap(world)

    assert (decision.outcome, decision.order, decision.approval.is_pending) == (Outcome.ASKED, None, True)
    with world.store.read() as work:
        assert work.open_tickets() == ()
        assert work.consents("A00001", 1) == (
            Consent("A00001", 1, 1, "ann", make.NOW, make.NOW + timedelta(seconds=30), Need.CONFIRMATION),
        )


def test_the_second_tap_sends_after_the_undo_window() -> None:
    world = live()
    tap(world)

    decision = confirm(world)
    wait(world, 5)
    orders.send_due(world.desk)

    assert decision.outcome is Outcome.SENT
    assert world.broker.posts == ["A00001.1.1"]


def test_the_same_button_hit_twice_is_one_tap() -> None:
    world = live()

    outcomes = {tap(world).outcome for _ in range(3)}

    assert outcomes == {Outcome.ASKED}
    with world.store.read() as work:
        assert len(work.consents("A00001", 1)) == 1
        assert work.open_tickets() == ()


def test_a_second_tap_that_comes_too_late_starts_over() -> None:
    world = live()
    tap(world)
    wait(world, 30)

    late = confirm(world)

    assert (late.outcome, late.words) == (Outcome.ASKED, "The first tap is too long ago: start over with Approve.")
    with pytest.raises(NotAllowed, match="Nobody has tapped Approve"):
        confirm(world)
    tap(world)
    assert confirm(world).outcome is Outcome.SENT


def test_a_first_tap_that_nobody_confirmed_is_taken_back_by_the_desk_once() -> None:
    world = live()
    tap(world)
    wait(world, 30)

    assert [approval.id for approval in approvals.wake_due(world.desk)] == ["A00001"]
    assert approvals.wake_due(world.desk) == ()

    with world.store.read() as work:
        approval = work.approval("A00001")
        assert consents.standing(work, approval) == ()
    assert approval.is_pending


def test_confirm_alone_is_no_way_around_the_first_tap() -> None:
    world = live()

    with pytest.raises(NotAllowed, match="Nobody has tapped Approve"):
        confirm(world)

    assert world.broker.posts == []


def test_only_who_tapped_first_may_confirm() -> None:
    world = live()
    tap(world, "ann")

    with pytest.raises(NotAllowed, match=r"ann tapped first and confirms alone, until 10:00:30 ET"):
        confirm(world, "tom")

    assert confirm(world, "ann").outcome is Outcome.SENT


def test_a_first_tap_does_not_count_for_the_next_version() -> None:
    world = live()
    tap(world)
    quote_all(world, "0.94", "1.02")

    moved = confirm(world)

    assert (moved.outcome, moved.approval.version) == (Outcome.MOVED, 2)
    with pytest.raises(AlreadyDecided, match="has changed"):
        confirm(world, version=1)
    with pytest.raises(NotAllowed, match="Nobody has tapped Approve"):
        confirm(world, version=2)


def test_the_first_tap_is_checked_as_the_second() -> None:
    world = make_world(mode=Mode.LIVE)
    propose(world, plan=make.plan(quantity=3))  # collateral 13,200 of 100,000

    assert tap(world).outcome is Outcome.BLOCKED


def test_undone_before_it_is_sent_an_order_leaves_nothing_at_the_broker() -> None:
    world = live()
    tap(world)
    confirm(world)

    ticket = orders.cancel(world.desk, "A00001.1", "ann")
    wait(world, 5)
    orders.send_due(world.desk)

    assert (ticket.is_open, ticket.attempts, world.broker.posts) == (False, 0, [])
    assert ticket.note == "canceled by ann before it was sent"


@pytest.mark.parametrize(("dte", "seconds"), [(35, 5), (0, 2)])
def test_the_undo_window_is_shorter_on_the_last_day(dte: int, seconds: int) -> None:
    world = make_world(mode=Mode.LIVE)
    plan = make.plan(make.signal(legs=(make.leg(make.put(dte=dte)),)))

    assert approvals.undo_window(world.desk, plan, make.TODAY) == timedelta(seconds=seconds)
    assert approvals.undo_window(replace(world.desk, mode=Mode.PAPER), plan, make.TODAY) == timedelta(0)


def test_above_the_configured_risk_one_name_is_not_enough() -> None:
    world = make_world(rules=BIG)
    propose(world)

    first = tap(world)

    assert first.outcome is Outcome.ASKED
    assert first.words == "ann has approved; another name is needed until 10:15:00 ET."
    with pytest.raises(NotAllowed, match="ann has approved already; this much risk needs another name"):
        tap(world, "ann")
    assert world.broker.posts == []
    assert tap(world, "tom").outcome is Outcome.SENT
    assert world.broker.posts == ["A00001.1.1"]


def test_at_or_below_the_configured_risk_one_name_decides() -> None:
    world = make_world(rules=replace(BIG, second_approver_above=D(8594)))
    propose(world)

    assert tap(world).outcome is Outcome.SENT


def test_the_first_of_two_names_gives_the_second_fifteen_minutes_then_it_expires() -> None:
    world = make_world(rules=BIG)
    propose(world)
    tap(world)
    wait(world, 899)

    assert approvals.expire_due(world.desk) == ()
    wait(world, 1)
    approvals.wake_due(world.desk)
    (expired,) = approvals.expire_due(world.desk)

    assert (expired.status, expired.note) == (ApprovalStatus.EXPIRED, "only ann approved in time")


def test_the_price_is_checked_again_when_the_second_name_taps() -> None:
    world = make_world(rules=BIG)
    propose(world)
    tap(world, "ann")
    quote_all(world, "0.94", "1.02")

    assert tap(world, "tom").outcome is Outcome.MOVED
    assert tap(world, "tom", version=2).outcome is Outcome.ASKED, "the new price has been seen by nobody else yet"
    assert tap(world, "ann", version=2).outcome is Outcome.SENT


def test_two_names_on_live_money_are_the_two_taps() -> None:
    world = live(rules=BIG)

    assert tap(world, "ann").outcome is Outcome.ASKED
    assert tap(world, "tom").outcome is Outcome.SENT


def test_every_tap_leaves_the_quotes_it_saw_and_every_limits_words() -> None:
    world = live()
    tap(world)
    wait(world, 3)
    world.clock.advance(2)
    confirm(world)

    with world.store.read() as work:
        checked = [event for event in work.events_about("A00001") if event.kind is EventKind.CHECKED]
    assert len(checked) == 2
    data: dict[str, Any] = dict(checked[1].data)
    assert data["quotes"]["XYZ260720P00044000"] == {
        "bid": "0.98", "ask": "1.08", "age": 2.0, "source": "test (real)",
    }  # fmt: skip
    assert (data["spot"], data["mid"], data["move"]) == ("48.00", "-1.03", "none")
    assert "risk of this trade 0.0 % → 8.8 % (limit 10.0 %): holds" in data["limits"]
    assert checked[1].correlation == "A00001"
    assert checked[1].actor == "ann"


def test_a_blocked_tap_leaves_the_limit_that_broke() -> None:
    world = make_world()
    propose(world, plan=make.plan(quantity=3))
    tap(world)

    with world.store.read() as work:
        (checked,) = [event for event in work.events_about("A00001") if event.kind is EventKind.CHECKED]
    limits = checked.data["limits"]
    assert isinstance(limits, list)
    assert "risk of this trade 0.0 % → 13.2 % (limit 10.0 %): broken" in limits


def killed(world: World, tmp_path: Path) -> World:
    """The desk of a process that has just opened the same database; it has not seen the account yet."""
    again = restarted(world, tmp_path)
    return replace(again, desk=replace(again.desk, verified=set()))


def test_a_first_tap_outlives_the_process_and_its_second_one_sends_once(tmp_path: Path) -> None:
    world = live(store=Store.create(address(tmp_path)))
    tap(world)
    world = killed(world, tmp_path)
    wait(world, 20)

    decision = confirm(world)

    assert decision.outcome is Outcome.SENT
    wait(world, 5)
    for _ in range(2):
        orders.resume(world.desk)
    assert world.broker.posts == ["A00001.1.1"]


def test_a_first_tap_from_before_a_long_outage_sends_nothing(tmp_path: Path) -> None:
    world = live(store=Store.create(address(tmp_path)))
    tap(world)
    world = killed(world, tmp_path)
    wait(world, 31)

    decision = confirm(world)

    assert decision.outcome is Outcome.ASKED
    assert "start over" in decision.words
    assert world.broker.posts == []


@pytest.mark.parametrize(("away", "posts"), [(20, ["A00001.1.1"]), (36, [])])
def test_an_undo_window_that_ends_while_the_process_is_down_is_sent_once_or_too_late(
    tmp_path: Path, away: float, posts: list[str]
) -> None:
    world = live(store=Store.create(address(tmp_path)))
    tap(world)
    confirm(world)
    world = killed(world, tmp_path)
    wait(world, away)

    for _ in range(2):
        orders.resume(world.desk)

    assert world.broker.posts == posts


def test_an_undo_between_a_kill_and_the_end_of_the_window_sends_nothing(tmp_path: Path) -> None:
    world = live(store=Store.create(address(tmp_path)))
    tap(world)
    confirm(world)
    world = killed(world, tmp_path)
    wait(world, 3)

    orders.cancel(world.desk, "A00001.1", "tom")

    wait(world, 10)
    orders.resume(world.desk)
    assert world.broker.posts == []
