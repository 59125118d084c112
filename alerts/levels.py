"""The service levels of the desk, measured by itself: uptime and recovery, execution, errors.

**Uptime** counts the market hours of the last 30 sessions (early closes as they are), from the first sign of life that
is kept. A silence of more than 30 s is down time from its first to its last second, as far as it lies in market hours;
one that lasts still counts up to now. A halt by people is none: exits go on, and so do the signs of life.

**Recovery** is the market time from the last sign of life before an outage to the first one after it: nothing could
have been traded outside. What was ended in order (a clean end of `wsb run`) is down time like any other and is told
apart.

**Execution** is the time from the end of an entry's undo window (`Ticket.send_after`) to the broker's acceptance of its
first order: our part up to the wire (the last look at prices, the durable row), then the broker's. 95 of 100 have to be
within the target.

**Errors** are what failed that should not have, over everything done: runs of jobs, commands of people, tries to reach
the broker with an order, messages. A run that raised, a command that broke, a try without an answer, a message given
up, and a loop that broke or stalled (each time it is told) are errors. A refusal is an answer, not an error, whether
the desk's or the broker's; a job that was missed because the desk was down is down time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from engine.desk import Desk
from engine.model.orders import Order, OrderStatus, Ticket
from engine.model.records import Silence, Tally
from engine.sessions import Sessions
from engine.store import UnitOfWork

SESSIONS = 30
"""Over how many sessions the levels are measured, that of today included."""
UPTIME = 0.999
RECOVERY = timedelta(minutes=5)
EXECUTION = 0.1
"""Seconds."""
ERRORS = 0.001
DAY = timedelta(days=1)
NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Outage:
    """A silence in market hours. `took` is market time; `until` is None while it lasts."""

    since: datetime
    until: datetime | None
    took: timedelta
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long the desk was at work in the market hours from `since` to `until`; `measured` are those hours."""

    since: datetime
    until: datetime
    measured: timedelta
    outages: tuple[Outage, ...] = ()

    @property
    def down(self) -> timedelta:
        return sum((outage.took for outage in self.outages), NONE)

    @property
    def planned(self) -> timedelta:
        """The part of it that began with an end in order."""
        return sum((outage.took for outage in self.outages if outage.is_planned), NONE)

    @property
    def ratio(self) -> float | None:
        """From 0 to 1; None where no market hours were measured."""
        return 1 - self.down / self.measured if self.measured else None

    @property
    def longest(self) -> Outage | None:
        """The outage with the longest recovery, None where there was none."""
        return max(self.outages, key=lambda outage: outage.took, default=None)

    @property
    def recovery(self) -> timedelta:
        """How long that took."""
        return NONE if self.longest is None else self.longest.took

    @property
    def is_met(self) -> bool:
        """Whether the desk was at work for long enough; where nothing was measured nothing was missed."""
        return self.ratio is None or self.ratio >= UPTIME

    @property
    def is_recovery_met(self) -> bool:
        return self.recovery < RECOVERY


def span(sessions: Sessions, now: datetime, count: int = SESSIONS) -> datetime:
    """The opening of the first of the last `count` sessions, that of today included."""
    last = sessions.last(sessions.today(now))
    return sessions.open(last if count == 1 else sessions.previous(last, count - 1))


def uptime(sessions: Sessions, silences: Iterable[Silence], since: datetime, until: datetime) -> Uptime:
    """The market hours from `since` to `until` and what of them was down."""
    outages = (
        Outage(each.since, each.until, took, each.is_planned)
        for each in silences
        if (took := sessions.time_between(max(each.since, since), min(each.until or until, until)))
    )
    return Uptime(since, until, sessions.time_between(since, until), tuple(outages))


def uptime_now(desk: Desk, work: UnitOfWork, count: int = SESSIONS) -> Uptime | None:
    """The uptime of the last `count` sessions; None before the first sign of life."""
    now = desk.now()
    first = work.first_beat()
    if first is None or first > now:
        return None
    since = max(first, span(desk.sessions, now, count))
    return uptime(desk.sessions, work.silences(since, now), since, now)


@dataclass(frozen=True, slots=True)
class Execution:
    """One entry from the end of its undo window to the broker's yes to its first order, seconds."""

    ours: float
    """Until it was on the wire."""
    theirs: float
    """From there to the answer."""

    @property
    def took(self) -> float:
        return self.ours + self.theirs


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast entries were with the broker. `refused` first orders it did not take, or never answered about."""

    executions: tuple[Execution, ...]
    refused: int = 0

    @property
    def is_met(self) -> bool:
        """Whether 95 of 100 were within the target; where there was none, none was late."""
        return not self.executions or self.at(0.95) < EXECUTION

    @property
    def share(self) -> float | None:
        """Of all, those within the target."""
        took = [each.took for each in self.executions]
        return sum(seconds < EXECUTION for seconds in took) / len(took) if took else None

    def at(self, rank: float) -> float:
        """Seconds that this share of them took at most.

        Raises:
            ValueError: there was none.
        """
        return percentile([each.took for each in self.executions], rank)


@dataclass(frozen=True, slots=True)
class Errors:
    """What was done since, and how much of it went wrong."""

    since: datetime
    tallies: tuple[Tally, ...]

    @property
    def done(self) -> int:
        return sum(tally.done for tally in self.tallies)

    @property
    def failed(self) -> int:
        return sum(tally.failed for tally in self.tallies)

    @property
    def ratio(self) -> float | None:
        """None where nothing was done."""
        return self.failed / self.done if self.done else None

    @property
    def is_met(self) -> bool:
        return self.ratio is None or self.ratio < ERRORS


@dataclass(frozen=True, slots=True)
class Levels:
    """The four service levels now. `uptime` is None before the first sign of life; `day` are the last 24 hours."""

    uptime: Uptime | None
    speed: Speed
    errors: Errors
    day: Errors

    @property
    def missed(self) -> tuple[str, ...]:
        """The levels that are not kept."""
        kept = {
            "uptime": self.uptime is None or self.uptime.is_met,
            "recovery": self.uptime is None or self.uptime.is_recovery_met,
            "execution": self.speed.is_met,
            "errors": self.errors.is_met and self.day.is_met,
        }
        return tuple(name for name, is_kept in kept.items() if not is_kept)


def percentile(values: Iterable[float], rank: float) -> float:
    """The smallest of the values that at least this share of them does not pass (nearest rank).

    >>> percentile([5.0, 1.0, 2.0], 0.5), percentile([5.0, 1.0, 2.0], 0.99)
    (2.0, 5.0)

    Raises:
        ValueError: there is none.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("There is no percentile of nothing.")
    return ordered[max(0, ceil(rank * len(ordered)) - 1)]


def speed(found: Iterable[tuple[Ticket, Order]]) -> Speed:
    """How fast entries were: each with its first order."""
    executions, refused = [], 0
    for ticket, order in found:
        if order.accepted_at is not None:
            sent = order.sent_at or order.created_at
            ours = (sent - ticket.send_after).total_seconds()
            executions.append(Execution(ours, (order.accepted_at - sent).total_seconds()))
        elif order.status is not OrderStatus.NEW:
            refused += 1
    return Speed(tuple(executions), refused)


def measure(desk: Desk, work: UnitOfWork) -> Levels:
    """The service levels now, over the last `SESSIONS` sessions."""
    now = desk.now()
    since = span(desk.sessions, now)
    return Levels(
        uptime_now(desk, work),
        speed(work.first_orders(since)),
        Errors(since, work.tallies(since)),
        Errors(now - DAY, work.tallies(now - DAY)),
    )


def as_metrics(levels: Levels) -> dict[str, float | None]:
    """The levels by the names of their metrics; None where nothing is known."""
    uptime = levels.uptime
    return {
        "wsb_uptime_ratio": None if uptime is None else uptime.ratio,
        "wsb_recovery_seconds": None if uptime is None else uptime.recovery.total_seconds(),
        "wsb_error_ratio": levels.errors.ratio,
    }
