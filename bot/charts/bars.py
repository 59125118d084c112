"""How full each limit is: a bar for each, as long as the share of it that is used."""

from __future__ import annotations

from bot.charts.canvas import DOTTED, LABEL, canvas, plain
from bot.curves import LimitBars

FEWEST = 5
"""Rows there is room for: fewer bars are no thicker."""
BEYOND = 1.3
"""A limit that is passed by more is drawn no longer: its number tells."""


def limits_png(curve: LimitBars, dark: bool) -> bytes:
    """A bar for each limit up to the line where it is full; those passed are hatched and say so."""
    spot = canvas(curve.title, dark, f"and {curve.left_out} more" if curve.left_out else "")
    palette, axes = spot.palette, spot.axes
    axes.set_xlim(0.0, BEYOND)
    axes.set_ylim(max(len(curve.bars), FEWEST), 0.0)
    axes.set_yticks([])
    axes.set_xticks([0.5, 1.0], ["half of the limit", "full"])
    axes.grid(visible=False)
    for row, bar in enumerate(curve.bars):
        long = min(max(bar.share, 0.0), BEYOND)
        if bar.is_passed:
            axes.barh(row + 0.74, long, height=0.32, facecolor="none", edgecolor=palette.loss, hatch="////")
        else:
            axes.barh(row + 0.74, long, height=0.32, color=palette.gain)
        for share, style in ((0.5, DOTTED), (1.0, "solid")):
            axes.plot((share, share), (row + 0.56, row + 0.94), color=palette.ink, linewidth=1.4, linestyle=style)
        mark = "! " if bar.is_passed else ""
        for at, text, align in ((0.0, mark + bar.name, "left"), (BEYOND, bar.words, "right")):
            axes.text(
                at, row + 0.5, plain(text), ha=align, va="bottom", color=palette.ink, fontsize=LABEL, parse_math=False,
                fontweight="bold" if bar.is_passed else "normal",
            )  # fmt: skip
    if not curve.bars:
        axes.text(0.0, 0.5, "Nothing is used.", color=palette.ink, fontsize=LABEL)
    return spot.png()
