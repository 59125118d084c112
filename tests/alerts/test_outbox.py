"""Delivery of events: every destination gets its own, in order, whatever becomes of the others."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from alerts import outbox
from alerts.routes import Route
from engine.model.events import Event, EventKind
from engine.model.records import Delivery
from engine.store import Store
from tests import make
from tests.fakes import FakeClock

DEAD, ALIVE = "dead:1", "alive:1"


class Post:
    """Remembers what arrived; the dead destination takes nothing."""

    def __init__(self, dead: frozenset[str] = frozenset({DEAD})) -> None:
        self.dead = dead
        self.arrived: list[tuple[str, str]] = []

    async def __call__(self, event: Event, delivery: Delivery) -> str:
        if delivery.destination in self.dead:
            raise ConnectionError("no route")
        self.arrived.append((delivery.destination, event.id))
        return f"m{len(self.arrived)}"


def store_with(events: int) -> Store:
    store = Store.memory()
    with store.begin() as work:
        for number in range(events):
            work.add_event(Event(f"E{number:05d}", EventKind.HALTED, make.NOW, "desk", {}))
    return store


def pump(store: Store, clock: Callable[[], datetime], post: Post, *destinations: str) -> int:
    def route(event: Event) -> tuple[Route, ...]:
        return tuple(Route(name, f"event:{event.id}") for name in destinations)

    return asyncio.run(outbox.pump(store, clock, route, post))


def test_a_destination_that_is_down_does_not_hold_up_another_with_a_long_queue() -> None:
    clock, post, store = FakeClock(), Post(), store_with(outbox.BATCH + 50)
    pump(store, clock, Post(frozenset({DEAD, ALIVE})), DEAD)
    with store.begin() as work:
        work.add_event(Event("E99999", EventKind.HALTED, make.NOW, "desk", {}))

    pump(store, clock, post, ALIVE)

    assert post.arrived == [(ALIVE, "E99999")]


def test_what_could_not_be_delivered_comes_later_and_in_order() -> None:
    clock, store = FakeClock(), store_with(3)
    pump(store, clock, Post(), DEAD)
    clock.advance(minutes=10)
    post = Post(frozenset())

    assert pump(store, clock, post, DEAD) == 3
    assert [event for _, event in post.arrived] == ["E00000", "E00001", "E00002"]


def test_nothing_is_delivered_twice() -> None:
    clock, store, post = FakeClock(), store_with(3), Post()

    assert (pump(store, clock, post, ALIVE), pump(store, clock, post, ALIVE)) == (3, 0)
