"""What a broker's test module gives to the contract suite, and the orders the suite is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

import pytest

from engine.errors import OrderRejected
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import Leg
from engine.model.orders import Order, OrderStatus
from engine.ports import Broker
from tests import make

SHARES = Stock("XYZ")
FORBIDDEN, UNPROCESSABLE, BAD_INPUT = 40310000, 42210000, 40010001


class World(Protocol):
    """A broker and the handles a test turns."""

    broker: Broker
    today: date
    """The trading date, for building contracts."""
    start: datetime
    """An instant before anything happened."""

    def set_quote(self, instrument: Instrument, bid: str, ask: str, size: int = 0) -> None:
        """A new quote, later than everything so far; `size` units on each side, 0 is without limit."""

    def advance(self) -> None:
        """Time passes inside the session: what the quotes reach is executed."""

    def assign(self, option: Option, contracts: int) -> None:
        """The clearing house assigns so many short contracts to the account, and the broker has reported it."""


def put(world: World, strike: str = "44", days: int = 35) -> Option:
    return make.option(strike, Right.PUT, expiry=_friday(world, days))


def call(world: World, strike: str = "50", days: int = 35) -> Option:
    return make.option(strike, Right.CALL, expiry=_friday(world, days))


def _friday(world: World, days: int) -> date:
    day = date.fromordinal(world.today.toordinal() + days)
    return date.fromordinal(day.toordinal() + (4 - day.weekday()) % 7)


def sell_put(world: World, limit: str = "-1.00", quantity: int = 2) -> Order:
    """Two 44 puts sold to open, quoted 0.90/0.95 first, so that nothing fills at once."""
    world.set_quote(put(world), "0.90", "0.95")
    return order_of([Leg(put(world), -1)], limit, quantity)


def order_of(
    legs: Sequence[Leg],
    limit: str | None,
    quantity: int = 1,
    opening: bool = True,
    client_order_id: str = "A00001.1.1",
) -> Order:
    return make.order(legs, limit, quantity, opening, client_order_id)


def credit_spread(world: World) -> tuple[Leg, Leg]:
    """Sell the 50 put, buy the 45 put, quoted so that the package is worth 1.00."""
    short, long = put(world, "50"), put(world, "45")
    world.set_quote(short, "1.98", "2.02")
    world.set_quote(long, "0.98", "1.02")
    return Leg(short, -1), Leg(long, 1)


def buy_shares(world: World, quantity: int = 100) -> None:
    world.set_quote(SHARES, "47.99", "48.01")
    order = order_of([Leg(SHARES, 1)], "50.00", quantity, client_order_id="shares.1")
    world.broker.submit(order)
    world.set_quote(SHARES, "47.99", "48.01")
    world.advance()
    assert known(world, order).status is OrderStatus.FILLED


def known(world: World, order: Order) -> Order:
    found = world.broker.find(order)
    assert found is not None, f"the broker does not know {order.client_order_id}"
    return found


def quantities(world: World) -> dict[Instrument, int]:
    return {holding.instrument: holding.quantity for holding in world.broker.holdings()}


def refused(world: World, order: Order) -> OrderRejected:
    """The refusal of `order`; nothing may have been placed."""
    before = world.broker.open_orders()
    with pytest.raises(OrderRejected) as caught:
        world.broker.submit(order)
    assert world.broker.find(order) is None
    assert world.broker.open_orders() == before
    return caught.value
