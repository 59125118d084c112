"""How updates get here: asked for (polling), or sent to an address of ours (webhook)."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from hmac import compare_digest
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from bot.command import Pool, Room
from bot.platforms.base import State
from bot.platforms.telegram_intake import Calm, Intake
from bot.platforms.telegram_queue import Flooded
from bot.platforms.telegram_updates import number_of
from bot.platforms.telegram_wire import ALLOWED, MOST_UPDATES, Contested, Trouble, Wire

log = structlog.get_logger()

HOST = "127.0.0.1"
"""A reverse proxy with the certificate stands before it."""
LARGEST_UPDATE = 1_000_000
CALM_EVERY = 10.0
POLL_FOR = 10
"""Seconds Telegram holds a request for updates open while there are none."""
AGAIN_AFTER = 1.0
AGAIN_AT_MOST = 10.0
PATIENCE = 30.0
"""Seconds of nothing but trouble after which the connection is given up: whoever runs it starts it anew."""
CONTEST_EVERY = 5.0
OURS = "telegram:webhook"
"""The setting that keeps the address we told Telegram to send updates to."""
CONTESTED = (
    "Another program asks for this bot's updates (409): each TELEGRAM_TOKEN serves one desk. "
    "Stop the other program, or make a bot of its own for this desk."
)
WEBHOOK_SET = (
    "A webhook is set for this bot, so asking for updates is refused (409): another program uses this TELEGRAM_TOKEN. "
    "Stop it, or make a bot of its own for this desk."
)

Tell = Callable[[State], None]


class Polling:
    """Asks for updates, one request after the other."""

    def __init__(
        self, room: Room, wire: Wire, intake: Intake, calm: Calm, tell: Tell, clock: Callable[[], float]
    ) -> None:
        self._room = room
        self._wire = wire
        self._intake = intake
        self._calm = calm
        self._tell = tell
        self._clock = clock
        self._offset = 0
        self._hold = 0
        """Seconds the next request may be held: none before one was answered, so that it is known at once."""

    async def run(self) -> None:
        """Listen until canceled.

        Raises:
            Trouble: nothing but trouble for a while. Refused: the token is not good any more.
        """
        await self._take_back_webhook()
        well_at, wait = self._clock(), AGAIN_AFTER
        try:
            while True:
                try:
                    await self._listen()
                except Contested as contest:
                    self._hold = 0
                    words = WEBHOOK_SET if "webhook" in str(contest) else CONTESTED
                    log.warning("telegram.contested", why=words)
                    self._tell(State(False, words))
                    await asyncio.sleep(CONTEST_EVERY)
                    well_at = self._clock()
                except (Trouble, Flooded) as problem:
                    self._hold = 0
                    if self._clock() - well_at > PATIENCE:
                        raise
                    log.warning("telegram.poll_failed", problem=str(problem))
                    self._tell(State(False, f"Telegram does not answer: {problem}."))
                    await asyncio.sleep(problem.seconds if isinstance(problem, Flooded) else wait)
                    wait = min(wait * 2, AGAIN_AT_MOST)
                else:
                    well_at, wait = self._clock(), AGAIN_AFTER
                    self._tell(State(True, f"connected as @{self._wire.name}, asking for updates"))
        finally:
            await self._confirm()

    async def _listen(self) -> None:
        asked = self._calm.now
        raws = await self._wire.updates(self._offset, self._hold)
        self._hold = POLL_FOR
        gap = self._calm.gap
        if len(raws) < MOST_UPDATES:
            self._calm.was(asked)  # a full answer may have left older ones behind
        numbers = [number for raw in raws if (number := number_of(raw)) is not None]
        self._intake.take(raws, gap)
        if numbers:
            self._offset = max(numbers) + 1

    async def _confirm(self) -> None:
        """Tell Telegram what was taken, so that it does not come again after a restart."""
        if not self._offset:
            return
        try:
            async with asyncio.timeout(1.0):
                await self._wire.do(lambda: self._wire.bot.get_updates(self._offset, 1, 0, ALLOWED))
        except (Exception, asyncio.CancelledError) as problem:  # noqa: BLE001 - ending; what acts is known by its number
            log.info("telegram.not_confirmed", problem=type(problem).__name__)

    async def _take_back_webhook(self) -> None:
        """Remove the webhook this desk set when it was configured so; one of another program stays."""
        ours = await self._room.run(Pool.LOOK, lambda: _ours(self._room))
        if not ours:
            return
        try:
            info = await self._wire.do(self._wire.bot.get_webhook_info)
            if info.url == ours:
                await self._wire.do(self._wire.bot.delete_webhook)
        except (Trouble, Flooded) as problem:
            log.info("telegram.webhook_not_removed", problem=str(problem))
            return
        await self._room.run(Pool.LOOK, lambda: _remember(self._room, ""))


class Webhook:
    """Has updates sent to `url`, behind which a proxy forwards them to 127.0.0.1:`port`."""

    def __init__(self, room: Room, wire: Wire, intake: Intake, calm: Calm, tell: Tell, url: str, port: int) -> None:
        self._room = room
        self._wire = wire
        self._intake = intake
        self._calm = calm
        self._tell = tell
        self._url = url
        self._port = port
        self._secret = secrets.token_urlsafe(32)
        self.address = ""
        """Where it listens, once it does."""

    async def run(self) -> None:
        """Listen until canceled."""
        app = web.Application(client_max_size=LARGEST_UPDATE)
        app.router.add_post(urlsplit(self._url).path or "/", self._receive)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, self._port)
            await site.start()
            self.address = _address(runner)
            await self._announce()
            while True:
                await self._look()
                await asyncio.sleep(CALM_EVERY)
        finally:
            await runner.cleanup()

    async def _announce(self) -> None:
        await self._wire.do(
            lambda: self._wire.bot.set_webhook(self._url, allowed_updates=ALLOWED, secret_token=self._secret)
        )
        await self._room.run(Pool.LOOK, lambda: _remember(self._room, self._url))

    async def _look(self) -> None:
        """Ask whether anything waits at Telegram: what is delivered after nothing did is fresh."""
        asked = self._calm.now
        info = await self._wire.do(self._wire.bot.get_webhook_info)
        if info.pending_update_count == 0:
            self._calm.was(asked)
        if info.pending_update_count and info.last_error_message:
            why = self._wire.redacted(info.last_error_message)
            self._tell(State(False, f"Telegram cannot reach telegram.webhook_url: {why}."))
        else:
            self._tell(State(True, f"connected as @{self._wire.name}, by webhook"))

    async def _receive(self, request: web.Request) -> web.Response:
        given = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        if not compare_digest(given.encode(), self._secret.encode()):
            log.warning("telegram.webhook_refused", why="the secret token is not ours")
            return web.Response(status=403)
        try:
            raw = json.loads(await request.read())
        except (ValueError, RecursionError):
            return web.Response(status=400)
        if isinstance(raw, dict):
            self._intake.take([raw], self._calm.gap)
        return web.Response()


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


def _ours(room: Room) -> str:
    with room.desk.store.read() as work:
        return work.setting(OURS) or ""


def _remember(room: Room, url: str) -> None:
    desk = room.desk
    with desk.store.begin() as work:
        work.set_setting(OURS, url, "desk", desk.now())
