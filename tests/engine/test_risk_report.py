"""The risk of a real book: from its positions and live prices to the numbers, and what happens where one is missing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from engine import risk_report, shortfall, standing
from engine.errors import DataUnavailable
from engine.model.book import Book, Position
from engine.model.instruments import Option, Right, Style
from engine.model.legs import Leg, Structure
from engine.model.market import IvDay
from tests import make
from tests.desk import World, make_world
from tests.samples import several

D = Decimal


def world_with(*positions: Position, **more: Any) -> World:
    world = make_world(**more)
    with world.store.begin() as work:
        for position in positions:
            work.save_position(position)
    return world


def spread(units: int = 3) -> Position:
    short, long = make.put(44), make.put(40)
    return make.position(
        (Leg(short, -1), Leg(long, 1)),
        (make.held(short, -units, "1.03"), make.held(long, units, "0.33")),
        structure=Structure.CREDIT_SPREAD,
        opened_units=units,
        approval_id=None,
    )


def book(world: World) -> Book:
    with world.store.read() as work:
        return work.book()


def year(world: World) -> None:
    """A year of SPY, and of XYZ which moves twice as much."""
    steps = np.random.default_rng(2).normal(0, 0.01, 262)
    market, name = np.exp(np.cumsum(steps)), np.exp(np.cumsum(2 * steps))
    days = world.desk.sessions.between(
        world.desk.sessions.previous(make.TODAY, 262), world.desk.sessions.previous(make.TODAY)
    )
    world.market.set_bars(make.bars(600 * market / market[-1], "SPY", days=days))
    bars = make.bars(48 * name / name[-1], days=days)
    world.market.set_snapshot(make.snapshot(bars=bars))


def test_an_index_without_shares_is_priced_at_its_level() -> None:
    option = Option("SPX", make.TODAY + timedelta(days=30), Right.PUT, D(5800), "SPXW", Style.EUROPEAN)
    position = make.position((Leg(option, -1),), (make.held(option, -1, "60"),), ticker="SPX", approval_id=None)
    world = world_with(position)
    world.market.set_quote(option, "58", "62")
    unknown = risk_report.stressed(world.desk)
    world.market.set_level("SPX", 6000.0)

    known = risk_report.stressed(world.desk)

    assert [leg.instrument for leg in unknown.unpriced] == [option]
    assert known.unpriced == ()
    assert known.grid.at(-0.1, 0, 0) < -30_000


def test_without_a_quote_the_last_stored_price_is_used_and_named() -> None:
    put = make.put()
    position = make.position((Leg(put, -1),), (make.held(put, -2, "1.03"),), approval_id=None)
    world = world_with(position)
    with world.store.begin() as work:
        standing.save_marks(work, standing.marks(world.desk, work.book()), world.desk.now())
    world.market.drop_quote(put)

    found = risk_report.stressed(world.desk)

    assert (found.stale, found.unpriced) == ((put,), ())
    assert found.grid.at(-0.2, 0, 0) < 0


def test_a_fall_is_kept_by_unit_of_the_whole_package() -> None:
    world = world_with(spread(3))
    year(world)
    world.market.set_quote(make.put(44), "0.98", "1.08")
    world.market.set_quote(make.put(40), "0.28", "0.38")
    standing.ensure_returns(world.desk, ["XYZ"])
    held = book(world)

    falls = risk_report.falls(world.desk, held, standing.marks(world.desk, held))

    whole = risk_report.stressed(world.desk).market_fall
    assert whole is not None
    assert float(falls["P00001"]) == pytest.approx(whole / 3, abs=0.01)
    assert -330 < float(falls["P00001"]) < 0


def test_a_position_with_an_unpriced_leg_has_no_fall() -> None:
    world = world_with(spread())
    year(world)
    world.market.set_quote(make.put(44), "0.98", "1.08")
    standing.ensure_returns(world.desk, ["XYZ"])
    held = book(world)

    assert risk_report.falls(world.desk, held, standing.marks(world.desk, held)) == {}


def test_the_parts_of_the_worst_scenario_add_up_to_it() -> None:
    found = risk_report.stressed(several().world.desk)

    assert sum(made for _, _, made in found.by_position) == pytest.approx(found.grid.worst[0].pnl)
    assert [made for _, _, made in found.by_position] == sorted(made for _, _, made in found.by_position)


def test_stored_volatilities_move_in_the_bad_days() -> None:
    world = world_with(spread())
    year(world)
    world.market.set_quote(make.put(44), "0.98", "1.08")
    world.market.set_quote(make.put(40), "0.28", "0.38")
    still = risk_report.stressed(world.desk).bad_day
    days = world.desk.sessions.between(
        world.desk.sessions.previous(make.TODAY, shortfall.SESSIONS + 1), world.desk.sessions.previous(make.TODAY)
    )
    history = tuple(IvDay(day, 0.40 + 0.05 * (place % 2), make.SOURCE) for place, day in enumerate(days))
    snapshot = world.market.snapshot("XYZ")
    world.market.set_snapshot(make.snapshot(bars=snapshot.bars, iv_history=history))

    moving = risk_report.stressed(world.desk).bad_day

    assert still is not None
    assert moving is not None
    assert (still.vol_known, moving.vol_known) == (0.0, 1.0)
    assert moving.full_var != still.full_var


def test_a_provider_that_is_down_leaves_facts_unknown_and_the_rest_told() -> None:
    def down() -> None:
        raise DataUnavailable("nobody answers")

    put = make.put()
    position = make.position((Leg(put, -1),), (make.held(put, -2, "1.03"),), collateral=D(8800), approval_id=None)
    world = world_with(position)
    world.market.set_snapshot(make.snapshot(load_fundamentals=down, load_earnings=down, load_chain=lambda: None))

    exposed, endangered = risk_report.exposed(world.desk), risk_report.endangered(world.desk)

    assert [each.name for each in exposed.by_sector] == ["unknown"]
    assert endangered.no_report == ("XYZ",)
    assert endangered.liquidity[0].of_interest is None


def test_reports_ahead_are_told_soonest_first_and_past_ones_never() -> None:
    endangered = risk_report.endangered(several().world.desk)

    assert [(name, report.day) for name, report in endangered.reports] == [("XYZ", make.TODAY + timedelta(days=8))]
    assert endangered.no_report == ("NEW",)
