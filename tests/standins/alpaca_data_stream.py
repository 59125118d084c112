"""Alpaca's streams of market data, pretended: log in, subscribe, and then what the test tells.

Text frames of JSON for shares, binary ones of msgpack for options, as documented. Nothing that was told while nobody
listened is repeated.
"""

from __future__ import annotations

import json
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgpack
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

KEY, SECRET = "stream-key", "stream-s3cr3t"
CUT = None
"""Ends a connection."""
CHANNELS = ("trades", "quotes", "bars", "statuses")


@dataclass(slots=True)
class _Client:
    """One connection: what it listens to, and what waits to be sent to it."""

    channels: dict[str, set[str]] = field(default_factory=lambda: {channel: set() for channel in CHANNELS})
    waiting: queue.Queue[str | bytes | None] = field(default_factory=queue.Queue)


class AlpacaDataStream:
    """The server on a port of its own; `feeds` are the paths that the keys may listen to.

    `most` is the number of names whose quotes may be listened to, `refused` channels that are not given.
    """

    def __init__(self, *feeds: str, binary: bool = False, most: int = 30, refused: tuple[str, ...] = ()) -> None:
        self.feeds = set(feeds)
        self.binary = binary
        self.most = most
        self.refused = refused
        self.error_next: list[tuple[int, str]] = []
        """Errors that the next connections get in place of a welcome."""
        self.silent = False
        """Say nothing to who connects."""
        self.paths: list[str] = []
        self.heard: list[Any] = []
        self._clients: list[_Client] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._server = serve(self._serve, "127.0.0.1", 0, process_request=self._handshake, close_timeout=0.2)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Its address, for ALPACA_DATA_STREAM_URL."""
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __enter__(self) -> AlpacaDataStream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.cut_all()
        self._server.shutdown()
        self._thread.join()

    # what a test turns

    def listened(self, channel: str = "quotes") -> set[str]:
        """The names that anybody listens to."""
        with self._lock:
            return {name for client in self._clients for name in client.channels[channel]}

    def tell(self, *messages: dict[str, Any]) -> None:
        """Send the messages in one frame to everybody who is logged in."""
        self.push(self._frame(list(messages)))

    def quote(self, symbol: str, bid: float, ask: float, at: datetime) -> None:
        """Tell a quote."""
        shape = {"T": "q", "S": symbol, "bp": bid, "ap": ask, "bs": 2, "as": 3, "bx": "Q", "ax": "Q"}
        self.tell({**shape, "t": self._time(at), "c": "A" if self.binary else ["R"]})

    def status(self, symbol: str, code: str, reason: str, at: datetime) -> None:
        """Tell a trading status."""
        self.tell({"T": "s", "S": symbol, "sc": code, "sm": "", "rc": reason, "rm": "", "t": self._time(at), "z": "C"})

    def bar(self, symbol: str, start: datetime) -> None:
        """Tell a minute of trades."""
        prices = {"o": 1, "h": 1, "l": 1, "c": 1, "v": 100}
        self.tell({"T": "b", "S": symbol, **prices, "t": self._time(start)})

    def push(self, frame: str | bytes) -> None:
        """Send a frame as it is to everybody who is logged in."""
        with self._lock:
            for client in self._clients:
                client.waiting.put(frame)

    def cut_all(self) -> None:
        """End every connection without a word."""
        with self._lock:
            for client in self._clients:
                client.waiting.put(CUT)

    # the wire

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        if request.path.count("/") < 2:
            return connection.respond(HTTPStatus.NOT_FOUND, "not found\n")
        return None

    def _serve(self, connection: ServerConnection) -> None:
        try:
            self._talk(connection)
        except (ConnectionClosed, OSError):
            return

    def _talk(self, connection: ServerConnection) -> None:
        if self.silent:
            self._ending.wait(30)
            return
        if self.error_next:
            self._error(connection, *self.error_next.pop(0))
            return
        self._say(connection, {"T": "success", "msg": "connected"})
        asked = self._hear(connection, timeout=10)
        if asked != {"action": "auth", "key": KEY, "secret": SECRET}:
            self._error(connection, 402, "auth failed")
            return
        if connection.request is None or connection.request.path.rpartition("/")[2] not in self.feeds:
            self._error(connection, 409, "insufficient subscription")
            return
        client = _Client()
        self._say(connection, {"T": "success", "msg": "authenticated"})
        with self._lock:
            self._clients.append(client)
        try:
            self._forward(connection, client)
        finally:
            with self._lock:
                self._clients.remove(client)

    def _forward(self, connection: ServerConnection, client: _Client) -> None:
        """What the test tells, and answers to subscriptions, until it is cut."""
        while True:
            with suppress(TimeoutError):
                self._subscribed(connection, client, self._hear(connection, timeout=0.01))
            while not client.waiting.empty():
                frame = client.waiting.get()
                if frame is CUT:
                    connection.socket.close()
                    return
                connection.send(frame)

    def _subscribed(self, connection: ServerConnection, client: _Client, asked: dict[str, Any]) -> None:
        channels = {channel: set(asked.get(channel, ())) for channel in CHANNELS}
        if any(channels[channel] for channel in self.refused):
            self._error(connection, 410, "invalid subscribe action for this feed")
            return
        wanted = {
            channel: names | channels[channel] if asked["action"] == "subscribe" else names - channels[channel]
            for channel, names in client.channels.items()
        }
        if len(wanted["quotes"]) > self.most:
            self._error(connection, 405, "symbol limit exceeded")
            return
        with self._lock:
            client.channels = wanted
        self._say(connection, {"T": "subscription", **{name: sorted(each) for name, each in wanted.items()}})

    def _hear(self, connection: ServerConnection, timeout: float) -> dict[str, Any]:
        frame = connection.recv(timeout=timeout)
        message: dict[str, Any] = msgpack.unpackb(frame) if isinstance(frame, bytes) else json.loads(frame)
        assert isinstance(frame, bytes) is self.binary, "options speak msgpack, shares JSON"
        self.heard.append(message)
        return message

    def _error(self, connection: ServerConnection, code: int, words: str) -> None:
        self._say(connection, {"T": "error", "code": code, "msg": words})

    def _say(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        connection.send(self._frame([message]))

    def _frame(self, messages: list[dict[str, Any]]) -> str | bytes:
        return bytes(msgpack.packb(messages)) if self.binary else json.dumps(messages)

    def _time(self, at: datetime) -> object:
        """A time as it goes over the wire: nanoseconds as text, or msgpack's own timestamp."""
        if self.binary:
            return msgpack.Timestamp.from_datetime(at)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}789Z"
