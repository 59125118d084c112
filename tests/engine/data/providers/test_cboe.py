"""Cboe's adapter against answers generated in the shape that others read from it (none was recorded)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import numpy as np
import pytest

from engine.data.providers.cboe import Cboe
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, NotOffered
from engine.errors import DataInvalid, NotFound
from engine.model.instruments import Style
from engine.model.market import Bar, Kind, Level, Source
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.standins.cboe import OPTIONS, UNDERLYINGS, CboeServer, option
from tests.standins.provider_server import Trouble, serving

NOW = datetime(2026, 11, 27, 18, 15, 30, tzinfo=UTC)
DAY = date(2026, 11, 27)
SOURCE = Source("cboe", Kind.DELAYED)


@pytest.fixture
def server() -> Iterator[CboeServer]:
    with serving(CboeServer()) as made:
        assert isinstance(made, CboeServer)
        yield made


@pytest.fixture
def provider(server: CboeServer) -> Iterator[Cboe]:
    made = Cboe(lambda: NOW, url=server.url, timeouts=QUICK)
    yield made
    made.close()


@pytest.fixture
def world(server: CboeServer, provider: Cboe) -> World:
    return World(
        provider,
        server,
        asks={
            Offer.CHAIN: lambda it: it.chain("SPX"),
            Offer.LEVELS: lambda it: it.levels(["SPX", "VIX"]),
            Offer.SESSIONS: lambda it: it.sessions(["CLX"]),
        },
        unknown={Offer.CHAIN: lambda it: it.chain("NEW")},
    )


def test_everything_is_delayed_and_unproven(provider: Cboe):
    assert set(provider.offers.values()) == {Kind.DELAYED}
    assert not provider.is_proven


def test_the_classes_of_an_index_are_told_apart_by_root(server: CboeServer, provider: Cboe):
    chain = provider.chain("SPX")
    assert server.asked[0].path == "/options/_SPX.json"
    assert chain.root.tolist() == ["SPX", "SPXW", "SPXW"]
    assert chain.expiry.astype(str).tolist() == ["2026-12-18", "2026-12-18", "2026-11-30"]
    assert chain.strike.tolist() == [6800.0, 6800.0, 6750.0]
    assert chain.is_call.tolist() == [True, True, False]
    assert (chain.style, chain.source) == (Style.EUROPEAN, SOURCE)
    assert (chain.iv[0], chain.delta[0], chain.open_interest[0]) == (0.1432, 0.4812, 1520.0)


def test_the_small_index_has_a_chain_of_its_own(provider: Cboe):
    chain = provider.chain("XSP")
    assert (chain.root.tolist(), chain.spot) == (["XSP"], 681.26)


def test_the_spot_has_the_new_york_time_of_its_last_trade_and_no_option_has_a_time(provider: Cboe):
    chain = provider.chain("SPX")
    assert (chain.spot, chain.spot_at) == (6812.61, datetime(2026, 11, 27, 17, 59, 59, tzinfo=UTC))
    assert np.isnat(chain.quoted_at).all()


def test_zero_is_a_bid_and_no_ask_and_null_is_nothing(provider: Cboe):
    chain = provider.chain("CLX")
    assert chain.style is Style.AMERICAN
    np.testing.assert_array_equal(chain.bid, [39.0, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(chain.ask, [42.1, 0.25, np.nan, np.nan])
    np.testing.assert_array_equal(chain.iv, [np.nan, 0.1432, 0.1432, 0.1432])
    np.testing.assert_array_equal(chain.last, [4.1, 4.1, np.nan, 4.1])
    np.testing.assert_array_equal(chain.open_interest, [1520.0, 1520.0, 1520.0, np.nan])
    assert chain.root[3] == "CLX1"


def test_a_class_of_shares_keeps_its_dot(server: CboeServer, provider: Cboe):
    assert provider.chain("BRK.B").root.tolist() == ["BRKB"]
    assert server.asked[0].path == "/options/BRK.B.json"


@pytest.mark.parametrize(
    "bad",
    [
        option("NOT-A-SYMBOL"),
        option("CLX261318C00095000"),
        option("CLX261218C00095000", -1.0),
        option("CLX261218C00095000", iv="high"),
        option("CLX261218C00095000", open_interest=True),
        "text",
    ],
)
def test_an_option_that_makes_no_sense_is_left_out(server: CboeServer, provider: Cboe, bad: object):
    body = {"data": {**UNDERLYINGS["CLX"], "options": [bad, *OPTIONS["CLX"]]}}
    server.fail(Trouble(200, body))
    assert len(provider.chain("CLX")) == 4


def test_a_chain_of_nothing_but_nonsense_is_refused(server: CboeServer, provider: Cboe):
    server.fail(Trouble(200, {"data": {**UNDERLYINGS["CLX"], "options": [option("X")]}}))
    with pytest.raises(DataInvalid, match="cboe sent option = 'X'"):
        provider.chain("CLX")


def test_a_name_without_options_is_not_found(provider: Cboe):
    with pytest.raises(NotFound, match="NEW"):
        provider.chain("NEW")


def test_a_name_it_denies_is_closed_and_the_rest_goes_on(server: CboeServer, provider: Cboe):
    with pytest.raises(NotEntitled):
        provider.chain("NOBODY")
    asked = len(server.asked)
    with pytest.raises(NotEntitled, match="chain of NOBODY"):
        provider.chain("NOBODY")
    assert len(server.asked) == asked
    assert len(provider.chain("CLX")) == 4
    assert provider.offers.keys() == {Offer.CHAIN, Offer.LEVELS, Offer.SESSIONS}


def test_the_three_month_index_of_volatility_is_a_file_of_its_own(server: CboeServer, provider: Cboe):
    found = provider.levels(["VIX", "VIX3M"])
    assert {name: level.value for name, level in found.items()} == {"VIX": 16.35, "VIX3M": 19.5}
    assert [asked.path for asked in server.asked] == ["/quotes/_VIX.json", "/quotes/_VIX3M.json"]


def test_levels_have_their_own_time_however_it_is_written(server: CboeServer, provider: Cboe):
    assert provider.levels(["SPX", "VIX", "NOBODY"]) == {
        "SPX": Level("SPX", 6812.61, datetime(2026, 11, 27, 17, 59, 59, tzinfo=UTC), SOURCE),
        "VIX": Level("VIX", 16.35, datetime(2026, 11, 27, 17, 59, 44, tzinfo=UTC), SOURCE),
    }
    assert [asked.path for asked in server.asked[:2]] == ["/quotes/_SPX.json", "/quotes/_VIX.json"]


def test_summer_time_in_new_york_is_an_hour_nearer(server: CboeServer, provider: Cboe):
    data = {**UNDERLYINGS["_VIX"], "last_trade_time": "2026-07-24T16:14:59"}
    server.fail(Trouble(200, {"data": data}))
    assert provider.levels(["VIX"])["VIX"].at == datetime(2026, 7, 24, 20, 14, 59, tzinfo=UTC)


@pytest.mark.parametrize("gap", [{"last_trade_time": None}, {"current_price": 0.0}, {"current_price": None}])
def test_a_level_without_a_value_or_a_time_is_left_out(server: CboeServer, provider: Cboe, gap: dict[str, object]):
    server.fail(Trouble(200, {"data": {**UNDERLYINGS["_VIX"], **gap}}))
    assert provider.levels(["VIX"]) == {}


def test_the_day_so_far_is_a_bar_and_there_are_no_quotes_without_a_time(server: CboeServer, provider: Cboe):
    assert provider.sessions(["CLX"]) == {"CLX": Bar(DAY, 94.55, 96.55, 93.55, 95.55, 1438610.0)}
    with pytest.raises(NotOffered):
        provider.quotes(["CLX"])
    server.fail(Trouble(200, {"data": {**UNDERLYINGS["CLX"], "open": 0.0}}))
    assert provider.sessions(["CLX"]) == {}
