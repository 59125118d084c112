"""A desk in Telegram as its adapter's tests see it: people who write and press, and what they see."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from engine.model.events import EventKind
from tests.faults.telegram_desk import ANN, EVE, TelegramDesk, desk_of
from tests.standins.telegram_driver import Act
from tests.standins.telegram_world import Message

STRANGER = EVE
FOREIGN = -1009
"""A group the bot is in that is none of the desk's."""
PATIENCE = 10.0


async def until(holds: Callable[[], Any], what: str = "") -> Any:
    """The first true answer of `holds`, waited for; the test fails when there is none in time."""
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited in vain: {what or holds}"
        await asyncio.sleep(0.01)
    return found


class World(TelegramDesk):
    """The desk, Telegram, and the app between them; people and chats by their numbers."""

    async def restart(self) -> None:
        """Another process on the same store."""
        await self.stop()
        await self.start()

    def say(self, text: str, who: int = ANN, chat: int | None = None, ago: float = 0.0, **more: Any) -> Act:
        """Somebody writes `text`; `more` is what else there is to the message."""
        at = self.desk.clock().timestamp() - ago
        return self.server.say(self.server.world.people[who], text, chat, at=at, **more)

    def press(self, shown: Message, label: str, who: int = ANN, data: str = "", chat: int | None = None) -> Act:
        """Somebody presses a button; `data` and `chat` are another's when a client was changed."""
        token = data or button(shown, label)
        where = shown if chat is None else dataclasses.replace(shown, chat=self.server.chat(chat))
        return self.server.press_data(self.server.world.people[who], where, token)

    def cards(self, chat: int = ANN) -> list[Message]:
        """What the app sent into a chat and people still see."""
        with self.server.world.lock:
            return self.server.chat(chat).sent

    async def card(self, words: str, chat: int = ANN) -> Message:
        """The latest message of a chat with these words, waited for."""
        return await until(
            lambda: next((shown for shown in reversed(self.cards(chat)) if words in shown.text), None), words
        )  # type: ignore[no-any-return]

    async def notice(self, words: str) -> str:
        """The text a press was answered with."""
        return await until(lambda: next((text for text in self._notices() if words in text), None), words)  # type: ignore[no-any-return]

    def _notices(self) -> list[str]:
        with self.server.world.lock:
            return [answer.text for query in self.server.world.queries.values() for answer in query.answers]

    async def settled(self) -> None:
        """Everything that was sent to the app is taken and answered."""
        await until(lambda: not self.server.updates.waiting and not self.app.is_busy, "nothing under way")

    def kept(self, prefix: str) -> list[str]:
        """The names of durable settings that begin so."""
        with self.desk.store.read() as work:
            return [each.name for each in work.settings() if each.name.startswith(prefix)]

    def calls(self, method: str) -> list[dict[str, str]]:
        """What the app asked for, call by call."""
        return [dict(sent.parameters) for sent in self.server.sent(method)]

    def events(self, *kinds: EventKind) -> list[Any]:
        return self.desk.events(*kinds)


def button(shown: Message, label: str) -> str:
    """What a button carries."""
    return shown.data(label)


def labels(shown: Message) -> list[str]:
    return [label for row in shown.labels for label in row]


@asynccontextmanager
async def telegram(started: bool = True, **more: Any) -> AsyncIterator[World]:
    """A connected desk, held to Telegram's rules to the end; `more` goes to the settings."""
    async with desk_of(World, **more) as world:
        world.server.has_privacy = False  # the adapter has to know by itself what is not for it
        world.server.supergroup("Elsewhere", *world.server.world.people.values(), number=FOREIGN)
        if started:
            await world.start()
        yield world
