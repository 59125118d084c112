"""The put of the wheel: which name, which contract, and the signal to sell it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.model.instruments import Right
from engine.model.legs import Leg, Structure
from engine.model.market import Chain, Contract
from engine.model.trade import Found, Signal, Step, Working
from engine.percent import as_percent
from strategies import contracts, funnel, names, prices
from strategies.funnel import all_passed, step, walk
from strategies.proposals import proposal
from strategies.wheel.exits import exits
from strategies.wheel.params import NAME
from strategies.wheel.rules import WheelCase, fall, history, volatility, volume


def _one_campaign(case: WheelCase) -> Step:
    held = [position for position in case.context.held if position.ticker == case.snapshot.ticker]
    return step("one campaign a name", "not held", "not held" if not held else f"held ({held[0].structure})", not held)


def _market_cap(case: WheelCase) -> Step:
    return names.market_cap(case, case.params.min_market_cap)


def _yield(case: WheelCase) -> Step:
    return names.dividend_yield(case, case.params.min_yield, case.params.max_yield)


def _ex_age(case: WheelCase) -> Step:
    return names.dividend_age(case, case.params.max_ex_age)


PUT_RULES = (
    _one_campaign,
    history,
    volume,
    volatility,
    fall,
    funnel.share_quote,
    _market_cap,
    names.sector,
    _yield,
    _ex_age,
    names.dividend_kept,
)
"""In the order they are asked: what the desk holds, price and volume, then the company; the chain only after these."""


def short_put(case: WheelCase) -> Found:
    """The put to sell on this name, and every rule it was asked."""
    steps = walk(case, PUT_RULES)
    if not all_passed(steps):
        return Found.nothing(*steps)
    chain = case.snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    contract, verdicts = _pick(case, chain)
    signals = () if contract is None else (_signal(case, chain, contract),)
    return Found(signals, steps + verdicts)


def _pick(case: WheelCase, chain: Chain) -> tuple[Contract | None, tuple[Step, ...]]:
    """(the put nearest the delta aimed at, steps); None when a rule left none."""
    params = case.params
    puts, found = contracts.expiry(chain.where(right=Right.PUT), params.put_min_dte, params.put_max_dte, params.put_dte)
    if not found.passed:
        return None, (found,)
    report = names.no_report_until(case, contracts.expiry_of(puts))
    if not report.passed:
        return None, (found, report)
    sieves = (
        contracts.delta_between(params.put_min_delta, params.put_max_delta),
        contracts.bid_above(params.min_bid),
        contracts.spread_within(params.max_spread),
        contracts.open_interest(params.put_open_interest),
    )
    aim = contracts.delta_aim(params.put_delta)
    left, verdicts = contracts.sift(puts, sieves, aim, case.context)
    return contracts.pick(left, aim), (found, report, *verdicts)


def _signal(case: WheelCase, chain: Chain, contract: Contract) -> Signal:
    today = case.snapshot.today
    realised = prices.volatility(case.snapshot.bars, case.params.volatility_sessions)
    facts = case.snapshot.fundamentals
    signal = proposal(
        case,
        chain,
        NAME,
        Structure.SHORT_PUT,
        (Leg(contract.option, -1),),
        (contract,),
        -contract.limit,
        reasons=_reasons(case, contract, realised),
        against=tuple(_against(case, contract, realised)),
        rank=contracts.income_rank(contract, today),
        working=Working.REST,
        delta_range=(case.params.put_min_delta, case.params.put_max_delta),
        sector=facts.sector if facts else None,
    )
    return replace(signal, exits=exits(signal, case.params))


def _reasons(case: WheelCase, contract: Contract, realised: float) -> tuple[str, ...]:
    today, sessions = case.snapshot.today, case.params.volatility_sessions
    return (
        f"{funnel.contract_words(contract)}, {contract.option.dte(today)} days",
        f"{as_percent(contracts.annual_yield(contract, today), '.1')} a year on the cash set aside, at the bid",
        f"realised volatility {as_percent(realised)} over {sessions} sessions",
    )


def _against(case: WheelCase, contract: Contract, realised: float) -> Iterator[str]:
    """What speaks against it, as far as the numbers know."""
    option, bars, params = contract.option, case.snapshot.bars, case.params
    yield f"assignment would take {option.strike * option.multiplier:,.2f} a contract"
    if contract.iv is not None and contract.iv < realised:
        yield f"implied volatility {as_percent(contract.iv)} is below the realised {as_percent(realised)}"
    if case.last is not None and (change := prices.change_to(bars, case.last, params.fall_sessions)) < 0:
        yield f"{as_percent(change, '+.1')} over {params.fall_sessions} sessions"
    declared = case.snapshot.dividends or ()
    paid = names.payer(declared)
    due = paid.due(case.snapshot.today, option.expiry, declared) if paid else None
    if due is not None:
        yield f"a dividend of {due.amount:f} is due about {due.ex_date:%d %b}: the shares fall by it"
