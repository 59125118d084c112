"""The local page as one of the platforms that a desk keeps connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from alerts.outbox import Later
from bot.command import Room
from bot.doctor import Finding
from bot.message import PLAIN, Card, Manner, MessageRef
from bot.platforms.base import State
from bot.platforms.web_app import WebApp, start_web
from engine import redaction
from engine.errors import ConfigError

SOON = 1.0


class WebFront:
    """A `Front` named "web". Whoever started the desk is told by `say` how each person gets in."""

    def __init__(self, room: Room, port: int, say: Callable[[str], None]) -> None:
        self._room = room
        self._port = port
        self._say = say
        self._app: WebApp | None = None

    @property
    def name(self) -> str:
        return "web"

    @property
    def state(self) -> State:
        if self._app is None:
            return State(False, "not open yet")
        return State(True, f"{self._app.url}, {len(self._app.pages)} open")

    async def run(self) -> None:
        """Serve the page until canceled."""
        app = await open_page(self._room, self._port, self._say)
        redaction.keep(app.tokens.values())
        for name in app.tokens:
            self._say(f"The page for {name}: {app.login_url(name)}")
        self._app = app
        try:
            await asyncio.Event().wait()
        finally:
            await app.stop()
            self._app = None

    async def check(self) -> tuple[Finding, ...]:
        """Who can use the page."""
        names = ", ".join(web_names(self._room))
        return (Finding("web", "ok", f"on this machine, port {self._port or 'any'}, for {names}"),)

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        """Put a card into `desk` or into one person's chat."""
        return await self._opened().post(chat, card, manner)

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        """Draw a message again."""
        await self._opened().edit(ref, card, manner)

    def _opened(self) -> WebApp:
        if self._app is None:
            raise Later(SOON)
        return self._app


def web_names(room: Room) -> tuple[str, ...]:
    """The people who have a name on the page."""
    ids = (identity.partition(":") for identity in room.people.by_identity)
    return tuple(name for platform, _, name in ids if platform == "web" and name)


async def open_page(room: Room, port: int, say: Callable[[str], None]) -> WebApp:
    """The page on `port`, or on a free one when somebody has it."""
    try:
        return await start_web(room, room.people, port)
    except ConfigError as taken:
        if port == 0:
            raise
        say(str(taken))
        return await start_web(room, room.people, 0)
