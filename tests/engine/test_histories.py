"""The volatility of every session: read once in the afternoon, filled from past trades, real before reconstructed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from bot.histories import TRIES, DailyVolatility, PastVolatility
from bot.loops import volatility_steps
from engine import histories
from engine.data.budget import Urgency, asking, urgency
from engine.errors import DataUnavailable
from engine.model.instruments import Option, Right
from engine.model.market import Bars, Chain, Dividend, IvDay, Kind, Source, Split
from engine.pricing import value
from engine.store import Store
from tests import make
from tests.desk import World, make_world

AFTERNOON = datetime(2026, 6, 15, 19, 50, tzinfo=UTC)
"""15:50 in New York."""
REAL = Source("alpaca", Kind.REAL)


def chain(ticker: str, asof: datetime, iv: float = 0.4, kind: Kind = Kind.REAL, today: date = make.TODAY) -> Chain:
    rows = tuple(make.Row(strike, 1, 0.95, 1.05, 0.5, iv) for strike in (95, 105))
    return make.chain(
        rows, rows, spot=100, dte=30, underlying=ticker, asof=asof, today=today, source=Source("alpaca", kind)
    )


def world(*tickers: str, store: Store | None = None) -> World:
    made = make_world(universe=tickers or ("XYZ",), store=store)
    made.clock.set(AFTERNOON)
    for ticker in tickers or ("XYZ",):
        put_chain(made, ticker)
    return made


def put_chain(made: World, ticker: str, **more: object) -> None:
    made.market.set_snapshot(make.snapshot(ticker, 100, chain(ticker, **({"asof": AFTERNOON} | more))))


def kept(made: World, ticker: str = "XYZ", today: date = make.TODAY + timedelta(days=1)) -> tuple[IvDay, ...] | None:
    return histories.known(made.store, ticker, today)


def test_the_volatility_of_the_afternoon_is_kept_with_its_source() -> None:
    made = world()
    DailyVolatility(made.desk)()
    assert kept(made) == (IvDay(make.TODAY, pytest.approx(0.4), REAL),)
    assert histories.known(made.store, "XYZ", make.TODAY) is None


def test_it_is_not_read_before_a_quarter_to_four() -> None:
    made = world()
    made.clock.set(AFTERNOON - timedelta(minutes=5, seconds=1))
    DailyVolatility(made.desk)()
    assert kept(made) is None
    made.clock.advance(1)
    DailyVolatility(made.desk)()
    assert kept(made) is not None


def test_on_an_early_close_it_is_read_a_quarter_to_one() -> None:
    """The day after Thanksgiving 2026: at 15:45 the market has been closed for hours."""
    made = world()
    day = date(2026, 11, 27)
    at = datetime(2026, 11, 27, 17, 44, tzinfo=UTC)
    made.clock.set(at)
    put_chain(made, "XYZ", asof=at, today=day)
    step = DailyVolatility(made.desk)
    step()
    assert kept(made, today=date(2026, 11, 28)) is None
    made.clock.advance(minutes=1)
    step()
    assert kept(made, today=date(2026, 11, 28)) is not None


def test_a_desk_that_was_down_catches_up_in_the_evening_and_not_the_next_morning() -> None:
    made = world()
    made.clock.set(AFTERNOON + timedelta(hours=3))
    put_chain(made, "XYZ", asof=AFTERNOON + timedelta(minutes=9))
    DailyVolatility(made.desk)()
    assert kept(made) is not None

    late = world()
    late.clock.set(datetime(2026, 6, 16, 13, 0, tzinfo=UTC))
    DailyVolatility(late.desk)()
    assert kept(late, today=date(2026, 6, 17)) is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"kind": Kind.MODELLED}, "is modelled"),
        ({"kind": Kind.RECONSTRUCTED}, "is reconstructed"),
        ({"kind": Kind.DELAYED, "asof": AFTERNOON - timedelta(minutes=36)}, "too old"),
        ({"today": make.TODAY - timedelta(days=3)}, "too old"),
        ({"iv": float("nan")}, "has a volatility at the money"),
    ],
)
def test_what_was_not_seen_this_afternoon_is_not_kept(more: dict[str, object], words: str) -> None:
    made = world()
    put_chain(made, "XYZ", **more)
    with pytest.raises(DataUnavailable, match=words):
        histories.keep(made.desk, "XYZ")
    assert kept(made) is None


@pytest.mark.parametrize("kind", [Kind.DELAYED, Kind.INDICATIVE])
def test_a_row_says_what_its_chain_was(kind: Kind) -> None:
    made = world()
    put_chain(made, "XYZ", kind=kind)
    assert histories.keep(made.desk, "XYZ").source == Source("alpaca", kind)
    assert (kept(made) or ())[0].source.kind is kind


def test_one_name_has_its_turn_at_a_look_and_a_restart_goes_on_where_it_was() -> None:
    made = world("AAA", "BBB", "CCC")
    step = DailyVolatility(made.desk)
    step()
    assert histories.unseen(made.desk) == ("BBB", "CCC")
    again = DailyVolatility(made.desk)
    again()
    again()
    assert histories.unseen(made.desk) == ()


def test_a_name_that_gives_nothing_holds_up_no_other_and_is_given_up_in_the_end() -> None:
    made = world("AAA", "BBB")
    put_chain(made, "AAA", kind=Kind.MODELLED)
    step = DailyVolatility(made.desk)
    step()
    step()
    assert histories.unseen(made.desk) == ("AAA",)
    for _ in range(TRIES + 1):
        made.clock.advance(minutes=11)
        step()
    assert len(step.turns.failed["AAA"]) == TRIES


def test_a_name_that_failed_is_asked_again_later() -> None:
    made = world()
    put_chain(made, "XYZ", kind=Kind.MODELLED)
    step = DailyVolatility(made.desk)
    step()
    put_chain(made, "XYZ")
    step()
    assert kept(made) is None
    made.clock.advance(minutes=11)
    step()
    assert kept(made) is not None


def test_the_next_session_is_read_again() -> None:
    made = world()
    step = DailyVolatility(made.desk)
    step()
    step()
    made.clock.advance(days=1)
    put_chain(made, "XYZ", asof=made.clock(), today=date(2026, 6, 16), iv=0.5)
    step()
    assert [seen.iv for seen in kept(made, today=date(2026, 6, 17)) or ()] == pytest.approx([0.4, 0.5])


def test_what_nobody_waits_for_is_asked_in_the_background_s_share() -> None:
    made = world()
    asked = []
    market = made.market
    plain = market.chain

    def chain_of(ticker: str) -> Chain | None:
        asked.append(urgency())
        return plain(ticker)

    market.chain = chain_of  # type: ignore[method-assign]
    for _, step in volatility_steps(made.desk, None, lambda: asking(Urgency.BACKGROUND)):
        step()
    assert asked == [Urgency.BACKGROUND]
    assert urgency() is not Urgency.BACKGROUND


# The year before.

EXPIRIES = tuple(date(2026, *day) for day in ((4, 17), (5, 15), (6, 18), (7, 17)))


@dataclass
class FakePast:
    """Contracts around 48 that traded at a volatility of 40 % every day."""

    since: date = date(2026, 4, 1)
    iv: float = 0.4
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def listed(self, ticker: str, expiries: tuple[date, date], strikes: tuple[float, float]) -> tuple[Option, ...]:
        self.asked.append(f"listed {ticker}")
        if self.down:
            raise DataUnavailable("not now")
        strikes_there = [strike for strike in (44, 46, 48, 50, 52) if strikes[0] <= strike <= strikes[1]]
        return tuple(
            Option(ticker, expiry, right, Decimal(strike))
            for expiry in EXPIRIES
            if expiries[0] <= expiry <= expiries[1]
            for strike in strikes_there
            for right in Right
        )

    def traded(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
        days = [day for day in make.weekdays(80) if start <= day <= end]
        found = {}
        for option in options:
            alive = [day for day in days if 0 < (option.expiry - day).days <= 70]
            if alive:
                years = np.array([(option.expiry - day).days / 365 for day in alive])
                same = np.full(len(alive), float(option.strike))
                calls = np.full(len(alive), option.right is Right.CALL)
                prices = value(np.full(len(alive), 48.0), same, years, 0.04, np.full(len(alive), self.iv), calls, 0.0)
                found[option] = make.bars([float(p) for p in prices], option.symbol, volume=50, days=alive)
        return found

    def splits(self, ticker: str, start: date, end: date) -> tuple[Split, ...]:
        return ()

    def dividends(self, ticker: str, start: date, end: date) -> tuple[Dividend, ...]:
        return ()

    def rate(self, day: date) -> float | None:
        return 0.04


def test_the_past_is_filled_from_trades_and_labelled() -> None:
    made = world()
    made.market.set_bars(make.bars())
    count = histories.fill(made.desk, FakePast(), "XYZ")
    days = kept(made, today=make.TODAY) or ()
    assert count == len(days) > 45
    assert days[0].day >= date(2026, 4, 1)
    assert {seen.source for seen in days} == {Source("test", Kind.RECONSTRUCTED)}
    assert [seen.iv for seen in days] == pytest.approx([0.4] * len(days), abs=0.001)


def test_what_was_seen_is_left_as_it_was() -> None:
    made = world()
    made.market.set_bars(make.bars())
    seen = IvDay(date(2026, 6, 10), 0.55, REAL)
    with made.store.begin() as work:
        work.add_iv("XYZ", seen)
    histories.fill(made.desk, FakePast(), "XYZ")
    assert seen in (kept(made, today=make.TODAY) or ())


def test_a_name_is_filled_once_a_week_and_not_while_its_provider_is_busy() -> None:
    made = world()
    made.market.set_bars(make.bars())
    past = FakePast(down=True)
    step = PastVolatility(made.desk, past)
    step()
    assert histories.unfilled(made.desk) == ("XYZ",)
    past.down = False
    made.clock.advance(minutes=11)
    step()
    assert histories.unfilled(made.desk) == ()
    step()
    assert past.asked == ["listed XYZ"] * 2
    made.clock.advance(days=7)
    assert histories.unfilled(made.desk) == ("XYZ",)


def test_a_name_given_up_today_is_tried_again_tomorrow() -> None:
    made = world()
    made.market.set_bars(make.bars())
    past = FakePast(down=True)
    step = PastVolatility(made.desk, past)
    for _ in range(TRIES + 3):
        step()
        made.clock.advance(minutes=11)
    assert len(past.asked) == TRIES
    past.down = False
    made.clock.advance(days=1)
    step()
    assert histories.unfilled(made.desk) == ()


def test_without_a_day_missing_nobody_is_asked() -> None:
    made = world()
    past = FakePast(since=date(2026, 6, 12))
    with made.store.begin() as work:
        work.add_iv("XYZ", IvDay(date(2026, 6, 12), 0.4, replace(REAL, kind=Kind.INDICATIVE)))
    assert histories.fill(made.desk, past, "XYZ") == 0
    assert past.asked == []
