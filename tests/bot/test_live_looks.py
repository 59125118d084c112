"""The looks of a desk on live prices: Alpaca's stand-in behind the panel, the recorder in between, one source dead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from bot.message import Card
from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.providers.alpaca import AlpacaData
from engine.data.providers.alpaca_client import AlpacaClient
from engine.data.providers.port import Offer
from engine.data.providers.trouble import Unreachable
from engine.data.recorder import Recorder
from engine.data.recording_market import RecordingMarket
from engine.model.market import Kind
from engine.sessions import Sessions
from tests.bot.rooms import Visit, visit
from tests.engine.data.panelists import Panelist, raising
from tests.engine.data.test_live_contract import NOW, made_world
from tests.standins.alpaca_data import AlpacaDataServer
from tests.standins.provider_server import serving


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Visit]:
    """AAPL at 100 on the indicative feed of options; a second source of news and reports does not answer."""
    shares, options = made_world()
    shares.write("AAPL beats estimates and raises its guidance", "AAPL", at=NOW)
    options.feeds = {"indicative"}
    dead = Panelist("other", raising(Unreachable("other did not answer within 4 s.")), {Offer.QUOTES: Kind.DELAYED})
    with serving(AlpacaDataServer(shares, options.routes())) as server:
        client = AlpacaClient("key", "secret", lambda: NOW, data_url=server.url, trading_url=server.url)
        panel = Panel([AlpacaData(client, lambda: NOW), dead], lambda: NOW, rng=np.random.default_rng(1))
        market = LiveMarket(panel, lambda: NOW, Sessions(), lambda: ("AAPL", "KO"), lambda ticker, day: None)
        here = visit()
        here.world.clock.set(NOW)
        seen = RecordingMarket(market, Recorder(tmp_path), lambda: NOW)
        yield Visit(here.world, replace(here.room, desk=replace(here.room.desk, market=seen)), here.sources)
        market.close()


def fact(card: Card, label: str) -> str:
    return dict(card.facts)[label]


def test_a_quote_has_its_source_and_what_nobody_tells_is_said(desk: Visit) -> None:
    card = desk.card("/quote AAPL")

    assert card.title == "AAPL 100.00"
    assert fact(card, "Source") == "alpaca (real)"
    assert fact(card, "Next report") == "no source tells"
    assert fact(card, "IV 30 days").endswith("alpaca (indicative)")
    assert fact(card, "IV in its year") == "insufficient: 0 of 60 sessions"


def test_a_chain_keeps_what_is_known_of_its_making_through_the_recorder(desk: Visit) -> None:
    card = desk.card("/chain AAPL")

    assert fact(card, "Source") == "alpaca (indicative)"
    assert card.lines[0].startswith("Our IV beside alpaca's own, ")
    assert desk.room.listed.expiries("AAPL", date(2026, 11, 30)) == (date(2026, 12, 18), date(2027, 1, 15))


def test_news_come_with_their_scores(desk: Visit) -> None:
    card = desk.card("/news AAPL")

    assert [link.host for link in card.links] == ["example.com"]
    assert fact(card, "Last 24 hours").startswith("1 article")


def test_a_source_that_fails_has_a_line_on_health_and_the_quote_comes_all_the_same(desk: Visit) -> None:
    titles = [desk.card("/quote AAPL").title for _ in range(4)]
    card = desk.card("/health all")

    assert set(titles) == {"AAPL 100.00"}
    assert "other did not answer within 4 s." in fact(card, "Source other")
    assert fact(card, "Source alpaca").startswith("up, answered 0 s ago, left ")


def test_a_name_without_options_and_one_nobody_knows_are_told_apart(desk: Visit) -> None:
    assert desk.told("/chain KO") == "There are no options of KO here."
    assert "not known to any source" in desk.told("/quote ZZZZ")


def test_an_index_is_not_unknown_for_want_of_shares(desk: Visit) -> None:
    assert "SPX is an index" in desk.told("/quote SPX")
