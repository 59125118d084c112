"""What a doctor finds in Discord: the token, the server, the channels, and what the bot may do in each. REST only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import discord

from bot.doctor import Finding
from bot.platforms.discord_wire import FAILED, why_refused
from bot.settings import DiscordSettings

NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "view_channel": "View Channel",
        "send_messages": "Send Messages",
        "embed_links": "Embed Links",
        "attach_files": "Attach Files",
        "read_message_history": "Read Message History",
    }
)
NEEDED_FOR_THREADS: Mapping[str, str] = MappingProxyType(
    {
        "create_public_threads": "Create Public Threads",
        "send_messages_in_threads": "Send Messages in Threads",
    }
)
"""Permissions by discord.py's name, with the one people read in the settings of a channel."""


async def examined(settings: DiscordSettings, token: str, channels: Iterable[str]) -> tuple[Finding, ...]:
    """One finding for the token, one for the server, one for each channel."""
    client = discord.Client(intents=discord.Intents(guilds=True))
    async with client:
        try:
            await client.login(token)
        except FAILED as problem:
            refused = why_refused(problem) if isinstance(problem, discord.DiscordException) else None
            return (Finding("discord", "fail", str(refused or f"Discord does not answer: {problem}")),)
        assert client.user is not None
        found = Finding("discord", "ok", f"DISCORD_TOKEN is the bot {client.user.name}")
        return (found, *await _server(client, settings, channels))


async def _server(client: discord.Client, settings: DiscordSettings, channels: Iterable[str]) -> tuple[Finding, ...]:
    if not settings.guild:
        return (Finding("discord.guild", "fail", "discord.guild is empty: set it to the number of your server"),)
    assert client.user is not None
    try:
        guild = await client.fetch_guild(int(settings.guild))
        known = {channel.id: channel for channel in await guild.fetch_channels()}
        me = await guild.fetch_member(client.user.id)
        commands = await _commands(client, guild)
    except (discord.Forbidden, discord.NotFound):
        words = f"the bot is not in the server {settings.guild}: check discord.guild, or invite it"
        return (Finding("discord.guild", "fail", words),)
    except FAILED as problem:
        return (Finding("discord.guild", "fail", f"Discord does not answer: {problem}"),)
    needed = {**NEEDED, **(NEEDED_FOR_THREADS if settings.threads else {})}
    looked = [_channel(known, me, each, needed) for each in dict.fromkeys(channels)]
    return (Finding("discord.guild", "ok", f"the bot is in {guild.name}"), commands, *looked)


async def _commands(client: discord.Client, guild: discord.Guild) -> Finding:
    """Whether the bot was invited so that it may offer slash commands."""
    assert client.application_id is not None
    try:
        offered = await client.http.get_guild_commands(client.application_id, guild.id)
    except discord.Forbidden:
        words = f"the bot may not offer commands in {guild.name}: invite it again with the scope applications.commands"
        return Finding("discord commands", "fail", words)
    return Finding("discord commands", "ok", f"{len(offered)} are offered; the start brings them up to date")


def _channel(
    known: Mapping[int, discord.abc.GuildChannel], me: discord.Member, chat: str, needed: Mapping[str, str]
) -> Finding:
    part = f"discord:{chat}"
    channel = known.get(int(chat))
    if channel is None:
        words = f"there is no channel {chat} in the server of discord.guild: check [discord] channel and [alerts]"
        return Finding(part, "fail", words)
    given = channel.permissions_for(me)
    missing = [words for name, words in needed.items() if not getattr(given, name)]
    if missing:
        words = f"in #{channel.name} the bot lacks {', '.join(missing)}: give it these in Edit Channel, Permissions"
        return Finding(part, "fail", words)
    return Finding(part, "ok", f"#{channel.name}: the bot may do there what it has to")
