"""The numbers that bound the desk: risk limits, the rules of an approval, simulated costs.

Defaults are those of the product's rules (docs/strategies.md); every field can be set in the configuration.
Fractions are decimals of equity unless said.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class DayTradeRule(StrEnum):
    """What a broker allows to be opened and closed in one session."""

    BROKER = "broker"
    """As the desk's broker does it: Alpaca by intraday margin, the paper exchange by none."""
    INTRADAY_MARGIN = "intraday_margin"
    """No counting: 2,000 dollars of equity, and nothing that leaves a deficit (FINRA rule 4210 since June 2026)."""
    PDT = "pdt"
    """At most three day trades in five sessions below 25,000 dollars of equity."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """`[risk]`: what one trade, one name and the whole account may risk."""

    account_size: Decimal = Decimal(100_000)
    """Dollars, used when no broker says."""
    max_position_risk: Decimal = Decimal("0.10")
    max_total_risk: Decimal = Decimal("0.30")
    defined_risk: Decimal = Decimal("0.02")
    long_premium: Decimal = Decimal("0.01")
    lotto: Decimal = Decimal("0.005")
    leaps_each: Decimal = Decimal("0.06")
    leaps_total: Decimal = Decimal("0.20")
    index_spreads: Decimal = Decimal("0.06")
    one_expiry: Decimal = Decimal("0.04")
    put_collateral_each: Decimal = Decimal("0.10")
    put_collateral_total: Decimal = Decimal("0.50")
    one_underlying: Decimal = Decimal("0.20")
    high_risk_strategy: Decimal = Decimal("0.10")
    daily_loss: Decimal = Decimal("0.02")
    weekly_loss: Decimal = Decimal("0.05")
    drawdown_halt: Decimal = Decimal("0.10")
    stress_move: Decimal = Decimal("0.20")
    """Spot fall at which puts, shares and covered calls count toward max_total_risk, options at intrinsic."""
    correlation: Decimal = Decimal("0.80")
    """Correlation of daily returns above which two names count as one bet."""
    correlated_names: int = 3
    """Names of one such bet that may be held."""
    correlation_sessions: int = 60
    """Daily returns the correlation is computed from."""
    pause_low: Decimal = Decimal("0.10")
    """Fall of a low-risk strategy's own equity from its peak that pauses it."""
    pause_other: Decimal = Decimal("0.20")
    """The same for medium and high risk."""
    streak_doubt: Decimal = Decimal("0.02")
    """A row of losing campaigns less probable than this pauses the strategy."""
    streak_least: int = 5
    streak_most: int = 20
    streak_sessions: int = 5
    """Sessions such a pause lasts."""
    day_trade_rule: DayTradeRule = DayTradeRule.BROKER


SETTABLE = (
    "max_position_risk",
    "max_total_risk",
    "defined_risk",
    "long_premium",
    "lotto",
    "leaps_each",
    "leaps_total",
    "index_spreads",
    "one_expiry",
    "put_collateral_each",
    "put_collateral_total",
    "one_underlying",
    "high_risk_strategy",
    "daily_loss",
    "weekly_loss",
    "drawdown_halt",
    "correlation",
    "pause_low",
    "pause_other",
)
"""The limits that can be set while the desk runs: fractions, of which the smaller one is the tighter."""

WALLS = ("max_position_risk", "max_total_risk")
"""Limits that can be tightened while the desk runs, never loosened beyond the configuration."""

FRACTIONS = (*SETTABLE, "stress_move", "streak_doubt")
COUNTS = ("correlated_names", "correlation_sessions", "streak_least", "streak_most", "streak_sessions")


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """`[approvals]`: how long a card lives, how far a price may move, how an order is worked. Seconds and dollars."""

    expire_0dte: int = 45
    expire_weekly: int = 90
    expire_standard: int = 300
    expire_leaps: int = 900
    band_long_ticks: Decimal = Decimal("0.02")
    band_long: Decimal = Decimal("0.03")
    band_weekly_floor: Decimal = Decimal("0.03")
    band_weekly: Decimal = Decimal("0.05")
    band_short_floor: Decimal = Decimal("0.02")
    band_short: Decimal = Decimal("0.04")
    band_spread_floor: Decimal = Decimal("0.03")
    band_spread: Decimal = Decimal("0.03")
    band_spread_width: Decimal = Decimal("0.02")
    band_leaps_floor: Decimal = Decimal("0.10")
    band_leaps: Decimal = Decimal("0.015")
    band_shares: Decimal = Decimal("0.0025")
    spot_index: Decimal = Decimal("0.005")
    spot_single: Decimal = Decimal("0.01")
    spot_0dte: Decimal = Decimal("0.003")
    pin_band: Decimal = Decimal("0.005")
    """Distance of the spot from a short strike, on its last day, at which a pin is warned of."""
    quote_age: int = 5
    quote_age_0dte: int = 2
    spread_sold: Decimal = Decimal("0.10")
    """Widest spread of a leg that is sold, share of its mid, at the tap; `spread_bought` of one that is bought."""
    spread_bought: Decimal = Decimal("0.15")
    delta_slack: Decimal = Decimal("0.05")
    """How far |delta| may have left the range of its strategy between the card and the tap."""
    confirm_seconds: int = 30
    """How long the first tap on live money waits for the second."""
    second_approver_above: Decimal = Decimal(0)
    """Maximum loss, dollars, above which two different people must approve; 0 is never."""
    second_approver_seconds: int = 900
    snooze_minutes: int = 5
    again_minutes: int = 30
    """How long a strategy does not ask again about the same kind of trade in a name, and about any after a loss in it;
    after a no the rest of the day."""
    undo_live: int = 5
    undo_live_0dte: int = 2
    undo_paper: int = 0
    ladder_steps: int = 4
    ladder_seconds: int = 15
    ladder_seconds_0dte: int = 5
    """Of an exit's step, when an option of it expires today."""
    ladder_reach: Decimal = Decimal("0.60")
    """Share of the half-spread an entry gives up at its last step."""
    rest_spot_move: Decimal = Decimal("0.01")
    stop_quote_age: int = 10
    stop_gap: int = 10
    """Seconds between the two breaches that fire a stop."""
    stop_spread_floor: Decimal = Decimal("0.10")
    stop_spread: Decimal = Decimal("0.15")
    stop_model: Decimal = Decimal("0.10")
    """How far beyond the stop (of its price) the model has to be for a single breach to fire it."""
    stop_silence: int = 60
    """Seconds without a usable quote after which the model decides."""
    stop_ask_loss: Decimal = Decimal("0.90")
    """Share of a spread's largest loss from which its stop asks instead of closing."""
    stop_ask_dte: int = 5
    """... while more than so many days are left."""
    halt_pause: int = 60
    """Seconds after a name trades again before its exits do."""
    nets: bool = True
    """Whether stop orders rest at the broker under our own stops, for when this process is down."""
    net_shares: Decimal = Decimal("0.05")
    """How far beyond our own stop they are, as a share of it: shares."""
    net_options: Decimal = Decimal("0.25")
    """The same for single bought options, whose prices jump."""
    net_limit: Decimal = Decimal("0.10")
    """How far below its trigger the net of an option still sells."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Simulated trading costs. Dollars per contract, leg and side; dollars per stock order; fraction of the price."""

    option_commission: Decimal = Decimal("1.00")
    stock_commission: Decimal = Decimal("1.00")
    slippage: Decimal = Decimal("0.002")
