"""The default desk in a simulated Discord server: ann is an admin, tom a trader, vic a viewer, eve a stranger.

Somebody with the role "traders" acts as "floor".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import discord
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle, GuildHandle, RoleHandle
from simcord.env import Env
from simcord.results import InteractionResult

from bot.people import People, Role, User
from bot.platforms.discord_app import DiscordApp
from bot.settings import DiscordSettings
from tests.bot.rooms import Visit, visit

GUILD = 1_100_000_000_000_000_001


@dataclass
class Server:
    """The server, the people in it, and the desk behind it."""

    env: Env
    guild: GuildHandle
    desk: ChannelHandle
    traders: RoleHandle
    ann: MemberActor
    tom: MemberActor
    vic: MemberActor
    eve: MemberActor
    here: Visit
    app: DiscordApp

    @property
    def chat(self) -> str:
        return str(self.desk.id)

    async def restart(self) -> None:
        """The same store and another process: a new app with a new client."""
        self.app = DiscordApp(self.app.room, self.app.settings, "token", (self.chat,))
        await self.env.restart_bot(self.app.new_client())

    def sent(self, method: str = "", part: str = "") -> list[Any]:
        """What the bot asked of Discord, by method and a part of the path."""
        return [each for each in self.env.http_requests if each.method == (method or each.method) and part in each.path]


@asynccontextmanager
async def open_server(here: Visit | None = None, **settings: Any) -> AsyncIterator[Server]:
    """A server with the bot connected to it."""
    env = Env(discord.Client(intents=discord.Intents(guilds=True)), settle_timeout=60.0)
    guild = env.create_guild("Desk", id=GUILD)
    traders = guild.create_role("traders")
    channel = guild.create_text_channel("desk")
    members = {name: guild.add_member(env.create_user(name)) for name in ("ann", "tom", "vic", "eve")}
    here = here or visit()
    ids = {name: (f"discord:{member.id}", f"web:{name}") for name, member in members.items()}
    people = People(
        (
            User("ann", Role.ADMIN, ids["ann"]),
            User("tom", Role.TRADER, ids["tom"]),
            User("vic", Role.VIEWER, ids["vic"]),
            User("floor", Role.TRADER, (f"discord-role:{traders.id}",)),
        )
    )
    here.room = replace(here.room, people=people)
    app = DiscordApp(here.room, DiscordSettings(guild=str(GUILD), **settings), "token", (str(channel.id),))
    env.bot = app.new_client()
    await env.start()
    try:
        yield Server(env, guild, channel, traders, here=here, app=app, **members)
        env.raise_errors()
    finally:
        await env.shutdown()


def text_of(result: InteractionResult) -> str:
    """Everything an interaction was answered with, as one text."""
    answers = [result.response, *result.followups]
    return "\n".join(told(answer) for answer in answers if answer is not None)


def told(message: Any) -> str:
    """What a message says."""
    parts = [message.content or ""]
    for embed in message.embeds:
        parts += [embed.author.name or "", embed.title or "", embed.description or "", embed.footer.text or ""]
    return "\n".join(part for part in parts if part)


def labels(message: Any) -> list[str]:
    """The buttons under a message."""
    return [button.label for row in message.components for button in row.children]
