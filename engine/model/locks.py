"""What may not be opened for now, and why; and limits that people set over the configured ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Scope(StrEnum):
    """How much a lock stops."""

    DESK = "desk"
    STRATEGY = "strategy"
    TICKER = "ticker"


class LockKind(StrEnum):
    """The rule that made a lock."""

    HAND = "by hand"
    DAY_LOSS = "day's loss"
    WEEK_LOSS = "week's loss"
    DRAWDOWN = "drawdown"
    PAUSE = "strategy's loss"
    STREAK = "losing streak"
    BREACH = "limit passed"


class LockStatus(StrEnum):
    HELD = "held"
    LIFTED = "lifted"
    """By a person, or by the rule that made it once its reason is gone."""
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Lock:
    """Nothing of its scope is opened while it is held; exits go on. Table `locks`.

    Attributes:
        subject: the strategy or the name ("INDEX" for the broad indices), "" for the whole desk.
        until: it ends by itself then; None holds until somebody lifts it.
        limit: the limit (and what of it) whose breach made it, "" for other kinds.
        ended_by: a person's name or "desk".
    """

    id: str
    scope: Scope
    subject: str
    kind: LockKind
    reason: str
    since: datetime
    by: str
    until: datetime | None = None
    limit: str = ""
    status: LockStatus = LockStatus.HELD
    ended_at: datetime | None = None
    ended_by: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it stops anything at `now`; one whose time is over does not, whether that was noted or not."""
        return self.status is LockStatus.HELD and (self.until is None or now < self.until)

    def covers(self, strategy: str, names: frozenset[str]) -> bool:
        """Whether a trade of this strategy in an underlying that goes by these names is stopped."""
        if self.scope is Scope.DESK:
            return True
        return self.subject == strategy if self.scope is Scope.STRATEGY else self.subject in names

    def ended(self, status: LockStatus, at: datetime, by: str) -> Lock:
        return replace(self, status=status, ended_at=at, ended_by=by)

    @property
    def what(self) -> str:
        """`the desk`, `wheel`, `AAPL`."""
        return "the desk" if self.scope is Scope.DESK else self.subject


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A limit a person set: in force from `effective_at` until a later change is. Table `limit_changes`."""

    id: str
    name: str
    value: Decimal
    effective_at: datetime
    set_by: str
    created_at: datetime
