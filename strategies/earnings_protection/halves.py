"""The second order of a collar: the call on free shares, once the put is filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from engine.exposures import is_call_to_come
from engine.model.book import Position
from engine.model.instruments import Option, Right
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Chain, Contract
from engine.model.trade import Found, Signal, Step, Verdict
from strategies import funnel
from strategies.earnings_protection.exits import exits
from strategies.earnings_protection.params import NAME
from strategies.earnings_protection.rules import (
    ProtectionCase,
    due_report,
    free_hundreds,
    in_time,
    near_report,
    shares_held,
)
from strategies.earnings_protection.signals import NO_ODDS
from strategies.earnings_protection.ways import Pick, contract_for
from strategies.funnel import all_passed, step
from strategies.proposals import proposal


def half_done(case: ProtectionCase) -> Position | None:
    """The put of a collar in this name that still waits for its call; a call that has come and gone is not repeated."""
    context = case.context
    own = (p for p in context.held if p.ticker == case.snapshot.ticker and not context.premiums.get(p.campaign))
    return next((put for put in own if is_call_to_come(put, context.owned)), None)


def call_for(case: ProtectionCase, put: Position) -> Found:
    """The call to sell against the put on the share position with the most free hundreds, and every rule asked."""
    due = due_report(case)
    if due is None:
        return Found.nothing(*funnel.missing("report", "a date ahead", case.context))
    steps: tuple[Step, ...] = (Step("collar", "put held, call to come", put.id, Verdict.PASSED),)
    shares = max(
        shares_held(case.context, case.snapshot.ticker),
        key=lambda each: free_hundreds(each, case.context),
        default=None,
    )
    free = 0 if shares is None else free_hundreds(shares, case.context)
    rules = (
        lambda asked: near_report(asked, due),
        lambda asked: in_time(asked, due),
        lambda _: step("free shares", "≥ 100", f"{free} hundreds", free > 0),
        funnel.share_quote,
    )
    steps += funnel.walk(case, rules)
    if shares is None or not all_passed(steps):
        return Found.nothing(*steps)
    chain = case.snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    row = _call(case, chain, put)
    if isinstance(row, str):
        return Found.nothing(*steps, Step("call of the collar", "listed and liquid", row))
    steps += (step("call of the collar", "listed and liquid", str(row.option), True),)
    return Found((_signal(case, chain, row, put, shares, min(free, put.units)),), steps)


def _call(case: ProtectionCase, chain: Chain, put: Position) -> Contract | str:
    option = put.unit[0].instrument
    if not isinstance(option, Option):
        return f"{put.id} is no put"
    spot = funnel.spot_price(case)
    wanted = Pick(Right.CALL, option.expiry, case.params.call_ratio * float(spot), -1)
    return contract_for(wanted, chain, spot, case.params, case.context)


def _against(strike: Decimal, basis: Decimal) -> Iterator[str]:
    yield f"gains above {strike:f} are given up"
    if strike < basis:
        yield f"called away at {strike:f} the shares lose: they cost {basis:.2f}"
    yield "without it the put stays, as protection that costs its whole price"


def _signal(case: ProtectionCase, chain: Chain, row: Contract, put: Position, shares: Position, units: int) -> Signal:
    basis = shares.cost / shares.units
    paid = put.entry or Decimal(0)
    signal = proposal(
        case,
        chain,
        NAME,
        Structure.COVERED_CALL,
        (Leg(row.option, -1),),
        (row,),
        -row.limit,
        shares_at=basis,
        exits=ExitPlan(close_on=put.exits.close_on),
        reasons=(
            f"Second order of the collar: the put {put.id} is held at {paid:.2f}, this call pays {row.limit:.2f} of it",
            funnel.contract_words(row),
        ),
        against=tuple(_against(row.option.strike, basis)),
        campaign=put.campaign,
        covers=shares.id,
        at_most=units,
    )
    odds = replace(signal.outlook, pop=None, pop_method=NO_ODDS)
    return replace(signal, outlook=odds, exits=exits(signal, case.params))
