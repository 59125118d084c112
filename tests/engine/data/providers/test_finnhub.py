"""Finnhub's adapter against answers generated from its documentation (none was recorded)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from engine.data.providers import finnhub
from engine.data.providers.finnhub import Finnhub
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, NotOffered
from engine.errors import DataInvalid, DataUnavailable
from engine.model.market import Bar, ReportTime
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.standins.finnhub import QUOTES, FinnhubServer
from tests.standins.provider_server import Trouble, serving

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
DAY = date(2026, 11, 27)
KEY = "s3cr3t-finnhub"
SINCE = NOW - timedelta(days=1)
START, END = date(2026, 10, 1), date(2027, 2, 28)


@dataclass
class Tick:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def tick() -> Tick:
    return Tick()


@pytest.fixture
def server() -> Iterator[FinnhubServer]:
    with serving(FinnhubServer()) as made:
        assert isinstance(made, FinnhubServer)
        yield made


@pytest.fixture
def provider(server: FinnhubServer, tick: Tick) -> Iterator[Finnhub]:
    made = Finnhub(KEY, lambda: NOW, url=server.url, timeouts=QUICK, tick=tick)
    yield made
    made.close()


@pytest.fixture
def world(server: FinnhubServer, provider: Finnhub) -> World:
    return World(
        provider,
        server,
        asks={
            Offer.REPORTS: lambda it: it.reports(["AAPL", "XYZ"], START, END),
            Offer.SESSIONS: lambda it: it.sessions(["AAPL"]),
            Offer.FUNDAMENTALS: lambda it: it.fundamentals("AAPL"),
            Offer.NEWS: lambda it: it.news(["AAPL"], SINCE),
        },
        unknown={Offer.FUNDAMENTALS: lambda it: it.fundamentals("NOBODY")},
        key=KEY,
    )


def test_the_key_goes_in_a_header_and_never_in_the_address(server: FinnhubServer, provider: Finnhub):
    provider.sessions(["AAPL"])
    assert server.asked[0].headers["X-Finnhub-Token"] == KEY
    assert server.asked[0].query == {"symbol": "AAPL"}


def test_without_the_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(finnhub, "Client", object)
    with pytest.raises(DataUnavailable, match=r'pip install "finnhub-python'):
        Finnhub(KEY, lambda: NOW)


def test_it_says_that_no_real_answer_has_proven_it_and_offers_no_option_chain(provider: Finnhub):
    assert not provider.is_proven
    with pytest.raises(NotOffered):
        provider.chain("AAPL")


def test_the_calendar_of_the_market_is_one_request(server: FinnhubServer, provider: Finnhub):
    found = provider.reports(["AAPL", "XYZ", "BRK.B", "MID"], START, END)
    assert len(server.asked) == 1
    assert "symbol" not in server.asked[0].query
    assert server.asked[0].query["international"] == "false"
    assert [(report.day, report.when, report.eps_estimate, report.eps_actual) for report in found["AAPL"]] == [
        (date(2026, 10, 29), ReportTime.AFTER_CLOSE, 1.77, 1.85),
        (date(2027, 1, 28), ReportTime.AFTER_CLOSE, 2.65, None),
    ]
    assert found["XYZ"][0].when is ReportTime.BEFORE_OPEN
    assert found["BRK.B"][0].when is ReportTime.UNKNOWN
    assert not found["AAPL"][0].is_confirmed


def test_a_report_during_market_hours_is_one_whose_time_is_not_known(provider: Finnhub):
    assert provider.reports(["MID"], START, END)["MID"][0].when is ReportTime.UNKNOWN


def test_a_ticker_that_is_not_in_the_calendar_is_not_said_to_have_no_report(provider: Finnhub):
    assert provider.reports(["NOBODY", "XYZ"], START, END).keys() == {"XYZ"}
    assert provider.reports(["AAPL"], date(2026, 12, 1), date(2026, 12, 31)) == {}


def test_a_calendar_cut_at_its_longest_is_asked_in_halves_until_the_nearest_dates_are_there(
    server: FinnhubServer, provider: Finnhub
):
    row = server.calendar[0]
    crowd = [{**row, "symbol": f"C{n}", "date": f"2027-01-{1 + n % 28:02d}"} for n in range(1600)]
    server.calendar = [*crowd, {**row, "symbol": "NEAR", "date": "2026-12-01"}]
    found = provider.reports(["NEAR", "C1"], date(2026, 12, 1), date(2027, 1, 31))
    assert found["NEAR"][0].day == date(2026, 12, 1)
    assert len(found["C1"]) == 1


def test_a_row_that_makes_no_sense_costs_its_ticker_and_no_other(server: FinnhubServer, provider: Finnhub):
    server.calendar = [*server.calendar, {"symbol": "XYZ", "date": "2026-12-09", "epsEstimate": "n/a", "hour": "bmo"}]
    found = provider.reports(["AAPL", "XYZ"], START, END)
    assert found.keys() == {"AAPL"}
    assert len(found["AAPL"]) == 2


def test_the_day_so_far_is_of_the_new_york_day_of_its_last_trade(provider: Finnhub):
    assert provider.sessions(["AAPL", "NOBODY", "BRK.B"]) == {
        "AAPL": Bar(DAY, 261.07, 263.31, 260.68, 261.74, None),
        "BRK.B": Bar(DAY, 501.5, 503.0, 499.0, 500.5, None),
    }


def test_a_trade_late_in_the_evening_belongs_to_the_day_it_is_in_new_york(server: FinnhubServer, provider: Finnhub):
    late = int(datetime(2026, 11, 28, 0, 59, tzinfo=UTC).timestamp())
    server.fail(Trouble(200, {**QUOTES["AAPL"], "t": late}))
    assert provider.sessions(["AAPL"])["AAPL"].day == DAY


def test_a_day_without_a_first_trade_is_left_out(server: FinnhubServer, provider: Finnhub):
    server.fail(Trouble(200, {**QUOTES["AAPL"], "o": 0, "h": 0, "l": 0}))
    assert provider.sessions(["AAPL"]) == {}


@pytest.mark.parametrize("bad", [{"c": "high"}, {"c": -1}, {"c": True}, {"t": 1795802400000}, {"t": "today"}])
def test_a_price_or_time_that_makes_no_sense_names_provider_field_and_value(
    server: FinnhubServer, provider: Finnhub, bad: dict[str, object]
):
    server.fail(Trouble(200, {**QUOTES["AAPL"], **bad}))
    field, value = next(iter(bad.items()))
    with pytest.raises(DataInvalid) as caught:
        provider.sessions(["AAPL"])
    assert all(part in str(caught.value) for part in ("finnhub", f"{field} =", repr(value)))


def test_a_price_that_is_nan_is_not_given(server: FinnhubServer, provider: Finnhub):
    server.fail(Trouble(200, '{"c": NaN, "h": 2, "l": 1, "o": 1, "t": 1795802400}'))
    assert provider.sessions(["AAPL"]) == {}


def test_the_facts_are_in_our_units(provider: Finnhub):
    facts = provider.fundamentals("AAPL")
    assert facts.market_cap == Decimal("3891234500000")
    assert facts.beta == 1.0967
    assert facts.dividend_yield == pytest.approx(0.003349)
    assert facts.revenue_growth == pytest.approx(0.0794)
    assert facts.earnings_growth == pytest.approx(0.9072)
    assert (facts.margin, facts.margin_before) == (0.2692, 0.2397)
    assert facts.margin_change == pytest.approx(0.0295)
    assert facts.known_on == DAY
    assert facts.sources == ("finnhub",)


def test_the_industry_is_not_taken_for_a_sector(provider: Finnhub):
    assert provider.fundamentals("AAPL").sector is None


def test_a_market_cap_in_another_currency_is_not_one_in_dollars(provider: Finnhub):
    facts = provider.fundamentals("TSM")
    assert facts.market_cap is None
    assert facts.beta == 1.3
    assert facts.margin is None


def test_growth_from_a_loss_is_missing_and_so_is_what_was_not_given(provider: Finnhub):
    facts = provider.fundamentals("LOSS")
    assert facts.earnings_growth is None
    assert facts.dividend_yield is None
    assert facts.beta is None
    assert (facts.margin, facts.margin_before, facts.margin_change) == (-0.4, None, None)
    assert facts.market_cap == Decimal(812_500_000)


def test_an_article_that_came_with_two_tickers_is_one_headline(server: FinnhubServer, provider: Finnhub):
    found = provider.news(["AAPL", "XYZ"], SINCE)
    assert len(found) == 1
    assert found[0].tickers == ("AAPL", "XYZ")
    assert found[0].at == datetime(2026, 11, 27, 15, tzinfo=UTC)
    assert (found[0].publisher, found[0].url) == ("Reuters", "https://example.com/7001")
    assert server.asked[0].query == {"symbol": "AAPL", "from": "2026-11-26", "to": "2026-11-28"}


def test_a_ticker_without_news_has_none(provider: Finnhub):
    assert provider.news(["NOBODY"], SINCE) == ()


@pytest.mark.parametrize("status", ["402", "403"])
def test_what_the_plan_does_not_cover_is_closed_for_an_hour_and_the_rest_goes_on(
    server: FinnhubServer, provider: Finnhub, tick: Tick, status: str
):
    server.fail(Trouble(int(status), {"error": "You don't have access to this resource."}, path="/calendar"))
    with pytest.raises(NotEntitled):
        provider.reports(["AAPL"], START, END)
    assert Offer.REPORTS not in provider.offers
    assert provider.sessions(["AAPL"]).keys() == {"AAPL"}
    asked = len(server.asked)
    with pytest.raises(NotEntitled, match="in 60 min"):
        provider.reports(["AAPL"], START, END)
    assert len(server.asked) == asked
    server.heal()
    tick.seconds += 3601
    assert Offer.REPORTS in provider.offers
    assert provider.reports(["AAPL"], START, END)
