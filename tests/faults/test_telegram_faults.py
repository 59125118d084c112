"""What goes wrong in Telegram: nothing is lost, nothing is done twice, nobody acts who may not, and it is said."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from telegram import Bot

from alerts.outbox import Later, Undeliverable
from bot.message import PLAIN, Card, Manner, Picture
from engine import approvals
from engine.model.events import EventKind
from tests.faults.telegram_desk import ANN, TelegramDesk, telegram_desk
from tests.standins.telegram_kit import png
from tests.standins.telegram_server import TOKEN

UNKNOWN = "This button is not known here any more"
USED = "This button was pressed before"


def halts(world: TelegramDesk) -> list[Any]:
    return world.desk.events(EventKind.HALTED)


async def settled(world: TelegramDesk) -> None:
    """Everything before is done: a later question was answered and nothing is under way."""
    await world.server.say(world.ann, "/whoami").shows("ann")
    await world.done()


# Who acts, and how often


async def test_what_is_for_one_person_is_not_told_to_a_group_by_typing_the_button() -> None:
    async with telegram_desk() as world:
        await world.server.say(world.ann, "/refresh /account", world.group).shows("send the command itself")
        await world.done()

        assert not any("Equity" in message.text for message in world.group.sent)


async def test_a_command_that_is_edited_into_another_does_nothing() -> None:
    async with telegram_desk() as world:
        said = world.server.say(world.ann, "/whoami")
        await said.shows("ann")
        assert said.message is not None
        edited = world.server.edit(world.ann, said.message, "/halt")
        world.server.push(edited.update)  # even where Telegram sends what was not asked for
        await settled(world)

        assert halts(world) == []


async def test_an_update_that_comes_again_acts_once() -> None:
    async with telegram_desk() as world:
        act = world.server.say(world.ann, "/halt news")
        await act.shows("Entries halted")
        world.server.replay(act)
        await settled(world)

        assert len(halts(world)) == 1


async def test_an_update_that_comes_again_after_a_restart_acts_once() -> None:
    async with telegram_desk() as world:
        card = await world.proposal()
        act = world.server.press(world.ann, card, "Approve")
        await world.until(lambda: bool(world.orders))
        await world.done()
        await world.stop()
        await world.start()
        world.server.replay(act)
        await settled(world)

        assert world.orders == ["A00001.1.1"]


async def test_two_presses_at_once_are_one_order() -> None:
    async with telegram_desk() as world:
        card = await world.proposal(world.group)
        data = card.data("Approve")
        first = world.server.press_data(world.ann, card, data)
        second = world.server.press_data(world.tom, card, data)
        assert USED in (await second.answered()).text
        await world.done(first, second)

        assert world.orders == ["A00001.1.1"]


async def test_a_press_of_a_card_that_is_decided_changes_nothing() -> None:
    async with telegram_desk() as world:
        card = await world.proposal()
        reject = card.data("Reject")
        await world.server.press(world.ann, card, "Approve").change()
        await world.until(lambda: bool(world.orders))
        await world.server.press_data(world.ann, card, reject).shows("Nothing was changed")
        await world.done()

        assert world.orders == ["A00001.1.1"]


async def test_a_strangers_press_does_nothing_and_uses_nothing_up() -> None:
    async with telegram_desk() as world:
        card = await world.proposal(world.group)
        answer = await world.server.press(world.eve, card, "Approve").answered()
        assert "not on this desk's list" in answer.text
        assert world.orders == []
        world.server.press(world.tom, card, "Approve")
        await world.until(lambda: bool(world.orders))


@pytest.mark.parametrize("data", ["approve:A00001.1", "x" * 64, "../../etc", "~form:1 approve:A00001.1", "\x00"])
async def test_callback_data_of_ones_own_making_does_nothing(data: str) -> None:
    async with telegram_desk() as world:
        card = await world.proposal()
        answer = await world.server.press_data(world.ann, card, data).answered()

        assert UNKNOWN in answer.text
        assert world.orders == []
        assert world.desk.events(EventKind.DENIED)


async def test_a_button_counts_only_where_it_was_made() -> None:
    async with telegram_desk() as world:
        card = await world.proposal()
        other = await world.server.say(world.ann, "/risk", world.group).answer()
        answer = await world.server.press_data(world.ann, other, card.data("Approve")).answered()

        assert UNKNOWN in answer.text
        assert world.orders == []


async def test_a_press_that_cannot_be_acknowledged_any_more_counts_once() -> None:
    async with telegram_desk() as world:
        card = await world.proposal()
        world.server.query_ttl = -1.0
        act = world.server.press(world.ann, card, "Approve")
        await world.until(lambda: bool(world.orders))
        await world.done(act)

        assert world.orders == ["A00001.1.1"]
        assert world.server.sent("answerCallbackQuery")[-1].status == 400


async def test_who_writes_as_the_group_or_a_channel_is_nobody() -> None:
    async with telegram_desk() as world:
        world.server.promote(world.group, world.ann)
        world.server.say_anonymously("/halt", world.group)
        world.server.say_as_channel("/halt", world.group, world.server.channel("News"))
        world.server.post("/halt", world.server.channel("Other news"))
        await settled(world)

        assert halts(world) == []


# The desk was away, or its clock is wrong


async def test_what_was_said_while_the_desk_was_down_is_answered_and_not_done() -> None:
    async with telegram_desk(started=False) as world:
        act = world.server.say(world.ann, "/resume")
        look = world.server.say(world.ann, "/whoami")
        world.desk.clock.advance(minutes=20)
        await world.start()

        await act.shows("took 20 min to get here")
        await look.shows("ann")
        assert world.desk.events(EventKind.RESUMED) == []


async def test_a_press_from_while_the_desk_was_down_is_answered_and_not_done() -> None:
    async with telegram_desk() as world:
        card = await world.proposal()
        await world.stop()
        act = world.server.press(world.ann, card, "Approve")
        world.desk.clock.advance(minutes=20)
        await world.start()
        await act.shows("Pressed while the desk was away")
        await world.done(act)

        assert world.orders == []


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_clock_that_jumps_makes_no_fresh_command_old(hours: int) -> None:
    async with telegram_desk() as world:
        await settled(world)
        true_time = world.desk.clock().timestamp()
        world.desk.clock.advance(hours=hours)
        act = world.server.say(world.ann, "/halt news", at=true_time)
        await act.shows("Entries halted")

        assert len(halts(world)) == 1


async def test_a_clock_that_is_behind_makes_no_old_command_fresh() -> None:
    async with telegram_desk(started=False) as world:
        true_time = world.desk.clock().timestamp()
        act = world.server.say(world.ann, "/resume", at=true_time)
        world.desk.clock.advance(hours=-1)
        await world.start()
        await world.server.say(world.ann, "/whoami").shows("ann")
        await world.done(act)

        assert world.desk.events(EventKind.RESUMED) == []


# Too fast


async def test_forty_alerts_arrive_in_order_without_a_429() -> None:
    async with telegram_desk() as world:
        world.server.limits.is_on = True
        for number in range(40):
            world.alert(f"alert {number}")
        await world.pump_until(lambda: len(world.alerts(world.ann)) == 40)

        assert world.alerts(world.ann) == [f"alert {number}" for number in range(40)]
        assert world.server.limits.refused == 0


async def test_a_group_gets_its_alerts_in_order_without_a_429() -> None:
    async with telegram_desk() as world:
        world.server.limits.is_on = True
        world.destinations = (f"telegram:{world.group.id}",)
        for number in range(30):
            world.alert(f"alert {number}")
        await world.pump_until(lambda: len(world.alerts(world.group)) == 30, tries=60)

        assert world.alerts(world.group) == [f"alert {number}" for number in range(30)]
        assert world.server.limits.refused == 0


async def test_a_chat_that_has_to_rest_holds_up_no_other_and_loses_nothing() -> None:
    async with telegram_desk() as world:
        world.destinations = (f"telegram:{ANN}", f"telegram:{world.group.id}")
        world.server.fail("429", 3, "sendMessage", chat=ANN, seconds=4)
        for number in range(4):
            world.alert(f"alert {number}")
        await world.pump_until(lambda: len(world.alerts(world.group)) == 4)
        assert len(world.alerts(world.ann)) < 4
        await world.pump_until(lambda: len(world.alerts(world.ann)) == 4)

        assert world.alerts(world.ann) == world.alerts(world.group) == [f"alert {number}" for number in range(4)]


async def test_when_every_chat_has_to_rest_nothing_is_lost() -> None:
    async with telegram_desk() as world:
        world.destinations = (f"telegram:{ANN}", f"telegram:{world.group.id}")
        world.server.fail("429", 6, "sendMessage", seconds=2)
        for number in range(4):
            world.alert(f"alert {number}")
        await world.pump_until(lambda: len(world.alerts(world.ann)) == len(world.alerts(world.group)) == 4)

        assert world.alerts(world.ann) == world.alerts(world.group) == [f"alert {number}" for number in range(4)]


async def test_what_is_urgent_passes_what_waits_for_its_turn() -> None:
    async with telegram_desk(pace=2.0) as world:
        await world.app.post(str(ANN), Card("first"))
        manners = {"second": PLAIN, "third": Manner(urgent=True)}
        await asyncio.gather(*(world.app.post(str(ANN), Card(title), how) for title, how in manners.items()))

        titles = [message.text.split()[-1] for message in world.server.chat(world.ann).sent]
        assert titles == ["first", "third", "second"]


async def test_a_question_is_answered_although_telegram_said_to_wait() -> None:
    async with telegram_desk() as world:
        world.server.fail("429", 2, "sendMessage", seconds=3)

        await world.server.say(world.ann, "/whoami").shows("ann")


# A chat that takes nothing


async def test_who_blocked_the_bot_holds_up_nobody_else() -> None:
    async with telegram_desk() as world:
        world.destinations = (f"telegram:{ANN}", f"telegram:{world.group.id}")
        await world.done(world.server.block(world.ann))
        world.alert("alert 1")
        world.alert("alert 2")
        await world.pump_until(lambda: len(world.alerts(world.group)) == 2)

        with pytest.raises(Undeliverable, match="bot was blocked by the user"):
            await world.app.post(str(ANN), Card("Hello"))
        world.server.unblock(world.ann)
        await world.server.say(world.ann, "/whoami").shows("ann")


async def test_a_chat_that_is_not_there_and_a_group_that_put_the_bot_out_are_named() -> None:
    async with telegram_desk() as world:
        with pytest.raises(Undeliverable, match=r"telegram:777: .*[Cc]hat not found"):
            await world.app.post("777", Card("Hello"))
        world.server.kick(world.group, world.ann)
        with pytest.raises(Undeliverable, match="kicked from the supergroup chat"):
            await world.app.post(str(world.group.id), Card("Hello"))
        with pytest.raises(Undeliverable, match="thread not found"):
            await world.app.post(f"{ANN}/7", Card("Hello"))


async def test_a_group_that_became_a_supergroup_is_followed() -> None:
    async with telegram_desk(started=False) as world:
        group = world.server.group("Small desk", world.ann)
        world.settings = dataclasses.replace(world.settings, groups=(str(group.id),))
        await world.stop()
        await world.start()
        world.destinations = (f"telegram:{group.id}",)
        world.alert("alert 1")
        await world.pump_until(lambda: world.alerts(group) == ["alert 1"])
        moved = world.server.migrate(group)
        world.alert("alert 2")
        await world.pump_until(lambda: world.alerts(moved) == ["alert 2"])

        await world.server.say(world.ann, "/proposals", moved).shows("No proposal is waiting")


async def test_a_card_of_a_group_that_moved_is_never_drawn_over_another_message() -> None:
    async with telegram_desk(started=False) as world:
        group = world.server.group("Small desk", world.ann)
        world.settings = dataclasses.replace(world.settings, groups=(str(group.id),))
        await world.stop()
        await world.start()
        world.destinations = (f"telegram:{group.id}",)
        world.tell_of_proposal()
        await world.pump_until(lambda: bool(group.sent))
        moved = world.server.migrate(group)
        world.alert("alert 1")
        await world.pump_until(lambda: world.alerts(moved) == ["alert 1"])

        with world.desk.store.read() as work:
            assert work.refs("approval:A00001") == ()


# What stands in the chat


async def test_a_card_that_somebody_deleted_is_shown_anew_and_the_press_counts() -> None:
    async with telegram_desk() as world:
        card = await world.proposal()
        act = world.server.press(world.ann, card, "Approve")
        world.server.delete(card)
        again = await act.shows("sell 2 × XYZ 44 put")
        await world.done(act)

        assert again is not card
        assert world.orders == ["A00001.1.1"]


@pytest.mark.parametrize("content", [png(9000, 2000), png(3000, 100), png(size=11 * 1024 * 1024), b"no picture"])
async def test_a_picture_telegram_would_refuse_is_told_in_words(content: bytes) -> None:
    async with telegram_desk() as world:
        picture = Picture("pnl", "The curve rises from 100 to 110.", lambda dark: content)
        await world.app.post(str(ANN), Card("The day", pictures=(picture,)))

        (shown,) = world.server.chat(world.ann).sent
        assert shown.photo is None
        assert "The curve rises from 100 to 110." in shown.text


async def test_a_card_that_was_deleted_is_posted_anew_when_something_changes() -> None:
    async with telegram_desk() as world:
        world.tell_of_proposal()
        await world.pump()
        (card,) = world.server.chat(world.ann).sent
        world.server.delete(card)
        approvals.reject(world.desk.desk, "A00001", 1, "ann")
        await world.pump_until(lambda: bool(world.server.chat(world.ann).sent))

        (again,) = world.server.chat(world.ann).sent
        assert "rejected" in again.text.lower()


# The network


async def test_two_programs_with_one_token_are_explained_and_it_ends_by_itself() -> None:
    async with telegram_desk() as world:
        async with Bot(TOKEN, base_url=f"{world.server.url}/bot") as other:
            await world.until(lambda: world.server.updates.is_polled)
            await other.get_updates(timeout=0)
            await world.until(lambda: "Another program asks for this bot's updates" in world.app.state.words)
        assert not world.app.state.is_well
        await world.until(lambda: world.app.state.is_well, "it does not recover")

        await world.server.say(world.ann, "/whoami").shows("ann")


async def test_ten_minutes_without_a_network_lose_no_alert_and_double_none() -> None:
    async with telegram_desk() as world:
        await settled(world)
        await asyncio.to_thread(world.server.down)
        for number in range(10):
            world.alert(f"alert {number}")
            await world.pump()
            world.desk.clock.advance(minutes=1)
        assert world.alerts(world.ann) == []
        await asyncio.to_thread(world.server.up)
        await world.pump_until(lambda: len(world.alerts(world.ann)) == 10, seconds=30)

        assert world.alerts(world.ann) == [f"alert {number}" for number in range(10)]


async def test_what_was_said_while_the_network_was_down_long_is_not_done() -> None:
    async with telegram_desk() as world:
        await settled(world)
        await asyncio.to_thread(world.server.down)
        act = world.server.say(world.ann, "/resume")
        world.desk.clock.advance(minutes=10)
        world.ticks.ahead += 600
        await world.stop()
        await asyncio.to_thread(world.server.up)
        await world.start()
        await act.shows("took 10 min to get here")

        assert world.desk.events(EventKind.RESUMED) == []


async def test_a_card_that_has_to_wait_says_how_long() -> None:
    async with telegram_desk() as world:
        world.server.fail("429", 1, "sendMessage", seconds=40)
        with pytest.raises(Later) as caught:
            await world.app.post(str(ANN), Card("Hello"))

        assert caught.value.seconds == 40


@pytest.mark.parametrize("kind", ["500", "502", "reset"])
async def test_a_server_in_trouble_gets_the_alert_later_and_once(kind: str) -> None:
    async with telegram_desk() as world:
        world.server.fail(kind, 2, "sendMessage")
        world.alert("alert 1")
        world.alert("alert 2")
        await world.pump_until(lambda: len(world.alerts(world.ann)) == 2)

        assert world.alerts(world.ann) == ["alert 1", "alert 2"]


async def test_an_alert_whose_answer_was_lost_comes_at_most_once_more() -> None:
    async with telegram_desk() as world:
        world.server.fail("done-reset", 1, "sendMessage")
        world.alert("alert 1")
        world.alert("alert 2")
        await world.pump_until(lambda: "alert 2" in world.alerts(world.ann))

        assert world.alerts(world.ann) in (["alert 1", "alert 2"], ["alert 1", "alert 1", "alert 2"])
