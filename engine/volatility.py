"""Implied volatility of a whole underlying: at the money, at a constant maturity, and where it stands in its year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt

import numpy as np

from engine.model.market import Chain, Floats, IvDay, Kind
from engine.percent import as_percent

MATURITY = 30
AT_THE_MONEY = 0.05
"""Distance of the nearest strike from the spot, decimal of it, within which its volatility is still at the money."""
FARTHEST = 30
"""Days an only neighbouring expiry may be from the maturity wanted."""


OBSERVATIONS = 252
"""Sessions of a year: today's volatility is ranked among those of so many sessions before."""
ENOUGH = 60
"""Fewer observations say nothing about a year."""


@dataclass(frozen=True, slots=True)
class IvStanding:
    """Where an implied volatility stands among those of the year before. None: there are too few observations.

    Attributes:
        iv: the one that is ranked, annualised decimal.
        rank: 0 to 100: (iv - lowest) / (highest - lowest), today's among them; None too where all are the same.
        percentile: 0 to 100: share of the sessions before whose volatility was below it. Not interchangeable with
            the rank: one day of panic leaves every later rank low.
        observations: sessions before that were counted; reconstructed: those of them computed from past trades.
    """

    iv: float
    rank: float | None
    percentile: float | None
    observations: int
    reconstructed: int = 0

    @property
    def is_sufficient(self) -> bool:
        """Whether there are enough observations to say anything."""
        return self.observations >= ENOUGH

    @property
    def reconstructed_share(self) -> float:
        """0 to 1: how much of the history was computed from past trades instead of seen as quotes."""
        return self.reconstructed / self.observations if self.observations else 0.0

    @property
    def words(self) -> str:
        """`rank 45, percentile 62 (252 sessions, 40 % reconstructed)`."""
        if not self.is_sufficient:
            return f"insufficient: {self.observations} of {ENOUGH} sessions"
        rank = "none, it never moved" if self.rank is None else f"{self.rank:.0f}"
        origin = f", {as_percent(self.reconstructed_share)} reconstructed" if self.reconstructed else ""
        return f"rank {rank}, percentile {self.percentile:.0f} ({self.observations} sessions{origin})"


def iv_standing(iv: float, history: Sequence[IvDay]) -> IvStanding:
    """Where `iv` stands among the last 252 of `history` (sessions before today, oldest first).

    A volatility beyond everything before it has rank 0 or 100: today counts among the lowest and highest.
    """
    recent = history[-OBSERVATIONS:]
    count, reconstructed = len(recent), sum(seen.source.kind is Kind.RECONSTRUCTED for seen in recent)
    if count < ENOUGH:
        return IvStanding(iv, None, None, count, reconstructed)
    before = [seen.iv for seen in recent]
    low, high = min(*before, iv), max(*before, iv)
    rank = 100 * (iv - low) / (high - low) if high > low else None
    percentile = 100 * sum(past < iv for past in before) / count
    return IvStanding(iv, rank, percentile, count, reconstructed)


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
    ahead = [expiry for expiry in chain.expiries if expiry > chain.today]
    wanted = chain.today + timedelta(days=days)
    before = _first_point(chain, [expiry for expiry in reversed(ahead) if expiry <= wanted])
    after = _first_point(chain, [expiry for expiry in ahead if expiry >= wanted])
    if before is None or after is None:
        only = before or after
        return only[1] if only is not None and abs(only[0] - days) <= FARTHEST else None
    return _between(before, after, days)


def _first_point(chain: Chain, expiries: Sequence[date]) -> tuple[int, float] | None:
    """(days, volatility) of the first of `expiries` that has a volatility at the money."""
    found = ((expiry, atm_iv(chain, expiry)) for expiry in expiries)
    return next((((expiry - chain.today).days, iv) for expiry, iv in found if iv is not None), None)


def _between(before: tuple[int, float], after: tuple[int, float], days: int) -> float:
    (near, near_iv), (far, far_iv) = before, after
    if near == far:
        return near_iv
    weight = (days - near) / (far - near)
    variance = near_iv**2 * near * (1 - weight) + far_iv**2 * far * weight
    return sqrt(variance / days)
