"""Massive's adapter against recorded answers, and against generated ones for what was not recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from engine.data.budget import Allowance
from engine.data.providers import massive_client
from engine.data.providers.massive import KINDS, Massive
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, Refused, Throttled
from engine.errors import DataInvalid, DataUnavailable, NotFound
from engine.model.instruments import Style, option
from engine.model.market import Bar, Dividend, Kind, Split
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.shared import SHARED, needs_shared
from tests.standins import massive as made
from tests.standins.massive import CALL, GENERATED, KEY, STOCKS, MassiveServer, recorded
from tests.standins.provider_server import Trouble, serving

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
"""Half an hour after the close of a half-day."""
QUOTED = datetime(2026, 11, 27, 17, 59, 58, tzinfo=UTC)
ROOMY = Allowance(1000, 60.0)
TUESDAY, WEDNESDAY, FRIDAY = date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 27)
APPLE = option(CALL.removeprefix("O:"))
NORWEGIAN = option("NCLH221014C00005000")
BARS = "/v2/aggs/ticker/AAPL/range/1/day/2026-11-24/2026-11-27"


@dataclass
class Bench:
    """An adapter, its server and its clocks."""

    server: MassiveServer
    now: datetime = NOW
    seconds: float = 0.0
    allowance: Allowance = ROOMY
    provider: Massive = field(init=False)

    def __post_init__(self) -> None:
        self.provider = Massive(
            KEY,
            lambda: self.now,
            url=self.server.url,
            allowance=self.allowance,
            timeouts=QUICK,
            tick=lambda: self.seconds,
        )


Make = Callable[..., Bench]


@pytest.fixture
def make() -> Iterator[Make]:
    with ExitStack() as stack:

        def opened(answers: Any = None, **changed: Any) -> Bench:
            server = MassiveServer(answers or GENERATED)
            stack.enter_context(serving(server))
            bench = Bench(server, **changed)
            stack.callback(bench.provider.close)
            return bench

        yield opened


@pytest.fixture
def bench(make: Make) -> Bench:
    return make()


@pytest.fixture
def real(make: Make) -> Bench:
    return make(recorded(SHARED / "data/api_samples/polygon"))


@pytest.fixture(params=["generated", pytest.param("recorded", marks=needs_shared)])
def world(request: pytest.FixtureRequest) -> World:
    is_recorded = request.param == "recorded"
    bench: Bench = request.getfixturevalue("real" if is_recorded else "bench")
    start, end = (date(2005, 4, 1), date(2005, 4, 4)) if is_recorded else (TUESDAY, FRIDAY)
    since = datetime(2022, 1, 1, tzinfo=UTC)
    return World(
        bench.provider,
        bench.server,
        asks={
            Offer.QUOTES: lambda it: it.quotes(["AAPL"]),
            Offer.SESSIONS: lambda it: it.sessions(["BCAT" if is_recorded else "AAPL"]),
            Offer.BARS: lambda it: it.bars(["AAPL"], start, end),
            Offer.INTRADAY: lambda it: it.intraday(["AAPL"], WEDNESDAY, 15),
            Offer.CHAIN: lambda it: it.chain("AAPL"),
            Offer.OPTION_QUOTES: lambda it: it.option_quotes([NORWEGIAN if is_recorded else APPLE]),
            Offer.LISTINGS: lambda it: it.listings("A" if is_recorded else "AAPL"),
            Offer.PAST_LISTINGS: lambda it: it.past_listings(
                "AAPL", (date(2020, 1, 1), date(2027, 1, 1)), (1.0, 999.0)
            ),
            Offer.OPTION_BARS: lambda it: it.option_bars([APPLE], TUESDAY, FRIDAY),
            Offer.LEVELS: lambda it: it.levels(["SPX"]),
            Offer.DIVIDENDS: lambda it: it.dividends(["AAPL", "CSSEN"], date(2020, 1, 1), FRIDAY),
            Offer.SPLITS: lambda it: it.splits(["AAPL", "GOOGL"], date(2020, 1, 1), FRIDAY),
            Offer.FUNDAMENTALS: lambda it: it.fundamentals("AAPL"),
            Offer.NEWS: lambda it: it.news(["AAPL"], since),
        },
        unknown={
            Offer.SESSIONS: lambda it: it.sessions(["NOBODY"]),
            Offer.BARS: lambda it: it.bars(["NOBODY"], start, end),
            Offer.INTRADAY: lambda it: it.intraday(["NOBODY"], WEDNESDAY, 15),
            Offer.CHAIN: lambda it: it.chain("NOBODY"),
            Offer.FUNDAMENTALS: lambda it: it.fundamentals("NOBODY"),
        },
        key=KEY,
    )


# What was recorded.


@needs_shared
def test_a_recorded_quote_has_its_own_time_to_the_microsecond(real: Bench):
    quote = real.provider.quotes(["AAPL"])["AAPL"]
    assert (quote.bid, quote.ask) == (Decimal("20.9"), Decimal("21.25"))
    assert quote.at == datetime(2021, 11, 10, 19, 44, 18, 756383, tzinfo=UTC)
    assert (quote.source.name, quote.source.kind) == ("massive", Kind.REAL)
    assert (quote.bid_size, quote.ask_size) == (0, 0)  # round lots then, shares now: not known


@needs_shared
def test_a_recorded_quote_of_an_option_has_its_sizes(real: Bench):
    quote = real.provider.option_quotes([NORWEGIAN])[NORWEGIAN]
    assert (quote.instrument, quote.bid_size, quote.ask_size) == (NORWEGIAN, 172, 110)


@needs_shared
def test_the_recorded_session_is_of_the_day_of_its_update(real: Bench):
    assert real.provider.sessions(["BCAT"]) == {"BCAT": Bar(date(2020, 11, 12), 20.64, 20.64, 20.506, 20.506, 37216.0)}


@needs_shared
def test_recorded_bars_over_the_change_to_summer_time_are_of_their_own_days(real: Bench):
    bars = real.provider.bars(["AAPL"], date(2005, 4, 1), date(2005, 4, 4))["AAPL"]
    assert bars.day.tolist() == [date(2005, 4, 1), date(2005, 4, 4)]
    assert bars.close.tolist() == [1.4604, 1.4675]
    assert bars.volume.tolist() == [642646396.0, 578172308.0]


@needs_shared
def test_the_recorded_chain_in_columns(real: Bench):
    chain = real.provider.chain("AAPL")
    assert (chain.root[0], chain.expiry[0], chain.strike[0], chain.is_call[0]) == (
        "AAPL", np.datetime64("2023-06-16"), 150.0, True,
    )  # fmt: skip
    assert (chain.bid[0], chain.ask[0], chain.bid_size[0], chain.ask_size[0]) == (28.9, 29.25, 294.0, 209.0)
    assert chain.quoted_at[0] == np.datetime64("2022-04-29T17:44:20.800059")
    assert (chain.iv[0], chain.vega[0], chain.theta[0]) == (
        0.3570277203465058,
        0.6381159723175714,
        -0.028227189324641973,
    )
    assert np.isnan([chain.rho[0], chain.volume[0]]).all()  # the volume is of another day
    assert (chain.open_interest[0], chain.last[0]) == (8133.0, 29.25)
    assert (chain.spot, chain.spot_at) == (159.9606, datetime(2022, 4, 29, 17, 44, 23, 172073, tzinfo=UTC))
    assert (chain.style, chain.source.kind) == (Style.AMERICAN, Kind.REAL)


@needs_shared
def test_recorded_contracts_come_from_all_pages(real: Bench):
    listings = real.provider.listings("A")
    assert len(listings) == 20
    assert listings.strike[-1] == 160.0
    assert set(listings.root) == {"A"}
    assert listings.multiplier.tolist() == [100.0] * 20
    assert np.isnan(listings.open_interest).all()
    assert not listings.is_adjusted.any()


@needs_shared
def test_a_recorded_level_without_a_time_is_left_out(real: Bench):
    assert real.provider.levels(["SPX", "APx", "APy"]) == {}


@needs_shared
def test_recorded_ex_dates(real: Bench):
    paid = real.provider.dividends(["CSSEN"], date(2025, 1, 1), date(2025, 12, 31))["CSSEN"]
    assert paid == (
        Dividend(date(2025, 3, 13), Decimal("0.59375")),
        Dividend(date(2025, 6, 12), Decimal("0.59375")),
    )
    found = real.provider.splits(["GOOGL", "BRW", "CIG.C"], date(2022, 1, 1), date(2022, 12, 31))
    assert found["GOOGL"] == (Split(date(2022, 7, 18), Decimal(20)),)
    assert found["BRW"][0].ratio == Decimal("0.5")
    assert found["CIG.C"][0].ratio == Decimal(4) / Decimal(3)


@needs_shared
def test_recorded_news(real: Bench):
    (headline,) = real.provider.news(["NFLX"], datetime(2022, 4, 28, tzinfo=UTC))
    assert headline.at == datetime(2022, 4, 28, 17, 8, tzinfo=UTC)
    assert (headline.publisher, headline.tickers) == ("MarketWatch", ("MSFT", "TSN", "NFLX", "AMZN"))


@needs_shared
def test_recorded_company_facts(real: Bench):
    facts = real.provider.fundamentals("AAPL")
    assert facts.market_cap == Decimal(2488795282370)
    assert facts.margin == pytest.approx(666 / 3136)
    assert (facts.margin_before, facts.revenue_growth, facts.sector) == (None, None, None)


# The library, the key, the pages.


def test_without_the_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(massive_client, "Library", object)
    with pytest.raises(DataUnavailable, match='pip install "massive'):
        Massive(KEY, lambda: NOW)


def test_the_key_goes_in_a_header_and_never_in_an_address(bench: Bench):
    bench.provider.chain("AAPL")
    assert [each.headers["Authorization"] for each in bench.server.asked] == [f"Bearer {KEY}"] * 2
    assert not any(KEY in str(each.query) for each in bench.server.asked)


def test_the_next_page_is_asked_at_our_address_wherever_it_is_said_to_be(bench: Bench):
    chain = bench.provider.chain("AAPL")
    assert chain.is_call.tolist() == [True, False]
    assert [each.query for each in bench.server.asked] == [{"limit": "250"}, {"cursor": "2"}]


def test_pages_without_an_end_are_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(massive_client, "MOST_PAGES", 5)
    bench.server.answers["/v3/snapshot/options/AAPL"] = {
        "status": "OK", "results": [], "next_url": "https://x.example/v3/snapshot/options/AAPL?cursor=1",
    }  # fmt: skip
    with pytest.raises(DataInvalid, match="more than 5 pages"):
        bench.provider.chain("AAPL")
    assert len(bench.server.asked) == 5


# What a plan covers.


@pytest.mark.parametrize("status", [402, 403])
def test_what_a_plan_denies_is_closed_for_an_hour_and_the_rest_goes_on(bench: Bench, status: int):
    bench.server.fail(Trouble(status, {"status": "NOT_AUTHORIZED"}, path="/v3/snapshot/options"))
    with pytest.raises(NotEntitled):
        bench.provider.chain("AAPL")
    assert set(bench.provider.offers) == set(KINDS) - {Offer.CHAIN}
    assert bench.provider.quotes(["AAPL"])
    assert bench.provider.bars(["AAPL"], TUESDAY, FRIDAY)
    before = len(bench.server.asked)
    with pytest.raises(NotEntitled):
        bench.provider.chain("AAPL")
    assert len(bench.server.asked) == before
    bench.server.heal()
    bench.seconds += 3601
    assert len(bench.provider.chain("AAPL")) == 2


def test_days_out_of_a_plans_reach_do_not_close_the_bars(bench: Bench):
    bench.server.fail(Trouble(403, {"message": "Your plan doesn't include this data timeframe."}))
    with pytest.raises(Refused, match="no bars from 2020-01-02"):
        bench.provider.bars(["AAPL"], date(2020, 1, 2), date(2020, 6, 30))
    with pytest.raises(Refused):
        bench.provider.bars(["AAPL"], FRIDAY, FRIDAY)
    bench.server.heal()
    assert bench.provider.bars(["AAPL"], TUESDAY, FRIDAY)


def test_a_history_longer_than_a_plan_reaches_is_what_it_reaches_and_is_found_out_once(bench: Bench):
    reach = FRIDAY - timedelta(days=730)
    path = f"/v2/aggs/ticker/AAPL/range/1/day/{reach}/2026-11-27"
    bench.server.answers[path] = GENERATED[BARS]
    bench.server.fail(Trouble(403, {"message": "Your plan doesn't include this data timeframe."}, times=1))
    for _ in range(2):
        assert len(bench.provider.bars(["AAPL"], FRIDAY - timedelta(days=830), FRIDAY)["AAPL"]) == 3
    assert [asked.path for asked in bench.server.asked][1:] == [path, path]


def test_bars_that_are_denied_whole_are_asked_for_once_more_at_most(bench: Bench):
    bench.server.fail("403")
    with pytest.raises(NotEntitled):
        bench.provider.bars(["AAPL"], FRIDAY - timedelta(days=830), FRIDAY)
    assert len(bench.server.asked) == 2
    assert Offer.BARS not in bench.provider.offers


def test_tickers_denied_inside_of_an_answer(bench: Bench):
    bench.server.answers["/v3/snapshot"] = {"results": [{"ticker": "AAPL", "error": "NOT_ENTITLED"}]}
    with pytest.raises(NotEntitled):
        bench.provider.quotes(["AAPL"])
    assert Offer.QUOTES not in bench.provider.offers


def test_snapshots_do_not_wait_for_the_allowance_of_a_free_key(make: Make):
    bench = make(allowance=Allowance(1, 3600.0))
    bench.provider.bars(["AAPL"], TUESDAY, FRIDAY)
    with pytest.raises(Throttled):
        bench.provider.listings("AAPL")
    assert bench.provider.quotes(["AAPL"])
    assert len(bench.provider.chain("AAPL")) == 2


def test_a_question_about_many_names_spends_a_minute(make: Make):
    bench = make(allowance=Allowance(5, 60.0))
    assert set(bench.provider.bars(["AAPL", *"BCDEFGHIJ"], TUESDAY, FRIDAY)) == {"AAPL"}
    assert len(bench.server.asked) <= 5


# Quotes.


def test_quotes_of_many_are_one_request_and_unknown_ones_are_left_out(bench: Bench):
    found = bench.provider.quotes(["AAPL", "BRK.B", "NOBODY"])
    assert set(found) == {"AAPL", "BRK.B"}
    assert len(bench.server.asked) == 1
    assert (found["AAPL"].bid, found["AAPL"].ask, found["AAPL"].at) == (Decimal("261.7"), Decimal("261.74"), QUOTED)


def test_one_unknown_ticker_is_not_found(bench: Bench):
    with pytest.raises(NotFound):
        bench.provider.quotes(["NOBODY"])


@pytest.mark.parametrize(
    ("timeframe", "kind"), [("REAL-TIME", Kind.REAL), ("DELAYED", Kind.DELAYED), (None, Kind.DELAYED)]
)
def test_a_quote_says_itself_whether_it_is_late(bench: Bench, timeframe: str | None, kind: Kind):
    bench.server.answers["/v3/snapshot"] = {"results": [made.quoted("AAPL", 1, 2, timeframe=timeframe)]}
    assert bench.provider.quotes(["AAPL"])["AAPL"].source.kind is kind


@pytest.mark.parametrize(
    "row",
    [
        made.quoted("AAPL", 0, 0),
        made.quoted("AAPL", 1, None),
        made.quoted("AAPL", None, 1),
        made.quoted("AAPL", 1, 2, last_updated=None),
        made.quoted("AAPL", 1, 2, last_updated=0),
        {"ticker": "AAPL"},
    ],
)
def test_a_quote_without_a_side_or_a_time_is_none(bench: Bench, row: dict[str, Any]):
    bench.server.answers["/v3/snapshot"] = {"results": [row]}
    assert bench.provider.quotes(["AAPL"]) == {}


def test_a_bid_of_nothing_stays_nothing(bench: Bench):
    bench.server.answers["/v3/snapshot"] = {"results": [made.quoted(CALL, 0, 0.05)]}
    quote = bench.provider.option_quotes([APPLE])[APPLE]
    assert (quote.bid, quote.ask, quote.is_two_sided) == (Decimal(0), Decimal("0.05"), False)


@pytest.mark.parametrize("at", [1795802398, 1795802398000, "2026-11-27", True, -5])
def test_a_time_that_is_not_in_nanoseconds_is_refused(bench: Bench, at: object):
    bench.server.answers["/v3/snapshot"] = {"results": [made.quoted("AAPL", 1, 2, last_updated=at)]}
    with pytest.raises(DataInvalid, match=r"massive sent last_quote\.last_updated"):
        bench.provider.quotes(["AAPL"])


@pytest.mark.parametrize("price", ["NaN", -1, [], True])
def test_a_price_that_makes_no_sense_is_named(bench: Bench, price: object):
    bench.server.answers["/v3/snapshot"] = {"results": [made.quoted("AAPL", 1, price)]}
    with pytest.raises(DataInvalid, match="massive sent ask = "):
        bench.provider.quotes(["AAPL"])


# Bars and sessions.


def test_before_the_first_trade_there_is_no_session(bench: Bench):
    empty = {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0}
    bench.server.answers[STOCKS] = {"tickers": [made.stock("AAPL", 0, day=empty), made.stock("BRK.B", 500.0)]}
    assert set(bench.provider.sessions(["AAPL", "BRK.B"])) == {"BRK.B"}


@pytest.mark.parametrize(
    ("now", "asked_until", "days"),
    [
        (NOW, "2026-11-27", [24, 25, 27]),
        (datetime(2026, 11, 27, 17, 59, tzinfo=UTC), "2026-11-25", [24, 25]),  # the half-day is on; Thursday was none
    ],
)
def test_a_bar_of_the_session_that_is_on_is_not_completed(make: Make, now: datetime, asked_until: str, days: list[int]):
    bench = make(now=now)
    bench.server.answers[f"/v2/aggs/ticker/AAPL/range/1/day/2026-11-24/{asked_until}"] = GENERATED[BARS]
    bars = bench.provider.bars(["AAPL"], TUESDAY, FRIDAY)["AAPL"]
    assert [each.day for each in bars.day.tolist()] == days


def test_days_that_are_still_to_come_have_no_bars(bench: Bench):
    with pytest.raises(NotFound):
        bench.provider.bars(["AAPL"], date(2026, 11, 30), date(2026, 12, 4))
    assert bench.server.asked == []


def test_bars_of_shares_are_adjusted_for_splits_and_those_of_options_as_traded(bench: Bench):
    bench.provider.bars(["AAPL"], TUESDAY, FRIDAY)
    bars = bench.provider.option_bars([APPLE], TUESDAY, FRIDAY)[APPLE]
    assert [each.query["adjusted"] for each in bench.server.asked] == ["true", "false"]
    assert bars.ticker == "AAPL261218C00260000"


@pytest.mark.parametrize(
    "answer",
    [
        made.aggregates("AAPL", made.bar(made.millis(2026, 11, 24, 5), 258), adjusted=False),
        made.aggregates("AAPL", made.bar(made.millis(2026, 11, 24, 5), 258, c=None)),
        made.aggregates("MSFT", made.bar(made.millis(2026, 11, 24, 5), 258)),
        made.aggregates("AAPL", made.bar(made.nanos(2026, 11, 24, 5), 258)),
        made.aggregates("AAPL", *[made.bar(made.millis(2026, 11, 24, 5), 258)] * 2),
    ],
)
def test_bars_that_make_no_sense_are_refused(bench: Bench, answer: dict[str, Any]):
    bench.server.answers[BARS] = answer
    with pytest.raises(DataInvalid):
        bench.provider.bars(["AAPL"], TUESDAY, FRIDAY)


def test_nonsense_about_one_name_costs_that_one_only(bench: Bench):
    bench.server.answers[BARS.replace("AAPL", "XYZ")] = made.aggregates("XYZ", {"t": "soon"})
    assert set(bench.provider.bars(["XYZ", "AAPL"], TUESDAY, FRIDAY)) == {"AAPL"}


# Options.


def test_a_chain_with_one_delayed_quote_is_delayed(bench: Bench):
    late = made.option(CALL, "call", 260, last_quote={"ask": 6.1, "bid": 6.0, "timeframe": "DELAYED"})
    bench.server.answers["/v3/snapshot/options/AAPL"] = {
        "status": "OK", "results": [made.option("O:AAPL261218P00260000", "put", 260), late],
    }  # fmt: skip
    chain = bench.provider.chain("AAPL")
    assert chain.source.kind is Kind.DELAYED
    assert np.isnat(chain.quoted_at).tolist() == [False, True]


def test_a_plan_without_quotes_leaves_them_out_of_the_chain(bench: Bench):
    row = made.option(CALL, "call", 260)
    del row["last_quote"], row["greeks"]
    bench.server.answers["/v3/snapshot/options/AAPL"] = {"status": "OK", "results": [row]}
    chain = bench.provider.chain("AAPL")
    assert np.isnan([chain.bid[0], chain.ask[0], chain.delta[0]]).all()
    assert np.isnat(chain.quoted_at[0])
    assert (chain.volume[0], chain.source.kind) == (120.0, Kind.DELAYED)


def test_quotes_of_nothing_are_nan_and_a_bid_of_nothing_is_zero(bench: Bench):
    quotes = [{"bid": 0, "ask": 0.05, "last_updated": made.QUOTED}, {"bid": 0, "ask": 0, "last_updated": made.QUOTED}]
    rows = [made.option(CALL, "call", 260, last_quote=each) for each in quotes]
    bench.server.answers["/v3/snapshot/options/AAPL"] = {"status": "OK", "results": rows}
    chain = bench.provider.chain("AAPL")
    assert (chain.bid[0], chain.ask[0]) == (0.0, 0.05)
    assert np.isnan([chain.bid[1], chain.ask[1]]).all()


@pytest.mark.parametrize("changed", [{"last_quote": {"bid": -1, "ask": 6}}, {"open_interest": -3}])
def test_an_option_with_numbers_below_zero_costs_itself_only(bench: Bench, changed: dict[str, Any]):
    rows = [made.option(CALL, "call", 260), made.option("O:AAPL261218P00260000", "put", 260, **changed)]
    bench.server.answers["/v3/snapshot/options/AAPL"] = {"status": "OK", "results": rows}
    assert bench.provider.chain("AAPL").is_call.tolist() == [True]


def test_an_index_has_its_prefix_its_roots_and_its_style(bench: Bench):
    chain = bench.provider.chain("SPX")
    assert (chain.underlying, chain.root.tolist(), chain.style) == ("SPX", ["SPXW"], Style.EUROPEAN)
    assert (chain.spot, chain.spot_at) == (6812.5, QUOTED)


def test_levels_have_their_own_time_and_kind(bench: Bench):
    found = bench.provider.levels(["SPX", "VIX"])
    assert set(found) == {"SPX"}  # the other does not say of when
    assert (found["SPX"].value, found["SPX"].at, found["SPX"].source.kind) == (6812.5, QUOTED, Kind.DELAYED)
    assert bench.server.asked[0].query["ticker.any_of"] == "I:SPX,I:VIX"


def test_adjusted_contracts_are_told_apart(bench: Bench):
    listings = bench.provider.listings("AAPL")
    assert listings.is_adjusted.tolist() == [False, True, True]
    assert np.isnan(listings.multiplier).tolist() == [False, True, True]
    assert listings.style.tolist() == [Style.AMERICAN] * 3
    assert bench.server.asked[0].query["expired"] == "false"


@pytest.mark.parametrize(
    "changed", [{"ticker": "O:AAPL"}, {"strike_price": 0}, {"contract_type": "other"}, {"exercise_style": "bermudan"}]
)
def test_a_contract_that_makes_no_sense_costs_itself_only(bench: Bench, changed: dict[str, Any]):
    rows = [made.contract(CALL), made.contract("O:AAPL261218C00265000", **changed)]
    bench.server.answers["/v3/reference/options/contracts"] = {"status": "OK", "results": rows}
    assert len(bench.provider.listings("AAPL")) == 1


def test_expired_contracts_are_a_question_of_their_own_and_adjusted_ones_are_left_out(bench: Bench):
    found = bench.provider.past_listings("AAPL", (date(2026, 10, 1), date(2026, 12, 31)), (250.0, 270.0))
    assert found == (APPLE,)
    assert [each.query["expired"] for each in bench.server.asked] == ["true", "false"]
    assert bench.server.asked[0].query["expiration_date.gte"] == "2026-10-01"
    assert bench.server.asked[0].query["strike_price.lte"] == "270.0"
    bench.provider.past_listings("AAPL", (date(2026, 10, 1), date(2026, 10, 31)), (250.0, 270.0))
    assert [each.query["expired"] for each in bench.server.asked[2:]] == ["true"]


# Ex-dates, company facts, news.


def test_ex_dates_of_many_names_are_one_request_and_a_name_without_any_has_none(bench: Bench):
    found = bench.provider.dividends(["AAPL", "BRK.B"], date(2026, 1, 1), FRIDAY)
    assert [each.ex_date for each in found["AAPL"]] == [date(2026, 8, 10), date(2026, 11, 9)]
    assert found["BRK.B"] == ()
    assert bench.server.asked[0].query["ticker.any_of"] == "AAPL,BRK.B"
    splits = bench.provider.splits(["AAPL", "XYZ"], date(2020, 1, 1), FRIDAY)
    assert splits["AAPL"][0].ratio == 4
    assert splits["XYZ"][0].ratio == Decimal(1) / Decimal(30)


def test_a_dividend_that_makes_no_sense_costs_its_ticker(bench: Bench):
    bench.server.answers["/stocks/v1/dividends"] = made.dividends(
        ("AAPL", "2026-11-09", 0.26), ("XYZ", "2026-11-09", "much"), ("XYZ", "2026-08-09", 0.1)
    )
    found = bench.provider.dividends(["AAPL", "XYZ", "BRK.B"], date(2026, 1, 1), FRIDAY)
    assert set(found) == {"AAPL", "BRK.B"}


def test_a_dividend_in_another_currency_is_not_dollars(bench: Bench):
    bench.server.answers["/stocks/v1/dividends"] = made.dividends(("TSM", "2026-11-09", 5.0), currency="TWD")
    assert bench.provider.dividends(["TSM"], date(2026, 1, 1), FRIDAY) == {}


def test_growth_is_against_the_same_quarter_a_year_before(bench: Bench):
    facts = bench.provider.fundamentals("AAPL")
    assert facts.revenue_growth == pytest.approx(102.0 / 94.9 - 1)
    assert facts.earnings_growth == pytest.approx(1.85 / 0.97 - 1)
    assert (facts.margin, facts.margin_before) == (pytest.approx(112 / 416), pytest.approx(93.7 / 391))
    assert (facts.market_cap, facts.known_on) == (Decimal(3891234500000), FRIDAY)


def test_growth_from_a_loss_is_none(bench: Bench):
    quarters = [made.statement("2026-09-26", 10.0, 1.0, 0.5), made.statement("2025-09-27", 0.0, -1.0, -0.5)]
    bench.server.answers["/vX/reference/financials"] = {"status": "OK", "results": quarters}
    facts = bench.provider.fundamentals("AAPL")
    assert (facts.revenue_growth, facts.earnings_growth, facts.margin_before) == (None, None, None)


def test_a_market_value_in_another_currency_is_not_dollars(bench: Bench):
    bench.server.answers["/v3/reference/tickers/AAPL"] = {"results": {"market_cap": 5, "currency_name": "twd"}}
    assert bench.provider.fundamentals("AAPL").market_cap is None


def test_news_is_newest_first_since_the_instant_and_each_article_once(bench: Bench):
    found = bench.provider.news(["AAPL", "BRK.B"], NOW - timedelta(hours=8))
    assert [each.id for each in found] == ["one", "two"]
    assert found[0].tickers == ("AAPL", "BRK.B")
    assert bench.server.asked[0].query["published_utc.gte"] == "2026-11-27T10:30:00Z"
    assert [each.id for each in bench.provider.news(["AAPL"], NOW - timedelta(hours=5))] == ["one"]


def test_news_of_too_many_names_is_refused_and_not_cut_short(make: Make):
    with pytest.raises(Refused, match="at most 5"):
        make(allowance=Allowance(5, 60.0)).provider.news([f"N{number}" for number in range(6)], NOW)
