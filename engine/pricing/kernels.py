"""The European formulas in two makes: pyvolr (compiled, whole columns) and vollib (the reference and the fallback)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from engine.model.market import Floats

log = structlog.get_logger()

DAYS_A_YEAR = 365.0
VOL_POINT = 0.01
ONE_PERCENT = 0.01


class Terms(NamedTuple):
    """The terms of n options, as columns of equal length; `sign` is +1 for calls, -1 for puts."""

    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    sign: NDArray[np.int8]


class GreekColumns(NamedTuple):
    """Greeks of n options, each (n,): per share, theta per calendar day, vega per vol point, rho per 1 %."""

    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


class Kernel(Protocol):
    """The formulas in one make. It is handed only rows that have an answer: `engine.pricing.european` sees to that."""

    @property
    def name(self) -> str:
        """`pyvolr` or `vollib`."""

    def value(self, terms: Terms, iv: Floats) -> Floats:
        """(n,) prices, dollars."""

    def greeks(self, terms: Terms, iv: Floats) -> GreekColumns:
        """The five Greeks, in the units of `engine.pricing`."""

    def implied_volatility(self, price: Floats, terms: Terms) -> Floats:
        """(n,) decimals, NaN where the solver finds none."""


@cache
def _pyvolr() -> Any:
    # At first use: a command that prices nothing should not wait for it, and vollib stands in where it is missing.
    from pyvolr import bs

    return bs


@dataclass(frozen=True, slots=True)
class Pyvolr:
    """Whole columns in compiled code. Its theta is per year, its vega and rho per unit: scaled here."""

    name: str = "pyvolr"

    def value(self, terms: Terms, iv: Floats) -> Floats:
        spot, strike, years, rate, dividend_yield, flag = _arguments(terms)
        return _array(_pyvolr().price(flag, spot, strike, years, rate, _argument(iv), dividend_yield))

    def greeks(self, terms: Terms, iv: Floats) -> GreekColumns:
        spot, strike, years, rate, dividend_yield, flag = _arguments(terms)
        raw = _pyvolr().greeks(flag, spot, strike, years, rate, _argument(iv), dividend_yield)
        delta, gamma, theta, vega, rho = (_array(raw[name]) for name in GreekColumns._fields)
        return GreekColumns(delta, gamma, theta / DAYS_A_YEAR, vega * VOL_POINT, rho * ONE_PERCENT)

    def implied_volatility(self, price: Floats, terms: Terms) -> Floats:
        spot, strike, years, rate, dividend_yield, flag = _arguments(terms)
        solve = _pyvolr().implied_vol
        return _array(solve(_argument(price), flag, spot, strike, years, rate, dividend_yield, on_error="ignore"))


def _arguments(terms: Terms) -> tuple[Any, ...]:
    """The terms as pyvolr takes them: plain numbers for a single option (a tenth of the time, the same bits)."""
    if len(terms.sign) != 1:
        return terms
    return *(float(column[0]) for column in terms[:-1]), "c" if terms.sign[0] > 0 else "p"


def _argument(column: Floats) -> Any:
    return column if len(column) != 1 else float(column[0])


def _array(answer: Any) -> Floats:
    return np.array(answer, dtype=np.float64, ndmin=1, copy=None)


@cache
def _vollib() -> tuple[Callable[..., float], Callable[..., float], Any, tuple[type[Exception], ...]]:
    """vollib's price, volatility solver, module of Greeks, and what it raises where there is no answer."""
    # At first use: with pyvolr installed the desk never needs it.
    from py_lets_be_rational import exceptions as rational
    from vollib.black_scholes_merton import black_scholes_merton
    from vollib.black_scholes_merton.greeks import analytical
    from vollib.black_scholes_merton.implied_volatility import implied_volatility
    from vollib.helpers import exceptions as helpers

    no_answer = (
        ArithmeticError,
        helpers.PriceIsAboveMaximum,
        helpers.PriceIsBelowIntrinsic,
        rational.AboveMaximumException,
        rational.BelowIntrinsicException,
    )
    return black_scholes_merton, implied_volatility, analytical, no_answer


@dataclass(frozen=True, slots=True)
class Vollib:
    """One option after another; its Greeks already come per day, per point and per 1 %."""

    name: str = "vollib"

    def value(self, terms: Terms, iv: Floats) -> Floats:
        price, _, _, _ = _vollib()
        return _each(price, _at(terms, iv))

    def greeks(self, terms: Terms, iv: Floats) -> GreekColumns:
        _, _, analytical, _ = _vollib()
        rows = tuple(_at(terms, iv))
        return GreekColumns(*(_each(getattr(analytical, name), rows) for name in GreekColumns._fields))

    def implied_volatility(self, price: Floats, terms: Terms) -> Floats:
        _, solve, _, _ = _vollib()
        rows = ((paid, s, k, t, r, q, flag) for flag, s, k, t, r, paid, q in _at(terms, price))
        return _each(solve, rows)


def _at(terms: Terms, last: Floats) -> Iterable[tuple[Any, ...]]:
    """The rows as vollib wants them: flag, S, K, t, r, `last` (volatility or price), q."""
    spot, strike, years, rate, dividend_yield, sign = (column.tolist() for column in terms)
    flags = ("c" if s > 0 else "p" for s in sign)
    return zip(flags, spot, strike, years, rate, last.tolist(), dividend_yield, strict=True)


def _each(formula: Callable[..., float], rows: Iterable[tuple[Any, ...]]) -> Floats:
    *_, no_answer = _vollib()

    def one(row: tuple[Any, ...]) -> float:
        try:
            return float(formula(*row))
        except no_answer:
            return float("nan")

    return np.array([one(row) for row in rows], dtype=np.float64)


PYVOLR: Kernel = Pyvolr()
VOLLIB: Kernel = Vollib()


@cache
def preferred_kernel() -> Kernel:
    """pyvolr where it can be imported, else vollib."""
    try:
        _pyvolr()
    except ImportError as error:
        log.warning("pyvolr_missing_using_vollib", error=str(error))
        return VOLLIB
    return PYVOLR
