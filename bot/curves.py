"""What the charts draw: plain columns of numbers with their titles, and the same in words (`alt`).

`bot.charts` turns them into PNG bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from bot import words
from engine.model.market import Dates, Floats
from engine.percent import as_percent


def dollars(amount: float) -> str:
    """Whole dollars with their sign.

    >>> dollars(-1234.4), dollars(0.3), dollars(12)
    ('-1,234', '0', '+12')
    """
    return f"{amount:+,.0f}" if round(amount) else "0"


@dataclass(frozen=True, slots=True)
class Band:
    """Where the underlying is expected to be, one standard deviation either side, dollars; `words` say it and how."""

    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class PayoffCurve:
    """Profit over the underlying, dollars in total, before fees.

    Attributes:
        spots: (n,) dollars of the underlying. profits: (n,) at the time that `until` names.
        today: (n,) now by the model; None where there is none, and `told` says why.
        breakevens: of `profits`. spot: the underlying at the time that `spot_name` says.
        band: None where no volatility is known.
        told: most to lose and to make at any price, and what else has to be said.
    """

    title: str
    spots: Floats
    profits: Floats
    breakevens: tuple[float, ...]
    spot: float
    until: str = "at expiry"
    today: Floats | None = None
    band: Band | None = None
    told: str = ""
    spot_name: str = "now"

    @property
    def alt(self) -> str:
        """The numbers of the picture in words."""
        low, high = float(self.spots[0]), float(self.spots[-1])
        levels = " / ".join(map(words.level, self.breakevens)) or "none"
        parts = [
            f"Profit {self.until} for {low:,.2f} to {high:,.2f}: "
            f"{dollars(float(self.profits.min()))} to {dollars(float(self.profits.max()))} dollars",
            f"breakeven {levels}",
            f"{self.spot_name} {words.level(self.spot)}, {self.until} {dollars(self._at(self.profits, self.spot))}",
        ]
        if self.today is not None:
            parts.append(f"today by the model {dollars(self._at(self.today, self.spot))} there")
        if self.band is not None:
            ends = " and ".join(dollars(self._at(self.profits, edge)) for edge in (self.band.low, self.band.high))
            parts.append(f"{self.band.words}, where it makes {ends}")
        return "; ".join((*parts, self.told)).strip("; ")

    def _at(self, profits: Floats, price: float) -> float:
        return float(np.interp(price, self.spots, profits))


class LevelKind(StrEnum):
    """What a price of the underlying means to a trade: each has a line of its own kind."""

    STRIKE = "strike"
    BREAKEVEN = "breakeven"
    STOP = "stop"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Level:
    """A price of the underlying, dollars, and what it is called on the chart."""

    kind: LevelKind
    price: float
    words: str

    @property
    def told(self) -> str:
        """`strike 44 put sold`, `breakeven 42.97`."""
        return f"{self.kind} {self.words if self.kind is LevelKind.STRIKE else f'{self.price:,.2f}'}"


@dataclass(frozen=True, slots=True)
class Entry:
    """When a trade began, with the price of the underlying then."""

    day: date
    price: float
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class PriceCurve:
    """Daily bars in dollars per share with the day so far. `days`: (n,) datetime64[D], oldest first; prices (n,).

    `levels`, `entry`, `expiries`: what a trade has on it. `told`: its stop and target where they are prices of the
    option.
    """

    title: str
    days: Dates
    high: Floats
    low: Floats
    close: Floats
    levels: tuple[Level, ...] = ()
    entry: Entry | None = None
    expiries: tuple[date, ...] = ()
    told: str = ""

    @property
    def alt(self) -> str:
        """The numbers of the picture in words."""
        low, high, last = float(np.nanmin(self.low)), float(np.nanmax(self.high)), float(self.close[-1])
        parts = [
            f"{self.title}, {words.count(len(self.close), 'session')}: {low:,.2f} to {high:,.2f}, last {last:,.2f}",
            *((self.entry.words,) if self.entry is not None else ()),
            ", ".join(level.told for level in self.levels),
            ", ".join(f"expiry {words.day(day)}" for day in self.expiries),
            self.told,
        ]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, eq=False)
class IndexCurve:
    """The same money in `name` instead: `days`: (m,) datetime64[D]; `value`: (m,) dollars."""

    name: str
    days: Dates
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """Equity in dollars at each session's close. `days`: (n,) datetime64[D], oldest first.

    `peak`: (n,) dollars the account would have had without what it lost since its best day; deposits and withdrawals
    are no gain and no loss. `beside`: what the same money would be in an index; None where that is not known.
    """

    title: str
    days: Dates
    equity: Floats
    peak: Floats
    beside: IndexCurve | None = None

    @property
    def drawdown(self) -> float:
        """The largest fall from a peak, a negative fraction or 0."""
        return float((self.equity / self.peak - 1).min())

    @property
    def told(self) -> str:
        """The largest drawdown, and how deep the last one is."""
        now = float(self.equity[-1] / self.peak[-1] - 1)
        return f"Largest drawdown {_fall(self.drawdown)}, now {_fall(now)} below the peak"

    @property
    def alt(self) -> str:
        """The numbers of the picture in words."""
        first, last = f"{self.equity[0]:,.2f} on {self.days[0]}", f"{self.equity[-1]:,.2f} on {self.days[-1]}"
        beside = "" if self.beside is None else f"; the same in {self.beside.name}: {self.beside.value[-1]:,.2f}"
        return f"Equity from {first} to {last}{beside}. {self.told}"


FEW_DAYS = 6
"""So many sessions are told one by one; of more, the best and the worst."""


@dataclass(frozen=True, slots=True)
class DayBars:
    """What each session made, dollars, oldest first. `told`: the sentence below the title."""

    title: str
    days: tuple[date, ...]
    made: tuple[float, ...]
    told: str = ""

    @property
    def best(self) -> int:
        """The row of the session that made most."""
        return max(range(len(self.made)), key=lambda row: self.made[row])

    @property
    def worst(self) -> int:
        """The row of the session that made least."""
        return min(range(len(self.made)), key=lambda row: self.made[row])

    @property
    def alt(self) -> str:
        """The numbers of the picture in words."""
        few = len(self.made) <= FEW_DAYS
        rows = range(len(self.made)) if few else (self.best, self.worst)
        each = "; ".join(
            f"{self.days[row]:%a} {self.days[row].day} {self.days[row]:%b} {self.made[row]:+,.2f}" for row in rows
        )
        return f"{self.title}, {'each session' if few else 'best and worst session'}: {each}. {self.told}".strip()


def _fall(fraction: float) -> str:
    """
    >>> _fall(-0.0312), _fall(-0.0)
    ('3.1 %', '0.0 %')
    """
    return f"{abs(fraction) * 100:.1f} %"


@dataclass(frozen=True, slots=True)
class LimitBar:
    """One limit: what is used of it, both as they are shown, and the share that is."""

    name: str
    words: str
    share: float
    is_passed: bool


@dataclass(frozen=True, slots=True)
class LimitBars:
    """How full each limit is, the fullest first. `left_out`: how many of them are not among the bars."""

    title: str
    bars: tuple[LimitBar, ...]
    left_out: int = 0

    @property
    def alt(self) -> str:
        """The numbers of the picture in words."""
        told = "; ".join(f"{bar.name} {bar.words}{' (passed)' if bar.is_passed else ''}" for bar in self.bars)
        more = f"; {self.left_out} more" if self.left_out else ""
        return f"{self.title}: {told or 'nothing is used'}{more}"


@dataclass(frozen=True, slots=True, eq=False)
class StressCurve:
    """Profit and loss of the whole book at other prices and volatilities, dollars.

    `spots`: (n,) moves as decimals. `vols`: (m,) relative moves of volatility, decimals. `pnl`: (n, m); NaN is unknown.
    """

    title: str
    spots: Floats
    vols: Floats
    pnl: Floats
    told: str = ""

    @property
    def worst(self) -> tuple[int, int] | None:
        """Row and column of the largest loss; None where nothing is lost."""
        if not np.isfinite(self.pnl).any() or float(np.nanmin(self.pnl)) >= 0:
            return None
        row, column = np.unravel_index(int(np.nanargmin(self.pnl)), self.pnl.shape)
        return int(row), int(column)

    @property
    def alt(self) -> str:
        """The numbers of the picture in words: a line for each move of the spot."""
        head = f"{self.title}; volatility {', '.join(as_percent(each, '+.0') for each in self.vols)}"
        rows = (
            f"{as_percent(move, '+.0')}: "
            f"{', '.join('unknown' if np.isnan(each) else dollars(float(each)) for each in row)}"
            for move, row in zip(self.spots, self.pnl, strict=True)
        )
        worst = self.worst
        most = "" if worst is None else f". Largest loss {dollars(float(self.pnl[worst]))}"
        return f"{head}. {'; '.join(rows)}{most}. {self.told}".strip()


@dataclass(frozen=True, slots=True, eq=False)
class IvCurve:
    """30-day implied volatility of past sessions with the one of now, annualised decimals; `days` oldest first.

    `reconstructed`: (n,) whether it was computed from past trades. `standing`: rank and percentile in words, or that
    there are too few sessions. `is_now`: whether the last one is of now, and not of an earlier session.
    """

    title: str
    days: Dates
    iv: Floats
    reconstructed: np.typing.NDArray[np.bool_]
    standing: str
    is_now: bool = True

    @property
    def alt(self) -> str:
        """The numbers of the picture in words."""
        low, high, last = (words.percent(float(each)) for each in (self.iv.min(), self.iv.max(), self.iv[-1]))
        made = int(self.reconstructed.sum())
        origin = f"; {words.count(made, 'session')} reconstructed from past trades" if made else ""
        seen = f"{low} to {high} in {words.count(len(self.iv), 'session')}"
        return f"{self.title}: {seen}, {'now' if self.is_now else 'last'} {last}; {self.standing}{origin}"
