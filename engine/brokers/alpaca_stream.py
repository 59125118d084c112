"""Alpaca's stream of order updates: it wakes whoever looks after the orders, and does nothing else.

No update is ever applied: what happened is asked for afterwards, by the same look-up that polling does. So an event
that is unknown, malformed, late, repeated or missing changes nothing but the time of that look. Alpaca repeats nothing
after a reconnect, so every connection wakes too.

Source: Alpaca's page "Websocket streaming": JSON, in binary frames from paper accounts and in text frames from live
ones.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from engine.brokers.alpaca_hosts import HOSTS, checked

log = structlog.get_logger()

SCHEMES = ("ws", "wss")
ENDING_LOOK = 0.5
"""Seconds between two looks at whether to end, while nothing comes."""
REASONS = {
    401: "it does not accept the keys",
    403: "it does not accept the keys",
    406: "the keys have a connection open already: does another program listen with them?",
    409: "the keys have a connection open already: does another program listen with them?",
    429: "it was asked too often",
}
"""Status of a handshake, or code of an error message -> what is the matter."""
STUBBORN = frozenset({401, 403, 406, 409})
"""Codes that do not go away by trying again soon."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds before the next try to connect: doubled from `first` to `longest`, and how long an answer may take."""

    first: float = 1.0
    longest: float = 60.0
    answer: float = 10.0


@dataclass(frozen=True, slots=True)
class StreamState:
    """How the stream is doing. `problem`: what ended the latest connection, "" while it listens."""

    is_listening: bool = False
    connections: int = 0
    frames: int = 0
    problem: str = ""

    @property
    def words(self) -> str:
        """For /health."""
        return f"listening, {self.frames} messages" if self.is_listening else self.problem or "not connected yet"


class _Lost(Exception):
    """The connection is over, and why; `code` where the server gave one."""

    def __init__(self, problem: str, code: int | None = None) -> None:
        super().__init__(problem)
        self.code = code


class TradeStream:
    """One connection on a thread of its own, for as long as the process runs.

    `wake` is called from that thread after every connection and every message; it has to return at once. `connected` is
    called before it at every connection: what happened before is not told again. `jitter` spreads the tries of many
    desks after an outage.

    Raises:
        ConfigError: `url_override` (ALPACA_STREAM_URL) is no address, or Alpaca's for the other kind of account.
    """

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
        self._url = checked(url_override, "ALPACA_STREAM_URL", SCHEMES, paper=paper) if url_override else own
        self._key, self._secret = key, secret
        self._wake = wake
        self._connected = connected
        self._jitter = jitter
        self._pauses = pauses or Pauses()
        self._ending = threading.Event()
        self._state = StreamState()
        self._thread = threading.Thread(target=self._run, name="trade stream", daemon=True)

    @property
    def state(self) -> StreamState:
        """How it is doing now."""
        return self._state

    def start(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        self._thread.start()

    def stop(self, seconds: float = 2.0) -> bool:
        """End; whether the thread has ended within so many seconds."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._ending.is_set():
            before = self._state.connections
            lost = self._listen()
            failures = 1 if self._state.connections > before else failures + 1
            self._state = replace(self._state, is_listening=False, problem=str(lost))
            if not self._ending.is_set():
                log.warning("alpaca.stream_lost", problem=str(lost), code=lost.code)
                self._ending.wait(self._pause(failures, lost))

    def _pause(self, failures: int, lost: _Lost) -> float:
        """Seconds to the next try: more each time, at once the longest where trying does not help; 50 % to 100 %."""
        doubled = self._pauses.first * float(1 << min(failures - 1, 10))
        full = self._pauses.longest if lost.code in STUBBORN else min(doubled, self._pauses.longest)
        return full * (0.5 + 0.5 * float(self._jitter.random()))

    def _listen(self) -> _Lost:
        """Why the connection ended, or why there was none."""
        try:
            with connect(self._url, open_timeout=self._pauses.answer, close_timeout=ENDING_LOOK) as connection:
                self._subscribe(connection)
                self._state = replace(
                    self._state, is_listening=True, problem="", connections=self._state.connections + 1
                )
                log.info("alpaca.stream_listening")
                if self._connected is not None:
                    self._connected()
                self._tell()
                self._receive(connection)
        except _Lost as lost:
            return lost
        except InvalidStatus as refused:
            return _refused(refused.response.status_code)
        except ConnectionClosed as closed:
            reason = closed.rcvd.reason if closed.rcvd is not None else ""
            return _Lost(f"Alpaca's stream was cut off{f': {reason}' if reason else ''}.")
        except (WebSocketException, OSError, TimeoutError, EOFError) as problem:
            return _Lost(f"Alpaca's stream cannot be reached: {str(problem) or type(problem).__name__}.")
        except Exception as bug:
            log.error("alpaca.stream_broken", exc_info=bug)
            return _Lost(f"Alpaca's stream broke: {type(bug).__name__}.")
        return _Lost("ended by the desk")

    def _subscribe(self, connection: ClientConnection) -> None:
        """Say who listens and to what.

        Raises:
            _Lost: the keys are not accepted, or the stream is not there.
        """
        keys = {"key_id": self._key, "secret_key": self._secret}
        self._ask(connection, {"action": "authenticate", "data": keys})
        self._ask(connection, {"action": "listen", "data": {"streams": ["trade_updates"]}})

    def _ask(self, connection: ClientConnection, message: dict[str, Any]) -> None:
        connection.send(json.dumps(message))
        answer = _read(connection.recv(timeout=self._pauses.answer))
        _check(answer)
        data = answer.get("data")
        said = data if isinstance(data, dict) else {}
        if message["action"] == "authenticate" and said.get("status") != "authorized":
            raise _refused(401)
        if message["action"] == "listen" and "trade_updates" not in (said.get("streams") or ()):
            raise _Lost("Alpaca's stream has no trade_updates for this account.")

    def _receive(self, connection: ClientConnection) -> None:
        """Wake on everything that comes, until told to end."""
        while not self._ending.is_set():
            try:
                frame = connection.recv(timeout=ENDING_LOOK)
            except TimeoutError:
                continue
            self._state = replace(self._state, frames=self._state.frames + 1)
            message = _read(frame)
            data = message.get("data")
            log.debug("alpaca.stream_message", stream=message.get("stream"), update=_event(data))
            self._tell()
            _check(message)

    def _tell(self) -> None:
        """Wake, whatever comes of it: a listener in trouble must not end the listening."""
        try:
            self._wake()
        except Exception as problem:
            log.error("alpaca.stream_wake_failed", exc_info=problem)


def _refused(code: int) -> _Lost:
    return _Lost(f"Alpaca's stream does not open ({code}): {REASONS.get(code, 'no reason given')}.", code)


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


def _check(message: dict[str, Any]) -> None:
    """Nothing, unless the message says that something is wrong.

    Raises:
        _Lost: with its code.
    """
    data = message.get("data")
    said = {**message, **(data if isinstance(data, dict) else {})}
    code = said.get("code")
    if isinstance(code, int) and (said.get("T") == "error" or code in REASONS):
        raise _refused(code)
    if said.get("status") == "unauthorized":
        raise _refused(401)
