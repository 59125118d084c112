"""How a message of Discord is named in the store: `channel` and `message`, or `channel` and `thread/message`."""

from __future__ import annotations

import discord

from bot.command import Pool, Room
from bot.message import Card, MessageRef

NAME = "discord"


def ref_of(message: discord.Message) -> MessageRef:
    """The name of a message; one in a thread belongs to the channel its thread is in."""
    channel = message.channel
    if isinstance(channel, discord.Thread):
        return MessageRef(NAME, str(channel.parent_id), f"{channel.id}/{message.id}")
    return MessageRef(NAME, str(channel.id), str(message.id))


def place_of(ref: MessageRef) -> tuple[int, int]:
    """The channel or thread a message is in, and its own number."""
    thread, _, message = ref.message.rpartition("/")
    return int(thread or ref.chat), int(message)


async def note(room: Room, card: Card, ref: MessageRef) -> None:
    """Write down which version of a live card is shown now, so that the outbox does not draw it once more."""
    if card.key:
        await room.run(Pool.PROTECT, lambda: _noted(room, card, ref))


def _noted(room: Room, card: Card, ref: MessageRef) -> None:
    with room.desk.store.begin() as work:
        for kept in work.refs(card.key):
            if (kept.platform, kept.chat, kept.message) == (ref.platform, ref.chat, ref.message):
                work.save_ref(card.key, ref.platform, ref.chat, ref.message, max(card.version, kept.version))
