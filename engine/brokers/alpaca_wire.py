"""Orders, positions and executions in Alpaca's JSON, both ways: pure functions, no network.

Every number goes out as a string, so that none becomes a float on the way, and every number that comes in is read as
a Decimal, whether it is spelled as a string (the specification) or as a number (the recorded answers). Fields and
values that are not known here are ignored, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import structlog

from engine.errors import BadRequest, BrokerUnavailable
from engine.model.book import Account, Holding
from engine.model.instruments import Instrument, Stock, option, stock
from engine.model.legs import Leg
from engine.model.orders import Fill, Order, OrderStatus, OrderType, intent

log = structlog.get_logger()

Payload = Mapping[str, Any]

EXECUTIONS = frozenset({"fill", "partial_fill"})
CENT = Decimal("0.01")
SUB_DOLLAR_TICK = Decimal("0.0001")

STATUSES = {
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
    "replaced": OrderStatus.CANCELED,
}
"""Alpaca's word -> ours. Every other word (new, accepted, pending_new, held, done_for_day, stopped, suspended,
calculated, pending_replace, and any that is new) means: still alive, send nothing else. `replaced` happens only when a
person changes the order on Alpaca's own page: ours has ended and the changed one is not ours."""


def order_body(order: Order) -> dict[str, Any]:
    """The JSON of `POST /v2/orders` for an order that passed `wire.check`.

    Prices: a package carries the net limit with its sign (+ debit, - credit); a single leg a positive price and its
    side (openapi `PostOrder.limit_price`).
    """
    body: dict[str, Any] = {
        "client_order_id": order.client_order_id,
        "type": "stop_limit" if order.type is OrderType.STOP and order.limit is not None else order.type.value,
        "time_in_force": order.tif.value,
        "qty": str(order.quantity),
    }
    if order.is_multileg:
        body |= {
            "order_class": "mleg",
            "legs": [_leg(leg, order) | {"ratio_qty": str(abs(leg.ratio))} for leg in order.legs],
        }
    else:
        body |= {"order_class": "simple", **_leg(order.legs[0], order)}
    if order.limit is not None and order.type is not OrderType.MARKET:
        body["limit_price"] = _price(order.limit if order.is_multileg else abs(order.limit), order)
    if order.stop is not None and order.type is OrderType.STOP:
        body["stop_price"] = _price(order.stop, order)
    return body


def _leg(leg: Leg, order: Order) -> dict[str, str]:
    return {
        "symbol": leg.instrument.symbol,
        "side": "buy" if leg.ratio > 0 else "sell",
        "position_intent": intent(leg, order.opening).value,
    }


def _price(price: Decimal, order: Order) -> str:
    is_share = isinstance(order.legs[0].instrument, Stock)
    return str(price.quantize(SUB_DOLLAR_TICK if is_share and price < 1 else CENT))


def is_same(order: Order, payload: Payload) -> bool:
    """Whether the broker's order trades what `order` trades: symbols, sides and quantity.

    An id can be met again when a database is lost and ids start over on an account that is not new.
    """
    if number(payload, "qty") != order.quantity:
        return False
    rows = payload.get("legs") if order.is_multileg else [payload]
    wanted = {(leg.instrument.symbol, leg.ratio > 0) for leg in order.legs}
    return not rows or {(row.get("symbol"), is_buy(row)) for row in rows} == wanted


def is_buy(payload: Payload) -> bool:
    """Whether an order or execution buys (its side may be spelled `buy`, `sell`, `sell_short`, `buy_to_close`)."""
    return text(payload, "side").startswith("buy")


def observed(order: Order, payload: Payload) -> Order:
    """`order` as Alpaca has it now: status, units filled, net average, the broker's id and times.

    Raises:
        BrokerUnavailable: the answer lacks what an order must have.
    """
    filled = int(number(payload, "filled_qty"))
    return replace(
        order,
        status=_status(payload, filled),
        broker_id=text(payload, "id"),
        filled=filled,
        average=_average(order, payload) if filled else None,
        accepted_at=order.accepted_at or moment(payload.get("submitted_at") or payload.get("created_at")),
        done_at=_ended(payload),
        error="replaced outside the desk" if payload.get("status") == "replaced" else order.error,
    )


def _status(payload: Payload, filled: int) -> OrderStatus:
    known = STATUSES.get(text(payload, "status"))
    if known is not None:
        return known
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED


def _ended(payload: Payload) -> datetime | None:
    if text(payload, "status") not in STATUSES or payload["status"] in ("partially_filled", "pending_cancel"):
        return None
    keys = ("filled_at", "canceled_at", "expired_at", "failed_at", "replaced_at", "updated_at")
    return next((moment(payload[key]) for key in keys if payload.get(key)), None)


def _average(order: Order, payload: Payload) -> Decimal | None:
    """Net price per share of a unit, + paid, - received, from the legs' own prices, which carry no sign to mistake."""
    rows = {row.get("symbol"): row for row in (payload.get("legs") if order.is_multileg else [payload]) or ()}
    prices = [rows.get(leg.instrument.symbol, {}).get("filled_avg_price") for leg in order.legs]
    if None in prices:
        return None
    return sum((leg.ratio * abs(decimal(price)) for leg, price in zip(order.legs, prices, strict=True)), Decimal(0))


def account(payload: Payload, *, is_paper: bool) -> Account:
    """The account. The day-trade fields removed in July 2026 are not read; no options permission means level 0.

    Raises:
        BrokerUnavailable: the answer lacks a number that must be there.
    """
    level = int(number(payload, "options_trading_level")) if payload.get("options_trading_level") is not None else 0
    halted = ("account_blocked", "trading_blocked", "trade_suspended_by_user")
    return Account(
        number=text(payload, "account_number"),
        cash=number(payload, "cash"),
        equity=number(payload, "equity"),
        buying_power=number(payload, "buying_power"),
        options_buying_power=number(payload, "options_buying_power") if level else Decimal(0),
        options_level=level,
        is_paper=is_paper,
        blocked=any(payload.get(flag) for flag in halted) or payload.get("status") != "ACTIVE",
        currency=str(payload.get("currency") or "USD"),
        maintenance=number(payload, "maintenance_margin") if payload.get("maintenance_margin") is not None else None,
    )


def holding(payload: Payload) -> Holding | None:
    """A position in whole shares or contracts, or None for what the desk cannot hold: crypto, unknown names.

    Part of a share beyond the whole ones is left where it is, with a warning.
    """
    traded = _instrument(payload)
    quantity = number(payload, "qty")
    if payload.get("side") == "short":
        quantity = -abs(quantity)
    if traded is None or quantity != int(quantity):
        log.warning("alpaca.position_skipped", symbol=payload.get("symbol"), quantity=str(quantity))
    if traded is None or not int(quantity):
        return None
    return Holding(traded, int(quantity), number(payload, "avg_entry_price"))


def is_execution(payload: Payload, since: datetime) -> bool:
    """Whether a row of the account's activities is a whole execution at or after `since`.

    What corrects or takes back an earlier one (`trade_correct`, `trade_bust`: the event stream's words, the activities
    promise none) is no execution more: it is left out, and the comparison of holdings and cash tells what it did.
    """
    try:
        is_new = needed_moment(payload, "transaction_time") >= since
        kind = payload.get("execution_type") or payload.get("type") or "fill"
        if kind not in EXECUTIONS:
            log.error("alpaca.fill_changed_afterwards", kind=kind, id=payload.get("id"), symbol=payload.get("symbol"))
            return False
        for key in ("id", "order_id", "symbol", "side"):
            text(payload, key)
        return is_new and number(payload, "qty") != 0 and number(payload, "price") >= 0
    except BrokerUnavailable as problem:
        log.error("alpaca.fill_unreadable", id=payload.get("id"), problem=str(problem))
        return False


def fill(payload: Payload, client_order_id: str) -> Fill | None:
    """One execution of the account's activities, or None (and a warning) when it is nothing the desk trades."""
    traded = _instrument(payload)
    quantity = number(payload, "qty")
    if traded is None or quantity != int(quantity):
        log.warning("alpaca.fill_skipped", symbol=payload.get("symbol"), id=payload.get("id"))
        return None
    sign = 1 if is_buy(payload) else -1
    return Fill(
        execution_id=text(payload, "id"),
        client_order_id=client_order_id,
        instrument=traded,
        quantity=sign * abs(int(quantity)),
        price=abs(number(payload, "price")),
        at=needed_moment(payload, "transaction_time"),
    )


def _instrument(payload: Payload) -> Instrument | None:
    kind = payload.get("asset_class")
    if kind not in (None, "us_equity", "us_option"):
        return None
    return named(text(payload, "symbol"), is_option=kind == "us_option")


def named(symbol: str, *, is_option: bool = False) -> Instrument | None:
    """The option or share Alpaca calls `symbol`, None when it is neither."""
    try:
        return option(symbol)
    except BadRequest:
        if is_option:
            return None
    try:
        return stock(symbol)
    except BadRequest:
        return None


def decimal(value: object) -> Decimal:
    """A number as Alpaca spells it, string or JSON number.

    Raises:
        BrokerUnavailable: it is not a finite number.
    """
    try:
        found = Decimal(str(value))
    except InvalidOperation as error:
        raise BrokerUnavailable(f"Alpaca answered {value!r} where a number belongs.") from error
    if not found.is_finite():
        raise BrokerUnavailable(f"Alpaca answered {value!r} where a number belongs.")
    return found


def number(payload: Payload, key: str) -> Decimal:
    """The number under `key`.

    Raises:
        BrokerUnavailable: missing or not a number.
    """
    return decimal(_needed(payload, key))


def text(payload: Payload, key: str) -> str:
    """The text under `key`.

    Raises:
        BrokerUnavailable: missing or empty.
    """
    return str(_needed(payload, key))


def _needed(payload: Payload, key: str) -> object:
    value = payload.get(key)
    if value is None or value == "":
        raise BrokerUnavailable(f"Alpaca's answer has no {key}.")
    return value


def needed_moment(payload: Payload, key: str) -> datetime:
    """The instant under `key` in UTC.

    Raises:
        BrokerUnavailable: missing or not a time.
    """
    found = moment(_needed(payload, key))
    if found is None:
        raise BrokerUnavailable(f"Alpaca's answer has no {key}.")
    return found


def moment(value: object) -> datetime | None:
    """An instant in UTC from RFC 3339 text with up to nine decimals, None for nothing.

    >>> moment("2026-01-02T15:00:00.123456789Z").isoformat()
    '2026-01-02T15:00:00.123456+00:00'

    Raises:
        BrokerUnavailable: the text is not a time.
    """
    if value is None or value == "":
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise BrokerUnavailable(f"Alpaca answered {value!r} where a time belongs.") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
