"""A desk in Telegram: the app on a loopback Bot API, people who write and press, and what they see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.bulkheads import Bulkheads
from bot.command import Room
from bot.people import People, Role, User
from bot.platforms.telegram_app import TelegramApp
from bot.platforms.telegram_queue import Outgoing, woken
from bot.settings import TelegramSettings
from engine.model.events import EventKind
from strategies import CATALOGUE
from tests.bot.telegram.fake import TOKEN, FakeTelegram, Shown
from tests.desk import World as Desk
from tests.desk import make_world

ANN, TOM, VIC, STRANGER = 45, 46, 47, 99
GROUP, FOREIGN = -1001, -1009
NAMES = {ANN: "Ann", TOM: "Tom", VIC: "Vic", STRANGER: "Eve"}
PEOPLE = People(
    (
        User("ann", Role.ADMIN, (f"telegram:{ANN}",)),
        User("tom", Role.TRADER, (f"telegram:{TOM}",)),
        User("vic", Role.VIEWER, (f"telegram:{VIC}",)),
    )
)
PATIENCE = 10.0
SPEED = 50.0


async def until(holds: Callable[[], Any], what: str = "") -> Any:
    """The first true answer of `holds`, waited for; the test fails when there is none in time."""
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited in vain: {what or holds}"
        await asyncio.sleep(0.01)
    return found


def quick() -> Outgoing:
    """The queue on a clock that runs fast: what is not about rates need not wait for them."""
    return Outgoing(lambda: time.monotonic() * SPEED, lambda wake, seconds: woken(wake, seconds / SPEED))


@dataclass
class World:
    """The desk, Telegram, and the app between them."""

    desk: Desk
    server: FakeTelegram
    app: TelegramApp
    room: Room
    settings: TelegramSettings
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Run the app until it is connected."""
        self.running.append(self.task())
        await until(lambda: self.app.state.is_well or self.running[-1].done(), "connected")

    def task(self) -> asyncio.Task[None]:
        """The app, running."""
        return asyncio.create_task(self.app.run())

    async def stop(self) -> None:
        while self.running:
            task = self.running.pop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def restart(self) -> None:
        """Another process on the same store."""
        await self.down()
        await self.start()

    async def down(self) -> None:
        """The process ends; the next one, not started yet, knows what is in the store and nothing else."""
        await self.stop()
        self.app = TelegramApp(self.room, self.settings, TOKEN, outgoing=quick)

    def update(self, **body: Any) -> int:
        number = next(self.server.numbers)
        self.server.updates.append({"update_id": number, **body})
        return number

    def say(self, text: str, who: int = ANN, chat: int | None = None, ago: float = 0.0, **more: Any) -> int:
        """Somebody writes `text`; the update's number."""
        return self.update(message=self.message(text, who, chat, ago, **more))

    def message(
        self, text: str, who: int = ANN, chat: int | None = None, ago: float = 0.0, **more: Any
    ) -> dict[str, Any]:
        date = int(self.desk.clock().timestamp() - ago)
        return {"message_id": next(self.server.ids), "date": date, "chat": chat_of(chat or who), "from": person(who),
                "text": text, **more}  # fmt: skip

    def press(self, shown: Shown, label: str, who: int = ANN, data: str = "", chat: str = "") -> int:
        """Somebody presses a button; `data` and `chat` are another's when a client was changed."""
        token = data or button(shown, label)
        message = {"message_id": shown.id, "date": 1, "chat": chat_of(int(chat or shown.chat)),
                   "reply_markup": {"inline_keyboard": shown.keyboard}}  # fmt: skip
        query = {"id": f"q{next(self.server.numbers)}", "from": person(who), "chat_instance": "1", "data": token}
        return self.update(callback_query={**query, "message": message})

    def cards(self, chat: int = ANN) -> list[Shown]:
        return [shown for shown in self.server.shown.values() if shown.chat == str(chat)]

    async def card(self, words: str, chat: int = ANN) -> Shown:
        """The latest message of a chat with these words, waited for."""
        return await until(
            lambda: next((shown for shown in reversed(self.cards(chat)) if words in shown.text), None), words
        )  # type: ignore[no-any-return]

    async def alert(self, words: str) -> str:
        """The text a press was answered with."""
        return await until(lambda: next((text for text in self.alerts() if words in text), None), words)  # type: ignore[no-any-return]

    def alerts(self) -> list[str]:
        return [data.get("text", "") for method, data in self.server.calls if method == "answerCallbackQuery"]

    async def settled(self) -> None:
        """Everything that was sent to the app is taken and answered."""
        await until(lambda: not self.server.updates or self.server.offset > self.server.updates[-1]["update_id"])
        await until(lambda: self.server.offset > 0 or not self.server.updates)
        await until(lambda: not self.app.is_busy, "nothing under way")

    def kept(self, prefix: str) -> list[str]:
        """The names of durable settings that begin so."""
        with self.desk.store.read() as work:
            return [each.name for each in work.settings() if each.name.startswith(prefix)]

    def calls(self, method: str) -> list[dict[str, str]]:
        return [data for name, data in self.server.calls if name == method]

    @property
    def orders(self) -> list[str]:
        return self.desk.broker.posts

    def events(self, *kinds: EventKind) -> list[Any]:
        return self.desk.events(*kinds)


def person(id: int) -> dict[str, Any]:
    return {"id": id, "is_bot": False, "first_name": NAMES[id]}


def chat_of(id: int) -> dict[str, Any]:
    return {"id": id, "type": "private" if id > 0 else "supergroup"}


def button(shown: Shown, label: str) -> str:
    """What a button carries."""
    found = [each["callback_data"] for row in shown.keyboard for each in row if each["text"] == label]
    assert found, (label, [each["text"] for row in shown.keyboard for each in row])
    return str(found[0])


def labels(shown: Shown) -> list[str]:
    return [each["text"] for row in shown.keyboard for each in row]


@asynccontextmanager
async def telegram(started: bool = True, **more: Any) -> AsyncIterator[World]:
    """A connected desk; `more` goes to the settings."""
    server = FakeTelegram()
    await server.start()
    desk = make_world(strategies=dict(CATALOGUE))
    pools = Bulkheads(2, 2, 2)
    room = Room(desk.desk, PEOPLE, pools.run, lambda: "PAPER")
    given = {"chat": str(ANN), "groups": (str(GROUP),), "api_url": server.url} | more
    settings = TelegramSettings(**given)
    world = World(desk, server, TelegramApp(room, settings, TOKEN, outgoing=quick), room, settings)
    try:
        if started:
            await world.start()
        yield world
    finally:
        await world.stop()
        await server.stop()
        pools.close()
