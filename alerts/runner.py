"""Runs jobs whose time has come: each due time once, over restarts and several processes, or down as missed.

`look` is the one way in, whoever calls: the scheduler of a live desk, or a loop that moves a clock of its own
(`tick`). A run is claimed in one transaction before it begins, and the store holds every transaction against the lease
of this process (`Store.begin`): a due time is one row whatever kills or stops the process. What a dead process left
unfinished is begun again once where it is not too late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import structlog
from structlog.contextvars import bound_contextvars

from alerts.jobs import Job, Lane
from alerts.planner import Missed, may_begin, next_due, plan
from engine.desk import Desk
from engine.errors import BadRequest, DeskError, LeaseLost, NotFound
from engine.model.events import Severity
from engine.model.records import Run, RunState
from engine.store import UnitOfWork

log = structlog.get_logger()

Tell = Callable[[str, str, str, Severity], None]
"""Tells people what is wrong: with which job, which kind of trouble, in which words, how grave."""

TAKEN_UP = "begun again: the process that had begun it ended"
LEFT = "left unfinished by a process that ended"
HANGING = "The other jobs go on. If it does not end, start the desk again: until then this one is not run."
"""Of a job that hangs, to people."""
LONGEST_NOTE = 500
MICROSECOND = timedelta(microseconds=1)


def untold(step: str, kind: str, words: str, severity: Severity) -> None:
    """Nobody is told."""
    del step, kind, words, severity


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands: when it is due next, its latest run, and since when it is being run (None: it is not).

    `is_hanging`: for longer than its patience.
    """

    job: Job
    next_due: datetime | None
    last: Run | None
    running_since: datetime | None
    is_hanging: bool = False


@dataclass(frozen=True, slots=True)
class _Looked:
    """Under which epoch and when a job was looked at last, and its next due time as it was then."""

    epoch: int
    at: datetime
    next_due: datetime | None


@dataclass(slots=True)
class _Begun:
    """A run under way in this process, and from when on it hangs (monotonic); people are told once that it does."""

    run: Run
    began: float
    until: float
    is_told: bool = False

    @property
    def is_hanging(self) -> bool:
        return time.monotonic() > self.until


class Runner:
    """The jobs of one desk. Safe to call from several threads: a job is never run twice at the same time."""

    def __init__(self, desk: Desk, jobs: Iterable[Job], tell: Tell = untold) -> None:
        self._desk = desk
        self._tell = tell
        self.jobs: Mapping[str, Job] = MappingProxyType({job.name: job for job in jobs})
        self._turns = {name: threading.Lock() for name in self.jobs}
        self._looked: dict[str, _Looked] = {}
        """By job: until the next due time the database is left alone."""
        self._begun: dict[str, _Begun] = {}
        self._unwritten: dict[str, tuple[Run, Run]] = {}
        """By job, the run as it was begun and as it ended, until the database has taken that."""

    @property
    def desk(self) -> Desk:
        """The desk whose jobs these are."""
        return self._desk

    def look(self, name: str) -> Run | None:
        """Run a job if it is due; the ended run, None when there was nothing to run. What it does wrong is not raised.

        Raises:
            Exception: the database did not answer; nothing was begun, or the end of the run is written down later.
        """
        job = self.jobs[name]
        with self._turn(name) as is_mine:
            if not is_mine or not self._is_due(name):
                return None
            try:
                self._write_ends(name)
                run = self._claimed(job)
                return None if run is None else self._carried_out(job, run)
            except LeaseLost as lost:
                log.warning("job.not_ours", job=name, problem=str(lost))
                return None

    def tick(self) -> tuple[Run, ...]:
        """Run everything that is due now, one after the other, the oldest due time first; the ended runs."""
        waiting = sorted(self.jobs, key=self._waits_since)
        return tuple(run for name in waiting if (run := self.look(name)) is not None)

    def due(self) -> tuple[str, ...]:
        """The jobs that are to be looked at now; cheap, asked of memory alone."""
        return tuple(name for name in self.jobs if name not in self._begun and self._is_due(name))

    def run_now(self, name: str, by: str) -> Run:
        """Run a job now, whenever it is due, under a due time of its own; the ended run.

        Raises:
            NotFound: there is no such job. BadRequest: it is being run. LeaseLost: another process runs the desk.
        """
        job = self.free(name)
        with self._turn(name) as is_mine:
            if not is_mine:
                raise _busy(name)
            self._write_ends(name)
            return self._carried_out(job, self._claimed_now(job, by))

    def free(self, name: str) -> Job:
        """The job of that name, which nobody runs.

        Raises:
            NotFound: there is none. BadRequest: it is being run.
        """
        if name not in self.jobs:
            raise NotFound(f"There is no job “{name}”: /jobs lists them all.")
        if name in self._begun:
            raise _busy(name)
        return self.jobs[name]

    def standings(self) -> tuple[Standing, ...]:
        """How every job stands, in the order they were given."""
        now = self._desk.now()
        with self._desk.store.read() as work:
            last = {name: next(iter(work.runs(name, limit=1)), None) for name in self.jobs}
        return tuple(self._standing(job, now, last[name]) for name, job in self.jobs.items())

    def _standing(self, job: Job, now: datetime, last: Run | None) -> Standing:
        begun = self._begun.get(job.name)
        due = next_due(job.schedule, self._desk.sessions, now)
        if begun is None:
            return Standing(job, due, last, None)
        return Standing(job, due, last, begun.run.started_at, begun.is_hanging)

    def hanging(self) -> tuple[Run, ...]:
        """The runs under way that take longer than their job's patience."""
        return tuple(begun.run for begun in tuple(self._begun.values()) if begun.is_hanging)

    def tell_hanging(self) -> None:
        """Tell people of those, once for each run; louder where it is what watches over risk."""
        for name, begun in tuple(self._begun.items()):
            if begun.is_told or not begun.is_hanging:
                continue
            begun.is_told = True
            minutes = (time.monotonic() - begun.began) / 60
            words = f"The job “{name}” has been running for {minutes:.0f} min and is not done. {HANGING}"
            is_watch = self.jobs[name].lane is Lane.WATCH
            self._tell(f"job {name}", "hangs", words, Severity.URGENT if is_watch else Severity.WARNING)

    @contextmanager
    def _turn(self, name: str) -> Iterator[bool]:
        """Whether nobody else runs the job; nobody does inside."""
        is_mine = self._turns[name].acquire(blocking=False)
        try:
            yield is_mine
        finally:
            if is_mine:
                self._turns[name].release()

    def _is_due(self, name: str) -> bool:
        if not self._desk.term.may_act:
            return False
        known, now = self._looked.get(name), self._desk.now()
        if known is None or name in self._unwritten or known.epoch != self._desk.term.epoch or now < known.at:
            return True
        return known.next_due is not None and known.next_due <= now

    def _waits_since(self, name: str) -> datetime:
        known = self._looked.get(name)
        return self._desk.now() if known is None or known.next_due is None else known.next_due

    def _claimed(self, job: Job) -> Run | None:
        """The run to carry out now. What is missed is written down."""
        desk, now = self._desk, self._desk.now()
        with desk.store.begin() as work:
            known = work.settled(job.name)
            settled = known or now - job.grace  # a new desk does what is in time, and has missed nothing
            settled = min(settled, now)  # a clock that was ahead stops no job; what has its row is not run twice
            left = work.unfinished_runs(job.name)
            made = plan(job, desk.sessions, settled, now, next(iter(work.runs(job.name, limit=1)), None))
            for missed in made.missed if known else ():
                self._write_missed(work, job, missed, now)
            run = None if made.run is None else self._begin(work, job, made.run, now)
            run = self._left_over(work, job, left, now, run)
            work.settle_job(job.name, job.schedule.words, now)
        self._looked[job.name] = _Looked(desk.term.epoch, now, next_due(job.schedule, desk.sessions, now))
        return run

    def _write_missed(self, work: UnitOfWork, job: Job, missed: Missed, now: datetime) -> None:
        words = f"{missed.why}." if missed.count == 1 else f"{missed.count} due times: {missed.why}."
        log.warning("job.missed", job=job.name, due=missed.last.isoformat(), count=missed.count, why=missed.why)
        work.add_run(
            replace(
                self._fresh(job, missed.last, now),
                state=RunState.MISSED,
                finished_at=now,
                note=words[0].upper() + words[1:],
                since=None if missed.count == 1 else missed.first,
            )
        )

    def _fresh(self, job: Job, due: datetime, now: datetime) -> Run:
        desk = self._desk
        return Run(desk.new_id("R"), job.name, due, now, desk.term.holder, desk.term.epoch)

    def _begin(self, work: UnitOfWork, job: Job, due: datetime, now: datetime) -> Run | None:
        """The run of a due time; None when it has one already."""
        run = self._fresh(job, due, now)
        return run if work.add_run(run) else None

    def _left_over(
        self, work: UnitOfWork, job: Job, left: tuple[Run, ...], now: datetime, begun: Run | None
    ) -> Run | None:
        """The run to carry out: a later one, or what was left, once; whatever else was left has failed."""
        for run in left:
            again = replace(
                run, holder=self._desk.term.holder, epoch=self._desk.term.epoch, started_at=now, note=TAKEN_UP
            )
            if begun is None and run.note != TAKEN_UP and may_begin(job, run.due_at, now) and work.take_up_run(again):
                log.warning("job.taken_up", job=job.name, due=run.due_at.isoformat())
                begun = again
            else:
                work.end_run(run, RunState.FAILED, now, f"{LEFT[0].upper()}{LEFT[1:]}.")
        return begun

    def _claimed_now(self, job: Job, by: str) -> Run:
        desk, now = self._desk, self._desk.now()
        desk.term.check()
        with desk.store.begin() as work:
            self._left_over(work, job, work.unfinished_runs(job.name), now, self._fresh(job, now, now))
            own = now if now.microsecond else now + MICROSECOND  # due times are whole seconds
            run = replace(self._fresh(job, own, now), note=f"asked for by {by}")
            while not work.add_run(run):
                run = replace(run, due_at=run.due_at + MICROSECOND)
        return run

    def _carried_out(self, job: Job, run: Run) -> Run:
        with bound_contextvars(job=job.name, run=run.id):
            state, note = self._outcome(job, run)
        words = f"{run.note}: {note}" if run.note else note
        ended = replace(run, state=state, finished_at=self._desk.now(), note=words[:LONGEST_NOTE])
        self._unwritten[job.name] = run, ended
        self._write_ends(job.name)
        return ended

    def _outcome(self, job: Job, run: Run) -> tuple[RunState, str]:
        """What came of the run; what is logged meanwhile names it."""
        began = time.monotonic()
        self._begun[job.name] = _Begun(run, began, began + job.patience.total_seconds())
        try:
            return RunState.DONE, job.run()
        except DeskError as problem:
            self._failed(job, problem, str(problem), Severity.WARNING)
            return RunState.FAILED, str(problem)
        except Exception as bug:  # noqa: BLE001 - told with its traceback; the other jobs go on
            self._failed(job, bug, repr(bug), Severity.URGENT)
            return RunState.FAILED, repr(bug)
        finally:
            del self._begun[job.name]

    def _failed(self, job: Job, problem: Exception, words: str, severity: Severity) -> None:
        log.warning(
            "job.failed", job=job.name, exc_info=problem if severity is Severity.URGENT else None, problem=words
        )
        self._tell(f"job {job.name}", type(problem).__name__, words[:300], severity)

    def _write_ends(self, name: str) -> None:
        """Write down how the last run ended, if the database does not have it yet."""
        if name not in self._unwritten:
            return
        run, ended = self._unwritten[name]
        try:
            with self._desk.store.begin() as work:
                work.end_run(run, ended.state, ended.finished_at or self._desk.now(), ended.note)
        except LeaseLost:
            del self._unwritten[name]  # whoever has the lease now takes the run up
            raise
        del self._unwritten[name]


def _busy(name: str) -> BadRequest:
    return BadRequest(f"“{name}” is being run now: /jobs {name} tells how it went.")
