"""A websocket listened to on a thread of its own for as long as the process runs: lost, it is connected to again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import structlog
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

log = structlog.get_logger()

logging.getLogger("websockets").setLevel(logging.INFO)
"""Below that it writes every frame, and the first one has the keys in it."""

Connection = ClientConnection
Frame = str | bytes

ENDING_LOOK = 0.5
"""Seconds between two looks at whether to end, while nothing comes."""
REASONS = {
    401: "it does not accept the keys",
    402: "it does not accept the keys",
    403: "it does not accept the keys",
    406: "the keys have a connection open already: does another program listen with them?",
    409: "the keys have a connection open already: does another program listen with them?",
    429: "it was asked too often",
}
"""Status of a handshake, or code of an error message -> what is the matter."""
STUBBORN = frozenset({401, 402, 403, 406, 409})
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


class Lost(Exception):
    """The connection is over, and why; `code` where the server gave one."""

    def __init__(self, problem: str, code: int | None = None) -> None:
        super().__init__(problem)
        self.code = code


class Stream:
    """One connection at a time, on its own thread.

    `converse` is called from that thread with every new connection: it says who listens and to what, calls `listening`
    when that was accepted, and reads `frames` until they end. It may raise `Lost`. `name` begins the sentences about
    what went wrong. `address` gives the address of the next connection. `jitter` spreads the tries of many desks after
    an outage.
    """

    def __init__(
        self,
        name: str,
        address: Callable[[], str],
        converse: Callable[[Connection], None],
        jitter: np.random.Generator,
        pauses: Pauses | None = None,
    ) -> None:
        self.name = name
        self.pauses = pauses or Pauses()
        self._address = address
        self._converse = converse
        self._jitter = jitter
        self._ending = threading.Event()
        self._state = StreamState()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

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

    def listening(self) -> None:
        """The server has accepted who listens and to what."""
        self._state = replace(self._state, is_listening=True, problem="", connections=self._state.connections + 1)
        log.info("stream.listening", stream=self.name)

    def frames(self, connection: Connection) -> Iterator[Frame | None]:
        """What comes, None twice a second while nothing does, until the stream is to end."""
        while not self._ending.is_set():
            try:
                frame = connection.recv(timeout=ENDING_LOOK)
            except TimeoutError:
                yield None
                continue
            self._state = replace(self._state, frames=self._state.frames + 1)
            yield frame

    def pause(self, failures: int, lost: Lost) -> float:
        """Seconds to the next try: more each time, at once the longest where trying does not help; 50 % to 100 %."""
        doubled = self.pauses.first * float(1 << min(failures - 1, 10))
        full = self.pauses.longest if lost.code in STUBBORN else min(doubled, self.pauses.longest)
        return full * (0.5 + 0.5 * float(self._jitter.random()))

    def refused(self, code: int, words: str = "") -> Lost:
        """The server does not want to: its code, and what that means (or `words` where it means something else)."""
        return Lost(f"{self.name} does not open ({code}): {words or REASONS.get(code, 'no reason given')}.", code)

    def _run(self) -> None:
        failures = 0
        while not self._ending.is_set():
            before = self._state.connections
            lost = self._listen()
            failures = 1 if self._state.connections > before else failures + 1
            self._state = replace(self._state, is_listening=False, problem=str(lost))
            if not self._ending.is_set():
                log.warning("stream.lost", stream=self.name, problem=str(lost), code=lost.code)
                self._ending.wait(self.pause(failures, lost))

    def _listen(self) -> Lost:
        """Why the connection ended, or why there was none."""
        try:
            with connect(self._address(), open_timeout=self.pauses.answer, close_timeout=ENDING_LOOK) as connection:
                self._converse(connection)
        except Lost as lost:
            return lost
        except InvalidStatus as refused:
            return self.refused(refused.response.status_code)
        except ConnectionClosed as closed:
            reason = closed.rcvd.reason if closed.rcvd is not None else ""
            return Lost(f"{self.name} was cut off{f': {reason}' if reason else ''}.")
        except (WebSocketException, OSError, TimeoutError, EOFError) as problem:
            return Lost(f"{self.name} cannot be reached: {str(problem) or type(problem).__name__}.")
        except Exception as bug:
            log.error("stream.broken", stream=self.name, exc_info=bug)
            return Lost(f"{self.name} broke: {type(bug).__name__}.")
        return Lost("ended by the desk")
