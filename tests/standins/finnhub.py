"""Finnhub on this machine. Its answers are generated from the service's own documentation (https://finnhub.io/docs/api),
not recorded: field names, units and habits as described there.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.standins.provider_server import Answer, ProviderServer, Query

QUOTES: dict[str, dict[str, Any]] = {
    # 27 November 2026, 13:00:00 in New York: the closing bell of a half-day.
    "AAPL": {"c": 261.74, "d": 1.2, "dp": 0.46, "h": 263.31, "l": 260.68, "o": 261.07, "pc": 260.54, "t": 1795802400},
    "BRK.B": {"c": 500.5, "d": -1.0, "dp": -0.2, "h": 503.0, "l": 499.0, "o": 501.5, "pc": 501.5, "t": 1795802400},
}
NOBODY = {"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0}

CALENDAR: list[dict[str, Any]] = [
    {"date": "2027-01-28", "epsActual": None, "epsEstimate": 2.65, "hour": "amc", "quarter": 1,
     "revenueActual": None, "revenueEstimate": 131900000000, "symbol": "AAPL", "year": 2027},
    {"date": "2026-12-04", "epsActual": None, "epsEstimate": 1.1, "hour": "bmo", "quarter": 3,
     "revenueActual": None, "revenueEstimate": None, "symbol": "XYZ", "year": 2026},
    {"date": "2026-12-03", "epsActual": None, "epsEstimate": None, "hour": "dmh", "quarter": 3,
     "revenueActual": None, "revenueEstimate": None, "symbol": "MID", "year": 2026},
    {"date": "2026-12-02", "epsActual": None, "epsEstimate": 0.4, "hour": "", "quarter": 3,
     "revenueActual": None, "revenueEstimate": None, "symbol": "BRK.B", "year": 2026},
    {"date": "2026-10-29", "epsActual": 1.85, "epsEstimate": 1.77, "hour": "amc", "quarter": 4,
     "revenueActual": 102466000000, "revenueEstimate": 102200000000, "symbol": "AAPL", "year": 2026},
]  # fmt: skip

PROFILES: dict[str, dict[str, Any]] = {
    "AAPL": {"country": "US", "currency": "USD", "exchange": "NASDAQ NMS - GLOBAL MARKET", "ipo": "1980-12-12",
             "finnhubIndustry": "Technology", "marketCapitalization": 3891234.5, "name": "Apple Inc",
             "shareOutstanding": 14840.39, "ticker": "AAPL", "weburl": "https://www.apple.com/"},
    "TSM": {"country": "TW", "currency": "TWD", "exchange": "NEW YORK STOCK EXCHANGE, INC.", "ipo": "1997-10-08",
            "finnhubIndustry": "Semiconductors", "marketCapitalization": 38000000, "name": "TSMC", "ticker": "TSM"},
    "LOSS": {"country": "US", "currency": "USD", "finnhubIndustry": "Biotechnology", "marketCapitalization": 812.5,
             "name": "Loss Inc", "ticker": "LOSS"},
}  # fmt: skip

METRICS: dict[str, dict[str, Any]] = {
    "AAPL": {
        "metric": {"52WeekHigh": 277.32, "beta": 1.0967, "currentDividendYieldTTM": 0.3349,
                   "epsGrowthQuarterlyYoy": 90.72, "marketCapitalization": 3891234.5, "netProfitMarginAnnual": 26.92,
                   "revenueGrowthQuarterlyYoy": 7.94},
        "metricType": "all",
        "series": {
            "annual": {"netMargin": [{"period": "2026-09-26", "v": 0.2692}, {"period": "2025-09-27", "v": 0.2397},
                                     {"period": "2024-09-28", "v": 0.2531}]},
            "quarterly": {"eps": [{"period": "2026-09-26", "v": 1.85}, {"period": "2026-06-27", "v": 1.57},
                                  {"period": "2026-03-28", "v": 1.65}, {"period": "2025-12-27", "v": 2.4},
                                  {"period": "2025-09-27", "v": 0.97}]},
        },
        "symbol": "AAPL",
    },
    "TSM": {"metric": {"beta": 1.3}, "metricType": "all", "series": {}, "symbol": "TSM"},
    "LOSS": {
        "metric": {"beta": None, "currentDividendYieldTTM": None, "epsGrowthQuarterlyYoy": 150.0},
        "metricType": "all",
        "series": {
            "annual": {"netMargin": [{"period": "2025-12-31", "v": -0.4}]},
            "quarterly": {"eps": [{"period": "2026-09-30", "v": 0.1}, {"period": "2025-09-30", "v": -0.2}]},
        },
        "symbol": "LOSS",
    },
}  # fmt: skip

ARTICLES: dict[str, list[dict[str, Any]]] = {
    "AAPL": [
        {"category": "company", "datetime": 1795791600, "headline": "Apple and Xyz sign a supply agreement",
         "id": 7001, "image": "", "related": "AAPL", "source": "Reuters", "summary": "The two said so on Friday.",
         "url": "https://example.com/7001"},
        {"category": "company", "datetime": 1795705200, "headline": "Apple opens a store", "id": 7000, "image": "",
         "related": "AAPL", "source": "Yahoo", "summary": "", "url": "https://example.com/7000"},
    ],
    "XYZ": [
        {"category": "company", "datetime": 1795791600, "headline": "Apple and Xyz sign a supply agreement",
         "id": 7001, "image": "", "related": "XYZ", "source": "Reuters", "summary": "The two said so on Friday.",
         "url": "https://example.com/7001"},
    ],
}  # fmt: skip


class FinnhubServer(ProviderServer):
    """The part of Finnhub the desk asks. `calendar` can be filled; answers of it are cut at `longest` rows."""

    def __init__(self) -> None:
        super().__init__(
            {
                "/calendar/earnings": self._calendar,
                "/quote": lambda query: (200, QUOTES.get(query.get("symbol", ""), NOBODY)),
                "/stock/profile2": lambda query: (200, PROFILES.get(query.get("symbol", ""), {})),
                "/stock/metric": self._metric,
                "/company-news": self._news,
            }
        )
        self.calendar = list(CALENDAR)
        self.longest = 1500

    def _calendar(self, query: Query) -> Answer:
        start, end = date.fromisoformat(query["from"]), date.fromisoformat(query["to"])
        rows = [row for row in self.calendar if start <= date.fromisoformat(row["date"]) <= end]
        rows = [row for row in rows if query.get("symbol", row["symbol"]) == row["symbol"]]
        latest_first = sorted(rows, key=lambda row: str(row["date"]), reverse=True)
        return 200, {"earningsCalendar": latest_first[: self.longest]}

    def _metric(self, query: Query) -> Answer:
        ticker = query.get("symbol", "")
        return 200, METRICS.get(ticker, {"metric": {}, "metricType": "all", "series": {}, "symbol": ticker})

    def _news(self, query: Query) -> Answer:
        return 200, ARTICLES.get(query.get("symbol", ""), [])
