"""What the options of a name are worth the session after its report: volatility falls, spot stays, falls or jumps.

Modelled: European values, every option of an expiry at one volatility. Where the parameters name none, it is the one
between the two expiries, which the report's own variance is not in: each expiry's total variance is quiet days plus
one report, so their difference over the days between is quiet alone (forward variance; Gatheral, *The Volatility
Surface*, ch. 2). Where that is none (negative), the later expiry's own, which is too high and said to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import sqrt

import numpy as np

from engine import calendars
from engine.model.instruments import Option
from engine.model.legs import Leg
from engine.model.market import CENT, Chain
from engine.percent import as_percent
from engine.volatility import atm_iv


@dataclass(frozen=True, slots=True)
class Crush:
    """The scenario: on `day`, options at these volatilities by expiry; `origin` says where they come from."""

    day: date
    iv: Mapping[date, float]
    move: float
    origin: str

    @property
    def words(self) -> str:
        """`on 19 Jun (modelled): IV 45 % and 38 %, ...`."""
        levels = " and ".join(as_percent(iv) for _, iv in sorted(self.iv.items()))
        return f"modelled on {self.day:%d %b}, the session after: IV {levels}, {self.origin}"


def forward_iv(near: tuple[int, float], far: tuple[int, float]) -> float | None:
    """The volatility between two expiries, each (days, IV); None where the variance between them is not positive.

    >>> round(forward_iv((9, 1.10), (37, 0.61)) or 0, 4)
    0.3206
    """
    (near_days, near_iv), (far_days, far_iv) = near, far
    variance = (far_iv**2 * far_days - near_iv**2 * near_days) / (far_days - near_days)
    return sqrt(variance) if variance > 0 else None


def crush(chain: Chain, front: date, later: date, day: date, move: float, given: tuple[float, float]) -> Crush | None:
    """The scenario of the session `day`; `given`: front and later IV of a person's own, 0 for none.

    None where an expiry has no volatility at the money to take it from.
    """
    if all(given):
        return Crush(day, {front: given[0], later: given[1]}, move, "as configured")
    near, far = atm_iv(chain, front), atm_iv(chain, later)
    if near is None or far is None:
        return None
    quiet = forward_iv(((front - chain.today).days, near), ((later - chain.today).days, far))
    origin = "that between the two expiries" if quiet else "that of the later expiry: too high"
    level = quiet or far
    return Crush(day, {front: given[0] or level, later: given[1] or level}, move, origin)


def outcomes(
    legs: Sequence[Leg], limit: Decimal, chain: Chain, scenario: Crush, spot: Decimal, units: int
) -> tuple[Decimal, Decimal, Decimal] | None:
    """Dollars made by `units` with the shares unchanged, down by the move and up by it; None without a value."""
    spots = float(spot) * np.array([1.0, 1.0 - scenario.move, 1.0 + scenario.move])
    total = np.zeros(3)
    for leg in legs:
        option = leg.instrument
        if not isinstance(option, Option):
            raise ValueError(f"{option} is no option: shares are reckoned apart")
        total += leg.ratio * calendars.european_value(option, scenario.iv[option.expiry], chain, scenario.day, spots)
    if np.isnan(total).any():
        return None
    same, fall, rise = ((float(value) - float(limit)) * 100 * units for value in total)
    return _cents(same), _cents(fall), _cents(rise)


def _cents(dollars: float) -> Decimal:
    return Decimal(f"{dollars:.6f}").quantize(CENT)
