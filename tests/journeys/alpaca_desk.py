"""A desk whose broker is Alpaca's adapter on the stand-in's wire, with positions that both sides hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import stamina

from engine.brokers.alpaca import AlpacaBroker
from engine.desk import Desk
from engine.model.book import Position
from engine.model.instruments import Instrument
from tests import make
from tests.desk import World, make_world
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange


@dataclass
class WireWorld:
    """The world of `tests.desk` with the stand-in in the broker's place."""

    world: World
    desk: Desk
    standin: AlpacaStandin

    @property
    def exchange(self) -> Exchange:
        return self.standin.exchange

    def quote(self, item: Instrument, bid: make.Money, ask: make.Money) -> None:
        """The same quote for the desk and for the exchange."""
        self.world.market.set_quote(item, bid, ask)
        self.exchange.quote(item.symbol, make.D(bid), make.D(ask))

    def posted(self) -> list[dict[str, Any]]:
        """The orders received, as they were sent."""
        return [seen.body for seen in self.standin.journal.sent("POST", "/v2/orders")]


@contextmanager
def alpaca_world(*positions: Position, **more: Any) -> Iterator[WireWorld]:
    """At 10:00 on Monday 15 June 2026; afterwards the wire has kept to Alpaca's published schemas."""
    world = make_world(**more)
    with AlpacaStandin(Exchange(world.clock), hold=3.0) as standin, stamina.set_testing(True, attempts=3, cap=True):
        broker = AlpacaBroker(KEY, SECRET, url_override=standin.url)
        for position in positions:
            hold(world, standin, position)
        yield WireWorld(world, replace(world.desk, broker=broker), standin)
        broker.close()
        assert standin.journal.violations == []


def hold(world: World, standin: AlpacaStandin, position: Position) -> None:
    """Put a position into the books and into the account."""
    for leg in position.legs:
        standin.exchange.hold(leg.instrument.symbol, leg.quantity, leg.average)
    with world.store.begin() as work:
        work.save_position(position)
