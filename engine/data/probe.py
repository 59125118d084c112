"""What every provider says to one cheap question, all at once and within a time: for the doctor of a desk.

A probe counts against the provider's allowance like any other question, and nobody waits for one that hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Generic, TypeVar

from engine.data.budget import Allowance, Urgency, asking
from engine.data.providers.port import Offer, Provider
from engine.data.providers.trouble import NotOffered, Unauthorised
from engine.data.seat import words_of
from engine.errors import DataUnavailable, NotFound
from engine.model.instruments import Option, Right
from engine.model.market import Kind
from engine.sessions import Sessions

T = TypeVar("T")
Question = Callable[[Provider], object]

SHARE, COMPANY, INDEX = "SPY", "AAPL", "VIX"
"""Names that everybody knows who knows any."""
AHEAD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Probe:
    """How one provider answered.

    Attributes:
        seconds: until it had answered. troubles: a sentence for each question that was not answered.
        answered: the questions that were. offers, feeds: what can be asked under its keys, known after the questions.
        is_unauthorised: it does not accept the keys.
    """

    name: str
    seconds: float
    answered: tuple[Offer, ...]
    troubles: tuple[str, ...]
    offers: Mapping[Offer, Kind]
    feeds: Mapping[str, str]
    allowances: tuple[Allowance, ...]
    is_proven: bool
    is_unauthorised: bool = False

    def has(self, offer: Offer, kinds: Iterable[Kind]) -> bool:
        """Whether it answered this question with numbers of one of these kinds."""
        return offer in self.answered and self.offers.get(offer) in set(kinds)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a job gave, or why it gave nothing."""

    value: T | None = None
    error: Exception | None = None


def together(jobs: Sequence[Callable[[], T]], seconds: float) -> tuple[Outcome[T], ...]:
    """What each job gives, all run at once; one that is not done in time is left to itself and gives nothing."""
    found: list[Outcome[T]] = [Outcome(error=DataUnavailable(f"No answer within {seconds:g} s.")) for _ in jobs]
    is_over = threading.Event()

    def run(place: int, job: Callable[[], T]) -> None:
        try:
            outcome = Outcome(job())
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is what was found
            outcome = Outcome(error=problem)
        if not is_over.is_set():
            found[place] = outcome

    threads = [threading.Thread(target=run, args=each, name="probe", daemon=True) for each in enumerate(jobs)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    is_over.set()
    return tuple(found)


def probed(providers: Sequence[Provider], now: datetime, seconds: float) -> tuple[Probe, ...]:
    """How each provider answers, in their order. Each is closed when it is done."""
    outcomes = together([partial(_probe, provider, now, seconds) for provider in providers], seconds)
    return tuple(
        _silent(provider, outcome.error, seconds) if outcome.value is None else outcome.value
        for provider, outcome in zip(providers, outcomes, strict=True)
    )


def _probe(provider: Provider, now: datetime, seconds: float) -> Probe:
    started = time.monotonic()
    answered, troubles, is_unauthorised = [], [], False
    try:
        with asking(Urgency.PERSON, lambda: seconds - (time.monotonic() - started)):
            for offer, question in _questions(provider, now):
                try:
                    question(provider)
                except NotFound:
                    answered.append(offer)
                except Exception as problem:  # noqa: BLE001 - whatever it is, it is what was found
                    troubles.append(words_of(provider.name, problem))
                    is_unauthorised = is_unauthorised or isinstance(problem, Unauthorised)
                    if not isinstance(problem, NotOffered):
                        break
                else:
                    answered.append(offer)
        took = time.monotonic() - started
        return Probe(
            provider.name,
            took,
            tuple(answered),
            tuple(troubles),
            dict(provider.offers),
            dict(provider.feeds),
            provider.allowances,
            provider.is_proven,
            is_unauthorised,
        )
    finally:
        provider.close()


def _silent(provider: Provider, error: Exception | None, seconds: float) -> Probe:
    words = words_of(provider.name, error) if error is not None else ""
    return Probe(provider.name, seconds, (), (words,), {}, {}, provider.allowances, provider.is_proven)


def _questions(provider: Provider, now: datetime) -> tuple[tuple[Offer, Question], ...]:
    """Quotes of shares and of an option, which tell the feeds; of who has neither, the cheapest it has."""
    offers = provider.offers
    quotes = tuple((offer, ask) for offer, ask in _quotes(now) if offer in offers)
    others = ((offer, ask) for offer, ask in _others(now) if offer in offers)
    return quotes or tuple(others)[:1]


def _quotes(now: datetime) -> tuple[tuple[Offer, Question], ...]:
    return (
        (Offer.QUOTES, lambda provider: provider.quotes([SHARE])),
        (Offer.OPTION_QUOTES, lambda provider: provider.option_quotes([_option(now)])),
    )


def _others(now: datetime) -> tuple[tuple[Offer, Question], ...]:
    today = Sessions().today(now)
    return (
        (Offer.CURVE, lambda provider: provider.curve()),
        (Offer.LEVELS, lambda provider: provider.levels([INDEX])),
        (Offer.SESSIONS, lambda provider: provider.sessions([SHARE])),
        (Offer.REPORTS, lambda provider: provider.reports([COMPANY], today, today + AHEAD)),
        (Offer.NEWS, lambda provider: provider.news([COMPANY], now - timedelta(days=1))),
        (Offer.FUNDAMENTALS, lambda provider: provider.fundamentals(COMPANY)),
        (Offer.CHAIN, lambda provider: provider.chain(COMPANY)),
    )


def _option(now: datetime) -> Option:
    """A contract to ask a quote of. Nothing depends on its being listed: the feed is told all the same."""
    sessions = Sessions()
    day = sessions.today(now) + AHEAD
    friday = day + timedelta(days=(4 - day.weekday()) % 7)
    return Option(SHARE, sessions.last(friday), Right.PUT, Decimal(500))
