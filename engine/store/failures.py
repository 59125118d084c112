"""How much of what the desk did went wrong: counted where it stands, never row by row."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, case, func, select
from sqlalchemy.sql.base import Executable

from engine.model.events import EventKind, Severity
from engine.model.records import DeliveryState, RunState, Tally
from engine.schema.tables import events, outbox, runs
from engine.schema.types import Instant
from engine.store.work import Queries

_SINCE = bindparam("since_", type_=Instant())
_BROKE = events.c.data.contains('"ref":', autoescape=True)
"""What a command that broke leaves in its event: the reference its person was given."""


Condition = ColumnElement[bool]


def _tally(is_failed: Condition, *where: Condition) -> Executable:
    """How many rows there are, and how many of them failed."""
    return select(func.count(), func.coalesce(func.sum(case((is_failed, 1), else_=0)), 0)).where(*where)


_OF_KIND = {kind: (events.c.kind == kind.value, events.c.at >= _SINCE) for kind in EventKind}
_TALLIES = {
    "jobs": _tally(
        runs.c.state == RunState.FAILED.value,
        runs.c.started_at >= _SINCE,
        runs.c.state.in_((RunState.DONE.value, RunState.FAILED.value)),
    ),
    "commands": _tally(
        events.c.kind == EventKind.ERROR.value,
        events.c.kind.in_([EventKind.COMMAND.value, EventKind.ERROR.value]),
        events.c.at >= _SINCE,
        (events.c.kind == EventKind.COMMAND.value) | ((events.c.kind == EventKind.ERROR.value) & _BROKE),
    ),
    "orders": _tally(events.c.data.contains('"answer":"no answer"', autoescape=True), *_OF_KIND[EventKind.ATTEMPTED]),
    "loops": _tally(
        events.c.severity == Severity.URGENT.value,
        events.c.severity == Severity.URGENT.value,
        ~_BROKE,
        *_OF_KIND[EventKind.ERROR],
    ),
    "messages": _tally(
        outbox.c.given_up_at >= _SINCE,
        ((outbox.c.state == DeliveryState.SENT.value) & (outbox.c.sent_at >= _SINCE))
        | (outbox.c.given_up_at >= _SINCE),
    ),
}


class Failures(Queries):
    """What was done, and how often it went wrong."""

    __slots__ = ()

    def tallies(self, since: datetime) -> tuple[Tally, ...]:
        """What was done at or after `since`, by kind: see `alerts.levels` for what counts as an error."""
        rows = ((name, self._rows(statement, {"since_": since})[0]) for name, statement in _TALLIES.items())
        return tuple(Tally(name, int(done), int(failed)) for name, (done, failed) in rows)
