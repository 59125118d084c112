"""Open positions to try exits on: four 80 calls of EXAMPLES 12, spreads, shares; and the same desk after a restart."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine import exits
from engine.model.book import Position
from engine.model.instruments import Instrument
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Ticket
from engine.store import Store
from tests import make
from tests.desk import World, make_world

D = Decimal
CALL = make.call(80, dte=14)
SHARE = make.share()
STOPPED = ExitPlan(target=D("2.8125"), stop=D("1.5750"))
"""Target and stop of EXAMPLES 12."""


def held(id: str, item: Instrument, quantity: int, price: make.Money, plan: ExitPlan, **more: Any) -> Position:
    """One instrument held on its own."""
    sign = 1 if quantity > 0 else -1
    defaults: dict[str, Any] = {
        "structure": Structure.LONG_CALL,
        "campaign": id,
        "approval_id": None,
        "opened_units": abs(quantity),
        "entry": sign * D(str(price)),
        "unit": (Leg(item, sign),),
        "lots": (make.held(item, quantity, price),),
    }
    return make.position(id=id, exits=plan, **(defaults | more))


def calls(plan: ExitPlan = STOPPED, units: int = 4, id: str = "P00001") -> Position:
    """Four 80 calls bought at 2.25."""
    return held(id, CALL, units, "2.25", plan)


def shares(plan: ExitPlan, quantity: int = 100, id: str = "P00002", price: make.Money = 95) -> Position:
    return held(id, SHARE, quantity, price, plan, structure=Structure.SHARES)


def holding(*positions: Position, **more: Any) -> World:
    """A world that holds these (the four calls when none is named), at 10:00 on Monday 15 June 2026."""
    world = make_world(**more)
    with world.store.begin() as work:
        for position in positions or (calls(),):
            work.save_position(position)
    return world


def quote(world: World, bid: make.Money, ask: make.Money, spot: make.Money = 80) -> None:
    world.market.set_quote(CALL, bid, ask)
    quote_shares(world, spot)


def quote_shares(world: World, spot: make.Money) -> None:
    world.market.set_quote(SHARE, D(str(spot)) - D("0.01"), D(str(spot)) + D("0.01"))


def look(
    world: World, bid: make.Money, ask: make.Money, seconds: float = 10, spot: make.Money = 80
) -> tuple[Ticket, ...]:
    """Some seconds later, with new quotes, the exits look once."""
    world.clock.advance(seconds)
    quote(world, bid, ask, spot)
    return exits.supervise(world.desk)


def on_a_file(tmp_path: Path, *positions: Position, **more: Any) -> World:
    """`holding` on a database file."""
    return holding(*positions, store=Store.create(address(tmp_path)), **more)


def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


def restarted(world: World, tmp_path: Path) -> World:
    """The same market, broker and clock under a process that has just opened the database again."""
    world.store.close()
    store = Store.open(address(tmp_path))
    count = iter(range(1, 10_000))
    desk = replace(world.desk, store=store, new_id=lambda prefix: f"{prefix}9{next(count):04d}")
    return World(desk, world.broker, world.market, world.clock, store)
