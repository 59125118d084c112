"""What the broker holds and the books do not, and what a person decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from engine.model.book import ZERO, Holding
from engine.model.orders import Fill


class AdoptionKind(StrEnum):
    """How the books are brought to what the broker says, once somebody agrees."""

    HELD = "held"
    """Held at the broker and explained by no execution: taken in at the broker's average price, as a flow in kind."""
    TRADED = "traded"
    """Executions the desk did not order explain it to the last unit: booked at their prices."""
    CASH = "cash"
    """Positions agree and cash does not: the difference is booked as a deposit or withdrawal."""


class AdoptionStatus(StrEnum):
    ASKED = "asked"
    ADOPTED = "adopted"
    IGNORED = "ignored"
    WITHDRAWN = "withdrawn"
    """What it was about is gone, or has another size."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """One question to a person. Table `adoptions`.

    Attributes:
        id: `U...`. ticker: the underlying, `cash` for cash.
        held: signed quantities the broker holds beyond the books, with its average prices; for TRADED the difference
            by instrument. fills: the executions that explain it. amount: dollars the broker has more than the books.
        can_adopt: whether the desk can hold such a thing (no uncovered short call, no short shares).
        can_ignore: whether it may be left alone: what is missing at the broker may not, for exits would sell it.
        words: what happens when somebody agrees: the name of the package, the exits that will be armed.
        positions: ids of the positions it went into.
    """

    id: str
    kind: AdoptionKind
    ticker: str
    status: AdoptionStatus
    created_at: datetime
    held: tuple[Holding, ...] = ()
    fills: tuple[Fill, ...] = ()
    amount: Decimal = ZERO
    can_adopt: bool = True
    can_ignore: bool = True
    decided_by: str = ""
    decided_at: datetime | None = None
    words: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.status is AdoptionStatus.ASKED

    @property
    def about(self) -> tuple[object, ...]:
        """What is asked: two questions about the same are one."""
        parts = tuple((holding.instrument.symbol, holding.quantity) for holding in self.held)
        return self.kind, self.ticker, parts, tuple(fill.execution_id for fill in self.fills), self.amount
