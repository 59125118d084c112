"""One call bought: its signal, and target and stop as shares of the premium."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

from engine import payoff
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Chain, Contract, Kind
from engine.model.trade import Signal
from strategies import funnel
from strategies.funnel import Case

P = TypeVar("P")


def bought(case: Case[P], chain: Chain, contract: Contract, strategy: str, exits: ExitPlan, **told: Any) -> Signal:
    """The signal to buy one call at its mid; `told` are the fields of `Signal` that the strategy adds."""
    legs = (Leg(contract.option, 1),)
    expiry = contract.option.expiry
    rate, carry = chain.rate_to(expiry), chain.yield_to(expiry)
    return Signal(
        strategy=strategy,
        ticker=case.snapshot.ticker,
        structure=Structure.LONG_CALL,
        legs=legs,
        limit=contract.limit,
        natural=contract.ask,
        spot=funnel.spot_price(case),
        outlook=payoff.outlook(legs, contract.limit, (contract,), chain, chain.spot, rate, case.snapshot.today, carry),
        exits=exits,
        asof=case.snapshot.asof,
        data=funnel.data_words(case, chain),
        modelled=chain.source.kind is Kind.MODELLED,
        **told,
    )


def bounds(premium: Decimal, gain: float, loss: float) -> tuple[Decimal, Decimal]:
    """(target, stop): the premium with the share `gain` added, and with the share `loss` taken off.

    >>> bounds(Decimal("2.25"), 0.25, 0.30)
    (Decimal('2.8125'), Decimal('1.5750'))
    """
    return premium * (1 + Decimal(str(gain))), premium * (1 - Decimal(str(loss)))


def rise_needed(case: Case[P], contract: Contract) -> str:
    """How far the shares have to go by expiry, in words."""
    needed = float(contract.option.strike + contract.limit) / float(funnel.spot_price(case)) - 1
    return f"the shares must rise {needed:.1%} by expiry to break even"
