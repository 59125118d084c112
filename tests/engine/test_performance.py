"""Ratios, alpha and beta, drawdown, total return and intervals: the worked example, and by another route than the code.

The numbers here are reckoned with the `statistics` module and plain loops, one day after the other.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from math import cos, prod, sin, sqrt
from statistics import covariance, fmean, linear_regression, quantiles, stdev

import numpy as np
import pytest

from engine import performance
from engine.model.market import Bars, Dates, Dividend, Floats, Kind, Source
from engine.model.reports import Alone, Benchmark, Beside, Measured, NotEnough, Track
from engine.performance import Sampling
from tests.make import D

RISK_FREE = 0.04 / 252


def sessions(count: int, first: date = date(2019, 3, 4)) -> Dates:
    return np.array([first + timedelta(days=number) for number in range(count)], dtype="datetime64[D]")


def example(days: int) -> tuple[list[float], list[float]]:
    """The returns of strategy and benchmark of the worked example."""
    market = [0.0004 + 0.010 * sin(1.3 * t) for t in range(1, days + 1)]
    return [0.0002 + 0.6 * m + 0.003 * cos(0.7 * t) for t, m in enumerate(market, start=1)], market


def track(returns: Sequence[float], rate: float = RISK_FREE) -> Track:
    n = len(returns)
    return Track(sessions(n + 1), np.array(returns), np.full(n, rate))


def fund(returns: Sequence[float], name: str = "SPY") -> Benchmark:
    return Benchmark(name, sessions(len(returns) + 1), np.cumprod([1.0, *(1.0 + each for each in returns)]))


def measured(own: Track, *funds: Benchmark, seed: int = 1, sampling: Sampling | None = None) -> Measured:
    return performance.measured(own, funds, sampling or Sampling(), np.random.default_rng(seed))


def both(days: int = 60) -> tuple[Alone | NotEnough, Beside | NotEnough]:
    own, market = example(days)
    found = measured(track(own), fund(market))
    return found.alone, found.beside[0][1]


def test_the_worked_example_comes_out_to_four_decimals() -> None:
    alone, beside = both()
    assert isinstance(alone, Alone)
    assert isinstance(beside, Beside)
    assert alone.days == beside.days == 60
    found = (beside.beta.value, beside.alpha.value, alone.sharpe.value, alone.sortino.value, alone.drawdown,
             beside.information.value, alone.cumulative, beside.benchmark, alone.positive)  # fmt: skip
    told = (0.6088, 0.0087, 1.0857, 1.6337, -0.0148, -0.7062, 0.0291, 0.0380, 0.5500)
    assert found == pytest.approx(told, abs=5.0001e-5)


def test_fifty_nine_days_are_not_enough() -> None:
    alone, beside = both(59)
    assert alone == beside == NotEnough(59, 60)
    assert str(alone) == "not enough: 59 of 60 days"


def test_every_number_is_that_of_another_reckoning() -> None:
    own, market = example(97)
    free = [0.02 / 252 + 1e-5 * sin(t) for t in range(97)]
    found = measured(Track(sessions(98), np.array(own), np.array(free)), fund(market))
    alone, beside = found.alone, found.beside[0][1]
    assert isinstance(alone, Alone)
    assert isinstance(beside, Beside)
    excess = [a - b for a, b in zip(own, free, strict=True)]
    other = [a - b for a, b in zip(market, free, strict=True)]
    line = linear_regression(other, excess)
    assert (beside.beta.value, beside.alpha.value) == pytest.approx((line.slope, line.intercept * 252), abs=1e-12)
    assert alone.sharpe.value == pytest.approx(fmean(excess) / stdev(excess) * sqrt(252), abs=1e-12)
    below = sqrt(sum(each**2 for each in excess if each < 0) / 97)
    assert alone.sortino.value == pytest.approx(fmean(excess) / below * sqrt(252), abs=1e-12)
    active = [a - b for a, b in zip(own, market, strict=True)]
    assert beside.information.value == pytest.approx(fmean(active) / stdev(active) * sqrt(252), abs=1e-12)
    assert alone.drawdown == pytest.approx(worst_fall(own), abs=1e-12)


def worst_fall(returns: Sequence[float]) -> float:
    value = peak = 1.0
    worst = 0.0
    for each in returns:
        value *= 1 + each
        peak = max(peak, value)
        worst = min(worst, value / peak - 1)
    return worst


def test_a_fall_on_the_first_day_is_a_drawdown() -> None:
    assert float(performance.max_drawdown(np.array([-0.05, 0.10]))) == pytest.approx(-0.05)
    assert float(performance.max_drawdown(np.array([0.05, 0.10]))) == 0.0


CLOSES = (D(100_000), D(101_000), D(110_445), D(109_000))
FLOWS = (D(0), D(10_000), D(-5_000))


def test_flows_count_as_moved_before_the_open_and_the_naive_ratio_is_wrong() -> None:
    returns = performance.daily_returns(CLOSES, FLOWS)
    chained = Decimal(101_000) / 100_000 * (Decimal(110_445) / 111_000) * (Decimal(109_000) / 105_445) - 1
    assert float(performance.cumulative(returns)) == pytest.approx(float(chained), abs=1e-15)
    assert round(float(performance.cumulative(returns)), 4) == 0.0388
    assert round(float(CLOSES[-1] / CLOSES[0] - 1), 4) == 0.09
    assert performance.money_made(CLOSES, FLOWS) == D("4000.00")


def test_a_day_that_began_with_nothing_has_no_return_and_is_left_out() -> None:
    closes, flows = (D(0), D(0), D(101)), (D(0), D(100))
    returns = performance.daily_returns(closes, flows)
    assert np.isnan(returns[0])
    assert returns[1] == pytest.approx(0.01)
    own, market = example(61)
    gap = [*own[:30], float("nan"), *own[31:]]
    alone, beside = measured(track(gap), fund(market)).alone, measured(track(gap), fund(market)).beside[0][1]
    assert isinstance(alone, Alone)
    assert isinstance(beside, Beside)
    assert (alone.days, beside.days, beside.without) == (60, 60, 0)


def test_a_day_without_the_benchmark_is_left_out_and_counted_and_never_filled_in() -> None:
    own, market = example(63)
    whole = fund(market)
    keep = [row for row in range(64) if row != 20]
    holed = Benchmark("SPY", whole.days[keep], whole.level[keep])
    beside = measured(track(own), holed).beside[0][1]
    assert isinstance(beside, Beside)
    # The close of one day is the end of a step and the beginning of the next: two steps are gone.
    assert (beside.days, beside.without) == (61, 2)
    left = [row for row in range(63) if row not in (19, 20)]
    assert beside.benchmark == pytest.approx(prod(1 + market[row] for row in left) - 1)
    assert beside.cumulative == pytest.approx(prod(1 + own[row] for row in left) - 1)
    rate = RISK_FREE
    slope = covariance([own[r] - rate for r in left], [market[r] - rate for r in left])
    assert beside.beta.value == pytest.approx(slope / stdev([market[r] for r in left]) ** 2)


def test_a_benchmark_that_ends_too_early_is_not_enough_though_the_returns_are() -> None:
    own, market = example(80)
    found = measured(track(own), fund(market[:59]), fund([], "QQQ"))
    assert isinstance(found.alone, Alone)
    assert found.beside == (("SPY", NotEnough(59, 60)), ("QQQ", NotEnough(0, 60)))


def test_returns_that_never_move_have_no_ratio_and_a_benchmark_that_never_moves_no_beta() -> None:
    found = measured(track([0.001] * 70, 0.0001), fund([0.0003] * 70))
    alone, beside = found.alone, found.beside[0][1]
    assert isinstance(alone, Alone)
    assert isinstance(beside, Beside)
    assert (alone.sharpe.value, beside.beta.value, beside.alpha.value) == (None, None, None)
    assert (alone.positive, alone.drawdown) == (1.0, 0.0)


def bars(closes: Sequence[float], skipped: frozenset[int] = frozenset()) -> Bars:
    keep = [row for row in range(len(closes)) if row not in skipped]
    column: Floats = np.array(closes, dtype=float)[keep]
    return Bars("SPY", sessions(len(closes))[keep], column, column, column, column, column, Source("t", Kind.RECORDED))


def test_dividends_are_reinvested_at_the_close_of_their_ex_dates() -> None:
    ex_date = date(2019, 3, 6)
    total = performance.total_return(bars([100, 102, 101, 103]), [Dividend(ex_date, D("1.5"))])
    # One share becomes 1 + 1.5 / 101 shares at the close of the ex-date.
    shares = 1 + 1.5 / 101
    assert total.level[-1] == pytest.approx(103 * shares / 100)
    assert total.level[-1] > 103 / 100


@pytest.mark.parametrize("ex_date", [date(2019, 3, 4), date(2019, 3, 1), date(2019, 3, 20)])
def test_a_dividend_before_or_on_the_first_day_or_after_the_last_is_not_received(ex_date: date) -> None:
    assert performance.total_return(bars([100, 102]), [Dividend(ex_date, D(1))]).level[-1] == pytest.approx(1.02)


def test_a_dividend_on_a_day_without_a_bar_counts_on_the_next() -> None:
    total = performance.total_return(bars([100, 102, 101, 103], frozenset({2})), [Dividend(date(2019, 3, 6), D("1.5"))])
    assert total.level[-1] == pytest.approx(1.02 * (103 + 1.5) / 102)


def test_the_same_generator_gives_the_same_intervals_and_another_one_others() -> None:
    own, market = example(120)
    first, again, other = (measured(track(own), fund(market), seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_an_interval_is_that_of_resampled_runs_of_days() -> None:
    """Drawn here one block after the other from the same starts, measured with plain sums, cut at the percentiles."""
    own, market = example(62)
    alone = measured(track(own), fund(market), seed=5).alone
    assert isinstance(alone, Alone)
    starts = np.random.default_rng(5).integers(0, 62, size=(2000, 13, 1))[:, :, 0]
    drawn = []
    for row in starts:
        picked = [own[(start + step) % 62] - RISK_FREE for start in row for step in range(5)][:62]
        drawn.append(fmean(picked) / stdev(picked) * sqrt(252))
    cut = quantiles(drawn, n=40, method="inclusive")
    assert (alone.sharpe.low, alone.sharpe.high) == pytest.approx((cut[0], cut[-1]), abs=1e-9)


def test_blocks_are_runs_of_days_and_every_day_is_drawn_as_often() -> None:
    rows = performance.blocks(62, 5, 4000, np.random.default_rng(3))
    assert rows.shape == (4000, 62)
    steps = np.diff(rows[:, :60].reshape(4000, 12, 5), axis=2) % 62
    assert set(np.unique(steps)) == {1}
    drawn = np.bincount(rows.ravel(), minlength=62) / 4000
    assert drawn.min() > 0.85
    assert drawn.max() < 1.15


def test_longer_blocks_widen_the_interval_of_returns_that_run() -> None:
    """Runs of good and of bad weeks: days drawn one by one would hide how uncertain the mean is."""
    own = [0.004 * sin(t / 6) + 0.001 * cos(5 * t) + 0.0005 for t in range(240)]
    narrow = measured(track(own), sampling=Sampling(block=1)).alone
    wide = measured(track(own), sampling=Sampling(block=10)).alone
    assert isinstance(narrow, Alone)
    assert isinstance(wide, Alone)
    assert width(wide) > 1.5 * width(narrow)


def width(alone: Alone) -> float:
    assert alone.sharpe.low is not None
    assert alone.sharpe.high is not None
    return alone.sharpe.high - alone.sharpe.low


def test_too_many_draws_without_a_number_leave_no_interval() -> None:
    """One day moved among seventy: more than a tenth of the resamples never draw it."""
    alone = measured(track([0.0] * 35 + [0.01] + [0.0] * 34, 0.0)).alone
    assert isinstance(alone, Alone)
    assert alone.sharpe.value is not None
    assert (alone.sharpe.low, alone.sharpe.high) == (None, None)


def test_win_rate_counts_what_made_money_after_fees() -> None:
    assert performance.win_rate([D(5), D(0), D(-3), D(1)]) == 0.5
    assert performance.win_rate([]) is None


@pytest.mark.parametrize(
    ("gross", "fees", "slippage", "drag"),
    [(1000, 30, 70, 0.1), (1000, 30, -10, 0.02), (0, 5, 5, None), (-50, 5, 5, None)],
)
def test_cost_drag_is_what_costs_took_of_the_gross_gain(
    gross: int, fees: int, slippage: int, drag: float | None
) -> None:
    assert performance.cost_drag(D(gross), D(fees), D(slippage)) == drag
