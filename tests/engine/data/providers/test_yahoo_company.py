"""What Yahoo says of companies, on made answers: reports, fundamentals, headlines and the screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.data.providers.port import Report
from engine.data.providers.yahoo import YahooData
from engine.model.market import Fundamentals, ReportTime
from tests.contracts.provider import QUICK
from tests.standins.provider_server import serving
from tests.standins.yahoo_server import (
    ARTICLE,
    NOW,
    SUMMARY,
    TODAY,
    YahooServer,
    next_days,
    quote_answer,
    quote_row,
    stamp,
)

QUOTES = "/v7/finance/quote"


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with serving(YahooServer()) as made:
        assert isinstance(made, YahooServer)
        yield made


@pytest.fixture
def yahoo(server: YahooServer, tmp_path: Path) -> Iterator[YahooData]:
    made = YahooData(lambda: NOW, tmp_path, server.url, QUICK)
    yield made
    made.close()


# Reports


def reports_of(
    server: YahooServer, yahoo: YahooData, start: date, end: date, **changed: Any
) -> tuple[Report, ...] | None:
    server.says[QUOTES] = quote_answer(quote_row("AAA", **changed))
    return yahoo.reports(["AAA"], start, end).get("AAA")


def test_an_estimated_report_is_unconfirmed_and_has_no_time_of_day(server: YahooServer, yahoo: YahooData):
    found = reports_of(server, yahoo, TODAY, next_days(100))

    assert found is not None
    [report] = found
    assert (report.day, report.when, report.is_confirmed) == (date(2027, 1, 28), ReportTime.UNKNOWN, False)


@pytest.mark.parametrize(
    ("hour", "minute", "when"),
    [
        (7, 0, ReportTime.BEFORE_OPEN),
        (16, 5, ReportTime.AFTER_CLOSE),
        (12, 0, ReportTime.UNKNOWN),
    ],
)
def test_a_report_that_is_set_tells_before_the_open_from_after_the_close(
    server: YahooServer, yahoo: YahooData, hour: int, minute: int, when: ReportTime
):
    at = stamp(date(2026, 12, 10), hour, minute)
    set_for = {"earningsTimestamp": at, "earningsTimestampStart": at, "isEarningsDateEstimate": False}
    found = reports_of(server, yahoo, TODAY, next_days(60), **set_for)

    assert found is not None
    [report] = found
    assert (report.day, report.when, report.is_confirmed) == (date(2026, 12, 10), when, True)


def test_a_date_without_a_time_is_that_day_in_new_york_too(server: YahooServer, yahoo: YahooData):
    midnight = int(datetime(2026, 12, 10, tzinfo=UTC).timestamp())
    found = reports_of(server, yahoo, TODAY, next_days(60), earningsTimestampStart=midnight)

    assert found is not None
    assert [report.day for report in found] == [date(2026, 12, 10)]


def test_the_last_report_is_told_with_its_time(server: YahooServer, yahoo: YahooData):
    found = reports_of(server, yahoo, date(2026, 10, 1), TODAY)

    assert found is not None
    assert [(report.day, report.when) for report in found] == [(date(2026, 10, 29), ReportTime.AFTER_CLOSE)]


def test_no_report_is_said_only_where_the_next_one_is_known_to_be_later(server: YahooServer, yahoo: YahooData):
    assert reports_of(server, yahoo, TODAY, next_days(30)) == ()
    assert reports_of(server, yahoo, date(2026, 11, 1), next_days(30)) == ()
    # Only one that is past: the next may be tomorrow.
    assert reports_of(server, yahoo, TODAY, next_days(30), earningsTimestampStart=None) is None
    # The last one is in the window, and still nothing is known of the next.
    assert reports_of(server, yahoo, date(2026, 10, 1), next_days(30), earningsTimestampStart=None) is None
    # Beyond the next one: the one after it is not known.
    assert reports_of(server, yahoo, date(2027, 2, 10), date(2027, 6, 1)) is None
    # Longer ago than the last one: Yahoo does not remember.
    assert reports_of(server, yahoo, date(2026, 7, 1), date(2026, 9, 30)) is None
    nothing = {"earningsTimestamp": None, "earningsTimestampStart": None, "earningsTimestampEnd": None}
    assert reports_of(server, yahoo, TODAY, next_days(30), **nothing) is None


def test_a_report_that_came_out_today_keeps_its_time_beside_a_guessed_next_one(server: YahooServer, yahoo: YahooData):
    found = reports_of(server, yahoo, TODAY, TODAY, earningsTimestamp=stamp(TODAY, 7, 0))

    assert found is not None
    assert [(report.day, report.when) for report in found] == [(TODAY, ReportTime.BEFORE_OPEN)]


def test_a_fund_never_reports(yahoo: YahooData):
    assert yahoo.reports(["EEE"], TODAY, next_days(60)) == {"EEE": ()}


# Fundamentals


def test_fundamentals_are_read_with_the_day_on_which_they_were_known(yahoo: YahooData):
    facts = yahoo.fundamentals("AAA")

    assert facts == Fundamentals(
        market_cap=Decimal(50_000_000_000),
        sector="Technology",
        beta=1.2,
        revenue_growth=0.04,
        earnings_growth=-0.1,
        margin_change=pytest.approx(0.05),
        margin=0.25,
        margin_before=pytest.approx(0.2),
        dividend_yield=0.02,
        known_on=TODAY,
        sources=("yahoo",),
    )


def test_the_day_known_is_new_yorks(server: YahooServer, tmp_path: Path):
    yahoo = YahooData(lambda: datetime(2026, 11, 28, 3, tzinfo=UTC), tmp_path, server.url, QUICK)

    assert yahoo.fundamentals("AAA").known_on == TODAY
    yahoo.close()


def facts_of(server: YahooServer, yahoo: YahooData, **modules: Any) -> Fundamentals:
    made = {"quoteSummary": {"result": [SUMMARY | modules], "error": None}}
    server.says["/v10/finance/quoteSummary/AAA"] = made
    return yahoo.fundamentals("AAA")


def test_what_yahoo_does_not_say_of_a_company_is_unknown(server: YahooServer, yahoo: YahooData):
    facts = facts_of(server, yahoo, **dict.fromkeys(SUMMARY))

    assert facts == Fundamentals(known_on=TODAY, sources=("yahoo",))


@pytest.mark.parametrize("told", [0.0041, 0.41], ids=["a decimal", "in percent"])
def test_a_dividend_yield_is_a_decimal_whatever_its_field_means_today(
    server: YahooServer, yahoo: YahooData, told: float
):
    detail = {"previousClose": 245.83, "trailingAnnualDividendRate": 0.99, "trailingAnnualDividendYield": told}

    assert facts_of(server, yahoo, summaryDetail=detail).dividend_yield == pytest.approx(0.00403, abs=1e-5)


def test_a_company_that_pays_nothing_yields_zero_and_a_fund_its_own_yield(server: YahooServer, yahoo: YahooData):
    nothing = {"previousClose": 10.0, "trailingAnnualDividendRate": 0, "trailingAnnualDividendYield": 0}
    assert facts_of(server, yahoo, summaryDetail=nothing).dividend_yield == 0
    fund = {"previousClose": 538.0, "trailingAnnualDividendRate": 1.77, "yield": 0.0054}
    assert facts_of(server, yahoo, summaryDetail=fund).dividend_yield == 0.0054


def test_a_yield_that_yahoo_does_not_know_or_counts_in_two_currencies_is_unknown(server: YahooServer, yahoo: YahooData):
    unknown = {"previousClose": 127.61, "trailingAnnualDividendRate": 0, "dividendRate": 1.8}
    assert facts_of(server, yahoo, summaryDetail=unknown).dividend_yield is None
    reais = {"previousClose": 1.53, "trailingAnnualDividendRate": 1.267, "trailingAnnualDividendYield": 0.83}
    books = {"financialCurrency": "BRL"}
    assert facts_of(server, yahoo, summaryDetail=reais, financialData=books).dividend_yield is None


def test_a_year_without_revenue_has_no_margin(server: YahooServer, yahoo: YahooData):
    years = [
        {"endDate": {"raw": 1_759_190_400}, "totalRevenue": {"raw": 0}, "netIncome": {"raw": -5}},
        {"endDate": {"raw": 1_727_654_400}, "totalRevenue": {"raw": 100}, "netIncome": {"raw": -5}},
    ]
    facts = facts_of(server, yahoo, incomeStatementHistory={"incomeStatementHistory": years})

    assert (facts.margin, facts.margin_before, facts.margin_change) == (None, -0.05, None)


def test_margins_of_years_that_do_not_follow_each_other_are_not_compared(server: YahooServer, yahoo: YahooData):
    years = [{"date": year, "revenue": 100, "earnings": 10} for year in (2023, 2025)]
    chart_only = {"incomeStatementHistory": None, "earnings": {"financialsChart": {"yearly": years}}}
    facts = facts_of(server, yahoo, **chart_only)

    assert (facts.margin, facts.margin_before, facts.margin_change) == (0.1, None, None)


def test_a_market_cap_in_another_currency_is_unknown(server: YahooServer, yahoo: YahooData):
    assert facts_of(server, yahoo, summaryDetail={"marketCap": 5e12, "currency": "JPY"}).market_cap is None


# News and the screen


def test_headlines_are_those_that_yahoo_links_to_a_name_since_then(server: YahooServer, yahoo: YahooData):
    old = ARTICLE | {"uuid": "2", "providerPublishTime": int(NOW.timestamp()) - 90_000}
    of_another = ARTICLE | {"uuid": "3", "relatedTickers": ["CCC"]}
    unlinked = {name: value for name, value in ARTICLE.items() if name != "relatedTickers"} | {"uuid": "4"}
    server.says["/v1/finance/search"] = {"news": [old, of_another, unlinked, {"shouldNot": "exist"}, 7, ARTICLE]}

    [headline] = yahoo.news(["AAA", "BRK.B"], NOW - timedelta(days=1))

    assert headline.id == ARTICLE["uuid"]
    assert headline.at == NOW - timedelta(hours=1)
    assert headline.tickers == ("AAA", "BRK.B")
    assert (headline.source, headline.publisher) == ("yahoo", "A Paper")


def test_an_address_that_is_not_one_of_the_web_is_dropped(server: YahooServer, yahoo: YahooData):
    server.says["/v1/finance/search"] = {"news": [ARTICLE | {"link": "javascript:alert(1)"}]}

    assert [headline.url for headline in yahoo.news(["AAA"], NOW - timedelta(days=1))] == [""]


def test_news_are_asked_for_again_each_time(server: YahooServer, yahoo: YahooData):
    since = NOW - timedelta(days=1)
    assert len(yahoo.news(["AAA"], since)) == 1
    server.says["/v1/finance/search"] = {"news": [ARTICLE, ARTICLE | {"uuid": "9", "title": "More"}]}

    assert len(yahoo.news(["AAA"], since)) == 2


def test_the_screen_has_us_shares_only_and_decimals_for_yields(yahoo: YahooData):
    rows = yahoo.screen()

    assert [row.ticker for row in rows] == ["AAA", "BRK.B"]
    assert (rows[0].price, rows[0].volume, rows[0].dividend_yield) == (Decimal("101.5"), 1_234_567.0, 0.02)
    assert rows[0].market_cap == Decimal(50_000_000_000)
    assert rows[0].is_optionable is None
