"""Stops that rest at the broker, and its switch for new orders: part of the suite in `tests.contracts.broker`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.errors import Refusal
from engine.model.legs import Leg
from engine.model.orders import Order, OrderStatus, OrderType, TimeInForce
from engine.ports import Ability
from tests.contracts.broker_world import (
    FORBIDDEN,
    SHARES,
    UNPROCESSABLE,
    World,
    buy_shares,
    call,
    known,
    order_of,
    put,
    quantities,
    refused,
    sell_put,
)

D = Decimal


def share_stop(stop: str = "45.00", quantity: int = 100, client_order_id: str = "P00001.net.1.1") -> Order:
    """Sell the shares at market once the price is at or below 45."""
    order = order_of([Leg(SHARES, -1)], None, quantity, opening=False, client_order_id=client_order_id)
    return replace(order, type=OrderType.STOP, stop=D(stop), tif=TimeInForce.GTC)


def option_stop(world: World, limit: str | None = "-0.70") -> Order:
    """Sell one 50 call to close at 0.70 or better once it is worth 0.80 or less."""
    order = order_of([Leg(call(world), -1)], limit, 1, opening=False, client_order_id="P00001.net.1.1")
    return replace(order, type=OrderType.STOP, stop=D("0.80"))


def hold_call(world: World) -> None:
    world.set_quote(call(world), "1.00", "1.02")
    world.broker.submit(order_of([Leg(call(world), 1)], "1.10", 1, client_order_id="entry.1"))
    world.set_quote(call(world), "1.00", "1.02")
    world.advance()


def test_a_stop_rests_while_the_price_is_above_it(world: World) -> None:
    buy_shares(world)
    accepted = world.broker.submit(share_stop())
    world.set_quote(SHARES, "45.00", "45.02")

    world.advance()

    assert (accepted.type, accepted.stop, accepted.tif) == (OrderType.STOP, D("45.00"), TimeInForce.GTC)
    assert known(world, share_stop()).status is OrderStatus.ACCEPTED
    assert world.broker.open_orders() == ("P00001.net.1.1",)
    assert quantities(world) == {SHARES: 100}


def test_a_stop_sells_at_what_buyers_bid_once_the_price_is_through_it(world: World) -> None:
    buy_shares(world)
    world.broker.submit(share_stop())
    world.set_quote(SHARES, "44.50", "44.60")

    world.advance()

    done = known(world, share_stop())
    assert (done.status, done.filled, done.average) == (OrderStatus.FILLED, 100, D("-44.50"))
    assert quantities(world) == {}


def test_a_stop_that_was_woken_goes_on_though_the_price_recovers(world: World) -> None:
    buy_shares(world)
    world.broker.submit(share_stop())
    world.set_quote(SHARES, "44.50", "44.60", size=40)
    world.advance()
    world.set_quote(SHARES, "47.00", "47.02")

    world.advance()

    assert known(world, share_stop()).filled == 100
    assert [fill.quantity for fill in world.broker.fills(world.start)][1:] == [-40, -60]


def test_a_resting_stop_holds_its_shares_and_is_named_by_the_refusal(world: World) -> None:
    buy_shares(world)
    resting = world.broker.submit(share_stop())

    refusal = refused(world, order_of([Leg(SHARES, -1)], "-48.00", 100, opening=False, client_order_id="out.1"))

    assert (refusal.code, refusal.kind, refusal.related) == (FORBIDDEN, Refusal.HELD, (resting.broker_id,))


def test_a_canceled_stop_frees_its_shares(world: World) -> None:
    buy_shares(world)
    world.broker.cancel(world.broker.submit(share_stop()))
    out = order_of([Leg(SHARES, -1)], "-47.00", 100, opening=False, client_order_id="out.1")
    world.broker.submit(out)
    world.set_quote(SHARES, "47.99", "48.01")

    world.advance()

    assert known(world, out).status is OrderStatus.FILLED


def test_the_stop_of_an_option_never_sells_below_its_limit(world: World) -> None:
    hold_call(world)
    world.broker.submit(option_stop(world))
    world.set_quote(call(world), "0.60", "0.64")
    world.advance()
    below = known(world, option_stop(world))
    world.set_quote(call(world), "0.72", "0.76")

    world.advance()

    assert (below.status, below.filled) == (OrderStatus.ACCEPTED, 0)
    done = known(world, option_stop(world))
    assert (done.status, done.average) == (OrderStatus.FILLED, D("-0.72"))


def test_a_broker_that_took_an_order_is_known_to_take_such_orders(world: World) -> None:
    hold_call(world)

    world.broker.submit(replace(option_stop(world), tif=TimeInForce.GTC))

    found = world.broker.capabilities()
    assert all(found.takes(one) for one in (Ability.STOP_SHARES, Ability.STOP_OPTIONS, Ability.GTC_OPTIONS))


def _opening(world: World) -> Order:
    return replace(share_stop(), opening=True)


def _without_a_price(world: World) -> Order:
    return replace(share_stop(), stop=None)


def _below_nothing(world: World) -> Order:
    return share_stop("0")


def _third_decimal(world: World) -> Order:
    return share_stop("45.001")


def _option_at_market(world: World) -> Order:
    return option_stop(world, limit=None)


def _limit_above_the_stop(world: World) -> Order:
    return option_stop(world, limit="-0.81")


def _package(world: World) -> Order:
    return replace(option_stop(world), legs=(Leg(call(world), -1), Leg(put(world), 1)))


@pytest.mark.parametrize(
    "malformed",
    [
        _opening,
        _without_a_price,
        _below_nothing,
        _third_decimal,
        _option_at_market,
        _limit_above_the_stop,
        _package,
    ],
)
def test_a_malformed_stop_is_refused(world: World, malformed: object) -> None:
    buy_shares(world)
    hold_call(world)

    assert refused(world, malformed(world)).code == UNPROCESSABLE  # type: ignore[operator]


def test_a_suspended_account_takes_no_order_and_still_cancels(world: World) -> None:
    working = world.broker.submit(sell_put(world))
    world.broker.suspend(True)

    refusal = refused(world, order_of([Leg(put(world, "43"), -1)], "-1.00", 1, client_order_id="next.1"))
    world.broker.cancel(working)

    assert (refusal.kind, world.broker.account().blocked) == (Refusal.SUSPENDED, True)
    assert world.broker.open_orders() == ()


def test_an_account_that_is_not_suspended_any_more_takes_orders(world: World) -> None:
    world.broker.suspend(True)
    world.broker.suspend(False)

    assert world.broker.submit(sell_put(world)).status is OrderStatus.ACCEPTED
    assert not world.broker.account().blocked
