"""What is to come for held names is asked for now and then, remembered, and never waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from engine import coming
from engine.coming import Known
from engine.errors import DataUnavailable
from engine.model.book import PositionStatus
from engine.model.market import Dividend, Earnings, MarketSnapshot
from tests import make
from tests.desk import World, make_world
from tests.fakes import FakeMarket

DIVIDEND = Dividend(make.TODAY + timedelta(days=9), Decimal("0.30"))
REPORT = Earnings(make.TODAY + timedelta(days=20), confirmed=True)


class Counting(FakeMarket):
    """A market that counts who was asked about, and answers with what it is told."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock)
        self.names: list[str] = []
        self.is_mute = False

    def snapshot(self, ticker: str) -> MarketSnapshot:
        self.names.append(ticker)
        if self.is_mute:
            raise DataUnavailable("no answer")
        return super().snapshot(ticker)


def holding(*tickers: str) -> tuple[World, Counting]:
    """A desk that holds a put in each of these names."""
    world = make_world()
    market = Counting(world)
    for number, ticker in enumerate(tickers):
        put = make.put(44, underlying=ticker)
        market.set_snapshot(make.snapshot(ticker, dividends=(DIVIDEND,), earnings=(REPORT,)))
        position = make.position(
            id=f"P0000{number}", ticker=ticker, approval_id=None, legs=(make.leg(put),), lots=(make.held(put, -1, "1"),)
        )
        with world.store.begin() as work:
            work.save_position(position)
    return replace(world, desk=replace(world.desk, market=market)), market


def known(world: World) -> dict[str, Known]:
    with world.store.read() as work:
        return dict(coming.known(work))


def test_what_is_told_is_remembered_as_far_as_it_is_to_come() -> None:
    world, market = holding("KO")
    past = Dividend(make.TODAY, Decimal("0.25"))
    market.set_snapshot(make.snapshot("KO", dividends=(past, DIVIDEND), earnings=(make.earnings(-60), REPORT)))

    coming.refresh(world.desk)

    assert known(world) == {"KO": Known(make.NOW, (REPORT,), (DIVIDEND,))}


def test_what_is_fresh_is_not_asked_for_again_within_the_hour() -> None:
    world, market = holding("KO")

    for _ in range(59):
        coming.refresh(world.desk)
        world.clock.advance(minutes=1)
    asked = list(market.names)
    world.clock.advance(minutes=1)
    coming.refresh(world.desk)

    assert (asked, market.names) == (["KO"], ["KO", "KO"])


def test_what_nobody_tells_is_asked_for_again_soon_and_keeps_what_was_known() -> None:
    world, market = holding("KO")
    coming.refresh(world.desk)
    market.is_mute = True
    world.clock.advance(hours=1)
    coming.refresh(world.desk)
    mute = known(world)["KO"]
    world.clock.advance(minutes=5)

    coming.refresh(world.desk)

    assert (mute.reports, mute.dividends) == ((REPORT,), (DIVIDEND,))
    assert market.names == ["KO", "KO"]


def test_a_name_that_was_never_told_is_unknown_and_asked_for_every_ten_minutes() -> None:
    world, market = holding("KO")
    market.is_mute = True
    coming.refresh(world.desk)
    first = known(world)
    world.clock.advance(minutes=10)
    coming.refresh(world.desk)

    assert first == {"KO": Known(make.NOW)}
    assert market.names == ["KO", "KO"]


def test_no_further_name_is_asked_for_when_the_time_is_over() -> None:
    world, market = holding("AA", "BB", "CC")

    for _ in range(3):
        coming.refresh(world.desk, seconds=-1)

    assert market.names == ["AA", "BB", "CC"]


def test_what_is_not_held_any_more_is_forgotten() -> None:
    world, _ = holding("KO")
    coming.refresh(world.desk)
    with world.store.begin() as work:
        closed = work.position("P00000")
        work.save_position(replace(closed, status=PositionStatus.CLOSED, closed_at=make.NOW))

    coming.refresh(world.desk)

    assert known(world) == {}
