"""The path through a session, for any bar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.data.path import bridged
from engine.model.market import Bar

OPEN = datetime(2019, 3, 4, 14, 30, tzinfo=UTC)
CLOSE = OPEN + timedelta(hours=6, minutes=30)
PRICES = st.floats(1.0, 1000.0)


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    low, opened, closed, high = sorted(draw(st.tuples(PRICES, PRICES, PRICES, PRICES)))
    if draw(st.booleans()):
        opened, closed = closed, opened
    return Bar(date(2019, 3, 4), opened, high, low, closed)


@given(bars())
def test_a_path_agrees_with_its_bar(bar: Bar):
    path = bridged(bar, OPEN, CLOSE)
    assert path.price(OPEN - timedelta(hours=1)) == path.price(OPEN) == bar.open
    assert path.price(CLOSE) == path.price(CLOSE + timedelta(hours=9)) == bar.close
    assert path.so_far(CLOSE) == bar


@given(bars(), st.floats(0, 1), st.floats(0, 1))
def test_what_was_seen_of_a_session_is_never_taken_back(bar: Bar, first: float, second: float):
    path = bridged(bar, OPEN, CLOSE)
    early, late = (path.so_far(OPEN + (CLOSE - OPEN) * part) for part in sorted((first, second)))
    assert bar.low <= late.low <= early.low <= early.close <= early.high <= late.high <= bar.high
    assert early.open == late.open == bar.open


@given(bars(), st.floats(0, 1))
def test_prices_move_no_faster_than_three_ranges_a_session(bar: Bar, part: float):
    path = bridged(bar, OPEN, CLOSE)
    at = OPEN + (CLOSE - OPEN) * part
    moved = abs(path.price(at + timedelta(seconds=60)) - path.price(at))
    assert moved <= 3 * (bar.high - bar.low) * 60 / (CLOSE - OPEN).total_seconds() + 1e-9
