"""The live market passes the suite of every market data source: over Alpaca's stand-in, on both feeds of options."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.providers.alpaca import AlpacaData
from engine.data.providers.alpaca_client import AlpacaClient
from engine.sessions import Sessions
from tests.contracts.market_data import *  # noqa: F403 - the suite is the module's content
from tests.contracts.market_data import World
from tests.standins.alpaca_data import AlpacaDataServer, AlpacaWorld
from tests.standins.alpaca_option_data import OptionWorld
from tests.standins.provider_server import serving

NOW = datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
STRIKES = [float(strike) for strike in range(80, 121, 2)]


def made_world() -> tuple[AlpacaWorld, OptionWorld]:
    """AAPL at 100 and KO at 60 in the middle of a Monday morning, with options on AAPL."""
    shares, options = AlpacaWorld(NOW), OptionWorld(NOW)
    for ticker, price in (("AAPL", 100.0), ("KO", 60.0)):
        shares.list(ticker, price)
        shares.move(ticker, price)
    shares.act(
        "cash_dividends", date(2026, 12, 4), date(2026, 12, 10), symbol="KO", rate=0.51, special=False, foreign=False
    )
    for expiry in (date(2026, 12, 18), date(2027, 1, 15)):
        options.list("AAPL", expiry, STRIKES)
    return shares, options


@pytest.fixture(params=["opra", "indicative"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    shares, options = made_world()
    options.feeds = {"opra", "indicative"} if request.param == "opra" else {"indicative"}
    with serving(AlpacaDataServer(shares, options.routes())) as server:
        client = AlpacaClient("key", "secret", lambda: NOW, data_url=server.url, trading_url=server.url)
        panel = Panel([AlpacaData(client, lambda: NOW)], lambda: NOW, rng=np.random.default_rng(1))
        market = LiveMarket(panel, lambda: NOW, Sessions(), lambda: ("KO", "AAPL"), lambda ticker, day: None)
        yield World(market, NOW, date(2026, 11, 30), "AAPL", "ZZZZ")
        market.close()
        assert isinstance(server, AlpacaDataServer)
        assert server.wrong == []


def test_the_kind_of_the_chain_is_that_of_the_feed(world: World, request: pytest.FixtureRequest) -> None:
    chain = world.market.chain("AAPL")
    assert chain is not None
    wanted = "real" if "opra" in request.node.name else "indicative"
    assert chain.source.kind.value == wanted
    assert np.nanmedian(np.abs(chain.iv - 0.25)) < 0.005
    assert chain.open_interest.min() >= 100


def test_a_name_without_options_has_no_chain(world: World) -> None:
    assert world.market.chain("KO") is None


def test_a_day_of_history_is_asked_for_once(world: World) -> None:
    for _ in range(3):
        world.market.panel()
        world.market.bars("KO", world.today - timedelta(days=30), world.today)
    assert len(world.market.panel()) == 2
