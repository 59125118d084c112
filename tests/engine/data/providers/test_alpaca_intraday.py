"""Alpaca's bars of 15 minutes: of which feed, of which hours, and when they are over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from engine.data.providers.alpaca import AlpacaData
from engine.data.providers.alpaca_client import AlpacaClient
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled
from engine.errors import DataInvalid, NotFound
from engine.model.market import IntradayBars, Kind, Source
from tests.contracts.provider import QUICK
from tests.standins.alpaca_data import AlpacaDataServer, AlpacaWorld
from tests.standins.provider_server import Trouble, serving

NOW = datetime(2026, 11, 30, 16, 1, tzinfo=UTC)
"""A Monday, 11:01 in New York, after the half-day of Friday the 27th."""
TODAY, HALF_DAY, WEDNESDAY = date(2026, 11, 30), date(2026, 11, 27), date(2026, 11, 25)


@pytest.fixture
def made() -> AlpacaWorld:
    world = AlpacaWorld(NOW)
    for ticker in ("AAPL", "SPY"):
        world.list(ticker, 250.0, sessions=30)
        world.move(ticker, 250.0)
    return world


@pytest.fixture
def server(made: AlpacaWorld) -> Iterator[AlpacaDataServer]:
    with serving(AlpacaDataServer(made)) as running:
        assert isinstance(running, AlpacaDataServer)
        yield running
    assert running.wrong == []


def adapter(server: AlpacaDataServer, made: AlpacaWorld, feed: str = "") -> AlpacaData:
    client = AlpacaClient(
        "key", "secret", lambda: made.now, data_url=server.url, trading_url=server.url, timeouts=QUICK
    )
    return AlpacaData(client, lambda: made.now, stock_feed=feed, tick=lambda: made.now.timestamp())


@pytest.fixture
def alpaca(server: AlpacaDataServer, made: AlpacaWorld) -> Iterator[AlpacaData]:
    provider = adapter(server, made)
    yield provider
    provider.close()


def apple(alpaca: AlpacaData, start: date = HALF_DAY) -> IntradayBars:
    return alpaca.intraday(["AAPL"], start, 15)["AAPL"]


def test_the_past_and_today_are_of_the_one_feed_that_the_keys_read_now(
    alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer
):
    made.feeds = {"iex"}  # the past of all exchanges is everybody's, and a hundred times as much
    bars = apple(alpaca)
    assert bars.source == Source("alpaca iex", Kind.REAL)
    assert set(bars.day.tolist()) == {HALF_DAY, TODAY}
    assert np.array_equal(bars.volume, bars.start)
    assert [asked.query["feed"] for asked in server.asked] == ["sip", "iex"]


def test_who_pays_for_all_exchanges_gets_all_of_them(alpaca: AlpacaData):
    bars = apple(alpaca)
    assert bars.source == Source("alpaca", Kind.REAL)
    assert np.array_equal(bars.volume, bars.start * 100)


def test_the_delayed_feed_is_sip_up_to_a_quarter_of_an_hour_ago_and_says_so(
    server: AlpacaDataServer, made: AlpacaWorld
):
    made.feeds = {"iex", "delayed_sip"}
    provider = adapter(server, made, "delayed_sip")
    bars = apple(provider)
    assert bars.source == Source("alpaca", Kind.DELAYED)
    assert provider.offers[Offer.INTRADAY] is Kind.DELAYED
    assert (bars.day[-1].astype(object), bars.start[-1] + 15) == (TODAY, 645)
    assert bars.volume[-1] == bars.start[-1] * 100
    provider.close()


def test_a_feed_that_was_chosen_and_is_not_paid_for_is_no_other_one(server: AlpacaDataServer, made: AlpacaWorld):
    made.feeds = {"iex"}
    provider = adapter(server, made, "sip")
    with pytest.raises(NotEntitled, match="SIP"):
        apple(provider)
    provider.close()


def test_only_regular_sessions_count_and_a_half_day_ends_early(alpaca: AlpacaData):
    bars = apple(alpaca, WEDNESDAY)
    assert bars.of(WEDNESDAY).start.tolist() == list(range(570, 960, 15))
    assert bars.of(HALF_DAY).start.tolist() == list(range(570, 780, 15))


def test_a_bar_counts_a_minute_after_its_end(alpaca: AlpacaData, made: AlpacaWorld):
    assert apple(alpaca).start[-1] == 645  # 10:45 to 11:00, at 11:01
    made.now -= timedelta(seconds=1)
    assert apple(alpaca).start[-1] == 630


def test_before_the_bell_there_is_nothing_of_today_and_nobody_is_asked(
    alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer
):
    made.now = datetime(2026, 11, 30, 14, 30, 30, tzinfo=UTC)
    assert alpaca.intraday(["AAPL", "SPY"], TODAY, 15) == {}
    assert server.asked == []


def test_bars_are_split_adjusted_and_come_page_after_page(
    alpaca: AlpacaData, made: AlpacaWorld, server: AlpacaDataServer
):
    made.page = 70
    bars = alpaca.intraday(["AAPL", "SPY"], WEDNESDAY, 15)
    assert [len(bars[name]) for name in ("AAPL", "SPY")] == [26 + 14 + 6] * 2
    assert {(asked.query["adjustment"], asked.query["timeframe"]) for asked in server.asked} == {("split", "15Min")}
    assert len(server.asked) > 2


def test_a_quarter_of_an_hour_without_a_trade_is_not_filled_in(alpaca: AlpacaData, made: AlpacaWorld):
    made.shares["AAPL"].quiet = frozenset({datetime(2026, 11, 30, 15, 15, tzinfo=UTC)})
    assert apple(alpaca).of(TODAY).start.tolist() == [570, 585, 600, 630, 645]


def test_a_listed_name_without_trades_is_left_out_and_an_unknown_one_is_said(alpaca: AlpacaData, made: AlpacaWorld):
    made.shares["AAPL"].bars = {WEDNESDAY: (1.0, 1.0, 1.0, 1.0, 1)}
    assert alpaca.intraday(["AAPL"], HALF_DAY, 15) == {}
    assert set(alpaca.intraday(["NOPE", "SPY"], HALF_DAY, 15)) == {"SPY"}
    with pytest.raises(NotFound, match="NOPE"):
        alpaca.intraday(["NOPE"], HALF_DAY, 15)


GOOD = {"t": "2026-11-30T14:30:00Z", "o": 250, "h": 251, "l": 249, "c": 250, "v": 10, "n": 1, "vw": 250}


@pytest.mark.parametrize("wrong", [{"h": 1}, {"o": None}, {"c": "x"}, {"t": None}, {"t": "2026-11-30"}], ids=str)
def test_a_senseless_bar_costs_itself(alpaca: AlpacaData, server: AlpacaDataServer, wrong: dict[str, object]):
    later = {**GOOD, "t": "2026-11-30T14:45:00Z"}
    server.fail(Trouble(200, {"bars": {"AAPL": [GOOD, {**later, **wrong}]}, "next_page_token": None}))
    assert apple(alpaca).start.tolist() == [570]
    server.fail(Trouble(200, {"bars": {"AAPL": [{**later, **wrong}]}, "next_page_token": None}))
    with pytest.raises(DataInvalid, match="alpaca"):
        apple(alpaca)


def test_a_volume_that_is_not_told_is_not_known(alpaca: AlpacaData, server: AlpacaDataServer):
    server.fail(Trouble(200, {"bars": {"AAPL": [{**GOOD, "v": None}]}, "next_page_token": None}))
    assert np.isnan(apple(alpaca).volume).all()
