"""Digests as they were told, and the rows they are made of."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime

from sqlalchemy import bindparam, func, select

from engine.codec import dump, load
from engine.model.book import PostingKind
from engine.model.digests import Digest
from engine.model.records import EquityDay, RunState, StrategyDay
from engine.schema.tables import approvals, digests, equity_history, ledger, runs, strategy_history
from engine.store.work import Queries

_DIGEST = select(digests.c.body).where(digests.c.subject == bindparam("subject_"))
_CLOSE = select(*(equity_history.c[column.name] for column in fields(EquityDay)))
_CLOSES = (
    _CLOSE.where(equity_history.c.day >= bindparam("first_"))
    .where(equity_history.c.day <= bindparam("last_"))
    .order_by(equity_history.c.day)
)
_CLOSE_BEFORE = _CLOSE.where(equity_history.c.day < bindparam("day_")).order_by(equity_history.c.day.desc()).limit(1)
_STRATEGIES_ON = (
    select(*(strategy_history.c[column.name] for column in fields(StrategyDay)))
    .where(strategy_history.c.day == bindparam("day_"))
    .order_by(strategy_history.c.strategy)
)
_RUNS = (
    select(runs.c.state, func.count())
    .where(runs.c.started_at > bindparam("since_", type_=runs.c.started_at.type))
    .where(runs.c.started_at <= bindparam("until_", type_=runs.c.started_at.type))
    .group_by(runs.c.state)
)
_PROPOSED = (
    select(approvals.c.status, func.count())
    .where(approvals.c.created_at > bindparam("since_", type_=approvals.c.created_at.type))
    .where(approvals.c.created_at <= bindparam("until_", type_=approvals.c.created_at.type))
    .group_by(approvals.c.status)
    .order_by(approvals.c.status)
)
_BEGAN = select(func.min(ledger.c.at)).where(ledger.c.kind == PostingKind.START.value)


class Digests(Queries):
    """What was told of days, weeks and months, and what it is told from."""

    __slots__ = ()

    def add_digest(self, digest: Digest) -> bool:
        """Keep a digest as it is told; False when its day, week or month has one already (nothing is written)."""
        period = digest.period
        row = {
            "subject": period.subject,
            "span": period.span.value,
            "last": period.last,
            "at": digest.until,
            "body": dump(digest),
        }
        return self._insert_new(digests, row)

    def find_digest(self, subject: str) -> Digest | None:
        """The digest of a day, week or month as it was told, None where none was kept."""
        row = self._row(_DIGEST, {"subject_": subject})
        return None if row is None else load(Digest, row[0])

    def closes(self, first: date, last: date) -> tuple[EquityDay, ...]:
        """The closes that were kept from `first` to `last`, both included, oldest first."""
        return tuple(EquityDay(*row) for row in self._rows(_CLOSES, {"first_": first, "last_": last}))

    def close_before(self, day: date) -> EquityDay | None:
        """The last close kept before `day`, None where there is none."""
        row = self._row(_CLOSE_BEFORE, {"day_": day})
        return None if row is None else EquityDay(*row)

    def strategies_on(self, day: date) -> tuple[StrategyDay, ...]:
        """What each strategy had made at the end of one session, by name."""
        return tuple(StrategyDay(*row) for row in self._rows(_STRATEGIES_ON, {"day_": day}))

    def runs_between(self, since: datetime, until: datetime) -> dict[RunState, int]:
        """How many runs of jobs began after `since` and not after `until`, by what became of them."""
        return {RunState(state): int(count) for state, count in self._rows(_RUNS, {"since_": since, "until_": until})}

    def proposed_between(self, since: datetime, until: datetime) -> dict[str, int]:
        """How many proposals were made after `since` and not after `until`, by their status now."""
        return {status: int(count) for status, count in self._rows(_PROPOSED, {"since_": since, "until_": until})}

    def books_began(self) -> datetime | None:
        """When the ledger got its opening balance, None before that."""
        row = self._row(_BEGAN)
        return None if row is None else row[0]
