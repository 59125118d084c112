"""A market that is recorded, and the recording of one, pass the suite of every market data source."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.data.folder import RecordedFolder
from engine.data.recorder import Recorder
from engine.data.recording_market import RecordingMarket
from engine.data.replay import ReplayMarket
from tests.contracts.market_data import *  # noqa: F403 - the suite is the module's content
from tests.contracts.market_data import World
from tests.engine.data import recorded


@pytest.fixture(params=["while it is recorded", "read again"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    clock = recorded.clock()
    recorder = Recorder(tmp_path)
    market = RecordingMarket(recorded.market(clock), recorder, clock)
    if request.param == "while it is recorded":
        return World(market, clock(), recorded.TODAY, "AAA", "ZZZ")
    snapshot = market.snapshot("AAA")
    for load in (snapshot.load_chain, snapshot.load_earnings, snapshot.load_fundamentals, snapshot.load_news):
        load()
    recorder.flush()
    again = ReplayMarket(RecordedFolder.open(tmp_path), clock, recorded.SESSIONS)
    return World(again, clock(), recorded.TODAY, "AAA", "ZZZ")
