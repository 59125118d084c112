"""New York sessions: holidays, half days, daylight saving, counting."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadRequest, DataUnavailable
from engine.sessions import Sessions

SESSIONS = Sessions()
DAYS = st.dates(min_value=date(1990, 1, 10), max_value=date(2035, 12, 31))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_day_after_thanksgiving_closes_at_one_in_the_afternoon():
    assert SESSIONS.close(date(2026, 11, 27)) == utc("2026-11-27T18:00")
    assert SESSIONS.is_early(date(2026, 11, 27))
    assert not SESSIONS.is_early(date(2026, 11, 30))


def test_hours_in_utc_move_with_daylight_saving():
    assert SESSIONS.open(date(2019, 3, 8)) == utc("2019-03-08T14:30")
    assert SESSIONS.open(date(2019, 3, 11)) == utc("2019-03-11T13:30")
    assert SESSIONS.close(date(2019, 11, 1)) == utc("2019-11-01T20:00")
    assert SESSIONS.close(date(2019, 11, 4)) == utc("2019-11-04T21:00")


def test_juneteenth_on_a_saturday_closes_the_friday_before():
    assert not SESSIONS.is_session(date(2027, 6, 18))
    assert SESSIONS.next(date(2027, 6, 17)) == date(2027, 6, 21)


def test_recorded_special_closings_are_no_sessions():
    assert not SESSIONS.is_session(date(2001, 9, 11))
    assert not SESSIONS.is_session(date(2012, 10, 29))
    assert not SESSIONS.is_session(date(2018, 12, 5))
    assert not SESSIONS.is_session(date(2025, 1, 9))


def test_today_is_the_date_in_new_york():
    assert SESSIONS.today(utc("2019-07-02T03:59")) == date(2019, 7, 1)
    assert SESSIONS.today(utc("2019-07-02T04:00")) == date(2019, 7, 2)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        SESSIONS.today(datetime(2019, 7, 2, 12))  # noqa: DTZ001 - the mistake under test


def test_the_market_is_open_from_the_opening_bell_to_before_the_closing_one():
    assert not SESSIONS.is_open(utc("2019-07-03T13:29:59"))
    assert SESSIONS.is_open(utc("2019-07-03T13:30"))
    assert SESSIONS.is_open(utc("2019-07-03T16:59:59"))
    assert not SESSIONS.is_open(utc("2019-07-03T17:00"))
    assert not SESSIONS.is_open(utc("2019-07-04T15:00"))


def test_a_wall_time_in_new_york_is_an_instant():
    assert SESSIONS.at(date(2019, 1, 2), "10:00") == utc("2019-01-02T15:00")
    assert SESSIONS.at(date(2019, 7, 1), "09:45:30") == utc("2019-07-01T13:45:30")


def test_counting_skips_week_ends_and_holidays():
    friday = date(2019, 1, 18)
    assert SESSIONS.next(friday) == date(2019, 1, 22)
    assert SESSIONS.next(friday, 2) == date(2019, 1, 23)
    assert SESSIONS.previous(date(2019, 1, 22)) == friday
    assert SESSIONS.upcoming(date(2019, 1, 19), 2) == (date(2019, 1, 22), date(2019, 1, 23))
    assert SESSIONS.upcoming(friday, 1) == (friday,)
    assert SESSIONS.upcoming(friday, 0) == ()
    assert SESSIONS.between(friday, date(2019, 1, 22)) == (friday, date(2019, 1, 22))
    assert SESSIONS.between(date(2019, 1, 22), friday) == ()


def test_the_first_half_of_2019_has_124_sessions():
    assert len(SESSIONS.between(date(2019, 1, 2), date(2019, 6, 28))) == 124


def test_far_days_extend_the_calendar():
    fresh = Sessions()
    assert fresh.is_session(date(2019, 1, 2))
    assert fresh.next(date(2022, 12, 30), 1500) == SESSIONS.next(date(2022, 12, 30), 1500)
    assert fresh.is_session(date(2032, 1, 16))


def test_asking_for_the_bell_of_a_holiday_names_the_next_session():
    with pytest.raises(BadRequest, match=r"2019-07-04 is not a trading day in New York: the next one is 2019-07-05\."):
        SESSIONS.open(date(2019, 7, 4))


def test_days_outside_the_calendar_are_said_to_be():
    with pytest.raises(DataUnavailable, match="covers 1990 to 2100, not 1985-01-02"):
        SESSIONS.is_session(date(1985, 1, 2))
    with pytest.raises(DataUnavailable, match="not 2101-01-01"):
        SESSIONS.next(date(2100, 12, 31))
    with pytest.raises(DataUnavailable, match="not 10 sessions before"):
        SESSIONS.previous(date(1990, 1, 5), 10)


def test_a_time_that_is_none_is_named():
    with pytest.raises(BadRequest, match="“ten” is not a time of day"):
        SESSIONS.at(date(2019, 1, 2), "ten")


@given(DAYS, st.integers(1, 30))
def test_going_back_undoes_going_forward(day: date, n: int):
    session = SESSIONS.next(day)
    assert SESSIONS.previous(SESSIONS.next(session, n), n) == session
    assert len(SESSIONS.upcoming(day, n)) == n
