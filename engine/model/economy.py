"""The days on which the economy is told about: what moves the whole market at a known hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

LONGEST_GAP = timedelta(days=63)
"""Two listed days further apart leave one out: the Committee meets every six to eight weeks (federalreserve.gov,
"FOMC calendars"), prices and payrolls are published every month (bls.gov, "Schedule of Releases")."""


class Release(StrEnum):
    FOMC = "FOMC decision"
    CPI = "consumer prices"
    PAYROLLS = "payrolls"


@dataclass(frozen=True, slots=True)
class Economy:
    """`[events]`: days on which the economy is told about, by kind; each list covers the time up to its last day."""

    fomc: tuple[date, ...] = ()
    """Days on which the Federal Open Market Committee announces its decision (the second of a meeting)."""
    cpi: tuple[date, ...] = ()
    """Days on which the Consumer Price Index is published."""
    payrolls: tuple[date, ...] = ()
    """Days on which the Employment Situation is published."""

    def on(self, day: date) -> tuple[Release, ...] | None:
        """What is told on `day`; None where that is not known for every kind.

        A list knows the days up to its last one, and none further than nine weeks before a listed one: there a
        release must be missing from it.

        >>> Economy((date(2026, 12, 9),), (date(2026, 12, 10),), (date(2026, 12, 4),)).on(date(2026, 12, 4))
        (<Release.PAYROLLS: 'payrolls'>,)
        """
        told = tuple(release for release, days in self._lists if day in days)
        return told if all(_covers(days, day) for _, days in self._lists) else None

    def missing(self, day: date) -> tuple[Release, ...]:
        """The kinds whose list says nothing about `day`."""
        return tuple(release for release, days in self._lists if not _covers(days, day))

    @property
    def _lists(self) -> tuple[tuple[Release, tuple[date, ...]], ...]:
        return ((Release.FOMC, self.fomc), (Release.CPI, self.cpi), (Release.PAYROLLS, self.payrolls))


def _covers(days: tuple[date, ...], day: date) -> bool:
    """Whether the next listed day is near enough for none to be missing before it."""
    return any(day <= listed <= day + LONGEST_GAP for listed in days)
