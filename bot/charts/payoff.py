"""Profit over the price of the underlying: at expiry and, by the model, today."""

from __future__ import annotations

import numpy as np

from bot import words
from bot.charts.canvas import DASHED, DOTTED, Canvas, Mark, canvas, note, shade
from bot.curves import PayoffCurve

EDGE = 0.2
"""The part of the width that a price takes."""


def payoff_png(curve: PayoffCurve, dark: bool) -> bytes:
    """Profit at expiry, loss hatched; today by the model, dashed; breakevens, the spot and one sigma named."""
    spot = canvas(curve.title, dark, curve.told)
    palette, axes = spot.palette, spot.axes
    low, high = float(curve.spots[0]), float(curve.spots[-1])
    axes.set_xlim(low, high)
    if curve.band is not None:
        band = axes.axvspan(max(curve.band.low, low), min(curve.band.high, high), color=palette.soft, alpha=0.16, lw=0)
        spot.key.append(Mark(band, curve.band.words))
    axes.fill_between(
        curve.spots,
        0.0,
        curve.profits,
        where=curve.profits >= 0,
        interpolate=True,
        color=palette.gain,
        alpha=0.25,
        lw=0,
    )
    shade(spot, curve.spots, 0.0, curve.profits, curve.profits <= 0)
    axes.axhline(0, color=palette.ink, linewidth=0.9)
    (line,) = axes.plot(curve.spots, curve.profits, color=palette.line, linewidth=2.0)
    spot.key.insert(0, Mark(line, curve.until))
    if curve.today is not None:
        (now,) = axes.plot(curve.spots, curve.today, color=palette.ink, linewidth=1.5, linestyle=DASHED)
        spot.key.insert(1, Mark(now, "today, by the model"))
    axes.set_ylim(*_heights(curve))
    _mark_spot(spot, curve.spot, f"{curve.spot_name} {words.level(curve.spot)}")
    _mark_breakevens(spot, curve)
    return spot.png()


def _heights(curve: PayoffCurve) -> tuple[float, float]:
    """From the lowest to the highest profit with zero among them, and room for words above and below."""
    shown = curve.profits if curve.today is None else np.concatenate((curve.profits, curve.today))
    low, high = min(float(shown.min()), 0.0), max(float(shown.max()), 0.0)
    span = (high - low) or 1.0
    return low - 0.12 * span, high + 0.24 * span


def _mark_spot(spot: Canvas, price: float, text: str) -> None:
    """Where the underlying is; at the edge with an arrow where that is out of sight."""
    low, high = spot.axes.get_xlim()
    if low <= price <= high:
        spot.axes.axvline(price, color=spot.palette.ink, linewidth=1.0, linestyle=DOTTED)
    shown = f"{text} →" if price > high else f"← {text}" if price < low else text
    at = min(max(price, low), high)
    side = "right" if (at - low) / (high - low) > 0.6 else "left"
    note(spot, (at, spot.axes.get_ylim()[1]), shown, (-4 if side == "right" else 4, -3), (side, "top"))


def _mark_breakevens(spot: Canvas, curve: PayoffCurve) -> None:
    """A dot and its price for each, over the loss side, where no line runs; where another one is near there, under the
    other side."""
    low, high = spot.axes.get_xlim()
    reach = EDGE * (high - low)
    shown = [level for level in curve.breakevens if low <= level <= high]
    for level in shown:
        spot.axes.plot([level], [0], marker="o", markersize=5, color=spot.palette.ink, zorder=5)
        is_left = _value_at(curve, level + reach / 10) > 0
        is_left = is_left if reach < level - low and reach < high - level else level - low > reach
        near = [other for other in shown if 0 < (level - other if is_left else other - level) < 2 * reach]
        is_under = bool(near)
        side = "right" if is_left is not is_under else "left"
        offset = (-5 if side == "right" else 5, -5 if is_under else 4)
        note(spot, (level, 0), words.level(level), offset, (side, "top" if is_under else "bottom"))


def _value_at(curve: PayoffCurve, price: float) -> float:
    return float(curve.profits[min(int(curve.spots.searchsorted(price)), len(curve.spots) - 1)])
