"""The port to people: where cards are posted and edited, and from where requests come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.doctor import Finding
from bot.message import PLAIN, Card, Manner, MessageRef
from engine.errors import ConfigError, DeskError


class MessageGone(DeskError):
    """The message to be edited is not there any more: the card is posted anew."""


class Refused(ConfigError):
    """The platform will not have this bot as it is configured (its token, its intents): trying again is of no use."""


@dataclass(frozen=True, slots=True)
class State:
    """How a platform is doing: whether people can be reached there now, and in which words /health says it."""

    is_well: bool
    words: str


class Platform(Protocol):
    """One chat platform. It renders cards in its own dialect and hands every request to `bot.dispatch`.

    `post` and `edit` may raise anything when the platform cannot be reached: the outbox tries again. They raise
    `alerts.outbox.Later` when the platform says how long to wait, and `alerts.outbox.Undeliverable` when this chat will
    never take the message (the bot was blocked or put out, there is no such chat).
    """

    @property
    def name(self) -> str:
        """`web`, `discord`, `telegram`: the part of a destination before the colon."""

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        """Put a new message into `chat` and say where it is."""

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        """Draw the message at `ref` again; of `manner` only its urgency counts, for nobody hears it.

        Raises:
            MessageGone: somebody deleted it.
        """


class Front(Platform, Protocol):
    """A platform that is connected to while the desk runs."""

    @property
    def state(self) -> State:
        """How the connection is doing."""

    async def run(self) -> None:
        """Connect and serve until canceled; whoever runs it starts it again after an error.

        Raises:
            Refused: it cannot work as configured; the message names the setting.
        """

    async def check(self) -> tuple[Finding, ...]:
        """What a doctor finds, without serving: the token, the channels, the permissions there."""
