"""Bars of 15 minutes of recorded days: put together from recorded minutes, and none where a session is not recorded."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time

import numpy as np
import pytest

from engine.data.columns import Sheet, sheet
from engine.data.folder import RecordedFolder
from engine.data.recorded_quarters import RecordedQuarters
from engine.model.market import IntradayBars, Kind, Source
from tests.engine.data import recorded
from tests.engine.data.recorded import SESSIONS, SPLIT, TODAY
from tests.shared import SHARED, needs_shared

FIRST = SESSIONS.previous(TODAY, 21)
"""The last session before the split of two for one."""
WHOLE = SESSIONS.between(FIRST, TODAY)
FROM, TO = 565, 965
"""Minutes of the day that are recorded: five before the opening bell and five after the closing one."""


def minutes(days: Collection[date] = WHOLE, without: Collection[int] = ()) -> Sheet:
    """Minutes of AAA: the price is the minute of the day in cents, twice that before the split; volume a hundred times
    the minute, half of that before; outside of the session a million dollars and shares."""
    at = [(day, minute) for day in days for minute in range(FROM, TO) if minute not in without]
    shares = np.array([0.5 if day < SPLIT else 1.0 for day, _ in at])
    minute = np.array([minute for _, minute in at], dtype=float)
    is_regular = (minute >= 570) & (minute < 960)
    price = np.where(is_regular, minute / 100 / shares, 1e6)
    return sheet(
        "minutes",
        ticker=["AAA"] * len(at),
        time=[datetime.combine(day, time(minute // 60, minute % 60)) for day, minute in at],
        open=price,
        high=price + 0.01 / shares,
        low=price - 0.01 / shares,
        close=price,
        volume=np.where(is_regular, minute * 100 * shares, 1e6),
    )


def bars(at: str = "16:00", today: date = TODAY, table: Sheet | None = None) -> IntradayBars | None:
    folder = recorded.folder(minutes=(minutes() if table is None else table,))
    return recorded.market(recorded.clock(today, at), folder).snapshot("AAA").intraday


def test_fifteen_minutes_make_a_bar_with_their_real_volume_of_the_regular_session_only():
    found = bars()
    assert found is not None
    assert found.source == Source("replay", Kind.RECORDED)
    today = found.of(TODAY)
    assert today.start.tolist() == list(range(570, 960, 15))
    assert (today.open[0], today.close[0]) == (5.70, 5.84)
    assert (today.high[0], today.low[0]) == pytest.approx((5.85, 5.69))
    assert today.volume[0] == sum(range(570, 585)) * 100
    assert today.volume[-1] == sum(range(945, 960)) * 100


def test_days_before_a_split_count_in_the_shares_of_today():
    found = bars()
    assert found is not None
    before, after = found.of(FIRST), found.of(SPLIT)
    assert np.unique(found.day).tolist() == list(WHOLE)
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(getattr(before, name), getattr(after, name))


def test_a_bar_is_known_when_it_is_over_and_nothing_of_it_before():
    for at, last in (("09:44", None), ("09:45", 570), ("09:59", 570), ("10:00", 585)):
        found = bars(at)
        assert found is not None
        starts = found.of(TODAY).start.tolist()
        assert starts[-1:] == ([] if last is None else [last]), at


def test_what_comes_later_changes_nothing_that_was_known():
    early, late = bars("11:00"), bars("16:00")
    assert early is not None
    assert late is not None
    for name in IntradayBars.COLUMNS:
        np.testing.assert_array_equal(getattr(late, name)[: len(early)], getattr(early, name))


@pytest.mark.parametrize("missing", [FIRST, WHOLE[10], TODAY])
def test_one_session_that_is_not_recorded_leaves_none_and_nothing_is_bridged(missing: date):
    assert bars(table=minutes([day for day in WHOLE if day != missing])) is None


def test_a_session_recorded_outside_of_its_hours_only_is_not_recorded():
    is_out = minutes([WHOLE[10]], without=range(570, 960))
    rest = minutes([day for day in WHOLE if day != WHOLE[10]])
    folder = recorded.folder(minutes=(rest, is_out))
    assert recorded.market(recorded.clock(), folder).snapshot("AAA").intraday is None


def test_a_quarter_of_an_hour_without_a_trade_has_no_bar():
    found = bars(table=minutes(without=range(600, 615)))
    assert found is not None
    assert found.of(TODAY).start.tolist()[:4] == [570, 585, 615, 630]


def test_a_half_day_ends_early():
    half, after = date(2018, 12, 24), SESSIONS.next(date(2018, 12, 24))
    days = SESSIONS.between(SESSIONS.previous(after, 21), after)
    found = bars(today=after, table=minutes(days))
    assert found is not None
    assert found.of(half).start.tolist() == list(range(570, 780, 15))


def test_without_recorded_minutes_there_are_no_intraday_bars():
    assert recorded.market(recorded.clock()).snapshot("AAA").intraday is None


@needs_shared
def test_the_recorded_pack_has_no_21_sessions_in_a_row_so_no_rule_sees_a_bar():
    folder = RecordedFolder.open(SHARED / "data")
    quarters = RecordedQuarters(folder, SESSIONS)
    known = [quarters.bars(ticker, day, SESSIONS.at(day, "16:00")) for ticker, day in folder.minutes]
    assert known
    assert set(known) == {None}
