"""From contracts of a chain to a signal: prices, outlook and the source of its numbers, alike for all strategies."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

from engine import payoff
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Chain, Contract, Kind
from engine.model.trade import Outlook, Signal
from strategies import funnel
from strategies.funnel import Case

P = TypeVar("P")

NOT_YET = ExitPlan()
"""Of a signal whose exit plan is computed from the signal itself."""


def proposal(
    case: Case[P],
    chain: Chain,
    strategy: str,
    structure: Structure,
    legs: tuple[Leg, ...],
    rows: tuple[Contract, ...],
    limit: Decimal,
    *,
    shares_at: Decimal | None = None,
    exits: ExitPlan = NOT_YET,
    reasons: tuple[str, ...] = (),
    **told: Any,
) -> Signal:
    """The signal to trade these legs at `limit`, each with its row of the chain.

    Args:
        shares_at: basis per share of held shares that the outlook includes (covered call).
        told: the other fields of `Signal` that the strategy adds.
    """
    return Signal(
        strategy=strategy,
        ticker=case.snapshot.ticker,
        structure=structure,
        legs=legs,
        limit=limit,
        natural=natural(legs, rows),
        spot=Decimal(f"{chain.spot:.4f}") if case.snapshot.spot is None else funnel.spot_price(case),
        outlook=_outlook(case, chain, legs, rows, limit, shares_at),
        exits=exits,
        asof=case.snapshot.asof,
        reasons=reasons,
        data=funnel.data_words(case, chain),
        modelled=chain.source.kind is Kind.MODELLED,
        **told,
    )


def natural(legs: Sequence[Leg], rows: Sequence[Contract]) -> Decimal:
    """The net price at which it would trade at once: what is bought at its ask, what is sold at its bid."""
    pairs = zip(legs, rows, strict=True)
    return sum((leg.ratio * (row.ask if leg.ratio > 0 else row.bid) for leg, row in pairs), Decimal(0))


def _outlook(
    case: Case[P],
    chain: Chain,
    legs: tuple[Leg, ...],
    rows: tuple[Contract, ...],
    limit: Decimal,
    shares_at: Decimal | None,
) -> Outlook:
    """At the first expiry of the legs, with the rate and the dividend yield until then."""
    first = min(row.option.expiry for row in rows)
    rate, carry = chain.rate_to(first), chain.yield_to(first)
    return payoff.outlook(legs, limit, rows, chain, chain.spot, rate, case.snapshot.today, carry, shares_at)
