"""What the database tells of troubles: jobs that were missed or failed, and messages that wait."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, func, select

from engine.model.records import DeliveryState, LatestRun, Queue, RunState
from engine.schema.tables import events, jobs, outbox, runs
from engine.store.work import Queries

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


class Troubles(Queries):
    """Latest rows for the alert rules."""

    __slots__ = ()

    def latest_runs(self, since: datetime) -> tuple[LatestRun, ...]:
        """Of every job the run with the latest due time that is over or missed, unless that was before `since`."""
        rows = self._rows(_LATEST, {"since_": since})
        return tuple(LatestRun(job, due_at, RunState(state), note) for job, due_at, state, note in rows)

    def queues(self) -> tuple[Queue, ...]:
        """What waits for each destination, and since when the oldest of it does."""
        return tuple(Queue(*row) for row in self._rows(_QUEUES))
