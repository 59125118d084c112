"""The paper exchange on a market, a clock, a tape of corporate actions and a journal, all set by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from engine.brokers.paper import PaperBroker
from engine.brokers.paper_days import CorporateActions
from engine.brokers.paper_state import Journal
from engine.model.instruments import Instrument, Option
from engine.model.legs import Leg
from engine.model.limits import Costs
from engine.model.orders import Order
from engine.sessions import Sessions
from tests import make
from tests.fakes import FakeActions, FakeClock, FakeMarket, MemoryJournal

D = Decimal
FRIDAY = date(2026, 7, 17)
"""A monthly expiry, five weeks after the Monday of `make`."""


class Exchange:
    """A paper broker and everything it looks at."""

    def __init__(self, cash: str = "100000", told: bool = True, costs: Costs | None = None) -> None:
        self.clock = FakeClock()
        self.market = FakeMarket(self.clock)
        self.actions = FakeActions()
        self.journal: Journal = MemoryJournal()
        self.costs = costs or Costs()
        self.told: CorporateActions | None = self.actions if told else None
        self.broker = self.restart(cash)
        self.today = make.TODAY
        self.start = make.NOW - timedelta(minutes=1)
        self._count = 0

    def restart(self, cash: str = "100000") -> PaperBroker:
        """The exchange of a new process, from the journal of the old one."""
        self.broker = PaperBroker(self.market, self.clock, Sessions(), self.costs, D(cash), self.journal, self.told)
        return self.broker

    def set_quote(self, instrument: Instrument, bid: str, ask: str, size: int = 0) -> None:
        self.clock.advance(1)
        self.market.set_quote(instrument, bid, ask, size)

    def advance(self) -> None:
        self.clock.advance(1)
        self.broker.advance()

    def submit(
        self, legs: Sequence[Leg], limit: str | None, quantity: int = 1, opening: bool = True, **more: object
    ) -> Order:
        """An order under the next free id."""
        self._count += 1
        order = make.order(legs, limit, quantity, opening, f"T{self._count:03d}.1", **more)
        return self.broker.submit(order)

    def trade(self, instrument: Instrument, quantity: int, price: str, opening: bool = True) -> Order:
        """Buy or sell at exactly `price`: on a quote without a spread."""
        limit = D(price) if quantity > 0 else -D(price)
        worst = (limit * D("1.1")).quantize(D("0.01")) if quantity > 0 else (limit * D("0.9")).quantize(D("0.01"))
        leg = Leg(instrument, 1 if quantity > 0 else -1)
        order = self.submit([leg], str(worst), abs(quantity), opening)
        self.set_quote(instrument, price, price)
        self.advance()
        return self.known(order)

    def known(self, order: Order) -> Order:
        found = self.broker.find(order)
        assert found is not None
        return found

    def after_close(self, day: date) -> None:
        """A minute after a regular close."""
        self.clock.set(datetime(day.year, day.month, day.day, 20, 1, tzinfo=UTC))
        self.broker.advance()

    def at_open(self, day: date) -> None:
        """A minute after a regular open."""
        self.clock.set(datetime(day.year, day.month, day.day, 13, 31, tzinfo=UTC))
        self.broker.advance()

    @property
    def held(self) -> dict[Instrument, int]:
        return {holding.instrument: holding.quantity for holding in self.broker.holdings()}

    @property
    def cash(self) -> Decimal:
        return self.broker.account().cash


def put(strike: str = "44", expiry: date = FRIDAY) -> Option:
    return make.put(strike, expiry=expiry)


def call(strike: str = "50", expiry: date = FRIDAY) -> Option:
    return make.call(strike, expiry=expiry)
