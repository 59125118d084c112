"""The parameters of the wheel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from strategies.params import check, number

NAME = "wheel"


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.wheel]`. Fractions are decimals, days are calendar days unless said."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("min_yield", "max_yield"),
        ("put_min_dte", "put_dte", "put_max_dte"),
        ("put_min_delta", "put_delta", "put_max_delta"),
        ("call_min_dte", "call_dte", "call_max_dte"),
        ("call_min_delta", "call_delta", "call_max_delta"),
        ("assignment_dte", "review_dte"),
        ("share_alert", "share_stop"),
    )

    volume_sessions: int = number(30, 5, 250, "sessions of the average volume")
    min_volume: int = number(1_000_000, 0, 1_000_000_000, "smallest average volume, shares")
    volatility_sessions: int = number(30, 10, 250, "sessions of the realised volatility")
    min_volatility: float = number(0.25, 0.0, 5.0, "smallest realised volatility, annualised")
    fall_sessions: int = number(5, 1, 60, "sessions of the recent fall, today included")
    max_fall: float = number(0.10, 0.0, 1.0, "largest recent fall")
    min_market_cap: float = number(1e9, 0.0, 1e13, "smallest market value, dollars")
    min_yield: float = number(0.02, 0.0, 1.0, "smallest dividend yield")
    max_yield: float = number(0.08, 0.0, 1.0, "largest dividend yield")
    max_ex_age: int = number(100, 1, 400, "days since the last ex-date")
    names_per_sector: int = number(2, 1, 50, "names held or proposed in one sector")
    put_min_dte: int = number(30, 1, 365, "shortest put, days")
    put_dte: int = number(37, 1, 365, "put aimed at, days")
    put_max_dte: int = number(45, 1, 365, "longest put, days")
    put_min_delta: float = number(0.15, 0.01, 0.99, "smallest |delta| of the put")
    put_delta: float = number(0.22, 0.01, 0.99, "|delta| of the put aimed at")
    put_max_delta: float = number(0.30, 0.01, 0.99, "largest |delta| of the put")
    put_open_interest: int = number(500, 0, 1_000_000, "smallest open interest of the put")
    call_min_dte: int = number(28, 1, 365, "shortest call, days")
    call_dte: int = number(37, 1, 365, "call aimed at, days")
    call_max_dte: int = number(45, 1, 365, "longest call, days")
    call_min_delta: float = number(0.20, 0.01, 0.99, "smallest delta of the call")
    call_delta: float = number(0.25, 0.01, 0.99, "delta of the call aimed at")
    call_max_delta: float = number(0.30, 0.01, 0.99, "largest delta of the call")
    call_open_interest: int = number(100, 0, 1_000_000, "smallest open interest of the call, or else its volume")
    call_volume: int = number(10, 0, 1_000_000, "smallest volume of the call today, or else its open interest")
    max_dividend_share: float = number(0.50, 0.0, 10.0, "dividend before a call's expiry, share of its time value then")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid must be above this, dollars")
    max_spread: float = number(0.10, 0.0, 1.0, "largest spread, share of the mid")
    profit_target: float = number(0.50, 0.01, 1.0, "share of the premium at which a short option is bought back")
    review_dte: int = number(21, 0, 365, "days left from which a winner is closed and anything else asked about")
    assignment_dte: int = number(7, 0, 365, "days left from which a put is held for assignment")
    share_alert: float = number(0.15, 0.01, 1.0, "fall of the shares from their net basis at which you are asked")
    share_stop: float = number(0.25, 0.01, 0.99, "fall from the net basis at which put or shares are closed")

    def __post_init__(self) -> None:
        check(self)
