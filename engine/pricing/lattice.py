"""One American contract at many spots and volatilities at once: a binomial lattice over a column, for scenario grids.

`american` prices one contract to a few thousandths of a percent and takes milliseconds; a grid of scenarios asks for
hundreds of values of the same contract and can do with a cent at a spot of 100.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.model.market import Floats
from engine.pricing.early_exercise import solved
from engine.pricing.european import greeks, value
from engine.pricing.kernels import VOL_POINT

STEPS = 100
TELLING = 1e-5
"""Of spot + strike (2e-3 dollars at 100): the lattice is not more exact, so neither is a volatility found with it."""


def american_values(
    spots: Floats,
    strike: float,
    years: float,
    rate: float,
    ivs: Floats,
    is_call: bool,
    dividend_yield: float = 0.0,
    dividends: Sequence[tuple[float, float]] = (),
) -> Floats:
    """(m,) values of one American option in dollars, at each pair of spot and volatility; NaN where either is not > 0.

    Cox, Ross and Rubinstein (1979) with dividends escrowed, as `american` has them. What the lattice adds for early
    exercise goes on top of the exact European value (Hull, 10th ed., section 21.2: the control variate), so that the
    error of its steps cancels.

    Args:
        spots, ivs: (m,) dollars and annualised decimals. dividends: (years from now, dollars) of each ex-date; those
            not in (0, years] are ignored.

    Of the put that `american` values at 4.284:

    >>> american_values(np.array([50.0]), 50, 5 / 12, 0.10, np.array([0.40]), False).round(2).tolist()
    [4.29]
    """
    due = tuple((when, amount) for when, amount in dividends if 0 < when <= years)
    escrowed = spots - _ahead(due, 0.0, rate)
    european = value(escrowed, strike, years, rate, ivs, is_call, dividend_yield)
    usable = np.isfinite(european)
    if not usable.any():
        return np.full(len(spots), np.nan)
    found = np.full(len(spots), np.nan)
    premium = _premium(escrowed[usable], strike, years, rate, ivs[usable], is_call, dividend_yield, due)
    found[usable] = european[usable] + premium
    intrinsic = np.maximum((spots - strike) if is_call else (strike - spots), 0.0)
    return np.where(usable, np.maximum(found, intrinsic), np.nan)


def _ahead(dividends: Sequence[tuple[float, float]], now: float, rate: float) -> float:
    """Present value at `now` (years) of the dividends that go ex after it."""
    return sum(amount * float(np.exp(-rate * (when - now))) for when, amount in dividends if when > now)


def _premium(
    escrowed: Floats,
    strike: float,
    years: float,
    rate: float,
    ivs: Floats,
    is_call: bool,
    dividend_yield: float,
    dividends: Sequence[tuple[float, float]],
) -> Floats:
    """(m,) what the right to exercise early is worth: American less European, both on the same lattice."""
    step = years / STEPS
    sign = 1.0 if is_call else -1.0
    up = ivs[:, None] * np.sqrt(step)
    drift = np.exp((rate - dividend_yield) * step)
    chance = np.clip((drift - np.exp(-up)) / (np.exp(up) - np.exp(-up)), 0.0, 1.0)
    discount = np.exp(-rate * step)
    rise, fall = discount * chance, discount * (1.0 - chance)
    nodes = escrowed[:, None] * np.exp(up * np.arange(-STEPS, STEPS + 1))
    american = np.maximum(sign * (nodes[:, ::2] - strike), 0.0)
    european = american
    for level in range(STEPS - 1, -1, -1):
        ahead = _ahead(dividends, level * step, rate)
        exercised = sign * (nodes[:, STEPS - level : STEPS + level + 1 : 2] + ahead - strike)
        european = rise * european[:, 1:] + fall * european[:, :-1]
        american = np.maximum(rise * american[:, 1:] + fall * american[:, :-1], exercised)
    premium: Floats = np.maximum(american[:, 0] - european[:, 0], 0.0)
    return premium


def lattice_volatility(
    price: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    is_call: bool,
    dividend_yield: float = 0.0,
    dividends: Sequence[tuple[float, float]] = (),
) -> float:
    """The volatility at which `american_values` gives `price`; NaN where there is none or the price does not tell it.

    >>> round(lattice_volatility(4.28, 50, 50, 5 / 12, 0.10, False), 2)
    0.4
    """
    intrinsic = max(spot - strike if is_call else strike - spot, 0.0)
    if not price > intrinsic + TELLING * (spot + strike):
        return float("nan")
    escrowed = spot - _ahead(tuple(each for each in dividends if 0 < each[0] <= years), 0.0, rate)

    def missed(iv: float) -> float:
        found = american_values(
            np.array([spot]), strike, years, rate, np.array([iv]), is_call, dividend_yield, dividends
        )
        return float(found[0]) - price

    def vega(iv: float) -> float:
        return float(greeks(escrowed, strike, years, rate, iv, is_call, dividend_yield).vega[0]) / VOL_POINT

    return solved(missed, vega, TELLING * (spot + strike))
