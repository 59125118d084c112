"""The score of a growing company among all others of the themes: four ranks, weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from statistics import median

import numpy as np

from engine.model.market import Fundamentals
from strategies.leaps.params import Params


@dataclass(frozen=True, slots=True)
class Growth:
    """What is compared of one name, decimals; `share` is its revenue growth less its theme's median."""

    revenue: float
    earnings: float
    margin: float
    share: float


def unknown_of(facts: Fundamentals | None) -> tuple[str, ...]:
    """The components a name does not have, in words: with one of them missing there is no score.

    Growth from a negative base is no growth: a source that gives none there leaves it missing.
    """
    if facts is None:
        return ("fundamentals",)
    told = {
        "revenue growth": facts.revenue_growth,
        "earnings growth": facts.earnings_growth,
        "margin change": facts.margin_change,
    }
    return tuple(words for words, value in told.items() if value is None or not isfinite(value))


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The facts and the parameters of one scan: the same question is one about the same two objects."""

    facts: Mapping[str, Fundamentals]
    params: Params

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self.facts is other.facts and self.params is other.params

    def __hash__(self) -> int:
        return hash((id(self.facts), id(self.params)))


def growths(facts: Mapping[str, Fundamentals], params: Params) -> Mapping[str, Growth]:
    """The components of every name of a theme that has all of them.

    Compared once for all names of a scan: the answer is kept for as long as the same two objects are handed in.
    """
    return _growths(_Asked(facts, params))


@lru_cache(maxsize=1)
def _growths(asked: _Asked) -> Mapping[str, Growth]:
    facts, params = asked.facts, asked.params
    medians = {theme: _median(names, facts) for theme, names in params.themes.items()}
    found = {}
    for theme, names in params.themes.items():
        for name in names:
            growth = _growth(facts.get(name), medians[theme])
            if growth is not None:
                found[name] = growth
    return found


def _median(names: Sequence[str], facts: Mapping[str, Fundamentals]) -> float | None:
    known = [facts[name].revenue_growth for name in names if name in facts]
    values = [growth for growth in known if growth is not None and isfinite(growth)]
    return median(values) if values else None


def _growth(facts: Fundamentals | None, middle: float | None) -> Growth | None:
    if facts is None or middle is None or unknown_of(facts):
        return None
    revenue, earnings, margin = facts.revenue_growth, facts.earnings_growth, facts.margin_change
    if revenue is None or earnings is None or margin is None:
        return None
    return Growth(revenue, earnings, margin, revenue - middle)


def scores(facts: Mapping[str, Fundamentals], params: Params) -> Mapping[str, float]:
    """0 to 100 by name; none at all where too few names can be compared. Kept as `growths` is."""
    return _scores(_Asked(facts, params))


@lru_cache(maxsize=1)
def _scores(asked: _Asked) -> Mapping[str, float]:
    known, params = _growths(asked), asked.params
    if len(known) < params.min_scored:
        return {}
    rows = tuple(known.values())
    ranked = (
        (params.revenue_weight, ranks([row.revenue for row in rows])),
        (params.earnings_weight, ranks([row.earnings for row in rows])),
        (params.margin_weight, ranks([row.margin for row in rows])),
        (params.share_weight, ranks([row.share for row in rows])),
    )
    totals = (sum(weight * column[place] for weight, column in ranked) for place in range(len(rows)))
    return dict(zip(known, totals, strict=True))


def ranks(values: Sequence[float]) -> tuple[float, ...]:
    """0 (the lowest) to 100 (the highest): 100 (rank - 1) / (n - 1), equal values sharing the mean of their ranks.

    >>> ranks([1.0, 3.0, 2.0, 2.0, 5.0])
    (0.0, 75.0, 37.5, 37.5, 100.0)
    """
    column = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=-np.inf)
    ordered = np.sort(column)
    below, to = np.searchsorted(ordered, column, side="left"), np.searchsorted(ordered, column, side="right")
    return tuple((100 * (below + (to - below - 1) / 2) / (len(column) - 1)).tolist())
