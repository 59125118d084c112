"""At-least-once delivery of events, over restarts: routed once, tried until sent, each destination in its own lane.

A lane keeps its order: urgent cards first, then as things happened; what fails keeps its place until it gets through.
Of several events that wait for one card one message is made, for a card is drawn as things stand. Nothing in one lane
holds up another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

import structlog
from structlog.contextvars import bound_contextvars

from alerts.routes import Route
from engine import meters
from engine.model.events import Event, Severity
from engine.model.records import Delivery
from engine.redaction import clean
from engine.store import Store, UnitOfWork, Waiting

log = structlog.get_logger()

T = TypeVar("T")

Deliver = Callable[[Event, Delivery], Awaitable[str]]
"""Posts or edits the card of one delivery on its destination and returns the message's reference there, "" where
nothing had to be sent: that is done too, and says nothing of whether the destination takes messages."""

Lost = Callable[[UnitOfWork, Delivery, str], None]
"""Writes down that a delivery was given up and why, in the transaction that gives it up."""


class Run(Protocol):
    """Runs work on the store, off the event loop where there is one."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]: ...


class Later(Exception):
    """The platform takes this message in so many seconds, not before: no failure, only a wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not before {seconds:g} s are over")
        self.seconds = seconds


class Unanswered(Exception):
    """Nobody said whether the message has arrived: trying again may leave it there twice."""


class Undeliverable(Exception):
    """This destination will never take the message: the bot was blocked or put out, or there is no such chat."""


FIRST_RETRY = timedelta(seconds=2)
LAST_RETRY = timedelta(minutes=5)
BATCH = 200
HOLDS = 4
"""Failed tries (14 s) after which those behind have a turn too: the fault may be the message's own."""
GIVES_UP = 10
"""Failed tries (13 min) after which a message is given up, if others got through about the time of the last of them."""
MOST_SICK = 5
"""Messages in a row that fail, from which it is their destination that takes none."""
KEPT_FOR = timedelta(days=45)
"""How long what was delivered is kept in the outbox: service levels look thirty sessions back."""
FORGETS_EVERY = timedelta(hours=1)

_BUSY: WeakKeyDictionary[Store, dict[str, object]] = WeakKeyDictionary()
"""The lanes that somebody in this process is driving; the desk's lease keeps other processes out."""


def back_off(attempts: int) -> timedelta:
    """2 s, 4 s, 8 s ... at most five minutes.

    >>> back_off(3)
    datetime.timedelta(seconds=16)
    """
    return min(FIRST_RETRY * float(1 << min(attempts, 20)), LAST_RETRY)


def route_new(store: Store, route: Callable[[Event], tuple[Route, ...]]) -> int:
    """Enqueue what has not been routed yet, and return how many deliveries that made."""
    made = 0
    with store.read() as reading:
        if not reading.unrouted_events(1):
            return 0
    with store.begin() as work:
        events = work.unrouted_events(BATCH)
        for event in events:
            for target in route(event):
                work.enqueue(event.id, target.destination, 0, target.key, urgent=event.severity is Severity.URGENT)
                made += 1
        work.mark_routed(tuple(event.id for event in events))
    return made


def _was_passed(work: UnitOfWork, delivery: Delivery, tries: int) -> bool:
    """Whether others got through since this message failed for so many times: the fault is its own then."""
    if delivery.attempts < tries or delivery.next_try is None:
        return False
    waited = sum((back_off(each) for each in range(tries - 1, delivery.attempts)), timedelta(0))
    last = work.last_sent(delivery.destination)
    return last is not None and last >= delivery.next_try - waited


async def inline(work: Callable[[], T]) -> T:
    """Runs at once, in the caller's thread."""
    return work()


def unheard(work: UnitOfWork, delivery: Delivery, why: str) -> None:
    """Nobody is told of what was given up."""
    del work, delivery, why


@dataclass(frozen=True, slots=True)
class Outbox:
    """Where events wait for their destinations, and how they get there."""

    store: Store
    now: Callable[[], datetime]
    route: Callable[[Event], tuple[Route, ...]]
    deliver: Deliver
    lost: Lost = unheard
    run: Run = inline
    goes_on: Callable[[], bool] = lambda: True
    """Whether another message is begun."""

    async def due(self) -> tuple[str, ...]:
        """The destinations with something to try now, when everything new has been routed."""
        return await self.run(self._routed)

    def _routed(self) -> tuple[str, ...]:
        while route_new(self.store, self.route):
            continue
        with self.store.read() as work:
            return work.due_destinations(self.now())

    async def lane(self, destination: str) -> int:
        """Deliver what waits for one destination until nothing is due; returns how many messages it took.

        A lane that somebody drives already is left to them: two at once would send everything twice.
        """
        busy = _BUSY.setdefault(self.store, {})
        mine = object()
        if busy.setdefault(destination, mine) is not mine:
            return 0
        try:
            return await self._drive(destination)
        finally:
            del busy[destination]

    async def _drive(self, destination: str) -> int:
        sent = passed = 0
        sick: list[Waiting] = []
        told: list[Event] = []
        while (found := await self.run(partial(self._next, destination, sick))) is not None:
            card, event = found
            outcome = await self._try(card, event)
            if isinstance(outcome, str):
                sent, passed = sent + 1, passed + bool(sick and outcome)
            elif isinstance(outcome, Undeliverable):
                await self._give_up(card, str(outcome))
            elif await self._holds_up(card, outcome) or len(sick) == MOST_SICK - 1:
                break
            else:
                sick.append(card)
                told.append(event)
        for card, event in zip(sick, told, strict=True):
            if card.first.attempts + 1 >= GIVES_UP and (passed or await self.run(partial(self._is_passed, card))):
                sent += await self._last_try(card, event)
        return sent

    async def _last_try(self, card: Waiting, event: Event) -> bool:
        """Whether a message that failed often gets through now, right after others did: else it is given up.

        At the end of an outage its own try may have been the last to fail.
        """
        outcome = await self._try(card, event)
        if isinstance(outcome, Later):
            await self._holds_up(card, outcome)
        elif not isinstance(outcome, str):
            await self._give_up(card, f"It failed {GIVES_UP} times while others got through.")
        return isinstance(outcome, str)

    def _next(self, destination: str, sick: Sequence[Waiting]) -> tuple[Waiting, Event] | None:
        """The next card with the latest event it tells of; None when there is none or its time has not come."""
        if not self.goes_on():
            return None
        skip = [card.first.key for card in sick]
        with self.store.read() as work:
            while (card := work.next_card(destination, skip)) is not None:
                if card.first.next_try is None or card.first.next_try <= self.now():
                    return card, work.event(card.all[-1].event_id)
                if not _was_passed(work, card.first, HOLDS):
                    return None
                skip.append(card.first.key)
        return None

    def _is_passed(self, card: Waiting) -> bool:
        """Whether others got through between the last two tries of a message: `card` is from before the latest."""
        with self.store.read() as work:
            return _was_passed(work, card.first, card.first.attempts)

    async def _try(self, card: Waiting, event: Event) -> str | Exception:
        """Deliver and note it: its reference, or what went wrong, whatever a platform throws: it stays queued."""
        try:
            with bound_contextvars(trade=event.correlation, about=event.id):
                ref = await self.deliver(event, card.first)
        except Exception as problem:  # noqa: BLE001
            where = card.first.destination
            log.warning(
                "outbox.failed", destination=where, about=event.id, trade=event.correlation, problem=repr(problem)
            )
            if not isinstance(problem, Later):
                meters.erred(type(problem).__name__)
            return problem
        await self.run(lambda: self._arrived(card, ref))
        meters.DELIVERY.observe(max(0.0, (self.now() - event.at).total_seconds()))
        return ref

    def _arrived(self, card: Waiting, ref: str) -> None:
        with self.store.begin() as work:
            work.mark_sent(card.ids, ref, self.now())

    async def _holds_up(self, card: Waiting, problem: Exception) -> bool:
        """Note when to try again; whether those behind it wait as long."""
        if isinstance(problem, Later):
            await self.run(lambda: self._postpone(card, timedelta(seconds=problem.seconds)))
            return True
        await self.run(lambda: self._failed(card, problem))
        return card.first.attempts + 1 < HOLDS

    def _postpone(self, card: Waiting, wait: timedelta) -> None:
        with self.store.begin() as work:
            work.hold_back(card.first.id, self.now() + wait)

    def _failed(self, card: Waiting, problem: Exception) -> None:
        again = self.now() + back_off(card.first.attempts)
        is_unsure = isinstance(problem, Unanswered | TimeoutError)
        with self.store.begin() as work:
            work.mark_failed(card.first.id, clean(repr(problem))[:500], again, unanswered=is_unsure)

    async def _give_up(self, card: Waiting, why: str) -> None:
        log.error("outbox.given_up", destination=card.first.destination, key=card.first.key, why=why)
        await self.run(lambda: self._given_up(card, why))

    def _given_up(self, card: Waiting, why: str) -> None:
        with self.store.begin() as work:
            work.give_up(card.ids, clean(why)[:500], self.now())
            self.lost(work, card.first, why)

    def hurry(self) -> int:
        """Try now what a clock that was ahead has put off for longer than any failure does."""
        with self.store.begin() as work:
            return work.hurry(self.now() + LAST_RETRY)

    def forget(self) -> int:
        """Delete what was delivered long ago; returns how many rows that were."""
        with self.store.begin() as work:
            return work.forget_sent(self.now() - KEPT_FOR)


async def pump(
    store: Store,
    now: Callable[[], datetime],
    route: Callable[[Event], tuple[Route, ...]],
    deliver: Deliver,
    lost: Lost = unheard,
) -> int:
    """Route what is new and deliver what is due, one destination after the other; returns how many messages it took.

    For a replay, where the same inputs give the same bytes; a live desk has `Lanes`.
    """
    outbox = Outbox(store, now, route, deliver, lost)
    return sum([await outbox.lane(destination) for destination in await outbox.due()])


class Lanes:
    """The outbox of a live desk: every destination has a task of its own while something is due there."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = replace(outbox, goes_on=lambda: not self._is_ending and outbox.goes_on())
        self._is_ending = False
        self._tasks: dict[str, asyncio.Task[int]] = {}
        self._forgot: datetime | None = None
        self._looked: datetime | None = None
        self._broken: dict[str, tuple[int, float]] = {}
        """Lanes that broke off, how often in a row, and when (monotonic) they begin again."""

    async def look(self) -> None:
        """Route what is new and begin every lane with something due; waits for none of them."""
        now = self._outbox.now()
        if self._looked is None or now < self._looked:
            await self._outbox.run(self._outbox.hurry)
        self._looked = now
        for destination in await self._outbox.due():
            if destination not in self._tasks and self._may_begin(destination):
                task = asyncio.create_task(self._outbox.lane(destination), name=f"outbox {destination}")
                self._tasks[destination] = task
                task.add_done_callback(lambda done, name=destination: self._ended(name, done))  # type: ignore[misc]
        await self._tidy()

    def _may_begin(self, destination: str) -> bool:
        """Not at once after it broke off: where nothing can be noted, every try would be a message more."""
        return self._broken.get(destination, (0, 0.0))[1] <= time.monotonic()

    async def idle(self) -> None:
        """Wait until no lane is at work."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def stop(self, seconds: float) -> None:
        """Begin no further message and let those on their way arrive: one that is cut off would be sent twice."""
        self._is_ending = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        late = tuple(self._tasks.values())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _ended(self, destination: str, task: asyncio.Task[int]) -> None:
        del self._tasks[destination]
        problem = None if task.cancelled() else task.exception()
        if problem is None:
            self._broken.pop(destination, None)
            return
        log.error("outbox.lane_failed", destination=destination, exc_info=problem)
        times = self._broken.get(destination, (0, 0.0))[0]
        self._broken[destination] = times + 1, time.monotonic() + back_off(times).total_seconds()

    async def _tidy(self) -> None:
        now = self._outbox.now()
        if self._forgot is None or abs(now - self._forgot) >= FORGETS_EVERY:
            self._forgot = now
            await self._outbox.run(self._outbox.forget)
