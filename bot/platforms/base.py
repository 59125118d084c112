"""The port to people: where cards are posted and edited, and from where requests come."""

from __future__ import annotations

from typing import Protocol

from bot.message import Card, MessageRef


class Platform(Protocol):
    """One chat platform. It renders cards in its own dialect and hands every request to `bot.dispatch`.

    `post` and `edit` may raise anything when the platform cannot be reached: the outbox tries again.
    """

    @property
    def name(self) -> str:
        """`web`, `discord`, `telegram`: the part of a destination before the colon."""

    async def post(self, chat: str, card: Card) -> MessageRef:
        """Put a new message into `chat` and say where it is."""

    async def edit(self, ref: MessageRef, card: Card) -> None:
        """Draw the message at `ref` again."""
