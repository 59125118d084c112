"""The price of a share over time, with what a trade has on it: entry, strikes, breakevens, stop, target, expiry."""

from __future__ import annotations

from datetime import date

import numpy as np

from bot.charts.canvas import DASHED, DOTTED, LONG, MIXED, Canvas, Mark, canvas, dates, name_ends, numbers, price
from bot.curves import Entry, LevelKind, PriceCurve

MOST_BARS = 130
"""Sessions that can be told apart as bars; more are a line through the closes."""
STYLES = {
    LevelKind.STRIKE: (MIXED, 1.2),
    LevelKind.BREAKEVEN: (DOTTED, 1.6),
    LevelKind.STOP: (DASHED, 1.6),
    LevelKind.TARGET: (LONG, 1.6),
}
FAR, NEAR = 0.75, 0.15
"""A level further away than this part of the range of prices, and of the price, is named at the edge."""
AHEAD = 0.8
"""Of the time shown: an expiry further ahead than this is named at the edge."""
TICK_LONG = 0.015
"""Of the time shown: the tick of a close is no longer."""


def price_png(curve: PriceCurve, dark: bool) -> bytes:
    """Bars, the last price named; a trade's levels as lines of their own kinds, its entry and expiry marked."""
    spot = canvas(curve.title, dark, curve.told)
    across = numbers(curve.days)
    _draw_bars(spot, curve)
    ends = _ends(curve)
    shown = np.append(curve.days, np.array(ends, dtype="datetime64[D]"))
    last = float(curve.close[-1])
    now = f"now {price(last)}" if curve.levels else price(last)
    dates(spot, np.unique(shown), (now, *(f"{level.words} ↓" for level in curve.levels)))
    if ends:
        _mark_expiries(spot, curve, ends)
    if curve.entry is not None:
        _mark_entry(spot, curve.entry)
    spot.axes.plot(across[-1:], [last], marker="o", markersize=4, color=spot.palette.line, zorder=5)
    if curve.levels:
        _mark_levels(spot, curve, (last, now))
    else:
        spot.axes.margins(y=0.16)
        name_ends(spot, float(across[-1]), [(last, now)], "left")
    return spot.png()


def _draw_bars(spot: Canvas, curve: PriceCurve) -> None:
    """From low to high with a tick at the close; many of them as a line."""
    across, palette = numbers(curve.days), spot.palette
    if len(across) > MOST_BARS or len(across) == 1:
        spot.axes.plot(across, curve.close, color=palette.line, linewidth=1.6)
        return
    width = max(0.5, 260 / len(across) / 2.6)
    spot.axes.vlines(across, curve.low, curve.high, color=palette.line, linewidth=min(width, 2.4))
    spot.axes.hlines(
        curve.close,
        across,
        across + min(0.42, TICK_LONG * float(across[-1] - across[0])),
        color=palette.line,
        linewidth=min(width, 2.0),
    )


def _ends(curve: PriceCurve) -> list[date]:
    """The expiries that are near enough to be drawn."""
    first, last = (day.astype(object) for day in (curve.days[0], curve.days[-1]))
    reach = max(AHEAD * (last - first).days, 20)
    return [day for day in curve.expiries if 0 <= (day - last).days <= reach]


def _mark_expiries(spot: Canvas, curve: PriceCurve, ends: list[date]) -> None:
    for day in ends:
        at = float(np.datetime64(day, "D").astype("int64"))
        line = spot.axes.axvline(at, color=spot.palette.soft, linewidth=1.2, linestyle=DASHED)
    spot.key.append(Mark(line, "expiry"))


def _mark_levels(spot: Canvas, curve: PriceCurve, now: tuple[float, str]) -> None:
    """Lines across, each named at the right; what is far away stands at the edge with an arrow."""
    last, _ = now
    low, high = float(np.nanmin(curve.low)), float(np.nanmax(curve.high))
    span = (high - low) or abs(last) * 0.1 or 1.0
    reach = max(FAR * span, NEAR * last)
    near = [level for level in curve.levels if low - reach <= level.price <= high + reach]
    low, high = min([low, *(x.price for x in near)]), max([high, *(x.price for x in near)])
    span = high - low or span
    spot.axes.set_ylim(low - 0.1 * span, high + 0.1 * span)
    for level in near:
        style, width = STYLES[level.kind]
        spot.axes.axhline(level.price, color=spot.palette.ink, linewidth=width, linestyle=style)
    named = [now, *((level.price, level.words) for level in curve.levels)]
    name_ends(spot, spot.axes.get_xlim()[1], named, "right")


def _mark_entry(spot: Canvas, entry: Entry) -> None:
    """When and at which price of the share the trade began."""
    at = float(np.datetime64(entry.day, "D").astype("int64"))
    low, high = spot.axes.get_xlim()
    if not low <= at <= high:
        return
    (mark,) = spot.axes.plot(
        [at], [entry.price], marker="^", markersize=8, color=spot.palette.paper, markeredgecolor=spot.palette.ink,
        markeredgewidth=1.6, linestyle="none", zorder=7,
    )  # fmt: skip
    spot.key.insert(0, Mark(mark, entry.words))
