"""Forwards by put-call parity: what the options themselves say the underlying is worth at each expiry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.model.market import Chain, Floats
from engine.pricing.chains import chain_rates, chain_years, is_european

NEAREST = 8
"""Pairs of an expiry that are asked: those whose call and put cost most nearly the same, so those at the money."""
FARTHEST = 0.10
"""Of the strike: call and put further apart than this are not near the money, where early exercise counts."""
FEWEST = 3
"""Pairs for a forward that one wrong quote does not move."""
LEAST_WIDTH = 0.005
"""Dollars: half a cent, for quotes that are locked."""


@dataclass(frozen=True, slots=True)
class Forward:
    """The forward price of one expiry of one root.

    Attributes:
        value: dollars. years: to the expiry. rate: continuous, that it was found with.
        pairs: how many strikes it rests on. dispersion: by how much of the forward half of them (by weight) differ
            from it at most: their weighted median absolute deviation, decimal.
        is_exact: whether parity is an equation for the class (European); for American options it holds within the
            early exercise premium, which grows with time and rate (a third of a percent for a year at 4 %).
    """

    root: str
    expiry: date
    value: float
    years: float
    rate: float
    pairs: int
    dispersion: float
    is_exact: bool

    @property
    def is_firm(self) -> bool:
        """Whether enough pairs agree within half a percent."""
        return self.pairs >= FEWEST and self.dispersion <= 0.005

    @property
    def prepaid(self) -> float:
        """Dollars today for one share at expiry: the spot less what it pays and what lending it earns until then."""
        return float(self.value * np.exp(-self.rate * self.years))

    def carry(self, spot: float) -> float:
        """The dividend and borrow yield, continuous, that leads from `spot` to this forward.

        >>> Forward("SPX", date(2026, 12, 18), 101.0, 1.0, 0.03, 5, 0.0, True).carry(100.0).__round__(5)
        0.02005
        """
        return self.rate - log(self.value / spot) / self.years


class Pairs(NamedTuple):
    """Calls and puts of the same root, expiry and strike with two-sided quotes, as rows of a chain, each (n,).

    `forward`: dollars by parity; `width`: dollars by which the quotes leave it open.
    """

    call: NDArray[np.intp]
    put: NDArray[np.intp]
    forward: Floats
    width: Floats


def pairs(chain: Chain, close: datetime | None = None) -> Pairs:
    """The pairs of a chain by root, expiry and strike, each with the forward that it alone implies.

    forward = strike + (call - put) x exp(rate x years) (Hull, 10th ed., sections 11.4 and 18.5), at mids.
    """
    roots = _root_codes(chain)
    order = np.lexsort((chain.is_call, chain.strike, chain.expiry.astype(np.int64), roots))
    put, call = order[:-1], order[1:]
    same = (roots[put] == roots[call]) & (chain.expiry[put] == chain.expiry[call])
    same &= (np.abs(chain.strike[put] - chain.strike[call]) < 5e-4) & ~chain.is_call[put] & chain.is_call[call]
    two_sided = (chain.bid > 0.0) & (chain.ask >= chain.bid)
    same &= two_sided[put] & two_sided[call]
    put, call = put[same], call[same]
    growth = np.exp(chain_rates(chain)[call] * chain_years(chain, close)[call])
    spread = (chain.ask - chain.bid) / 2.0
    forward = chain.strike[call] + (chain.mid[call] - chain.mid[put]) * growth
    known = np.isfinite(forward)
    width = (spread[call] + spread[put]) * growth
    return Pairs(call[known], put[known], forward[known], np.maximum(width[known], LEAST_WIDTH))


def forwards(chain: Chain, close: datetime | None = None) -> tuple[Forward, ...]:
    """The forward of each root and expiry that has a pair near the money, in their order.

    The median over the pairs nearest the money, each weighing one over the width of its quotes.
    """
    found = pairs(chain, close)
    if not len(found.call):
        return ()
    years, rates, is_exact = chain_years(chain, close), chain_rates(chain), is_european(chain)
    apart = np.abs(chain.mid[found.call] - chain.mid[found.put])
    near = apart <= FARTHEST * chain.strike[found.call]
    answers = []
    for start, stop in pairwise(_bounds(chain, found)):
        rows = start + np.flatnonzero(near[start:stop])
        if not len(rows):
            continue
        rows = rows[np.argsort(apart[rows], kind="stable")[:NEAREST]]
        value, dispersion = _middle(found.forward[rows], 1.0 / found.width[rows])
        first = int(found.call[rows[0]])
        answers.append(
            Forward(
                root=chain.underlying if chain.root is None else str(chain.root[first]),
                expiry=chain.expiry[first].astype(object),
                value=value,
                years=float(years[first]),
                rate=float(rates[first]),
                pairs=len(rows),
                dispersion=dispersion,
                is_exact=is_exact,
            )
        )
    return tuple(answers)


def _root_codes(chain: Chain) -> NDArray[np.int64]:
    if chain.root is None:
        return np.zeros(len(chain), dtype=np.int64)
    codes = {root: code for code, root in enumerate(sorted(set(chain.root)))}
    return np.array([codes[root] for root in chain.root], dtype=np.int64)


def _bounds(chain: Chain, found: Pairs) -> list[int]:
    """Where each root and expiry begins among the pairs, and the end."""
    roots, expiry = _root_codes(chain)[found.call], chain.expiry[found.call]
    new = (np.diff(roots) != 0) | (np.diff(expiry) != np.timedelta64(0))
    return [0, *(np.flatnonzero(new) + 1).tolist(), len(found.call)]


def _middle(values: Floats, weights: Floats) -> tuple[float, float]:
    """The weighted median, and the weighted median distance from it as a share of it."""
    middle = _weighted_median(values, weights)
    return middle, _weighted_median(np.abs(values / middle - 1.0), weights)


def _weighted_median(values: Floats, weights: Floats) -> float:
    """Where half of the weight lies either side, between the two values around it."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    heights = (np.cumsum(weights) - weights / 2.0) / weights.sum()
    return float(np.interp(0.5, heights, values))
