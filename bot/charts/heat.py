"""What the whole book makes at other prices and volatilities: a table of cells with the numbers in them."""

from __future__ import annotations

import numpy as np

from bot.charts.canvas import LABEL, Canvas, canvas, signed
from bot.curves import StressCurve

FAINT, STRONG = 0.10, 0.62
"""Opacity of the smallest and of the largest number's cell."""


def stress_png(curve: StressCurve, dark: bool) -> bytes:
    """A cell for each move of spot and volatility: gains plain, losses hatched, the largest loss framed."""
    spot = canvas(curve.title, dark, curve.told)
    axes = spot.axes
    rows, columns = curve.pnl.shape
    axes.grid(visible=False)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_xticks(np.arange(columns) + 0.5, [_volatility(float(each)) for each in curve.vols])
    axes.set_yticks(np.arange(rows) + 0.5, [_move(float(each)) for each in curve.spots])
    biggest = float(np.nanmax(np.abs(curve.pnl))) if np.isfinite(curve.pnl).any() else 1.0
    for row in range(rows):
        for column in range(columns):
            _draw_cell(spot, row, column, float(curve.pnl[row, column]), biggest or 1.0)
    if curve.worst is not None:
        row, column = curve.worst
        _frame(spot, row, column)
    return spot.png()


def _draw_cell(spot: Canvas, row: int, column: int, pnl: float, biggest: float) -> None:
    palette = spot.palette
    if not np.isnan(pnl):
        colour = palette.loss if pnl < 0 else palette.gain
        strength = FAINT + (STRONG - FAINT) * abs(pnl) / biggest
        spot.axes.fill((column, column + 1, column + 1, column), (row, row, row + 1, row + 1), color=colour, lw=0,
                       alpha=strength)  # fmt: skip
    spot.axes.text(
        column + 0.5, row + 0.5, "?" if np.isnan(pnl) else _gain(pnl), ha="center", va="center", color=palette.ink,
        fontsize=LABEL, fontweight="bold" if pnl < 0 else "normal",
    )  # fmt: skip


def _frame(spot: Canvas, row: int, column: int) -> None:
    across = (column, column + 1, column + 1, column, column)
    spot.axes.plot(across, (row, row, row + 1, row + 1, row), color=spot.palette.ink, linewidth=1.8, clip_on=False)


def _gain(pnl: float) -> str:
    """
    >>> _gain(1234.0), _gain(-1234.0), _gain(0.2)
    ('+1,234', '−1,234', '0')
    """
    text = signed(pnl)
    return f"+{text}" if pnl > 0 and text != "0" else text


def _move(fraction: float) -> str:
    return "spot now" if not fraction else f"{fraction * 100:+.3g} %".replace("-", "−")


def _volatility(fraction: float) -> str:
    return "vol now" if not fraction else f"vol {fraction * 100:+.3g} %".replace("-", "−")
