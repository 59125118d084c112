"""Approvals: every version that was ever shown, and the one decision."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, func, insert, select, update

from engine.codec import dump, load_frozen
from engine.errors import AlreadyDecided, NotFound
from engine.model.trade import Approval, ApprovalStatus, TradePlan
from engine.schema.tables import approval_versions, approvals
from engine.store.work import Fields, Queries

_COLUMNS = select(
    approvals.c.id,
    approvals.c.version,
    approvals.c.status,
    approval_versions.c.plan,
    approvals.c.created_at,
    approval_versions.c.expires_at,
    approvals.c.note,
    approvals.c.decided_by,
    approvals.c.decided_at,
    approval_versions.c.snoozed_until,
)
_CURRENT = _COLUMNS.join_from(
    approvals,
    approval_versions,
    (approval_versions.c.approval_id == approvals.c.id) & (approval_versions.c.version == approvals.c.version),
)
_BY_ID = _CURRENT.where(approvals.c.id == bindparam("id_"))
_PENDING = _CURRENT.where(approvals.c.status == "pending").order_by(approvals.c.created_at, approvals.c.id)
_NEWEST = _CURRENT.order_by(approvals.c.created_at.desc(), approvals.c.id.desc()).limit(bindparam("limit_"))
_APPROVED_BY = (
    _CURRENT.where(approvals.c.status == "approved")
    .where(approvals.c.created_at >= bindparam("since_", type_=approvals.c.created_at.type))
    .where(approvals.c.decided_by == bindparam("by_"))
    .order_by(approvals.c.created_at, approvals.c.id)
)
_ON = _CURRENT.where(approvals.c.ticker == bindparam("ticker_")).order_by(approvals.c.created_at, approvals.c.id)
_ASKED = (
    _CURRENT.where(approvals.c.status != "pending")
    .where(approvals.c.strategy == bindparam("strategy_"))
    .where(approvals.c.created_at >= bindparam("since_", type_=approvals.c.created_at.type))
    .order_by(approvals.c.created_at, approvals.c.id)
)
_HOW_MANY_SINCE = (
    select(func.count())
    .select_from(approvals)
    .where(approvals.c.strategy == bindparam("strategy_"))
    .where(approvals.c.created_at >= bindparam("since_", type_=approvals.c.created_at.type))
)
_VERSIONS = (
    select(
        approval_versions.c.version,
        approval_versions.c.plan,
        approval_versions.c.expires_at,
        approval_versions.c.note,
        approval_versions.c.snoozed_until,
    )
    .where(approval_versions.c.approval_id == bindparam("id_"))
    .order_by(approval_versions.c.version)
)
_STILL_PENDING = (
    update(approvals)
    .where(approvals.c.id == bindparam("id_"))
    .where(approvals.c.version == bindparam("version_"))
    .where(approvals.c.status == "pending")
)
_PLANS = select(approval_versions.c.approval_id, approval_versions.c.version, approval_versions.c.plan).where(
    approval_versions.c.approval_id.in_(bindparam("ids_", expanding=True))
)
_DECIDE = _STILL_PENDING.values(
    status=bindparam("status_"), decided_by=bindparam("by_"), decided_at=bindparam("at_"), note=bindparam("note_")
)
_DECIDE_KEEPING_NOTE = _STILL_PENDING.values(
    status=bindparam("status_"), decided_by=bindparam("by_"), decided_at=bindparam("at_")
)
_POSTPONE = (
    update(approval_versions)
    .where(approval_versions.c.approval_id == bindparam("id_"))
    .where(approval_versions.c.version == bindparam("version_"))
    .values(expires_at=bindparam("at_"))
)
_REVISE = _STILL_PENDING.values(version=bindparam("next_"), note=bindparam("note_"))


def _approval(row: Fields) -> Approval:
    return Approval(
        id=row[0],
        version=row[1],
        status=ApprovalStatus(row[2]),
        plan=load_frozen(TradePlan, row[3]),
        created_at=row[4],
        expires_at=row[5],
        note=row[6],
        decided_by=row[7],
        decided_at=row[8],
        snoozed_until=row[9],
    )


class Approvals(Queries):
    """Proposals and what became of them."""

    __slots__ = ()

    def add_approval(self, approval: Approval) -> None:
        """Store a new proposal.

        Raises:
            AlreadyDecided: one with this id is there.
        """
        row = {
            "id": approval.id,
            "version": approval.version,
            "status": approval.status.value,
            "strategy": approval.plan.signal.strategy,
            "ticker": approval.plan.signal.ticker,
            "created_at": approval.created_at,
            "note": approval.note,
            "decided_by": approval.decided_by,
            "decided_at": approval.decided_at,
        }
        if not self._insert_new(approvals, row):
            raise AlreadyDecided(f"Proposal {approval.id} exists already.")
        self._add_version(
            approval.id, approval.version, approval.plan, approval.expires_at, approval.note, approval.snoozed_until
        )

    def _add_version(
        self, id: str, version: int, plan: TradePlan, expires_at: datetime, note: str, snoozed_until: datetime | None
    ) -> None:
        row = {
            "approval_id": id,
            "version": version,
            "plan": dump(plan),
            "expires_at": expires_at,
            "note": note,
            "snoozed_until": snoozed_until,
        }
        self._write(insert(approval_versions), row)

    def approval(self, id: str) -> Approval:
        """The proposal as it stands now.

        Raises:
            NotFound: there is none; the nearest ids are named.
        """
        found = self.find_approval(id)
        if found is None:
            raise NotFound(f"There is no proposal {id}.{self._nearest(id)} /proposals lists them.")
        return found

    def find_approval(self, id: str) -> Approval | None:
        """The proposal as it stands now, None when there is none of this id."""
        row = self._row(_BY_ID, {"id_": id})
        return None if row is None else _approval(row)

    def approvals_on(self, ticker: str) -> tuple[Approval, ...]:
        """Every proposal ever made on one name, oldest first."""
        return tuple(_approval(row) for row in self._rows(_ON, {"ticker_": ticker}))

    def _nearest(self, id: str) -> str:
        recent = select(approvals.c.id).order_by(approvals.c.created_at.desc()).limit(200)
        close = difflib.get_close_matches(id.upper(), [row[0] for row in self._rows(recent)], n=3)
        return f" Did you mean {' or '.join(close)}?" if close else ""

    def approvals(
        self, status: ApprovalStatus | None = None, limit: int = 50, since: datetime | None = None
    ) -> tuple[Approval, ...]:
        """Proposals (of one status, made at or after `since`), newest first."""
        statement = _NEWEST
        if status is not None:
            statement = statement.where(approvals.c.status == status.value)
        if since is not None:
            statement = statement.where(approvals.c.created_at >= since)
        return tuple(_approval(row) for row in self._rows(statement, {"limit_": limit}))

    def pending_approvals(self) -> tuple[Approval, ...]:
        """All proposals that wait for an answer, oldest first."""
        return tuple(_approval(row) for row in self._rows(_PENDING))

    def approved_by(self, by: str, since: datetime) -> tuple[Approval, ...]:
        """What `by` approved of the proposals made at or after `since`, oldest first."""
        return tuple(_approval(row) for row in self._rows(_APPROVED_BY, {"by_": by, "since_": since}))

    def asked_since(self, strategy: str, since: datetime) -> tuple[Approval, ...]:
        """A strategy's proposals made at or after `since` that wait no longer, oldest first."""
        return tuple(_approval(row) for row in self._rows(_ASKED, {"strategy_": strategy, "since_": since}))

    def proposed_since(self, strategy: str, since: datetime) -> int:
        """How many proposals of a strategy were made at or after `since`."""
        row = self._row(_HOW_MANY_SINCE, {"strategy_": strategy, "since_": since})
        return int(row[0]) if row else 0

    def decide(self, id: str, version: int, status: ApprovalStatus, by: str, at: datetime, note: str = "") -> Approval:
        """The proposal after the one decision that counts. An empty `note` keeps the note it has.

        Raises:
            AlreadyDecided: somebody was first (it says who), or `version` is not the latest.
            NotFound: there is no such proposal.
        """
        self._decide(id, version, status, by, at, note)
        return self.approval(id)

    def decide_read(self, read: Approval, status: ApprovalStatus, by: str, at: datetime, note: str = "") -> Approval:
        """As `decide`, for the proposal as this very transaction has read it: it is not read again."""
        self._decide(read.id, read.version, status, by, at, note)
        return replace(read, status=status, decided_by=by, decided_at=at, note=note or read.note)

    def _decide(self, id: str, version: int, status: ApprovalStatus, by: str, at: datetime, note: str) -> None:
        params = {"id_": id, "version_": version, "status_": status.value, "by_": by, "at_": at}
        changed = self._write(_DECIDE, params | {"note_": note}) if note else self._write(_DECIDE_KEEPING_NOTE, params)
        if not changed:
            raise self._too_late(id)

    def postpone(self, id: str, version: int, expires_at: datetime) -> Approval:
        """The proposal with another end of its life, the version unchanged.

        Raises:
            NotFound: there is no such proposal.
        """
        self._write(_POSTPONE, {"id_": id, "version_": version, "at_": expires_at})
        return self.approval(id)

    def revise(
        self,
        id: str,
        version: int,
        plan: TradePlan,
        expires_at: datetime,
        note: str,
        snoozed_until: datetime | None = None,
    ) -> Approval:
        """The proposal as version + 1, still pending; the earlier version stays in the history.

        Raises:
            AlreadyDecided, NotFound: as `decide`.
        """
        params = {"id_": id, "version_": version, "next_": version + 1, "note_": note}
        if not self._write(_REVISE, params):
            raise self._too_late(id)
        self._add_version(id, version + 1, plan, expires_at, note, snoozed_until)
        return self.approval(id)

    def _too_late(self, id: str) -> AlreadyDecided:
        now = self.approval(id)
        if now.is_pending:
            return AlreadyDecided(f"{id} has changed since: answer its latest card (version {now.version}).")
        who = f" by {now.decided_by}" if now.decided_by else ""
        return AlreadyDecided(f"{id} is already {now.status.value}{who}.")

    def approval_versions(self, id: str) -> tuple[Approval, ...]:
        """Every version that was shown, first to last. Superseded ones are PENDING: nobody decided them.

        Raises:
            NotFound: there is no such proposal.
        """
        latest = self.approval(id)
        earlier = tuple(
            Approval(
                id=id,
                version=row.version,
                status=ApprovalStatus.PENDING,
                plan=load_frozen(TradePlan, row.plan),
                created_at=latest.created_at,
                expires_at=row.expires_at,
                note=row.note,
                snoozed_until=row.snoozed_until,
            )
            for row in self._rows(_VERSIONS, {"id_": id})
            if row.version != latest.version
        )
        return (*earlier, latest)

    def approval_version(self, id: str, version: int) -> Approval:
        """One version as it was shown.

        Raises:
            NotFound: no such proposal or version.
        """
        latest = self.approval(id)
        if latest.version == version:
            return latest
        for approval in self.approval_versions(id):
            if approval.version == version:
                return approval
        raise NotFound(f"Proposal {id} has no version {version}: its latest is {latest.version}.")

    def plans(self, versions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], TradePlan]:
        """The plans of many (proposal, version) at once; a version that does not exist is left out."""
        wanted = set(versions)
        rows = self._rows(_PLANS, {"ids_": sorted({id for id, _ in wanted})}) if wanted else ()
        return {(row[0], row[1]): load_frozen(TradePlan, row[2]) for row in rows if (row[0], row[1]) in wanted}
