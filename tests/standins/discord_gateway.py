"""Discord's gateway, pretended: sessions, numbered events, heartbeats, RESUME, and what goes wrong on a socket.

https://docs.discord.com/developers/events/gateway. Compression is `zlib-stream`, as discord.py asks for it where no
zstandard is installed; without `compress` in the address, plain text.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.standins.discord_world import World

Row = dict[str, Any]

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = (
    *(0, 1, 2, 3, 6),
    *(7, 9, 10, 11),
)
PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15)
"""Members, presences, message content: to be allowed in the developer portal first."""

GUILDS, GUILD_MEMBERS, GUILD_MESSAGES, DIRECT_MESSAGES = 1 << 0, 1 << 1, 1 << 9, 1 << 12


@dataclass(slots=True)
class Session:
    """What one IDENTIFY began. Events are kept, so that RESUME can tell what was missed."""

    id: str
    intents: int
    socket: Socket | None
    events: list[Row] = field(default_factory=list)


class Socket:
    """One connection; frames are compressed as its address asked."""

    def __init__(self, response: web.WebSocketResponse, request: web.Request) -> None:
        self.response = response
        self._transport = request.transport
        self._stream = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        self.session: Session | None = None

    async def send(self, frame: Row) -> None:
        """Nothing happens when the other side has gone."""
        text = json.dumps(frame)
        try:
            if self._stream is None:
                await self.response.send_str(text)
            else:
                data = self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)
                await self.response.send_bytes(data)
        except ConnectionError:
            self.detach()

    def detach(self) -> None:
        """Its session goes on without it."""
        if self.session is not None and self.session.socket is self:
            self.session.socket = None

    def cut(self) -> None:
        """End it without a word."""
        self.detach()
        if self._transport is not None:
            self._transport.abort()


class Gateway:
    """All sessions of the bot."""

    def __init__(self, world: World, token: str, changed: Callable[[], None]) -> None:
        self._world = world
        self._token = token
        self._changed = changed
        self.sessions: list[Session] = []
        self.sockets: set[Socket] = set()
        self.url = ""
        self.heartbeat_seconds = 41.25
        self.acknowledges_heartbeats = True
        self.allowed_privileged = 0
        """Privileged intents switched on in the developer portal."""
        self.resumable = True
        """False: RESUME is answered with INVALID_SESSION."""
        self.heard: list[Row] = []
        """Every frame of the bot but heartbeats."""
        self.unknown: list[str] = []
        self.lets_in = asyncio.Event()
        """While not set, whoever knocks waits."""
        self.lets_in.set()
        self.identifies = self.resumes = self.heartbeats = self.handshakes = 0

    @property
    def connected(self) -> list[Session]:
        """Sessions that have a socket."""
        return [session for session in self.sessions if session.socket is not None]

    def _visible(self, session: Session, event: str, row: Row) -> bool:
        if event.startswith("MESSAGE_"):
            return bool(session.intents & (GUILD_MESSAGES if "guild_id" in row else DIRECT_MESSAGES))
        if event.startswith(("GUILD_MEMBER", "THREAD_MEMBERS")):
            return bool(session.intents & GUILD_MEMBERS)
        if event.startswith(("GUILD_", "CHANNEL_", "THREAD_")):
            return bool(session.intents & GUILDS)
        return True

    async def dispatch(self, event: str, row: Row) -> int:
        """Tell an event to every session that asked for its kind; how many there are, connected or to be resumed."""
        told = [session for session in self.sessions if self._visible(session, event, row)]
        for session in told:
            await self._tell(session, event, row)
        return len(told)

    async def _tell(self, session: Session, event: str, row: Row) -> None:
        frame = {"op": DISPATCH, "t": event, "s": len(session.events) + 1, "d": row}
        session.events.append(frame)
        if session.socket is not None:
            await session.socket.send(frame)

    # the wire

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection from handshake to end."""
        await self.lets_in.wait()
        self.handshakes += 1
        response = web.WebSocketResponse(compress=False, autoping=True, max_msg_size=0)
        await response.prepare(request)
        if request.query.get("v") != "10" or request.query.get("compress", "zlib-stream") != "zlib-stream":
            self.unknown.append(f"gateway {request.query_string}")
            await response.close(code=4012)
            return response
        socket = Socket(response, request)
        self.sockets.add(socket)
        try:
            await self._talk(socket)
        finally:
            self.sockets.discard(socket)
            self._leave(socket)
            self._changed()
        return response

    async def _talk(self, socket: Socket) -> None:
        await socket.send(
            {"op": HELLO, "s": None, "t": None, "d": {"heartbeat_interval": self.heartbeat_seconds * 1000}}
        )
        async for message in socket.response:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            if frame["op"] != HEARTBEAT:
                self.heard.append(frame)
            await self._hear(socket, frame["op"], frame["d"])
            self._changed()

    def _leave(self, socket: Socket) -> None:
        """A close with 1000 or 1001 from the bot ends the session; every other end leaves it to be resumed."""
        if socket.session is not None and socket.session.socket is socket:
            if socket.response.close_code in (1000, 1001) and socket.session in self.sessions:
                self.sessions.remove(socket.session)
            socket.detach()

    async def _hear(self, socket: Socket, operation: int, data: Any) -> None:
        if operation == HEARTBEAT:
            self.heartbeats += 1
            if self.acknowledges_heartbeats:
                await socket.send({"op": HEARTBEAT_ACK, "s": None, "t": None, "d": None})
        elif operation == IDENTIFY:
            await self._identify(socket, data)
        elif operation == RESUME:
            await self._resume(socket, data)
        elif operation != PRESENCE:
            self.unknown.append(f"gateway op {operation}")
            await socket.response.close(code=4001)

    async def _identify(self, socket: Socket, data: Row) -> None:
        self.identifies += 1
        if data["token"] != self._token:
            await socket.response.close(code=4004, message=b"Authentication failed.")
            return
        if data["intents"] & PRIVILEGED & ~self.allowed_privileged:
            await socket.response.close(code=4014, message=b"Disallowed intent(s).")
            return
        self.sessions = self.connected
        session = Session(f"session{self.identifies}", data["intents"], socket)
        socket.session = session
        self.sessions.append(session)
        await self._tell(session, "READY", self._ready(session))
        if session.intents & GUILDS:
            await self._tell(session, "GUILD_CREATE", self._world.guild_create_row())

    def _ready(self, session: Session) -> Row:
        bot = self._world.bot
        return {
            "v": 10,
            "user": bot.user | {"email": None, "verified": True, "mfa_enabled": True},
            "guilds": [{"id": str(self._world.guild_id), "unavailable": True}],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.url,
            "application": {"id": str(bot.id), "flags": 0},
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "shard": [0, 1],
        }

    async def _resume(self, socket: Socket, data: Row) -> None:
        self.resumes += 1
        if data["token"] != self._token:
            await socket.response.close(code=4004, message=b"Authentication failed.")
            return
        session = next((session for session in self.sessions if session.id == data["session_id"]), None)
        if session is None or not self.resumable:
            self.sessions = [other for other in self.sessions if other is not session]
            await socket.send({"op": INVALID_SESSION, "s": None, "t": None, "d": False})
            return
        if session.socket is not None:
            session.socket.cut()
        socket.session, session.socket = session, socket
        for frame in session.events[data["seq"] or 0 :]:
            await socket.send(frame)
        await self._tell(session, "RESUMED", {"_trace": []})

    # what goes wrong

    def drop(self) -> None:
        """Cut every socket without a word."""
        for socket in list(self.sockets):
            socket.cut()

    async def ask_to_reconnect(self) -> None:
        """Op 7: be so kind and come again."""
        for socket in list(self.sockets):
            await socket.send({"op": RECONNECT, "s": None, "t": None, "d": None})

    async def invalidate(self) -> None:
        """Op 9: the session is over."""
        sockets = [session.socket for session in self.connected]
        self.sessions = []
        for socket in filter(None, sockets):
            await socket.send({"op": INVALID_SESSION, "s": None, "t": None, "d": False})

    async def close(self, code: int) -> None:
        """Close every socket with a code."""
        for socket in list(self.sockets):
            socket.detach()
            await asyncio.wait_for(socket.response.close(code=code), timeout=2)
