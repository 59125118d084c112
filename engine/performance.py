"""Returns, and what they say: ratios, alpha and beta, drawdown, with intervals by resampling blocks of days. Pure.

Returns are simple ones of a day, decimals. Every measure reads the last axis, so one call serves a sample and all of
its resamples: an array of shape (draws, n) gives (draws,) numbers. NaN says that there is no such number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from engine.model.market import Bars, Dates, Dividend, Floats
from engine.model.reports import Alone, Benchmark, Beside, Estimate, Measured, NotEnough, Track

SESSIONS_A_YEAR = 252
STILL = 1e-12
"""A standard deviation of daily returns below this is the rounding of returns that never moved."""
DEFINED = 0.95
"""Share of the draws that must have a number for an interval to be made of them."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """When a sample says something, and how its intervals are made.

    Attributes:
        least: observations below which nothing is said. block: days that stay together in a resample.
        draws: resamples. confidence: of the intervals.
    """

    least: int = 60
    block: int = 5
    draws: int = 2000
    confidence: float = 0.95


def daily_returns(closes: Sequence[Decimal], flows: Sequence[Decimal]) -> Floats:
    """The return of each day, time-weighted: what was put in or taken out counts as moved before the open.

    Args:
        closes: (n + 1,) equity at the close, dollars; the first one is where the first day began.
        flows: (n,) dollars put in (positive) or taken out on each day.

    Returns:
        (n,); NaN for a day that began with nothing to make a return on.

    >>> daily_returns([Decimal(100), Decimal(210)], [Decimal(100)])
    array([0.05])
    """
    bases = [before + flow for before, flow in zip(closes[:-1], flows, strict=True)]
    made = [end - base for end, base in zip(closes[1:], bases, strict=True)]
    return returns_on(made, bases)


def returns_on(made: Sequence[Decimal], bases: Sequence[Decimal]) -> Floats:
    """What was made of each base, decimals; NaN where there was no base."""
    pairs = zip(made, bases, strict=True)
    return np.array([float(gain / base) if base > 0 else np.nan for gain, base in pairs])


def money_made(closes: Sequence[Decimal], flows: Sequence[Decimal]) -> Decimal:
    """Dollars made, whatever was put in or taken out."""
    return closes[-1] - closes[0] - sum(flows, Decimal(0))


def cumulative(returns: Floats) -> Floats:
    """All returns chained."""
    chained: Floats = np.prod(1.0 + returns, axis=-1) - 1.0
    return chained


def max_drawdown(returns: Floats) -> Floats:
    """The largest fall from a peak, a negative decimal; the starting value is a peak too.

    >>> float(round(max_drawdown(np.array([-0.1, 0.05])), 4))
    -0.1
    """
    value = np.cumprod(1.0 + returns, axis=-1)
    peak = np.maximum(np.maximum.accumulate(value, axis=-1), 1.0)
    fall: Floats = np.min(value / peak - 1.0, axis=-1, initial=0.0)
    return fall


def positive_days(returns: Floats) -> float:
    """The share of days above zero."""
    return float(np.mean(returns > 0.0))


def sharpe(returns: Floats, risk_free: Floats) -> Floats:
    """Mean over standard deviation (ddof 1) of the excess returns, annualised by the root of 252."""
    return _ratio(returns - risk_free)


def sortino(returns: Floats, risk_free: Floats) -> Floats:
    """Mean excess return over downside deviation, annualised: the target is the risk-free return, the count every day.

    Sortino and Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing 3 (1994).
    """
    excess = returns - risk_free
    return _over(excess.mean(axis=-1), np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2, axis=-1)))


def information_ratio(returns: Floats, market: Floats) -> Floats:
    """Mean over standard deviation (ddof 1) of what was made beyond the benchmark, annualised."""
    return _ratio(returns - market)


def beta(returns: Floats, market: Floats, risk_free: Floats) -> Floats:
    """The slope of the excess returns on the benchmark's."""
    own, other = _centred(returns - risk_free), _centred(market - risk_free)
    variance = np.mean(other**2, axis=-1)
    moved = np.where(np.sqrt(variance) > STILL, variance, np.nan)
    slope: Floats = np.mean(own * other, axis=-1) / moved
    return slope


def alpha(returns: Floats, market: Floats, risk_free: Floats) -> Floats:
    """Jensen's alpha, a decimal a year: the mean excess return that beta times the benchmark's does not explain, x 252.

    Jensen, "The Performance of Mutual Funds in the Period 1945-1964", Journal of Finance 23 (1968).
    """
    excess, other = (returns - risk_free).mean(axis=-1), (market - risk_free).mean(axis=-1)
    beyond: Floats = (excess - beta(returns, market, risk_free) * other) * SESSIONS_A_YEAR
    return beyond


def _ratio(excess: Floats) -> Floats:
    return _over(excess.mean(axis=-1), excess.std(axis=-1, ddof=1))


def _over(mean: Floats, spread: Floats) -> Floats:
    """Daily mean over daily spread, annualised by the root of 252."""
    annual: Floats = mean / np.where(spread > STILL, spread, np.nan) * np.sqrt(SESSIONS_A_YEAR)
    return annual


def _centred(values: Floats) -> Floats:
    centred: Floats = values - values.mean(axis=-1, keepdims=True)
    return centred


def win_rate(results: Sequence[Decimal]) -> float | None:
    """The share of campaigns that made money after fees; None before the first has closed."""
    return sum(result > 0 for result in results) / len(results) if results else None


def cost_drag(gross: Decimal, fees: Decimal, slippage: Decimal) -> float | None:
    """What fees and slippage took of the gross gain, a decimal; None where there was no gain to take from.

    `gross` is before both: the P&L at the mids that were traded against.

    >>> cost_drag(Decimal(1000), Decimal(30), Decimal(70))
    0.1
    """
    return float((fees + slippage) / gross) if gross > 0 else None


def total_return(bars: Bars, dividends: Iterable[Dividend]) -> Benchmark:
    """A fund with its dividends reinvested at the close of their ex-dates; one between two bars counts on the later.

    Args:
        bars: split-adjusted closes. dividends: dollars a share on the same basis.
    """
    paid = np.zeros(len(bars))
    for dividend in dividends:
        row = int(np.searchsorted(bars.day, np.datetime64(dividend.ex_date, "D")))
        if 0 < row < len(bars):
            paid[row] += float(dividend.amount)
    grown = (bars.close[1:] + paid[1:]) / bars.close[:-1]
    return Benchmark(bars.ticker, bars.day, np.concatenate(([1.0], np.cumprod(grown)))[: len(bars)])


def over(benchmark: Benchmark, days: Dates) -> Floats:
    """The benchmark's return from each of `days` to the next; NaN where it has no close on one of them.

    >>> fund = Benchmark("SPY", np.array(["2019-03-04", "2019-03-05"], "M8[D]"), np.array([1.0, 1.02]))
    >>> over(fund, np.array(["2019-03-04", "2019-03-05", "2019-03-06"], "M8[D]")).round(4)
    array([0.02,  nan])
    """
    level = np.full(len(days), np.nan)
    if len(benchmark.days):
        rows = np.minimum(np.searchsorted(benchmark.days, days), len(benchmark.days) - 1)
        found = benchmark.days[rows] == days
        level[found] = benchmark.level[rows[found]]
    steps: Floats = level[1:] / level[:-1] - 1.0
    return steps


def blocks(n: int, block: int, draws: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """(draws, n) row numbers: runs of `block` days in their order, begun anywhere, the end joined to the beginning.

    The circular block bootstrap of Politis and Romano (1992): what one day does to the next stays in the resamples, and
    every day is drawn as often as any other.
    """
    runs = -(-n // block)
    starts = generator.integers(0, n, size=(draws, runs, 1))
    rows: NDArray[np.intp] = (starts + np.arange(block)).reshape(draws, runs * block)[:, :n] % n
    return rows


def estimate(value: Floats, drawn: Floats, confidence: float) -> Estimate:
    """A number with the percentile interval of its resamples."""
    if not np.isfinite(value):
        return Estimate(None)
    known = drawn[np.isfinite(drawn)]
    if len(known) < DEFINED * len(drawn):
        return Estimate(float(value))
    low, high = np.quantile(known, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return Estimate(float(value), float(low), float(high))


def measured(
    track: Track, benchmarks: Iterable[Benchmark], sampling: Sampling, generator: np.random.Generator
) -> Measured:
    """What a track amounts to alone and beside each benchmark; a day without a return, or without the benchmark's, is
    left out of what needs it. Nothing is put in its place.
    """
    known = np.isfinite(track.returns) & np.isfinite(track.risk_free)
    against = ((fund.name, over(fund, track.days)) for fund in benchmarks)
    return Measured(
        alone=_alone(track.returns[known], track.risk_free[known], sampling, generator),
        beside=tuple((name, _beside(track, known, market, sampling, generator)) for name, market in against),
    )


def _alone(returns: Floats, risk_free: Floats, sampling: Sampling, generator: np.random.Generator) -> Alone | NotEnough:
    if len(returns) < sampling.least:
        return NotEnough(len(returns), sampling.least)
    rows = blocks(len(returns), sampling.block, sampling.draws, generator)
    drawn, free, confidence = returns[rows], risk_free[rows], sampling.confidence
    return Alone(
        days=len(returns),
        cumulative=float(cumulative(returns)),
        drawdown=float(max_drawdown(returns)),
        positive=positive_days(returns),
        sharpe=estimate(sharpe(returns, risk_free), sharpe(drawn, free), confidence),
        sortino=estimate(sortino(returns, risk_free), sortino(drawn, free), confidence),
    )


def _beside(
    track: Track, known: NDArray[np.bool_], market: Floats, sampling: Sampling, generator: np.random.Generator
) -> Beside | NotEnough:
    both = known & np.isfinite(market)
    own, other, free = track.returns[both], market[both], track.risk_free[both]
    if len(own) < sampling.least:
        return NotEnough(len(own), sampling.least)
    rows = blocks(len(own), sampling.block, sampling.draws, generator)
    confidence, draws = sampling.confidence, (own[rows], other[rows], free[rows])
    return Beside(
        days=len(own),
        without=int(known.sum() - both.sum()),
        cumulative=float(cumulative(own)),
        benchmark=float(cumulative(other)),
        beta=estimate(beta(own, other, free), beta(*draws), confidence),
        alpha=estimate(alpha(own, other, free), alpha(*draws), confidence),
        information=estimate(information_ratio(own, other), information_ratio(*draws[:2]), confidence),
    )
