"""Numbers from 15-minute bars: what is usual, what a pivot and what the last bar; nothing of what comes later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.market import IntradayBars
from strategies import intraday
from tests import make
from tests.make import BARS_A_SESSION, TODAY
from tests.strategies import days

LAST = -1


def week(today_bars: int = 5, sessions: int = 23, **columns: np.ndarray) -> IntradayBars:
    """Bars at 100 whose volume is their number, so that every mean tells which bars are in it."""
    count = sessions * BARS_A_SESSION + today_bars
    return make.intraday(np.full(count, 100.0), today_bars, volume=np.arange(1.0, count + 1), **columns)


def without(bars: IntradayBars, sessions_ago: tuple[int, ...], start: int) -> IntradayBars:
    """The bars without one time of day in some sessions, as a session that closed early leaves them."""
    gone = np.unique(bars.day)[[-1 - ago for ago in sessions_ago]]
    return bars.take(~(np.isin(bars.day, gone) & (bars.start == start)))


def test_the_usual_volume_is_the_mean_of_that_time_of_day_over_twenty_sessions_before() -> None:
    bars = week()
    row = len(bars) - 1
    same_time = [bars.volume[row - BARS_A_SESSION * back] for back in range(1, 21)]
    seen = intraday.traded(bars, row, 20)
    assert (seen.volume, seen.clock) == (len(bars), "Mon 10:45")
    assert seen.usual == pytest.approx(np.mean(same_time))


def test_what_is_usual_for_a_bar_of_friday_is_not_told_by_monday() -> None:
    bars = week(sessions=24)
    friday = len(bars) - 5 - 3
    monday = days.louder(bars, LAST, 1e12)
    seen = intraday.traded(monday, friday, 20)
    assert seen.usual == pytest.approx(np.mean([bars.volume[friday - BARS_A_SESSION * back] for back in range(1, 21)]))
    assert seen == intraday.traded(days.later(bars, 5), friday, 20)


@pytest.mark.parametrize(("lacking", "is_known"), [((3, 4), True), ((3, 4, 5), False)])
def test_two_early_closes_in_twenty_sessions_leave_the_usual_volume_known(
    lacking: tuple[int, ...], is_known: bool
) -> None:
    bars = without(week(), lacking, 630)
    assert np.isfinite(intraday.traded(bars, len(bars) - 1, 20).ratio) == is_known


def test_one_unknown_volume_among_them_leaves_the_usual_one_unknown() -> None:
    bars = week()
    row = len(bars) - 1
    assert np.isnan(intraday.traded(days.louder(bars, row - BARS_A_SESSION, np.nan), row, 20).ratio)
    assert np.isnan(intraday.traded(days.louder(bars, row, np.nan), row, 20).ratio)


def test_where_nothing_is_usual_there_is_no_ratio() -> None:
    bars = replace(week(), volume=np.append(np.zeros(len(week()) - 1), 5.0))
    assert np.isnan(intraday.traded(bars, len(bars) - 1, 20).ratio)


def test_the_busiest_bar_is_the_one_furthest_above_its_own_time_of_day_and_never_an_unknown_one() -> None:
    bars = days.louder(days.louder(days.reversal_bars(row_9=140_000), -3, 300_000), -15, np.nan)
    seen = intraday.busiest(bars, [len(bars) - 15, len(bars) - 3, len(bars) - 1], 20)
    assert seen.words == "2.1429 x (300,000 against 140,000, Mon 10:45)"


def peaks(**at: float) -> IntradayBars:
    """Bars at 100 with some highs: `row_3=101` is the third from the end."""
    bars = week()
    high = np.full(len(bars), 100.0)
    for name, price in at.items():
        high[-int(name.removeprefix("row_"))] = price
    return replace(bars, high=high)


INSIDE = 20 * BARS_A_SESSION + 3
"""Rows from the end: in the first session of twenty; a session more is outside."""


@pytest.mark.parametrize(
    ("highs", "expected"),
    [
        ({"row_100": 101.0, "row_200": 102.0}, 102.0),
        ({"row_100": 101.0, f"row_{INSIDE}": 105.0}, 105.0),
        ({"row_100": 101.0, f"row_{INSIDE + BARS_A_SESSION}": 105.0}, 101.0),
        ({"row_100": 101.0, "row_4": 103.0}, 103.0),
        ({"row_100": 101.0, "row_3": 103.0}, 101.0),
        ({"row_100": 101.0, "row_2": 103.0}, 101.0),
        ({"row_100": 101.0, "row_1": 103.0}, 101.0),
    ],
    ids=["highest", "first session", "a session before", "today", "not confirmed yet", "the bar before", "itself"],
)
def test_the_pivot_high_is_the_highest_known_before_the_last_bar(highs: dict[str, float], expected: float) -> None:
    assert intraday.pivot_high(peaks(**highs), 20, 2) == expected


def test_without_enough_sessions_or_a_pivot_there_is_no_pivot_high() -> None:
    assert np.isnan(intraday.pivot_high(peaks(), 20, 2))
    short = peaks(row_100=101.0)
    assert np.isnan(intraday.pivot_high(short.take(short.day > np.unique(short.day)[3]), 20, 2))


@given(st.lists(st.integers(95, 105), min_size=1, max_size=12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_no_later_bar_changes_what_a_bar_was_told(future: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    closes = 100 + np.cumsum(rng.normal(0, 0.2, 22 * BARS_A_SESSION + 5))
    past = make.intraday(closes, 5, volume=rng.uniform(1e4, 1e6, len(closes)))
    longer = make.intraday(
        np.append(closes, future), 5 + len(future), volume=np.append(past.volume, [1e9] * len(future))
    )
    row = len(past) - 1
    assert intraday.traded(longer, row, 20) == intraday.traded(past, row, 20)
    again = days.later(longer, len(future))
    for number in (
        lambda bars: intraday.pivot_high(bars, 20, 2),
        intraday.session_vwap,
        lambda bars: intraday.rsi(bars, 14),
        lambda bars: intraday.averages(bars, 9, 21),
    ):
        assert number(again) == number(past)


def test_the_average_by_volume_begins_with_the_session() -> None:
    bars = days.louder(week(), -6, 1e12)
    today = slice(len(bars) - 5, len(bars))
    closes = np.array([90.0, 91.0, 92.0, 93.0, 94.0])
    told = replace(bars, **{name: np.append(bars.close[:-5], closes) for name in ("high", "low", "close")})
    assert intraday.session_vwap(told) == pytest.approx(np.average(closes, weights=bars.volume[today]))


@pytest.mark.parametrize(
    ("day", "offset"), [("2026-06-15", 4), ("2026-03-09", 4), ("2026-03-06", 5), ("2026-11-27", 5)]
)
def test_a_bar_ends_at_the_time_of_new_york_whatever_the_season(day: str, offset: int) -> None:
    bars = replace(week(), day=np.full(len(week()), np.datetime64(day)))
    assert intraday.ended(bars) == datetime.fromisoformat(day).replace(hour=10 + offset, minute=45, tzinfo=UTC)


def test_the_last_bar_of_yesterday_is_not_the_latest_this_morning() -> None:
    yesterday = days.later(week(), 5)
    opening = intraday.ended(week()) - timedelta(minutes=75)
    assert not intraday.is_latest(yesterday, opening + timedelta(minutes=5))
    assert intraday.is_latest(days.later(week(), 4), opening + timedelta(minutes=15))
    assert not intraday.is_latest(week().take(slice(0, 0)), opening)


def test_the_days_of_the_builder_are_as_the_tests_take_them() -> None:
    bars = week()
    assert bars.day[-1] == np.datetime64(TODAY)
    assert (bars.day[-5] == bars.day[-1], bars.day[-6] == bars.day[-1]) == (True, False)
    assert len(np.unique(bars.day)) == 24
