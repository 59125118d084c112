"""Alpha Vantage's adapter against recorded answers, and against generated ones for what was not recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.data.budget import Allowance
from engine.data.providers.alphavantage import NAMES, AlphaVantage
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, Refused, Throttled, Unauthorised
from engine.errors import DataInvalid, DataUnavailable, NotFound
from engine.model.market import Bar, Dividend, Kind, ReportTime, Split
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.shared import SHARED, needs_shared
from tests.standins.alphavantage import (
    CALENDAR,
    GENERATED,
    KEY,
    NOTES,
    OPTIONS,
    OPTIONS_HEAD,
    AlphaVantageServer,
    article,
    recorded,
)  # fmt: skip
from tests.standins.provider_server import Trouble, serving

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
"""Half an hour after the close of a half-day."""
RECORDED_AT = datetime(2026, 5, 17, 17, 13, tzinfo=UTC)
ROOMY = (Allowance(1000, 60.0),)
START, END = date(2020, 1, 1), date(2027, 2, 10)


@dataclass
class Bench:
    """An adapter, its server and its clocks."""

    server: AlphaVantageServer
    now: datetime = NOW
    seconds: float = 0.0
    allowances: tuple[Allowance, ...] = ROOMY
    key: str = KEY
    provider: AlphaVantage = field(init=False)

    def __post_init__(self) -> None:
        self.provider = AlphaVantage(
            self.key,
            lambda: self.now,
            url=self.server.url,
            allowances=self.allowances,
            timeouts=QUICK,
            tick=lambda: self.seconds,
        )


Make = Callable[..., Bench]


@pytest.fixture
def make() -> Iterator[Make]:
    with ExitStack() as stack:

        def made(answers: object = None, **changed: object) -> Bench:
            server = AlphaVantageServer(answers or GENERATED)  # type: ignore[arg-type]
            stack.enter_context(serving(server))
            bench = Bench(server, **changed)  # type: ignore[arg-type]
            stack.callback(bench.provider.close)
            return bench

        yield made


@pytest.fixture
def bench(make: Make) -> Bench:
    return make()


@pytest.fixture
def real(make: Make) -> Bench:
    return make(recorded(SHARED / "data/api_samples/alphavantage"), now=RECORDED_AT)


@pytest.fixture(params=["generated", pytest.param("recorded", marks=needs_shared)])
def world(request: pytest.FixtureRequest) -> World:
    is_recorded = request.param == "recorded"
    bench: Bench = request.getfixturevalue("real" if is_recorded else "bench")
    name = "IBM" if is_recorded else "AAPL"
    since = bench.now - timedelta(days=2)
    return World(
        bench.provider,
        bench.server,
        asks={
            Offer.REPORTS: lambda it: it.reports([name], START, END),
            Offer.DIVIDENDS: lambda it: it.dividends([name], START, END),
            Offer.SPLITS: lambda it: it.splits([name], START, END),
            Offer.FUNDAMENTALS: lambda it: it.fundamentals(name),
            Offer.NEWS: lambda it: it.news(["AAPL"], since),
            Offer.SESSIONS: lambda it: it.sessions([name]),
            Offer.CHAIN: lambda it: it.chain(name),
        },
        unknown={
            Offer.FUNDAMENTALS: lambda it: it.fundamentals("NOBODY"),
            Offer.SESSIONS: lambda it: it.sessions(["NOBODY"]),
            Offer.CHAIN: lambda it: it.chain("NOBODY"),
        },
        key=KEY,
    )


# What was recorded.


@needs_shared
def test_recorded_reports_have_day_time_and_estimate(real: Bench):
    found = real.provider.reports(["NVDA", "WMT", "SPY"], date(2026, 5, 17), date(2026, 8, 1))
    assert [(each.day, each.when, each.eps_estimate) for each in found["NVDA"]] == [
        (date(2026, 5, 20), ReportTime.AFTER_CLOSE, 1.7)
    ]
    assert found["WMT"][0].when is ReportTime.BEFORE_OPEN
    assert not found["NVDA"][0].is_confirmed
    assert "SPY" not in found


@needs_shared
def test_recorded_share_classes_report_on_the_day_of_their_company(real: Bench):
    found = real.provider.reports(["HEI", "HEI.A", "BF.B"], date(2026, 5, 17), date(2026, 8, 1))
    assert [each.day for each in found["HEI.A"]] == [each.day for each in found["HEI"]] == [date(2026, 5, 27)]
    assert [(each.day, each.when) for each in found["BF.B"]] == [(date(2026, 6, 4), ReportTime.BEFORE_OPEN)]


@needs_shared
def test_recorded_estimates_in_other_currencies_are_not_dollars(real: Bench):
    (report,) = real.provider.reports(["BIDU"], date(2026, 5, 17), date(2026, 8, 1))["BIDU"]
    assert report.eps_estimate is None


@needs_shared
def test_recorded_history_joins_the_calendar(real: Bench):
    (last,) = real.provider.reports(["IBM"], date(2026, 4, 1), date(2026, 6, 1))["IBM"]
    assert (last.day, last.when) == (date(2026, 4, 22), ReportTime.AFTER_CLOSE)


@needs_shared
def test_recorded_dividends_are_as_paid_before_a_split(real: Bench):
    paid = real.provider.dividends(["IBM"], date(1999, 1, 1), date(1999, 12, 31))["IBM"]
    assert paid[1:3] == (
        Dividend(date(1999, 5, 6), Decimal("0.24")),  # two weeks before two shares came for one
        Dividend(date(1999, 8, 6), Decimal("0.12")),
    )


@needs_shared
def test_a_recorded_spin_off_is_no_split(real: Bench):
    assert real.provider.splits(["IBM"], date(1990, 1, 1), END) == {"IBM": (Split(date(1999, 5, 27), Decimal(2)),)}


@needs_shared
def test_recorded_company_facts(real: Bench):
    facts = real.provider.fundamentals("IBM")
    assert facts.market_cap == Decimal(206116848000)
    assert (facts.sector, facts.beta, facts.dividend_yield) == ("Technology", 0.581, 0.0308)
    assert (facts.revenue_growth, facts.earnings_growth) == (0.095, 0.142)
    assert facts.margin == pytest.approx(10593 / 67535)
    assert facts.margin_before == pytest.approx(6023 / 62753)
    assert facts.margin_change == pytest.approx(10593 / 67535 - 6023 / 62753)
    assert facts.known_on == date(2026, 5, 17)


@needs_shared
def test_recorded_news(real: Bench):
    found = real.provider.news(["AAPL"], datetime(2026, 5, 16, tzinfo=UTC))
    assert found[0].at == datetime(2026, 5, 17, 11, 1, tzinfo=UTC)
    assert (found[0].publisher, found[0].source) == ("Benzinga", "alphavantage")
    assert found[0].tickers == ("AAPL", "INTC", "GOOGL", "GOOG", "NOW")
    assert [each.at for each in found] == sorted((each.at for each in found), reverse=True)
    assert any("BRK.B" in each.tickers for each in found)
    assert all(each.at >= datetime(2026, 5, 16, tzinfo=UTC) for each in found)


@needs_shared
def test_the_recorded_bar_is_of_its_own_day(real: Bench):
    assert real.provider.sessions(["IBM"]) == {"IBM": Bar(date(2026, 5, 15), 218.2, 220.91, 217.615, 219.3, 6154450.0)}


@needs_shared
def test_the_recorded_chain_in_columns(real: Bench):
    chain = real.provider.chain("IBM")
    assert (len(chain), chain.source.kind) == (2064, Kind.DELAYED)
    assert set(chain.quoted_at) == {np.datetime64("2026-05-15T20:00:00")}
    assert np.isnan(chain.last).sum() == 1021
    assert (chain.bid == 0).sum() == 313
    assert not np.isnan(chain.ask).any()
    assert set(chain.root) == {"IBM"}


# What it says in place of an answer.


@pytest.mark.parametrize(
    ("note", "trouble", "after"),
    [
        ("day", Throttled, 3600.0),
        ("pace", Throttled, 2.0),
        ("minute", Throttled, 60.0),
        ("plan", NotEntitled, None),
        ("sample", NotEntitled, None),
        ("key", Unauthorised, None),
        ("call", NotFound, None),
        ("other", Refused, None),
    ],
)
@pytest.mark.parametrize("ask", ["sessions", "fundamentals"])
def test_a_sentence_is_told_apart_and_not_quoted(
    bench: Bench, note: str, trouble: type[Exception], after: float | None, ask: str
):
    bench.server.fail(Trouble(200, NOTES[note]))
    with pytest.raises(trouble) as caught:
        bench.provider.sessions(["AAPL"]) if ask == "sessions" else bench.provider.fundamentals("AAPL")
    assert getattr(caught.value, "after", None) == after
    assert KEY not in str(caught.value)


def test_another_key_is_not_accepted(make: Make):
    with pytest.raises(Unauthorised):
        make(key="other").provider.fundamentals("AAPL")


def test_a_sentence_cut_up_into_a_row_is_no_report(bench: Bench):
    bench.server.answers["EARNINGS_CALENDAR", ""] = f"{CALENDAR.partition(chr(10))[0]}\r\nI,n,f,o,r,m,a\r\n"
    with pytest.raises(Throttled):
        bench.provider.reports(["AAPL"], NOW.date(), END)


def test_after_the_day_is_used_up_nothing_is_asked(bench: Bench):
    bench.server.fail(Trouble(200, NOTES["day"]))
    with pytest.raises(Throttled):
        bench.provider.fundamentals("AAPL")
    bench.server.heal()
    with pytest.raises(Throttled):
        bench.provider.sessions(["AAPL"])
    assert len(bench.server.asked) == 1
    bench.seconds += 3601
    assert bench.provider.sessions(["AAPL"])


def test_what_the_plan_does_not_cover_is_closed_for_a_day_and_the_rest_goes_on(bench: Bench):
    bench.server.answers["HISTORICAL_OPTIONS", "AAPL"] = NOTES["plan"]
    with pytest.raises(NotEntitled):
        bench.provider.chain("AAPL")
    assert Offer.CHAIN not in bench.provider.offers
    assert bench.provider.dividends(["AAPL"], START, END)["AAPL"]
    bench.seconds += 23 * 3600
    with pytest.raises(NotEntitled):
        bench.provider.chain("AAPL")
    assert len(bench.server.asked_for("HISTORICAL_OPTIONS")) == 1
    bench.seconds += 3601
    assert Offer.CHAIN in bench.provider.offers


# The allowance.


def test_one_request_answers_for_the_whole_market_for_hours(bench: Bench):
    for ticker in ("AAPL", "XYZ", "BIDU"):
        assert bench.provider.reports([ticker], NOW.date(), END)[ticker]
    assert len(bench.server.asked) == 1
    bench.now += timedelta(hours=6)
    bench.provider.reports(["AAPL"], NOW.date(), END)
    assert len(bench.server.asked) == 2


@pytest.mark.parametrize(("days", "horizon"), [(60, "3month"), (120, "6month"), (300, "12month")])
def test_the_calendar_reaches_as_far_as_the_question(bench: Bench, days: int, horizon: str):
    bench.provider.reports(["AAPL"], NOW.date(), NOW.date() + timedelta(days=days))
    assert bench.server.asked[0].query["horizon"] == horizon


def test_a_calendar_without_a_report_is_not_kept(bench: Bench):
    bench.server.answers["EARNINGS_CALENDAR", ""] = CALENDAR.partition("\n")[0]
    with pytest.raises(DataUnavailable):
        bench.provider.reports(["AAPL"], NOW.date(), END)
    bench.server.answers["EARNINGS_CALENDAR", ""] = CALENDAR
    assert bench.provider.reports(["AAPL"], NOW.date(), END)["AAPL"]


def test_a_question_about_many_names_spends_a_few_requests(bench: Bench):
    names = ["AAPL", *(f"NAME{number}" for number in range(20))]
    assert set(bench.provider.sessions(names)) == {"AAPL"}
    assert len(bench.server.asked) == NAMES


def test_what_was_answered_before_the_allowance_ended_is_given(make: Make):
    bench = make(allowances=(Allowance(2, 3600.0),))
    assert set(bench.provider.dividends(["AAPL", "MSFT", "IBM"], START, END)) == {"AAPL"}


def test_past_reports_beyond_the_allowance_leave_the_calendar(make: Make):
    bench = make(allowances=(Allowance(1, 3600.0),))
    found = bench.provider.reports(["AAPL"], START, END)["AAPL"]
    assert [each.day for each in found] == [date(2027, 1, 28)]


def test_past_and_coming_reports_stand_in_order(bench: Bench):
    found = bench.provider.reports(["AAPL"], date(2026, 7, 1), END)["AAPL"]
    assert [each.day for each in found] == [date(2026, 7, 30), date(2026, 10, 29), date(2027, 1, 28)]
    assert (found[0].eps_actual, found[0].eps_estimate) == (None, None)
    assert (found[1].eps_actual, found[1].eps_estimate) == (1.85, 1.77)


def test_a_covered_name_without_a_report_in_range_has_none_and_others_are_left_out(bench: Bench):
    found = bench.provider.reports(["AAPL", "SPY"], NOW.date(), date(2026, 12, 24))
    assert found == {"AAPL": ()}


def test_earnings_of_unknown_currency_are_not_called_dollars(bench: Bench):
    bench.server.answers["EARNINGS", "BIDU"] = bench.server.answers["EARNINGS", "AAPL"]
    found = bench.provider.reports(["BIDU"], date(2026, 10, 1), NOW.date())["BIDU"]
    assert [(each.day, each.eps_actual) for each in found] == [(date(2026, 10, 29), None)]


def test_news_of_several_names_is_asked_name_by_name(bench: Bench):
    bench.server.answers["NEWS_SENTIMENT", "BRK-B"] = {"feed": [article("20261127T160000", "Berkshire buys", "BRK-B")]}
    found = bench.provider.news(["AAPL", "BRK.B", "NOBODY"], NOW - timedelta(hours=5))
    assert [each.title for each in found] == ["Berkshire buys", "Apple opens"]
    assert found[1].tickers == ("AAPL", "BRK.B")
    asked = bench.server.asked_for("NEWS_SENTIMENT")
    assert [each["tickers"] for each in asked] == ["AAPL", "BRK-B", "NOBODY"]
    assert asked[0]["time_from"] == "20261127T1330"


def test_news_of_too_many_names_is_refused_and_not_cut_short(bench: Bench):
    with pytest.raises(Refused, match="at most 5"):
        bench.provider.news([f"N{number}" for number in range(6)], NOW)
    assert bench.server.asked == []


# Rows.


def test_splits_are_the_fractions_behind_the_rounded_factors(bench: Bench):
    assert bench.provider.splits(["AAPL"], START, END)["AAPL"] == (
        Split(date(2020, 8, 31), Decimal(4)),
        Split(date(2026, 6, 1), Decimal(1) / Decimal(30)),
    )


def test_dividends_without_an_ex_date_are_left_out(bench: Bench):
    days = [each.ex_date for each in bench.provider.dividends(["AAPL"], START, END)["AAPL"]]
    assert days == [date(2026, 8, 10), date(2026, 11, 9)]


def test_a_name_without_dividends_has_none(bench: Bench):
    assert bench.provider.dividends(["XYZ"], START, END) == {"XYZ": ()}


def test_what_is_not_given_is_none_and_never_zero(bench: Bench):
    facts = bench.provider.fundamentals("LOSS")
    assert (facts.market_cap, facts.sector, facts.beta, facts.dividend_yield) == (None, None, None, None)
    assert facts.earnings_growth is None
    assert facts.revenue_growth == 1.393
    assert (facts.margin, facts.margin_before, facts.margin_change) == (None, None, None)


def test_margins_are_of_the_latest_year_and_the_one_before_it(bench: Bench):
    facts = bench.provider.fundamentals("AAPL")
    assert facts.margin == pytest.approx(112 / 416)
    assert facts.margin_before == pytest.approx(96 / 400)
    assert facts.known_on == NOW.date()


def test_a_gap_of_a_year_leaves_no_margin_before(bench: Bench):
    bench.server.answers["INCOME_STATEMENT", "AAPL"] = {
        "annualReports": [
            {"fiscalDateEnding": "2026-09-26", "totalRevenue": "400", "netIncome": "100"},
            {"fiscalDateEnding": "2024-09-28", "totalRevenue": "400", "netIncome": "100"},
        ]
    }
    facts = bench.provider.fundamentals("AAPL")
    assert (facts.margin, facts.margin_before, facts.margin_change) == (0.25, None, None)


def test_quotes_that_are_not_there_are_nan_and_a_bid_of_nothing_is_zero(bench: Bench):
    chain = bench.provider.chain("AAPL")
    assert chain.bid.tolist()[:2] == [6.0, 0.0]
    assert chain.ask.tolist()[:2] == [6.1, 0.02]
    assert np.isnan([chain.bid[2], chain.ask[2], chain.last[2], chain.iv[2], chain.delta[2], chain.bid_size[1]]).all()
    assert chain.root.tolist() == ["AAPL", "AAPL", "AAPL1"]
    assert chain.is_call.tolist() == [True, False, True]
    assert chain.open_interest.tolist() == [3000.0, 9.0, 0.0]


@pytest.mark.parametrize(
    ("now", "quoted"),
    [
        (NOW, "2026-11-27T18:00:00"),  # the bell of a half-day
        (datetime(2026, 11, 27, 17, 59, tzinfo=UTC), "NaT"),  # the session is on: no closing quotes yet
    ],
)
def test_closing_quotes_are_of_the_closing_bell(make: Make, now: datetime, quoted: str):
    quotes = make(now=now).provider.chain("AAPL").quoted_at
    assert [str(each) for each in quotes[:1]] == [quoted if quoted == "NaT" else f"{quoted}.000000"]


def test_share_classes_are_spelt_their_way(bench: Bench):
    bench.server.answers["HISTORICAL_OPTIONS", "BRK-B"] = OPTIONS_HEAD + (
        "BRKB261218C00500000,BRK-B,2026-12-18,500.00,call,6.1,6.0,6.0,10,6.1,12,1,3,2026-11-25,0.2,0.5,0.0,0.0,0.0,0.0\n"
    )
    chain = bench.provider.chain("BRK.B")
    assert (chain.underlying, chain.root.tolist()) == ("BRK.B", ["BRKB"])


def test_options_of_another_name_are_refused(bench: Bench):
    bench.server.answers["HISTORICAL_OPTIONS", "XYZ"] = OPTIONS
    with pytest.raises(DataInvalid, match="contractID"):
        bench.provider.chain("XYZ")


def test_nonsense_about_one_name_costs_that_one_only(bench: Bench):
    bench.server.answers["DIVIDENDS", "XYZ"] = "ex_dividend_date,amount\n2026-11-09,0.26\n2026-08-09,much\n"
    assert set(bench.provider.dividends(["XYZ", "AAPL"], START, END)) == {"AAPL"}
    with pytest.raises(DataInvalid, match="amount = 'much'"):
        bench.provider.dividends(["XYZ"], START, END)


@pytest.mark.parametrize("text", ["NaN", "soon", "-5"])
def test_a_price_that_makes_no_sense_is_named(bench: Bench, text: str):
    bench.server.answers["GLOBAL_QUOTE", "AAPL"] = bench.server.answers["GLOBAL_QUOTE", "AAPL"].replace("261.74", text)
    with pytest.raises(DataInvalid, match=f"alphavantage sent price = '{text}'"):
        bench.provider.sessions(["AAPL"])


def test_other_columns_are_no_table(bench: Bench):
    bench.server.answers["DIVIDENDS", "AAPL"] = "date,amount\n2026-11-09,0.26\n"
    with pytest.raises(DataInvalid, match="DIVIDENDS columns"):
        bench.provider.dividends(["AAPL"], START, END)
