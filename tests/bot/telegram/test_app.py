"""Telegram as people use it: every update through the app to the broker, and back into the chat."""

from __future__ import annotations

import asyncio

import pytest

from engine.model.events import EventKind
from tests.bot.telegram.world import FOREIGN, STRANGER, button, labels, telegram, until
from tests.faults.telegram_desk import GROUP, TOM, VIC


async def test_a_command_is_answered_in_its_chat() -> None:
    async with telegram() as world:
        world.say("/risk")

        card = await world.card("Risk")

    assert card.raw.startswith("<i>PAPER</i>\n<b>🟢 Risk</b>")
    assert labels(card) == ["Stress", "Greeks", "Exposure", "Hazards", "Picture", "Refresh"]


async def test_a_tap_sends_one_order_and_the_card_says_so() -> None:
    async with telegram() as world:
        card = await world.proposal()
        world.press(card, "Approve")

        await world.card("sell 2 × XYZ 44 put")
        await until(lambda: world.orders, "an order")
        await until(lambda: "Approve" not in labels(card), "drawn again")

        assert world.orders == ["A00001.1.1"]


async def test_a_second_press_of_the_same_button_changes_nothing() -> None:
    async with telegram() as world:
        card = await world.proposal()
        token = button(card, "Approve")
        world.press(card, "Approve")
        world.press(card, "Approve", data=token)

        await world.notice("This button was pressed before")
        await world.settled()

        assert world.orders == ["A00001.1.1"]


async def test_a_forged_button_has_no_effect_and_is_written_down() -> None:
    async with telegram() as world:
        card = await world.proposal()
        world.press(card, "Approve", data="approve:A00001.1")

        await world.notice("This button is not known here any more")

        assert world.orders == []
        (denied,) = world.events(EventKind.DENIED)
        assert denied.data["identity"] == "telegram:45"


async def test_a_button_of_another_chat_has_no_effect() -> None:
    async with telegram() as world:
        card = await world.proposal()
        world.press(card, "Approve", chat=GROUP)

        await world.notice("This button is not known here any more")

        assert world.orders == []


async def test_a_strangers_press_uses_no_button_up() -> None:
    async with telegram() as world:
        card = await world.proposal(world.group)
        token = button(card, "Approve")
        world.press(card, "Approve", who=STRANGER)
        await world.notice("“telegram:99” is not on this desk's list")
        world.press(card, "Approve", data=token)

        await until(lambda: world.orders, "an order")

        assert [each.data["identity"] for each in world.events(EventKind.DENIED)] == ["telegram:99"]


async def test_a_viewers_press_uses_no_button_up() -> None:
    async with telegram() as world:
        card = await world.proposal(world.group)
        token = button(card, "Approve")
        world.press(card, "Approve", who=VIC)
        await world.card("needs the role trader", GROUP)
        world.press(card, "Approve", data=token, who=TOM)

        await until(lambda: world.orders, "an order")


async def test_buttons_of_before_a_restart_work() -> None:
    async with telegram() as world:
        card = await world.proposal()
        await world.restart()
        world.say("/whoami")
        await world.card("ann")
        world.press(card, "Approve")

        await until(lambda: world.orders, "an order")


async def test_an_edited_command_does_nothing() -> None:
    async with telegram() as world:
        said = world.say("/whoami").message
        await world.card("ann")
        assert said is not None
        edited = world.server.edit(world.ann, said, "/halt")
        world.server.push(edited.update)  # as if Telegram sent what was not asked for
        await world.settled()

        assert world.events(EventKind.HALTED) == []


async def test_the_same_update_twice_acts_once() -> None:
    async with telegram() as world:
        act = world.say("/note hello")
        await world.card("Noted")
        await world.stop()
        world.server.replay(act)
        await world.start()
        world.say("/whoami")
        await world.card("ann")
        await world.settled()

        assert len(world.events(EventKind.NOTE)) == 1


@pytest.mark.parametrize("text", ["/halt@other_bot", "/halt@other_bot now", "halt"])
async def test_what_is_for_somebody_else_in_a_group_does_nothing(text: str) -> None:
    async with telegram() as world:
        world.say(text, chat=GROUP)
        world.say("/help@desk_bot", chat=GROUP)
        await world.card("help", GROUP)
        await world.settled()

        assert world.events(EventKind.HALTED) == []


async def test_a_stranger_is_told_once_how_to_be_let_in() -> None:
    async with telegram() as world:
        world.say("/risk", who=STRANGER)
        await world.card('ids = ["telegram:99"]', STRANGER)
        world.say("/risk", who=STRANGER)
        world.say("/whoami")
        await world.card("ann")
        await world.settled()

        assert len(world.cards(STRANGER)) == 1
        assert len(world.events(EventKind.DENIED)) == 1


async def test_a_foreign_group_hears_nothing() -> None:
    async with telegram() as world:
        world.say("/risk", chat=FOREIGN)
        world.say("/risk", who=STRANGER, chat=FOREIGN)
        world.say("/whoami")
        await world.card("ann")
        await world.settled()

        assert world.cards(FOREIGN) == []
        assert {each.data["identity"] for each in world.events(EventKind.DENIED)} == {"telegram:45", "telegram:99"}


async def test_who_writes_as_the_group_is_nobody() -> None:
    async with telegram() as world:
        world.say("/halt", chat=GROUP, sender_chat={"id": GROUP, "type": "supergroup"})

        await world.card("write as yourself", GROUP)

        assert world.events(EventKind.HALTED) == []


async def test_a_forwarded_command_is_not_carried_out() -> None:
    async with telegram() as world:
        world.say("/halt", forward_origin={"type": "user"})

        await world.card("Forwarded messages are not carried out")

        assert world.events(EventKind.HALTED) == []


async def test_what_waited_while_the_desk_was_down_is_answered_and_not_done() -> None:
    async with telegram() as world:
        card = await world.proposal()
        await world.stop()
        world.say("/resume", ago=600)
        world.press(card, "Approve")
        world.press(card, "Half (1)")
        await world.start()

        await world.card("“/resume” took 10 min to get here")
        told = await world.card("Pressed while the desk was away")

        assert world.orders == []
        assert labels(told) == ["Approve A00001.1 now", "Half A00001.1 now"]


async def test_a_tap_that_came_late_can_be_done_after_all() -> None:
    async with telegram() as world:
        card = await world.proposal()
        await world.stop()
        world.press(card, "Approve")
        await world.start()
        told = await world.card("Pressed while the desk was away")
        world.press(told, "Approve A00001.1 now")

        await until(lambda: world.orders, "an order")


async def test_a_clock_that_jumps_makes_no_fresh_command_old() -> None:
    async with telegram() as world:
        world.say("/whoami")
        await world.card("ann")
        world.say("/note hello", ago=7200)

        await world.card("Noted")


async def test_a_wrong_answer_of_the_first_poll_is_not_trusted() -> None:
    async with telegram(started=False) as world:
        world.say("/resume", ago=-3600)  # this machine's clock is an hour behind
        await world.start()

        await world.card("took 24 h to get here")


async def test_an_update_nobody_can_read_holds_up_nothing() -> None:
    async with telegram() as world:
        number = next(world.server.updates.numbers)
        world.server.push({"update_id": number, "message": {"message_id": "x", "chat": 5, "from": []}})
        world.server.push({"update_id": "one"})
        world.say("/whoami")

        await world.card("ann")


async def test_one_slow_answer_holds_up_no_other() -> None:
    async with telegram() as world:
        blocked = asyncio.Event()
        loop = asyncio.get_running_loop()
        banner = world.room.banner
        calls = []

        def slow() -> str:
            if not calls:
                calls.append(1)
                asyncio.run_coroutine_threadsafe(blocked.wait(), loop).result()
            return banner()

        object.__setattr__(world.room, "banner", slow)
        world.say("/risk")
        await until(lambda: calls, "the slow one has begun")
        world.say("/whoami")
        await world.card("ann")
        blocked.set()
        await world.card("Risk")
