"""Alpaca's market data through the adapter, against a made world on the documented paths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.data.alpaca_ticks import SHARES, AlpacaTicks
from engine.data.budget import Urgency, asking
from engine.data.providers.alpaca import AlpacaData
from engine.data.providers.alpaca_client import AlpacaClient
from engine.data.providers.alpaca_shares import bar, quote
from engine.data.providers.entitlements import CLOSED_FOR
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, Throttled
from engine.errors import DataInvalid
from engine.model.instruments import Option, Right
from engine.model.market import Kind, Source
from engine.streams import Pauses
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.standins.alpaca_data import SIP_REFUSED, AlpacaDataServer, AlpacaWorld
from tests.standins.alpaca_data_stream import KEY as STREAM_KEY
from tests.standins.alpaca_data_stream import SECRET as STREAM_SECRET
from tests.standins.alpaca_data_stream import AlpacaDataStream
from tests.standins.alpaca_option_data import OptionWorld, option_bar
from tests.standins.provider_server import ProviderServer, Trouble, serving
from tests.waiting import until

NOW = datetime(2026, 11, 30, 16, tzinfo=UTC)
"""A Monday, 11:00 in New York, after the half-day of Friday the 27th."""
TODAY = date(2026, 11, 30)
HALF_DAY = date(2026, 11, 27)
SECRET = "s3cr3t-of-alpaca"


def made_world() -> AlpacaWorld:
    """Three names that trade, two indices, some news and corporate actions."""
    world = AlpacaWorld(NOW)
    for ticker, price in (("AAPL", 250.0), ("BRK.B", 500.0), ("SPY", 700.0)):
        world.list(ticker, price, sessions=20)
        world.move(ticker, price)
    world.levels = {"SPX": (7000.25, NOW - timedelta(seconds=5)), "VIX": (18.45, NOW)}
    world.write("Apple&#39;s best quarter", "AAPL", at=NOW - timedelta(hours=3))
    world.write("Markets rise", "SPY", "AAPL", at=NOW - timedelta(hours=1))
    world.write("Old story, touched again", "AAPL", at=NOW - timedelta(days=9), updated=NOW - timedelta(minutes=5))
    world.act("cash_dividends", date(2026, 11, 9), date(2026, 12, 10), symbol="AAPL", rate=0.26, **CASH)
    world.act("forward_splits", date(2026, 11, 17), date(2026, 11, 17), symbol="AAPL", new_rate=4, old_rate=1)
    world.act("spin_offs", date(2026, 11, 18), date(2026, 11, 18), **SPIN_OFF)
    return world


def listed_options() -> OptionWorld:
    """Options of one of the names, with a day of trades behind one of them."""
    options = OptionWorld(NOW)
    first, *_ = options.list("AAPL", date(2026, 12, 18), (240.0, 250.0, 260.0), spot=250.0)
    options.bars[first.symbol] = [option_bar(HALF_DAY, 12.5)]
    return options


AAPL_CALL = Option("AAPL", date(2026, 12, 18), Right.CALL, Decimal(240))
CASH = {"special": False, "foreign": False}
SPIN_OFF = {
    "source_symbol": "AAPL", "source_cusip": "1", "source_rate": 1,
    "new_symbol": "PEAR", "new_cusip": "2", "new_rate": 1,
}  # fmt: skip


@pytest.fixture
def made() -> AlpacaWorld:
    return made_world()


@pytest.fixture
def server(made: AlpacaWorld) -> Iterator[AlpacaDataServer]:
    with serving(AlpacaDataServer(made, listed_options().routes())) as running:
        assert isinstance(running, AlpacaDataServer)
        yield running
    assert running.wrong == []


PAUSES = Pauses(first=0.01, longest=0.05, answer=0.5)


def adapter(
    server: ProviderServer,
    made: AlpacaWorld,
    feed: str = "",
    key: str = "key",
    shares: AlpacaTicks | None = None,
) -> AlpacaData:
    client = AlpacaClient(key, SECRET, lambda: made.now, data_url=server.url, trading_url=server.url, timeouts=QUICK)
    return AlpacaData(client, lambda: made.now, stock_feed=feed, shares=shares, tick=lambda: made.now.timestamp())


@pytest.fixture
def alpaca(server: AlpacaDataServer, made: AlpacaWorld) -> Iterator[AlpacaData]:
    provider = adapter(server, made)
    yield provider
    provider.close()


@pytest.fixture
def world(server: AlpacaDataServer, alpaca: AlpacaData) -> World:
    start, end = TODAY - timedelta(days=30), TODAY
    return World(
        provider=alpaca,
        server=server,
        asks={
            Offer.QUOTES: lambda it: it.quotes(["AAPL", "SPY"]),
            Offer.SESSIONS: lambda it: it.sessions(["AAPL"]),
            Offer.BARS: lambda it: it.bars(["AAPL"], start, end),
            Offer.INTRADAY: lambda it: it.intraday(["AAPL", "SPY"], HALF_DAY, 15),
            Offer.LEVELS: lambda it: it.levels(["SPX", "VIX"]),
            Offer.NEWS: lambda it: it.news(["AAPL"], NOW - timedelta(days=1)),
            Offer.DIVIDENDS: lambda it: it.dividends(["AAPL"], start, end),
            Offer.SPLITS: lambda it: it.splits(["AAPL"], start, end),
            Offer.SCREEN: lambda it: it.screen(),
            Offer.CHAIN: lambda it: it.chain("AAPL"),
            Offer.OPTION_QUOTES: lambda it: it.option_quotes([AAPL_CALL]),
            Offer.LISTINGS: lambda it: it.listings("AAPL"),
            Offer.PAST_LISTINGS: lambda it: it.past_listings("AAPL", (start, end), (1.0, 999.0)),
            Offer.OPTION_BARS: lambda it: it.option_bars([AAPL_CALL], start, end),
            Offer.ASSETS: lambda it: it.assets(),
        },
        unknown={
            Offer.CHAIN: lambda it: it.chain("NOPE"),
            Offer.LISTINGS: lambda it: it.listings("NOPE"),
            Offer.QUOTES: lambda it: it.quotes(["NOPE"]),
            Offer.SESSIONS: lambda it: it.sessions(["NOPE"]),
            Offer.BARS: lambda it: it.bars(["NOPE"], start, end),
            Offer.INTRADAY: lambda it: it.intraday(["NOPE"], start, 15),
            Offer.LEVELS: lambda it: it.levels(["NOPE"]),
            Offer.DIVIDENDS: lambda it: it.dividends(["NOPE"], start, end),
            Offer.SPLITS: lambda it: it.splits(["NOPE"], start, end),
        },
        key=SECRET,
    )


# Quotes


def test_a_quote_carries_its_sides_sizes_time_and_source(alpaca: AlpacaData):
    found = alpaca.quotes(["AAPL"])["AAPL"]
    assert (found.bid, found.ask, found.bid_size, found.ask_size) == (Decimal("249.99"), Decimal("250.01"), 200, 300)
    assert found.at == NOW
    assert found.source == Source("alpaca", Kind.REAL)


def test_nanoseconds_of_a_quote_are_cut_not_rounded_up(alpaca: AlpacaData, made: AlpacaWorld):
    made.shares["AAPL"].quoted_at = NOW.replace(microsecond=651613)  # sent as .651613789Z
    assert alpaca.quotes(["AAPL"])["AAPL"].at == NOW.replace(microsecond=651613)


def test_an_unknown_name_among_known_ones_is_left_out(alpaca: AlpacaData):
    assert set(alpaca.quotes(["AAPL", "NOPE", "BRK.B"])) == {"AAPL", "BRK.B"}


def test_what_is_no_symbol_to_alpaca_does_not_hide_the_others(alpaca: AlpacaData, server: AlpacaDataServer):
    assert set(alpaca.quotes(["AAPL", "BRK/B", "SPY"])) == {"AAPL", "SPY"}
    assert [asked.query["symbols"] for asked in server.asked] == ["AAPL,BRK/B,SPY", "AAPL,SPY"]


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_side_of_zero_is_no_quote(alpaca: AlpacaData, made: AlpacaWorld, side: str):
    setattr(made.shares["AAPL"], side, 0)
    assert set(alpaca.quotes(["AAPL", "SPY"])) == {"SPY"}


def test_a_listed_name_without_a_quote_is_not_unknown(alpaca: AlpacaData, made: AlpacaWorld):
    made.shares["AAPL"].bid = 0
    assert alpaca.quotes(["AAPL"]) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"bp": 1.0, "ap": 1.1},
        {"bp": 1.0, "ap": 1.1, "t": "2026-11-30T16:00:00"},
        {"bp": 1.0, "ap": 1.1, "t": 1764518400},
        {"bp": -1.0, "ap": 1.1, "t": "2026-11-30T16:00:00Z"},
        {"bp": [1], "ap": 1.1, "t": "2026-11-30T16:00:00Z"},
    ],
)
def test_a_senseless_quote_is_refused_alone_and_left_out_among_others(
    alpaca: AlpacaData, server: AlpacaDataServer, wrong: dict[str, object]
):
    good = {"bp": 2.0, "ap": 2.1, "t": "2026-11-30T16:00:00Z", "bs": None}
    server.fail(Trouble(200, {"quotes": {"AAPL": wrong, "SPY": good}}))
    assert set(alpaca.quotes(["AAPL", "SPY"])) == {"SPY"}
    with pytest.raises(DataInvalid, match="alpaca"):
        alpaca.quotes(["AAPL"])


@pytest.mark.parametrize("missing", [None, math.nan, 0, ""])
def test_a_price_that_is_not_given_is_no_quote(missing: object):
    assert quote("AAPL", {"bp": missing, "ap": 2.1, "t": "2026-11-30T16:00:00Z"}, Source("alpaca")) is None


def test_a_name_whose_quote_is_null_is_left_out(alpaca: AlpacaData, server: AlpacaDataServer):
    server.fail(Trouble(200, {"quotes": {"AAPL": None, "SPY": None}}))
    assert alpaca.quotes(["AAPL", "SPY"]) == {}


def test_two_hundred_and_one_names_are_two_questions(alpaca: AlpacaData, server: AlpacaDataServer):
    alpaca.quotes(["AAPL", *(f"T{n}" for n in range(200))])
    assert len(server.asked) == 2


# Feeds


def test_free_keys_read_iex_and_the_source_says_so(alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer):
    made.feeds = {"iex"}
    sources = {alpaca.quotes(["AAPL"])["AAPL"].source for _ in range(2)}
    assert sources == {Source("alpaca iex", Kind.REAL)}
    assert [asked.query["feed"] for asked in server.asked] == ["sip", "iex", "iex"]


def test_an_entitlement_taken_away_at_noon_is_found_again_after_an_hour(alpaca: AlpacaData, made: AlpacaWorld):
    def source() -> str:
        return alpaca.quotes(["AAPL"])["AAPL"].source.name

    before = source()
    made.feeds = {"iex"}
    without = source()
    made.feeds = {"iex", "sip"}
    soon = source()
    made.now += timedelta(seconds=CLOSED_FOR)
    assert (before, without, soon, source()) == ("alpaca", "alpaca iex", "alpaca iex", "alpaca")


def test_delayed_prices_are_called_delayed(server: AlpacaDataServer, made: AlpacaWorld):
    provider = adapter(server, made, feed="delayed_sip")
    found = provider.quotes(["AAPL"])["AAPL"]
    assert found.source.kind is provider.offers[Offer.QUOTES] is Kind.DELAYED
    assert found.age(NOW) == timedelta(minutes=15)
    provider.close()


def test_a_feed_that_was_chosen_and_is_not_paid_for_is_no_other_one(server: AlpacaDataServer, made: AlpacaWorld):
    made.feeds = {"iex"}
    provider = adapter(server, made, feed="sip")
    with pytest.raises(NotEntitled, match="SIP"):
        provider.quotes(["AAPL"])
    provider.close()


def test_keys_do_not_use_up_each_others_allowance(server: AlpacaDataServer, made: AlpacaWorld, alpaca: AlpacaData):
    server.fail(Trouble(429, {"message": "too many requests."}, times=1))
    with pytest.raises(Throttled):
        alpaca.quotes(["AAPL"])
    other = adapter(server, made, key="other")
    assert "AAPL" in other.quotes(["AAPL"])
    other.close()


# The day so far


def test_the_day_so_far_has_the_price_of_the_latest_trade(alpaca: AlpacaData, made: AlpacaWorld):
    made.shares["AAPL"].bars[TODAY] = (250.0, 252.0, 249.0, 251.0, 1_000)
    made.shares["AAPL"].trade = (253.5, NOW, ("@",))
    found = alpaca.sessions(["AAPL"])["AAPL"]
    assert (found.day, found.open, found.high, found.low, found.close, found.volume) == (
        TODAY,
        250,
        253.5,
        249,
        253.5,
        1_000,
    )


@pytest.mark.parametrize(
    ("conditions", "at"),
    [
        (("@", "T"), NOW),  # outside the session
        (("@", "I"), NOW),  # an odd lot
        (("@",), NOW - timedelta(days=3)),
    ],
)
def test_a_trade_that_does_not_move_the_last_price_is_not_it(
    alpaca: AlpacaData, made: AlpacaWorld, conditions: tuple[str, ...], at: datetime
):
    made.shares["AAPL"].trade = (999.0, at, conditions)
    assert alpaca.sessions(["AAPL"])["AAPL"].close == 250.0


def test_the_bar_of_friday_is_not_the_session_of_monday(alpaca: AlpacaData, made: AlpacaWorld):
    del made.shares["AAPL"].bars[TODAY]
    assert set(alpaca.sessions(["AAPL", "SPY"])) == {"SPY"}


def test_the_volume_of_one_exchange_is_not_the_days(alpaca: AlpacaData, made: AlpacaWorld):
    made.feeds = {"iex"}
    assert alpaca.sessions(["AAPL"])["AAPL"].volume is None


# Bars


def test_bars_are_split_adjusted_days_of_all_exchanges(alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer):
    made.feeds = {"iex"}  # the past of all exchanges is everybody's
    bars = alpaca.bars(["AAPL", "BRK.B"], TODAY - timedelta(days=40), TODAY)
    assert {name: len(each) for name, each in bars.items()} == {"AAPL": 20, "BRK.B": 20}
    assert bars["BRK.B"].close[-1] == 500.0
    assert bars["AAPL"].volume[-1] == 5_000_000
    assert bars["AAPL"].source == Source("alpaca", Kind.REAL)
    assert {asked.query["adjustment"] for asked in server.asked} == {"split"}


def test_the_session_that_is_on_is_no_bar(alpaca: AlpacaData):
    assert alpaca.bars(["AAPL"], HALF_DAY, TODAY)["AAPL"].day.tolist() == [HALF_DAY]


def test_a_half_day_is_over_a_quarter_of_an_hour_after_its_early_close(alpaca: AlpacaData, made: AlpacaWorld):
    def days(at: datetime) -> list[date]:
        made.now = at
        return alpaca.bars(["AAPL"], date(2026, 11, 25), HALF_DAY)["AAPL"].day.tolist()

    closed = datetime(2026, 11, 27, 18, tzinfo=UTC)
    assert days(closed + timedelta(minutes=10)) == [date(2026, 11, 25)]
    assert days(closed + timedelta(minutes=17)) == [date(2026, 11, 25), HALF_DAY]


def test_a_bar_of_winter_and_one_of_summer_are_of_the_day_in_new_york(alpaca: AlpacaData, server: AlpacaDataServer):
    row = {"o": 1, "h": 2, "l": 1, "c": 2, "v": 10}
    rows = [{"t": "2026-01-05T05:00:00Z", **row}, {"t": "2026-07-06T04:00:00Z", **row}]
    server.fail(Trouble(200, {"bars": {"AAPL": rows}, "next_page_token": None}))
    bars = alpaca.bars(["AAPL"], date(2026, 1, 1), date(2026, 8, 1))["AAPL"]
    assert bars.day.tolist() == [date(2026, 1, 5), date(2026, 7, 6)]


def test_a_bar_whose_time_is_not_midnight_in_new_york_is_refused(alpaca: AlpacaData, server: AlpacaDataServer):
    row = {"t": "2026-07-06T00:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 10}
    server.fail(Trouble(200, {"bars": {"AAPL": [row]}, "next_page_token": None}))
    with pytest.raises(DataInvalid, match="daily bar"):
        alpaca.bars(["AAPL"], date(2026, 7, 1), date(2026, 8, 1))


@pytest.mark.parametrize("field", ["o", "h", "l", "c"])
@pytest.mark.parametrize("value", [None, math.nan, 0, -1.0, "much"])
def test_a_bar_without_a_price_is_refused(field: str, value: object):
    with pytest.raises(DataInvalid, match="alpaca"):
        bar({"o": 1, "h": 2, "l": 1, "c": 2, "v": 1} | {field: value}, TODAY, "sip")


def test_a_bar_with_a_high_below_its_close_is_refused():
    with pytest.raises(DataInvalid, match="2026-11-30"):
        bar({"o": 1, "h": 1.5, "l": 1, "c": 2, "v": 1}, TODAY, "sip")


def test_a_senseless_bar_is_left_out_and_a_volume_not_given_is_not_zero(alpaca: AlpacaData, server: AlpacaDataServer):
    good = {"t": "2026-11-24T05:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": None}
    server.fail(Trouble(200, {"bars": {"AAPL": [good, {**good, "t": "2026-11-25T05:00:00Z", "o": 0}]}}))
    bars = alpaca.bars(["AAPL"], TODAY - timedelta(days=9), TODAY)["AAPL"]
    assert bars.day.tolist() == [date(2026, 11, 24)]
    assert np.isnan(bars.volume).all()


def test_bars_come_over_many_pages(alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer):
    made.page = 7
    bars = alpaca.bars(["AAPL", "SPY"], TODAY - timedelta(days=40), TODAY)
    assert {name: len(each) for name, each in bars.items()} == {"AAPL": 20, "SPY": 20}
    assert len(server.asked) == 6


def test_the_past_is_asked_for_up_to_a_quarter_of_an_hour_ago(alpaca: AlpacaData, server: AlpacaDataServer):
    alpaca.bars(["AAPL"], HALF_DAY, TODAY)
    assert server.asked[-1].query["end"] == "2026-11-30T15:44:00Z"
    assert server.asked[-1].query["start"] == "2026-11-27T05:00:00Z"


def test_days_that_have_not_begun_are_not_asked_for(alpaca: AlpacaData, server: AlpacaDataServer):
    assert alpaca.bars(["AAPL"], TODAY + timedelta(days=1), TODAY + timedelta(days=9)) == {}
    assert all(asked.path != "/v2/stocks/bars" for asked in server.asked)


def test_a_listed_name_without_bars_there_is_not_unknown(alpaca: AlpacaData):
    assert alpaca.bars(["AAPL"], date(2026, 11, 28), date(2026, 11, 29)) == {}


# Company events


def test_a_dividend_is_found_by_its_ex_date_though_it_is_paid_weeks_later(alpaca: AlpacaData):
    found = alpaca.dividends(["AAPL", "SPY", "NOPE"], date(2026, 11, 1), date(2026, 11, 30))
    assert found == {"AAPL": alpaca.dividends(["AAPL"], date(2026, 11, 9), date(2026, 11, 9))["AAPL"], "SPY": ()}
    assert [(each.ex_date, each.amount) for each in found["AAPL"]] == [(date(2026, 11, 9), Decimal("0.26"))]
    assert alpaca.dividends(["AAPL"], date(2026, 11, 10), date(2026, 12, 31)) == {"AAPL": ()}


def test_a_dividend_in_another_currency_is_not_one_in_dollars(alpaca: AlpacaData, made: AlpacaWorld):
    ex_date = date(2026, 12, 1)
    made.act("cash_dividends", ex_date, ex_date, symbol="SPY", rate=1.5, currency="CAD", **CASH)
    made.act("cash_dividends", ex_date, ex_date, symbol="SPY", rate=2.5, currency="USD", **CASH)
    assert [each.amount for each in alpaca.dividends(["SPY"], ex_date, ex_date)["SPY"]] == [Decimal("2.5")]


def test_a_regular_and_a_special_dividend_of_one_day_are_two(alpaca: AlpacaData, made: AlpacaWorld):
    ex_date = date(2026, 12, 1)
    for rate in (0.5, 0.5):
        made.act("cash_dividends", ex_date, ex_date, symbol="SPY", rate=rate, **CASH)
    assert len(alpaca.dividends(["SPY"], ex_date, ex_date)["SPY"]) == 2


def test_splits_are_forward_and_reverse_ones_and_no_spin_off(alpaca: AlpacaData, made: AlpacaWorld):
    reverse = {"symbol": "SPY", "new_rate": 1, "old_rate": 8, "old_cusip": "1", "new_cusip": "2"}
    made.act("reverse_splits", date(2026, 11, 18), date(2026, 11, 18), **reverse)
    found = alpaca.splits(["AAPL", "SPY", "BRK.B"], date(2026, 11, 1), date(2026, 11, 30))
    assert {name: [each.ratio for each in of] for name, of in found.items()} == {
        "AAPL": [Decimal(4)],
        "SPY": [Decimal("0.125")],
        "BRK.B": [],
    }


def test_what_alpaca_sends_beside_splits_is_never_one(alpaca: AlpacaData, server: AlpacaDataServer):
    row = {"id": "x", "symbol": "AAPL", "ex_date": "2026-11-18", "new_rate": 1, "old_rate": 2, "rate": 0.05}
    kinds = ("spin_offs", "stock_dividends", "unit_splits", "reincarnations")
    body = {"corporate_actions": {kind: [row] for kind in kinds}, "next_page_token": None}
    server.fail(Trouble(200, body, path="corporate-actions"))
    assert alpaca.splits(["AAPL"], date(2026, 11, 1), date(2026, 11, 30)) == {"AAPL": ()}


def test_news_is_by_publication_newest_first_and_a_touched_old_article_is_old(alpaca: AlpacaData):
    found = alpaca.news(["AAPL"], NOW - timedelta(days=1))
    assert [(each.title, each.tickers) for each in found] == [
        ("Markets rise", ("SPY", "AAPL")),
        ("Apple's best quarter", ("AAPL",)),
    ]
    assert {(each.source, each.publisher) for each in found} == {("alpaca", "Benzinga")}


def test_news_comes_over_many_pages(alpaca: AlpacaData, made: AlpacaWorld):
    made.page = 1
    assert len(alpaca.news(["AAPL", "SPY"], NOW - timedelta(days=30))) == 3


def test_no_news_is_an_answer(alpaca: AlpacaData):
    assert alpaca.news(["BRK.B"], NOW - timedelta(days=1)) == ()


# Indices, screens, reference data


def test_levels_carry_their_own_time(alpaca: AlpacaData):
    found = alpaca.levels(["SPX", "VIX", "NOPE"])
    assert {name: (each.value, each.at) for name, each in found.items()} == {
        "SPX": (7000.25, NOW - timedelta(seconds=5)),
        "VIX": (18.45, NOW),
    }


@pytest.mark.parametrize("status", [403, 404])
def test_indices_that_are_not_given_are_not_offered_for_an_hour(
    alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer, status: int
):
    server.fail(Trouble(status, {"message": "forbidden."}, path="/indices/"))
    for _ in range(2):
        with pytest.raises(NotEntitled):
            alpaca.levels(["SPX"])
    assert len(server.asked) == 1
    assert Offer.LEVELS not in alpaca.offers
    assert alpaca.quotes(["AAPL"])
    made.now += timedelta(seconds=CLOSED_FOR)
    server.heal()
    assert alpaca.levels(["SPX"])["SPX"].value == 7000.25


def test_the_most_active_names_come_by_volume(alpaca: AlpacaData, made: AlpacaWorld):
    made.move("BRK.B", 501.0, volume=9_000_000)
    first = alpaca.screen()[0]
    assert (first.ticker, first.volume, first.price) == ("BRK.B", 9_000_000, None)


def test_halts_are_not_told_over_http(alpaca: AlpacaData):
    assert Offer.STATUSES not in alpaca.offers


@pytest.fixture
def stream() -> Iterator[AlpacaDataStream]:
    with AlpacaDataStream("sip") as made:
        yield made


@pytest.fixture
def heard(server: AlpacaDataServer, made: AlpacaWorld, stream: AlpacaDataStream) -> Iterator[AlpacaData]:
    ticks = AlpacaTicks(SHARES, STREAM_KEY, STREAM_SECRET, np.random.default_rng(1), url=stream.url, pauses=PAUSES)
    provider = adapter(server, made, shares=ticks)
    ticks.start()
    assert until(lambda: ticks.tells_halts)
    yield provider
    assert ticks.stop(5)
    provider.close()


def test_halts_that_a_stream_knows_are_told(heard: AlpacaData, stream: AlpacaDataStream):
    stream.status("AAPL", "H", "T1", NOW)
    assert heard.offers[Offer.STATUSES] is Kind.REAL
    assert until(lambda: heard.statuses(["AAPL", "SPY"]).get("AAPL") is not None)
    assert heard.statuses(["AAPL"])["AAPL"].is_halted


def test_what_an_order_asked_for_is_listened_to_and_not_asked_again(
    heard: AlpacaData, stream: AlpacaDataStream, server: AlpacaDataServer, made: AlpacaWorld
):
    assert heard.quotes(["AAPL"])["AAPL"].source == Source("alpaca")
    assert stream.listened() == set()
    with asking(Urgency.ORDER):
        heard.quotes(["AAPL"])
        assert until(lambda: stream.listened() == {"AAPL"})
        stream.quote("AAPL", 249.0, 249.1, made.now)
        assert until(lambda: heard.quotes(["AAPL"])["AAPL"].bid == Decimal("249"))
        before = len(server.asked)
        both = heard.quotes(["AAPL", "SPY"])
        assert [asked.query["symbols"] for asked in server.asked[before:]] == ["SPY"]
        assert set(both) == {"AAPL", "SPY"}
        made.now += timedelta(seconds=4)
        assert heard.quotes(["AAPL"])["AAPL"].bid != Decimal("249")


def test_assets_say_what_may_be_traded_and_has_options(alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer):
    made.shares["SPY"].attributes = ("has_options", "options_late_close", "an attribute of tomorrow")
    made.shares["BRK.B"].attributes, made.shares["BRK.B"].is_tradable = (), False
    server.wrong.clear()
    found = alpaca.assets()
    server.wrong.clear()  # the attribute that the document does not know
    assert {each.ticker: (each.is_tradable, each.is_optionable, each.closes_late) for each in found.values()} == {
        "AAPL": (True, True, False),
        "BRK.B": (False, False, False),
        "SPY": (True, True, True),
    }


def test_assets_are_asked_for_once_in_hours(alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer):
    for hours in (0, 1, 7):
        made.now = NOW + timedelta(hours=hours)
        alpaca.assets()
    assert len(server.asked) == 2


def test_the_clock_is_alpacas(alpaca: AlpacaData, made: AlpacaWorld):
    made.now = NOW.replace(microsecond=5)
    assert alpaca.clock() == made.now


def test_the_calendar_knows_half_days_and_holidays(alpaca: AlpacaData):
    found = alpaca.calendar(date(2026, 11, 25), date(2026, 11, 30))
    assert [(each.day, each.opens_at.hour, each.closes_at.hour) for each in found] == [
        (date(2026, 11, 25), 14, 21),
        (HALF_DAY, 14, 18),
        (TODAY, 14, 21),
    ]


def test_recent_prices_of_all_exchanges_are_refused_to_free_keys_in_the_stand_in(
    server: AlpacaDataServer, made: AlpacaWorld
):
    made.feeds = {"iex"}
    assert server.answer("/v2/stocks/quotes/latest", {"symbols": "AAPL", "feed": "sip"}) == (403, SIP_REFUSED)
