"""Implied volatility of a whole underlying: at the money, at a constant maturity."""

from __future__ import annotations

from datetime import date
from math import sqrt

import numpy as np

from engine.model.market import Chain, Floats

MATURITY = 30
AT_THE_MONEY = 0.05
"""Distance of the nearest strike from the spot, decimal of it, within which its volatility is still at the money."""
FARTHEST = 30
"""Days an only neighbouring expiry may be from the maturity wanted."""


def atm_iv(chain: Chain, expiry: date) -> float | None:
    """The volatility of one expiry at the money, annualised decimal: linear in strike at the spot, flat outside the
    listed strikes, mean of both rights.

    None when neither right has volatilities either side of the spot or within 5 % of it.
    """
    rows = chain.where(expiry=expiry)
    found = [iv for is_call in (True, False) if (iv := _at_spot(rows, is_call)) is not None]
    return sum(found) / len(found) if found else None


def _at_spot(rows: Chain, is_call: bool) -> float | None:
    keep = (rows.is_call == is_call) & np.isfinite(rows.iv) & (rows.iv > 0)
    strikes = rows.strike[keep]
    if not len(strikes) or not _reaches(strikes, rows.spot):
        return None
    order = np.argsort(strikes, kind="stable")
    return float(np.interp(rows.spot, strikes[order], rows.iv[keep][order]))


def _reaches(strikes: Floats, spot: float) -> bool:
    """Whether the spot lies between the strikes, or near enough to one."""
    near = float(np.abs(strikes - spot).min()) <= AT_THE_MONEY * spot
    return near or bool(strikes.min() <= spot <= strikes.max())


def constant_maturity_iv(chain: Chain, days: int = MATURITY) -> float | None:
    """At-the-money volatility `days` calendar days ahead, annualised decimal: linear in total variance between the
    neighbouring expiries (Cboe VIX methodology, 30-day interpolation), that of an only neighbour within 30 days.

    None when no expiry is near enough or none has a volatility at the money.
    """
    points = [
        (dte, iv)
        for expiry in chain.expiries
        if (dte := (expiry - chain.today).days) > 0 and (iv := atm_iv(chain, expiry)) is not None
    ]
    before = max((point for point in points if point[0] <= days), default=None)
    after = min((point for point in points if point[0] >= days), default=None)
    if before is None or after is None:
        only = before or after
        return only[1] if only is not None and abs(only[0] - days) <= FARTHEST else None
    return _between(before, after, days)


def _between(before: tuple[int, float], after: tuple[int, float], days: int) -> float:
    (near, near_iv), (far, far_iv) = before, after
    if near == far:
        return near_iv
    weight = (days - near) / (far - near)
    variance = near_iv**2 * near * (1 - weight) + far_iv**2 * far * weight
    return sqrt(variance / days)
