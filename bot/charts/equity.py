"""Equity over time against an index, its drawdown hatched."""

from __future__ import annotations

from bot.charts.canvas import DASHED, DOTTED, Mark, canvas, dates, name_ends, numbers, shade, signed
from bot.curves import EquityCurve


def equity_png(curve: EquityCurve, dark: bool) -> bytes:
    """Equity at each close, what it lost from its peak hatched, and an index beside it, dashed."""
    spot = canvas(curve.title, dark, curve.told)
    palette, axes = spot.palette, spot.axes
    days, last = numbers(curve.days), float(curve.equity[-1])
    lost = shade(spot, days, curve.equity, curve.peak, curve.peak > curve.equity)
    axes.axhline(float(curve.equity[0]), color=palette.ink, linewidth=0.9, linestyle=DOTTED)
    (line,) = axes.plot(days, curve.equity, color=palette.line, linewidth=1.8)
    axes.plot(days[-1:], [last], marker="o", markersize=5, color=palette.line, zorder=5)
    digits = 0 if abs(last) >= 1000 else 2
    spot.key.append(Mark(line, f"equity, from {signed(float(curve.equity[0]), digits)}"))
    named = [(last, signed(last, digits))]
    if curve.beside is not None:
        value = curve.beside.value
        (other,) = axes.plot(numbers(curve.beside.days), value, color=palette.ink, linewidth=1.3, linestyle=DASHED)
        spot.key.append(Mark(other, f"the same in {curve.beside.name}"))
        fund = curve.beside.name.split()[0]
        named.append((float(value[-1]), f"{fund} {signed(float(value[-1]), digits)}"))
    if curve.drawdown < 0:
        spot.key.append(Mark(lost, "below its peak"))
    dates(spot, curve.days, [text for _, text in named])
    axes.margins(y=0.16)
    name_ends(spot, float(days[-1]), named, "left")
    return spot.png()
