"""The replay market passes the suite of every market data source: on a tiny folder, and on the recorded pack."""

from __future__ import annotations

from datetime import date
from functools import cache

import pytest

from engine.data.folder import RecordedFolder
from engine.data.replay import ReplayMarket
from tests.contracts.market_data import *  # noqa: F403 - the suite is the module's content
from tests.contracts.market_data import World
from tests.engine.data import recorded
from tests.shared import SHARED, needs_shared


@cache
def pack() -> RecordedFolder:
    return RecordedFolder.open(SHARED / "data")


def tiny() -> World:
    clock = recorded.clock()
    return World(recorded.market(clock), clock(), recorded.TODAY, "AAA", "ZZZ")


def real(day: date, at: str, ticker: str) -> World:
    clock = recorded.clock(day, at)
    return World(ReplayMarket(pack(), clock, recorded.SESSIONS), clock(), day, ticker, "ZZZZ")


@pytest.fixture(
    params=[
        pytest.param("tiny", id="tiny folder"),
        pytest.param((date(2019, 3, 4), "10:00", "KO"), id="modelled chain", marks=needs_shared),
        pytest.param((date(2014, 6, 6), "16:00", "AAPL"), id="recorded chain", marks=needs_shared),
    ]
)
def world(request: pytest.FixtureRequest) -> World:
    return tiny() if request.param == "tiny" else real(*request.param)
