"""Financial Modeling Prep's adapter against answers generated from its documentation (none was recorded)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from engine.data.providers.fmp import FinancialModelingPrep
from engine.data.providers.port import Offer, ScreenRow
from engine.data.providers.trouble import NotEntitled, Refused, Throttled, Unauthorised
from engine.errors import DataInvalid
from engine.model.market import Dividend, ReportTime, Split
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.standins.fmp import DIVIDENDS, FmpServer, earning
from tests.standins.provider_server import Trouble, serving

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
DAY = date(2026, 11, 27)
KEY = "s3cr3t-fmp"
START, END = date(2026, 10, 1), date(2027, 2, 28)


@pytest.fixture
def server() -> Iterator[FmpServer]:
    with serving(FmpServer()) as made:
        assert isinstance(made, FmpServer)
        yield made


@pytest.fixture
def provider(server: FmpServer) -> Iterator[FinancialModelingPrep]:
    made = FinancialModelingPrep(KEY, lambda: NOW, url=server.url, timeouts=QUICK)
    yield made
    made.close()


@pytest.fixture
def world(server: FmpServer, provider: FinancialModelingPrep) -> World:
    return World(
        provider,
        server,
        asks={
            Offer.REPORTS: lambda it: it.reports(["AAPL", "XYZ"], START, END),
            Offer.DIVIDENDS: lambda it: it.dividends(["AAPL"], START, END),
            Offer.SPLITS: lambda it: it.splits(["AAPL"], START, END),
            Offer.FUNDAMENTALS: lambda it: it.fundamentals("AAPL"),
            Offer.SCREEN: lambda it: it.screen(),
        },
        unknown={Offer.FUNDAMENTALS: lambda it: it.fundamentals("NOBODY")},
        key=KEY,
    )


def test_the_key_goes_in_a_header_and_a_share_class_has_a_dash(server: FmpServer, provider: FinancialModelingPrep):
    provider.dividends(["BRK.B"], START, END)
    assert server.asked[0].headers["apikey"] == KEY
    assert server.asked[0].query == {"symbol": "BRK-B"}
    assert not provider.is_proven


def test_the_calendar_is_asked_in_ranges_it_allows(server: FmpServer, provider: FinancialModelingPrep):
    found = provider.reports(["AAPL", "XYZ", "BRK.B", "KEC.NS"], START, END)
    assert [(asked.query["from"], asked.query["to"]) for asked in server.asked] == [
        ("2026-10-01", "2026-12-29"),
        ("2026-12-30", "2027-02-28"),
    ]
    assert [(report.day, report.eps_estimate, report.eps_actual) for report in found["AAPL"]] == [
        (date(2026, 10, 29), 1.77, 1.85),
        (date(2027, 1, 28), 2.65, None),
    ]
    assert found["BRK.B"][0].when is ReportTime.UNKNOWN
    assert not found["XYZ"][0].is_confirmed
    assert "KEC.NS" not in found


def test_a_calendar_cut_at_its_longest_is_asked_in_halves(server: FmpServer, provider: FinancialModelingPrep):
    crowd = [earning(f"C{n}", f"2026-12-{10 + n % 20:02d}") for n in range(4100)]
    server.calendar = [*crowd, earning("XYZ", "2026-12-04")]
    found = provider.reports(["XYZ", "AAPL"], date(2026, 12, 1), date(2026, 12, 31))
    assert found.keys() == {"XYZ"}


def test_one_ticker_is_asked_alone_and_known_to_have_no_report_only_when_others_of_it_are_known(
    server: FmpServer, provider: FinancialModelingPrep
):
    assert provider.reports(["AAPL"], date(2026, 12, 1), date(2026, 12, 31)) == {"AAPL": ()}
    assert server.asked[0].path == "/earnings"
    assert provider.reports(["NOBODY"], START, END) == {}


def test_dividends_are_as_paid_and_each_once(provider: FinancialModelingPrep):
    assert provider.dividends(["AAPL"], date(2020, 1, 1), END)["AAPL"] == (
        Dividend(date(2020, 8, 7), Decimal("0.82")),
        Dividend(date(2026, 11, 10), Decimal("0.26")),
        Dividend(date(2026, 12, 18), Decimal("0.27")),
    )


def test_no_rows_at_all_are_no_word_about_dividends_or_splits(provider: FinancialModelingPrep):
    assert provider.dividends(["BRK.B", "NOBODY"], START, END) == {"BRK.B": ()}
    assert provider.splits(["AAPL", "XYZ"], START, END) == {"AAPL": ()}


def test_a_split_is_new_shares_for_an_old_one(provider: FinancialModelingPrep):
    start = date(2020, 1, 1)
    assert provider.splits(["AAPL", "EYEN"], start, END) == {
        "AAPL": (Split(date(2020, 8, 31), Decimal(4)),),
        "EYEN": (Split(date(2025, 2, 3), Decimal("0.0125")),),
    }


@pytest.mark.parametrize("bad", [{"dividend": "n/a"}, {"dividend": -0.2}, {"dividend": None}, {"date": "10.11.2026"}])
def test_a_dividend_that_makes_no_sense_costs_its_ticker_for_the_rest_would_look_complete(
    server: FmpServer, provider: FinancialModelingPrep, bad: dict[str, object]
):
    server.fail(Trouble(200, [{**DIVIDENDS[0], **bad}, DIVIDENDS[1]], times=1))
    assert provider.dividends(["AAPL", "BRK.B"], START, END) == {"BRK.B": ()}
    server.fail(Trouble(200, [{**DIVIDENDS[0], **bad}, DIVIDENDS[1]], times=1))
    with pytest.raises(DataInvalid, match="fmp sent"):
        provider.dividends(["AAPL"], START, END)


def test_a_dividend_of_zero_is_none(server: FmpServer, provider: FinancialModelingPrep):
    server.fail(Trouble(200, [{**DIVIDENDS[0], "dividend": 0}, DIVIDENDS[1]]))
    assert provider.dividends(["AAPL"], START, END)["AAPL"] == (Dividend(date(2026, 11, 10), Decimal("0.26")),)


def test_the_facts_compare_a_quarter_with_the_one_a_year_before(provider: FinancialModelingPrep):
    facts = provider.fundamentals("AAPL")
    assert facts.market_cap == Decimal(3891351299800)
    assert (facts.sector, facts.beta, facts.known_on) == ("Technology", 1.109, DAY)
    assert facts.revenue_growth == pytest.approx(102466 / 94930 - 1)
    assert facts.earnings_growth == pytest.approx(1.85 / 0.97 - 1)
    assert (facts.margin, facts.margin_before) == (0.2692, 0.2397)
    assert facts.margin_change == pytest.approx(0.0295)
    assert facts.dividend_yield is None


def test_growth_from_a_loss_or_from_nothing_is_missing(provider: FinancialModelingPrep):
    facts = provider.fundamentals("LOSS")
    assert (facts.revenue_growth, facts.earnings_growth, facts.beta, facts.sector) == (None, None, None, None)
    assert (facts.margin, facts.margin_before, facts.margin_change) == (-0.4, None, None)


def test_a_market_cap_in_pence_is_not_one_in_dollars(provider: FinancialModelingPrep):
    assert provider.fundamentals("SHEL").market_cap is None


def test_without_quarters_in_the_plan_growth_is_missing_and_the_rest_is_there(
    server: FmpServer, provider: FinancialModelingPrep
):
    server.fail(Trouble(402, "Premium Query Parameter", path="/income-statement"))
    facts = provider.fundamentals("AAPL")
    assert facts.revenue_growth is None
    assert facts.margin == 0.2692
    assert Offer.FUNDAMENTALS in provider.offers


def test_the_screen_is_by_volume_and_of_our_exchanges(provider: FinancialModelingPrep):
    found = provider.screen()
    assert [row.ticker for row in found] == ["SPY", "AAPL", "BRK.B"]
    assert found[1] == ScreenRow("AAPL", Decimal("261.74"), 43010091.0, Decimal(3891351299800), 1.05 / 261.74)
    assert (found[2].market_cap, found[2].dividend_yield, found[2].is_optionable) == (None, None, None)


def test_a_name_the_plan_leaves_out_costs_only_itself(server: FmpServer, provider: FinancialModelingPrep):
    server.fail(Trouble(402, "Premium Query Parameter: 'symbol'", path="/dividends", times=1))
    assert provider.dividends(["TSM", "AAPL"], START, END).keys() == {"AAPL"}
    assert Offer.DIVIDENDS in provider.offers
    with pytest.raises(NotEntitled):
        provider.dividends(["TSM"], START, END)


def test_an_endpoint_the_plan_leaves_out_is_closed_and_the_rest_goes_on(
    server: FmpServer, provider: FinancialModelingPrep
):
    server.fail(Trouble(402, "Exclusive Endpoint", path="/company-screener"))
    with pytest.raises(NotEntitled):
        provider.screen()
    assert Offer.SCREEN not in provider.offers
    assert provider.splits(["AAPL"], START, END) == {"AAPL": ()}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Limit Reach . Please upgrade your plan or visit our documentation", Throttled),
        ("Invalid API KEY. Please retry or visit our documentation", Unauthorised),
        ("Exclusive Endpoint : This endpoint is not available under your current subscription", NotEntitled),
        ("Something else", Refused),
    ],
)
def test_an_error_message_with_status_200_is_the_trouble_it_tells(
    server: FmpServer, provider: FinancialModelingPrep, words: str, kind: type[Exception]
):
    server.fail(Trouble(200, {"Error Message": words}))
    with pytest.raises(kind) as caught:
        provider.screen()
    assert words not in str(caught.value)
