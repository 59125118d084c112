"""American options with discrete dividends, one contract at a time, by QuantLib's finite differences."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import structlog

from engine.model.market import Greeks
from engine.pricing.european import LARGEST, LARGEST_EXPONENT, SMALLEST, greeks, value
from engine.pricing.kernels import DAYS_A_YEAR, ONE_PERCENT, VOL_POINT

log = structlog.get_logger()

NO_VALUE = float("nan")
NO_GREEKS = Greeks(NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE)

LIFE = 36_500
"""Every option is priced as if it lived these many days, with rates and volatility scaled to match: the formulas know
time only through rate x time and variance x time, and QuantLib knows time only in whole days."""

FIRST_GUESS = 0.3
NEWTON_STEPS = 20
TELLING = 1e-6
"""Of spot + strike (2e-4 dollars at 100): the grid is not more exact, so neither is a volatility found with it."""

TIME_STEPS = 200
PRICE_STEPS = 200


@dataclass(frozen=True, slots=True)
class _Terms:
    spot: float
    strike: float
    years: float
    rate: float
    iv: float
    is_call: bool
    dividend_yield: float
    dividends: tuple[tuple[float, float], ...]

    @property
    def escrowed(self) -> float:
        return self.spot - sum(amount * math.exp(-self.rate * years) for years, amount in self.dividends)

    @property
    def has_value(self) -> bool:
        numbers = (self.spot, self.strike, self.years, self.rate, self.iv, self.dividend_yield)
        if not all(map(math.isfinite, numbers)) or not all(math.isfinite(x) for pair in self.dividends for x in pair):
            return False
        sizes = (self.spot, self.strike, self.years, self.iv)
        if not all(SMALLEST <= size <= LARGEST for size in sizes):
            return False
        if (abs(self.rate) + abs(self.dividend_yield)) * self.years >= LARGEST_EXPONENT:
            return False
        return self.escrowed > 0

    @property
    def is_never_exercised(self) -> bool:
        """A call without dividends at a rate not below zero is worth more alive (Merton 1973, theorem 2)."""
        return self.is_call and self.rate >= 0 and self.dividend_yield <= 0 and not self.dividends

    @property
    def intrinsic(self) -> float:
        return max(self.spot - self.strike if self.is_call else self.strike - self.spot, 0.0)


def american(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    iv: float,
    is_call: bool,
    dividend_yield: float = 0.0,
    dividends: Sequence[tuple[float, float]] = (),
) -> float:
    """The value of one American option in dollars; NaN where an input is missing or not positive.

    Finite differences on two grids, extrapolated in time (the error falls with the step); discrete dividends are
    escrowed, as in `escrowed_spot`, so that it is never below the European value. Within 0.05 % of a lattice of 2,000
    steps. 5 ms, with many dividends 100 ms.

    Args:
        dividends: (years from now, dollars) of each ex-date; those not in (0, years] are ignored.

    Hull, 10th ed., section 21.1: a five-month put at the money, 4.278 in the limit of many steps.

    >>> round(american(50, 50, 5 / 12, 0.10, 0.40, False), 2)
    4.28
    """
    terms = _terms(spot, strike, years, rate, iv, is_call, dividend_yield, dividends)
    if not terms.has_value:
        return NO_VALUE
    if terms.is_never_exercised:
        return float(value(spot, strike, years, rate, iv, is_call, dividend_yield)[0])
    return max(_extrapolated(terms)[0], terms.intrinsic)


def american_greeks(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    iv: float,
    is_call: bool,
    dividend_yield: float = 0.0,
    dividends: Sequence[tuple[float, float]] = (),
) -> Greeks:
    """The Greeks of one American option, arguments and model of `american`; NaN in all five where it is NaN.

    Delta, gamma and theta come from the grid; vega and rho from a grid half a point either side.
    """
    terms = _terms(spot, strike, years, rate, iv, is_call, dividend_yield, dividends)
    if not terms.has_value:
        return NO_GREEKS
    if terms.is_never_exercised:
        return Greeks(*(float(x[0]) for x in greeks(spot, strike, years, rate, iv, is_call, dividend_yield)))
    _, delta, gamma, theta = _extrapolated(terms)
    # Half a point each way, and no further than half the volatility.
    step = min(VOL_POINT, terms.iv) / 2
    vega = (_solve(replace(terms, iv=iv + step))[0] - _solve(replace(terms, iv=iv - step))[0]) / (2 * step) * VOL_POINT
    step = ONE_PERCENT / 2
    rho = _solve(replace(terms, rate=rate + step))[0] - _solve(replace(terms, rate=rate - step))[0]
    found = (delta, gamma, theta, vega, rho)
    return Greeks(*found) if all(map(math.isfinite, found)) else NO_GREEKS


def american_implied_volatility(
    price: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    is_call: bool,
    dividend_yield: float = 0.0,
    dividends: Sequence[tuple[float, float]] = (),
) -> float:
    """The volatility at which `american` gives `price`; NaN where there is none or the price does not tell it.

    Newton's steps with the European vega, each at most a factor of two: a handful of calls of `american`.

    >>> round(american_implied_volatility(4.28, 50, 50, 5 / 12, 0.10, False), 2)
    0.4
    """
    first = _terms(spot, strike, years, rate, FIRST_GUESS, is_call, dividend_yield, dividends)
    if not first.has_value or not price > first.intrinsic + TELLING * (spot + strike):
        return NO_VALUE

    def missed(iv: float) -> float:
        return american(spot, strike, years, rate, iv, is_call, dividend_yield, dividends) - price

    def vega(iv: float) -> float:
        return float(greeks(first.escrowed, strike, years, rate, iv, is_call, dividend_yield).vega[0]) / VOL_POINT

    return solved(missed, vega, TELLING * (spot + strike))


def solved(missed: Callable[[float], float], vega: Callable[[float], float], near: float) -> float:
    """The volatility at which a model misses its price by at most `near` dollars; NaN where there is none.

    Newton's steps, each at most a factor of two. `missed`: dollars of the model above the price; `vega`: dollars for a
    volatility of 1.
    """
    iv = FIRST_GUESS
    for _ in range(NEWTON_STEPS):
        miss = missed(iv)
        if abs(miss) <= near:
            return iv
        slope = vega(iv)
        if not math.isfinite(miss) or not slope > 0:
            return NO_VALUE
        iv = min(max(iv - miss / slope, iv / 2), iv * 2)
    return NO_VALUE


def _terms(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    iv: float,
    is_call: bool,
    dividend_yield: float,
    dividends: Sequence[tuple[float, float]],
) -> _Terms:
    due = tuple((float(when), float(amount)) for when, amount in dividends if not (when <= 0 or when > years))
    return _Terms(
        float(spot), float(strike), float(years), float(rate), float(iv), bool(is_call), float(dividend_yield), due
    )


def _extrapolated(terms: _Terms) -> tuple[float, float, float, float]:
    coarse, fine = _solve(terms), _solve(terms, 2 * TIME_STEPS)
    value, delta, gamma, theta = (2 * f - c for c, f in zip(coarse, fine, strict=True))
    return value, delta, gamma, theta


@cache
def _quantlib() -> Any:
    # At first use: it takes half a second and 90 MB, and only a card with an American leg needs it.
    with warnings.catch_warnings():
        # Its SWIG types warn on import from Python 3.12 on.
        warnings.simplefilter("ignore", DeprecationWarning)
        import QuantLib

    # Constant, so that no thread ever sees another one's date.
    QuantLib.Settings.instance().evaluationDate = QuantLib.Date(1, 1, 2000)
    return QuantLib


def _solve(terms: _Terms, time_steps: int = TIME_STEPS) -> tuple[float, float, float, float]:
    """Value, delta, gamma and theta per day on one grid; all NaN when QuantLib finds none."""
    ql = _quantlib()
    option = ql.VanillaOption(
        ql.PlainVanillaPayoff(ql.Option.Call if terms.is_call else ql.Option.Put, terms.strike),
        ql.AmericanExercise(_day(0.0, terms), _day(terms.years, terms)),
    )
    option.setPricingEngine(_engine(terms, time_steps))
    try:
        per_day = _clock(terms) / DAYS_A_YEAR
        return option.NPV(), option.delta(), option.gamma(), option.theta() * per_day
    except RuntimeError as error:
        log.warning("american_option_without_value", terms=repr(terms), error=str(error))
        return NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE


def _clock(terms: _Terms) -> float:
    """Years of the priced option in one of the real one."""
    return LIFE / DAYS_A_YEAR / terms.years


def _day(years: float, terms: _Terms) -> Any:
    ql = _quantlib()
    return ql.Date(1, 1, 2000) + round(years / terms.years * LIFE)


def _engine(terms: _Terms, time_steps: int) -> Any:
    ql = _quantlib()
    start, counter, clock = _day(0.0, terms), ql.Actual365Fixed(), _clock(terms)

    def flat(rate: float) -> Any:
        return ql.YieldTermStructureHandle(ql.FlatForward(start, rate / clock, counter))

    volatility = ql.BlackConstantVol(start, ql.NullCalendar(), terms.iv / math.sqrt(clock), counter)
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(terms.spot)),
        flat(terms.dividend_yield),
        flat(terms.rate),
        ql.BlackVolTermStructureHandle(volatility),
    )
    if not terms.dividends:
        return ql.FdBlackScholesVanillaEngine(process, time_steps, PRICE_STEPS)
    return ql.FdBlackScholesVanillaEngine(
        process,
        [ql.FixedDividend(amount, _day(when, terms)) for when, amount in terms.dividends],
        time_steps,
        PRICE_STEPS,
        0,
        ql.FdmSchemeDesc.Douglas(),
        False,
        -ql.nullDouble(),
        ql.FdBlackScholesVanillaEngine.Escrowed,
    )
