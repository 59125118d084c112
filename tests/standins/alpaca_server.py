"""Which request gets which answer: the routes of the pretended trading API, without the wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.standins import alpaca_json, alpaca_rules
from tests.standins.alpaca_book import OrderState, contract
from tests.standins.alpaca_exchange import Exchange

Query = Mapping[str, str]


def _nothing() -> None:
    """After most answers nothing more happens."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body (None: empty, text: a page); `then` happens once it has been written."""

    status: int
    body: Any
    then: Callable[[], None] = _nothing
    location: str = ""


class Routes:
    """The documented part of the trading API that the desk could meet."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        table: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", r"/v2/account", self._account),
            ("GET", r"/v2/account/configurations", self._configuration),
            ("PATCH", r"/v2/account/configurations", self._configure),
            ("GET", r"/v2/account/activities(?:/(?P<kind>[A-Z]+))?", self._activities),
            ("GET", r"/v2/positions", self._positions),
            ("GET", r"/v2/positions/(?P<symbol>[^/]+)", self._position),
            ("POST", r"/v2/orders", self._submit),
            ("GET", r"/v2/orders", self._orders),
            ("DELETE", r"/v2/orders", self._cancel_all),
            ("GET", r"/v2/orders:by_client_order_id", self._by_client_id),
            ("GET", r"/v2/orders/(?P<order_id>[^/]+)", self._order),
            ("PATCH", r"/v2/orders/(?P<order_id>[^/]+)", self._replace),
            ("DELETE", r"/v2/orders/(?P<order_id>[^/]+)", self._cancel),
            ("GET", r"/v2/clock", self._clock),
            ("GET", r"/v2/calendar", self._calendar),
            ("GET", r"/v2/options/contracts", self._contracts),
            ("GET", r"/v2/options/contracts/(?P<symbol>[^/]+)", self._contract),
        ]
        self._table = [(method, re.compile(pattern), route) for method, pattern, route in table]

    def answer(self, method: str, path: str, query: Query, body: Any) -> Answer:
        """Raises Refusal for what the API refuses."""
        for wanted, pattern, route in self._table:
            found = pattern.fullmatch(path)
            if wanted == method and found:
                return route(query, body, **found.groupdict())
        raise alpaca_rules.Refusal(404, {"code": alpaca_rules.NOT_FOUND, "message": "endpoint not found"})

    def _account(self, query: Query, body: Any) -> Answer:
        with self._exchange.lock:
            return Answer(200, alpaca_json.account(self._exchange))

    def _configuration(self, query: Query, body: Any) -> Answer:
        return Answer(200, self._exchange.configuration)

    def _configure(self, query: Query, body: Any) -> Answer:
        self._exchange.configuration |= body
        return Answer(200, self._exchange.configuration)

    def _positions(self, query: Query, body: Any) -> Answer:
        with self._exchange.lock:
            return Answer(200, [alpaca_json.position(self._exchange, symbol) for symbol in self._exchange.positions])

    def _position(self, query: Query, body: Any, symbol: str) -> Answer:
        with self._exchange.lock:
            if symbol not in self._exchange.positions:
                raise alpaca_rules.no_position(symbol)
            return Answer(200, alpaca_json.position(self._exchange, symbol))

    def _submit(self, query: Query, body: Any) -> Answer:
        order = self._exchange.place(body)
        return Answer(200, alpaca_json.order(order), lambda: self._exchange.settle(order))

    def _orders(self, query: Query, body: Any) -> Answer:
        with self._exchange.lock:
            wanted = {"open": (True,), "closed": (False,), "all": (True, False)}[query.get("status", "open")]
            found = [order for order in self._exchange.orders if order.is_open in wanted]
            found = _ordered(found, query)
            rows = [alpaca_json.order(order) for order in found[: int(query.get("limit", "50"))]]
        return Answer(200, rows if query.get("nested") == "true" else _flat(rows))

    def _by_client_id(self, query: Query, body: Any) -> Answer:
        client_order_id = query.get("client_order_id", "")
        order = self._exchange.by_client_id(client_order_id)
        if order is None:
            raise alpaca_rules.no_order(client_order_id)
        return Answer(200, alpaca_json.order(order))

    def _order(self, query: Query, body: Any, order_id: str) -> Answer:
        with self._exchange.lock:
            for order in self._exchange.orders:
                for leg in order.legs if order.is_package else ():
                    if leg.id == order_id:
                        return Answer(200, alpaca_json.leg_order(order, leg))
            return Answer(200, alpaca_json.order(self._exchange.order(order_id)))

    def _replace(self, query: Query, body: Any, order_id: str) -> Answer:
        order = self._exchange.replace(order_id, body)
        return Answer(200, alpaca_json.order(order), lambda: self._exchange.settle(order))

    def _cancel(self, query: Query, body: Any, order_id: str) -> Answer:
        self._exchange.cancel(order_id)
        return Answer(204, None)

    def _cancel_all(self, query: Query, body: Any) -> Answer:
        with self._exchange.lock:
            found = [order for order in self._exchange.orders if order.is_open and order.status != "pending_cancel"]
            for order in found:
                self._exchange.cancel(order.id)
        return Answer(207, [{"id": order.id, "status": 200} for order in found])

    def _activities(self, query: Query, body: Any, kind: str | None) -> Answer:
        with self._exchange.lock:
            rows = [row for row in self._exchange.activities if _reported(row) <= self._exchange.now()]
        rows = sorted((row for row in rows if _wanted(row, query, kind)), key=lambda row: (_reported(row), row["id"]))
        if query.get("direction", "desc") == "desc":
            rows.reverse()
        token = query.get("page_token")
        if token:
            ids = [row["id"] for row in rows]
            rows = rows[ids.index(token) + 1 :] if token in ids else []
        return Answer(200, rows[: int(query.get("page_size", "100"))])

    def _clock(self, query: Query, body: Any) -> Answer:
        return Answer(200, alpaca_json.clock(self._exchange))

    def _calendar(self, query: Query, body: Any) -> Answer:
        return Answer(200, alpaca_json.calendar(self._exchange, query))

    def _contracts(self, query: Query, body: Any) -> Answer:
        """The contracts somebody has quoted."""
        roots = query.get("underlying_symbols", "").split(",")
        found = [name for name in sorted(self._exchange.quotes) if (item := contract(name)) and item.root in roots]
        rows = [alpaca_json.option_contract(name) for name in found[: int(query.get("limit", "100"))]]
        return Answer(200, {"option_contracts": rows, "next_page_token": None})

    def _contract(self, query: Query, body: Any, symbol: str) -> Answer:
        if contract(symbol) is None or symbol in self._exchange.unlisted:
            message = f"option contract not found for {symbol}"
            raise alpaca_rules.Refusal(404, {"code": alpaca_rules.NOT_FOUND, "message": message})
        return Answer(200, alpaca_json.option_contract(symbol))


def _ordered(orders: list[OrderState], query: Query) -> list[OrderState]:
    """By submission, newest first unless asked otherwise, cut at the named order."""
    ids = [order.id for order in orders]
    if (before := query.get("before_order_id")) in ids:
        orders = orders[: ids.index(before)]
    elif (after := query.get("after_order_id")) in ids:
        orders = orders[ids.index(after) + 1 :]
    return orders if query.get("direction") == "asc" else orders[::-1]


def _flat(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for row in rows for item in ({**row, "legs": None}, *(row["legs"] or ()))]


def _reported(row: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(row.get("created_at") or row["transaction_time"])


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _wanted(row: Mapping[str, str], query: Query, kind: str | None) -> bool:
    kinds = [kind] if kind else query["activity_types"].split(",") if "activity_types" in query else None
    is_trade = row["activity_type"] == "FILL"
    category = query.get("category")
    return (
        (kinds is None or row["activity_type"] in kinds)
        and (category is None or (category == "trade_activity") == is_trade)
        and ("after" not in query or _reported(row) > _instant(query["after"]))
        and ("until" not in query or _reported(row) < _instant(query["until"]))
    )
