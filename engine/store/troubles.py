"""What the database tells of troubles: jobs missed or failed, messages that wait, how much happened lately."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, func, select

from engine.model.events import EventKind
from engine.model.records import DeliveryState, LatestRun, Queue, RunState
from engine.schema.tables import events, jobs, outbox, runs
from engine.store.work import Queries

MOST = 1000
"""Events of a kind that are counted at most: whether it were a thousand in an hour or more changes nothing."""
_ENDED = (RunState.DONE.value, RunState.FAILED.value, RunState.MISSED.value)
_ITS_LAST = (
    select(runs.c.id)
    .where(runs.c.job == jobs.c.name)
    .where(runs.c.state.in_(_ENDED))
    .order_by(runs.c.due_at.desc())
    .limit(1)
    .correlate(jobs)
    .scalar_subquery()
)
_LATEST = (
    select(runs.c.job, runs.c.due_at, runs.c.state, runs.c.note)
    .select_from(jobs.join(runs, runs.c.id == _ITS_LAST))
    .where(runs.c.due_at >= bindparam("since_"))
    .order_by(runs.c.job)
)
_QUEUES = (
    select(outbox.c.destination, func.count(), func.min(events.c.at, type_=events.c.at.type))
    .select_from(outbox.join(events, events.c.id == outbox.c.event_id))
    .where(outbox.c.state == DeliveryState.WAITING.value)
    .group_by(outbox.c.destination)
    .order_by(outbox.c.destination)
)
_BEGUN = select(func.count()).select_from(runs).where(runs.c.started_at >= bindparam("since_"))
_NEWEST_OF = (
    select(events.c.at)
    .where(events.c.kind == bindparam("kind_"))
    .order_by(events.c.id.desc())
    .limit(MOST)
    .subquery("newest")
)
_SINCE = select(func.count()).select_from(_NEWEST_OF).where(_NEWEST_OF.c.at >= bindparam("since_"))


class Troubles(Queries):
    """Counts and latest rows for the alert rules."""

    __slots__ = ()

    def latest_runs(self, since: datetime) -> tuple[LatestRun, ...]:
        """Of every job the run with the latest due time that is over or missed, unless that was before `since`."""
        rows = self._rows(_LATEST, {"since_": since})
        return tuple(LatestRun(job, due_at, RunState(state), note) for job, due_at, state, note in rows)

    def queues(self) -> tuple[Queue, ...]:
        """What waits for each destination, and since when the oldest of it does."""
        return tuple(Queue(*row) for row in self._rows(_QUEUES))

    def runs_begun(self, since: datetime) -> int:
        """How many runs of jobs began at or after `since`."""
        row = self._row(_BEGUN, {"since_": since})
        return 0 if row is None else int(row[0])

    def count_events(self, kind: EventKind, since: datetime) -> int:
        """How many events of a kind happened at or after `since`, a thousand at most."""
        row = self._row(_SINCE, {"kind_": kind.value, "since_": since})
        return 0 if row is None else int(row[0])
