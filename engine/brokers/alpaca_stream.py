"""Alpaca's stream of order updates: it wakes whoever looks after the orders, and does nothing else.

No update is ever applied: what happened is asked for afterwards, by the same look-up that polling does. So an event
that is unknown, malformed, late, repeated or missing changes nothing but the time of that look. Alpaca repeats nothing
after a reconnect, so every connection wakes too.

Source: Alpaca's page "Websocket streaming": JSON, in binary frames from paper accounts and in text frames from live
ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import structlog

from engine.brokers.alpaca_hosts import HOSTS, checked
from engine.streams import REASONS, Connection, Lost, Pauses, Stream, StreamState

log = structlog.get_logger()

SCHEMES = ("ws", "wss")


class TradeStream:
    """One connection on a thread of its own, for as long as the process runs.

    `wake` is called from that thread after every connection and every message; it has to return at once. `connected` is
    called before it at every connection: what happened before is not told again. `jitter` spreads the tries of many
    desks after an outage.

    Raises:
        ConfigError: `url_override` (ALPACA_STREAM_URL) is no address, or Alpaca's for the other kind of account.
    """

    title = "Trade stream"

    def __init__(
        self,
        key: str,
        secret: str,
        wake: Callable[[], None],
        jitter: np.random.Generator,
        *,
        paper: bool = True,
        url_override: str | None = None,
        pauses: Pauses | None = None,
        connected: Callable[[], object] | None = None,
    ) -> None:
        own = next(f"wss://{host}/stream" for host, is_paper in HOSTS.items() if is_paper is paper)
        url = checked(url_override, "ALPACA_STREAM_URL", SCHEMES, paper=paper) if url_override else own
        self._key, self._secret = key, secret
        self._wake = wake
        self._connected = connected
        self._stream = Stream("Alpaca's stream", lambda: url, self._converse, jitter, pauses)

    @property
    def state(self) -> StreamState:
        """How it is doing now."""
        return self._stream.state

    def start(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        self._stream.start()

    def stop(self, seconds: float = 2.0) -> bool:
        """End; whether the thread has ended within so many seconds."""
        return self._stream.stop(seconds)

    def _converse(self, connection: Connection) -> None:
        """Say who listens and to what, then wake on everything that comes, until told to end.

        Raises:
            Lost: the keys are not accepted, or the stream is not there.
        """
        keys = {"key_id": self._key, "secret_key": self._secret}
        self._ask(connection, {"action": "authenticate", "data": keys})
        self._ask(connection, {"action": "listen", "data": {"streams": ["trade_updates"]}})
        self._stream.listening()
        if self._connected is not None:
            self._connected()
        self._tell()
        for frame in self._stream.frames(connection):
            if frame is None:
                continue
            message = _read(frame)
            data = message.get("data")
            log.debug("alpaca.stream_message", stream=message.get("stream"), update=_event(data))
            self._tell()
            self._check(message)

    def _ask(self, connection: Connection, message: dict[str, Any]) -> None:
        connection.send(json.dumps(message))
        answer = _read(connection.recv(timeout=self._stream.pauses.answer))
        self._check(answer)
        data = answer.get("data")
        said = data if isinstance(data, dict) else {}
        if message["action"] == "authenticate" and said.get("status") != "authorized":
            raise self._stream.refused(401)
        if message["action"] == "listen" and "trade_updates" not in (said.get("streams") or ()):
            raise Lost("Alpaca's stream has no trade_updates for this account.")

    def _tell(self) -> None:
        """Wake, whatever comes of it: a listener in trouble must not end the listening."""
        try:
            self._wake()
        except Exception as problem:
            log.error("alpaca.stream_wake_failed", exc_info=problem)

    def _check(self, message: dict[str, Any]) -> None:
        """Nothing, unless the message says that something is wrong.

        Raises:
            Lost: with its code.
        """
        data = message.get("data")
        said = {**message, **(data if isinstance(data, dict) else {})}
        code = said.get("code")
        if isinstance(code, int) and (said.get("T") == "error" or code in REASONS):
            raise self._stream.refused(code)
        if said.get("status") == "unauthorized":
            raise self._stream.refused(401)


def _event(data: object) -> object:
    return data.get("event") if isinstance(data, dict) else None


def _read(frame: str | bytes) -> dict[str, Any]:
    """The JSON object of a frame, text or binary; empty for anything else. A list counts by its first object."""
    try:
        parsed = json.loads(frame)
    except ValueError:
        return {}
    first = parsed[0] if isinstance(parsed, list) and parsed else parsed
    return first if isinstance(first, dict) else {}
