"""The web page on a desk of `tests.desk`: real store, dispatch, outbox and server; market and broker are fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from alerts import outbox
from alerts.routes import Channels, routes
from bot.app import build_room
from bot.bulkheads import Bulkheads
from bot.command import Room
from bot.deliver import Postman
from bot.people import People, Role, User
from bot.platforms.base import Platform
from bot.platforms.web_app import WebApp, start_web
from engine import orders
from engine.model.events import Event, EventKind
from engine.model.trade import Approval
from tests import make
from tests.desk import World, make_world, propose

PEOPLE = People(
    (
        User("ann", Role.ADMIN, ("web:ann",)),
        User("ben", Role.TRADER, ("web:ben", "test:ben")),
        User("vic", Role.VIEWER, ("web:vic",)),
    )
)


@dataclass
class PageWorld:
    """A desk with its page; `platforms` are those the outbox delivers to."""

    world: World
    room: Room
    web: WebApp
    platforms: dict[str, Platform] = field(default_factory=dict)

    async def pump(self) -> int:
        """Deliver every event that waits."""
        desk = self.world.desk
        channels = Channels(tuple(f"{name}:desk" for name in self.platforms), {})
        return await outbox.pump(
            desk.store, desk.now, lambda event: routes(event, channels), Postman(self.room, self.platforms)
        )

    async def propose(self, **more: Any) -> Approval:
        """A pending proposal whose card is on the page."""
        approval = propose(self.world, **more)
        await self.tell(EventKind.APPROVAL_REQUESTED, approval.id, correlation=approval.id)
        return approval

    async def tell(self, kind: EventKind, subject: str, **more: Any) -> None:
        """Record an event and deliver it."""
        desk = self.world.desk
        with desk.store.begin() as work:
            work.add_event(Event(desk.new_id("E"), kind, desk.now(), subject, more.pop("data", {}), **more))
        await self.pump()

    async def fill(self) -> None:
        """Send what is due, execute it and deliver what that changed."""
        self.world.clock.advance(seconds=10)
        orders.send_due(self.world.desk)
        for key in self.world.broker.open_orders():
            self.world.broker.fill(key)
        orders.reconcile(self.world.desk)
        await self.pump()

    def url(self, path: str = "/") -> str:
        return self.web.url + path

    def origin(self) -> dict[str, str]:
        """What a browser sends with every request of the page itself."""
        return {"Origin": self.web.url}

    @asynccontextmanager
    async def login(self, name: str = "ann") -> AsyncIterator[aiohttp.ClientSession]:
        """A client with a session of `name`."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            body = {"token": self.web.tokens[name]}
            async with client.post(self.url("/login"), json=body, headers=self.origin()) as answer:
                assert answer.status == 200, await answer.text()
            yield client

    @asynccontextmanager
    async def socket(self, name: str = "ann") -> AsyncIterator[PageSocket]:
        """The WebSocket of a page that has just been opened by `name`."""
        async with self.login(name) as client, client.ws_connect(self.url("/socket"), headers=self.origin()) as ws:
            yield PageSocket(ws)


@dataclass
class PageSocket:
    """A page without a browser."""

    ws: aiohttp.ClientWebSocketResponse

    async def send(self, **frame: Any) -> None:
        await self.ws.send_json(frame)

    async def next(self, *types: str) -> dict[str, Any]:
        """The next frame of one of these types."""
        while True:
            frame: dict[str, Any] = await self.ws.receive_json(timeout=10)
            if frame["type"] in types:
                return frame

    async def until_done(self, request: str) -> list[dict[str, Any]]:
        """Every frame up to the one that ends the request."""
        frames: list[dict[str, Any]] = []
        while not frames or (frames[-1]["type"], frames[-1].get("id")) not in (("done", request), ("error", request)):
            frames.append(await self.ws.receive_json(timeout=10))
        return frames

    async def ask(self, request: str, text: str) -> list[dict[str, Any]]:
        """Send a command line and wait for its answer."""
        await self.send(type="command", id=request, text=text)
        return await self.until_done(request)

    async def tap(self, request: str, message: str, action: str, **options: str) -> list[dict[str, Any]]:
        """Tap a button, with what was filled into its form, and wait for the answer."""
        await self.send(type="tap", id=request, message=message, action=action, options=options)
        return await self.until_done(request)


def cards(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cards that came, in order."""
    return [frame["message"]["card"] for frame in frames if frame["type"] == "message" and "card" in frame["message"]]


@asynccontextmanager
async def open_page(
    world: World | None = None, people: People = PEOPLE, port: int = 0, threads: int = 1, banner: str = "PAPER"
) -> AsyncIterator[PageWorld]:
    """A served page whose work runs on `threads` threads; it stops by itself."""
    chosen = world or make_world()
    chosen.market.set_snapshot(make.snapshot())
    bulkheads = Bulkheads(threads)
    room = build_room(chosen.desk, people, lambda: banner, bulkheads.run)
    web = await start_web(room, people, port)
    try:
        yield PageWorld(chosen, room, web, {web.name: web})
    finally:
        await web.stop()
        bulkheads.close()
