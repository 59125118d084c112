"""30-day implied volatility over its year, and where today's stands in it."""

from __future__ import annotations

import numpy as np

from bot.charts.canvas import DOTTED, Mark, canvas, dates, name_ends, numbers
from bot.curves import IvCurve
from engine.model.market import Floats

GAP_DAYS = 7
"""Days without a value across which no line is drawn."""


def iv_png(curve: IvCurve, dark: bool) -> bytes:
    """The volatility of each session in percent; what was reconstructed is dashed on hatched ground."""
    spot = canvas(curve.title, dark, curve.standing)
    palette, axes = spot.palette, spot.axes
    days, percent = numbers(curve.days), curve.iv * 100
    seen = _broken(days, np.where(curve.reconstructed, np.nan, percent))
    (line,) = axes.plot(*seen, color=palette.line, linewidth=1.6, marker="." if len(days) < 3 else "")
    spot.key.append(Mark(line, "from quotes"))
    if curve.reconstructed.any():
        made = _broken(days, np.where(curve.reconstructed, percent, np.nan))
        (other,) = axes.plot(*made, color=palette.ink, linewidth=1.3, linestyle=DOTTED)
        for start, end in _runs(days, curve.reconstructed):
            axes.axvspan(start, end, facecolor="none", edgecolor=palette.grid, hatch="////", lw=0, zorder=0)
        spot.key.append(Mark(other, "reconstructed from past trades"))
    dates(spot, curve.days, ("high 100.0 %",))
    axes.margins(y=0.16)
    last, low, high = float(percent[-1]), float(percent.min()), float(percent.max())
    axes.plot(days[-1:], [last], marker="o", markersize=5, color=palette.line, zorder=5)
    for level in (low, high):
        axes.axhline(level, color=palette.soft, linewidth=0.9, linestyle=DOTTED)
    named = [(last, f"{'now' if curve.is_now else 'last'} {last:.1f} %")]
    named += [(level, f"{name} {level:.1f} %") for level, name in ((low, "low"), (high, "high")) if level != last]
    name_ends(spot, axes.get_xlim()[1], named, "right")
    return spot.png()


def _broken(days: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The line with a break where sessions are missing."""
    gaps = np.flatnonzero(np.diff(days) > GAP_DAYS) + 1
    return np.insert(days, gaps, np.nan), np.insert(values, gaps, np.nan)


def _runs(days: Floats, chosen: np.typing.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """First and last day of each unbroken stretch of what is chosen."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], chosen, [False])).astype(int)))
    return [(float(days[start]), float(days[end - 1])) for start, end in edges.reshape(-1, 2)]
