"""Where the account stands: its numbers are believed for a minute and no longer, whichever way a clock was set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from engine import digests, standing
from engine.errors import DataUnavailable
from engine.model.book import Account
from engine.model.events import EventKind
from tests.desk import FakeBroker, World, make_world

D = Decimal


def known(world: World) -> tuple[Decimal, Decimal]:
    with world.store.read() as work:
        account = standing.known_account(world.desk, work)
        return account.equity, account.options_buying_power


def test_the_broker_is_believed_for_a_minute() -> None:
    world = make_world()
    world.clock.advance(60)

    assert known(world) == (D(100_000), D(100_000))

    world.clock.advance(1)
    with pytest.raises(DataUnavailable, match="buying power is not known"):
        known(world)


def test_numbers_from_a_later_time_are_not_fresh() -> None:
    """The clock was set back: what was noted before that may be old."""
    world = make_world()
    world.clock.advance(-61)

    with pytest.raises(DataUnavailable, match="buying power is not known"):
        known(world)


def test_an_account_from_a_later_time_is_asked_for_again() -> None:
    world = make_world()
    world.clock.advance(hours=-1)
    world.broker.cash = D(90_000)

    standing.ensure_account(world.desk)

    assert known(world) == (D(90_000), D(90_000))


class MovingBroker(FakeBroker):
    """Money moves while it is answering."""

    moved: Callable[[], None]

    def account(self) -> Account:
        answer = super().account()
        self.clock.advance(1)
        self.moved()
        return answer


def test_an_answer_during_which_money_moved_is_not_believed() -> None:
    """It may be from before: the order that filled is no longer reserved, and its cost is not in the answer."""
    world = make_world()
    broker = MovingBroker(world.clock)
    desk = replace(world.desk, broker=broker)

    def fill() -> None:
        with world.store.begin() as work:
            standing.forget_account(desk, work)

    broker.moved = fill

    standing.refresh_account(desk)

    with pytest.raises(DataUnavailable, match="buying power is not known"):
        known(world)


def test_a_session_ends_once_a_quarter_of_an_hour_after_its_close() -> None:
    world = make_world()
    assert not digests.end_day_once(world.desk)

    world.clock.set(world.desk.sessions.close(world.desk.today) + timedelta(minutes=15))
    ended = [digests.end_day_once(world.desk) for _ in range(2)]

    assert ended == [True, False]
    (digest,) = world.events(EventKind.DIGEST_READY)
    assert digest.data["equity"] == "100000.000000"
    with world.store.read() as work:
        assert [row.day for row in work.equity_history()] == [world.desk.today]


def test_a_session_that_closes_early_ends_at_a_quarter_past_one() -> None:
    world = make_world()
    world.clock.set(world.desk.sessions.at(date(2026, 11, 25), "16:15"))
    digests.end_day_once(world.desk)
    world.clock.set(world.desk.sessions.at(date(2026, 11, 27), "13:14"))
    before = digests.end_day_once(world.desk)
    world.clock.advance(60)

    assert (before, digests.end_day_once(world.desk)) == (False, True)
