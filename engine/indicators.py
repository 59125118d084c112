"""Technical indicators over arrays: the only door to TA-Lib.

Every function takes one-dimensional float64 arrays, oldest first, and gives arrays of the same length. NaN marks the
warm-up, so an input shorter than the window gives NaN throughout; a NaN inside the input gives NaN, and the warm-up
starts again after it. Nothing looks ahead: the value at i uses the bars up to i.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from engine.model.market import Floats

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

SESSIONS_A_YEAR = 252
NO_ROW = -1

ONE_AT_A_TIME = threading.Lock()
"""TA-Lib keeps its settings in globals: two threads inside it at once are not safe."""


class Macd(NamedTuple):
    """Fast average less slow average, the signal line over it, and their difference; each (n,)."""

    line: Floats
    signal: Floats
    histogram: Floats


class Bands(NamedTuple):
    """The average and `k` standard deviations either side of it; each (n,)."""

    upper: Floats
    middle: Floats
    lower: Floats


def sma(x: Floats, n: int) -> Floats:
    """The mean of the last `n` values (n >= 2).

    >>> sma(np.array([1.0, 2.0, 3.0, 4.0]), 2).tolist()
    [nan, 1.5, 2.5, 3.5]
    """
    return _run("SMA", x, n=n)[0]


def ema(x: Floats, n: int) -> Floats:
    """The exponential average with weight 2 / (n + 1), begun from the mean of the first `n` values (n >= 2)."""
    return _run("EMA", x, n=n)[0]


def rsi(x: Floats, n: int = 14) -> Floats:
    """Wilder's relative strength index, 0 to 100: averages begun from a plain mean, then smoothed by 1 / n.

    NaN while nothing has moved for `n` bars: no gain and no loss is no strength, and no weakness either.

    J. W. Wilder, *New Concepts in Technical Trading Systems* (1978), section VI.

    >>> rsi(np.array([1.0, 2.0, 3.0, 2.0, 4.0]), 2).tolist()
    [nan, nan, 100.0, 50.0, 83.33333333333334]
    """
    strength = _run("RSI", x, n=n)[0]
    moved = np.zeros(len(strength), dtype=bool)
    if len(strength) > n:
        changes = np.diff(np.asarray(x, dtype=np.float64)) != 0.0
        moved[n:] = sliding_window_view(changes, n).any(axis=1)
    return np.where(moved, strength, np.nan)


def macd(x: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Moving average convergence and divergence: EMA(fast) - EMA(slow), its own EMA(signal), and their difference.

    The averages remember their start: expect the textbook's third digit only after some 100 bars.
    """
    line = ema(x, fast) - ema(x, slow)
    average = ema(line, signal)
    return Macd(line, average, line - average)


def atr(high: Floats, low: Floats, close: Floats, n: int = 14) -> Floats:
    """Wilder's average true range, in the unit of the prices."""
    return _run("ATR", high, low, close, n=n)[0]


def bollinger(x: Floats, n: int = 20, k: float = 2.0) -> Bands:
    """Bands of `k` population standard deviations around the mean of the last `n` values."""
    return Bands(*_run("BBANDS", x, outputs=3, n=n, nbdevup=float(k), nbdevdn=float(k)))


def adx(high: Floats, low: Floats, close: Floats, n: int = 14) -> Floats:
    """Wilder's average directional index, 0 to 100: how much of the movement is trend."""
    return _run("ADX", high, low, close, n=n)[0]


def vwap(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """The volume-weighted average of the typical price (high + low + close) / 3 since the first bar given.

    Give one session's bars. NaN until something has traded, and from a NaN on.

    >>> vwap(np.array([3.0, 5.0]), np.array([1.0, 3.0]), np.array([2.0, 4.0]), np.array([100.0, 300.0])).tolist()
    [2.0, 3.5]
    """
    typical = (np.asarray(high) + np.asarray(low) + np.asarray(close)) / 3.0
    traded = np.cumsum(volume, dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.where(traded > 0.0, np.cumsum(typical * volume) / traded, np.nan)


def realised_volatility(close: Floats, n: int = 30) -> Floats:
    """The standard deviation (ddof 1) of the last `n` daily log returns, annualised by the root of 252, a decimal.

    Needs n + 1 closes; NaN where one of them is missing or not positive.
    """
    prices = np.asarray(close, dtype=np.float64)
    volatility = np.full(len(prices), np.nan)
    if len(prices) <= n:
        return volatility
    with np.errstate(all="ignore"):
        returns = np.diff(np.log(np.where(prices > 0.0, prices, np.nan)))
        windows = sliding_window_view(returns, n) if len(returns) > n else returns[np.newaxis]
        volatility[n:] = windows.std(axis=1, ddof=1) * math.sqrt(SESSIONS_A_YEAR)
    return volatility


def momentum(x: Floats, n: int) -> Floats:
    """The change over `n` bars as a decimal (0.10 is +10 %); NaN where the earlier value is not positive.

    >>> momentum(np.array([100.0, 105.0, 112.0]), 2).round(4).tolist()
    [nan, nan, 0.12]
    """
    values = np.asarray(x, dtype=np.float64)
    change = np.full(len(values), np.nan)
    if 0 < n < len(values):
        before = values[:-n]
        with np.errstate(all="ignore"):
            change[n:] = np.where(before > 0.0, values[n:] / before - 1.0, np.nan)
    return change


def pivot_lows(low: Floats, k: int = 2) -> Mask:
    """(n,) whether a bar is below the `k` bars before it and not above the `k` after it.

    A pivot at i is known at the close of bar i + k, not before: the last `k` rows are always False.

    >>> np.flatnonzero(pivot_lows(np.array([5.0, 4.0, 3.0, 4.0, 5.0, 2.0]), 2)).tolist()
    [2]
    """
    values = np.asarray(low, dtype=np.float64)
    pivots = np.zeros(len(values), dtype=bool)
    if k < 1 or len(values) <= 2 * k:
        return pivots
    windows = sliding_window_view(values, 2 * k + 1)
    middle = windows[:, k : k + 1]
    pivots[k:-k] = (windows[:, :k] > middle).all(axis=1) & (windows[:, k + 1 :] >= middle).all(axis=1)
    return pivots


def pivot_highs(high: Floats, k: int = 2) -> Mask:
    """(n,) whether a bar is above the `k` bars before it and not below the `k` after it; known `k` bars later."""
    return pivot_lows(-np.asarray(high, dtype=np.float64), k)


def divergence(low: Floats, line: Floats, k: int = 2, within: int = 40, first: Mask | None = None) -> Rows:
    """(n,) where a bullish divergence is confirmed, the row of its first low; -1 elsewhere.

    A lower low of the price with a higher value of `line` (MACD, RSI): the second low is a pivot `k` bars before the
    confirming row, the first one a pivot at most `within` bars before that row; where several fit, the latest.

    Args:
        first: (n,) which bars may be the first low (RSI below 30, say); every bar unless given.
    """
    lows, lines = np.asarray(low, dtype=np.float64), np.asarray(line, dtype=np.float64)
    found = np.full(len(lows), NO_ROW, dtype=np.int64)
    pivots = np.flatnonzero(pivot_lows(lows, k))
    for position, second in enumerate(pivots):
        confirmed = second + k
        earlier = pivots[:position]
        fits = (lows[second] < lows[earlier]) & (lines[second] > lines[earlier]) & (confirmed - earlier <= within)
        if first is not None:
            fits &= first[earlier]
        if fits.any():
            found[confirmed] = earlier[fits][-1]
    return found


@cache
def _talib() -> Any:
    # At first use: it brings pandas along, two seconds that a command without indicators should not wait.
    import talib

    return talib


def _run(name: str, *columns: Floats, n: int, outputs: int = 1, **settings: float) -> list[Floats]:
    """The outputs of a TA-Lib function, computed afresh on every stretch without a gap.

    TA-Lib must not see a NaN inside: its RSI answers one with 0, which would read as oversold.
    """
    if n < 2:
        raise ValueError(f"A window of {n} bars is too short for {name}: at least 2.")
    inputs = [np.ascontiguousarray(column, dtype=np.float64) for column in columns]
    results = [np.full(len(inputs[0]), np.nan) for _ in range(outputs)]
    for rows in _stretches(np.logical_and.reduce([np.isfinite(column) for column in inputs])):
        with ONE_AT_A_TIME:
            found = getattr(_talib(), name)(*(column[rows] for column in inputs), timeperiod=n, **settings)
        for result, part in zip(results, found if outputs > 1 else (found,), strict=True):
            result[rows] = part
    return results


def _stretches(whole: Mask) -> Iterator[slice]:
    """The runs of True, as slices."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], whole, [False])).astype(np.int8)))
    return (slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2))
