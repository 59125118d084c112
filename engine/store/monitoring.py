"""What the database tells of the desk's work in a few numbers: counted where it stands, never row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

from sqlalchemy import bindparam, case, func, literal, select, type_coerce
from sqlalchemy.sql.base import Executable

from engine.model.records import DeliveryState, RunState
from engine.schema.tables import alerts, approvals, orders, outbox, positions, runs, trades
from engine.schema.types import Money
from engine.store.work import Queries

RESOLVED = "resolved"
"""The state of an alert that is over."""

_NET = type_coerce(trades.c.pnl - trades.c.commission + trades.c.dividends, Money())
_EXECUTED = (
    select(positions.c.strategy_id, positions.c.ticker, func.count())
    .where(positions.c.import_hash.is_(None))
    .where(positions.c.approval_id.is_not(None))
    .group_by(positions.c.strategy_id, positions.c.ticker)
    .order_by(positions.c.strategy_id, positions.c.ticker)
)
_ORDERS = select(orders.c.status, func.count()).group_by(orders.c.status).order_by(orders.c.status)
_PROPOSALS = select(approvals.c.status, func.count()).group_by(approvals.c.status).order_by(approvals.c.status)
_WAITING_FOR = (
    select(outbox.c.destination, func.count())
    .where(outbox.c.state == DeliveryState.WAITING.value)
    .group_by(outbox.c.destination)
    .order_by(outbox.c.destination)
)
_DEAD = select(func.count()).select_from(outbox).where(outbox.c.state == DeliveryState.FAILED.value)
_FIRING = (
    select(alerts.c.rule, alerts.c.severity, func.count())
    .where(alerts.c.state != RESOLVED)
    .group_by(alerts.c.rule, alerts.c.severity)
    .order_by(alerts.c.rule, alerts.c.severity)
)
_ENDED = (
    select(runs.c.id, runs.c.job, runs.c.state, runs.c.due_at, runs.c.started_at, runs.c.finished_at)
    .where(runs.c.started_at >= bindparam("since_"))
    .where(runs.c.state != RunState.RUNNING.value)
    .order_by(runs.c.started_at, runs.c.id)
)
_LAST_DONE = (
    select(runs.c.job, func.max(runs.c.finished_at, type_=runs.c.finished_at.type))
    .where(runs.c.state == RunState.DONE.value)
    .group_by(runs.c.job)
    .order_by(runs.c.job)
)


@cache
def _results(bounds: tuple[int, ...]) -> Executable:
    """By strategy: how many closed trades made at most each bound, how many there are, and what they made in all."""
    below = (func.sum(case((literal(Decimal(bound), Money()) >= _NET, 1), else_=0)) for bound in bounds)
    return (
        select(trades.c.strategy_id, *below, func.count(), type_coerce(func.sum(_NET), Money()))
        .where(trades.c.import_hash.is_(None))
        .group_by(trades.c.strategy_id)
        .order_by(trades.c.strategy_id)
    )


@dataclass(frozen=True, slots=True)
class Results:
    """What the closed trades of one strategy made, dollars after fees with dividends.

    `at_most` counts those that made at most each of the bounds asked for; `total` is the sum of all `count`.
    """

    strategy: str
    at_most: tuple[int, ...]
    count: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class EndedRun:
    """One run of a job that is over. `finished_at` is None where it was missed."""

    id: str
    job: str
    state: str
    due_at: datetime
    started_at: datetime
    finished_at: datetime | None


class Monitoring(Queries):
    """Counts for who watches the desk from outside."""

    __slots__ = ()

    def executed_trades(self) -> tuple[tuple[str, str, int], ...]:
        """(strategy, ticker, positions this desk opened on a proposal); imported ones were never executed here."""
        return tuple((row[0], row[1], int(row[2])) for row in self._rows(_EXECUTED))

    def trade_results(self, bounds: Sequence[int]) -> tuple[Results, ...]:
        """What the closed trades made, by strategy, counted under each of these dollar bounds."""
        found = self._rows(_results(tuple(bounds)))
        return tuple(Results(row[0], tuple(int(x) for x in row[1:-2]), int(row[-2]), row[-1]) for row in found)

    def orders_by_state(self) -> dict[str, int]:
        """How many decisions to trade there are, by their status."""
        return {row[0]: int(row[1]) for row in self._rows(_ORDERS)}

    def proposals_by_state(self) -> dict[str, int]:
        """How many proposals there are, by their status."""
        return {row[0]: int(row[1]) for row in self._rows(_PROPOSALS)}

    def waiting_by_destination(self) -> dict[str, int]:
        """How many deliveries wait for each destination."""
        return {row[0]: int(row[1]) for row in self._rows(_WAITING_FOR)}

    def dead_letters(self) -> int:
        """How many deliveries were given up."""
        row = self._row(_DEAD)
        return 0 if row is None else int(row[0])

    def firing_alerts(self) -> tuple[tuple[str, str, int], ...]:
        """(rule, severity, how many of its alerts are not over)."""
        return tuple((row[0], row[1], int(row[2])) for row in self._rows(_FIRING))

    def ended_runs(self, since: datetime) -> tuple[EndedRun, ...]:
        """Runs that began at or after `since` and are over, in the order they began."""
        return tuple(EndedRun(*row) for row in self._rows(_ENDED, {"since_": since}))

    def jobs_done(self) -> dict[str, datetime]:
        """When each job was last done."""
        return {row[0]: row[1] for row in self._rows(_LAST_DONE)}
