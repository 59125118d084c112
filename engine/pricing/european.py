"""European values, Greeks and implied volatility of whole columns, with every edge answered by NaN."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.model.market import Floats
from engine.pricing.kernels import DAYS_A_YEAR, GreekColumns, Kernel, Terms, preferred_kernel

Mask = NDArray[np.bool_]

LOST_IN_ROUNDING = 1e-9
"""A time value below this share of spot + strike (2e-7 dollars at 100) is rounding error, not volatility."""

LARGEST_EXPONENT = 100.0
"""|rate x years| beyond this is no interest rate; exp() of it would swamp every digit."""

SMALLEST, LARGEST = 1e-9, 1e9
"""Dollars, years and volatilities outside this range are not those of an option; a formula would only overflow."""

CALL, PUT = np.int8(1), np.int8(-1)

ONE, ZERO = np.ones(1), np.zeros(1)
TAME = Terms(ONE, ONE, ONE, ZERO, ZERO, np.array([CALL]))
"""An option that prices without trouble, put in the place of one that has no value."""
TAME_PRICE = 0.1
TAME_IV = 0.25


class ChainColumns(NamedTuple):
    """What the quotes of n options say, each (n,): annualised decimal volatility, and the Greeks at it."""

    iv: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


def year_fraction(days: ArrayLike) -> Floats:
    """Calendar days as years of 365 days.

    >>> float(year_fraction(73)[0])
    0.2
    """
    return np.atleast_1d(np.asarray(days, dtype=np.float64)) / DAYS_A_YEAR


def value(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    iv: ArrayLike,
    is_call: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    kernel: Kernel | None = None,
) -> Floats:
    """(n,) European prices in dollars; NaN where an input is missing or not positive (zero time, zero volatility).

    Hull, 10th ed., example 15.6:

    >>> value(42, 40, 0.5, 0.10, 0.20, [True, False]).round(2).tolist()
    [4.76, 0.81]
    """
    terms, volatility = _columns(spot, strike, years, rate, dividend_yield, is_call, iv)
    usable = _usable(terms) & _is_sane(volatility)
    with np.errstate(all="ignore"):
        price = (kernel or preferred_kernel()).value(_tame(terms, usable), np.where(usable, volatility, TAME_IV))
    return np.where(usable & np.isfinite(price), np.maximum(price, 0.0), np.nan)


def greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    iv: ArrayLike,
    is_call: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    kernel: Kernel | None = None,
) -> GreekColumns:
    """The five Greeks, each (n,), in the units of `engine.pricing`; NaN in all five where `value` is NaN.

    Hull, 10th ed., example 19.1: the delta of a call on 49 dollars struck at 50.

    >>> float(greeks(49, 50, 0.3846, 0.05, 0.20, True).delta[0].round(3))
    0.522
    """
    terms, volatility = _columns(spot, strike, years, rate, dividend_yield, is_call, iv)
    usable = _usable(terms) & _is_sane(volatility)
    return _greeks(terms, volatility, usable, kernel or preferred_kernel())


def implied_volatility(
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    is_call: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    kernel: Kernel | None = None,
) -> Floats:
    """(n,) volatilities (annualised decimals) at which `value` equals `price`.

    NaN where there is none: price zero or negative, at or below the discounted intrinsic value, at or above the
    maximum (discounted spot for a call, discounted strike for a put), zero time, any NaN. A price within 1e-9 of
    spot + strike of either bound is NaN too: the digits that would tell the volatility are gone.

    Hull, 10th ed., section 15.11:

    >>> float(implied_volatility(1.875, 21, 20, 0.25, 0.10, True)[0].round(3))
    0.235
    """
    terms, paid = _columns(spot, strike, years, rate, dividend_yield, is_call, price)
    return _implied(paid, terms, kernel or preferred_kernel())


def analyse(
    bid: ArrayLike,
    ask: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    is_call: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    kernel: Kernel | None = None,
) -> ChainColumns:
    """Volatility and Greeks of a whole chain from its quotes, each (n,); NaN unless bid > 0 and ask >= bid.

    >>> chain = analyse([1.98, 0.00], [2.02, 0.05], 100, [100, 140], 0.1, 0.04, True)
    >>> chain.iv.round(3).tolist(), chain.delta.round(3).tolist()
    ([0.142, nan], [0.544, nan])
    """
    chosen = kernel or preferred_kernel()
    terms, mid = _columns(spot, strike, years, rate, dividend_yield, is_call, midpoints(bid, ask))
    iv = _implied(mid, terms, chosen)
    columns = _greeks(terms, iv, _is_sane(iv), chosen)
    return ChainColumns(np.where(np.isnan(columns.delta), np.nan, iv), *columns)


def midpoints(bid: ArrayLike, ask: ArrayLike) -> Floats:
    """(n,) midpoints of the two-sided quotes, NaN for the others."""
    low, high = np.asarray(bid, dtype=np.float64), np.asarray(ask, dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.where((low > 0.0) & (high >= low), (low + high) / 2.0, np.nan)


def _columns(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    is_call: ArrayLike,
    last: ArrayLike,
) -> tuple[Terms, Floats]:
    numbers = [_column(x) for x in (spot, strike, years, rate, dividend_yield, last)]
    sign = np.where(np.array(is_call, dtype=bool, ndmin=1), CALL, PUT)
    sizes = {len(column) for column in (*numbers, sign)}
    n = 0 if 0 in sizes else max(sizes)
    s, k, t, r, q, other = (column if len(column) == n else np.broadcast_to(column, n) for column in numbers)
    return Terms(s, k, t, r, q, sign if len(sign) == n else np.broadcast_to(sign, n)), other


def _column(numbers: ArrayLike) -> Floats:
    return np.array(numbers, dtype=np.float64, ndmin=1, copy=None)


def _usable(terms: Terms) -> Mask:
    """(n,) whether the terms are those of a live option."""
    spot, strike, years, rate, dividend_yield, _ = terms
    with np.errstate(all="ignore"):
        exponent = (np.abs(rate) + np.abs(dividend_yield)) * years
        return _is_sane(spot) & _is_sane(strike) & _is_sane(years) & (exponent < LARGEST_EXPONENT)


def _is_sane(column: Floats) -> Mask:
    return (column >= SMALLEST) & (column <= LARGEST)


def _tame(terms: Terms, usable: Mask) -> Terms:
    """The terms with harmless ones in the rows that have no answer, so that a kernel never meets an edge."""
    if usable.all():
        return terms
    spot, strike, years, rate, dividend_yield = (
        np.where(usable, column, calm) for column, calm in zip(terms[:-1], TAME[:-1], strict=True)
    )
    return Terms(spot, strike, years, rate, dividend_yield, terms.sign)


def _greeks(terms: Terms, iv: Floats, usable: Mask, kernel: Kernel) -> GreekColumns:
    with np.errstate(all="ignore"):
        columns = kernel.greeks(_tame(terms, usable), np.where(usable, iv, TAME_IV))
        known = usable & np.isfinite(columns.delta + columns.gamma + columns.theta + columns.vega + columns.rho)
    return columns if known.all() else GreekColumns(*(np.where(known, column, np.nan) for column in columns))


def _implied(price: Floats, terms: Terms, kernel: Kernel) -> Floats:
    with np.errstate(all="ignore"):
        usable = _usable(terms) & _inside_bounds(price, terms)
        iv = kernel.implied_volatility(np.where(usable, price, TAME_PRICE), _tame(terms, usable))
        return np.where(usable & _is_sane(iv), iv, np.nan)


def _inside_bounds(price: Floats, terms: Terms) -> Mask:
    """(n,) whether a price leaves room for a volatility: above intrinsic and below the maximum, beyond rounding."""
    spot = terms.spot * np.exp(-terms.dividend_yield * terms.years)
    strike = terms.strike * np.exp(-terms.rate * terms.years)
    is_call = terms.sign > 0
    intrinsic = np.where(is_call, spot - strike, strike - spot)
    noise = LOST_IN_ROUNDING * (spot + strike)
    above = price > np.where(intrinsic > -noise, np.maximum(intrinsic, 0.0) + noise, 0.0)
    return above & (price < np.where(is_call, spot, strike) - noise)
