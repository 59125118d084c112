"""Uptime and recovery: what a silence costs, in market hours alone; the arithmetic here is the test's own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import levels
from alerts.levels import Uptime
from engine.model.leadership import Term
from tests.desk import World, make_world

EVERY = timedelta(seconds=10)
SESSION = 6.5 * 3600


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def alive(world: World, *spans: tuple[str, str], last: Iterable[str] = ()) -> None:
    """Beats every ten seconds in each span, both ends included; those that end at one of `last` end in order."""
    ends = tuple(last)
    with world.store.begin() as work:
        for begins, until in spans:
            at = utc(begins)
            while at <= utc(until):
                work.beat(at, Term("here:1", 1), is_last=at == utc(until) and until in ends)
                at += EVERY


def measured(world: World, now: str) -> Uptime:
    world.clock.set(utc(now))
    with world.store.read() as work:
        found = levels.uptime_now(world.desk, work)
    assert found is not None
    return found


def seconds(*spans: timedelta) -> list[float]:
    return [span.total_seconds() for span in spans]


def test_before_the_first_sign_of_life_there_is_nothing_to_measure() -> None:
    world = make_world()

    with world.store.read() as work:
        assert levels.uptime_now(world.desk, work) is None


def test_a_desk_that_was_always_there_was_up_all_the_time() -> None:
    world = make_world()
    alive(world, ("2026-06-15T13:00", "2026-06-15T21:00"))

    found = measured(world, "2026-06-15T21:00:05")

    assert (found.ratio, found.outages, found.measured.total_seconds()) == (1.0, (), SESSION)
    assert found.longest is None
    assert (found.is_met, found.is_recovery_met) == (True, True)


def test_a_process_that_is_killed_for_forty_seconds_in_market_hours_was_down_for_forty_seconds() -> None:
    world = make_world()
    alive(world, ("2026-06-15T13:00", "2026-06-15T15:00"), ("2026-06-15T15:00:40", "2026-06-15T21:00"))

    found = measured(world, "2026-06-15T21:00")

    assert seconds(found.down, found.planned) == [40, 0]
    assert found.ratio == pytest.approx(1 - 40 / SESSION, abs=1e-12)
    assert found.is_met is False  # 40 s of 23,400 are 0.171 %
    assert found.longest is not None
    assert (found.longest.took.total_seconds(), found.longest.until) == (40, utc("2026-06-15T15:00:40"))
    assert found.is_recovery_met


def test_a_pause_of_thirty_seconds_is_none() -> None:
    world = make_world()
    alive(world, ("2026-06-15T13:00", "2026-06-15T15:00"), ("2026-06-15T15:00:30", "2026-06-15T21:00"))

    assert measured(world, "2026-06-15T21:00").outages == ()


def test_a_weekend_costs_what_it_takes_of_friday_and_of_monday() -> None:
    """Killed on Friday at 15:50, back on Monday at 9:36: ten minutes and six, of two whole sessions."""
    world = make_world()
    alive(world, ("2026-06-12T13:00", "2026-06-12T19:50"), ("2026-06-15T13:36", "2026-06-15T20:30"))

    found = measured(world, "2026-06-15T20:30")

    assert [outage.took.total_seconds() for outage in found.outages] == [16 * 60]
    assert found.ratio == pytest.approx(1 - 16 * 60 / (2 * SESSION), abs=1e-12)
    assert not found.is_recovery_met


def test_a_desk_that_was_away_from_close_to_open_was_not_down() -> None:
    world = make_world()
    alive(world, ("2026-06-12T13:00", "2026-06-12T20:00"), ("2026-06-15T13:30", "2026-06-15T20:30"))

    assert measured(world, "2026-06-15T20:30").outages == ()


def test_a_holiday_and_the_afternoon_of_an_early_close_cost_nothing() -> None:
    """Away from Wednesday evening over Thanksgiving to Friday 10:00, and again from Friday 12:59:50 on.

    That Friday ends at 13:00 New York: half an hour and ten seconds of 6.5 and 3.5 hours.
    """
    world = make_world()
    alive(world, ("2026-11-25T14:00", "2026-11-25T21:30"), ("2026-11-27T15:00", "2026-11-27T17:59:50"))

    found = measured(world, "2026-11-28T12:00")

    assert [outage.took.total_seconds() for outage in found.outages] == [1800, 10]
    assert found.measured.total_seconds() == SESSION + 3.5 * 3600
    assert found.ratio == pytest.approx(1 - 1810 / (SESSION + 12_600), abs=1e-12)


def test_a_silence_that_lasts_counts_up_to_now() -> None:
    world = make_world()
    alive(world, ("2026-06-15T13:00", "2026-06-15T15:00"))

    assert measured(world, "2026-06-15T15:00:30").outages == ()
    (outage,) = measured(world, "2026-06-15T15:00:31").outages

    assert (outage.took.total_seconds(), outage.until) == (31, None)


def test_what_ended_in_order_is_down_too_and_told_apart() -> None:
    world = make_world()
    alive(
        world,
        ("2026-06-15T13:00", "2026-06-15T15:00"),
        ("2026-06-15T15:10", "2026-06-15T16:00"),
        ("2026-06-15T16:01", "2026-06-15T21:00"),
        last=["2026-06-15T15:00"],
    )

    found = measured(world, "2026-06-15T21:00")

    assert seconds(found.down, found.planned) == [660, 600]
    assert [outage.is_planned for outage in found.outages] == [True, False]


def test_sessions_before_the_first_sign_of_life_do_not_count() -> None:
    world = make_world()
    alive(world, ("2026-06-15T14:30", "2026-06-15T20:30"))

    found = measured(world, "2026-06-15T20:30")

    assert (found.since, found.measured.total_seconds(), found.ratio) == (utc("2026-06-15T14:30"), 5.5 * 3600, 1.0)


def test_the_last_thirty_sessions_are_measured() -> None:
    """From 15 June thirty sessions back, Memorial Day left out, is 4 May; what fell before is forgotten."""
    world = make_world()
    alive(world, ("2026-04-29T13:30", "2026-04-29T13:40"), ("2026-05-04T14:00", "2026-05-04T14:10"))

    found = measured(world, "2026-06-15T21:00")

    assert found.since == utc("2026-05-04T13:30")
    assert found.measured.total_seconds() == 30 * SESSION
    assert found.down.total_seconds() == 30 * SESSION - 600


def test_the_signs_of_life_of_a_leader_and_its_follower_are_one_life() -> None:
    world = make_world()
    with world.store.begin() as work:
        for number in range(3 * 360):
            name = "left:1" if number < 500 else "right:2"
            work.beat(utc("2026-06-15T14:00") + number * EVERY, Term(name, 1))

    assert measured(world, "2026-06-15T16:59:50").outages == ()


@given(st.lists(st.integers(10, 4000), min_size=1, max_size=40), st.integers(0, 60))
def test_whatever_the_gaps_are_what_is_down_is_what_the_long_ones_have_of_the_session(
    gaps: list[int], after: int
) -> None:
    world = make_world()
    moments = [utc("2026-06-15T13:00")]
    for gap in gaps:
        moments.append(moments[-1] + timedelta(seconds=gap))
    with world.store.begin() as work:
        for at in moments:
            work.beat(at, Term("here:1", 1))
    now = moments[-1] + timedelta(seconds=after)

    found = measured(world, now.replace(tzinfo=None).isoformat())

    opens, closes = utc("2026-06-15T13:30").timestamp(), utc("2026-06-15T20:00").timestamp()
    expected = 0.0
    for began, ended in zip(moments, (*moments[1:], now), strict=True):
        if (ended - began).total_seconds() > 30:
            expected += max(0.0, min(ended.timestamp(), closes) - max(began.timestamp(), opens))
    assert found.down.total_seconds() == expected
