"""A desk in a Telegram that keeps its rules: the real adapter on `tests.desk` through the loopback Bot API."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from alerts import outbox
from alerts.routes import Channels, routes
from bot.bulkheads import Bulkheads
from bot.command import Room
from bot.deliver import Postman
from bot.people import People, Role, User
from bot.platforms.telegram_app import TelegramApp
from bot.platforms.telegram_queue import Outgoing, woken
from bot.settings import TelegramSettings
from engine.model.events import Event, EventKind
from engine.model.records import Delivery
from strategies import CATALOGUE
from tests.desk import World as Desk
from tests.desk import make_world, propose
from tests.standins.telegram_driver import Act, Soon
from tests.standins.telegram_server import TOKEN, TelegramServer
from tests.standins.telegram_world import Chat, Message, Person

ANN, TOM, VIC, EVE = 45, 46, 47, 99
GROUP = -1001
PEOPLE = People(
    (
        User("ann", Role.ADMIN, (f"telegram:{ANN}",)),
        User("tom", Role.TRADER, (f"telegram:{TOM}",)),
        User("vic", Role.VIEWER, (f"telegram:{VIC}",)),
    )
)
SPEED = 50.0
"""How much faster the sending queue and the limits of the server run than life."""


@dataclass
class Ticks:
    """The monotonic clock of the desk's machine; `ahead` is what it was moved on by."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def fast() -> float:
    """Seconds on the clock of queue and limits."""
    return time.monotonic() * SPEED


def queue_at(pace: float) -> Callable[[], Outgoing]:
    """The adapter's own queue, on a clock so many times as fast as life."""
    return lambda: Outgoing(lambda: time.monotonic() * pace, lambda wake, seconds: woken(wake, seconds / pace))


@dataclass
class TelegramDesk:
    """The desk, its people and its chats. `desk.clock` is everybody's time of day, `ticks` the machine's monotonic."""

    desk: Desk
    server: TelegramServer
    room: Room
    settings: TelegramSettings
    ann: Person
    tom: Person
    vic: Person
    eve: Person
    group: Chat
    ticks: Ticks = field(default_factory=Ticks)
    pace: float = SPEED
    """How much faster than life the queue of messages runs."""
    destinations: tuple[str, ...] = (f"telegram:{ANN}",)
    app: TelegramApp = field(init=False)
    _running: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.app = self._new_app()

    def _new_app(self) -> TelegramApp:
        return TelegramApp(self.room, self.settings, TOKEN, clock=self.ticks, outgoing=queue_at(self.pace))

    def begin(self) -> None:
        """Run the app, connected or not."""
        self._running = asyncio.create_task(self.app.run())

    async def start(self) -> None:
        """Run the app until it is connected."""
        self.begin()
        await self.until(lambda: self.app.state.is_well or self.has_ended, "it does not connect")

    async def stop(self) -> None:
        """The process ends; a next one would know what is in the store and nothing else."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._running = None
        self.app = self._new_app()

    @property
    def has_ended(self) -> bool:
        """Whether the app has given up, which no update may make it."""
        return self._running is None or self._running.done()

    def until(self, is_so: Callable[[], bool], what: str = "it did not come true") -> Soon[bool]:
        return self.server.until(is_so, what)

    async def done(self, *acts: Act) -> None:
        """Everything people did is taken, and whatever came of it is finished."""
        for act in acts:
            await act.taken()
        await self.until(lambda: not self.app.is_busy, "something is still under way")

    async def proposal(self, chat: Chat | None = None, who: Person | None = None) -> Message:
        """The card of the default proposal, asked for and shown."""
        who, where = who or self.ann, chat or self.server.chat(self.ann)
        with self.desk.store.read() as work:
            is_there = bool(work.approvals())
        if not is_there:
            propose(self.desk)
        listed = await self.server.say(who, "/proposals", where).shows("1 proposal waiting")
        return await self.server.press(who, listed, "Show A00001").shows("sell 2 × XYZ 44 put?")

    def tell_of_proposal(self) -> None:
        """The default proposal, and the event that has its card posted."""
        approval = propose(self.desk)
        desk = self.desk.desk
        with desk.store.begin() as work:
            event = Event(desk.new_id("E"), EventKind.APPROVAL_REQUESTED, desk.now(), approval.id)
            work.add_event(dataclasses.replace(event, correlation=approval.id))

    def alert(self, words: str, **more: Any) -> None:
        """Something happens that is told: a card of its own with these words."""
        desk = self.desk.desk
        data = {"ticker": "XYZ", "reason": "target", "quantity": 1, "limit": "0.50", "words": words}
        with desk.store.begin() as work:
            work.add_event(Event(desk.new_id("E"), EventKind.EXIT_STARTED, desk.now(), "P00001", data, **more))

    async def pump(self) -> int:
        """Deliver what is due; how many messages arrived."""
        desk = self.desk.desk
        channels = Channels(self.destinations, {})
        postman = Postman(self.room, {"telegram": self.app})

        async def deliver(event: Event, delivery: Delivery) -> str:
            return await postman(event, delivery)

        return await outbox.pump(desk.store, desk.now, lambda event: routes(event, channels), deliver)

    async def pump_until(self, is_so: Callable[[], bool], seconds: int = 5, tries: int = 60) -> None:
        """Deliver again and again, as time goes by on the desk's clock and on the queue's, until something is true."""
        for _ in range(tries):
            await self.pump()
            if is_so():
                return
            await asyncio.sleep(seconds / SPEED)
            self.desk.clock.advance(seconds=seconds)
        raise AssertionError("it was not delivered")

    def alerts(self, chat: Chat | Person) -> list[str]:
        """The words of the alerts a chat shows, in order, as they were given."""
        lines = [line.lower() for message in self.server.chat(chat).sent for line in message.text.splitlines()]
        return [line for line in lines if line.startswith("alert ")]

    @property
    def orders(self) -> list[str]:
        return self.desk.broker.posts


D = TypeVar("D", bound=TelegramDesk)


@asynccontextmanager
async def telegram_desk(started: bool = True, pace: float = SPEED, **settings: Any) -> AsyncIterator[TelegramDesk]:
    """A connected desk, held to Telegram's rules to the end; `settings` are those of `[telegram]`."""
    async with desk_of(TelegramDesk, pace, **settings) as world:
        if started:
            await world.start()
        yield world


@asynccontextmanager
async def desk_of(kind: type[D], pace: float = SPEED, **settings: Any) -> AsyncIterator[D]:
    """A desk of this kind, not connected yet, held to Telegram's rules to the end."""
    desk = make_world(strategies=dict(CATALOGUE))
    pools = Bulkheads(2, 2, 2)
    server = TelegramServer(now=lambda: desk.clock().timestamp())
    server.limits.clock = fast
    people = [server.person(name, id) for name, id in (("ann", ANN), ("tom", TOM), ("vic", VIC), ("eve", EVE))]
    group = server.supergroup("Desk", *people, number=GROUP)
    room = Room(desk.desk, PEOPLE, pools.run, lambda: "PAPER")
    server.start()
    given = {"chat": str(ANN), "groups": (str(group.id),), "api_url": server.url} | settings
    ann, tom, vic, eve = people
    world = kind(desk, server, room, TelegramSettings(**given), ann, tom, vic, eve, group, pace=pace)
    try:
        yield world
        server.assert_valid()
    finally:
        await world.stop()
        await asyncio.to_thread(server.stop)
        pools.close()
