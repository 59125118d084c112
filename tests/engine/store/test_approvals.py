"""Proposals in the store: one decision, every version kept."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from engine.errors import AlreadyDecided, NotFound
from engine.model.trade import ApprovalStatus
from engine.store import Store
from tests import make

LATER = make.NOW + timedelta(seconds=30)


def add(store: Store, **more: object) -> None:
    with store.begin() as work:
        work.add_approval(make.approval(**more))


def test_a_proposal_comes_back_as_it_was_stored(store: Store):
    proposal = make.approval(note="first")
    with store.begin() as work:
        work.add_approval(proposal)
    with store.read() as work:
        assert work.approval("A00001") == proposal


def test_a_decision_keeps_who_when_and_why(store: Store):
    add(store)
    with store.begin() as work:
        decided = work.decide("A00001", 1, ApprovalStatus.REJECTED, "ann", LATER, "too rich")
    assert (decided.status, decided.decided_by, decided.decided_at, decided.note) == (
        ApprovalStatus.REJECTED,
        "ann",
        LATER,
        "too rich",
    )


def test_a_decision_without_a_note_keeps_the_note_of_the_card(store: Store):
    add(store, note="the price moved")
    with store.begin() as work:
        assert work.decide("A00001", 1, ApprovalStatus.APPROVED, "ann", LATER).note == "the price moved"


def test_the_second_decision_is_refused_with_the_name_of_the_first(store: Store):
    add(store)
    with store.begin() as work:
        work.decide("A00001", 1, ApprovalStatus.APPROVED, "ann", LATER)
    with store.begin() as work, pytest.raises(AlreadyDecided, match="already approved by ann"):
        work.decide("A00001", 1, ApprovalStatus.REJECTED, "bob", LATER)


def test_an_older_version_cannot_be_decided(store: Store):
    add(store)
    with store.begin() as work:
        work.revise("A00001", 1, make.plan(quantity=1), LATER, "half")
    with store.begin() as work, pytest.raises(AlreadyDecided, match="latest card"):
        work.decide("A00001", 1, ApprovalStatus.APPROVED, "ann", LATER)
    with store.read() as work:
        assert work.approval("A00001").is_pending


def test_an_older_version_cannot_be_revised(store: Store):
    add(store)
    with store.begin() as work:
        work.revise("A00001", 1, make.plan(quantity=1), LATER, "half")
    with store.begin() as work, pytest.raises(AlreadyDecided):
        work.revise("A00001", 1, make.plan(quantity=3), LATER, "more")


def test_every_version_that_was_shown_is_kept(store: Store):
    add(store)
    with store.begin() as work:
        work.revise("A00001", 1, make.plan(quantity=1), LATER, "half")
        work.decide("A00001", 2, ApprovalStatus.APPROVED, "ann", LATER)
    with store.read() as work:
        versions = work.approval_versions("A00001")
        first = work.approval_version("A00001", 1)
    assert [(x.version, x.plan.quantity, x.status.value) for x in versions] == [(1, 2, "pending"), (2, 1, "approved")]
    assert (first.plan.quantity, first.expires_at) == (2, make.NOW + timedelta(seconds=300))


def test_a_version_that_was_never_shown_is_not_found(store: Store):
    add(store)
    with store.read() as work, pytest.raises(NotFound, match="no version 3: its latest is 1"):
        work.approval_version("A00001", 3)


def test_an_unknown_proposal_is_named_with_the_nearest(store: Store):
    add(store)
    with store.read() as work, pytest.raises(NotFound, match=r"no proposal A0001\. Did you mean A00001\?"):
        work.approval("A0001")


def test_deciding_an_unknown_proposal_is_not_found(store: Store):
    with store.begin() as work, pytest.raises(NotFound):
        work.decide("A7", 1, ApprovalStatus.APPROVED, "ann", LATER)


def test_a_second_proposal_of_the_same_id_is_refused(store: Store):
    add(store)
    with store.begin() as work, pytest.raises(AlreadyDecided, match="exists already"):
        work.add_approval(make.approval(plan=make.plan(quantity=9)))


def test_lists_are_newest_first_and_filtered(store: Store):
    for number in range(1, 5):
        add(store, id=f"A0000{number}", created_at=make.NOW + timedelta(minutes=number))
    with store.begin() as work:
        work.decide("A00002", 1, ApprovalStatus.REJECTED, "ann", LATER)
    with store.read() as work:
        assert [x.id for x in work.approvals(limit=2)] == ["A00004", "A00003"]
        assert [x.id for x in work.approvals(ApprovalStatus.REJECTED)] == ["A00002"]
        assert [x.id for x in work.approvals(since=make.NOW + timedelta(minutes=3))] == ["A00004", "A00003"]
        assert [x.id for x in work.pending_approvals()] == ["A00001", "A00003", "A00004"]


def test_a_price_keeps_every_digit(store: Store):
    exact = Decimal("1.0312345678901234567890")
    add(store, plan=make.plan(make.signal(spot=exact)))
    with store.read() as work:
        assert str(work.approval("A00001").plan.signal.spot) == str(exact)


def test_the_plans_of_many_versions_are_read_at_once(store: Store) -> None:
    smaller = make.plan(quantity=1)
    with store.begin() as work:
        work.add_approval(make.approval())
        work.add_approval(make.approval(id="A00002", plan=make.plan(quantity=5)))
        work.revise("A00001", 1, smaller, make.NOW, "smaller")
        found = work.plans([("A00001", 1), ("A00001", 2), ("A00002", 1), ("A00002", 9), ("A00003", 1)])
        nothing = work.plans([])
    assert {key: plan.quantity for key, plan in found.items()} == {
        ("A00001", 1): 2,
        ("A00001", 2): 1,
        ("A00002", 1): 5,
    }
    assert nothing == {}
