"""The dip after a run: a call out of the money, a month out, sized by what such trades have made.

The rules and the choices behind them: docs/strategies.md, "wsb_dip".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine import indicators, pricing, sizing
from engine.model.book import Position
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import ExitPlan
from engine.model.market import Bars, Chain, Contract, MarketSnapshot, Quote
from engine.model.trade import Context, Exit, Found, Needs, RiskLevel, Signal, Step, Strategy, Verdict
from engine.percent import as_percent
from engine.sizing import Kelly
from engine.volatility import MATURITY, constant_maturity_iv
from strategies import calls, contracts, funnel, names, prices
from strategies.funnel import Case, all_passed, percent, step, unknown, walk
from strategies.params import check, number

NAME = "wsb_dip"


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.wsb_dip]`. Fractions are decimals, days are calendar days unless said."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (("exit_dte", "min_dte", "dte", "max_dte"),)

    run_sessions: int = number(10, 2, 60, "sessions of the run, the last one yesterday")
    min_run: float = number(0.10, 0.0, 5.0, "smallest run")
    min_dip: float = number(0.03, 0.0, 1.0, "smallest fall today, from yesterday's close")
    max_market_fall: float = number(0.02, 0.0, 1.0, "fall of SPY today from which nothing is bought")
    max_firing: float = number(0.05, 0.0, 1.0, "largest share of the universe whose run and dip fire today")
    min_market_cap: float = number(10e9, 0.0, 1e13, "smallest market value, dollars")
    report_sessions: int = number(2, 0, 60, "sessions ahead without a report")
    iv_sessions: int = number(20, 5, 250, "sessions of the mean implied volatility")
    max_iv_ratio: float = number(1.5, 0.1, 10.0, "largest 30-day implied volatility, times its mean")
    liquidity_sessions: int = number(20, 5, 250, "sessions of the average dollar volume in the rank")
    max_new: int = number(1, 1, 50, "new positions a day")
    max_open: int = number(3, 1, 50, "positions open at once")
    strike_ratio: float = number(1.05, 0.5, 2.0, "strike aimed at, times the spot")
    min_dte: int = number(21, 1, 365, "shortest call, days")
    dte: int = number(30, 1, 365, "call aimed at, days")
    max_dte: int = number(45, 1, 365, "longest call, days")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid must be above this, dollars")
    max_spread: float = number(0.15, 0.0, 1.0, "largest spread, share of the mid")
    min_open_interest: int = number(100, 0, 1_000_000, "smallest open interest, or else volume")
    min_contract_volume: int = number(10, 0, 1_000_000, "smallest volume today, or else open interest")
    kelly_campaigns: int = number(30, 2, 10_000, "closed campaigns from which Kelly is used")
    kelly_share: float = number(0.25, 0.0, 1.0, "share of the full Kelly fraction taken")
    kelly_cap: float = number(0.02, 0.0, 0.10, "largest fraction of equity at risk")
    start_fraction: float = number(0.005, 0.0, 0.10, "fraction of equity at risk before there are enough campaigns")
    calm_volatility: float = number(0.60, 0.01, 5.0, "realised volatility above which the fraction shrinks")
    volatility_sessions: int = number(30, 10, 250, "sessions of the realised volatility")
    take_delta: float = number(0.60, 0.05, 1.0, "delta at which half is sold, or one contract trailed")
    trail: float = number(0.70, 0.01, 1.0, "trailing stop, share of the best mark")
    target_multiple: float = number(3.0, 1.01, 100.0, "mark at which all is sold, times the premium")
    stop_share: float = number(0.50, 0.01, 0.99, "loss at which all is sold, share of the premium")
    exit_dte: int = number(7, 0, 365, "days left at which all is sold")

    def __post_init__(self) -> None:
        check(self)


DipCase = Case[Params]

SCREENED = ("history", "run", "dip")
"""The rules `screen` applies, by the words of their steps."""


def sessions_needed(params: Params) -> int:
    """Completed sessions without which the rules have no answer."""
    return max(params.run_sessions, params.volatility_sessions, params.liquidity_sessions - 1) + 1


def screen(panel: Mapping[str, Bars], params: Params) -> Mapping[str, NDArray[np.bool_]]:
    """By ticker, (n,) whether history, run and dip hold in each session, seen at its close."""
    return {ticker: _screened(bars, params) for ticker, bars in panel.items()}


def _screened(bars: Bars, params: Params) -> NDArray[np.bool_]:
    run = prices.of_yesterday(indicators.momentum(bars.close, params.run_sessions))
    dip = indicators.momentum(bars.close, 1)
    has_history = np.arange(len(bars)) >= sessions_needed(params)
    return has_history & (run >= params.min_run) & (dip <= -params.min_dip)


def _history(case: DipCase) -> Step:
    return funnel.history(case, sessions_needed(case.params))


def run_of(case: DipCase) -> float:
    """The change over the sessions ending yesterday, decimal."""
    return prices.change(case.snapshot.bars, case.params.run_sessions)


def change_today(snapshot: MarketSnapshot, last: float | None) -> float | None:
    """Today's change from yesterday's close, decimal; None without a price or a session before."""
    if last is None or not len(snapshot.bars):
        return None
    return prices.change_to(snapshot.bars, last, 1)


def _run(case: DipCase) -> Step:
    value = run_of(case)
    limit = f"≥ {percent(case.params.min_run)} in {case.params.run_sessions} sessions"
    return step("run", limit, percent(value), value >= case.params.min_run)


def _dip(case: DipCase) -> Step:
    value = change_today(case.snapshot, case.last)
    limit = f"≤ {percent(-case.params.min_dip)} today"
    if value is None:
        return Step("dip", limit, "no price today")
    return step("dip", limit, percent(value), value <= -case.params.min_dip)


def _market(case: DipCase) -> Step:
    rule, limit = "SPY", f"> {percent(-case.params.max_market_fall)} today"
    market = case.context.market
    value = change_today(market, Case(market, case.context, case.params).last) if market else None
    if value is None:
        return unknown(rule, limit, case.context)
    return step(rule, limit, percent(value), value > -case.params.max_market_fall)


def _firing(case: DipCase) -> Step:
    rule, limit = "universe firing", f"≤ {percent(case.params.max_firing)}"
    if case.context.firing is None:
        return unknown(rule, limit, case.context)
    return step(rule, limit, percent(case.context.firing), case.context.firing <= case.params.max_firing)


def _market_cap(case: DipCase) -> Step:
    return names.market_cap(case, case.params.min_market_cap)


def _earnings(case: DipCase) -> Step:
    return names.no_report_within(case, case.params.report_sessions)


def _new_today(case: DipCase) -> Step:
    opened = case.context.opened_today
    return step("new today", f"< {case.params.max_new}", str(opened), opened < case.params.max_new)


def _open_positions(case: DipCase) -> Step:
    return funnel.open_positions(case, case.params.max_open)


def kelly_of(case: DipCase) -> Kelly | None:
    """The fraction of equity to put at risk; None when the realised volatility has no value."""
    params = case.params
    realised = prices.volatility(case.snapshot.bars, params.volatility_sessions)
    if not realised > 0:
        return None
    return sizing.kelly(
        case.context.campaigns,
        scale=min(1.0, params.calm_volatility / realised),
        minimum=params.kelly_campaigns,
        share=params.kelly_share,
        cap=min(params.kelly_cap, case.context.max_position_risk),
        start=params.start_fraction,
    )


def _kelly(case: DipCase) -> Step:
    kelly = kelly_of(case)
    if kelly is None:
        return Step("Kelly", "> 0", "no realised volatility")
    return step("Kelly", "> 0", kelly.words, kelly.used > 0)


NAME_RULES = (
    _history,
    _run,
    _dip,
    funnel.share_quote,
    _market,
    _firing,
    _market_cap,
    _earnings,
    funnel.not_held,
    _new_today,
    _open_positions,
    _kelly,
)
"""In the order they are asked: prices, the market, the company, the desk; the chain only after these."""


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The call to buy on this name, and every rule it was asked, with its number."""
    case = Case(snapshot, context, params)
    steps = walk(case, NAME_RULES)
    if not all_passed(steps):
        return Found.nothing(*steps)
    chain = snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    steps += (_iv_ratio(case, chain),)
    if not all_passed(steps):
        return Found.nothing(*steps)
    contract, verdicts = _pick(case, chain)
    signals = () if contract is None else (_signal(case, chain, contract),)
    return Found(signals, steps + verdicts)


def _iv_ratio(case: DipCase, chain: Chain) -> Step:
    n = case.params.iv_sessions
    rule, limit = "30-day IV", f"≤ {case.params.max_iv_ratio:g} x its {n}-session mean"
    past = case.snapshot.iv_history or ()
    now = constant_maturity_iv(chain, MATURITY)
    if len(past) < n or now is None:
        return unknown(rule, limit, case.context)
    ratio = now / float(np.mean([seen.iv for seen in past[-n:]]))
    return step(rule, limit, f"{ratio:.4f}", ratio <= case.params.max_iv_ratio)


def _pick(case: DipCase, chain: Chain) -> tuple[Contract | None, tuple[Step, ...]]:
    """(the call nearest the strike aimed at, steps); None when a rule left none."""
    params = case.params
    calls, found = contracts.expiry(chain.where(right=Right.CALL), params.min_dte, params.max_dte, params.dte)
    if not found.passed:
        return None, (found,)
    wanted = params.strike_ratio * float(funnel.spot_price(case))
    aim = contracts.strike_aim(wanted)
    row = np.array([contracts.nearest(calls, aim)])
    strike = Step("strike", f"nearest {wanted:.2f}", f"{calls.strike[row[0]]:g}", Verdict.PASSED)
    sieves = (
        contracts.bid_above(params.min_bid),
        contracts.spread_within(params.max_spread),
        contracts.traded(params.min_open_interest, params.min_contract_volume),
        contracts.has_volatility(),
    )
    left, verdicts = contracts.sift(calls.take(row), sieves, aim, case.context)
    return contracts.pick(left, aim), (found, strike, *verdicts)


def _signal(case: DipCase, chain: Chain, contract: Contract) -> Signal:
    kelly = kelly_of(case)
    volume = case.snapshot.bars.close * case.snapshot.bars.volume
    day = contracts.last_day(contract.option.expiry, case.params.exit_dte, case.context.next_sessions)
    signal = calls.bought(
        case,
        chain,
        contract,
        NAME,
        ExitPlan(close_on=day),
        reasons=_reasons(case, contract, kelly),
        against=tuple(_against(case, contract)),
        rank=run_of(case) * float(np.nan_to_num(prices.average(volume, case.params.liquidity_sessions))),
        at_risk=kelly.used if kelly else 0.0,
    )
    return replace(signal, exits=exits(signal, case.params))


def _reasons(case: DipCase, contract: Contract, kelly: Kelly | None) -> tuple[str, ...]:
    dip = change_today(case.snapshot, case.last) or 0.0
    days = contract.option.dte(case.snapshot.today)
    return (
        f"{as_percent(run_of(case), '+.1')} in {case.params.run_sessions} sessions, "
        f"then {as_percent(dip, '+.1')} today",
        f"{funnel.contract_words(contract)}, {days} days, strike nearest {case.params.strike_ratio:g} x the spot",
        *((kelly.words,) if kelly else ()),
    )


def _against(case: DipCase, contract: Contract) -> Iterator[str]:
    """What speaks against it, as far as the numbers know."""
    yield "the whole premium can be lost"
    yield calls.rise_needed(case, contract)
    realised = prices.volatility(case.snapshot.bars, case.params.volatility_sessions)
    if contract.iv is not None and contract.iv > realised:
        yield f"implied volatility {as_percent(contract.iv)} is above the realised {as_percent(realised)}"


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of a call bought at the signal's limit; its last day is kept."""
    target = signal.limit * Decimal(str(params.target_multiple))
    stop = signal.limit * (1 - Decimal(str(params.stop_share)))
    day = signal.exits.close_on
    return ExitPlan(
        target=target,
        stop=stop,
        close_on=day,
        words=(
            f"Sell at {target:.2f} or more ({params.target_multiple:g} x the premium).",
            f"At delta {params.take_delta:.2f} sell half; "
            f"one contract is trailed at {as_percent(params.trail)} of its best.",
            f"Stop: sold at {stop:.2f} or less ({as_percent(params.stop_share)} of the premium lost).",
            f"Sold {params.exit_dte} days before expiry" + (f", on {day:%d %b}." if day else "."),
        ),
    )


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """Half of several contracts at the take delta, once; a single one is trailed below its best mark."""
    option = position.unit[0].instrument
    if not isinstance(option, Option):
        return ()
    delta = _delta(option, quotes, snapshot)
    if delta is None or delta < params.take_delta:
        return ()
    if position.units > 1:
        label = " (at its last good volatility)" if option.symbol in snapshot.last_iv else ""
        return _half(position, delta, label) if position.units == position.opened_units else ()
    return _trailed(position, delta, params)


def _half(position: Position, delta: float, label: str) -> tuple[Exit, ...]:
    units = (position.units + 1) // 2
    return (Exit("delta", f"delta {delta:.2f}{label}: {units} of {position.units} are sold", units),)


def _trailed(position: Position, delta: float, params: Params) -> tuple[Exit, ...]:
    """The stop moved up below the best mark that good quotes have shown; nothing when it is there already."""
    best = position.peak
    if best is None:
        return ()
    stop = (best * Decimal(str(params.trail))).quantize(Decimal("0.0001"))
    if position.exits.stop is not None and stop <= position.exits.stop:
        return ()
    words = f"delta {delta:.2f}: the stop moves to {stop:.2f}, {as_percent(params.trail)} of the best mark {best:.2f}"
    return (Exit("trail", words, stop=stop),)


def _delta(option: Option, quotes: Mapping[Instrument, Quote], snapshot: MarketSnapshot) -> float | None:
    """Delta now: at the last good volatility where the own quote is bad, else at the quote's, else the chain's."""
    quote, price = quotes.get(option), quotes.get(Stock(option.underlying)) or snapshot.spot
    if price is not None and price.is_two_sided:
        spot, last = float(price.mid), snapshot.last_iv.get(option.symbol)
        if last is None and quote is not None and quote.is_two_sided:
            last = _own_volatility(option, float(quote.mid), spot, snapshot)
        own = None if last is None else _delta_at(option, last, spot, snapshot)
        if own is not None:
            return own
    chain = snapshot.chain
    row = chain.find(option) if chain is not None else None
    return row.delta if row is not None else None


def _own_volatility(option: Option, mid: float, spot: float, snapshot: MarketSnapshot) -> float:
    years = option.dte(snapshot.today) / 365
    is_call = option.right is Right.CALL
    return float(pricing.implied_volatility(mid, spot, float(option.strike), years, snapshot.rate, is_call)[0])


def _delta_at(option: Option, iv: float, spot: float, snapshot: MarketSnapshot) -> float | None:
    years = option.dte(snapshot.today) / 365
    is_call = option.right is Right.CALL
    delta = float(pricing.greeks(spot, float(option.strike), years, snapshot.rate, iv, is_call).delta[0])
    return None if np.isnan(delta) else delta


def choose(
    signals: tuple[Signal, ...], context: Context, params: Params
) -> tuple[tuple[Signal, ...], Mapping[str, Step]]:
    """The best by run x dollar volume, as many as may still be opened today."""
    room = max(0, min(params.max_new - context.opened_today, params.max_open - context.places))
    ranked = sorted(signals, key=lambda signal: (-signal.rank, signal.ticker))
    dropped = {
        signal.ticker: Step("rank of the day", f"best {room}", f"{place} of {len(ranked)}")
        for place, signal in enumerate(ranked[room:], start=room + 1)
    }
    return tuple(ranked[:room]), dropped


STRATEGY = Strategy(
    name=NAME,
    title="Dip after a run: calls a month out",
    risk_level=RiskLevel.HIGH,
    params=Params(),
    needs=Needs(earnings=True, fundamentals=True, times=("10:00", "15:30"), firing=True),
    find=find,
    manage=manage,
    screen=screen,
    choose=choose,
    exits=exits,
)
