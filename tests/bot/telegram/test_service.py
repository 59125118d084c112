"""The connection: order and haste inside a chat, long work, webhook, doctor, an outage, nonsense by the thousand."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import aiohttp
import numpy as np
import pytest
import structlog

from bot.command import Pool
from bot.doctor import Finding
from bot.message import Card, Progress
from bot.platforms.telegram_app import TelegramApp
from bot.platforms.telegram_calls import Way
from bot.platforms.telegram_listen import Webhook
from bot.platforms.telegram_progress import Bar
from bot.platforms.telegram_text import LONGEST_TEXT, units
from bot.platforms.telegram_wire import Trouble
from engine.model.events import EventKind
from tests.bot.telegram.fake import TOKEN
from tests.bot.telegram.test_app import proposed
from tests.bot.telegram.test_render import Reader
from tests.bot.telegram.world import ANN, GROUP, STRANGER, World, button, labels, telegram, until


class Hanging:
    """Holds up one bulkhead until it is let go: a broker that does not answer."""

    def __init__(self, world: World, pool: Pool) -> None:
        self.released = asyncio.Event()
        self.waiting = 0
        run = world.room.run

        async def hanging(chosen: Pool, work: Any) -> Any:
            if chosen is pool:
                self.waiting += 1
                await self.released.wait()
            return await run(chosen, work)

        object.__setattr__(world.room, "run", hanging)


async def test_what_acts_in_one_chat_keeps_its_order() -> None:
    async with telegram() as world:
        hanging = Hanging(world, Pool.TRADE)
        for number in range(6):
            world.say(f"/note {number}")
        await until(lambda: hanging.waiting)
        hanging.released.set()

        await until(lambda: len(world.events(EventKind.NOTE)) == 6)
        notes = [event.data["raw"] for event in world.events(EventKind.COMMAND)]
        assert notes == [f"/note {number}" for number in range(6)]


async def test_a_halt_passes_an_approval_that_hangs() -> None:
    async with telegram() as world:
        card = await proposed(world)
        hanging = Hanging(world, Pool.TRADE)
        world.press(card, "Approve")
        await until(lambda: hanging.waiting)
        world.say("/halt news")

        await world.card("Entries halted")
        assert world.orders == []
        hanging.released.set()


async def test_a_tap_is_acknowledged_while_the_broker_hangs() -> None:
    async with telegram() as world:
        card = await proposed(world)
        hanging = Hanging(world, Pool.TRADE)
        before = len(world.calls("answerCallbackQuery"))
        world.press(card, "Approve")
        await until(lambda: hanging.waiting)

        assert len(world.calls("answerCallbackQuery")) == before + 1
        hanging.released.set()


async def test_what_waits_here_for_its_turn_grows_too_old() -> None:
    async with telegram() as world:
        card = await proposed(world)
        hanging = Hanging(world, Pool.TRADE)
        world.say("/note first")
        await until(lambda: hanging.waiting)
        world.press(card, "Approve")
        await until(lambda: world.calls("answerCallbackQuery"))
        object.__setattr__(world.room, "max_age", 0.05)
        await asyncio.wait({asyncio.create_task(asyncio.sleep(0.1))})
        hanging.released.set()

        await world.card("what acts may take")
        assert world.orders == []


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "Bad Request: query is too old and response timeout expired or query ID is invalid"), (500, "Internal")],
)
async def test_a_tap_that_cannot_be_acknowledged_counts_once(status: int, words: str) -> None:
    async with telegram() as world:
        card = await proposed(world)
        world.server.fail("answerCallbackQuery", status, words)
        world.press(card, "Approve")

        await until(lambda: world.orders)
        assert world.orders == ["A00001.1.1"]


async def test_a_card_that_was_deleted_under_the_tap_is_posted_anew() -> None:
    async with telegram() as world:
        card = await proposed(world)
        world.press(card, "Approve")
        del world.server.shown[card.chat, card.id]

        again = await world.card("sell 2 × XYZ 44 put")
        await until(lambda: world.orders)
        assert again.id != card.id


async def test_a_card_that_stays_gets_a_fresh_button_in_place_of_the_one_that_was_used() -> None:
    async with telegram() as world:
        card = await proposed(world)
        token, other = button(card, "Reject"), button(card, "Why")
        object.__setattr__(world.room, "max_age", -1.0)  # everything that acts is too late
        world.press(card, "Approve")
        await world.card("Too late")
        await world.settled()

        assert labels(card)[:2] == ["Approve", "Reject"]
        assert button(card, "Reject") != token
        assert button(card, "Why") != other


async def test_a_chat_that_asks_for_too_much_at_once_is_told() -> None:
    async with telegram() as world:
        hanging = Hanging(world, Pool.LOOK)
        for _ in range(35):
            world.say("/risk")
        await world.card("Too many requests of this chat")
        hanging.released.set()

        await world.card("🟢 Risk")


async def test_who_comes_second_is_told_and_sees_the_card_in_its_place() -> None:
    async with telegram() as world:
        card = await proposed(world)
        reject = button(card, "Reject")
        world.press(card, "Approve")
        await until(lambda: world.orders)
        await until(lambda: "Approve" not in labels(card))
        world.press(card, "Reject", data=reject)
        await world.card("Nothing was changed")
        await world.settled()

        assert len([each for each in world.cards() if "sell 2 × XYZ 44 put" in each.text]) == 1


async def test_long_work_is_one_message_with_a_bar_that_the_answer_replaces() -> None:
    async with telegram() as world:
        sender = world.app._connected()
        bar = Bar(sender, str(ANN), Way())
        thread = threading.Thread(target=lambda: bar.tell(Progress(0.5, "3 of 6 names", "stop:W00001")))
        thread.start()
        shown = await world.card("3 of 6 names")
        message = await bar.end()
        bar.tell(Progress(0.9, "too late"))

        assert message == str(shown.id)
        assert labels(shown) == ["Stop"]
        assert "▰▰▰▰▰▰▱▱▱▱▱▱ 50 %" in shown.text


async def test_quick_work_shows_no_bar() -> None:
    async with telegram() as world:
        bar = Bar(world.app._connected(), str(ANN), Way())
        bar.tell(Progress(0.5, "half"))

        assert await bar.end() == ""
        assert world.cards() == []


async def test_an_outage_is_said_and_ends_by_itself() -> None:
    async with telegram() as world:
        for _ in range(3):
            world.server.fail("getUpdates", 502, "Bad Gateway")
        await until(lambda: not world.app.state.is_well)
        world.say("/whoami")

        await world.card("ann")
        assert world.app.state.is_well


async def test_a_desk_that_is_not_connected_takes_no_card() -> None:
    async with telegram(started=False) as world:
        with pytest.raises(Trouble, match="Telegram is not connected: not connected yet"):
            await world.app.post(str(ANN), Card("Hello"))


async def test_an_answer_is_not_sent_twice_when_nobody_knows_whether_it_arrived() -> None:
    async with telegram() as world:
        world.server.fail("sendMessage", 502, "Bad Gateway")
        world.say("/whoami")
        await until(lambda: not world.server.faults)
        world.say("/help")
        await world.card("help")
        await world.settled()

        assert not [card for card in world.cards() if "ann" in card.text]


async def test_updates_that_telegram_sends_are_taken_with_our_secret_only() -> None:
    async with telegram(started=False, webhook_url="https://desk.example/telegram", webhook_port=0) as world:
        await world.start()
        listener = await until(lambda: world.app.listener if getattr(world.app.listener, "address", "") else None)
        assert isinstance(listener, Webhook)
        (call,) = await until(lambda: world.calls("setWebhook"))
        await until(lambda: world.calls("getWebhookInfo"))
        update = {"update_id": 7, "message": world.message("/note by webhook")}
        forged = {"update_id": 8, "message": world.message("/halt")}
        async with aiohttp.ClientSession() as client:
            url = f"{listener.address}/telegram"
            ours = {"X-Telegram-Bot-Api-Secret-Token": call["secret_token"]}
            statuses = [
                (await client.post(url, json=forged)).status,
                (await client.post(url, json=forged, headers={"X-Telegram-Bot-Api-Secret-Token": "x"})).status,
                (await client.post(url, data=b"{", headers=ours)).status,
                (await client.post(url, json=update, headers=ours)).status,
                (await client.post(url, json=update, headers=ours)).status,
            ]
        await world.card("Noted")

        assert statuses == [403, 403, 400, 200, 200]
        assert listener.address.startswith("http://127.0.0.1:")
        assert call["allowed_updates"] == '["message", "callback_query", "my_chat_member"]'
        assert world.events(EventKind.HALTED) == []
        assert len(world.events(EventKind.NOTE)) == 1


async def test_our_own_webhook_is_taken_back_when_the_desk_asks_for_updates_again() -> None:
    async with telegram(started=False, webhook_url="https://desk.example/telegram", webhook_port=0) as world:
        await world.start()
        await until(lambda: world.calls("getWebhookInfo"))
        world.server.webhook = "https://desk.example/telegram"
        await world.stop()
        world.settings = replace(world.settings, webhook_url="")
        await world.down()
        await world.start()

        await until(lambda: world.calls("deleteWebhook"))


async def test_a_webhook_of_another_program_is_explained_and_left_alone() -> None:
    async with telegram(started=False) as world:
        world.server.webhook = "https://elsewhere.example/x"
        world.running.append(world.task())
        await until(lambda: "A webhook is set for this bot" in world.app.state.words)
        found = await world.app.check()

        assert world.calls("deleteWebhook") == []
        assert any(each.state == "fail" and "A webhook is set for this bot" in each.words for each in found)


def failing(found: tuple[Finding, ...]) -> list[Finding]:
    return [each for each in found if each.state == "fail"]


async def test_the_doctor_finds_nothing_wrong_with_a_good_configuration() -> None:
    async with telegram() as world:
        assert failing(await world.app.check()) == []


async def test_the_doctor_names_a_chat_the_bot_is_not_in() -> None:
    async with telegram() as world:
        world.server.fail("getChat", 400, "Bad Request: chat not found")
        app = TelegramApp(world.room, replace(world.settings, chat=""), TOKEN, (str(GROUP),))

        (found,) = failing(await app.check())

    assert found.part == f"telegram:{GROUP}"
    assert "@desk_bot is not in this group" in found.words


@pytest.mark.parametrize("status", ["left", "kicked", "restricted"])
async def test_the_doctor_names_a_chat_the_bot_may_not_write_in(status: str) -> None:
    async with telegram() as world:
        world.server.membership = status

        (found,) = failing(await world.app.check())

    assert "may not write in “Desk”" in found.words


async def test_the_doctor_knows_a_group_without_topics() -> None:
    async with telegram(chat=f"{GROUP}/7") as world:
        (found,) = failing(await world.app.check())

    assert "has no topics" in found.words


JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 1e308, "", " ", "/halt", "approve:A00001.1", "😀" * 50, "<b>&", "\ud800", [], {}, [{}],
    {"id": 45}, {"id": "45"},
)  # fmt: skip


def garbled(dice: np.random.Generator, value: Any) -> Any:
    """The value with a few of its parts replaced by what should not be there."""
    if dice.random() < 0.06:
        return JUNK[dice.integers(len(JUNK))]
    if isinstance(value, dict):
        return {key: garbled(dice, each) for key, each in value.items() if dice.random() > 0.02}
    return [garbled(dice, each) for each in value] if isinstance(value, list) else value


async def test_nonsense_by_the_thousand_breaks_nothing_and_does_nothing() -> None:
    dice = np.random.default_rng(7)
    with structlog.testing.capture_logs() as logs:
        async with telegram() as world:
            card = await proposed(world, GROUP)
            token = button(card, "Approve")
            for _ in range(500):
                world.say("/halt <b>&", who=STRANGER)
                world.say("/halt", who=STRANGER, chat=GROUP, reply_to_message={"message_id": card.id})
                world.press(card, "Approve", who=STRANGER, data=token)
                world.update(edited_message=world.message("/halt"))
            world.server.updates = [
                {key: value if key == "update_id" else garbled(dice, value) for key, value in update.items()}
                for update in world.server.updates
            ]
            world.say("/whoami")
            await world.card("ann")
            sent = world.calls("sendMessage")

            assert world.orders == []
            assert world.events(EventKind.HALTED) == []
            assert not world.running[-1].done()
    assert {each["event"] for each in logs} & {"telegram.update_broken", "command.broken"} == set()
    assert all(units(Reader(each["text"]).text) <= LONGEST_TEXT for each in sent)
