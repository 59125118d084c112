"""A thread under a trade's first card, into which its later cards go.

A thread that was started from a message has the number of that message, and a message has one thread at most:
https://discord.com/developers/docs/resources/channel#start-thread-from-message. So nothing has to be kept.
"""

from __future__ import annotations

from typing import Any

import discord
import structlog

from bot.message import Card, MessageRef
from bot.platforms.discord_refs import NAME, place_of
from bot.platforms.discord_text import clipped, plain
from bot.platforms.discord_wire import THREAD_EXISTS
from engine.latest import Latest

log = structlog.get_logger()

THREAD_NAME = 100
REMEMBERED = 5_000


class Threads:
    """Posts under cards: in their thread, or as answers to them where threads are not wanted or not possible."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._open: Latest[int, None] = Latest(REMEMBERED)
        """Threads that are known to be there; of one that is not remembered Discord says so."""

    async def post(
        self, client: discord.Client, under: MessageRef, card: Card, arguments: dict[str, Any]
    ) -> MessageRef:
        """Post under the message `under`."""
        channel, message = place_of(under)
        is_in_thread = "/" in under.message
        if not is_in_thread and self._enabled and await self._opened(client, channel, message, card):
            channel, is_in_thread = message, True
        elif not is_in_thread:
            return await self.answer(client, under, card, arguments)
        sent = await client.get_partial_messageable(channel).send(**arguments)
        return MessageRef(NAME, under.chat, f"{channel}/{sent.id}")

    async def answer(
        self, client: discord.Client, under: MessageRef, card: Card, arguments: dict[str, Any]
    ) -> MessageRef:
        """Post in the channel, as an answer to the message `under` where that stands there.

        Nobody hears what is posted in a thread but those who have joined it:
        https://support.discord.com/hc/en-us/articles/4403205878423-Threads-FAQ.
        """
        del card
        channel, message = place_of(under)
        if "/" in under.message:
            sent = await client.get_partial_messageable(int(under.chat)).send(**arguments)
        else:
            above = discord.MessageReference(message_id=message, channel_id=channel, fail_if_not_exists=False)
            sent = await client.get_partial_messageable(channel).send(reference=above, **arguments)
        return MessageRef(NAME, under.chat, str(sent.id))

    async def _opened(self, client: discord.Client, channel: int, message: int, card: Card) -> bool:
        """Whether the message has a thread now."""
        if message in self._open:
            return True
        try:
            await client.http.start_thread_with_message(
                channel,
                message,
                name=await _name(client, channel, message, card),
                auto_archive_duration=10080,
                rate_limit_per_user=None,
            )
        except discord.HTTPException as problem:
            if problem.code != THREAD_EXISTS:
                log.warning("discord.no_thread", channel=channel, message=message, problem=repr(problem))
                return False
        self._open[message] = None
        return True


async def _name(client: discord.Client, channel: int, message: int, card: Card) -> str:
    """The title of the card above, the one that is about to be posted where it cannot be read."""
    try:
        above = await client.get_partial_messageable(channel).fetch_message(message)
        title = next((embed.title for embed in above.embeds if embed.title), "").replace("\\", "")
    except discord.HTTPException as problem:
        log.info("discord.card_above_unread", channel=channel, message=message, problem=repr(problem))
        title = ""
    return clipped((title or plain(card.title)).strip(), THREAD_NAME) or "Trade"
