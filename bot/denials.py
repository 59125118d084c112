"""How often people were turned away: each try counts, and the audit trail gets a line of it now and then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock

QUIET = timedelta(minutes=10)
"""After a line of the audit trail the same tries are only counted for so long."""
MOST = 1_000
"""Different tries that are counted apart; further ones are counted together."""
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Tries:
    """Tries of one identity at one thing: the last one's words, and how many no line tells of yet."""

    identity: str
    raw: str
    why: str
    times: int
    last: datetime
    written: datetime


class Denials:
    """Counts the tries since the desk was started; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[tuple[str, str], Tries] = {}

    def count(self, identity: str, what: str, raw: str, why: str, at: datetime) -> tuple[Tries, ...]:
        """Count one try of `identity` at `what`; returns what is to be written down now, with the tries it stands for.

        The first is written at once, later ones after `QUIET`, with the next try of anybody.
        """
        with self._lock:
            due = self._overdue(at)
            key = (identity, what)
            if key not in self._held and len(self._held) >= MOST:
                key = (OTHERS, "")
            known = self._held.get(key)
            tried = Tries(key[0], raw, why, 1, at, at)
            if known is not None:
                tried = replace(tried, times=known.times + 1, written=known.written)
                self._held[key] = tried
                return due
            self._held[key] = replace(tried, times=0)
            return (*due, tried)

    def _overdue(self, at: datetime) -> tuple[Tries, ...]:
        """Take out what has been quiet for long enough; what is still untold of it is to be written."""
        over = [key for key, tries in self._held.items() if abs(at - tries.written) >= QUIET]
        ended = [self._held.pop(key) for key in over]
        return tuple(tries for tries in ended if tries.times)

    def untold(self) -> tuple[Tries, ...]:
        """What was counted and no line of the audit trail tells of yet."""
        with self._lock:
            return tuple(tries for tries in self._held.values() if tries.times)
