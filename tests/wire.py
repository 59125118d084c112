"""The desk over a real connection: the Alpaca adapter, the pretended account, a market and a clock set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import stamina

from engine import approvals, orders
from engine.brokers.alpaca import AlpacaBroker
from engine.model.book import Position
from engine.model.instruments import Instrument
from engine.model.orders import Ticket
from engine.transport import Timeouts
from tests import make
from tests.desk import World, make_world, propose
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange

CLOSE, SUBMIT = ("DELETE", "/v2/orders/"), ("POST", "/v2/orders")


@dataclass
class WireWorld(World):
    """The world of `tests.desk` with Alpaca's adapter for its broker, and the account on the other side."""

    broker: AlpacaBroker  # type: ignore[assignment]
    standin: AlpacaStandin

    @property
    def exchange(self) -> Exchange:
        return self.standin.exchange

    def hold(self, position: Position) -> None:
        """Put a position into the books and into the account."""
        for leg in position.legs:
            self.exchange.hold(leg.instrument.symbol, leg.quantity, leg.average)
        with self.store.begin() as work:
            work.save_position(position)

    def quote(self, instrument: Instrument, bid: make.Money, ask: make.Money, size: int | None = None) -> None:
        """What the desk sees and what the exchange trades at."""
        self.market.set_quote(instrument, bid, ask)
        self.exchange.quote(instrument.symbol, make.D(bid), make.D(ask), size)

    def quote_all(self, bid: str = "0.98", ask: str = "1.08") -> None:
        self.quote(make.put(), bid, ask)
        self.quote(make.share(), "47.99", "48.01")

    def approve(self, id: str = "A00001", **more: Any) -> None:
        propose(self, id=id, **more)
        approvals.approve(self.desk, id, 1, "ann")

    def go_on(self, seconds: float = 15) -> None:
        """Time passes, and the desk looks after its orders."""
        self.clock.advance(seconds)
        orders.reconcile(self.desk)
        orders.work(self.desk)

    def ticket(self, id: str = "A00001.1") -> Ticket:
        with self.store.read() as work:
            return work.ticket(id)

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
def connected(world: World, hold: float = 2.0, read: float = 1.0) -> Iterator[WireWorld]:
    """The world with an account of 100,000 in its broker's place.

    `hold`: real seconds the broker keeps a slow answer; `read`: those the desk waits for one.
    """
    with AlpacaStandin(Exchange(world.clock), hold=hold) as standin, stamina.set_testing(True, attempts=3, cap=True):
        alpaca = AlpacaBroker(KEY, SECRET, url_override=standin.url, timeouts=Timeouts(10.0, read, 15.0))
        desk = replace(world.desk, broker=alpaca)
        yield WireWorld(desk, alpaca, world.market, world.clock, world.store, standin)
        alpaca.close()


@contextmanager
def wire_world() -> Iterator[WireWorld]:
    """Monday 15 June 2026, 10:00 New York; nothing trades until a quote or `exchange.fill` says so.

    Afterwards the wire has kept to Alpaca's published schemas.
    """
    with connected(make_world()) as made:
        made.exchange.matching = False
        made.quote_all()
        yield made
    assert made.standin.journal.violations == []


@contextmanager
def trading_world(*positions: Position, **more: Any) -> Iterator[WireWorld]:
    """As `wire_world`, with positions that both sides hold and an exchange that trades whatever its quotes reach."""
    with connected(make_world(**more), hold=3.0, read=10.0) as made:
        for position in positions:
            made.hold(position)
        yield made
    assert made.standin.journal.violations == []
