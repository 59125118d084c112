"""How an index spread ends, and what that asks of its win rate."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from engine.model.book import Position
from engine.model.instruments import Instrument
from engine.model.legs import ExitPlan
from engine.model.market import MarketSnapshot, Quote
from engine.model.trade import Exit, Signal
from engine.percent import as_percent
from strategies import verticals
from strategies.spx_credit_spreads.params import Params


def win_rates(signal: Signal) -> tuple[float, float]:
    """Shares of trades that must be won to lose nothing before fees: were every loss full, and with the exits held."""
    credit, stop, target = -signal.limit, signal.exits.stop, signal.exits.target
    full = verticals.width_of(signal.legs) - credit
    if stop is None or target is None:
        raise ValueError("a credit spread has a stop and a target")
    loss, gain = -stop - credit, credit + target
    return float(full / (full + credit)), float(loss / (loss + gain))


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of a package sold at the signal's limit; its last day is kept."""
    credit, width = -signal.limit, verticals.width_of(signal.legs)
    target = -credit * (1 - Decimal(str(params.target)))
    stop = -min(credit * Decimal(str(params.stop_multiple)), width * Decimal(str(params.stop_width)))
    day = signal.exits.close_on
    if params.intraday:
        when = f"Closed from {params.close_minutes} minutes before the close of the day it is sold."
    else:
        when = f"Closed {params.exit_dte} days before expiry" + (f", on {day:%d %b}." if day else ".")
    return ExitPlan(
        target=target,
        stop=stop,
        close_on=day,
        before_close=params.close_minutes if params.intraday else None,
        words=(
            f"Buy back at {-target:.2f} or less ({as_percent(params.target)} of the credit made).",
            f"Stop: bought back when that costs {-stop:.2f} or more.",
            when,
        ),
    )


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """An American spread is closed where its sold call would be assigned for the dividend of the next session."""
    del params
    return tuple(verticals.called_away(position, snapshot, quotes))[:1]
