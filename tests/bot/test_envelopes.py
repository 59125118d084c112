"""Envelopes from chat: made in one line, seen in one list, revoked with one tap."""

from __future__ import annotations

from typing import Any

import pytest

from bot.announce import card_for
from bot.bulkheads import inline
from bot.command import Room
from bot.completion import complete
from bot.message import Card, as_text
from engine import envelopes
from engine.desk import Mode
from engine.model.envelopes import Envelope, EnvelopeStatus
from engine.model.events import EventKind
from engine.model.legs import Structure
from tests import make
from tests.bot.rooms import PEOPLE, Visit, visit
from tests.desk import LIVE, propose
from tests.make import D

LINE = "/envelope wheel max_risk=2000 per_day=2 until=thursday structure=short_put"


def live_visit(**more: Any) -> Visit:
    """The same three people on live money."""
    found = visit(mode=Mode.LIVE, **more)
    return Visit(found.world, Room(found.world.desk, PEOPLE, inline, lambda: f"LIVE {LIVE}"), found.sources)


def only(desk: Visit) -> Envelope:
    with desk.world.store.read() as work:
        (envelope,) = work.open_envelopes()
    return envelope


def actions(card: Card) -> list[str]:
    return [button.action for row in card.buttons for button in row]


def test_a_trader_makes_one_on_paper_and_it_is_in_force_at_once() -> None:
    desk = visit()

    card = desk.card(LINE, who="web:tom")

    envelope = only(desk)
    assert envelope.status is EnvelopeStatus.IN_FORCE
    assert (envelope.created_by, envelope.bounds.max_risk, envelope.bounds.per_day) == ("tom", D(2000), 2)
    assert envelope.bounds.structure is Structure.SHORT_PUT
    assert envelope.bounds.until.isoformat() == "2026-06-18"
    assert actions(card) == [f"revoke:{envelope.id}"]
    assert card.lines[0] == (
        "wheel cash-secured put: risk up to 2,000.00 a trade, at most 2 a day, until Thu 18 Jun 2026."
    )


@pytest.mark.parametrize(
    "line",
    [
        "/envelope wheel 2000 2 thursday short_put",
        "/envelope wheel $2,000 2 2026-06-18 short_put",
        "envelope until=Thursday per_day=2 max_risk=2000 strategy=wheel structure=SHORT_PUT",
    ],
)
def test_the_same_bounds_in_other_words(line: str) -> None:
    desk = visit()
    desk.card(line)

    bounds = only(desk).bounds

    assert (bounds.strategy, bounds.max_risk, bounds.per_day, bounds.until.day) == ("wheel", D(2000), 2, 18)
    assert bounds.structure is Structure.SHORT_PUT


@pytest.mark.parametrize(
    "more", ["structure=short_put total=6000 XYZ ABC", "total=6000 XYZ,ABC", "short_put 6000 XYZ ABC"]
)
def test_names_and_a_total_bound_it_further(more: str) -> None:
    desk = visit()
    desk.world.market.set_snapshot(make.snapshot())
    desk.world.market.set_snapshot(make.snapshot("ABC"))

    desk.card(f"/envelope wheel 2000 2 thursday {more}")

    assert only(desk).bounds.tickers == ("XYZ", "ABC")
    assert only(desk).bounds.total == D(6000)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/envelope wheel 2000 2", "needs until"),
        ("/envelope wheel 2000 0 thursday", "per_day: “0” is too small"),
        ("/envelope wheel 0 2 thursday", "max_risk: “0” is too small"),
        ("/envelope wheel 2000 2 freitag", "“freitag” is not a date: expected YYYY-MM-DD, today or friday"),
        ("/envelope wheel 2000 2 thrusday", "Did you mean thursday?"),
        ("/envelope wheel 2000 2 friday", "2026-06-19 is not a trading day in New York: the next one is 2026-06-22"),
        ("/envelope wheel 2000 2 thursday puts", "structure: “puts” should be short_put or"),
        ("/envelope wheel 2000 2 thursday most=3", "no option “most”"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_made(line: str, words: str) -> None:
    desk = visit()

    assert words in desk.told(line)
    with desk.world.store.read() as work:
        assert work.open_envelopes() == ()


def test_a_viewer_makes_and_revokes_none() -> None:
    desk = visit()
    desk.card(LINE)
    envelope = only(desk)

    made = desk.told(LINE, who="web:vic")
    revoked = desk.told(action=f"revoke:{envelope.id}", who="web:vic")

    assert "needs the role trader" in made
    assert "needs the role trader" in revoked
    assert only(desk) == envelope


def test_the_list_says_what_is_used_and_revokes_with_one_tap() -> None:
    desk = visit()
    desk.card(LINE)
    envelope = only(desk)
    propose(desk.world)
    envelopes.apply(desk.world.desk)

    card = desk.card("/envelopes", who="web:vic")
    revoked = desk.card(action=actions(card)[0], who="web:tom")

    assert card.title == "1 envelope in force"
    assert card.lines[0].startswith(f"{envelope.id}, by ann. wheel cash-secured put")
    assert card.lines[0].endswith("Today 1 of 2; in all 1 trade, 914.00 of risk.")
    assert "falls 20 %" in card.lines[1]
    assert revoked.title == f"Envelope {envelope.id} is revoked"
    assert actions(revoked) == ["cancel:A00001.1"], "what is at the broker already has its own button"
    assert desk.card("/envelopes").title == "No envelopes"


def test_the_proposals_card_names_the_envelope() -> None:
    desk = visit()
    desk.card(LINE)
    propose(desk.world)
    envelopes.apply(desk.world.desk)

    (event,) = desk.events(EventKind.APPROVAL_CHANGED)
    card = card_for(desk.world.desk, event, "approval:A00001", "PAPER")

    assert card is not None
    assert f"Approved by envelope {only(desk).id} of ann." in as_text(card)


def test_the_card_of_a_proposal_left_to_people_says_why_and_can_be_approved() -> None:
    desk = visit()
    desk.card(LINE)
    propose(desk.world)
    desk.world.market.drop_quote(make.put())
    envelopes.apply(desk.world.desk)
    (event,) = desk.events(EventKind.APPROVAL_CHANGED)
    card = card_for(desk.world.desk, event, "approval:A00001", "PAPER")
    assert card is not None

    assert card.lines[0].startswith(f"Envelope {only(desk).id} of ann did not approve this. No quote for")
    assert actions(card)[0] == "approve:A00001.2"


def test_making_and_ending_one_is_posted_with_its_revoke_button() -> None:
    desk = visit()
    desk.card(LINE)
    envelope = only(desk)
    desk.card(action=f"revoke:{envelope.id}", who="web:tom")

    made, revoked = (
        card_for(desk.world.desk, event, f"event:{event.id}", "PAPER")
        for event in desk.events(EventKind.ENVELOPE_CHANGED)
    )

    assert made is not None
    assert revoked is not None
    assert made.title == f"Envelope {envelope.id}"
    assert actions(made) == [f"revoke:{envelope.id}"]
    assert actions(revoked) == []
    assert ("By", "tom") in revoked.facts


def test_the_taps_are_in_the_audit_trail() -> None:
    desk = visit()
    desk.card(LINE)
    envelope = only(desk)
    desk.card(action=f"revoke:{envelope.id}", who="web:tom")

    acts = desk.events(EventKind.COMMAND)

    assert [(event.data["command"], event.actor) for event in acts] == [("envelope", "ann"), ("revoke", "tom")]
    assert acts[1].subject == envelope.id


def test_a_tap_on_a_revoked_one_says_who_was_first() -> None:
    desk = visit()
    desk.card(LINE)
    envelope = only(desk)
    desk.card(action=f"revoke:{envelope.id}", who="web:tom")

    assert desk.told(action=f"revoke:{envelope.id}") == f"{envelope.id} is already revoked by tom."
    assert "There is no envelope V99999" in desk.told(action="revoke:V99999")


# live money


def test_on_live_money_a_trader_makes_none() -> None:
    desk = live_visit()

    assert desk.told(LINE, who="web:tom") == "On live money an envelope needs the role admin; tom is a trader."
    assert [event.subject for event in desk.events(EventKind.DENIED)] == ["web:tom"]
    with desk.world.store.read() as work:
        assert work.open_envelopes() == ()


def test_on_live_money_an_admin_taps_twice_and_any_trader_revokes() -> None:
    desk = live_visit()
    asked = desk.card(LINE)
    waiting = only(desk)
    tried = desk.told(action=f"permit:{waiting.id}", who="web:tom")

    permitted = desk.card(action=f"permit:{waiting.id}")
    in_force = only(desk)
    revoked = desk.card(action=f"revoke:{waiting.id}", who="web:tom")

    assert actions(asked) == [f"permit:{waiting.id}", f"revoke:{waiting.id}"]
    assert asked.title == f"Envelope {waiting.id} on live money?"
    assert any("takes the place of the two taps" in line for line in asked.lines)
    assert waiting.status is EnvelopeStatus.ASKED
    assert "needs the role admin" in tried
    assert in_force.status is EnvelopeStatus.IN_FORCE
    assert permitted.banner == revoked.banner == f"LIVE {LIVE}"
    assert revoked.title == f"Envelope {waiting.id} is revoked"


def test_completion_knows_envelopes_and_days() -> None:
    desk = visit()
    desk.card(LINE)

    assert [item.text for item in complete(desk.room, "web:ann", "revoke ")] == [only(desk).id]
    assert [item.text for item in complete(desk.room, "web:ann", "/envelope wheel 2000 2 t")] == [
        "today", "tuesday", "thursday",
    ]  # fmt: skip
    assert "short_put" in [item.text for item in complete(desk.room, "web:ann", "/envelope wheel 2000 2 today ")]
