"""Decisions made in advance: what they cover, how often, until when, and who wins when one is revoked meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import approvals, envelopes, halts, orders, promotions
from engine.approvals import Outcome
from engine.desk import Mode
from engine.errors import AlreadyDecided, BadRequest, DataUnavailable, NotFound
from engine.model.envelopes import Bounds, Envelope, EnvelopeStatus, outside, risk_of
from engine.model.events import Event, EventKind
from engine.model.instruments import Instrument
from engine.model.legs import Structure
from engine.model.limits import ApprovalRules, Limits
from engine.model.market import Quote
from engine.model.orders import Order, TicketStatus
from engine.model.trade import Approval, ApprovalStatus
from engine.store import Store
from strategies import CATALOGUE
from tests import make
from tests.desk import LIVE, World, make_world, propose, quote_all
from tests.make import D

FRIDAY = date(2026, 6, 19)  # a holiday: the Friday of the desk's week
THURSDAY = date(2026, 6, 18)


def bounds(**more: Any) -> Bounds:
    """Wheel puts of at most 2,000 risk, two a day, until Thursday."""
    defaults: dict[str, Any] = {
        "strategy": "wheel",
        "max_risk": D(2000),
        "per_day": 2,
        "until": THURSDAY,
        "structure": Structure.SHORT_PUT,
    }
    return Bounds(**(defaults | more))


def world_with(store: Store | None = None, **more: Any) -> World:
    return make_world(strategies=dict(CATALOGUE), store=store, **more)


def made(world: World, by: str = "ann", **more: Any) -> Envelope:
    return envelopes.create(world.desk, bounds(**more), by)


def stored(world: World, id: str = "A00001") -> Approval:
    with world.store.read() as work:
        return work.approval(id)


def events(world: World, *kinds: EventKind) -> tuple[Event, ...]:
    with world.store.read() as work:
        return work.events(kinds=kinds)


def proposals(world: World, count: int) -> list[str]:
    """So many proposals of the 44 put; small enough for all of them to fit the limits."""
    ids = [f"A{number:05d}" for number in range(1, count + 1)]
    for id in ids:
        propose(world, id=id, plan=make.plan(quantity=1))
    return ids


# what is covered


def test_a_proposal_inside_the_bounds_becomes_one_order_that_cites_the_envelope() -> None:
    world = world_with()
    envelope = made(world)
    propose(world)

    (decision,) = envelopes.apply(world.desk)

    assert decision.outcome is Outcome.SENT
    assert world.broker.posts == ["A00001.1.1"]
    assert stored(world).decided_by == f"envelope {envelope.id} of ann"
    (used,) = events(world, EventKind.ENVELOPE_USED)
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
    approvals.resize(world.desk, "A00001", 1, "tom", 1)

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


class BusyMarket:
    """The world's market, in which something happens while quotes are being asked for."""

    def __init__(self, world: World, happens: Callable[[], object]) -> None:
        self._market, self._happens = world.market, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._market, name)

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        happens, self._happens = self._happens, lambda: None
        happens()
        return self._market.quotes(instruments)


def busy(world: World, happens: Callable[[], object]) -> World:
    return replace(world, desk=replace(world.desk, market=BusyMarket(world, happens)))


def test_two_processes_at_once_never_pass_the_count_of_the_day() -> None:
    """The other process approves while this one asks for quotes: a count taken before that would be one too few."""
    world = world_with()
    made(world, per_day=1)
    first, second = proposals(world, 2)
    other = propose_only(world, second)

    envelopes.apply(busy(world, other).desk)

    assert world.broker.posts == [f"{second}.1.1"]
    assert stored(world, first).is_pending
    assert stored(world, first).note == ""


def propose_only(world: World, id: str) -> Callable[[], object]:
    """What another process does with one proposal under the only envelope."""
    with world.store.read() as work:
        (envelope,) = work.open_envelopes()
    warrant = envelopes.Warrant(world.desk, envelope.id)
    return lambda: approvals.approve(world.desk, id, 1, envelope.actor, warrant)


def test_two_processes_at_once_never_pass_the_total() -> None:
    world = world_with()
    made(world, per_day=20, total=D(500))
    first, second = proposals(world, 2)

    envelopes.apply(busy(world, propose_only(world, second)).desk)

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
    assert len(events(world, EventKind.ENVELOPE_USED)) == 3
    world.store.close()


# what is left to people


def test_a_moved_price_asks_people_at_the_new_price_and_is_not_tried_again() -> None:
    world = world_with()
    envelope = made(world)
    propose(world)
    quote_all(world, "0.93", "1.03")

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
        f"Envelope {envelope.id} of ann did not approve this. Total risk 0.0% → 0.9% (limit 0.5%)"
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
    assert [(e.actor, e.data["status"]) for e in events(world, EventKind.ENVELOPE_CHANGED)] == [
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
    assert [(e.actor, e.data["status"]) for e in events(world, EventKind.ENVELOPE_CHANGED)][-1] == ("desk", "expired")


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
    with pytest.raises(NotFound, match="No strategy “lotto”"):
        made(world_with(), strategy="lotto")


# live money


def confirmed(world: World) -> Envelope:
    return envelopes.confirm(world.desk, made(world).id, "ann")


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


def test_no_quote_at_all_is_an_error_of_the_market_and_not_of_the_envelope() -> None:
    world = world_with()
    made(world)
    propose(world)
    no_quote(world)

    with pytest.raises(DataUnavailable):
        approvals.approve(world.desk, "A00001", 1, "tom")
