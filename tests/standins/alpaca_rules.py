"""What Alpaca refuses, as a pinned table: condition of the request -> status, code, words.

Each row names where it is known from. The rows are tried in order, the first that applies answers. Where the words are
not public they are ours and the row says so: nothing in the desk may depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import gcd
from typing import TYPE_CHECKING, Any

from tests.standins.alpaca_book import Contract, contract, is_share

if TYPE_CHECKING:
    from tests.standins.alpaca_exchange import Exchange

Body = Mapping[str, Any]
Facts = Mapping[str, Any]
When = Callable[["Exchange", Body], Facts | None]

BAD_INPUT, UNAUTHORIZED, FORBIDDEN = 40010001, 40110000, 40310000
NOT_FOUND, UNPROCESSABLE, TOO_MANY = 40410000, 42210000, 42910000

OPTIONS_PAGE = "docs.alpaca.markets/us/docs/options-trading"
LEVEL3_PAGE = "docs.alpaca.markets/us/docs/options-level-3-trading"
ORDERS_PAGE = "docs.alpaca.markets/us/docs/orders-at-alpaca"
PROTECTION_PAGE = "docs.alpaca.markets/us/docs/user-protection"
OPENAPI = "trading-api OpenAPI 2.0.1"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `when` gives the facts for the words when it applies; `shown` of them are put into the body too."""

    name: str
    when: When
    status: int
    code: int
    message: str
    source: str
    shown: tuple[str, ...] = ()


class Refusal(Exception):
    """The answer of a rule that applied."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(body.get("message", ""))
        self.status = status
        self.body = dict(body)


def enforce(rules: tuple[Rule, ...], exchange: Exchange, body: Body) -> None:
    """Nothing, when no row applies.

    Raises:
        Refusal: the first row that does.
    """
    for rule in rules:
        facts = rule.when(exchange, body)
        if facts is not None:
            extra = {name: facts[name] for name in rule.shown}
            raise Refusal(rule.status, {"code": rule.code, "message": rule.message.format(**facts), **extra})


def legs_of(body: Body) -> list[dict[str, Any]]:
    """The legs of an order request; a simple order is its own leg."""
    if body.get("order_class") == "mleg":
        return [{**leg, "ratio": int(leg.get("ratio_qty", "1"))} for leg in body.get("legs", [])]
    return [{**{key: body.get(key) for key in ("symbol", "side", "position_intent")}, "ratio": 1}]


def _is_package(body: Body) -> bool:
    return body.get("order_class") == "mleg"


def _contracts(body: Body) -> list[Contract]:
    found = (contract(leg.get("symbol") or "") for leg in legs_of(body))
    return [item for item in found if item is not None]


def _quantity(body: Body) -> Decimal:
    return Decimal(str(body.get("qty", "0")))


def _suspended(exchange: Exchange, body: Body) -> Facts | None:
    return {} if exchange.configuration["suspend_trade"] else None


def _long_id(exchange: Exchange, body: Body) -> Facts | None:
    return {} if len(body.get("client_order_id", "")) > 128 else None


def _duplicate(exchange: Exchange, body: Body) -> Facts | None:
    return {} if exchange.by_client_id(body.get("client_order_id", "")) is not None else None


def _no_quantity(exchange: Exchange, body: Body) -> Facts | None:
    return {} if _quantity(body) <= 0 and "notional" not in body else None


def _fraction(exchange: Exchange, body: Body) -> Facts | None:
    return {} if _contracts(body) and ("notional" in body or _quantity(body) % 1) else None


def _unknown_asset(exchange: Exchange, body: Body) -> Facts | None:
    today = exchange.now().date()
    for leg in legs_of(body):
        symbol = leg.get("symbol") or ""
        option = contract(symbol)
        if symbol in exchange.unlisted or (not is_share(symbol) if option is None else option.expiry < today):
            return {"symbol": symbol}
    return None


def _bad_tif(exchange: Exchange, body: Body) -> Facts | None:
    taken = ("day", "gtc") if exchange.option_gtc else ("day",)
    return {} if _contracts(body) and body["time_in_force"] not in taken else None


def _option_stop(exchange: Exchange, body: Body) -> Facts | None:
    taken = exchange.option_stops and not _is_package(body)
    return {} if _contracts(body) and body["type"] in ("stop", "stop_limit") and not taken else None


def _no_stop(exchange: Exchange, body: Body) -> Facts | None:
    return {} if body["type"] in ("stop", "stop_limit") and body.get("stop_price") in (None, "") else None


def _extended(exchange: Exchange, body: Body) -> Facts | None:
    return {} if _contracts(body) and body.get("extended_hours") else None


def _complex(exchange: Exchange, body: Body) -> Facts | None:
    return {} if _contracts(body) and body.get("order_class") in ("bracket", "oco", "oto") else None


def _closed_market(exchange: Exchange, body: Body) -> Facts | None:
    return {} if _contracts(body) and body["type"] == "market" and not exchange.is_open else None


def _no_limit(exchange: Exchange, body: Body) -> Facts | None:
    return {} if body["type"] in ("limit", "stop_limit") and body.get("limit_price") in (None, "") else None


def _sub_penny(exchange: Exchange, body: Body) -> Facts | None:
    for name in ("limit_price", "stop_price"):
        if body.get(name) in (None, ""):
            continue
        price = Decimal(str(body[name]))
        tick = Decimal("0.01") if _contracts(body) or abs(price) >= 1 else Decimal("0.0001")
        if price % tick:
            return {"name": name, "price": price}
    return None


def _negative_limit(exchange: Exchange, body: Body) -> Facts | None:
    return {} if not _is_package(body) and body["type"] == "limit" and Decimal(str(body["limit_price"])) <= 0 else None


def _leg_count(exchange: Exchange, body: Body) -> Facts | None:
    return {} if _is_package(body) and not 2 <= len(legs_of(body)) <= 4 else None


def _share_leg(exchange: Exchange, body: Body) -> Facts | None:
    return {} if _is_package(body) and len(_contracts(body)) < len(legs_of(body)) else None


def _same_symbol(exchange: Exchange, body: Body) -> Facts | None:
    symbols = [leg.get("symbol") for leg in legs_of(body)]
    return {} if len(set(symbols)) < len(symbols) else None


def _two_underlyings(exchange: Exchange, body: Body) -> Facts | None:
    return {} if len({item.root for item in _contracts(body)}) > 1 else None


def _common_divisor(exchange: Exchange, body: Body) -> Facts | None:
    ratios = [leg["ratio"] for leg in legs_of(body)]
    divisor = gcd(*ratios)
    return {"ratios": " ".join(map(str, ratios)), "divisor": divisor} if _is_package(body) and divisor > 1 else None


def _level(exchange: Exchange, body: Body) -> Facts | None:
    opening = [
        leg for leg in legs_of(body) if contract(leg["symbol"]) and (leg.get("position_intent") or "").endswith("open")
    ]
    if not opening:
        return None
    needed = 3 if _is_package(body) else 2 if opening[0]["side"] == "buy" else 1
    return {"needed": needed} if exchange.options_level < needed else None


def _intent(exchange: Exchange, body: Body) -> Facts | None:
    for leg in legs_of(body):
        said, held = leg.get("position_intent"), exchange.held(leg["symbol"])
        inferred = f"{leg['side']}_to_{'close' if held * (1 if leg['side'] == 'buy' else -1) < 0 else 'open'}"
        if said and said.endswith("close") and said != inferred:
            return {"inferred": inferred, "specified": said}
    return None


def _held_for_orders(exchange: Exchange, body: Body) -> Facts | None:
    for leg in legs_of(body):
        if not (leg.get("position_intent") or "").endswith("close"):
            continue
        wanted = int(_quantity(body)) * leg["ratio"]
        held, available = abs(exchange.held(leg["symbol"])), exchange.available(leg["symbol"])
        if wanted > available:
            return {
                "requested": wanted,
                "available": str(available),
                "existing_qty": str(held),
                "held_for_orders": str(held - available),
                "related_orders": exchange.closing_orders(leg["symbol"]),
                "symbol": leg["symbol"],
            }
    return None


def _uncovered(exchange: Exchange, body: Body) -> Facts | None:
    if _is_package(body):
        opening = [leg for leg in legs_of(body) if (leg.get("position_intent") or "").endswith("open")]
        return {} if any(_leg_uncovered(leg, opening) for leg in opening if leg["side"] == "sell") else None
    option = contract(body["symbol"])
    if option is None or not option.is_call or body["side"] == "buy":
        return None
    return {} if exchange.call_cover(option.root) < int(_quantity(body)) * 100 else None


def _leg_uncovered(short: Body, legs: list[dict[str, Any]]) -> bool:
    option = contract(short["symbol"])
    if option is None:
        return False
    alike = [(leg, item) for leg in legs if (item := contract(leg["symbol"])) and item.is_call == option.is_call]
    cover: int = sum(
        leg["ratio"] * (1 if leg["side"] == "buy" else -1) for leg, item in alike if item.expiry >= option.expiry
    )
    return cover < 0


def _option_power(exchange: Exchange, body: Body) -> Facts | None:
    if not _contracts(body):
        return None
    required, available = exchange.required(body), exchange.options_buying_power
    return {"required": str(required), "available": str(available)} if required > available else None


def _share_power(exchange: Exchange, body: Body) -> Facts | None:
    if _contracts(body) or body["side"] == "sell":
        return None
    cost, power = exchange.required(body), exchange.buying_power
    return {"buying_power": str(power), "cost_basis": str(cost)} if cost > power else None


def _wash(exchange: Exchange, body: Body) -> Facts | None:
    """An open order on the other side of the same symbol, at whatever price."""
    if _is_package(body):
        return None
    opposite = [other for other in exchange.open_simple(body["symbol"]) if other.legs[0].side != body["side"]]
    reason = "opposite side limit order exists"
    return {"existing_order_id": opposite[0].id, "reject_reason": reason} if opposite else None


SUBMIT = (
    Rule("trading suspended", _suspended, 403, FORBIDDEN, "trading is suspended by the user",
         f"{OPENAPI}, AccountConfigurations.suspend_trade; our words"),
    Rule("long id", _long_id, 422, BAD_INPUT, "client_order_id must be no more than 128 characters",
         f"{OPENAPI}, client_order_id maxLength; our words"),
    Rule("duplicate id", _duplicate, 422, BAD_INPUT, "client_order_id must be unique", ORDERS_PAGE),
    Rule("no quantity", _no_quantity, 422, UNPROCESSABLE, "qty must be > 0", ORDERS_PAGE),
    Rule("fractional contracts", _fraction, 422, UNPROCESSABLE, "qty must be integer", OPTIONS_PAGE),
    Rule("share leg", _share_leg, 422, UNPROCESSABLE, "MLeg orders that include an equity leg are not supported",
         LEVEL3_PAGE),
    Rule("unknown asset", _unknown_asset, 422, UNPROCESSABLE, 'asset "{symbol}" not found', ORDERS_PAGE),
    Rule("option time in force", _bad_tif, 422, UNPROCESSABLE,
         "order_time_in_force provided not supported for options trading", f"{OPTIONS_PAGE}, changelog 2026-08-28"),
    Rule("option extended hours", _extended, 422, UNPROCESSABLE, "extended hours not supported for options trading",
         f"{OPTIONS_PAGE}; our words"),
    Rule("option bracket", _complex, 422, UNPROCESSABLE, "complex orders not supported for options trading",
         f"{OPENAPI}, OrderClass; words observed"),
    Rule("option market order off hours", _closed_market, 422, UNPROCESSABLE,
         "options market orders are only allowed during market hours", OPTIONS_PAGE),
    Rule("option stop", _option_stop, 422, UNPROCESSABLE, "order type not supported for options trading",
         f"{OPENAPI}, OrderType (before the changelog of 2026-08-27); our words"),
    Rule("no stop", _no_stop, 422, UNPROCESSABLE, "stop orders require stop_price", f"{ORDERS_PAGE}; our words"),
    Rule("no limit", _no_limit, 422, UNPROCESSABLE, "limit orders require limit_price", f"{ORDERS_PAGE}; our words"),
    Rule("sub-penny", _sub_penny, 422, UNPROCESSABLE,
         "invalid {name} {price}. sub-penny increment does not fulfill minimum pricing criteria",
         f"{ORDERS_PAGE}, sub-penny increments"),
    Rule("negative single limit", _negative_limit, 422, UNPROCESSABLE, "limit price must be > 0",
         f"{ORDERS_PAGE}; our words"),
    Rule("leg count", _leg_count, 422, UNPROCESSABLE, "an mleg order must have 2 to 4 legs",
         f"{LEVEL3_PAGE}; our words"),
    Rule("repeated symbol", _same_symbol, 422, UNPROCESSABLE, "legs must have unique symbols",
         f"{LEVEL3_PAGE}; our words"),
    Rule("two underlyings", _two_underlyings, 422, UNPROCESSABLE, "legs must have the same underlying",
         f"{LEVEL3_PAGE}; our words"),
    Rule("common divisor", _common_divisor, 422, UNPROCESSABLE,
         "leg ratio quantities should be relatively prime: GCD[{ratios}] = {divisor}", LEVEL3_PAGE),
    Rule("options level", _level, 403, FORBIDDEN, "account not eligible to trade options at level {needed}",
         f"{OPENAPI}, Account.options_trading_level; our words"),
    Rule("intent", _intent, 422, UNPROCESSABLE,
         "position intent mismatch, inferred: {inferred}, specified: {specified}", OPTIONS_PAGE),
    Rule("held for orders", _held_for_orders, 403, FORBIDDEN,
         "insufficient qty available for order (requested: {requested}, available: {available})",
         "forum.alpaca.markets/t/16594",
         shown=("available", "existing_qty", "held_for_orders", "related_orders", "symbol")),
    Rule("wash trade", _wash, 403, FORBIDDEN, "potential wash trade detected. use complex orders", PROTECTION_PAGE,
         shown=("existing_order_id", "reject_reason")),
    Rule("uncovered", _uncovered, 403, FORBIDDEN, "account not eligible to trade uncovered option contracts",
         LEVEL3_PAGE),
    Rule("option buying power", _option_power, 403, FORBIDDEN,
         "insufficient options buying power (required: {required}, available: {available})", OPTIONS_PAGE),
    Rule("buying power", _share_power, 403, FORBIDDEN, "insufficient buying power", ORDERS_PAGE,
         shown=("buying_power", "cost_basis")),
)  # fmt: skip
"""`POST /v2/orders`. Not refused, on purpose: a positive net limit on a package sold for a credit (it may then pay)."""


def no_order(order_id: str) -> Refusal:
    """404 of `GET`, `PATCH`, `DELETE /v2/orders/{id}` (openapi) and of a look-up by client_order_id."""
    return Refusal(404, {"code": NOT_FOUND, "message": f"order not found for {order_id}"})


def no_position(symbol: str) -> Refusal:
    """404 of `GET /v2/positions/{symbol}`."""
    return Refusal(404, {"code": NOT_FOUND, "message": "position does not exist", "symbol": symbol})


def not_cancelable(status: str) -> Refusal:
    """422 of `DELETE /v2/orders/{id}` when it is over, or being canceled already (words observed in 2026)."""
    words = "order pending cancel" if status == "pending_cancel" else f'order is already in "{status}" state'
    return Refusal(422, {"code": UNPROCESSABLE, "message": words})


def unauthorized() -> Refusal:
    """401: no keys were sent."""
    return Refusal(401, {"code": UNAUTHORIZED, "message": "request is not authorized"})


def forbidden() -> Refusal:
    """403: the keys are not this account's."""
    return Refusal(403, {"code": FORBIDDEN, "message": "forbidden."})
