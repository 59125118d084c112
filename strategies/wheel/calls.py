"""The covered call of the wheel: on shares that came by assignment."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from engine import pricing
from engine.exposures import calls_on
from engine.model.book import Position
from engine.model.instruments import Right, Stock
from engine.model.legs import Leg, Structure
from engine.model.market import Chain, Contract
from engine.model.trade import Context, Found, Signal, Step, Verdict, Working
from engine.percent import as_percent
from strategies import contracts, funnel, names
from strategies.funnel import all_passed, step, walk
from strategies.proposals import proposal
from strategies.wheel.exits import exits
from strategies.wheel.params import NAME
from strategies.wheel.rules import WheelCase

ZERO = Decimal(0)


def covered_call(case: WheelCase, held: list[Position]) -> Found:
    """The call to sell on the share position with the most free hundreds, and every rule it was asked."""
    shares = max(held, key=lambda position: _free_contracts(case, position))
    steps = walk(case, (lambda asked: _free_shares(asked, shares), funnel.share_quote))
    if not all_passed(steps):
        return Found.nothing(*steps)
    chain = case.snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    basis = net_basis(shares, case.context)
    contract, verdicts = _pick(case, chain, basis)
    signals = () if contract is None else (_signal(case, chain, contract, shares, basis),)
    return Found(signals, steps + verdicts)


def _shares_in(position: Position) -> int:
    return sum(leg.quantity for leg in position.legs if isinstance(leg.instrument, Stock))


def _calls_on(case: WheelCase, shares: Position) -> int:
    """Calls on these shares, whichever strategy wrote them."""
    everything = {position.id: position for position in (*case.context.owned, *case.context.held)}
    return sum(call.units for call in calls_on(shares, everything.values()))


def _free_contracts(case: WheelCase, shares: Position) -> int:
    return 0 if _calls_on(case, shares) else _shares_in(shares) // 100


def _free_shares(case: WheelCase, shares: Position) -> Step:
    calls = _calls_on(case, shares)
    value = f"{calls} calls open" if calls else f"{_shares_in(shares)} shares"
    return step("free shares", "≥ 100, no call open", value, _free_contracts(case, shares) > 0)


def net_basis(shares: Position, context: Context) -> Decimal:
    """Dollars a share cost, net of all premiums of the campaign (the put's is in the basis already)."""
    held = _shares_in(shares)
    return (shares.cost - context.premiums.get(shares.campaign, ZERO)) / held


def _pick(case: WheelCase, chain: Chain, basis: Decimal) -> tuple[Contract | None, tuple[Step, ...]]:
    """(the call nearest the delta aimed at, steps); None when a rule left none."""
    params = case.params
    calls, found = contracts.expiry(
        chain.where(right=Right.CALL), params.call_min_dte, params.call_max_dte, params.call_dte
    )
    if not found.passed:
        return None, (found,)
    sieves = (
        _strike_from(basis),
        contracts.delta_between(params.call_min_delta, params.call_max_delta),
        contracts.bid_above(params.min_bid),
        contracts.spread_within(params.max_spread),
        contracts.traded(params.call_open_interest, params.call_volume),
    )
    aim = contracts.delta_aim(params.call_delta)
    left, verdicts = contracts.sift(calls, sieves, aim, case.context)
    contract = contracts.pick(left, aim)
    if contract is None:
        return None, (found, *verdicts)
    dividend = _dividend_before(case, chain, contract)
    return contract if dividend.passed else None, (found, *verdicts, dividend)


def _strike_from(basis: Decimal) -> contracts.Sieve:
    return contracts.Sieve(
        "strike",
        f"≥ net basis {basis:.2f}",
        lambda rows: rows.strike >= float(basis) - 1e-9,
        lambda rows, row: f"{rows.strike[row]:.2f}",
    )


def _dividend_before(case: WheelCase, chain: Chain, call: Contract) -> Step:
    """No dividend before expiry that is worth more than half of the time value the call should have on that day."""
    rule, limit = "dividend before expiry", f"≤ {as_percent(case.params.max_dividend_share)} of the time value"
    declared = case.snapshot.dividends
    if declared is None:
        return funnel.unknown(rule, limit, case.context)
    paid = names.payer(declared)
    due = paid.due(case.snapshot.today, call.option.expiry, declared) if paid else None
    if due is None:
        return Step(rule, limit, "none due", Verdict.PASSED)
    left = time_value_on(chain, call, due.ex_date)
    share = float(due.amount) / left if left > 0 else float("inf")
    value = f"{due.amount:f} about {due.ex_date:%d %b}, {as_percent(share)}"
    return step(rule, limit, value, share <= case.params.max_dividend_share)


def time_value_on(chain: Chain, call: Contract, day: date) -> float:
    """Dollars a call should be worth above intrinsic on `day`, at today's spot and its own volatility."""
    years = (call.option.expiry - day).days / 365
    strike = float(call.option.strike)
    if years <= 0 or call.iv is None:
        return 0.0
    rate, carry = chain.rate_to(call.option.expiry), chain.yield_to(call.option.expiry)
    worth = pricing.value(chain.spot, strike, years, rate, call.iv, True, carry)
    return float(worth[0]) - max(chain.spot - strike, 0.0)


def _signal(case: WheelCase, chain: Chain, contract: Contract, shares: Position, basis: Decimal) -> Signal:
    today, strike = case.snapshot.today, contract.option.strike
    signal = proposal(
        case,
        chain,
        NAME,
        Structure.COVERED_CALL,
        (Leg(contract.option, -1),),
        (contract,),
        -contract.limit,
        shares_at=basis,
        reasons=(
            f"{funnel.contract_words(contract)}, {contract.option.dte(today)} days",
            f"net basis {basis:.2f} becomes {basis - contract.limit:.2f}; called away at {strike:.2f}",
        ),
        against=(f"gains above {strike + contract.limit:.2f} are given up",),
        rank=contracts.income_rank(contract, today),
        working=Working.REST,
        delta_range=(case.params.call_min_delta, case.params.call_max_delta),
        campaign=shares.campaign,
        covers=shares.id,
        at_most=_free_contracts(case, shares),
    )
    return replace(signal, exits=exits(signal, case.params))
