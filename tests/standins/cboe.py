"""Cboe's delayed quotes on this machine. The service is not documented: these answers are generated in the shape of
those that OpenBB's cboe provider reads, not recorded.
"""

from __future__ import annotations

from typing import Any

from tests.standins.provider_server import Answer, ProviderServer, Query

Json = dict[str, Any]


def option(symbol: str, bid: float | None = 4.0, ask: float | None = 4.2, **changes: object) -> Json:
    return {
        "option": symbol, "bid": bid, "bid_size": 12.0, "ask": ask, "ask_size": 9.0, "iv": 0.1432,
        "open_interest": 1520.0, "volume": 873.0, "delta": 0.4812, "gamma": 0.0021, "vega": 3.9102, "theta": -1.7311,
        "rho": 0.2911, "theo": 4.1, "change": 0.0, "open": 4.0, "high": 4.3, "low": 3.9, "tick": "up",
        "last_trade_price": 4.1, "last_trade_time": "2026-11-27T12:44:02", "percent_change": 0.0,
        "prev_day_close": 4.05, **changes,
    }  # fmt: skip


def underlying(symbol: str, price: float, **changes: object) -> Json:
    return {
        "symbol": symbol, "security_type": "stock", "exchange_id": 3, "current_price": price, "price_change": 1.75,
        "bid": price - 0.2, "ask": price + 0.2, "bid_size": 100, "ask_size": 100, "open": price - 1, "high": price + 1,
        "low": price - 2, "close": price, "prev_day_close": price - 1.75, "volume": 1438610, "iv30": 38.981,
        "seqno": 45770655729, "last_trade_time": "2026-11-27T12:59:59", "tick": "up", **changes,
    }  # fmt: skip


UNDERLYINGS = {
    "_SPX": underlying("^SPX", 6812.61, volume=0, security_type="index"),
    "_XSP": underlying("^XSP", 681.26, volume=0, security_type="index"),
    "_VIX": underlying("^VIX", 16.35, volume=0, security_type="index", last_trade_time="2026-11-27 12:59:44"),
    "_VIX3M": underlying("^VIX3M", 19.5, volume=0, security_type="index"),
    "CLX": underlying("CLX", 95.55),
    "BRK.B": underlying("BRK.B", 500.5),
    "NEW": underlying("NEW", 20.0),
}
OPTIONS = {
    "_SPX": [option("SPX261218C06800000"), option("SPXW261218C06800000"), option("SPXW261130P06750000")],
    "_XSP": [option("XSP261218P00680000")],
    "CLX": [
        option("CLX261218C00055000", 39.0, 42.1, iv=0.0),
        option("CLX261218P00055000", 0.0, 0.25, bid_size=0.0),
        option("CLX261218C00140000", 0.0, 0.0, ask_size=0.0, last_trade_price=0.0, last_trade_time=None, volume=0.0),
        option("CLX1261218C00095000", None, None, open_interest=None),
    ],
    "BRK.B": [option("BRKB261218C00500000")],
    "NEW": [],
}


class CboeServer(ProviderServer):
    """Quotes and chains of a few names; a name it does not have is denied, as the store behind the real one does."""

    def __init__(self) -> None:
        super().__init__({"/quotes/(?P<file>[^/]+).json": _quotes, "/options/(?P<file>[^/]+).json": _options})


def _quotes(query: Query, file: str) -> Answer:
    return _answer(file, {})


def _options(query: Query, file: str) -> Answer:
    return _answer(file, {"options": OPTIONS.get(file, [])})


def _answer(file: str, more: Json) -> Answer:
    if file not in UNDERLYINGS:
        return 403, "<Error><Code>AccessDenied</Code></Error>"
    return 200, {"timestamp": "2026-11-27 18:15:02", "data": {**more, **UNDERLYINGS[file]}, "symbol": file}
