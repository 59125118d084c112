"""The loopback Discord against an unmodified discord.py client: each rule once, so that other tests may rely on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.standins.discord_server import DiscordServer

DESK = 555


class Tap(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"tap:(?P<what>\w+)"):
    """A button that is rebuilt from its custom id, as after a restart."""

    def __init__(self, what: str) -> None:
        super().__init__(discord.ui.Button(label=what.capitalize(), custom_id=f"tap:{what}"))
        self.what = what

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: Any) -> Tap:
        return cls(match["what"])

    async def callback(self, interaction: Any) -> None:
        if self.what == "price":
            await interaction.response.send_modal(Price())
            return
        await interaction.response.defer()
        await interaction.edit_original_response(content=f"{self.what} by {interaction.user.name}", view=None)


class Price(discord.ui.Modal, title="Limit"):
    limit: discord.ui.TextInput[Any] = discord.ui.TextInput(label="Limit", custom_id="limit", max_length=8)

    async def on_submit(self, interaction: Any) -> None:
        await interaction.response.send_message(f"limit {self.limit.value}", ephemeral=True)


class Bot(discord.Client):
    """One command, one kind of button; what went wrong is kept."""

    def __init__(self, guild: int, **more: Any) -> None:
        intents = more.pop("intents", discord.Intents(guilds=True))
        super().__init__(intents=intents, allowed_mentions=discord.AllowedMentions.none(), **more)
        self.place = discord.Object(guild)
        self.tree = app_commands.CommandTree(self)
        self.tree.add_command(app_commands.Command(name="close", description="Close it", callback=self.close_it))
        self.tree.add_command(app_commands.Command(name="twice", description="Answer twice", callback=self.twice))
        self.tree.on_error = self.failed
        self.codes: list[int] = []
        self.delay = 0.0
        self.acted: list[str] = []

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Tap)
        self.tree.copy_global_to(guild=self.place)
        await self.tree.sync(guild=self.place)

    async def close_it(self, interaction: discord.Interaction, position: str, contracts: int = 1) -> None:
        await asyncio.sleep(self.delay)
        await interaction.response.defer(ephemeral=True)
        self.acted.append(position)
        await interaction.followup.send(f"closed {contracts} of {position}")

    async def twice(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        response: Any = interaction.response
        response._response_type = None  # a second process would not know either
        await interaction.response.send_message("again")

    async def failed(self, interaction: discord.Interaction, error: Exception) -> None:
        cause = error.__cause__ or getattr(error, "original", error)
        self.codes.append(getattr(cause, "code", -1))

    @property
    def desk(self) -> discord.TextChannel:
        channel = self.get_channel(DESK)
        assert isinstance(channel, discord.TextChannel)
        return channel


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DiscordServer]:
    with DiscordServer() as running:
        running.add_channel("desk", DESK)
        running.member("ann", 123)
        monkeypatch.setattr(Route, "BASE", running.api_url)
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(running.gateway_url))
        yield running


@asynccontextmanager
async def bot(server: DiscordServer, **more: Any) -> AsyncIterator[Bot]:
    """A bot that is logged in and connected."""
    client = Bot(server.world.guild_id, **more)
    running = asyncio.create_task(client.start(server.token))
    await server.connected()
    while client.get_channel(DESK) is None:
        await client.wait_for("socket_event_type", timeout=5)
    try:
        yield client
    finally:
        await client.close()
        await running


def ann(server: DiscordServer) -> Any:
    return server.world.members[123]


async def test_client_logs_in_registers_its_commands_and_sees_the_channels(server: DiscordServer):
    async with bot(server) as client:
        names = sorted(server.commands)
        seen = client.desk.name

    assert (names, seen, server.rest.registrations) == (["close", "twice"], "desk", 1)
    server.assert_valid()


async def test_slash_command_is_acknowledged_and_followed_up_for_the_asker_alone(server: DiscordServer):
    async with bot(server):
        answer = await server.slash(ann(server), "close", server.channel(DESK), position="P00003", contracts=2)

    assert (answer.ack, answer.text, answer.is_ephemeral) == ("deferred", "closed 2 of P00003", True)
    assert answer.ack_seconds is not None
    assert answer.ack_seconds < 1
    assert server.channel(DESK).messages == []
    server.assert_valid()


async def test_late_acknowledgement_is_an_unknown_interaction(server: DiscordServer):
    server.interactions.ack_seconds = 0.05
    async with bot(server) as client:
        client.delay = 0.2
        answer = await server.slash(ann(server), "close", server.channel(DESK), position="P1", within=0.5)

    assert (answer.ack, answer.refusals, client.acted) == (None, [10062], [])


async def test_second_acknowledgement_is_refused(server: DiscordServer):
    async with bot(server):
        answer = await server.slash(ann(server), "twice", server.channel(DESK), within=0.3)

    assert (answer.ack, answer.refusals) == ("deferred", [40060])


async def test_replayed_interaction_can_not_be_acknowledged_again(server: DiscordServer):
    async with bot(server):
        answer = await server.slash(ann(server), "close", server.channel(DESK), position="P1")
        assert await server.replay(answer) == 1
        await server.until(lambda: answer.refusals)

    assert (answer.refusals, len(answer.messages)) == ([40060], 1)


async def test_follow_up_after_its_time_is_an_invalid_token(server: DiscordServer):
    server.interactions.token_seconds = 0.0
    async with bot(server):
        answer = await server.slash(ann(server), "close", server.channel(DESK), position="P1", within=0.5)
        await server.until(lambda: answer.refusals)

    assert (answer.ack, answer.refusals) == ("deferred", [50027])


async def test_button_is_found_by_label_and_the_edit_keeps_what_was_before(server: DiscordServer):
    view = discord.ui.View(timeout=None).add_item(Tap("approve"))
    async with bot(server) as client:
        await client.desk.send("P00001", view=view)
        card = server.channel(DESK).messages[-1]
        press = await server.press(ann(server), card, "Approve")

    assert (press.ack, card.text, card.buttons) == ("deferred-update", "approve by ann", [])
    assert [row["content"] for row in card.history] == ["P00001"]
    assert card.mentions_allowed == {"parse": []}
    server.assert_valid()


async def test_modal_is_filled_in_by_its_labels(server: DiscordServer):
    view = discord.ui.View(timeout=None).add_item(Tap("price"))
    async with bot(server) as client:
        await client.desk.send("P00001", view=view)
        press = await server.press(ann(server), server.channel(DESK).messages[-1], "Price")
        sent = await server.submit(ann(server), press, {"Limit": "1.20"})

    assert (press.ack, sent.ack, sent.text, sent.is_ephemeral) == ("modal", "message", "limit 1.20", True)
    server.assert_valid()


async def test_person_can_only_send_what_the_application_lets_them(server: DiscordServer):
    desk = server.channel(DESK)
    async with bot(server) as client:
        await client.desk.send("P1", view=discord.ui.View(timeout=None).add_item(Tap("price")))
        press = await server.press(ann(server), desk.messages[-1], "Price")
        with pytest.raises(ValueError, match="without position"):
            server.slash(ann(server), "close", desk)
        with pytest.raises(ValueError, match="type 4"):
            server.slash(ann(server), "close", desk, position="P1", contracts="many")
        with pytest.raises(ValueError, match="8 characters"):
            server.submit(ann(server), press, {"Limit": "123456789"})
        with pytest.raises(LookupError, match="no button 'Sell'"):
            server.press(ann(server), desk.messages[-1], "Sell")
