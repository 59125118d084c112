"""From an idea to an approved trade: legs, signals, plans, approvals, and the shape of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from engine.model.book import Position
from engine.model.economy import Economy
from engine.model.instruments import Instrument, Option
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Bars, DatesAhead, Fundamentals, Greeks, Level, MarketSnapshot, Quote


class RiskLevel(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Step:
    """One rule's verdict on one name: the funnel is made of these.

    `rule` is the same words for every name ("average volume"), `limit` the threshold and `value` what was found,
    both as shown to the user ("≥ 1,000,000", "999,999"). NOT_CHECKED: the input is not covered and the desk is in
    replay; live, an unknown input is FAILED with value "unknown".
    """

    rule: str
    limit: str
    value: str
    verdict: Verdict = Verdict.FAILED

    @property
    def passed(self) -> bool:
        return self.verdict is not Verdict.FAILED


NOT_APPLICABLE = "does not apply"
"""How `Outlook.pop_method` begins where a probability of profit has no meaning (protection)."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What the model needs to price the legs of a package once more, as they were when the card was made.

    Attributes:
        ivs: annualised decimal of each leg, None for shares. escrowed: dollars a share of discrete dividends before
            the expiry of each leg, at their present value. rate, dividend_yield: continuous decimals a year.
    """

    ivs: tuple[float | None, ...]
    escrowed: tuple[float, ...]
    rate: float = 0.0
    dividend_yield: float = 0.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """The numbers of one unit of a package, in dollars per unit (multiplier included), before fees.

    Attributes:
        max_loss, max_gain: positive dollars; None is unlimited.
        breakevens: dollars of the underlying, ascending.
        pop: probability of a profit at expiry, None when it cannot be computed; pop_method says how.
        greeks: per share of ONE unit (net of the legs' ratios); None when a leg has no value.
        collateral: cash that must be set aside, 0 for what is paid in full.
        shares_at: basis per share of held shares that the numbers include (covered call); None = the legs alone.
        modelled: how gain and breakevens were modelled, as shown; "" where they are exact.
        priced: what the legs are priced with in a stress; None when an option has no volatility.
    """

    max_loss: Decimal | None
    max_gain: Decimal | None
    breakevens: tuple[Decimal, ...]
    pop: float | None
    pop_method: str
    greeks: Greeks | None
    collateral: Decimal = Decimal(0)
    shares_at: Decimal | None = None
    modelled: str = ""
    priced: Priced | None = None


class Working(StrEnum):
    """How an opening order is worked."""

    LADDER = "ladder"
    """Four steps of 15 s from mid to 60 % of the half-spread, then cancel."""
    REST = "rest"
    """A day order at the limit, pulled when the spot moves 1 %."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What to trade and why; no size.

    Attributes:
        limit: net price per share of one unit; positive is paid (debit), negative is received (credit).
        natural: the net price at which it would trade at once (buy asks, sell bids), same sign rule.
        rank: larger is better, used where a strategy chooses among its signals.
        worst: a net limit the ladder may never pass (None: the ladder's own bounds).
        delta_range: |delta| of the picked short or long leg that must still hold (±0.05) at the tap.
        at_risk: decimal fraction of equity this strategy wants at risk; None = the per-trade cap decides.
        campaign: the campaign this continues (a covered call on assigned shares), None = a new one.
        covers: position whose shares this needs (covered call), None for none.
        at_most: units there are shares for (covered call), or that the strategy never exceeds; None = no such bound.
        data: sources and ages of the numbers used, as shown ("replay (modelled), 0 s").
        yours: a net limit chosen by a person, which the order never passes either (None: nobody chose one).
        dates: what was known of the next report and ex-date when the card was made; None = not looked at.
        max_spread: widest spread of a leg at the tap, share of its mid, where the strategy has a bound of its own.
        alternatives: signals of one name that share this word are alternatives, best rank first: only the first that
            may be traded is proposed. "" for a signal that stands by itself.
        table: what was compared, for the card: headers, then rows, at most 36 columns wide.
    """

    strategy: str
    ticker: str
    structure: Structure
    legs: tuple[Leg, ...]
    limit: Decimal
    natural: Decimal
    spot: Decimal
    outlook: Outlook
    exits: ExitPlan
    asof: datetime
    reasons: tuple[str, ...]
    against: tuple[str, ...] = ()
    rank: float = 0.0
    worst: Decimal | None = None
    working: Working = Working.LADDER
    delta_range: tuple[float, float] | None = None
    at_risk: float | None = None
    campaign: str | None = None
    covers: str | None = None
    at_most: int | None = None
    sector: str | None = None
    data: str = ""
    modelled: bool = False
    yours: Decimal | None = None
    dates: DatesAhead | None = None
    max_spread: float | None = None
    alternatives: str = ""
    table: tuple[tuple[str, ...], ...] = ()

    @property
    def options(self) -> tuple[Option, ...]:
        return tuple(leg.instrument for leg in self.legs if isinstance(leg.instrument, Option))

    @property
    def is_credit(self) -> bool:
        return self.limit < 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a strategy made of one name: signals (usually none or one) and the rules it went through, in order."""

    signals: tuple[Signal, ...] = ()
    steps: tuple[Step, ...] = ()

    @staticmethod
    def nothing(*steps: Step) -> Found:
        return Found((), steps)


@dataclass(frozen=True, slots=True)
class Exit:
    """A strategy's own wish to close (part of) a position, beyond the generic target, stop and time exit.

    `units` None closes everything. `reason` is a word of `ExitReason`-like text ("delta", "21 DTE winner");
    `ask` True means a card is offered instead of acting (LEAPS, rolls); False acts as agreed at entry. `stop` set
    closes nothing: the position's stop moves up to this package value (a trailing stop; never down).
    """

    reason: str
    words: str
    units: int | None = None
    ask: bool = False
    stop: Decimal | None = None


class Unknown(StrEnum):
    """What a rule does when its input is missing."""

    REJECT = "reject"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Campaign:
    """One closed campaign of a strategy: net P&L after fees, and its multiple of the premium or risk put up.

    `stake`: dollars put up at its first entry, at `opened`; None where that is not known.
    """

    strategy: str
    ticker: str
    closed: datetime
    pnl: Decimal
    r: float
    opened: datetime | None = None
    stake: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a strategy may know beyond one underlying.

    Attributes:
        today: New York trading date. next_sessions: the coming trading dates, today first (for "within 2 sessions").
        equity: dollars. held: this strategy's open positions. opened_today: its entries proposed or filled today.
        campaigns: its closed campaigns, oldest first.
        firing: share (0 to 1) of the universe whose price rules fire today; None = not computed.
        market: snapshot of SPY, None when there is none.
        unknown: REJECT live, SKIP in replay and backtest.
        max_position_risk: decimal fraction of equity, the outer wall.
        premiums: by open campaign, dollars realised on its closed options (an assigned put's premium is already in the
            basis of the shares): what the basis net of premiums is computed from.
        sectors: by held ticker, where known.
        economy: the days on which the economy is told about; unknown days where nobody listed them.
        waiting: its proposals that wait for an answer, and its entries that are being worked.
        owned: the open positions of every strategy, this one's too.
        levels: values of the indices that the strategy's `needs` name, by symbol; those nobody knows are left out.
        facts: fundamentals by ticker of every name of the scan, where the strategy's `needs` ask for peers.
        option_fee: commission per contract, leg and side, dollars.
        lists_indices: the broker takes orders in options on indices (SPX, XSP).
    """

    today: date
    next_sessions: tuple[date, ...]
    equity: Decimal
    held: tuple[Position, ...] = ()
    opened_today: int = 0
    campaigns: tuple[Campaign, ...] = ()
    firing: float | None = None
    market: MarketSnapshot | None = None
    unknown: Unknown = Unknown.REJECT
    max_position_risk: float = 0.10
    premiums: Mapping[str, Decimal] = field(default_factory=dict)
    sectors: Mapping[str, str] = field(default_factory=dict)
    economy: Economy = field(default_factory=Economy)
    waiting: tuple[TradePlan, ...] = ()
    owned: tuple[Position, ...] = ()
    levels: Mapping[str, Level] = field(default_factory=dict)
    facts: Mapping[str, Fundamentals] = field(default_factory=dict)
    option_fee: Decimal = Decimal("1.00")
    lists_indices: bool = False

    @property
    def names(self) -> frozenset[str]:
        """What this strategy holds, or will if everything that waits is answered with yes."""
        return frozenset({each.ticker for each in self.held} | {plan.signal.ticker for plan in self.waiting})

    @property
    def places(self) -> int:
        """How many positions that makes."""
        held = {position.ticker for position in self.held}
        return len(self.held) + sum(plan.signal.ticker not in held for plan in self.waiting)


@dataclass(frozen=True, slots=True)
class RollRules:
    """What a position may be rolled into. Calendar days to expiry; the later expiry nearest `dte` is taken.

    `credit_only`: the roll may not cost anything. `delta`: |delta| aimed at where a long option moves its strike.
    """

    dte: int
    credit_only: bool
    delta: float = 0.5


Find = Callable[[MarketSnapshot, Context, Any], Found]
Manage = Callable[[Position, MarketSnapshot, Mapping[Instrument, Quote], Any], tuple[Exit, ...]]
Screen = Callable[[Mapping[str, Bars], Any], Mapping[str, Any]]
Select = Callable[[tuple[str, ...], tuple[Position, ...], Any], tuple[str, ...]]
Choose = Callable[[tuple[Signal, ...], Context, Any], tuple[tuple[Signal, ...], Mapping[str, Step]]]
Exits = Callable[[Signal, Any], ExitPlan]
SharesExits = Callable[[Decimal, Any], ExitPlan]
Rolls = Callable[[Position, Any], RollRules]
Detail = Callable[[Signal, MarketSnapshot], Signal]
EntryHours = Callable[[Any], tuple[str, str] | None]
Review = Callable[[Context, Any], Mapping[str, Exit]]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a strategy reads: the catalogue tells the desk which inputs to have ready.

    `times`: scan times in New York ("10:00"), besides `every` seconds when that is set.
    """

    chain: bool = True
    dividends: bool = False
    earnings: bool = False
    fundamentals: bool = False
    times: tuple[str, ...] = ()
    every: int | None = None
    firing: bool = False
    """Whether `Context.firing` is wanted: the share of the universe whose `screen` fires today."""
    levels: tuple[str, ...] = ()
    """Indices whose values `Context.levels` should have ("VIX")."""
    peers: bool = False
    """Whether `Context.facts` is wanted: names are judged against each other."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy: data and pure functions. The same object runs live, in replay and in backtests.

    Attributes:
        params: the parameters in force, an instance of the strategy's own frozen dataclass.
        find: (snapshot, context, params) -> Found.
        manage: (position, snapshot, quotes of its legs, params) -> exits beyond its ExitPlan.
        screen: (bars by ticker, params) -> boolean array by ticker: price and volume rules, vectorised over sessions.
            Element i is session i seen at its last price, with the sessions before it completed.
        select: (universe, open positions of every strategy, params) -> the names to scan, where nobody named any; they
            need not be of the universe. choose: keeps the best signals of a scan; rejected tickers get a Step.
        exits: (signal, params) -> the exit plan of the signal at its limit: again after the limit has moved.
        shares_exits: (basis per share, params) -> the exit plan of shares that came by assignment.
        rolls: (position, params) -> what it may be rolled into; None: a month out, credits stay credits.
        entry_hours: (first, last) New York time ("15:00") of its entries, both included, or a function of its params
            that says them; None = the session's own.
        detail: (signal, snapshot) -> the signal with what only a card shows, asked of what is proposed alone: numbers
            too dear for every name of a scan.
        review: (context, params) -> questions about held positions by their id, asked by a scan before it proposes.
    """

    name: str
    title: str
    risk_level: RiskLevel
    params: Any
    needs: Needs
    find: Find
    manage: Manage
    screen: Screen | None = None
    select: Select | None = None
    choose: Choose | None = None
    exits: Exits | None = None
    shares_exits: SharesExits | None = None
    rolls: Rolls | None = None
    entry_hours: tuple[str, str] | EntryHours | None = None
    detail: Detail | None = None
    review: Review | None = None

    @property
    def hours(self) -> tuple[str, str] | None:
        """The entry hours at the parameters in force."""
        return self.entry_hours(self.params) if callable(self.entry_hours) else self.entry_hours


@dataclass(frozen=True, slots=True)
class TradePlan:
    """A sized, risk-checked signal: everything the card shows and the order needs. Dollars are totals.

    Attributes:
        quantity: units; 0 is legal and means "too small to trade", with the reason in `sizing`.
        max_loss: dollars, None is unlimited. collateral: cash set aside. fees: estimated, one side, dollars.
        counted_risk: dollars that count toward max_total_risk (docs/strategies.md, "Sizing").
        sizing: each cap with its number, as Steps; the binding one FAILED only when quantity is 0.
        impact: before/after sentences of the risk check. after: buying power, short puts and a fall of SPY in words.
        market_fall: signed dollars it makes when SPY falls by 5 %, None where that is not known.
    """

    signal: Signal
    quantity: int
    max_loss: Decimal | None
    max_gain: Decimal | None
    collateral: Decimal
    counted_risk: Decimal
    fees: Decimal
    sizing: tuple[Step, ...] = ()
    impact: tuple[str, ...] = ()
    after: str = ""
    market_fall: Decimal | None = None

    @property
    def net_cash(self) -> Decimal:
        """Cash in (positive) or out (negative) at the limit, before fees, dollars."""
        multiplier = self.signal.legs[0].instrument.multiplier
        return -self.signal.limit * multiplier * self.quantity


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Approval:
    """A proposal waiting for (or past) a person's decision. A moved price or a new size makes version + 1.

    `note` says why for rejected, expired and blocked ones, and what moved for a new version. While `snoozed_until`
    lies ahead it waits to be asked again and does not expire.
    """

    id: str
    version: int
    status: ApprovalStatus
    plan: TradePlan
    created_at: datetime
    expires_at: datetime
    note: str = ""
    decided_by: str | None = None
    decided_at: datetime | None = None
    snoozed_until: datetime | None = None

    @property
    def key(self) -> str:
        """`id.version`, as the buttons carry it and the first part of its order ids."""
        return f"{self.id}.{self.version}"

    @property
    def is_pending(self) -> bool:
        return self.status is ApprovalStatus.PENDING


@dataclass(frozen=True, slots=True)
class FunnelLine:
    """One rule of a scan: how many names it removed and how many were left after it."""

    rule: str
    limit: str
    removed: int
    left: int


@dataclass(frozen=True, slots=True)
class Rejection:
    ticker: str
    rule: str
    value: str
    limit: str


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of one strategy's scan over the universe.

    `questions`: by position, what its review of the held positions asks about.
    """

    id: str
    strategy: str
    asof: datetime
    universe: int
    funnel: tuple[FunnelLine, ...]
    not_checked: tuple[str, ...]
    plans: tuple[TradePlan, ...]
    rejected: tuple[Rejection, ...]
    steps: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    questions: Mapping[str, Exit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """What came of a stored scan: which rules had nothing to ask, and its plans (only counted, so not read)."""

    strategy: str
    not_checked: tuple[str, ...]
    plans: tuple[object, ...]
