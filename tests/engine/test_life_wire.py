"""The life of options over Alpaca's wire: rolls in two requests, and the wheel of worked example 1 from its rows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from engine import activities, orders, rolls, wheel
from engine.errors import OrderRejected
from engine.model.events import EventKind
from engine.model.legs import Leg, Structure
from engine.model.rolls import RollStatus
from tests import make
from tests.rolling import NEW, OLD, open_market, short_put, stored
from tests.standins import alpaca_events
from tests.standins.alpaca_exchange import next_morning
from tests.wire import WireWorld, wire_world

D = Decimal
PUT, CALL = make.put(44), make.call(48)


@pytest.fixture
def world() -> Iterator[WireWorld]:
    with wire_world() as made:
        yield made


def look(world: WireWorld, seconds: float = 1) -> None:
    world.clock.advance(seconds)
    open_market(world)  # type: ignore[arg-type]
    orders.reconcile(world.desk)
    orders.work(world.desk)
    rolls.advance(world.desk)


def test_a_put_is_rolled_by_two_requests_because_one_is_refused(world: WireWorld) -> None:
    """The naive way sends both legs in one order: Alpaca takes no short leg that is not covered in it."""
    short_put(world)  # type: ignore[arg-type]
    world.exchange.hold(OLD.symbol, -2, "1.03")
    open_market(world)  # type: ignore[arg-type]
    in_one = make.order((Leg(OLD, 1), Leg(NEW, -1)), "-0.60", 2, client_order_id="naive.1.1")
    with pytest.raises(OrderRejected, match="covered"):
        world.broker.submit(in_one)
    world.exchange.quote(OLD.symbol, "1.95", "2.00")
    world.exchange.quote(NEW.symbol, "2.60", "2.65")

    roll = rolls.offer(world.desk, "P00001", "ann")
    rolls.choose(world.desk, roll.id, 1, 0, "ann")
    world.exchange.fill("P00001.roll.1.1", 2)
    look(world)
    world.exchange.fill(world.placed[-1], 2)
    look(world)

    assert stored(world, roll.id).status is RollStatus.DONE  # type: ignore[arg-type]
    first, second = world.posted
    assert [(first[k], second[k]) for k in ("symbol", "side", "position_intent", "limit_price", "qty")] == [
        (OLD.symbol, NEW.symbol),
        ("buy", "sell"),
        ("buy_to_close", "sell_to_open"),
        ("2.00", "2.60"),
        ("2", "2"),
    ]
    assert {holding.instrument: holding.quantity for holding in world.broker.holdings()} == {NEW: -2}


def sold(world: WireWorld, id: str, structure: Structure, leg: Leg, price: str) -> None:
    """Two contracts sold through the desk, with a fee of one dollar each."""
    position = make.position(
        id=id, campaign="P1", approval_id=None, structure=structure, unit=(leg,), collateral=D(8800), opened_units=2
    )
    with world.store.begin() as work:
        work.save_position(position)
    ticket = make.ticket(id=f"T{id}", legs=(leg,), quantity=2, position_id=id, approval_id=None, limit=D(f"-{price}"))
    ticket, order = orders.next_order(ticket, ticket.limit, world.clock())
    with world.store.begin() as work:
        work.add_ticket(ticket)
        work.add_order(order)
    world.quote(leg.instrument, price, str(D(price) + D("0.10")))
    orders.send(world.desk, order)
    world.exchange.fill(order.client_order_id, 2)
    world.clock.advance(60)
    orders.reconcile(world.desk)


def assigned(world: WireWorld, symbol: str) -> None:
    """Assigned overnight: positions change at once, the rows about it come the next morning."""
    alpaca_events.assign(world.exchange, symbol, 2, reported=next_morning(world.clock()))
    activities.settle(world.desk)
    with world.store.read() as work:
        before = work.events(kinds=[EventKind.ASSIGNED, EventKind.CALLED_AWAY])
    world.clock.set(next_morning(world.clock()))
    world.clock.advance(60)
    activities.settle(world.desk)
    activities.settle(world.desk)
    with world.store.read() as work:
        assert len(work.events(kinds=[EventKind.ASSIGNED, EventKind.CALLED_AWAY])) == len(before) + 1


def test_the_wheel_of_example_1_turns_from_alpacas_rows_to_1232_in_one_win(world: WireWorld) -> None:
    """No stream tells an assignment and its OPTRD row has a wrong price: rows, strike and right are what counts."""
    world.clock.advance(hours=1)
    sold(world, "P1", Structure.SHORT_PUT, Leg(PUT, -1), "1.03")
    assigned(world, PUT.symbol)
    shares = wheel.campaigns(world.desk, "XYZ")[0]
    world.clock.advance(hours=2)
    sold(world, "P3", Structure.COVERED_CALL, Leg(CALL, -1), "1.13")
    call = wheel.campaigns(world.desk, "XYZ")[0]
    assigned(world, CALL.symbol)
    done = wheel.campaigns(world.desk, "XYZ")[0]

    assert (shares.turn, f"{shares.basis:.2f}") == (wheel.Turn.SHARES, "42.97")
    assert (call.turn, f"{call.basis:.2f}") == (wheel.Turn.SHORT_CALL, "41.84")
    assert (done.turn, done.pnl) == (wheel.Turn.CASH, D("1232.00"))
    with world.store.read() as work:
        assert len(work.campaigns("wheel")) == 1
        assert work.open_positions() == ()
        assert work.book().cash == D(100_000) + 1232 - done.fees
    assert world.broker.holdings() == ()
