"""How far long work has come: one message with a bar, drawn again now and then, with the button that stops it."""

from __future__ import annotations

import asyncio

import structlog

from alerts.outbox import Undeliverable
from bot.message import Button, Card, Progress
from bot.platforms.base import MessageGone
from bot.platforms.telegram_calls import Way
from bot.platforms.telegram_queue import is_group
from bot.platforms.telegram_sender import Sender
from bot.platforms.telegram_wire import Trouble
from engine.percent import as_percent

log = structlog.get_logger()

FIRST_AFTER = 0.7
"""Seconds of work before it is worth a message."""
EVERY = 2.0
EVERY_IN_GROUP = 3.0
STEPS = 12


class Bar:
    """The bar of one request in `chat`; nothing is sent before `tell` was called."""

    def __init__(self, sender: Sender, chat: str, way: Way) -> None:
        self._sender = sender
        self._chat = chat
        self._way = way
        self._every = EVERY_IN_GROUP if is_group(chat) else EVERY
        self._loop = asyncio.get_running_loop()
        self._latest: Progress | None = None
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._message = ""

    def tell(self, progress: Progress) -> None:
        """Take how far it has come; called from whatever thread the work is on."""
        self._loop.call_soon_threadsafe(self._heard, progress)

    async def end(self) -> str:
        """Draw no more; the message the bar stands in, "" where there is none."""
        self._over.set()
        if self._task is not None:
            await self._task
        return self._message

    def _heard(self, progress: Progress) -> None:
        self._latest = progress
        if self._task is None and not self._over.is_set():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        shown: Progress | None = None
        wait = FIRST_AFTER
        while not await self._is_over(wait):
            wait = self._every
            latest = self._latest
            if latest is None or latest == shown:
                continue
            shown = latest
            try:
                await self._show(card_of(latest))
            except (Trouble, MessageGone, Undeliverable) as problem:
                log.info("telegram.progress_not_shown", chat=self._chat, problem=str(problem))

    async def _is_over(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _show(self, card: Card) -> None:
        if self._message:
            await self._sender.edit(self._chat, self._message, card, self._way)
        else:
            self._message = (await self._sender.post(self._chat, card, self._way)).message


def card_of(progress: Progress) -> Card:
    """The bar as a card.

    >>> card_of(Progress(0.5, "3 of 6 names")).lines
    ('▰▰▰▰▰▰▱▱▱▱▱▱ 50 %',)
    """
    fraction = min(max(progress.fraction, 0.0), 1.0)
    full = int(fraction * STEPS)
    bar = "▰" * full + "▱" * (STEPS - full)
    rows = ((Button("Stop", progress.stop),),) if progress.stop else ()
    return Card(progress.words, lines=(f"{bar} {as_percent(fraction)}",), buttons=rows)
