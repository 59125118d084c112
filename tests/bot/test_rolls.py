"""Rolling from a chat: /roll, the card with its candidates, taps, and the card at every step to the end."""

import pytest

from bot.announce import card_for
from bot.cards.rolls import roll_card
from bot.message import Button, Card, as_text, table_text
from engine import trail
from engine.desk import Mode
from engine.model.events import EventKind
from engine.model.rolls import RollStatus
from tests import make
from tests.bot.rooms import Visit, visit
from tests.rolling import NEW, OLD, fill, go_on, open_market, short_put, stored

PHONE = 36


def with_put(**more: object) -> Visit:
    desk = visit(**more)
    short_put(desk.world)
    open_market(desk.world)
    return desk


def buttons(card: Card) -> dict[str, Button]:
    return {button.label: button for row in card.buttons for button in row}


def test_from_the_command_to_the_new_position_and_its_live_card() -> None:
    desk = with_put()
    card = desk.card("/roll P00001")
    assert as_text(card).startswith("PAPER\nXYZ: Roll P00001?\nUnanswered, nothing is rolled.\n")
    assert table_text(card.tables[0]) == (
        "Way       To          Net     BE\n"
        "out       03Aug 44  +0.60  42.37\n"
        "out+down  03Aug 42  +0.15  40.82\n"
        "close               -2.00"
    )

    rolling = desk.card(action=buttons(card)["Out +0.60"].action, who="web:tom")
    assert rolling.title == "XYZ: Rolling P00001: step 1 of 2"
    fill(desk.world, "P00001.roll.1.1")
    second = next(post for post in desk.world.broker.posts if post.startswith("A"))
    assert live(desk).title == "XYZ: Rolling P00001: step 2 of 2"
    fill(desk.world, second)

    done = live(desk)
    assert done.title == "XYZ: P00001 is rolled"
    assert "for a net credit of 0.60 a share" in done.lines[0]
    sent = [(o.legs[0].instrument, o.legs[0].ratio * o.quantity) for o in desk.world.broker.sent.values()]
    assert sent == [(OLD, 2), (NEW, -2)]


def live(desk: Visit) -> Card:
    """The card as the outbox would draw it for the newest event of the roll."""
    event = desk.events(EventKind.ROLL_OFFERED, EventKind.ROLL_CHANGED)[-1]
    card = card_for(desk.world.desk, event, f"roll:{event.subject}", "PAPER")
    assert card is not None
    return card


def test_every_state_is_narrow_and_its_buttons_are_short() -> None:
    desk = with_put()
    desk.card("/roll P00001")
    (event,) = desk.events(EventKind.ROLL_OFFERED)
    roll = stored(desk.world, event.subject)

    for card in (live(desk), roll_card(roll, make.NOW, "PAPER")):
        assert all(len(line) <= PHONE for line in table_text(card.tables[0]).splitlines())
        assert all(len(button.action.encode()) <= 64 for row in card.buttons for button in row)


def test_an_older_button_a_viewer_and_a_made_up_one_roll_nothing() -> None:
    desk = with_put()
    action = buttons(desk.card("/roll P00001"))["Out +0.60"].action
    desk.world.market.set_quote(OLD, "2.10", "2.20")
    desk.card(action=action)

    assert "has changed since that button was made" in desk.told(action=action)
    assert "needs the role trader" in desk.told(action=action, who="web:vic")
    assert "names no way to roll" in desk.told(action="choose:R1")
    assert desk.world.broker.posts == []


def test_the_card_of_a_question_has_a_button_that_brings_the_candidates() -> None:
    desk = with_put()
    data = {"reason": "21 DTE", "words": "Close or roll?", "ticker": "XYZ", "strategy": "wheel"}
    event = make.event(EventKind.EXIT_OFFERED, "P00001", "E99999", data=data)
    asked = card_for(desk.world.desk, event, "event:E99999", "PAPER")
    assert asked is not None

    offered = desk.card(action=buttons(asked)["Roll"].action)

    assert offered.title == "XYZ: Roll P00001?"
    assert "Close" in buttons(asked)


def test_close_on_the_card_closes_and_the_offer_is_over() -> None:
    desk = with_put()
    desk.card(action=buttons(desk.card("/roll P00001"))["Close"].action)
    (order,) = desk.world.broker.posts

    fill(desk.world, order)

    (event,) = desk.events(EventKind.ROLL_OFFERED)
    ended = stored(desk.world, event.subject)
    assert (ended.status, ended.note) == (RollStatus.WITHDRAWN, "P00001 is closed.")


def test_the_tap_is_in_the_trades_audit_trail() -> None:
    desk = with_put()
    desk.card(action=buttons(desk.card("/roll P00001"))["Out +0.60"].action)

    raw = [event.data["raw"] for event in desk.events(EventKind.COMMAND)]

    assert raw[0] == "/roll P00001"
    assert str(raw[1]).startswith("choose:R")


@pytest.mark.parametrize("who", ["web:ann", "web:tom"])
def test_on_live_money_it_takes_two_taps_of_one_person(who: str) -> None:
    desk = with_put(mode=Mode.LIVE)
    first = desk.card("/roll P00001")
    confirm = desk.card(action=buttons(first)["Out +0.60"].action)
    assert desk.world.broker.posts == []

    desk.card(action=buttons(confirm)["Confirm: out +0.60"].action, who=who)

    assert bool(desk.world.broker.posts) is (who == "web:ann")
    go_on(desk.world)


def test_the_story_of_a_rolled_trade_tells_the_roll_and_both_its_steps() -> None:
    desk = with_put()
    card = desk.card("/roll P00001")
    desk.card(action=buttons(card)["Out +0.60"].action, who="web:tom")
    fill(desk.world, "P00001.roll.1.1")
    second = next(post for post in desk.world.broker.posts if post.startswith("A"))
    fill(desk.world, second)

    with desk.world.store.read() as work:
        old, new, roll = (
            trail.follow(work, word).events
            for word in ("P00001", second, desk.events(EventKind.ROLL_OFFERED)[0].subject)
        )

    taps = [sealed.event.data["raw"] for sealed in old if sealed.event.kind is EventKind.COMMAND]
    kinds = [sealed.event.kind for sealed in old]
    assert taps == ["/roll P00001", buttons(card)["Out +0.60"].action]
    assert kinds.count(EventKind.FILLED) == 2
    assert kinds.index(EventKind.POSITION_CLOSED) < len(kinds) - 1 - kinds[::-1].index(EventKind.FILLED)
    assert old == new == roll
