"""Every button of a proposal, from the tap through the gate to the broker's orders and back to the card."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from bot.app import CROCKFORD
from bot.bulkheads import inline
from bot.command import Room
from bot.dispatch import dispatch
from bot.forms import form_of
from bot.message import Card, Request, as_text
from bot.platforms.replay_chat import ReplayChat
from engine import approvals, orders, scanning
from engine.desk import Mode
from engine.model.events import EventKind
from engine.model.limits import ApprovalRules
from strategies import CATALOGUE
from tests import make
from tests.bot.rooms import PEOPLE, Visit, visit
from tests.desk import LIVE, make_world, propose, quote_all
from tests.page import open_page
from tests.strategies import cases

BANNER = f"LIVE {LIVE}"


def live(**more: Any) -> Visit:
    """A desk on live money with the default proposal waiting."""
    world = make_world(strategies=dict(CATALOGUE), mode=Mode.LIVE, **more)
    propose(world)
    return Visit(world, Room(world.desk, PEOPLE, inline, lambda: BANNER), count(1))


def scanned() -> Visit:
    """The wheel example, proposed by a scan: two 44 puts; 40 and 48, and 18 and 60 days, are listed too."""
    desk = visit()
    desk.world.market.set_snapshot(cases.wheel_name())
    scanning.run(desk.world.desk, "wheel", ["XYZ"])
    return desk


def key(desk: Visit) -> str:
    """`id.version` of the one proposal that waits."""
    with desk.world.store.read() as work:
        (approval,) = work.pending_approvals()
    return approval.key


def labels(card: Card) -> list[list[str]]:
    return [[button.label for button in row] for row in card.buttons]


def press(desk: Visit, card: Card, label: str, who: str = "web:ann") -> Card:
    """Tap the button with this label."""
    (action,) = [button.action for row in card.buttons for button in row if button.label == label]
    return desk.card(action=action, who=who)


def test_a_pending_card_has_four_rows_at_most_and_four_taps_in_one() -> None:
    desk = scanned()
    card = desk.card(action=f"show:{key(desk).partition('.')[0]}")

    assert labels(card) == [
        ["Approve", "Reject"],
        ["Half (1)", "Better price"],
        ["Snooze", "Change", "Why", "Payoff"],
    ]


@pytest.mark.parametrize("tap", ["Approve", "Reject", "Why", "Half (1)"])
@pytest.mark.parametrize("sign", CROCKFORD)
def test_a_tap_counts_whatever_sign_the_id_ends_with(sign: str, tap: str) -> None:
    desk = visit()
    first = propose(desk.world, id=f"A0VAAC2{sign}")

    press(desk, desk.card(action=f"show:{first.id}"), tap)

    sent = [order for order in desk.world.broker.sent if order.startswith(first.id)]
    assert len(sent) == (1 if tap == "Approve" else 0)


def test_a_rejected_card_ends_its_sentence_once() -> None:
    desk = scanned()
    press(desk, desk.card(action=f"half:{key(desk)}"), "Reject")
    with desk.world.store.read() as work:
        (approval,) = work.approvals()

    card = desk.card(action=f"show:{approval.id}")

    assert card.lines[0].startswith("Rejected by ann")
    assert ".." not in card.lines[0]


def test_change_offers_the_neighbours_by_name_and_each_leads_to_an_order() -> None:
    desk = scanned()
    first = key(desk)

    card = desk.card(action=f"change:{first}")

    assert labels(card) == [
        ["Half (1)", "Better price", "Your price…"],
        ["40 put", "48 put"],
        ["03 Jul 26", "14 Aug 26"],
    ]
    press(desk, press(desk, card, "40 put"), "Change")
    varied = desk.card(action=f"show:{first.partition('.')[0]}")
    assert varied.title == "wheel: sell 2 × XYZ 40 put?"
    later = press(desk, press(desk, varied, "Change"), "14 Aug 26")
    assert ("Expires", "14 Aug 26 (60 days)") in later.facts


@pytest.mark.parametrize(
    ("verb", "contract"),
    [("strike_up", make.put(48)), ("sooner", make.put(44, dte=18)), ("later", make.put(44, dte=60))],
)
def test_another_contract_is_approved_and_traded(verb: str, contract: Any) -> None:
    desk = scanned()

    asked = desk.card(action=f"{verb}:{key(desk)}")
    sent = press(desk, asked, "Approve")

    assert "(order working)" in sent.title
    (order,) = desk.world.broker.sent.values()
    assert [leg.instrument for leg in order.legs] == [contract]


def test_a_lower_strike_that_is_too_wide_says_so_and_is_not_sent() -> None:
    desk = scanned()

    asked = desk.card(action=f"strike_down:{key(desk)}")

    assert "Against: The spread of XYZ 20 Jul 26 40 put is 30.3 % of its mid, more than 10 %" in asked.lines
    assert "30.3 % of its mid" in desk.told(action=f"approve:{key(desk)}")
    assert desk.world.broker.posts == []


def test_where_there_is_no_other_contract_change_still_has_size_and_price() -> None:
    desk = visit()
    propose(desk.world)
    desk.world.market.set_snapshot(make.snapshot())

    card = desk.card(action="change:A00001.1")

    assert labels(card) == [["Half (1)", "Better price", "Your price…"]]
    assert "There is no option chain right now to choose a strike or an expiry from." in card.lines


def test_better_price_is_shown_as_yours_and_is_the_order() -> None:
    desk = visit()
    propose(desk.world)

    card = desk.card(action="better:A00001.1")
    press(desk, card, "Approve")

    assert ("Your limit", "credit 1.04 or better") in card.facts
    assert ("Price now", "credit 1.03 (206.00 in)") in card.facts
    assert [order.limit for order in desk.world.broker.sent.values()] == [make.D("-1.04")]


@pytest.mark.parametrize("how", ["/myprice A00001.1 1.10", "myprice:A00001.1 1.10"])
def test_a_price_of_your_own_can_be_typed_or_carried_by_a_button(how: str) -> None:
    desk = visit()
    propose(desk.world)

    card = desk.card(how) if how.startswith("/") else desk.card(action=how)

    assert ("Your limit", "credit 1.10 or better") in card.facts


@pytest.mark.parametrize("how", ["/size A00001.1 3", "size:A00001.1 3"])
def test_a_smaller_size_can_be_typed_or_carried_by_a_button(how: str) -> None:
    desk = visit()
    plan = make.plan(make.signal(outlook=make.outlook(max_loss=make.D(400), collateral=make.D(500))), 5)
    propose(desk.world, plan=plan)

    card = desk.card(how) if how.startswith("/") else desk.card(action=how)
    press(desk, card, "Approve")

    assert "Size 5 → 3 by ann." in card.lines
    assert [order.quantity for order in desk.world.broker.sent.values()] == [3]


def test_change_asks_for_any_size_and_any_price_of_your_own() -> None:
    desk = visit()
    propose(desk.world, plan=make.plan(make.signal(outlook=make.outlook(max_loss=make.D(400))), 5))
    desk.world.market.set_snapshot(make.snapshot())

    card = desk.card(action="change:A00001.1")

    assert labels(card) == [["Half (2)", "One", "Size…"], ["Better price", "Your price…"]]
    forms = [form_of(button.action) for row in card.buttons for button in row]
    assert [[field.name for field in form.fields] for form in forms if form] == [["quantity"], ["price"]]


def test_a_larger_size_is_not_to_be_had() -> None:
    desk = visit()
    propose(desk.world)

    assert "3 is not a smaller size" in desk.told("/size A00001.1 3")


@pytest.mark.parametrize(("how", "until"), [("/snooze A00001 20", "10:20:00 ET"), ("/snooze A00001.1", "10:05:00 ET")])
def test_a_snoozed_card_says_until_when_and_comes_back(how: str, until: str) -> None:
    desk = visit()
    propose(desk.world)

    card = desk.card(how)

    assert card.title == "wheel: sell 2 × XYZ 44 put? (snoozed)"
    assert f"Snoozed by ann until {until}." in card.lines
    assert ("Asks again", until) in card.facts
    desk.world.clock.advance(minutes=20)
    quote_all(desk.world)
    approvals.wake_due(desk.world.desk)
    awake = desk.card(action="show:A00001")
    assert awake.lines[0] == "Back from its snooze: 1.03 then, 1.03 now."
    assert "(order working)" in press(desk, awake, "Approve").title


def test_live_money_takes_two_different_buttons_and_the_card_says_so() -> None:
    desk = live()

    asked = desk.card(action="approve:A00001.1")
    assert asked.banner == BANNER
    assert asked.lines[0] == f"{BANNER}: tap again to send. ann tapped; confirm by 10:00:30 ET."
    assert labels(asked) == [["Why", "Payoff"], ["Confirm", "Reject"]]
    assert asked.expires_at == "2026-06-15T14:00:30+00:00"

    sending = press(desk, asked, "Confirm")
    assert sending.title == "wheel: sell 2 × XYZ 44 put (sending)"
    assert labels(sending) == [["Undo"]]
    assert sending.expires_at == "2026-06-15T14:00:05+00:00"
    assert desk.world.broker.posts == []

    desk.world.clock.advance(5)
    quote_all(desk.world)
    orders.send_due(desk.world.desk)
    working = desk.card(action="show:A00001")
    assert desk.world.broker.posts == ["A00001.1.1"]
    assert labels(working) == [["Try to cancel"]]
    assert working.expires_at == ""


def test_undo_takes_it_back_before_anything_is_sent() -> None:
    desk = live()
    sending = press(desk, desk.card(action="approve:A00001.1"), "Confirm")

    undone = press(desk, sending, "Undo")
    desk.world.clock.advance(6)
    quote_all(desk.world)
    orders.send_due(desk.world.desk)

    assert undone.title == "wheel: sell 2 × XYZ 44 put (not sent)"
    assert "Approved by ann. Not sent: canceled by ann before it was sent." in undone.lines
    assert desk.world.broker.posts == []


def test_a_late_confirm_starts_over_on_the_same_card() -> None:
    desk = live()
    asked = desk.card(action="approve:A00001.1")
    desk.world.clock.advance(30)
    quote_all(desk.world)

    late = press(desk, asked, "Confirm")

    assert late.lines[0] == "The first tap is too long ago: start over with Approve."
    assert labels(late)[0] == ["Approve", "Reject"]
    assert late.version > asked.version
    assert desk.world.broker.posts == []


def test_a_confirm_of_an_older_version_is_shown_the_new_card() -> None:
    desk = live()
    desk.card(action="approve:A00001.1")
    desk.card(action="better:A00001.1")

    reply = desk.ask(action="confirm:A00001.1")

    assert reply.error == "already decided"
    assert labels(reply.cards[1])[0] == ["Approve", "Reject"], "a tap on the first version is none on the second"


def test_every_state_of_a_live_card_says_live() -> None:
    desk = live()
    states = [desk.card(action="show:A00001"), desk.card(action="approve:A00001.1")]
    states.append(press(desk, states[-1], "Confirm"))
    desk.world.clock.advance(5)
    quote_all(desk.world)
    orders.send_due(desk.world.desk)
    states.append(desk.card(action="show:A00001"))
    desk.world.broker.fill("A00001.1.1")
    desk.world.clock.advance(1)
    orders.reconcile(desk.world.desk)
    states.append(desk.card(action="show:A00001"))

    assert [as_text(card).splitlines()[0] for card in states] == [BANNER] * 5
    versions = [card.version for card in states]
    assert versions == sorted(set(versions)), "every state replaces the one before it"


def test_two_names_are_needed_above_the_configured_risk_whatever_platform_they_use() -> None:
    desk = visit(rules=ApprovalRules(second_approver_above=make.D(8000)))
    propose(desk.world)

    asked = desk.card(action="approve:A00001.1", who="web:ann")

    assert asked.lines[0] == "ann has approved. Another name must approve too, by 10:15:00 ET."
    assert labels(asked)[0] == ["Approve", "Reject"]
    told = desk.told(action="approve:A00001.1", who="discord:1")
    assert told == "ann has approved already; this much risk needs another name as well."
    assert "(order working)" in press(desk, asked, "Approve", who="web:tom").title
    assert desk.world.broker.posts == ["A00001.1.1"]


def test_the_losing_tap_is_told_who_won_and_shown_the_card_as_it_is() -> None:
    desk = visit()
    propose(desk.world)
    desk.card(action="approve:A00001.1", who="web:ann")

    reply = desk.ask(action="approve:A00001.1", who="web:tom")

    assert reply.error == "already decided"
    assert reply.cards[0].lines == ("A00001 is already approved by ann.",)
    assert reply.cards[1].key == "approval:A00001"
    assert "(order working)" in reply.cards[1].title


def test_an_old_button_is_answered_with_the_latest_card() -> None:
    desk = visit()
    propose(desk.world)
    desk.card(action="half:A00001.1")

    reply = desk.ask(action="approve:A00001.1", who="web:tom")

    assert "has changed since that button was made" in reply.cards[0].lines[0]
    assert [button.action for button in reply.cards[1].buttons[0]] == ["approve:A00001.2", "reject:A00001.2"]


def test_a_viewer_can_see_the_changes_and_make_none() -> None:
    desk = scanned()

    assert desk.card(action=f"change:{key(desk)}", who="web:vic").title.startswith("Change wheel")
    for verb in ("confirm", "better", "strike_up", "strike_down", "sooner", "later", "snooze", "half"):
        assert "needs the role trader" in desk.told(action=f"{verb}:{key(desk)}", who="web:vic")


def on(chat: ReplayChat) -> Card:
    """The one message of the proposal on this platform."""
    (card,) = [card for card in chat.messages.values() if card.key == "approval:A00001"]
    return card


async def test_every_platform_shows_the_first_tap_the_second_and_the_sending() -> None:
    world = make_world(mode=Mode.LIVE)
    async with open_page(world) as page:
        chat = ReplayChat()
        page.platforms[chat.name] = chat
        await page.propose()
        room = replace(page.room, people=PEOPLE)

        def title() -> str:
            return on(chat).title

        titles = [title()]
        for action in ("approve:A00001.1", "confirm:A00001.1"):
            reply = await dispatch(room, Request("web:ann", action=action, source=action))
            assert reply.is_ok
            await page.pump()
            titles.append(title())
        world.clock.advance(5)
        quote_all(world)
        orders.send_due(world.desk)
        await page.pump()
        titles.append(title())

    assert titles == [
        "wheel: sell 2 × XYZ 44 put?",
        "wheel: sell 2 × XYZ 44 put? (tap again)",
        "wheel: sell 2 × XYZ 44 put (sending)",
        "wheel: sell 2 × XYZ 44 put (order working)",
    ]


async def test_an_unconfirmed_first_tap_is_taken_off_every_card() -> None:
    world = make_world(mode=Mode.LIVE)
    async with open_page(world) as page:
        chat = ReplayChat()
        page.platforms[chat.name] = chat
        await page.propose()
        approvals.approve(world.desk, "A00001", 1, "ann")
        await page.pump()
        world.clock.advance(31)

        approvals.wake_due(world.desk)
        await page.pump()

        card = on(chat)
    assert card.title == "wheel: sell 2 × XYZ 44 put?"
    with world.store.read() as work:
        kinds = [event.kind for event in work.events_about("A00001")]
    assert kinds.count(EventKind.APPROVAL_CHANGED) == 2


def test_a_price_written_with_a_comma_is_never_a_hundred_times_itself() -> None:
    desk = visit()
    propose(desk.world)

    said = desk.told("/myprice A00001.1 1,10")

    assert said == "price: write “1,10” with a point, such as 1.10."
