"""Answers that outlive the process: equal to what was asked for, and never given longer than their kind holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.cache import LIVES, Cache
from engine.data.chain_build import Market, build
from engine.data.providers.port import Offer
from engine.data.shelf import Shelf
from engine.data.shelved import FORMS, Shelved
from engine.errors import DataUnavailable
from engine.model.market import Bars, Earnings, Fundamentals, IntradayBars, ReportTime, Source
from engine.sessions import Sessions
from tests import make
from tests.chains import NOW, TODAY, listings_of, strip, together
from tests.engine.data.test_shelf import Clock
from tests.ticks import Ticks

SESSIONS = Sessions()
RAW = together(
    strip("XYZ", date(2026, 12, 31), (90.0, 95.0, 100.0, 105.0), iv=0.3), strip("XYZ", date(2027, 1, 15), (100.0,))
)
BUILT = build(RAW, Market(NOW, SESSIONS, None, None, ((date(2026, 12, 10), 0.24),)), listings_of(RAW))
INDEX = build(
    together(strip("SPXW", date(2026, 12, 31), (90.0,), underlying="SPX"), strip("SPX", date(2026, 12, 18), (90.0,))),
    Market(NOW, SESSIONS, None, None),
)
FACTS = Fundamentals(Decimal("12345678.90"), "Energy", None, 0.1, dividend_yield=0.0, known_on=TODAY, sources=("a",))
REPORTS = (
    Earnings(date(2026, 8, 1), ReportTime.AFTER_CLOSE, True, ("a", "b")),
    Earnings(date(2027, 1, 20), ReportTime.UNKNOWN, False, ("a",)),
)
QUARTERS = IntradayBars(
    "XYZ",
    15,
    np.array(["2026-11-19", "2026-11-20"], dtype="datetime64[D]"),
    np.array([945, 570]),
    *(np.array([10.0, 11.0]) for _ in range(4)),
    volume=np.array([np.nan, 5.0]),
    source=Source("alpaca iex"),
)
ANSWERS: dict[Offer, list[Any]] = {
    Offer.CHAIN: [BUILT, INDEX],
    Offer.BARS: [make.bars(before=TODAY)],
    Offer.INTRADAY: [QUARTERS],
    Offer.LISTINGS: [listings_of(RAW)],
    Offer.FUNDAMENTALS: [FACTS, Fundamentals()],
    Offer.REPORTS: [REPORTS, ()],
}


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def open_shelf(tmp_path: Path, clock: Clock) -> Callable[[], Shelved]:
    """A new process on the same folder."""
    return lambda: Shelved(Shelf(tmp_path, clock), clock, SESSIONS)


def is_same(one: Any, other: Any) -> bool:
    """Equality down to the columns; NaN is NaN."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and bool(
            np.array_equal(one, other, equal_nan=one.dtype != object and one.dtype != bool)
        )
    if is_dataclass(one):
        return type(one) is type(other) and all(
            is_same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)
        )
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other or (one != one and other != other)


def test_there_is_an_example_of_every_kind():
    assert set(ANSWERS) == set(FORMS)


@pytest.mark.parametrize(("offer", "answer"), [(offer, each) for offer, given in ANSWERS.items() for each in given])
def test_an_answer_comes_back_as_it_was(offer: Offer, answer: Any, open_shelf: Callable[[], Shelved], clock: Clock):
    open_shelf().put(offer, "XYZ", answer, 0.0)
    clock.now += timedelta(seconds=40)
    found = open_shelf().get(offer, "XYZ")
    assert found is not None
    assert is_same(found[0], answer)
    assert found[1] == 40.0


@pytest.mark.parametrize("offer", [Offer.CHAIN, Offer.LISTINGS, Offer.FUNDAMENTALS, Offer.REPORTS])
def test_nothing_is_given_that_is_older_than_its_kind_holds(
    offer: Offer, open_shelf: Callable[[], Shelved], clock: Clock
):
    open_shelf().put(offer, "XYZ", ANSWERS[offer][0], 10.0)
    clock.now += timedelta(seconds=LIVES[offer] - 10.5)
    assert open_shelf().get(offer, "XYZ") is not None
    clock.now += timedelta(seconds=1)
    assert open_shelf().get(offer, "XYZ") is None


def test_history_is_good_for_its_day_and_not_for_the_next(open_shelf: Callable[[], Shelved], clock: Clock):
    clock.now = datetime(2026, 11, 20, 5, 30, tzinfo=UTC)
    open_shelf().put(Offer.BARS, "XYZ", make.bars(before=TODAY), 0.0)
    clock.now = datetime(2026, 11, 21, 4, 59, tzinfo=UTC)
    assert open_shelf().get(Offer.BARS, "XYZ") is not None
    clock.now = datetime(2026, 11, 21, 5, 1, tzinfo=UTC)
    assert open_shelf().get(Offer.BARS, "XYZ") is None


def test_history_without_the_last_session_is_not_kept(open_shelf: Callable[[], Shelved]):
    bars: Bars = make.bars(before=TODAY)
    open_shelf().put(Offer.BARS, "XYZ", bars[:-1], 0.0)
    open_shelf().put(Offer.BARS, "ABC", bars[:0], 0.0)
    assert open_shelf().get(Offer.BARS, "XYZ") is None
    assert open_shelf().get(Offer.BARS, "ABC") is None


@pytest.mark.parametrize(
    ("put_at", "asked_at", "is_given"),
    [
        ("2026-11-20T21:29+00:00", "2026-11-20T23:00+00:00", False),  # 16:29 in New York: delayed quotes still move
        ("2026-11-20T21:31+00:00", "2026-11-21T04:00+00:00", True),
        ("2026-11-20T21:31+00:00", "2026-11-21T12:00+00:00", False),  # another day: fewer days to every expiry
        ("2026-11-20T12:00+00:00", "2026-11-20T14:29+00:00", True),
        ("2026-11-20T12:00+00:00", "2026-11-20T14:30+00:00", False),  # the opening bell
        ("2026-11-21T12:00+00:00", "2026-11-21T20:00+00:00", True),  # Saturday
        ("2026-11-27T18:31+00:00", "2026-11-27T20:00+00:00", True),  # closed at 13:00
    ],
)
def test_a_chain_stays_while_nothing_is_quoted(
    put_at: str, asked_at: str, is_given: bool, open_shelf: Callable[[], Shelved], clock: Clock
):
    clock.now = datetime.fromisoformat(put_at)
    open_shelf().put(Offer.CHAIN, "XYZ", BUILT, 0.0)
    clock.now = datetime.fromisoformat(asked_at)
    assert (open_shelf().get(Offer.CHAIN, "XYZ") is not None) is is_given


def test_an_answer_of_the_future_is_not_given(open_shelf: Callable[[], Shelved], clock: Clock):
    open_shelf().put(Offer.FUNDAMENTALS, "XYZ", FACTS, 0.0)
    clock.now -= timedelta(days=1)
    assert open_shelf().get(Offer.FUNDAMENTALS, "XYZ") is None


def test_quotes_are_never_kept(open_shelf: Callable[[], Shelved], tmp_path: Path):
    open_shelf().put(Offer.QUOTES, "XYZ", make.stock_quote(), 0.0)
    open_shelf().put(Offer.CHAIN, "XYZ", None, 0.0)
    assert open_shelf().get(Offer.QUOTES, "XYZ") is None
    assert list(tmp_path.rglob("*.kept")) == []


def test_a_table_that_lacks_a_column_is_asked_for_again(tmp_path: Path, clock: Clock):
    shelf = Shelf(tmp_path, clock)
    head, body = FORMS[Offer.LISTINGS].write(listings_of(RAW))
    shelf.put(Offer.BARS, "XYZ", NOW, FORMS[Offer.BARS].write(make.bars())[0], body)
    shelf.put(Offer.LISTINGS, "XYZ", NOW, head, b"no table")
    shelf.put(Offer.REPORTS, "XYZ", NOW, "{}")
    shelved = Shelved(shelf, clock, SESSIONS)
    assert [shelved.get(offer, "XYZ") for offer in (Offer.BARS, Offer.LISTINGS, Offer.REPORTS)] == [None] * 3


# Under the memory


def never() -> Any:
    raise AssertionError("this must not be asked for")


def test_a_restart_asks_for_nothing_that_is_young(open_shelf: Callable[[], Shelved], clock: Clock):
    Cache(tick=Ticks(), below=open_shelf()).get(Offer.LISTINGS, "XYZ", lambda: listings_of(RAW))
    clock.now += timedelta(hours=1)
    after = Cache(tick=Ticks(), below=open_shelf()).held(Offer.LISTINGS, "XYZ", never)
    assert is_same(after.value, listings_of(RAW))
    assert after.age == 3600.0


def test_what_comes_from_disk_is_as_old_in_memory_as_it_is(open_shelf: Callable[[], Shelved], clock: Clock):
    Cache(tick=Ticks(), below=open_shelf()).get(Offer.LISTINGS, "XYZ", lambda: listings_of(RAW))
    clock.now += timedelta(hours=5)
    ticks = Ticks()
    after = Cache(tick=ticks, below=open_shelf())
    assert after.get(Offer.LISTINGS, "XYZ", never) is not None
    clock.now += timedelta(hours=1, seconds=1)
    ticks.advance(3601)
    anew = listings_of(RAW)
    assert after.get(Offer.LISTINGS, "XYZ", lambda: anew) is anew


def test_a_failure_is_not_kept(open_shelf: Callable[[], Shelved], tmp_path: Path):
    def fail() -> Any:
        raise DataUnavailable("acme is down.")

    with pytest.raises(DataUnavailable):
        Cache(tick=Ticks(), below=open_shelf()).get(Offer.REPORTS, "XYZ", fail)
    assert list(tmp_path.rglob("*.kept")) == []
