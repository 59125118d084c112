"""Calls of a year and more on growing companies of a few themes, rebalanced every quarter.

The rules and the choices behind them: docs/strategies.md, "leaps".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np

from engine.model.book import Position
from engine.model.instruments import Right
from engine.model.legs import ExitPlan
from engine.model.market import Chain, Contract, Floats, MarketSnapshot
from engine.model.trade import Context, Found, Needs, RiskLevel, Signal, Step, Strategy
from engine.percent import as_percent
from strategies import calls, contracts, funnel
from strategies.contracts import Mask, Sieve
from strategies.funnel import Case, all_passed, percent, step, walk
from strategies.leaps.exits import exits, is_rebalance, manage, review, rolls
from strategies.leaps.params import NAME, Params
from strategies.leaps.scores import growths, scores, unknown_of

LeapsCase = Case[Params]


def select(universe: tuple[str, ...], owned: tuple[Position, ...], params: Params) -> tuple[str, ...]:
    """All names of the themes, of the desk's universe or not, and what it holds besides."""
    del universe
    held = (position.ticker for position in owned if position.strategy == NAME)
    return tuple(dict.fromkeys((*params.tickers, *held)))


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The call to buy on this name, and every rule it was asked, with its number."""
    case = Case(snapshot, context, params)
    steps = walk(case, (_rebalance, _theme))
    if not all_passed(steps):
        return Found.nothing(*steps)
    steps += _score(case)
    if not all_passed(steps):
        return Found.nothing(*steps)
    steps += walk(case, (_open_positions, _in_theme, funnel.share_quote))
    if not all_passed(steps):
        return Found.nothing(*steps)
    chain = snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    contract, verdicts = _pick(case, chain)
    signals = () if contract is None else (_signal(case, chain, contract),)
    return Found(signals, steps + verdicts)


def _rebalance(case: LeapsCase) -> Step:
    days = case.params.rebalance_days
    today = case.snapshot.today
    return step("rebalance", f"first {days} days of a quarter", f"{today:%d %b}", is_rebalance(today, case.params))


def _theme(case: LeapsCase) -> Step:
    theme = case.params.theme_of(case.snapshot.ticker)
    return step("theme", "in one", theme or "none", theme is not None)


def _score(case: LeapsCase) -> tuple[Step, ...]:
    """Its rank among all: a missing component is the end, for nothing stands in for it."""
    params, facts = case.params, case.context.facts
    lacking = unknown_of(facts.get(case.snapshot.ticker))
    if lacking:
        rule = "components of the score"
        told = funnel.missing(rule, "all known", case.context)
        return tuple(replace(each, value=f"{each.value}: {', '.join(lacking)}") for each in told)
    known = len(growths(facts, params))
    peers = step("names compared", f"≥ {params.min_scored}", str(known), known >= params.min_scored)
    if not peers.passed:
        return (peers,)
    value = scores(facts, params)[case.snapshot.ticker]
    # 1e-9: ranks in thirds add up to 70 but for the last bit
    return peers, step("score", f"≥ {params.min_score:g}", f"{value:.4f}", value >= params.min_score - 1e-9)


def _open_positions(case: LeapsCase) -> Step:
    return funnel.open_positions(case, case.params.max_open)


def _in_theme(case: LeapsCase) -> Step:
    params, theme = case.params, case.params.theme_of(case.snapshot.ticker)
    count = sum(params.theme_of(name) == theme for name in case.context.names)
    return step("names in its theme", f"< {params.names_per_theme}", str(count), count < params.names_per_theme)


def _pick(case: LeapsCase, chain: Chain) -> tuple[Contract | None, tuple[Step, ...]]:
    """(the call nearest the delta aimed at, steps); None when a rule left none."""
    params = case.params
    rows, found = contracts.expiry(chain.where(right=Right.CALL), params.min_dte, params.max_dte, params.dte)
    if not found.passed:
        return None, (found,)
    coming = coming_dividends(case)
    if coming is None:
        return None, (found, *funnel.missing("dividends", "known", case.context))
    aim = contracts.delta_aim(params.delta)
    sieves = (
        contracts.delta_between(params.min_delta, params.max_delta),
        contracts.bid_above(params.min_bid),
        contracts.spread_within(params.max_spread),
        contracts.traded(params.min_open_interest, params.min_contract_volume),
        _cheap(params.max_time_value),
        _above_dividends(coming, params.dividends),
        contracts.has_volatility(),
    )
    left, verdicts = contracts.sift(rows, sieves, aim, case.context)
    return contracts.pick(left, aim), (found, *verdicts)


def coming_dividends(case: LeapsCase) -> float | None:
    """Dollars a share of the next so many dividends, as the latest one was; None where no source covers them."""
    paid = case.snapshot.dividends
    if paid is None:
        return None
    return float(paid[-1].amount) * case.params.dividends if paid else 0.0


def time_value(rows: Chain) -> Floats:
    """(n,) mid less what each call is worth exercised now, dollars a share."""
    return rows.mid - np.maximum(rows.spot - rows.strike, 0.0)


def _a_year(rows: Chain) -> Floats:
    return time_value(rows) / rows.spot * 365 / rows.dte


def _cheap(most: float) -> Sieve:
    def passes(rows: Chain) -> Mask:
        return _a_year(rows) <= most + 1e-9

    return Sieve(
        "time value",
        f"≤ {percent(most)} of the spot a year",
        passes,
        lambda rows, row: percent(float(_a_year(rows)[row])),
    )


def _above_dividends(coming: float, count: int) -> Sieve:
    def passes(rows: Chain) -> Mask:
        return time_value(rows) > coming

    return Sieve(
        "time value over dividends",
        f"> {coming:.2f}, the next {count}",
        passes,
        lambda rows, row: f"{time_value(rows)[row]:.4f}",
    )


def _signal(case: LeapsCase, chain: Chain, contract: Contract) -> Signal:
    score = scores(case.context.facts, case.params)[case.snapshot.ticker]
    signal = calls.bought(
        case,
        chain,
        contract,
        NAME,
        ExitPlan(),
        reasons=_reasons(case, contract, score),
        against=tuple(_against(case, contract)),
        rank=score,
        delta_range=(case.params.min_delta, case.params.max_delta),
        max_spread=case.params.max_spread,
    )
    return replace(signal, exits=exits(signal, case.params))


def _reasons(case: LeapsCase, contract: Contract, score: float) -> tuple[str, ...]:
    ticker = case.snapshot.ticker
    known = growths(case.context.facts, case.params)
    mine = known[ticker]
    return (
        f"score {score:.2f} of 100 among {len(known)} names, theme {case.params.theme_of(ticker)}",
        f"revenue {as_percent(mine.revenue, '+.1')}, {as_percent(mine.share, '+.1')} against its theme; "
        f"earnings {as_percent(mine.earnings, '+.1')}; margin {as_percent(mine.margin, '+.1')}",
        f"{funnel.contract_words(contract)}, {contract.option.dte(case.snapshot.today)} days",
    )


def _against(case: LeapsCase, contract: Contract) -> Iterator[str]:
    """What speaks against it, as far as the numbers know."""
    spot = funnel.spot_price(case)
    time_paid = contract.mid - max(spot - contract.option.strike, Decimal(0))
    yield "the whole premium can be lost; its stop is judged at the close, and a fall within a day goes past it"
    yield f"{time_paid:.2f} a share of the price is time value, lost by expiry if the shares stand still"
    yield "growth is that of the latest reports: it is known to every buyer"


def choose(
    signals: tuple[Signal, ...], context: Context, params: Params
) -> tuple[tuple[Signal, ...], Mapping[str, Step]]:
    """The best scores, as many as may be open in all and in each theme."""
    room = max(0, params.max_open - context.places)
    in_theme = Counter(params.theme_of(name) for name in context.names)
    kept: list[Signal] = []
    dropped: dict[str, Step] = {}
    for place, signal in enumerate(sorted(signals, key=lambda each: (-each.rank, each.ticker)), start=1):
        theme = params.theme_of(signal.ticker)
        if len(kept) >= room:
            dropped[signal.ticker] = Step("rank of the quarter", f"best {room}", f"{place} of {len(signals)}")
        elif in_theme[theme] >= params.names_per_theme:
            limit = f"< {params.names_per_theme}"
            dropped[signal.ticker] = Step("names in its theme", limit, str(in_theme[theme]))
        else:
            kept.append(signal)
            in_theme[theme] += 1
    return tuple(kept), dropped


STRATEGY = Strategy(
    name=NAME,
    title="LEAPS: calls of a year and more on growing companies",
    risk_level=RiskLevel.MEDIUM,
    params=Params(),
    needs=Needs(dividends=True, fundamentals=True, times=("10:30",), peers=True),
    find=find,
    manage=manage,
    select=select,
    choose=choose,
    exits=exits,
    rolls=rolls,
    review=review,
)
