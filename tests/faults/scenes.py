"""One cell of the fault matrix: a trade to open or to close, of one leg or two, over the pretended broker's wire.

A scene is prepared, armed with a fault, acted, and then lived through in steps of five seconds until it is quiet. What
it shows at the end is read from the broker's recorded requests and account, and compared with the books.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from engine import approvals, exits, orders
from engine.desk import Desk
from engine.errors import DeskError
from engine.model.book import Position
from engine.model.events import Event, Severity
from engine.model.instruments import Instrument, Right
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import Purpose, Ticket
from tests import make
from tests.desk import make_world, propose
from tests.faults.crash import book_differences, over_ordered
from tests.standins.alpaca import AlpacaStandin
from tests.standins.alpaca_book import OrderState
from tests.standins.alpaca_exchange import Exchange
from tests.wire import WireWorld, connected

D = Decimal
APPROVAL = "A00001"
UNITS = 2
STEP = 5
"""Seconds of desk time between two looks."""
HOLD, READ = 1.5, 1.0
"""Real seconds the broker keeps a slow answer, and the desk waits for one."""
Quotes = Mapping[Instrument, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Package:
    """A trade: its legs and limit, and the quotes at which it rests, trades, breaches its stop and is closed."""

    legs: tuple[Leg, ...]
    structure: Structure
    limit: Decimal
    exits: ExitPlan
    resting: Quotes
    trading: Quotes
    breached: Quotes
    closing: Quotes


def _single() -> Package:
    put = make.put()
    return Package(
        (Leg(put, -1),), Structure.SHORT_PUT, D("-1.03"), ExitPlan(stop=D("-2.06"), words=("Stop at 2.06.",)),
        resting={put: ("0.98", "1.08")}, trading={put: ("1.03", "1.08")},
        breached={put: ("2.18", "2.26")}, closing={put: ("2.12", "2.18")},
    )  # fmt: skip


def _spread() -> Package:
    short, long = make.option(50, Right.PUT), make.option(45, Right.PUT)
    return Package(
        (Leg(short, -1), Leg(long, 1)), Structure.CREDIT_SPREAD, D("-1.02"),
        ExitPlan(stop=D("-3.00"), words=("Stop at 3.00.",)),
        resting={short: ("1.97", "2.07"), long: ("0.95", "1.05")},
        trading={short: ("2.02", "2.07"), long: ("0.95", "1.00")},
        breached={short: ("3.97", "4.07"), long: ("0.75", "0.85")},
        closing={short: ("3.85", "3.90"), long: ("0.75", "0.85")},
    )  # fmt: skip


def _condor() -> Package:
    """The put spread and a call spread above it, sold as one order of four legs."""
    short, long = make.call(60, dte=38), make.call(65, dte=38)
    puts = _spread()
    return Package(
        (*puts.legs, Leg(short, -1), Leg(long, 1)), Structure.IRON_CONDOR, D("-1.52"), puts.exits,
        resting={**puts.resting, short: ("0.95", "1.05"), long: ("0.47", "0.53")},
        trading={**puts.trading, short: ("1.00", "1.05"), long: ("0.47", "0.50")},
        breached={**puts.breached, short: ("0.20", "0.30"), long: ("0.05", "0.15")},
        closing={**puts.closing, short: ("0.15", "0.20"), long: ("0.05", "0.15")},
    )  # fmt: skip


def _calendar() -> Package:
    """A put bought, an earlier one of the same strike sold: a debit of two expiries."""
    later, front = make.put(44, dte=37), make.put(44, dte=9)
    return Package(
        (Leg(later, 1), Leg(front, -1)), Structure.CALENDAR, D("1.02"),
        ExitPlan(stop=D("0.50"), words=("Stop at 0.50.",)),
        resting={later: ("2.99", "3.05"), front: ("1.97", "2.03")},
        trading={later: ("2.99", "3.02"), front: ("2.00", "2.03")},
        breached={later: ("2.38", "2.44"), front: ("2.02", "2.08")},
        closing={later: ("2.41", "2.44"), front: ("2.02", "2.05")},
    )  # fmt: skip


SINGLE, SPREAD, CONDOR, CALENDAR = _single(), _spread(), _condor(), _calendar()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a scene ended in.

    Attributes:
        traded: units of the trade that the broker executed. orders: how many orders it took, posts: how many requests.
        cancels: cancellation requests. alarms: urgent events. note: why the ticket ended. problems: what is wrong.
    """

    traded: int
    is_open: bool
    orders: int
    posts: int
    cancels: int
    alarms: int
    note: str
    problems: tuple[str, ...]


@dataclass
class Scene:
    """The desk, the broker's other side, and what is being traded; `started` is the request it began with."""

    wire: WireWorld
    package: Package
    is_exit: bool
    started: int = 0
    seen: int = 0
    placed: int = 0
    quoted: dict[Instrument, tuple[str, str]] = field(default_factory=dict)
    refused: str = ""

    @property
    def desk(self) -> Desk:
        return self.wire.desk

    @property
    def standin(self) -> AlpacaStandin:
        return self.wire.standin

    @property
    def exchange(self) -> Exchange:
        return self.wire.exchange

    @property
    def is_package(self) -> bool:
        return len(self.package.legs) > 1

    def quote(self, quotes: Quotes) -> None:
        """What the desk sees; what it saw before is seen again, fresh."""
        self.quoted |= {**quotes, make.share(): ("47.99", "48.01")}
        for item, (bid, ask) in self.quoted.items():
            self.wire.market.set_quote(item, bid, ask)

    def trade_at(self, quotes: Quotes) -> None:
        """What the exchange trades at from now on."""
        for item, (bid, ask) in quotes.items():
            self.exchange.quote(item.symbol, bid, ask)

    def prepare(self) -> None:
        """The proposal; for an exit its position too, opened without trouble."""
        self.quote(self.package.resting)
        self.trade_at(self.package.resting)
        loss = D(4297) if self.package.structure is Structure.SHORT_PUT else D(400)
        collateral = D(4400) if self.package.structure is Structure.SHORT_PUT else D(0)
        signal = make.signal(
            legs=self.package.legs, structure=self.package.structure, limit=self.package.limit,
            natural=self.package.limit + D("0.05"), exits=self.package.exits,
            outlook=make.outlook(max_loss=loss, collateral=collateral),
        )  # fmt: skip
        expires = self.wire.clock() + timedelta(minutes=5)
        propose(self.wire, plan=make.plan(signal, UNITS), expires_at=expires)
        if self.is_exit:
            self._open_position()
        self.started = len(self.standin.journal.requests)
        self.placed = len(self.exchange.orders)
        with self.wire.store.read() as work:
            self.seen = len(work.events(limit=10_000))

    def _open_position(self) -> None:
        approvals.approve(self.desk, APPROVAL, 1, "ann")
        self.trade_at(self.package.trading)
        orders.reconcile(self.desk)
        with self.wire.store.read() as work:
            (position,) = work.open_positions()
        if position.units != UNITS:
            raise RuntimeError(f"the position was not opened: {position}")

    def act(self) -> None:
        """Tap Approve, or let the stop be breached by two quotes; a refusal in words is kept."""
        try:
            if not self.is_exit:
                approvals.approve(self.desk, APPROVAL, 1, "ann")
                return
            self.trade_at(self.package.breached)
            for _ in range(2):
                self.quote(self.package.breached)
                exits.supervise(self.desk)
                self.wire.clock.advance(10)
            self.quote(self.package.breached)
        except DeskError as told:
            self.refused = str(told)

    def look(self) -> None:
        """One look of the desk's loops, five seconds later; what fails is what the loops would tell."""
        self.wire.clock.advance(STEP)
        self.quote({})
        for step in (orders.send_due, orders.reconcile, orders.work, exits.supervise):
            try:
                step(self.desk)
            except DeskError as told:
                self.refused = str(told)

    def live(self, looks: int) -> None:
        """So many looks."""
        for _ in range(looks):
            self.look()

    def live_until_placed(self, looks: int) -> None:
        """Look until an order is at the broker, at most so many times."""
        for _ in range(looks):
            if self.mine:
                return
            self.look()

    def let_trade(self) -> None:
        """The exchange reaches the order's price."""
        self.trade_at(self.package.closing if self.is_exit else self.package.trading)

    @property
    def mine(self) -> list[OrderState]:
        """The orders of this scene at the broker, nets apart."""
        return [order for order in self.exchange.orders[self.placed :] if ".net." not in order.client_order_id]

    @property
    def latest(self) -> OrderState:
        """The newest order of this scene."""
        return self.mine[-1]

    def sent(self, method: str) -> list[Any]:
        """The requests of one method since the scene began."""
        return [seen for seen in self.standin.journal.requests[self.started :] if seen.method == method]

    def events(self) -> tuple[Event, ...]:
        """What happened since the scene began."""
        with self.wire.store.read() as work:
            return work.events(limit=10_000)[self.seen :]

    def tickets(self) -> tuple[Ticket, ...]:
        """The decisions of this scene, first to last."""
        with self.wire.store.read() as work:
            every = work.tickets(limit=50)
        wanted = Purpose.EXIT if self.is_exit else Purpose.ENTRY
        return tuple(reversed([t for t in every if t.purpose is wanted and not t.is_net]))

    def shown(self) -> Shown:
        """What came of it."""
        with self.wire.store.read() as work:
            positions = work.open_positions()
            cash = work.book().cash
        tickets = self.tickets()
        return Shown(
            traded=sum(order.filled for order in self.mine if _is_ours(order)),
            is_open=any(ticket.is_open for ticket in tickets),
            orders=len([order for order in self.mine if _is_ours(order)]),
            posts=len([seen for seen in self.sent("POST") if seen.path == "/v2/orders"]),
            cancels=len(self.sent("DELETE")),
            alarms=sum(event.severity is Severity.URGENT for event in self.events()),
            note=tickets[-1].note if tickets else self.refused,
            problems=(*self._problems(positions, cash, tickets), *self._wire_problems()),
        )

    def _problems(self, positions: tuple[Position, ...], cash: Decimal, tickets: tuple[Ticket, ...]) -> Iterator[str]:
        yield from book_differences(positions, self.exchange)
        if cash != self.exchange.cash:
            yield f"cash: broker {self.exchange.cash}, books {cash}"
        for ticket in tickets:
            yield from over_ordered(ticket, self.exchange)
        yield from self.standin.journal.violations

    def _wire_problems(self) -> Iterator[str]:
        """Every order request of the scene against what was intended: signs, contracts per leg, limits only."""
        ratios = {leg.instrument.symbol: leg.ratio * (-1 if self.is_exit else 1) for leg in self.package.legs}
        for seen in self.sent("POST"):
            if seen.path != "/v2/orders" or ".net." in seen.body["client_order_id"]:
                continue
            body = seen.body
            legs = body.get("legs") or [body]
            for leg in legs:
                wanted = "buy" if ratios[leg["symbol"]] > 0 else "sell"
                if leg["side"] != wanted:
                    yield f"{body['client_order_id']}: {leg['side']} {leg['symbol']}, {wanted} was intended"
                if int(leg.get("ratio_qty", 1)) != abs(ratios[leg["symbol"]]):
                    yield f"{body['client_order_id']}: ratio {leg.get('ratio_qty')}"
            if not 1 <= int(body["qty"]) <= UNITS:
                yield f"{body['client_order_id']}: {body['qty']} units of {UNITS}"
            yield from self._price_problems(body)

    def _price_problems(self, body: Mapping[str, Any]) -> Iterator[str]:
        if body["type"] != "limit":
            yield f"{body['client_order_id']}: an option order of type {body['type']}"
            return
        price = D(body["limit_price"])
        is_received = self.is_package and (self.package.limit < 0) is not self.is_exit
        if (price < 0) is not is_received:
            yield f"{body['client_order_id']}: limit {price} has the wrong sign"
        if self.is_package and abs(price) > 5:
            yield f"{body['client_order_id']}: limit {price} is beyond the width"


def _is_ours(order: OrderState) -> bool:
    return order.client_order_id.startswith(("A0", "P0"))


@contextmanager
def scene(package: Package, *, is_exit: bool) -> Iterator[Scene]:
    """A scene that is prepared and not acted yet."""
    with connected(make_world(), hold=HOLD, read=READ) as wire:
        made = Scene(wire, package, is_exit)
        made.prepare()
        yield made
