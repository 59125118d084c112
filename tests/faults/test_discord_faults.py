"""The Discord adapter on a real socket that fails: one tap is one order at most, and no card is lost.

The desk and its broker are those of `tests.desk`; Discord is the loopback server of `tests.standins`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import discord
import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route as DiscordRoute

from alerts.outbox import Later, Undeliverable, pump
from alerts.routes import Route
from bot.deliver import Postman
from bot.message import Card, MessageRef, Picture
from bot.people import People, Role, User
from bot.platforms.base import MessageGone, Refused
from bot.platforms.discord_app import DiscordApp
from bot.proposal import Story, proposal_card
from bot.settings import DiscordSettings
from engine.model.events import Event, EventKind
from engine.model.trade import Approval
from tests.bot.rooms import Visit, visit
from tests.desk import propose, quote_all
from tests.standins import discord_rules as rules
from tests.standins.discord_interactions import Interaction
from tests.standins.discord_server import DiscordServer
from tests.standins.discord_world import Channel, Member, Message

DESK = 555
WRITING = "/channels/{channel}/messages"
ACKNOWLEDGING = "/interactions/{interaction}/{token}/callback"
CARD = Card("Filled: XYZ", lines=("Two puts at 1.03.",))


@dataclass
class Scene:
    """The loopback Discord, the desk behind it, and the adapter between."""

    server: DiscordServer
    here: Visit
    app: DiscordApp
    desk: Channel
    ann: Member
    eve: Member

    @property
    def orders(self) -> list[str]:
        """What reached the broker."""
        return self.here.world.broker.posts

    @property
    def card(self) -> Message:
        """The newest message in the channel."""
        return self.desk.messages[-1]

    def known(self, approval: Approval) -> str:
        """Where the desk knows the card of a proposal."""
        with self.here.world.store.read() as work:
            return next(ref.message for ref in work.refs(f"approval:{approval.id}"))

    async def proposed(self) -> Approval:
        """A proposal with its card in the channel."""
        world = self.here.world
        quote_all(world)
        approval = propose(world)
        ref = await self.app.post(str(DESK), proposal_card(Story(approval), world.clock(), "PAPER"))
        with world.store.begin() as work:
            work.save_ref(f"approval:{approval.id}", ref.platform, ref.chat, ref.message, approval.version)
        return approval

    def alerts(self, *words: str) -> None:
        """Something is to be told, in this order."""
        world = self.here.world
        with world.store.begin() as work:
            for number, word in enumerate(words):
                event_id = f"E9{number:04d}{word}"
                work.add_event(Event(event_id, EventKind.LIMIT_CHANGED, world.clock(), word, {}))

    async def deliver(self) -> int:
        """The outbox goes round once, as the running bot has it do."""

        def route(event: Event) -> tuple[Route, ...]:
            keys = {
                EventKind.LIMIT_CHANGED: f"event:{event.id}",
                EventKind.APPROVAL_CHANGED: f"approval:{event.subject}",
            }
            return (Route(f"discord:{DESK}", keys[event.kind]),) if event.kind in keys else ()

        world = self.here.world
        return await pump(world.store, world.clock, route, Postman(self.here.room, {"discord": self.app}))

    @property
    def told(self) -> list[str]:
        """What the alerts in the channel are about."""
        titles = [embed["title"] for message in self.desk.messages for embed in message.embeds]
        return [title.removeprefix("Limit: ") for title in titles if title.startswith("Limit: ")]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DiscordServer]:
    """The addresses are the whole process's in discord.py: they are put back afterwards."""
    monkeypatch.setattr(DiscordRoute, "BASE", DiscordRoute.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
    with DiscordServer() as running:
        running.add_channel("desk", DESK)
        running.member("ann", 1001)
        running.member("eve", 1002)
        yield running


def made(server: DiscordServer, token: str = "", **settings: Any) -> tuple[Visit, DiscordApp]:
    """A desk and the adapter, not connected yet."""
    here = visit()
    here.room = replace(here.room, people=People((User("ann", Role.ADMIN, ("discord:1001",)),)))
    where = {"api_url": server.api_url, "gateway_url": server.gateway_url}
    chosen = DiscordSettings(guild=str(server.world.guild_id), **where, **settings)
    return here, DiscordApp(here.room, chosen, token or server.token, (str(DESK),))


@asynccontextmanager
async def connected(server: DiscordServer, **settings: Any) -> AsyncIterator[Scene]:
    here, app = made(server, **settings)
    running = asyncio.create_task(app.run())
    await server.connected()
    try:
        members = server.world.members
        yield Scene(server, here, app, server.channel(DESK), members[1001], members[1002])
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    server.assert_valid()


@pytest.fixture
async def scene(server: DiscordServer) -> AsyncIterator[Scene]:
    async with connected(server) as opened:
        yield opened


# the gateway


async def test_tap_missed_while_the_gateway_was_gone_is_done_once_when_it_comes_in_time(scene: Scene) -> None:
    await scene.proposed()
    scene.server.hold_gateway()
    scene.server.drop()
    tap = scene.server.press(scene.ann, scene.card, "Approve")
    scene.server.let_in()
    answer = await tap

    assert (answer.ack, len(scene.orders)) == ("deferred-update", 1)
    assert (scene.server.gateway.identifies, scene.server.gateway.resumes) == (1, 1)


async def test_tap_that_a_resume_delivers_too_late_reaches_no_broker(scene: Scene) -> None:
    await scene.proposed()
    scene.server.interactions.ack_seconds = 0.1
    scene.server.hold_gateway()
    scene.server.drop()
    answer = await scene.server.press(scene.ann, scene.card, "Approve", within=0.2)
    scene.server.let_in()
    await scene.server.until(lambda: answer.refusals)
    await still(scene)

    assert (answer.ack, answer.refusals, scene.orders) == (None, [10062], [])
    assert "Approve" in scene.card.labels


async def test_new_session_after_a_lost_one_acts_on_new_taps_only(scene: Scene, monkeypatch: Any) -> None:
    monkeypatch.setattr("bot.platforms.discord_app.DeskClient.before_identify_hook", at_once)
    await scene.proposed()
    scene.server.invalidate()
    await scene.server.until(lambda: scene.server.gateway.identifies == 2 and scene.server.gateway.connected)
    answer = await scene.server.press(scene.ann, scene.card, "Approve")

    assert (answer.ack, len(scene.orders)) == ("deferred-update", 1)


async def at_once(*_: Any, **__: Any) -> None:
    """The library's five seconds before a second IDENTIFY, without them."""


async def still(scene: Scene) -> None:
    """Until everything the adapter began has ended."""
    answers = scene.app._connected().answers
    await answers.finish(5.0)


# acknowledgements


@pytest.mark.parametrize("refusal", [rules.UNKNOWN_INTERACTION, rules.ALREADY_ACKNOWLEDGED], ids=["late", "twice"])
async def test_what_was_not_acknowledged_reaches_no_broker(scene: Scene, refusal: rules.Refusal) -> None:
    await scene.proposed()
    scene.server.refuse(refusal, path=ACKNOWLEDGING)
    answer = await scene.server.press(scene.ann, scene.card, "Approve", within=0.3)
    await still(scene)

    assert (answer.ack, scene.orders) == (None, [])
    assert (await scene.server.press(scene.ann, scene.card, "Approve")).ack == "deferred-update"
    assert len(scene.orders) == 1


@pytest.mark.parametrize("kind", ["cut", "503", "done-cut"])
async def test_acknowledgement_that_may_not_have_arrived_reaches_no_broker(scene: Scene, kind: str) -> None:
    await scene.proposed()
    scene.server.fail(kind, times=5, path=ACKNOWLEDGING)
    await scene.server.press(scene.ann, scene.card, "Approve", within=0.3)
    await still(scene)

    assert scene.orders == []


async def test_replayed_interaction_acts_once(scene: Scene) -> None:
    await scene.proposed()
    answer = await scene.server.press(scene.ann, scene.card, "Approve")
    await scene.server.replay(answer)
    await scene.server.until(lambda: answer.refusals)
    await still(scene)

    assert (answer.refusals, len(scene.orders)) == ([40060], 1)


async def test_answer_that_cannot_be_shown_after_the_order_is_drawn_by_the_outbox(scene: Scene) -> None:
    await scene.proposed()
    card = scene.card
    scene.server.fail("cut", times=9, path="/webhooks/")
    await scene.server.press(scene.ann, card, "Approve", within=0.2)
    await still(scene)
    assert (len(scene.orders), "Approve" in card.labels) == (1, True)
    await scene.deliver()

    assert (len(scene.orders), "Approve" in card.labels) == (1, False)
    assert "approved by ann" in scene.card.text.lower()


# presses


async def test_two_presses_at_once_are_one_order(scene: Scene) -> None:
    await scene.proposed()
    card = scene.card
    answers = await asyncio.gather(*[wait(scene.server.press(scene.ann, card, "Approve")) for _ in range(2)])

    assert [answer.ack for answer in answers] == ["deferred-update"] * 2
    assert len(scene.orders) == 1


async def wait(asked: Any) -> Interaction:
    answer: Interaction = await asked
    return answer


async def test_stale_press_is_answered_and_has_no_effect(scene: Scene) -> None:
    await scene.proposed()
    card = scene.card
    approve = card.button("Approve")["custom_id"]
    await scene.server.press(scene.ann, card, "Reject")
    answer = await scene.server.forge(scene.ann, card, approve)
    await still(scene)

    assert (scene.orders, answer.is_ephemeral) == ([], True)
    assert "rejected" in answer.text.lower()


async def test_stranger_s_press_is_refused_to_the_stranger_alone(scene: Scene) -> None:
    await scene.proposed()
    before = scene.card.row
    answer = await scene.server.press(scene.eve, scene.card, "Approve")
    await still(scene)

    assert (scene.orders, answer.is_ephemeral, scene.card.row) == ([], True, before)
    assert "1002" in answer.text
    assert len(scene.desk.messages) == 1


FORGED = ("wsb:approve:A99999.1", "wsb:approve:A00001", "wsb:approve:", "wsb:panic:yes", "wsb:/close", "wsb:\n", "x")


@pytest.mark.parametrize("custom_id", FORGED)
async def test_forged_button_does_nothing(scene: Scene, custom_id: str) -> None:
    await scene.proposed()
    for person in (scene.eve, scene.ann):
        await scene.server.forge(person, scene.card, custom_id, within=0.3)
    await still(scene)

    assert scene.orders == []
    assert not scene.here.events(EventKind.PANIC, EventKind.APPROVAL_CHANGED)


# limits of speed


async def test_cards_wait_out_a_429_of_the_channel_and_keep_their_order(scene: Scene) -> None:
    scene.alerts("one", "two", "three")
    scene.server.fail("429", times=2, path=WRITING, seconds=0.05)
    await scene.deliver()

    assert scene.told == ["one", "two", "three"]


async def test_cards_wait_out_a_429_of_everything_and_keep_their_order(scene: Scene) -> None:
    scene.alerts("one", "two", "three")
    scene.server.fail("429-global", path=WRITING, seconds=0.1)
    await scene.deliver()

    assert scene.told == ["one", "two", "three"]


async def test_long_429_is_left_to_the_outbox(scene: Scene) -> None:
    scene.server.fail("429", path=WRITING, seconds=90.0)

    with pytest.raises(Later) as later:
        await scene.app.post(str(DESK), CARD)
    assert later.value.seconds == 90.0


async def test_acknowledgement_does_not_wait_behind_a_global_429(scene: Scene) -> None:
    await scene.proposed()
    card = scene.card
    scene.server.fail("429-global", path=WRITING, seconds=1.0)
    slow = asyncio.create_task(scene.app.post(str(DESK), CARD))
    await scene.server.until(lambda: scene.server.sent("POST", WRITING)[-1].status == 429)
    answer = await scene.server.press(scene.ann, card, "Approve")
    await slow

    assert answer.ack_seconds is not None
    assert answer.ack_seconds < 0.5
    assert len(scene.orders) == 1


async def test_twenty_alerts_are_sent_without_one_429(scene: Scene) -> None:
    scene.server.limit("POST", WRITING, 5, 0.2)
    words = [f"alert {number:02d}" for number in range(20)]
    scene.alerts(*words)
    await scene.deliver()

    assert (scene.told, scene.server.rates.refused) == (words, 0)


# errors on the way


@pytest.mark.parametrize("kind", ["503", "cut"])
async def test_card_that_was_not_taken_comes_later_in_its_place_and_once(scene: Scene, kind: str) -> None:
    scene.alerts("one", "two")
    scene.server.fail(kind, path=WRITING)

    assert await scene.deliver() == 0
    scene.here.world.clock.advance(seconds=10)
    await scene.deliver()
    assert scene.told == ["one", "two"]


async def test_network_down_keeps_the_alerts_and_delivers_each_once_in_order(scene: Scene) -> None:
    await scene.proposed()
    scene.server.down()
    scene.alerts("one", "two", "three")
    for _ in range(3):
        assert await scene.deliver() == 0
        scene.here.world.clock.advance(minutes=5)
    assert not scene.app.state.is_well
    scene.server.up()
    await scene.deliver()

    assert scene.told == ["one", "two", "three"]
    await scene.server.connected()
    assert (await scene.server.press(scene.ann, scene.desk.messages[0], "Approve")).ack == "deferred-update"


# the message and the channel


async def test_edit_of_a_message_somebody_deleted_says_that_it_is_gone(scene: Scene) -> None:
    ref = await scene.app.post(str(DESK), CARD)
    scene.server.delete(scene.card)

    with pytest.raises(MessageGone):
        await scene.app.edit(ref, CARD)


async def test_card_somebody_deleted_is_posted_anew_and_goes_on_there(scene: Scene) -> None:
    approval = await scene.proposed()
    first = scene.card
    scene.server.delete(first)
    scene.here.ask(action=f"reject:{approval.key}", who="discord:1001")
    await scene.deliver()

    assert len(scene.desk.messages) == 1
    assert "Rejected by ann" in scene.card.text
    assert (scene.known(approval), first.history) == (str(scene.card.id), [])


async def test_tap_on_a_message_deleted_meanwhile_is_one_order_and_its_answer_is_told(scene: Scene) -> None:
    await scene.proposed()
    card = scene.card
    approve = card.button("Approve")["custom_id"]
    scene.server.delete(card)
    answer = await scene.server.forge(scene.ann, card, approve)
    await still(scene)

    assert len(scene.orders) == 1
    assert "approved by ann" in answer.text.lower()


async def test_missing_permission_is_named_with_its_channel(scene: Scene) -> None:
    scene.server.deny(scene.desk, "SEND_MESSAGES")

    with pytest.raises(Undeliverable, match=rf"#desk \({DESK}\).*Send Messages"):
        await scene.app.post(str(DESK), CARD)
    (*_, finding) = await scene.app.check()
    assert (finding.state, finding.part) == ("fail", f"discord:{DESK}")
    assert "Send Messages" in finding.words


async def test_channel_that_is_not_there_is_named(scene: Scene) -> None:
    with pytest.raises(Undeliverable, match="channel 777: there is no such channel"):
        await scene.app.post("777", CARD)
    with pytest.raises(Undeliverable):
        await scene.app.edit(MessageRef("discord", "777", "1"), CARD)


async def test_picture_that_is_too_large_does_not_keep_its_card_back(scene: Scene) -> None:
    huge = Picture("payoff", "Payoff of two puts", lambda dark: b"x" * (rules.MAX_FILE + 1))
    await scene.app.post(str(DESK), replace(CARD, pictures=(huge,)))

    assert "Two puts at 1.03." in scene.card.text
    assert "Payoff of two puts" in scene.card.text
    assert scene.card.files == []


async def test_picture_this_server_finds_too_large_is_told_in_words(scene: Scene) -> None:
    picture = Picture("payoff", "Payoff of two puts", lambda dark: b"png")
    card = replace(CARD, pictures=(picture,))
    scene.server.refuse(rules.FILE_TOO_LARGE, path=WRITING, times=2)
    with pytest.raises(discord.HTTPException, match="40005"):
        await scene.app.post(str(DESK), card)
    scene.server.refuse(rules.FILE_TOO_LARGE, path=WRITING)
    ref = await scene.app.post(str(DESK), card)
    assert ("Payoff of two puts" in scene.card.text, scene.card.files) == (True, [])

    scene.server.refuse(rules.FILE_TOO_LARGE, method="PATCH")
    await scene.app.edit(ref, replace(card, lines=("Three puts.",)))
    assert ("Three puts." in scene.card.text, scene.card.files) == (True, [])


async def test_channel_in_which_the_bot_may_attach_nothing_gets_the_card_in_words(scene: Scene) -> None:
    scene.server.deny(scene.desk, "ATTACH_FILES")
    picture = Picture("payoff", "Payoff of two puts", lambda dark: b"png")
    await scene.app.post(str(DESK), replace(CARD, pictures=(picture,)))

    assert ("Payoff of two puts" in scene.card.text, scene.card.files) == (True, [])


# the way in


async def test_wrong_token_is_named_at_start_and_by_the_doctor(server: DiscordServer) -> None:
    _, app = made(server, token="wrong")

    with pytest.raises(Refused, match="DISCORD_TOKEN"):
        await app.run()
    (finding,) = await app.check()
    assert (finding.state, "DISCORD_TOKEN" in finding.words) == ("fail", True)


async def test_network_that_is_down_at_the_start_is_no_refusal(server: DiscordServer) -> None:
    _, app = made(server)
    server.down()

    with pytest.raises(OSError, match="Cannot connect"):
        await app.run()
    server.up()
    running = asyncio.create_task(app.run())
    await server.connected()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
