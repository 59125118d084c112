"""15-minute bars of a live market: one feed a series, the past once a day, today once a bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from engine.data.intraday_rows import SESSIONS, Timed, regular_starts, session_bars
from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.providers.port import Offer
from engine.data.providers.trouble import Unreachable
from engine.data.shelf import Shelf
from engine.data.shelved import Shelved
from engine.model.market import Bar, IntradayBars, Kind, Source
from engine.sessions import Sessions
from tests.chains import TODAY
from tests.engine.data.made_provider import MadeProvider
from tests.ticks import Ticks

CALENDAR = Sessions()
AT = datetime(2026, 11, 20, 15, 31, tzinfo=UTC)
"""10:31 in New York: four bars of today are over."""
BARS_AND_QUARTERS = frozenset({Offer.QUOTES, Offer.SESSIONS, Offer.BARS, Offer.INTRADAY})
DOWN = Unreachable("made did not answer.")


@dataclass
class Clock:
    now: datetime = AT

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Quarters(MadeProvider):
    """Gives bars of 15 minutes, too: those since the day asked for that were over a minute ago."""

    clock: Clock = field(default_factory=Clock)
    only: frozenset[Offer] = BARS_AND_QUARTERS
    feed: str = ""
    silent: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    times: float = 1.0
    starts: list[tuple[date, tuple[str, ...]]] = field(default_factory=list)

    def intraday(self, tickers: Sequence[str], start: date, minutes: int) -> Mapping[str, IntradayBars]:
        self.starts.append((start, tuple(tickers)))
        if self.broken & set(tickers):
            raise DOWN
        known = [name for name in self._known(Offer.INTRADAY, tickers) if name not in self.silent]
        made = {name: self._made(name, start, minutes) for name in known}
        return {name: bars for name, bars in made.items() if bars is not None}

    def _made(self, name: str, start: date, minutes: int) -> IntradayBars | None:
        price = self.prices[name] * self.times
        source = Source(f"{self.name} {self.feed}".strip(), self.kind)
        days = CALENDAR.between(start, CALENDAR.today(self.clock()))
        rows = [
            Timed(at, Bar(day, price, price + 1, price - 1, price, float(at)))
            for day in days
            for at in regular_starts(day, minutes, CALENDAR)
        ]
        return session_bars(name, minutes, rows, source, self.clock() - timedelta(minutes=1), CALENDAR)


@contextmanager
def live(
    *providers: MadeProvider, clock: Clock, names: tuple[str, ...] = ("AAA",), shelf: Shelved | None = None
) -> Iterator[LiveMarket]:
    ticks = Ticks()
    panel = Panel(providers, clock, tick=ticks, rng=np.random.default_rng(1))
    market = LiveMarket(panel, clock, CALENDAR, lambda: names, lambda ticker, day: None, tick=ticks, shelf=shelf)
    yield market
    market.close()


def test_a_snapshot_has_the_last_21_sessions_and_the_bars_of_today_that_are_over() -> None:
    clock = Clock()
    with live(Quarters(clock=clock), clock=clock) as market:
        bars = market.snapshot("AAA").intraday
    assert bars is not None
    days = np.unique(bars.day).tolist()
    assert (len(days), days[0], days[-1]) == (SESSIONS + 1, CALENDAR.previous(TODAY, 21), TODAY)
    assert bars.of(TODAY).start.tolist() == [570, 585, 600, 615]


def test_today_is_asked_for_once_a_bar_and_the_past_once_a_day() -> None:
    clock = Clock()
    made = Quarters(clock=clock)
    with live(made, clock=clock) as market:
        for minute in range(31, 60):
            clock.now = AT.replace(minute=minute)
            bars = market.intraday("AAA")
        clock.now += timedelta(days=3)
        market.intraday("AAA")
    assert bars is not None
    assert bars.of(TODAY).start[-1] == 630
    past, later = CALENDAR.previous(TODAY, 21), CALENDAR.previous(TODAY + timedelta(days=3), 21)
    assert [start for start, _ in made.starts] == [past, TODAY, later]


def test_a_bar_that_has_just_ended_is_asked_for_a_minute_later_so_that_it_is_whole() -> None:
    clock = Clock(AT.replace(minute=45, second=59))
    made = Quarters(clock=clock)
    with live(made, clock=clock) as market:
        first = market.intraday("AAA")
        clock.now = AT.replace(minute=46)
        second = market.intraday("AAA")
    assert first is not None
    assert second is not None
    assert (first.start[-1], second.start[-1]) == (615, 630)
    assert len(second) == len(first) + 1


def test_many_names_share_their_questions() -> None:
    names = tuple(f"N{chr(65 + one)}{chr(65 + two)}" for one in range(4) for two in range(25))
    clock = Clock()
    made = Quarters(clock=clock, prices=dict.fromkeys(names, 50.0))
    with live(made, clock=clock, names=names) as market:
        assert all(market.intraday(name) is not None for name in names)
        assert len(made.starts) == 5
        clock.now += timedelta(minutes=15)
        assert all(market.intraday(name) is not None for name in names)
    assert [start for start, _ in made.starts[5:]] == [TODAY] * 5


def test_where_every_name_is_a_request_only_the_name_itself_is_asked_for() -> None:
    clock = Clock()
    made = Quarters(clock=clock, kind=Kind.DELAYED, prices={"AAA": 1.0, "BBB": 1.0})
    with live(made, clock=clock, names=("AAA", "BBB")) as market:
        market.intraday("AAA")
    assert [names for _, names in made.starts] == [("AAA",)]


def test_bars_of_two_feeds_are_never_put_into_one_series() -> None:
    clock = Clock()
    made = Quarters(clock=clock)
    with live(made, clock=clock) as market:
        market.intraday("AAA")
        made.feed = "iex"  # the entitlement is taken away at noon
        clock.now += timedelta(minutes=15)
        bars = market.intraday("AAA")
    assert bars is not None
    assert bars.source.name == "made iex"
    past = CALENDAR.previous(TODAY, 21)
    assert [start for start, _ in made.starts] == [past, TODAY, past]


def test_while_who_gave_the_past_is_silent_the_whole_series_comes_from_the_next_one() -> None:
    clock = Clock()
    best, slow = Quarters(clock=clock), Quarters(name="slow", clock=clock, kind=Kind.DELAYED)
    with live(best, slow, clock=clock) as market:
        market.intraday("AAA")
        best.error = DOWN
        clock.now += timedelta(minutes=15)
        bars = market.intraday("AAA")
        best.error = None
        clock.now += timedelta(minutes=15)
        again = market.intraday("AAA")
    assert bars is not None
    assert str(bars.source) == "slow (delayed)"
    assert bars.of(TODAY).start[-1] == 630
    assert again is not None
    assert str(again.source) == "made (real)"
    assert again.of(TODAY).start[-1] == 645


def test_bars_that_disappear_are_no_series_to_be_joined() -> None:
    clock = Clock()
    made = Quarters(clock=clock)
    with live(made, clock=clock) as market:
        market.intraday("AAA")
        made.silent = frozenset({"AAA"})
        clock.now += timedelta(minutes=15)
        assert market.intraday("AAA") is None


def test_a_name_the_best_one_has_nothing_of_is_asked_of_the_others() -> None:
    clock = Clock()
    best = Quarters(clock=clock, silent=frozenset({"AAA"}))
    slow = Quarters(name="slow", clock=clock, kind=Kind.DELAYED)
    with live(best, slow, clock=clock) as market:
        bars = market.intraday("AAA")
    assert bars is not None
    assert bars.source.name == "slow"


def test_nobody_who_covers_it_and_nobody_who_answers_are_both_none() -> None:
    clock = Clock()
    with live(MadeProvider(), clock=clock) as market:
        assert market.snapshot("AAA").intraday is None
    with live(Quarters(clock=clock, error=DOWN), MadeProvider(), clock=clock) as market:
        assert market.snapshot("AAA").intraday is None


def test_bars_on_another_share_basis_than_the_daily_ones_are_none_and_counted() -> None:
    clock = Clock()
    made = Quarters(clock=clock, times=4.0)  # as before a split
    with live(made, clock=clock) as market:
        assert market.intraday("AAA") is None
        assert market.sources()[0].dropped == 1


def test_before_the_bell_the_past_is_there_and_nothing_of_today_is_asked() -> None:
    clock = Clock(datetime(2026, 11, 20, 14, 0, tzinfo=UTC))
    made = Quarters(clock=clock)
    with live(made, clock=clock) as market:
        bars = market.intraday("AAA")
        clock.now = datetime(2026, 11, 20, 14, 45, 59, tzinfo=UTC)
        market.intraday("AAA")
    assert bars is not None
    assert bars.day[-1].astype(object) == CALENDAR.previous(TODAY)
    assert len(made.starts) == 1


def test_after_a_restart_only_today_is_asked_for(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(2):
        made = Quarters(clock=clock)
        shelf = Shelved(Shelf(tmp_path, clock), clock, CALENDAR)
        with live(made, clock=clock, shelf=shelf) as market:
            bars = market.intraday("AAA")
        assert bars is not None
        clock.now += timedelta(minutes=15)
    assert [start for start, _ in made.starts] == [TODAY]
    assert bars.of(TODAY).start.tolist() == [570, 585, 600, 615, 630]
    assert len(np.unique(bars.day)) == 22


def test_what_was_kept_yesterday_is_not_todays(tmp_path: Path) -> None:
    clock = Clock(AT - timedelta(days=1))
    for _ in range(2):
        made = Quarters(clock=clock)
        with live(made, clock=clock, shelf=Shelved(Shelf(tmp_path, clock), clock, CALENDAR)) as market:
            market.intraday("AAA")
        clock.now = AT
    assert [start for start, _ in made.starts] == [CALENDAR.previous(TODAY, 21)]


def test_a_failure_about_other_names_does_not_hide_one_that_is_had() -> None:
    clock = Clock()
    names = ["AAA"]
    made = Quarters(clock=clock, prices={"AAA": 100.0, "BBB": 100.0}, broken=frozenset({"BBB"}))
    ticks = Ticks()
    panel = Panel([made], clock, tick=ticks, rng=np.random.default_rng(1))
    market = LiveMarket(panel, clock, CALENDAR, lambda: tuple(names), lambda ticker, day: None, tick=ticks)
    market.intraday("AAA")
    names.append("BBB")
    clock.now += timedelta(minutes=15)
    bars = market.intraday("AAA")
    market.close()
    assert bars is not None
    assert bars.of(TODAY).start[-1] == 630
    assert made.starts[-1] == (CALENDAR.previous(TODAY, 21), ("BBB",))
