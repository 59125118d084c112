"""Heartbeats of whoever acts for the desk, and the silences between them that were too long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, delete, func, select, type_coerce

from engine.model.leadership import Term
from engine.model.records import Silence
from engine.schema.tables import heartbeats
from engine.schema.types import Instant
from engine.store.work import Queries

DOWN_AFTER = timedelta(seconds=30)
"""A silence longer than this means that the desk was down all the while."""

MOMENT = timedelta(microseconds=1)
END = datetime.max.replace(tzinfo=UTC)

_ROW = heartbeats.c
_FIRST = select(func.min(type_coerce(_ROW.at, Instant())))
_LATEST = (
    select(_ROW.at, _ROW.is_last)
    .where(_ROW.at <= bindparam("until_", type_=Instant()))
    .order_by(_ROW.at.desc(), _ROW.is_last)
    .limit(1)
)
_SILENCES = (
    select(_ROW.silent_since, _ROW.at)
    .where(_ROW.silent_since < bindparam("until_", type_=Instant()))
    .where(_ROW.at > bindparam("since_", type_=Instant()))
    .order_by(_ROW.at)
)
_FORGET = delete(heartbeats).where(_ROW.at < bindparam("before_", type_=Instant()))


class Heartbeats(Queries):
    """When the desk was at work."""

    __slots__ = ()

    def beat(self, at: datetime, term: Term, *, is_last: bool = False) -> None:
        """Write down a heartbeat; `is_last` when the process ends in order after it."""
        before = self.last_beat(at - MOMENT)
        is_late = before is not None and at - before > DOWN_AFTER
        row = {"at": at, "holder": term.holder, "epoch": term.epoch, "is_last": is_last}
        self._upsert(heartbeats, row | {"silent_since": before if is_late else None})

    def first_beat(self) -> datetime | None:
        """The oldest heartbeat that is kept, None before the first."""
        row = self._row(_FIRST)
        return None if row is None else row[0]

    def last_beat(self, until: datetime = END) -> datetime | None:
        """The latest heartbeat (at or before `until`), None before the first."""
        row = self._row(_LATEST, {"until_": until})
        return None if row is None else row[0]

    def silences(self, since: datetime, until: datetime) -> tuple[Silence, ...]:
        """The silences of more than `DOWN_AFTER` that reach into this time, oldest first, the one that lasts included.

        They are given whole: one may have begun before it and end after.
        """
        rows = self._rows(_SILENCES, {"until_": until, "since_": since})
        over = tuple(Silence(began, ended, self._was_last(began)) for began, ended in rows)
        latest = self.last_beat(until)
        if latest is None or until - latest <= DOWN_AFTER or any(each.since == latest for each in over):
            return over
        return (*over, Silence(latest, None, self._was_last(latest)))

    def _was_last(self, at: datetime) -> bool:
        row = self._row(_LATEST, {"until_": at})
        return row is not None and bool(row[1])

    def forget_beats(self, before: datetime) -> int:
        """Delete the heartbeats before; returns how many."""
        return self._write(_FORGET, {"before_": before})
