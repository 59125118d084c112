"""What past reports did to a price, what the options say the next one will do, and which sessions know of it; pure.

Every session here is one of the name's own daily bars, or of the coming sessions a strategy is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from engine.model.market import Bars, Chain, Contract, Earnings, MarketSnapshot, ReportTime
from engine.percent import as_percent
from engine.volatility import AT_THE_MONEY

ONE_REPORT = timedelta(days=45)
"""Days closer together than this are opinions about one report: companies report every quarter."""
NEARLY = 0.01
"""Dollars of slack of a first look at strikes in floats, before the few that are left are compared exactly."""
LONGEST_PAUSE = timedelta(days=5)
"""Between two sessions that follow each other, holidays included; a longer one is a hole in the bars."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What one report did: `move`, signed decimal, from the last close that did not know it to the first that did.

    `session` is the one of that later close.
    """

    report: Earnings
    session: date
    move: float


@dataclass(frozen=True, slots=True)
class PastReports:
    """The reactions to the latest reports, oldest first; `left_out` of them have none that can be told."""

    reactions: tuple[Reaction, ...] = ()
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.reactions)

    @property
    def moves(self) -> tuple[float, ...]:
        return tuple(reaction.move for reaction in self.reactions)

    @property
    def mean_move(self) -> float | None:
        """Mean of the absolute moves, decimal; None without any."""
        return fmean(abs(move) for move in self.moves) if self.reactions else None

    @property
    def words(self) -> str:
        """`14.00 % on average over 8 reports`, and how many were left out."""
        if self.mean_move is None:
            return "no past report whose move is known"
        also = f", {self.left_out} left out" if self.left_out else ""
        return f"{as_percent(self.mean_move, '.2')} on average over {len(self)} reports{also}"


def past(snapshot: MarketSnapshot, count: int) -> PastReports | None:
    """What the latest `count` reports did whose session is over; None where no source covers the name's reports.

    Left out are a report whose hour nobody told (the day before it and the day after it are both no answer), one whose
    day the sources do not agree on, and one beside a hole in the bars.
    """
    if snapshot.earnings is None:
        return None
    over = [group for group in _opinions(snapshot.earnings) if _is_over(group, snapshot)]
    latest = over[-count:]
    known = [_reaction(snapshot.bars, report) for group in latest if (report := _agreed(group)) is not None]
    reactions = tuple(reaction for reaction in known if reaction is not None)
    return PastReports(reactions, len(latest) - len(reactions))


def _opinions(reports: Iterable[Earnings]) -> list[tuple[Earnings, ...]]:
    """The reports with all days named for one of them together, oldest first."""
    groups: list[list[Earnings]] = []
    for report in sorted(reports, key=lambda each: each.day):
        if groups and report.day - groups[-1][-1].day < ONE_REPORT:
            groups[-1].append(report)
        else:
            groups.append([report])
    return [tuple(group) for group in groups]


def _agreed(opinions: tuple[Earnings, ...]) -> Earnings | None:
    """The one report they speak of: the only one named, or the only one that two sources agree on."""
    if len(opinions) == 1:
        return opinions[0]
    confirmed = [report for report in opinions if report.confirmed]
    return confirmed[0] if len(confirmed) == 1 else None


def _is_over(opinions: tuple[Earnings, ...], snapshot: MarketSnapshot) -> bool:
    """Whether the session that first knew it has ended, whichever of the days named was the right one."""
    bars, latest = snapshot.bars, opinions[-1]
    return latest.day < snapshot.today and _row(bars, latest) < len(bars)


def _row(bars: Bars, report: Earnings) -> int:
    """Where the bars have the session that first knows the report; their length where it is still to come.

    Before the open it is that day's session, or the next where there is none; else the one after the day.
    """
    side = "left" if report.when is ReportTime.BEFORE_OPEN else "right"
    return int(np.searchsorted(bars.day, np.datetime64(report.day, "D"), side=side))  # type: ignore[call-overload]


def _reaction(bars: Bars, report: Earnings) -> Reaction | None:
    row = _row(bars, report)
    if report.when is ReportTime.UNKNOWN or not 1 <= row < len(bars):
        return None
    before, session = bars.day[row - 1].astype(object), bars.day[row].astype(object)
    move = float(bars.close[row] / bars.close[row - 1] - 1)
    if session - before > LONGEST_PAUSE or session - report.day > LONGEST_PAUSE or not np.isfinite(move):
        return None
    return Reaction(report, session, move)


@dataclass(frozen=True, slots=True)
class Straddle:
    """The call and the put nearest the money of one expiry, bought together."""

    call: Contract
    put: Contract
    spot: Decimal

    @property
    def price(self) -> Decimal:
        """Both at the mid rounded to the cent, dollars a share."""
        return self.call.limit + self.put.limit

    @property
    def move(self) -> float:
        """The implied move: its price over the spot, decimal."""
        return float(self.price / self.spot)


def straddle(chain: Chain, expiry: date, spot: Decimal) -> Straddle | None:
    """The straddle at the strike nearest the spot (of equals the lower) of those with a two-sided call and put.

    None when there is none within 5 % of the spot: what is farther away is no straddle at the money.
    """
    near = np.abs(chain.strike - float(spot)) <= float(_reach(spot)) + NEARLY
    rows = np.flatnonzero(near & (chain.expiry == np.datetime64(expiry, "D")) & quoted(chain))
    listed = {(bool(chain.is_call[row]), Decimal(f"{chain.strike[row]:.4f}")): int(row) for row in rows}
    both = [
        strike
        for is_call, strike in listed
        if is_call and (False, strike) in listed and abs(strike - spot) <= _reach(spot)
    ]
    strike = min(both, key=lambda each: (abs(each - spot), each), default=None)
    if strike is None:
        return None
    return Straddle(chain.row(listed[True, strike]), chain.row(listed[False, strike]), spot)


def quoted(chain: Chain) -> NDArray[np.bool_]:
    """(n,) whether each row has a two-sided quote, as `Chain.contracts` asks."""
    return (chain.bid > 0) & (chain.ask >= chain.bid)


def _reach(spot: Decimal) -> Decimal:
    return spot * Decimal(str(AT_THE_MONEY))


def expiry_after(expiries: Iterable[date], report: Earnings) -> date | None:
    """The first expiry that still trades when the report is known; None when none of them does.

    What expires on the day of a report before the open knows it; on the day of any other it may not.
    """
    is_known = report.when is ReportTime.BEFORE_OPEN
    return min((day for day in expiries if day > report.day or (is_known and day == report.day)), default=None)


def session_after(sessions: Iterable[date], report: Earnings) -> date | None:
    """The first of `sessions` that trades knowing the report all day; None when it is later than all of them."""
    return expiry_after(sessions, report)


def session_before(sessions: Iterable[date], report: Earnings) -> date | None:
    """The last of `sessions` (today first) that surely trades without knowing the report; None when none does.

    After the close it is that day's own; else the one before the day.
    """
    is_own = report.when is ReportTime.AFTER_CLOSE
    return max((day for day in sessions if day < report.day or (is_own and day == report.day)), default=None)
