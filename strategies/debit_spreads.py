"""Bull call spreads: a call near the money bought, one above it sold, on a name in an upward trend.

The rules and the choices behind them: docs/strategies.md, "debit_spreads".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine import indicators
from engine.model.book import Position
from engine.model.instruments import Instrument, Right
from engine.model.legs import ExitPlan, Structure
from engine.model.market import Bars, Chain, Floats, MarketSnapshot, Quote
from engine.model.trade import Context, Exit, Found, Needs, RiskLevel, Signal, Step, Strategy
from engine.percent import as_percent
from strategies import contracts, funnel, names, prices, verticals
from strategies.contracts import Sieve
from strategies.funnel import Case, all_passed, percent, step, walk
from strategies.params import check, number
from strategies.verticals import EXACT, Package, Pairs

NAME = "debit_spreads"
TICK = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.debit_spreads]`. Fractions are decimals, days are calendar days unless said."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("fast_sessions", "slow_sessions"),
        ("exit_dte", "min_dte", "max_dte"),
        ("short_min_delta", "short_max_delta", "long_min_delta", "long_max_delta"),
    )

    fast_sessions: int = number(20, 2, 250, "sessions of the fast average")
    slow_sessions: int = number(50, 2, 250, "sessions of the slow average")
    momentum_sessions: int = number(10, 1, 250, "sessions of the momentum, today included")
    max_iv_rank: float = number(50.0, 0.0, 100.0, "largest IV rank")
    max_iv_ratio: float = number(1.3, 0.1, 10.0, "largest IV / realised volatility, where there is no IV rank")
    volatility_sessions: int = number(20, 10, 250, "sessions of that realised volatility")
    min_dte: int = number(30, 1, 365, "shortest spread, days")
    max_dte: int = number(45, 1, 365, "longest spread, days")
    long_min_delta: float = number(0.55, 0.01, 0.99, "smallest delta of the call bought")
    long_max_delta: float = number(0.65, 0.01, 0.99, "largest delta of the call bought")
    short_min_delta: float = number(0.25, 0.01, 0.99, "smallest delta of the call sold")
    short_max_delta: float = number(0.35, 0.01, 0.99, "largest delta of the call sold")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid of each leg must be above this, dollars")
    max_long_spread: float = number(0.15, 0.0, 1.0, "largest spread of the call bought, share of its mid")
    max_short_spread: float = number(0.10, 0.0, 1.0, "largest spread of the call sold, share of its mid")
    min_open_interest: int = number(100, 0, 1_000_000, "smallest open interest of each leg, or else volume")
    min_contract_volume: int = number(10, 0, 1_000_000, "smallest volume of each leg today, or else open interest")
    max_package_spread: float = number(0.08, 0.0, 1.0, "largest spread of the package, share of its width")
    min_reward: float = number(1.2, 0.1, 100.0, "smallest reward / risk, at the limit and at the worst price")
    profit_target: float = number(0.50, 0.01, 1.0, "share of the largest profit at which it is sold")
    stop_share: float = number(0.50, 0.01, 0.99, "loss at which it is sold, share of the debit")
    exit_dte: int = number(7, 0, 365, "days left at which it is sold")

    def __post_init__(self) -> None:
        check(self)


SpreadCase = Case[Params]

SCREENED = ("history", "trend", "momentum")
"""The rules `screen` applies, by the words of their steps."""


def sessions_needed(params: Params) -> int:
    """Completed sessions without which the rules have no answer."""
    return max(params.slow_sessions, params.momentum_sessions, params.volatility_sessions + 1)


def screen(panel: Mapping[str, Bars], params: Params) -> Mapping[str, NDArray[np.bool_]]:
    """By ticker, (n,) whether history, trend and momentum hold in each session, seen at its close."""
    return {ticker: _screened(bars, params) for ticker, bars in panel.items()}


def _screened(bars: Bars, params: Params) -> NDArray[np.bool_]:
    fast = prices.of_yesterday(prices.averages(bars.close, params.fast_sessions))
    slow = prices.of_yesterday(prices.averages(bars.close, params.slow_sessions))
    has_history = np.arange(len(bars)) >= sessions_needed(params)
    rising = indicators.momentum(bars.close, params.momentum_sessions) > 0
    return has_history & (bars.close > fast) & (fast > slow) & rising


def _history(case: SpreadCase) -> Step:
    return funnel.history(case, sessions_needed(case.params))


def _trend(case: SpreadCase) -> Step:
    params, close = case.params, case.snapshot.bars.close
    rule, limit = "trend", f"price > SMA{params.fast_sessions} > SMA{params.slow_sessions}"
    if case.last is None:
        return Step(rule, limit, "no price today")
    fast, slow = prices.average(close, params.fast_sessions), prices.average(close, params.slow_sessions)
    return step(rule, limit, f"{case.last:.2f}, {fast:.2f}, {slow:.2f}", case.last > fast > slow)


def momentum(case: SpreadCase) -> float:
    """The change over the sessions up to today's price, decimal; NaN without one."""
    if case.last is None:
        return float("nan")
    return prices.change_to(case.snapshot.bars, case.last, case.params.momentum_sessions)


def _momentum(case: SpreadCase) -> Step:
    value = momentum(case)
    return step("momentum", f"> 0 in {case.params.momentum_sessions} sessions", percent(value), value > 0)


RULES: tuple[Callable[[SpreadCase], Step], ...] = (
    _history,
    _trend,
    _momentum,
    funnel.share_quote,
    funnel.not_held,
)


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The spread of one name with the highest reward for its risk."""
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
    package, verdicts = _pick(case, chain)
    steps += verdicts
    return Found(() if package is None else (_signal(case, chain, package),), steps)


def _iv(case: SpreadCase, chain: Chain) -> Step:
    params = case.params
    rank, ratio = verticals.at_most(params.max_iv_rank), verticals.at_most(params.max_iv_ratio)
    return verticals.iv_level(case, chain, rank, ratio, params.volatility_sessions)


def _pick(case: SpreadCase, chain: Chain) -> tuple[Package | None, tuple[Step, ...]]:
    """(the pair with the highest reward / risk, steps); None when a rule left none."""
    params = case.params
    calls = chain.where(right=Right.CALL, dte=(params.min_dte, params.max_dte))
    days = np.unique(calls.dte)
    shown = ", ".join(str(day) for day in days) or "none"
    listed = step("expiry", f"{params.min_dte} to {params.max_dte} days", shown, bool(len(days)))
    if not listed.passed:
        return None, (listed,)
    long = contracts.delta_between(params.long_min_delta, params.long_max_delta)
    bought, steps = _leg(case, calls, "long", (long, *_liquid(params, params.max_long_spread)))
    if not all_passed(steps):
        return None, (listed, *steps)
    short = contracts.delta_between(params.short_min_delta, params.short_max_delta)
    sold, more = _leg(case, calls, "short", (short, *_liquid(params, params.max_short_spread)))
    steps += more
    if not all_passed(steps):
        return None, (listed, *steps)
    package, more = _best(params, verticals.every_pair(bought, sold))
    return package, (listed, *steps, *more)


def _liquid(params: Params, spread: float) -> tuple[Sieve, ...]:
    return (
        contracts.bid_above(params.min_bid),
        contracts.spread_within(spread),
        contracts.traded(params.min_open_interest, params.min_contract_volume),
    )


def _leg(case: SpreadCase, calls: Chain, name: str, sieves: tuple[Sieve, ...]) -> tuple[Chain, tuple[Step, ...]]:
    """(the calls that may be this leg, steps); what is shown is that of the delta in the middle of its range."""
    params = case.params
    low, high = (getattr(params, f"{name}_{end}_delta") for end in ("min", "max"))
    aim = contracts.delta_aim((low + high) / 2)
    return contracts.sift(calls, (verticals.named(name, sieve) for sieve in sieves), aim, case.context)


def _best(params: Params, pairs: Pairs) -> tuple[Package | None, tuple[Step, ...]]:
    """(the pair with the highest reward / risk, steps)."""
    share = pairs.spread / pairs.width
    keep = share <= params.max_package_spread + EXACT
    limit = f"≤ {as_percent(params.max_package_spread)} of width"
    tight = verticals.verdict(keep, "package spread", limit, lambda pair: percent(float(share[pair])), share)
    if not tight.passed:
        return None, (tight,)
    pairs = pairs.take(keep)
    reward = _reward(pairs)
    keep = reward >= params.min_reward - EXACT
    limit = f"≥ {params.min_reward:g}"
    worth = verticals.verdict(keep, "reward / risk", limit, lambda pair: f"{reward[pair]:.4f}", -reward)
    if not worth.passed:
        return None, (tight, worth)
    return pairs.package(int(reward.argmax())), (tight, worth)


def _reward(pairs: Pairs) -> Floats:
    """(n,) largest profit / debit at the limit; -1 where nothing is paid: such prices are wrong."""
    paid = pairs.limit > 0
    return np.where(paid, (pairs.width - pairs.limit) / np.where(paid, pairs.limit, 1.0), -1.0)


def _signal(case: SpreadCase, chain: Chain, package: Package) -> Signal:
    params = case.params
    signal = verticals.traded(NAME, Structure.DEBIT_SPREAD, case, chain, package)
    worst = verticals.width_of(signal.legs) / (1 + Decimal(str(params.min_reward)))
    day = contracts.last_day(signal.options[0].expiry, params.exit_dte, case.context.next_sessions)
    signal = replace(
        signal,
        exits=ExitPlan(close_on=day),
        rank=_reward_of(signal),
        worst=worst.quantize(TICK, ROUND_FLOOR),
        delta_range=(params.long_min_delta, params.long_max_delta),
        reasons=_reasons(case, signal),
        against=tuple(_against(case, signal)),
    )
    return replace(signal, exits=exits(signal, params))


def _reward_of(signal: Signal) -> float:
    return float((verticals.width_of(signal.legs) - signal.limit) / signal.limit)


def _reasons(case: SpreadCase, signal: Signal) -> tuple[str, ...]:
    return (
        f"above its {case.params.fast_sessions}- and {case.params.slow_sessions}-session averages, "
        f"{as_percent(momentum(case), '+.1')} in {case.params.momentum_sessions} sessions",
        f"reward {_reward_of(signal):.2f} x the risk, {signal.options[0].dte(case.snapshot.today)} days",
    )


def _against(case: SpreadCase, signal: Signal) -> Iterator[str]:
    """What speaks against it, as far as the numbers know."""
    option = signal.options[1]
    yield "the whole debit can be lost"
    at_once = (verticals.width_of(signal.legs) - signal.natural) / signal.natural
    yield f"bought at once at {signal.natural:.2f} the reward is {at_once:.2f} x the risk"
    yield verticals.exercise_words(option)
    ex_dates = [each.ex_date for each in case.snapshot.dividends or () if each.ex_date > case.snapshot.today]
    if ex_dates and min(ex_dates) <= option.expiry:
        yield f"goes ex-dividend on {min(ex_dates):%d %b}: the sold call may be assigned the day before"
    report = names.next_report(case.snapshot)
    if report is not None and report.day <= option.expiry:
        yield f"reports on {names.report_words(report)}, before expiry"


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of a spread bought at the signal's limit; its last day is kept."""
    paid = signal.limit
    profit = verticals.width_of(signal.legs) - paid
    target = paid + profit * Decimal(str(params.profit_target))
    stop = paid * (1 - Decimal(str(params.stop_share)))
    day = signal.exits.close_on
    return ExitPlan(
        target=target,
        stop=stop,
        close_on=day,
        words=(
            f"Sell at {target:.2f} or more ({as_percent(params.profit_target)} of the largest profit).",
            f"Stop: sold at {stop:.2f} or less ({as_percent(params.stop_share)} of the debit lost).",
            f"Sold {params.exit_dte} days before expiry" + (f", on {day:%d %b}." if day else "."),
            "Sold the day before an ex-date whose dividend exceeds the time value of the sold call in the money.",
        ),
    )


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """The spread is closed where its sold call would be assigned for the dividend of the next session."""
    del params
    return tuple(verticals.called_away(position, snapshot, quotes))[:1]


STRATEGY = Strategy(
    name=NAME,
    title="Bull call spreads in an upward trend",
    risk_level=RiskLevel.LOW,
    params=Params(),
    needs=Needs(dividends=True, times=("10:00", "13:00")),
    find=find,
    manage=manage,
    screen=screen,
    exits=exits,
    detail=verticals.exercised,
)
