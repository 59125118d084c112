"""What every adapter owes the desk, owed by Yahoo's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

import engine.data.providers.yahoo_http  # noqa: F401 - loaded here: it takes longer than a silent server may
from engine.data.providers.port import Offer
from engine.data.providers.yahoo import YahooData
from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content
from tests.contracts.provider import QUICK, World
from tests.standins.provider_server import serving
from tests.standins.yahoo_server import NOW, YahooServer

START, END = date(2026, 11, 1), date(2026, 11, 27)
NO_KEYS = "Yahoo has no keys that could be wrong: its own cookies are refused, which passes (test_yahoo_client.py)"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(YahooServer()) as server:
        provider = YahooData(lambda: NOW, tmp_path, server.url, QUICK)
        yield World(
            provider,
            server,
            asks={
                Offer.QUOTES: lambda p: p.quotes(["AAA"]),
                Offer.SESSIONS: lambda p: p.sessions(["AAA"]),
                Offer.BARS: lambda p: p.bars(["AAA"], START, END),
                Offer.INTRADAY: lambda p: p.intraday(["AAA"], START, 15),
                Offer.CHAIN: lambda p: p.chain("AAA"),
                Offer.LEVELS: lambda p: p.levels(["SPX", "VIX"]),
                Offer.REPORTS: lambda p: p.reports(["AAA"], START, END + timedelta(days=90)),
                Offer.DIVIDENDS: lambda p: p.dividends(["AAA"], START, END),
                Offer.SPLITS: lambda p: p.splits(["AAA"], START, END),
                Offer.FUNDAMENTALS: lambda p: p.fundamentals("AAA"),
                Offer.NEWS: lambda p: p.news(["AAA"], NOW - timedelta(days=1)),
                Offer.SCREEN: lambda p: p.screen(),
            },
            unknown={
                Offer.QUOTES: lambda p: p.quotes(["ZZZ"]),
                Offer.SESSIONS: lambda p: p.sessions(["ZZZ"]),
                Offer.BARS: lambda p: p.bars(["ZZZ"], START, END),
                Offer.INTRADAY: lambda p: p.intraday(["ZZZ"], START, 15),
                Offer.CHAIN: lambda p: p.chain("ZZZ"),
                Offer.LEVELS: lambda p: p.levels(["ZZZ"]),
                Offer.REPORTS: lambda p: p.reports(["ZZZ"], START, END),
                Offer.DIVIDENDS: lambda p: p.dividends(["ZZZ"], START, END),
                Offer.SPLITS: lambda p: p.splits(["ZZZ"], START, END),
                Offer.FUNDAMENTALS: lambda p: p.fundamentals("ZZZ"),
            },
            not_for={"401": NO_KEYS},
        )
        provider.close()
