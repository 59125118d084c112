"""What becomes of due times: the latest runs, the others are down as missed, every one of them exactly once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.jobs import Job
from alerts.planner import Missed, Plan, due_times, next_due, plan
from alerts.schedules import AfterClose, Always, AtClock, Daily, Every, QuarterOpen, Schedule
from engine.model.records import Run, RunState
from engine.sessions import Sessions

SESSIONS = Sessions()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY = date(2026, 6, 15)
EARLY = date(2026, 11, 27)


def job(schedule: Schedule, **more: object) -> Job:
    return Job("test", schedule, lambda: "", **more)  # type: ignore[arg-type]


def at(day: date, clock: str) -> datetime:
    return SESSIONS.at(day, clock)


def test_nothing_is_to_be_done_before_the_next_due_time():
    assert plan(job(Every(MINUTE)), SESSIONS, at(MONDAY, "10:00"), at(MONDAY, "10:00:59")) == Plan()


def test_a_due_time_that_has_come_is_run():
    assert plan(job(Every(MINUTE)), SESSIONS, at(MONDAY, "10:00"), at(MONDAY, "10:01")) == Plan(at(MONDAY, "10:01"))


def test_two_hours_of_sleep_are_one_run_and_one_entry_for_all_the_others():
    found = plan(job(Every(MINUTE)), SESSIONS, at(MONDAY, "10:00"), at(MONDAY, "12:00:30"))

    assert found == Plan(
        at(MONDAY, "12:00"),
        (Missed(at(MONDAY, "10:01"), at(MONDAY, "11:59"), 119, "left to the one due on 2026-06-15 at 16:00 UTC"),),
    )


def test_what_is_older_than_its_grace_is_missed():
    scan = job(AtClock(("10:00", "15:30")))

    assert plan(scan, SESSIONS, at(MONDAY, "09:00"), at(MONDAY, "10:05")).run == at(MONDAY, "10:00")
    assert plan(scan, SESSIONS, at(MONDAY, "09:00"), at(MONDAY, "10:05:01")) == Plan(
        None, (Missed(at(MONDAY, "10:00"), at(MONDAY, "10:00"), 1, "the desk was not running, asleep or held up"),)
    )


def test_a_digest_that_catches_up_runs_once_for_the_latest_day():
    digest = job(AfterClose(15 * MINUTE), catches_up=True)
    back = at(MONDAY + 5 * DAY, "11:00")  # a Saturday

    found = plan(digest, SESSIONS, at(MONDAY, "17:00"), back)

    assert found.run == at(MONDAY + 3 * DAY, "16:15")  # Friday was Juneteenth
    assert [(each.first, each.last, each.count) for each in found.missed] == [
        (at(MONDAY + DAY, "16:15"), at(MONDAY + 2 * DAY, "16:15"), 2)
    ]


def test_nothing_is_caught_up_with_after_a_month():
    digest = job(AfterClose(), catches_up=True)

    assert plan(digest, SESSIONS, at(MONDAY, "15:00"), at(MONDAY + 32 * DAY, "09:00")).run == at(
        date(2026, 7, 16), "16:00"
    )
    assert (
        plan(job(QuarterOpen(), catches_up=True), SESSIONS, at(MONDAY, "15:00"), at(date(2026, 8, 2), "09:00")).run
        is None
    )


def test_what_came_while_the_run_before_went_on_says_so():
    last = Run("R1", "test", at(MONDAY, "10:00"), at(MONDAY, "10:00"), "", 0, RunState.DONE, at(MONDAY, "10:02:30"))

    found = plan(job(Every(MINUTE)), SESSIONS, at(MONDAY, "10:00"), at(MONDAY, "10:04"), last)

    assert found.run == at(MONDAY, "10:04")
    assert [(each.last, each.count, each.why.partition(" due")[0]) for each in found.missed] == [
        (at(MONDAY, "10:02"), 2, "the run before it still went on"),
        (at(MONDAY, "10:03"), 1, "left to the one"),
    ]


@pytest.mark.parametrize("back", [timedelta(seconds=1), HOUR, timedelta(hours=23)])
def test_a_clock_that_was_set_back_runs_nothing_again(back: timedelta):
    now = at(MONDAY, "12:00")

    assert plan(job(Always(MINUTE)), SESSIONS, now, now - back) == Plan()


SCHEDULES = st.sampled_from([
    Every(MINUTE), Always(HOUR), AtClock(("09:00", "10:00")), AfterClose(15 * MINUTE), Daily("02:30"),
    Daily("18:30", "Europe/Berlin"),
])  # fmt: skip
GAPS = st.lists(st.integers(1, 3 * 86_400), min_size=1, max_size=12)
BEGINNINGS = st.sampled_from([date(2026, 3, 6), date(2026, 10, 30), date(2026, 11, 25), date(2026, 12, 23)])


@given(SCHEDULES, BEGINNINGS, GAPS, st.booleans())
def test_every_due_time_is_run_or_down_as_missed_and_none_twice(
    schedule: Schedule, day: date, gaps: list[int], catches_up: bool
):
    """Looks at random times, over both changes of the clock, holidays and early closes."""
    made, begins = job(schedule, catches_up=catches_up), at(day, "09:31")
    settled, now = begins, begins
    ran: list[datetime] = []
    missed: list[datetime] = []
    for seconds in gaps:
        now += timedelta(seconds=seconds)
        found = plan(made, SESSIONS, settled, now)
        ran += [found.run] if found.run else []
        for each in found.missed:
            times = tuple(due_times(schedule, SESSIONS, each.first - timedelta(microseconds=1), each.last))
            assert len(times) == each.count
            assert each.why
            missed += times
        settled = now

    assert sorted([*ran, *missed]) == list(due_times(schedule, SESSIONS, begins, now))
    assert all(now - due >= timedelta(0) for due in ran)


@given(SCHEDULES, BEGINNINGS, st.integers(0, 10 * 86_400))
def test_the_next_due_time_is_the_first_one_ahead(schedule: Schedule, day: date, seconds: int):
    now = at(day, "00:00") + timedelta(seconds=seconds)

    following = next_due(schedule, SESSIONS, now)

    assert following is not None
    assert following > now
    assert list(due_times(schedule, SESSIONS, now, following)) == [following]


def test_on_an_early_close_a_job_of_every_minute_ends_at_one_o_clock():
    last = tuple(due_times(Every(MINUTE), SESSIONS, at(EARLY, "09:00"), at(EARLY, "23:00")))[-1]

    assert last == datetime(2026, 11, 27, 17, 59, tzinfo=UTC)
    assert next_due(Every(MINUTE), SESSIONS, last) == at(date(2026, 11, 30), "09:30")


def test_there_is_no_next_due_time_where_a_schedule_has_none():
    assert next_due(AtClock(()), SESSIONS, at(MONDAY, "10:00")) is None


def test_where_a_clock_leaps_the_latest_due_time_counts_for_all_and_none_is_missed():
    leaping = job(Every(MINUTE), leaps=True)

    assert plan(leaping, SESSIONS, at(MONDAY, "10:00"), at(MONDAY, "10:30")) == Plan(at(MONDAY, "10:30"))
    assert plan(leaping, SESSIONS, at(MONDAY, "15:00"), at(MONDAY, "19:00")) == Plan()
