"""Yahoo on this machine: its cookie and crumb, its consent pages, and made answers in the shape of the recorded ones.

All of Yahoo's hosts are one address here. The made market (`NOW`, a Friday on which New York closes at 13:00): AAA, a
share with options, dividends and splits; BRK-B, a share; EEE, a fund; ^GSPC and ^VIX. Nobody knows ZZZ. `says` holds
answers to give in place of the made ones, by path: recorded ones, or broken ones.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from engine.sessions import NEW_YORK
from tests.shared import SHARED
from tests.standins.provider_server import Answer, ProviderServer, Query

NOW = datetime(2026, 11, 27, 15, tzinfo=UTC)
TODAY = date(2026, 11, 27)
EXPIRIES = (date(2026, 12, 4), date(2026, 12, 18), date(2027, 1, 15), date(2027, 12, 17))
RECORDED = SHARED / "data" / "api_samples" / "yahoo"
NEEDS_CRUMB = ("/v7/", "/v10/", "/v1/finance/screener")


def recorded(name: str) -> Any:
    """The body of a recorded answer."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["body"]


def stamp(day: date, hour: int = 9, minute: int = 30) -> int:
    """Seconds since 1970 of a time of day in New York."""
    return int(datetime.combine(day, time(hour, minute), NEW_YORK).timestamp())


def expiry_stamp(day: date) -> int:
    """Midnight UTC of the day, as Yahoo names expiries."""
    return int(datetime.combine(day, time(), UTC).timestamp())


def quote_row(symbol: str, kind: str = "EQUITY", /, **changed: Any) -> dict[str, Any]:
    """A row of /v7/finance/quote at NOW."""
    return {
        "symbol": symbol, "quoteType": kind, "currency": "USD", "marketState": "REGULAR",
        "exchangeTimezoneName": "America/New_York", "gmtOffSetMilliseconds": -18000000,
        "regularMarketTime": int(NOW.timestamp()) - 5, "regularMarketPrice": 101.5, "regularMarketOpen": 100.0,
        "regularMarketDayHigh": 102.25, "regularMarketDayLow": 99.5, "regularMarketVolume": 1_234_567,
        "regularMarketPreviousClose": 100.0,
        "bid": 101.49, "ask": 101.52, "bidSize": 3, "askSize": 8, "marketCap": 50_000_000_000,
        "trailingAnnualDividendRate": 2.0, "trailingAnnualDividendYield": 0.0197, "dividendYield": 1.97,
        "earningsTimestamp": stamp(date(2026, 10, 29), 16), "earningsTimestampStart": stamp(date(2027, 1, 28), 16),
        "earningsTimestampEnd": stamp(date(2027, 2, 2), 16), "isEarningsDateEstimate": True,
    } | changed  # fmt: skip


def option_row(root: str, day: date, strike: float, right: str, /, **changed: Any) -> dict[str, Any]:
    """A contract of /v7/finance/options."""
    return {
        "contractSymbol": f"{root}{day:%y%m%d}{right}{round(strike * 1000):08d}", "strike": strike, "currency": "USD",
        "lastPrice": 2.5, "volume": 40, "openInterest": 800, "bid": 2.4, "ask": 2.6, "contractSize": "REGULAR",
        "expiration": expiry_stamp(day), "lastTradeDate": int(NOW.timestamp()) - 600, "impliedVolatility": 0.31,
        "inTheMoney": False,
    } | changed  # fmt: skip


def chart(days: list[date], **changed: Any) -> dict[str, Any]:
    """A daily chart of /v8/finance/chart at NOW: closes 100, 101, ... and the session of NOW going on until 13:00."""
    closes = [100.0 + row for row in range(len(days))]
    return {
        "meta": {
            "currency": "USD", "symbol": "AAA", "instrumentType": "EQUITY", "gmtoffset": -18000, "timezone": "EST",
            "exchangeTimezoneName": "America/New_York", "regularMarketTime": int(NOW.timestamp()) - 5,
            "currentTradingPeriod": {"regular": {"start": stamp(TODAY), "end": stamp(TODAY, 13, 0)}},
            "dataGranularity": "1d",
        },
        "timestamp": [stamp(day) for day in days],
        "events": {
            "dividends": {
                str(stamp(date(2026, 8, 7))): {"amount": 0.205, "date": stamp(date(2026, 8, 7))},
                str(stamp(date(2026, 11, 6))): {"amount": 0.21, "date": stamp(date(2026, 11, 6))},
            },
            "splits": {
                str(stamp(date(2026, 9, 1))): {
                    "date": stamp(date(2026, 9, 1)), "numerator": 4, "denominator": 1, "splitRatio": "4:1",
                }
            },
        },
        "indicators": {
            "quote": [{
                "open": [close - 0.5 for close in closes], "high": [close + 1 for close in closes],
                "low": [close - 1 for close in closes], "close": closes,
                "volume": [1_000 * (row + 1) for row in range(len(days))],
            }],
            "adjclose": [{"adjclose": [close * 0.9 for close in closes]}],
        },
    } | changed  # fmt: skip


def minutes_chart(query: Query) -> dict[str, Any]:
    """The bars of 15 minutes that begin between the asked times up to NOW, and the latest price as a row of its own."""
    first, after = int(query["period1"]), min(int(query["period2"]), int(NOW.timestamp()))
    starts = [
        at
        for day in DAYS
        for at in range(stamp(day), stamp(day, 13 if day == TODAY else 16, 0), 900)
        if first <= at <= after
    ]
    times = [*starts, int(NOW.timestamp()) - 5]
    closes = [100.0 + row for row in range(len(times))]
    quote = {
        "open": closes, "high": [close + 1 for close in closes], "low": [close - 1 for close in closes],
        "close": closes, "volume": [1_000 * (row + 1) for row in range(len(starts))] + [0],
    }  # fmt: skip
    return chart([], timestamp=times, indicators={"quote": [quote]})


DAYS = [date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25), TODAY]
ROWS = {
    "AAA": quote_row("AAA"),
    "BRK-B": quote_row("BRK-B"),
    "EEE": quote_row("EEE", "ETF"),
    "^GSPC": quote_row("^GSPC", "INDEX", regularMarketPrice=6800.25, bid=0, ask=0),
    "^VIX": quote_row("^VIX", "INDEX", regularMarketPrice=17.5),
    "^VIX3M": quote_row("^VIX3M", "INDEX", regularMarketPrice=19.5),
}
SUMMARY = {
    "assetProfile": {"sector": "Technology"},
    "summaryDetail": {
        "currency": "USD", "marketCap": 50_000_000_000, "beta": 1.2, "previousClose": 100.0,
        "trailingAnnualDividendRate": 2.0, "trailingAnnualDividendYield": 2.0, "yield": {},
    },
    "financialData": {"revenueGrowth": 0.04, "earningsGrowth": -0.1, "profitMargins": 0.24},
    "defaultKeyStatistics": {"beta": 1.3},
    "incomeStatementHistory": {
        "incomeStatementHistory": [
            {"endDate": {"raw": 1_759_190_400}, "totalRevenue": {"raw": 400}, "netIncome": {"raw": 100}},
            {"endDate": {"raw": 1_727_654_400}, "totalRevenue": {"raw": 380}, "netIncome": {"raw": 76}},
        ]
    },
}  # fmt: skip
ARTICLE = {
    "uuid": "11111111-2222-3333-4444-555555555555", "title": "AAA opens a plant", "publisher": "A Paper",
    "link": "https://finance.yahoo.com/news/a.html", "providerPublishTime": int(NOW.timestamp()) - 3600,
    "type": "STORY", "relatedTickers": ["AAA", "^GSPC", "BRK-B"],
}  # fmt: skip


class YahooServer(ProviderServer):
    """Answers only who brings its cookie and the crumb of now, where Yahoo asks for one."""

    def __init__(self) -> None:
        super().__init__(
            {
                "/": lambda query: (404, "", {"Set-Cookie": "A3=crumbs-are-mine; Path=/"}),
                "/consent": lambda query: (200, CONSENT),
                "/v2/collectConsent": lambda query: (200, ""),
                "/copyConsent": lambda query: (200, "", {"Set-Cookie": "A3=crumbs-are-mine; Path=/"}),
                "/v1/test/getcrumb": lambda query: (200, self.crumb),
                "/v7/finance/quote": self._quote,
                "/v7/finance/options/(?P<symbol>[^/]+)": self._options,
                "/v8/finance/chart/(?P<symbol>[^/]+)": self._chart,
                "/v10/finance/quoteSummary/(?P<symbol>[^/]+)": self._summary,
                "/v1/finance/search": lambda query: (200, {"quotes": [], "news": [ARTICLE]}),
                "/v1/finance/screener/predefined/saved": self._screen,
            }
        )
        self.crumb = "a.Cru/mb"
        self.says: dict[str, Any] = {}

    def answer(self, path: str, query: Query) -> Answer:
        if path.startswith(NEEDS_CRUMB) and not self._is_known(query):
            error = {"code": "Unauthorized", "description": "Invalid Crumb"}
            return 401, {"finance": {"result": None, "error": error}}
        if path in self.says:
            said = self.says[path]
            return said if isinstance(said, tuple) else (200, said)
        return super().answer(path, query)

    def paths(self) -> list[str]:
        """What was asked for, cookies and crumbs left out."""
        aside = ("/", "/consent", "/v2/collectConsent", "/copyConsent", "/v1/test/getcrumb")
        return [asked.path for asked in self.asked if asked.path not in aside]

    def _is_known(self, query: Query) -> bool:
        return query.get("crumb") == self.crumb and "A3=crumbs-are-mine" in self.asked[-1].headers.get("Cookie", "")

    def _quote(self, query: Query) -> Answer:
        rows = [ROWS[symbol] for symbol in query["symbols"].split(",") if symbol in ROWS]
        return 200, {"quoteResponse": {"result": rows, "error": None}}

    def _options(self, query: Query, symbol: str) -> Answer:
        if symbol not in ("AAA", "%5ESPX"):
            return 200, {"optionChain": {"result": [], "error": None}}
        listed = [expiry_stamp(day) for day in EXPIRIES]
        asked = int(query.get("date", listed[0]))
        day = datetime.fromtimestamp(asked, UTC).date()
        root = "AAA" if symbol == "AAA" else "SPXW"
        block = {
            "expirationDate": asked,
            "calls": [option_row(root, day, strike, "C") for strike in (95.0, 100.0, 102.5)],
            "puts": [option_row(root, day, strike, "P") for strike in (95.0, 100.0, 102.5)],
        }
        row = {"underlyingSymbol": symbol, "expirationDates": listed, "quote": ROWS["AAA"], "options": [block]}
        return 200, {"optionChain": {"result": [row], "error": None}}

    def _chart(self, query: Query, symbol: str) -> Answer:
        if symbol not in ROWS:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return 404, {"chart": {"result": None, "error": error}}
        made = chart(DAYS) if query.get("interval", "1d") == "1d" else minutes_chart(query)
        return 200, {"chart": {"result": [made], "error": None}}

    def _summary(self, query: Query, symbol: str) -> Answer:
        if symbol not in ROWS:
            error = {"code": "Not Found", "description": f"Quote not found for symbol: {symbol}"}
            return 404, {"quoteSummary": {"result": None, "error": error}}
        return 200, {"quoteSummary": {"result": [SUMMARY], "error": None}}

    def _screen(self, query: Query) -> Answer:
        rows = [ROWS["AAA"], ROWS["BRK-B"], quote_row("BMW.DE")]
        return 200, {"finance": {"result": [{"id": "most_actives", "quotes": rows}], "error": None}}


CONSENT = """<html><body><form method="post">
<input name="csrfToken" type="hidden" value="t"/><input name="sessionId" type="hidden" value="s"/>
</form></body></html>"""


def options_answer(**changed: Any) -> dict[str, Any]:
    """/v7/finance/options with one expiry, two contracts and what is changed of the call."""
    day = EXPIRIES[0]
    block = {
        "expirationDate": expiry_stamp(day),
        "calls": [option_row("AAA", day, 100.0, "C", **changed)],
        "puts": [option_row("AAA", day, 100.0, "P")],
    }
    row = {"expirationDates": [expiry_stamp(day)], "quote": ROWS["AAA"], "options": [block]}
    return {"optionChain": {"result": [row], "error": None}}


def quote_answer(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"quoteResponse": {"result": list(rows), "error": None}}


def chart_answer(made: dict[str, Any]) -> dict[str, Any]:
    return {"chart": {"result": [made], "error": None}}


def next_days(days: int) -> date:
    return TODAY + timedelta(days=days)
