"""Stops on Alpaca's wire, what it takes of them, its switch for new orders, and executions that are not the desk's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.abilities import AbilityMemory
from engine.brokers.alpaca import AlpacaBroker
from engine.errors import BrokerUnavailable, OrderRejected, Refusal
from engine.model.instruments import Stock
from engine.model.legs import Leg
from engine.model.orders import Order, OrderStatus, OrderType, TimeInForce
from engine.ports import Ability
from engine.store import Store
from tests import make
from tests.fakes import FakeClock
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange

D = Decimal
CALL = make.call(50)


def share_stop(tif: TimeInForce = TimeInForce.GTC) -> Order:
    return make.order((Leg(Stock("XYZ"), -1),), None, 100, opening=False, type=OrderType.STOP, stop=D("45"), tif=tif)


def option_stop(tif: TimeInForce = TimeInForce.DAY, client_order_id: str = "P00001.net.1.1") -> Order:
    legs = (Leg(CALL, -1),)
    return make.order(legs, "-0.7", 1, False, client_order_id, type=OrderType.STOP, stop=D("0.8"), tif=tif)


def test_a_stop_of_shares_goes_out_with_its_stop_price_alone(alpaca: AlpacaBroker, standin: AlpacaStandin) -> None:
    standin.exchange.hold("XYZ", 100, "40")

    alpaca.submit(share_stop())

    (seen,) = standin.journal.sent("POST", "/v2/orders")
    assert seen.body == {
        "client_order_id": "A00001.1.1",
        "order_class": "simple",
        "symbol": "XYZ",
        "side": "sell",
        "position_intent": "sell_to_close",
        "qty": "100",
        "type": "stop",
        "time_in_force": "gtc",
        "stop_price": "45.00",
    }


def test_the_stop_of_an_option_goes_out_with_its_limit(alpaca: AlpacaBroker, standin: AlpacaStandin) -> None:
    standin.exchange.hold(CALL.symbol, 1, "1.00")

    alpaca.submit(option_stop())

    (seen,) = standin.journal.sent("POST", "/v2/orders")
    assert (seen.body["type"], seen.body["stop_price"], seen.body["limit_price"]) == ("stop_limit", "0.80", "0.70")


def test_a_stop_outlives_the_day_only_where_it_says_so(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    exchange.hold("XYZ", 200, "40")
    lasting = alpaca.submit(share_stop())
    daily = alpaca.submit(replace(share_stop(TimeInForce.DAY), client_order_id="P00002.net.1.1"))

    exchange.close_day()

    assert alpaca.open_orders() == (lasting.client_order_id,)
    expired = alpaca.find(daily)
    assert expired is not None
    assert expired.status is OrderStatus.EXPIRED


def test_what_no_order_has_asked_for_yet_is_untried(alpaca: AlpacaBroker) -> None:
    found = alpaca.capabilities()

    assert found.proven == {Ability.STOP_SHARES}
    assert not found.takes(Ability.STOP_OPTIONS)
    assert found.may_try(Ability.STOP_OPTIONS)


def test_a_refused_type_of_order_is_not_tried_again(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    exchange.hold(CALL.symbol, 1, "1.00")
    exchange.option_stops = False

    with pytest.raises(OrderRejected) as refusal:
        alpaca.submit(option_stop())

    assert refusal.value.kind is Refusal.ORDER_TYPE
    found = alpaca.capabilities()
    assert not found.may_try(Ability.STOP_OPTIONS)
    assert found.may_try(Ability.GTC_OPTIONS)


def test_a_refused_time_in_force_says_nothing_about_stops(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    exchange.hold(CALL.symbol, 1, "1.00")
    exchange.option_gtc = False

    with pytest.raises(OrderRejected):
        alpaca.submit(option_stop(TimeInForce.GTC))

    found = alpaca.capabilities()
    assert not found.may_try(Ability.GTC_OPTIONS)
    assert found.may_try(Ability.STOP_OPTIONS)


def test_a_refusal_for_another_reason_leaves_the_question_open(alpaca: AlpacaBroker) -> None:
    with pytest.raises(OrderRejected):
        alpaca.submit(option_stop())

    assert alpaca.capabilities().proven == {Ability.STOP_SHARES}
    assert alpaca.capabilities().may_try(Ability.STOP_OPTIONS)


def test_a_stop_that_was_taken_and_then_turned_down_counts_as_refused(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    exchange.hold(CALL.symbol, 1, "1.00")
    alpaca.submit(option_stop())
    exchange.reject("P00001.net.1.1")

    alpaca.find(option_stop())

    assert not alpaca.capabilities().may_try(Ability.STOP_OPTIONS)


def test_suspending_turns_the_accounts_own_switch(alpaca: AlpacaBroker, standin: AlpacaStandin) -> None:
    alpaca.suspend(True)

    (seen,) = standin.journal.sent("PATCH", "/v2/account/configurations")
    assert seen.body == {"suspend_trade": True}
    assert standin.exchange.configuration["suspend_trade"] is True


@pytest.mark.parametrize("fault", ["429", "504", "html", "cut"])
def test_a_switch_whose_answer_is_missing_is_not_believed(
    alpaca: AlpacaBroker, standin: AlpacaStandin, fault: str
) -> None:
    standin.fail_next(fault, method="PATCH")

    with pytest.raises(BrokerUnavailable):
        alpaca.suspend(True)

    assert len(standin.journal.sent("PATCH")) == 1


def test_executions_of_orders_the_desk_never_sent_are_told_under_their_own_ids(
    alpaca: AlpacaBroker, exchange: Exchange
) -> None:
    mine = alpaca.submit(make.order(limit="-0.98"))
    body = {"qty": "100", "type": "market", "time_in_force": "day", "symbol": "XYZ", "side": "buy"}
    bought = exchange.place(body)
    legs = [
        {"symbol": make.put(44).symbol, "ratio_qty": "1", "side": "sell", "position_intent": "sell_to_open"},
        {"symbol": make.put(40).symbol, "ratio_qty": "1", "side": "buy", "position_intent": "buy_to_open"},
    ]
    spread = exchange.place({"qty": "1", "type": "market", "time_in_force": "day", "order_class": "mleg", "legs": legs})
    exchange.settle(bought)
    exchange.settle(spread)

    fills = alpaca.fills(make.NOW)

    assert {(fill.client_order_id, fill.instrument.symbol, fill.quantity) for fill in fills} == {
        (mine.client_order_id, make.put(44).symbol, -2),
        (bought.client_order_id, "XYZ", 100),
        (spread.client_order_id, make.put(44).symbol, -1),
        (spread.client_order_id, make.put(40).symbol, 1),
    }


def test_what_was_found_out_is_remembered_by_the_next_process(standin: AlpacaStandin, exchange: Exchange) -> None:
    exchange.hold(CALL.symbol, 2, "1.00")
    exchange.option_gtc = False
    store, clock = Store.memory(), FakeClock()
    first = remembering(standin, store, clock)
    first.submit(option_stop())
    with pytest.raises(OrderRejected):
        first.submit(option_stop(TimeInForce.GTC, "P00002.net.1.1"))

    again = remembering(standin, store, clock).capabilities()
    clock.advance(days=31)
    later = remembering(standin, store, clock).capabilities()

    assert (again.takes(Ability.STOP_OPTIONS), again.may_try(Ability.GTC_OPTIONS)) == (True, False)
    assert (later.takes(Ability.STOP_OPTIONS), later.may_try(Ability.GTC_OPTIONS)) == (True, True)


def remembering(standin: AlpacaStandin, store: Store, clock: FakeClock) -> AlpacaBroker:
    memory = AbilityMemory(store, clock, "alpaca-paper")
    return AlpacaBroker(KEY, SECRET, url_override=standin.url, memory=memory)
