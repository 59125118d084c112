"""The desk over a real connection: the Alpaca adapter, the pretended account, a market and a clock set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import stamina

from engine import approvals, orders
from engine.brokers.alpaca import AlpacaBroker
from engine.brokers.alpaca_http import Timeouts
from engine.desk import Desk
from engine.model.events import Event, EventKind
from engine.model.instruments import Instrument
from engine.model.orders import Ticket
from engine.store import Store
from tests import make
from tests.desk import make_world, propose
from tests.fakes import FakeClock, FakeMarket
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange

CLOSE, SUBMIT = ("DELETE", "/v2/orders/"), ("POST", "/v2/orders")


@dataclass
class WireWorld:
    """The desk, its broker's other side, and the handles a test turns."""

    desk: Desk
    alpaca: AlpacaBroker
    standin: AlpacaStandin
    market: FakeMarket
    clock: FakeClock
    store: Store

    @property
    def exchange(self) -> Exchange:
        return self.standin.exchange

    def quote(self, instrument: Instrument, bid: str, ask: str, size: int | None = None) -> None:
        """What the desk sees and what the exchange trades at."""
        self.market.set_quote(instrument, bid, ask)
        self.exchange.quote(instrument.symbol, bid, ask, size)

    def quote_all(self, bid: str = "0.98", ask: str = "1.08") -> None:
        self.quote(make.put(), bid, ask)
        self.quote(make.share(), "47.99", "48.01")

    def approve(self, id: str = "A00001", **more: Any) -> None:
        propose(self, id=id, **more)  # type: ignore[arg-type]
        approvals.approve(self.desk, id, 1, "ann")

    def go_on(self, seconds: float = 15) -> None:
        """Time passes, and the desk looks after its orders."""
        self.clock.advance(seconds)
        orders.reconcile(self.desk)
        orders.work(self.desk)

    def ticket(self, id: str = "A00001.1") -> Ticket:
        with self.store.read() as work:
            return work.ticket(id)

    def events(self, kind: EventKind) -> list[Event]:
        with self.store.read() as work:
            return [event for event in work.events() if event.kind is kind]

    @property
    def placed(self) -> list[str]:
        """The client_order_id of every order the account has, in order."""
        return [order.client_order_id for order in self.exchange.orders]

    @property
    def open(self) -> list[str]:
        return [order.client_order_id for order in self.exchange.orders if order.is_open]

    @property
    def posted(self) -> list[dict[str, Any]]:
        """The body of every order request."""
        return [dict(seen.body) for seen in self.standin.journal.sent(*SUBMIT)]

    @property
    def cancels(self) -> int:
        return len(self.standin.journal.sent(*CLOSE))


@contextmanager
def wire_world() -> Iterator[WireWorld]:
    """Monday 15 June 2026, 10:00 New York; nothing trades until a quote or `exchange.fill` says so."""
    world = make_world()
    exchange = Exchange(world.clock, Decimal(100_000))
    exchange.matching = False
    with AlpacaStandin(exchange, hold=2.0) as standin, stamina.set_testing(True, attempts=3, cap=True):
        alpaca = AlpacaBroker(KEY, SECRET, url_override=standin.url, timeouts=Timeouts(10.0, 1.0, 15.0))
        made = WireWorld(replace(world.desk, broker=alpaca), alpaca, standin, world.market, world.clock, world.store)
        made.quote_all()
        yield made
        alpaca.close()
    assert standin.journal.violations == []
