"""The clock of a live desk's jobs: APScheduler wakes each when its time has come, and lanes of threads run them.

APScheduler only wakes: its own grace for late firings, its coalescing and its job store are not used, for what is due
or missed is decided by the planner from what the database knows (`alerts.runner`). That also makes a firing that comes
late, twice or not at all harmless: every second whatever is due is looked at in any case.

A run that takes longer than its job's patience holds up nothing but its own job: its thread is set aside, and its lane
goes on with another. No job is ever run twice at once (`Runner`), so a lane has at most as many threads as jobs.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from alerts.jobs import Lane
from alerts.planner import next_due
from alerts.runner import Runner, Standing
from alerts.schedules import Schedule
from engine.model.records import Run
from engine.sessions import NEW_YORK, Sessions

log = structlog.get_logger()

WATCH_EVERY = 1.0
HEART_EVERY = 5.0
AGAIN = 5.0
"""Seconds after which a job is looked at again whose look failed: the database was away."""
HEART = "heart"
"""The lane of the heart."""
JUMP = 1.5
"""Seconds that the clock of the wall and the one that counts may part between two looks."""


class Due(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Fires at the due times of a schedule, always at the next one that is ahead."""

    def __init__(self, schedule: Schedule, sessions: Sessions) -> None:
        self._schedule = schedule
        self._sessions = sessions

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first due time after both."""
        return next_due(self._schedule, self._sessions, max(previous_fire_time or now, now))


class _Lane:
    """A thread that does what it is given in order; one that hangs is set aside, and another goes on in its place.

    The process's end waits for none of them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[tuple[str, Callable[[], object]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        """The last one does the lane's work; the others were set aside."""
        self._at = ""
        """What that one is at, "" while it waits."""
        self._begin()

    def do(self, name: str, work: Callable[[], object]) -> None:
        """Have it done after everything that waits already."""
        self._work.put((name, work))

    def go_on_without(self, name: str) -> bool:
        """Set the thread aside that is at this work, and go on with what waits; False where the lane is not at it.

        When the work is done after all, its thread ends.
        """
        with self._lock:
            is_at_it = self._at == name
            if is_at_it:
                self._begin()
            return is_at_it

    def end(self) -> None:
        """Begin nothing that comes after this."""
        self._work.put(None)

    def join(self, until: float) -> bool:
        """Whether all of it has ended by then (monotonic)."""
        for thread in tuple(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _begin(self) -> None:
        self._at = ""
        thread = threading.Thread(target=self._run, name=f"jobs {self._name}", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _run(self) -> None:
        while (given := self._work.get()) is not None:
            name, work = given
            with self._lock:
                self._at = name
            work()
            with self._lock:
                if threading.current_thread() is not self._threads[-1]:
                    return
                self._at = ""


class Scheduler:
    """Every job of a live desk, at its times. `heart` is called every few seconds on a thread of its own.

    `tick` counts seconds and stands still while the machine sleeps, as Linux's monotonic clock does.
    """

    def __init__(
        self,
        runner: Runner,
        heart: Callable[[], object] = lambda: None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runner = runner
        self._heart = heart
        self._tick = tick
        self._is_ending = False
        self._lanes: dict[str, _Lane] = {}
        self._waiting: set[str] = set()
        """The jobs that wait for their lane, and `HEART`."""
        self._again: dict[str, float] = {}
        """When (`tick`) a job is looked at again whose look failed."""
        self._lock = threading.Lock()
        self._timer = AsyncIOScheduler(timezone=NEW_YORK)
        self._watching: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin, in the running event loop: at first every job is looked at, for what came while the desk was down."""
        self._loop = asyncio.get_running_loop()
        self._lanes = {name: _Lane(name) for name in (*Lane, HEART)}
        self._timer.add_listener(self._heard, EVENT_JOB_MISSED | EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES)
        for name, job in self.runner.jobs.items():
            self._timer.add_job(
                self._fire,
                Due(job.schedule, self.runner.desk.sessions),
                args=(name,),
                id=name,
                name=name,
                misfire_grace_time=None,
                coalesce=True,
                max_instances=1,
            )
            self.queue(name)
        self._timer.start()
        self._watching = asyncio.create_task(self._watch(), name="scheduler")

    def stop(self, seconds: float = 2.0) -> tuple[str, ...]:
        """Begin no further job; the lanes that were still at work when the time was over. Called from any thread.

        A run that is cut off by the end of the process is taken up by the next one.
        """
        self._is_ending = True
        if self._loop is not None and self._watching is not None:
            self._loop.call_soon_threadsafe(self._watching.cancel)
            self._timer.shutdown(wait=False)
        for lane in self._lanes.values():
            lane.end()
        until = time.monotonic() + seconds
        return tuple(name for name, lane in self._lanes.items() if not lane.join(until))

    def queue(self, name: str) -> None:
        """Have a job looked at by its lane, once however often it is asked for before its turn."""
        lane = self.runner.jobs[name].lane
        self._queue(lane, name, lambda: self.runner.look(name))

    def run_now(self, name: str, by: str) -> Future[Run]:
        """Have a job run in its lane now, whenever it is due.

        Raises:
            NotFound: there is no such job. BadRequest: it is being run.
        """
        asked: Future[Run] = Future()
        lane = self.runner.free(name).lane
        self._lanes[lane].do(name, lambda: _answered(asked, lambda: self.runner.run_now(name, by)))
        return asked

    def standings(self) -> tuple[Standing, ...]:
        """How every job stands."""
        return self.runner.standings()

    def hanging(self) -> tuple[Run, ...]:
        """The runs under way that take longer than their job's patience."""
        return self.runner.hanging()

    def _queue(self, lane: str, name: str, work: Callable[[], object]) -> None:
        with self._lock:
            if name in self._waiting or self._is_ending:
                return
            self._waiting.add(name)
        self._lanes[lane].do(name, lambda: self._take(name, work))

    def _take(self, name: str, work: Callable[[], object]) -> None:
        with self._lock:
            self._waiting.discard(name)
        if self._is_ending:
            return
        try:
            work()
        except Exception as problem:  # whatever a look meets, the lane goes on and the job is looked at again
            log.error("scheduler.look_failed", job=name, exc_info=problem)
            self._again[name] = self._tick() + AGAIN

    async def _fire(self, name: str) -> None:
        self.queue(name)

    def _heard(self, event: JobEvent) -> None:
        """A firing that APScheduler left out is looked at in its place."""
        log.warning("scheduler.not_fired", job=event.job_id, code=event.code)
        self.queue(event.job_id)

    async def _watch(self) -> None:
        """Notice a clock that jumped (a laptop that slept), look at what is due, and let the heart beat."""
        now, tick = self.runner.desk.now, self._tick
        apart, beaten = now().timestamp() - tick(), tick()
        while True:
            await asyncio.sleep(WATCH_EVERY)
            before, apart = apart, now().timestamp() - tick()
            if abs(apart - before) > JUMP:
                log.warning("scheduler.clock_jumped", seconds=round(apart - before, 1))
                self._timer.wakeup()
            self._set_aside()
            for name in self.runner.due():
                if self._again.get(name, 0.0) <= tick():
                    self.queue(name)
            if tick() - beaten >= HEART_EVERY:
                beaten = tick()
                self._queue(HEART, HEART, self._look_after)

    def _set_aside(self) -> None:
        """Let no run that hangs hold up the other jobs of its lane."""
        for run in self.hanging():
            if self._lanes[self.runner.jobs[run.job].lane].go_on_without(run.job):
                log.warning("scheduler.set_aside", job=run.job, run=run.id)

    def _look_after(self) -> None:
        self._heart()
        self.runner.tell_hanging()


def _answered(asked: Future[Run], work: Callable[[], Run]) -> None:
    """Have the future hold what the work gives or raises; one that was canceled is not begun."""
    if not asked.set_running_or_notify_cancel():
        return
    try:
        run = work()
    except Exception as problem:  # noqa: BLE001 - whoever asked is told
        asked.set_exception(problem)
    else:
        asked.set_result(run)
