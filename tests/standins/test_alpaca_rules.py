"""The stand-in itself: every row of its table fires on a request made for it, and it keeps to Alpaca's schemas."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.shared import SHARED, needs_shared
from tests.standins import alpaca_rules
from tests.standins.alpaca import KEY, SECRET, SPECIFICATION, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange
from tests.standins.alpaca_rules import Refusal
from tests.standins.openapi import OpenApi

SHORT, LONG, CALL = "XYZ260720P00044000", "XYZ260720P00040000", "XYZ260717C00050000"
PUT_SALE = {"symbol": SHORT, "side": "sell", "position_intent": "sell_to_open"}
LEGS = [
    {"symbol": SHORT, "side": "sell", "ratio_qty": "1", "position_intent": "sell_to_open"},
    {"symbol": LONG, "side": "buy", "ratio_qty": "1", "position_intent": "buy_to_open"},
]
COMMON = {"qty": "1", "type": "limit", "time_in_force": "day", "client_order_id": "new"}


def single(**changes: Any) -> dict[str, Any]:
    return {**COMMON, **PUT_SALE, "limit_price": "1.03", **changes}


def shares(**changes: Any) -> dict[str, Any]:
    return {**COMMON, "symbol": "XYZ", "side": "buy", "limit_price": "48", **changes}


def package(**changes: Any) -> dict[str, Any]:
    return {**COMMON, "order_class": "mleg", "limit_price": "-0.50", "legs": LEGS, **changes}


def with_leg(index: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**leg, **changes} if row == index else leg for row, leg in enumerate(LEGS)]


def sold_out(exchange: Exchange) -> None:
    exchange.hold(CALL, 2, "1.00")
    exchange.place(single(symbol=CALL, qty="2", position_intent="sell_to_close", client_order_id="first"))


def resting_sale(exchange: Exchange) -> None:
    exchange.hold("XYZ", 100, "40")
    exchange.place(shares(side="sell", qty="100", limit_price="49", position_intent="sell_to_close"))


CLOSED = datetime(2026, 6, 15, 12, tzinfo=UTC)
Prepare = Callable[[Exchange], object]
REQUESTS: Mapping[str, tuple[dict[str, Any], Prepare | None]] = {
    "trading suspended": (single(), lambda exchange: exchange.configuration.update(suspend_trade=True)),
    "long id": (single(client_order_id="x" * 129), None),
    "duplicate id": (single(), lambda exchange: exchange.place(shares())),
    "no quantity": (single(qty="0"), None),
    "fractional contracts": (single(qty="1.5"), None),
    "unknown asset": (single(symbol="XYZ260601P00044000"), None),
    "option time in force": (single(time_in_force="ioc"), None),
    "option extended hours": (single(extended_hours=True), None),
    "option bracket": (single(order_class="bracket"), None),
    "option market order off hours": (
        single(type="market"),
        lambda exchange: setattr(exchange, "now", FakeClock(CLOSED)),
    ),
    "option stop": (
        single(type="stop", stop_price="0.90"),
        lambda exchange: setattr(exchange, "option_stops", False),
    ),
    "no stop": (shares(type="stop", side="sell"), None),
    "no limit": (single(limit_price=None), None),
    "sub-penny": (single(limit_price="0.30000000000000004"), None),
    "negative single limit": (single(limit_price="-1.03"), None),
    "leg count": (package(legs=LEGS[:1]), None),
    "share leg": (package(legs=with_leg(1, symbol="XYZ")), None),
    "repeated symbol": (package(legs=with_leg(1, symbol=SHORT)), None),
    "two underlyings": (package(legs=with_leg(1, symbol="SPY260720P00040000")), None),
    "common divisor": (package(legs=[{**leg, "ratio_qty": "2"} for leg in LEGS]), None),
    "options level": (package(), lambda exchange: setattr(exchange, "options_level", 2)),
    "intent": (single(position_intent="sell_to_close"), None),
    "held for orders": (single(symbol=CALL, position_intent="sell_to_close"), sold_out),
    "wash trade": (shares(client_order_id="second"), resting_sale),
    "uncovered": (single(symbol=CALL), None),
    "option buying power": (single(qty="23"), None),
    "buying power": (shares(qty="5000"), None),
}
"""Rule -> a request it refuses, and what must be so before. Everything else about the request is in order."""


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(FakeClock(), Decimal(100_000))


def test_every_row_of_the_table_has_a_request() -> None:
    assert sorted(REQUESTS) == sorted(rule.name for rule in alpaca_rules.SUBMIT)


@pytest.mark.parametrize("rule", alpaca_rules.SUBMIT, ids=lambda rule: rule.name)
def test_the_request_made_for_a_row_gets_that_rows_answer(exchange: Exchange, rule: alpaca_rules.Rule) -> None:
    body, prepare = REQUESTS[rule.name]
    if prepare is not None:
        prepare(exchange)

    with pytest.raises(Refusal) as refusal:
        exchange.place(body)

    assert (refusal.value.status, refusal.value.body["code"]) == (rule.status, rule.code)
    facts = rule.when(exchange, body)
    assert facts is not None
    assert refusal.value.body["message"] == rule.message.format(**facts)
    assert set(rule.shown) <= refusal.value.body.keys()


@pytest.mark.parametrize("rule", alpaca_rules.SUBMIT, ids=lambda rule: rule.name)
def test_every_row_names_its_public_source(rule: alpaca_rules.Rule) -> None:
    assert rule.source.startswith(("docs.alpaca.markets/", "forum.alpaca.markets/", "trading-api OpenAPI"))


@pytest.mark.parametrize(
    "body",
    [
        single(),
        shares(),
        package(),
        package(limit_price="0.50"),
        single(qty="22"),
        single(time_in_force="gtc"),
        shares(limit_price="0.3001"),
        package(legs=[{**LEGS[0], "ratio_qty": "1"}, {**LEGS[1], "ratio_qty": "2"}]),
    ],
)
def test_a_request_in_order_is_accepted(exchange: Exchange, body: dict[str, Any]) -> None:
    """The control of the table, and the one thing that is in order but unwise: a credit with a positive limit."""
    assert exchange.place(body).status == "pending_new"


def test_the_long_leg_of_a_call_spread_cannot_be_sold_first(exchange: Exchange) -> None:
    exchange.hold(CALL, 1, "1.00")
    exchange.hold("XYZ260717C00055000", -1, "0.30")

    with pytest.raises(Refusal, match="uncovered"):
        exchange.place(single(symbol=CALL, position_intent="sell_to_close"))


def test_keys_are_checked() -> None:
    with AlpacaStandin(Exchange(FakeClock())) as server:
        host = server.url.removeprefix("http://")
        statuses = []
        for headers in ({}, {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": "wrong"}, keys()):
            connection = http.client.HTTPConnection(host)
            connection.request("GET", "/v2/account", headers=headers)
            statuses.append(connection.getresponse().status)
            connection.close()

    assert statuses == [401, 403, 200]


def keys() -> dict[str, str]:
    return {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}


def get(url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=keys())) as answer:
        return json.load(answer)


@needs_shared
def test_every_answer_keeps_to_the_published_schema() -> None:
    exchange = Exchange(FakeClock())
    exchange.quote(SHORT, "0.98", "1.08")
    exchange.quote(LONG, "0.40", "0.45")
    exchange.settle(exchange.place(package()))
    pages: tuple[str, ...] = (
        "account",
        "account/configurations",
        "account/activities",
        "account/activities/FILL",
        "positions",
    )
    pages += (f"positions/{SHORT}", "orders?status=all&nested=true", f"orders/{exchange.orders[0].legs[0].id}")
    pages += (
        "orders:by_client_order_id?client_order_id=new",
        "clock",
        "calendar?start=2026-06-15T00:00:00Z&end=2026-06-19T00:00:00Z",
    )
    pages += ("options/contracts?underlying_symbols=XYZ", f"options/contracts/{SHORT}")
    with AlpacaStandin(exchange) as server:
        for page in pages:
            assert get(f"{server.url}/v2/{page}")

        assert server.journal.violations == []


@needs_shared
def test_the_schemas_notice_what_is_wrong() -> None:
    schemas = OpenApi(SPECIFICATION)

    assert schemas.request("POST", "/v2/orders", {}, package()) == []
    assert schemas.request("POST", "/v2/orders", {}, package(limit_price=-0.5))
    assert schemas.request("POST", "/v2/orders", {}, single(side="short"))
    assert schemas.request("GET", "/v2/orders", {"nested": "True"}, None)
    assert schemas.request("GET", "/v2/orders", {"page": "1"}, None)
    assert schemas.answer("GET", "/v2/positions", 200, [{"symbol": "XYZ"}])
    assert schemas.answer("GET", "/v2/account", 200, {"id": "1", "status": "FINE"})
    assert schemas.answer("GET", "/v2/nothing", 200, {})


@needs_shared
def test_only_the_fields_of_the_published_package_answer_may_be_empty() -> None:
    document = json.loads((SHARED / "specs" / "trading-api.json").read_text(encoding="utf-8"))
    body = document["components"]["examples"]["MultilegOptionsOrderResponse"]["value"]
    schemas = OpenApi(SPECIFICATION)

    assert schemas.answer("POST", "/v2/orders", 200, body) == []
    assert schemas.answer("POST", "/v2/orders", 200, body | {"status": ""})


def test_it_runs_as_a_program_until_its_input_ends() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.standins.alpaca", "--now", "2026-06-15T10:00:00-04:00"]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        url = json.loads(program.stdout.readline())["url"]
        quote = json.dumps({"symbol": SHORT, "bid": "0.98", "ask": "1.08"}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{url}/standin/quote", quote)) as answer:
            assert answer.status == 200
        sale = urllib.request.Request(f"{url}/v2/orders", json.dumps(single(limit_price="0.98")).encode(), keys())
        with urllib.request.urlopen(sale) as answer:
            assert json.load(answer)["status"] == "pending_new"
        state = get(f"{url}/standin/state")
        program.communicate("")

    assert [order["status"] for order in state["orders"]] == ["filled"]
    assert state["violations"] == []
    assert program.returncode == 0
