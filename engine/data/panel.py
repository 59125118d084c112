"""All providers of data at one table: asked together or one after the other, within a time, none waited for in vain.

What an answer is worth is not decided here (`best`); who may be asked, how long for and how each one does, is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar, cast

import numpy as np

from engine import meters
from engine.data.breaker import Leave
from engine.data.budget import Urgency, asking
from engine.data.lanes import Call, Lane
from engine.data.providers.port import Offer, Provider
from engine.data.providers.trouble import Unreachable
from engine.data.seat import WORDS, Seat, words_of
from engine.errors import DataUnavailable, NotFound
from engine.model.market import Kind
from engine.ports import SourceState

T = TypeVar("T")

ENTITLEMENT = (
    Kind.REAL,
    Kind.RECORDED,
    Kind.INDICATIVE,
    Kind.DELAYED,
    Kind.RECONSTRUCTED,
    Kind.MODELLED,
    Kind.PROXY,
)
"""Kinds of numbers, the most trusted first."""

SHARE = 0.5
"""The part of the time that is left which a question put to one after the other gives to one before asking the next."""

A_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """One provider's answer."""

    provider: str
    kind: Kind
    value: T


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What all of them said.

    Attributes:
        given: in order of entitlement (REAL, then INDICATIVE, then DELAYED ...), ties in the panel's order.
        troubles: a sentence for each provider that offers it and did not answer well.
        unknown: the providers that do not know what was asked for (NotFound); that is no trouble.
    """

    given: tuple[Answer[T], ...]
    troubles: tuple[str, ...]
    unknown: tuple[str, ...] = ()


class Panel:
    """The providers, the most important first. Safe to share between threads.

    `clock` tells aware UTC, `tick` gives seconds that only rise; `rng` spreads the tries after failures.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        clock: Callable[[], datetime],
        *,
        tick: Callable[[], float] = time.monotonic,
        rng: np.random.Generator,
    ) -> None:
        self._tick = tick
        chance = _shared(rng)
        self._seats = tuple(Seat(each, Lane(each.name), clock, tick, chance) for each in providers)

    def offers(self, offer: Offer) -> bool:
        """Whether anybody answers such questions under the keys there are."""
        return any(seat.kind(offer) is not None for seat in self._seats)

    def named(self, offer: Offer, kinds: Collection[Kind]) -> frozenset[str]:
        """Who answers such questions with numbers of one of these kinds."""
        return frozenset(seat.name for seat in self._seats if seat.kind(offer) in kinds)

    def troubles(self, offer: Offer) -> tuple[str, ...]:
        """Why those who answer such questions did not the last time, one sentence each."""
        found = (seat.trouble(offer) for seat in self._seats if seat.kind(offer) is not None)
        return tuple(words for words in found if words)

    def ask(
        self,
        offer: Offer,
        call: Callable[[Provider], T],
        urgency: Urgency,
        *,
        deadline: float = 4.0,
        among: Collection[str] | None = None,
    ) -> Answers[T]:
        """Everybody's answer, of those who gave one within `deadline` seconds; only of those named by `among`.

        A provider that has been failing is tried again now and then; nobody waits for that one.
        """
        race = _Race(offer, call, urgency, deadline, self._tick)
        for seat, kind in self._entitled(offer, among):
            race.start(seat, kind)
        race.wait(race.has_all, race.left())
        return race.end()

    def first(
        self,
        offer: Offer,
        call: Callable[[Provider], T],
        urgency: Urgency,
        *,
        deadline: float = 8.0,
    ) -> Answer[T]:
        """The answer of the best entitled provider, of the next one when it is in trouble or keeps silent too long.

        Raises:
            NotFound: the best entitled one does not know what was asked for, and no other one does.
            DataUnavailable: nobody answered within `deadline` seconds; the message names each trouble.
        """
        race = _Race(offer, call, urgency, deadline, self._tick)
        for seat, kind in self._entitled(offer):
            if race.start(seat, kind) is Leave.YES:
                race.wait(race.is_settled, SHARE * race.left())
            if race.has_answer():
                break
        race.wait(race.is_settled, race.left())
        answers = race.end()
        if answers.given:
            return answers.given[0]
        unknown = race.not_found()
        if unknown is not None:
            raise unknown
        raise DataUnavailable(" ".join(answers.troubles) or f"No source offers {WORDS[offer]}.")

    def wait(self, offer: Offer, urgency: Urgency, requests: int = 1) -> float:
        """Seconds until the best entitled provider could be asked so many requests at once; 0 where nobody counts."""
        return next(iter(self._waits(offer, urgency, requests)), 0.0)

    def wait_for_all(self, offer: Offer, urgency: Urgency, requests: int = 1) -> float:
        """The same until all of them could be, without those that have nothing left for longer than a minute."""
        waits = self._waits(offer, urgency, requests)
        return max((wait for wait in waits if wait <= A_MINUTE), default=min(waits, default=0.0))

    def drop(self, provider: str, count: int, words: str) -> None:
        """So many numbers of a provider were left out as wrong."""
        for seat in self._seats:
            if seat.name == provider.partition(" ")[0]:  # a source may name its feed too: "alpaca iex"
                seat.dropped(count, words)

    def states(self) -> tuple[SourceState, ...]:
        """How everybody does, the most important first."""
        return tuple(seat.state() for seat in self._seats)

    def close(self) -> None:
        """Start nothing more and let go of every connection."""
        for seat in self._seats:
            seat.lane.close()
            seat.provider.close()

    def _waits(self, offer: Offer, urgency: Urgency, requests: int) -> list[float]:
        budgets = (seat.provider.budgets for seat, _ in self._entitled(offer))
        return [max((each.wait(urgency, requests) for each in of), default=0.0) for of in budgets]

    def _entitled(self, offer: Offer, among: Collection[str] | None = None) -> list[tuple[Seat, Kind]]:
        """Who offers it, the best entitled first; who has been wrong a lot is asked last among equals."""
        asked = (seat for seat in self._seats if among is None or seat.name in among)
        found = [(seat, kind) for seat in asked if (kind := seat.kind(offer)) is not None]
        return sorted(found, key=lambda each: (ENTITLEMENT.index(each[1]), each[0].is_lying))


def _shared(rng: np.random.Generator) -> Callable[[], float]:
    """Numbers from 0 to 1 for several threads; a generator alone is for one."""
    lock = threading.Lock()

    def chance() -> float:
        with lock:
            return float(rng.random())

    return chance


@dataclass(frozen=True, slots=True)
class _Runner(Generic[T]):
    """One provider in a race; `call` is None for one that may not be asked, `why` says so."""

    seat: Seat
    kind: Kind
    leave: Leave
    why: str
    call: Call[T] | None

    @property
    def is_over(self) -> bool:
        return self.call is None or self.call.is_over

    @property
    def has_answered(self) -> bool:
        return self.call is not None and self.call.is_over and self.call.error is None


class _Race(Generic[T]):
    """One question put to several providers, each on its own threads."""

    def __init__(
        self,
        offer: Offer,
        ask: Callable[[Provider], T],
        urgency: Urgency,
        seconds: float,
        tick: Callable[[], float],
    ) -> None:
        self._offer = offer
        self._ask = ask
        self._urgency = urgency
        self._seconds = seconds
        self._tick = tick
        self._until = tick() + seconds
        self._changed = threading.Condition()
        self._runners: list[_Runner[T]] = []

    def left(self) -> float:
        """Seconds until nobody waits any more."""
        return self._until - self._tick()

    def start(self, seat: Seat, kind: Kind) -> Leave:
        """Ask one more, where it may be asked."""
        leave, why = seat.begin(self._offer, self._urgency, self.left())
        call = None if leave is Leave.NO else self._call(seat)
        self._runners.append(_Runner(seat, kind, leave, why, call))
        if call is not None:
            seat.lane.start(call, self._urgency)
        return leave

    def wait(self, enough: Callable[[], bool], seconds: float) -> None:
        """Wait until it is enough, at most so long."""
        with self._changed:
            self._changed.wait_for(enough, max(0.0, seconds))

    def has_answer(self) -> bool:
        """Whether one has answered."""
        return any(each.has_answered for each in self._runners)

    def is_settled(self) -> bool:
        """Whether one has answered, or all have ended without an answer."""
        return self.has_answer() or all(each.is_over for each in self._runners)

    def has_all(self) -> bool:
        """Whether all have ended; those that are being tried again are waited for only until one has answered."""
        return self.is_settled() and all(each.is_over or each.leave is Leave.PROBE for each in self._runners)

    def end(self) -> Answers[T]:
        """What was said until now; who was asked and has said nothing is given up."""
        outcomes = [(runner, self._outcome(runner)) for runner in self._runners]
        return Answers(
            tuple(outcome for _, outcome in outcomes if isinstance(outcome, Answer)),
            tuple(outcome for _, outcome in outcomes if isinstance(outcome, str)),
            tuple(runner.seat.name for runner, outcome in outcomes if isinstance(outcome, NotFound)),
        )

    def not_found(self) -> NotFound | None:
        """What the best entitled provider said, if it is that it does not know this."""
        call = self._runners[0].call if self._runners else None
        return call.error if call is not None and isinstance(call.error, NotFound) else None

    def _call(self, seat: Seat) -> Call[T]:
        return Call(partial(self._answer, seat), partial(self._settle, seat), self._changed)

    def _answer(self, seat: Seat) -> T:
        """On a thread of the provider: its answer."""
        with asking(self._urgency, self.left), meters.question(seat.name, self._offer, self._tick):
            return self._ask(seat.provider)

    def _settle(self, seat: Seat, value: T | None, error: Exception | None) -> None:
        """Put it on the provider's record; what comes when nobody waits any more changes nothing."""
        if self.left() <= 0:
            return
        if error is None:
            seat.answered(self._offer, value)
        else:
            seat.failed(self._offer, error)

    def _outcome(self, runner: _Runner[T]) -> Answer[T] | NotFound | str:
        """An answer, NotFound, or a sentence about the trouble."""
        seat, call = runner.seat, runner.call
        if call is None:
            return runner.why
        if not call.is_over and runner.leave is Leave.PROBE:
            return f"{seat.name} is being tried again."
        if call.give_up():
            if not call.has_begun:
                return f"{seat.name} is busy with other questions."
            late = Unreachable(f"{seat.name} did not answer within {self._seconds:g} s.")
            seat.failed(self._offer, late)
            return str(late)
        if isinstance(call.error, NotFound):
            return call.error
        if call.error is not None:
            return words_of(seat.name, call.error)
        return Answer(seat.name, runner.kind, cast(T, call.value))
