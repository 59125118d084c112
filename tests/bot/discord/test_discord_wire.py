"""Discord over real sockets: connecting, refusals, faults on the wire, and every request held to the schemas."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from alerts.outbox import Later, Undeliverable
from bot.bulkheads import Bulkheads
from bot.message import Button, Card, Manner, MessageRef
from bot.platforms.base import MessageGone, Refused
from engine.model.events import EventKind
from engine.model.market import MarketSnapshot
from tests import make
from tests.bot.discord.loopback import DESK, Loopback, connected, loopback, until
from tests.bot.rooms import visit
from tests.fakes import FakeClock, FakeMarket
from tests.standins.discord_rules import (
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    THREAD_ARCHIVED,
    UNKNOWN_CHANNEL,
    UNKNOWN_INTERACTION,
)
from tests.strategies import cases

CHAT = str(DESK)


async def test_a_day_at_the_desk_keeps_to_the_published_schemas() -> None:
    async with connected() as world:
        server = world.server
        await world.asked()
        listed = await server.slash(world.vic, "proposals", world.desk)
        drawn = await server.slash(world.vic, "payoff", world.desk, id="A00001")
        await server.autocomplete(world.tom, "snooze", world.desk, "id", "A0")
        denied = await server.slash(world.eve, "risk", world.desk)
        card = world.desk.messages[0]
        await server.press(world.tom, card, "Approve")
        await server.until(lambda: world.posts)

        assert "A00001" in listed.text
        assert drawn.message is not None
        assert [file.name for file in drawn.message.files] != []
        assert denied.is_ephemeral
        assert world.posts == ["A00001.1.1"]
        server.assert_valid()


async def test_a_form_over_the_wire_changes_the_proposal() -> None:
    async with connected() as world:
        approval = await world.asked()
        await world.app.post(CHAT, Card("Price?", buttons=((Button("My price", f"myprice:{approval.key}"),),)))

        shown = await world.server.press(world.tom, world.desk.messages[-1], "My price")
        await world.server.submit(world.tom, shown, {"Price": "1.06"})

        with world.here.world.store.read() as work:
            assert work.approval(approval.id).plan.signal.yours == make.D("-1.06")
        assert "Your price 1.06" in world.desk.messages[-1].text
        world.server.assert_valid()


async def test_an_acknowledgement_that_never_arrives_has_no_effect() -> None:
    async with connected() as world:
        await world.asked()
        card = world.desk.messages[0]
        for fault in ("cut", "silence"):
            world.server.fail(fault, path="/interactions/", seconds=4.0)
            await world.server.press(world.tom, card, "Approve", within=4.5)
        world.server.refuse(UNKNOWN_INTERACTION, path="/interactions/")
        await world.server.press(world.tom, card, "Approve", within=0.5)

        assert world.posts == []
        assert world.here.events(EventKind.COMMAND) == ()


async def test_the_same_interaction_delivered_twice_acts_once() -> None:
    async with connected() as world:
        await world.asked()
        press = await world.server.press(world.tom, world.desk.messages[0], "Approve")
        await world.server.replay(press)
        await world.server.until(lambda: [each.code for each in world.server.sent("POST", "/interactions/")][1:])

        assert world.posts == ["A00001.1.1"]


async def test_a_wrong_token_is_named() -> None:
    async with loopback() as world:
        world.server.token = "another"

        with pytest.raises(Refused, match="DISCORD_TOKEN"):
            await world.app.run()
        assert not world.app.state.is_well


async def test_a_token_that_is_taken_back_is_named() -> None:
    async with loopback() as world:
        running = asyncio.create_task(world.app.run())
        await world.server.connected()
        world.server.close_gateway(4004)

        with pytest.raises(Refused, match="DISCORD_TOKEN"):
            await running


async def test_intents_that_are_not_allowed_are_named() -> None:
    async with loopback() as world:
        running = asyncio.create_task(world.app.run())
        await world.server.connected()
        world.server.close_gateway(4014)

        with pytest.raises(Refused, match="intents"):
            await running


async def test_another_server_is_named_with_the_way_in() -> None:
    async with loopback(guild="42") as world:
        with pytest.raises(Refused, match=r"discord\.guild = 42.*oauth2/authorize"):
            await world.app.run()


async def test_without_a_server_nothing_is_tried() -> None:
    async with loopback(guild="") as world:
        with pytest.raises(Refused, match=r"discord\.guild is empty"):
            await world.app.run()
        assert world.server.requests == []


async def test_it_runs_again_after_it_ended() -> None:
    async with connected() as world:
        await world.asked()
    async with connected() as again:
        assert again.app.state.is_well


async def test_the_end_comes_within_five_seconds() -> None:
    async with loopback() as world:
        running = asyncio.create_task(world.app.run())
        await world.server.connected()
        began = time.monotonic()

        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

        assert time.monotonic() - began < 5.0


async def test_a_cut_gateway_is_resumed() -> None:
    async with connected() as world:
        world.server.drop()
        await world.server.until(lambda: not world.server.gateway.connected)
        await world.server.connected(20)
        answer = await world.server.slash(world.vic, "whoami", world.desk)

        assert "vic" in answer.text


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (MISSING_PERMISSIONS, "lacks a permission"),
        (MISSING_ACCESS, "may not see the channel"),
        (UNKNOWN_CHANNEL, "no such channel"),
    ],
)
async def test_a_channel_that_will_not_take_cards_is_named(refusal: object, words: str) -> None:
    async with connected() as world:
        world.server.refuse(refusal, path="/channels/")  # type: ignore[arg-type]

        with pytest.raises(Undeliverable, match=rf"#desk \(555\).*{words}"):
            await world.app.post(CHAT, Card("Hello"))


async def test_a_message_that_was_deleted_is_gone() -> None:
    async with connected() as world:
        ref = await world.app.post(CHAT, Card("Hello"))
        world.server.delete(world.desk.messages[0])

        with pytest.raises(MessageGone):
            await world.app.edit(ref, Card("Hello again"))


async def test_a_long_rate_limit_is_the_outboxes_to_wait_for() -> None:
    async with connected() as world:
        world.server.fail("429", path="/channels/", seconds=30.0)

        with pytest.raises(Later) as limited:
            await world.app.post(CHAT, Card("Hello"))
        assert limited.value.seconds == 30.0


async def test_a_short_rate_limit_is_waited_out() -> None:
    async with connected() as world:
        world.server.fail("429", path="/channels/", seconds=0.05)

        ref = await world.app.post(CHAT, Card("Hello"))

        assert ref.message == str(world.desk.messages[0].id)


async def test_later_cards_of_a_trade_go_into_its_thread() -> None:
    async with connected(threads=True) as world:
        first = await world.app.post(CHAT, Card("sell 2 × XYZ 44 put"))
        inside = await world.app.post(CHAT, Card("Filled"), Manner(under=first))
        await world.app.post(CHAT, Card("Closed"), Manner(under=first))
        await world.app.post(CHAT, Card("Note"), Manner(under=inside))
        await world.app.edit(inside, Card("Filled twice"))

        (thread,) = world.server.threads
        assert [message.text.splitlines()[-1] for message in thread.messages] == ["Filled twice", "Closed", "Note"]
        assert inside == MessageRef("discord", CHAT, f"{thread.id}/{thread.messages[0].id}")
        assert len(world.desk.messages) == 1
        world.server.assert_valid()


async def test_what_has_to_be_heard_answers_in_the_channel_for_nobody_hears_a_thread() -> None:
    async with connected(threads=True) as world:
        first = await world.app.post(CHAT, Card("sell 2 × XYZ 44 put"))
        inside = await world.app.post(CHAT, Card("Filled"), Manner(under=first))
        await world.app.post(CHAT, Card("Stop hit"), Manner(heard=True, under=first))
        await world.app.post(CHAT, Card("Not done"), Manner(heard=True, under=inside))

        hit, not_done = world.desk.messages[1:]
        assert [each.text.splitlines()[-1] for each in (hit, not_done)] == ["Stop hit", "Not done"]
        assert hit.row["message_reference"]["message_id"] == first.message
        assert len(world.server.threads[0].messages) == 1
        world.server.assert_valid()


async def test_a_thread_that_is_there_already_is_used() -> None:
    async with connected(threads=True) as world:
        first = await world.app.post(CHAT, Card("sell 2 × XYZ 44 put"))
        await world.app.post(CHAT, Card("Filled"), Manner(under=first))
        world.app._threads._open.clear()
        await world.app.post(CHAT, Card("Closed"), Manner(under=first))

        assert len(world.server.threads[0].messages) == 2


async def test_without_the_permission_for_threads_the_card_answers_the_first() -> None:
    async with connected(threads=True) as world:
        first = await world.app.post(CHAT, Card("sell 2 × XYZ 44 put"))
        world.server.refuse(MISSING_PERMISSIONS, path=f"/channels/{CHAT}/messages/{first.message}/threads")
        await world.app.post(CHAT, Card("Filled"), Manner(under=first))

        answer = world.desk.messages[-1]
        assert "Filled" in answer.text
        assert answer.row["message_reference"]["message_id"] == first.message


async def test_a_thread_that_was_deleted_loses_no_card() -> None:
    async with connected(threads=True) as world:
        first = await world.app.post(CHAT, Card("sell 2 × XYZ 44 put"))
        inside = await world.app.post(CHAT, Card("Filled"), Manner(under=first))
        del world.server.world.channels[world.server.threads[0].id]

        await world.app.post(CHAT, Card("Stop hit"), Manner(under=first))
        await world.app.post(CHAT, Card("Closed"), Manner(under=inside))
        with pytest.raises(MessageGone):
            await world.app.edit(inside, Card("Filled twice"))

        assert [message.text.splitlines()[-1] for message in world.desk.messages[1:]] == ["Stop hit", "Closed"]


async def test_a_card_in_a_thread_that_was_archived_is_to_be_posted_anew() -> None:
    async with connected(threads=True) as world:
        first = await world.app.post(CHAT, Card("sell 2 × XYZ 44 put"))
        inside = await world.app.post(CHAT, Card("Filled"), Manner(under=first))
        world.server.refuse(THREAD_ARCHIVED, method="PATCH", path="/channels/")

        with pytest.raises(MessageGone):
            await world.app.edit(inside, Card("Filled twice"))


async def test_a_thread_has_the_name_of_its_trade() -> None:
    async with connected(threads=True) as world:
        first = await world.app.post(CHAT, Card("put_credit: sell 2 × XYZ 44 put?"))
        await world.app.post(CHAT, Card("Filled"), Manner(under=first))

        assert world.server.threads[0].name == "put_credit: sell 2 × XYZ 44 put?"


async def test_a_long_silence_of_the_gateway_ends_the_run_so_that_it_is_started_again() -> None:
    async with loopback(patience=0.4) as world:
        running = asyncio.create_task(world.app.run())
        await until(lambda: world.app.state.is_well)
        world.server.down()

        with pytest.raises(ConnectionError, match="gateway was not reached"):
            await asyncio.wait_for(running, 10)
        assert world.app.state.words == "not connected"


async def test_nobody_is_ever_called_by_what_is_sent() -> None:
    async with connected() as world:
        ref = await world.app.post(CHAT, Card("@everyone", lines=("<@&7> @here",)))
        await world.app.edit(ref, Card("@everyone <@1>", buttons=((Button("Why", "why:A1"),),)))
        await world.server.slash(world.vic, "quote", world.desk, ticker="@everyone")
        await world.server.press(world.vic, world.desk.messages[0], "Why")

        bodies = [each.body for each in world.server.requests if each.body and "embeds" in each.body]
        assert len(bodies) >= 4
        assert all(body["allowed_mentions"] == {"parse": []} for body in bodies)


async def test_a_form_that_was_open_during_a_restart_is_still_read() -> None:
    async with connected() as world:
        approval = await world.asked()
        await world.app.post(CHAT, Card("Price?", buttons=((Button("My price", f"myprice:{approval.key}"),),)))
        shown = await world.server.press(world.tom, world.desk.messages[-1], "My price")
        client = world.app._client
        assert client is not None
        client._connection._view_store._modals.clear()

        await world.server.submit(world.tom, shown, {"Price": "1.06"})

        with world.here.world.store.read() as work:
            assert work.approval(approval.id).version == 2


async def test_put_out_of_the_server_the_run_ends_and_the_next_names_why() -> None:
    async with loopback() as world:
        running = asyncio.create_task(world.app.run())
        await until(lambda: world.knows_its_channel)
        gone = {"id": str(world.server.world.guild_id)}
        await world.server._ask(world.server.gateway.dispatch("GUILD_DELETE", gone))

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(running, 10)
        world.server.refuse(MISSING_ACCESS, path="/guilds/")
        with pytest.raises(Refused, match=r"discord\.guild"):
            await world.app.run()


async def test_quiet_hours_make_no_sound() -> None:
    async with connected() as world:
        await world.app.post(CHAT, Card("Night"), Manner(silent=True))

        assert world.server.sent("POST", f"/channels/{CHAT}/messages")[-1].body["flags"] & (1 << 12)


async def test_a_doctor_finds_everything_well() -> None:
    async with loopback() as world:
        found = await world.app.check()

        assert [finding.state for finding in found] == ["ok"] * 4
        assert world.server.gateway.connected == []
        world.server.assert_valid()


async def test_a_doctor_names_each_missing_permission() -> None:
    async with loopback(threads=True) as world:
        world.server.deny(world.desk, "EMBED_LINKS", "CREATE_PUBLIC_THREADS")

        *_, channel = await world.app.check()

        assert channel.state == "fail"
        assert "in #desk the bot lacks Embed Links, Create Public Threads" in channel.words


async def test_a_doctor_names_a_wrong_token_and_a_wrong_server() -> None:
    async with loopback(guild="42") as world:
        assert "discord.guild" in (await world.app.check())[-1].part
        world.server.token = "another"
        (only,) = await world.app.check()
        assert "DISCORD_TOKEN" in only.words


class SlowMarket(FakeMarket):
    """A market whose second look waits until the test lets it go on."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.looks = 0
        self.go_on = threading.Event()

    def snapshot(self, ticker: str) -> MarketSnapshot:
        self.looks += 1
        if self.looks > 1:
            assert self.go_on.wait(10)
        return super().snapshot(ticker)


@asynccontextmanager
async def slow_scan() -> AsyncIterator[tuple[Loopback, SlowMarket]]:
    """A desk on threads, with two names to scan, the second of which takes its time."""
    pools = Bulkheads(1, 1, 1)
    here = visit()
    market = SlowMarket(here.world.clock)
    for ticker in ("XYZ", "ABC"):
        market.set_snapshot(replace(cases.wheel_name(), ticker=ticker))
    desk = replace(here.world.desk, market=market)
    here.room = replace(here.room, desk=desk, run=pools.run)
    try:
        async with connected(here) as world:
            yield world, market
    finally:
        market.go_on.set()
        pools.close()


async def test_long_work_shows_how_far_it_is_until_its_answer_takes_the_place() -> None:
    async with slow_scan() as (world, market):
        shown = await world.server.slash(world.vic, "scan", world.desk, strategy="wheel", tickers="XYZ ABC")
        assert "█" in shown.text
        assert [button["label"] for button in world.desk.messages[0].buttons] == ["Stop"]

        market.go_on.set()
        await until(lambda: "█" not in world.desk.messages[-1].text)

        assert len(world.desk.messages) == 1
        assert "Scan" in shown.text
        world.server.assert_valid()


async def test_long_work_is_stopped_by_its_button() -> None:
    async with slow_scan() as (world, market):
        shown = await world.server.slash(world.vic, "scan", world.desk, strategy="wheel", tickers="XYZ ABC")
        await world.server.press(world.vic, world.desk.messages[0], "Stop")
        market.go_on.set()

        await until(lambda: "Stopped" in shown.text)

        assert [each.is_ephemeral for each in shown.messages if not each.is_deleted] == [True]


async def test_an_answer_that_comes_after_fifteen_minutes_is_sent_by_the_bot() -> None:
    async with connected() as world:
        world.server.interactions.token_seconds = 0.0
        await world.server.slash(world.vic, "proposals", world.desk, within=0.5)
        await world.server.slash(world.vic, "account", world.desk, within=0.5)

        assert "No proposal is waiting" in world.desk.messages[-1].text
        assert "Account" in world.server.dms(world.vic)[-1].text
