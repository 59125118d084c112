"""What every `Broker` owes the desk, whatever is behind it.

A test module runs the suite on its broker by giving a fixture `world` and importing the tests:

    from tests.contracts.broker import *  # noqa: F403 - the suite is the module's content

    @pytest.fixture
    def world() -> World: ...

The account starts with 100,000 in cash, nothing held, option level 3; the session is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from engine.errors import OrderRejected
from engine.model.legs import Leg
from engine.model.orders import ActivityKind, Fill, OrderStatus
from tests.contracts.broker_refusals import *  # noqa: F403 - a part of the suite
from tests.contracts.broker_stops import *  # noqa: F403 - a part of the suite
from tests.contracts.broker_world import (
    SHARES,
    World,
    buy_shares,
    call,
    credit_spread,
    known,
    order_of,
    put,
    quantities,
    sell_put,
)

D = Decimal


def test_a_new_account_has_its_cash_and_nothing_else(world: World) -> None:
    account = world.broker.account()

    assert (account.cash, account.equity, account.options_buying_power) == (D(100_000), D(100_000), D(100_000))
    assert (account.options_level, account.blocked, account.currency) == (3, False, "USD")
    assert account.is_paper == world.broker.is_paper
    assert world.broker.holdings() == ()
    assert world.broker.open_orders() == ()
    assert world.broker.fills(world.start) == ()
    assert world.broker.activities(world.start) == ()


def test_a_submitted_order_comes_back_accepted_under_its_own_id(world: World) -> None:
    order = sell_put(world)

    accepted = world.broker.submit(order)

    assert accepted.client_order_id == order.client_order_id
    assert (accepted.legs, accepted.quantity, accepted.limit) == (order.legs, order.quantity, order.limit)
    assert accepted.status is OrderStatus.ACCEPTED
    assert (accepted.filled, accepted.average) == (0, None)
    assert accepted.broker_id
    assert accepted.accepted_at is not None


def test_an_accepted_order_is_found_and_listed_as_open(world: World) -> None:
    order = sell_put(world)

    accepted = world.broker.submit(order)

    assert known(world, order).broker_id == accepted.broker_id
    assert world.broker.open_orders() == (order.client_order_id,)


def test_working_orders_are_seen_in_one_look_as_each_is_found_alone(world: World) -> None:
    single, package = sell_put(world, quantity=3), order_of(credit_spread(world), "-1.10", client_order_id="A7.1.1")
    gone, unsent = (order_of([Leg(SHARES, 1)], "10.00", client_order_id=id) for id in ("A8.1.1", "A9.1.1"))
    world.set_quote(SHARES, "47.99", "48.01")
    for order in (single, package):
        world.broker.submit(order)
    world.broker.cancel(world.broker.submit(gone))
    world.set_quote(put(world), "1.10", "1.12", size=1)
    world.advance()

    seen = world.broker.working([gone, single, unsent, package])

    assert set(seen) == {single.client_order_id, package.client_order_id}
    assert seen[single.client_order_id] == known(world, single)
    assert (seen[single.client_order_id].status, seen[single.client_order_id].filled) == (
        OrderStatus.PARTIALLY_FILLED,
        1,
    )
    assert seen[package.client_order_id] == known(world, package)
    assert world.broker.working([]) == {}


def test_an_order_that_was_never_placed_is_not_found(world: World) -> None:
    assert world.broker.find(sell_put(world)) is None


def test_the_same_order_sent_twice_is_placed_once(world: World) -> None:
    order = sell_put(world)
    first = world.broker.submit(order)

    again = world.broker.submit(order)

    assert again.broker_id == first.broker_id
    assert world.broker.open_orders() == (order.client_order_id,)


def test_a_filled_order_sent_again_is_not_traded_again(world: World) -> None:
    order = sell_put(world)
    world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12")
    world.advance()

    again = world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12")
    world.advance()

    assert (again.status, again.filled) == (OrderStatus.FILLED, 2)
    assert quantities(world) == {put(world): -2}


def test_an_id_that_was_used_for_another_order_is_refused(world: World) -> None:
    world.broker.submit(sell_put(world))
    other = put(world, "40")
    world.set_quote(other, "0.50", "0.55")

    with pytest.raises(OrderRejected):
        world.broker.submit(order_of([Leg(other, -1)], "-0.60", 1))

    assert len(world.broker.open_orders()) == 1


def test_an_order_the_quotes_do_not_reach_stays_open(world: World) -> None:
    order = sell_put(world)
    world.broker.submit(order)
    world.set_quote(put(world), "0.90", "0.95")

    world.advance()

    assert known(world, order).status is OrderStatus.ACCEPTED
    assert world.broker.fills(world.start) == ()
    assert quantities(world) == {}


def test_a_sale_that_the_quotes_reach_fills_at_its_limit_or_better_with_a_negative_average(world: World) -> None:
    order = sell_put(world)
    world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12")

    world.advance()

    done = known(world, order)
    assert (done.status, done.filled) == (OrderStatus.FILLED, 2)
    assert done.average is not None
    assert D("-1.12") <= done.average <= D("-1.00")
    assert done.done_at is not None
    assert quantities(world) == {put(world): -2}
    assert world.broker.open_orders() == ()


def test_a_purchase_never_pays_more_than_its_limit(world: World) -> None:
    option = call(world)
    world.set_quote(option, "2.00", "2.10")
    order = order_of([Leg(option, 1)], "1.95", 3)
    world.broker.submit(order)
    world.set_quote(option, "1.80", "1.84")

    world.advance()

    done = known(world, order)
    assert done.average is not None
    assert D("1.80") <= done.average <= D("1.95")
    assert quantities(world) == {option: 3}


def test_fills_carry_signed_quantity_positive_price_and_the_id_of_theirorder_of(world: World) -> None:
    order = sell_put(world)
    world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12")
    world.advance()

    fills = world.broker.fills(world.start)

    assert sum(fill.quantity for fill in fills) == -2
    assert {fill.client_order_id for fill in fills} == {order.client_order_id}
    assert {fill.instrument for fill in fills} == {put(world)}
    assert all(fill.price > 0 for fill in fills)
    assert len({fill.execution_id for fill in fills}) == len(fills)


def test_cash_moves_by_exactly_what_the_fills_say(world: World) -> None:
    order = sell_put(world)
    world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12")
    world.advance()

    moved = sum((fill.cash - fill.fee for fill in world.broker.fills(world.start)), D(0))

    assert world.broker.account().cash == D(100_000) + moved
    assert moved > 0


def test_a_credit_package_fills_negative_and_its_legs_add_up_to_it(world: World) -> None:
    legs = credit_spread(world)
    order = order_of(legs, "-1.10", 2)
    world.broker.submit(order)
    world.set_quote(legs[0].instrument, "2.40", "2.42")
    world.set_quote(legs[1].instrument, "1.00", "1.02")

    world.advance()

    done, fills = known(world, order), world.broker.fills(world.start)
    assert (done.status, done.filled) == (OrderStatus.FILLED, 2)
    assert done.average is not None
    assert done.average <= D("-1.10")
    assert net(legs, fills) == done.average
    assert quantities(world) == {legs[0].instrument: -2, legs[1].instrument: 2}
    assert {fill.client_order_id for fill in fills} == {order.client_order_id}


def net(legs: Sequence[Leg], fills: Sequence[Fill]) -> Decimal:
    """Net per share of a unit over the fills of its legs."""
    total = D(0)
    for leg in legs:
        mine = [fill for fill in fills if fill.instrument == leg.instrument]
        paid = sum((fill.price * abs(fill.quantity) for fill in mine), D(0))
        total += leg.ratio * paid / sum(abs(fill.quantity) for fill in mine)
    return total


def test_a_debit_package_fills_positive(world: World) -> None:
    long, short = call(world, "50"), call(world, "55")
    legs = (Leg(long, 1), Leg(short, -1))
    world.set_quote(long, "3.00", "3.02")
    world.set_quote(short, "1.00", "1.02")
    order = order_of(legs, "1.80", 1)
    world.broker.submit(order)
    world.set_quote(long, "2.60", "2.62")
    world.set_quote(short, "1.00", "1.02")

    world.advance()

    done = known(world, order)
    assert done.average is not None
    assert D("1.58") <= done.average <= D("1.80")


def test_legs_with_ratios_fill_in_their_ratio(world: World) -> None:
    strikes = ("45", "50", "55")
    options = [call(world, strike) for strike in strikes]
    legs = [Leg(option, ratio) for option, ratio in zip(options, (1, -2, 1), strict=True)]

    def quote(low: str) -> None:
        world.set_quote(options[0], low, str(D(low) + D("0.02")))
        world.set_quote(options[1], "3.00", "3.02")
        world.set_quote(options[2], "1.00", "1.02")

    quote("6.50")
    world.broker.submit(order_of(legs, "1.20", 2))
    quote("6.00")
    world.advance()

    assert quantities(world) == {options[0]: 2, options[1]: -4, options[2]: 2}


def test_a_closing_package_leaves_nothing(world: World) -> None:
    legs = credit_spread(world)
    world.broker.submit(order_of(legs, "-0.90", 2, client_order_id="entry.1"))
    credit_spread(world)
    world.advance()
    back = [Leg(leg.instrument, -leg.ratio) for leg in legs]
    order = order_of(back, "1.20", 2, opening=False, client_order_id="exit.1")

    world.broker.submit(order)
    credit_spread(world)
    world.advance()

    assert known(world, order).status is OrderStatus.FILLED
    assert quantities(world) == {}


def test_a_canceled_order_ends_and_frees_its_buying_power(world: World) -> None:
    order = sell_put(world)
    accepted = world.broker.submit(order)

    world.broker.cancel(accepted)

    done = known(world, order)
    assert (done.status, done.filled) == (OrderStatus.CANCELED, 0)
    assert world.broker.open_orders() == ()
    assert world.broker.account().options_buying_power == D(100_000)


def test_a_filled_order_cannot_be_canceled(world: World) -> None:
    order = sell_put(world)
    accepted = world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12")
    world.advance()

    with pytest.raises(OrderRejected):
        world.broker.cancel(accepted)

    assert known(world, order).status is OrderStatus.FILLED


def test_an_order_that_was_never_placed_cannot_be_canceled(world: World) -> None:
    with pytest.raises(OrderRejected):
        world.broker.cancel(sell_put(world))


def test_quoted_size_fills_a_part_and_the_next_quote_the_rest(world: World) -> None:
    order = sell_put(world, quantity=3)
    world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12", size=1)
    world.advance()
    part = known(world, order)

    world.set_quote(put(world), "1.10", "1.12", size=10)
    world.advance()

    assert (part.status, part.filled) == (OrderStatus.PARTIALLY_FILLED, 1)
    assert (known(world, order).status, known(world, order).filled) == (OrderStatus.FILLED, 3)
    assert [fill.quantity for fill in world.broker.fills(world.start)] == [-1, -2]


def test_a_partly_filled_order_is_canceled_with_what_it_has(world: World) -> None:
    order = sell_put(world, quantity=3)
    accepted = world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12", size=1)
    world.advance()

    world.broker.cancel(accepted)

    done = known(world, order)
    assert (done.status, done.filled) == (OrderStatus.CANCELED, 1)
    assert quantities(world) == {put(world): -1}


def test_a_package_fills_in_whole_units_of_its_scarcest_leg(world: World) -> None:
    legs = credit_spread(world)
    order = order_of(legs, "-1.10", 3)
    world.broker.submit(order)
    world.set_quote(legs[1].instrument, "1.00", "1.02", size=2)
    world.set_quote(legs[0].instrument, "2.40", "2.42", size=5)

    world.advance()

    assert known(world, order).filled == 2
    assert quantities(world) == {legs[0].instrument: -2, legs[1].instrument: 2}


def test_fills_are_asked_for_from_an_instant_on(world: World) -> None:
    order = sell_put(world)
    world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12", size=1)
    world.advance()
    world.set_quote(put(world), "1.10", "1.12", size=1)
    world.advance()

    first, second = world.broker.fills(world.start)

    assert first.at <= second.at
    assert world.broker.fills(second.at)[-1] == second
    if first.at < second.at:
        assert world.broker.fills(second.at) == (second,)


def test_shares_trade_at_market(world: World) -> None:
    world.set_quote(SHARES, "47.99", "48.01")
    order = order_of([Leg(SHARES, 1)], None, 100)
    world.broker.submit(order)
    world.set_quote(SHARES, "47.99", "48.01")

    world.advance()

    done = known(world, order)
    assert done.status is OrderStatus.FILLED
    assert done.average is not None
    assert D("48.00") <= done.average < D("48.20")
    assert quantities(world) == {SHARES: 100}


def test_holdings_come_sorted_by_symbol_with_their_average(world: World) -> None:
    buy_shares(world)
    order = sell_put(world)
    world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12")
    world.advance()

    holdings = world.broker.holdings()

    assert [holding.instrument for holding in holdings] == [SHARES, put(world)]
    assert D("47.9") < holdings[0].average < D("48.2")
    assert holdings[1].average == -known(world, order).average  # type: ignore[operator]


def test_a_short_put_sets_its_strike_aside_from_the_order_on(world: World) -> None:
    order = sell_put(world)

    world.broker.submit(order)
    working = world.broker.account()
    world.set_quote(put(world), "1.10", "1.12")
    world.advance()
    held = world.broker.account()

    assert D(91_190) <= working.options_buying_power <= D(91_200)
    assert held.options_buying_power == held.cash - 8_800


def test_a_credit_spread_sets_aside_its_width_at_most(world: World) -> None:
    legs = credit_spread(world)
    world.broker.submit(order_of(legs, "-0.90", 1))
    credit_spread(world)

    world.advance()

    account = world.broker.account()
    assert account.options_buying_power == account.cash - 500


def test_shares_behind_a_covered_call_set_nothing_aside(world: World) -> None:
    buy_shares(world)
    option = call(world)
    world.set_quote(option, "1.00", "1.02")
    world.broker.submit(order_of([Leg(option, -1)], "-0.90", 1, client_order_id="call.1"))
    world.set_quote(option, "1.00", "1.02")

    world.advance()

    account = world.broker.account()
    assert quantities(world) == {SHARES: 100, option: -1}
    assert account.options_buying_power == account.cash


def test_an_assignment_takes_the_contracts_and_brings_the_shares(world: World) -> None:
    order = sell_put(world)
    world.broker.submit(order)
    world.set_quote(put(world), "1.10", "1.12")
    world.advance()
    before, fills = world.broker.account().cash, world.broker.fills(world.start)

    world.assign(put(world), 1)

    (assignment,) = world.broker.activities(world.start)
    assert (assignment.kind, assignment.instrument, assignment.quantity) == (ActivityKind.ASSIGNMENT, put(world), -1)
    assert quantities(world) == {SHARES: 100, put(world): -1}
    assert world.broker.account().cash == before - 4_400
    assert world.broker.fills(world.start) == fills
