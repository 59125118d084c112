"""Pictures: price, payoff and equity curves as PNG bytes, light or dark. The same curve gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from bot.curves import EquityCurve, PayoffCurve, PriceCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme, hex."""

    paper: str
    ink: str
    grid: str
    line: str
    gain: str
    loss: str


LIGHT = Palette("#ffffff", "#1c2733", "#d9dfe5", "#1f5fa8", "#16794c", "#b3261e")
DARK = Palette("#12181f", "#dbe4ec", "#2c3844", "#7db4f0", "#5ec99a", "#f2857c")


def price_png(curve: PriceCurve, dark: bool) -> bytes:
    """Closing prices over time."""
    figure, axes, palette = _canvas(curve.title, dark)
    axes.plot(curve.days.astype(object), curve.close, color=palette.line, linewidth=1.6)
    return _png(figure)


def equity_png(curve: EquityCurve, dark: bool) -> bytes:
    """Equity over time; the area under the first value is the loss side."""
    figure, axes, palette = _canvas(curve.title, dark)
    days, start = curve.days.astype(object), float(curve.equity[0])
    axes.plot(days, curve.equity, color=palette.line, linewidth=1.6)
    axes.axhline(start, color=palette.ink, linewidth=0.8, linestyle=":")
    axes.fill_between(days, start, curve.equity, where=curve.equity >= start, color=palette.gain, alpha=0.18)
    axes.fill_between(days, start, curve.equity, where=curve.equity < start, color=palette.loss, alpha=0.18)
    return _png(figure)


def payoff_png(curve: PayoffCurve, dark: bool) -> bytes:
    """Profit at expiry over the underlying, breakevens and the spot marked."""
    figure, axes, palette = _canvas(curve.title, dark)
    axes.plot(curve.spots, curve.profits, color=palette.line, linewidth=1.8)
    axes.fill_between(curve.spots, 0, curve.profits, where=curve.profits >= 0, color=palette.gain, alpha=0.18)
    axes.fill_between(curve.spots, 0, curve.profits, where=curve.profits < 0, color=palette.loss, alpha=0.18)
    axes.axhline(0, color=palette.ink, linewidth=0.8)
    axes.axvline(curve.spot, color=palette.ink, linewidth=0.8, linestyle=":")
    for level in curve.breakevens:
        axes.plot([level], [0], marker="o", markersize=5, color=palette.ink)
        axes.annotate(f"{level:,.2f}", (level, 0), textcoords="offset points", xytext=(4, 6), color=palette.ink)
    axes.set_xlabel(f"Underlying at expiry, dollars (now {curve.spot:,.2f})", color=palette.ink)
    axes.set_ylabel("Profit, dollars", color=palette.ink)
    return _png(figure)


def _canvas(title: str, dark: bool) -> tuple[Figure, Axes, Palette]:
    # Heavy (a third of a second and 40 MB): loaded with the first picture, not with the bot.
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    palette = DARK if dark else LIGHT
    figure = Figure(figsize=(6.4, 3.6), dpi=125, facecolor=palette.paper, layout="constrained")
    axes = figure.add_subplot(facecolor=palette.paper)
    axes.set_title(title, color=palette.ink, fontsize=10, loc="left")
    axes.grid(color=palette.grid, linewidth=0.6)
    axes.tick_params(colors=palette.ink, labelsize=8)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    for side in axes.spines.values():
        side.set_color(palette.grid)
    return figure, axes, palette


def _png(figure: Figure) -> bytes:
    out = BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
