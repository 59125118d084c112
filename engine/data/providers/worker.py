"""A thread of its own for a library that may hang or must not be used from two threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

import structlog

from engine.data.providers.trouble import Unreachable

log = structlog.get_logger()

MOST_LEFT_BEHIND = 3
"""Threads that may hang at the same time before nothing more is asked."""
STARTING = 30.0
"""Seconds more for the first call on a thread: it loads the library."""
ENDING = 2.0


class Closes(Protocol):
    """Something that is let go of on the thread that made it."""

    def close(self) -> None: ...


Held = TypeVar("Held", bound=Closes)
Result = TypeVar("Result")


class Silent(Unreachable):
    """Nothing came in time: no time is left to ask again."""


class Worker(Generic[Held]):
    """Calls on what `make` gives, one after the other, all on one daemon thread, each with a deadline.

    A call that misses its deadline is left behind with its thread, and the next one gets a new thread and a new `Held`.
    Once `MOST_LEFT_BEHIND` of them hang nothing is asked until one comes back.
    """

    def __init__(self, name: str, make: Callable[[], Held]) -> None:
        self._name = name
        self._make = make
        self._turn = threading.Lock()
        self._thread: _Thread[Held] | None = None
        self._left_behind: list[_Thread[Held]] = []

    def run(self, call: Callable[[Held], Result], seconds: float) -> Result:
        """What `call` gives, or raises, within `seconds` of its turn.

        Raises:
            Silent: its turn or its answer does not come in time, or too many calls hang already.
        """
        with self._my_turn(seconds):
            thread = self._ready()
            limit = seconds if thread.has_started else seconds + STARTING
            done = thread.do(call)
            try:
                return done.result(limit)
            except TimeoutError:
                if done.done():
                    raise
                self._leave_behind()
                raise Silent(f"{self._name} has not come back after {limit:.0f} s.") from None

    def close(self) -> None:
        """End the thread; one that hangs is left to the end of the process."""
        if not self._turn.acquire(timeout=ENDING):
            return
        thread, self._thread = self._thread, None
        self._turn.release()
        if thread is not None:
            thread.end()
            thread.join(ENDING)

    @contextmanager
    def _my_turn(self, seconds: float) -> Iterator[None]:
        if not self._turn.acquire(timeout=seconds):
            raise Silent(f"{self._name} is busy with other questions.")
        try:
            yield
        finally:
            self._turn.release()

    def _ready(self) -> _Thread[Held]:
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        if len(self._left_behind) >= MOST_LEFT_BEHIND:
            raise Silent(f"{self._name} hangs: {len(self._left_behind)} calls have not come back.")
        if self._thread is None:
            self._thread = _Thread(self._name, self._make)
            self._thread.start()
        return self._thread

    def _leave_behind(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            log.warning("provider.hangs", provider=self._name, left_behind=len(self._left_behind) + 1)
            thread.end()
            self._left_behind.append(thread)


class _Thread(threading.Thread, Generic[Held]):
    """Does what comes in until it is told to end; a daemon, so that a call that hangs never keeps the desk open."""

    def __init__(self, name: str, make: Callable[[], Held]) -> None:
        super().__init__(name=f"provider-{name}", daemon=True)
        self._make = make
        self._inbox: SimpleQueue[tuple[Callable[[Held], Any], Future[Any]] | None] = SimpleQueue()
        self.has_started = False

    def do(self, call: Callable[[Held], Result]) -> Future[Result]:
        done: Future[Result] = Future()
        self._inbox.put((call, done))
        return done

    def end(self) -> None:
        """After what it is doing now."""
        self._inbox.put(None)

    def run(self) -> None:
        held: Held | None = None
        while (task := self._inbox.get()) is not None:
            call, done = task
            try:
                if held is None:
                    held = self._make()
                    self.has_started = True
                done.set_result(call(held))
            except Exception as problem:  # noqa: BLE001 - whatever it was, the thread that asked gets it
                done.set_exception(problem)
        if held is not None:
            held.close()
