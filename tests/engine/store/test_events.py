"""Events, the outbox and message references in the store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine import audit
from engine.errors import DataInvalid, NotFound
from engine.model.events import EventKind, Severity
from engine.model.records import DeliveryState, MessageRef
from engine.store import Store
from tests import make


def add(store: Store, *ids: str, **more: object) -> None:
    with store.begin() as work:
        for id in ids:
            work.add_event(make.event(id=id, **more))


def test_an_event_comes_back_as_it_was_stored(store: Store):
    event = make.event(
        data={"average": "-1.03", "filled": 2, "note": "„größer“", "legs": ["a", "b"], "none": None},
        severity=Severity.URGENT,
        correlation="A00001",
        actor="ann",
    )
    with store.begin() as work:
        work.add_event(event)
    with store.read() as work:
        assert work.event(event.id) == event
        assert work.events() == (event,)


def test_a_fact_that_is_not_json_is_refused_and_nothing_is_written(store: Store):
    with pytest.raises(DataInvalid, match="V00001"), store.begin() as work:
        work.add_event(make.event(data={"price": make.D("1.03")}))
    with store.read() as work:
        assert work.events() == ()


def test_events_are_paged_by_id_and_filtered_by_kind(store: Store):
    add(store, "V1", "V3")
    add(store, "V2", kind=EventKind.HALTED)
    with store.read() as work:
        assert [x.id for x in work.events(limit=2)] == ["V1", "V2"]
        assert [x.id for x in work.events(after_id="V2")] == ["V3"]
        assert [x.id for x in work.events(kinds=[EventKind.HALTED])] == ["V2"]


def test_a_trade_reads_as_one_story(store: Store):
    add(store, "V1", subject="A1")
    add(store, "V2", subject="P1", correlation="A1", at=make.NOW + timedelta(minutes=1))
    add(store, "V3", subject="P2", correlation="A2")
    with store.read() as work:
        assert [x.id for x in work.events_about("A1")] == ["V1", "V2"]


def test_routed_events_are_not_offered_again(store: Store):
    add(store, "V1", "V2")
    with store.begin() as work:
        work.mark_routed(["V1"])
        work.mark_routed([])
    with store.read() as work:
        assert [x.id for x in work.unrouted_events()] == ["V2"]


def test_a_delivery_is_queued_once_for_each_version(store: Store):
    add(store, "V1")
    with store.begin() as work:
        assert work.enqueue("V1", "discord:5", 1, "approval:A1")
        assert not work.enqueue("V1", "discord:5", 1, "approval:A1")
        assert work.enqueue("V1", "discord:5", 2, "approval:A1")
        assert work.outbox_waiting() == 2


def test_a_failed_delivery_waits_for_its_next_try(store: Store):
    add(store, "V1")
    retry = make.NOW + timedelta(seconds=30)
    with store.begin() as work:
        work.enqueue("V1", "web", 1, "approval:A1")
        work.mark_failed("V1:web:1", "no answer", retry)
    with store.read() as work:
        assert work.due_destinations(make.NOW) == ()
        assert work.due_destinations(retry) == ("web",)
        again = work.next_card("web").first
    assert (again.attempts, again.error, again.next_try) == (1, "no answer", retry)


def test_a_sent_or_given_up_delivery_is_not_due_again(store: Store):
    add(store, "V1", "V2")
    with store.begin() as work:
        work.enqueue("V1", "web", 1, "k")
        work.enqueue("V2", "web", 1, "other")
        first = work.next_card("web").first
        work.mark_sent(["V1:web:1"], "message-7", make.NOW)
        work.give_up(["V2:web:1"], "chat is gone", make.NOW)
        assert work.due_destinations(make.NOW + timedelta(days=1)) == ()
        assert work.next_card("web") is None
        assert work.outbox_waiting() == 0
        (sent,), (lost,) = work.deliveries("V1"), work.deliveries("V2")
    assert (first.event_id, first.state) == ("V1", DeliveryState.WAITING)
    assert (sent.state, sent.ref, sent.sent_at) == (DeliveryState.SENT, "message-7", make.NOW)
    assert (lost.state, lost.error) == (DeliveryState.FAILED, "chat is gone")


def test_the_next_card_is_an_urgent_one_with_everything_that_waits_for_it(store: Store):
    add(store, "V1", "V2", "V3", "V4")
    with store.begin() as work:
        work.enqueue("V1", "web", 0, "approval:A1")
        work.enqueue("V2", "web", 0, "alarm:L1")
        work.enqueue("V3", "web", 0, "alarm:L1", urgent=True)
        work.enqueue("V4", "discord:5", 0, "alarm:L1", urgent=True)
    with store.read() as work:
        card = work.next_card("web")
        behind = work.next_card("web", skip=["alarm:L1"])
    assert (card.first.event_id, card.ids) == ("V3", ("V2:web:0", "V3:web:0"))
    assert behind.ids == ("V1:web:0",)


def test_what_arrived_long_ago_is_forgotten_and_where_its_card_stands_is_not(store: Store):
    add(store, "V1", "V2", "V3")
    with store.begin() as work:
        for id in ("V1", "V2", "V3"):
            work.enqueue(id, "web", 0, f"event:{id}")
        work.mark_sent(["V1:web:0"], "m1", make.NOW - timedelta(days=15))
        work.mark_sent(["V2:web:0"], "m2", make.NOW)
        work.save_ref("event:V1", "web", "desk", "m1", 0)
        assert work.forget_sent(make.NOW - timedelta(days=14)) == 1
        assert (work.deliveries("V1"), len(work.deliveries("V2")), work.outbox_waiting()) == ((), 1, 1)
        assert work.refs("event:V1")


def test_marking_what_was_never_queued_is_not_found(store: Store):
    with store.begin() as work, pytest.raises(NotFound, match="V9:web:1"):
        work.mark_sent(["V9:web:1"], None, make.NOW)


def test_an_older_version_never_takes_the_place_of_a_newer_one(store: Store):
    with store.begin() as work:
        assert work.save_ref("approval:A1", "web", "ann", "m1", 3)
        assert not work.save_ref("approval:A1", "web", "ann", "m2", 2)
        assert work.save_ref("approval:A1", "web", "ann", "m3", 3)
    with store.read() as work:
        assert work.refs("approval:A1") == (MessageRef("approval:A1", "web", "ann", "m3", 3),)


def test_a_card_s_places_keep_the_version_shown_there(store: Store):
    with store.begin() as work:
        work.save_ref("approval:A1", "web", "ann", "m1", 1)
        work.save_ref("approval:A1", "discord", "5", "m2", 1)
        work.save_ref("approval:A1", "web", "ann", "m1", 2)
    with store.read() as work:
        assert work.refs("approval:A1") == (
            MessageRef("approval:A1", "discord", "5", "m2", 1),
            MessageRef("approval:A1", "web", "ann", "m1", 2),
        )
        assert work.refs("approval:A2") == ()


def test_a_story_is_every_event_of_its_words_with_its_place_in_the_chain(store: Store):
    with store.begin() as work:
        for number, (subject, correlation) in enumerate([("P1", "A1"), ("A1", ""), ("P2", "A2"), ("x", "A1")]):
            at = make.NOW + timedelta(seconds=-number)
            work.add_event(make.event(id=f"V{number}", at=at, subject=subject, correlation=correlation))
    audit.seal(store)
    with store.read() as work:
        told = work.story(["A1", "V2"])
        nothing = work.story([])
    assert [(sealed.event.id, sealed.number) for sealed in told] == [("V3", 1), ("V2", 2), ("V1", 3), ("V0", 4)]
    assert all(sealed.hash for sealed in told)
    assert nothing == ()


def test_the_newest_events_of_some_kinds_come_newest_first(store: Store):
    with store.begin() as work:
        for number, kind in enumerate([EventKind.NOTE, EventKind.FILLED, EventKind.HALTED, EventKind.NOTE]):
            work.add_event(make.event(id=f"V{number}", kind=kind))
        newest = work.newest_events([EventKind.NOTE, EventKind.HALTED], 2)
    assert [event.id for event in newest] == ["V3", "V2"]
