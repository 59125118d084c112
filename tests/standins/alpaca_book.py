"""What the pretended account is made of: contracts, orders, positions. Read apart from the desk's own parsing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

OCC = re.compile(r"(?P<root>[A-Z][A-Z0-9]{0,5})(?P<y>\d\d)(?P<m>\d\d)(?P<d>\d\d)(?P<right>[CP])(?P<strike>\d{8})")
SHARE = re.compile(r"[A-Z]{1,5}(\.[A-Z])?")
ZERO = Decimal(0)
OPEN = frozenset({"pending_new", "new", "accepted", "partially_filled", "pending_cancel", "held"})


@dataclass(frozen=True, slots=True)
class Contract:
    """An option by its OCC symbol."""

    root: str
    expiry: date
    is_call: bool
    strike: Decimal

    def intrinsic(self, spot: Decimal) -> Decimal:
        """Dollars per share at `spot`."""
        return max(spot - self.strike if self.is_call else self.strike - spot, ZERO)


def contract(symbol: str) -> Contract | None:
    """The option `symbol` names, None when it names none."""
    found = OCC.fullmatch(symbol)
    if found is None:
        return None
    expiry = date(2000 + int(found["y"]), int(found["m"]), int(found["d"]))
    return Contract(found["root"], expiry, found["right"] == "C", Decimal(found["strike"]) / 1000)


def is_share(symbol: str) -> bool:
    """Whether `symbol` looks like a share's."""
    return SHARE.fullmatch(symbol) is not None


def multiplier(symbol: str) -> int:
    """Shares behind one unit of `symbol`."""
    return 1 if contract(symbol) is None else 100


@dataclass(frozen=True, slots=True)
class Quote:
    """Bid and ask in dollars; sizes in units, None without end."""

    bid: Decimal
    ask: Decimal
    bid_size: int | None = None
    ask_size: int | None = None

    def price(self, side: str) -> Decimal:
        """What a buyer pays or a seller gets at once."""
        return self.ask if side == "buy" else self.bid

    def size(self, side: str) -> int | None:
        """How much of it there is."""
        return self.ask_size if side == "buy" else self.bid_size


@dataclass(slots=True)
class LegState:
    """One instrument of an order. A simple order has one, with the order's own id."""

    id: str
    client_order_id: str
    symbol: str
    side: str
    ratio: int
    intent: str | None
    filled: int = 0
    paid: Decimal = ZERO
    """Dollars per share times quantity over all executions."""

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    @property
    def average(self) -> Decimal | None:
        return self.paid / self.filled if self.filled else None


@dataclass(slots=True)
class OrderState:
    """One order. `limit` keeps the wire's sign: positive for a simple order, net for a package."""

    id: str
    client_order_id: str
    order_class: str
    type: str
    tif: str
    quantity: int
    limit: Decimal | None
    legs: list[LegState]
    created_at: datetime
    stop: Decimal | None = None
    status: str = "pending_new"
    filled: int = 0
    replaces: str | None = None
    replaced_by: str | None = None
    stamps: dict[str, datetime] = field(default_factory=dict)

    triggered: bool = False

    @property
    def is_package(self) -> bool:
        return self.order_class == "mleg"

    @property
    def is_waiting(self) -> bool:
        """Whether it is a stop whose price has not been met."""
        return self.stop is not None and not self.triggered

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def left(self) -> int:
        return self.quantity - self.filled

    def end(self, status: str, at: datetime) -> None:
        """Make it terminal."""
        self.status = status
        self.stamps[f"{status}_at"] = at


@dataclass(slots=True)
class PositionState:
    """Signed quantity and average price per share."""

    quantity: int = 0
    average: Decimal = ZERO

    def add(self, quantity: int, price: Decimal) -> None:
        """One more execution; a reduction keeps the average, a reversal starts a new one."""
        after = self.quantity + quantity
        if self.quantity * quantity >= 0 and after:
            self.average = (self.average * self.quantity + price * quantity) / after
        elif after * self.quantity < 0:
            self.average = price
        self.quantity = after


def requirement(exposure: Mapping[str, int]) -> Decimal:
    """The largest loss at expiry, premiums left out, summed over underlyings (Alpaca's "universal spread rule")."""
    roots: dict[str, list[tuple[Contract | None, int]]] = {}
    for symbol, quantity in exposure.items():
        item = contract(symbol)
        roots.setdefault(item.root if item else symbol, []).append((item, quantity))
    return sum((_worst(items) for items in roots.values()), ZERO)


def _worst(items: list[tuple[Contract | None, int]]) -> Decimal:
    spots = [ZERO, *(item.strike for item, _ in items if item)]
    return max(
        -sum((quantity * (item.intrinsic(spot) * 100 if item else spot) for item, quantity in items), ZERO)
        for spot in spots
    ).max(ZERO)
