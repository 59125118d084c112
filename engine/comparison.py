"""The broker beside the books, at one moment: positions, cash, open orders, and executions nobody here ordered.

Looking changes nothing. It costs three requests (account, positions, open orders); `unbooked` is a fourth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from engine import standing
from engine.desk import Desk
from engine.errors import NotFound
from engine.looks import CLOCK_SKEW
from engine.model.adoptions import AdoptionStatus
from engine.model.book import Holding
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.orders import Fill, Order, OrderStatus
from engine.store import UnitOfWork

CASH = "cash"
CASH_TOLERANCE = Decimal(5)
"""Dollars: estimated fees are trued up a day later, a cent at a time."""

LATE_EXPIRY = timedelta(days=4)
"""How long after an expiry the broker may report it: a long weekend, and the morning after."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which the two disagree, with both sides in words.

    `key` is a symbol, `cash` or an order's id. `is_moving`: an order is working on it, so that it may be nothing.
    """

    key: str
    broker: str
    desk: str
    is_moving: bool = False

    @property
    def text(self) -> str:
        return f"{self.broker} | {self.desk}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the broker said and what the books hold.

    Attributes:
        theirs: the broker's holdings. excess: signed quantity the broker holds beyond the books and what is ignored.
        moving: instruments an order is working on, or was a moment ago.
        cash: dollars the broker has more than the books. orders: differences in what is being worked.
        late: orders the broker works and the books call ended.
        awaited: options and shares whose expiry, assignment or exercise the broker has yet to report.
    """

    at: datetime
    theirs: Mapping[Instrument, Holding]
    excess: Mapping[Instrument, int]
    ours: Mapping[Instrument, int]
    moving: frozenset[Instrument]
    cash: Decimal
    broker_cash: Decimal
    is_moving: bool
    orders: tuple[Difference, ...] = ()
    late: tuple[Order, ...] = ()
    awaited: frozenset[Instrument] = frozenset()
    expired: frozenset[Instrument] = frozenset()

    def held(self, instrument: Instrument) -> int:
        """The broker's signed quantity."""
        return self.theirs[instrument].quantity if instrument in self.theirs else 0

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Everything that differs, positions by symbol first, then cash, then orders."""
        return (*self._positions(), *self._cash(), *self.orders)

    @property
    def agrees(self) -> bool:
        """Whether positions and cash are the same on both sides."""
        return not self.excess and abs(self.cash) <= CASH_TOLERANCE

    def _positions(self) -> Iterable[Difference]:
        for item in sorted(self.excess.keys() - self.expired, key=lambda item: item.symbol):
            hint = ", perhaps assigned or exercised: not reported yet" if item in self.awaited else ""
            ours, left = self.ours.get(item, 0), self.held(item) - self.excess[item] - self.ours.get(item, 0)
            known = f" and {left:+d} left alone" if left else ""
            yield Difference(
                item.symbol,
                f"{self.held(item):+d} × {item}{hint}",
                f"{ours:+d} × {item}{known}",
                item in self.moving,
            )

    def _cash(self) -> Iterable[Difference]:
        if abs(self.cash) > CASH_TOLERANCE:
            ours = self.broker_cash - self.cash
            yield Difference(CASH, f"cash {self.broker_cash:,.2f}", f"cash {ours:,.2f}", self.is_moving)


def compare(desk: Desk) -> Comparison:
    """The broker and the books now.

    Raises:
        BrokerUnavailable: the broker does not say.
    """
    start = desk.now()
    with desk.store.read() as work:
        moving = _moving(work)
    working = frozenset(desk.broker.open_orders())
    theirs = {holding.instrument: holding for holding in desk.broker.holdings()}
    cash = standing.refresh_account(desk).cash
    with desk.store.read() as work:
        moving |= _moving(work) | {fill.instrument for fill in work.fills(since=start - timedelta(seconds=1))}
        ours = held(work)
        excess = excess_of(work, theirs, ours)
        orders, late = _orders(work, working, start)
        book = work.totals().cash
    expired = frozenset(item for item in excess if _has_expired(desk, item, theirs))
    return Comparison(
        at=start,
        theirs=theirs,
        excess=excess,
        ours=ours,
        moving=frozenset(moving),
        cash=cash - book,
        broker_cash=cash,
        is_moving=bool(moving),
        orders=orders,
        late=late,
        awaited=_assigned(excess, ours),
        expired=expired,
    )


def held(work: UnitOfWork) -> Mapping[Instrument, int]:
    """Signed quantity of every instrument in the books."""
    total: Counter[Instrument] = Counter()
    for position in work.open_positions():
        for leg in position.legs:
            total[leg.instrument] += leg.quantity
    return {instrument: quantity for instrument, quantity in total.items() if quantity}


def ignored(work: UnitOfWork) -> Mapping[Instrument, int]:
    """Signed quantity of every instrument that somebody said to leave alone."""
    total: Counter[Instrument] = Counter()
    for adoption in work.adoptions(AdoptionStatus.IGNORED):
        for holding in adoption.held:
            total[holding.instrument] += holding.quantity
    return total


def excess_of(
    work: UnitOfWork, theirs: Mapping[Instrument, Holding], ours: Mapping[Instrument, int]
) -> Mapping[Instrument, int]:
    """Signed quantity the broker holds beyond the books and what is ignored; of an ignored holding less is no harm."""
    alone = ignored(work)
    found = {}
    for item in {*theirs, *ours}:
        there = theirs[item].quantity if item in theirs else 0
        beyond = there - ours.get(item, 0)
        spared = alone.get(item, 0)
        if beyond * spared > 0:
            beyond -= min(beyond, spared) if beyond > 0 else max(beyond, spared)
        if beyond:
            found[item] = beyond
    return found


def _moving(work: UnitOfWork) -> set[Instrument]:
    """What an order is working on; a net that rests at the broker is not at work."""
    return {leg.instrument for ticket in work.open_tickets() if not ticket.is_net for leg in ticket.legs}


def _orders(
    work: UnitOfWork, working: frozenset[str], start: datetime
) -> tuple[tuple[Difference, ...], tuple[Order, ...]]:
    """(differences between what the broker works and what the books call open, those it works beyond their end).

    All of them count as moving: an order may begin and end between two questions.
    """
    ours = {order.client_order_id: order for order in work.open_orders()}
    found, late = [], []
    for id in sorted(working - ours.keys()):
        order = _find(work, id)
        words = "no such order" if order is None else f"{id} is {order.status}"
        found.append(Difference(id, f"works the order {id}", words, is_moving=True))
        if order is not None:
            late.append(order)
    for id in sorted(ours.keys() - working):
        if ours[id].status is not OrderStatus.NEW and ours[id].created_at < start:
            found.append(Difference(id, f"does not work {id}", f"{id} is {ours[id].status}", is_moving=True))
    return tuple(found), tuple(late)


def _find(work: UnitOfWork, client_order_id: str) -> Order | None:
    try:
        return work.order(client_order_id)
    except NotFound:
        return None


def _has_expired(desk: Desk, item: Instrument, theirs: Mapping[Instrument, Holding]) -> bool:
    """Whether it is an option that is gone because its last day is over; the broker's report comes the day after."""
    if not isinstance(item, Option) or item in theirs:
        return False
    days = desk.sessions
    end = days.close(item.expiry) if days.is_session(item.expiry) else days.close(days.previous(item.expiry))
    return end <= desk.now() < end + LATE_EXPIRY


def _assigned(excess: Mapping[Instrument, int], ours: Mapping[Instrument, int]) -> frozenset[Instrument]:
    """Options of ours that are gone and the shares that came or went for them, contract for contract."""
    effect: Counter[str] = Counter()
    gone: dict[str, set[Instrument]] = {}
    for item, beyond in excess.items():
        if isinstance(item, Option) and beyond * ours.get(item, 0) < 0:
            sign = -1 if item.right is Right.CALL else 1
            effect[item.underlying] += sign * beyond * item.multiplier
            gone.setdefault(item.underlying, set()).add(item)
    found: set[Instrument] = set()
    for ticker, shares in effect.items():
        if shares and excess.get(Stock(ticker), 0) == shares:
            found |= {Stock(ticker), *gone[ticker]}
    return frozenset(found)


def unbooked(desk: Desk, since: datetime) -> tuple[Fill, ...]:
    """Executions at the broker at or after `since` that are in no position and belong to no order still worked here.

    Oldest first: by hand in the broker's own application, by the broker itself before an expiry, or of an order that
    was believed to be over.

    Raises:
        BrokerUnavailable: the broker does not say.
    """
    executions = desk.broker.fills(since - CLOCK_SKEW)
    with desk.store.read() as work:
        known = {fill.execution_id for fill in work.fills(since=since - 2 * CLOCK_SKEW)}
        ours = {order.client_order_id for order in work.open_orders()}
    return tuple(f for f in executions if f.execution_id not in known and f.client_order_id not in ours)
