"""The loopback Discord against an unmodified discord.py client: each rule once, so that other tests may rely on it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from urllib.request import urlopen

import aiohttp
import discord
import pytest
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.standins import discord_rules as rules
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
        close = app_commands.Command(name="close", description="Close it", callback=self.close_it)
        close.autocomplete("position")(self.suggest)
        self.tree.add_command(close)
        self.tree.add_command(app_commands.Command(name="twice", description="Answer twice", callback=self.twice))
        self.tree.on_error = self.failed
        self.codes: list[int] = []
        self.delay = 0.0
        self.acted: list[str] = []

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """No five seconds before a second IDENTIFY."""

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Tap)
        self.tree.copy_global_to(guild=self.place)
        await self.tree.sync(guild=self.place)

    async def close_it(self, interaction: discord.Interaction, position: str, contracts: int = 1) -> None:
        await asyncio.sleep(self.delay)
        await interaction.response.defer(ephemeral=True)
        self.acted.append(position)
        await interaction.followup.send(f"closed {contracts} of {position}")

    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{typed}{number}", value=f"{typed}{number}") for number in (1, 2)]

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


async def test_suggestions_come_back_for_what_is_typed(server: DiscordServer):
    async with bot(server):
        answer = await server.autocomplete(ann(server), "close", server.channel(DESK), "position", "P0")

    assert (answer.ack, [choice["name"] for choice in answer.choices or ()]) == ("suggestions", ["P01", "P02"])
    server.assert_valid()


async def test_forged_button_reaches_the_bot_and_nobody_answers(server: DiscordServer):
    async with bot(server) as client:
        await client.desk.send("P1")
        press = await server.forge(ann(server), server.channel(DESK).messages[-1], "nobody:knows", within=0.1)

    assert (press.sessions, press.ack) == (1, None)


# messages


async def test_picture_is_kept_with_its_description_and_shown_in_the_embed(server: DiscordServer):
    embed = discord.Embed(title="Payoff").set_image(url="attachment://payoff.png")
    async with bot(server) as client:
        await client.desk.send(embed=embed, file=discord.File(BytesIO(b"png"), "payoff.png", description="A payoff"))
        card = server.channel(DESK).messages[-1]
        picture = await client.http.get_from_cdn(card.embeds[0]["image"]["url"])

    assert picture == b"png"
    assert [(file.name, file.content, file.description) for file in card.files] == [("payoff.png", b"png", "A payoff")]
    server.assert_valid()


async def test_edit_with_other_files_drops_those_it_does_not_name(server: DiscordServer):
    async with bot(server) as client:
        message = await client.desk.send("P1", file=discord.File(BytesIO(b"1"), "one.png"))
        await message.edit(attachments=[discord.File(BytesIO(b"2"), "two.png")])

    card = server.channel(DESK).messages[-1]
    assert ([file.name for file in card.files], card.text) == (["two.png"], "P1")


async def test_thread_is_opened_on_a_message_once(server: DiscordServer):
    async with bot(server) as client:
        message = await client.desk.send("P1")
        thread = await message.create_thread(name="P1 SPY")
        await thread.send("filled")
        with pytest.raises(discord.HTTPException) as error:
            await message.create_thread(name="again")

    assert error.value.code == 160004
    assert [(item.name, [line.text for line in item.messages]) for item in server.threads] == [("P1 SPY", ["filled"])]
    server.assert_valid()


async def test_layout_of_components_shows_its_text_and_its_buttons(server: DiscordServer):
    view = discord.ui.LayoutView()
    view.add_item(discord.ui.Container(discord.ui.TextDisplay("# P1"), discord.ui.ActionRow(Tap("approve"))))
    async with bot(server) as client:
        await client.desk.send(view=view)
        card = server.channel(DESK).messages[-1]

    assert (card.is_v2, card.text, card.labels) == (True, "# P1", ["Approve"])
    server.assert_valid()


async def test_direct_message_arrives_unless_the_person_takes_none(server: DiscordServer):
    async with bot(server) as client:
        user = await client.fetch_user(123)
        await user.send("psst")
        ann(server).takes_direct = False
        with pytest.raises(discord.Forbidden) as error:
            await user.send("psst again")

    assert ([line.text for line in server.dms(ann(server))], error.value.code) == (["psst"], 50007)


LIMITS = {
    "content": ({"content": "x" * 2001}, "content"),
    "embeds": ({"embeds": [{"description": "x" * 3001}] * 2}, "embeds"),
    "title": ({"embeds": [{"title": "x" * 257}]}, "embeds"),
    "rows": ({"content": "x", "components": [{"type": 1, "components": []}] * 6}, "components"),
    "custom id": (
        {
            "content": "x",
            "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "a", "custom_id": "x" * 101}]}],
        },
        "components",
    ),
    "text of a layout": ({"flags": 1 << 15, "components": [{"type": 10, "content": "x" * 2001}] * 2}, "components"),
    "size of a layout": ({"flags": 1 << 15, "components": [{"type": 14}] * 41}, "components"),
    "content beside a layout": (
        {"flags": 1 << 15, "content": "x", "components": [{"type": 10, "content": "y"}]},
        "content",
    ),
    "file of a layout": (
        {"flags": 1 << 15, "components": [{"type": 12, "items": [{"media": {"url": "attachment://no.png"}}]}]},
        "components",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_message_over_a_limit_is_an_invalid_form(name: str):
    body, field = LIMITS[name]

    with pytest.raises(rules.Refusal) as refusal:
        rules.held_to(rules.message(body, [], body.get("flags", 0)))

    assert (refusal.value.code, list(refusal.value.body["errors"])) == (50035, [field])


async def test_client_reads_where_a_form_is_invalid(server: DiscordServer):
    async with bot(server) as client:
        with pytest.raises(discord.HTTPException, match="content: Must be 2000 or fewer in length"):
            await client.desk.send("x" * 2001)

    assert server.channel(DESK).messages == []


async def test_empty_message_and_a_file_that_is_too_large_are_refused(server: DiscordServer):
    async with bot(server) as client:
        with pytest.raises(discord.HTTPException) as empty:
            await client.desk.send("")
        with pytest.raises(discord.HTTPException) as large:
            await client.desk.send(file=discord.File(BytesIO(b"x" * (rules.MAX_FILE + 1)), "large.png"))

    assert (empty.value.code, large.value.code, large.value.status) == (50006, 40005, 413)


async def test_message_deleted_under_the_bot_is_unknown(server: DiscordServer):
    async with bot(server) as client:
        message = await client.desk.send("P1")
        server.delete(server.channel(DESK).messages[-1])
        with pytest.raises(discord.NotFound) as error:
            await message.edit(content="P1, filled")

    assert error.value.code == 10008


async def test_permission_taken_away_is_refused_until_it_is_given_back(server: DiscordServer):
    desk = server.channel(DESK)
    async with bot(server) as client:
        server.deny(desk, "SEND_MESSAGES")
        with pytest.raises(discord.Forbidden) as sending:
            await client.desk.send("P1")
        server.deny(desk, "VIEW_CHANNEL")
        with pytest.raises(discord.Forbidden) as seeing:
            await client.desk.send("P1")
        server.allow(desk, "VIEW_CHANNEL", "SEND_MESSAGES")
        await client.desk.send("P1")

    assert (sending.value.code, seeing.value.code, len(desk.messages)) == (50013, 50001, 1)


async def test_channel_that_is_not_there_is_unknown(server: DiscordServer):
    async with bot(server) as client:
        with pytest.raises(discord.NotFound) as error:
            await client.fetch_channel(999)

    assert error.value.code == 10003


async def test_route_nobody_knows_is_noted(server: DiscordServer):
    async with bot(server) as client:
        with pytest.raises(discord.NotFound):
            await client.http.request(Route("GET", "/voice/regions"))

    with pytest.raises(AssertionError, match="unknown: GET /api/v10/voice/regions"):
        server.assert_valid()


async def test_what_can_be_looked_up_keeps_to_the_published_schemas(server: DiscordServer):
    async with bot(server) as client:
        guild = await client.fetch_guild(server.world.guild_id, with_counts=False)
        message = await client.desk.send("P1")
        await guild.fetch_roles()
        await guild.fetch_channels()
        await guild.fetch_member(123)
        await client.desk.fetch_message(message.id)
        await client.tree.fetch_commands(guild=guild)
        await client.application_info()
        history = [line.content async for line in client.desk.history()]
        await client.http.send_typing(DESK)

    assert history == ["P1"]
    server.assert_valid()


# the gateway


async def test_wrong_token_is_refused_by_rest_and_by_the_gateway(server: DiscordServer):
    stranger, client = Bot(server.world.guild_id), Bot(server.world.guild_id)
    async with stranger:
        with pytest.raises(discord.LoginFailure):
            await stranger.start("wrong")
    await client.login(server.token)
    client.http.token = "wrong"
    with pytest.raises(discord.ConnectionClosed) as closed:
        await client.connect()
    await client.close()

    assert closed.value.code == 4004


async def test_privileged_intent_that_was_not_switched_on_closes_the_gateway(server: DiscordServer):
    client = Bot(server.world.guild_id, intents=discord.Intents(guilds=True, message_content=True))

    with pytest.raises(discord.PrivilegedIntentsRequired):
        await client.start(server.token)
    await client.close()


async def test_interaction_missed_while_the_socket_was_gone_is_delivered_on_resume(server: DiscordServer):
    async with bot(server) as client:
        server.hold_gateway()
        server.drop()
        asked = server.slash(ann(server), "close", server.channel(DESK), position="P1", within=5)
        server.let_in()
        answer = await asked

    assert (answer.ack, client.acted) == ("deferred", ["P1"])
    assert (server.gateway.identifies, server.gateway.resumes) == (1, 1)


async def test_session_that_can_not_be_resumed_begins_anew_and_misses_what_was(server: DiscordServer):
    async with bot(server) as client:
        server.gateway.resumable = False
        server.hold_gateway()
        server.drop()
        answer = await server.slash(ann(server), "close", server.channel(DESK), position="P1", within=0.1)
        server.let_in()
        await server.until(lambda: server.gateway.identifies == 2 and server.gateway.connected)

    assert (answer.ack, client.acted) == (None, [])


@pytest.mark.parametrize(("fault", "identifies"), [("reconnect", 1), ("invalidate", 2), ("drop", 1)])
async def test_client_comes_back_after(server: DiscordServer, fault: str, identifies: int):
    async with bot(server):
        getattr(server, fault)()
        await server.until(lambda: server.gateway.handshakes == 2)
        await server.connected()
        answer = await server.slash(ann(server), "close", server.channel(DESK), position="P1")

    assert (answer.ack, server.gateway.identifies) == ("deferred", identifies)


async def test_gateway_that_acknowledges_no_heartbeats_is_left(server: DiscordServer):
    server.gateway.heartbeat_seconds = 0.05
    async with bot(server, heartbeat_timeout=0.2):
        await server.until(lambda: server.gateway.heartbeats > 3)
        server.gateway.acknowledges_heartbeats = False
        await server.until(lambda: server.gateway.resumes == 1)
        server.gateway.acknowledges_heartbeats = True

    assert server.gateway.identifies == 1


# what goes wrong between


async def test_client_waits_out_a_429_of_one_route(server: DiscordServer):
    async with bot(server) as client:
        server.fail("429", times=2, path="/channels/{channel}/messages", seconds=0.05)
        await client.desk.send("P1")

    assert [seen.status for seen in server.sent("POST", f"/channels/{DESK}/messages")] == [429, 429, 200]
    assert len(server.channel(DESK).messages) == 1


async def test_client_holds_everything_back_after_a_global_429(server: DiscordServer):
    async with bot(server) as client:
        server.fail("429-global", path="/channels/{channel}/typing", seconds=0.3)
        limited = asyncio.create_task(client.http.send_typing(DESK))
        while client.http._global_over.is_set():
            await asyncio.sleep(0)
        await client.desk.send("P1")
        await limited

    typed, sent = server.sent("POST", f"/channels/{DESK}/typing"), server.sent("POST", f"/channels/{DESK}/messages")
    assert sent[0].at - typed[0].at >= 0.29


async def test_limit_that_is_enforced_is_kept_by_a_client_that_reads_the_headers(server: DiscordServer):
    server.limit("POST", "/channels/{channel}/messages", 2, 0.2)
    async with bot(server) as client:
        for number in range(5):
            await client.desk.send(str(number))

    sent = server.sent("POST", "/channels/{channel}/messages")
    assert [line.text for line in server.channel(DESK).messages] == ["0", "1", "2", "3", "4"]
    assert sent[-1].at - sent[0].at >= 0.4
    assert server.rates.refused == 0


async def test_limit_of_everything_is_answered_with_a_global_429(server: DiscordServer):
    async with bot(server) as client:
        server.limit_all(1, 0.2)
        await client.desk.send("1")
        await client.http.send_typing(DESK)

    assert (server.rates.refused, server.channel(DESK).typed) == (1, 1)


@pytest.mark.parametrize("kind", ["503", "cut", "silence", "done-cut"])
async def test_request_goes_wrong_in_the_way_that_was_ordered(server: DiscordServer, kind: str):
    async with bot(server) as client:
        server.fail(kind, path=f"/channels/{DESK}/messages")
        with pytest.raises((discord.DiscordServerError, OSError, aiohttp.ClientError)):
            await client.desk.send("P1")

    assert len(server.channel(DESK).messages) == (1 if kind == "done-cut" else 0)


async def test_any_refusal_may_be_ordered(server: DiscordServer):
    async with bot(server) as client:
        server.refuse(rules.MISSING_PERMISSIONS, method="POST")
        with pytest.raises(discord.Forbidden, match="Missing Permissions"):
            await client.desk.send("P1")
        await client.desk.send("P2")

    assert [line.text for line in server.channel(DESK).messages] == ["P2"]


PROGRAM = """
import os, discord, yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

Route.BASE = os.environ["DISCORD_API_URL"]
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY_URL"])

class Other(discord.Client):
    async def setup_hook(self):
        self.tree = app_commands.CommandTree(self)

        @self.tree.command(description="Which process")
        async def who(interaction):
            await interaction.response.send_message(str(os.getpid()))

        await self.tree.sync()

Other(intents=discord.Intents(guilds=True)).run(os.environ["DISCORD_TOKEN"], log_handler=None)
"""


def test_bot_in_another_process_answers_a_test_without_a_loop():
    with DiscordServer() as server:
        where = {"DISCORD_API_URL": server.api_url, "DISCORD_GATEWAY_URL": server.gateway_url}
        desk = server.add_channel("desk")
        environment = {**os.environ, **where, "DISCORD_TOKEN": server.token}
        with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment) as program:
            try:
                server.connected(within=30).result()
                answer = server.slash(server.member("ann"), "who", desk).result()
            finally:
                program.terminate()

    assert (answer.text, desk.messages[0].text) == (str(program.pid), str(program.pid))
    server.assert_valid()


def test_port_is_the_same_after_being_down(server: DiscordServer):
    address = (server.port, server.api_url)
    server.down()
    with pytest.raises(OSError, match="refused"), urlopen(f"{server.api_url}/gateway"):
        pass
    server.up()

    with urlopen(f"{server.api_url}/gateway") as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    assert address == (server.port, server.api_url)
