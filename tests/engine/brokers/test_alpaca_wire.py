"""Alpaca's JSON read and written without a network: recorded answers, unknown words, exact prices."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.brokers import alpaca_activities, alpaca_wire, wire
from engine.errors import BrokerUnavailable
from engine.model.book import Holding
from engine.model.instruments import Stock, option
from engine.model.legs import Leg
from engine.model.orders import ActivityKind, OrderStatus
from tests import make
from tests.make import D
from tests.shared import SHARED, needs_shared

RECORDED = SHARED / "data" / "api_samples" / "alpaca"
SPREAD = (Leg(make.put(44), -1), Leg(make.put(40), 1))


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["body"]


def answer(**changes: Any) -> dict[str, Any]:
    """Alpaca's answer about two 44 puts sold at 1.03, accepted."""
    body = {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": "A00001.1.1",
        "symbol": make.put(44).symbol,
        "side": "sell",
        "qty": "2",
        "filled_qty": "0",
        "filled_avg_price": None,
        "status": "accepted",
        "submitted_at": "2026-06-15T14:00:01.123456789Z",
        "legs": None,
    }
    return body | changes


@needs_shared
def test_a_recorded_account_is_read_without_the_fields_that_were_removed() -> None:
    body = recorded("account_routes/test_get_account")
    gone = {key: value for key, value in body.items() if not key.startswith(("daytrad", "pattern"))}

    account = alpaca_wire.account(gone, is_paper=True)

    assert (account.number, account.cash, account.equity) == ("010203ABCD", D("-23140.2"), D("103820.56"))
    assert (account.options_buying_power, account.options_level, account.blocked) == (D("262113.632"), 1, False)


@needs_shared
@pytest.mark.parametrize(
    "name", ["test_limit_order", "test_market_order", "test_order_position_intent", "test_get_order_by_client_id"]
)
def test_recorded_orders_are_read(name: str) -> None:
    order = make.order((Leg(Stock("AAPL"), 1),), "300.00", 1)

    seen = alpaca_wire.observed(order, recorded(f"order_routes/{name}"))

    assert (seen.status, seen.filled, seen.average) == (OrderStatus.ACCEPTED, 0, None)
    assert seen.broker_id == "61e69015-8549-4bfd-b9c3-01e75843f47d"
    assert seen.accepted_at == datetime(2021, 3, 16, 18, 38, 1, 937734, tzinfo=UTC)


@needs_shared
def test_recorded_lists_of_orders_and_positions_are_read() -> None:
    (row,) = recorded("order_routes/test_get_orders")
    positions = recorded("position_routes/test_get_all_positions")

    seen = alpaca_wire.observed(make.order((Leg(Stock("SPY"), 1),), None, 1), row)

    assert (seen.status, seen.filled) == (OrderStatus.ACCEPTED, 0)
    assert [alpaca_wire.holding(position) for position in positions] == [Holding(Stock("AAPL"), 5, D(100))]


@needs_shared
def test_the_published_package_answer_is_read_with_its_empty_fields() -> None:
    document = json.loads((SHARED / "specs" / "trading-api.json").read_text(encoding="utf-8"))
    body = document["components"]["examples"]["MultilegOptionsOrderResponse"]["value"]
    legs = (Leg(option("AAPL241213C00250000"), 3), Leg(option("AAPL241213C00260000"), -1))
    order = make.order(legs, "10.00", 1)

    seen = alpaca_wire.observed(order, body)

    assert (seen.status, seen.filled, seen.average) == (OrderStatus.FILLED, 1, D("1.28"))
    assert alpaca_wire.is_same(order, body)


@given(cents=st.integers(min_value=-200_000, max_value=200_000))
def test_every_price_goes_out_as_the_very_digits(cents: int) -> None:
    limit = Decimal(cents) / 100

    body = alpaca_wire.order_body(make.order(SPREAD, limit))

    assert isinstance(body["limit_price"], str)
    assert Decimal(body["limit_price"]) == limit
    assert len(body["limit_price"].partition(".")[2]) == 2


def test_the_price_that_floats_spoil_is_exact() -> None:
    order = make.order((Leg(make.put(44), 1),), D("0.1") + D("0.2"))
    wire.check(order)

    assert alpaca_wire.order_body(order)["limit_price"] == "0.30"


@pytest.mark.parametrize(
    ("word", "filled", "status"),
    [
        ("new", "0", OrderStatus.ACCEPTED),
        ("pending_new", "0", OrderStatus.ACCEPTED),
        ("accepted", "0", OrderStatus.ACCEPTED),
        ("held", "0", OrderStatus.ACCEPTED),
        ("done_for_day", "1", OrderStatus.PARTIALLY_FILLED),
        ("calculated", "0", OrderStatus.ACCEPTED),
        ("pending_replace", "0", OrderStatus.ACCEPTED),
        ("a word of next year", "1", OrderStatus.PARTIALLY_FILLED),
        ("partially_filled", "1", OrderStatus.PARTIALLY_FILLED),
        ("pending_cancel", "0", OrderStatus.PENDING_CANCEL),
        ("filled", "2", OrderStatus.FILLED),
        ("canceled", "1", OrderStatus.CANCELED),
        ("expired", "0", OrderStatus.EXPIRED),
        ("rejected", "0", OrderStatus.REJECTED),
        ("replaced", "0", OrderStatus.CANCELED),
    ],
)
def test_every_status_has_a_meaning_and_an_unknown_one_means_still_alive(
    word: str, filled: str, status: OrderStatus
) -> None:
    seen = alpaca_wire.observed(make.order(), answer(status=word, filled_qty=filled, filled_avg_price="1.03"))

    assert (seen.status, seen.filled) == (status, int(filled))


def test_the_average_of_a_sale_is_negative() -> None:
    seen = alpaca_wire.observed(make.order(), answer(status="filled", filled_qty="2", filled_avg_price=1.04))

    assert seen.average == D("-1.04")


def test_a_fill_without_a_price_yet_has_no_average() -> None:
    seen = alpaca_wire.observed(make.order(), answer(status="partially_filled", filled_qty="1"))

    assert (seen.filled, seen.average) == (1, None)


def test_the_end_of_an_order_is_dated() -> None:
    ended = answer(status="canceled", canceled_at="2026-06-15T14:01:00Z", updated_at="2026-06-15T14:02:00Z")

    assert alpaca_wire.observed(make.order(), ended).done_at == datetime(2026, 6, 15, 14, 1, tzinfo=UTC)
    assert alpaca_wire.observed(make.order(), answer(updated_at="2026-06-15T14:02:00Z")).done_at is None


@pytest.mark.parametrize(
    "broken",
    [{"id": None}, {"status": ""}, {"filled_qty": "NaN"}, {"filled_qty": None}, {"submitted_at": "yesterday"}],
)
def test_an_answer_that_lacks_what_an_order_must_have_is_no_answer(broken: dict[str, Any]) -> None:
    with pytest.raises(BrokerUnavailable, match="Alpaca"):
        alpaca_wire.observed(make.order(), answer(**broken))


@pytest.mark.parametrize("broken", [{"cash": None}, {"equity": "much"}, {"options_buying_power": None}])
def test_an_account_without_its_numbers_is_no_answer(broken: dict[str, Any]) -> None:
    body = {
        "account_number": "PA1",
        "status": "ACTIVE",
        "cash": "1",
        "equity": "1",
        "buying_power": "1",
        "options_buying_power": "1",
        "options_trading_level": 3,
    }

    with pytest.raises(BrokerUnavailable, match="Alpaca"):
        alpaca_wire.account(body | broken, is_paper=True)


def test_an_account_that_is_not_active_is_blocked() -> None:
    body = {"account_number": "PA1", "status": "ACCOUNT_CLOSED", "cash": "1", "equity": "1", "buying_power": "1"}

    account = alpaca_wire.account(body, is_paper=True)

    assert (account.blocked, account.options_level, account.options_buying_power) == (True, 0, D(0))


def position(**changes: Any) -> dict[str, Any]:
    body = {"symbol": "AAPL", "asset_class": "us_equity", "qty": "5", "side": "long", "avg_entry_price": "100.0"}
    return body | changes


def test_a_short_option_position_is_negative_however_its_quantity_is_signed() -> None:
    short = {"symbol": "AAPL261218C00187500", "asset_class": "us_option", "side": "short", "avg_entry_price": "1.03"}
    expected = Holding(option("AAPL261218C00187500"), -2, D("1.03"))

    assert alpaca_wire.holding(position(**short, qty="-2")) == expected
    assert alpaca_wire.holding(position(**short, qty="2")) == expected


@pytest.mark.parametrize(
    "foreign",
    [
        {"symbol": "BTCUSD", "asset_class": "crypto"},
        {"asset_class": "us_index"},
        {"qty": "0.5"},
        {"symbol": "not a symbol"},
        {"symbol": "AAPL26X218C00187500", "asset_class": "us_option"},
    ],
)
def test_what_the_desk_cannot_hold_is_left_out(foreign: dict[str, Any]) -> None:
    assert alpaca_wire.holding(position(**foreign)) is None


@pytest.mark.parametrize(("held", "whole"), [("5.5", 5), ("-5.5", -5), ("1.999999999", 1)])
def test_part_of_a_share_is_left_where_it_is_and_the_whole_ones_count(held: str, whole: int) -> None:
    found = alpaca_wire.holding(position(qty=held))

    assert found is not None
    assert found.quantity == whole


@pytest.mark.parametrize(
    ("side", "quantity"), [("buy", 2), ("sell", -2), ("sell_short", -2), ("buy_to_close", 2), ("sell_to_open", -2)]
)
def test_an_executions_sign_comes_from_its_side_however_it_is_spelled(side: str, quantity: int) -> None:
    row = {
        "id": "20260428000000000::bbbb2222-abcd-1111-2222-333344445555",
        "transaction_time": "2026-04-28T17:30:23.252125Z",
        "price": "0.50",
        "qty": "2",
        "side": side,
        "symbol": "AMD260501P00277500",
    }

    fill = alpaca_wire.fill(row, "A1.1.1")

    assert fill is not None
    assert (fill.quantity, fill.price, fill.instrument) == (quantity, D("0.50"), option("AMD260501P00277500"))


def event(kind: str, **changes: Any) -> dict[str, Any]:
    body = {
        "id": f"20260422000000000::{kind}",
        "activity_type": kind,
        "date": "2026-04-22",
        "created_at": "2026-04-23T08:23:24.973256Z",
        "net_amount": "0",
        "status": "executed",
    }
    return body | changes


def test_an_event_is_dated_on_its_day_at_the_close_and_never_after_its_report() -> None:
    assert alpaca_activities.happened(event("FEE")) == datetime(2026, 4, 22, 20, tzinfo=UTC)
    early = event("CSD", created_at="2026-04-22T13:00:00Z")
    assert alpaca_activities.happened(early) == datetime(2026, 4, 22, 13, tzinfo=UTC)


def test_an_event_without_a_report_time_stays_visible_for_days() -> None:
    row = event("OPASN")
    del row["created_at"]
    since = datetime(2026, 4, 25, tzinfo=UTC)

    assert alpaca_activities.is_new(row, since, timedelta(days=5))
    assert not alpaca_activities.is_new(row, since, timedelta(days=2))


@pytest.mark.parametrize(
    "row",
    [
        event("MA", net_amount="100"),
        event("a kind of next year", net_amount="100"),
        event("OPTRD", symbol="AAPL", qty="200", price="90", net_amount="-30000"),
        event("CSD", net_amount="500", status="canceled"),
        event("CSD", net_amount="five hundred"),
        event("OPASN", symbol="AAPL", qty="1"),
    ],
)
def test_what_the_ledger_has_no_word_for_is_not_booked_and_hides_nothing_else(row: dict[str, Any]) -> None:
    dividend = event("DIV", symbol="T", qty="2", net_amount="1.02", per_share_amount="0.51", activity_sub_type="CDIV")

    (found,) = alpaca_activities.activities([row, dividend])

    assert (found.kind, found.instrument, found.amount) == (ActivityKind.DIVIDEND, Stock("T"), D("1.02"))


def test_half_a_split_has_no_ratio() -> None:
    (found,) = alpaca_activities.activities([event("SPLIT", symbol="AAPL", qty="70")])

    assert (found.kind, found.ratio) == (ActivityKind.SPLIT, None)
