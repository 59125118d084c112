"""Earnings protection: held shares over their report, by the cheapest way that covers what equity cannot bear.

The rules and the choices behind them: docs/strategies.md, "earnings_protection".
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.model.book import Position
from engine.model.instruments import Instrument
from engine.model.legs import Structure
from engine.model.market import Chain, MarketSnapshot, Quote
from engine.model.trade import Context, Exit, Found, Needs, RiskLevel, Step, Strategy
from strategies import funnel, reports
from strategies.earnings_protection import rules
from strategies.earnings_protection.crush import crush
from strategies.earnings_protection.exits import exits
from strategies.earnings_protection.halves import call_for, half_done
from strategies.earnings_protection.params import ENTRIES, NAME, Params
from strategies.earnings_protection.rules import Due, ProtectionCase
from strategies.earnings_protection.signals import Brief, outcome, signals
from strategies.earnings_protection.ways import Ground, compare
from strategies.funnel import Case, all_passed, walk


def select(universe: tuple[str, ...], owned: tuple[Position, ...], params: Params) -> tuple[str, ...]:
    """The names whose shares are held, by whichever strategy; the universe does not matter."""
    del universe, params
    held = {position.ticker for position in owned if position.is_open and position.structure is Structure.SHARES}
    return tuple(sorted(held))


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The ways to protect a held name over its report, best first, or the call of a collar whose put is held."""
    case = Case(snapshot, context, params)
    put = half_done(case)
    if put is not None:
        return call_for(case, put)
    steps: tuple[Step, ...] = (rules.held_shares(case),)
    if not all_passed(steps):
        return Found.nothing(*steps)
    due = rules.due_report(case)
    if due is None:
        return Found.nothing(*steps, *funnel.missing("report", f"≤ {params.report_days} days", context))
    asked = (
        lambda one: rules.near_report(one, due),
        lambda one: rules.in_time(one, due),
        rules.unprotected,
        funnel.share_quote,
    )
    steps += walk(case, asked)
    if not all_passed(steps):
        return Found.nothing(*steps)
    chain = snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    return _protected(case, chain, due, steps)


def _protected(case: ProtectionCase, chain: Chain, due: Due, steps: tuple[Step, ...]) -> Found:
    """From the two expiries to the compared ways."""
    params, spot = case.params, funnel.spot_price(case)
    days = rules.expiries(case, chain, due)
    steps += days.steps
    if days.front is None or days.later is None or days.after is None:
        return Found.nothing(*steps)
    front, later, straddle = days.front, days.later, reports.straddle(chain, days.front, spot)
    dear = rules.dear_volatility(case, chain, front, later)
    steps += walk(case, (lambda _: dear, lambda _: rules.implied_move(straddle)))
    if straddle is None or not all_passed(steps):
        return Found.nothing(*steps)
    loss = rules.loss_of(case, straddle, spot)
    scenario = crush(chain, front, later, days.after, loss.move, (params.front_iv_after, params.later_iv_after))
    steps += walk(case, (lambda one: rules.needed(one, loss), lambda _: rules.modelled(scenario)))
    if scenario is None or not all_passed(steps):
        return Found.nothing(*steps)
    free = max(rules.free_hundreds(each, case.context) for each in rules.holding(case))
    ground = Ground(chain, front, later, spot, loss.shares // 100, free, scenario)
    compared = compare(ground, loss.need, params, case.context)
    brief = Brief(case, ground, loss, due, f"{dear.rule} {dear.value} ({dear.limit})", compared)
    return Found(signals(brief), (*steps, outcome(compared)))


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """Nothing beyond the armed plan: protection is held through the report and ends in the session after it."""
    del position, snapshot, quotes, params
    return ()


STRATEGY = Strategy(
    name=NAME,
    title="Earnings protection: held shares over their report",
    risk_level=RiskLevel.MEDIUM,
    params=Params(),
    needs=Needs(earnings=True, times=("10:00", "14:30")),
    find=find,
    manage=manage,
    select=select,
    exits=exits,
    entry_hours=ENTRIES,
)

__all__ = ["NAME", "STRATEGY", "Params", "exits", "find", "manage", "select"]
