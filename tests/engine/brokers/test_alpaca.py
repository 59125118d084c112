"""What the adapter puts on Alpaca's wire, and what it makes of orders, executions and events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.brokers.alpaca import AlpacaBroker
from engine.errors import OrderRejected
from engine.model.instruments import Stock, option
from engine.model.legs import Leg
from engine.model.orders import ActivityKind, Order, OrderStatus, TimeInForce
from tests import make
from tests.fakes import FakeClock
from tests.make import D
from tests.standins import alpaca_events
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange, next_morning

SHORT, LONG = make.put(44), make.put(40)
SPREAD = (Leg(SHORT, -1), Leg(LONG, 1))


def posted(standin: AlpacaStandin) -> dict[str, Any]:
    """The body of the only order that was sent."""
    (seen,) = standin.journal.sent("POST", "/v2/orders")
    return dict(seen.body)


def test_a_credit_spread_goes_out_as_one_package_with_a_negative_net_limit(
    alpaca: AlpacaBroker, standin: AlpacaStandin
) -> None:
    alpaca.submit(make.order(SPREAD, "-0.50", 3))

    assert posted(standin) == {
        "client_order_id": "A00001.1.1",
        "order_class": "mleg",
        "qty": "3",
        "type": "limit",
        "time_in_force": "day",
        "limit_price": "-0.50",
        "legs": [
            {"symbol": SHORT.symbol, "ratio_qty": "1", "side": "sell", "position_intent": "sell_to_open"},
            {"symbol": LONG.symbol, "ratio_qty": "1", "side": "buy", "position_intent": "buy_to_open"},
        ],
    }


def test_closing_that_spread_pays_and_every_leg_says_it_closes(
    alpaca: AlpacaBroker, standin: AlpacaStandin, exchange: Exchange
) -> None:
    exchange.hold(SHORT.symbol, -1, "1.03")
    exchange.hold(LONG.symbol, 1, "0.42")
    back = (Leg(SHORT, 1), Leg(LONG, -1))

    alpaca.submit(make.order(back, "0.30", 1, opening=False, client_order_id="P00001.target.1.1"))

    body = posted(standin)
    assert body["limit_price"] == "0.30"
    assert [leg["position_intent"] for leg in body["legs"]] == ["buy_to_close", "sell_to_close"]


def test_a_single_sale_carries_a_positive_price_and_its_side(alpaca: AlpacaBroker, standin: AlpacaStandin) -> None:
    alpaca.submit(make.order(limit="-1.1", quantity=2, tif=TimeInForce.GTC))

    assert posted(standin) == {
        "client_order_id": "A00001.1.1",
        "order_class": "simple",
        "symbol": SHORT.symbol,
        "side": "sell",
        "position_intent": "sell_to_open",
        "qty": "2",
        "type": "limit",
        "time_in_force": "gtc",
        "limit_price": "1.10",
    }


def test_shares_may_go_at_market_and_then_carry_no_price(alpaca: AlpacaBroker, standin: AlpacaStandin) -> None:
    alpaca.submit(make.order((Leg(Stock("XYZ"), 1),), None, 100))

    body = posted(standin)
    assert (body["type"], body["side"], body["qty"]) == ("market", "buy", "100")
    assert "limit_price" not in body


def test_a_price_below_a_dollar_keeps_four_decimals_for_shares(alpaca: AlpacaBroker, standin: AlpacaStandin) -> None:
    alpaca.submit(make.order((Leg(Stock("XYZ"), 1),), "0.3012", 100))

    assert posted(standin)["limit_price"] == "0.3012"


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (make.order(SPREAD, "0.50"), "must be negative"),
        (make.order((Leg(SHORT, -2), Leg(LONG, 2)), "-0.50"), "relatively prime"),
        (make.order(limit="1.03"), "negative"),
        (make.order(limit="-1.035"), "sub-penny"),
        (make.order((Leg(SHORT, -1), Leg(Stock("XYZ"), 100)), "-1.00"), "options only"),
    ],
)
def test_what_the_checks_refuse_never_reaches_the_wire(
    alpaca: AlpacaBroker, standin: AlpacaStandin, order: Order, words: str
) -> None:
    with pytest.raises(OrderRejected, match=words):
        alpaca.submit(order)

    assert standin.journal.requests == []


def test_a_packages_executions_are_booked_under_the_package_after_a_restart(
    alpaca: AlpacaBroker, standin: AlpacaStandin, exchange: Exchange
) -> None:
    alpaca.submit(make.order(SPREAD, "-0.50", 3))
    fresh = AlpacaBroker(KEY, SECRET, url_override=standin.url)

    fills = fresh.fills(make.NOW)

    assert {(fill.client_order_id, fill.instrument, fill.quantity, fill.price) for fill in fills} == {
        ("A00001.1.1", SHORT, -3, D("0.98")),
        ("A00001.1.1", LONG, 3, D("0.45")),
    }
    assert len({fill.execution_id for fill in fills}) == 2
    fresh.close()


def test_the_average_of_a_package_is_the_net_of_its_legs(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    order = make.order(SPREAD, "-0.50", 3)
    alpaca.submit(order)

    found = alpaca.find(order)

    assert found is not None
    assert (found.status, found.filled, found.average) == (OrderStatus.FILLED, 3, D("-0.53"))


def test_a_partial_fill_counts_whole_units_and_its_legs_sum_to_them(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    exchange.quote(SHORT.symbol, "0.98", "1.08", size=2)
    order = make.order(SPREAD, "-0.50", 3)
    alpaca.submit(order)

    found = alpaca.find(order)

    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.PARTIALLY_FILLED, 2)
    assert sorted(fill.quantity for fill in alpaca.fills(make.NOW)) == [-2, 2]


def test_a_positive_limit_on_a_credit_spread_would_have_been_accepted_and_lost_money(
    standin: AlpacaStandin, alpaca: AlpacaBroker, exchange: Exchange
) -> None:
    """Why the checks refuse it first: Alpaca takes it, it means "I may pay 0.50", and the venue may take that."""
    exchange.fills_at_limit = True
    alpaca.submit(make.order(SPREAD, "-0.50", 1))
    body = posted(standin)
    wrong = {**body, "client_order_id": "wrong-sign", "limit_price": "0.50"}

    before = exchange.cash
    exchange.settle(exchange.place(wrong))

    assert exchange.by_client_id("wrong-sign").status == "filled"  # type: ignore[union-attr]
    assert exchange.cash - before == Decimal(-50)


def test_an_id_used_for_another_order_is_refused_and_not_taken_for_ours(
    alpaca: AlpacaBroker, exchange: Exchange
) -> None:
    alpaca.submit(make.order())
    other = make.order((Leg(LONG, -1),), "-0.60")

    assert alpaca.find(other) is None
    with pytest.raises(OrderRejected, match="used before"):
        alpaca.submit(other)

    assert len(exchange.orders) == 1


def test_a_second_closing_order_is_refused_while_the_first_holds_the_contracts(
    alpaca: AlpacaBroker, exchange: Exchange
) -> None:
    exchange.hold(make.call(50).symbol, 2, "1.00")
    sell = make.order((Leg(make.call(50), -1),), "-2.40", 2, opening=False, client_order_id="P00001.target.1.1")
    alpaca.submit(sell)

    with pytest.raises(OrderRejected, match="insufficient qty available") as refusal:
        alpaca.submit(replace(sell, client_order_id="P00001.stop.1.1"))

    assert refusal.value.code == 40310000


def test_a_canceled_order_cannot_be_canceled_again(alpaca: AlpacaBroker) -> None:
    order = alpaca.submit(make.order())
    alpaca.cancel(order)

    with pytest.raises(OrderRejected, match="canceled") as refusal:
        alpaca.cancel(order)

    assert refusal.value.code == 42210000


def test_cancel_looks_the_order_up_when_its_broker_id_is_not_known(alpaca: AlpacaBroker) -> None:
    order = make.order()
    alpaca.submit(order)

    alpaca.cancel(order)

    assert alpaca.open_orders() == ()
    with pytest.raises(OrderRejected, match="never placed"):
        alpaca.cancel(make.order(client_order_id="A00009.1.1"))


def test_an_order_may_fill_while_its_cancel_is_pending(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    exchange.slow_cancels = True
    order = alpaca.submit(make.order())
    alpaca.cancel(order)
    pending = alpaca.find(order)
    exchange.fill("A00001.1.1", 2)

    ended = alpaca.find(order)

    assert pending is not None
    assert pending.status is OrderStatus.PENDING_CANCEL
    assert ended is not None
    assert (ended.status, ended.filled) == (OrderStatus.FILLED, 2)


def test_an_order_changed_on_alpacas_own_page_has_ended_for_the_desk(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    order = alpaca.submit(make.order())
    exchange.replace(order.broker_id or "", {"limit_price": "1.05"})

    found = alpaca.find(order)

    assert found is not None
    assert (found.status, found.error) == (OrderStatus.CANCELED, "replaced outside the desk")


def test_all_pages_of_open_orders_are_read(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    exchange.matching = False
    body = {"symbol": "XYZ", "side": "buy", "qty": "1", "type": "limit", "time_in_force": "gtc", "limit_price": "1"}
    for number in range(503):
        exchange.settle(exchange.place({**body, "client_order_id": f"A{number:05d}.1.1"}))

    assert alpaca.open_orders() == tuple(f"A{number:05d}.1.1" for number in range(503))


def test_all_pages_of_fills_are_read(alpaca: AlpacaBroker, standin: AlpacaStandin, exchange: Exchange) -> None:
    order = make.order((Leg(Stock("XYZ"), 1),), "47.00", 205)
    alpaca.submit(order)
    for _ in range(205):
        exchange.fill(order.client_order_id, 1)

    fills = alpaca.fills(make.NOW)

    assert len({fill.execution_id for fill in fills}) == 205
    assert len(standin.journal.sent("GET", "/v2/account/activities")) == 3


def test_fills_before_the_asked_instant_are_left_out(
    alpaca: AlpacaBroker, exchange: Exchange, clock: FakeClock
) -> None:
    alpaca.submit(make.order((Leg(Stock("XYZ"), 1),), "48.01", 1, client_order_id="A1.1.1"))
    later = clock.advance(1)
    alpaca.submit(make.order((Leg(Stock("XYZ"), 1),), "48.01", 1, client_order_id="A2.1.1"))

    assert [fill.client_order_id for fill in alpaca.fills(later)] == ["A2.1.1"]


def test_an_assignment_reported_the_next_morning_is_seen_then_and_dated_on_its_day(
    alpaca: AlpacaBroker, exchange: Exchange, clock: FakeClock
) -> None:
    exchange.hold(SHORT.symbol, -2, "1.03")
    alpaca_events.assign(exchange, SHORT.symbol, 2, reported=next_morning(clock()))
    last_look = clock.advance(hours=8)

    assert alpaca.activities(make.NOW) == ()
    clock.set(datetime(2026, 6, 16, 13, tzinfo=UTC))
    (assigned,) = alpaca.activities(last_look)

    assert (assigned.kind, assigned.instrument, assigned.quantity) == (ActivityKind.ASSIGNMENT, SHORT, -2)
    assert assigned.at == datetime(2026, 6, 15, 20, tzinfo=UTC)
    assert [(item.instrument, item.quantity) for item in alpaca.holdings()] == [(Stock("XYZ"), 200)]


def test_what_happens_without_an_order_keeps_its_kind_sign_and_amount(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    call = make.call(50)
    exchange.hold("XYZ", 100, "40")
    exchange.hold(call.symbol, 2, "1.00")
    exchange.hold(LONG.symbol, 3, "0.40")
    exchange.hold(SHORT.symbol, -1, "1.00")
    alpaca_events.exercise(exchange, call.symbol, 2)
    alpaca_events.expire(exchange, LONG.symbol)
    alpaca_events.expire(exchange, SHORT.symbol)
    alpaca_events.dividend(exchange, "XYZ", "0.25")
    for kind, amount in (("CSD", "500"), ("CSW", "-200"), ("INT", "-1.37"), ("FEE", "-0.02"), ("JNLC", "-5")):
        alpaca_events.cash(exchange, kind, amount)
    alpaca_events.split(exchange, "XYZ", 4, 1)

    found = {
        (item.kind, item.instrument, item.quantity, item.amount, item.ratio) for item in alpaca.activities(make.NOW)
    }

    zero = Decimal(0)
    assert found == {
        (ActivityKind.EXERCISE, call, 2, zero, None),
        (ActivityKind.EXPIRY, LONG, 3, zero, None),
        (ActivityKind.EXPIRY, SHORT, -1, zero, None),
        (ActivityKind.DIVIDEND, Stock("XYZ"), 300, D("75"), None),
        (ActivityKind.DEPOSIT, None, 0, D("500"), None),
        (ActivityKind.WITHDRAWAL, None, 0, D("-200"), None),
        (ActivityKind.INTEREST, None, 0, D("-1.37"), None),
        (ActivityKind.FEE, None, 0, D("-0.02"), None),
        (ActivityKind.WITHDRAWAL, None, 0, D("-5"), None),
        (ActivityKind.SPLIT, Stock("XYZ"), 0, zero, D(4)),
    }


def test_index_options_settle_for_the_cash_of_their_group_and_never_into_shares(
    alpaca: AlpacaBroker, exchange: Exchange
) -> None:
    """The naive way books 100 shares of an index for each contract: nobody can hold one."""
    short = option("SPXW260615P06000000")
    row = {"symbol": short.symbol, "qty": "2", "group_id": "g1"}
    alpaca_events.record(exchange, "OPASN", **row)
    early = alpaca.activities(make.NOW)
    alpaca_events.record(exchange, "OPCSH", D("-1250.00"), **row)

    (settled,) = alpaca.activities(make.NOW)

    assert early == ()
    assert (settled.kind, settled.quantity, settled.amount) == (ActivityKind.ASSIGNMENT, -2, D("-1250.00"))


def test_cash_for_options_that_no_other_row_tells_ends_them_all_the_same(
    alpaca: AlpacaBroker, exchange: Exchange
) -> None:
    held = option("XSP260615C00600000")
    alpaca_events.record(exchange, "OPCSH", D("310.00"), symbol=held.symbol, qty="-1")

    (settled,) = alpaca.activities(make.NOW)

    assert (settled.kind, settled.instrument, settled.quantity) == (ActivityKind.EXERCISE, held, 1)


def test_a_corporate_action_on_options_is_told_and_not_guessed(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    alpaca_events.record(exchange, "OPCA", D("12.50"), symbol="XYZ")

    (told,) = alpaca.activities(make.NOW)

    assert (told.kind, told.instrument, told.amount) == (ActivityKind.ADJUSTMENT, Stock("XYZ"), D("12.50"))


def test_all_pages_of_activities_are_read(alpaca: AlpacaBroker, exchange: Exchange, clock: FakeClock) -> None:
    for _ in range(130):
        clock.advance(1)
        alpaca_events.cash(exchange, "FEE", "-0.01")

    assert len(alpaca.activities(make.NOW)) == 130
    assert len(alpaca.activities(make.NOW + timedelta(seconds=100))) == 31


def test_the_options_buying_power_is_the_one_that_is_shown(alpaca: AlpacaBroker) -> None:
    alpaca.submit(make.order(quantity=2))

    account = alpaca.account()

    assert account.options_buying_power == D(100_000 - 2 * 4400)
    assert account.buying_power != account.options_buying_power
    assert (account.options_level, account.is_paper, account.blocked) == (3, True, False)


def test_trading_suspended_on_alpacas_page_shows_as_blocked(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    exchange.configuration["suspend_trade"] = True

    assert alpaca.account().blocked
    with pytest.raises(OrderRejected, match="suspended"):
        alpaca.submit(make.order())


def test_a_row_that_makes_no_sense_hides_no_other_execution(
    alpaca: AlpacaBroker, standin: AlpacaStandin, exchange: Exchange
) -> None:
    standin.schemas = None
    alpaca.submit(make.order(limit="-0.98"))
    (good,) = exchange.activities
    for broken in ({"price": None}, {"qty": "many"}, {"order_id": ""}, {"side": None}):
        exchange.activities.append({**good, "id": f"{good['id']}{len(exchange.activities)}", **broken})

    assert [fill.execution_id for fill in alpaca.fills(make.NOW)] == [good["id"]]


def test_an_execution_that_is_taken_back_is_not_one_more(
    alpaca: AlpacaBroker, standin: AlpacaStandin, exchange: Exchange
) -> None:
    """The naive reader books every FILL row: a sale taken back would count as a second sale."""
    standin.schemas = None
    alpaca.submit(make.order(limit="-0.98"))

    exchange.bust("A00001.1.1")

    assert [fill.quantity for fill in alpaca.fills(make.NOW)] == [-2]
    assert alpaca.holdings() == ()


def test_several_orders_that_ended_are_looked_up_in_one_request(alpaca: AlpacaBroker, standin: AlpacaStandin) -> None:
    ended = [make.order(limit="-5.00", quantity=1, client_order_id=f"A0000{number}.1.1") for number in range(1, 4)]
    for order in ended:
        alpaca.cancel(alpaca.submit(order))
    asked_alone = [alpaca.find(order) for order in ended]
    before = len(standin.journal.requests)

    working = alpaca.working(ended)
    found = [alpaca.find(order) for order in ended]

    assert working == {}
    assert found == asked_alone
    assert {order.status for order in found if order is not None} == {OrderStatus.CANCELED}
    assert len(standin.journal.requests) - before == 2


def test_an_order_among_them_that_was_never_placed_is_still_asked_for(
    alpaca: AlpacaBroker, standin: AlpacaStandin
) -> None:
    ended = [make.order(limit="-5.00", quantity=1, client_order_id=f"A0000{number}.1.1") for number in range(1, 4)]
    for order in ended:
        alpaca.cancel(alpaca.submit(order))
    unsent = make.order(limit="-5.00", quantity=1, client_order_id="A00009.1.1")
    alpaca.working([*ended, unsent])
    before = len(standin.journal.requests)

    found = alpaca.find(unsent)

    assert found is None
    assert len(standin.journal.requests) - before == 1
