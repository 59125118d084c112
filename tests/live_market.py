"""The live market over real providers on loopback, each behind its own client, on a clock of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import stamina
from prometheus_client import REGISTRY

from engine.data.live import LiveMarket
from engine.data.live_shares import QUOTE_LIFE
from engine.data.panel import Panel
from engine.data.providers.alpaca import AlpacaData
from engine.data.providers.alpaca_client import AlpacaClient
from engine.data.providers.finnhub import Finnhub
from engine.data.providers.treasury import Treasury
from engine.data.providers.yahoo import YahooData
from engine.errors import DataUnavailable
from engine.model.instruments import Instrument, Stock
from engine.model.market import Quote
from engine.sessions import Sessions
from engine.transport import Timeouts
from tests import make
from tests.fakes import FakeClock
from tests.journeys.live_world import EXPIRIES, TICKER, Wires, wires
from tests.ticks import Ticks

SHARE = Stock(TICKER)
PUT = make.put(44, expiry=EXPIRIES[1])
SHORT = Timeouts(0.3, 0.5, 0.8)
"""Seconds: as patient as a test."""


@dataclass
class Market:
    """The market under test, with its clocks and what is behind it."""

    live: LiveMarket
    wires: Wires
    ticks: Ticks
    clock: FakeClock

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        self.ticks.advance(seconds)
        self.clock.advance(seconds)

    def quotes(self, *items: Instrument, after: float = QUOTE_LIFE) -> dict[Instrument, Quote]:
        """What an order would be priced on, a look later."""
        self.pass_(after)
        try:
            return dict(self.live.quotes(items or (SHARE, PUT)))
        except DataUnavailable:
            return {}

    def is_up(self, name: str) -> bool:
        """As people and Prometheus are told."""
        up = {state.name: state.is_up for state in self.live.sources()}[name]
        assert REGISTRY.get_sample_value("wsb_provider_up", {"provider": name}) == up
        return up

    def troubles(self) -> str:
        """What a card would say."""
        return " ".join(self.live.snapshot(TICKER).troubles)


@contextmanager
def market(folder: Path, *, yahoo: bool = True) -> Iterator[Market]:
    """Alpaca on its free plan, and Yahoo where it is wanted."""
    now, ticks = FakeClock(), Ticks()
    with ExitStack() as stack:
        stack.enter_context(stamina.set_testing(True, attempts=1))
        around = stack.enter_context(wires(now))
        url = around.alpaca.url
        client = AlpacaClient("key", "secret", now, data_url=url, trading_url=url, timeouts=SHORT)
        providers = [
            AlpacaData(client, now, tick=ticks),
            *([YahooData(now, folder, around.yahoo.url, SHORT)] if yahoo else []),
            Finnhub("key", now, url=around.finnhub.url, timeouts=SHORT),
            Treasury(now, url=around.rates.url),
        ]
        panel = Panel(providers, now, tick=ticks, rng=np.random.default_rng(1))
        live = LiveMarket(panel, now, Sessions(), lambda: (TICKER,), lambda ticker, day: None, tick=ticks)
        stack.callback(live.close)
        yield Market(live, around, ticks, now)
        assert around.alpaca.wrong == []
