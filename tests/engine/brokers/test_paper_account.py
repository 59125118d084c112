"""What the paper account sets aside, and what it refuses."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.brokers.paper_account import Wallet
from engine.brokers.wire import intrinsic
from engine.errors import BadRequest, OrderRejected
from engine.model.book import Holding
from engine.model.instruments import Instrument, Option, Right
from engine.model.legs import Leg
from engine.model.limits import Costs
from tests import make
from tests.engine.brokers.paper_world import FRIDAY, Exchange, call, put

D = Decimal
LATER = FRIDAY + timedelta(days=28)
SHARE = make.share()


def collateral(*held: tuple[Instrument, int]) -> Decimal:
    return Wallet(D(0), {one: Holding(one, quantity, D(1)) for one, quantity in held}).collateral


@pytest.mark.parametrize(
    ("held", "dollars"),
    [
        ([(put("44"), -2)], 8800),
        ([(put("580"), -1), (put("575"), 1)], 500),
        ([(put("580"), -1), (put("575"), 1), (call("618"), -1), (call("623"), 1)], 500),
        ([(put("580"), -1), (put("570"), 1), (call("618"), -1), (call("623"), 1)], 1000),
        ([(call("98"), 1), (call("105"), -1)], 0),
        ([(call("50"), 3)], 0),
        ([(SHARE, 100), (call("50"), -1)], 0),
        ([(SHARE, 100), (put("44"), -1)], 4400),
        ([(put("44"), -1), (put("40", LATER), -1)], 8400),
        ([(call("50"), -1), (call("50", LATER), 1)], 0),
    ],
)
def test_collateral_is_the_worst_payoff_at_any_expiry(held: list[tuple[Instrument, int]], dollars: int) -> None:
    assert collateral(*held) == dollars


@pytest.mark.parametrize(
    "held",
    [
        [(call("50"), -1)],
        [(SHARE, 99), (call("50"), -1)],
        [(call("50", LATER), -1), (call("50"), 1)],
        [(call("50"), -2), (call("55"), 1)],
    ],
)
def test_a_short_call_without_cover_has_no_finite_collateral(held: list[tuple[Instrument, int]]) -> None:
    assert collateral(*held) == Decimal("Infinity")


options = st.builds(
    make.option,
    st.integers(40, 60),
    st.sampled_from([Right.CALL, Right.PUT]),
    expiry=st.just(FRIDAY),
)


@given(held=st.dictionaries(options, st.integers(-3, 3).filter(bool), max_size=4), spot=st.integers(0, 200))
def test_no_price_at_expiry_costs_more_than_the_collateral(held: dict[Option, int], spot: int) -> None:
    value = sum(quantity * 100 * intrinsic(option, D(spot)) for option, quantity in held.items())

    assert value >= -collateral(*held.items())


def refusal(exchange: Exchange, legs: list[Leg], limit: str | None, quantity: int = 1, opening: bool = True) -> str:
    with pytest.raises(OrderRejected) as caught:
        exchange.submit(legs, limit, quantity, opening)
    return str(caught.value)


def test_the_refusal_of_a_put_says_what_is_needed_and_what_there_is() -> None:
    words = refusal(Exchange("5000"), [Leg(put("44"), -1)], "-1.00", 2)

    assert words == "insufficient options buying power (required: 8802.00, available: 5000.00)"


def test_long_premium_is_paid_from_cash() -> None:
    exchange = Exchange("1000")

    assert "required: 1031.00, available: 1000.00" in refusal(exchange, [Leg(call(), 1)], "10.30")
    assert exchange.submit([Leg(call(), 1)], "9.90").is_open


def test_the_credit_of_a_spread_counts_against_its_own_collateral() -> None:
    legs = [Leg(put("50"), -1), Leg(put("45"), 1)]

    assert Exchange("402").submit(legs, "-1.00").is_open
    assert "required: 402.00" in refusal(Exchange("401"), legs, "-1.00")


def test_opening_against_a_held_position_is_a_wrong_intent() -> None:
    exchange = Exchange()
    exchange.trade(put(), -1, "1.00")

    assert "inferred: buy_to_close" in refusal(exchange, [Leg(put(), 1)], "1.00")


def test_shares_are_not_sold_short() -> None:
    assert "cannot be sold short" in refusal(Exchange(), [Leg(SHARE, -1)], "-48.00", 100)


def test_selling_the_long_leg_of_a_call_spread_alone_is_refused() -> None:
    exchange = Exchange()
    long, short = call("50"), call("55")
    exchange.submit([Leg(long, 1), Leg(short, -1)], "3.00")
    exchange.set_quote(long, "3.00", "3.00")
    exchange.set_quote(short, "1.00", "1.00")
    exchange.advance()

    assert "uncovered" in refusal(exchange, [Leg(long, -1)], "-3.00", opening=False)


def test_selling_the_long_leg_of_a_put_spread_alone_needs_the_strike_of_the_other() -> None:
    exchange = Exchange("4000")
    short, long = put("50"), put("45")
    exchange.submit([Leg(short, -1), Leg(long, 1)], "-0.90")
    exchange.set_quote(short, "2.00", "2.00")
    exchange.set_quote(long, "1.00", "1.00")
    exchange.advance()

    assert "insufficient" in refusal(exchange, [Leg(long, -1)], "-1.00", opening=False)


def test_shares_still_being_bought_cover_nothing() -> None:
    exchange = Exchange()
    exchange.submit([Leg(SHARE, 1)], "40.00", 100)

    assert "uncovered" in refusal(exchange, [Leg(call(), -1)], "-1.00")


def test_calls_still_being_bought_cover_nothing() -> None:
    exchange = Exchange()
    long, short = call("50"), call("55")
    exchange.submit([Leg(long, 1), Leg(short, -1)], "3.00")
    exchange.set_quote(long, "3.00", "3.00")
    exchange.set_quote(short, "1.00", "1.00")
    exchange.advance()
    exchange.submit([Leg(call("60"), 1)], "0.10")

    assert "uncovered" in refusal(exchange, [Leg(long, -1)], "-3.00", opening=False)


def test_a_commission_never_keeps_a_position_from_being_closed() -> None:
    exchange = Exchange("1001")
    exchange.submit([Leg(call(), 1)], "10.00")
    exchange.set_quote(call(), "10.00", "10.00")
    exchange.advance()
    assert exchange.cash == 0

    order = exchange.submit([Leg(call(), -1)], "-9.00", opening=False)

    assert order.is_open


def test_a_short_put_is_bought_back_with_the_cash_it_ties_up() -> None:
    exchange = Exchange("4402")
    exchange.trade(put("44"), -1, "1.00")

    order = exchange.submit([Leg(put("44"), 1)], "5.00", opening=False)

    assert order.is_open


def test_an_open_order_to_buy_back_sets_nothing_free_before_it_fills() -> None:
    exchange = Exchange("9000")
    exchange.trade(put("44"), -2, "1.00")
    before = exchange.broker.account().options_buying_power

    exchange.submit([Leg(put("44"), 1)], "0.50", 2, opening=False)

    assert exchange.broker.account().options_buying_power == before


def test_two_closing_orders_may_share_what_is_held() -> None:
    exchange = Exchange()
    exchange.trade(call(), 3, "1.00")
    exchange.submit([Leg(call(), -1)], "-2.00", 2, opening=False)

    exchange.submit([Leg(call(), -1)], "-3.00", 1, opening=False)

    assert "requested: 1, available: 0" in refusal(exchange, [Leg(call(), -1)], "-4.00", opening=False)


def test_a_canceled_closing_order_gives_its_contracts_back() -> None:
    exchange = Exchange()
    exchange.trade(call(), 1, "1.00")
    exchange.broker.cancel(exchange.submit([Leg(call(), -1)], "-2.00", opening=False))

    assert exchange.submit([Leg(call(), -1)], "-1.00", opening=False).is_open


def test_a_market_purchase_holds_the_last_price_and_some_room() -> None:
    exchange = Exchange("4800")
    exchange.set_quote(SHARE, "47.99", "48.01")

    assert "required: 5041.00" in refusal(exchange, [Leg(SHARE, 1)], None, 100)
    assert exchange.submit([Leg(SHARE, 1)], None, 90).is_open


def test_a_market_order_without_a_quote_is_refused() -> None:
    assert "no quote" in refusal(Exchange(), [Leg(SHARE, 1)], None, 100)


def test_an_expired_contract_is_refused() -> None:
    exchange = Exchange()

    assert "has expired" in refusal(exchange, [Leg(put(expiry=date(2026, 6, 12)), -1)], "-1.00")


def test_equity_counts_holdings_at_the_middle_of_their_quotes() -> None:
    exchange = Exchange()
    exchange.trade(put(), -2, "1.03")
    exchange.set_quote(put(), "0.90", "1.00")

    account = exchange.broker.account()

    assert account.cash == D("100204.00")
    assert account.equity == D("100204.00") - 190


def test_a_holding_without_a_quote_counts_at_its_last_one() -> None:
    exchange = Exchange()
    exchange.trade(put(), -2, "1.03")
    exchange.set_quote(put(), "0.90", "1.00")
    exchange.broker.account()

    exchange.market.drop_quote(put())

    assert exchange.broker.account().equity == D("100204.00") - 190


def test_costs_are_configurable() -> None:
    exchange = Exchange(costs=Costs(option_commission=D("0.65")))

    exchange.trade(put(), -2, "1.03")

    assert exchange.cash == D("100204.70")


@pytest.mark.parametrize("contracts", [0, 3])
def test_more_than_what_is_short_cannot_be_assigned(contracts: int) -> None:
    exchange = Exchange()
    exchange.trade(put(), -2, "1.03")

    with pytest.raises(BadRequest, match="cannot be assigned"):
        exchange.broker.assign(put(), contracts)
