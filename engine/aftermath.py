"""What the account looks like before and after a trade: buying power, short puts, and what a fall of SPY would cost.

The fall is the trade's alone, added to what was computed of the book a moment ago: a card waits for no revaluation.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from engine import pricing
from engine.exposures import Exposure, plan_exposure
from engine.model.book import ZERO
from engine.model.instruments import Option, Right, Style
from engine.model.trade import Signal, TradePlan
from engine.risk import RiskState
from engine.sessions import NEW_YORK

FALL = Decimal("-0.05")
"""Of SPY; each name moves by its beta times that, volatilities stay."""
FALL_NAME = "SPY -5 %"
LEAST_MOVE = -0.99


def stressed(plan: TradePlan, beta: float | None) -> TradePlan:
    """The plan with what it would make if SPY fell by 5 % at once; as it was where beta or volatilities are unknown."""
    made = None if beta is None else unit_pnl(plan.signal, max(beta * float(FALL), LEAST_MOVE))
    return plan if made is None else replace(plan, market_fall=Decimal(f"{made * plan.quantity:.2f}"))


def unit_pnl(signal: Signal, move: float) -> float | None:
    """Dollars one unit makes when its underlying moves by `move` (decimal) at once; None without volatilities.

    European with dividends escrowed, never below the exercise value where an option may be exercised.
    """
    spot, total = float(signal.spot), 0.0
    priced = signal.outlook.priced
    today = signal.asof.astimezone(NEW_YORK).date()
    for place, leg in enumerate(signal.legs):
        if not isinstance(leg.instrument, Option):
            total += leg.ratio * spot * move * leg.instrument.multiplier
            continue
        iv = None if priced is None else priced.ivs[place]
        if priced is None or iv is None:
            return None
        option, spots = leg.instrument, np.array([spot, spot * (1 + move)])
        strike, is_call = float(option.strike), option.right is Right.CALL
        years = pricing.year_fraction(option.dte(today))
        worth = pricing.value(
            spots - priced.escrowed[place], strike, years, priced.rate, iv, is_call, priced.dividend_yield
        )
        inside = np.maximum((spots - strike) if is_call else (strike - spots), 0.0)
        if option.style is Style.AMERICAN or option.dte(today) <= 0:
            worth = np.fmax(worth, inside)
        total += leg.ratio * float(worth[1] - worth[0]) * option.multiplier
    return total if np.isfinite(total) else None


def words(plan: TradePlan, state: RiskState) -> str:
    """`31 % of buying power (12 % now), 4 short puts (2 now), SPY -5 % = -1,840 (-900 now)`."""
    add = plan_exposure(plan)
    return ", ".join((_power(add, state), _puts(add, state), _fall(add, state)))


def _power(add: Exposure, state: RiskState) -> str:
    """Of all buying power there would be with nothing held: equity, or what is free where that is more."""
    free = state.buying_power - state.unsent
    whole = max(state.equity, free)
    if whole <= 0:
        return "no buying power"
    needed = add.collateral + add.pays
    before, after = (f"{(whole - left) / whole * 100:.0f} %" for left in (free, free - needed))
    return f"{after} of buying power ({before} now)"


def _puts(add: Exposure, state: RiskState) -> str:
    held = sum(exposure.short_puts for exposure in state.exposures)
    after = held + add.short_puts
    return f"{after} short {'put' if after == 1 else 'puts'} ({held} now)"


def _fall(add: Exposure, state: RiskState) -> str:
    """The sum of what is known; names whose part is not known are told."""
    if add.market_fall is None:
        return f"{FALL_NAME} not known for this trade"
    before = sum((each.market_fall for each in state.exposures if each.market_fall is not None), ZERO)
    missing = sorted({each.ticker for each in state.exposures if each.market_fall is None})
    without = f", without {', '.join(missing)}" if missing else ""
    return f"{FALL_NAME} = {_signed(before + add.market_fall)} ({_signed(before)} now{without})"


def _signed(dollars: Decimal) -> str:
    return f"{dollars:+,.0f}" if round(dollars) else "0"
