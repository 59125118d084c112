"""What a package makes at expiry: loss, gain, breakevens, probability of profit, collateral, risk that is counted.

A package is piecewise linear at expiry, so loss, gain and breakevens are exact (`Decimal`); the probability is an
estimate (`float`). Prices are dollars per share, results dollars per unit (multiplier included) unless said.
Where options expire on different days, gain and breakevens are those at the first expiry, by model (`calendars`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import erfc, isfinite, log, sqrt

import numpy as np

from engine import calendars
from engine.errors import BadRequest
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import Leg, Structure
from engine.model.market import CENT, NO_GREEKS, Chain, Contract, Floats, Greeks
from engine.model.trade import Outlook, Priced
from engine.pricing import escrowed_spot

ZERO = Decimal(0)
TICK = Decimal("0.0001")
STRESSED = frozenset({Structure.SHORT_PUT, Structure.COVERED_CALL, Structure.SHARES})
"""Structures whose counted risk is the loss at a stressed spot; the others count their maximum loss."""

Point = tuple[Decimal, Decimal]


def multiplier(legs: Sequence[Leg]) -> int:
    """Shares behind one unit: 100 as soon as a listed option is in it, 1 for shares alone."""
    return max(leg.instrument.multiplier for leg in legs)


def expiry_value(legs: Sequence[Leg], price: Decimal) -> Decimal:
    """Dollars per share one unit is worth at expiry with the underlying at `price` (shares count 1:1)."""
    return sum((leg.ratio * _intrinsic(leg.instrument, price) for leg in legs), ZERO)


def _intrinsic(instrument: Instrument, price: Decimal) -> Decimal:
    if isinstance(instrument, Stock):
        return price
    if instrument.right is Right.CALL:
        return max(price - instrument.strike, ZERO)
    return max(instrument.strike - price, ZERO)


def profit(legs: Sequence[Leg], limit: Decimal, price: Decimal) -> Decimal:
    """Dollars per unit made at expiry at `price`, before fees; `limit` is the net price paid (negative: received).

    >>> put = Option("X", date(2026, 12, 18), Right.PUT, Decimal(44))
    >>> profit((Leg(put, -1),), Decimal("-1.03"), Decimal("38.40"))
    Decimal('-457.00')
    """
    return (expiry_value(legs, price) - limit) * multiplier(legs)


def with_shares(legs: Sequence[Leg], limit: Decimal, shares_at: Decimal | None) -> tuple[tuple[Leg, ...], Decimal]:
    """(legs, limit) of the package together with shares held at `shares_at` dollars, one share for each of its own."""
    if shares_at is None:
        return tuple(legs), limit
    return (*legs, Leg(Stock(legs[0].instrument.underlying), 1)), limit + shares_at


def max_loss(legs: Sequence[Leg], limit: Decimal) -> Decimal | None:
    """The most one unit can lose at expiry, positive dollars; None is unlimited.

    The minimum of a piecewise linear function lies at spot 0, at a strike, or far above the last one. A long option
    that lives on is worth no less than it would be if it ended too; one that ends before a short one is left out.
    """
    lasting = calendars.lasting(legs)
    if _tail_slope(lasting) < 0:
        return None
    return max(ZERO, -min(value for _, value in _kinks(lasting, limit))) * multiplier(legs)


def max_gain(legs: Sequence[Leg], limit: Decimal) -> Decimal | None:
    """The most one unit can make at expiry, dollars; None is unlimited."""
    if _tail_slope(legs) > 0:
        return None
    return max(ZERO, *(value for _, value in _kinks(legs, limit))) * multiplier(legs)


def _tail_slope(legs: Sequence[Leg]) -> int:
    """Dollars per dollar of spot above the highest strike."""
    return sum(leg.ratio for leg in legs if isinstance(leg.instrument, Stock) or leg.instrument.right is Right.CALL)


def _kinks(legs: Sequence[Leg], limit: Decimal) -> tuple[Point, ...]:
    """(price, profit per share) at spot 0 and at every strike, ascending."""
    prices = {ZERO} | {leg.instrument.strike for leg in legs if isinstance(leg.instrument, Option)}
    return tuple((price, expiry_value(legs, price) - limit) for price in sorted(prices))


def _outline(legs: Sequence[Leg], limit: Decimal) -> tuple[Point, ...]:
    """The kinks and one point beyond the last breakeven."""
    kinks = _kinks(legs, limit)
    price, value = kinks[-1]
    slope = _tail_slope(legs)
    crossing = price - value / slope if slope and value * slope < 0 else price
    far = crossing + max(crossing, Decimal(1))
    return (*kinks, (far, expiry_value(legs, far) - limit))


def breakevens(legs: Sequence[Leg], limit: Decimal) -> tuple[Decimal, ...]:
    """Prices of the underlying, ascending, where a unit begins or ceases to make money at expiry."""
    return tuple(price for price, _ in _turns(legs, limit))


def _turns(legs: Sequence[Leg], limit: Decimal) -> tuple[tuple[Decimal, int], ...]:
    """(breakeven, +1 when profit begins there or -1 when it ends), ascending."""
    outline = _outline(legs, limit)
    turns = []
    for (left, low), (right, high) in pairwise(outline):
        if (low > 0) == (high > 0):
            continue
        crossing = left - low * (right - left) / (high - low)
        turns.append((crossing.quantize(TICK), 1 if high > 0 else -1))
    return tuple(turns)


def collateral(legs: Sequence[Leg]) -> Decimal:
    """Cash to set aside for one unit: its worst value at expiry with the premium left out (0 when it is never owed).

    A short put reserves its strike, a spread its width, a condor the wider wing.

    Raises:
        BadRequest: the package has an uncovered short call.
    """
    worst = max_loss(legs, ZERO)
    if worst is None:
        raise BadRequest("An uncovered short call can lose without limit: the desk does not sell it.")
    return worst


def expiry_profile(legs: Sequence[Leg], limit: Decimal, spots: Floats) -> Floats:
    """(n,) dollars per unit at expiry at each of `spots` ((n,) dollars), for charts.

    Raises:
        BadRequest: its options expire on different days, so that there is no one line (`calendars.value_at` has one).
    """
    if calendars.is_mixed(legs):
        raise BadRequest("Its options expire on different days: there is no one picture of their expiry.")
    value = np.zeros_like(spots, dtype=np.float64)
    for leg in legs:
        value += leg.ratio * _intrinsics(leg.instrument, spots)
    return (value - float(limit)) * multiplier(legs)


def _intrinsics(instrument: Instrument, spots: Floats) -> Floats:
    if isinstance(instrument, Stock):
        return spots
    moneyness = spots - float(instrument.strike)
    return np.maximum(moneyness if instrument.right is Right.CALL else -moneyness, 0.0)


def stress_loss(legs: Sequence[Leg], limit: Decimal, spot: Decimal, move: Decimal) -> Decimal:
    """Dollars one unit loses with the spot down by `move` (decimal fraction) and options at intrinsic, at least 0."""
    return max(ZERO, -profit(legs, limit, spot * (1 - move)))


def counted_risk(structure: Structure, legs: Sequence[Leg], limit: Decimal, spot: Decimal, move: Decimal) -> Decimal:
    """Dollars of one unit that count toward `max_total_risk` (docs/strategies.md, sizing).

    Puts, shares and covered calls count their loss at spot less `move`; defined risk and long premium their maximum
    loss. For a covered call pass the shares as a leg too (`with_shares`).

    Raises:
        BadRequest: the maximum loss is unlimited.
    """
    if structure in STRESSED:
        return stress_loss(legs, limit, spot, move)
    worst = max_loss(legs, limit)
    if worst is None:
        raise BadRequest("A package that can lose without limit has no risk that could be counted.")
    return worst


def net_greeks(legs: Sequence[Leg], contracts: Sequence[Contract | None]) -> Greeks | None:
    """Greeks of one unit per share, net of the ratios; None when a leg has no value. `contracts`: one per leg."""
    total = NO_GREEKS
    for leg, contract in zip(legs, contracts, strict=True):
        greeks = _leg_greeks(leg, contract)
        if greeks is None:
            return None
        total = total.plus(greeks.times(leg.ratio))
    return total


def _leg_greeks(leg: Leg, contract: Contract | None) -> Greeks | None:
    if isinstance(leg.instrument, Stock):
        return Greeks(1.0, 0.0, 0.0, 0.0, 0.0)
    return contract.greeks if contract else None


def smile_iv(smile: Chain, leg: Option, strike: float) -> float | None:
    """IV at `strike` from the listed options of the right, root and expiry of `leg`: linear in strike, flat outside.

    None when none of them has an IV.
    """
    keep = (
        (smile.expiry == np.datetime64(leg.expiry, "D"))
        & (smile.is_call == (leg.right is Right.CALL))
        & np.isfinite(smile.iv)
    )
    if smile.root is not None:
        keep &= smile.root == leg.root
    if not keep.any():
        return None
    order = np.argsort(smile.strike[keep], kind="stable")
    return float(np.interp(strike, smile.strike[keep][order], smile.iv[keep][order]))


def probability_above(
    price: float, iv: float, spot: float, rate: float, years: float, dividend_yield: float = 0.0
) -> float:
    """N(d2): risk-neutral lognormal probability that the underlying ends above `price` (Hull, ch. 15).

    >>> round(probability_above(42.97, 0.46515, 48.0, 0.04, 35 / 365), 4)
    0.7652
    """
    if price <= 0:
        return 1.0
    d2 = (log(spot / price) + (rate - dividend_yield - iv * iv / 2) * years) / (iv * sqrt(years))
    return erfc(-d2 / sqrt(2.0)) / 2.0


def _reference(options: Iterable[Option], price: Decimal) -> Option:
    """The option whose smile speaks for `price`: nearest strike, on a tie the put below and the call above."""
    return min(
        options, key=lambda each: (abs(each.strike - price), (each.right is Right.CALL) != (price > each.strike))
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """Where a package makes money at one expiry: whether it does at spot 0, and where that turns, ascending."""

    expiry: date | None
    from_zero: bool
    turns: tuple[tuple[Decimal, int], ...]


def _line(legs: Sequence[Leg], limit: Decimal) -> _Line:
    first = min((leg.instrument.expiry for leg in legs if isinstance(leg.instrument, Option)), default=None)
    return _Line(first, _kinks(legs, limit)[0][1] > 0, _turns(legs, limit))


def _probability(
    legs: Sequence[Leg], line: _Line, smile: Chain, spot: float, rate: float, today: date, dividend_yield: float
) -> tuple[float | None, str]:
    """(probability of a profit at the first expiry, how it was computed or why not)."""
    options = [x.instrument for x in legs if isinstance(x.instrument, Option) and x.instrument.expiry == line.expiry]
    days = options[0].dte(today) if options else 0
    if days <= 0:
        return None, "not computed: no time left" if options else "not computed: shares have no expiry"
    years = days / 365
    expiry = np.array([options[0].expiry], dtype="datetime64[D]")
    ex_dividend = float(escrowed_spot(spot, today, expiry, smile.dividends, rate)[0])
    total = 1.0 if line.from_zero else 0.0
    for price, turn in line.turns:
        iv = smile_iv(smile, _reference(options, price), float(price))
        if iv is None or iv <= 0 or not isfinite(iv) or ex_dividend <= 0:
            return None, "not computed: no implied volatility at the breakeven"
        total += turn * probability_above(float(price), iv, ex_dividend, rate, years, dividend_yield)
    return min(max(total, 0.0), 1.0), "N(d2) at the breakeven, IV linear in strike"


def outlook(
    legs: Sequence[Leg],
    limit: Decimal,
    contracts: Sequence[Contract | None],
    smile: Chain,
    spot: float,
    rate: float,
    today: date,
    dividend_yield: float = 0.0,
    shares_at: Decimal | None = None,
) -> Outlook:
    """The numbers of one unit of a package bought at `limit` (negative: sold).

    Args:
        legs: of one unit. contracts: the chain's row of each leg (None for shares).
        limit: net dollars per share. smile: the chain the IVs at the breakevens are read from.
        spot: dollars. rate, dividend_yield: continuous, decimal a year, to the first expiry; T is days/365.
        shares_at: basis per share of held shares under the package (covered call, protective put, collar); loss, gain,
            breakevens and probability are then those of shares and options together, Greeks those of `legs` alone.

    Raises:
        BadRequest: an uncovered short call, an option bought that ends before the one sold, or one that lives beyond
            the first expiry and has no implied volatility.
    """
    if calendars.is_mixed(legs):
        if shares_at is not None:
            raise BadRequest("Options that expire on different days are not reckoned together with shares.")
        return _by_model(legs, limit, contracts, smile, spot, rate, today, dividend_yield)
    package, paid = with_shares(legs, limit, shares_at)
    pop, method = _probability(package, _line(package, paid), smile, spot, rate, today, dividend_yield)
    return Outlook(
        max_loss=max_loss(package, paid),
        max_gain=max_gain(package, paid),
        breakevens=breakevens(package, paid),
        pop=pop,
        pop_method=method,
        greeks=net_greeks(legs, contracts),
        collateral=collateral(package),
        shares_at=shares_at,
        priced=_priced(legs, contracts, smile, rate, today, dividend_yield),
    )


def _priced(
    legs: Sequence[Leg],
    contracts: Sequence[Contract | None],
    chain: Chain,
    rate: float,
    today: date,
    dividend_yield: float,
) -> Priced | None:
    """What the legs are priced with; None when an option has no volatility."""
    options = [leg.instrument if isinstance(leg.instrument, Option) else None for leg in legs]
    ivs = tuple(None if contract is None else contract.iv for contract in contracts)
    if any(option is not None and iv is None for option, iv in zip(options, ivs, strict=True)):
        return None
    expiry = np.array([today if option is None else option.expiry for option in options], dtype="datetime64[D]")
    escrowed = chain.spot - escrowed_spot(chain.spot, today, expiry, chain.dividends, rate)
    return Priced(ivs, tuple(escrowed.tolist()), rate, dividend_yield)


def _by_model(
    legs: Sequence[Leg],
    limit: Decimal,
    contracts: Sequence[Contract | None],
    smile: Chain,
    spot: float,
    rate: float,
    today: date,
    dividend_yield: float,
) -> Outlook:
    """The numbers at the first expiry, the legs that live on at the volatility they have now.

    The loss is the exact one of the long leg's protection, unless the model knows a worse one (European puts deep in
    the money are worth less than intrinsic).
    """
    calendars.check_covered(legs)
    first, spots = calendars.expiries(legs)[0], calendars.grid(legs, spot)
    profits = calendars.value_at(legs, contracts, smile, first, spots) - float(limit)
    turns = calendars.turns(spots, profits)
    line = _Line(first, bool(profits[0] > 0), turns)
    pop, method = _probability(legs, line, smile, spot, rate, today, dividend_yield)
    shares = multiplier(legs)
    exact, worst = max_loss(legs, limit), (Decimal(f"{-profits.min():.4f}") * shares).quantize(CENT)
    best = None if _tail_slope(legs) > 0 else (Decimal(f"{max(profits.max(), 0.0):.4f}") * shares).quantize(CENT)
    return Outlook(
        max_loss=None if exact is None else max(exact, worst),
        max_gain=best,
        breakevens=tuple(price for price, _ in turns),
        pop=pop,
        pop_method=method if pop is None else f"{method} (modelled)",
        greeks=net_greeks(legs, contracts),
        collateral=collateral(legs),
        modelled=f"modelled on {first:%d %b %y}, each leg's volatility kept",
        priced=_priced(legs, contracts, smile, rate, today, dividend_yield),
    )


def moved(old: Outlook, legs: Sequence[Leg], limit: Decimal) -> Outlook:
    """`old` at a new `limit`: loss, gain and breakevens anew; probability and Greeks stay and say so."""
    earlier = "at the earlier price"
    method = old.pop_method if old.pop is None or earlier in old.pop_method else f"{old.pop_method}, {earlier}"
    if old.modelled:
        return _modelled_moved(old, legs, limit, method)
    package, paid = with_shares(legs, limit, old.shares_at)
    return Outlook(
        max_loss=max_loss(package, paid),
        max_gain=max_gain(package, paid),
        breakevens=breakevens(package, paid),
        pop=old.pop,
        pop_method=method,
        greeks=old.greeks,
        collateral=old.collateral,
        shares_at=old.shares_at,
        priced=old.priced,
    )


def _modelled_moved(old: Outlook, legs: Sequence[Leg], limit: Decimal, method: str) -> Outlook:
    """What a dearer package loses more it gains less; its modelled breakevens stay and say so."""
    loss, earlier = max_loss(legs, limit), "breakevens at the earlier price"
    dearer = ZERO if loss is None or old.max_loss is None else loss - old.max_loss
    return replace(
        old,
        max_loss=loss,
        max_gain=None if old.max_gain is None else max(ZERO, old.max_gain - dearer),
        pop_method=method,
        collateral=collateral(legs),
        modelled=old.modelled if earlier in old.modelled else f"{old.modelled}; {earlier}",
    )
