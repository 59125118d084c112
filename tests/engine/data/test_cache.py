"""Answers that are kept for a while, asked for once however many want them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from engine.data.budget import Urgency, asking
from engine.data.cache import ERROR_LIFE, LIVES, UNKNOWN_LIFE, Cache, Held
from engine.data.providers.port import Offer
from engine.data.providers.trouble import Throttled, Unreachable
from engine.errors import NotFound
from tests.ticks import Ticks


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def cache(ticks: Ticks) -> Cache:
    return Cache(tick=ticks)


class Source:
    """Counts how often it is asked; answers with the count, or raises."""

    def __init__(self) -> None:
        self.asked = 0
        self.trouble: Exception | None = None

    def __call__(self) -> int:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return self.asked


class Gate(Source):
    """One that answers when it is let to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> int:
        self.begun.set()
        assert self.open.wait(30)
        return super().__call__()


def together(count: int, ask: Callable[[], int], gate: Gate) -> list[Future[int]]:
    """So many ask while the first is still waiting for its answer."""
    with ThreadPoolExecutor(count) as people:
        first = people.submit(ask)
        assert gate.begun.wait(30)
        rest = [people.submit(ask) for _ in range(count - 1)]
        gate.open.set()
    return [first, *rest]


def test_an_answer_is_given_again_until_its_kind_is_too_old(cache: Cache, ticks: Ticks):
    source = Source()
    for offer in (Offer.QUOTES, Offer.CHAIN, Offer.REPORTS):
        first = cache.get(offer, "XYZ", source)
        ticks.advance(LIVES[offer] * 0.99)
        assert cache.get(offer, "XYZ", source) == first
        ticks.advance(LIVES[offer] * 0.01)
        assert cache.get(offer, "XYZ", source) == first + 1


def test_every_kind_of_question_has_its_life():
    assert set(LIVES) == set(Offer)
    assert LIVES[Offer.QUOTES] <= 1 < LIVES[Offer.CHAIN] <= 60 < LIVES[Offer.REPORTS]


def test_questions_and_keys_are_kept_apart(cache: Cache):
    source = Source()
    answers = [cache.get(o, key, source) for o in (Offer.QUOTES, Offer.CHAIN) for key in ("A", "B", ("A", "B"))]
    assert answers == [1, 2, 3, 4, 5, 6]


def test_fifty_who_want_the_same_make_one_request(cache: Cache):
    gate = Gate()
    answers = together(50, lambda: cache.get(Offer.CHAIN, "XYZ", gate), gate)
    assert {answer.result() for answer in answers} == {1}
    assert gate.asked == 1


def test_a_failure_is_shared_by_all_who_waited(cache: Cache):
    gate = Gate()
    gate.trouble = Unreachable("acme did not answer.")
    answers = together(50, lambda: cache.get(Offer.CHAIN, "XYZ", gate), gate)
    for answer in answers:
        with pytest.raises(Unreachable, match="acme did not answer"):
            answer.result()
    assert gate.asked == 1


def test_a_failure_is_soon_forgotten(cache: Cache, ticks: Ticks):
    source = Source()
    source.trouble = Unreachable("acme did not answer.")
    for _ in range(5):
        with pytest.raises(Unreachable):
            cache.get(Offer.CHAIN, "XYZ", source)
    assert source.asked == 1
    source.trouble = None
    ticks.advance(ERROR_LIFE)
    assert cache.get(Offer.CHAIN, "XYZ", source) == 2


def test_a_name_nobody_knows_is_not_asked_about_all_day(cache: Cache, ticks: Ticks):
    source = Source()
    source.trouble = NotFound("no XYZ.")
    for _ in range(9):
        with pytest.raises(NotFound):
            cache.get(Offer.FUNDAMENTALS, "XYZ", source)
        ticks.advance(UNKNOWN_LIFE / 10)
    assert source.asked == 1


def test_whoever_is_urgent_waits_for_nobody_less_urgent(cache: Cache):
    gate = Gate()

    def scan() -> int:
        with asking(Urgency.SCAN):
            return cache.get(Offer.QUOTES, "XYZ", gate)

    with ThreadPoolExecutor(1) as people:
        slow = people.submit(scan)
        assert gate.begun.wait(30)
        with asking(Urgency.ORDER):
            assert cache.get(Offer.QUOTES, "XYZ", lambda: 100) == 100
        gate.open.set()
        assert slow.result() == 1


def test_an_older_answer_that_comes_later_replaces_nothing(cache: Cache, ticks: Ticks):
    gate = Gate()
    with ThreadPoolExecutor(1) as people:
        slow = people.submit(cache.get, Offer.CHAIN, "XYZ", gate)
        assert gate.begun.wait(30)
        ticks.advance(1)
        with asking(Urgency.ORDER):
            cache.get(Offer.CHAIN, "XYZ", lambda: 100)
        gate.open.set()
        slow.result()
    assert cache.get(Offer.CHAIN, "XYZ", Source()) == 100


def test_a_refusal_of_a_less_urgent_question_is_not_an_urgent_ones(cache: Cache):
    with asking(Urgency.BACKGROUND), pytest.raises(Throttled):
        cache.get(Offer.QUOTES, "XYZ", _throttled)
    with asking(Urgency.ORDER):
        assert cache.get(Offer.QUOTES, "XYZ", lambda: 7) == 7


def _throttled() -> int:
    raise Throttled("acme was asked as often as it allows.")


def test_an_old_answer_is_given_only_to_who_asks_for_it_and_with_its_age(cache: Cache, ticks: Ticks):
    source = Source()
    cache.get(Offer.REPORTS, "XYZ", source)
    source.trouble = Unreachable("acme did not answer.")
    ticks.advance(LIVES[Offer.REPORTS] + 60)
    with pytest.raises(Unreachable):
        cache.get(Offer.REPORTS, "XYZ", source)
    age = LIVES[Offer.REPORTS] + 60
    held = cache.held(Offer.REPORTS, "XYZ", source, stale_ok=2 * LIVES[Offer.REPORTS])
    assert held == Held(1, age, "acme did not answer.")
    with pytest.raises(Unreachable):
        cache.held(Offer.REPORTS, "XYZ", source, stale_ok=age - 1)


def test_the_age_is_counted_from_the_asking(cache: Cache, ticks: Ticks):
    def slow() -> int:
        ticks.advance(3)
        return 1

    assert cache.held(Offer.CHAIN, "XYZ", slow).age == 3
    ticks.advance(4)
    assert cache.held(Offer.CHAIN, "XYZ", slow) == Held(1, 7)


def test_no_more_is_kept_than_there_is_room_for(ticks: Ticks):
    cache, source = Cache(tick=ticks, size=3), Source()
    for key in "ABC":
        cache.get(Offer.BARS, key, source)
    cache.get(Offer.BARS, "A", source)
    cache.get(Offer.BARS, "D", source)
    assert source.asked == 4
    assert cache.get(Offer.BARS, "A", source) == 1  # used a moment ago, so it stayed
    assert cache.get(Offer.BARS, "B", source) == 5


def test_a_defect_is_seen_and_keeps_nobody_waiting(cache: Cache):
    gate = Gate()
    gate.trouble = KeyError("x")
    answers = together(3, lambda: cache.get(Offer.CHAIN, "XYZ", gate), gate)
    assert all(answer.exception() is not None for answer in answers)
    assert cache.get(Offer.CHAIN, "XYZ", lambda: 9) == 9
