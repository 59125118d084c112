"""Option values, Greeks and implied volatility: the only door to pyvolr, vollib and QuantLib.

European Black-Scholes-Merton over whole columns (Hull, *Options, Futures and Other Derivatives*, 10th ed., sections
15.8, 17.4 and chapter 19), American exercise one contract at a time (by QuantLib; on a lattice for many scenarios of
one contract). The units, everywhere:

    spot, strike            dollars per share
    years                   calendar days / 365 (on the last day a fraction of one, see `years_left`)
    rate, dividend_yield    continuous, decimal a year
    iv                      annualised decimal (0.25 is 25 %)
    delta, gamma            per dollar of the underlying
    theta                   per calendar day
    vega                    per vol point
    rho                     per 1 %

NaN means "no value": a NaN, zero or negative input, a price at or outside the no-arbitrage bounds, a one-sided or
crossed quote. Nothing here raises or warns because of a number.
"""

from engine.pricing.chains import chain_years, close_of, complete, escrowed_spot, is_european, years_left
from engine.pricing.early_exercise import american, american_greeks, american_implied_volatility
from engine.pricing.european import ChainColumns, analyse, greeks, implied_volatility, value, year_fraction
from engine.pricing.kernels import PYVOLR, VOLLIB, GreekColumns, Kernel, preferred_kernel
from engine.pricing.lattice import american_values, lattice_volatility
from engine.pricing.parity import Forward, forwards
from engine.pricing.picked import exercisable

__all__ = [
    "PYVOLR",
    "VOLLIB",
    "ChainColumns",
    "Forward",
    "GreekColumns",
    "Kernel",
    "american",
    "american_greeks",
    "american_implied_volatility",
    "american_values",
    "analyse",
    "chain_years",
    "close_of",
    "complete",
    "escrowed_spot",
    "exercisable",
    "forwards",
    "greeks",
    "implied_volatility",
    "is_european",
    "lattice_volatility",
    "preferred_kernel",
    "value",
    "year_fraction",
    "years_left",
]
