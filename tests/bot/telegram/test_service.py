"""The connection: order and haste inside a chat, long work, webhook, doctor, an outage."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bot.command import Pool
from bot.doctor import Finding
from bot.message import Card, Progress
from bot.platforms.telegram_app import TelegramApp
from bot.platforms.telegram_calls import Way
from bot.platforms.telegram_listen import Webhook
from bot.platforms.telegram_progress import Bar
from bot.platforms.telegram_wire import Trouble, Unsent, Wire
from engine import leadership
from engine.model.events import EventKind
from tests.bot.telegram.world import World, button, labels, telegram, until
from tests.faults.telegram_desk import ANN, GROUP
from tests.standins.telegram_server import TOKEN


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
        card = await world.proposal()
        hanging = Hanging(world, Pool.TRADE)
        world.press(card, "Approve")
        await until(lambda: hanging.waiting)
        world.say("/halt news")

        await world.card("Entries halted")
        assert world.orders == []
        hanging.released.set()


async def test_a_tap_is_acknowledged_while_the_broker_hangs() -> None:
    async with telegram() as world:
        card = await world.proposal()
        hanging = Hanging(world, Pool.TRADE)
        before = len(world.calls("answerCallbackQuery"))
        world.press(card, "Approve")
        await until(lambda: hanging.waiting)

        assert len(world.calls("answerCallbackQuery")) == before + 1
        hanging.released.set()


async def test_what_waits_here_for_its_turn_grows_too_old() -> None:
    async with telegram() as world:
        card = await world.proposal()
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
        card = await world.proposal()
        world.server.refuse("answerCallbackQuery", status, words)
        world.press(card, "Approve")

        await until(lambda: world.orders)
        assert world.orders == ["A00001.1.1"]


async def test_a_card_that_was_deleted_under_the_tap_is_posted_anew() -> None:
    async with telegram() as world:
        card = await world.proposal()
        with world.server.world.lock:
            world.press(card, "Approve")
            world.server.delete(card)

        again = await world.card("sell 2 × XYZ 44 put")
        await until(lambda: world.orders)
        assert again.id != card.id


async def test_a_card_that_stays_gets_a_fresh_button_in_place_of_the_one_that_was_used() -> None:
    async with telegram() as world:
        card = await world.proposal()
        token, other = button(card, "Reject"), button(card, "Why")
        object.__setattr__(world.room, "max_age", -1.0)  # everything that acts is too late
        world.press(card, "Approve")
        await world.card("Too late")
        await world.settled()

        assert labels(card)[:2] == ["Approve", "Reject"]
        assert button(card, "Reject") != token
        assert button(card, "Why") != other


async def test_a_picture_that_takes_its_time_delays_no_tap_of_the_same_chat() -> None:
    async with telegram() as world:
        card = await world.proposal()
        hanging = Hanging(world, Pool.DRAW)
        world.say("/payoff A00001")
        await until(lambda: hanging.waiting)
        act = world.press(card, "Approve")

        await until(lambda: world.orders)
        assert act.answered(within=10).get()
        assert not [each for each in world.cards() if "Payoff of" in each.text]
        hanging.released.set()
        await world.card("Payoff of A00001")


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
        card = await world.proposal()
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
        world.server.down()
        await until(lambda: not world.app.state.is_well)
        world.say("/whoami")
        world.server.up()

        await world.card("ann")
        assert world.app.state.is_well


async def test_a_desk_that_is_not_connected_takes_no_card() -> None:
    async with telegram(started=False) as world:
        with pytest.raises(Trouble, match="Telegram is not connected: not connected yet"):
            await world.app.post(str(ANN), Card("Hello"))


async def test_an_answer_is_not_sent_twice_when_nobody_knows_whether_it_arrived() -> None:
    async with telegram() as world:
        world.server.fail("502", 1, "sendMessage")
        world.say("/whoami")
        await until(lambda: world.calls("sendMessage"))
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
        update, forged = world.say("/note by webhook").update, world.say("/halt").update
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
        world.settings = replace(world.settings, webhook_url="")
        await world.stop()
        await world.start()

        await until(lambda: world.calls("deleteWebhook"))


async def test_a_webhook_of_another_program_is_explained_and_left_alone() -> None:
    async with telegram(started=False) as world:
        world.server.updates.webhook.url = "https://elsewhere.example/x"
        world.begin()
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
        app = TelegramApp(world.room, replace(world.settings, chat=""), TOKEN, ("-1002",))

        (found,) = failing(await app.check())

    assert found.part == "telegram:-1002"
    assert "@desk_bot is not in this group" in found.words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("left", "@desk_bot is not in this group"),
        ("kicked", "@desk_bot is not in this group"),
        ("restricted", "may not write in “Desk”"),
    ],
)
async def test_the_doctor_names_a_chat_the_bot_may_not_write_in(status: str, words: str) -> None:
    async with telegram() as world:
        world.group.bot = status

        (found,) = failing(await world.app.check())

    assert words in found.words


async def test_the_doctor_knows_a_group_without_topics() -> None:
    async with telegram(chat=f"{GROUP}/7") as world:
        (found,) = failing(await world.app.check())

    assert "has no topics" in found.words


async def test_telegram_is_asked_for_nothing_by_a_process_that_may_not_act() -> None:
    async with telegram() as world:
        store, server = world.desk.store, world.server
        leadership.take(store, world.desk.clock(), "here:1:0")
        await world.say("/orders").answer()
        store.term.end()
        world.say("/orders")
        await until(lambda: not world.app.state.is_well, "the loss is seen")
        before = len(server.requests)

        world.say("/orders")
        with pytest.raises(Unsent):
            await Wire(TOKEN, server.url, lambda: store.term.may_act).open()

        assert len(server.requests) == before
