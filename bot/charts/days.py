"""What each session made: a bar up or down, losses hatched, and the index over the same time in the words above."""

from __future__ import annotations

from bot.charts.canvas import LABEL, canvas, plain, signed
from bot.curves import FEW_DAYS, DayBars

MOST_DATES = 5
WHOLE = 10.0
"""Dollars from which a bar is named without cents."""


def days_png(curve: DayBars, dark: bool) -> bytes:
    """A bar for each session above or below the line of nothing made."""
    spot = canvas(curve.title, dark, curve.told)
    palette, axes = spot.palette, spot.axes
    count = len(curve.made)
    for row, made in enumerate(curve.made):
        if made < 0:
            axes.bar(row, made, width=0.7, facecolor="none", edgecolor=palette.loss, hatch="////")
        else:
            axes.bar(row, made, width=0.7, color=palette.gain)
    axes.axhline(0.0, color=palette.ink, linewidth=0.9)
    axes.set_xlim(-0.7, max(count, 3) - 0.3)
    step = max(1, -(-count // MOST_DATES))
    ticks = list(range(0, count, step))
    axes.set_xticks(ticks, [f"{curve.days[row].day} {curve.days[row]:%b}" for row in ticks])
    axes.margins(y=0.2)
    for row in range(count) if count <= FEW_DAYS else {curve.best, curve.worst}:
        made = curve.made[row]
        axes.annotate(
            plain(_named(made)), (row, made), textcoords="offset points",
            xytext=(0, 3 if made >= 0 else -3), ha="center", va="bottom" if made >= 0 else "top", color=palette.ink,
            fontsize=LABEL, fontweight="bold", parse_math=False,
        )  # fmt: skip
    return spot.png()


def _named(made: float) -> str:
    """
    >>> _named(126.2), _named(-0.5), _named(0.0)
    ('+126', '−0.50', '0')
    """
    digits = 0 if not made or abs(made) >= WHOLE else 2
    return ("+" if made > 0 else "") + signed(made, digits)
