"""How well something did: daily returns, what they are measured against, and what came of it. Reports of the desk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.model.market import Dates, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """The returns of an account or a strategy from close to close.

    Attributes:
        days: (n + 1,) the sessions whose closes are known, oldest first. returns: (n,) decimals; the first one leads
            from the first day to the second; NaN where there was nothing to make a return on.
        risk_free: (n,) what riskless money made over the same steps, decimals.
    """

    days: Dates
    returns: Floats
    risk_free: Floats

    def latest(self, count: int) -> Track:
        """The last `count` returns, or all there are."""
        first = max(len(self.returns) - count, 0)
        return Track(self.days[first:], self.returns[first:], self.risk_free[first:])


@dataclass(frozen=True, slots=True, eq=False)
class Benchmark:
    """A fund with its dividends reinvested. `days`: (m,) its sessions, oldest first; `level`: (m,) 1 at the first."""

    name: str
    days: Dates
    level: Floats


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number made of a sample, with the interval it lies in at the report's confidence.

    None: there is no such number (nothing ever moved), or no interval, where too many draws had no number.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class NotEnough:
    """Too few observations to say anything."""

    days: int
    needed: int

    def __str__(self) -> str:
        return f"not enough: {self.days} of {self.needed} days"


@dataclass(frozen=True, slots=True)
class Alone:
    """Returns by themselves; ratios annualised, the rest decimals of the whole time."""

    days: int
    cumulative: float
    drawdown: float
    positive: float
    sharpe: Estimate
    sortino: Estimate


@dataclass(frozen=True, slots=True)
class Beside:
    """Returns beside a benchmark over the days both have; `without` days had no benchmark and are left out.

    `cumulative` is of the returns, `benchmark` of the benchmark, both over those days; alpha is annualised.
    """

    days: int
    without: int
    cumulative: float
    benchmark: float
    beta: Estimate
    alpha: Estimate
    information: Estimate


@dataclass(frozen=True, slots=True)
class Measured:
    """A track alone, and beside every benchmark that is known, by name."""

    alone: Alone | NotEnough
    beside: tuple[tuple[str, Beside | NotEnough], ...]


Measure = Callable[[Track, Sequence[Benchmark], Any, np.random.Generator], Measured]


@dataclass(frozen=True, slots=True)
class Report:
    """A row of the catalogue that looks back instead of trading: it proposes nothing, so there is nothing to scan.

    Attributes:
        command: the chat command that shows it. params: the parameters in force.
        measure: (returns, benchmarks, params, generator) -> what they amount to.
    """

    name: str
    title: str
    command: str
    params: Any
    measure: Measure

    @property
    def words(self) -> str:
        """What is said to somebody who takes it for a strategy."""
        return f"{self.name} is a report: it trades and scans nothing. /{self.command} shows it."
