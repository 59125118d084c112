"""The places where a desk may be killed: before and after every commit and every call to the broker, in any thread."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.store import Store, UnitOfWork


class Boundary:
    """Counts the places that are crossed and ends the process, without any clean-up, at the chosen one (0: never)."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.count = 0
        self._lock = threading.Lock()

    def cross(self) -> None:
        with self._lock:
            self.count += 1
            if self.count == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)


class StepStore:
    """The real store, with a boundary before and after each commit."""

    def __init__(self, store: Store, boundary: Boundary) -> None:
        self._store, self._boundary = store, boundary

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        with self._store.begin() as work:
            yield work
            self._boundary.cross()
        self._boundary.cross()


class StepBroker:
    """The real adapter, with a boundary before and after each call that asks for something to happen or what did."""

    def __init__(self, broker: Any, boundary: Boundary) -> None:
        self._broker, self._boundary = broker, boundary

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._broker, name)
        if not callable(inner):
            return inner

        def stepped(*arguments: object, **named: object) -> object:
            self._boundary.cross()
            answer = inner(*arguments, **named)
            self._boundary.cross()
            return answer

        return stepped
