"""When a strategy is scanned: its own times, its cadence, its hours, and early closes."""

import itertools
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from bot.timetable import scan_times, timetable
from engine.model.trade import Found, Needs, RiskLevel, Strategy
from engine.sessions import NEW_YORK, Sessions

MONDAY, EARLY = date(2026, 6, 15), date(2026, 11, 27)
SESSIONS = Sessions()
STRATEGY = Strategy("test", "Test", RiskLevel.LOW, None, Needs(every=60), lambda *_: Found(), lambda *_: ())


def clocks(times: frozenset[datetime]) -> list[str]:
    return [at.astimezone(NEW_YORK).strftime("%H:%M") for at in sorted(times)]


def test_one_that_is_scanned_all_day_keeps_its_cadence_from_the_first_scan_to_the_close() -> None:
    found = clocks(scan_times(SESSIONS, MONDAY, STRATEGY))

    assert (found[0], found[1], found[-1]) == ("09:45", "09:46", "15:59")
    assert len(found) == 375


def test_a_replay_scans_no_more_often_than_it_looks() -> None:
    moments = timetable(SESSIONS, MONDAY, {"test": STRATEGY}, tick_minutes=15)

    scanned = [moment.at for moment in moments if moment.scans]
    assert clocks(frozenset(scanned))[:3] == ["09:45", "10:00", "10:15"]
    assert {later - earlier for earlier, later in itertools.pairwise(scanned)} == {timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("day", "hours", "first", "last"),
    [(MONDAY, ("15:00", "15:45"), "15:00", "15:45"), (EARLY, ("09:45", "14:30"), "09:45", "11:29")],
)
def test_it_is_scanned_in_its_own_hours_only_and_never_after_the_days_last_entry(
    day: date, hours: tuple[str, str], first: str, last: str
) -> None:
    found = clocks(scan_times(SESSIONS, day, replace(STRATEGY, entry_hours=hours)))

    assert (found[0], found[-1]) == (first, last)


def test_an_early_close_leaves_a_strategy_of_the_afternoon_no_scan() -> None:
    assert scan_times(SESSIONS, EARLY, replace(STRATEGY, entry_hours=("15:00", "15:45"))) == frozenset()
