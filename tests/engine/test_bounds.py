"""Limits that people set: tighter ones hold at once, looser ones from the next session, walls stay where they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine import bounds
from engine.errors import BadRequest
from engine.model.events import EventKind
from engine.model.limits import SETTABLE, Limits
from tests.desk import World, make_world

D = Decimal
TUESDAY = datetime(2026, 6, 16, 13, 30, tzinfo=UTC)
"""The opening bell after the Monday on which these tests stand."""


def in_force(world: World) -> Limits:
    with world.store.read() as work:
        return bounds.limits_in_force(world.desk, work)


def test_the_configured_limits_hold_until_somebody_sets_one() -> None:
    assert in_force(make_world()) == Limits()


def test_a_tighter_limit_holds_at_once() -> None:
    world = make_world()

    bounds.set_limit(world.desk, "daily_loss", D("0.01"), "ann")

    assert in_force(world) == replace(Limits(), daily_loss=D("0.01"))


def test_a_looser_limit_holds_from_the_next_opening_bell() -> None:
    world = make_world()

    change = bounds.set_limit(world.desk, "daily_loss", D("0.03"), "ann")

    assert change.effective_at == TUESDAY
    world.clock.set(datetime(2026, 6, 16, 13, 29, 59, tzinfo=UTC))
    assert in_force(world).daily_loss == D("0.02")
    world.clock.set(TUESDAY)
    assert in_force(world).daily_loss == D("0.03")


def test_the_next_session_after_a_friday_before_a_holiday_is_tuesdays() -> None:
    """Independence Day 2026 is a Saturday, kept on Friday 3 July."""
    world = make_world()
    world.clock.set(datetime(2026, 7, 2, 19, 0, tzinfo=UTC))

    assert bounds.set_limit(world.desk, "lotto", D("0.01"), "ann").effective_at.date().isoformat() == "2026-07-06"


def test_loosened_before_the_bell_it_holds_from_that_bell() -> None:
    world = make_world()
    world.clock.set(datetime(2026, 6, 16, 12, 0, tzinfo=UTC))

    assert bounds.set_limit(world.desk, "lotto", D("0.01"), "ann").effective_at == TUESDAY


def test_loosening_is_measured_against_what_holds_not_against_the_configuration() -> None:
    """Tightened to 1 % and back to the configured 2 % within the hour: that is a loosening."""
    world = make_world()
    bounds.set_limit(world.desk, "daily_loss", D("0.01"), "ann")
    world.clock.advance(minutes=30)

    assert bounds.set_limit(world.desk, "daily_loss", D("0.02"), "ann").effective_at == TUESDAY


def test_a_tighter_limit_takes_back_a_looser_one_that_waits() -> None:
    world = make_world()
    bounds.set_limit(world.desk, "daily_loss", D("0.03"), "ann")
    world.clock.advance(60)
    bounds.set_limit(world.desk, "daily_loss", D("0.015"), "bob")
    world.clock.set(TUESDAY)

    assert in_force(world).daily_loss == D("0.015")


def test_what_waits_is_shown_beside_what_holds() -> None:
    world = make_world()
    bounds.set_limit(world.desk, "daily_loss", D("0.03"), "ann")

    with world.store.read() as work:
        found = {bound.name: bound for bound in bounds.bounds(world.desk, work)}

    shown = found["daily_loss"]
    assert (shown.configured, shown.value) == (D("0.02"), D("0.02"))
    assert shown.pending is not None
    assert (shown.pending.value, shown.pending.set_by) == (D("0.03"), "ann")
    assert found["lotto"].pending is None


@pytest.mark.parametrize(("name", "beyond"), [("max_position_risk", "0.1001"), ("max_total_risk", "0.31")])
def test_an_outer_wall_moves_in_but_never_out(name: str, beyond: str) -> None:
    world = make_world()
    wall = getattr(Limits(), name)

    with pytest.raises(BadRequest, match="outer wall"):
        bounds.set_limit(world.desk, name, D(beyond), "ann")
    bounds.set_limit(world.desk, name, wall / 2, "ann")
    bounds.set_limit(world.desk, name, wall, "ann")

    assert getattr(in_force(world), name) == wall / 2
    world.clock.set(TUESDAY)
    assert getattr(in_force(world), name) == wall


def test_a_wall_that_is_configured_tighter_later_wins_over_what_was_set() -> None:
    world = make_world()
    bounds.set_limit(world.desk, "max_total_risk", D("0.25"), "ann")
    narrow = replace(world.desk, limits=replace(Limits(), max_total_risk=D("0.20")))

    with world.store.read() as work:
        assert bounds.limits_in_force(narrow, work).max_total_risk == D("0.20")


@pytest.mark.parametrize("value", ["0", "-0.01", "1.01"])
def test_a_limit_is_a_fraction(value: str) -> None:
    with pytest.raises(BadRequest, match="daily_loss"):
        bounds.set_limit(make_world().desk, "daily_loss", D(value), "ann")


def test_who_set_what_is_an_event() -> None:
    world = make_world()
    bounds.set_limit(world.desk, "daily_loss", D("0.01"), "ann")

    with world.store.read() as work:
        (event,) = work.events(kinds=[EventKind.LIMIT_CHANGED])

    assert (event.subject, event.actor, event.data["before"], event.data["value"]) == (
        "daily_loss",
        "ann",
        "0.02",
        "0.01",
    )


def test_every_limit_that_can_be_set_is_one() -> None:
    assert all(isinstance(getattr(Limits(), name), Decimal) for name in SETTABLE)
