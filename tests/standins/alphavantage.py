"""Alpha Vantage on this machine: recorded answers where a folder has them, and answers generated in their form.

Generated: `GENERATED` below and the sentences. Everything is answered with 200, as the service does. The sentences are
those its users quote; they are not documented.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.standins.provider_server import Answer, ProviderServer, Query

KEY = "s3cr3t-alphavantage"

NOTES = {
    "day": {
        "Information": f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per "
        "day. Please subscribe to any of the premium plans to instantly remove all daily rate limits."
    },
    "pace": {
        "Information": "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more "
        "sparingly (1 request per second). You may subscribe to any of the premium plans to lift the free key rate "
        "limit (25 requests per day), raise the per-second burst limit, and instantly unlock all premium endpoints"
    },
    "minute": {
        "Note": "Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute and 500 "
        "calls per day."
    },
    "plan": {
        "Information": "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the "
        "premium plans to instantly unlock all premium endpoints"
    },
    "sample": {
        "endpoint": "Realtime Options",
        "message": "This is a premium endpoint. ***THE SAMPLE DATA SCHEMA BELOW IS ARTIFICIAL*** Please subscribe to "
        "either the 600 requests per minute or the 1200 requests per minute premium plan",
        "data": [{"contractID": "XXYYZZ999999C00020000", "symbol": "XXYYZZ", "bid": "100.05"}],
    },
    "key": {
        "Error Message": "the parameter apikey is invalid or missing. Please claim your free API key. It should take "
        "less than 20 seconds."
    },
    "call": {"Error Message": "Invalid API call. Please retry or visit the documentation for TIME_SERIES_DAILY."},
    "other": {"Information": "We are migrating our data centres."},
}

CALENDAR = """symbol,name,reportDate,fiscalDateEnding,estimate,currency,timeOfTheDay
AAPL,APPLE INC,2027-01-28,2026-12-31,2.65,USD,post-market
BF.B,BROWN FORMAN CORPORATION,2026-12-03,2026-10-31,0.49,USD,pre-market
BF-B,BROWN-FORMAN CORP - CLASS B,2026-12-09,2026-10-31,0.48,USD,
BIDU,BAIDU INC,2026-12-01,2026-09-30,9.8,CNY,pre-market
XYZ,XYZ INC,2026-12-02,2026-10-31,,USD,
BAC-PB,BANK OF AMERICA PREFERRED,2027-01-14,2026-12-31,,USD,
"""
EARNINGS = {
    "symbol": "AAPL",
    "annualEarnings": [],
    "quarterlyEarnings": [
        {"fiscalDateEnding": "2026-09-30", "reportedDate": "2026-10-29", "reportedEPS": "1.85", "estimatedEPS": "1.77",
         "surprise": "0.08", "surprisePercentage": "4.5198", "reportTime": "post-market"},
        {"fiscalDateEnding": "2026-06-30", "reportedDate": "2026-07-30", "reportedEPS": "None", "estimatedEPS": "-",
         "surprise": "None", "surprisePercentage": "None", "reportTime": "pre-market"},
    ],
}  # fmt: skip
DIVIDENDS = """ex_dividend_date,declaration_date,record_date,payment_date,amount
2026-11-09,2026-10-29,2026-11-09,2026-11-12,0.26
2026-08-10,None,None,None,0.26
None,None,None,None,0.25
"""
SPLITS = """effective_date,split_factor
2026-06-01,0.0333
2024-03-01,1.0460
2020-08-31,4.0000
"""
QUOTE = """symbol,open,high,low,price,volume,latestDay,previousClose,change,changePercent
AAPL,261.07,263.31,260.68,261.74,21000000,2026-11-27,260.54,1.2,0.46%
"""
OVERVIEW = {
    "Symbol": "AAPL", "Currency": "USD", "Sector": "FINANCIAL SERVICES", "MarketCapitalization": "3891234500000",
    "DividendYield": "0.0040", "QuarterlyEarningsGrowthYOY": "0.907", "QuarterlyRevenueGrowthYOY": "0.079",
    "Beta": "1.09", "TrailingPE": "-",
}  # fmt: skip
LOSS = {
    "Symbol": "LOSS", "Currency": "CNY", "Sector": "None", "MarketCapitalization": "812500000", "DividendYield": "None",
    "QuarterlyEarningsGrowthYOY": "0", "QuarterlyRevenueGrowthYOY": "1.393", "Beta": "-",
}  # fmt: skip
INCOME = {
    "symbol": "AAPL",
    "annualReports": [
        {"fiscalDateEnding": "2025-09-27", "totalRevenue": "400000000", "netIncome": "96000000"},
        {"fiscalDateEnding": "2026-09-26", "totalRevenue": "416000000", "netIncome": "112000000"},
        {"fiscalDateEnding": "2024-09-28", "totalRevenue": "None", "netIncome": "93700000"},
    ],
    "quarterlyReports": [],
}  # fmt: skip


def article(published: str, title: str, *tickers: str) -> dict[str, Any]:
    """One of the feed."""
    return {
        "title": title,
        "url": f"https://news.example/{title.replace(' ', '-')}",
        "time_published": published,
        "summary": "What happened.",
        "source": "Benzinga",
        "overall_sentiment_score": 0.2,
        "ticker_sentiment": [{"ticker": ticker, "relevance_score": "1.0"} for ticker in tickers],
    }


NEWS = {
    "items": "2",
    "feed": [
        article("20261127T150000", "Apple opens", "AAPL", "BRK-B", "CRYPTO:BTC"),
        article("20261127T090000", "Apple sleeps", "AAPL"),
    ],
}
OPTIONS_HEAD = (
    "contractID,symbol,expiration,strike,type,last,mark,bid,bid_size,ask,ask_size,volume,open_interest,date,"
    "implied_volatility,delta,gamma,theta,vega,rho\n"
)
OPTIONS = OPTIONS_HEAD + (
    "AAPL261218C00260000,AAPL,2026-12-18,260.00,call,6.10,6.05,6.00,10,6.10,12,120,3000,2026-11-27,"
    "0.25,0.55,0.02,-0.1,0.2,0.1\n"
    "AAPL261218P00100000,AAPL,2026-12-18,100.00,put,0.00,0.01,0.00,0,0.02,55,0,9,2026-11-27,"
    "0.90,-0.001,0.0001,-0.001,0.001,-0.001\n"
    "AAPL1261218C00260000,AAPL,2026-12-18,260.00,call,0.00,0.00,0.00,0,0.00,0,0,0,2026-11-27,"
    "0.00,-,-,-,-,-\n"
)

GENERATED: dict[tuple[str, str], Any] = {
    ("EARNINGS_CALENDAR", ""): CALENDAR,
    ("EARNINGS", "AAPL"): EARNINGS,
    ("DIVIDENDS", "AAPL"): DIVIDENDS,
    ("SPLITS", "AAPL"): SPLITS,
    ("GLOBAL_QUOTE", "AAPL"): QUOTE,
    ("OVERVIEW", "AAPL"): OVERVIEW,
    ("OVERVIEW", "LOSS"): LOSS,
    ("INCOME_STATEMENT", "AAPL"): INCOME,
    ("NEWS_SENTIMENT", "AAPL"): NEWS,
    ("HISTORICAL_OPTIONS", "AAPL"): OPTIONS,
}
UNKNOWN: Mapping[str, Any] = {
    "DIVIDENDS": DIVIDENDS.partition("\n")[0],
    "SPLITS": SPLITS.partition("\n")[0],
    "GLOBAL_QUOTE": QUOTE.partition("\n")[0],
    "NEWS_SENTIMENT": {"Information": "No articles found. Please adjust the time range and try again."},
    "HISTORICAL_OPTIONS": {"endpoint": "Historical Options", "message": "No data for symbol XQZ.", "data": []},
}
"""What it says about names it does not know; the other functions say {}."""


class AlphaVantageServer(ProviderServer):
    """Answers by (function, symbol) in `answers`; tests change them."""

    def __init__(self, answers: Mapping[tuple[str, str], Any]) -> None:
        super().__init__({"/query": self._query})
        self.answers = dict(answers)

    def asked_for(self, function: str) -> list[Mapping[str, str]]:
        """The requests for one function."""
        return [each.query for each in self.asked if each.query.get("function") == function]

    def _query(self, query: Query) -> Answer:
        if query.get("apikey") != KEY:
            return 200, NOTES["key"]
        function, name = query["function"], query.get("symbol", query.get("tickers", ""))
        return 200, self.answers.get((function, name), UNKNOWN.get(function, {}))


def recorded(folder: Path) -> dict[tuple[str, str], Any]:
    """(function, symbol) -> the recorded answer, by the folder's index."""
    found: dict[tuple[str, str], Any] = {}
    for entry in json.loads((folder / "index.json").read_text()):
        query = {name: values[0] for name, values in parse_qs(urlsplit(entry["url"]).query).items()}
        name = query.get("symbol", query.get("tickers", ""))
        found[query["function"], name] = (folder / entry["file"]).read_text()
    return found
