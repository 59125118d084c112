"""The pretended account in Alpaca's JSON, field by field as the OpenAPI document and its examples spell it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.standins.alpaca_book import LegState, OrderState, contract, multiplier
from tests.standins.alpaca_exchange import CLOSES, NEW_YORK, OPENS, Exchange, stamp

Row = dict[str, Any]

TIMES = ("filled_at", "expired_at", "canceled_at", "failed_at", "replaced_at")


def _money(value: Decimal | None) -> str | None:
    return None if value is None else str(round(value, 6).normalize() + 0) if value % 1 else str(int(value))


def asset_id(symbol: str) -> str:
    """The same id for the same symbol, always."""
    return str(uuid5(NAMESPACE_URL, f"asset:{symbol}"))


def order(state: OrderState) -> Row:
    """An order with its legs nested. A package has no symbol, side or asset: Alpaca answers empty text there."""
    leg = state.legs[0]
    if state.is_package:
        empty = {"symbol": "", "side": "", "asset_id": "", "asset_class": ""}
        return _common(state) | empty | {"legs": [leg_order(state, leg) for leg in state.legs]}
    intent = {"position_intent": leg.intent} if leg.intent else {}
    return _common(state) | _asset(leg) | intent


def _common(state: OrderState) -> Row:
    return {
        "id": state.id,
        "client_order_id": state.client_order_id,
        "created_at": stamp(state.created_at),
        "updated_at": stamp(max([state.created_at, *state.stamps.values()])),
        "submitted_at": stamp(state.created_at),
        **{name: stamp(state.stamps[name]) if name in state.stamps else None for name in TIMES},
        "replaced_by": state.replaced_by,
        "replaces": state.replaces,
        "notional": None,
        "qty": str(state.quantity),
        "filled_qty": str(state.filled),
        "filled_avg_price": _money(_net(state)),
        "order_class": state.order_class,
        "order_type": state.type,
        "type": state.type,
        "time_in_force": state.tif,
        "limit_price": _money(state.limit),
        "stop_price": _money(state.stop),
        "status": state.status,
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
    }


def _asset(leg: LegState) -> Row:
    kind = "us_option" if contract(leg.symbol) else "us_equity"
    return {"symbol": leg.symbol, "side": leg.side, "asset_id": asset_id(leg.symbol), "asset_class": kind}


def _net(state: OrderState) -> Decimal | None:
    if not state.filled:
        return None
    if not state.is_package:
        return state.legs[0].average
    return sum((leg.sign * leg.paid for leg in state.legs), Decimal(0)) / state.filled


def leg_order(state: OrderState, leg: LegState) -> Row:
    """A leg of a package, as nested in it and when asked for by its own id: it does not say whose leg it is."""
    filled = {"filled_qty": str(leg.filled), "filled_avg_price": _money(leg.average)}
    own = {"id": leg.id, "client_order_id": leg.client_order_id, "qty": str(state.quantity * leg.ratio), **filled}
    empty = {"type": "", "order_type": "", "limit_price": None}
    more = {"ratio_qty": str(leg.ratio), "position_intent": leg.intent}
    return _common(state) | _asset(leg) | own | empty | more


def position(exchange: Exchange, symbol: str) -> Row:
    """One position; a short one has negative quantity and values."""
    state = exchange.positions[symbol]
    mark, per = exchange.mark(symbol), multiplier(symbol)
    value, cost = state.quantity * mark * per, state.quantity * state.average * per
    share = (value - cost) / abs(cost) if cost else Decimal(0)
    available = exchange.available(symbol) * (1 if state.quantity > 0 else -1)
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": "" if contract(symbol) else "NASDAQ",
        "asset_class": exchange.classes.get(symbol) or ("us_option" if contract(symbol) else "us_equity"),
        "asset_marginable": contract(symbol) is None,
        "qty": str(state.quantity),
        "qty_available": str(available),
        "avg_entry_price": _money(state.average),
        "side": "long" if state.quantity > 0 else "short",
        "market_value": _money(value),
        "cost_basis": _money(cost),
        "unrealized_pl": _money(value - cost),
        "unrealized_plpc": _money(share),
        "unrealized_intraday_pl": "0",
        "unrealized_intraday_plpc": "0",
        "current_price": _money(mark),
        "lastday_price": _money(mark),
        "change_today": "0",
    }


def account(exchange: Exchange) -> Row:
    """The account as since July 2026: no day-trade fields."""
    values = [
        (state.quantity * exchange.mark(symbol) * multiplier(symbol)) for symbol, state in exchange.positions.items()
    ]
    long = sum((value for value in values if value > 0), Decimal(0))
    short = sum((value for value in values if value < 0), Decimal(0))
    return {
        "id": asset_id("account"),
        "account_number": exchange.number,
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "cash": _money(exchange.cash),
        "equity": _money(exchange.equity),
        "portfolio_value": _money(exchange.equity),
        "last_equity": _money(exchange.equity),
        "buying_power": _money(exchange.buying_power),
        "regt_buying_power": _money(exchange.buying_power),
        "options_buying_power": _money(exchange.options_buying_power),
        "non_marginable_buying_power": _money(exchange.options_buying_power),
        "options_approved_level": 3,
        "options_trading_level": exchange.options_level,
        "long_market_value": _money(long),
        "short_market_value": _money(short),
        "initial_margin": "0",
        "maintenance_margin": "0",
        "last_maintenance_margin": "0",
        "intraday_adjustments": "0",
        "accrued_fees": "0",
        "multiplier": "4",
        "sma": "0",
        "shorting_enabled": True,
        "account_blocked": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "trade_suspended_by_user": exchange.configuration["suspend_trade"],
        "created_at": "2024-01-02T15:00:00Z",
        "balance_asof": exchange.today.isoformat(),
    }


def clock(exchange: Exchange) -> Row:
    """The market clock of an exchange without holidays."""
    here = exchange.now().astimezone(NEW_YORK)
    days = [here.date() + timedelta(days=ahead) for ahead in range(8)]
    sessions = [day for day in days if day.weekday() < 5]
    opens = [
        here.replace(year=d.year, month=d.month, day=d.day, hour=OPENS.hour, minute=OPENS.minute) for d in sessions
    ]
    closes = [here.replace(year=d.year, month=d.month, day=d.day, hour=CLOSES.hour, minute=0) for d in sessions]
    return {
        "timestamp": here.isoformat(),
        "is_open": exchange.is_open,
        "next_open": next(at for at in opens if at > here).isoformat(),
        "next_close": next(at for at in closes if at > here).isoformat(),
    }


def calendar(exchange: Exchange, query: Mapping[str, str]) -> list[Row]:
    """Weekdays from `start` to `end`, at most a year."""
    day = date.fromisoformat(query.get("start", exchange.today.isoformat())[:10])
    end = date.fromisoformat(query.get("end", (day + timedelta(days=7)).isoformat())[:10])
    days = [day + timedelta(days=ahead) for ahead in range(min((end - day).days + 1, 366))]
    hours = {"open": "09:30", "close": "16:00", "session_open": "0400", "session_close": "2000"}
    return [
        {"date": day.isoformat(), "settlement_date": (day + timedelta(days=1)).isoformat(), **hours}
        for day in days
        if day.weekday() < 5
    ]


def option_contract(symbol: str) -> Row:
    """What is known of a listed contract from its symbol."""
    item = contract(symbol)
    if item is None:
        raise ValueError(f"{symbol} is not an option")
    kind = "call" if item.is_call else "put"
    return {
        "id": asset_id(symbol),
        "symbol": symbol,
        "name": f"{item.root} {item.expiry:%b %d %Y} {item.strike:f} {kind.title()}",
        "status": "active",
        "tradable": True,
        "expiration_date": item.expiry.isoformat(),
        "root_symbol": item.root,
        "underlying_symbol": item.root,
        "underlying_asset_id": asset_id(item.root),
        "type": kind,
        "style": "american",
        "strike_price": f"{item.strike:f}",
        "multiplier": "100",
        "size": "100",
    }
