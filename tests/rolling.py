"""A position that wants to be rolled, and the market in which it can be: shared by the tests of rolls."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from engine import orders, rolls
from engine.codec import dump
from engine.model.book import Position
from engine.model.legs import Leg, Structure
from engine.model.market import Chain
from engine.model.records import Sequence
from engine.model.rolls import Roll, RollStatus
from tests import make
from tests.desk import World

D = Decimal
OLD = make.put(44, dte=21)
NEW = make.put(44, dte=49)
DOWN = make.put(42, dte=49)
OLD_CALL, NEW_CALL, UP = make.call(44, dte=21), make.call(44, dte=49), make.call(46, dte=49)
PUTS = "40: 1.50 / 1.45 / 1.55 / -0.25; 42: 2.15 / 2.10 / 2.20 / -0.36; 44: 2.60 / 2.55 / 2.65 / -0.48; " \
       "46: 4.10 / 4.00 / 4.20 / -0.60"  # fmt: skip
CALLS = "44: 2.60 / 2.55 / 2.65 / 0.48; 46: 2.15 / 2.10 / 2.20 / 0.36; 48: 1.20 / 1.15 / 1.25 / 0.25"
IV = {40: 0.5, 42: 0.5, 44: 0.5, 46: 0.5, 48: 0.5}


def chain(world: World) -> Chain:
    puts, calls = make.rows(PUTS, IV), make.rows(CALLS, IV)
    near = make.chain(puts=make.rows("44: 2.00 / 1.95 / 2.05 / -0.50", IV), spot=43, dte=21)
    return make.join(near, make.chain(puts=puts, calls=calls, spot=43, dte=49))


def open_market(world: World, spot: str = "43") -> None:
    """Fresh quotes: the old put and call at 2.00, the new ones of the chain, XYZ at `spot`."""
    asof = world.clock()
    world.market.set_snapshot(make.snapshot(spot=spot, chain=chain(world), asof=asof))
    for old in (OLD, OLD_CALL):
        world.market.set_quote(old, "1.95", "2.05")


def short_put(world: World, units: int = 2) -> Position:
    held = make.position(
        approval_id=None,
        legs=(Leg(OLD, -1),),
        lots=(make.held(OLD, -units, "1.03"),),
        entry=D("-1.03"),
        opened_units=units,
        collateral=D(4400) * units,
        risk=D(457) * units,
        fees=D(units),
    )
    with world.store.begin() as work:
        work.save_position(held)
    return held


def covered_call(world: World) -> Position:
    shares = make.position(
        id="P00002",
        approval_id=None,
        structure=Structure.SHARES,
        unit=(Leg(make.share(), 1),),
        lots=(make.held(make.share(), 200, "42.97"),),
        entry=D("42.97"),
        opened_units=200,
    )
    call = make.position(
        approval_id=None,
        structure=Structure.COVERED_CALL,
        unit=(Leg(OLD_CALL, -1),),
        lots=(make.held(OLD_CALL, -2, "1.13"),),
        entry=D("-1.13"),
        opened_units=2,
        fees=D(2),
    )
    with world.store.begin() as work:
        work.save_position(shares)
        work.save_position(call)
    return call


def waiting_roll(world: World, position_id: str) -> Roll:
    """An offer without candidates, stored as it is."""
    roll = Roll(
        id="R00001",
        version=1,
        status=RollStatus.OFFERED,
        position_id=position_id,
        campaign=position_id,
        strategy="wheel",
        ticker=make.TICKER,
        units=2,
        candidates=(),
        missing=("No later expiry is listed.",),
        close=D("2.00"),
        spot=D(43),
        credit_only=True,
        created_at=make.NOW,
        expires_at=make.NOW + timedelta(minutes=5),
    )
    with world.store.begin() as work:
        work.save_sequence(Sequence(roll.id, rolls.KIND, roll.status.value, position_id, make.NOW, dump(roll)))
    return roll


def stored(world: World, roll_id: str) -> Roll:
    with world.store.read() as work:
        return rolls.find(work, roll_id)


def fill(world: World, client_order_id: str, units: int | None = None) -> None:
    """The broker executes, the desk books it and takes its rolls on."""
    world.broker.fill(client_order_id, units)
    go_on(world)


def go_on(world: World, seconds: float = 1) -> None:
    """Time passes on fresh quotes, and every loop of the desk has a look."""
    world.clock.advance(seconds)
    open_market(world)
    look(world)


def look(world: World) -> None:
    orders.reconcile(world.desk)
    orders.send_due(world.desk)
    orders.work(world.desk)
    rolls.advance(world.desk)
