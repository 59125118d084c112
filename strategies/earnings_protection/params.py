"""The parameters of earnings protection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.exposures import PROTECTION
from strategies.params import check, number

NAME = PROTECTION
ENTRIES = ("09:45", "15:30")
"""New York times between which it acts; on the last session before the report the second one ends it."""


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.earnings_protection]`. Fractions are decimals, days are calendar days unless said."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (("later_min_dte", "later_dte", "later_max_dte"),)

    report_days: int = number(7, 1, 30, "days ahead within which a report is protected against")
    min_iv_rank: float = number(70.0, 0.0, 100.0, "the IV rank must be above this")
    min_term_ratio: float = number(1.3, 0.5, 10.0, "front over later IV, where there is no IV rank")
    past_reports: int = number(8, 1, 40, "past reports whose moves are averaged")
    free_loss: float = number(0.01, 0.0, 1.0, "share of equity that a report may take unprotected")
    put_ratio: float = number(0.95, 0.5, 1.0, "strike of the protective put, times the spot")
    call_ratio: float = number(1.10, 1.0, 2.0, "strike of the collar's call, times the spot")
    deep_ratio: float = number(1.15, 1.0, 2.0, "strike of the deep in-the-money put, times the spot")
    strike_slack: float = number(0.03, 0.0, 0.2, "how far a strike may be from the one aimed at, share of the spot")
    later_min_dte: int = number(21, 1, 365, "shortest later expiry, days")
    later_dte: int = number(37, 1, 365, "later expiry aimed at, days")
    later_max_dte: int = number(60, 1, 365, "longest later expiry, days")
    front_iv_after: float = number(0.0, 0.0, 5.0, "front IV after the report; 0: from the term structure")
    later_iv_after: float = number(0.0, 0.0, 5.0, "later IV after the report; 0: from the term structure")
    max_premium: float = number(0.01, 0.0, 1.0, "premium preferred at most, share of the position's value")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid must be above this, dollars")
    max_spread_bought: float = number(0.15, 0.0, 1.0, "largest spread of what is bought, share of the mid")
    max_spread_sold: float = number(0.10, 0.0, 1.0, "largest spread of what is sold, share of the mid")
    min_open_interest: int = number(100, 0, 1_000_000, "smallest open interest, or else volume")
    min_contract_volume: int = number(10, 0, 1_000_000, "smallest volume today, or else open interest")
    target_multiple: float = number(3.0, 1.01, 100.0, "value at which what was bought is sold, times its price")
    stop_share: float = number(0.9, 0.01, 0.99, "loss at which what was bought is sold, share of its price")
    call_target: float = number(0.9, 0.01, 1.0, "share of its premium at which the collar's call is bought back")
    call_stop: float = number(3.0, 1.01, 100.0, "cost at which the collar's call is bought back, times its premium")
    calendar_target: float = number(1.5, 1.01, 100.0, "value at which a calendar is closed, times its debit")
    calendar_stop: float = number(0.5, 0.01, 0.99, "loss at which a calendar is closed, share of its debit")

    def __post_init__(self) -> None:
        check(self)
