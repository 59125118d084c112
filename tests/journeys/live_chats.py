"""A desk on live prices with everything around it in a test's hands: both chats, the broker, every provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests import make
from tests.journeys.chat_desk import FileClock
from tests.journeys.chats import Chats, chats
from tests.journeys.live_world import EXPIRIES, STRIKES, TICKER, Listed, Wires, wires
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange
from tests.standins.alpaca_stream import AlpacaStream

BEFORE_SCAN = make.NOW.replace(minute=0, second=1)
ALPACA = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
NOBODY = "ws://127.0.0.1:9"
"""Where no stream is: every quote is asked for."""


@dataclass
class LiveChats:
    """The desk's surroundings. `more` are variables of its environment."""

    chats: Chats
    wires: Wires
    broker: AlpacaStandin
    stream: AlpacaStream
    clock: FileClock
    config: Path
    more: dict[str, str] = field(default_factory=dict)

    def start(self) -> Popen[str]:
        """The next life of the desk."""
        return self.chats.start("tests.journeys.live_desk", self.config, self.clock.file, **self.variables)

    @property
    def variables(self) -> dict[str, str]:
        """What points the desk at the broker and at every provider."""
        return {
            "ALPACA_API_KEY": KEY,
            "ALPACA_SECRET_KEY": SECRET,
            "ALPACA_TRADING_URL": self.broker.url,
            "ALPACA_STREAM_URL": self.stream.url,
            "ALPACA_DATA_URL": self.wires.alpaca.url,
            "ALPACA_DATA_STREAM_URL": NOBODY,
            "YAHOO_URL": self.wires.yahoo.url,
            "FINNHUB_API_KEY": "finnhub-key",
            "WSB__DATA__FINNHUB_URL": self.wires.finnhub.url,
            "WSB__DATA__TREASURY_URL": self.wires.rates.url,
            "WSB__DATA__CACHE": str(self.chats.folder / "cache"),
            **self.more,
        }

    def move(self, spot: float) -> None:
        """XYZ trades at `spot` from now on: on every provider's wire, and at the broker."""
        self.wires.move(spot)
        self.broker.exchange.quote(TICKER, f"{spot - 0.01:.2f}", f"{spot + 0.01:.2f}")
        for expiry in EXPIRIES:
            for strike in STRIKES:
                option = make.put(strike, expiry=expiry)
                bid, ask = self.wires.sides(option)
                self.broker.exchange.quote(option.symbol, bid, ask)

    def sent(self, part: str = "") -> list[dict[str, Any]]:
        """The bodies of the orders that reached the broker's wire and have these words in them."""
        return [seen.body for seen in self.broker.journal.sent("POST", "/v2/orders") if part in str(seen.body)]

    def assert_valid(self) -> None:
        """Nothing went over any wire that is not documented."""
        self.chats.assert_valid()
        assert self.broker.journal.violations == []
        assert self.wires.alpaca.wrong == []


@contextmanager
def live_chats(folder: Path, broker: str = "alpaca", *sections: str) -> Iterator[LiveChats]:
    """A market in which the wheel finds a put, seconds before it is scanned; nothing fills by itself."""
    clock = FileClock(folder / "clock.json")
    clock.set(BEFORE_SCAN)
    with ExitStack() as stack:
        here = stack.enter_context(chats(folder))
        around = stack.enter_context(wires(clock))
        exchange = Exchange(clock)
        exchange.matching = False
        standin = stack.enter_context(AlpacaStandin(exchange))
        standin.routes = Listed(exchange, around)
        stream = stack.enter_context(AlpacaStream(exchange, KEY, SECRET))
        desk = f'[desk]\nbroker = "{broker}"\nuniverse = ["{TICKER}"]'
        config = here.configure(desk, '[data]\nsource = "live"', "[approvals]\nexpire_standard = 7200", *sections)
        made = LiveChats(here, around, standin, stream, clock, config)
        made.move(48.0)
        yield made
