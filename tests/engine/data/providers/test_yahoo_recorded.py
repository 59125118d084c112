"""Yahoo's recorded answers, read: what is expected was taken from the answers by hand or from other records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.data.providers.yahoo import CHART, OPTIONS, QUOTES, SCREEN, SEARCH, SUMMARY, YahooData
from engine.data.providers.yahoo_chain import Window
from engine.errors import NotFound
from engine.model.market import Bar, Dividend, ReportTime, Split
from tests.contracts.provider import QUICK
from tests.fakes import FakeClock
from tests.shared import SHARED, needs_shared
from tests.standins.provider_server import serving
from tests.standins.yahoo_server import RECORDED, YahooServer, recorded

pytestmark = [
    needs_shared,
    pytest.mark.skipif(not RECORDED.is_dir(), reason="needs Yahoo's recorded answers among the recorded data"),
]

MONDAY = datetime(2025, 2, 24, 9, 24, 45, tzinfo=UTC)
"""04:24 in New York, before the open, on the day of most of them."""


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with serving(YahooServer()) as made:
        assert isinstance(made, YahooServer)
        yield made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(MONDAY)


@pytest.fixture
def yahoo(server: YahooServer, clock: FakeClock, tmp_path: Path) -> Iterator[YahooData]:
    made = YahooData(clock, tmp_path, server.url, QUICK, Window(most=1))
    yield made
    made.close()


def test_the_quote_and_session_of_apple(server: YahooServer, yahoo: YahooData):
    server.says[QUOTES] = recorded("quote-AAPL")
    quote, session = yahoo.quotes(["AAPL"])["AAPL"], yahoo.sessions(["AAPL"])["AAPL"]

    assert (quote.bid, quote.ask) == (Decimal("244.44"), Decimal("253.37"))
    # The last trade after hours, on Friday at 19:59:58.
    assert quote.at == datetime(2025, 2, 15, 0, 59, 58, tzinfo=UTC)
    assert session == Bar(date(2025, 2, 14), 241.07, 245.41, 241.0, 244.6, 40_896_227.0)


def test_two_names_in_one_answer(server: YahooServer, yahoo: YahooData):
    server.says[QUOTES] = recorded("quote-AAPL-BABA")

    assert set(yahoo.sessions(["AAPL", "BABA"])) == {"AAPL", "BABA"}


@pytest.mark.parametrize("name", ["quote-BRKS", "quote-AAPL220121C00025000"])
def test_a_name_that_is_no_more_is_not_found(server: YahooServer, yahoo: YahooData, name: str):
    server.says[QUOTES] = recorded(name)

    with pytest.raises(NotFound):
        yahoo.quotes(["BRKS"])


def test_a_row_without_most_fields_is_no_quote(server: YahooServer, yahoo: YahooData):
    server.says[QUOTES] = recorded("quote-TSLA-fields-symbol")

    assert yahoo.sessions(["TSLA"]) == {}


def test_the_reports_of_apple_and_of_a_fund(server: YahooServer, yahoo: YahooData):
    server.says[QUOTES] = recorded("quote-AAPL")
    reports = yahoo.reports(["AAPL"], date(2025, 1, 1), date(2025, 6, 30))["AAPL"]

    assert [(report.day, report.when, report.is_confirmed) for report in reports] == [
        (date(2025, 1, 30), ReportTime.AFTER_CLOSE, False),
        (date(2025, 4, 30), ReportTime.UNKNOWN, False),
    ]
    assert yahoo.reports(["AAPL"], date(2025, 2, 24), date(2025, 4, 29)) == {"AAPL": ()}
    server.says[QUOTES] = recorded("quote-QQQ")
    assert yahoo.reports(["QQQ"], date(2025, 1, 1), date(2025, 6, 30)) == {"QQQ": ()}


def test_the_chain_of_apple_before_the_open(server: YahooServer, yahoo: YahooData):
    server.says[OPTIONS + "AAPL"] = recorded("options-AAPL")
    chain = yahoo.chain("AAPL")

    assert len(chain) == 102
    assert set(chain.expiry) == {np.datetime64("2025-02-28")}
    assert set(chain.root) == {"AAPL"}
    assert int(chain.is_call.sum()) == 54
    assert (chain.strike[0], chain.bid[0], chain.ask[0]) == (110.0, 135.9, 136.65)
    assert (chain.spot, chain.spot_at) == (245.55, datetime(2025, 2, 21, 21, 0, 2, tzinfo=UTC))
    assert np.isnat(chain.quoted_at).all()
    # Overnight most contracts have zeros and a volatility that stands for nothing.
    empty = ~np.isfinite(chain.bid) | ~np.isfinite(chain.ask)
    assert int(empty.sum()) > 40
    assert np.isnan(chain.iv[empty]).all()
    assert (chain.bid[~empty] > 0).all()
    assert not np.any(chain.iv < 0.01)


@pytest.mark.parametrize(("name", "kinds"), [("options-GOOG", {"GOOG"}), ("options-QQQ", {"QQQ"})])
def test_other_chains(server: YahooServer, yahoo: YahooData, name: str, kinds: set[str]):
    ticker = name.removeprefix("options-")
    server.says[OPTIONS + ticker] = recorded(name)
    chain = yahoo.chain(ticker)

    assert len(chain) > 50
    assert set(chain.root) == kinds
    assert (chain.strike > 0).all()


def test_an_expiry_that_is_over_has_no_contracts(server: YahooServer, yahoo: YahooData):
    server.says[OPTIONS + "AAPL"] = recorded("options-AAPL-expire-2022-03-01")

    assert len(yahoo.chain("AAPL")) == 0


def test_bars_across_a_clock_change_are_those_of_another_record(server: YahooServer, yahoo: YahooData):
    server.says[CHART + "AAPL"] = recorded("chart-AAPL-2020-08-31-to-2020-11-07")
    bars = yahoo.bars(["AAPL"], date(2020, 8, 31), date(2020, 11, 6))["AAPL"]

    table = pd.read_parquet(SHARED / "data" / "daily_bars.parquet", filters=[("ticker", "==", "AAPL")])
    table["date"] = pd.to_datetime(table["date"]).dt.date
    known = table[(table["date"] >= date(2020, 8, 31)) & (table["date"] <= date(2020, 11, 6))].sort_values("date")
    assert list(bars.day.astype(object)) == list(known["date"])
    for column in ("open", "high", "low", "close"):
        assert getattr(bars, column) == pytest.approx(known[column].to_numpy(), rel=1e-4), column
    assert bars.close[-1] == pytest.approx(118.69, abs=0.005)


def test_events_of_apple_microsoft_and_nvidia(server: YahooServer, yahoo: YahooData):
    server.says[CHART + "AAPL"] = recorded("chart-AAPL-2020-08-31-to-2020-11-07")
    window = (date(2020, 8, 1), date(2020, 12, 31))
    assert yahoo.dividends(["AAPL"], *window) == {"AAPL": (Dividend(date(2020, 11, 6), Decimal("0.205")),)}
    assert yahoo.splits(["AAPL"], *window) == {"AAPL": (Split(date(2020, 8, 31), Decimal(4)),)}

    server.says[CHART + "MSFT"] = recorded("historical-via-chart-MSFT-dividends-2021-02-01-to-2022-01-31.csv")
    paid = yahoo.dividends(["MSFT"], date(2021, 1, 1), date(2022, 1, 31))["MSFT"]
    assert [(str(each.ex_date), str(each.amount)) for each in paid] == [
        ("2021-02-17", "0.56"),
        ("2021-05-19", "0.56"),
        ("2021-08-18", "0.56"),
        ("2021-11-17", "0.62"),
    ]
    server.says[CHART + "NVDA"] = recorded("historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv")
    assert yahoo.splits(["NVDA"], date(2021, 1, 1), date(2022, 1, 31))["NVDA"] == (
        Split(date(2021, 7, 20), Decimal(4)),
    )


def test_a_chart_without_rows_has_no_bars(server: YahooServer, yahoo: YahooData):
    server.says[CHART + "AAPL"] = recorded("chart-AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m")

    assert len(yahoo.bars(["AAPL"], date(2025, 2, 1), date(2025, 2, 2))["AAPL"]) == 0


def test_the_fundamentals_of_apple(server: YahooServer, yahoo: YahooData):
    server.says[SUMMARY + "AAPL"] = recorded("quoteSummary-all-AAPL")
    facts = yahoo.fundamentals("AAPL")

    assert (facts.sector, facts.beta, facts.known_on) == ("Technology", 1.2, date(2025, 2, 24))
    assert facts.market_cap == Decimal(3_688_676_720_640)
    assert (facts.revenue_growth, facts.earnings_growth) == (0.04, 0.101)
    assert facts.margin == pytest.approx(93_736 / 391_035)
    assert facts.margin_before == pytest.approx(96_995 / 383_285)
    assert facts.margin_change == pytest.approx(-0.0134, abs=1e-4)
    assert facts.dividend_yield == pytest.approx(0.00403, abs=1e-5)


def test_parts_of_a_summary_leave_the_rest_unknown(server: YahooServer, yahoo: YahooData):
    server.says[SUMMARY + "AAPL"] = recorded("quoteSummary-earnings-AAPL")
    facts = yahoo.fundamentals("AAPL")

    assert facts.margin == pytest.approx(93_736 / 391_035)
    assert (facts.market_cap, facts.sector, facts.beta, facts.revenue_growth) == (None, None, None, None)


@pytest.mark.parametrize(("ticker", "articles"), [("AAPL", 3), ("QQQ", 0)])
def test_headlines_that_are_about_the_name(server: YahooServer, yahoo: YahooData, ticker: str, articles: int):
    server.says[SEARCH] = recorded(f"search-{ticker}")
    found = yahoo.news([ticker], MONDAY - timedelta(days=7))

    assert len(found) == articles
    assert [headline.at for headline in found] == sorted((headline.at for headline in found), reverse=True)


def test_headlines_of_nonsense_are_none(server: YahooServer, yahoo: YahooData):
    server.says[SEARCH] = recorded("search-badResult.fake")

    assert yahoo.news(["AAPL"], MONDAY - timedelta(days=7)) == ()


@pytest.mark.parametrize("name", ["dailyGainers", "dailyLosers", "screener-aggressive_small_caps"])
def test_screens(server: YahooServer, yahoo: YahooData, name: str):
    answer: Any = recorded(name)
    server.says[SCREEN] = answer
    rows = yahoo.screen()

    assert len(rows) == len(answer["finance"]["result"][0]["quotes"])
    assert all(row.price and row.volume and row.market_cap for row in rows)
    assert all(row.dividend_yield is None or 0 <= row.dividend_yield < 0.1 for row in rows)


def test_the_yields_of_a_screen_are_unknown_where_yahoo_mixes_currencies(server: YahooServer, yahoo: YahooData):
    yields = {}
    for name in ("dailyGainers", "dailyLosers", "screener-aggressive_small_caps"):
        server.says[SCREEN] = recorded(name)
        yields |= {row.ticker: row.dividend_yield for row in yahoo.screen()}

    assert yields["SID"] is None
    assert yields["TFII"] is None
    assert yields["HAS"] == pytest.approx(0.0343, abs=1e-4)
    assert yields["U"] == 0
