"""Values of the desk's own bookkeeping: deliveries, message references, job runs, the lease, daily equity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from engine.model.events import EventKind
from engine.model.trade import RiskLevel


class DeliveryState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    """Given up; `error` says why."""
    DROPPED = "dropped"
    """Given up, and somebody has said that it is of no use any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one destination. Table `outbox`.

    `key` is the card it draws ("approval:A00004"); `attempts` counts the failed tries; `ref` is what the platform
    called the message once it was sent, at `sent_at`. An urgent one goes before the others of its destination.
    `unanswered` counts the tries that may have arrived all the same: each may have left one message more there.
    """

    id: str
    event_id: str
    destination: str
    version: int
    key: str
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    next_try: datetime | None = None
    ref: str | None = None
    error: str = ""
    urgent: bool = False
    sent_at: datetime | None = None
    given_up_at: datetime | None = None
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up: what it was to tell, where, why, and since when it is known."""

    delivery: Delivery
    kind: EventKind
    subject: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """How one delivery went: from when it happened to when it was there, and the tries that failed before."""

    destination: str
    happened_at: datetime
    sent_at: datetime
    attempts: int = 0
    unanswered: int = 0

    @property
    def took(self) -> float:
        """Seconds."""
        return (self.sent_at - self.happened_at).total_seconds()


@dataclass(frozen=True, slots=True)
class MessageRef:
    """Where a card stands on a platform, so that a later version edits it. `version` is the one shown there."""

    key: str
    platform: str
    chat: str
    message: str
    version: int


@dataclass(frozen=True, slots=True)
class KeptButton:
    """A button as it was shown in a chat: its opaque token there, its action here. Table `buttons`.

    `used_at` is the first press: a token counts once.
    """

    token: str
    platform: str
    chat: str
    message: str
    action: str
    made_at: datetime
    used_at: datetime | None = None


class Need(StrEnum):
    """What a proposal still needs after a tap on Approve."""

    CONFIRMATION = "confirmation"
    """The same person's second tap: real money moves."""
    ANOTHER_NAME = "another name"
    """Somebody else's tap: more is at risk than one person decides about."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One tap on Approve that is not a decision yet. Table `consents`.

    `number` counts the taps on this version from 1. It stands until `until`; one without a name takes all earlier
    ones back.
    """

    approval_id: str
    version: int
    number: int
    name: str
    at: datetime
    until: datetime
    needs: Need


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job. A job runs once for each `due_at`; `epoch` is the lease it ran under.

    `since`: where one row stands for several due times that were missed, the first of them; `due_at` is the last.
    """

    id: str
    job: str
    due_at: datetime
    started_at: datetime
    holder: str = ""
    epoch: int = 0
    state: RunState = RunState.RUNNING
    finished_at: datetime | None = None
    note: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LatestRun:
    """The run of a job with the latest due time that is over or was missed."""

    job: str
    due_at: datetime
    state: RunState
    note: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """Messages that wait for one destination, and since when the oldest does."""

    destination: str
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may act until `expires`. `epoch` grows with every new holder: an older epoch has lost the right."""

    name: str
    holder: str
    epoch: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """The time between two signs of life of a desk; `until` is None while the second has not come.

    `is_planned`: the first of them was the last word of a process that ended in order.
    """

    since: datetime
    until: datetime | None
    is_planned: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something of one kind was done, and how often of that it went wrong."""

    kind: str
    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """Several orders in a row that are one act (a roll, a flattened book). Table `sequences`; `body` is its value."""

    id: str
    kind: str
    status: str
    position_id: str
    created_at: datetime
    body: str


@dataclass(frozen=True, slots=True)
class EquityDay:
    """The account at the end of one session, dollars.

    `realised` (gross of fees), `dividends`, `interest`, `flows` and `fees` are sums since the start; `unrealised` is
    of that moment; `liquidation` is what selling everything at once would leave, None when it is unknown. `rate` is
    the continuous short rate of that day, a decimal a year, None where nobody told it.
    """

    day: date
    at: datetime
    equity: Decimal
    cash: Decimal
    realised: Decimal
    unrealised: Decimal
    dividends: Decimal
    interest: Decimal
    flows: Decimal
    fees: Decimal
    liquidation: Decimal | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class PnlLine:
    """P&L of one strategy since the start, dollars; unrealised None while a price is missing."""

    strategy: str
    realised: Decimal
    unrealised: Decimal | None
    dividends: Decimal
    fees: Decimal

    @property
    def total(self) -> Decimal | None:
        """Booked and open, after fees, with dividends; None while a price is missing."""
        if self.unrealised is None:
            return None
        return self.realised + self.unrealised + self.dividends - self.fees


@dataclass(frozen=True, slots=True)
class StrategyDay:
    """What one strategy had made at the end of one session, dollars. Table `strategy_history`.

    `realised` (gross of fees), `dividends` and `fees` are sums since the start; `unrealised` is of that moment.
    """

    day: date
    strategy: str
    realised: Decimal = Decimal(0)
    unrealised: Decimal = Decimal(0)
    dividends: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)

    @property
    def made(self) -> Decimal:
        """Booked and open, after fees, with dividends."""
        return self.realised + self.unrealised + self.dividends - self.fees


@dataclass(frozen=True, slots=True)
class StrategyRecord:
    """A strategy as the database knows it. `risk_level` is None until the catalogue has said it."""

    name: str
    risk_level: RiskLevel | None
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Promotion:
    """A strategy that may open positions with real money in one account, until `ended_at`. Table `promotions`."""

    id: str
    strategy: str
    account: str
    created_at: datetime
    set_by: str
    note: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A durable switch or note, with who set it and when."""

    name: str
    value: str
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits a person set, fractions of equity; None leaves the configured one. `strategy` None is the account."""

    id: str
    strategy: str | None
    max_position_risk: Decimal | None
    max_total_risk: Decimal | None
    max_drawdown: Decimal | None
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class StrategyTotals:
    """What one strategy made since a day, dollars: `realised` gross of `fees`; `dividends` apart."""

    realised: Decimal
    fees: Decimal
    dividends: Decimal


@dataclass(frozen=True, slots=True)
class Trade:
    """One closed structure (a spread, a wheel leg). Table `trades`. Prices per share of one unit, signed as held.

    `pnl` is realised dollars gross of `commission`. `exit_price` is None where nothing was traded out (an assigned
    put becomes shares), both are None where an old portfolio did not say.
    """

    id: str
    strategy: str
    ticker: str
    trade_type: str
    quantity: int
    entry_price: Decimal | None
    exit_price: Decimal | None
    pnl: Decimal
    commission: Decimal
    dividends: Decimal
    opened_at: datetime | None
    closed_at: datetime
    campaign: str | None
    reason: str
