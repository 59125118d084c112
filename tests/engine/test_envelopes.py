"""Decisions made in advance: what they cover, how often, until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from engine import envelopes, orders, promotions, variants
from engine.approvals import Outcome
from engine.desk import Mode
from engine.errors import AlreadyDecided, BadRequest, NotAllowed, NotFound
from engine.model.envelopes import EnvelopeStatus, outside, risk_of
from engine.model.events import EventKind
from engine.model.legs import Structure
from engine.model.limits import ApprovalRules
from tests import make
from tests.desk import propose, quote_all
from tests.envelopes import (
    FRIDAY,
    bounds,
    confirmed,
    made,
    proposals,
    stored,
    world_with,
)
from tests.make import D

# what is covered


def test_a_proposal_inside_the_bounds_becomes_one_order_that_cites_the_envelope() -> None:
    world = world_with()
    envelope = made(world)
    propose(world)

    (decision,) = envelopes.apply(world.desk)

    assert decision.outcome is Outcome.SENT
    assert world.broker.posts == ["A00001.1.1"]
    assert stored(world).decided_by == f"envelope {envelope.id} of ann"
    (used,) = world.events(EventKind.ENVELOPE_USED)
    assert (used.subject, used.correlation, used.actor) == (envelope.id, "A00001", envelope.actor)
    assert used.data["today"] == "1 of 2"
    assert used.data["risk"] == "914"


def test_a_second_look_sends_nothing_again() -> None:
    world = world_with()
    made(world)
    propose(world)
    envelopes.apply(world.desk)

    assert envelopes.apply(world.desk) == ()
    assert world.broker.posts == ["A00001.1.1"]


@pytest.mark.parametrize(
    "changed",
    [
        {"max_risk": D("913.99")},
        {"strategy": "wsb_dip"},
        {"structure": Structure.COVERED_CALL},
        {"tickers": ("KO", "PEP")},
        {"total": D("913.99")},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_proposal_outside_one_bound_is_left_untouched(changed: dict[str, Any]) -> None:
    world = world_with()
    made(world, **changed)
    propose(world)
    before = stored(world)

    assert envelopes.apply(world.desk) == ()
    assert stored(world) == before
    assert world.broker.posts == []


def test_at_exactly_its_bounds_it_is_covered() -> None:
    world = world_with()
    made(world, max_risk=D(914), total=D(914), tickers=("XYZ",), per_day=1)
    propose(world)

    assert len(envelopes.apply(world.desk)) == 1


def test_the_risk_at_the_price_of_now_counts() -> None:
    """At 1.03 the put counts 914.00; at 1.00, inside the price band, 920.00."""
    world = world_with()
    made(world, max_risk=D(914))
    propose(world)
    quote_all(world, "0.95", "1.05")

    assert envelopes.apply(world.desk) == ()
    assert world.broker.posts == []
    assert stored(world).version == 1, "not covered is no refusal: nothing is written on the card"


def test_what_is_paid_is_risk_even_where_nothing_is_counted() -> None:
    collar = make.plan(make.signal(structure=Structure.COLLAR, limit=D("1.48")), quantity=2, counted_risk=D(0))

    assert risk_of(collar) == D("296.00")


def test_an_unlimited_loss_is_never_covered() -> None:
    plan = make.plan(max_loss=None)

    assert outside(bounds(), plan) == "the maximum loss is unlimited"


def test_a_proposal_that_was_there_before_the_envelope_waits_for_people() -> None:
    world = world_with()
    propose(world)
    world.clock.advance(1)
    made(world)

    assert envelopes.apply(world.desk) == ()


def test_a_version_that_people_or_prices_made_waits_for_people() -> None:
    world = world_with()
    made(world)
    propose(world)
    variants.resize(world.desk, "A00001", 1, "tom", 1)

    assert envelopes.apply(world.desk) == ()


def test_what_takes_two_people_is_never_approved_in_advance() -> None:
    world = world_with(rules=ApprovalRules(second_approver_above=D(8000)))
    made(world)
    propose(world)  # maximum loss 8,594

    assert envelopes.apply(world.desk) == ()


def test_an_envelope_of_paper_covers_nothing_on_live_money() -> None:
    world = world_with()
    made(world)
    propose(world)
    world.broker.is_paper = False
    promotions.record(world.desk, "wheel", "PA-TEST", "ann")

    assert envelopes.apply(replace(world.desk, mode=Mode.LIVE, account="PA-TEST")) == ()
    assert world.broker.posts == []


def test_an_envelope_of_one_account_covers_nothing_in_another() -> None:
    world = world_with(account="PA-TEST")
    made(world)
    propose(world)
    world.broker.number = "PA-OTHER"
    moved = replace(world.desk, account="PA-OTHER")

    assert envelopes.apply(moved) == ()
    assert world.broker.posts == []


# how often


def test_at_most_so_many_a_day_and_again_the_next_day() -> None:
    world = world_with()
    made(world, per_day=2)
    proposals(world, 3)
    envelopes.apply(world.desk)
    first_day = list(world.broker.posts)
    for order in first_day:
        world.broker.fill(order)
    orders.reconcile(world.desk)
    world.clock.advance(days=1)
    quote_all(world)
    propose(world, id="A00009", plan=make.plan(quantity=1), expires_at=world.clock() + timedelta(minutes=5))

    envelopes.apply(world.desk)

    assert first_day == ["A00001.1.1", "A00002.1.1"]
    assert world.broker.posts[2:] == ["A00009.1.1"]
    assert stored(world, "A00003").is_pending


def test_the_count_of_the_day_survives_a_restart() -> None:
    world = world_with()
    made(world, per_day=1)
    proposals(world, 2)
    envelopes.apply(world.desk)
    again = replace(world.desk)

    assert envelopes.apply(again) == ()
    assert world.broker.posts == ["A00001.1.1"]


def test_an_order_that_did_not_fill_is_counted_all_the_same() -> None:
    world = world_with()
    made(world, per_day=1)
    proposals(world, 2)
    envelopes.apply(world.desk)
    orders.cancel(world.desk, "A00001.1", "tom")

    envelopes.apply(world.desk)

    assert world.broker.posts == ["A00001.1.1"]


def test_the_total_is_never_passed() -> None:
    world = world_with()
    envelope = made(world, per_day=20, total=D(1000))  # each put counts 457
    proposals(world, 3)

    envelopes.apply(world.desk)

    assert world.broker.posts == ["A00001.1.1", "A00002.1.1"]
    with world.store.read() as work:
        assert envelopes.usage(world.desk, work, envelope).risk == D(914)


def test_when_one_envelope_is_used_up_the_next_one_covers() -> None:
    world = world_with()
    first, second = made(world, per_day=1), made(world, by="tom", per_day=1)
    proposals(world, 3)

    envelopes.apply(world.desk)

    assert [stored(world, id).decided_by for id in ("A00001", "A00002", "A00003")] == [first.actor, second.actor, None]


# its end


def test_it_holds_to_the_close_of_its_last_session_and_then_ends_by_itself() -> None:
    world = world_with()
    envelope = made(world, until=make.TODAY)
    world.clock.set(world.desk.sessions.close(make.TODAY) - timedelta(seconds=1))
    before = envelopes.expire_due(world.desk)
    world.clock.advance(1)
    propose(world)

    envelopes.apply(world.desk)

    assert before == ()
    assert world.broker.posts == []
    with world.store.read() as work:
        assert work.envelope(envelope.id).status is EnvelopeStatus.EXPIRED
    assert [(e.actor, e.data["status"]) for e in world.events(EventKind.ENVELOPE_CHANGED)][-1] == ("desk", "expired")


def test_an_early_close_ends_it_at_one() -> None:
    world = world_with()
    world.clock.set(world.desk.sessions.at(date(2026, 11, 27), "12:59"))
    made(world, until=date(2026, 11, 27))
    before = envelopes.expire_due(world.desk)
    world.clock.advance(minutes=1)

    assert before == ()
    assert len(envelopes.expire_due(world.desk)) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"max_risk": D(0)}, "max_risk: 0 should be above 0"),
        ({"per_day": 0}, "per_day: 0 should be 1 to 20"),
        ({"per_day": 21}, "per_day: 21 should be 1 to 20"),
        ({"total": D(-1)}, "total: -1 should be above 0"),
        ({"until": FRIDAY}, "2026-06-19 is not a trading day"),
        ({"until": date(2026, 6, 12)}, "the session of 2026-06-12 is over"),
        ({"until": date(2026, 8, 3)}, "2026-08-03 is too far ahead, the most is 31 days"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        made(world_with(), **changed)


def test_a_strategy_that_is_not_enabled_has_no_envelope() -> None:
    world = world_with()
    enabled = {name: each for name, each in world.desk.strategies.items() if name != "lotto"}

    with pytest.raises(NotFound, match="No strategy “lotto” is enabled"):
        envelopes.create(replace(world.desk, strategies=enabled), bounds(strategy="lotto"), "ann")


# live money


def test_on_live_money_it_covers_nothing_before_its_second_tap() -> None:
    world = world_with(mode=Mode.LIVE)
    asked = made(world)
    propose(world)
    before = envelopes.apply(world.desk)
    world.clock.advance(1)
    envelopes.confirm(world.desk, asked.id, "ann")
    propose(world, id="A00002")
    quote_all(world)

    (decision,) = envelopes.apply(world.desk)

    assert asked.status is EnvelopeStatus.ASKED
    assert before == ()
    assert decision.approval.id == "A00002", "what waited before the second tap is still people's"


def test_on_live_money_the_envelope_takes_the_place_of_both_taps() -> None:
    world = world_with(mode=Mode.LIVE)
    confirmed(world)
    propose(world)
    envelopes.apply(world.desk)
    world.clock.advance(5)
    quote_all(world)

    orders.send_due(world.desk)

    assert world.broker.posts == ["A00001.1.1"]


def test_a_second_tap_that_comes_too_late_puts_nothing_in_force() -> None:
    world = world_with(mode=Mode.LIVE)
    asked = made(world)
    world.clock.advance(minutes=5)

    with pytest.raises(AlreadyDecided, match="is already expired"):
        envelopes.confirm(world.desk, asked.id, "ann")


def test_only_who_asked_for_it_puts_an_envelope_on_live_money_in_force() -> None:
    world = world_with(mode=Mode.LIVE)
    asked = made(world)

    with pytest.raises(NotAllowed, match="asked for by ann: only they confirm it"):
        envelopes.confirm(world.desk, asked.id, "bob")

    propose(world)
    assert envelopes.apply(world.desk) == ()
