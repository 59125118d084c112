"""Price and volume rules of the wheel: one name at a time (`find`) and whole panels at once (`screen`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine import indicators
from engine.model.market import Bars
from engine.model.trade import Step
from strategies import funnel, prices
from strategies.funnel import Case, percent, step
from strategies.wheel.params import Params

WheelCase = Case[Params]

SCREENED = ("history", "average volume", "volatility", "recent fall")
"""The rules `screen` applies, by the words of their steps."""


def sessions_needed(params: Params) -> int:
    """Completed sessions without which the price and volume rules have no answer."""
    return max(params.volume_sessions, params.volatility_sessions + 1, params.fall_sessions)


def screen(panel: Mapping[str, Bars], params: Params) -> Mapping[str, NDArray[np.bool_]]:
    """By ticker, (n,) whether history, volume, volatility and fall hold in each session, seen at its close."""
    return {ticker: _screened(bars, params) for ticker, bars in panel.items()}


def _screened(bars: Bars, params: Params) -> NDArray[np.bool_]:
    volume = prices.of_yesterday(prices.averages(bars.volume, params.volume_sessions))
    volatility = prices.of_yesterday(indicators.realised_volatility(bars.close, params.volatility_sessions))
    change = indicators.momentum(bars.close, params.fall_sessions)
    has_history = np.arange(len(bars)) >= sessions_needed(params)
    return (
        has_history
        & (volume >= params.min_volume)
        & (volatility >= params.min_volatility)
        & (change >= -params.max_fall)
    )


def history(case: WheelCase) -> Step:
    """Enough completed sessions."""
    return funnel.history(case, sessions_needed(case.params))


def volume(case: WheelCase) -> Step:
    """The average volume of completed sessions."""
    value = prices.average(case.snapshot.bars.volume, case.params.volume_sessions)
    return step("average volume", f"≥ {case.params.min_volume:,}", f"{value:,.0f}", value >= case.params.min_volume)


def volatility(case: WheelCase) -> Step:
    """The realised volatility of completed sessions."""
    least = case.params.min_volatility
    value = prices.volatility(case.snapshot.bars, case.params.volatility_sessions)
    return step("volatility", f"≥ {percent(least)}", percent(value), value >= least)


def fall(case: WheelCase) -> Step:
    """The change from the close some sessions ago to today's price is no steep fall."""
    limit = f"≥ {percent(-case.params.max_fall)} in {case.params.fall_sessions} sessions"
    if case.last is None:
        return Step("recent fall", limit, "no price today")
    value = prices.change_to(case.snapshot.bars, case.last, case.params.fall_sessions)
    return step("recent fall", limit, percent(value), value >= -case.params.max_fall)
