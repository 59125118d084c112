"""Pictures of risk: how full each limit is, and what everything held makes when prices and volatilities move."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from bot import charts, words
from bot.curves import LimitBar, LimitBars, StressCurve
from bot.message import Picture
from engine.risk import LimitUse
from engine.stress import StressGrid

MOST_BARS = 9
"""Limits that can be read one below the other on a phone."""


def limits_picture(uses: Iterable[LimitUse]) -> Picture:
    """The limits that something counts toward, the fullest first."""
    curve = limit_bars(uses)
    return Picture("limits.png", curve.alt, partial(charts.limits_png, curve))


def limit_bars(uses: Iterable[LimitUse]) -> LimitBars:
    """Those of which anything is used; limits on losses are among them once there is a loss."""
    bars = sorted((_bar(use) for use in uses if use.used > 0), key=lambda bar: -bar.share)
    return LimitBars("Limits in use", tuple(bars[:MOST_BARS]), max(len(bars) - MOST_BARS, 0))


def _bar(use: LimitUse) -> LimitBar:
    share = float(use.used / use.limit) if use.limit > 0 else float("inf")
    return LimitBar(use.name, f"{words.percent(use.used)} of {words.percent(use.limit)}", share, not use.holds)


def stress_picture(grid: StressGrid, days: int, when: str) -> Picture:
    """The scenarios of one day; `when` names it: "today", "in 7 days"."""
    curve = stress_curve(grid, days, when)
    return Picture(f"stress-{days}.png", curve.alt, partial(charts.stress_png, curve))


def stress_curve(grid: StressGrid, days: int, when: str) -> StressCurve:
    """The plane of the grid that is so many calendar days ahead."""
    plane = grid.pnl[:, :, list(grid.days).index(days)]
    return StressCurve(
        f"Everything held, {when}: profit and loss", grid.spots, grid.vols, plane, "Dollars against now."
    )
