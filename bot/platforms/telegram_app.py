"""Telegram as a platform of the desk: one bot, one connection, cards out and requests in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from bot.command import Pool, Room
from bot.doctor import Finding
from bot.message import PLAIN, Card, Manner, MessageRef, Tone
from bot.platforms import telegram_buttons as buttons
from bot.platforms.base import Refused, State
from bot.platforms.telegram_answers import Answers
from bot.platforms.telegram_calls import Way
from bot.platforms.telegram_chats import Chats
from bot.platforms.telegram_check import examined
from bot.platforms.telegram_door import Door
from bot.platforms.telegram_intake import Calm, Intake
from bot.platforms.telegram_listen import Polling, Webhook
from bot.platforms.telegram_menu import Menus
from bot.platforms.telegram_queue import Outgoing, Urgency
from bot.platforms.telegram_sender import Sender
from bot.platforms.telegram_talk import Talk
from bot.platforms.telegram_updates import Membership
from bot.platforms.telegram_wire import Trouble, Wire
from bot.settings import TelegramSettings
from engine.model.elapsed import elapsed

log = structlog.get_logger()

PATIENCE = 3.0
"""Seconds a card of the outbox waits for its turn here; longer waits are the outbox's own."""
FORGET_EVERY = 86_400.0


class TelegramApp:
    """The desk in Telegram: private chats of listed people, and the groups of the configuration."""

    def __init__(
        self,
        room: Room,
        settings: TelegramSettings,
        token: str,
        channels: tuple[str, ...] = (),
        clock: Callable[[], float] = elapsed,
        outgoing: Callable[[], Outgoing] = Outgoing,
    ) -> None:
        self._room = room
        self._settings = settings
        self._token = token
        self._clock = clock
        self._outgoing = outgoing
        self._chats = Chats(room, (settings.chat, *settings.groups, *channels))
        self._calm = Calm(clock)
        self._sender: Sender | None = None
        self._state = State(False, "not connected yet")
        self.listener: Polling | Webhook | None = None
        self._talk: Talk | None = None

    @property
    def name(self) -> str:
        return buttons.PLATFORM

    @property
    def state(self) -> State:
        """How the connection is doing."""
        return self._state

    @property
    def is_busy(self) -> bool:
        """Whether an update is being answered."""
        return self._talk is not None and self._talk.is_busy

    async def run(self) -> None:
        """Connect and serve until canceled; may be called again after it has ended.

        Raises:
            Refused: Telegram does not know TELEGRAM_TOKEN. Trouble, Flooded: it cannot be reached.
        """
        self._state = State(False, "connecting")
        wire = Wire(self._token, self._settings.api_url, lambda: self._room.desk.term.may_act)
        queue = self._outgoing()
        try:
            await wire.open()
            await self._chats.load()
            await self._serve(wire, queue)
        except asyncio.CancelledError:
            self._state = State(False, "stopped")
            raise
        except Exception as problem:
            self._state = State(False, str(problem))
            raise
        finally:
            self._sender = None
            await queue.close()
            await wire.close()

    async def _serve(self, wire: Wire, queue: Outgoing) -> None:
        self._sender = sender = Sender(self._room, wire, self._chats, queue)
        answers = Answers(self._room, self._chats, sender, wire.name)
        door = Door(self._room, self._chats, self._clock)
        self._talk = talk = Talk(self._room, wire, door, sender, answers, self._clock)
        menus = Menus(self._room, wire)
        max_age = self._room.max_age
        intake = Intake(talk, self._room.desk.now, max_age, self._moved, lambda seen: self._joined(seen, menus))
        self.listener = self._listener(wire, intake)
        log.info("telegram.connected", bot=wire.name)
        aside = [asyncio.create_task(_aside(work)) for work in (menus.write(), self._tidied())]
        try:
            await self.listener.run()
        finally:
            for task in aside:
                task.cancel()
            await asyncio.gather(*aside, return_exceptions=True)
            await talk.close()

    def _listener(self, wire: Wire, intake: Intake) -> Polling | Webhook:
        settings = self._settings
        if settings.webhook_url:
            return Webhook(
                self._room, wire, intake, self._calm, self._tell, settings.webhook_url, settings.webhook_port
            )
        return Polling(self._room, wire, intake, self._calm, self._tell, self._clock)

    def _tell(self, state: State) -> None:
        self._state = state

    async def _tidied(self) -> None:
        """Forget old buttons, now and once a day."""
        while True:
            await self._room.run(Pool.LOOK, lambda: buttons.forget_old(self._room.desk))
            await asyncio.sleep(FORGET_EVERY)

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        """Put a card into `chat` ("45", "-100123" or "-100123/7" for a topic).

        Raises:
            Later: the chat has had its share for now. Undeliverable: it will never take it. Trouble: not now.
        """
        under = manner.under.message.split(",")[0] if manner.under is not None else ""
        way = Way(_urgency(manner), PATIENCE, manner.silent, under)
        return await self._connected().post(chat, card, way)

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        """Draw the card at `ref` again.

        Raises:
            MessageGone: it is not there any more. Later, Undeliverable, Trouble: as `post`.
        """
        await self._connected().edit(ref.chat, ref.message, card, Way(_urgency(manner), PATIENCE))

    def _connected(self) -> Sender:
        if self._sender is None:
            raise Trouble(f"Telegram is not connected: {self._state.words}.")
        return self._sender

    async def check(self) -> tuple[Finding, ...]:
        """What a doctor finds: the token, the webhook, the chats."""
        try:
            wire = Wire(self._token, self._settings.api_url)
        except Refused as refused:
            return (Finding(self.name, "fail", str(refused)),)
        await self._chats.load()
        try:
            found = examined(wire, self._chats, self._room.people, self._settings.webhook_url)
            return tuple([finding async for finding in found])
        finally:
            await wire.close()

    async def _moved(self, old: str, new: str) -> None:
        """Follow a group to its new number and tell its people what to change."""
        was_ours = self._chats.is_ours(old)
        if not await self._chats.move(old, new) or not was_ours or self._sender is None:
            return
        told = f"This group has a new number: {new} in place of {old}. Cards follow it; put it into the configuration."
        await self._sender.post(old, Card("The group has moved", Tone.WARNING, (told,)))

    async def _joined(self, seen: Membership, menus: Menus) -> None:
        """Write down where the bot is let in or put out; a person who starts it gets their menu."""
        log.info("telegram.membership", chat=seen.where.chat, status=seen.status, by=seen.who.id)
        if seen.where.is_private and seen.status == "member":
            await menus.write_for(seen.who.identity)


async def _aside(work: Coroutine[Any, Any, None]) -> None:
    """Do what the connection does not depend on."""
    try:
        await work
    except Exception as problem:
        log.error("telegram.aside_failed", exc_info=problem)


def _urgency(manner: Manner) -> Urgency:
    return Urgency.PERSON if manner.urgent else Urgency.CARD
