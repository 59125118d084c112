"""The ledger: every movement of cash and every booked result, each once, and their totals."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from engine.model.book import ZERO, Posting, PostingKind, Totals
from engine.model.records import StrategyTotals
from engine.schema.tables import ledger, ledger_totals
from engine.store.work import Queries

TOTALS = select(ledger_totals.c.kind, ledger_totals.c.cash, ledger_totals.c.realised)
_POSTINGS = select(
    ledger.c.key,
    ledger.c.kind,
    ledger.c.at,
    ledger.c.cash,
    ledger.c.realised,
    ledger.c.position_id,
    ledger.c.strategy,
).order_by(ledger.c.at, ledger.c.key)
_BY_STRATEGY = (
    select(ledger.c.strategy, ledger.c.kind, func.sum(ledger.c.cash), func.sum(ledger.c.realised))
    .where(ledger.c.strategy.is_not(None))
    .group_by(ledger.c.strategy, ledger.c.kind)
    .order_by(ledger.c.strategy, ledger.c.kind)
)


def _adding(dialect: Any) -> Any:
    """INSERT of one kind's sums, added to those already there."""
    statement = dialect.insert(ledger_totals)
    sums = {name: ledger_totals.c[name] + statement.excluded[name] for name in ("cash", "realised")}
    return statement.on_conflict_do_update(index_elements=["kind"], set_=sums)


_ADD = {"sqlite": _adding(sqlite), "postgresql": _adding(postgresql)}


def _totals(sums: Iterable[tuple[str, Decimal, Decimal]]) -> Totals:
    """The totals made of (kind, cash, realised) sums."""
    cash = {PostingKind(kind): (money, realised) for kind, money, realised in sums}

    def of(kind: PostingKind) -> Decimal:
        return cash.get(kind, (ZERO, ZERO))[0]

    return Totals(
        start=of(PostingKind.START),
        cash=sum((money for money, _ in cash.values()), ZERO),
        realised=sum((realised for _, realised in cash.values()), ZERO),
        dividends=of(PostingKind.DIVIDEND),
        interest=of(PostingKind.INTEREST),
        flows=of(PostingKind.FLOW),
        fees=-of(PostingKind.FEE),
    )


class Ledger(Queries):
    """Postings and their sums."""

    __slots__ = ()

    def add_postings(self, postings: Iterable[Posting]) -> int:
        """Book ledger lines and return how many were new; a known key is skipped."""
        return sum(self._post(posting) for posting in postings)

    def _post(self, posting: Posting) -> bool:
        row = {
            "key": posting.key,
            "kind": posting.kind.value,
            "at": posting.at,
            "cash": posting.cash,
            "realised": posting.realised,
            "position_id": posting.position_id,
            "strategy": posting.strategy,
        }
        if not self._insert_new(ledger, row):
            return False
        sums = {"kind": posting.kind.value, "cash": posting.cash, "realised": posting.realised}
        self._write(_ADD[self._dialect], sums)
        return True

    def totals(self) -> Totals:
        """Sums over the whole ledger (kept as it grows, so this reads six rows)."""
        return _totals((row[0], row[1], row[2]) for row in self._rows(TOTALS))

    def postings(self, since: datetime | None = None, until: datetime | None = None) -> tuple[Posting, ...]:
        """Ledger lines at or after `since` and before `until`, oldest first."""
        statement = _POSTINGS
        if since is not None:
            statement = statement.where(ledger.c.at >= since)
        if until is not None:
            statement = statement.where(ledger.c.at < until)
        return tuple(Posting(row[0], PostingKind(row[1]), *row[2:]) for row in self._rows(statement))

    def postings_of(self, position_id: str) -> tuple[Posting, ...]:
        """The ledger lines of one position, oldest first."""
        rows = self._rows(_POSTINGS.where(ledger.c.position_id == position_id))
        return tuple(Posting(row[0], PostingKind(row[1]), *row[2:]) for row in rows)

    def strategy_totals(self, since: datetime | None = None) -> dict[str, StrategyTotals]:
        """What each strategy made (from `since` on), by name."""
        statement = _BY_STRATEGY if since is None else _BY_STRATEGY.where(ledger.c.at >= since)
        grouped: dict[str, list[tuple[str, Decimal, Decimal]]] = {}
        for name, kind, cash, realised in self._rows(statement):
            grouped.setdefault(name, []).append((kind, cash, realised))
        sums = {name: _totals(rows) for name, rows in grouped.items()}
        return {name: StrategyTotals(x.realised, x.fees, x.dividends) for name, x in sums.items()}
