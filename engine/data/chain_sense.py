"""Whether the prices of a chain can be those of options on its underlying: what no spread and no dividend explains."""

from __future__ import annotations

import numpy as np

from engine.errors import DataInvalid
from engine.model.market import Chain, Floats

NEAR = 0.25
"""Distance of a strike from the spot, decimal of it, within which its prices are looked at."""
FEWEST = 6
"""Prices, or steps between strikes, that are needed for a judgement."""
FEWEST_KNOWN = 0.5
"""Share of the two-sided quotes out of the money that have a volatility: those no volatility explains have none."""
STEEPEST, FLATTEST = 2.0, 0.5
"""Dollars by which call less put falls for each dollar of strike: 1 less interest (Hull, 10th ed., section 11.4)."""


def check_sense(chain: Chain) -> None:
    """Nothing, where the prices near the money are possible ones.

    Raises:
        DataInvalid: most are outside what any volatility explains, or call less put does not fall as the strike rises.
    """
    near = np.abs(chain.strike / chain.spot - 1.0) <= NEAR
    two_sided = near & (chain.bid > 0) & (chain.ask >= chain.bid)
    out = two_sided & np.where(chain.is_call, chain.strike >= chain.spot, chain.strike <= chain.spot)
    if out.sum() >= FEWEST and np.isfinite(chain.iv[out]).mean() < FEWEST_KNOWN:
        words = f"most prices of options near {chain.spot:,.2f} are possible at no volatility"
        raise DataInvalid(f"{chain.source} options of {chain.underlying} make no sense: {words}.")
    falls = _falls(chain.take(two_sided))
    if len(falls) >= FEWEST and not FLATTEST <= float(np.median(falls)) <= STEEPEST:
        words = f"call less put falls by {np.median(falls):.2f} for each dollar of strike, where it is near 1"
        raise DataInvalid(f"{chain.source} options of {chain.underlying} make no sense: {words}.")


def _falls(chain: Chain) -> Floats:
    """How much call less put falls for each dollar between neighbouring strikes of one class and expiry."""
    root = np.zeros(len(chain), dtype=np.int64) if chain.root is None else np.unique(chain.root, return_inverse=True)[1]
    order = np.lexsort((~chain.is_call, chain.strike, chain.expiry, root))
    root, expiry, strike = root[order], chain.expiry[order], chain.strike[order]
    mid, is_call = chain.mid[order], chain.is_call[order]
    is_pair = (root[:-1] == root[1:]) & (expiry[:-1] == expiry[1:]) & (strike[:-1] == strike[1:])
    first = np.flatnonzero(is_pair & is_call[:-1] & ~is_call[1:])
    less, at, kind, day = mid[first] - mid[first + 1], strike[first], root[first], expiry[first]
    together = (kind[:-1] == kind[1:]) & (day[:-1] == day[1:])
    return -(np.diff(less) / np.diff(at).clip(1e-9))[together] if len(first) > 1 else np.zeros(0)
