"""What becomes of the due times of a job: run now, or written down as missed with the reason. Pure.

Of several due times that have come, the latest is run if it is not too late for it; the others are missed. Due times
in a row that are missed for the same reason become one entry with their number, so that two hours of sleep are one row
of a job that is due every minute, and every due time is still found in exactly one entry.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from alerts.jobs import Job
from alerts.schedules import Schedule
from engine.model.records import Run
from engine.sessions import Sessions

REACH = timedelta(days=31)
"""How late a job that catches up may be: a monthly report, until the next one is due."""
DAY = timedelta(days=1)
HORIZON = 400
"""Days in which the next due time is looked for."""
TOO_LATE = "the desk was not running, asleep or held up"


@dataclass(frozen=True, slots=True)
class Missed:
    """Due times in a row that are not run: the first, the last, how many, and why."""

    first: datetime
    last: datetime
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. `run`: the due time to run; None when there is none."""

    run: datetime | None = None
    missed: tuple[Missed, ...] = ()


NOTHING = Plan()


def plan(job: Job, sessions: Sessions, settled: datetime, now: datetime, last: Run | None = None) -> Plan:
    """What is to be done about the due times after `settled` that have come.

    `last` is the latest run of the job: what came while it went on was missed for that reason.
    """
    due = tuple(due_times(job.schedule, sessions, settled, now))
    if not due:
        return NOTHING
    if not may_begin(job, due[-1], now):
        return NOTHING if job.leaps else Plan(None, _missed(due, last, TOO_LATE))
    if job.leaps:
        return Plan(due[-1])
    later = f"left to the one due on {due[-1]:%Y-%m-%d at %H:%M} UTC"
    return Plan(due[-1], _missed(due[:-1], last, later))


def may_begin(job: Job, due: datetime, now: datetime) -> bool:
    """Whether it is not too late for a due time."""
    return now - due <= (max(job.grace, REACH) if job.catches_up else job.grace)


def _missed(due: tuple[datetime, ...], last: Run | None, why: str) -> tuple[Missed, ...]:
    def reason(at: datetime) -> str:
        went_on = last is not None and last.finished_at is not None and last.started_at <= at <= last.finished_at
        return "the run before it still went on" if went_on else why

    groups = ((why, tuple(times)) for why, times in groupby(due, reason))
    return tuple(Missed(times[0], times[-1], len(times), why) for why, times in groups)


def due_times(schedule: Schedule, sessions: Sessions, after: datetime, until: datetime) -> Iterator[datetime]:
    """The due times after `after` up to and including `until`, oldest first."""
    if until <= after:
        return
    day, last = sessions.today(after), sessions.today(until)
    while day <= last:
        times = schedule.times(sessions, day)
        yield from times[bisect_right(times, after) : bisect_right(times, until)]
        day += DAY


def next_due(schedule: Schedule, sessions: Sessions, after: datetime) -> datetime | None:
    """The first due time after `after`; None when there is none within a year."""
    day = sessions.today(after)
    for ahead in range(HORIZON):
        times = schedule.times(sessions, day + ahead * DAY)
        place = bisect_right(times, after)
        if place < len(times):
            return times[place]
    return None
