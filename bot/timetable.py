"""What happens when in one session, in exchange time: a pure list of moments for the day loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from engine.model.trade import Needs, Strategy
from engine.reckoning import AFTER_CLOSE
from engine.sessions import Sessions

FIRST_SCAN = "09:45"
SECOND_LOOK = timedelta(minutes=5)
LAST_ENTRY_EARLY = timedelta(minutes=90)
"""On a day that closes at 13:00 entries end at 11:30."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at the desk.

    Attributes:
        scans: strategies scanned now, in catalogue order. settles: account activities are read first.
        ends: the day is closed and the digest made.
    """

    at: datetime
    scans: tuple[str, ...] = ()
    settles: bool = False
    ends: bool = False


def timetable(
    sessions: Sessions, day: date, strategies: Mapping[str, Strategy], tick_minutes: int
) -> tuple[Moment, ...]:
    """The moments of `day`, oldest first: open, 09:35, every `tick_minutes`, scan times, close, digest.

    Strategies that are scanned all day are scanned no more often than the desk looks.
    """
    opens, closes = sessions.open(day), sessions.close(day)
    tick = timedelta(minutes=tick_minutes)
    looks = {opens, opens + SECOND_LOOK, closes, *_every(opens, closes, tick)}
    scans = {name: scan_times(sessions, day, strategy, tick) for name, strategy in strategies.items()}
    moments = [
        Moment(at, tuple(name for name in strategies if at in scans.get(name, ())), settles=at in (opens, closes))
        for at in sorted(looks.union(*scans.values()) if scans else looks)
    ]
    return (*moments, Moment(closes + AFTER_CLOSE, settles=True, ends=True))


def _every(start: datetime, end: datetime, step: timedelta) -> Iterable[datetime]:
    at = start + step
    while at < end:
        yield at
        at += step


def scan_times(
    sessions: Sessions, day: date, strategy: Strategy, least: timedelta = timedelta(0)
) -> frozenset[datetime]:
    """When `strategy` is scanned in the session of `day`: none of it after the day's last entry, nor outside the
    strategy's own hours.

    `least`: the shortest time between two scans of one that is scanned all day.
    """
    last = sessions.close(day) - (LAST_ENTRY_EARLY if sessions.is_early(day) else timedelta(0))
    times = (at for at in _scan_times(sessions, day, strategy.needs, least) if at < last)
    if strategy.hours is None:
        return frozenset(times)
    begins, ends = (sessions.at(day, clock) for clock in strategy.hours)
    return frozenset(at for at in times if begins <= at <= ends)


def _scan_times(sessions: Sessions, day: date, needs: Needs, least: timedelta) -> tuple[datetime, ...]:
    """The strategy's own times; 09:45 where it names none; and every `needs.every` seconds from 09:45 on."""
    first = sessions.at(day, FIRST_SCAN)
    fixed = tuple(sessions.at(day, clock) for clock in needs.times)
    if needs.every is None:
        return fixed or (first,)
    step = max(timedelta(seconds=needs.every), least)
    return (*fixed, first, *_every(first, sessions.close(day), step))
