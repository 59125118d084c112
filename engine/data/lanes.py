"""The threads on which one provider is asked: few, its own, and never waited for when they hang.

A thread that hangs in a library cannot be ended. So whoever asks waits for a while and gives the question up; the
thread is busy until the library comes back, and what it brings then changes nothing. Threads are daemons: a hung one
does not keep the process from ending.
"""

from __future__ import annotations

import contextvars
import heapq
import threading
from collections.abc import Callable
from itertools import count
from typing import Generic, Protocol, TypeVar

import structlog

from engine.data.budget import Urgency
from engine.errors import DeskError

log = structlog.get_logger()

T = TypeVar("T")

MOST = {Urgency.ORDER: 6, Urgency.PERSON: 5, Urgency.SCAN: 4, Urgency.BACKGROUND: 2}
"""Threads of one provider that may be busy when a question of this urgency starts: a scan that keeps four of them
waiting for the provider's allowance leaves two to a stop."""


class Work(Protocol):
    """What a lane does."""

    is_given_up: bool

    def work(self) -> None:
        """Do it, on the thread this is called on; nothing is raised."""


class Call(Generic[T]):
    """A question on its way. It ends once: with an answer, with an error, or given up by whoever asked.

    `settle` is told of an answer or an error before anybody else is, and of nothing once it was given up. `ended` is
    notified at its end; it may be shared between calls that are waited for together.
    """

    def __init__(
        self,
        run: Callable[[], T],
        settle: Callable[[T | None, Exception | None], None],
        ended: threading.Condition,
    ) -> None:
        self._run = run
        self._settle = settle
        self._ended = ended
        self._context = contextvars.copy_context()
        self.value: T | None = None
        self.error: Exception | None = None
        self.has_begun = False
        self.is_over = False
        self.is_given_up = False

    def work(self) -> None:
        """Ask, on the thread this is called on, in the context of whoever made the question."""
        if self.is_given_up:
            return
        self.has_begun = True
        try:
            self._end(self._context.run(self._run), None)
        except DeskError as error:
            self._end(None, error)
        except Exception as bug:
            log.error("provider.broken", exc_info=bug)
            self._end(None, bug)

    def give_up(self) -> bool:
        """Wait no longer; False when it had ended after all."""
        with self._ended:
            self.is_given_up = not self.is_over
            return self.is_given_up

    def _end(self, value: T | None, error: Exception | None) -> None:
        with self._ended:
            if not self.is_given_up:
                self._settle(value, error)
                self.value, self.error, self.is_over = value, error, True
                self._ended.notify_all()


class Lane:
    """The threads of one provider, started when they are needed; the most urgent question is asked first."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._queue: list[tuple[Urgency, int, Work]] = []
        self._order = count()
        self._running: set[Work] = set()
        self._threads = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def start(self, call: Work, urgency: Urgency) -> None:
        """Have it asked as soon as a thread is free for it."""
        with self._changed:
            heapq.heappush(self._queue, (urgency, next(self._order), call))
            if self._threads < MOST[urgency] and self._threads < len(self._running) + len(self._queue):
                self._threads += 1
                name = f"{self._provider}-{self._threads}"
                threading.Thread(target=self._loop, name=name, daemon=True).start()
            self._changed.notify()

    def is_stuck(self, urgency: Urgency) -> bool:
        """Whether every thread for such questions is held by one that nobody waits for any more."""
        with self._changed:
            return sum(call.is_given_up for call in self._running) >= MOST[urgency]

    def close(self) -> None:
        """Start nothing more; threads end with what they are at."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._changed.notify_all()

    def _loop(self) -> None:
        while (call := self._next()) is not None:
            try:
                call.work()
            finally:
                with self._changed:
                    self._running.discard(call)
                    self._changed.notify_all()

    def _next(self) -> Work | None:
        with self._changed:
            while not self._is_closed:
                if self._queue and len(self._running) < MOST[self._queue[0][0]]:
                    call = heapq.heappop(self._queue)[2]
                    self._running.add(call)
                    return call
                self._changed.wait()
            return None
