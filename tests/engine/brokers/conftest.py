"""An Alpaca account that is not one, and the desk's adapter pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
import stamina

from engine.brokers.alpaca import AlpacaBroker
from tests import make
from tests.fakes import FakeClock
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange


@pytest.fixture
def clock() -> FakeClock:
    """Monday 15 June 2026, 10:00 in New York."""
    return FakeClock()


@pytest.fixture
def standin(clock: FakeClock) -> Iterator[AlpacaStandin]:
    """The server; whatever it received and answered kept to Alpaca's published schemas."""
    with AlpacaStandin(Exchange(clock, Decimal(100_000)), hold=3.0) as server:
        yield server
    assert server.journal.violations == []


@pytest.fixture
def exchange(standin: AlpacaStandin) -> Exchange:
    """The account behind the server, with quotes for the contracts the tests trade."""
    account = standin.exchange
    account.quote(make.put(44).symbol, "0.98", "1.08")
    account.quote(make.put(40).symbol, "0.40", "0.45")
    account.quote(make.call(50).symbol, "1.10", "1.20")
    account.quote(make.call(55).symbol, "0.30", "0.36")
    account.quote("XYZ", "47.99", "48.01")
    return account


@pytest.fixture
def alpaca(standin: AlpacaStandin, exchange: Exchange) -> Iterator[AlpacaBroker]:
    """The adapter under test; its pauses between reads are left out."""
    broker = AlpacaBroker(KEY, SECRET, url_override=standin.url)
    with stamina.set_testing(True, attempts=3, cap=True):
        yield broker
    broker.close()
