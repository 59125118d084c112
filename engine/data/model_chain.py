"""Modelled option chains, for days on which none was recorded. Everything made here says `modelled`.

**Volatility** is the realised volatility handed in, bent by moneyness and flat in time:

    iv = volatility x (1 - 0.037 z + 0.043 z^2),   z = ln(strike / forward) / (volatility x sqrt(years)), within +-3

Sample: the end-of-day chains of AAPL (2014-06-06 and 09), FOXA, GOOG (2015-12-23 and 24), IBM, NWSA and TWX recorded
in the data pack, expiries 5 to 800 days out with both sides of the money quoted (82 of them); volatilities out of the
money against the forward of put-call parity, divided by the volatility at the money; 3,235 contracts with bid > 0.05,
spread < half of mid and |z| < 3; robust least squares, each contract counting the same. Error: median 0.8 vol points,
root mean square 6 % of the volatility. Implied above realised volatility (the premium sellers live on) is left out.

**Spread**, as a share of mid, by moneyness in standard deviations (z > 0 out of the money) and days to expiry:

    spread / mid = exp(-2.963 - 0.016 ln(days) + 1.185 max(z, 0)) x (0.547 on a monthly expiry)

Sample: the same chains, contracts the desk may trade (bid > 0.05; open interest >= 100 or volume >= 10; a spread at
all; |z| < 3): 3,224 of AAPL, GOOG, IBM, NWSA and TWX, 1 to 945 days; least squares in logs with a level for each name,
the levels averaged over contracts. Error: median 0.31 in logs within a name (a factor of 1.36), 0.46 over all (1.58),
69 % within a factor of two. Names differ most: the median of AAPL is 0.7 x the formula, of GOOG 1.3 x, of IBM, NWSA and
TWX 2.1 to 2.2 x. SPY, QQQ and IWM quote a quarter of it (SPY on 2023-08-03 from 12:00 to 15:45, 12 quotes: median
0.24 x, out of the money below 0.1 x, in it 0.4 to 0.7 x).

**Price** is European with escrowed dividends, on American classes never below the exercise value; the rest of the
early exercise premium is left out. Quotes lie on the ticks of the Penny Interval Program (one cent below 3.00, five
from there; SPY, QQQ and IWM one cent). Open interest, volume and sizes are not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import pricing
from engine.errors import DataInvalid
from engine.model.instruments import Option, Right, Style
from engine.model.market import Chain, Dates, Floats, Kind, Quote, Source
from engine.sessions import Sessions

Mask = NDArray[np.bool_]

MODELLED = Source("model", Kind.MODELLED)

SKEW_SLOPE = -0.037
SKEW_CURVE = 0.043
SKEW_REACH = 3.0

SPREAD_LEVEL = -2.963
SPREAD_BY_LOG_DAYS = -0.016
SPREAD_BY_DEVIATION = 1.185
SPREAD_ON_MONTHLIES = 0.547
WIDEST_SPREAD = 1.0
"""Of mid: beyond it the recorded quotes are mostly without a bid."""

INDEX_FUNDS = frozenset({"SPY", "QQQ", "IWM"})
SPREAD_OF_INDEX_FUNDS = 0.25

CENTS = 100.0
"""In a dollar."""
NICKEL = 5.0
NICKELS_FROM = 300.0
"""Cents."""

STRIKE_STEPS = ((25.0, 0.5), (100.0, 1.0), (250.0, 2.5), (600.0, 5.0), (math.inf, 10.0))
"""Below this spot, this many dollars between strikes near the money."""
ZONES = ((0.0, 0.12, 1.0), (0.12, 0.35, 2.0), (0.35, 1.0, 4.0), (1.0, 4.0, 20.0), (4.0, math.inf, 200.0))
"""From this share of the spot away from it, to that one, so many times the step."""
STRIKE_REACH = 2.5
"""Strikes reach this many standard deviations either side (above, half the variance more): past |delta| 0.05."""
FEWEST_STEPS = 6
FARTHEST_STRIKE = 1000.0
"""Times the forward: at an extreme volatility (GME in February 2021: 600 %) those deviations would reach no end."""

MONTHLIES_AHEAD = 4
QUARTERLIES_AHEAD_DAYS = 280
WEEKLIES_AHEAD = 8
LEAPS_AHEAD_DAYS = 900
FRIDAY = 4


class _Priced(NamedTuple):
    """Columns of equal length: what the model says about n options."""

    bid: Floats
    ask: Floats
    iv: Floats
    spot: Floats
    years: Floats


@dataclass(frozen=True, slots=True)
class _Market:
    """What the model is told about the underlying at one instant."""

    underlying: str
    asof: datetime
    today: date
    spot: float
    volatility: float
    rate: float
    dividends: tuple[tuple[date, float], ...]
    style: Style
    close: datetime | None

    def __post_init__(self) -> None:
        for name in ("spot", "volatility"):
            number = getattr(self, name)
            if not (math.isfinite(number) and number > 0):
                raise DataInvalid(f"No option chain can be modelled for {self.underlying}: its {name} is {number}.")
        if not math.isfinite(self.rate):
            raise DataInvalid(f"No option chain can be modelled for {self.underlying}: the rate is {self.rate}.")

    @property
    def is_index_fund(self) -> bool:
        return self.underlying in INDEX_FUNDS


def modelled_chain(
    underlying: str,
    asof: datetime,
    today: date,
    spot: float,
    volatility: float,
    expiries: tuple[date, ...],
    rate: float,
    dividends: tuple[tuple[date, float], ...] = (),
    style: Style = Style.AMERICAN,
    *,
    close: datetime | None = None,
    source: Source = MODELLED,
) -> Chain:
    """A whole chain from the model of this module, with its volatilities and Greeks; the same input, the same chain.

    Args:
        asof: aware instant; today: trading date in New York. spot: dollars, as traded.
        volatility: realised, annualised decimal, as of that day.
        expiries: see `expiries_of`; those in the past are left out.
        rate: continuous, decimal a year. dividends: (ex-date, dollars) expected, on today's share basis.
        close: end of today's session where it is not 16:00 in New York.

    Raises:
        DataInvalid: the spot or the volatility is not a positive number.
    """
    market = _Market(underlying, asof, today, float(spot), float(volatility), rate, dividends, style, close)
    expiry, strike, is_call = _grid(market, expiries)
    priced = _priced(market, expiry, strike, is_call)
    greeks = pricing.greeks(priced.spot, strike, priced.years, rate, priced.iv, is_call)
    unknown = np.full(len(strike), np.nan)
    return Chain(
        underlying=underlying,
        asof=asof,
        today=today,
        spot=market.spot,
        expiry=expiry,
        strike=strike,
        is_call=is_call,
        bid=priced.bid,
        ask=priced.ask,
        bid_size=unknown,
        ask_size=unknown,
        open_interest=unknown,
        volume=unknown,
        iv=priced.iv,
        delta=greeks.delta,
        gamma=greeks.gamma,
        theta=greeks.theta,
        vega=greeks.vega,
        rho=greeks.rho,
        source=source,
        rate=rate,
        dividends=dividends,
        style=style,
    )


def modelled_quotes(
    options: Sequence[Option],
    underlying: str,
    asof: datetime,
    today: date,
    spot: float,
    volatility: float,
    rate: float,
    dividends: tuple[tuple[date, float], ...] = (),
    style: Style = Style.AMERICAN,
    *,
    close: datetime | None = None,
    source: Source = MODELLED,
) -> tuple[Quote, ...]:
    """The quotes of `options` (all on `underlying`), to the cent what `modelled_chain` shows for them then.

    Arguments as there; any strike will do, listed or not. Options already expired are left out.

    Raises:
        DataInvalid: as `modelled_chain`.
    """
    market = _Market(underlying, asof, today, float(spot), float(volatility), rate, dividends, style, close)
    if not options:
        return ()
    expiry = np.array([option.expiry for option in options], dtype="datetime64[D]")
    strike = np.array([float(option.strike) for option in options])
    is_call = np.array([option.right is Right.CALL for option in options])
    priced = _priced(market, expiry, strike, is_call)
    rows = zip(options, priced.bid.tolist(), priced.ask.tolist(), strict=True)
    return tuple(Quote(option, _money(bid), _money(ask), asof, source) for option, bid, ask in rows if ask > 0)


def expiries_of(today: date, sessions: Sessions, has_weeklies: bool) -> tuple[date, ...]:
    """The expiries listed on `today`, soonest first, today's own included.

    The third Fridays of the next four months and of the March cycle for nine; Januaries for two and a half years; with
    weeklies also the next eight Fridays. On a holiday the session before it (Cboe rule 4.5). Monthly options expired on
    the Saturday until January 2015; here they do on the Friday, their last day of trading.

    >>> [f"{day:%d %b %y}" for day in expiries_of(date(2019, 3, 20), Sessions(), has_weeklies=False)]
    ['18 Apr 19', '17 May 19', '21 Jun 19', '19 Jul 19', '20 Sep 19', '20 Dec 19', '17 Jan 20', '15 Jan 21']
    """
    fridays = _monthly_fridays(today)
    if has_weeklies:
        first = today + timedelta(days=(FRIDAY - today.weekday()) % 7)
        fridays |= {first + timedelta(weeks=week) for week in range(WEEKLIES_AHEAD)}
    listed = {day if sessions.is_session(day) else sessions.previous(day) for day in fridays}
    return tuple(sorted(day for day in listed if day >= today))


def _monthly_fridays(today: date) -> set[date]:
    months = [
        _third_friday(today.year + (today.month - 1 + n) // 12, (today.month - 1 + n) % 12 + 1) for n in range(32)
    ]
    ahead = [day for day in months if day >= today]
    quarterly = today + timedelta(days=QUARTERLIES_AHEAD_DAYS)
    leaps = today + timedelta(days=LEAPS_AHEAD_DAYS)
    return {
        *ahead[:MONTHLIES_AHEAD],
        *(day for day in ahead if day.month % 3 == 0 and day <= quarterly),
        *(day for day in ahead if day.month == 1 and day <= leaps),
    }


def _third_friday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)


def _grid(market: _Market, expiries: tuple[date, ...]) -> tuple[Dates, Floats, Mask]:
    """Expiry, strike and right of every listed option: by expiry, strike, call before put."""
    step = 1.0 if market.is_index_fund else next(step for below, step in STRIKE_STEPS if market.spot < below)
    days = np.array([day for day in expiries if day >= market.today], dtype="datetime64[D]")
    years = pricing.years_left(days, market.today, market.asof, market.close)
    deviation = market.volatility * np.sqrt(np.nan_to_num(years))
    reach = STRIKE_REACH * deviation
    drift = np.exp(market.rate * np.nan_to_num(years))
    low = np.minimum(market.spot - FEWEST_STEPS * step, market.spot * drift * np.exp(-reach) - step)
    above = np.exp(np.minimum(reach + deviation**2 / 2, math.log(FARTHEST_STRIKE)))
    high = np.maximum(market.spot + FEWEST_STEPS * step, market.spot * drift * above + step)
    every = _strikes(market.spot, step, float(high.max(initial=0.0)))
    strikes = [every[(every >= bottom) & (every <= top)] for bottom, top in zip(low, high, strict=True)]
    counts = np.array([len(listed) for listed in strikes], dtype=np.int64)
    expiry = np.repeat(np.repeat(days, counts), 2)
    strike = np.repeat(np.concatenate(strikes) if strikes else np.empty(0), 2)
    return expiry, strike, np.tile(np.array([True, False]), len(strike) // 2)


def _strikes(spot: float, step: float, highest: float) -> Floats:
    """Multiples of the step near the spot, of larger ones further off, up to `highest`."""
    parts = []
    for start, stop, times in ZONES:
        width = step * times
        listed = np.arange(1, math.floor(min(highest, spot * (1 + stop)) / width) + 1) * width
        away = np.abs(listed / spot - 1.0)
        parts.append(listed[(away >= start) & (away < stop)])
    return np.unique(np.concatenate(parts))


def _priced(market: _Market, expiry: Dates, strike: Floats, is_call: Mask) -> _Priced:
    """Quotes and volatility of any options: the one place where a modelled price is made.

    Bid and ask are NaN for an option that has expired; a bid below one tick is 0.
    """
    years = pricing.years_left(expiry, market.today, market.asof, market.close)
    spot = pricing.escrowed_spot(market.spot, market.today, expiry, market.dividends, market.rate)
    with np.errstate(all="ignore"):
        deviations = np.log(strike / spot) - market.rate * years
        deviations /= market.volatility * np.sqrt(years)
    iv = market.volatility * _skew(deviations)
    mid = pricing.value(spot, strike, years, market.rate, iv, is_call)
    if market.style is Style.AMERICAN:
        mid = np.maximum(mid, np.where(is_call, market.spot - strike, strike - market.spot))
    share = _spread_share(market, expiry, np.where(is_call, deviations, -deviations))
    bid, ask = _on_ticks(mid, mid * share / 2.0, market.is_index_fund)
    return _Priced(bid, ask, iv, spot, years)


def _skew(deviations: Floats) -> Floats:
    z = np.minimum(np.maximum(deviations, -SKEW_REACH), SKEW_REACH)
    return 1.0 + z * (SKEW_SLOPE + SKEW_CURVE * z)


def _spread_share(market: _Market, expiry: Dates, out_of_the_money: Floats) -> Floats:
    """(n,) spread over mid, from the deviations out of the money (negative in it) and the days left."""
    days = np.maximum((expiry - np.datetime64(market.today, "D")).astype(np.float64), 1.0)
    outside = np.minimum(np.maximum(out_of_the_money, 0.0), SKEW_REACH)
    share = np.exp(SPREAD_LEVEL + SPREAD_BY_LOG_DAYS * np.log(days) + SPREAD_BY_DEVIATION * outside)
    share = share * np.where(_is_monthly(expiry), SPREAD_ON_MONTHLIES, 1.0)
    return np.minimum(share * SPREAD_OF_INDEX_FUNDS if market.is_index_fund else share, WIDEST_SPREAD)


def _is_monthly(expiry: Dates) -> Mask:
    """(n,) whether an expiry is a third Friday, the Thursday before one, or (until 2015) the Saturday after."""
    from_thursday = (expiry.astype(np.int64)) % 7  # day 0, 1970-01-01, was a Thursday
    friday = expiry + (1 - from_thursday)
    day_of_month = (friday - friday.astype("datetime64[M]")).astype(np.int64) + 1
    monthly: Mask = (from_thursday <= 2) & (day_of_month >= 15) & (day_of_month <= 21)
    return monthly


def _on_ticks(mid: Floats, half: Floats, is_index_fund: bool) -> tuple[Floats, Floats]:
    """Bid and ask on the nearest ticks around `mid`, at least one tick apart."""
    bid, ask = (mid - half) * CENTS, (mid + half) * CENTS
    if is_index_fund:
        bid = np.rint(bid)
        return bid / CENTS, np.maximum(np.rint(ask), bid + 1.0) / CENTS
    bid = np.where(bid < NICKELS_FROM, np.rint(bid), np.rint(bid / NICKEL) * NICKEL)
    ask = np.where(ask < NICKELS_FROM, np.rint(ask), np.rint(ask / NICKEL) * NICKEL)
    return bid / CENTS, np.maximum(ask, bid + np.where(bid < NICKELS_FROM, 1.0, NICKEL)) / CENTS


def _money(price: float) -> Decimal:
    return Decimal(f"{price:.2f}")
