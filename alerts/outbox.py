"""At-least-once delivery of events: routed once, tried until sent, in order for each destination, over restarts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from alerts.routes import Route
from engine.model.events import Event
from engine.model.records import Delivery
from engine.store import Store

log = structlog.get_logger()

Deliver = Callable[[Event, Delivery], Awaitable[str]]
"""Posts or edits the card of one delivery on its destination and returns the message's reference there."""


class Later(Exception):
    """The platform takes this message in so many seconds, not before: no failure, only a wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not before {seconds:g} s are over")
        self.seconds = seconds


class Undeliverable(Exception):
    """This destination will never take the message: the bot was blocked or put out, or there is no such chat."""


FIRST_RETRY = timedelta(seconds=2)
LAST_RETRY = timedelta(minutes=5)
BATCH = 200


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
                work.enqueue(event.id, target.destination, 0, target.key)
                made += 1
        work.mark_routed(tuple(event.id for event in events))
    return made


async def pump(
    store: Store,
    now: Callable[[], datetime],
    route: Callable[[Event], tuple[Route, ...]],
    deliver: Deliver,
) -> int:
    """Route what is new and deliver what is due; returns how many messages were sent.

    A destination that fails is left for a later try with everything behind it, so that its order is kept.
    """
    while route_new(store, route):
        continue
    blocked: set[str] = set()
    sent = 0
    while due := _due(store, now(), blocked):
        for delivery in due:
            if delivery.destination in blocked:
                continue
            if await _try(store, now, delivery, deliver):
                sent += 1
            else:
                blocked.add(delivery.destination)
    return sent


def _due(store: Store, now: datetime, blocked: set[str]) -> tuple[Delivery, ...]:
    """The next deliveries, without those of a destination that fails: its backlog must not hide the others'."""
    with store.read() as reading:
        return reading.due_outbox(now, BATCH, blocked)


async def _try(store: Store, now: Callable[[], datetime], delivery: Delivery, deliver: Deliver) -> bool:
    with store.read() as reading:
        event = reading.event(delivery.event_id)
    try:
        ref = await deliver(event, delivery)
    except Exception as problem:  # noqa: BLE001 - whatever a platform throws, the message stays queued
        log.warning("outbox.failed", destination=delivery.destination, event_id=event.id, problem=repr(problem))
        with store.begin() as work:
            work.mark_failed(delivery.id, repr(problem)[:500], now() + back_off(delivery.attempts))
        return False
    with store.begin() as work:
        work.mark_sent(delivery.id, ref)
    return True
