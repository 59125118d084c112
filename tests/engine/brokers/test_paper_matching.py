"""When the paper exchange fills, how much and at what price."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.brokers.paper_matching import simulated_price
from engine.errors import OrderRejected
from engine.model.instruments import Instrument
from engine.model.legs import Leg
from engine.model.limits import Costs
from engine.model.orders import OrderStatus, TimeInForce
from tests import make
from tests.engine.brokers.paper_world import Exchange, call, put

D = Decimal
NO_SLIP = D(0)
SLIP = Costs().slippage


@pytest.mark.parametrize(
    ("bid", "ask", "bought", "sold"),
    [
        ("0.98", "1.08", "1.055", "1.005"),
        ("1.00", "1.20", "1.15", "1.05"),
        ("1.00", "1.02", "1.02", "1.00"),
        ("1.00", "1.03", "1.025", "1.005"),
        ("1.00", "1.01", "1.01", "1.00"),
        ("1.00", "1.00", "1.00", "1.00"),
    ],
)
def test_options_fill_half_the_half_spread_from_the_middle_at_least_a_tick_never_beyond_the_quote(
    bid: str, ask: str, bought: str, sold: str
) -> None:
    quote = make.quote(put(), bid, ask)

    assert simulated_price(quote, 1, NO_SLIP) == D(bought)
    assert simulated_price(quote, -1, NO_SLIP) == D(sold)


def test_an_option_without_a_bid_is_bought_at_the_ask_and_cannot_be_sold() -> None:
    quote = make.quote(put(), "0", "0.05")

    assert simulated_price(quote, 1, NO_SLIP) == D("0.05")
    assert simulated_price(quote, -1, NO_SLIP) is None


@pytest.mark.parametrize(("bid", "ask"), [("1.10", "1.00"), ("0", "0")])
def test_a_crossed_or_empty_quote_trades_nothing(bid: str, ask: str) -> None:
    quote = make.quote(put(), bid, ask)

    assert simulated_price(quote, 1, NO_SLIP) is None
    assert simulated_price(quote, -1, NO_SLIP) is None


def test_shares_fill_at_the_middle_and_two_tenths_of_a_percent_rounded_to_the_cent_against_the_trader() -> None:
    quote = make.stock_quote(48)

    assert simulated_price(quote, 100, SLIP) == D("48.10")
    assert simulated_price(quote, -100, SLIP) == D("47.90")


@given(
    bid=st.decimals("0.01", "50", places=2),
    width=st.decimals("0", "5", places=2),
    quantity=st.sampled_from([1, -1]),
)
def test_a_simulated_price_lies_between_the_middle_and_the_quoted_side(
    bid: Decimal, width: Decimal, quantity: int
) -> None:
    quote = make.quote(put(), bid, bid + width)

    price = simulated_price(quote, quantity, NO_SLIP)

    assert price is not None
    low, high = sorted((quote.mid, quote.ask if quantity > 0 else quote.bid))
    assert low <= price <= high


def test_a_marketable_order_waits_for_a_quote_later_than_its_acceptance() -> None:
    exchange = Exchange()
    exchange.set_quote(put(), "0.98", "1.08")
    order = exchange.submit([Leg(put(), -1)], "-0.90")

    exchange.advance()
    waiting = exchange.known(order)
    exchange.set_quote(put(), "0.98", "1.08")
    exchange.advance()

    assert waiting.status is OrderStatus.ACCEPTED
    assert exchange.known(order).average == D("-1.005")


def test_a_quote_of_the_same_instant_as_the_acceptance_is_not_later() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], "-0.90")
    exchange.market.set_quote(put(), "0.98", "1.08")

    exchange.advance()

    assert exchange.known(order).status is OrderStatus.ACCEPTED


@pytest.mark.parametrize(("limit", "status"), [("-1.01", OrderStatus.ACCEPTED), ("-1.00", OrderStatus.FILLED)])
def test_a_limit_fills_once_the_simulated_price_reaches_it(limit: str, status: OrderStatus) -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], limit)
    exchange.set_quote(put(), "0.98", "1.08")

    exchange.advance()

    assert exchange.known(order).status is status


def test_a_package_pays_the_sum_over_its_legs() -> None:
    exchange = Exchange()
    legs = (Leg(call("98"), 1), Leg(call("105"), -1))
    exchange.set_quote(legs[0].instrument, "4.60", "4.70")
    order = exchange.submit(legs, "3.22", 6)

    exchange.set_quote(legs[0].instrument, "4.60", "4.70")
    exchange.set_quote(legs[1].instrument, "1.43", "1.53")
    exchange.advance()

    fills = exchange.broker.fills(exchange.start)
    assert exchange.known(order).average == D("3.22")
    assert [(fill.quantity, fill.price, fill.fee) for fill in fills] == [
        (6, D("4.675"), D(6)),
        (-6, D("1.455"), D(6)),
    ]


def test_a_package_waits_while_one_leg_has_no_later_quote() -> None:
    exchange = Exchange()
    legs = (Leg(call("98"), 1), Leg(call("105"), -1))
    exchange.set_quote(legs[1].instrument, "1.43", "1.53")
    order = exchange.submit(legs, "3.50")
    exchange.set_quote(legs[0].instrument, "4.60", "4.70")

    exchange.advance()

    assert exchange.known(order).status is OrderStatus.ACCEPTED


def test_one_quoted_size_is_not_used_twice() -> None:
    exchange = Exchange()
    first = exchange.submit([Leg(put(), -1)], "-1.00", 2)
    second = exchange.submit([Leg(put(), -1)], "-1.00", 2)
    exchange.set_quote(put(), "1.10", "1.12", size=3)

    exchange.advance()
    exchange.advance()

    assert (exchange.known(first).filled, exchange.known(second).filled) == (2, 1)


def test_a_size_of_zero_is_unknown_and_caps_nothing() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], "-1.00", 20)
    exchange.set_quote(put(), "1.10", "1.12", size=0)

    exchange.advance()

    assert exchange.known(order).filled == 20


def test_buyers_use_the_size_of_the_ask() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(call(), 1)], "1.20", 5)
    exchange.clock.advance(1)
    exchange.market.set_quote(call(), "1.10", "1.12", size=1, ask_size=4)

    exchange.advance()

    assert exchange.known(order).filled == 4


def test_parts_average_and_count_their_executions() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], "-1.00", 3)
    exchange.set_quote(put(), "1.10", "1.10", size=1)
    exchange.advance()
    exchange.set_quote(put(), "1.40", "1.40", size=9)
    exchange.advance()

    assert exchange.known(order).average == D("-1.3")
    assert [fill.execution_id for fill in exchange.broker.fills(exchange.start)] == ["T001.1/1.1", "T001.1/2.1"]


def test_a_stock_order_pays_its_commission_once() -> None:
    exchange = Exchange()
    share = make.share()
    exchange.submit([Leg(share, 1)], "48.20", 300)
    exchange.set_quote(share, "47.99", "48.01", size=100)
    exchange.advance()
    exchange.set_quote(share, "47.99", "48.01", size=500)
    exchange.advance()

    assert [(fill.quantity, fill.fee) for fill in exchange.broker.fills(exchange.start)] == [(100, D(1)), (200, D(0))]


def test_nothing_fills_outside_the_session() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], "-1.00", tif=TimeInForce.GTC)
    exchange.clock.advance(hours=8)
    exchange.set_quote(put(), "1.10", "1.12")

    exchange.advance()

    assert exchange.known(order).status is OrderStatus.ACCEPTED


def test_a_good_till_canceled_order_fills_in_a_later_session() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], "-1.00", tif=TimeInForce.GTC)
    exchange.after_close(make.TODAY)
    exchange.clock.set(make.NOW + timedelta(days=1))
    exchange.set_quote(put(), "1.10", "1.12")

    exchange.advance()

    assert exchange.known(order).status is OrderStatus.FILLED


def test_a_day_order_expires_at_the_close() -> None:
    exchange = Exchange()
    order = exchange.submit([Leg(put(), -1)], "-1.00")

    exchange.after_close(make.TODAY)

    done = exchange.known(order)
    assert (done.status, done.done_at) == (OrderStatus.EXPIRED, make.NOW.replace(hour=20))
    assert exchange.broker.open_orders() == ()


def test_a_day_order_given_after_the_close_counts_for_the_next_session() -> None:
    exchange = Exchange()
    exchange.after_close(make.TODAY)
    order = exchange.submit([Leg(put(), -1)], "-1.00")
    exchange.clock.set(make.NOW + timedelta(days=1))
    exchange.broker.advance()
    waiting = exchange.known(order)

    exchange.after_close(make.TODAY + timedelta(days=1))

    assert waiting.status is OrderStatus.ACCEPTED
    assert exchange.known(order).status is OrderStatus.EXPIRED


def test_only_the_instruments_of_open_orders_are_asked_for() -> None:
    exchange = Exchange()
    exchange.trade(put(), -1, "1.00")
    exchange.submit([Leg(call(), 1)], "0.50")
    exchange.market.asked.clear()

    exchange.advance()

    assert exchange.market.asked == [(call(),)]


def test_the_same_day_twice_gives_the_same_fills_under_the_same_ids() -> None:
    def day() -> Exchange:
        exchange = Exchange()
        for instrument in (put(), call()):
            exchange.trade(instrument, -1 if instrument == put() else 2, "1.00")
        exchange.submit([Leg(call(), -1)], "-1.50", opening=False)
        exchange.after_close(make.TODAY)
        return exchange

    once, again = day(), day()

    assert once.broker.fills(once.start) == again.broker.fills(again.start)
    assert list(once.journal.read()) == list(again.journal.read())


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([put(), call(), make.share()]), st.integers(-3, 3), st.integers(50, 300)),
        max_size=12,
    )
)
def test_cash_and_holdings_are_the_sum_of_the_fills(steps: list[tuple[Instrument, int, int]]) -> None:
    exchange = Exchange()
    for instrument, quantity, cents in steps:
        if quantity:
            held = exchange.held.get(instrument, 0)
            with suppress(OrderRejected):
                exchange.trade(instrument, quantity, f"{D(cents) / 100:.2f}", opening=held * quantity >= 0)

    fills = exchange.broker.fills(exchange.start)

    assert exchange.cash == D(100_000) + sum((fill.cash - fill.fee for fill in fills), D(0))
    total: dict[Instrument, int] = {}
    for fill in fills:
        total[fill.instrument] = total.get(fill.instrument, 0) + fill.quantity
    assert exchange.held == {instrument: quantity for instrument, quantity in total.items() if quantity}
    assert exchange.broker.account().options_buying_power >= 0
