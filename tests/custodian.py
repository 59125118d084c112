"""A broker whose holdings and cash follow from its executions, and an account in which other hands trade too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import Any

from bot.bulkheads import inline
from bot.command import Room
from bot.people import People, Role, User
from engine.model.book import Account, Holding
from engine.model.instruments import Instrument
from engine.model.orders import Fill
from tests import make
from tests.bot.rooms import PEOPLE, Visit
from tests.desk import FakeBroker, make_world

TWO_ADMINS = People((*PEOPLE.users, User("eve", Role.ADMIN, ("web:eve",))))


@dataclass
class Custodian(FakeBroker):
    """`moved` came without a trade (average price by instrument); `strange` are orders nobody here sent."""

    moved: dict[Instrument, Holding] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    wired: Decimal = Decimal(0)
    asked: Counter[str] = field(default_factory=Counter)
    """How often each question was asked."""

    def holdings(self) -> tuple[Holding, ...]:
        self.asked["holdings"] += 1
        total: Counter[Instrument] = Counter()
        price: dict[Instrument, Decimal] = {}
        for fill in self.executions:
            total[fill.instrument] += fill.quantity
            price[fill.instrument] = fill.price
        for holding in self.moved.values():
            total[holding.instrument] += holding.quantity
            price.setdefault(holding.instrument, holding.average)
        found = (Holding(item, quantity, price[item]) for item, quantity in total.items() if quantity)
        return tuple(sorted(found, key=lambda holding: holding.instrument.symbol))

    def account(self) -> Account:
        self.asked["account"] += 1
        cash = self.cash + self.wired + sum((fill.cash - fill.fee for fill in self.executions), Decimal(0))
        return replace(super().account(), cash=cash)

    def open_orders(self) -> tuple[str, ...]:
        self.asked["open orders"] += 1
        return (*super().open_orders(), *self.strange)

    def fills(self, since: Any) -> tuple[Fill, ...]:
        self.asked["fills"] += 1
        return super().fills(since)

    def activities(self, since: Any) -> Any:
        self.asked["activities"] += 1
        return super().activities(since)

    def move(self, instrument: Instrument, quantity: int, average: make.Money = 0) -> None:
        """So much of it is held without ever having been traded here; 0 takes it away."""
        self.moved[instrument] = Holding(instrument, quantity, make.D(average))

    def by_hand(self, instrument: Instrument, quantity: int, price: make.Money) -> None:
        """Somebody trades in the broker's own application."""
        number = len(self.executions) + 1
        fill = make.fill(instrument, quantity, price, f"hand{number}", 0, self.clock(), f"hand-order-{number}")
        self.executions.append(fill)


@dataclass
class Kept(Visit):
    """A visit to a desk at a custodian."""

    broker: Custodian = field(kw_only=True)


def kept(**more: Any) -> Kept:
    """A room with the usual three people and a second admin in it, on a desk whose broker is a custodian."""
    world = make_world(**more)
    broker = Custodian(clock=world.clock)
    world = replace(world, broker=broker, desk=replace(world.desk, broker=broker))
    return Kept(world, Room(world.desk, TWO_ADMINS, inline, lambda: "PAPER"), count(1), broker=broker)
