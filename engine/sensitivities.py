"""How what is held answers to small moves: Greeks in shares and dollars, and delta in dollars of the market. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine import pricing
from engine.model.market import Floats
from engine.stress import Holdings

MARKET = "SPY"
"""What betas are against, and what beta-weighted delta is dollars of."""
BETA_SESSIONS = 250
BETA_LEAST = 60
"""Daily returns in common below which a beta says nothing."""


@dataclass(frozen=True, slots=True)
class Beta:
    """The slope of a name's daily returns on the market's, and how many of them both have."""

    value: float
    observations: int


def beta(name: Floats, market: Floats) -> Beta | None:
    """Covariance over variance of the last 250 daily returns both have; None with fewer than 60 of them.

    `name`, `market`: (m,) log returns over the same sessions, oldest first, NaN where there is none.
    """
    both = np.flatnonzero(np.isfinite(name) & np.isfinite(market))[-BETA_SESSIONS:]
    if len(both) < BETA_LEAST:
        return None
    x, y = market[both] - market[both].mean(), name[both] - name[both].mean()
    spread = float(x @ x)
    return Beta(float(x @ y) / spread, len(both)) if spread > 0 else None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What one position, or several together, make when something moves a little. Dollars; gains are positive.

    Attributes:
        position: its id, "" for several. ticker: its underlying, "" for several.
        delta: shares of the underlying that move alike. delta_dollars: those at the spot.
        gamma_dollars: by how much `delta_dollars` change when the spot rises by 1 %.
        theta: made by one calendar day. vega: made by one point of volatility.
        market_dollars: dollars of SPY that move alike (beta x delta dollars), None while some beta is unknown.
    """

    position: str
    ticker: str
    delta: float
    delta_dollars: float
    gamma_dollars: float
    theta: float
    vega: float
    market_dollars: float | None

    def plus(self, other: Sensitivity) -> Sensitivity:
        """Both together; the names are those of this one."""
        known = self.market_dollars, other.market_dollars
        return replace(
            self,
            delta=self.delta + other.delta,
            delta_dollars=self.delta_dollars + other.delta_dollars,
            gamma_dollars=self.gamma_dollars + other.gamma_dollars,
            theta=self.theta + other.theta,
            vega=self.vega + other.vega,
            market_dollars=None if known[0] is None or known[1] is None else known[0] + known[1],
        )


NOTHING = Sensitivity("", "", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def by_position(rows: Holdings, betas: Mapping[str, Beta]) -> tuple[Sensitivity, ...]:
    """One for each position, in the order they are held."""
    found: dict[str, Sensitivity] = {}
    delta, gamma, theta, vega = _greeks(rows)
    for row, leg in enumerate(rows.legs):
        shares, spot, ticker = float(rows.shares[row]), float(rows.spot[row]), leg.instrument.underlying
        dollars = delta[row] * shares * spot
        slope = betas.get(ticker)
        one = Sensitivity(
            position=leg.position,
            ticker=ticker,
            delta=delta[row] * shares,
            delta_dollars=dollars,
            gamma_dollars=gamma[row] * shares * spot * spot / 100,
            theta=theta[row] * shares,
            vega=vega[row] * shares,
            market_dollars=None if slope is None else dollars * slope.value,
        )
        found[leg.position] = found[leg.position].plus(one) if leg.position in found else one
    return tuple(found.values())


def total(each: Iterable[Sensitivity]) -> Sensitivity:
    """All of them together; their market dollars are those whose beta is known, None when none is."""
    rows = tuple(each)
    whole = NOTHING
    for one in rows:
        whole = whole.plus(replace(one, market_dollars=one.market_dollars or 0.0))
    is_unknown = bool(rows) and all(one.market_dollars is None for one in rows)
    return replace(whole, market_dollars=None) if is_unknown else whole


def _greeks(rows: Holdings) -> tuple[list[float], list[float], list[float], list[float]]:
    """(delta, gamma, theta, vega) a share of each row.

    European with escrowed dividends, American where the row is; what is held to its exercise value moves with the
    shares or not at all.
    """
    _, ahead = rows.due(0)
    columns = pricing.greeks(
        rows.spot - ahead, rows.strike, rows.years, rows.rate, rows.iv, rows.is_call, rows.dividend_yield
    )
    inside = np.where(rows.is_call, rows.spot - rows.strike, rows.strike - rows.spot) > 0
    bare = np.where(rows.is_option, np.where(inside, np.where(rows.is_call, 1.0, -1.0), 0.0), 1.0)
    found = [
        np.where(np.isnan(columns.delta), bare, columns.delta),
        *(np.nan_to_num(column) for column in (columns.gamma, columns.theta, columns.vega)),
    ]
    for row in np.flatnonzero(rows.is_american & np.isfinite(rows.iv)):
        for column, number in zip(found, _american(rows, int(row)), strict=True):
            column[row] = number
    delta, gamma, theta, vega = (column.tolist() for column in found)
    return delta, gamma, theta, vega


def _american(rows: Holdings, row: int) -> Sequence[float]:
    exact = pricing.american_greeks(
        float(rows.spot[row]),
        float(rows.strike[row]),
        float(rows.years[row]),
        float(rows.rate[row]),
        float(rows.iv[row]),
        bool(rows.is_call[row]),
        float(rows.dividend_yield[row]),
        rows.dividends[row],
    )
    return exact.delta, exact.gamma, exact.theta, exact.vega
