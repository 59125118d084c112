"""What the charts draw: plain columns of numbers with their titles. `bot.charts` turns them into PNG bytes."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.market import Dates, Floats


@dataclass(frozen=True, slots=True, eq=False)
class PayoffCurve:
    """Profit at expiry. `spots`: (n,) dollars of the underlying; `profits`: (n,) dollars in total, before fees."""

    title: str
    spots: Floats
    profits: Floats
    breakevens: tuple[float, ...]
    spot: float


@dataclass(frozen=True, slots=True, eq=False)
class IndexCurve:
    """The first equity as if it had been in `name` since. `days`: (m,) datetime64[D]; `value`: (m,) dollars."""

    name: str
    days: Dates
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """Equity in dollars at each session's close. `days`: (n,) datetime64[D], oldest first.

    `beside`: what the same dollars would be in an index, on days of its own; None where that is not known.
    """

    title: str
    days: Dates
    equity: Floats
    beside: IndexCurve | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PriceCurve:
    """Closing prices in dollars per share with the mark of today. `days`: (n,) datetime64[D], oldest first."""

    title: str
    days: Dates
    close: Floats
