"""What was asked a moment ago is not asked again: kept as long as its kind holds, asked for once for all who wait."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

from engine.data.budget import Urgency, urgency
from engine.data.providers.port import Offer
from engine.errors import DataUnavailable, DeskError, NotFound

T = TypeVar("T")

MINUTE, HOUR = 60.0, 3600.0
LIVES = {
    # An exit is judged every second, on quotes that may be a few seconds old at most.
    Offer.QUOTES: 1.0,
    Offer.OPTION_QUOTES: 1.0,
    # The day so far moves with every trade, but the rules on it speak of per cents.
    Offer.SESSIONS: 5.0,
    # VIX is published every 15 seconds, SPX every second; nothing is priced on them.
    Offer.LEVELS: 5.0,
    Offer.STATUSES: 15.0,
    # Thousands of contracts in several requests; what is picked from it is quoted anew before anything is sent.
    Offer.CHAIN: 45.0,
    # Completed sessions change with a new session only (its day belongs into the key), or by a provider's correction.
    Offer.BARS: 12 * HOUR,
    # Completed bars of today are joined by a new one; the sessions before it are kept (`live_intraday`).
    Offer.INTRADAY: 15 * MINUTE,
    Offer.OPTION_BARS: 12 * HOUR,
    # Open interest is counted once a day, contracts are listed overnight.
    Offer.LISTINGS: 6 * HOUR,
    Offer.PAST_LISTINGS: 12 * HOUR,
    # A company may move its report or declare a dividend during the day: seen before the next session at the latest.
    Offer.REPORTS: 6 * HOUR,
    Offer.DIVIDENDS: 6 * HOUR,
    Offer.SPLITS: 6 * HOUR,
    Offer.FUNDAMENTALS: 12 * HOUR,
    Offer.NEWS: 5 * MINUTE,
    # Published once a day.
    Offer.CURVE: 3 * HOUR,
    Offer.SCREEN: 15 * MINUTE,
    # Names are listed overnight.
    Offer.ASSETS: 12 * HOUR,
}
"""Seconds for which an answer is given again."""

ERROR_LIFE = 1.0
"""Seconds for which a failure is shared: long enough that a crowd asks once, too short for anybody to notice."""
UNKNOWN_LIFE = 10 * MINUTE
"""Most seconds for which a name stays unknown: a few questions a day must not go on a fund's sales."""
MOST = 4096
"""Answers kept; those used least lately go first."""


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """An answer and the seconds since it was asked for; `trouble` says why there is nothing newer."""

    value: T
    age: float
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What an asking brought, when it was asked and for whom."""

    at: float
    urgency: Urgency
    value: Any = None
    error: Exception | None = None


@dataclass(slots=True, eq=False)
class _Flight:
    """An asking under way."""

    urgency: Urgency
    landed: threading.Event = field(default_factory=threading.Event)
    brought: _Kept | None = None


Place = tuple[Offer, Hashable]


class Below(Protocol):
    """Where answers outlive the process."""

    def get(self, offer: Offer, key: Hashable) -> tuple[Any, float] | None:
        """An answer that may be given again, and the seconds since it was asked for."""

    def put(self, offer: Offer, key: Hashable, value: Any, age: float) -> None:
        """Keep an answer that was asked for so many seconds ago."""


class Cache:
    """Answers by question and key. Safe to share between threads.

    `tick` gives seconds that only rise; at most `size` answers are kept. What is not here is looked for in `below`.
    """

    def __init__(
        self, tick: Callable[[], float] = time.monotonic, size: int = MOST, below: Below | None = None
    ) -> None:
        self._tick = tick
        self._size = size
        self._below = below
        self._kept: OrderedDict[Place, _Kept] = OrderedDict()
        self._failed: OrderedDict[Place, _Kept] = OrderedDict()
        self._flights: dict[Place, _Flight] = {}
        self._lock = threading.Lock()

    def get(self, offer: Offer, key: Hashable, load: Callable[[], T]) -> T:
        """The answer to a question, asked for with `load` where there is none young enough.

        Raises:
            What `load` raised, to everybody who waited for it.
        """
        return self.held(offer, key, load).value

    def held(self, offer: Offer, key: Hashable, load: Callable[[], T], *, stale_ok: float = 0.0) -> Held[T]:
        """The same with its age; while there is trouble, an older answer of up to `stale_ok` seconds with its age.

        Raises:
            What `load` raised, where nothing old enough to be of use is kept.
        """
        place, mine = (offer, key), urgency()
        kept, flight, is_mine = self._look(place, mine)
        if flight is not None:
            kept = self._fly(place, flight, load) if is_mine else _landed(flight)
        if kept is None:
            raise DataUnavailable("Whoever asked for this first was stopped; try again.")
        if kept.error is None:
            return Held(cast(T, kept.value), self._tick() - kept.at)
        return cast(Held[T], self._older(place, kept.error, stale_ok))

    def _look(self, place: Place, mine: Urgency) -> tuple[_Kept | None, _Flight | None, bool]:
        """What is known, or the asking to wait for, or one that is mine to do.

        Nobody waits for somebody less urgent, whose turn under an allowance comes later, nor takes its refusal.
        """
        with self._lock:
            known = self._young(self._kept, place, LIVES[place[0]])
            failed = self._young(self._failed, place, LIVES[place[0]])
            if known is not None:
                return known, None, False
            if failed is not None and failed.urgency <= mine:
                return failed, None, False
            flight = self._flights.get(place)
            if flight is not None and flight.urgency <= mine:
                return None, flight, False
            self._flights[place] = mine_to_do = _Flight(mine)
            return None, mine_to_do, True

    def _young(self, among: OrderedDict[Place, _Kept], place: Place, life: float) -> _Kept | None:
        kept = among.get(place)
        if kept is None:
            return None
        if isinstance(kept.error, NotFound):
            life = min(life, UNKNOWN_LIFE)
        elif kept.error is not None:
            life = min(life, ERROR_LIFE)
        if self._tick() - kept.at >= life:
            return None
        among.move_to_end(place)
        return kept

    def _fly(self, place: Place, flight: _Flight, load: Callable[[], object]) -> _Kept:
        """Ask, and tell everybody who waits, whatever comes of it."""
        asked_at = self._tick()
        try:
            value, age = self._load(place, load)
            brought = flight.brought = _Kept(asked_at - age, flight.urgency, value)
        except DeskError as error:
            brought = flight.brought = _Kept(self._tick(), flight.urgency, error=error)
        finally:
            self._land(place, flight)
        return brought

    def _load(self, place: Place, load: Callable[[], object]) -> tuple[object, float]:
        """The answer from below with its age, or one that is asked for now and kept there."""
        found = None if self._below is None else self._below.get(*place)
        if found is not None:
            return found
        asked_at = self._tick()
        value = load()
        if self._below is not None:
            self._below.put(*place, value, self._tick() - asked_at)
        return value, 0.0

    def _land(self, place: Place, flight: _Flight) -> None:
        with self._lock:
            if flight.brought is not None:
                self._keep(place, flight.brought)
            if self._flights.get(place) is flight:
                del self._flights[place]
        flight.landed.set()

    def _keep(self, place: Place, brought: _Kept) -> None:
        among = self._kept if brought.error is None else self._failed
        known = among.get(place)
        if known is None or known.at <= brought.at:
            among[place] = brought
            among.move_to_end(place)
        while len(among) > self._size:
            among.popitem(last=False)

    def _older(self, place: Place, error: Exception, stale_ok: float) -> Held[Any]:
        with self._lock:
            kept = self._kept.get(place)
        age = float("inf") if kept is None else self._tick() - kept.at
        if kept is None or age > stale_ok:
            raise error
        return Held(kept.value, age, str(error))


def _landed(flight: _Flight) -> _Kept | None:
    flight.landed.wait()
    return flight.brought
