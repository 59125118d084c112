"""What the market must look like before an option chain is asked for, and which side is then sold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from engine import indicators
from engine.model.instruments import INDEX_ROOTS, Right
from engine.model.market import Bars
from engine.model.trade import Step
from strategies import funnel, prices
from strategies.funnel import TIMELESS, Case, step, unknown
from strategies.spx_credit_spreads.params import IndexCase, Params

INDICES = frozenset(INDEX_ROOTS.values())
LEVEL_AGE = timedelta(minutes=20)
"""An index level is published with fifteen minutes of delay where it is free; an older one is not of now."""
TREND_MEMORY = 250
"""Sessions the ADX is computed over: its averages have forgotten their start by then."""

SCREENED = ("history", "ADX", "side")
"""The rules `screen` applies, by the words of their steps."""


def entry_hours(params: Params) -> tuple[str, str] | None:
    """When intraday spreads are sold; monthly ones have the session's own hours."""
    return (_clock(params.intraday_from), _clock(params.intraday_until)) if params.intraday else None


def _clock(hour: float) -> str:
    return f"{int(hour):02d}:{int(hour * 60) % 60:02d}"


def sessions_needed(params: Params) -> int:
    """Completed sessions without which the rules have no answer."""
    return max(params.average_sessions, 2 * params.adx_sessions, params.volatility_sessions + 1)


def screen(panel: Mapping[str, Bars], params: Params) -> Mapping[str, NDArray[np.bool_]]:
    """By ticker, (n,) whether history, ADX and side hold in each session, seen at its close."""
    return {ticker: _screened(bars, params) for ticker, bars in panel.items()}


def _screened(bars: Bars, params: Params) -> NDArray[np.bool_]:
    trend = prices.of_yesterday(indicators.adx(bars.high, bars.low, bars.close, params.adx_sessions))
    average = prices.of_yesterday(prices.averages(bars.close, params.average_sessions))
    has_history = np.arange(len(bars)) >= sessions_needed(params)
    has_side = (trend < params.trend_adx) | (bars.close > average) | (bars.close < average)
    return has_history & np.isfinite(trend) & np.isfinite(bars.close) & has_side


def _history(case: IndexCase) -> Step:
    return funnel.history(case, sessions_needed(case.params))


def adx(case: IndexCase) -> float:
    """The ADX of the completed sessions; NaN where their bars have a gap."""
    bars = case.snapshot.bars[-TREND_MEMORY:]
    return float(indicators.adx(bars.high, bars.low, bars.close, case.params.adx_sessions)[-1])


def _adx(case: IndexCase) -> Step:
    value = adx(case)
    limit = f"condor below {case.params.trend_adx:g}, else a side"
    return step("ADX", limit, f"{value:.2f}" if isfinite(value) else "no value", isfinite(value))


def sides(case: IndexCase) -> tuple[Right, ...]:
    """What is sold: both without a trend, puts above the average, calls below it."""
    if adx(case) < case.params.trend_adx:
        return (Right.PUT, Right.CALL)
    average = prices.average(case.snapshot.bars.close, case.params.average_sessions)
    if case.last is None or case.last == average or not isfinite(average):
        return ()
    return (Right.PUT,) if case.last > average else (Right.CALL,)


SIDES = {(Right.PUT, Right.CALL): "condor", (Right.PUT,): "puts", (Right.CALL,): "calls"}


def side(case: IndexCase) -> Step:
    rule, limit = "side", f"puts above SMA{case.params.average_sessions}, calls below"
    if case.last is None:
        return Step(rule, limit, "no price today")
    average = prices.average(case.snapshot.bars.close, case.params.average_sessions)
    chosen = sides(case)
    return step(rule, limit, f"{SIDES.get(chosen, 'none')}: {case.last:.2f}, {average:.2f}", bool(chosen))


def _hours(case: IndexCase) -> Step:
    return funnel.entry_hours(case, entry_hours(case.params))


def _quote(case: IndexCase) -> Step:
    """A usable quote of the shares; an index has none, its options say where it stands."""
    if case.snapshot.ticker not in INDICES:
        return funnel.share_quote(case)
    return step("quote of the shares", "trading, two-sided, ≤ 60 s old", "an index has none", not case.snapshot.halted)


def level(case: IndexCase, symbol: str) -> float | None:
    """The value of an index of now; None where nobody knows it, or only an older one."""
    found = case.context.levels.get(symbol)
    if found is None or not isfinite(found.value):
        return None
    is_current = found.source.kind in TIMELESS or case.snapshot.asof - found.at <= LEVEL_AGE
    return found.value if is_current else None


def _vix(case: IndexCase) -> Step:
    rule, limit = "VIX", f"≤ {case.params.max_vix:g}"
    value = level(case, "VIX")
    if value is None:
        return unknown(rule, limit, case.context)
    return step(rule, limit, f"{value:.2f}", value <= case.params.max_vix)


def _vix_term(case: IndexCase) -> Step:
    rule, limit = "VIX term structure", "VIX not above VIX3M"
    near, far = level(case, "VIX"), level(case, "VIX3M")
    if near is None or far is None:
        return unknown(rule, limit, case.context)
    return step(rule, limit, f"{near:.2f}, {far:.2f}", near <= far)


def width_aimed(case: IndexCase) -> float | None:
    """The width on SPY scaled to the price of this name; None without both prices."""
    if case.snapshot.ticker == "SPY":
        return case.params.width
    market = case.context.market
    spy = Case(market, case.context, case.params).last if market is not None else None
    return None if not spy or case.last is None else case.params.width * case.last / spy


def _scale(case: IndexCase) -> Step:
    """The price of SPY is there to scale the width by."""
    rule, limit, value = "width aimed at", f"{case.params.width:g} on SPY, scaled to price", width_aimed(case)
    return Step(rule, limit, "no price of SPY") if value is None else step(rule, limit, f"{value:.2f}", True)


RULES: tuple[Callable[[IndexCase], Step], ...] = (
    _history,
    _adx,
    side,
    _hours,
    _quote,
    funnel.not_held,
    _vix,
    _vix_term,
    _scale,
)
