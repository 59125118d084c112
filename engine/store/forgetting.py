"""Rows that are of no use any more, deleted a few at a time so that no writer waits long.

Never here: events (the chain), fills, trades, orders, proposals, the ledger, the histories.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, and_, delete, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from engine.codec import dump, load
from engine.model.alerts import AlertState
from engine.model.trade import Scan
from engine.schema.tables import alerts, runs, scans, updates
from engine.store.work import Queries

AT_A_TIME = 500
SCANS_AT_A_TIME = 20
"""A scan of many names is a megabyte."""


class Forgetting(Queries):
    """What the desk stops remembering. Each method returns how many rows it took, 0 when nothing is left to take."""

    __slots__ = ()

    def forget_runs(self, before: datetime) -> int:
        """Delete runs of jobs that began before, but for the newest of each job and outcome."""
        newer = runs.alias()
        has_newer = (
            select(newer.c.id)
            .where(newer.c.job == runs.c.job, newer.c.state == runs.c.state, newer.c.started_at > runs.c.started_at)
            .exists()
        )
        return self._forget(runs, and_(runs.c.started_at < before, has_newer))

    def forget_updates(self, before: datetime) -> int:
        """Delete what was noted of chat messages seen before: no platform sends one again after so long."""
        return self._forget(updates, updates.c.seen_at < before)

    def forget_alerts(self, before: datetime) -> int:
        """Delete alerts that were over before."""
        return self._forget(alerts, and_(alerts.c.state == AlertState.RESOLVED.value, alerts.c.resolved_at < before))

    def forget_scans(self, before: datetime) -> int:
        """Delete scans made before, but for each strategy's latest."""
        return self._forget(scans, and_(scans.c.asof < before, scans.c.id.not_in(_latest())))

    def shorten_scans(self, since: datetime, before: datetime) -> tuple[datetime | None, int]:
        """Take the steps of every name out of the next few scans made since and before, but for each strategy's latest.

        What came of them stays. Returns the time of the last of them, None when there are none, and how many it were.
        """
        found = self._rows(
            select(scans.c.id, scans.c.asof, scans.c.body)
            .where(scans.c.asof > since, scans.c.asof < before, scans.c.id.not_in(_latest()))
            .order_by(scans.c.asof)
            .limit(SCANS_AT_A_TIME)
        )
        if not found:
            return None, 0
        # Scans of one instant stay together, for the next look begins after it.
        last: datetime = found[-1].asof
        same = scans.c.asof == last, scans.c.id.not_in([row.id for row in found]), scans.c.id.not_in(_latest())
        found = (*found, *self._rows(select(scans.c.id, scans.c.asof, scans.c.body).where(*same)))
        for row in found:
            self._write(update(scans).where(scans.c.id == row.id).values(body=_shortened(row.body)))
        return last, len(found)

    def _forget(self, table: Table, condition: ColumnElement[bool]) -> int:
        key = next(iter(table.primary_key))
        few = select(key).where(condition).limit(AT_A_TIME)
        return self._write(delete(table).where(key.in_(few)))


def _latest() -> Select[*tuple[Any, ...]]:
    """The ids of each strategy's latest scan."""
    ranked = select(
        scans.c.id,
        func.row_number()
        .over(partition_by=scans.c.strategy, order_by=(scans.c.asof.desc(), scans.c.id.desc()))
        .label("place"),
    ).subquery()
    return select(ranked.c.id).where(ranked.c.place == 1)


def _shortened(body: str) -> str:
    scan = load(Scan, body)
    return dump(replace(scan, steps={}))
