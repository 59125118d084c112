"""Massive on this machine: recorded answers where a folder has them, and answers generated in their form (`GENERATED`).

What was recorded of dividends and splits is of the predecessors of the endpoints that are asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.standins.provider_server import Answer, ProviderServer, Query

KEY = "s3cr3t-massive"
Given = Any | Callable[[Query], Any]
STOCKS = "/v2/snapshot/locale/us/markets/stocks/tickers"
CALL = "O:AAPL261218C00260000"


def nanos(*moment: int) -> int:
    """Nanoseconds since 1970 of an instant in UTC."""
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000_000  # type: ignore[arg-type, misc]


def millis(*moment: int) -> int:
    return nanos(*moment) // 1_000_000


QUOTED = nanos(2026, 11, 27, 17, 59, 58)
MIDNIGHT = nanos(2026, 11, 27, 5)


def quoted(ticker: str, bid: Any, ask: Any, **changed: Any) -> dict[str, Any]:
    """A row of the unified snapshot."""
    last = {"bid": bid, "ask": ask, "bid_size": 3, "ask_size": 4, "last_updated": QUOTED, "timeframe": "REAL-TIME"}
    return {"ticker": ticker, "type": "stocks", "last_quote": {**last, **changed}}


SNAPSHOT = {
    each["ticker"]: each
    for each in (quoted("AAPL", 261.7, 261.74), quoted("BRK.B", 500, 500.5), quoted(CALL, 6.0, 6.1))
}


def unified(query: Query) -> dict[str, Any]:
    """The unified snapshot of the tickers that are asked for."""
    missing = {"error": "NOT_FOUND", "message": "Ticker not found."}
    rows = [SNAPSHOT.get(each, {"ticker": each, **missing}) for each in query["ticker.any_of"].split(",")]
    return {"request_id": "1", "status": "OK", "results": rows}


def stock(ticker: str, close: float, **changed: Any) -> dict[str, Any]:
    day = {"o": 261.07, "h": 263.31, "l": 260.68, "c": close, "v": 21_000_000}
    return {"ticker": ticker, "day": day, "updated": QUOTED, **changed}


def option(symbol: str, kind: str, strike: float, **changed: Any) -> dict[str, Any]:
    """A row of the chain's snapshot."""
    row = {
        "day": {"volume": 120, "last_updated": MIDNIGHT},
        "details": {"contract_type": kind, "exercise_style": "american", "expiration_date": "2026-12-18",
                    "shares_per_contract": 100, "strike_price": strike, "ticker": symbol},
        "greeks": {"delta": 0.55, "gamma": 0.02, "theta": -0.1, "vega": 0.2},
        "implied_volatility": 0.25,
        "last_quote": {"ask": 6.1, "ask_size": 12, "bid": 6.0, "bid_size": 10, "last_updated": QUOTED,
                       "timeframe": "REAL-TIME"},
        "last_trade": {"price": 6.05, "sip_timestamp": QUOTED, "size": 1},
        "open_interest": 3000,
        "underlying_asset": {"last_updated": QUOTED, "price": 261.72, "ticker": "AAPL", "timeframe": "REAL-TIME"},
    }  # fmt: skip
    return {**row, **changed}


def chain(query: Query) -> dict[str, Any]:
    """Two pages; the second is said to be at another address."""
    if query.get("cursor") == "2":
        return {"status": "OK", "results": [option("O:AAPL261218P00260000", "put", 260)]}
    following = "https://elsewhere.example/v3/snapshot/options/AAPL?cursor=2"
    return {"status": "OK", "results": [option(CALL, "call", 260)], "next_url": following}


def contract(symbol: str, **changed: Any) -> dict[str, Any]:
    row = {"contract_type": "call", "exercise_style": "american", "expiration_date": "2026-12-18",
           "shares_per_contract": 100, "strike_price": 260, "ticker": symbol, "underlying_ticker": "AAPL"}  # fmt: skip
    return {**row, **changed}


def bar(at: int, close: float, **changed: Any) -> dict[str, Any]:
    return {"t": at, "o": close - 1, "h": close + 1, "l": close - 2, "c": close, "v": 1000.5, **changed}


def aggregates(ticker: str, *rows: Mapping[str, Any], adjusted: bool = True) -> dict[str, Any]:
    answer: dict[str, Any] = {"ticker": ticker, "adjusted": adjusted, "resultsCount": len(rows), "status": "OK"}
    return {**answer, "results": list(rows)} if rows else answer


def dividends(*rows: tuple[str, str, Any], **changed: Any) -> dict[str, Any]:
    """(ticker, ex-date, amount)."""
    each = [
        {"ticker": ticker, "ex_dividend_date": day, "cash_amount": amount, "currency": "USD", **changed}
        for ticker, day, amount in rows
    ]
    return {"status": "OK", "results": each}


def splits(*rows: tuple[str, str, Any, Any]) -> dict[str, Any]:
    """(ticker, ex-date, old shares, new shares)."""
    each = [
        {"ticker": ticker, "execution_date": day, "split_from": old, "split_to": new} for ticker, day, old, new in rows
    ]
    return {"status": "OK", "results": each}


def article(name: str, published: str, *tickers: str) -> dict[str, Any]:
    return {
        "id": name,
        "title": f"About {name}",
        "published_utc": published,
        "publisher": {"name": "The Street"},
        "article_url": "https://news.example/1",
        "tickers": list(tickers),
        "description": "What happened.",
    }


def statement(end: str, revenue: float, income: float, eps: float) -> dict[str, Any]:
    items = {"revenues": revenue, "net_income_loss": income, "diluted_earnings_per_share": eps}
    return {
        "end_date": end,
        "financials": {"income_statement": {name: {"value": value, "unit": "USD"} for name, value in items.items()}},
    }


QUARTERS = [
    statement("2026-09-26", 102.0, 27.0, 1.85),
    statement("2026-06-27", 94.0, 23.0, 1.57),
    statement("2025-09-27", 94.9, 14.7, 0.97),
]
YEARS = [statement("2026-09-26", 416.0, 112.0, 7.4), statement("2025-09-27", 391.0, 93.7, 6.1)]


def financials(query: Query) -> dict[str, Any]:
    return {"status": "OK", "results": QUARTERS if query["timeframe"] == "quarterly" else YEARS}


GENERATED: dict[str, Given] = {
    "/v3/snapshot": unified,
    STOCKS: {"status": "OK", "tickers": [stock("AAPL", 261.74), stock("BRK.B", 500.0)]},
    "/v3/snapshot/options/AAPL": chain,
    "/v3/snapshot/options/I:SPX": {"status": "OK", "results": [
        option("O:SPXW261218C06800000", "call", 6800,
               details={"contract_type": "call", "exercise_style": "european", "expiration_date": "2026-12-18",
                        "shares_per_contract": 100, "strike_price": 6800, "ticker": "O:SPXW261218C06800000"},
               underlying_asset={"last_updated": QUOTED, "value": 6812.5, "ticker": "I:SPX", "timeframe": "DELAYED"}),
    ]},
    "/v3/snapshot/indices": {"status": "OK", "results": [
        {"ticker": "I:SPX", "value": 6812.5, "last_updated": QUOTED, "timeframe": "DELAYED", "type": "indices"},
        {"ticker": "I:VIX", "value": 17.2, "timeframe": "REAL-TIME", "type": "indices"},
    ]},
    "/v2/aggs/ticker/AAPL/range/1/day/2026-11-24/2026-11-27": aggregates(
        "AAPL", bar(millis(2026, 11, 24, 5), 258), bar(millis(2026, 11, 25, 5), 260), bar(millis(2026, 11, 27, 5), 261)
    ),
    "/v2/aggs/ticker/AAPL/range/15/minute/2026-11-25/2026-11-27": aggregates(
        "AAPL",
        bar(millis(2026, 11, 25, 14, 15), 259),  # before the opening bell
        bar(millis(2026, 11, 25, 14, 30), 260),
        bar(millis(2026, 11, 25, 20, 45), 261),
        bar(millis(2026, 11, 27, 14, 30), 262),
        bar(millis(2026, 11, 27, 17, 45), 263),
        bar(millis(2026, 11, 27, 18, 0), 264),  # after the close of a half-day
    ),
    f"/v2/aggs/ticker/{CALL}/range/1/day/2026-11-24/2026-11-27": aggregates(
        CALL, bar(millis(2026, 11, 24, 5), 5), adjusted=False
    ),
    "/v3/reference/options/contracts": lambda query: {"status": "OK", "results": [
        contract(CALL),
        contract("O:AAPL1261218C00260000", shares_per_contract=10),
        contract("O:AAPL261218P00265000", contract_type="put", additional_underlyings=[{"type": "currency"}]),
    ] if query["underlying_ticker"] == "AAPL" else []},
    "/stocks/v1/dividends": dividends(("AAPL", "2026-11-09", 0.26), ("AAPL", "2026-08-10", 0.26)),
    "/stocks/v1/splits": splits(("AAPL", "2020-08-31", 1, 4), ("XYZ", "2026-06-01", 30, 1)),
    "/v2/reference/news": {"status": "OK", "results": [
        article("one", "2026-11-27T15:00:00Z", "AAPL", "BRK.B", "X:BTCUSD"),
        article("two", "2026-11-27T12:00:00Z", "AAPL"),
    ]},
    "/v3/reference/tickers/AAPL": {"status": "OK", "results": {"market_cap": 3891234500000, "currency_name": "usd"}},
    "/vX/reference/financials": financials,
}  # fmt: skip


class MassiveServer(ProviderServer):
    """Answers by path in `answers`; tests change them. The chain and the prices of unknown names are empty."""

    def __init__(self, answers: Mapping[str, Given]) -> None:
        super().__init__({r"(?P<path>/.*)": self._path})
        self.answers = dict(answers)

    def _path(self, query: Query, path: str) -> Answer:
        given = self.answers.get(path)
        if given is not None:
            return 200, given(query) if callable(given) else given
        if path.startswith(("/v3/snapshot/options/", "/v2/aggs/")):
            return 200, {"status": "OK", "request_id": "1"}
        return 404, {"status": "NOT_FOUND", "message": "Ticker not found."}


def recorded(folder: Path) -> dict[str, Given]:
    """The recorded answers by the path they are asked at, generated ones where nothing was recorded."""

    def at(name: str) -> Any:
        return json.loads((folder / name).read_text())

    pages = folder / "v3/reference/options"

    def contracts(query: Query) -> Any:
        name = f"contracts_cursor_{query['cursor']}.json" if "cursor" in query else "contracts.json"
        return json.loads((pages / name).read_text())

    return {
        **GENERATED,
        "/v3/snapshot": at("v3/snapshot.json"),
        STOCKS: at("v2/snapshot/locale/us/markets/stocks/tickers/index.json"),
        "/v3/snapshot/options/AAPL": at("v3/snapshot/options/AAPL.json"),
        "/v3/snapshot/indices": at("v3/snapshot/indices_ticker.any_of_SPX%2CAPx%2CAPy.json"),
        "/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04": at(
            "v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json"
        ),
        "/v3/reference/options/contracts": contracts,
        "/stocks/v1/dividends": at("v3/reference/dividends.json"),
        "/stocks/v1/splits": at("v3/reference/splits.json"),
        "/v2/reference/news": at("v2/reference/news_ticker_NFLX.json"),
        "/v3/reference/tickers/AAPL": at("v3/reference/tickers/AAPL.json"),
        "/vX/reference/financials": at("vX/reference/financials.json"),
    }
