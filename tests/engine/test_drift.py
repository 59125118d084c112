"""Drift is what prices did to what is held since this morning, and not what was traded."""

from __future__ import annotations

from decimal import Decimal

from engine import drift
from engine.drift import Moved
from engine.model.book import Position
from tests import make
from tests.desk import World, make_world

D = Decimal


def held(*ids: str, units: int = 10) -> tuple[Position, ...]:
    put = make.put()
    return tuple(make.position(id=id, lots=(make.held(put, -units, "1"),)) for id in ids)


def note(world: World, **greeks: tuple[str, str]) -> None:
    """Delta dollars and vega of one unit of each position."""
    with world.store.begin() as work:
        deltas = {id: D(delta) for id, (delta, _) in greeks.items()}
        drift.note(world.desk, work, deltas, {id: D(vega) for id, (_, vega) in greeks.items()})


def moved(world: World, *positions: Position) -> Moved:
    with world.store.read() as work:
        return drift.moved(world.desk, work, positions)


def test_the_first_look_of_a_session_is_where_it_is_measured_from() -> None:
    world = make_world()
    note(world, P1=("100", "2"))
    first = moved(world, *held("P1"))
    note(world, P1=("150", "1.5"))

    assert first == Moved(D(1000), D(0), D(20), D(0))
    assert moved(world, *held("P1")) == Moved(D(1500), D(500), D(15), D("-5"))


def test_what_is_opened_later_begins_where_it_was_opened_and_what_is_closed_is_out_of_it() -> None:
    world = make_world()
    note(world, P1=("100", "2"))
    note(world, P1=("150", "2"), P2=("-40", "1"))
    note(world, P1=("150", "2"), P2=("-50", "1"))

    assert moved(world, *held("P1", "P2")).delta_moved == D(400)
    assert moved(world, *held("P2")).delta_moved == D(-100)


def test_a_sale_of_half_halves_what_moved() -> None:
    world = make_world()
    note(world, P1=("100", "2"))
    note(world, P1=("150", "2"))

    assert moved(world, *held("P1", units=5)).delta_moved == D(250)


def test_a_new_session_begins_anew() -> None:
    world = make_world()
    note(world, P1=("100", "2"))
    world.clock.advance(days=1)
    yesterdays = moved(world, *held("P1"))
    note(world, P1=("150", "2"))

    assert yesterdays == Moved()
    assert moved(world, *held("P1")).delta_moved == D(0)


def test_a_greek_that_is_not_known_makes_the_whole_unknown() -> None:
    world = make_world()
    note(world, P1=("100", "2"))

    assert moved(world, *held("P1", "P2")) == Moved()


def test_greeks_that_were_not_computed_for_half_an_hour_say_nothing() -> None:
    world = make_world()
    note(world, P1=("100", "2"))
    world.clock.advance(minutes=30)
    still = moved(world, *held("P1"))
    world.clock.advance(seconds=1)

    assert (still.delta, moved(world, *held("P1"))) == (D(1000), Moved())


def test_a_desk_that_holds_nothing_has_no_drift() -> None:
    world = make_world()
    note(world)

    assert moved(world) == Moved(D(0), D(0), D(0), D(0))
