"""What the alert rules read: the desk at one moment as plain values. None is unknown, and no rule takes it for fine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from engine.alarms import Trouble
from engine.drift import Moved
from engine.model.market import ReportTime
from engine.model.records import LatestRun, Queue
from engine.ports import SourceState
from engine.risk import LimitUse

REACH = Decimal("0.10")
"""A stop on the price of the shares counts as this share of that price away at entry, for that is not kept: 10 %."""


@dataclass(frozen=True, slots=True)
class Money:
    """The account, dollars. `equity`: of the books, at the better of mid and closing prices.

    Attributes:
        reserved: collateral of short puts, and what working entries would take. cash: of the books.
        asked: when the broker last answered, and what it said then: `maintenance`, `power` (options buying power, less
            what it does not know of yet) and `broker_equity`; None where it does not say, or has not for a minute.
    """

    equity: Decimal | None = None
    cash: Decimal | None = None
    reserved: Decimal | None = None
    broker_equity: Decimal | None = None
    maintenance: Decimal | None = None
    power: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """One open position. Prices are net per share of one unit, signed as held; None is unknown.

    Attributes:
        words: what it is: `2 × XYZ 17 Jul 26 44 put sold`. value: at the mids of now. spot: of the underlying.
        last_session: the last one in which an option of it trades. cutoff: when the desk closes what ends that day.
        is_held_to_expiry: whether it is left to expire by design. is_closing: an exit is being worked.
    """

    id: str
    ticker: str
    words: str
    entry: Decimal | None = None
    value: Decimal | None = None
    spot: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    stop_spot: Decimal | None = None
    stop_spot_above: Decimal | None = None
    last_session: date | None = None
    cutoff: datetime | None = None
    is_held_to_expiry: bool = False
    is_closing: bool = False

    @property
    def has_stop(self) -> bool:
        return any(level is not None for level in (self.stop, self.stop_spot, self.stop_spot_above))

    @property
    def to_stop(self) -> Decimal | None:
        """How much of the way from entry to its nearest stop is gone: 0 at entry, 1 at the stop; None is unknown."""
        known = (self._package_stop, self._spot_stop(self.stop_spot, 1), self._spot_stop(self.stop_spot_above, -1))
        return max((each for each in known if each is not None), default=None)

    @property
    def _package_stop(self) -> Decimal | None:
        if self.stop is None or self.value is None or self.entry is None:
            return None
        # A stop that was raised to the entry or above it has no way of its own: what it may fall by is taken from it.
        way = self.entry - self.stop if self.entry > self.stop else abs(self.stop) * REACH
        return 1 - (self.value - self.stop) / way if way else None

    def _spot_stop(self, level: Decimal | None, side: int) -> Decimal | None:
        if level is None or not self.spot:
            return None
        return 1 - (self.spot - level) * side / (self.spot * REACH)

    @property
    def to_target(self) -> Decimal | None:
        """How much of the way from entry to its target is gone; None is unknown, or there is no way to go."""
        if self.target is None or self.value is None or self.entry is None or self.target <= self.entry:
            return None
        return (self.value - self.entry) / (self.target - self.entry)


@dataclass(frozen=True, slots=True)
class Failing:
    """A protective action that does not get done: of which position, how often it failed, and why the last time."""

    position: str
    ticker: str
    trouble: Trouble
    count: int
    note: str

    @property
    def subject(self) -> str:
        """`P00001`, `P00001 net`."""
        return self.position if self.trouble is Trouble.EXIT else f"{self.position} {self.trouble}"


@dataclass(frozen=True, slots=True)
class Sold:
    """A short option of an open position that may be exercised at any time. Dollars; None is unknown.

    Attributes:
        inside: a share in the money, negative out of it. time_value: a share, at least 0. dollars: that change hands
            for the shares. short_cash: how much of that the cash does not cover, for a put.
        dividend, ex_date: the next one before it expires; sessions: until then, 1 is the next one.
        knows_dividends: whether somebody tells the dividends of the name.
    """

    position: str
    ticker: str
    words: str
    is_call: bool
    dollars: Decimal
    inside: Decimal | None = None
    time_value: Decimal | None = None
    short_cash: Decimal = Decimal(0)
    dividend: Decimal | None = None
    ex_date: date | None = None
    sessions: int | None = None
    knows_dividends: bool = True

    @property
    def forgone(self) -> Decimal | None:
        """What its holder would give up by exercising now, dollars a share: time value, and the way into the money."""
        if self.inside is None or self.time_value is None:
            return None
        return self.time_value + max(-self.inside, Decimal(0))


@dataclass(frozen=True, slots=True)
class Reporting:
    """The next report of a held name.

    Attributes:
        day, when, confirmed: as its sources say; `day` None where nobody tells one.
        tells_from: the close of the session before the last one in which something can be done. acts_from: half an
            hour before the end of that last session. ends: its close.
        positions: what is held in the name. is_protected: some of it is there for the report.
    """

    ticker: str
    day: date | None = None
    when: ReportTime = ReportTime.UNKNOWN
    confirmed: bool = False
    tells_from: datetime | None = None
    acts_from: datetime | None = None
    ends: datetime | None = None
    positions: int = 1
    is_protected: bool = False


@dataclass(frozen=True, slots=True)
class Broker:
    """How the broker does. `answered`: when it last told the account, None before it has.

    Attributes:
        refused: what it said to each order it refused in the last quarter of an hour, newest first.
        differing: symbol (or `cash`, or an order) -> both sides, of what was told to differ.
    """

    answered: datetime | None = None
    refused: tuple[str, ...] = ()
    differing: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of the process: seconds since its last finished look."""

    name: str
    age: float


@dataclass(frozen=True, slots=True)
class Front:
    """A chat platform: whether it is reached, and how it does in words."""

    name: str
    is_up: bool
    words: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """What only the running process knows of itself. None is unknown.

    Attributes:
        since: when it began. disk_free: bytes where the database is. commit_seconds: one small transaction.
        skew: seconds its clock is ahead of the broker's (negative: behind), as measured at `skew_at`.
        backup: when the newest backup of the database was made.
    """

    since: datetime | None = None
    loops: tuple[Loop, ...] = ()
    fronts: tuple[Front, ...] = ()
    disk_free: int | None = None
    commit_seconds: float | None = None
    skew: float | None = None
    skew_at: datetime | None = None
    backup: datetime | None = None

    def age(self, loop: str) -> float | None:
        """Seconds since the last finished look of that loop; None where there is no such loop."""
        return next((each.age for each in self.loops if each.name == loop), None)


Look = Callable[[], Process]
"""Reads the process; it waits for nobody."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the rules read at one look.

    Attributes:
        today: the trading date in New York. is_open: the regular session is on, since `opened`; outside of it no price
            is judged.
        uses: the limits on sums, the day's and the week's loss; None while something held has no price. drawdown:
            likewise, against the limit that halts the desk.
        failing: exits and nets that do not get done.
        quotes: when the share quote of each held name was made, None where there is none now.
        jobs: by job. errors: of the last hour; acts: what was done in it, errors included.
    """

    now: datetime
    today: date
    is_open: bool = False
    opened: datetime | None = None
    uses: tuple[LimitUse, ...] | None = None
    drawdown: LimitUse | None = None
    money: Money = field(default_factory=Money)
    drift: Moved = field(default_factory=Moved)
    positions: tuple[Watched, ...] = ()
    failing: tuple[Failing, ...] = ()
    sold: tuple[Sold, ...] = ()
    reports: tuple[Reporting, ...] = ()
    quotes: tuple[tuple[str, datetime | None], ...] = ()
    sources: tuple[SourceState, ...] = ()
    broker: Broker = field(default_factory=Broker)
    jobs: tuple[LatestRun, ...] = ()
    waiting: tuple[Queue, ...] = ()
    errors: int = 0
    acts: int = 0
    process: Process = field(default_factory=Process)

    def since(self, at: datetime | None) -> timedelta | None:
        """How long ago that was, never less than nothing; None where it is not known."""
        return None if at is None else max(self.now - at, timedelta(0))
