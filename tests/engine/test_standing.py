"""Where the account stands: its numbers are believed for a minute and no longer, whichever way a clock was set."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine import standing
from engine.errors import DataUnavailable
from tests.desk import World, make_world

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
