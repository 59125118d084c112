"""The scheduler of a live desk: real timers, real threads, and clocks that jump."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from alerts.jobs import Job, Lane
from alerts.runner import Runner
from alerts.scheduler import Due, Scheduler
from alerts.schedules import AtClock, Every, Schedule
from bot.app import system_clock
from engine.errors import NotFound
from engine.model.records import Run, RunState
from engine.sessions import NEW_YORK, Sessions
from tests.desk import World, make_world

PATIENCE = 10.0
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SESSIONS = Sessions()
TEN = SESSIONS.at(date(2026, 6, 15), "10:00")


class EverySecond:
    """Due every second, whatever the day."""

    words = "every second"

    def times(self, sessions: Sessions, day: date) -> tuple[datetime, ...]:
        midnight = sessions.at(day, "00:00")
        return tuple(midnight + n * SECOND for n in range(86_400))


@dataclass
class Wall:
    """A clock that goes on from an instant, and that can be set."""

    at: datetime
    began: float = field(default_factory=time.monotonic)

    def __call__(self) -> datetime:
        return self.at + timedelta(seconds=time.monotonic() - self.began)


@dataclass
class Patient(Wall):
    """A clock that stands still at `until`, however long this machine is at something else."""

    until: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.until = self.at

    def __call__(self) -> datetime:
        return min(super().__call__(), self.until)

    def go_on(self) -> None:
        """To the next whole second."""
        self.until = self.until.replace(microsecond=0) + SECOND


@dataclass
class Scene:
    wall: Wall
    world: World = field(default_factory=make_world)

    def scheduler(self, *jobs: Job, heart: Callable[[], object] = lambda: None) -> Scheduler:
        return Scheduler(Runner(replace(self.world.desk, now=self.wall), jobs), heart)

    def is_settled(self, job: str) -> bool:
        """Whether it was looked at."""
        with self.world.store.read() as work:
            return work.settled(job) is not None

    def runs(self, job: str) -> list[Run]:
        with self.world.store.read() as work:
            return sorted(work.runs(job, limit=1000), key=lambda run: run.due_at)


@contextmanager
def running(scheduler: Scheduler) -> Iterator[Scheduler]:
    scheduler.start()
    try:
        yield scheduler
    finally:
        assert scheduler.stop(5.0) == ()


async def until(claim: Callable[[], bool]) -> bool:
    limit = time.monotonic() + PATIENCE
    while not claim() and time.monotonic() < limit:
        await asyncio.sleep(0.02)
    return claim()


def job(name: str, schedule: Schedule, run: Callable[[], str] = lambda: "", **more: object) -> Job:
    return Job(name, schedule, run, **more)  # type: ignore[arg-type]


def test_the_timer_fires_at_the_next_due_time_ahead() -> None:
    due = Due(AtClock(("10:00", "15:30")), SESSIONS)
    afternoon, tomorrow = SESSIONS.at(date(2026, 6, 15), "15:30"), SESSIONS.at(date(2026, 6, 16), "10:00")
    now = TEN.astimezone(NEW_YORK)

    assert due.get_next_fire_time(None, now) == afternoon
    assert due.get_next_fire_time(afternoon, now) == tomorrow


async def test_a_job_runs_at_every_one_of_its_times() -> None:
    wall = Patient(system_clock())
    here = Scene(wall)

    with running(here.scheduler(job("tick", EverySecond()))):
        for count in (1, 2, 3):
            assert await until(lambda count=count: [run.state for run in here.runs("tick")] == [RunState.DONE] * count)  # type: ignore[misc]
            wall.go_on()

    found = here.runs("tick")
    assert {later.due_at - run.due_at for run, later in pairwise(found)} == {SECOND}


async def test_a_slow_scan_holds_up_no_look_at_risk() -> None:
    here, leave = Scene(Wall(system_clock())), threading.Event()
    slow = job("scan", EverySecond(), lambda: str(leave.wait(PATIENCE)), lane=Lane.SCANS)

    with running(here.scheduler(slow, job("risk", EverySecond(), lane=Lane.WATCH))):
        done = await until(lambda: sum(run.state is RunState.DONE for run in here.runs("risk")) >= 3)
        scans = [run.state for run in here.runs("scan")]
        leave.set()

    assert done
    assert scans == [RunState.RUNNING]


async def test_what_came_due_while_a_run_went_on_is_one_run_and_a_row() -> None:
    here, leave = Scene(Wall(system_clock())), threading.Event()

    with running(here.scheduler(job("slow", EverySecond(), lambda: str(leave.wait(PATIENCE))))):
        assert await until(lambda: bool(here.runs("slow")))
        await asyncio.sleep(3)
        leave.set()
        assert await until(lambda: len(here.runs("slow")) >= 3)

    first, missed, second, *_ = here.runs("slow")
    assert (first.state, missed.state, second.state) == (RunState.DONE, RunState.MISSED, RunState.DONE)
    assert "still went on" in missed.note
    assert missed.since in (None, first.due_at + SECOND)


async def test_a_laptop_that_slept_for_two_hours_looks_within_a_second() -> None:
    """The monotonic clock stood still meanwhile, so that every timer would come two hours late."""
    here = Scene(Wall(TEN - 2 * SECOND))
    quick = job("risk", Every(MINUTE), grace=MINUTE / 2)

    with running(here.scheduler(quick)):
        assert await until(lambda: len(here.runs("risk")) == 1)
        here.wall.at += timedelta(hours=2)
        began = time.monotonic()
        assert await until(lambda: len(here.runs("risk")) == 3)
        took = time.monotonic() - began

    found = here.runs("risk")
    assert took < 3
    assert [run.state for run in found] == [RunState.DONE, RunState.MISSED, RunState.DONE]
    assert (found[1].since, found[1].due_at) == (TEN + MINUTE, TEN + 119 * MINUTE)
    assert found[2].due_at == TEN + 120 * MINUTE


async def test_a_clock_set_back_by_an_hour_runs_nothing_twice() -> None:
    here = Scene(Wall(TEN - 1 * SECOND))

    with running(here.scheduler(job("risk", Every(MINUTE), grace=MINUTE / 2))):
        assert await until(lambda: len(here.runs("risk")) == 1)
        here.wall.at -= timedelta(hours=1)
        await asyncio.sleep(2.5)

    assert [run.due_at for run in here.runs("risk")] == [TEN]


async def test_what_came_while_the_desk_was_down_is_looked_at_when_it_starts() -> None:
    here = Scene(Wall(TEN - 9 * SECOND))
    digest = job("digest", AtClock(("10:00",)), catches_up=True)
    with running(here.scheduler(digest)):
        assert await until(lambda: here.is_settled("digest"))
    here.wall.at += timedelta(hours=5)

    with running(here.scheduler(digest)):
        assert await until(lambda: len(here.runs("digest")) == 1)
    with running(here.scheduler(digest)):
        await asyncio.sleep(1.2)

    assert [(run.due_at, run.state) for run in here.runs("digest")] == [(TEN, RunState.DONE)]


async def test_a_run_asked_for_runs_in_its_lane_and_is_answered() -> None:
    here = Scene(Wall(TEN + SECOND))

    with running(here.scheduler(job("backup", AtClock(("23:00",)), lambda: threading.current_thread().name))) as made:
        run = await asyncio.wrap_future(made.run_now("backup", "ann"))
        with pytest.raises(NotFound):
            made.run_now("backups", "ann")

    assert (run.state, run.note) == (RunState.DONE, "asked for by ann: jobs books")


async def test_a_job_that_hangs_holds_up_itself_alone_and_goes_on_when_it_is_done() -> None:
    here, leave, at_once = Scene(Wall(system_clock())), threading.Event(), []
    inside = threading.Semaphore(1)

    def hang() -> str:
        at_once.append(inside.acquire(blocking=False))
        try:
            return str(leave.wait(PATIENCE))
        finally:
            inside.release()

    hangs = job("hangs", EverySecond(), hang, patience=timedelta(0))

    with running(here.scheduler(hangs, job("other", EverySecond()))) as made:
        assert await until(lambda: len(here.runs("other")) >= 2)
        assert [(run.job, run.state) for run in made.hanging()] == [("hangs", RunState.RUNNING)]
        assert {each.job.name: each.is_hanging for each in made.standings()} == {"hangs": True, "other": False}
        leave.set()
        assert await until(lambda: sum(run.state is RunState.DONE for run in here.runs("hangs")) >= 2)

    assert all(at_once)
    assert {run.state for run in here.runs("other")} == {RunState.DONE}
    assert [run.state for run in here.runs("hangs")][:3] == [RunState.DONE, RunState.MISSED, RunState.DONE]


async def test_a_desk_that_ends_waits_for_no_thread_that_was_set_aside() -> None:
    here, leave = Scene(Wall(system_clock())), threading.Event()
    hangs = job("hangs", EverySecond(), lambda: str(leave.wait(PATIENCE)), patience=timedelta(0))
    scheduler = here.scheduler(hangs, job("other", EverySecond()))
    scheduler.start()
    assert await until(lambda: bool(here.runs("other")))

    began = time.monotonic()
    busy = scheduler.stop(0.1)
    took = time.monotonic() - began
    leave.set()

    assert (busy, took < 1) == (("books",), True)
    assert await until(lambda: here.runs("hangs")[0].state is RunState.DONE)


async def test_the_heart_is_beaten_while_every_lane_is_busy() -> None:
    here, leave, beats = Scene(Wall(system_clock())), threading.Event(), []
    busy = [job(lane, EverySecond(), lambda: str(leave.wait(2 * PATIENCE)), lane=lane) for lane in Lane]

    with running(here.scheduler(*busy, heart=lambda: beats.append(1))):
        assert await until(lambda: bool(beats))
        leave.set()


async def test_a_desk_that_ends_waits_for_no_job() -> None:
    here, leave = Scene(Wall(system_clock())), threading.Event()
    scheduler = here.scheduler(job("slow", EverySecond(), lambda: str(leave.wait(PATIENCE))))
    scheduler.start()
    assert await until(lambda: bool(here.runs("slow")))

    busy = scheduler.stop(0.1)
    leave.set()

    assert busy == ("books",)
    assert await until(lambda: here.runs("slow")[0].state is RunState.DONE)
    assert len(here.runs("slow")) == 1
