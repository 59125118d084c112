"""Financial Modeling Prep on this machine. Its answers are generated from the service's own documentation
(https://site.financialmodelingprep.com/developer/docs/stable), not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from tests.standins.provider_server import Answer, ProviderServer, Query

Rows = list[dict[str, Any]]


def earning(symbol: str, day: str, estimated: float | None = None, actual: float | None = None) -> dict[str, Any]:
    return {"symbol": symbol, "date": day, "epsActual": actual, "epsEstimated": estimated, "revenueActual": None,
            "revenueEstimated": None, "lastUpdated": "2026-11-26"}  # fmt: skip


EARNINGS: Rows = [
    earning("AAPL", "2027-01-28", 2.65),
    earning("XYZ", "2026-12-04", 1.1),
    earning("BRK-B", "2026-12-02"),
    earning("KEC.NS", "2026-12-02", 4.97, 3.32),
    earning("AAPL", "2026-10-29", 1.77, 1.85),
]
DIVIDENDS: Rows = [
    {"symbol": "AAPL", "date": "2026-12-18", "recordDate": "2026-12-18", "paymentDate": "", "declarationDate": "",
     "adjDividend": 0.27, "dividend": 0.27, "yield": 0.4, "frequency": "Quarterly"},
    {"symbol": "AAPL", "date": "2026-11-10", "recordDate": "2026-11-10", "paymentDate": "2026-11-13",
     "declarationDate": "2026-10-29", "adjDividend": 0.26, "dividend": 0.26, "yield": 0.4, "frequency": "Quarterly"},
    {"symbol": "AAPL", "date": "2026-11-10", "recordDate": "2026-11-10", "paymentDate": "2026-11-13",
     "declarationDate": "2026-10-29", "adjDividend": 0.26, "dividend": 0.26, "yield": 0.4, "frequency": "Quarterly"},
    {"symbol": "AAPL", "date": "2020-08-07", "recordDate": "2020-08-10", "paymentDate": "2020-08-13",
     "declarationDate": "2020-07-30", "adjDividend": 0.205, "dividend": 0.82, "yield": 0.7, "frequency": "Quarterly"},
    {"symbol": "BRK-B", "date": "1967-01-03", "adjDividend": 0.1, "dividend": 0.1},
]  # fmt: skip
SPLITS: Rows = [
    {"symbol": "AAPL", "date": "2020-08-31", "numerator": 4, "denominator": 1},
    {"symbol": "EYEN", "date": "2025-02-03", "numerator": 1, "denominator": 80},
]
PROFILES: Rows = [
    {"symbol": "AAPL", "price": 261.74, "marketCap": 3891351299800, "beta": 1.109, "lastDividend": 1.05,
     "companyName": "Apple Inc.", "currency": "USD", "exchange": "NASDAQ", "industry": "Consumer Electronics",
     "sector": "Technology", "country": "US", "isEtf": False, "isActivelyTrading": True},
    {"symbol": "LOSS", "price": 3.2, "marketCap": 812500000, "beta": None, "lastDividend": 0, "currency": "USD",
     "sector": "", "isEtf": False},
    {"symbol": "SHEL", "price": 2700.0, "marketCap": 160000000000, "beta": 0.3, "currency": "GBp",
     "sector": "Energy", "isEtf": False},
]  # fmt: skip
RATIOS: Rows = [
    {"symbol": "AAPL", "date": "2026-09-26", "fiscalYear": "2026", "period": "FY", "netProfitMargin": 0.2692},
    {"symbol": "AAPL", "date": "2025-09-27", "fiscalYear": "2025", "period": "FY", "netProfitMargin": 0.2397},
    {"symbol": "LOSS", "date": "2025-12-31", "fiscalYear": "2025", "period": "FY", "netProfitMargin": -0.4},
]
QUARTERS: Rows = [
    {"symbol": "AAPL", "date": "2026-09-26", "period": "Q4", "revenue": 102466000000, "epsDiluted": 1.85},
    {"symbol": "AAPL", "date": "2026-06-27", "period": "Q3", "revenue": 94036000000, "epsDiluted": 1.57},
    {"symbol": "AAPL", "date": "2026-03-28", "period": "Q2", "revenue": 95359000000, "epsDiluted": 1.65},
    {"symbol": "AAPL", "date": "2025-12-27", "period": "Q1", "revenue": 124300000000, "epsDiluted": 2.4},
    {"symbol": "AAPL", "date": "2025-09-27", "period": "Q4", "revenue": 94930000000, "epsDiluted": 0.97},
    {"symbol": "LOSS", "date": "2026-09-30", "period": "Q3", "revenue": 1200000, "epsDiluted": 0.1},
    {"symbol": "LOSS", "date": "2025-09-30", "period": "Q3", "revenue": 0, "epsDiluted": -0.2},
]
SCREENED: Rows = [
    {"symbol": "AAPL", "companyName": "Apple Inc.", "marketCap": 3891351299800, "sector": "Technology", "beta": 1.1,
     "price": 261.74, "lastAnnualDividend": 1.05, "volume": 43010091, "exchangeShortName": "NASDAQ", "isEtf": False},
    {"symbol": "BRK-B", "companyName": "Berkshire", "marketCap": None, "sector": "", "beta": None, "price": 500.5,
     "lastAnnualDividend": 0, "volume": 4500000, "exchangeShortName": "NYSE", "isEtf": False},
    {"symbol": "SPY", "companyName": "SPDR S&P 500", "marketCap": None, "price": 680.1, "lastAnnualDividend": None,
     "volume": 71000000, "exchangeShortName": "AMEX", "isEtf": True},
    {"symbol": "KEC.NS", "companyName": "KEC", "price": 700.0, "volume": 99000000, "exchangeShortName": "NSE"},
]  # fmt: skip


class FmpServer(ProviderServer):
    """The part of FMP the desk asks. Calendars are cut at `longest` rows and refuse more than 90 days."""

    def __init__(self) -> None:
        tables: Mapping[str, Rows] = {
            "/earnings": EARNINGS,
            "/dividends": DIVIDENDS,
            "/splits": SPLITS,
            "/profile": PROFILES,
            "/ratios": RATIOS,
            "/income-statement": QUARTERS,
        }
        super().__init__(
            {
                "/earnings-calendar": self._calendar,
                "/company-screener": lambda query: (200, SCREENED),
                "(?P<path>/[a-z-]+)": lambda query, path: _rows_of(tables, path, query),
            }
        )
        self.calendar = list(EARNINGS)
        self.longest = 4000

    def _calendar(self, query: Query) -> Answer:
        start, end = date.fromisoformat(query["from"]), date.fromisoformat(query["to"])
        if (end - start).days > 90:
            return 400, {"Error Message": "Max 90-day date range"}
        rows = [row for row in self.calendar if start <= date.fromisoformat(row["date"]) <= end]
        return 200, rows[: self.longest]


def _rows_of(tables: Mapping[str, Rows], path: str, query: Query) -> Answer:
    if path not in tables:
        return 404, []
    return 200, [row for row in tables[path] if row["symbol"] == query.get("symbol")]
