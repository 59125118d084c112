"""Alpaca's option data on this machine: generated contracts and snapshots of any size, on the documented paths.

Everything here is generated (prices by formula, from the outside like Alpaca's) and labelled so; recorded answers are
served by `alpaca_data.recorded`.

Source: market data OpenAPI 1.1 (snapshots, latest quotes, bars), trading OpenAPI 2.0.1 (contracts).
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from engine import pricing
from engine.model.instruments import INDEX_ROOTS, Option, Right, Style
from engine.sessions import NEW_YORK
from tests.standins.alpaca_data import asked_symbols, midnight, stamp
from tests.standins.provider_server import Answer, Query, Route

OPRA_REFUSED = {"message": "OPRA agreement is not signed"}
GENERATED = "generated"
RATE = 0.04


@dataclass
class OptionWorld:
    """Contracts by symbol as the trading API lists them, and what the data API says about them.

    `feeds`: those the keys may read. `page`: most rows in one answer. `endless`: every answer names a next page.
    """

    now: datetime
    contracts: dict[str, dict[str, Any]] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    bars: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    feeds: set[str] = field(default_factory=lambda: {"opra", "indicative"})
    page: int = 10_000
    endless: bool = False

    @property
    def today(self) -> date:
        return self.now.astimezone(NEW_YORK).date()

    def list(
        self,
        underlying: str,
        expiry: date,
        strikes: Iterable[float],
        *,
        root: str = "",
        spot: float = 100.0,
        iv: float = 0.25,
        half_spread: float = 0.02,
    ) -> tuple[Option, ...]:
        """Calls and puts of one expiry with contract and snapshot each, European prices at one volatility."""
        made = tuple(
            _option(underlying, root, expiry, right, strike) for strike in strikes for right in (Right.CALL, Right.PUT)
        )
        strike = np.array([float(each.strike) for each in made])
        is_call = np.array([each.right is Right.CALL for each in made])
        years = (expiry - self.today).days / 365
        price = pricing.value(spot, strike, years, RATE, iv, is_call)
        greeks = pricing.greeks(spot, strike, years, RATE, iv, is_call)
        for row, each in enumerate(made):
            interest = 100 + row
            self.contracts[each.symbol] = contract(each, interest, self.today - timedelta(days=1))
            found = {name: round(float(getattr(greeks, name)[row]), 6) for name in greeks._fields}
            self.snapshots[each.symbol] = snapshot(float(price[row]), half_spread, iv, found, self.now, self.today)
        return made

    def routes(self) -> dict[str, Route]:
        """What answers the questions about options, for `AlpacaDataServer`."""
        return {
            "/v2/options/contracts": self._contracts,
            "/v1beta1/options/snapshots/(?P<underlying>[A-Z.]+)": self._chain,
            "/v1beta1/options/quotes/latest": self._quotes,
            "/v1beta1/options/bars": self._bars,
        }

    def _contracts(self, query: Query) -> Answer:
        last = query.get("expiration_date_lte") or str(self.today + timedelta(days=5 - self.today.weekday()))
        found = [
            row if query.get("show_deliverables") == "true" else {k: v for k, v in row.items() if k != "deliverables"}
            for row in self.contracts.values()
            if row["underlying_symbol"] in query["underlying_symbols"].split(",")
            and row["status"] == query.get("status", "active")
            and query.get("expiration_date_gte", "") <= row["expiration_date"] <= last
            and float(query.get("strike_price_gte", 0)) <= float(row["strike_price"])
            and float(row["strike_price"]) <= float(query.get("strike_price_lte", "inf"))
        ]
        rows, token = self._page(found, query, 100, 10_000)
        return 200, {"option_contracts": rows, "next_page_token": token}

    def _chain(self, query: Query, underlying: str) -> Answer:
        if query.get("feed", "opra") not in self.feeds:
            return 403, OPRA_REFUSED
        symbols = [name for name in self.snapshots if self._underlying(name) == underlying]
        page, token = self._page(symbols, query, 100, 1000)
        return 200, {"snapshots": {name: self.snapshots[name] for name in page}, "next_page_token": token}

    def _quotes(self, query: Query) -> Answer:
        if query.get("feed", "opra") not in self.feeds:
            return 403, OPRA_REFUSED
        asked = asked_symbols(query)
        if len(asked) > 100:
            return 400, {"message": "too many symbols"}
        known = [name for name in asked if "latestQuote" in self.snapshots.get(name, {})]
        return 200, {"quotes": {name: self.snapshots[name]["latestQuote"] for name in known}}

    def _bars(self, query: Query) -> Answer:
        start, end = query["start"], query["end"]
        every = ((name, row) for name in sorted(asked_symbols(query)) for row in self.bars.get(name, ()))
        points = [(name, row) for name, row in every if start <= row["t"] <= end]
        page, token = self._page(points, query, 1000, 10_000)
        bars: dict[str, list[dict[str, Any]]] = {}
        for name, row in page:
            bars.setdefault(name, []).append(row)
        return 200, {"bars": bars, "next_page_token": token}

    def _underlying(self, symbol: str) -> str:
        listed = self.contracts.get(symbol)
        return str(listed["underlying_symbol"]) if listed else symbol[:-15]

    def _page(self, rows: Sequence[Any], query: Query, default: int, most: int) -> tuple[Sequence[Any], str | None]:
        start = int(base64.b64decode(query.get("page_token", "")) or b"0")
        end = start + min(int(query.get("limit", default)), most, self.page)
        is_more = end < len(rows) or self.endless
        return rows[start:end], base64.b64encode(str(end).encode()).decode() if is_more else None


def _option(underlying: str, root: str, expiry: date, right: Right, strike: float) -> Option:
    name = root or "".join(letter for letter in underlying if letter.isalnum())
    style = Style.EUROPEAN if name in INDEX_ROOTS else Style.AMERICAN
    return Option(underlying, expiry, right, Decimal(str(strike)), name, style)


def contract(each: Option, interest: int, counted_on: date) -> dict[str, Any]:
    """A listed contract as the trading API writes it."""
    made = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, each.symbol)), "symbol": each.symbol, "name": f"{each} ({GENERATED})",
        "status": "active", "tradable": True, "expiration_date": str(each.expiry), "root_symbol": each.root,
        "underlying_symbol": each.underlying,
        "underlying_asset_id": str(uuid.uuid5(uuid.NAMESPACE_URL, each.underlying)),
        "type": "call" if each.right is Right.CALL else "put", "style": str(each.style),
        "strike_price": f"{each.strike:f}", "multiplier": "100", "size": "100", "ppind": True,
        "open_interest": str(interest), "open_interest_date": str(counted_on),
        "close_price": "1.00", "close_price_date": str(counted_on),
    }  # fmt: skip
    if each.root not in INDEX_ROOTS:
        made["deliverables"] = [deliverable(each.underlying)]
    return made


def deliverable(symbol: str, amount: str | None = "100", kind: str = "equity") -> dict[str, Any]:
    """What a contract delivers, as the trading API writes it."""
    return {
        "type": kind, "symbol": symbol, "asset_id": str(uuid.uuid5(uuid.NAMESPACE_URL, symbol)), "amount": amount,
        "allocation_percentage": "100", "settlement_type": "T+1", "settlement_method": "CCC",
        "delayed_settlement": False,
    }  # fmt: skip


def snapshot(
    price: float, half_spread: float, iv: float, greeks: dict[str, float], now: datetime, today: date
) -> dict[str, Any]:
    """What the data API says about one contract: all that its schema has."""
    bid, ask = max(round(price - half_spread, 4), 0.0), round(price + half_spread, 4)
    bars = {name: option_bar(day, price) for name, day in (("dailyBar", today), ("prevDailyBar", today - timedelta(1)))}
    return {
        "latestQuote": {"t": stamp(now), "bx": "C", "bp": bid, "bs": 11, "ax": "N", "ap": ask, "as": 12, "c": "A"},
        "latestTrade": {"t": stamp(now), "x": "C", "p": round(price, 4), "s": 1, "c": "I"},
        "minuteBar": {**option_bar(today, price), "t": f"{now:%Y-%m-%dT%H:%M:00Z}"},
        **bars, "greeks": greeks, "impliedVolatility": iv,
    }  # fmt: skip


def option_bar(day: date, price: float, volume: int = 24) -> dict[str, Any]:
    """A daily bar of a contract."""
    shown = max(round(price, 4), 0.01)
    return {"t": midnight(day), "o": shown, "h": shown, "l": shown, "c": shown, "v": volume, "n": 3, "vw": shown}
