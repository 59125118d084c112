"""The loops of a live desk: what fails in one step holds up nothing, stalls are told, the end is quick."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from bot.loops import BOOKING, Compared, Desks, Once, Paced, once_begun, works
from bot.runtime import Loop, Runtime, Troubles, Work
from engine import leadership
from engine.errors import DataInvalid, DataUnavailable
from engine.model.events import Event, EventKind, Severity
from engine.store.operations import LEASE
from tests import make
from tests.desk import World, make_world

SOON = 5.0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.005)


@contextmanager
def running(world: World, *works: Work) -> Iterator[Runtime]:
    runtime = Runtime(world.desk, works)
    runtime.start()
    try:
        yield runtime
    finally:
        assert runtime.stop() == ()


def told(world: World) -> list[Event]:
    with world.store.read() as work:
        return list(work.events(kinds=[EventKind.ERROR]))


def failing(problem: Exception) -> Callable[[], None]:
    def step() -> None:
        raise problem

    return step


def test_a_step_that_fails_does_not_hold_up_the_steps_behind_it() -> None:
    world, reached = make_world(), threading.Event()
    steps = (("first", failing(DataUnavailable("no quotes"))), ("second", reached.set))

    with running(world, Work("exits", 0.01, steps)):
        assert reached.wait(SOON)


def test_a_bug_in_a_step_does_not_end_its_loop() -> None:
    world, looks = make_world(), []
    steps = (("count", lambda: looks.append(1)), ("bug", failing(ZeroDivisionError("oops"))))

    with running(world, Work("exits", 0.01, steps)):
        until(lambda: len(looks) > 3)


def test_the_same_trouble_is_told_once_however_often_it_comes() -> None:
    world, looks = make_world(), []
    steps = (("count", lambda: looks.append(1)), ("quotes", failing(DataUnavailable("no quotes"))))

    with running(world, Work("exits", 0.01, steps)):
        until(lambda: len(looks) > 5)

    assert [(event.subject, event.data["problem"]) for event in told(world)] == [("exits: quotes", "no quotes")]


def test_a_bug_is_urgent_and_an_expected_failure_is_a_warning() -> None:
    world = make_world()
    steps = (("quotes", failing(DataInvalid("none"))), ("bug", failing(KeyError("x"))))

    with running(world, Work("exits", 0.01, steps)):
        until(lambda: len(told(world)) == 2)

    assert [event.severity for event in told(world)] == [Severity.WARNING, Severity.URGENT]


def test_a_loop_that_hangs_is_told_and_the_others_go_on() -> None:
    world, hold, looks = make_world(), threading.Event(), []
    hanging = Work("scans", 0.01, (("hang", lambda: hold.wait(SOON)),), patience=0.05)
    going = Work("exits", 0.01, (("count", lambda: looks.append(1)),), patience=SOON)

    with running(world, going, hanging) as runtime:
        until(lambda: any(beat.is_stalled for beat in runtime.beats))
        runtime.watch()
        before = len(looks)
        until(lambda: len(looks) > before + 3)
        hold.set()

    assert [event.subject for event in told(world)] == ["scans"]
    assert told(world)[0].severity is Severity.URGENT


def test_a_woken_loop_looks_at_once() -> None:
    world, looks = make_world(), []

    with running(world, Work("exits", 60.0, (("count", lambda: looks.append(1)),))) as runtime:
        until(lambda: len(looks) == 1)
        runtime.wake("exits")
        until(lambda: len(looks) == 2)


def test_stopping_names_the_loops_that_are_still_in_a_step() -> None:
    world, hold = make_world(), threading.Event()
    runtime = Runtime(world.desk, [Work("scans", 1.0, (("hang", lambda: hold.wait(SOON)),))])
    runtime.start()

    late = runtime.stop(0.05)
    hold.set()

    assert late == ("scans",)


def test_no_step_begins_after_the_end_was_asked_for() -> None:
    world, begun, more = make_world(), threading.Event(), []
    loop: list[Loop] = []

    def first() -> None:
        begun.set()
        loop[0].end()

    work = Work("exits", 0.01, (("first", first), ("second", lambda: more.append(1))))
    loop.append(Loop(work, Troubles(world.desk)))
    loop[0].start()

    assert loop[0].join(SOON)
    assert begun.is_set()
    assert more == []


def test_what_is_done_once_is_tried_until_it_succeeds() -> None:
    answers = iter([DataUnavailable("not yet"), None])
    done = []

    def step() -> None:
        problem = next(answers)
        if problem is not None:
            raise problem
        done.append(1)

    once = Once(step)
    with pytest.raises(DataUnavailable):
        once()
    once()
    once()

    assert done == [1]


def test_a_paced_step_waits_its_time_even_when_it_failed() -> None:
    world, taken = make_world(), []

    def step() -> None:
        taken.append(1)
        raise DataUnavailable("no")

    paced = Paced(world.desk, timedelta(seconds=20), step)
    for _ in range(3):
        with pytest.raises(DataUnavailable):
            paced()
        paced()
        world.clock.advance(20)

    assert len(taken) == 3


def test_the_books_are_compared_every_three_minutes_and_when_the_clock_was_set_back() -> None:
    world = make_world()
    compared = Compared(Desks(*[world.desk] * 5))
    compared()
    looks = []
    for seconds in (179, 1, -60, -3600):
        world.clock.advance(seconds)
        compared()
        looks.append(compared.at == world.clock())

    assert looks == [False, True, False, True]


def test_the_books_are_compared_after_every_order_that_moved() -> None:
    world = make_world()
    compared = Compared(Desks(*[world.desk] * 5))
    compared()
    first = compared.at
    world.clock.advance(5)
    compared()
    assert compared.at == first

    with world.store.begin() as work:
        work.add_event(Event("E9", EventKind.FILLED, world.clock(), "P1"))
    compared()

    assert compared.at == world.clock()


def test_the_books_are_compared_when_the_broker_is_heard_again() -> None:
    world = make_world()
    desks = Desks(*[world.desk] * 5)
    compared = Compared(desks)
    compared()
    world.clock.advance(5)

    desks.reconnected.set()
    compared()

    assert compared.at == world.clock()
    assert not desks.reconnected.is_set()


def test_the_books_are_compared_after_an_exit_that_failed() -> None:
    """A refusal may say that the broker does not hold what the books do."""
    world = make_world()
    compared = Compared(Desks(*[world.desk] * 5))
    compared()
    world.clock.advance(5)
    with world.store.begin() as work:
        work.add_event(Event("E9", EventKind.EXIT_FAILED, world.clock(), "P1"))

    compared()

    assert compared.at == world.clock()


def test_a_paced_step_does_not_wait_for_a_clock_that_was_set_back() -> None:
    world, taken = make_world(), []
    paced = Paced(world.desk, timedelta(seconds=20), lambda: taken.append(1))
    paced()
    world.clock.advance(-3600)

    paced()

    assert len(taken) == 2


def test_the_stream_wakes_every_loop_that_books_fills() -> None:
    desk = make_world().desk

    booking = [work.name for work in works(Desks(desk, desk, desk, desk, desk)) if "fills" in dict(work.steps)]

    assert sorted(BOOKING) == sorted(booking)


def test_books_without_an_opening_balance_are_compared_with_nothing() -> None:
    world, taken = make_world(deposit=None), []
    step = once_begun(world.desk, lambda: taken.append(1))
    step()
    before = list(taken)

    with world.store.begin() as work:
        work.add_postings((make.deposit(),))
    step()

    assert (before, taken) == ([], [1])


def test_a_loop_looks_as_soon_as_its_work_says_and_at_its_turn_when_it_cannot_say() -> None:
    world, looks, answers = make_world(), [], iter([0.0, 0.0, None])
    work = Work("entries", 60.0, (("count", lambda: looks.append(1)),), soonest=lambda: next(answers))

    with running(world, work) as runtime:
        until(lambda: len(looks) == 3)
        runtime.wake("entries")  # the fourth look, after which the work breaks when it is asked
        until(lambda: len(told(world)) == 1)

    assert len(looks) == 4
    assert told(world)[0].subject == "entries: soonest"


def test_a_loop_whose_process_lost_the_lease_tells_nobody_and_takes_no_further_step() -> None:
    world, tried, later = make_world(), threading.Event(), []
    leadership.take(world.store, world.clock(), "here:1:0")

    def write() -> None:
        tried.set()
        with world.store.begin() as work:
            work.set_setting("x", "y", "desk", world.clock())

    with world.store.begin_unfenced() as work:
        work.take_lease(LEASE, "other:2:0", world.clock() + timedelta(hours=1), world.clock() + timedelta(hours=2))

    with running(world, Work("entries", 0.01, (("write", write), ("later", lambda: later.append(1))))) as runtime:
        assert tried.wait(SOON)
        until(lambda: runtime.beats[0].looks > 3)

    assert (later, told(world)) == ([], [])


def test_a_loop_whose_lease_has_run_out_takes_no_step_until_it_is_renewed() -> None:
    world, steps = make_world(), []
    leadership.take(world.store, world.clock(), "here:1:0")
    world.store.term.good_until = world.store.term.clock()

    with running(world, Work("exits", 0.01, (("look", lambda: steps.append(1)),))) as runtime:
        until(lambda: runtime.beats[0].looks > 3)
        assert steps == []
        leadership.renew(world.store, world.clock())
        until(lambda: bool(steps))
