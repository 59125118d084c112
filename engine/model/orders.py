"""What the desk decided to trade (Ticket), what goes on the wire (Order) and what came back (Fill, Activity)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from engine.model.instruments import Instrument
from engine.model.legs import Leg
from engine.model.trade import Working


class OrderStatus(StrEnum):
    """Life of one order. NEW is committed and perhaps sent: only the broker knows."""

    NEW = "new"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


OPEN = frozenset({OrderStatus.NEW, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.PENDING_CANCEL})
DONE = frozenset(OrderStatus) - OPEN


class OrderType(StrEnum):
    LIMIT = "limit"
    MARKET = "market"
    """Shares only; never for options."""
    STOP = "stop"
    """Rests at the broker and sells (or buys back) once the price is through `stop`: a net under our own exits.

    Shares then go at market; an option never does, so its stop carries the limit it may be closed at."""


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"


class PositionIntent(StrEnum):
    """What a leg does to the position (Alpaca's words)."""

    BUY_TO_OPEN = "buy_to_open"
    BUY_TO_CLOSE = "buy_to_close"
    SELL_TO_OPEN = "sell_to_open"
    SELL_TO_CLOSE = "sell_to_close"


def intent(leg: Leg, opening: bool) -> PositionIntent:
    """The intent of a leg of an opening or closing order."""
    if leg.ratio > 0:
        return PositionIntent.BUY_TO_OPEN if opening else PositionIntent.BUY_TO_CLOSE
    return PositionIntent.SELL_TO_OPEN if opening else PositionIntent.SELL_TO_CLOSE


class Purpose(StrEnum):
    ENTRY = "entry"
    EXIT = "exit"


MANUAL = "manual"
"""Reason of an exit that a person asked for."""

ROLL = "roll"
"""Reason of an exit that is the first step of a roll: worked inside its bound, and given up like an entry."""

PANIC = "panic"
"""Reason of an exit that closes everything at an admin's word."""
NET = "net"
"""Reason of an exit that only rests at the broker, a stop order under our own stop."""
STOPS = frozenset({"stop", NET})
"""Reasons of exits by which a stop is carried out: people hear of it wherever warnings go."""


class TicketStatus(StrEnum):
    WORKING = "working"
    FILLED = "filled"
    CLOSED = "closed"
    """Ended with less than everything filled: canceled, expired, rejected or given up; `note` says which."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A decision to trade, worked through one order after another. Table `orders`.

    Attributes:
        id: `{approval}.{version}` for entries, `{position}.{reason}.{n}` for exits: the stem of its order ids.
        legs: of one unit, signed as traded (an exit carries the position's legs negated).
        quantity, filled: units. limit: net per share of a unit, + paid, - received. worst: it may never pass this.
        send_after: not before this instant (undo window). step: ladder step of the latest order, 0 first.
        cancel_requested: a person or the ladder wants it ended; no further order is made.
    """

    id: str
    purpose: Purpose
    reason: str
    strategy: str
    ticker: str
    legs: tuple[Leg, ...]
    quantity: int
    limit: Decimal
    worst: Decimal
    working: Working
    status: TicketStatus
    created_at: datetime
    send_after: datetime
    position_id: str
    approval_id: str | None = None
    version: int = 0
    spot: Decimal | None = None
    filled: int = 0
    step: int = 0
    attempts: int = 0
    cancel_requested: bool = False
    note: str = ""

    @property
    def left(self) -> int:
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        return self.status is TicketStatus.WORKING

    @property
    def is_net(self) -> bool:
        """Whether it rests under our own exits and is none of them: it steps aside for every other order."""
        return self.purpose is Purpose.EXIT and self.reason == NET

    @property
    def was_optional(self) -> bool:
        """Whether its end leaves its position as well protected as before: a net, a roll, a close taken back."""
        return self.is_net or self.reason == ROLL or (self.reason == MANUAL and self.cancel_requested)

    @property
    def bound(self) -> Decimal | None:
        """The price none of its orders may pass; None for an exit, which has to get out (a roll's has not)."""
        return None if self.purpose is Purpose.EXIT and self.reason != ROLL else self.worst

    def canceling(self, note: str) -> Ticket:
        """The ticket with its end asked for; a first reason stands."""
        return self if self.cancel_requested else replace(self, cancel_requested=True, note=note)


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the broker sees it. Table `attempts`.

    Attributes:
        client_order_id: `{ticket}.{attempt}`; sending it twice places one order.
        limit: net per share of a unit: positive is paid, negative is received, for single legs too (a sell at 1.03
            is -1.03); None for a market order and a stop of shares. The stop of an option has both: it is a stop-limit.
        stop: trigger of a stop order, positive dollars per share of its single leg; None for every other type.
        cancel_again_at: from when on the broker may be asked once more to take it off; None while it never was.
        filled: units. average: net per share over the filled units, same sign rule, None before a fill.
        broker_id: the broker's id once it is known. error: the broker's words when it refused.
    """

    client_order_id: str
    ticket_id: str
    legs: tuple[Leg, ...]
    quantity: int
    limit: Decimal | None
    opening: bool
    status: OrderStatus
    created_at: datetime
    type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.DAY
    broker_id: str | None = None
    filled: int = 0
    average: Decimal | None = None
    sent_at: datetime | None = None
    accepted_at: datetime | None = None
    done_at: datetime | None = None
    error: str = ""
    stop: Decimal | None = None
    cancel_again_at: datetime | None = None

    @property
    def attempt(self) -> int:
        """Its number among the orders of its ticket, from 1: the end of its id."""
        return int(self.client_order_id.rpartition(".")[2])

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_multileg(self) -> bool:
        return len(self.legs) > 1


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of one leg. Legs of a package sum to the package; nothing counts twice.

    `quantity` is signed contracts or shares (+ bought), `price` positive dollars per share, `fee` dollars (estimated
    until trued up). `execution_id` is unique: a second one with the same id is the same fill.
    """

    execution_id: str
    client_order_id: str
    instrument: Instrument
    quantity: int
    price: Decimal
    at: datetime
    fee: Decimal = Decimal(0)

    @property
    def cash(self) -> Decimal:
        """Dollars received (positive) or paid (negative), before the fee."""
        return -self.price * self.quantity * self.instrument.multiplier


class ActivityKind(StrEnum):
    """Things that happen without an order."""

    ASSIGNMENT = "assignment"
    EXERCISE = "exercise"
    EXPIRY = "expiry"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    FEE = "fee"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    SPLIT = "split"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True)
class Activity:
    """One account activity. `id` is unique at the broker.

    ASSIGNMENT, EXERCISE, EXPIRY: `instrument` is the option, `quantity` the signed contracts that went away as held
    (-2 for two short puts assigned); the share leg follows from strike and right, unless `amount` is not 0: then they
    were settled in cash for so many dollars and no shares moved. DIVIDEND: the shares, `amount`
    dollars (negative is owed). SPLIT: `ratio` new for old. ADJUSTMENT: a corporate action
    changed options of the name; nothing is booked. Others: `amount` dollars, positive is received.
    """

    id: str
    kind: ActivityKind
    at: datetime
    instrument: Instrument | None = None
    quantity: int = 0
    amount: Decimal = Decimal(0)
    ratio: Decimal | None = None
