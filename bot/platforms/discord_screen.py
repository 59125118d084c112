"""Where the answer to one interaction is shown: while its token lives through that, afterwards by the bot itself.

A token may be used for fifteen minutes:
https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import discord
import structlog

from bot.command import Place, Reply, Room
from bot.deliver import draw, remember
from bot.message import Card, Progress
from bot.platforms.discord_buttons import view_of
from bot.platforms.discord_draw import drawn, progress_card
from bot.platforms.discord_refs import ref_of
from bot.platforms.discord_wire import FAILED

log = structlog.get_logger()


@dataclass(slots=True)
class Screen:
    """The answers to one acknowledged interaction.

    Attributes:
        is_private: whether what is new is shown to the asker alone.
        waiting: the message that stands for the answer until it comes: the "thinking" of a slash command, or a bar.
    """

    room: Room
    interaction: discord.Interaction
    is_private: bool
    waiting: discord.WebhookMessage | None = field(default=None)

    @property
    def tapped(self) -> discord.Message | None:
        """The message whose button was pressed; None for a slash command."""
        return self.interaction.message

    @property
    def has_own_message(self) -> bool:
        """Whether the original response is the answer's own. After a tap it is the tapped card, also where the
        interaction does not tell which message that is: never to be drawn over by an answer of another kind.
        """
        return self.interaction.type is discord.InteractionType.application_command

    async def progress(self, progress: Progress) -> None:
        """Draw the bar; one that cannot be drawn now is drawn the next time."""
        shown = await drawn(self.room, progress_card(progress, self.room.banner()))
        view = view_of(shown.rows)
        try:
            if self.has_own_message:
                await self.interaction.edit_original_response(**shown.again(view))
            elif self.waiting is None:
                self.waiting = await self.interaction.followup.send(ephemeral=True, wait=True, **shown.new(view))
            else:
                await self.waiting.edit(**shown.again(view))
        except FAILED as problem:
            log.warning("discord.bar_not_drawn", problem=repr(problem))

    async def show(self, reply: Reply) -> None:
        """Draw the reply's cards where they belong."""
        cards = reply.cards or (_handled_before(self.room),)
        is_private = self.is_private or not reply.is_ok or not reply.cards
        if reply.place is Place.SAME and reply.is_ok and reply.cards and await self._replaced(cards[0]):
            cards, is_private = cards[1:], True
        elif self.has_own_message and is_private == self.is_private and await self._edited(cards[0]):
            cards = cards[1:]
        else:
            await self._clear()
        for card in cards:
            await self._add(card, is_private)

    async def _replaced(self, card: Card) -> bool:
        """Whether the tapped message shows the card now, or a newer one; which version of it, is noted."""
        if self.tapped is None or not self._is_on(self.tapped):
            return False
        try:
            await draw(self.room, ref_of(self.tapped), card, self._edit)
        except FAILED as problem:
            log.warning("discord.not_edited", interaction=self.interaction.id, problem=repr(problem))
            return False
        await self._clear()
        return True

    def _is_on(self, message: discord.Message) -> bool:
        """Whether the button that was pressed, or that opened the form, stands under the message it is said to."""
        data: object = self.interaction.data
        pressed = data.get("custom_id") if isinstance(data, dict) else None
        rows = (row.children for row in message.components if isinstance(row, discord.ActionRow))
        return any(getattr(item, "custom_id", None) == pressed for row in rows for item in row)

    async def _edited(self, card: Card) -> bool:
        """Whether the message that stands for the answer to a slash command shows the card now."""
        if self.interaction.is_expired():
            return False
        try:
            message = await self._edit(card)
        except FAILED as problem:
            log.warning("discord.not_edited", interaction=self.interaction.id, problem=repr(problem))
            return False
        if not self.is_private:
            await remember(self.room, card, ref_of(message))
        return True

    async def _edit(self, card: Card) -> discord.Message:
        """Draw the card into the message that the interaction belongs to."""
        shown = await drawn(self.room, card)
        arguments = shown.again(view_of(shown.rows))
        if self.tapped is not None and self.interaction.is_expired():
            return await self.tapped.edit(**arguments)
        return await self.interaction.edit_original_response(**arguments)

    async def _clear(self) -> None:
        """Take away what stood for the answer until now."""
        try:
            if self.waiting is not None:
                await self.waiting.delete()
            elif self.has_own_message and not self.interaction.is_expired():
                # The first message after "thinking" takes its place and is shown to as many: it has to be over first.
                await self.interaction.edit_original_response(content="…")
                await self.interaction.delete_original_response()
        except FAILED as problem:
            log.warning("discord.bar_not_removed", problem=repr(problem))

    async def _add(self, card: Card, is_private: bool) -> None:
        """A message of its own; where the interaction cannot carry it any more, the bot sends it."""
        shown = await drawn(self.room, card)
        try:
            if not self.interaction.is_expired():
                new = shown.new(view_of(shown.rows))
                message = await self.interaction.followup.send(ephemeral=is_private, wait=True, **new)
                if not is_private:
                    await remember(self.room, card, ref_of(message))
                return
        except FAILED as problem:
            log.warning("discord.not_followed_up", interaction=self.interaction.id, problem=repr(problem))
        await self._send_late(shown.new(view_of(shown.rows)), is_private)

    async def _send_late(self, arguments: dict[str, Any], is_private: bool) -> None:
        """By the bot itself: privately as a direct message, else into the channel."""
        channel = self.interaction.channel
        to = self.interaction.user if is_private or not isinstance(channel, discord.abc.Messageable) else channel
        try:
            await to.send(**arguments)
        except FAILED as problem:
            log.error("discord.answer_lost", interaction=self.interaction.id, to=str(to), problem=repr(problem))


def _handled_before(room: Room) -> Card:
    return Card("Done already", lines=("This came twice; it was done the first time.",), banner=room.banner())
