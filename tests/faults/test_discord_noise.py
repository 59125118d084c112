"""Thousands of interactions nobody should send: nothing changes, and what is answered keeps to the rules."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pytest
import structlog
from discord.gateway import DiscordWebSocket
from discord.http import Route as DiscordRoute

from bot.people import People, Role, User
from bot.platforms.discord_app import DiscordApp
from bot.proposal import Story, proposal_card
from bot.settings import DiscordSettings
from engine.model.events import EventKind
from tests.bot.rooms import Visit, visit
from tests.desk import propose, quote_all
from tests.faults.discord_noise import MARK, Noise
from tests.standins.discord_server import DiscordServer
from tests.standins.discord_world import Channel, Member, Message

AT_ONCE = 50
DESK = 555
ASKED = {EventKind.COMMAND, EventKind.DENIED, EventKind.REFUSED}
BROKEN = {"discord.answer_broken", "discord.event_broken", "command.broken", "discord.answer_lost"}
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
ALIVE = re.compile(rf"(?<!\\)\*\*{MARK}|(?<!\\)\[{MARK}|(?<!\\)<@|@everyone")
"""Formatting, a link or a mention that somebody else's text has become."""


@dataclass
class Weather:
    """A desk with a proposal in its channel, and the noise over it."""

    server: DiscordServer
    here: Visit
    app: DiscordApp
    running: asyncio.Task[None]
    noise: Noise

    @property
    def happened(self) -> Counter[EventKind]:
        """What the desk wrote down, but for what people asked and were refused."""
        with self.here.world.store.read() as work:
            return Counter(event.kind for event in work.events() if event.kind not in ASKED)

    @property
    def messages(self) -> Iterator[Message]:
        """Everything the desk ever wrote."""
        for channel in self.server.world.channels.values():
            yield from channel.written

    async def blow(self, number: int) -> None:
        """So many interactions, one of ten twice; each batch is over before the next."""
        rows = self.noise.interactions(number)
        while batch := list(islice(rows, AT_ONCE)):
            known = self.server.interactions.all[:]
            for row in batch:
                for _ in range(2 if self.noise.dice.random() < 0.1 else 1):
                    await self.server.replay_row(row)
            await self.settled()
            self.server.interactions.all = [each for each in self.server.interactions.all if each not in known]

    async def settled(self) -> None:
        """Everything before was handed on (an interaction comes after them all), and answered."""
        answer = await self.server.slash(self.noise.ann, "whoami", self.server.channel(DESK))
        assert "ann" in answer.text
        assert self.app._client is not None
        await self.app._client.answers.finish(30)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DiscordServer]:
    """The addresses are the whole process's in discord.py: they are put back afterwards."""
    monkeypatch.setattr(DiscordRoute, "BASE", DiscordRoute.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
    with DiscordServer() as running:
        running.add_channel("desk", DESK)
        for name, number in (("ann", 1001), ("tom", 1002), ("eve", 1003), ("joe", 1004), ("vic", 1005)):
            running.member(name, number)
        running.world.add_member("machine", 1006, is_bot=True)
        yield running


def people() -> People:
    ann, tom = User("ann", Role.ADMIN, ("discord:1001",)), User("tom", Role.TRADER, ("discord:1002",))
    return People((ann, tom, User("vic", Role.VIEWER, ("discord:1005",))))


@asynccontextmanager
async def weather(server: DiscordServer, seed: int) -> AsyncIterator[Weather]:
    """A connected desk, held to Discord's rules to the end."""
    here = visit()
    here.room = replace(here.room, people=people())
    where = DiscordSettings(str(server.world.guild_id), api_url=server.api_url, gateway_url=server.gateway_url)
    app = DiscordApp(here.room, where, server.token, (str(DESK),))
    running = asyncio.create_task(app.run())
    await server.connected()
    try:
        desk = server.channel(DESK)
        noise = await noisy(server, here, app, desk, seed)
        yield Weather(server, here, app, running, noise)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    server.assert_valid()


async def noisy(server: DiscordServer, here: Visit, app: DiscordApp, desk: Channel, seed: int) -> Noise:
    """The noise over a proposal that is shown in the channel."""
    quote_all(here.world)
    approval = propose(here.world)
    ref = await app.post(str(DESK), proposal_card(Story(approval), here.world.clock(), "PAPER"))
    with here.world.store.begin() as work:
        work.save_ref(f"approval:{approval.id}", ref.platform, ref.chat, ref.message, approval.version)
    card = desk.messages[-1]
    thread = server.world.keep(Channel(server.world.new_id(), "trade", 11, parent=desk, owner=server.world.bot.id))
    by_name: dict[str, Member] = {member.name: member for member in server.world.members.values()}
    known = (by_name[name] for name in ("ann", "tom", "vic"))
    strangers = (by_name["eve"], by_name["joe"])
    standing = str(card.button("Approve")["custom_id"])
    dice = np.random.default_rng(seed)
    return Noise(dice, server, (desk, thread), card, standing, *known, strangers, by_name["machine"])


async def nothing_comes_of(number: int, server: DiscordServer, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Let so much noise come, and look what it left behind."""
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.ERROR):
        async with weather(server, seed) as world:
            before = world.happened
            await world.blow(number)

            assert not world.running.done()
            assert server.gateway.identifies == 1, "the connection was lost"
            assert (world.here.world.broker.posts, world.happened) == ([], before)
            written = list(world.messages)
            assert [each.text for each in written if ALIVE.search(CODE.sub("", each.text))] == []
            assert [each.text for each in written if (each.mentions_allowed or {}).get("parse") != []] == []
            answer = await server.press(world.noise.ann, world.noise.card, "Approve")
            assert (answer.ack, len(world.here.world.broker.posts)) == ("deferred-update", 1)
    assert [each for each in logs if each["event"] in BROKEN][:3] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR][:3] == []


async def test_two_thousand_interactions_of_noise_change_nothing(
    server: DiscordServer, caplog: pytest.LogCaptureFixture
) -> None:
    await nothing_comes_of(2_000, server, 15, caplog)


async def test_interaction_that_the_library_cannot_read_does_not_end_the_connection(server: DiscordServer) -> None:
    async with weather(server, 1) as world:
        row = server.interactions.begin(2, world.noise.ann, server.channel(DESK), {"name": "risk"}).row
        await server.replay_row({key: value for key, value in row.items() if key != "version"})
        answer = await server.slash(world.noise.ann, "whoami", server.channel(DESK))

        assert ("ann" in answer.text, server.gateway.identifies) == (True, 1)


async def test_refusal_of_a_form_that_names_no_message_is_not_drawn_over_the_card(server: DiscordServer) -> None:
    async with weather(server, 1) as world:
        begin, stranger, desk = server.interactions.begin, world.noise.strangers[0], server.channel(DESK)
        pressed = begin(3, stranger, desk, {"component_type": 2, "custom_id": world.noise.standing}, world.noise.card)
        form = {"custom_id": "wsb:myprice:A00001.1", "components": []}
        row = begin(5, stranger, desk, form, world.noise.card, pressed).row
        await server.replay_row({key: value for key, value in row.items() if key != "message"})
        await world.settled()

        assert "Approve" in world.noise.card.labels


async def test_interaction_that_says_not_who_did_it_is_passed_over(server: DiscordServer) -> None:
    with structlog.testing.capture_logs() as logs:
        async with weather(server, 1) as world:
            row = server.interactions.begin(2, world.noise.ann, server.channel(DESK), {"name": "halt"}).row
            await server.replay_row({key: value for key, value in row.items() if key != "member"})
            await world.settled()
    events = [each["event"] for each in logs]
    assert ("discord.nobody" in events, BROKEN & set(events)) == (True, set())


async def test_command_from_a_channel_of_a_kind_unknown_here_is_not_done_and_says_so(server: DiscordServer) -> None:
    async with weather(server, 1) as world:
        strange = server.world.keep(Channel(server.world.new_id(), "strange", 99))
        answer = await server.slash(world.noise.ann, "halt", strange)

        assert ("another channel" in answer.text, world.happened[EventKind.HALTED]) == (True, 0)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
async def test_fifty_thousand_interactions_of_noise_change_nothing(
    server: DiscordServer, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    await nothing_comes_of(10_000, server, seed, caplog)
