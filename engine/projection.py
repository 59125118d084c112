"""What a package would be worth at other prices of its underlying, now or on a day to come: by formula, whole columns.

European Black-Scholes-Merton with escrowed dividends, each option at its own volatility, which stays as it is; an
American option is never worth less than exercising it. Results are estimates (`float`), before fees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from engine.calendars import intrinsic
from engine.exposures import first_expiry
from engine.model.instruments import Option, Right, Style
from engine.model.legs import Leg
from engine.model.market import Chain, Floats
from engine.payoff import multiplier, smile_iv
from engine.pricing import escrowed_spot, value, years_left
from engine.volatility import atm_iv


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What a package is priced with.

    Attributes:
        chain: says the time, the rates and the dividends. volatility: of each option, annualised decimal.
        close: when the session of today ends, 16:00 in New York where None.
    """

    chain: Chain
    volatility: Mapping[Option, float]
    close: datetime | None = None


def model(legs: Sequence[Leg], chain: Chain | None, close: datetime | None = None) -> Model | None:
    """The model of a package: volatilities of its own rows of `chain`, else of its expiry's smile (linear in strike).

    None where an option has none, or where there is nothing to price.
    """
    options = [leg.instrument for leg in legs if isinstance(leg.instrument, Option)]
    if chain is None or not options:
        return None
    found = {option: _volatility(chain, option) for option in options}
    known = {option: iv for option, iv in found.items() if iv is not None and iv > 0}
    return Model(chain, known, close) if len(known) == len(found) else None


def _volatility(chain: Chain, option: Option) -> float | None:
    row = chain.find(option)
    own = None if row is None else row.iv
    return own if own is not None and own > 0 else smile_iv(chain, option, float(option.strike))


def profile(legs: Sequence[Leg], limit: float, spots: Floats, priced: Model, on: date) -> Floats:
    """(n,) dollars a unit bought at the net `limit` a share has made on the day `on` at each of `spots`.

    `on` is the chain's own day (with the hours it has left) or a later one, at its close: options that have expired by
    then count what exercising them is worth.
    """
    total = np.full(len(spots), -limit)
    for leg in legs:
        item = leg.instrument
        total += leg.ratio * (_option(item, spots, priced, on) if isinstance(item, Option) else spots)
    return total * multiplier(legs)


def _option(option: Option, spots: Floats, priced: Model, on: date) -> Floats:
    chain = priced.chain
    exercised = intrinsic(option, spots)
    expiry = np.array([option.expiry], dtype="datetime64[D]")
    is_now = on == chain.today
    years = float(years_left(expiry, on, chain.asof, priced.close)[0]) if is_now else (option.expiry - on).days / 365
    if not years > 0:
        return exercised
    rate = chain.rate_to(option.expiry)
    # What the dividends until expiry take off the spot, the same dollars at every one of `spots`.
    escrow = float(escrowed_spot(0.0, on, expiry, chain.dividends, rate)[0])
    worth = value(
        spots + escrow, float(option.strike), years, rate, priced.volatility[option], option.right is Right.CALL,
        chain.yield_to(option.expiry),
    )  # fmt: skip
    worth = np.where(np.isnan(worth), exercised, worth)
    return worth if option.style is Style.EUROPEAN else np.maximum(worth, exercised)


@dataclass(frozen=True, slots=True)
class Move:
    """Where the underlying is expected to be on a day, one standard deviation either side; `iv` annualised decimal."""

    low: float
    high: float
    iv: float
    day: date


def one_sigma(legs: Sequence[Leg], chain: Chain | None, spot: float, close: datetime | None = None) -> Move | None:
    """spot x exp(-+ iv x sqrt(years)) to the first expiry, at its volatility at the money; about 68 % of a lognormal.

    None without options, time or volatility.
    """
    expiry = first_expiry(leg.instrument for leg in legs)
    iv = None if chain is None or expiry is None else atm_iv(chain, expiry)
    if chain is None or expiry is None or iv is None:
        return None
    years = float(years_left(np.array([expiry], dtype="datetime64[D]"), chain.today, chain.asof, close)[0])
    if not years > 0:
        return None
    factor = float(np.exp(iv * np.sqrt(years)))
    return Move(spot / factor, spot * factor, iv, expiry)
