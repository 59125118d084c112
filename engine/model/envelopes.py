"""Decisions made in advance: the bounds inside which proposals are approved without a tap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from engine.model.book import ZERO
from engine.model.legs import Structure
from engine.model.trade import TradePlan


class EnvelopeStatus(StrEnum):
    ASKED = "asked"
    """Written down, waiting for the second tap that live money takes."""
    IN_FORCE = "in force"
    REVOKED = "revoked"
    EXPIRED = "expired"


OPEN = (EnvelopeStatus.ASKED, EnvelopeStatus.IN_FORCE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an envelope covers.

    Attributes:
        max_risk: most dollars of risk (see `risk_of`) one trade may have. per_day: most trades in one New York day.
        until: its last session, to the close.
        structure, tickers: only these; None and empty cover all. total: most dollars of risk of all its trades
            together, None for no such bound.
    """

    strategy: str
    max_risk: Decimal
    per_day: int
    until: date
    structure: Structure | None = None
    tickers: tuple[str, ...] = ()
    total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """One such decision: `V...`. Table `envelopes`.

    Attributes:
        mode, account: the kind of money and the account it was made for; it covers nothing anywhere else.
        since: from when on it covers proposals: when it was made, or confirmed where that was asked for.
        ended_by, ended_at: who revoked it ("desk" for one whose time was over) and when.
    """

    id: str
    bounds: Bounds
    created_by: str
    since: datetime
    mode: str
    account: str = ""
    status: EnvelopeStatus = EnvelopeStatus.IN_FORCE
    ended_by: str = ""
    ended_at: datetime | None = None

    @property
    def actor(self) -> str:
        """Who decides by it, as cards and the audit trail say it: `envelope V00001 of ann`."""
        return f"envelope {self.id} of {self.created_by}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


@dataclass(frozen=True, slots=True)
class Usage:
    """What an envelope has approved so far: trades of this New York day, trades and dollars of risk in all."""

    today: int = 0
    trades: int = 0
    risk: Decimal = ZERO


def risk_of(plan: TradePlan) -> Decimal:
    """Dollars of risk of a trade, as envelopes count it: what counts toward the limit on total risk.

    That is the maximum loss of defined risk and long premium; for cash-secured puts and shares the loss if the
    underlying falls by the stress move (not the collateral, which the sizing bounds). Never less than what is paid.
    """
    return max(plan.counted_risk, -plan.net_cash)


def outside(bounds: Bounds, plan: TradePlan) -> str:
    """Which of the bounds the plan is outside of, in words; "" when it is inside all of them."""
    signal = plan.signal
    if signal.strategy != bounds.strategy:
        return f"it is for {bounds.strategy}"
    if bounds.structure not in (None, signal.structure):
        return f"it is for a {bounds.structure}"
    if bounds.tickers and signal.ticker not in bounds.tickers:
        return f"it is for {', '.join(bounds.tickers)}"
    if plan.max_loss is None:
        return "the maximum loss is unlimited"
    if risk_of(plan) > bounds.max_risk:
        return f"the risk is {risk_of(plan):,.2f}, more than {bounds.max_risk:,.2f}"
    return ""


def used_up(bounds: Bounds, plan: TradePlan, used: Usage) -> str:
    """Which count leaves no room for the plan, in words; "" when there is room."""
    if used.today >= bounds.per_day:
        return f"its {bounds.per_day} of today are used"
    if bounds.total is not None and used.risk + risk_of(plan) > bounds.total:
        return f"of its {bounds.total:,.2f} in all {used.risk:,.2f} are used"
    return ""
