"""An empty chart of one theme, and what all charts put on it: words, marks, dates, the key below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.model.market import Dates, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES = (4.0, 3.6)
DPI = 200
POINTS = 72.0
"""Of an inch; one is about 1.15 CSS pixels on a phone."""
TITLE, LABEL, TICK = 9.5, 9.0, 8.5
"""Sizes of letters in points."""
TITLE_WIDTH, WORDS_WIDTH = 41, 53
"""Characters that fit on a line of the title and of the words below it."""
MOST_LINES = 2
"""Of the title and of the words below it."""
DIGIT = 0.64
"""How wide a digit is, of its size (DejaVu Sans)."""
BOLD = 1.1
"""How much wider bold letters are."""
LINE = 1.3
"""From one line of text to the next, of the size of its letters."""
EDGE = 7.0
"""Points around the chart."""
LEFT = 45.0
"""About how many the labels at the left take."""
GAP = 4.0
"""Points between a tick's label and the chart."""
APART = 0.17
"""Of the width: dates nearer to each other would touch."""
MOST_ROOM = 0.8
"""Of the time shown: no more is kept free for words."""
NARROW, BROAD = frozenset(" .,:;'|!()[]iIjl"), frozenset("−+±×=→←%MWmw")

DOTTED, DASHED, LONG, MIXED = (0, (1, 2)), (0, (4, 2)), (0, (7, 2)), (0, (5, 2, 1, 2))
"""How lines differ, whatever their colour."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme, hex. `gain` and `loss` are blue and orange: different in every kind of colour blindness."""

    paper: str
    ink: str
    soft: str
    grid: str
    line: str
    gain: str
    loss: str


LIGHT = Palette("#ffffff", "#15202b", "#4a5763", "#e3e8ed", "#1d4f91", "#3d7fc4", "#b5480a")
DARK = Palette("#141b23", "#e6edf3", "#a9b6c3", "#263340", "#8bbcf5", "#5b9be0", "#f2995c")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a line or an area of the chart is called in the key below it."""

    artist: Any
    words: str


@dataclass(frozen=True, slots=True)
class Canvas:
    """An empty chart of one theme. `key`: what its lines are called, drawn below it; `top`: points above it."""

    figure: Figure
    axes: Axes
    palette: Palette
    top: float
    key: list[Mark] = field(default_factory=list)

    def png(self) -> bytes:
        """The finished picture."""
        _draw_key(self)
        self._place()
        out = BytesIO()
        self.figure.savefig(out, format="png", metadata={"Software": None})
        return out.getvalue()

    def _place(self) -> None:
        """The axes where ticks, title and key leave room: a layout engine would draw everything twice for it."""
        width, height = (side * POINTS for side in INCHES)
        rows = [label for label in _shown(self.axes.yaxis) if label]
        left = EDGE + max((_wide(row, TICK) for row in rows), default=0.0) + GAP
        under = max((label.count("\n") + 1 for label in _shown(self.axes.xaxis) if label), default=0)
        below = EDGE + under * TICK * LINE + GAP + _key_height(self)
        self.axes.set_position(
            (left / width, below / height, (width - left - EDGE) / width, (height - self.top - below) / height)
        )


def canvas(title: str, dark: bool, told: str = "") -> Canvas:
    """An empty chart under its title; `told`: a sentence below the title."""
    # Heavy (a third of a second and 40 MB): loaded with the first picture, not with the bot.
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    palette = DARK if dark else LIGHT
    figure = Figure(figsize=INCHES, dpi=DPI, facecolor=palette.paper)
    top = EDGE
    for text, width, size, colour, weight in (
        (title, TITLE_WIDTH, TITLE, palette.ink, "bold"),
        (told, WORDS_WIDTH, TICK, palette.soft, "normal"),
    ):
        for row in lines_of(text, width):
            at = (EDGE / POINTS / INCHES[0], 1 - top / POINTS / INCHES[1])
            figure.text(*at, row, color=colour, fontsize=size, fontweight=weight, va="top", parse_math=False)
            top += size * LINE
    axes = figure.add_axes((0, 0, 1, 1), facecolor=palette.paper)
    axes.grid(color=palette.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=palette.soft, labelsize=TICK, length=0, pad=GAP)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(_number(axes.get_ylim)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(_number(axes.get_xlim)))
    for side in axes.spines.values():
        side.set_visible(False)
    return Canvas(figure, axes, palette, top + GAP)


def plain(text: str) -> str:
    """The text in letters that the font has: another one would be a box, and a warning.

    >>> plain("Δ 45 → 50 漢")
    'Δ 45 → 50 ?'
    """
    return "".join(sign if _is_drawn(sign) else "?" for sign in text)


def _is_drawn(sign: str) -> bool:
    return (" " <= sign < "\u0250" and sign != "\x7f") or sign in "−–—…·×≤≥→←↑↓±σΔ“”‘’"


def lines_of(text: str, width: int) -> list[str]:
    """The text in at most two lines, an ellipsis where it goes on.

    >>> lines_of("one two three four five", 9)
    ['one two', 'three …']
    """
    return wrap(plain(text), width, max_lines=MOST_LINES, placeholder=" …") if text else []


def note(spot: Canvas, at: Any, text: str, offset: tuple[float, float], align: tuple[str, str]) -> None:
    """Words beside a point, on a patch of paper so that no line runs through them."""
    spot.axes.annotate(
        plain(text), at, textcoords="offset points", xytext=offset, ha=align[0], va=align[1], zorder=6,
        color=spot.palette.ink, fontsize=LABEL, fontweight="bold", parse_math=False,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": spot.palette.paper, "edgecolor": "none", "alpha": 0.85},
    )  # fmt: skip


def shade(spot: Canvas, across: Any, low: Any, high: Any, where: Any) -> Any:
    """An area that tells of losses: hatched."""
    return spot.axes.fill_between(
        across, low, high, where=where, interpolate=True, facecolor="none", edgecolor=spot.palette.loss,
        hatch="////", alpha=0.6, lw=0,
    )  # fmt: skip


def name_ends(spot: Canvas, at: float, named: Sequence[tuple[float, str]], align: str) -> None:
    """Words beside heights of the chart, none over another; with an arrow where the height is out of sight.

    It comes last: the limits and the key decide how far apart the words have to be.
    """
    low, high = spot.axes.get_ylim()
    row = _height_of(spot, LABEL * 1.35)
    named = sorted(named)
    inside = [min(max(height, low), high) for height, _ in named]
    offset = (5 if align == "left" else -1, 0)
    for (height, text), shown in zip(named, spread(inside, row, low + row / 2, high - row / 2), strict=True):
        arrow = " ↑" if height > high else " ↓" if height < low else ""
        note(spot, (at, shown), text + arrow, offset, (align, "center"))


def dates(spot: Canvas, days: Dates, named: Iterable[str]) -> None:
    """At most four dates under the axis, the year where it changes, and room for the words that stand at the right."""
    across = numbers(days)
    first, last = float(across[0]), float(across[-1])
    span = max(last - first, 1.0)
    taken = max((BOLD * _wide(text, LABEL) for text in named), default=0.0) + 3 * GAP
    room = min(taken / (INCHES[0] * POINTS - LEFT - EDGE - taken), MOST_ROOM)
    spot.axes.set_xlim(first - 0.03 * span, last + room * span)
    chosen = _apart(across, np.unique(np.linspace(0, len(days) - 1, 4).astype(int)), APART * (1 + room) * span)
    ticks = [day.astype(object) for day in days[chosen]]
    years = [0, *(day.year for day in ticks)]
    labels = [
        f"{day.day} {day:%b}" + (f"\n{day.year}" if day.year != year else "")
        for day, year in zip(ticks, years, strict=False)
    ]
    spot.axes.set_xticks(across[chosen], labels)


def _apart(across: Floats, chosen: Iterable[int], least: float) -> list[int]:
    """Those of the chosen that are so far from the one before and from the last one; the first and the last stay."""
    rows = list(chosen)
    kept = rows[:1]
    for row in rows[1:-1]:
        if across[row] - across[kept[-1]] >= least and across[rows[-1]] - across[row] >= least:
            kept.append(row)
    return kept + rows[-1:] if len(rows) > 1 else kept


def numbers(days: Dates) -> Floats:
    """Days as numbers to draw along."""
    return days.astype("datetime64[D]").astype(np.float64)


def spread(wanted: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Heights for labels, at least so far apart and inside the bounds as far as that can be, each near its own.

    >>> spread([10.0, 10.2, 30.0], 2.0, 0.0, 40.0)
    [9.1, 11.1, 30.0]
    """
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    groups: list[tuple[list[int], float]] = []
    for place in order:
        groups.append(([place], wanted[place]))
        while len(groups) > 1 and _bottom(groups[-1], least) - _top(groups[-2], least) < least:
            members = groups[-2][0] + groups[-1][0]
            middle = sum(wanted[each] for each in members) / len(members)
            groups[-2:] = [(members, middle)]
        members, middle = groups[-1]
        half = (len(members) - 1) * least / 2
        groups[-1] = (members, max(min(middle, high - half), low + half))
    placed = [0.0] * len(wanted)
    for members, middle in groups:
        for step, place in enumerate(members):
            placed[place] = middle + (step - (len(members) - 1) / 2) * least
    return placed


def _bottom(group: tuple[list[int], float], least: float) -> float:
    return group[1] - (len(group[0]) - 1) * least / 2


def _top(group: tuple[list[int], float], least: float) -> float:
    return group[1] + (len(group[0]) - 1) * least / 2


def _height_of(spot: Canvas, points: float) -> float:
    """So many points as a height of the chart's own numbers; good once its limits are set."""
    low, high = spot.axes.get_ylim()
    return points * (high - low) / (INCHES[1] * POINTS - spot.top - EDGE - 2 * TICK * LINE - GAP - _key_height(spot))


def _key_height(spot: Canvas) -> float:
    return len(_key_rows(spot.key)) * LABEL * LINE + (GAP if spot.key else 0.0)


def _key_rows(key: Iterable[Mark]) -> list[list[Mark]]:
    """The names of the lines in rows that fit the width."""
    rows: list[list[Mark]] = []
    left = 0.0
    for mark in key:
        wide = _wide(mark.words, TICK) + SAMPLE + 3 * GAP
        if not rows or wide > left:
            rows.append([])
            left = INCHES[0] * POINTS - 2 * EDGE
        rows[-1].append(mark)
        left -= wide
    return rows


SAMPLE = 20.0
"""Points of a line that the key shows."""


def _draw_key(spot: Canvas) -> None:
    """The key: each line or area, and what it is called."""
    for number, row in enumerate(reversed(_key_rows(spot.key))):
        corner = (EDGE / POINTS / INCHES[0], (EDGE + number * LABEL * LINE) / POINTS / INCHES[1])
        spot.figure.legend(
            [mark.artist for mark in row], [plain(mark.words) for mark in row], loc="lower left", ncols=len(row),
            bbox_to_anchor=corner, frameon=False, fontsize=TICK, labelcolor=spot.palette.ink, borderpad=0.0,
            borderaxespad=0.0, handlelength=SAMPLE / TICK, handletextpad=0.4, columnspacing=1.0,
        )  # fmt: skip


def _wide(text: str, size: float) -> float:
    """About how wide the longest line of a text is, in points."""
    return max(sum(_ems(sign) for sign in row) for row in text.split("\n")) * size


def _ems(sign: str) -> float:
    """How wide one letter is, of its size (DejaVu Sans, rounded up)."""
    return 0.38 if sign in NARROW else 0.86 if sign in BROAD else DIGIT


def _shown(axis: Any) -> list[str]:
    """The labels of the ticks inside the limits."""
    low, high = sorted(axis.get_view_interval())
    ticks = axis.get_majorticklocs()
    labels = axis.get_major_formatter().format_ticks(ticks)
    return [label for tick, label in zip(ticks, labels, strict=True) if low <= tick <= high]


def _number(limits: Callable[[], tuple[float, float]]) -> Callable[[float, int], str]:
    """Dollars with a real minus sign; decimals only where neighbouring ticks need them."""

    def shown(value: float, position: int) -> str:
        del position
        low, high = limits()
        span = abs(high - low)
        digits = next((digits for digits, least in enumerate((8, 0.8, 0.08, 0.008)) if span >= least), 4)
        return signed(value, digits)

    return shown


def signed(value: float, digits: int = 0) -> str:
    """A number with a real minus sign, never a negative zero; large ones in thousands or millions.

    >>> signed(-1234.4), signed(-0.2), signed(12_345_678), signed(0.125, 2)
    ('−1,234', '0', '12.3M', '0.12')
    """
    if abs(value) >= 999_500:
        return f"{value / 1e6:,.1f}M".replace("-", "−")
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not float(text.replace(",", "")) else text.replace("-", "−")


def price(amount: float) -> str:
    """A price of a share as it is named on a chart: cents, finer below a dollar.

    >>> price(51.28672), price(0.00512), price(666_726.7)
    ('51.29', '0.0051', '666,726.70')
    """
    return f"{amount:,.2f}" if abs(amount) >= 1 else f"{amount:,.4f}"
