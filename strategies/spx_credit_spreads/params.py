"""Parameters of the index spreads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.exposures import INDEX_STRATEGY
from strategies.funnel import Case
from strategies.params import check, number

NAME = INDEX_STRATEGY


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.spx_credit_spreads]`. Fractions are decimals, days are calendar days unless said."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("exit_dte", "min_dte", "dte", "max_dte"),
        ("intraday_from", "intraday_until"),
        ("min_delta", "delta", "max_delta"),
        ("min_delta", "condor_delta"),
    )

    intraday: int = number(0, 0, 1, "1 sells spreads of the coming days and closes them the same day, 0 monthly ones")
    average_sessions: int = number(50, 2, 250, "sessions of the average that decides the side")
    adx_sessions: int = number(14, 2, 100, "sessions of the ADX")
    trend_adx: float = number(20.0, 0.0, 100.0, "ADX below which only an iron condor is sold")
    max_vix: float = number(30.0, 0.0, 500.0, "largest VIX")
    min_iv_rank: float = number(30.0, 0.0, 100.0, "smallest IV rank")
    min_iv_ratio: float = number(1.10, 0.0, 10.0, "smallest IV / realised volatility, where there is no IV rank")
    volatility_sessions: int = number(20, 10, 250, "sessions of that realised volatility")
    min_dte: int = number(28, 1, 365, "shortest monthly spread, days")
    dte: int = number(37, 1, 365, "monthly spread aimed at, days")
    max_dte: int = number(45, 1, 365, "longest monthly spread, days")
    intraday_dte: int = number(3, 0, 30, "longest intraday spread, days; the nearest expiry is taken")
    intraday_from: float = number(10.0, 9.5, 16.0, "first hour of intraday entries, New York")
    intraday_until: float = number(13.0, 9.5, 16.0, "last hour of intraday entries, New York")
    width: float = number(5.0, 0.5, 100.0, "width on SPY, dollars; on the others scaled to their price")
    width_slack: float = number(0.35, 0.0, 1.0, "how far listed strikes may miss that width, share of it")
    min_delta: float = number(0.10, 0.01, 0.99, "smallest |delta| of an option sold")
    delta: float = number(0.20, 0.01, 0.99, "|delta| aimed at")
    max_delta: float = number(0.30, 0.01, 0.99, "largest |delta| of an option sold")
    condor_delta: float = number(0.20, 0.01, 0.99, "largest |delta| of an option sold in a condor")
    min_credit_share: float = number(0.15, 0.0, 1.0, "smallest credit, share of the width")
    min_credit: float = number(0.15, 0.0, 100.0, "smallest credit less the fees of both ways, dollars a share")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid of each leg must be above this, dollars")
    max_short_spread: float = number(0.10, 0.0, 1.0, "largest spread of an option sold, share of its mid")
    max_wing_spread: float = number(0.15, 0.0, 1.0, "largest spread of an option bought, share of its mid")
    min_open_interest: int = number(100, 0, 1_000_000, "smallest open interest of each leg, or else volume")
    min_contract_volume: int = number(10, 0, 1_000_000, "smallest volume of each leg today, or else open interest")
    profit_target: float = number(0.50, 0.01, 1.0, "share of the credit at which a monthly spread is bought back")
    intraday_target: float = number(0.25, 0.01, 1.0, "share of the credit at which an intraday one is bought back")
    stop_multiple: float = number(3.0, 1.01, 100.0, "cost to close at which it is bought back, times the credit")
    stop_width: float = number(0.80, 0.01, 1.0, "or cost to close, share of the width, where that is less")
    exit_dte: int = number(21, 0, 365, "days left at which a monthly spread is closed")
    close_minutes: int = number(75, 1, 390, "minutes before the close at which an intraday spread is closed")

    def __post_init__(self) -> None:
        check(self)

    @property
    def days(self) -> tuple[int, int, int]:
        """(shortest, aimed at, longest) days to expiry of the variant in force."""
        return (0, 0, self.intraday_dte) if self.intraday else (self.min_dte, self.dte, self.max_dte)

    @property
    def target(self) -> float:
        """Share of the credit at which the variant in force takes its profit."""
        return self.intraday_target if self.intraday else self.profit_target


IndexCase = Case[Params]
