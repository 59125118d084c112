"""Volatility and Greeks for a chain as it came: its clock, its discrete dividends, and the gaps its source left."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.model.instruments import AM_ROOTS, INDEX_ROOTS, Style
from engine.model.market import Chain, Dates, Floats
from engine.pricing.european import greeks, implied_volatility, midpoints, year_fraction

NEW_YORK = ZoneInfo("America/New_York")
USUAL_CLOSE = time(16, 0)
SECONDS_A_DAY = 86_400.0
OPENING_TO_CLOSE = 6.5 / 24
"""Days: what a series settled on the opening prices of its last day lives shorter than one settled on the close."""


def close_of(day: date) -> datetime:
    """16:00 in New York on `day`, when an option expiring then stops trading (not on the days of an early close)."""
    return datetime.combine(day, USUAL_CLOSE, tzinfo=NEW_YORK)


def years_left(expiry: Dates, today: date, asof: datetime, close: datetime | None = None) -> Floats:
    """(n,) years to each expiry: calendar days / 365, and on the expiry day itself the time left to the close.

    Whole days are the convention of every table here (a quote of the morning and one of the afternoon share a
    volatility); on the last day they would be zero, so seconds take over. NaN once expired.

    Args:
        expiry: datetime64[D]. today: trading date in New York. asof: aware instant.
        close: when today's session ends, 16:00 in New York unless told.

    >>> days = np.array(["2026-11-20", "2026-12-18"], dtype="datetime64[D]")
    >>> (years_left(days, date(2026, 11, 20), datetime(2026, 11, 20, 14, tzinfo=NEW_YORK)) * 365).round(4).tolist()
    [0.0833, 28.0]
    """
    days = (expiry - np.datetime64(today, "D")).astype(np.float64)
    left = ((close or close_of(today)) - asof).total_seconds() / SECONDS_A_DAY
    days = np.where(days == 0.0, left, days)
    return year_fraction(np.where(days > 0.0, days, np.nan))


def escrowed_spot(
    spot: float, today: date, expiry: Dates, dividends: tuple[tuple[date, float], ...], rate: float
) -> Floats:
    """(n,) the spot less the present value of the dividends that go ex after today and not after each expiry.

    The usual way to price a European option on a share with discrete dividends (Hull, 10th ed., section 15.12): its
    delta with respect to the escrowed spot is its delta with respect to the spot.

    >>> days = np.array(["2026-12-18", "2027-03-19"], dtype="datetime64[D]")
    >>> escrowed_spot(100.0, date(2026, 11, 20), days, ((date(2027, 1, 5), 0.50),), 0.0).tolist()
    [100.0, 99.5]
    """
    escrowed = np.full(len(expiry), spot, dtype=np.float64)
    last: date = expiry.max().astype(object) if len(expiry) else today
    for ex_date, amount in dividends:
        if today < ex_date <= last:
            present = amount * np.exp(-rate * float(year_fraction((ex_date - today).days)[0]))
            escrowed -= np.where(expiry >= np.datetime64(ex_date, "D"), present, 0.0)
    return escrowed


def chain_years(chain: Chain, close: datetime | None = None) -> Floats:
    """(n,) `years_left` of each row, less the session that a series settled in the morning does not see.

    NaN for such a series on its expiry day: its last trade was the day before.
    """
    years = years_left(chain.expiry, chain.today, chain.asof, close)
    morning = _is_am_settled(chain)
    if not morning.any():
        return years
    early = np.where(chain.dte > 0, years - year_fraction(OPENING_TO_CLOSE)[0], np.nan)
    return np.where(morning, early, years)


def _is_am_settled(chain: Chain) -> NDArray[np.bool_]:
    if chain.underlying not in INDEX_ROOTS or chain.root is None:
        return np.full(len(chain), chain.underlying in AM_ROOTS)
    return np.fromiter((root in AM_ROOTS for root in chain.root), dtype=np.bool_, count=len(chain))


def is_european(chain: Chain) -> bool:
    """Whether the options of a chain can be exercised on their last day only."""
    return chain.style is Style.EUROPEAN or chain.underlying in INDEX_ROOTS


def chain_rates(chain: Chain) -> Floats:
    """(n,) the continuous rate to each row's expiry."""
    return np.full(len(chain), chain.rate) if chain.rates is None else chain.rates


def chain_yields(chain: Chain) -> Floats:
    """(n,) the continuous dividend yield to each row's expiry."""
    return np.full(len(chain), chain.dividend_yield) if chain.yields is None else chain.yields


def complete(chain: Chain, close: datetime | None = None) -> Chain:
    """The chain with volatility and Greeks filled where they are NaN; what the source gave stays as it is.

    Volatility comes from the mid of two-sided quotes, European with discrete dividends (escrowed) and the chain's
    yield; Greeks are taken at the volatility of the row, given or found. Rows without either stay NaN. On American
    classes the price of early exercise is left inside the volatility: small out of the money, `american` for the card.
    """
    years = chain_years(chain, close)
    spot = escrowed_spot(chain.spot, chain.today, chain.expiry, chain.dividends, chain.rate)
    strike, is_call = chain.strike, chain.is_call
    rate, dividend_yield = chain_rates(chain), chain_yields(chain)
    mid = midpoints(chain.bid, chain.ask)
    iv = _filled(chain.iv, implied_volatility(mid, spot, strike, years, rate, is_call, dividend_yield))
    found = greeks(spot, strike, years, rate, iv, is_call, dividend_yield)
    return replace(
        chain,
        iv=iv,
        delta=_filled(chain.delta, found.delta),
        gamma=_filled(chain.gamma, found.gamma),
        theta=_filled(chain.theta, found.theta),
        vega=_filled(chain.vega, found.vega),
        rho=_filled(chain.rho, found.rho),
    )


def _filled(given: Floats, found: Floats) -> Floats:
    return np.where(np.isnan(given), found, given)
