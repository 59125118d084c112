"""What is known to come, on calendars as they were."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from engine.happenings import (
    ex_dates_held,
    first_session_after,
    last_session_before,
    monthlies,
    moved_sessions,
    reports_moving,
    week_ends,
)
from engine.model.economy import Economy, Release
from engine.model.market import Dividend, Earnings, ReportTime
from engine.sessions import Sessions
from tests import make

SESSIONS = Sessions()
FOMC = (date(2024, 1, 31), date(2024, 3, 20), date(2024, 5, 1), date(2024, 6, 12))
CPI = (date(2024, 1, 11), date(2024, 2, 13), date(2024, 3, 12), date(2024, 4, 10), date(2024, 5, 15), date(2024, 6, 12))
PAYROLLS = (date(2024, 1, 5), date(2024, 2, 2), date(2024, 3, 8), date(2024, 4, 5), date(2024, 5, 3), date(2024, 6, 7))
YEAR_2024 = Economy(FOMC, CPI, PAYROLLS)
"""The first half of 2024 as it was published."""


def test_the_economy_is_told_about_on_the_listed_days_only() -> None:
    assert YEAR_2024.on(date(2024, 5, 1)) == (Release.FOMC,)
    assert YEAR_2024.on(date(2024, 2, 2)) == (Release.PAYROLLS,)
    assert YEAR_2024.on(date(2024, 2, 5)) == ()


def test_two_releases_may_share_a_day() -> None:
    economy = Economy(FOMC, CPI, (*PAYROLLS, date(2024, 7, 5)))
    assert economy.on(date(2024, 6, 12)) == (Release.FOMC, Release.CPI)


def test_after_the_last_day_of_a_list_nothing_is_known() -> None:
    assert YEAR_2024.on(date(2024, 6, 7)) == (Release.PAYROLLS,)
    assert YEAR_2024.on(date(2024, 6, 10)) is None
    assert YEAR_2024.missing(date(2024, 6, 10)) == (Release.PAYROLLS,)


def test_without_lists_every_day_is_unknown() -> None:
    assert Economy().on(date(2024, 6, 10)) is None


def test_a_list_of_another_year_says_nothing_about_this_one() -> None:
    """In 2019 the Committee met too: a list that begins in 2024 must not call its days quiet."""
    assert YEAR_2024.on(date(2019, 3, 20)) is None


def test_a_day_before_the_first_of_a_list_is_known_when_that_one_is_near() -> None:
    assert YEAR_2024.on(date(2023, 12, 29)) == ()


def test_a_list_with_a_meeting_left_out_is_unknown_in_the_gap() -> None:
    holed = Economy((FOMC[0], FOMC[2]), CPI, PAYROLLS)
    assert holed.on(date(2024, 2, 20)) is None
    assert holed.on(FOMC[2] - timedelta(days=63)) == ()


@pytest.mark.parametrize(
    ("day", "when", "moved"),
    [
        (date(2024, 2, 1), ReportTime.AFTER_CLOSE, (date(2024, 2, 2),)),  # AAPL
        (date(2024, 2, 1), ReportTime.BEFORE_OPEN, (date(2024, 2, 1),)),
        (date(2024, 2, 1), ReportTime.UNKNOWN, (date(2024, 2, 1), date(2024, 2, 2))),
        (date(2024, 3, 28), ReportTime.AFTER_CLOSE, (date(2024, 4, 1),)),  # Good Friday behind it
        (date(2024, 7, 20), ReportTime.BEFORE_OPEN, (date(2024, 7, 22),)),  # a Saturday
        (date(2024, 7, 20), ReportTime.UNKNOWN, (date(2024, 7, 22),)),
    ],
)
def test_a_report_moves_the_session_that_opens_after_it(day: date, when: ReportTime, moved: tuple[date, ...]) -> None:
    assert moved_sessions(Earnings(day, when), SESSIONS) == moved


@pytest.mark.parametrize(
    ("when", "before", "after"),
    [
        (ReportTime.BEFORE_OPEN, date(2024, 1, 31), date(2024, 2, 1)),
        (ReportTime.AFTER_CLOSE, date(2024, 2, 1), date(2024, 2, 2)),
        (ReportTime.UNKNOWN, date(2024, 1, 31), date(2024, 2, 2)),
    ],
)
def test_an_unknown_hour_is_the_worse_one_on_both_sides(when: ReportTime, before: date, after: date) -> None:
    report = Earnings(date(2024, 2, 1), when)
    assert (last_session_before(report, SESSIONS), first_session_after(report, SESSIONS)) == (before, after)


def test_a_report_of_the_evening_before_moves_today() -> None:
    report, later = Earnings(date(2024, 2, 1), ReportTime.AFTER_CLOSE), Earnings(date(2024, 5, 2))
    friday = date(2024, 2, 2)
    assert reports_moving((later, report), friday, friday, SESSIONS) == (report,)
    assert reports_moving((later, report), date(2024, 2, 1), date(2024, 2, 1), SESSIONS) == ()


def test_no_report_is_known_only_where_a_later_one_is_listed() -> None:
    past, ahead = Earnings(date(2024, 2, 1)), Earnings(date(2024, 5, 2))
    window = date(2024, 3, 1), date(2024, 3, 28)
    assert reports_moving((past, ahead), *window, SESSIONS) == ()
    assert reports_moving((past,), *window, SESSIONS) is None
    assert reports_moving(None, *window, SESSIONS) is None


def test_an_ex_date_counts_for_who_held_the_evening_before() -> None:
    known = (Dividend(date(2024, 2, 9), make.D("0.24")), Dividend(date(2024, 5, 10), make.D("0.25")))
    assert ex_dates_held(known, date(2024, 2, 8), date(2024, 2, 9)) == known[:1]
    assert ex_dates_held(known, date(2024, 2, 9), date(2024, 5, 9)) == ()
    assert ex_dates_held(None, date(2024, 2, 8), date(2024, 2, 9)) is None


def test_the_monthly_expiry_of_a_holiday_friday_is_the_thursday_that_is_listed() -> None:
    """18 June 2027 is the day Juneteenth is observed: the exchange is closed on the third Friday."""
    listed = (date(2027, 5, 21), date(2027, 6, 11), date(2027, 6, 17), date(2027, 6, 25), date(2027, 7, 16))
    assert not SESSIONS.is_session(date(2027, 6, 18))
    assert monthlies(listed) == (date(2027, 5, 21), date(2027, 6, 17), date(2027, 7, 16))


def test_a_monthly_expiry_that_is_not_listed_is_not_made_up() -> None:
    assert monthlies((date(2027, 6, 11), date(2027, 6, 25))) == ()


def test_of_daily_expiries_the_week_s_last_is_taken() -> None:
    """The week of Good Friday 2024 ends on Thursday."""
    daily = tuple(date(2024, 3, 25) + timedelta(days=day) for day in range(4))
    assert week_ends((*daily, date(2024, 4, 1), date(2024, 4, 5))) == (date(2024, 3, 28), date(2024, 4, 5))
