"""Which names are worth scanning: rules over volume, price, volatility, size, yield and options; pure.

The numbers of all names stand in columns and every rule is asked of all of them at once. A number that is not known
fails its rule with the word "unknown"; none is filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf, isnan

import numpy as np
from numpy.typing import NDArray

from engine.indicators import SESSIONS_A_YEAR
from engine.model.market import Bars, Floats
from engine.model.trade import Step, Verdict
from engine.percent import as_percent

VOLUME_SESSIONS = 20
VOLATILITY_SESSIONS = 30
SESSIONS = VOLATILITY_SESSIONS + 1
"""Completed sessions a name needs for every rule to be known."""
UNKNOWN = "unknown"
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Filters:
    """`[universe]`: what a name must have to be scanned. 0 is no rule.

    Attributes:
        volume: shares a session, the median of the last 20. least_price, most_price: dollars, of the last close.
        least_volatility, most_volatility: realised over the last 30 sessions, annualised decimal.
        market_cap: dollars. least_yield, most_yield: dividends of the last twelve months over the price, decimal.
        optionable: whether it must have listed options.
    """

    volume: float = 1_000_000.0
    least_price: float = 5.0
    most_price: float = 0.0
    least_volatility: float = 0.0
    most_volatility: float = 0.0
    market_cap: float = 0.0
    least_yield: float = 0.0
    most_yield: float = 0.0
    optionable: bool = True

    @property
    def needs_market_cap(self) -> bool:
        return self.market_cap > 0

    @property
    def needs_yield(self) -> bool:
        return self.least_yield > 0 or self.most_yield > 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a name besides its bars; None is unknown. Dollars; the yield is a decimal."""

    market_cap: float | None = None
    dividend_yield: float | None = None
    is_optionable: bool | None = None


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """What the bars say, one row a name, NaN where it is unknown.

    Attributes:
        price: the last close, dollars. volume: median shares a session. volatility: realised, annualised decimal.
        turnover: median dollars traded a session.
    """

    tickers: tuple[str, ...]
    price: Floats
    volume: Floats
    volatility: Floats
    turnover: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """The verdict on every name.

    Attributes:
        steps: every rule's verdict by ticker, in the order the rules are asked.
        passed: those that passed all of them, the most traded (in dollars) first.
    """

    steps: Mapping[str, tuple[Step, ...]]
    passed: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """A range that a column must lie in, both ends included."""

    words: str
    limit: str
    values: Floats
    least: float
    most: float
    show: Callable[[float], str]

    @property
    def holds(self) -> NDArray[np.bool_]:
        """(n,) whether each name passes; what is unknown does not."""
        return (self.values >= self.least) & (self.values <= self.most)

    def steps(self) -> Iterator[Step]:
        for value, passes in zip(self.values.tolist(), self.holds.tolist(), strict=True):
            words = UNKNOWN if isnan(value) else self.show(value)
            yield Step(self.words, self.limit, words, Verdict.PASSED if passes else Verdict.FAILED)


def measure(panel: Mapping[str, Bars], last: date) -> Measures:
    """What the bars of every name say at the close of the session `last`.

    Bars that end earlier say nothing: the name has not traded since, or nobody has told.
    """
    close = np.full((len(panel), SESSIONS), np.nan)
    volume = np.full((len(panel), SESSIONS), np.nan)
    for row, bars in enumerate(panel.values()):
        end = int(np.searchsorted(bars.day, np.datetime64(last, "D"), side="right"))
        if end and bars.day[end - 1] == np.datetime64(last, "D"):
            start = max(0, end - SESSIONS)
            close[row, start - end :] = bars.close[start:end]
            volume[row, start - end :] = bars.volume[start:end]
    close[~(np.isfinite(close) & (close > 0))] = np.nan
    volume[~(np.isfinite(volume) & (volume >= 0))] = np.nan
    recent = volume[:, -VOLUME_SESSIONS:]
    return Measures(
        tickers=tuple(panel),
        price=close[:, -1],
        volume=_median(recent),
        volatility=np.std(np.diff(np.log(close), axis=1), axis=1, ddof=1) * np.sqrt(SESSIONS_A_YEAR),
        turnover=_median(recent * close[:, -VOLUME_SESSIONS:]),
    )


def screen(measures: Measures, facts: Mapping[str, Facts], filters: Filters) -> Screened:
    """Every rule's verdict on every name, and the names that pass all of them."""
    rules = tuple(_rules(measures, facts, filters))
    passes = np.ones(len(measures.tickers), dtype=bool)
    for rule in rules:
        passes &= rule.holds
    order = np.argsort(-np.nan_to_num(measures.turnover), kind="stable")
    rows = zip(*(rule.steps() for rule in rules), strict=True) if rules else (() for _ in measures.tickers)
    return Screened(
        steps=dict(zip(measures.tickers, rows, strict=True)),
        passed=tuple(measures.tickers[row] for row in order.tolist() if passes[row]),
    )


def _median(rows: Floats) -> Floats:
    """(n,) the median of each row; NaN where one of its values is."""
    return np.median(rows, axis=1) if len(rows) else np.empty(0)


def _rules(measures: Measures, facts: Mapping[str, Facts], filters: Filters) -> Iterator[_Rule]:
    """The rules that are asked, the cheapest to know first."""
    known = [facts.get(ticker, NO_FACTS) for ticker in measures.tickers]
    yield from _range("price", measures.price, filters.least_price, filters.most_price, _dollars)
    yield from _range("median volume", measures.volume, filters.volume, 0.0, _count)
    volatility = measures.volatility
    yield from _range("30-day volatility", volatility, filters.least_volatility, filters.most_volatility, _percent)
    if filters.optionable:
        yield _Rule("options", "listed", _column([each.is_optionable for each in known]), 1.0, inf, _listed)
    caps = _column([each.market_cap for each in known])
    yield from _range("market cap", caps, filters.market_cap, 0.0, _millions)
    yields = _column([each.dividend_yield for each in known])
    yield from _range("dividend yield", yields, filters.least_yield, filters.most_yield, _percent)


def _range(words: str, values: Floats, least: float, most: float, show: Callable[[float], str]) -> Iterator[_Rule]:
    """The rule of a range, of which either end may be open; none where both are."""
    if least > 0 and most > 0:
        yield _Rule(words, f"{show(least)} to {show(most)}", values, least, most, show)
    elif least > 0:
        yield _Rule(words, f"≥ {show(least)}", values, least, inf, show)
    elif most > 0:
        yield _Rule(words, f"≤ {show(most)}", values, -inf, most, show)


def _column(values: Sequence[float | None]) -> Floats:
    column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(column), column, np.nan)


def _dollars(value: float) -> str:
    return f"${value:,.2f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _millions(value: float) -> str:
    return f"${value / MILLION:,.0f} M"


def _percent(value: float) -> str:
    return as_percent(value, ".2")


def _listed(value: float) -> str:
    return "listed" if value else "none"
