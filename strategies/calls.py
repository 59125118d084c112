"""One option bought: its signal, and target and stop as shares of the premium."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

from engine.model.instruments import Right
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Chain, Contract
from engine.model.trade import Signal
from engine.percent import as_percent
from strategies import funnel
from strategies.funnel import Case
from strategies.proposals import proposal

P = TypeVar("P")

STRUCTURES = {Right.CALL: Structure.LONG_CALL, Right.PUT: Structure.LONG_PUT}


def bought(case: Case[P], chain: Chain, contract: Contract, strategy: str, exits: ExitPlan, **told: Any) -> Signal:
    """The signal to buy one option at its mid; `told` are the fields of `Signal` that the strategy adds."""
    legs, structure = (Leg(contract.option, 1),), STRUCTURES[contract.option.right]
    return proposal(case, chain, strategy, structure, legs, (contract,), contract.limit, exits=exits, **told)


def bounds(premium: Decimal, gain: float, loss: float) -> tuple[Decimal, Decimal]:
    """(target, stop): the premium with the share `gain` added, and with the share `loss` taken off.

    >>> bounds(Decimal("2.25"), 0.25, 0.30)
    (Decimal('2.8125'), Decimal('1.575'))
    """
    return premium * (1 + Decimal(str(gain))), premium * (1 - Decimal(str(loss)))


def bound_words(target: Decimal, stop: Decimal, gain: float, loss: float) -> tuple[str, str]:
    """The same as sentences of the card."""
    return (
        f"Sell at {target:.4f} or more ({as_percent(gain, '+.0')}).",
        f"Stop: sold at {stop:.4f} or less ({as_percent(-loss, '+.0')}).",
    )


def rise_needed(case: Case[P], contract: Contract) -> str:
    """How far the shares have to go by expiry, in words."""
    needed = float(contract.option.strike + contract.limit) / float(funnel.spot_price(case)) - 1
    return f"the shares must rise {as_percent(needed, '.1')} by expiry to break even"
