"""Streams whose server says the keys back, at the handshake, at the log-in or later: they are written nowhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from bot import logs
from bot.settings import LoggingSettings
from engine.brokers.alpaca_stream import TradeStream
from engine.data.alpaca_ticks import OPTIONS, SHARES, AlpacaTicks
from engine.errors import BrokerUnavailable
from engine.streams import Pauses
from tests.faults.planted import PLANTED, configured, leaks, spoken, told_of
from tests.faults.test_planted_secrets import logging_as_it_was
from tests.waiting import until

__all__ = ["logging_as_it_was"]
KEYS = PLANTED["ALPACA_API_KEY"], PLANTED["ALPACA_SECRET_KEY"]
PAUSES = Pauses(first=0.02, longest=0.02, answer=1.0)
WAYS = ("handshake", "refused", "unauthorized", "cut off", "garbage", "later")


@contextmanager
def careless(way: str) -> Iterator[str]:
    """The address of a server that fails in this way, saying everything it was told."""

    def talk(connection: ServerConnection) -> None:
        try:
            Talk(connection, way).go()
        except ConnectionClosed:
            return

    def greet(connection: ServerConnection, request: Request) -> Response | None:
        if way != "handshake":
            return None
        return connection.respond(HTTPStatus.FORBIDDEN, f"{request.path} {request.headers} {spoken()}")

    with serve(talk, "127.0.0.1", 0, process_request=greet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{port_of(server)}"
        finally:
            server.shutdown()
            thread.join(5)


def port_of(server: Server) -> int:
    return int(server.socket.getsockname()[1])


class Talk:
    """One connection, in the words of whichever of Alpaca's streams it is of."""

    def __init__(self, connection: ServerConnection, way: str) -> None:
        self.connection, self.way = connection, way
        path = connection.request.path if connection.request is not None else ""
        self.is_trades = path == "/stream"
        self.pack: Callable[[object], str | bytes] = msgpack.packb if path.startswith("/v1beta1") else json.dumps
        self.said = ""

    def go(self) -> None:
        if not self.is_trades:
            self.say({"T": "success", "msg": "connected"})
        self.hear()
        self.fail()

    def fail(self) -> None:
        match self.way:
            case "refused":
                self.say({"T": "error", "code": 402, "msg": self.said})
            case "unauthorized":
                data = {"status": "unauthorized", "action": self.said, "message": self.said}
                self.say({"stream": "authorization", "data": data, "T": "error", "code": 401, "msg": self.said})
            case "cut off":
                self.connection.close(1008, f"{KEYS[0]} {KEYS[1]}")
            case "garbage":
                self.connection.send(self.said)
                self.connection.send(self.said.encode())
            case _:
                self.accept()
                self.say({"T": self.said, "stream": self.said, "data": {"event": self.said}, "msg": self.said})
                self.say({"T": "error", "code": 500, "msg": self.said, "data": {"code": 401, "error": self.said}})
        self.connection.close(1011, f"{KEYS[1]}")

    def accept(self) -> None:
        if self.is_trades:
            self.say({"stream": "authorization", "data": {"status": "authorized"}})
            self.hear()
            self.say({"stream": "listening", "data": {"streams": ["trade_updates"]}})
        else:
            self.say({"T": "success", "msg": "authenticated"})

    def hear(self) -> None:
        heard = self.connection.recv(timeout=5)
        self.said += f"{heard!r} {spoken()}"

    def say(self, message: dict[str, object]) -> None:
        self.connection.send(self.pack(message if self.is_trades else [message]))


@pytest.mark.parametrize("way", WAYS)
def test_no_key_is_written_however_a_stream_fails(way: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dice = np.random.default_rng(1)
    with careless(way) as url:
        logs.configure(LoggingSettings(level="debug", format="console"))
        logs.keep_secrets(configured(url.replace("ws", "http", 1), tmp_path))
        streams = (
            TradeStream(*KEYS, lambda: None, dice, url_override=f"{url}/stream", pauses=PAUSES),
            AlpacaTicks(SHARES, *KEYS, dice, url=url, pauses=PAUSES),
            AlpacaTicks(OPTIONS, *KEYS, dice, url=url, pauses=PAUSES),
        )
        for stream in streams:
            stream.start()
        failed = until(lambda: all(stream.state.problem for stream in streams))
        problems = [BrokerUnavailable(f"{stream.title}: {stream.state.words}") for stream in streams]
        assert all(stream.stop(5) for stream in streams)
        told = told_of(problems)
    written = capfd.readouterr()

    assert failed
    assert written.err.count("stream.lost") >= len(streams)
    assert leaks(told) == []
    assert leaks(written.err + written.out) == []
