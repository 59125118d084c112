"""The breakout within the day: a call where the price closes above its last highs on volume, gone by the evening.

The rules and the choices behind them: docs/strategies.md, "swing".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine import indicators
from engine.model.book import Position
from engine.model.instruments import Instrument, Right
from engine.model.legs import ExitPlan
from engine.model.market import Bars, Chain, Contract, IntradayBars, MarketSnapshot, Quote
from engine.model.trade import Context, Exit, Found, Needs, RiskLevel, Signal, Step, Strategy
from strategies import calls, contracts, funnel, intraday, prices
from strategies.funnel import Case, all_passed, percent, step, unknown, walk
from strategies.intraday import Traded
from strategies.params import check, number

NAME = "swing"
HOURS = ("09:45", "14:30")
"""First and last entry, New York."""


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.swing]`. Fractions are decimals; bars are of 15 minutes unless said."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("min_dte", "dte", "max_dte"),
        ("min_delta", "delta", "max_delta"),
        ("min_rsi", "max_rsi"),
        ("fast_bars", "slow_bars"),
    )

    average_sessions: int = number(50, 5, 250, "daily closes of the average that the price must be above")
    atr_sessions: int = number(14, 2, 100, "sessions of the average true range")
    min_atr: float = number(0.015, 0.0, 1.0, "smallest average true range, share of the price")
    pivot_sessions: int = number(20, 1, 20, "sessions of the pivot highs")
    pivot_bars: int = number(2, 1, 10, "bars either side of a high")
    min_breakout: float = number(0.002, 0.0, 1.0, "how far above the highest pivot the bar must close")
    usual_sessions: int = number(20, 5, 20, "sessions of the mean volume at a time of day")
    min_surge: float = number(2.0, 0.0, 100.0, "smallest volume of the bar, times that mean")
    rsi_bars: int = number(14, 2, 100, "bars of the RSI")
    min_rsi: float = number(50.0, 0.0, 100.0, "smallest RSI")
    max_rsi: float = number(75.0, 0.0, 100.0, "largest RSI")
    min_dte: int = number(7, 1, 365, "shortest call, days")
    dte: int = number(14, 1, 365, "call aimed at, days")
    max_dte: int = number(21, 1, 365, "longest call, days")
    min_delta: float = number(0.45, 0.01, 0.99, "smallest delta of the call")
    delta: float = number(0.50, 0.01, 0.99, "delta of the call aimed at")
    max_delta: float = number(0.55, 0.01, 0.99, "largest delta of the call")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid must be above this, dollars")
    max_spread: float = number(0.05, 0.0, 1.0, "largest spread, share of the mid")
    min_open_interest: int = number(100, 0, 1_000_000, "smallest open interest, or else volume")
    min_contract_volume: int = number(10, 0, 1_000_000, "smallest volume today, or else open interest")
    close_minutes: int = number(15, 1, 390, "minutes before the close of the entry day from which all is sold")
    profit_target: float = number(0.25, 0.01, 10.0, "gain at which all is sold, share of the premium")
    stop_share: float = number(0.30, 0.01, 0.99, "loss at which all is sold, share of the premium")
    fast_bars: int = number(9, 2, 100, "bars of the fast average of the exit")
    slow_bars: int = number(21, 2, 200, "bars of the slow average of the exit")

    def __post_init__(self) -> None:
        check(self)


SwingCase = Case[Params]

SCREENED = ("history", "price", "ATR")
"""The rules `screen` applies, by the words of their steps."""


def sessions_needed(params: Params) -> int:
    """Completed sessions without which the daily rules have no answer."""
    return max(params.average_sessions, params.atr_sessions + 1)


def screen(panel: Mapping[str, Bars], params: Params) -> Mapping[str, NDArray[np.bool_]]:
    """By ticker, (n,) whether average and range hold in each session, seen at its close."""
    return {ticker: _screened(bars, params) for ticker, bars in panel.items()}


def _screened(bars: Bars, params: Params) -> NDArray[np.bool_]:
    average = prices.of_yesterday(prices.averages(bars.close, params.average_sessions))
    ranges = prices.of_yesterday(indicators.atr(bars.high, bars.low, bars.close, params.atr_sessions))
    has_history = np.arange(len(bars)) >= sessions_needed(params)
    return has_history & (bars.close > average) & (ranges / bars.close >= params.min_atr)


def _hours(case: SwingCase) -> Step:
    return funnel.entry_hours(case, HOURS)


def _history(case: SwingCase) -> Step:
    return funnel.history(case, sessions_needed(case.params))


def _price(case: SwingCase) -> Step:
    n = case.params.average_sessions
    average = prices.average(case.snapshot.bars.close, n)
    limit = f"> SMA{n} {average:.2f}"
    if case.last is None:
        return Step("price", limit, "no price today")
    return step("price", limit, f"{case.last:.2f}", case.last > average)


def _range(case: SwingCase) -> Step:
    bars, n, least = case.snapshot.bars, case.params.atr_sessions, case.params.min_atr
    value = float(indicators.atr(bars.high, bars.low, bars.close, n)[-1]) / (case.last or float("nan"))
    return step("ATR", f"≥ {percent(least)} of the price", percent(value), value >= least)


DAILY_RULES = (_hours, _history, _price, _range)
"""What costs nothing, before the bars of the day are asked for."""


def _breakout(case: SwingCase, bars: IntradayBars) -> Step:
    n, least = case.params.pivot_sessions, 1 + case.params.min_breakout
    high, close = intraday.pivot_high(bars, n, case.params.pivot_bars), float(bars.close[-1])
    rule, limit = "breakout", f"≥ {least:g} x the pivot high of {n} sessions"
    if isnan(high):
        return unknown(rule, limit, case.context)
    # 1e-9: 100.2 over 100 is 1.002 to a person, whatever the binary fractions say
    return step(rule, limit, f"{close / high:.4f} x ({close:.2f} over {high:.2f})", close / high >= least - 1e-9)


def _surge(case: SwingCase, bars: IntradayBars) -> Traded:
    return intraday.traded(bars, len(bars) - 1, case.params.usual_sessions)


def _strength(case: SwingCase, bars: IntradayBars) -> Step:
    low, high = case.params.min_rsi, case.params.max_rsi
    value = intraday.rsi(bars, case.params.rsi_bars)
    return step("RSI", f"{low:g} to {high:g}", f"{value:.2f}", low <= value <= high)


def _market(case: SwingCase) -> Step:
    rule, limit = "SPY", "above its VWAP"
    market = case.context.market
    bars = None if market is None else intraday.latest(market)
    average = float("nan") if bars is None else intraday.session_vwap(bars)
    if bars is None or isnan(average):
        return unknown(rule, limit, case.context)
    close = float(bars.close[-1])
    return step(rule, limit, f"{close:.2f} against {average:.2f}", close > average)


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The call to buy on this name, and every rule it was asked, with its number."""
    case = Case(snapshot, context, params)
    steps = walk(case, DAILY_RULES)
    if not all_passed(steps):
        return Found.nothing(*steps)
    bars, told = intraday.loaded(case)
    steps += told
    if bars is None:
        return Found.nothing(*steps)
    rules = (
        lambda case: _breakout(case, bars),
        lambda case: intraday.volume_rule(case, _surge(case, bars), params.min_surge),
        lambda case: _strength(case, bars),
        _market,
        funnel.share_quote,
    )
    steps += walk(case, rules)
    if not all_passed(steps):
        return Found.nothing(*steps)
    return _on_chain(case, bars, steps)


def _on_chain(case: SwingCase, bars: IntradayBars, steps: tuple[Step, ...]) -> Found:
    chain = case.snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    contract, verdicts = _pick(case, chain)
    signals = () if contract is None else (_signal(case, chain, contract, bars),)
    return Found(signals, steps + verdicts)


def _pick(case: SwingCase, chain: Chain) -> tuple[Contract | None, tuple[Step, ...]]:
    """(the call nearest the delta aimed at, steps); None when a rule left none."""
    params = case.params
    rows, listed = contracts.expiry(chain.where(right=Right.CALL), params.min_dte, params.max_dte, params.dte)
    if not listed.passed:
        return None, (listed,)
    aim = contracts.delta_aim(params.delta)
    sieves = (
        contracts.delta_between(params.min_delta, params.max_delta),
        contracts.bid_above(params.min_bid),
        contracts.spread_within(params.max_spread),
        contracts.traded(params.min_open_interest, params.min_contract_volume),
    )
    left, verdicts = contracts.sift(rows, sieves, aim, case.context)
    return contracts.pick(left, aim), (listed, *verdicts)


def _signal(case: SwingCase, chain: Chain, contract: Contract, bars: IntradayBars) -> Signal:
    params = case.params
    signal = calls.bought(
        case,
        chain,
        contract,
        NAME,
        ExitPlan(close_on=case.snapshot.today, before_close=params.close_minutes),
        reasons=(
            f"closed {_breakout(case, bars).value}, the highest pivot of {params.pivot_sessions} sessions",
            f"volume {_surge(case, bars).words} of {bars.source}",
            f"RSI {_strength(case, bars).value} of 15-minute bars",
            f"{funnel.contract_words(contract)}, {contract.option.dte(case.snapshot.today)} days",
        ),
        against=(
            "the whole premium can be lost, overnight too if it cannot be sold by the close",
            calls.rise_needed(case, contract),
            win_rates(contract, params),
        ),
        rank=_surge(case, bars).ratio,
        delta_range=(params.min_delta, params.max_delta),
        max_spread=params.max_spread,
    )
    return replace(signal, exits=exits(signal, params))


def win_rates(contract: Contract, params: Params) -> str:
    """How often target must come before stop to break even, half of the spread paid each way, and at the mid."""
    gain, loss, half = params.profit_target, params.stop_share, contract.spread_ratio / 2
    paying, at_mid = (loss + 2 * half) / (gain + loss), loss / (gain + loss)
    return f"it must win {paying:.4f} of the time with half of the spread paid each way, {at_mid:.4f} at the mid"


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of a call bought at the signal's limit; its day is kept."""
    target, stop = calls.bounds(signal.limit, params.profit_target, params.stop_share)
    return ExitPlan(
        target=target,
        stop=stop,
        close_on=signal.exits.close_on,
        before_close=params.close_minutes,
        words=(
            f"Sold today, {params.close_minutes} minutes before the close; what is left, from 09:35 next session.",
            *calls.bound_words(target, stop, params.profit_target, params.stop_share),
            f"Sold when a 15-minute bar closes below VWAP with EMA{params.fast_bars} below EMA{params.slow_bars}.",
        ),
    )


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """All of it once a bar closes below VWAP while the fast average is below the slow one."""
    del position, quotes
    bars = intraday.latest(snapshot)
    if bars is None:
        return ()
    close, average = float(bars.close[-1]), intraday.session_vwap(bars)
    fast, slow = intraday.averages(bars, params.fast_bars, params.slow_bars)
    if not (close < average and fast < slow):
        return ()
    words = f"{close:.2f} below VWAP {average:.2f}, EMA{params.fast_bars} {fast:.2f} below EMA{params.slow_bars}"
    return (Exit("VWAP", f"{words} {slow:.2f} on {intraday.clock(bars)}"),)


STRATEGY = Strategy(
    name=NAME,
    title="Breakout within the day: calls, flat by the close",
    risk_level=RiskLevel.MEDIUM,
    params=Params(),
    needs=Needs(every=300),
    find=find,
    manage=manage,
    screen=screen,
    exits=exits,
    entry_hours=HOURS,
)
