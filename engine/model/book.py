"""What is held and what it made: lots, positions, postings, the book.

Realised P&L is booked on close or expiry, first in first out per contract, gross of fees. An assignment realises
nothing: the premium moves into the basis (or the proceeds) of the shares (IRS Pub. 550, table 4-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from engine.model.instruments import Instrument
from engine.model.legs import ExitPlan, Leg, Structure

ZERO = Decimal(0)


class PositionStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Lot:
    """Some of one instrument bought (or sold short) at one price: signed quantity, positive dollars per share."""

    quantity: int
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """What the broker says is held: signed quantity and average price per share."""

    instrument: Instrument
    quantity: int
    average: Decimal


@dataclass(frozen=True, slots=True)
class PositionLeg:
    """All open lots of one instrument in a position, oldest first."""

    instrument: Instrument
    lots: tuple[Lot, ...]

    @property
    def quantity(self) -> int:
        """Signed contracts or shares."""
        return sum(lot.quantity for lot in self.lots)

    @property
    def cost(self) -> Decimal:
        """Signed dollars paid for what is open (negative for shorts)."""
        return sum((lot.price * lot.quantity for lot in self.lots), ZERO) * self.instrument.multiplier

    @property
    def average(self) -> Decimal:
        """Average price per share of the open lots, 0 when there are none."""
        return self.cost / (self.quantity * self.instrument.multiplier) if self.quantity else ZERO


@dataclass(frozen=True, slots=True)
class Position:
    """One structure of one strategy, from its first fill to its end.

    Attributes:
        id: `P...`. campaign: ties put, shares and call of one wheel together; a win is counted per campaign.
        unit: the legs of one unit as held (a short put has ratio -1). legs: the open lots.
        realised: dollars gross of fees. fees, dividends: dollars, positive is paid / received.
        entry: net value of a unit when opened, signed as held (short put at 1.03: -1.03), None before a fill.
        peak: best package value seen since entry (trailing exits), None before the first mark.
        risk: dollars counted toward max_total_risk at entry, max_loss: dollars at entry (None unlimited).
        delta: signed delta dollars at entry, None where it was not known.
        opened_units: units ever opened. modelled: some number at entry was modelled.
    """

    id: str
    campaign: str
    strategy: str
    ticker: str
    structure: Structure
    unit: tuple[Leg, ...]
    legs: tuple[PositionLeg, ...]
    exits: ExitPlan
    opened_at: datetime
    status: PositionStatus = PositionStatus.OPEN
    approval_id: str | None = None
    entry: Decimal | None = None
    opened_units: int = 0
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    dividends: Decimal = ZERO
    peak: Decimal | None = None
    risk: Decimal = ZERO
    max_loss: Decimal | None = None
    collateral: Decimal = ZERO
    delta: Decimal | None = None
    closed_at: datetime | None = None
    close_reason: str = ""
    modelled: bool = False

    @property
    def is_open(self) -> bool:
        return self.status is PositionStatus.OPEN

    @property
    def story(self) -> str:
        """What the events of its trade have in common: the approval it started from, or its own id."""
        return self.approval_id or self.id

    @property
    def units(self) -> int:
        """Whole units still held; 0 when a leg is gone or held the other way round."""
        held = {leg.instrument: leg.quantity for leg in self.legs}
        return min((max(0, held.get(leg.instrument, 0) // leg.ratio) for leg in self.unit), default=0)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(leg.instrument for leg in self.legs if leg.quantity)

    @property
    def cost(self) -> Decimal:
        """Signed dollars paid for what is open."""
        return sum((leg.cost for leg in self.legs), ZERO)

    def value(self, prices: Mapping[Instrument, Decimal]) -> Decimal | None:
        """Signed dollars of what is open at `prices` per share; None when a price is missing."""
        if any(instrument not in prices for instrument in self.instruments):
            return None
        held = (leg for leg in self.legs if leg.quantity)
        return sum((prices[x.instrument] * x.quantity * x.instrument.multiplier for x in held), ZERO)

    def unrealised(self, prices: Mapping[Instrument, Decimal]) -> Decimal | None:
        """Open P&L in dollars, gross of fees; None when a price is missing."""
        value = self.value(prices)
        return None if value is None else value - self.cost

    def package(self, prices: Mapping[Instrument, Decimal]) -> Decimal | None:
        """Value of one unit per share, signed as held (compare with `ExitPlan`); None when a price is missing."""
        if any(leg.instrument not in prices for leg in self.unit):
            return None
        return sum((prices[leg.instrument] * leg.ratio for leg in self.unit), ZERO)


class PostingKind(StrEnum):
    """Why cash moved or P&L was realised."""

    START = "start"
    TRADE = "trade"
    FEE = "fee"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    FLOW = "flow"


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of the ledger. `key` is unique (execution or activity id plus kind): posting it twice posts it once.

    `cash` dollars in (positive) or out; `realised` dollars of P&L booked by it, gross of fees.
    """

    key: str
    kind: PostingKind
    at: datetime
    cash: Decimal
    realised: Decimal = ZERO
    position_id: str | None = None
    strategy: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the ledger, dollars. `start` is opening equity; `fees` positive is paid."""

    start: Decimal = ZERO
    cash: Decimal = ZERO
    realised: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    flows: Decimal = ZERO
    fees: Decimal = ZERO

    def post(self, posting: Posting) -> Totals:
        """The totals after one more line."""
        cash = posting.cash
        after = replace(self, cash=self.cash + cash, realised=self.realised + posting.realised)
        match posting.kind:
            case PostingKind.START:
                return replace(after, start=after.start + cash)
            case PostingKind.FEE:
                return replace(after, fees=after.fees - cash)
            case PostingKind.DIVIDEND:
                return replace(after, dividends=after.dividends + cash)
            case PostingKind.INTEREST:
                return replace(after, interest=after.interest + cash)
            case PostingKind.FLOW:
                return replace(after, flows=after.flows + cash)
        return after


@dataclass(frozen=True, slots=True)
class Book:
    """Open positions by id and the ledger's totals."""

    totals: Totals = field(default_factory=Totals)
    positions: Mapping[str, Position] = field(default_factory=dict)

    @property
    def cash(self) -> Decimal:
        return self.totals.cash

    def post(self, position: Position | None, postings: tuple[Posting, ...]) -> Book:
        """The book after a changed position (closed ones leave it) and new ledger lines."""
        totals = self.totals
        for posting in postings:
            totals = totals.post(posting)
        positions = dict(self.positions)
        if position is not None:
            positions.pop(position.id, None)
            if position.is_open:
                positions[position.id] = position
        return Book(totals, positions)

    def unrealised(self, prices: Mapping[Instrument, Decimal]) -> Decimal | None:
        """Dollars over all open positions; None when a price is missing."""
        parts = [position.unrealised(prices) for position in self.positions.values()]
        return None if None in parts else sum((part for part in parts if part is not None), ZERO)

    def equity(self, prices: Mapping[Instrument, Decimal]) -> Decimal | None:
        """Cash plus the value of everything held, dollars; None when a price is missing."""
        values = [position.value(prices) for position in self.positions.values()]
        return None if None in values else self.cash + sum((value for value in values if value is not None), ZERO)


@dataclass(frozen=True, slots=True)
class Account:
    """The broker's own numbers, dollars. Cash, reserved and buying power are three different things."""

    number: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    options_buying_power: Decimal
    options_level: int
    is_paper: bool
    blocked: bool = False
    currency: str = "USD"
    maintenance: Decimal | None = None
    """Equity that must be left for what is held; None where the broker does not say."""
