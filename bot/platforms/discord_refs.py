"""How a message of Discord is named in the store: `channel` and `message`, or `channel` and `thread/message`."""

from __future__ import annotations

import discord

from bot.message import MessageRef

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
