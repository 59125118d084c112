"""Discord as a platform of the desk: one bot in one server, cards out and requests in."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import aiohttp
import discord
import structlog

from bot.catalogue import ALL
from bot.command import Room
from bot.doctor import Finding
from bot.message import PLAIN, Card, Manner, MessageRef
from bot.platforms.base import MessageGone, Refused, State
from bot.platforms.discord_answers import Answers
from bot.platforms.discord_buttons import DeskButton, view_of
from bot.platforms.discord_check import examined
from bot.platforms.discord_commands import are_same, payloads
from bot.platforms.discord_draw import drawn, in_words
from bot.platforms.discord_refs import NAME, place_of
from bot.platforms.discord_render import NO_MENTIONS
from bot.platforms.discord_threads import Threads
from bot.platforms.discord_wire import (
    LONGEST_WAIT,
    NO_THREAD,
    are_files_refused,
    direct,
    measured,
    why_not_sent,
    why_refused,
)
from bot.settings import DiscordSettings
from engine.model.leadership import Term

log = structlog.get_logger()

ENDING = 2.0
"""Seconds for answers that are being given when the desk ends, and as many for the goodbye."""


class DeskClient(discord.Client):
    """One connection. It listens to nothing but the server itself and what people do with the bot."""

    def __init__(self, room: Room, settings: DiscordSettings) -> None:
        trace = measured(held_to(room.desk.term))
        super().__init__(intents=discord.Intents(guilds=True), allowed_mentions=NO_MENTIONS, http_trace=trace)
        # The library's own setting is 30 s at least; the outbox gives a message 20 s.
        self.http.max_ratelimit_timeout = LONGEST_WAIT
        self.answers = Answers(room, int(settings.guild))
        self.down_since: float | None = time.monotonic()
        """Since when nobody can be heard, by the monotonic clock; None while connected."""
        self._desk_guild = discord.Object(int(settings.guild))
        self.trouble = ""
        self._hand_on = self._connection.parsers["INTERACTION_CREATE"]
        self._connection.parsers["INTERACTION_CREATE"] = self._handed_on

    def _handed_on(self, data: Any) -> None:
        """An interaction as the gateway tells it. One that the library cannot read would end the connection."""
        try:
            self._hand_on(data)
        except Exception as problem:  # noqa: BLE001 - whatever is in it, the others are still to be heard
            log.warning("discord.interaction_unreadable", problem=repr(problem))

    async def setup_hook(self) -> None:
        """Once for each connection, before the gateway: the server, the buttons and the commands.

        Raises:
            Refused: the bot is not in the server.
        """
        try:
            await self.fetch_guild(self._desk_guild.id, with_counts=False)
        except (discord.Forbidden, discord.NotFound) as problem:
            raise Refused(self._not_there()) from problem
        self.add_dynamic_items(DeskButton)
        try:
            await self._offer_commands()
        except discord.Forbidden as problem:
            self.trouble = f"without slash commands: invite the bot again with {invitation(self.application_id)}"
            log.error("discord.commands_refused", problem=repr(problem))

    def _not_there(self) -> str:
        return (
            f"The bot is not in the server discord.guild = {self._desk_guild.id}: check that number, or invite the bot "
            f"with {invitation(self.application_id)}"
        )

    async def _offer_commands(self) -> None:
        """Have Discord offer our commands in the server, unless it does so already."""
        application = self.application_id
        assert application is not None  # known since login
        wanted = payloads(ALL)
        offered: list[Any] = await self.http.get_guild_commands(application, self._desk_guild.id)
        if are_same(wanted, offered):
            return
        await self.http.bulk_upsert_guild_commands(application, self._desk_guild.id, payload=wanted)
        log.info("discord.commands_changed", count=len(wanted))

    async def pressed(self, interaction: discord.Interaction, action: str) -> None:
        """A button of a card of ours."""
        await self.answers.press(interaction, action)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        await self.answers.take(interaction)

    def dispatch(self, event: str, /, *args: object, **kwargs: object) -> None:
        """Tell of an event, while there is somebody to tell: the library goes on a little after its end."""
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def on_connect(self) -> None:
        self._is_connected()

    async def on_resumed(self) -> None:
        self._is_connected()

    def _is_connected(self) -> None:
        self.down_since = None
        log.info("discord.connected")

    async def on_disconnect(self) -> None:
        self.down_since = self.down_since or time.monotonic()

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot was put out of the server: whoever runs it starts it again, and is told why that is of no use."""
        if guild.id == self._desk_guild.id:
            await self.close()

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        log.exception("discord.event_broken", what=event_method)


def held_to(term: Term) -> aiohttp.TraceConfig:
    """What stops every request to Discord, right before it is sent, once this process may not act any more."""

    async def check(*_: object) -> None:
        term.check()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(check)
    return trace


def invitation(application: int | None) -> str:
    """The address at which somebody lets the bot into a server, with what it needs there."""
    wanted = discord.Permissions(
        view_channel=True,
        send_messages=True,
        embed_links=True,
        attach_files=True,
        read_message_history=True,
        create_public_threads=True,
        send_messages_in_threads=True,
    )
    return discord.utils.oauth_url(application or "", permissions=wanted, scopes=("bot", "applications.commands"))


class DiscordApp:
    """The desk in Discord, in the one server of the settings.

    `patience`: seconds without a connection after which `run` ends, to be started again.
    """

    def __init__(
        self,
        room: Room,
        settings: DiscordSettings,
        token: str,
        channels: tuple[str, ...] = (),
        patience: float = 60.0,
    ) -> None:
        self.room = room
        self.settings = settings
        self._token = token
        self._channels = channels
        self._patience = patience
        self._client: DeskClient | None = None
        self._threads = Threads(enabled=settings.threads)

    @property
    def name(self) -> str:
        return NAME

    @property
    def state(self) -> State:
        """Whether people can be reached there now."""
        client = self._client
        if client is None or client.down_since is not None:
            return State(False, "not connected")
        return State(not client.trouble, client.trouble or "connected")

    def new_client(self) -> DeskClient:
        """The client that the next connection uses."""
        if not self.settings.guild:
            raise Refused("discord.guild is empty: set it to the number of the server the desk answers in.")
        direct(self.settings)
        self._client = DeskClient(self.room, self.settings)
        return self._client

    async def run(self) -> None:
        """Connect and serve until canceled.

        Raises:
            Refused: the token, the intents or the server are wrong. ConnectionError: Discord ended the connection.
        """
        client = self.new_client()
        serving = asyncio.ensure_future(_served(client, self._token))
        try:
            await self._connected_for_long(client, serving)
            serving.result()
        except (discord.DiscordException, OSError) as problem:
            raise why_refused(problem) or problem from problem
        finally:
            await self._end(client, serving)
        raise ConnectionError("Discord ended the connection.")

    async def _connected_for_long(self, client: DeskClient, serving: asyncio.Future[None]) -> None:
        """Wait while the connection lasts.

        Raises:
            ConnectionError: it is gone for so long that the library by now waits up to a quarter of an hour between
                two tries; whoever runs this starts again at once.
        """
        while not serving.done():
            await asyncio.wait({serving}, timeout=self._patience / 4)
            since = client.down_since
            if not serving.done() and since is not None and time.monotonic() - since > self._patience:
                raise ConnectionError(f"Discord's gateway was not reached for {self._patience:.0f} s.")

    async def _end(self, client: DeskClient, serving: asyncio.Future[None]) -> None:
        """Let answers be given, say goodbye, and leave the rest to the end of the process.

        The connection is closed before its task is canceled: within the library's own `wait_for` a cancellation can be
        lost on Python 3.11, and what is closed ends by itself.
        """
        self._client = None
        await client.answers.finish(ENDING)
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await client.close()
        serving.cancel()
        await asyncio.wait({serving}, timeout=ENDING / 2)

    async def check(self) -> tuple[Finding, ...]:
        """What a doctor finds: the token, the server, the channels and the permissions there."""
        direct(self.settings)
        return await examined(self.settings, self._token, self._channels)

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        """Put a card into a channel, or into the thread of its trade there.

        Raises:
            Later, Undeliverable: as `bot.platforms.base` says. ConnectionError: not connected now.
        """
        client = self._connected()
        try:
            return await self._posted(client, chat, card, manner)
        except discord.DiscordException as problem:
            raise why_not_sent(problem, self._where(client, int(chat))) from problem

    async def _posted(self, client: DeskClient, chat: str, card: Card, manner: Manner) -> MessageRef:
        shown = await drawn(self.room, card)
        arguments = shown.new(view_of(shown.rows)) | {"silent": manner.silent}
        try:
            if manner.under is not None:
                under = self._threads.answer if manner.heard else self._threads.post
                return await under(client, manner.under, card, arguments)
            sent = await client.get_partial_messageable(int(chat)).send(**arguments)
        except discord.HTTPException as problem:
            if manner.under is not None and problem.code in NO_THREAD:
                log.warning("discord.thread_closed", channel=chat, under=manner.under.message, problem=repr(problem))
                return await self._posted(client, chat, card, replace(manner, under=None))
            if not (shown.has_pictures and are_files_refused(problem)):
                raise
            return await self._posted(client, chat, in_words(card), manner)
        return MessageRef(NAME, chat, str(sent.id))

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        """Draw a message again.

        Raises:
            MessageGone, Later, Undeliverable: as `bot.platforms.base` says. ConnectionError: not connected now.
        """
        client = self._connected()
        channel, message = place_of(ref)
        try:
            await self._edited(client.get_partial_messageable(channel).get_partial_message(message), card)
        except discord.DiscordException as problem:
            where = self._where(client, channel)
            if str(channel) != ref.chat and isinstance(problem, discord.HTTPException) and problem.code in NO_THREAD:
                raise MessageGone(f"The thread of a message in {where} takes no edits any more.") from problem
            raise why_not_sent(problem, where) from problem

    async def _edited(self, message: discord.PartialMessage, card: Card) -> None:
        shown = await drawn(self.room, card)
        try:
            await message.edit(**shown.again(view_of(shown.rows)))
        except discord.HTTPException as problem:
            if not (shown.has_pictures and are_files_refused(problem)):
                raise
            await self._edited(message, in_words(card))

    def _connected(self) -> DeskClient:
        if self._client is None or self._client.http.token is None:
            raise ConnectionError("not connected to Discord")
        return self._client

    def _where(self, client: DeskClient, channel: int) -> str:
        """The channel as people know it, and its number."""
        known = client.get_channel(channel)
        name = getattr(known, "name", None)
        return f"channel #{name} ({channel})" if name else f"channel {channel}"


async def _served(client: DeskClient, token: str) -> None:
    await client.login(token)
    await client.connect()
