"""What a digest tells: one session, week or month of the account in numbers. Stored as it was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from engine.model.records import PnlLine


class Span(StrEnum):
    """How much time a digest is about."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """The sessions a digest is about, from the first to the last one, both included."""

    span: Span
    first: date
    last: date

    @property
    def subject(self) -> str:
        """What the digest and its event are called.

        >>> Period(Span.WEEK, date(2026, 11, 23), date(2026, 11, 27)).subject
        '2026-W48'
        """
        if self.span is Span.DAY:
            return self.last.isoformat()
        if self.span is Span.MONTH:
            return f"{self.last:%Y-%m}"
        year, week, _ = self.last.isocalendar()
        return f"{year}-W{week:02}"


def named(subject: str) -> tuple[Span, date]:
    """What a digest is called, read back: its span, and a day that lies in it.

    >>> named("2026-W48"), named("2026-11")
    ((<Span.WEEK: 'week'>, datetime.date(2026, 11, 23)), (<Span.MONTH: 'month'>, datetime.date(2026, 11, 1)))

    Raises:
        ValueError: it is called otherwise.
    """
    year, _, rest = subject.partition("-")
    if rest.startswith("W"):
        return Span.WEEK, date.fromisocalendar(int(year), int(rest[1:]), 1)
    if "-" in rest:
        return Span.DAY, date.fromisoformat(subject)
    return Span.MONTH, date(int(year), int(rest), 1)


@dataclass(frozen=True, slots=True)
class Ended:
    """One position that ended: what it made in its whole life, after fees and with dividends, dollars."""

    id: str
    ticker: str
    structure: str
    reason: str
    net: Decimal


@dataclass(frozen=True, slots=True)
class Theta:
    """What the model says that time alone brought, dollars: an estimate.

    The theta of what was held at each close, times the calendar days to the next one. `known` of `sessions` had it.
    """

    dollars: float
    known: int
    sessions: int


@dataclass(frozen=True, slots=True)
class UsedLimit:
    """One limit on risk, with what is used of it: fractions of equity."""

    name: str
    used: Decimal
    limit: Decimal

    @property
    def holds(self) -> bool:
        return self.used <= self.limit


@dataclass(frozen=True, slots=True)
class Ahead:
    """Something known to come for what is held: `what` happens to `ticker` on `day`."""

    day: date
    ticker: str
    what: str


@dataclass(frozen=True, slots=True)
class Old:
    """A price that was not of the moment: that of `what` is of `at`."""

    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """How the desk itself did: runs of jobs that were missed or failed, errors told, messages never delivered.

    `down`: seconds of market hours without a sign of life.
    """

    missed: int = 0
    failed: int = 0
    errors: int = 0
    undelivered: int = 0
    down: float = 0.0


@dataclass(frozen=True, slots=True)
class Index:
    """What an index fund made between the same closes, a decimal; with dividends where those are known."""

    name: str
    change: float
    has_dividends: bool


@dataclass(frozen=True, slots=True)
class DayMade:
    """What the account made in one session, dollars, flows taken out."""

    day: date
    made: Decimal


@dataclass(frozen=True, slots=True)
class Happened:
    """What became of positions and proposals in a span.

    Attributes:
        opened: ids of positions with their first fill. ended: positions that ended, each with its reason.
        rolled: rolls done. assigned, called_away, expired: option positions, exercised ones among the assigned.
        delivered: the options that became shares, each with what became of it (`XYZ 17 Jul 26 44 put assigned`).
        premium: dollars received, before fees, for packages of options opened for a net credit.
        proposals: those made in the span by what had become of them at its end.
    """

    opened: tuple[str, ...] = ()
    ended: tuple[Ended, ...] = ()
    rolled: int = 0
    assigned: int = 0
    called_away: int = 0
    expired: int = 0
    delivered: tuple[str, ...] = ()
    premium: Decimal = Decimal(0)
    proposals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the money of a span is made of, dollars: `total` is the change of equity less what was put in or taken out.

    It is the sum of the other parts, or the books are wrong: `gap` says by how much. `unrealised` is the change of the
    open P&L. `lines` are by strategy and add up to `total`, the account's own interest, dividends and fees in a line
    called `ACCOUNT`; None where an earlier close was kept without them.
    """

    realised: Decimal
    unrealised: Decimal
    dividends: Decimal
    interest: Decimal
    fees: Decimal
    flows: Decimal
    total: Decimal
    lines: tuple[PnlLine, ...] | None

    @property
    def gap(self) -> Decimal:
        """The total less its parts: zero to the cent."""
        return self.total - (self.realised + self.unrealised + self.dividends + self.interest - self.fees)


ACCOUNT = "account"
"""The line of what belongs to no strategy."""


@dataclass(frozen=True, slots=True)
class Digest:
    """One session, week or month in numbers. Dollars; None is not known, and `notes` say why.

    Attributes:
        since: the close it is counted from; None from the opening of the account. until: when its numbers were taken.
        parts: what was made; None while something held has no price, or no close was kept.
        equity: at the end. open: P&L of what was open then. total: everything made since the start, after fees.
        day, week, month: made up to the end in that session, its week and its month.
        made: the same as a return, a decimal. drawdown: the largest fall from a peak in the span, a negative decimal.
        held: positions open at the end. decay: the model's theta of them, dollars a calendar day.
        days: what each session made (weeks and months).
        is_late: whether it ended on a later day than its last session, at the prices of then. old: prices not of the
            end. notes: what limits its money. unknown: what else of it is not known, in sentences as well.
    """

    period: Period
    since: date | None
    until: datetime
    parts: Parts | None
    equity: Decimal | None
    open: Decimal | None
    total: Decimal | None
    day: Decimal | None
    week: Decimal | None
    month: Decimal | None
    happened: Happened
    health: Health
    made: float | None = None
    drawdown: float | None = None
    index: Index | None = None
    held: int | None = None
    theta: Theta | None = None
    decay: float | None = None
    uses: tuple[UsedLimit, ...] = ()
    ahead: tuple[Ahead, ...] = ()
    days: tuple[DayMade, ...] = ()
    is_late: bool = False
    old: tuple[Old, ...] = ()
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
