"""Stops at the paper exchange over nights and restarts, and its switch."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import OrderRejected, Refusal
from engine.model.legs import Leg
from engine.model.orders import Order, OrderStatus, OrderType, TimeInForce
from tests import make
from tests.engine.brokers.paper_world import Exchange, call, put

D = Decimal
SHARES = make.share()


def with_shares() -> Exchange:
    exchange = Exchange()
    exchange.trade(SHARES, 100, "48.00")
    return exchange


def stop(exchange: Exchange, tif: TimeInForce = TimeInForce.DAY) -> Order:
    return exchange.submit([Leg(SHARES, -1)], None, 100, False, type=OrderType.STOP, stop=D(45), tif=tif)


def test_a_stop_good_till_canceled_outlives_the_day_and_one_for_the_day_does_not() -> None:
    exchange = with_shares()
    daily = stop(exchange)
    exchange.after_close(make.TODAY)
    lasting = stop(exchange, TimeInForce.GTC)

    exchange.after_close(make.TODAY.replace(day=16))

    assert exchange.known(daily).status is OrderStatus.EXPIRED
    assert exchange.broker.open_orders() == (lasting.client_order_id,)


def test_a_resting_stop_is_remembered_by_the_next_process() -> None:
    exchange = with_shares()
    resting = stop(exchange, TimeInForce.GTC)
    exchange.restart()
    exchange.set_quote(SHARES, "44.00", "44.10")

    exchange.advance()

    assert exchange.known(resting).average == D("-44.00")


def test_a_stop_that_was_woken_before_a_kill_is_awake_after_it() -> None:
    exchange = with_shares()
    resting = stop(exchange)
    exchange.set_quote(SHARES, "44.00", "44.10", size=30)
    exchange.advance()
    exchange.restart()
    exchange.set_quote(SHARES, "48.00", "48.10")

    exchange.advance()

    assert exchange.known(resting).filled == 100


@pytest.mark.parametrize(("bid", "ask"), [("0", "46.00"), ("46.00", "44.00")])
def test_a_quote_that_is_not_two_sided_wakes_no_stop(bid: str, ask: str) -> None:
    exchange = with_shares()
    resting = stop(exchange)
    exchange.set_quote(SHARES, bid, ask)

    exchange.advance()

    assert exchange.known(resting).status is OrderStatus.ACCEPTED


def test_a_quote_from_before_the_stop_was_placed_wakes_nothing() -> None:
    exchange = with_shares()
    exchange.set_quote(SHARES, "44.00", "44.10")
    resting = stop(exchange)

    exchange.advance()

    assert exchange.known(resting).status is OrderStatus.ACCEPTED


def test_the_stop_of_a_short_option_buys_it_back_at_the_ask() -> None:
    exchange = Exchange()
    exchange.trade(put(), -1, "1.00")
    bought = exchange.submit([Leg(put(), 1)], "3.00", 1, False, type=OrderType.STOP, stop=D("2.00"))
    exchange.set_quote(put(), "1.95", "2.15")

    exchange.advance()

    assert exchange.known(bought).average == D("2.15")


def test_a_call_may_not_be_written_on_shares_a_stop_would_sell() -> None:
    exchange = with_shares()
    stop(exchange)
    exchange.set_quote(call(), "1.00", "1.02")

    with pytest.raises(OrderRejected) as refusal:
        exchange.submit([Leg(call(), -1)], "-1.00", 1)

    assert refusal.value.kind is Refusal.UNCOVERED


def test_a_suspended_account_stays_suspended_over_a_restart() -> None:
    exchange = with_shares()
    exchange.broker.suspend(True)

    exchange.restart()

    with pytest.raises(OrderRejected, match="suspended"):
        stop(exchange)
    assert exchange.broker.account().blocked
