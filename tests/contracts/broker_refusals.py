"""What every `Broker` refuses, with Alpaca's codes: part of the suite in `tests.contracts.broker`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.errors import Refusal
from engine.model.legs import Leg
from engine.model.orders import Order
from tests.contracts.broker_world import (
    BAD_INPUT,
    FORBIDDEN,
    SHARES,
    UNPROCESSABLE,
    World,
    buy_shares,
    call,
    credit_spread,
    known,
    order_of,
    put,
    refused,
    sell_put,
)


def test_a_second_closing_order_over_the_held_quantity_is_refused(world: World) -> None:
    option = call(world)
    world.set_quote(option, "1.00", "1.02")
    world.broker.submit(order_of([Leg(option, 1)], "1.10", 2, client_order_id="entry.1"))
    world.set_quote(option, "1.00", "1.02")
    world.advance()
    target = world.broker.submit(order_of([Leg(option, -1)], "-2.00", 2, opening=False, client_order_id="target.1"))

    refusal = refused(world, order_of([Leg(option, -1)], "-0.50", 1, opening=False, client_order_id="stop.1"))

    assert (refusal.code, refusal.kind) == (FORBIDDEN, Refusal.HELD)
    assert refusal.related == (known(world, target).broker_id,)
    assert "insufficient qty available" in str(refusal)


def test_closing_what_is_not_held_is_refused(world: World) -> None:
    option = call(world)
    world.set_quote(option, "1.00", "1.02")

    refusal = refused(world, order_of([Leg(option, -1)], "-0.90", 1, opening=False))

    assert refusal.code in {FORBIDDEN, UNPROCESSABLE}  # Alpaca: "position intent mismatch", 42210000


def test_a_call_without_shares_behind_it_is_refused(world: World) -> None:
    option = call(world)
    world.set_quote(option, "1.00", "1.02")

    refusal = refused(world, order_of([Leg(option, -1)], "-1.00", 1))

    assert (refusal.code, refusal.kind) == (FORBIDDEN, Refusal.UNCOVERED)
    assert "uncovered" in str(refusal)


def test_the_shares_of_one_covered_call_do_not_cover_another(world: World) -> None:
    buy_shares(world)
    first, second = call(world, "50"), call(world, "55")
    world.set_quote(first, "1.00", "1.02")
    world.set_quote(second, "0.50", "0.52")
    world.broker.submit(order_of([Leg(first, -1)], "-1.50", 1, client_order_id="call.1"))

    refusal = refused(world, order_of([Leg(second, -1)], "-0.60", 1, client_order_id="call.2"))

    assert refusal.code == FORBIDDEN


def test_shares_behind_a_covered_call_cannot_be_sold(world: World) -> None:
    buy_shares(world)
    option = call(world)
    world.set_quote(option, "1.00", "1.02")
    world.broker.submit(order_of([Leg(option, -1)], "-0.90", 1, client_order_id="call.1"))
    world.set_quote(option, "1.00", "1.02")
    world.advance()

    refusal = refused(world, order_of([Leg(SHARES, -1)], "-48.00", 100, opening=False, client_order_id="out.1"))

    assert refusal.code == FORBIDDEN


def test_puts_beyond_the_buying_power_are_refused(world: World) -> None:
    refusal = refused(world, sell_put(world, quantity=23))

    assert (refusal.code, refusal.kind) == (FORBIDDEN, Refusal.BUYING_POWER)
    assert "insufficient" in str(refusal)


def test_an_open_order_counts_against_the_buying_power_of_the_next(world: World) -> None:
    world.broker.submit(sell_put(world, quantity=20))
    other = put(world, "43")
    world.set_quote(other, "0.80", "0.85")

    assert refused(world, order_of([Leg(other, -1)], "-0.95", 5, client_order_id="next.1")).code == FORBIDDEN


def test_an_opposite_open_order_on_the_same_symbol_is_refused(world: World) -> None:
    working = world.broker.submit(sell_put(world))

    refusal = refused(world, order_of([Leg(put(world), 1)], "0.50", 1, client_order_id="other.1"))

    assert (refusal.code, refusal.kind) == (FORBIDDEN, Refusal.WASH_TRADE)
    assert refusal.related == (working.broker_id,)
    assert "wash trade" in str(refusal)


def _common_divisor(world: World) -> Order:
    return order_of([replace(leg, ratio=2 * leg.ratio) for leg in credit_spread(world)], "-1.00")


def _credit_with_positive_limit(world: World) -> Order:
    return order_of(credit_spread(world), "1.00")


def _beyond_the_width(world: World) -> Order:
    return order_of(credit_spread(world), "-5.10")


def _same_symbol_twice(world: World) -> Order:
    leg = credit_spread(world)[0]
    return order_of([leg, leg], "-1.00")


def _two_underlyings(world: World) -> Order:
    other = replace(put(world, "45"), underlying="ABC", root="ABC")
    return order_of([credit_spread(world)[0], Leg(other, 1)], "-1.00")


def _shares_in_a_package(world: World) -> Order:
    return order_of([Leg(SHARES, 1), Leg(call(world), -1)], "47.00")


def _option_at_market(world: World) -> Order:
    return order_of([Leg(put(world), -1)], None)


def _third_decimal(world: World) -> Order:
    return sell_put(world, limit="-1.005")


def _sale_with_positive_limit(world: World) -> Order:
    return sell_put(world, limit="1.00")


@pytest.mark.parametrize(
    "malformed",
    [
        _common_divisor,
        _credit_with_positive_limit,
        _beyond_the_width,
        _same_symbol_twice,
        _two_underlyings,
        _shares_in_a_package,
        _option_at_market,
        _third_decimal,
        _sale_with_positive_limit,
    ],
)
def test_a_malformed_order_is_refused(world: World, malformed: Callable[[World], Order]) -> None:
    assert refused(world, malformed(world)).code == UNPROCESSABLE


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_below_one_is_refused(world: World, quantity: int) -> None:
    assert refused(world, sell_put(world, quantity=quantity)).code == BAD_INPUT


def test_a_naked_leg_in_a_package_is_refused(world: World) -> None:
    legs = (Leg(put(world, "50"), -1), Leg(call(world, "55"), 1))

    assert refused(world, order_of(legs, "-1.00")).code == FORBIDDEN
