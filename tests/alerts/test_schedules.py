"""Due times in exchange time: holidays, early closes, both changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from alerts.schedules import (
    AfterClose,
    AfterMonth,
    AfterOpen,
    AfterWeek,
    Always,
    AtClock,
    BeforeClose,
    Daily,
    Every,
    QuarterOpen,
)
from engine.sessions import Sessions

SESSIONS = Sessions()
THANKSGIVING, EARLY = date(2026, 11, 26), date(2026, 11, 27)
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def test_nothing_of_a_session_is_due_on_a_holiday():
    kinds = (
        Every(MINUTE),
        AfterOpen(),
        BeforeClose(MINUTE),
        AfterClose(),
        AfterWeek(),
        AfterMonth(),
        AtClock(("10:00",)),
    )
    assert [kind.times(SESSIONS, THANKSGIVING) for kind in kinds] == [()] * len(kinds)


def test_an_early_close_moves_what_goes_by_the_closing_bell():
    assert BeforeClose(15 * MINUTE).times(SESSIONS, EARLY) == (at(EARLY, 17, 45),)
    assert AfterClose(15 * MINUTE).times(SESSIONS, EARLY) == (at(EARLY, 18, 15),)
    assert AtClock(("10:00", "13:30")).times(SESSIONS, EARLY) == (at(EARLY, 15),)


def test_every_minute_of_a_session_is_as_many_as_it_has_minutes():
    whole, early = Every(MINUTE).times(SESSIONS, date(2026, 11, 25)), Every(MINUTE).times(SESSIONS, EARLY)
    assert (len(whole), len(early)) == (390, 210)
    assert early[-1] == at(EARLY, 17, 59)


def test_around_the_clock_the_changes_of_the_clock_leave_out_and_double_nothing():
    days = [AUTUMN + timedelta(days=n) for n in (-1, 0, 1)]
    found = [moment for day in days for moment in Always(HOUR).times(SESSIONS, day)]
    assert len(Always(HOUR).times(SESSIONS, AUTUMN)) == 25
    assert len(Always(HOUR).times(SESSIONS, SPRING)) == 23
    assert {later - earlier for earlier, later in pairwise(found)} == {HOUR}


def test_a_wall_time_that_spring_skips_is_due_once_all_the_same():
    assert len(Daily("02:30").times(SESSIONS, SPRING)) == 1
    assert len(Daily("01:30").times(SESSIONS, AUTUMN)) == 1


def test_a_daily_time_elsewhere_stays_at_its_wall_time_where_that_is():
    berlin = Daily("18:30", "Europe/Berlin")
    assert berlin.times(SESSIONS, date(2026, 3, 9)) == (at(date(2026, 3, 9), 17, 30),)
    assert berlin.times(SESSIONS, date(2026, 3, 30)) == (at(date(2026, 3, 30), 16, 30),)
    assert Daily("02:00", "Asia/Tokyo").times(SESSIONS, EARLY) == (at(EARLY, 17),)


def test_a_week_ends_with_its_last_session_and_a_month_too():
    assert AfterWeek().times(SESSIONS, date(2026, 4, 2)) == (at(date(2026, 4, 2), 20),)
    assert AfterWeek().times(SESSIONS, date(2026, 4, 1)) == ()
    assert AfterMonth(HOUR).times(SESSIONS, date(2026, 11, 30)) == (at(date(2026, 11, 30), 22),)
    assert AfterMonth().times(SESSIONS, EARLY) == ()


def test_a_quarter_begins_with_its_first_session():
    assert QuarterOpen(15 * MINUTE).times(SESSIONS, date(2026, 7, 1)) == (at(date(2026, 7, 1), 13, 45),)
    assert QuarterOpen().times(SESSIONS, date(2026, 7, 2)) == ()
    assert QuarterOpen().times(SESSIONS, date(2027, 1, 4)) == (at(date(2027, 1, 4), 14, 30),)


def test_every_schedule_says_in_words_when_it_is_due():
    said = [
        Every(5 * MINUTE).words,
        Always(HOUR).words,
        AfterClose(15 * MINUTE).words,
        AtClock(("10:00", "15:30")).words,
    ]
    assert said == ["every 5 min while the market is open", "every 1 h", "15 min after the close", "at 10:00 and 15:30"]
