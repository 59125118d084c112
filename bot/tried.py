"""Who was turned away lately: from the audit trail and from what is counted and not written there yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.denials import Tries
from engine.model.events import EventKind
from engine.store import UnitOfWork

LATELY = timedelta(days=7)
MOST_LINES = 500


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """One identity that was turned away, how often within a week and when last."""

    identity: str
    times: int
    last: datetime


def tried(work: UnitOfWork, untold: Iterable[Tries], now: datetime) -> tuple[TurnedAway, ...]:
    """Everybody who was turned away within a week, the latest first."""
    lines = work.newest_events([EventKind.DENIED], MOST_LINES)
    told = [(e.subject, int(str(e.data.get("times", 1))), e.at) for e in lines if now - e.at <= LATELY]
    told += [(tries.identity, tries.times, tries.last) for tries in untold]
    found: dict[str, TurnedAway] = {}
    for identity, times, at in told:
        known = found.get(identity, TurnedAway(identity, 0, at))
        found[identity] = TurnedAway(identity, known.times + times, max(known.last, at))
    return tuple(sorted(found.values(), key=lambda each: each.last, reverse=True))
