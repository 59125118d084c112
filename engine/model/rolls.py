"""A roll: one position closed and another opened in its place, and how far that has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from engine.model.trade import Signal


class RollStatus(StrEnum):
    """Life of a roll. Between CLOSING and OPENING the old position is gone and the new one not there yet."""

    OFFERED = "offered"
    CLOSING = "closing"
    OPENING = "opening"
    DONE = "done"
    STOPPED = "stopped"
    """Begun and not finished: what was closed stays closed; `note` says why."""
    WITHDRAWN = "withdrawn"
    """Never begun: nobody answered, or what it was about has changed."""


ROLLING = frozenset({RollStatus.CLOSING, RollStatus.OPENING})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to roll.

    Attributes:
        name: "out", "out and down". signal: the new position, priced. close: net per share of closing a unit of the
            old one (+ paid). breakevens: of the whole campaign after the roll, dollars of the underlying.
    """

    name: str
    signal: Signal
    close: Decimal
    breakevens: tuple[Decimal, ...]

    @property
    def net(self) -> Decimal:
        """Net per share of a unit over both steps: + paid, - received."""
        return self.close + self.signal.limit


@dataclass(frozen=True, slots=True)
class Roll:
    """The offer to roll a position, and what became of it. Kept in table `sequences`.

    Attributes:
        version: grows with every change; a button carries the one it was drawn from. units: of the old position.
        missing: why a candidate is not offered, as sentences. credit_only: the roll may not cost anything.
        chosen: index of the candidate that is being done. confirmed_by: who tapped once on live money.
        worst: net per share both steps together may not pass. exit_ticket: the order that closes the old position.
        approval_id: the proposal that opens the new one. rolled: units that were opened.
    """

    id: str
    version: int
    status: RollStatus
    position_id: str
    campaign: str
    strategy: str
    ticker: str
    units: int
    candidates: tuple[Candidate, ...]
    missing: tuple[str, ...]
    close: Decimal
    spot: Decimal
    credit_only: bool
    created_at: datetime
    expires_at: datetime
    chosen: int | None = None
    tapped: int | None = None
    by: str = ""
    chosen_at: datetime | None = None
    worst: Decimal | None = None
    exit_ticket: str = ""
    approval_id: str = ""
    closed: int = 0
    rolled: int = 0
    note: str = ""

    @property
    def key(self) -> str:
        """`R00012.3`, as the buttons carry it."""
        return f"{self.id}.{self.version}"

    @property
    def picked(self) -> Candidate | None:
        """The candidate that is being done, None before a choice."""
        return None if self.chosen is None else self.candidates[self.chosen]
