"""Envelopes in a race: two processes at once, a person first, a revocation meanwhile; and what is left to people."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from engine import approvals, envelopes, halts, orders, promotions
from engine.desk import Mode
from engine.errors import AlreadyDecided
from engine.model.envelopes import EnvelopeStatus
from engine.model.events import EventKind
from engine.model.limits import ApprovalRules, Limits
from engine.model.orders import Order, TicketStatus
from engine.model.trade import ApprovalStatus
from engine.store import Store
from tests import make
from tests.desk import LIVE, World, propose, quote_all
from tests.envelopes import (
    approves,
    busy,
    confirmed,
    made,
    proposals,
    stored,
    world_with,
)
from tests.make import D


def test_two_processes_at_once_never_pass_the_count_of_the_day() -> None:
    """The other process approves while this one asks for quotes: a count taken before that would be one too few."""
    world = world_with()
    made(world, per_day=1)
    first, second = proposals(world, 2)
    other = approves(world, second)

    envelopes.apply(busy(world, other).desk)

    assert world.broker.posts == [f"{second}.1.1"]
    assert stored(world, first).is_pending
    assert stored(world, first).note == ""


def test_two_processes_at_once_never_pass_the_total() -> None:
    world = world_with()
    made(world, per_day=20, total=D(500))
    first, second = proposals(world, 2)

    envelopes.apply(busy(world, approves(world, second)).desk)

    assert world.broker.posts == [f"{second}.1.1"]
    assert stored(world, first).is_pending


def test_eight_threads_on_one_database_pass_no_count(tmp_path: Path) -> None:
    world = world_with(store=Store.create(f"sqlite:///{tmp_path / 'wsb.db'}"))
    made(world, per_day=3)
    proposals(world, 10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: envelopes.apply(world.desk), range(8)))

    assert len(world.broker.posts) == 3
    assert len(set(world.broker.posts)) == 3
    assert len(world.events(EventKind.ENVELOPE_USED)) == 3
    world.store.close()


# what is left to people


def test_a_moved_price_asks_people_at_the_new_price_and_is_not_tried_again() -> None:
    world = world_with()
    envelope = made(world)
    propose(world)
    quote_all(world, "0.94", "1.02")

    envelopes.apply(world.desk)
    envelopes.apply(world.desk)

    left = stored(world)
    assert (left.version, left.is_pending) == (2, True)
    assert left.note == (
        f"Envelope {envelope.id} of ann did not approve this. The price moved -0.05 to 0.98: approve at the new price?"
    )
    assert world.broker.posts == []


def test_a_broken_limit_leaves_the_proposal_to_people_with_the_limit_on_it() -> None:
    world = world_with(limits=Limits(max_total_risk=D("0.005")))
    envelope = made(world)
    propose(world)

    envelopes.apply(world.desk)

    left = stored(world)
    assert left.is_pending
    assert left.version == 2
    assert left.note.startswith(
        f"Envelope {envelope.id} of ann did not approve this. Total risk 0.0 % → 0.9 % (limit 0.5 %)"
    )


def halted(world: World) -> str:
    halts.halt(world.desk, "tom", "wild")
    return "Entries are halted by tom: wild."


def before_entries(world: World) -> str:
    world.clock.set(make.NOW - timedelta(minutes=20))
    return "No entries in the first 15 minutes"


def no_quote(world: World) -> str:
    world.market.drop_quote(make.put())
    return "No quote for"


@pytest.mark.parametrize("trouble", [halted, no_quote])
def test_a_passing_refusal_is_told_on_the_card_and_left_to_people(trouble: Callable[[World], str]) -> None:
    world = world_with()
    made(world)
    propose(world)
    words = trouble(world)

    envelopes.apply(world.desk)

    left = stored(world)
    assert (left.version, left.is_pending) == (2, True)
    assert words in left.note
    assert world.broker.posts == []


def test_early_in_the_session_the_envelope_opens_nothing() -> None:
    world = world_with()
    words = before_entries(world)
    quote_all(world)
    made(world)
    propose(world)

    envelopes.apply(world.desk)

    assert words in stored(world).note
    assert world.broker.posts == []


def test_live_money_without_a_promotion_is_left_to_people() -> None:
    world = world_with(mode=Mode.LIVE)
    confirmed(world)
    promotions.end(world.desk, "wheel", LIVE, "ann")
    propose(world)

    envelopes.apply(world.desk)

    assert "has not been promoted to live money" in stored(world).note
    assert world.broker.posts == []


def test_a_person_who_taps_first_wins() -> None:
    world = world_with()
    made(world)
    propose(world)

    envelopes.apply(busy(world, lambda: approvals.approve(world.desk, "A00001", 1, "tom")).desk)

    assert stored(world).decided_by == "tom"
    assert world.broker.posts == ["A00001.1.1"]


# revoking


def test_a_revoked_envelope_approves_nothing() -> None:
    world = world_with()
    envelope = made(world)
    propose(world)

    done = envelopes.revoke(world.desk, envelope.id, "tom")
    envelopes.apply(world.desk)

    assert (done.envelope.status, done.envelope.ended_by) == (EnvelopeStatus.REVOKED, "tom")
    assert world.broker.posts == []
    assert [(e.actor, e.data["status"]) for e in world.events(EventKind.ENVELOPE_CHANGED)] == [
        ("ann", "in force"), ("tom", "revoked"),
    ]  # fmt: skip


def test_revoking_before_the_decision_is_written_wins() -> None:
    """The approval is under way and has its quotes; the revocation's transaction comes first."""
    world = world_with()
    envelope = made(world)
    propose(world)

    envelopes.apply(busy(world, lambda: envelopes.revoke(world.desk, envelope.id, "tom")).desk)

    assert world.broker.posts == []
    assert stored(world).is_pending
    assert stored(world).version == 1


def test_revoking_after_the_decision_leaves_what_is_at_the_broker_and_names_it() -> None:
    world = world_with()
    envelope = made(world)
    propose(world)
    envelopes.apply(world.desk)

    done = envelopes.revoke(world.desk, envelope.id, "tom")

    assert [ticket.id for ticket in done.working] == ["A00001.1"]
    assert done.taken_back == ()
    assert world.broker.open_orders() == ("A00001.1.1",)


def test_revoking_in_the_undo_window_takes_the_order_back() -> None:
    world = world_with(mode=Mode.LIVE)
    envelope = confirmed(world)
    propose(world)
    envelopes.apply(world.desk)

    done = envelopes.revoke(world.desk, envelope.id, "tom")
    world.clock.advance(6)
    quote_all(world)
    orders.send_due(world.desk)

    assert [ticket.id for ticket in done.taken_back] == ["A00001.1"]
    assert world.broker.posts == []
    with world.store.read() as work:
        ended = work.ticket("A00001.1")
    assert ended.status is TicketStatus.CLOSED
    assert ended.note == f"{envelope.id} was revoked by tom before it was sent"


def test_revoking_takes_back_nothing_that_people_approved() -> None:
    world = world_with(mode=Mode.LIVE, rules=ApprovalRules(undo_live=60))
    envelope = confirmed(world)
    order: Order = make.order()
    with world.store.begin() as work:
        work.add_approval(make.approval(status=ApprovalStatus.APPROVED, decided_by="ann"))
        work.add_ticket(make.ticket(send_after=world.clock() + timedelta(seconds=5)))

    done = envelopes.revoke(world.desk, envelope.id, "tom")

    assert done.taken_back == done.working == ()
    with world.store.read() as work:
        assert work.ticket(order.ticket_id).is_open


def test_revoking_twice_says_who_was_first() -> None:
    world = world_with()
    envelope = made(world)
    envelopes.revoke(world.desk, envelope.id, "tom")

    with pytest.raises(AlreadyDecided, match=f"{envelope.id} is already revoked by tom"):
        envelopes.revoke(world.desk, envelope.id, "ann")
