"""Packages whose options expire on different days: what they are worth at the first expiry, by model.

The legs that live on are valued with the volatility they have now (kept, each its own), those that expire at
intrinsic. Prices are dollars per share. Everything here is an estimate, and shown as "modelled".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise

import numpy as np

from engine import pricing
from engine.errors import BadRequest
from engine.model.instruments import Instrument, Option, Right, Stock, Style
from engine.model.legs import Leg
from engine.model.market import Chain, Contract, Floats

GRID = np.linspace(0.002, 4.0, 4000)
"""Spots at the first expiry that are looked at, as shares of the spot now."""
CENT = Decimal("0.01")


def expiries(legs: Sequence[Leg]) -> tuple[date, ...]:
    """The days on which options of a package expire, soonest first."""
    return tuple(sorted({leg.instrument.expiry for leg in legs if isinstance(leg.instrument, Option)}))


def is_mixed(legs: Sequence[Leg]) -> bool:
    """Whether its options expire on different days."""
    return len(expiries(legs)) > 1


def lasting(legs: Sequence[Leg]) -> tuple[Leg, ...]:
    """The legs that count in the worst case: a long option that ends before a short one of its right protects nothing.

    Only the last such short matters: until then the long one may have been all there was.
    """
    last = {right: _last_short(legs, right) for right in Right}
    return tuple(leg for leg in legs if leg.ratio < 0 or not _ends_early(leg.instrument, last))


def _last_short(legs: Sequence[Leg], right: Right) -> date | None:
    days = [
        leg.instrument.expiry
        for leg in legs
        if leg.ratio < 0 and isinstance(leg.instrument, Option) and leg.instrument.right is right
    ]
    return max(days, default=None)


def _ends_early(item: Instrument, last: dict[Right, date | None]) -> bool:
    if not isinstance(item, Option):
        return False
    short = last[item.right]
    return short is not None and item.expiry < short


def check_covered(legs: Sequence[Leg]) -> None:
    """Every short option is outlived by what covers it.

    Raises:
        BadRequest: a long option ends before a short one of its right: from then on the short one would be naked.
    """
    if len(lasting(legs)) < len(legs):
        raise BadRequest("The option bought ends before the one sold: the desk does not sell what it cannot cover.")


def grid(legs: Sequence[Leg], spot: float) -> Floats:
    """(n,) spots to look at, ascending: fine steps and every strike."""
    strikes = [float(leg.instrument.strike) for leg in legs if isinstance(leg.instrument, Option)]
    return np.union1d(GRID * spot, strikes)


def value_at(
    legs: Sequence[Leg], contracts: Sequence[Contract | None], chain: Chain, day: date, spots: Floats
) -> Floats:
    """(n,) dollars per share of one unit on `day` with the underlying at each of `spots`.

    Args:
        contracts: the chain's row of each leg, whose volatility is kept (None for shares). chain: rate and yield.

    Raises:
        BadRequest: an option that lives on has no implied volatility.
    """
    total = np.zeros_like(spots, dtype=np.float64)
    for leg, contract in zip(legs, contracts, strict=True):
        total += leg.ratio * _leg_value(leg.instrument, contract, chain, day, spots)
    return total


def _leg_value(item: Instrument, contract: Contract | None, chain: Chain, day: date, spots: Floats) -> Floats:
    if isinstance(item, Stock):
        return spots
    if item.expiry <= day:
        return intrinsic(item, spots)
    if contract is None or contract.iv is None:
        raise BadRequest(f"{item} has no implied volatility: what it is worth later cannot be told.")
    return option_value(item, contract.iv, chain, day, spots)


def intrinsic(option: Option, spots: Floats) -> Floats:
    """(n,) dollars an option is worth at once."""
    moneyness = spots - float(option.strike)
    return np.maximum(moneyness if option.right is Right.CALL else -moneyness, 0.0)


def option_value(option: Option, iv: float, chain: Chain, day: date, spots: Floats) -> Floats:
    """(n,) dollars of an option on `day` at one volatility; what may be exercised is never below intrinsic."""
    worth = european_value(option, iv, chain, day, spots)
    return worth if option.style is Style.EUROPEAN else np.maximum(worth, intrinsic(option, spots))


def european_value(option: Option, iv: float, chain: Chain, day: date, spots: Floats) -> Floats:
    """(n,) dollars of an option on `day` at one volatility, not exercised before its end; intrinsic from its last day.

    NaN where `iv` is no volatility.
    """
    left = (option.expiry - day).days / 365
    if left <= 0:
        return intrinsic(option, spots)
    rate, carry = chain.rate_to(option.expiry), chain.yield_to(option.expiry)
    return pricing.value(spots, float(option.strike), left, rate, iv, option.right is Right.CALL, carry)


def turns(spots: Floats, profits: Floats) -> tuple[tuple[Decimal, int], ...]:
    """(breakeven to the cent, +1 when profit begins there or -1 when it ends), ascending, linear between the spots."""
    found = []
    points = zip(spots.tolist(), profits.tolist(), strict=True)
    for (left, low), (right, high) in pairwise(points):
        if (low > 0) != (high > 0):
            crossing = left - low * (right - left) / (high - low)
            found.append((Decimal(f"{crossing:.2f}"), 1 if high > 0 else -1))
    return tuple(found)
