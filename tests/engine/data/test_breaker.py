"""When what fails is left alone, and when it is tried again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.data.breaker import FIRST_WAIT, JITTER, LONGEST_WAIT, Breaker, Leave
from tests.ticks import Ticks


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def breaker(ticks: Ticks) -> Breaker:
    return Breaker(3, ticks, lambda: 0.0)


def broken(breaker: Breaker) -> Breaker:
    for _ in range(3):
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_only(breaker: Breaker):
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.worked()
    assert breaker.leave() is Leave.YES
    assert broken(breaker).leave() is Leave.NO


def test_one_question_is_let_through_when_the_wait_is_over(breaker: Breaker, ticks: Ticks):
    broken(breaker)
    ticks.advance(FIRST_WAIT)
    assert breaker.leave() is Leave.PROBE
    breaker.begin(4)
    assert breaker.leave() is Leave.NO
    assert breaker.is_open
    breaker.worked()
    assert breaker.leave() is Leave.YES
    assert not breaker.is_open


def test_asking_for_leave_takes_nothing(breaker: Breaker, ticks: Ticks):
    broken(breaker)
    ticks.advance(FIRST_WAIT)
    assert [breaker.leave(), breaker.leave()] == [Leave.PROBE, Leave.PROBE]


def test_every_wait_is_twice_the_last_up_to_five_minutes(breaker: Breaker, ticks: Ticks):
    broken(breaker)
    waits = []
    for _ in range(10):
        waits.append(breaker.wait)
        ticks.advance(breaker.wait)
        breaker.begin(4)
        breaker.failed()
    assert waits[0] == FIRST_WAIT
    assert all(after == min(2 * before, LONGEST_WAIT) for before, after in pairwise(waits))
    assert waits[-1] == LONGEST_WAIT


def test_after_a_success_the_waits_are_short_again(breaker: Breaker, ticks: Ticks):
    broken(breaker)
    for _ in range(3):
        ticks.advance(breaker.wait)
        breaker.begin(4)
        breaker.failed()
    breaker.worked()
    assert broken(breaker).wait == FIRST_WAIT


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_chance_makes_a_wait_shorter_never_longer(ticks: Ticks, chance: float):
    wait = broken(Breaker(3, ticks, lambda: chance)).wait
    assert wait == FIRST_WAIT * (1 - JITTER * chance)


def test_a_try_that_never_comes_back_counts_as_failed(breaker: Breaker, ticks: Ticks):
    broken(breaker)
    ticks.advance(FIRST_WAIT)
    breaker.begin(4)
    ticks.advance(4)
    assert breaker.leave() is Leave.NO
    assert breaker.wait == 2 * FIRST_WAIT


def test_a_try_that_says_nothing_is_repeated_after_the_same_wait(breaker: Breaker, ticks: Ticks):
    broken(breaker)
    ticks.advance(FIRST_WAIT)
    breaker.begin(4)
    breaker.neither()
    assert breaker.wait == FIRST_WAIT
    assert breaker.leave() is Leave.NO


def test_what_says_nothing_neither_opens_nor_forgives(breaker: Breaker):
    breaker.failed()
    breaker.failed()
    for _ in range(10):
        breaker.neither()
    assert breaker.leave() is Leave.YES
    breaker.failed()
    assert breaker.leave() is Leave.NO


def test_failures_of_questions_already_on_their_way_add_no_wait(breaker: Breaker):
    broken(breaker)
    for _ in range(10):
        breaker.failed()
    assert breaker.wait == FIRST_WAIT
