"""Cards of the outbox in Telegram: posted, edited, refused, lost; what people write under them."""

from __future__ import annotations

import asyncio
import logging

import pytest
import structlog

from alerts.outbox import Later, Undeliverable
from bot.dispatch import answer
from bot.message import Button, Card, Manner, MessageRef, Picture, Request, Table
from bot.platforms.base import MessageGone, Refused
from bot.platforms.telegram_app import TelegramApp
from bot.platforms.telegram_wire import Trouble
from engine.model.events import EventKind
from tests.bot.telegram.test_render import png
from tests.bot.telegram.world import button, labels, telegram, until
from tests.faults.telegram_desk import ANN, GROUP, TOM
from tests.standins.telegram_rules import TWO_POLLS
from tests.standins.telegram_server import TOKEN
from tests.strategies import cases

CARD = Card("Filled", lines=("Sold 2.",), buttons=((Button("Position", "position:P00003"),),))
PICTURE = Picture("payoff", "profit at expiry", lambda dark: png(800, 600))


async def test_a_card_is_posted_into_a_topic_in_silence_under_the_card_of_its_trade() -> None:
    async with telegram() as world:
        topic = world.server.open_topic(world.group, "Options")
        chat = f"{GROUP}/{topic.id}"
        first = await world.app.post(chat, CARD)
        await world.app.post(chat, CARD, Manner(silent=True, under=first))

        above, posted = world.cards(GROUP)

    assert first == MessageRef("telegram", chat, str(above.id))
    assert (posted.thread, posted.is_silent, posted.reply_to) == (topic.id, True, above)


async def test_a_card_is_edited_in_place_with_fresh_buttons() -> None:
    async with telegram() as world:
        ref = await world.app.post(str(ANN), CARD)
        before = button(world.cards()[-1], "Position")
        await world.app.edit(ref, Card("Closed", buttons=CARD.buttons))
        (shown,) = world.cards()

    assert "Closed" in shown.text
    assert button(shown, "Position") != before


async def test_a_card_that_looks_the_same_is_edited_without_complaint() -> None:
    async with telegram() as world:
        ref = await world.app.post(str(ANN), Card("Halted"))
        await world.app.edit(ref, Card("Halted"))

        assert len(world.cards()) == 1


async def test_an_older_version_never_replaces_a_newer_one() -> None:
    async with telegram() as world:
        ref = await world.app.post(str(ANN), Card("First", key="approval:A00001", version=1))
        await asyncio.gather(
            world.app.post(str(ANN), Card("Something before")),
            world.app.edit(ref, Card("Third", key="approval:A00001", version=3)),
            world.app.edit(ref, Card("Second", key="approval:A00001", version=2)),
        )

        assert "Third" in world.cards()[0].text


async def test_a_card_somebody_deleted_is_gone() -> None:
    async with telegram() as world:
        ref = await world.app.post(str(ANN), CARD)
        world.server.delete(world.cards()[-1])

        with pytest.raises(MessageGone):
            await world.app.edit(ref, CARD)


async def test_a_card_that_becomes_a_picture_stays_where_it_is() -> None:
    async with telegram() as world:
        ref = await world.app.post(str(ANN), CARD)
        await world.app.edit(ref, Card("Digest", pictures=(PICTURE,)))
        (shown,) = world.cards()

    assert (shown.photo is not None, str(shown.id)) == (True, ref.message)


async def test_a_picture_that_becomes_text_makes_room_for_a_new_message() -> None:
    async with telegram() as world:
        ref = await world.app.post(str(ANN), Card("Digest", pictures=(PICTURE,)))

        with pytest.raises(MessageGone):
            await world.app.edit(ref, CARD)

        assert world.cards() == []


async def test_a_long_card_is_several_messages_and_one_reference() -> None:
    rows = tuple((f"P{number:05d}", "XYZ 44 put", "+12.30") for number in range(200))
    card = Card("Positions", tables=(Table(("Id", "What", "P&L"), rows),), buttons=CARD.buttons)
    async with telegram() as world:
        ref = await world.app.post(str(ANN), card)
        await world.app.edit(ref, card)
        shown = world.cards()

    assert ref.message == ",".join(str(each.id) for each in shown)
    assert [labels(each) for each in shown] == [[], ["Position"]]


@pytest.mark.parametrize("why", ["PHOTO_INVALID_DIMENSIONS", "not enough rights to send photos to the chat"])
async def test_a_picture_telegram_does_not_take_is_told_in_words(why: str) -> None:
    async with telegram() as world:
        world.server.refuse("sendPhoto", 400, f"Bad Request: {why}")
        await world.app.post(str(ANN), Card("Payoff", pictures=(PICTURE,)))
        (shown,) = world.cards()

    assert "(no picture: profit at expiry)" in shown.text


async def test_a_picture_that_cannot_be_drawn_is_told_in_words() -> None:
    def broken(dark: bool) -> bytes:
        raise ValueError("no data")

    async with telegram() as world:
        await world.app.post(str(ANN), Card("Payoff", pictures=(Picture("payoff", "profit", broken),)))
        (shown,) = world.cards()

    assert "(no picture: profit)" in shown.text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: bot was kicked from the supergroup chat"),
        (400, "Bad Request: chat not found"),
        (400, "Bad Request: not enough rights to send text messages to the chat"),
        (400, "Bad Request: message thread not found"),
    ],
)
async def test_a_chat_that_takes_nothing_is_named(status: int, words: str) -> None:
    async with telegram() as world:
        world.server.refuse("sendMessage", status, words)

        with pytest.raises(Undeliverable, match=f"telegram:{GROUP}/7: "):
            await world.app.post(f"{GROUP}/7", CARD)


async def test_a_flooded_card_goes_back_to_the_outbox_with_the_time() -> None:
    async with telegram() as world:
        world.server.fail("429", 1, "sendMessage", seconds=30)

        with pytest.raises(Later) as later:
            await world.app.post(str(ANN), CARD)

    assert later.value.seconds == 30


async def test_a_flooded_answer_waits_and_comes() -> None:
    async with telegram() as world:
        world.server.fail("429", 1, "sendMessage", seconds=2)
        world.say("/whoami")

        await world.card("ann")


async def test_a_group_that_became_a_supergroup_is_followed_for_good() -> None:
    new = -100500
    async with telegram() as world:
        world.server.supergroup("Desk", world.ann, number=new)
        world.group.moved_to = new  # and nobody tells the bot
        ref = await world.app.post(str(GROUP), CARD)
        await world.restart()
        await world.app.post(str(GROUP), CARD)
        world.say("/help", chat=new)
        await world.card("help", new)

        assert ref.chat == str(GROUP)
        assert len(world.cards(new)) >= 3


async def test_a_group_that_moves_is_told_what_to_change() -> None:
    async with telegram() as world:
        new = world.server.migrate(world.group).id

        told = await world.card("This group has a new number", new)
        assert f"{new} in place of {GROUP}" in told.text
        found = [each.words for each in await world.app.check() if each.state == "warn"]
        assert any(f"The group {GROUP} has the number {new} now" in words for words in found)


async def test_a_token_telegram_does_not_know_is_refused_by_name() -> None:
    async with telegram(started=False) as world:
        app = TelegramApp(world.room, world.settings, "1:WRONG")

        with pytest.raises(Refused, match="TELEGRAM_TOKEN") as refused:
            await app.run()

        assert "WRONG" not in f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"
        assert [each.state for each in await app.check()] == ["fail"]


async def test_the_token_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        async with telegram() as world:
            world.server.refuse("sendMessage", 400, f"Bad Request: {TOKEN} is not good")
            with pytest.raises(Trouble) as problem:
                await world.app.post(str(ANN), CARD)
            world.server.down()
            with pytest.raises(Trouble) as second:
                await world.app.post(str(ANN), CARD)
            state = await until(lambda: not world.app.state.is_well and world.app.state.words)

    told = f"{problem.value!r} {second.value!r} {second.value.__cause__!r} {state} {logs} {caplog.text}"
    assert TOKEN not in told
    assert "(token) is not good" in told


async def test_two_programs_with_one_token_are_told_and_tried_again() -> None:
    async with telegram(started=False) as world:
        world.server.refuse("getUpdates", 409, TWO_POLLS)
        world.begin()
        await until(lambda: "Another program asks for this bot's updates (409)" in world.app.state.words)
        world.say("/whoami")

        await world.card("ann")
        assert world.app.state.is_well


async def test_all_parts_of_a_card_make_room_for_what_takes_its_place() -> None:
    again = ((Button("Refresh", "refresh:/whoami"),),)
    async with telegram() as world:
        await world.app.post(str(ANN), Card("Digest", pictures=(PICTURE, PICTURE), buttons=again))
        assert len(world.cards()) == 3
        world.press(world.cards()[-1], "Refresh")
        await world.card("ann")
        await world.settled()

        assert [card.photo for card in world.cards()] == [None]


async def test_an_answer_for_one_person_goes_to_their_private_chat() -> None:
    async with telegram() as world:
        world.say("/account", who=TOM, chat=GROUP)

        await world.card("Account", TOM)
        await world.card("Sent to you in private", GROUP)
        assert not [each for each in world.cards(GROUP) if "Equity" in each.text]


async def test_who_never_wrote_to_the_bot_is_told_to() -> None:
    async with telegram() as world:
        world.server.chat(world.tom).bot = "left"
        world.say("/account", who=TOM, chat=GROUP)

        await world.card("open @desk_bot, press Start", GROUP)


async def test_an_answer_in_words_changes_the_card() -> None:
    async with telegram() as world:
        card = await world.proposal()
        world.say("1 contract", reply_to=card)

        await until(lambda: "sell 1 × XYZ 44 put?" in card.text, "drawn again")
        await world.card("The card this answers is up to date")


async def test_an_answer_in_words_never_approves() -> None:
    async with telegram() as world:
        card = await world.proposal()
        world.say("approve", reply_to=card)

        await world.card("Approving takes the button")
        assert world.orders == []


async def test_a_button_that_needs_a_price_asks_for_it_and_knows_the_answer_after_a_restart() -> None:
    async with telegram() as world:
        world.desk.market.set_snapshot(cases.wheel_name())
        card = await world.proposal()
        world.press(card, "Change")
        change = await world.card("Whatever you choose")
        world.press(change, "Your price…")
        prompt = await world.card("Reply with")
        assert prompt.look.markup["force_reply"]
        await world.restart()
        world.say("1.05", reply_to=prompt)

        await until(lambda: world.events(EventKind.APPROVAL_CHANGED), "asked again at that price")
        (command,) = [each for each in world.events(EventKind.COMMAND) if each.data["command"] == "myprice"]
        assert command.data["raw"] == "myprice:A00001.1 price=1.05"


async def test_pages_of_a_long_answer_are_turned_in_place() -> None:
    async with telegram() as world:
        for number in range(150):
            answer(
                world.room, Request("telegram:45", f"/lock N{chr(65 + number // 26)}{chr(65 + number % 26)} why=news")
            )
        world.say("/locks")
        first = await world.card("Page 1 of")
        world.press(first, "Next ▶")

        await until(lambda: "Page 2 of" in first.text, "page 2")
        assert "◀ Previous" in labels(first)
        assert len([each for each in world.cards() if "Page" in each.text]) == 1


async def test_menus_are_written_once_for_each_role() -> None:
    async with telegram() as world:
        await until(lambda: len(world.kept("telegram:menu:")) == 4)
        await world.restart()
        world.say("/whoami")
        await world.card("ann")
        menus = {each["scope"]: each["commands"] for each in world.calls("setMyCommands")}

    assert len(world.calls("setMyCommands")) == 4
    assert '"halt"' in menus['{"chat_id": 45, "type": "chat"}']
    assert '"halt"' not in menus['{"chat_id": 46, "type": "chat"}']
    assert '"close"' not in menus['{"chat_id": 47, "type": "chat"}']
    assert '"positions"' not in menus['{"type": "default"}']
