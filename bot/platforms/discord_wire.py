"""How Discord is reached, and what its refusals mean here.

Codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json-json-error-codes.
"""

from __future__ import annotations

import re
import time
from types import SimpleNamespace

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from alerts.outbox import Later, Undeliverable
from bot.platforms.base import MessageGone, Refused
from bot.settings import DiscordSettings
from engine import meters

UNKNOWN_CHANNEL = 10003
UNKNOWN_MESSAGE = 10008
UNKNOWN_INTERACTION = 10062
FILE_TOO_LARGE = 40005
ALREADY_ACKNOWLEDGED = 40060
MISSING_ACCESS = 50001
CANNOT_WRITE_TO_THEM = 50007
MISSING_PERMISSIONS = 50013
THREAD_ARCHIVED = 50083
THREAD_EXISTS = 160004
NO_THREAD = frozenset({UNKNOWN_CHANNEL, THREAD_ARCHIVED})
"""What is said of a thread that was deleted, or was archived: then it takes no edits, and nothing new while locked."""
Asked = aiohttp.TraceRequestStartParams
Ended = aiohttp.TraceRequestEndParams | aiohttp.TraceRequestExceptionParams

NAME = "discord"
"""In what is measured."""
VERSION = re.compile(r"^.*/v\d+(?=/)")
BAD_TOKEN = 4004
BAD_INTENTS = frozenset({4013, 4014})

LONGEST_WAIT = 10.0
"""Seconds of rate limit that are waited out here; a longer one is the outbox's, which sends elsewhere meanwhile."""
BANNED_FOR = 60.0
"""Seconds of quiet when Discord's front refuses this address altogether; it says no time itself."""

OWN_API = Route.BASE
OWN_GATEWAY = DiscordWebSocket.DEFAULT_GATEWAY

FAILED = (discord.DiscordException, OSError, TimeoutError, aiohttp.ClientError)
"""What is raised when Discord refuses something, or does not answer at all."""

MEANING = {
    UNKNOWN_CHANNEL: "there is no such channel any more",
    MISSING_ACCESS: "the bot may not see the channel (View Channel)",
    MISSING_PERMISSIONS: "the bot lacks a permission there (Send Messages, Embed Links, Attach Files)",
    CANNOT_WRITE_TO_THEM: "this person takes no messages from the bot",
}


def direct(settings: DiscordSettings) -> None:
    """Have discord.py use the configured addresses, or Discord's own. They belong to the whole process there."""
    Route.BASE = settings.api_url.rstrip("/") or OWN_API
    gateway = yarl.URL(settings.gateway_url) if settings.gateway_url else OWN_GATEWAY
    DiscordWebSocket.DEFAULT_GATEWAY = gateway


def why_refused(problem: Exception) -> Refused | None:
    """What has to be set otherwise before Discord lets this bot in; None for what may pass by itself."""
    code = problem.code if isinstance(problem, discord.ConnectionClosed) else 0
    if isinstance(problem, discord.LoginFailure) or code == BAD_TOKEN:
        return Refused(
            "Discord does not know the token in DISCORD_TOKEN: take the one under Bot, Reset Token, at "
            "discord.com/developers/applications."
        )
    if isinstance(problem, discord.PrivilegedIntentsRequired) or code in BAD_INTENTS:
        return Refused("Discord does not let the bot of DISCORD_TOKEN listen (intents); it needs none but the servers.")
    return None


def are_files_refused(problem: discord.HTTPException) -> bool:
    """Whether it may be taken without its files: they were more than this server takes, which depends on its boosts,
    or the bot may perhaps not attach any there."""
    return problem.status == 413 or problem.code in {FILE_TOO_LARGE, MISSING_PERMISSIONS}


def why_not_sent(problem: discord.DiscordException, where: str) -> Exception:
    """What the outbox is told of a message that could not be sent or edited; `where` names the channel."""
    if isinstance(problem, discord.RateLimited):
        return Later(problem.retry_after)
    if not isinstance(problem, discord.HTTPException):
        return problem
    if problem.status == 429:
        return Later(BANNED_FOR)
    if problem.code == UNKNOWN_MESSAGE:
        return MessageGone(f"A message in {where} is not there any more.")
    if problem.code in MEANING:
        return Undeliverable(f"Discord, {where}: {MEANING[problem.code]}.")
    if problem.status == 403:
        return Undeliverable(f"Discord, {where}: the bot may not do this there ({problem.text}).")
    return problem


def measured(trace: aiohttp.TraceConfig) -> aiohttp.TraceConfig:
    """The same, which then counts and times every request of discord.py, by its address without ids and tokens."""

    async def begun(session: aiohttp.ClientSession, about: SimpleNamespace, told: Asked) -> None:
        del session
        about.began = time.monotonic()
        meters.REQUESTS.labels(NAME, endpoint(told.url)).inc()

    async def ended(session: aiohttp.ClientSession, about: SimpleNamespace, told: Ended) -> None:
        del session
        meters.SECONDS.labels(NAME, endpoint(told.url)).observe(time.monotonic() - about.began)

    trace.on_request_start.append(begun)
    trace.on_request_end.append(ended)
    trace.on_request_exception.append(ended)
    return trace


def endpoint(url: yarl.URL) -> str:
    """Its address without ids and tokens, and without the version of the interface.

    >>> endpoint(yarl.URL("https://discord.com/api/v10/channels/1234/messages/56"))
    '/channels/{id}/messages/{id}'
    """
    return meters.template(VERSION.sub("", url.path))
