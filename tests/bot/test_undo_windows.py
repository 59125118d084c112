"""An approved order leaves in the moment its undo window ends, over the broker's wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median

from bot.loops import sending
from bot.runtime import Runtime, Work
from engine import orders
from engine.model.orders import Order, Ticket
from tests import make
from tests.bot.test_runtime import until
from tests.desk import make_world
from tests.standins.alpaca import RunningClock
from tests.wire import WireWorld, connected

APART = timedelta(milliseconds=70)
COUNT = 8


@contextmanager
def waiting(count: int) -> Iterator[WireWorld]:
    """A desk by a clock that goes, and approved orders whose undo windows end shortly after one another."""
    with connected(make_world()) as world:
        clock = RunningClock(make.NOW)
        world.desk = replace(world.desk, now=clock)
        world.exchange.matching = False
        world.desk.sessions.is_open(clock())  # a desk at work has read its calendar and spoken with its broker
        world.broker.account()
        first = clock() + timedelta(seconds=0.4)
        with world.store.begin() as work:
            for number in range(count):
                work.add_ticket(waiting_ticket(number, first))
        yield world


def waiting_ticket(number: int, first: datetime) -> Ticket:
    id = f"A{number:05d}.1"
    ends = first + number * APART
    return make.ticket(id=id, position_id=f"P{number:05d}", approval_id=None, send_after=ends)


def sent(world: WireWorld, count: int) -> list[tuple[Ticket, Order]]:
    """Every ticket with its first order, once the broker has all of them."""
    until(lambda: len(world.placed) == count and not any(order.accepted_at is None for _, order in first(world)))
    return first(world)


def first(world: WireWorld) -> list[tuple[Ticket, Order]]:
    with world.store.read() as work:
        return [(ticket, work.orders(ticket.id)[0]) for ticket in work.open_tickets() if ticket.attempts]


def test_orders_are_with_the_broker_within_a_tenth_of_a_second_of_their_undo_windows() -> None:
    with waiting(COUNT) as world:
        runtime = Runtime(world.desk, [sending(world.desk)])
        runtime.start()
        found = sent(world, COUNT)
        runtime.stop()

    late = [(order.accepted_at - ticket.send_after).total_seconds() for ticket, order in found if order.accepted_at]
    assert min(late) > 0
    assert median(late) < 0.1, late


def test_a_look_at_the_entries_that_takes_long_holds_up_no_order() -> None:
    with waiting(1) as world:
        busy = Work("entries", 0.01, (("slow", lambda: until(lambda: bool(world.placed))),))
        runtime = Runtime(world.desk, [busy, sending(world.desk)])
        runtime.start()
        ((ticket, order),) = sent(world, 1)
        runtime.stop()

    assert order.sent_at is not None
    assert order.accepted_at is not None
    assert ticket.send_after < order.sent_at < order.accepted_at


def test_the_next_undo_window_is_known_while_it_runs_and_not_after() -> None:
    world = make_world()
    until_ten = world.clock() + timedelta(seconds=10)
    assert orders.next_due(world.desk) is None
    waits = {"A00001.1": (15, 0), "A00002.1": (10, 0), "A00003.1": (5, 1), "A00004.1": (0, 0)}
    with world.store.begin() as work:
        for id, (seconds, attempts) in waits.items():
            ends = world.clock() + timedelta(seconds=seconds)
            work.add_ticket(make.ticket(id=id, approval_id=None, send_after=ends, attempts=attempts))

    assert orders.next_due(world.desk) == until_ten
