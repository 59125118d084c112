"""The contract of every broker, held by the paper exchange."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from engine.brokers.paper import PaperBroker
from engine.model.instruments import Instrument, Option
from engine.model.limits import Costs
from engine.sessions import Sessions
from tests import make
from tests.contracts.broker import *  # noqa: F403 - the suite is this module's content
from tests.fakes import FakeClock, FakeMarket


class PaperWorld:
    """The paper exchange on a market and a clock set by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.market = FakeMarket(self.clock)
        self.broker = PaperBroker(self.market, self.clock, Sessions(), Costs(), Decimal(100_000))
        self.today: date = make.TODAY
        self.start = make.NOW - timedelta(minutes=1)

    def set_quote(self, instrument: Instrument, bid: str, ask: str, size: int = 0) -> None:
        self.clock.advance(1)
        self.market.set_quote(instrument, bid, ask, size)

    def advance(self) -> None:
        self.clock.advance(1)
        self.broker.advance()

    def assign(self, option: Option, contracts: int) -> None:
        self.clock.advance(1)
        self.broker.assign(option, contracts)


@pytest.fixture
def world() -> PaperWorld:
    return PaperWorld()
