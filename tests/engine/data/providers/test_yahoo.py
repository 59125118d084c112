"""What Yahoo's answers are read as, on made answers: the recorded ones are read in test_yahoo_recorded.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.providers.port import Offer
from engine.data.providers.trouble import Throttled
from engine.data.providers.yahoo import OPTIONS, YahooData
from engine.data.providers.yahoo_chain import Window
from engine.data.providers.yahoo_fields import number, symbol, ticker
from engine.errors import DataInvalid, NotFound
from engine.model.instruments import Stock, Style
from engine.model.market import Bar, Dividend, Kind, Split
from tests.contracts.provider import QUICK
from tests.fakes import FakeClock
from tests.standins.provider_server import serving
from tests.standins.yahoo_server import (
    DAYS,
    NOW,
    TODAY,
    YahooServer,
    chart,
    chart_answer,
    next_days,
    option_row,
    options_answer,
    quote_answer,
    quote_row,
    stamp,
)

QUOTES, CHART = "/v7/finance/quote", "/v8/finance/chart/AAA"
LONG_AGO = date(2020, 1, 1)


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


def test_every_price_is_delayed_whatever_yahoo_says(yahoo: YahooData):
    prices = {
        Offer.QUOTES, Offer.SESSIONS, Offer.BARS, Offer.INTRADAY, Offer.CHAIN, Offer.LEVELS, Offer.SCREEN
    }  # fmt: skip

    assert {offer for offer, kind in yahoo.offers.items() if kind is Kind.DELAYED} == prices
    assert Offer.OPTION_QUOTES not in yahoo.offers
    assert yahoo.quotes(["AAA"])["AAA"].source.kind is Kind.DELAYED
    assert yahoo.chain("AAA").source.kind is Kind.DELAYED
    assert yahoo.bars(["AAA"], LONG_AGO, TODAY)["AAA"].source.kind is Kind.DELAYED
    assert yahoo.levels(["VIX"])["VIX"].source.kind is Kind.DELAYED


def test_a_quote_has_the_time_of_the_latest_trade_and_never_now(server: YahooServer, yahoo: YahooData):
    late = int(NOW.timestamp()) - 900
    server.says[QUOTES] = quote_answer(quote_row("AAA", regularMarketTime=late - 3600, postMarketTime=late))
    quote = yahoo.quotes(["AAA"])["AAA"]

    assert (quote.instrument, quote.bid, quote.ask) == (Stock("AAA"), Decimal("101.49"), Decimal("101.52"))
    assert quote.at == NOW - timedelta(seconds=900)
    assert (quote.bid_size, quote.ask_size) == (3, 8)


@pytest.mark.parametrize(
    "changed",
    [{"bid": 0}, {"ask": 0}, {"bid": None}, {"ask": None}, {"bid": {}}, {"regularMarketTime": None}],
    ids=str,
)
def test_a_quote_of_one_side_or_without_a_time_is_none(server: YahooServer, yahoo: YahooData, changed: Any):
    server.says[QUOTES] = quote_answer(quote_row("AAA", **changed))

    assert yahoo.quotes(["AAA"]) == {}


def test_a_crossed_quote_is_invalid_and_spoils_no_other(server: YahooServer, yahoo: YahooData):
    crossed = quote_row("AAA", bid=102.0, ask=101.0)
    server.says[QUOTES] = quote_answer(crossed, quote_row("EEE", "ETF"))
    assert set(yahoo.quotes(["AAA", "EEE"])) == {"EEE"}

    server.says[QUOTES] = quote_answer(crossed)
    with pytest.raises(DataInvalid, match=r"102\.0.* above .*101\.0.* for AAA"):
        yahoo.quotes(["AAA"])


def test_nan_and_infinity_are_missing(server: YahooServer, yahoo: YahooData):
    row = '{"quoteType": "EQUITY", "symbol": "AAA", "regularMarketTime": 1795791600, "bid": NaN, "ask": Infinity}'
    server.says[QUOTES] = '{"quoteResponse": {"result": [' + row + '], "error": null}}'

    assert yahoo.quotes(["AAA"]) == {}


@pytest.mark.parametrize("value", ["12,5", True, [1], "soon", 10**400, -1e300])
def test_what_is_no_number_is_named(value: object):
    with pytest.raises(DataInvalid, match="yahoo sent bid = "):
        number({"bid": value}, "bid")


def test_classes_of_shares_and_indices_are_spelled_both_ways(server: YahooServer, yahoo: YahooData):
    assert set(yahoo.quotes(["BRK.B", "AAA", "ZZZ"])) == {"AAA", "BRK.B"}
    assert server.asked[-1].query["symbols"] == "BRK-B,AAA,ZZZ"
    assert [symbol(name) for name in ("BRK.B", "SPX", "VIX", "AAA")] == ["BRK-B", "^SPX", "^VIX", "AAA"]
    assert [ticker(name) for name in ("BRK-B", "BTC-USD", "^GSPC", "BMW.DE", "EURUSD=X")] == ["BRK.B", *[None] * 4]


def test_a_hundred_names_are_one_request(server: YahooServer, yahoo: YahooData):
    yahoo.quotes([f"A{letter}{other}" for letter in "ABCDEFGHIJ" for other in "ABCDEFGHIJKL"])

    assert server.paths() == [QUOTES, QUOTES]


def test_another_currency_is_another_instrument(server: YahooServer, yahoo: YahooData):
    server.says[QUOTES] = quote_answer(quote_row("AAA", currency="GBp"))

    with pytest.raises(NotFound, match="AAA"):
        yahoo.quotes(["AAA"])


def test_the_session_is_of_the_exchanges_day(server: YahooServer, yahoo: YahooData):
    late = int(datetime(2026, 11, 26, 1, 0, tzinfo=UTC).timestamp())
    server.says[QUOTES] = quote_answer(quote_row("AAA", regularMarketTime=late))

    assert yahoo.sessions(["AAA"])["AAA"] == Bar(date(2026, 11, 25), 100.0, 102.25, 99.5, 101.5, 1_234_567.0)


def test_a_session_without_a_trade_is_none_and_one_off_its_range_invalid(server: YahooServer, yahoo: YahooData):
    server.says[QUOTES] = quote_answer(quote_row("AAA", regularMarketOpen=None))
    assert yahoo.sessions(["AAA"]) == {}
    server.says[QUOTES] = quote_answer(quote_row("AAA", regularMarketPrice=1015.0))
    with pytest.raises(DataInvalid, match=r"1015\.0"):
        yahoo.sessions(["AAA"])


def test_levels_have_their_own_time_and_no_quote(yahoo: YahooData):
    levels = yahoo.levels(["SPX", "VIX", "VIX3M"])

    assert {name: level.value for name, level in levels.items()} == {"SPX": 6800.25, "VIX": 17.5, "VIX3M": 19.5}
    assert levels["SPX"].at == NOW - timedelta(seconds=5)


# Bars


def bars_of(server: YahooServer, yahoo: YahooData, made: dict[str, Any]) -> list[tuple[date, float]]:
    server.says[CHART] = chart_answer(made)
    found = yahoo.bars(["AAA"], LONG_AGO, TODAY)["AAA"]
    return [(day.astype(object), float(close)) for day, close in zip(found.day, found.close, strict=True)]


def meta(made: dict[str, Any], seen: int, **changed: Any) -> dict[str, Any]:
    return made | {"meta": made["meta"] | {"regularMarketTime": seen} | changed}


def test_the_session_that_is_not_over_is_no_completed_bar(server: YahooServer, yahoo: YahooData):
    assert bars_of(server, yahoo, chart(DAYS))[-1] == (date(2026, 11, 25), 102.0)


def test_a_short_session_is_complete_at_its_own_close(server: YahooServer, tmp_path: Path):
    clock = FakeClock(datetime(2026, 11, 27, 18, 30, tzinfo=UTC))
    yahoo = YahooData(clock, tmp_path, server.url, QUICK)

    assert bars_of(server, yahoo, meta(chart(DAYS), stamp(TODAY, 12, 59)))[-1][0] == date(2026, 11, 25)
    assert bars_of(server, yahoo, meta(chart(DAYS), stamp(TODAY, 13, 0)))[-1] == (TODAY, 103.0)
    yahoo.close()


def test_before_the_open_the_last_session_is_complete_and_today_has_no_bar(server: YahooServer, yahoo: YahooData):
    made = meta(chart(DAYS), stamp(date(2026, 11, 25), 16, 0))

    assert bars_of(server, yahoo, made)[-1][0] == date(2026, 11, 25)


def test_without_its_hours_a_session_of_today_is_not_taken_for_complete(server: YahooServer, yahoo: YahooData):
    made = meta(chart(DAYS), stamp(TODAY, 20, 0), currentTradingPeriod={})

    assert bars_of(server, yahoo, made)[-1][0] == date(2026, 11, 25)


def test_of_two_rows_of_a_day_the_later_one_counts(server: YahooServer, yahoo: YahooData):
    made = chart([DAYS[0], DAYS[1], DAYS[1]])

    assert bars_of(server, yahoo, made) == [(DAYS[0], 100.0), (DAYS[1], 102.0)]


def test_days_are_the_exchanges_on_both_sides_of_a_clock_change(server: YahooServer, yahoo: YahooData):
    days = [date(2026, 10, 30), date(2026, 11, 2)]
    made = chart(days)
    made["timestamp"] = [stamp(days[0], 0, 0), stamp(days[1], 0, 0)]
    assert made["timestamp"][1] - made["timestamp"][0] == 73 * 3600

    assert [day for day, _ in bars_of(server, yahoo, made)] == days


def test_bars_are_not_adjusted_for_dividends_and_rows_without_a_price_are_left_out(
    server: YahooServer, yahoo: YahooData
):
    made = chart(DAYS[:3])
    given = made["indicators"]["quote"][0]
    given["close"][1] = None
    given["volume"][2] = None
    server.says[CHART] = chart_answer(made)

    bars = yahoo.bars(["AAA"], DAYS[0], DAYS[2])["AAA"]

    assert list(bars.close) == [100.0, 102.0]
    assert bars.volume[0] == 1000
    assert isnan(bars.volume[1])


def test_bars_outside_of_what_was_asked_for_are_left_out(yahoo: YahooData):
    bars = yahoo.bars(["AAA"], DAYS[1], DAYS[1])["AAA"]

    assert list(bars.day) == [np.datetime64(DAYS[1])]


def test_the_question_names_midnights_of_new_york(server: YahooServer, yahoo: YahooData):
    yahoo.bars(["AAA"], date(2026, 3, 6), date(2026, 3, 9))

    query = server.asked[-1].query
    assert int(query["period1"]) == stamp(date(2026, 3, 6), 0, 0)
    assert int(query["period2"]) == stamp(date(2026, 3, 10), 0, 0)
    assert int(query["period2"]) - int(query["period1"]) == 95 * 3600


def test_a_time_without_prices_has_no_bars_and_a_name_without_any_is_not_found(server: YahooServer, yahoo: YahooData):
    told = "Data doesn't exist for startDate = 1577854800, endDate = 1577941200"
    server.says[CHART] = (400, {"chart": {"result": None, "error": {"code": "Bad Request", "description": told}}})

    assert len(yahoo.bars(["AAA"], LONG_AGO, LONG_AGO)["AAA"]) == 0
    assert yahoo.dividends(["AAA"], LONG_AGO, LONG_AGO) == {"AAA": ()}
    assert set(yahoo.bars(["EEE", "ZZZ"], LONG_AGO, TODAY)) == {"EEE"}


def test_columns_of_different_lengths_are_invalid(server: YahooServer, yahoo: YahooData):
    made = chart(DAYS)
    made["indicators"]["quote"][0]["low"].pop()

    with pytest.raises(DataInvalid, match="low of 4 days"):
        bars_of(server, yahoo, made)


def test_past_prices_are_asked_for_again_each_time(server: YahooServer, yahoo: YahooData):
    yahoo.bars(["AAA"], DAYS[0], DAYS[1])
    yahoo.bars(["AAA"], DAYS[0], DAYS[1])

    assert server.paths() == [CHART, CHART]


# Dividends and splits


def test_dividends_are_as_paid_not_divided_by_later_splits(server: YahooServer, yahoo: YahooData):
    end = date(2026, 8, 31)

    assert yahoo.dividends(["AAA"], LONG_AGO, end) == {"AAA": (Dividend(date(2026, 8, 7), Decimal("0.82")),)}
    assert int(server.asked[-1].query["period2"]) == stamp(next_days(1), 0, 0)
    assert yahoo.dividends(["AAA"], date(2026, 11, 1), TODAY)["AAA"] == (Dividend(date(2026, 11, 6), Decimal("0.21")),)
    assert yahoo.dividends(["AAA"], TODAY, TODAY) == {"AAA": ()}


def test_splits_both_ways_are_new_shares_for_each_old_one(server: YahooServer, yahoo: YahooData):
    assert yahoo.splits(["AAA"], LONG_AGO, TODAY) == {"AAA": (Split(date(2026, 9, 1), Decimal(4)),)}
    reverse = {"1": {"date": stamp(date(2026, 6, 1)), "numerator": 1, "denominator": 8, "splitRatio": "1:8"}}
    server.says[CHART] = chart_answer(chart(DAYS, events={"splits": reverse}))
    assert yahoo.splits(["AAA"], LONG_AGO, TODAY)["AAA"] == (Split(date(2026, 6, 1), Decimal("0.125")),)


# Chains


def test_expiries_are_asked_for_nearest_first_within_the_window(server: YahooServer, yahoo: YahooData):
    chain = yahoo.chain("AAA")

    days = sorted({str(day) for day in chain.expiry})
    assert days == ["2026-12-04", "2026-12-18", "2027-01-15"]
    assert server.paths() == [OPTIONS + "AAA"] * 3
    assert len(chain) == 18
    assert set(chain.root) == {"AAA"}
    assert chain.style is Style.AMERICAN


def test_no_more_expiries_are_asked_for_than_the_window_holds(server: YahooServer, tmp_path: Path):
    yahoo = YahooData(lambda: NOW, tmp_path, server.url, QUICK, Window(days=1000, most=2))

    assert sorted({str(day) for day in yahoo.chain("AAA").expiry}) == ["2026-12-04", "2026-12-18"]
    yahoo.close()


def test_no_option_has_a_time_size_or_greek_that_yahoo_did_not_give(yahoo: YahooData):
    chain = yahoo.chain("AAA")

    assert np.isnat(chain.quoted_at).all()
    for column in (chain.bid_size, chain.ask_size, chain.delta, chain.vega):
        assert np.isnan(column).all()
    assert (chain.spot, chain.spot_at) == (101.5, NOW - timedelta(seconds=5))
    assert set(chain.volume) == {40.0}
    assert set(chain.open_interest) == {800.0}


def call_of(server: YahooServer, yahoo: YahooData, **changed: Any) -> dict[str, Any]:
    server.says[OPTIONS + "AAA"] = options_answer(**changed)
    chain = yahoo.chain("AAA")
    assert bool(chain.is_call[0])
    return {name: getattr(chain, name)[0] for name in ("bid", "ask", "iv", "volume", "open_interest", "last", "strike")}


@pytest.mark.parametrize("changed", [{"bid": 0}, {"ask": 0}, {"bid": None}, {"bid": 0, "ask": 0}], ids=str)
def test_a_bid_or_ask_of_zero_is_none_and_its_volatility_stands_for_nothing(
    server: YahooServer, yahoo: YahooData, changed: Any
):
    call = call_of(server, yahoo, **changed)

    assert [name for name in changed if not isnan(call[name])] == []
    assert isnan(call["iv"])


@pytest.mark.parametrize("iv", [1e-05, 0, 7.25, None, "Infinity"])
def test_a_volatility_that_is_nonsense_is_missing(server: YahooServer, yahoo: YahooData, iv: Any):
    call = call_of(server, yahoo, impliedVolatility=iv)

    assert isnan(call["iv"])
    assert (call["bid"], call["ask"]) == (2.4, 2.6)


def test_what_a_contract_does_not_say_is_missing(server: YahooServer, yahoo: YahooData):
    call = call_of(server, yahoo, volume=None, openInterest=None, lastPrice=0)

    assert all(isnan(call[name]) for name in ("volume", "open_interest", "last"))
    assert call["strike"] == 100.0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"contractSymbol": "AAA261204P00100000"}, "contractSymbol"),
        ({"contractSymbol": "AAA261205C00100000"}, "expiring 2026-12-04"),
        ({"contractSymbol": ""}, "contractSymbol"),
        ({"strike": 0}, "strike"),
        ({"strike": "a lot"}, "a lot"),
        ({"expiration": 1e15}, "contractSymbol"),
    ],
    ids=str,
)
def test_a_contract_that_contradicts_itself_is_invalid(server: YahooServer, yahoo: YahooData, changed: Any, words: str):
    server.says[OPTIONS + "AAA"] = options_answer(**changed)

    with pytest.raises(DataInvalid, match=words):
        yahoo.chain("AAA")


def test_an_index_is_asked_for_by_its_caret_and_keeps_its_roots(server: YahooServer, yahoo: YahooData):
    chain = yahoo.chain("SPX")

    assert server.paths()[0] == OPTIONS + "%5ESPX"
    assert chain.underlying == "SPX"
    assert set(chain.root) == {"SPXW"}
    assert chain.style is Style.EUROPEAN


def test_a_share_without_options_has_an_empty_chain(server: YahooServer, yahoo: YahooData):
    row = {"expirationDates": [], "quote": quote_row("AAA"), "options": []}
    server.says[OPTIONS + "AAA"] = {"optionChain": {"result": [row], "error": None}}

    assert len(yahoo.chain("AAA")) == 0


def test_an_expiry_that_comes_twice_counts_once(server: YahooServer, tmp_path: Path):
    yahoo = YahooData(lambda: NOW, tmp_path, server.url, QUICK, Window(days=1000))
    answer = options_answer()
    answer["optionChain"]["result"][0]["expirationDates"] *= 2
    answer["optionChain"]["result"][0]["expirationDates"].append(1797465600)
    server.says[OPTIONS + "AAA"] = answer

    assert len(yahoo.chain("AAA")) == 2
    assert len(server.paths()) == 2
    yahoo.close()


def test_an_adjusted_contract_keeps_its_own_root(server: YahooServer, yahoo: YahooData):
    answer = options_answer()
    [row] = answer["optionChain"]["result"]
    row["options"][0]["puts"] = [option_row("AAA1", date(2026, 12, 4), 25.0, "P")]
    server.says[OPTIONS + "AAA"] = answer

    assert list(yahoo.chain("AAA").root) == ["AAA", "AAA1"]


def test_intraday_bars_are_those_of_the_session_that_are_over(yahoo: YahooData):
    bars = yahoo.intraday(["AAA"], DAYS[2], 15)["AAA"]

    assert bars.source.kind is Kind.DELAYED
    assert bars.day.tolist() == [DAYS[2]] * 26 + [TODAY]
    assert bars.start.tolist() == [*range(570, 960, 15), 570]  # at 10:00: the bar of 09:45 waits for a later trade
    assert bars.volume[-1] == 27_000


def test_the_latest_price_beside_the_bars_is_no_bar(server: YahooServer, yahoo: YahooData):
    live = stamp(TODAY, 9, 59)
    quote = {field: [100.0, 100.0, 400.0] for field in ("open", "high", "low", "close")} | {"volume": [5, 6, 0]}
    made = chart([], timestamp=[stamp(TODAY, 9, 30), stamp(TODAY, 9, 45), live], indicators={"quote": [quote]})
    made["meta"]["regularMarketTime"] = int(NOW.timestamp())
    server.says[CHART] = chart_answer(made)
    assert yahoo.intraday(["AAA"], TODAY, 15)["AAA"].close.tolist() == [100.0, 100.0]


def test_an_intraday_bar_of_a_name_that_does_not_trade_on_is_over_a_quarter_of_an_hour_later(
    server: YahooServer, tmp_path: Path
):
    clock = FakeClock(NOW)
    quote = {field: [100.0] for field in ("open", "high", "low", "close")} | {"volume": [5]}
    made = chart([], timestamp=[stamp(TODAY, 9, 45)], indicators={"quote": [quote]})
    made["meta"]["regularMarketTime"] = stamp(TODAY, 9, 50)
    server.says[CHART] = chart_answer(made)
    provider = YahooData(clock, tmp_path, server.url, QUICK)
    clock.advance(seconds=15 * 60)
    assert provider.intraday(["AAA"], TODAY, 15) == {}
    clock.advance(seconds=60)
    assert provider.intraday(["AAA"], TODAY, 15)["AAA"].start.tolist() == [585]
    provider.close()


def test_bars_of_minutes_are_asked_for_within_their_sixty_days(server: YahooServer, yahoo: YahooData):
    yahoo.intraday(["AAA"], LONG_AGO, 15)
    asked = server.asked[-1].query
    assert asked["interval"] == "15m"
    assert int(NOW.timestamp()) - int(asked["period1"]) < 60 * 86_400


def test_intraday_bars_without_a_price_are_none_and_their_volume_is_not_filled_in(
    server: YahooServer, yahoo: YahooData
):
    quote = {field: [100.0, None] for field in ("open", "high", "low", "close")} | {"volume": [None, 6]}
    made = chart([], timestamp=[stamp(DAYS[1], 10, 0), stamp(DAYS[1], 10, 15)], indicators={"quote": [quote]})
    server.says[CHART] = chart_answer(made)
    bars = yahoo.intraday(["AAA"], DAYS[1], 15)["AAA"]
    assert bars.start.tolist() == [600]
    assert isnan(bars.volume[0])


def test_what_yahoo_can_no_longer_be_asked_is_left_out_of_what_it_gave(server: YahooServer, yahoo: YahooData):
    server.says["/v8/finance/chart/EEE"] = (429, "Too Many Requests")
    assert set(yahoo.intraday(["AAA", "EEE", "BRK.B"], DAYS[1], 15)) == {"AAA"}
    with pytest.raises(Throttled):
        yahoo.intraday(["EEE", "AAA"], DAYS[1], 15)
