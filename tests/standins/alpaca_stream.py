"""Alpaca's websocket of order updates, pretended: authenticate, listen, then one frame for every change of an order.

Paper accounts get JSON in binary frames, live ones in text. Nothing that happened while nobody listened is ever told.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.standins import alpaca_json
from tests.standins.alpaca_book import OrderState
from tests.standins.alpaca_exchange import Exchange, Row, stamp

CUT = None
"""Ends a connection."""


@dataclass(slots=True)
class _Listener:
    """One connection and what waits to be sent to it."""

    waiting: queue.Queue[str | bytes | None] = field(default_factory=queue.Queue)


class AlpacaStream:
    """The server, on the path `/stream` of a port of its own."""

    def __init__(self, exchange: Exchange, key: str, secret: str, port: int = 0, *, binary: bool = True) -> None:
        self._exchange = exchange
        self._keys = {"key_id": key, "secret_key": secret}
        self._binary = binary
        self._listeners: list[_Listener] = []
        self._lock = threading.Lock()
        self.refuse_next: list[int] = []
        """Statuses that the next handshakes are refused with."""
        self.handshakes = 0
        self.heard: list[Any] = []
        """Every message of a client."""
        self._server = serve(self._serve, "127.0.0.1", port, process_request=self._handshake, close_timeout=0.2)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Its address, for ALPACA_STREAM_URL."""
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/stream"

    def __enter__(self) -> AlpacaStream:
        self._exchange.listeners.append(self._updated)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._exchange.listeners.remove(self._updated)
        self.cut_all()
        self._server.shutdown()
        self._thread.join()

    # what a test turns

    def push(self, frame: str | bytes) -> None:
        """Send a frame as it is to everybody who listens."""
        with self._lock:
            for listener in self._listeners:
                listener.waiting.put(frame)

    def cut_all(self) -> None:
        """End every connection without a word."""
        with self._lock:
            for listener in self._listeners:
                listener.waiting.put(CUT)

    @property
    def listening(self) -> int:
        """How many connections are listening to trade_updates."""
        with self._lock:
            return len(self._listeners)

    # the wire

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        if self.refuse_next:
            return connection.respond(HTTPStatus(self.refuse_next.pop(0)), "refused\n")
        if request.path != "/stream":
            return connection.respond(HTTPStatus.NOT_FOUND, "not found\n")
        return None

    def _serve(self, connection: ServerConnection) -> None:
        try:
            self._talk(connection)
        except ConnectionClosed:
            return

    def _talk(self, connection: ServerConnection) -> None:
        asked = self._hear(connection)
        known = asked.get("action") == "authenticate" and asked.get("data") == self._keys
        status = {"status": "authorized" if known else "unauthorized", "action": "authenticate"}
        self._say(connection, {"stream": "authorization", "data": status})
        if not known:
            return
        wanted = self._hear(connection).get("data", {}).get("streams", [])
        streams = [name for name in wanted if name == "trade_updates"]
        answer = {"stream": "listening", "data": {"streams": streams}}
        if not streams:
            self._say(connection, answer)
            return
        listener = _Listener()
        with self._lock:
            self._listeners.append(listener)
        self._forward(connection, listener, answer)

    def _forward(self, connection: ServerConnection, listener: _Listener, answer: dict[str, Any]) -> None:
        """Say that it listens, then everything that has happened from a moment before on."""
        try:
            self._say(connection, answer)
            while (frame := listener.waiting.get()) is not CUT:
                connection.send(frame)
            connection.socket.close()
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def _hear(self, connection: ServerConnection) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(connection.recv(timeout=10))
        self.heard.append(message)
        return message

    def _say(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        connection.send(self._frame(message))

    def _frame(self, message: dict[str, Any]) -> str | bytes:
        text = json.dumps(message)
        return text.encode() if self._binary else text

    def _updated(self, event: str, order: OrderState, execution: Row | None) -> None:
        """Called by the exchange, under its lock."""
        data = {"event": event, "timestamp": stamp(self._exchange.now()), "order": alpaca_json.order(order)}
        if execution is not None:
            position = self._exchange.held(execution["symbol"])
            data |= {
                "execution_id": execution["id"].partition("::")[2],
                "price": execution["price"],
                "qty": execution["qty"],
                "position_qty": str(position),
            }
        self.push(self._frame({"stream": "trade_updates", "data": data}))
