"""Pictures: price, payoff and equity curves as PNG bytes, light or dark. The same curve gives the same bytes.

Drawn to be read on a phone: 800 × 560 pixels shown about 330 wide, so letters are large and few. Nothing is told by
colour alone: loss is hatched, breakevens, spot, first and last value are marked and named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from bot import words
from bot.curves import EquityCurve, IndexCurve, PayoffCurve, PriceCurve
from engine.model.market import Dates, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES = (4.0, 2.8)
DPI = 200
TITLE, LABEL, TICK = 9.5, 9.0, 8.5
"""Points; a point is about 1.15 CSS pixels on a phone."""
TITLE_WIDTH = 46
"""Characters of a title that fit on one line."""
EDGE = 0.18
"""The part of the width that a price takes."""
ROOM = 0.25
"""The part of the width kept free for the last value."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme, hex."""

    paper: str
    ink: str
    soft: str
    grid: str
    line: str
    gain: str
    loss: str


LIGHT = Palette("#ffffff", "#15202b", "#52606d", "#e3e8ed", "#1d4f91", "#12663f", "#ab2219")
DARK = Palette("#141b23", "#e6edf3", "#9dabb8", "#263340", "#8bbcf5", "#63cd9e", "#f68f86")


@dataclass(frozen=True, slots=True)
class Canvas:
    """An empty chart of one theme."""

    figure: Figure
    axes: Axes
    palette: Palette

    def png(self) -> bytes:
        out = BytesIO()
        self.figure.savefig(out, format="png", metadata={"Software": None})
        return out.getvalue()


def price_png(curve: PriceCurve, dark: bool) -> bytes:
    """Closing prices over time, the last one named."""
    canvas = _canvas(curve.title, dark)
    days = _numbers(curve.days)
    canvas.axes.plot(days, curve.close, color=canvas.palette.line, linewidth=1.6)
    _dates(canvas, curve.days)
    _mark_last(canvas, days[-1], float(curve.close[-1]), f"{float(curve.close[-1]):,.2f}")
    return canvas.png()


def equity_png(curve: EquityCurve, dark: bool) -> bytes:
    """Equity over time against where it started and an index beside it; below the start is loss, hatched."""
    canvas = _canvas(curve.title, dark)
    palette, axes = canvas.palette, canvas.axes
    days, start, last = _numbers(curve.days), float(curve.equity[0]), float(curve.equity[-1])
    _shade(canvas, days, curve.equity, start)
    axes.axhline(start, color=palette.ink, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.plot(days, curve.equity, color=palette.line, linewidth=1.8)
    _dates(canvas, curve.days)
    if curve.beside is not None:
        _draw_index(canvas, curve.beside, last)
    under = float(curve.equity[:3].mean()) > start
    _note(
        canvas, (days[0], start), f"from {start:,.0f}", (3, -4 if under else 4), ("left", "top" if under else "bottom")
    )
    _mark_last(canvas, days[-1], last, f"{last:,.0f}")
    return canvas.png()


def _draw_index(canvas: Canvas, index: IndexCurve, equity: float) -> None:
    """The index, dashed, its name at its end: clear of the last equity's, above or below it."""
    days, value = _numbers(index.days), float(index.value[-1])
    canvas.axes.plot(days, index.value, color=canvas.palette.soft, linewidth=1.3, linestyle=(0, (4, 2)))
    is_above = value >= equity
    _note(
        canvas,
        (days[-1], value),
        f"{index.name} {value:,.0f}",
        (5, 9 if is_above else -9),
        ("left", "bottom" if is_above else "top"),
    )


def payoff_png(curve: PayoffCurve, dark: bool) -> bytes:
    """Profit at expiry over the underlying: loss hatched, breakevens and the spot of now marked and named."""
    canvas = _canvas(curve.title, dark)
    palette, axes = canvas.palette, canvas.axes
    _shade(canvas, curve.spots, curve.profits, 0.0)
    axes.axhline(0, color=palette.ink, linewidth=0.9)
    axes.plot(curve.spots, curve.profits, color=palette.line, linewidth=2.0)
    axes.set_xlim(float(curve.spots[0]), float(curve.spots[-1]))
    axes.margins(y=0.18)
    axes.set_xlabel("Underlying at expiry", color=palette.soft, fontsize=TICK)
    axes.set_ylabel("Profit, dollars", color=palette.soft, fontsize=TICK)
    _mark_spot(canvas, curve.spot)
    _mark_breakevens(canvas, curve)
    return canvas.png()


def _mark_spot(canvas: Canvas, spot: float) -> None:
    low, high = canvas.axes.get_xlim()
    if not low <= spot <= high:
        return
    canvas.axes.axvline(spot, color=canvas.palette.ink, linewidth=1.0, linestyle=(0, (1, 2)))
    side = "right" if (spot - low) / (high - low) > 0.7 else "left"
    top = canvas.axes.get_ylim()[1]
    _note(canvas, (spot, top), f"now {spot:,.2f}", (-4 if side == "right" else 4, -3), (side, "top"))


def _mark_breakevens(canvas: Canvas, curve: PayoffCurve) -> None:
    """A dot and its price for each; the words stand over the loss side, where no line runs."""
    low, high = canvas.axes.get_xlim()
    span = high - low
    ends: list[float] = []
    for level in curve.breakevens:
        if not low <= level <= high:
            continue
        canvas.axes.plot([level], [0], marker="o", markersize=5, color=canvas.palette.ink, zorder=5)
        loss_is_left = _value_at(curve, level + span / 50) > 0
        side = "right" if loss_is_left else "left"
        side = "left" if (level - low) / span < EDGE else "right" if (high - level) / span < EDGE else side
        reach = (level - EDGE * span, level) if side == "right" else (level, level + EDGE * span)
        is_taken = any(reach[0] <= end <= reach[1] for end in ends)
        ends += reach
        _note(
            canvas,
            (level, 0),
            words.level(level),
            (-5 if side == "right" else 5, 18 if is_taken else 4),
            (side, "bottom"),
        )


def _value_at(curve: PayoffCurve, spot: float) -> float:
    return float(curve.profits[min(int(curve.spots.searchsorted(spot)), len(curve.spots) - 1)])


def _shade(canvas: Canvas, across: Any, values: Floats, level: float) -> None:
    """The area above `level` plain, the area below it hatched."""
    axes, palette = canvas.axes, canvas.palette
    axes.fill_between(
        across, level, values, where=values >= level, interpolate=True, color=palette.gain, alpha=0.2, lw=0
    )
    axes.fill_between(
        across, level, values, where=values <= level, interpolate=True, facecolor="none", edgecolor=palette.loss,
        hatch="////", alpha=0.55, lw=0,
    )  # fmt: skip


def _mark_last(canvas: Canvas, day: Any, value: float, text: str) -> None:
    """The last value, named to the right of the line."""
    canvas.axes.plot([day], [value], marker="o", markersize=5, color=canvas.palette.line, zorder=5)
    _note(canvas, (day, value), text, (5, 0), ("left", "center"))


def _note(canvas: Canvas, at: Any, text: str, offset: tuple[int, int], align: tuple[str, str]) -> None:
    """Words beside a point, on a patch of paper so that no line runs through them."""
    canvas.axes.annotate(
        text, at, textcoords="offset points", xytext=offset, ha=align[0], va=align[1], zorder=6,
        color=canvas.palette.ink, fontsize=LABEL, fontweight="bold",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": canvas.palette.paper, "edgecolor": "none", "alpha": 0.85},
    )  # fmt: skip


def _dates(canvas: Canvas, days: Dates) -> None:
    """At most four dates under the axis, the year where it changes, and room for the last value's name."""
    axes, across = canvas.axes, _numbers(days)
    first, last = float(across[0]), float(across[-1])
    span = max(last - first, 1.0)
    axes.set_xlim(first - 0.03 * span, last + ROOM * span)
    chosen = np.unique(np.linspace(0, len(days) - 1, 4).astype(int))
    ticks = [day.astype(object) for day in days[chosen]]
    years = [0, *(day.year for day in ticks)]
    labels = [
        f"{day.day} {day:%b}" + (f"\n{day.year}" if day.year != year else "")
        for day, year in zip(ticks, years, strict=False)
    ]
    axes.set_xticks(across[chosen], labels)
    axes.margins(y=0.16)


def _numbers(days: Dates) -> Floats:
    """Days as numbers to draw along."""
    return days.astype("datetime64[D]").astype(np.float64)


def _canvas(title: str, dark: bool) -> Canvas:
    # Heavy (a third of a second and 40 MB): loaded with the first picture, not with the bot.
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    palette = DARK if dark else LIGHT
    figure = Figure(figsize=INCHES, dpi=DPI, facecolor=palette.paper, layout="constrained")
    axes = figure.add_subplot(facecolor=palette.paper)
    axes.set_title(fill(title, TITLE_WIDTH), color=palette.ink, fontsize=TITLE, loc="left", fontweight="bold")
    axes.grid(color=palette.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=palette.soft, labelsize=TICK, length=0, pad=4)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick(axes)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    for side in axes.spines.values():
        side.set_visible(False)
    return Canvas(figure, axes, palette)


def _tick(axes: Axes) -> Callable[[float, int], str]:
    """Dollars with a real minus sign; decimals only where neighbouring ticks need them."""

    def shown(value: float, position: int) -> str:
        del position
        low, high = axes.get_ylim()
        digits = 0 if high - low >= 8 else 1 if high - low >= 0.8 else 2
        return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")

    return shown
