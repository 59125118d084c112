"""The desk: every port, limit and rule the use cases need, in one frozen record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from engine.correlation import DailyReturns
from engine.model.economy import Economy
from engine.model.events import Event, EventKind, Severity
from engine.model.leadership import Term
from engine.model.limits import ApprovalRules, Costs, Limits
from engine.model.reports import Report
from engine.model.trade import Strategy, Unknown
from engine.ports import Broker, MarketData
from engine.reservations import Reservations
from engine.sessions import Sessions
from engine.store import Store


class Mode(StrEnum):
    PAPER = "paper"
    LIVE = "live"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Desk:
    """What a use case may touch. `now` gives aware UTC; `new_id(prefix)` a short sortable id such as `A00004`."""

    store: Store
    market: MarketData
    broker: Broker
    now: Callable[[], datetime]
    new_id: Callable[[str], str]
    sessions: Sessions
    strategies: Mapping[str, Strategy]
    limits: Limits = field(default_factory=Limits)
    rules: ApprovalRules = field(default_factory=ApprovalRules)
    costs: Costs = field(default_factory=Costs)
    mode: Mode = Mode.PAPER
    unknown: Unknown = Unknown.REJECT
    universe: tuple[str, ...] = ()
    economy: Economy = field(default_factory=Economy)
    """The days on which the economy is told about, as far as somebody listed them."""
    reports: Mapping[str, Report] = field(default_factory=dict)
    """Rows of the catalogue that look back instead of trading."""
    account: str = ""
    """The number of the one account orders may touch; "" where none is pinned (paper and replay only)."""
    verified: set[str] = field(default_factory=set)
    """Account numbers the broker has answered with in this process and that were the pinned one."""
    returns: DailyReturns = field(default_factory=DailyReturns)
    """Daily returns of the names that were asked about today, for their correlations."""
    year: DailyReturns = field(default_factory=DailyReturns)
    """The same of the last 260 sessions, for betas and for bad days."""
    reservations: Reservations = field(default_factory=Reservations)
    """What the entries being worked take of the limits."""

    @property
    def term(self) -> Term:
        """Under which lease this process acts: one for every desk on the same store."""
        return self.store.term

    @property
    def today(self) -> date:
        """The trading date in New York."""
        return self.sessions.today(self.now())

    def event(
        self,
        kind: EventKind,
        subject: str,
        data: Mapping[str, object],
        severity: Severity = Severity.INFO,
        correlation: str = "",
        actor: str = "desk",
    ) -> Event:
        """What happens now, for the transaction that makes it happen."""
        return Event(self.new_id("E"), kind, self.now(), subject, data, severity, correlation, actor)

    @property
    def tickers(self) -> tuple[str, ...]:
        """The configured universe, or everything the market knows."""
        return self.universe or self.market.universe()
