"""What goes out waits its turn here: per chat and over all chats, answers to people before what can wait.

The rates are those of https://core.telegram.org/bots/faq ("My bot is hitting limits"): one message a second in a
chat, twenty a minute in a group, about thirty a second over all. Edits count as messages.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

import structlog

from alerts.outbox import Later

log = structlog.get_logger()

T = TypeVar("T")
Wait = Callable[[asyncio.Event, float], Awaitable[None]]


class Urgency(IntEnum):
    """Who goes first."""

    PERSON = 0
    """The answer to somebody who waits for it, and what is urgent."""
    CARD = 1


class Flooded(Exception):
    """Telegram takes nothing more for this chat for so many seconds (429)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many messages: not before {seconds:g} s are over")
        self.seconds = seconds


class Window:
    """At most `most` messages in any `seconds`; what can wait leaves `reserve` of them to people."""

    def __init__(self, most: int, seconds: float, reserve: int = 0) -> None:
        self.most = most
        self.seconds = seconds
        self.reserve = reserve
        self._ends: deque[float] = deque(maxlen=most)

    def took(self, at: float, messages: int = 1) -> None:
        """So many messages went out."""
        self._ends.extend([at] * messages)

    def wait(self, now: float, urgency: Urgency, ahead: int = 0) -> float:
        """Seconds until one more may go, when `ahead` others go before it.

        >>> window = Window(2, 60.0)
        >>> window.took(100.0), window.took(110.0)
        (None, None)
        >>> window.wait(130.0, Urgency.PERSON), window.wait(130.0, Urgency.PERSON, ahead=1)
        (30.0, 40.0)
        """
        most = self.most - (self.reserve if urgency is Urgency.CARD else 0)
        free = [end + self.seconds for end in self._ends][-most:]
        while ahead >= 0:
            start = max(now, free[-most]) if len(free) >= most else now
            free.append(start + self.seconds)
            ahead -= 1
        return free[-1] - self.seconds - now


def is_group(chat: str) -> bool:
    """Whether the chat's number is that of a group."""
    return chat.startswith("-")


class Limits:
    """When the next message may go to a chat; knows no clock: `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._all = Window(28, 1.0, reserve=6)
        self._chats: dict[str, tuple[Window, ...]] = {}
        self._held: dict[str, float] = {}
        self._all_held = 0.0

    def wait(self, chat: str, now: float, urgency: Urgency, ahead: int = 0) -> float:
        """Seconds until one more message may go to `chat` behind `ahead` others; 0 for at once."""
        held = max(self._held.get(chat, 0.0), self._all_held) - now
        windows = (window.wait(now, urgency, ahead) for window in self._windows(chat))
        return max(0.0, held, self._all.wait(now, urgency), *windows)

    def begins(self, now: float, messages: int = 1) -> None:
        """Messages or edits are on their way: several chats have theirs at once."""
        self._all.took(now, messages)

    def ended(self, chat: str, now: float, messages: int = 1) -> None:
        """They have arrived in `chat`. Counted from here, two never come too close together there."""
        for window in self._windows(chat):
            window.took(now, messages)

    def hold(self, chat: str, now: float, seconds: float) -> None:
        """Telegram takes nothing for `chat` now. A second chat of which it says so at once means: for none."""
        others = [until for name, until in self._held.items() if name != chat and until > now]
        self._held[chat] = max(self._held.get(chat, 0.0), now + seconds)
        if others:
            self._all_held = max(self._all_held, min(*others, now + seconds))

    def _windows(self, chat: str) -> tuple[Window, ...]:
        if chat not in self._chats:
            second = Window(1, 1.0)
            self._chats[chat] = (second, Window(20, 60.0, reserve=6)) if is_group(chat) else (second,)
        return self._chats[chat]


@dataclass(slots=True)
class _Job:
    chat: str
    urgency: Urgency
    number: int
    work: Callable[[], Awaitable[Any]]
    patience: float | None
    messages: int
    done: asyncio.Future[Any] = field(repr=False)

    @property
    def rank(self) -> tuple[int, int]:
        return self.urgency, self.number


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait for `wake`, at most so long."""
    try:
        await asyncio.wait_for(wake.wait(), seconds)
    except TimeoutError:
        return


class Outgoing:
    """Sends one thing at a time to each chat, in order of urgency and arrival, as fast as the limits allow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, wait: Wait = woken) -> None:
        self.limits = Limits()
        self._clock = clock
        self._wait = wait
        self._jobs: list[_Job] = []
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None
        self._number = 0

    async def send(
        self,
        chat: str,
        work: Callable[[], Awaitable[T]],
        urgency: Urgency = Urgency.PERSON,
        patience: float | None = None,
        messages: int = 1,
    ) -> T:
        """What `work` returns, once it is its turn; it makes so many messages. It may raise `Flooded`: it is done
        again later.

        Raises:
            Later: it would have to wait longer than `patience` seconds.
        """
        self.ask(chat, urgency, patience)
        self._number += 1
        job = _Job(chat, urgency, self._number, work, patience, messages, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._drive()
        result: T = await job.done
        return result

    def ask(self, chat: str, urgency: Urgency, patience: float | None) -> None:
        """Whether a message may wait for its turn: for whoever has work to do before there is one.

        Raises:
            Later: it would have to wait longer than `patience` seconds.
        """
        if patience is not None and (expected := self.expected(chat, urgency)) > patience:
            raise Later(expected)

    def expected(self, chat: str, urgency: Urgency) -> float:
        """Seconds a message to `chat` would wait now."""
        before = sum(1 for job in self._jobs if job.chat == chat and job.urgency <= urgency and not job.done.done())
        return self.limits.wait(chat, self._clock(), urgency, before + (chat in self._busy))

    async def close(self) -> None:
        """Give up what waits; what is on its way is let go."""
        waiting = [task for task in (self._driver, *self._tasks) if task is not None]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for job in self._jobs:
            job.done.cancel()
        self._jobs.clear()
        self._busy.clear()

    def _drive(self) -> None:
        self._wake.set()
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        while self._jobs:
            self._wake.clear()
            wait = self._start_next()
            if wait > 0:
                await self._wait(self._wake, wait)

    def _start_next(self) -> float:
        """Start the first job that may go; the seconds until one may where none can go now."""
        self._jobs = [job for job in self._jobs if not job.done.done()]
        now = self._clock()
        first = [job for job in sorted(self._jobs, key=lambda job: job.rank) if job.chat not in self._busy]
        soonest = 60.0
        for job in first:
            wait = self.limits.wait(job.chat, now, job.urgency)
            if wait <= 0:
                self._start(job)
                return 0.0
            soonest = min(soonest, wait)
        return soonest

    def _start(self, job: _Job) -> None:
        self._jobs.remove(job)
        self._busy.add(job.chat)
        self.limits.begins(self._clock(), job.messages)
        task = asyncio.create_task(self._do(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, job: _Job) -> None:
        try:
            result = await job.work()
        except Flooded as flood:
            self._flooded(job, flood)
        except asyncio.CancelledError:
            job.done.cancel()
            raise
        except Exception as problem:  # noqa: BLE001 - whoever asked for it hears of it
            if not job.done.done():
                job.done.set_exception(problem)
        else:
            if not job.done.done():
                job.done.set_result(result)
        finally:
            self._busy.discard(job.chat)
            self.limits.ended(job.chat, self._clock(), job.messages)
            self._drive()

    def _flooded(self, job: _Job, flood: Flooded) -> None:
        """Let the chat rest. What may be put off is handed back, everything else waits and goes first."""
        log.warning("telegram.flooded", chat=job.chat, seconds=flood.seconds)
        self.limits.hold(job.chat, self._clock(), flood.seconds)
        if job.done.done():
            return
        if job.patience is not None and flood.seconds > job.patience:
            job.done.set_exception(Later(flood.seconds))
        else:
            self._jobs.append(job)
