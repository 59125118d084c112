"""What a market answered is written down and read again exactly, and never at the cost of whoever asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.data.folder import RecordedFolder
from engine.data.recorder import Note, Recorder
from engine.data.recording import BARS, CHAINS, INTRADAY, SNAPSHOTS, Part
from engine.data.recording_market import RecordingMarket
from engine.data.recordings import KEPT_DAYS
from engine.data.replay import ReplayMarket
from engine.errors import ConfigError, DataInvalid, DataUnavailable, NotFound
from engine.model.instruments import Stock
from engine.model.market import (
    Bars,
    Chain,
    Earnings,
    Fundamentals,
    IntradayBars,
    Kind,
    Level,
    MarketSnapshot,
    ReportTime,
    Source,
)
from engine.model.news import News
from engine.model.status import TradingStatus
from engine.sessions import Sessions
from tests import make
from tests.fakes import FakeClock, FakeMarket

LIVE = Source("alpaca", Kind.REAL)
D = make.D


def rich_chain(asof: datetime = make.NOW, **more: Any) -> Chain:
    """Two expiries with everything a chain can have, a hole in every column."""
    rows = (make.Row(44.5, 1.03, 0.98, 1.08, -0.24, 0.1 + 0.2), make.Row(48, 2.5, np.nan, 2.6, -0.46, np.nan))
    chain = make.join(make.chain(rows, rows, asof=asof, dte=35), make.chain(rows, asof=asof, dte=60))
    n = len(chain)
    return replace(
        chain,
        root=np.array(["XYZ"] * (n - 1) + ["XYZW"], dtype=object),
        rates=np.linspace(0.03, 0.04, n),
        yields=np.linspace(0.0, 0.01, n),
        open_interest=np.where(np.arange(n) == 1, np.nan, 500.0),
        dividends=((date(2026, 7, 1), 0.1 + 0.2),),
        dividend_yield=1 / 3,
        source=LIVE,
        rate_source=Source("treasury", Kind.REAL),
        **more,
    )


def rich_intraday(bars_today: int = 4, feed: str = "alpaca iex") -> IntradayBars:
    """Bars of 15 minutes of two sessions and of today, a quarter of an hour missing, a volume not known."""
    prices = 48 + np.sin(np.arange(52 + bars_today))
    made = make.intraday(prices, bars_today, volume=np.where(np.arange(len(prices)) == 9, np.nan, 1000 + prices))
    return replace(made.take(np.arange(len(made)) != 30), source=Source(feed))


def rich_snapshot(**more: Any) -> MarketSnapshot:
    """A snapshot with everything a snapshot can have."""
    asof = more.pop("asof", make.NOW)
    loads: dict[str, Any] = {
        "load_chain": lambda: rich_chain(asof),
        "load_earnings": lambda: (Earnings(date(2026, 7, 20), ReportTime.AFTER_CLOSE, True, ("finnhub", "yahoo")),),
        "load_fundamentals": lambda: Fundamentals(market_cap=D("20000000000.5"), beta=1 / 3, known_on=make.TODAY),
        "load_news": lambda: News("XYZ", asof, (), ("alpaca",)),
        "load_intraday": rich_intraday,
    }
    defaults: dict[str, Any] = {
        "dividends": (make.dividend(-20, "0.36"), make.dividend(10, "0.37")),
        "iv_history": make.iv_days(np.linspace(0.2, 0.4, 70), source=Source("alpaca", Kind.RECONSTRUCTED)),
        "rate": 1 / 30,
        "last_iv": {"XYZ260720P00044000": 0.1 + 0.2},
        "troubles": ("Yahoo gave no answer.",),
        "bars": replace(make.bars(48 + np.sin(np.arange(300))), source=LIVE),
    }
    return make.snapshot(asof=asof, **(defaults | loads | more))


class Desk:
    """A market that is recorded to a folder, a clock, and the recording opened again."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.inner = FakeMarket(self.clock)
        self.recorder = Recorder(folder, **more)
        self.market = RecordingMarket(self.inner, self.recorder, self.clock)

    def seen(self, snapshot: MarketSnapshot) -> MarketSnapshot:
        """One look at a name, everything asked for, as a scan would."""
        self.inner.set_snapshot(snapshot)
        found = self.market.snapshot(snapshot.ticker)
        loads = (found.load_chain, found.load_earnings, found.load_fundamentals, found.load_news, found.load_intraday)
        for load in loads:
            load()
        return found

    def read(self, now: datetime | None = None) -> ReplayMarket:
        """Everything so far is written; the recording as it was known at `now`."""
        self.recorder.flush()
        at = now or self.clock()
        return ReplayMarket(RecordedFolder.open(self.folder), lambda: at, Sessions())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "rec")


def assert_same_bars(found: Bars, wanted: Bars) -> None:
    assert (found.ticker, found.source) == (wanted.ticker, wanted.source)
    for name in ("day", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


def assert_same_chain(found: Chain | None, wanted: Chain | None) -> None:
    assert found is not None
    assert wanted is not None
    for item in fields(Chain):
        mine, theirs = getattr(found, item.name), getattr(wanted, item.name)
        if isinstance(theirs, np.ndarray):
            np.testing.assert_array_equal(mine, theirs, err_msg=item.name)
            assert mine.dtype == theirs.dtype, item.name
        else:
            assert mine == theirs, item.name


def assert_same_intraday(found: IntradayBars | None, wanted: IntradayBars | None) -> None:
    assert found is not None
    assert wanted is not None
    assert (found.ticker, found.minutes, found.source) == (wanted.ticker, wanted.minutes, wanted.source)
    for name in IntradayBars.COLUMNS:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
        assert getattr(found, name).dtype == getattr(wanted, name).dtype


def assert_same(found: MarketSnapshot, wanted: MarketSnapshot) -> None:
    """Every field to the last bit, and what it loads."""
    assert_same_bars(found.bars, wanted.bars)
    assert replace(found, bars=wanted.bars) == wanted
    assert_same_chain(found.chain, wanted.chain)
    assert found.earnings == wanted.earnings
    assert found.fundamentals == wanted.fundamentals
    assert found.news == wanted.news
    assert_same_intraday(found.intraday, wanted.intraday)


def test_a_snapshot_is_read_again_to_the_last_bit(desk: Desk) -> None:
    wanted = rich_snapshot()
    desk.seen(wanted)
    assert_same(desk.read().snapshot("XYZ"), wanted)


def test_what_was_recorded_is_known_from_its_instant_on_and_the_latest_counts(desk: Desk) -> None:
    first, second = rich_snapshot(), rich_snapshot(asof=make.NOW + timedelta(minutes=5), spot=49)
    desk.seen(first)
    desk.clock.advance(minutes=5)
    desk.seen(second)
    assert_same(desk.read(make.NOW + timedelta(minutes=4)).snapshot("XYZ"), first)
    assert_same(desk.read(make.NOW + timedelta(hours=9)).snapshot("XYZ"), second)
    with pytest.raises(DataUnavailable):
        desk.read(make.NOW - timedelta(seconds=1)).snapshot("XYZ")


def test_what_a_rule_did_not_ask_for_is_not_there(desk: Desk) -> None:
    desk.inner.set_snapshot(rich_snapshot())
    desk.market.snapshot("XYZ")
    found = desk.read().snapshot("XYZ")
    assert (found.chain, found.earnings, found.fundamentals, found.news, found.intraday) == (None,) * 5


def test_a_name_that_had_no_answer_has_none_again_in_the_same_words(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.market.snapshot("ABC")
    desk.seen(rich_snapshot())
    market = desk.read()
    with pytest.raises(NotFound, match="ABC is not known here"):
        market.snapshot("ABC")
    assert market.universe() == ("ABC", "XYZ")


def test_quotes_halts_and_chains_asked_for_by_themselves_are_kept(desk: Desk) -> None:
    option = make.put()
    quote = desk.inner.set_quote(option, "0.98", "1.08", 12)
    status = TradingStatus("XYZ", True, make.NOW)
    desk.inner.set_status(status)
    desk.seen(rich_snapshot())
    desk.inner.put_quote(quote)
    desk.market.quotes([option])
    desk.market.statuses(["XYZ"])
    asked = desk.market.chain("XYZ")
    market = desk.read()
    assert market.quotes([option]) == {option: quote}
    assert market.statuses(["XYZ", "ABC"]) == {"XYZ": status}
    assert_same_chain(market.chain("XYZ"), asked)


def test_a_contract_without_a_quote_of_its_own_is_quoted_by_the_chain(desk: Desk) -> None:
    desk.seen(rich_snapshot())
    chain = rich_chain()
    contract = chain.row(0)
    found = desk.read().quotes([contract.option, Stock("XYZ")])
    assert (found[contract.option].bid, found[contract.option].at) == (contract.bid, chain.asof)
    assert found[Stock("XYZ")] == rich_snapshot().spot


def rows(folder: Path, kind: str) -> list[int]:
    """How many rows each piece has."""
    return [pq.read_metadata(path).num_rows for path in (folder / kind).glob("*.parquet")]


def test_what_is_the_same_is_written_once(desk: Desk) -> None:
    chain, bars = rich_chain(), replace(make.bars(), source=LIVE)
    for minute in range(5):
        asof = make.NOW + timedelta(minutes=minute)
        desk.clock.set(asof)
        desk.seen(rich_snapshot(asof=asof, bars=bars, load_chain=lambda: chain))
        desk.inner.set_quote(make.share(), 47.99, 48.01)
        desk.recorder.flush()
    assert len(rows(desk.folder, CHAINS)) == len(rows(desk.folder, BARS)) == 1
    assert len(rows(desk.folder, SNAPSHOTS)) == 5
    assert_same_chain(desk.read().snapshot("XYZ").chain, chain)


def next_day(bars: Bars, factor: float = 1.0) -> Bars:
    """The same a session later, prices times a factor."""
    longer = make.bars([*bars.close, 50.0], days=(*bars.day.tolist(), make.TODAY))
    return replace(longer[1:].scaled(factor), source=LIVE)


def test_a_day_later_only_the_new_bar_is_added(desk: Desk) -> None:
    bars = replace(make.bars(), source=LIVE)
    later = rich_snapshot(asof=make.NOW + timedelta(days=1), today=make.TODAY + timedelta(days=1), bars=next_day(bars))
    desk.seen(rich_snapshot(bars=bars))
    desk.recorder.flush()
    desk.clock.advance(days=1)
    desk.seen(later)
    assert_same_bars(desk.read().snapshot("XYZ").bars, later.bars)
    assert sorted(rows(desk.folder, BARS)) == [1, 260]
    assert_same_bars(desk.read(make.NOW).snapshot("XYZ").bars, bars)


def test_the_chains_of_a_few_days_are_at_hand_and_no_more(desk: Desk) -> None:
    instants = [make.NOW + timedelta(days=ahead) for ahead in range(KEPT_DAYS + 2)]
    for at in instants:
        desk.clock.set(at)
        desk.seen(rich_snapshot(asof=at, today=at.date()))
    desk.recorder.flush()
    recordings = RecordedFolder.open(desk.folder).recordings
    assert all(recordings.chain("XYZ", at) is not None for at in instants)
    assert len(recordings._chains) == KEPT_DAYS


def test_a_split_between_two_days_leaves_each_day_its_own_shares(desk: Desk) -> None:
    bars = replace(make.bars(), source=LIVE)
    day = make.TODAY + timedelta(days=1)
    later = rich_snapshot(asof=make.NOW + timedelta(days=1), today=day, bars=next_day(bars, 0.5))
    desk.seen(rich_snapshot(bars=bars))
    desk.clock.advance(days=1)
    desk.seen(later)
    assert_same_bars(desk.read(make.NOW).snapshot("XYZ").bars, bars)
    assert_same_bars(desk.read().snapshot("XYZ").bars, later.bars)


def seen_with(desk: Desk, minutes: int, bars: IntradayBars | None) -> datetime:
    """A look so many minutes later that asks for intraday bars only."""
    desk.clock.set(make.NOW + timedelta(minutes=minutes))
    desk.inner.set_snapshot(rich_snapshot(asof=desk.clock(), load_intraday=lambda: bars))
    desk.market.snapshot("XYZ").load_intraday()
    return desk.clock()


def test_intraday_bars_that_grew_by_one_are_written_once_and_each_look_is_told_what_it_saw(desk: Desk) -> None:
    times = [seen_with(desk, 15 * count, rich_intraday(count)) for count in (3, 4, 5)]
    again = seen_with(desk, 76, rich_intraday(5))
    for at, count in zip((*times, again), (3, 4, 5, 5), strict=True):
        assert_same_intraday(desk.read(at).snapshot("XYZ").intraday, rich_intraday(count))
    (written,) = rows(desk.folder, INTRADAY)
    assert written == len(rich_intraday(5))


def test_intraday_bars_of_a_month_that_moves_on_leave_out_the_oldest_session(desk: Desk) -> None:
    first = seen_with(desk, 0, rich_intraday(4))
    moved = rich_intraday(5)
    moved = moved.take(moved.day > moved.day[0])
    later = seen_with(desk, 15, moved)
    assert_same_intraday(desk.read(later).snapshot("XYZ").intraday, moved)
    assert_same_intraday(desk.read(first).snapshot("XYZ").intraday, rich_intraday(4))


def test_another_feed_of_intraday_bars_is_another_series(desk: Desk) -> None:
    first = seen_with(desk, 0, rich_intraday(4))
    whole = rich_intraday(4, feed="alpaca")
    whole = replace(whole, volume=whole.volume * 40)
    second = seen_with(desk, 1, whole)
    assert_same_intraday(desk.read(second).snapshot("XYZ").intraday, whole)
    assert_same_intraday(desk.read(first).snapshot("XYZ").intraday, rich_intraday(4))


def test_that_nobody_had_intraday_bars_is_recorded_too(desk: Desk) -> None:
    seen_with(desk, 0, rich_intraday(4))
    at = seen_with(desk, 15, None)
    assert desk.read(at).snapshot("XYZ").intraday is None


def test_levels_are_those_of_the_instant_and_what_nobody_knew_stays_unknown(desk: Desk) -> None:
    desk.seen(rich_snapshot())
    desk.inner.set_level("VIX", 18.25)
    desk.market.levels("VIX", "VIX3M")
    desk.clock.advance(minutes=1)
    desk.inner.set_level("VIX", 19.5)
    desk.inner.set_level("VIX3M", 20.75)
    desk.market.levels("VIX", "VIX3M")
    early, late = desk.read(make.NOW).levels("VIX", "VIX3M"), desk.read().levels("VIX", "VIX3M", "SPX")
    assert {name: level.value for name, level in early.items()} == {"VIX": 18.25}
    assert {name: level.value for name, level in late.items()} == {"VIX": 19.5, "VIX3M": 20.75}
    assert late["VIX"] == desk.inner.levels("VIX")["VIX"]


class Silent(FakeMarket):
    """Has no word about any index."""

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        raise DataUnavailable("Nobody answers.")


def test_that_nobody_answered_about_levels_is_recorded_as_such(desk: Desk) -> None:
    desk.seen(rich_snapshot())
    desk.inner.set_level("VIX", 18.25)
    desk.market.levels("VIX")
    desk.clock.advance(minutes=1)
    silent = RecordingMarket(Silent(desk.clock), desk.recorder, desk.clock)
    with pytest.raises(DataUnavailable):
        silent.levels("VIX")
    assert desk.read().levels("VIX") == {}
    assert desk.read(make.NOW).levels("VIX")["VIX"].value == 18.25


def test_two_programs_may_record_to_one_folder(desk: Desk) -> None:
    other = Desk(desk.folder)
    desk.seen(rich_snapshot())
    other.seen(rich_snapshot(ticker="ABC"))
    desk.recorder.flush()
    other.recorder.flush()
    assert desk.read().universe() == ("ABC", "XYZ")


def test_two_programs_that_know_different_bars_of_a_name_do_not_mix_them(desk: Desk) -> None:
    other = Desk(desk.folder)
    bars = replace(make.bars(), source=LIVE)
    day, asof = make.TODAY + timedelta(days=1), make.NOW + timedelta(days=1)
    later = rich_snapshot(asof=asof, today=day, bars=next_day(bars))
    desk.seen(rich_snapshot(bars=bars))
    desk.recorder.flush()
    other.seen(rich_snapshot(asof=make.NOW + timedelta(minutes=1), bars=bars.scaled(1.01)))
    other.recorder.flush()
    desk.clock.advance(days=1)
    desk.seen(later)
    assert_same_bars(desk.read().snapshot("XYZ").bars, later.bars)


def test_answers_that_are_noted_out_of_order_are_told_apart(desk: Desk) -> None:
    bars = replace(make.bars(), source=LIVE)
    early = rich_snapshot(bars=next_day(bars), today=make.TODAY + timedelta(days=1))
    late = rich_snapshot(bars=bars, asof=make.NOW + timedelta(milliseconds=1))
    desk.seen(late)
    desk.seen(early)
    assert_same_bars(desk.read(early.asof).snapshot("XYZ").bars, early.bars)
    assert_same_bars(desk.read(late.asof).snapshot("XYZ").bars, late.bars)


def test_a_recording_opens_beside_recorded_days(desk: Desk, tmp_path: Path) -> None:
    desk.seen(rich_snapshot())
    folder = desk.read()._folder
    assert folder.last_day == make.TODAY
    assert make.TODAY in folder.recordings.days
    assert folder.series["XYZ"].row(make.TODAY) is None


# What goes wrong stays with the recording.


def test_a_disk_that_takes_nothing_costs_the_recording_and_nothing_else(desk: Desk) -> None:
    (desk.folder / CHAINS).write_text("a file where the folder of chains should be")
    desk.seen(rich_snapshot())
    desk.recorder.flush()
    assert (desk.recorder.written, desk.recorder.lost > 0) == (0, True)
    (desk.folder / CHAINS).unlink()
    again = rich_snapshot(asof=make.NOW + timedelta(minutes=1))
    desk.clock.advance(minutes=1)
    desk.seen(again)
    assert_same(desk.read().snapshot("XYZ"), again)


def test_a_write_that_breaks_off_leaves_earlier_files_as_they_were(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = rich_snapshot()
    desk.seen(wanted)
    desk.recorder.flush()
    before = {path: path.read_bytes() for path in desk.folder.rglob("*.parquet")}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    desk.clock.advance(minutes=1)
    desk.seen(rich_snapshot(asof=desk.clock(), spot=50))
    desk.recorder.flush()
    assert {path: path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()} == before
    assert_same(desk.read().snapshot("XYZ"), wanted)


def test_an_unfinished_file_of_a_killed_process_is_not_read(desk: Desk) -> None:
    wanted = rich_snapshot()
    desk.seen(wanted)
    desk.recorder.flush()
    (desk.folder / SNAPSHOTS / f"{make.TODAY}.99-00001.unfinished").write_bytes(b"PAR1 half of a fi")
    assert_same(desk.read().snapshot("XYZ"), wanted)


def test_what_does_not_fit_into_memory_is_left_out_and_counted(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "rec", most_bytes=20_000)
    for _ in range(10):
        desk.seen(rich_snapshot())
    kept = desk.recorder.lost
    assert kept > 0
    desk.recorder.flush()
    desk.clock.advance(minutes=1)
    desk.seen(rich_snapshot(asof=desk.clock(), bars=replace(make.bars(), source=LIVE)))
    assert desk.read().snapshot("XYZ").asof == desk.clock()


def test_the_recorder_s_thread_writes_by_itself_and_all_that_is_left_when_it_ends(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "rec", linger=0.0)
    desk.recorder.start()
    desk.seen(rich_snapshot())
    desk.recorder.close()
    assert (desk.recorder.written, desk.recorder.lost) == (6, 0)
    assert_same(desk.read().snapshot("XYZ"), rich_snapshot())


def test_a_value_that_cannot_be_written_is_counted_and_the_thread_goes_on(desk: Desk) -> None:
    desk.recorder.note(Note("XYZ", make.NOW, Part.QUOTE, make.quote(make.share(), "NaN", "1")))
    desk.recorder.flush()
    assert desk.recorder.lost == 1
    desk.seen(rich_snapshot())
    assert_same(desk.read().snapshot("XYZ"), rich_snapshot())


def test_a_folder_that_cannot_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot be made"):
        Recorder(tmp_path / "file" / "rec")


def everything(snapshot: MarketSnapshot) -> tuple[object, ...]:
    return snapshot.chain, snapshot.intraday


def drop_chains(folder: Path) -> None:
    for path in (folder / CHAINS).glob("*"):
        path.unlink()


def drop_quarters(folder: Path) -> None:
    for path in (folder / INTRADAY).glob("*"):
        path.unlink()


def garble(folder: Path) -> None:
    for path in (folder / SNAPSHOTS).glob("*"):
        path.write_bytes(b"not a table at all")


def swap(folder: Path) -> None:
    (bars,) = (folder / BARS).glob("*")
    for path in (folder / SNAPSHOTS).glob("*"):
        path.write_bytes(bars.read_bytes())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (drop_chains, "lacks the chain of XYZ"),
        (drop_quarters, "XYZ .* has 0 of 55 bars of 15 minutes"),
        (garble, "snapshots/.* is no readable Parquet file"),
        (swap, "snapshots/.*: column at is missing"),
    ],
)
def test_a_damaged_recording_says_which_file(desk: Desk, damage: Callable[[Path], None], words: str) -> None:
    desk.seen(rich_snapshot())
    desk.recorder.flush()
    damage(desk.folder)
    with pytest.raises(DataInvalid, match=words):
        everything(desk.read().snapshot("XYZ"))
