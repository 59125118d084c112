"""Are we any good? The account and every strategy against index funds with their dividends reinvested. A report.

It looks back over the closes the desk has kept and proposes nothing. Alpha and beta are Jensen's of daily returns,
annualised by 252; every estimate has a block-bootstrap interval; with too few days it says so and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine import performance
from engine.model.reports import Benchmark, Measured, Report, Track
from strategies.params import check, number

NAME = "index_baseline"


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters of `[strategies.index_baseline]`."""

    sessions: int = number(252, 60, 504, "sessions looked back over")
    least: int = number(60, 20, 504, "days with a return below which nothing is said")
    block: int = number(5, 1, 60, "days that stay together in a resample")
    draws: int = number(2000, 200, 5000, "resamples of an interval")
    confidence: float = number(0.95, 0.5, 0.999, "confidence of the intervals")

    def __post_init__(self) -> None:
        check(self)


def measure(track: Track, benchmarks: Sequence[Benchmark], params: Params, generator: np.random.Generator) -> Measured:
    """What the latest `sessions` of a track amount to, alone and beside each benchmark."""
    sampling = performance.Sampling(params.least, params.block, params.draws, params.confidence)
    return performance.measured(track.latest(params.sessions), benchmarks, sampling, generator)


REPORT = Report(NAME, "Are we any good?", "baseline", Params(), measure)
