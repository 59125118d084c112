"""A provider on the panel: what is known of how it does, and so whether it is asked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sized
from datetime import datetime

from engine import meters
from engine.ages import age
from engine.data.breaker import LONGEST_WAIT, Breaker, Leave
from engine.data.budget import Urgency
from engine.data.lanes import Lane
from engine.data.providers.port import Offer, Provider
from engine.data.providers.trouble import NotEntitled, NotOffered, Refused, Throttled, Unauthorised
from engine.errors import DeskError, NotFound
from engine.model.market import Kind
from engine.ports import SourceState

Tick = Callable[[], float]

FAILURES = 3
"""In a row, of one question, until it is not asked for a while."""
FAILURES_IN_ALL = 5
"""In a row, of all questions, until the provider is left alone. More than FAILURES: one broken endpoint (news) must not
take away what works (quotes)."""
REFUSED_FOR = 3600.0
"""Seconds for which a question is not asked that the keys do not cover. One that was answered within that time stays:
some plans cover some tickers only."""
WINDOW = 60.0
"""Seconds over which wrong numbers are set against all that were given."""
WRONG_SHARE = 0.2
WRONG_LEAST = 3
"""From this share and count of wrong numbers on a provider counts as down. It is asked on: the numbers that are right
are needed, the wrong ones are left out one by one."""
WRONG_FOR = 300.0

WORDS = {
    Offer.QUOTES: "quotes",
    Offer.SESSIONS: "sessions",
    Offer.BARS: "daily bars",
    Offer.INTRADAY: "intraday bars",
    Offer.CHAIN: "option chains",
    Offer.OPTION_QUOTES: "option quotes",
    Offer.LISTINGS: "option contracts",
    Offer.PAST_LISTINGS: "expired option contracts",
    Offer.OPTION_BARS: "option bars",
    Offer.LEVELS: "index levels",
    Offer.REPORTS: "earnings",
    Offer.DIVIDENDS: "dividends",
    Offer.SPLITS: "splits",
    Offer.FUNDAMENTALS: "fundamentals",
    Offer.NEWS: "news",
    Offer.STATUSES: "halts",
    Offer.CURVE: "interest rates",
    Offer.SCREEN: "screens",
    Offer.ASSETS: "listed names",
}


class Seat:
    """One provider, its threads and its record. Safe to share between threads.

    `clock` tells aware UTC, `tick` gives seconds that only rise, `chance` a number from 0 to 1.
    """

    def __init__(
        self, provider: Provider, lane: Lane, clock: Callable[[], datetime], tick: Tick, chance: Callable[[], float]
    ) -> None:
        self.provider = provider
        self.lane = lane
        self._clock = clock
        self._tick = tick
        self._whole = Breaker(FAILURES_IN_ALL, tick, chance)
        self._each = {offer: Breaker(FAILURES, tick, chance) for offer in Offer}
        self._answered: dict[Offer, float] = {}
        self._refused_until: dict[Offer, float] = {}
        self._refusals: Counter[Offer] = Counter()
        self._troubles: dict[Offer | None, str] = {}
        self._answered_at: datetime | None = None
        self._dropped = 0
        self._was_up = True
        self._since: datetime | None = None
        self._recent = _Recent(tick)
        self._lock = threading.RLock()
        meters.UP.labels(self.name).set(1)

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def is_lying(self) -> bool:
        """Whether much of what it gave lately was wrong."""
        with self._lock:
            return self._recent.is_bad

    def kind(self, offer: Offer) -> Kind | None:
        """What kind of number it answers such a question with, None where it does not or the keys do not cover it."""
        with self._lock:
            is_refused = self._refused_until.get(offer, self._tick()) > self._tick()
        return None if is_refused else self.provider.offers.get(offer)

    def trouble(self, offer: Offer) -> str:
        """Why such a question was not answered the last time, "" where it was or none was asked."""
        with self._lock:
            latest = next(reversed(self._troubles.values()), "") if self._whole.is_open else ""
            return self._troubles.get(offer, latest)

    def begin(self, offer: Offer, urgency: Urgency, patience: float) -> tuple[Leave, str]:
        """Whether the question may be asked now, and a sentence if not; with leave, it counts as asked."""
        if self.lane.is_stuck(urgency):
            self._show()
            return Leave.NO, f"{self.name} hangs: nothing of it has come back yet."
        with self._lock:
            asked = (self._whole, self._each[offer])
            leaves = {breaker.leave() for breaker in asked}
            if Leave.NO not in leaves:
                for breaker in asked:
                    breaker.begin(patience)
                return Leave.PROBE if Leave.PROBE in leaves else Leave.YES, ""
            wait = max(breaker.wait for breaker in asked)
            why = self._troubles.get(offer) or next(iter(self._troubles.values()), "")
        when = f"is asked again in {age(wait)}" if wait >= 1 else "is being tried again"
        return Leave.NO, f"{self.name} {when}: {why}" if why else f"{self.name} {when}."

    def answered(self, offer: Offer, value: object) -> None:
        """It gave a good answer."""
        with self._lock:
            self._worked(offer)
            self._answered[offer] = self._tick()
            self._answered_at = self._clock()
            self._recent.given(len(value) if isinstance(value, Sized) else 1)
        self._show()

    def failed(self, offer: Offer, error: Exception) -> None:
        """It gave none; that it does not know a ticker is an answer all the same."""
        with self._lock:
            match error:
                case NotFound():
                    self._worked(offer)
                    return
                case NotEntitled():
                    self._refused(offer)
                    self._refusals[offer] += 1
                case Unauthorised():
                    self._whole.open(LONGEST_WAIT)
                case Throttled() | Refused() | NotOffered():
                    self._whole.neither()
                    self._each[offer].neither()
                case _:
                    self._whole.failed()
                    self._each[offer].failed()
            self._troubles.pop(offer, None)  # so that the latest trouble is the last one
            self._troubles[offer] = words_of(self.name, error)
        self._show()

    def dropped(self, count: int, words: str) -> None:
        """So many of its numbers were left out as wrong."""
        with self._lock:
            self._dropped += count
            self._recent.wrong(count)
            self._troubles[None] = words
        meters.DROPPED.labels(self.name).inc(count)
        self._show()

    def state(self) -> SourceState:
        """How it does, in words."""
        self._show()
        offers = {offer: kind for offer in Offer if (kind := self.kind(offer)) is not None}
        with self._lock:
            return SourceState(
                name=self.name,
                offers=tuple(f"{WORDS[offer]}: {kind}" for offer, kind in offers.items()),
                is_up=self._is_up(offers),
                trouble=next(reversed(self._troubles.values()), ""),
                answered_at=self._answered_at,
                budget="; ".join(map(str, self.provider.budgets)) or ", ".join(map(str, self.provider.allowances)),
                dropped=self._dropped,
                is_proven=self.provider.is_proven,
                since=self._since,
            )

    def _worked(self, offer: Offer) -> None:
        self._whole.worked()
        self._each[offer].worked()
        self._refusals[offer] = 0
        self._troubles.pop(offer, None)

    def _refused(self, offer: Offer) -> None:
        """It works, but the keys do not cover this."""
        self._whole.neither()
        self._each[offer].neither()
        now = self._tick()
        if now - self._answered.get(offer, float("-inf")) >= REFUSED_FOR:
            self._refused_until[offer] = now + REFUSED_FOR

    def _is_up(self, offers: Collection[Offer]) -> bool:
        opened = self._whole.is_open or any(self._each[offer].is_open for offer in offers)
        closed = any(self._refusals[offer] >= FAILURES for offer in offers)
        closed = closed or any(budget.is_paused for budget in self.provider.budgets)
        return not (opened or closed or self._recent.is_bad or self.lane.is_stuck(Urgency.SCAN)) and bool(offers)

    def _show(self) -> None:
        with self._lock:
            if not self._recent.is_told:
                self._troubles.pop(None, None)
            is_up = self._is_up([offer for offer in Offer if self.kind(offer) is not None])
            if is_up is not self._was_up:
                self._was_up, self._since = is_up, self._clock()
            meters.UP.labels(self.name).set(is_up)


def words_of(provider: str, error: Exception) -> str:
    """What went wrong, as a sentence; of a defect its name only, the log has the rest."""
    return str(error) if isinstance(error, DeskError) else f"{provider} broke on this ({type(error).__name__})."


class _Recent:
    """What was given and what of it was wrong in this minute, and whether that was too much."""

    def __init__(self, tick: Tick) -> None:
        self._tick = tick
        self._begun = tick()
        self._given = self._wrong = 0
        self._bad_until = self._told_until = float("-inf")

    @property
    def is_bad(self) -> bool:
        return self._tick() < self._bad_until

    @property
    def is_told(self) -> bool:
        """Whether something was wrong lately, however little."""
        return self._tick() < self._told_until

    def given(self, count: int) -> None:
        self._turn()
        self._given += count

    def wrong(self, count: int) -> None:
        self._turn()
        self._wrong += count
        self._told_until = self._tick() + WRONG_FOR
        if self._wrong >= max(WRONG_LEAST, WRONG_SHARE * self._given):
            self._bad_until = self._tick() + WRONG_FOR

    def _turn(self) -> None:
        if self._tick() - self._begun >= WINDOW:
            self._begun, self._given, self._wrong = self._tick(), 0, 0
