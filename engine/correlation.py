"""How alike names move: the correlation of their daily log returns over the same sessions.

A pair is unknown when fewer than two thirds of the returns are there for both, or when one of them never moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from threading import Lock

import numpy as np

from engine.model.market import Bars, Floats
from engine.model.trade import Unknown

ENOUGH = 2 / 3
"""Share of the sessions that two names must have returns of in common."""


def log_returns(bars: Bars, days: Sequence[date]) -> Floats:
    """Log returns from each of `days` to the next, NaN where a close is missing; one fewer than there are days."""
    wanted = np.array(days, dtype="datetime64[D]")
    rows = np.searchsorted(bars.day, wanted)
    close = np.full(len(wanted), np.nan)
    inside = rows < len(bars.day)
    found = np.zeros(len(wanted), dtype=bool)
    found[inside] = bars.day[rows[inside]] == wanted[inside]
    close[found] = bars.close[rows[found]]
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(close)
    return np.diff(np.where(np.isfinite(logs), logs, np.nan))


def correlation(one: Floats, other: Floats) -> float | None:
    """Pearson's correlation of two rows of returns over the sessions both have; None where it is unknown.

    >>> correlation(np.array([0.01, -0.02, 0.03]), np.array([0.02, -0.04, 0.06]))
    1.0
    """
    both = np.isfinite(one) & np.isfinite(other)
    if not len(both) or both.sum() < ENOUGH * len(both):
        return None
    x, y = one[both] - one[both].mean(), other[both] - other[both].mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return round(float(x @ y) / scale, 12) if scale > 0 else None


@dataclass(frozen=True, slots=True)
class Correlations:
    """Returns by ticker over the same sessions, and what they say of a pair. `pairs` keeps what was computed."""

    returns: Mapping[str, Floats] = field(default_factory=dict)
    pairs: dict[tuple[str, str], float | None] = field(default_factory=dict, compare=False)

    def between(self, one: str, other: str) -> float | None:
        """The correlation of two names, None where it is unknown."""
        if one not in self.returns or other not in self.returns:
            return None
        pair = (one, other) if one < other else (other, one)
        if pair not in self.pairs:
            self.pairs[pair] = correlation(self.returns[one], self.returns[other])
        return self.pairs[pair]


@dataclass(frozen=True, slots=True)
class Bets:
    """Which underlyings move as one.

    Attributes:
        names: every underlying with its tickers (the broad indices are one). threshold: the correlation above which
            two of them do. unknown: what an unknown correlation is, REJECT a high one and SKIP none.
    """

    names: Mapping[str, frozenset[str]]
    correlations: Correlations
    threshold: float
    unknown: Unknown

    def group(self, name: str) -> frozenset[str]:
        """`name` with all that move as it does."""
        return frozenset({name, *(other for other in self.names if other != name and self._is_one(name, other))})

    def has_unknown(self, name: str) -> bool:
        """Whether some correlation with `name` is not known."""
        return any(None in self._pairs(name, other) for other in self.names if other != name)

    def largest(self) -> int:
        """How many names the largest group holds; each pair is looked at once."""
        sizes = dict.fromkeys(self.names, 1)
        for one, other in combinations(self.names, 2):
            if self._is_one(one, other):
                sizes[one] += 1
                sizes[other] += 1
        return max(sizes.values(), default=0)

    def _is_one(self, name: str, other: str) -> bool:
        is_unknown = False
        for a in self.names[name]:
            for b in self.names[other]:
                known = self.correlations.between(a, b)
                if known is None:
                    is_unknown = True
                elif known > self.threshold:
                    return True
        return is_unknown and self.unknown is Unknown.REJECT

    def _pairs(self, name: str, other: str) -> list[float | None]:
        return [self.correlations.between(a, b) for a in self.names[name] for b in self.names[other]]


class DailyReturns:
    """Returns of the names that were asked about, kept for one trading date. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._day: date | None = None
        self._returns: dict[str, Floats] = {}
        self._pairs: dict[tuple[str, str], float | None] = {}

    def missing(self, today: date, tickers: Iterable[str]) -> tuple[str, ...]:
        """Those whose returns up to yesterday are not here yet, sorted."""
        with self._lock:
            here = self._returns if self._day == today else {}
            return tuple(sorted(set(tickers) - here.keys()))

    def keep(self, today: date, ticker: str, returns: Floats) -> None:
        """Remember them for this trading date; those of another date are forgotten."""
        with self._lock:
            if self._day != today:
                self._day, self._returns, self._pairs = today, {}, {}
            self._returns[ticker] = returns

    def known(self, today: date) -> Correlations:
        """Everything kept for this trading date."""
        with self._lock:
            return Correlations(dict(self._returns), self._pairs) if self._day == today else Correlations()
