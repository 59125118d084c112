"""One open page: reads its frames, runs its requests through the dispatch and sends it what changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from bot.catalogue import COMMANDS
from bot.command import Pool, Room
from bot.completion import complete
from bot.dispatch import dispatch
from bot.message import Progress, Request
from bot.platforms import web_frames
from bot.platforms.web_feed import Feed
from engine.errors import BadRequest

log = structlog.get_logger()

MOST_WAITING = 500
"""Frames a page may be behind before it is cut off; it connects again and gets the whole feed."""
MOST_REQUESTS = 64
"""Requests of one page that may run at once."""
LOOK = 0.25
"""Seconds between two looks at a request that takes long: work that tells of every ticker does not flood the page."""


def identity_of(name: str) -> str:
    """Who the person is to the desk: `web:ann`."""
    return f"web:{name}"


def _sign_of_life(waited: float) -> str:
    """What is said of work that does not tell how far it is, after so many seconds."""
    return f"Still working, {waited:.0f} s" if waited >= 1 else "Working…"


class Watch:
    """How far one request has come: told from the thread that works on it, looked at on the loop."""

    def __init__(self) -> None:
        self.latest: Progress | None = None

    def tell(self, progress: Progress) -> None:
        """Take the news; setting one attribute is safe from any thread."""
        self.latest = progress


class Conversation:
    """The WebSocket of one page of the person `name`."""

    def __init__(self, socket: web.WebSocketResponse, name: str, room: Room, feed: Feed) -> None:
        self.name = name
        self._socket = socket
        self._room = room
        self._feed = feed
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
        self._requests: set[asyncio.Task[None]] = set()
        self._is_behind = False

    def send(self, frame: web_frames.Frame) -> None:
        """Send a frame soon; a page that does not keep up is cut off."""
        try:
            self._outgoing.put_nowait(json.dumps(frame, separators=(",", ":")))
        except asyncio.QueueFull:
            self._is_behind = True

    async def run(self) -> None:
        """Talk until the page goes away or is cut off."""
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def close(self) -> None:
        """End the conversation: the desk is stopping or the session has ended."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"Closed by the desk.")

    async def finish(self) -> None:
        """Wait for the requests that are still running: what was asked is done, page or no page."""
        await asyncio.gather(*self._requests, return_exceptions=True)

    async def _write(self) -> None:
        while not self._socket.closed:
            text = await self._outgoing.get()
            if self._is_behind:
                await self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"Too far behind.")
                return
            try:
                await self._socket.send_str(text)
            except ConnectionError:
                return  # the page is gone; reading ends by itself

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self._take(message.data)
            else:
                self.send(web_frames.refused("", "Frames are text."))

    def _take(self, raw: str) -> None:
        try:
            frame = web_frames.read(raw)
        except BadRequest as mistake:
            self.send(web_frames.refused(web_frames.identifier_of(raw), str(mistake)))
            return
        if len(self._requests) >= MOST_REQUESTS:
            self.send(web_frames.refused(frame.id, "Too many requests at once: wait for an answer."))
            return
        self._start(self._handle(frame))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._requests.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("web.request.broken", name=self.name, exc_info=problem)

    async def _handle(self, frame: web_frames.Line | web_frames.Tap | web_frames.Typing) -> None:
        match frame:
            case web_frames.Line():
                self._feed.say(self.name, frame.text)
                await self._ask(frame.id, self._request(frame.id, text=frame.text))
            case web_frames.Tap():
                request = self._request(frame.id, action=frame.action, options=frame.options)
                await self._ask(frame.id, request, self._redrawn_by(frame))
            case web_frames.Typing():
                await self._suggest(frame)

    def _redrawn_by(self, tap: web_frames.Tap) -> str:
        """The message the answer may be drawn into: a look, drawn as its asker wants it, changes no card for all."""
        command = COMMANDS.get(tap.action.partition(":")[0])
        acts = command is not None and command.acts
        return tap.message if acts or not self._feed.is_shared(tap.message) else ""

    def _request(
        self, request: str, *, text: str = "", action: str = "", options: tuple[tuple[str, str], ...] = ()
    ) -> Request:
        """The request with a source that no other person's page can make."""
        identity = identity_of(self.name)
        return Request(identity, text, action, source=f"{identity}:{request}", chat=self.name, options=options)

    async def _ask(self, request_id: str, request: Request, tapped: str = "") -> None:
        watch, loop = Watch(), asyncio.get_running_loop()
        answer = asyncio.ensure_future(dispatch(self._room, request, watch.tell))
        began = loop.time()
        shown: web_frames.Frame = {}
        while not answer.done():
            frame = web_frames.working(request_id, _sign_of_life(loop.time() - began), watch.latest)
            if frame != shown:
                self.send(frame)
            shown = frame
            await asyncio.wait({answer}, timeout=LOOK)
        reply = answer.result()
        last = self._feed.answer(self.name, reply, tapped)
        self.send(web_frames.done(request_id, reply.error, last))

    async def _suggest(self, typing: web_frames.Typing) -> None:
        identity = identity_of(self.name)
        found = await self._room.run(Pool.LOOK, lambda: complete(self._room, identity, typing.line))
        self.send(web_frames.completions(typing.id, found))
