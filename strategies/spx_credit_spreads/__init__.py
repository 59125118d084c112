"""Put and call credit spreads on the broad market, an iron condor where it has no trend.

The rules and the choices behind them: docs/strategies.md, "spx_credit_spreads".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

from engine.exposures import INDEX
from engine.model.book import Position
from engine.model.legs import ExitPlan, Structure
from engine.model.market import Chain, MarketSnapshot
from engine.model.trade import Context, Found, Needs, RiskLevel, Signal, Step, Strategy
from engine.percent import as_percent
from strategies import contracts, funnel, verticals
from strategies.funnel import Case, all_passed, step, walk
from strategies.spx_credit_spreads.exits import exits, manage, win_rates
from strategies.spx_credit_spreads.params import NAME, IndexCase, Params
from strategies.spx_credit_spreads.rules import INDICES, RULES, adx, entry_hours, level, screen, side
from strategies.spx_credit_spreads.spreads import best, highest_delta, round_trip
from strategies.verticals import Package


def select(universe: tuple[str, ...], owned: tuple[Position, ...], params: Params) -> tuple[str, ...]:
    """The broad indices and their funds, whatever else the desk looks at."""
    del universe, owned, params
    return tuple(sorted(INDEX))


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The credit spread or condor of one index or fund."""
    case = Case(snapshot, context, params)
    steps = walk(case, RULES)
    if not all_passed(steps):
        return Found((), steps)
    chain = snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found((), steps)
    steps += (_iv(case, chain),)
    if not all_passed(steps):
        return Found((), steps)
    package, verdicts = best(case, chain)
    steps += verdicts
    if package is None:
        return Found((), steps)
    steps += _listed(case)
    return Found((_signal(case, chain, package),) if all_passed(steps) else (), steps)


def _iv(case: IndexCase, chain: Chain) -> Step:
    params = case.params
    rank, ratio = verticals.at_least(params.min_iv_rank), verticals.at_least(params.min_iv_ratio)
    return verticals.iv_level(case, chain, rank, ratio, params.volatility_sessions)


def _listed(case: IndexCase) -> tuple[Step, ...]:
    """Options on indices are for looking at until the broker is known to take orders in them."""
    if case.snapshot.ticker not in INDICES:
        return ()
    rule, limit = "orders in index options", "listed at the broker"
    known = case.context.lists_indices
    return (step(rule, limit, "listed" if known else "not listed: analysis only", known),)


def _signal(case: IndexCase, chain: Chain, package: Package) -> Signal:
    params = case.params
    is_condor = len(package.legs) > 2
    structure = Structure.IRON_CONDOR if is_condor else Structure.CREDIT_SPREAD
    signal = verticals.traded(NAME, structure, case, chain, package)
    share = params.min_credit_share * float(verticals.width_of(signal.legs))
    least = max(share, params.min_credit + round_trip(case, len(signal.legs)))
    signal = replace(
        signal,
        exits=ExitPlan(close_on=_last_day(case, signal)),
        rank=float(-signal.limit / verticals.width_of(signal.legs)),
        worst=-Decimal(f"{least:.4f}"),
        delta_range=(params.min_delta, highest_delta(case)),
        reasons=_reasons(case, package),
    )
    signal = replace(signal, exits=exits(signal, params))
    return replace(signal, against=tuple(_against(case, signal)))


def _last_day(case: IndexCase, signal: Signal) -> date:
    if case.params.intraday:
        return case.snapshot.today
    return contracts.last_day(signal.options[0].expiry, case.params.exit_dte, case.context.next_sessions)


def _reasons(case: IndexCase, package: Package) -> tuple[str, ...]:
    days = package.contracts[0].option.dte(case.snapshot.today)
    lines = [side(case).value, f"ADX {adx(case):.1f}, {days} days"]
    vix = level(case, "VIX")
    if vix is not None:
        lines.append(f"VIX {vix:.2f}")
    lines += [
        f"sold {row.option.strike:f} {row.option.right.name.lower()}: {funnel.contract_words(row)}"
        for leg, row in zip(package.legs, package.contracts, strict=True)
        if leg.ratio < 0
    ]
    return tuple(lines)


def _against(case: IndexCase, signal: Signal) -> Iterator[str]:
    """What speaks against it, as far as the numbers know."""
    loss = verticals.width_of(signal.legs) + signal.limit
    yield f"{loss:.2f} a share can be lost for {-signal.limit:.2f}"
    full, stopped = win_rates(signal)
    yield f"must be won {as_percent(full)} of the time if every loss were full, {as_percent(stopped)} if the exits hold"
    yield verticals.exercise_words(signal.options[0])


STRATEGY = Strategy(
    name=NAME,
    title="Credit spreads and condors on the broad market",
    risk_level=RiskLevel.LOW,
    params=Params(),
    needs=Needs(dividends=True, every=60, levels=("VIX", "VIX3M")),
    find=find,
    manage=manage,
    screen=screen,
    select=select,
    exits=exits,
    entry_hours=entry_hours,
)
