"""Numbers from daily bars, the same for one name (`find`) and for whole panels (`screen`)."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from engine import indicators
from engine.model.market import Bars, Floats


def averages(values: Floats, n: int) -> Floats:
    """(m,) mean of the last `n` values, NaN before there are as many."""
    means = np.full(len(values), np.nan)
    if len(values) >= n:
        means[n - 1 :] = sliding_window_view(values, n).mean(axis=1)
    return means


def average(values: Floats, n: int) -> float:
    """Mean of the last `n` values; NaN with fewer."""
    return float(values[-n:].mean()) if len(values) >= n else float("nan")


def of_yesterday(values: Floats, sessions: int = 1) -> Floats:
    """Each session's value as it stood `sessions` closes before, NaN where there was none."""
    shifted = np.full(len(values), np.nan)
    shifted[sessions:] = values[: max(len(values) - sessions, 0)]
    return shifted


def volatility(bars: Bars, n: int) -> float:
    """Realised volatility of the last `n` completed sessions, annualised decimal; NaN with fewer."""
    found = indicators.realised_volatility(bars.close[-(n + 1) :], n)
    return float(found[-1]) if len(found) else float("nan")


def change(bars: Bars, n: int) -> float:
    """Change of the close over the last `n` completed sessions, decimal; NaN with fewer."""
    return change_to(bars[:-1], float(bars.close[-1]), n) if len(bars) else float("nan")


def change_to(bars: Bars, price: float, n: int) -> float:
    """Change from the close `n` sessions ago to `price` today, decimal; NaN with fewer."""
    before = float(bars.close[-n]) if len(bars) >= n else float("nan")
    return price / before - 1 if before > 0 else float("nan")
