"""The contract of every broker, held by the Alpaca adapter against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from engine.brokers.alpaca import AlpacaBroker
from engine.model.instruments import Instrument, Option
from tests import make
from tests.contracts.broker import *  # noqa: F403 - the suite is this module's content
from tests.fakes import FakeClock
from tests.standins import alpaca_events
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange


class AlpacaWorld:
    """The adapter, over a real connection, on an account and a clock set by hand."""

    def __init__(self, standin: AlpacaStandin, clock: FakeClock) -> None:
        self.broker = AlpacaBroker(KEY, SECRET, url_override=standin.url)
        self.exchange = standin.exchange
        self.exchange.matching = False
        self.clock = clock
        self.today: date = make.TODAY
        self.start = make.NOW - timedelta(minutes=1)

    def set_quote(self, instrument: Instrument, bid: str, ask: str, size: int = 0) -> None:
        self.clock.advance(1)
        self.exchange.quote(instrument.symbol, bid, ask, size or None)

    def advance(self) -> None:
        self.clock.advance(1)
        self.exchange.matching = True
        self.exchange.match()
        self.exchange.matching = False

    def assign(self, option: Option, contracts: int) -> None:
        self.clock.advance(1)
        alpaca_events.assign(self.exchange, option.symbol, contracts)


@pytest.fixture
def world() -> Iterator[AlpacaWorld]:
    clock = FakeClock()
    with AlpacaStandin(Exchange(clock, Decimal(100_000))) as standin:
        world = AlpacaWorld(standin, clock)
        yield world
        world.broker.close()
    assert standin.journal.violations == []
