"""A provider's allowance is one for all callers, and what is urgent always finds a place in it."""

from __future__ import annotations

import pytest

from engine.data.budget import Allowance, Budget, Urgency, asking
from engine.data.providers.trouble import Throttled
from tests.ticks import Ticks


def taken(budget: Budget, urgency: Urgency) -> int:
    """How often one can ask before being refused."""
    count = 0
    with asking(urgency):
        while True:
            try:
                budget.take()
            except Throttled:
                return count
            count += 1


@pytest.mark.parametrize(("urgency", "most"), [(Urgency.ORDER, 20), (Urgency.PERSON, 18), (Urgency.BACKGROUND, 10)])
def test_each_urgency_has_its_share(urgency: Urgency, most: int):
    assert taken(Budget("x", Allowance(20, 3600.0), tick=Ticks()), urgency) == most


def test_an_order_is_asked_when_the_background_has_used_its_share():
    budget = Budget("x", Allowance(20, 3600.0), tick=Ticks())
    assert taken(budget, Urgency.BACKGROUND) == 10
    assert taken(budget, Urgency.ORDER) == 10
    assert [left for _, left in budget.left] == [0]


def test_the_allowance_comes_back_with_time():
    ticks = Ticks()
    budget = Budget("x", Allowance(2, 60.0), Allowance(3, 86_400.0), tick=ticks)
    assert taken(budget, Urgency.ORDER) == 2
    ticks.now = 60.5
    assert taken(budget, Urgency.ORDER) == 1  # the day has three
    ticks.now = 86_401
    assert taken(budget, Urgency.ORDER) == 2


def test_the_message_says_who_and_how_long():
    budget = Budget("x", Allowance(1, 3600.0), tick=Ticks())
    with asking(Urgency.ORDER):
        budget.take()
        with pytest.raises(Throttled, match=r"x was asked as often as it allows; .* in 3600 s") as caught:
            budget.take()
    assert caught.value.after == 3600.0


def test_a_pause_holds_for_everybody():
    ticks = Ticks()
    budget = Budget("x", Allowance(100, 60.0), tick=ticks)
    budget.pause(30)
    assert taken(budget, Urgency.ORDER) == 0
    ticks.now = 30
    with asking(Urgency.ORDER):
        budget.take()


def test_what_nobody_waits_for_any_more_takes_nothing_from_the_allowance():
    budget = Budget("x", Allowance(1, 3600.0), tick=Ticks())
    with asking(Urgency.SCAN, lambda: 0.0), pytest.raises(Throttled, match="Nobody waits"):
        budget.take()
    budget.take()


def test_a_turn_is_not_waited_for_longer_than_its_answer():
    ticks = Ticks()
    budget = Budget("x", Allowance(1, 15.0), tick=ticks)
    budget.take()
    with asking(Urgency.SCAN, lambda: 4.0), pytest.raises(Throttled) as caught:
        budget.take()
    assert caught.value.after == 15


# What outlives the process


class Written:
    """Requests of an earlier run, by their age in seconds."""

    def __init__(self, *ages: float) -> None:
        self.kept = list(ages)
        self.noted = 0

    def note(self) -> None:
        self.noted += 1

    def ages(self) -> list[float]:
        return self.kept


def test_what_an_earlier_run_asked_counts():
    budget = Budget("x", Allowance(25, 86_400.0), tick=Ticks())
    budget.remember(Written(*[3600.0] * 24))
    assert [left for _, left in budget.left] == [1]
    assert taken(budget, Urgency.BACKGROUND) == 0


def test_what_is_older_than_the_allowance_does_not():
    budget = Budget("x", Allowance(25, 86_400.0), tick=Ticks())
    budget.remember(Written(*[86_400.0] * 25))
    assert taken(budget, Urgency.ORDER) == 25


def test_the_wait_is_until_the_oldest_of_an_earlier_run_is_a_day_old():
    budget = Budget("x", Allowance(2, 86_400.0), tick=Ticks())
    budget.remember(Written(80_000.0, 10.0))
    assert budget.wait(Urgency.ORDER) == 6_400.0


def test_every_request_is_written_down():
    budget, diary = Budget("x", Allowance(5, 86_400.0), tick=Ticks()), Written()
    assert budget.remember(diary)
    assert taken(budget, Urgency.ORDER) == diary.noted == 5


def test_an_allowance_of_a_minute_needs_no_diary():
    diary = Written()
    budget = Budget("x", Allowance(5, 60.0), tick=Ticks())
    assert not budget.remember(diary)
    assert (taken(budget, Urgency.ORDER), diary.noted) == (5, 0)


def test_several_requests_at_once_need_room_for_all_of_them():
    ticks = Ticks()
    budget = Budget("x", Allowance(20, 60.0), tick=ticks)
    with asking(Urgency.ORDER):
        for _ in range(8):
            budget.take()
            ticks.advance(1.0)
    assert budget.wait(Urgency.BACKGROUND, 2) == 0.0
    assert budget.wait(Urgency.BACKGROUND, 4) == 53.0
    assert budget.wait(Urgency.BACKGROUND, 1_000) == 59.0
