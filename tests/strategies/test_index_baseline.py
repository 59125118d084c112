"""The report as the catalogue has it: the worked example, and what each of its parameters does."""

from dataclasses import replace
from datetime import date, timedelta
from math import cos, sin, sqrt
from statistics import fmean, quantiles, stdev

import numpy as np
import pytest

from engine.model.market import Dates
from engine.model.reports import Alone, Benchmark, Beside, Measured, NotEnough, Track
from strategies.index_baseline import REPORT, Params

RISK_FREE = 0.04 / 252


def sessions(count: int) -> Dates:
    return np.array([date(2019, 3, 4) + timedelta(days=number) for number in range(count)], dtype="datetime64[D]")


def returns(days: int) -> tuple[list[float], list[float]]:
    market = [0.0004 + 0.010 * sin(1.3 * t) for t in range(1, days + 1)]
    return [0.0002 + 0.6 * m + 0.003 * cos(0.7 * t) for t, m in enumerate(market, start=1)], market


def measured(days: int, params: Params | None = None, seed: int = 5) -> Measured:
    """The worked example, of so many days."""
    own, market = returns(days)
    fund = Benchmark("SPY", sessions(days + 1), np.cumprod([1.0, *(1 + each for each in market)]))
    track = Track(sessions(days + 1), np.array(own), np.full(days, RISK_FREE))
    return REPORT.measure(track, (fund,), params or Params(), np.random.default_rng(seed))


def alone(found: Measured) -> Alone:
    assert isinstance(found.alone, Alone)
    return found.alone


def test_the_worked_example() -> None:
    found = measured(60)
    both = found.beside[0][1]
    assert isinstance(both, Beside)
    numbers = (both.beta.value, both.alpha.value, alone(found).sharpe.value, alone(found).sortino.value,
               alone(found).drawdown, both.information.value, alone(found).cumulative, both.benchmark,
               alone(found).positive, alone(found).days)  # fmt: skip
    told = (0.6088, 0.0087, 1.0857, 1.6337, -0.0148, -0.7062, 0.0291, 0.0380, 0.5500, 60)
    assert numbers == pytest.approx(told, abs=5.0001e-5)


def test_fifty_nine_days_are_not_enough() -> None:
    assert measured(59).alone == NotEnough(59, 60)


def test_it_looks_back_over_a_year_of_sessions() -> None:
    assert [alone(measured(days)).days for days in (251, 252, 253)] == [251, 252, 252]
    latest = returns(260)[0][-252:]
    assert alone(measured(260)).cumulative == pytest.approx(np.prod([1 + each for each in latest]) - 1)


def interval(block: int, draws: int, cuts: int) -> tuple[float, float]:
    """Sharpe's, resampled here: the ends of `cuts` parts of so many resamples of 62 days."""
    own = returns(62)[0]
    starts = np.random.default_rng(5).integers(0, 62, size=(draws, -(-62 // block), 1))[:, :, 0]
    drawn = []
    for row in starts:
        picked = [own[(start + step) % 62] - RISK_FREE for start in row for step in range(block)][:62]
        drawn.append(fmean(picked) / stdev(picked) * sqrt(252))
    cut = quantiles(drawn, n=cuts, method="inclusive")
    return cut[0], cut[-1]


def test_its_intervals_are_the_middle_95_percent_of_2000_resamples_in_blocks_of_five_days() -> None:
    sharpe = alone(measured(62)).sharpe
    assert (sharpe.low, sharpe.high) == pytest.approx(interval(5, 2000, 40), abs=1e-9)


def test_blocks_draws_and_confidence_are_its_parameters() -> None:
    sharpe = alone(measured(62, replace(Params(), block=7, draws=400, confidence=0.9))).sharpe
    assert (sharpe.low, sharpe.high) == pytest.approx(interval(7, 400, 20), abs=1e-9)
