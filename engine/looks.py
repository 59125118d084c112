"""Looking open orders up at the broker, with as few questions as it takes: it answers so many a minute and no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from engine import fills
from engine.desk import Desk
from engine.model.orders import Fill, Order, OrderStatus, OrderType, Purpose

UNSENT_GRACE = timedelta(seconds=10)
"""A NEW order put on the wire more recently is probably being sent by another thread right now."""

RESTING_LOOKED = "resting:looked"
"""Setting: when the resting stops were last looked up."""

RESTING_LOOK = timedelta(seconds=15)
"""How often resting stops are looked up."""

CLOCK_SKEW = timedelta(minutes=5)
"""The broker's clock may be behind ours: executions are asked for from this much earlier; their ids tell repeats."""

State = tuple[OrderStatus, str | None, int, str]


def unfinished(desk: Desk, purpose: Purpose | None) -> tuple[Order, ...]:
    """Every open order (of one purpose)."""
    with desk.store.read() as work:
        return tuple(order for order in work.open_orders() if purpose in (None, _purpose_of(order)))


def due(desk: Desk, purpose: Purpose | None) -> tuple[Order, ...]:
    """The open orders (of one purpose) to look up now."""
    now = desk.now()
    settled = tuple(
        order
        for order in unfinished(desk, purpose)
        if order.status is not OrderStatus.NEW or now - (order.sent_at or order.created_at) >= UNSENT_GRACE
    )
    if _is_time_for_resting(desk, any(_is_resting(order) for order in settled)):
        return settled
    return tuple(order for order in settled if not _is_resting(order))


def _is_resting(order: Order) -> bool:
    """Whether it is a stop that nothing has happened to as far as we know: it may stay so for months."""
    return order.type is OrderType.STOP and order.status is OrderStatus.ACCEPTED


def _is_time_for_resting(desk: Desk, has_resting: bool) -> bool:
    """Whether resting stops are due to be looked up."""
    if not has_resting:
        return False
    now = desk.now()
    with desk.store.begin() as work:
        looked = work.setting(RESTING_LOOKED)
        if looked and now - datetime.fromisoformat(looked) < RESTING_LOOK:
            return False
        work.set_setting(RESTING_LOOKED, now.isoformat(), "desk", now)
    return True


def _purpose_of(order: Order) -> Purpose:
    return Purpose.ENTRY if order.opening else Purpose.EXIT


def state(order: Order) -> State:
    """What a look can change about an order; two of the same state need no booking."""
    return order.status, order.broker_id, order.filled, order.error


class Look:
    """What the broker says of these orders: those it works in one question, their executions in another.

    Only an order that it does not work any more is asked for alone.

    Raises:
        BrokerUnavailable: it does not say what it works.
    """

    def __init__(self, desk: Desk, orders: Sequence[Order]) -> None:
        self._broker = desk.broker
        self._working = desk.broker.working(orders) if len(orders) > 1 else {}
        moved = (order.created_at for order in orders if self._has_moved(order))
        self._since = min(moved, default=desk.now()) - CLOCK_SKEW
        self._read: tuple[Fill, ...] = ()

    def _has_moved(self, order: Order) -> bool:
        """Whether there may be executions to book: the broker has more of it filled, or does not work it any more."""
        known = self._working.get(order.client_order_id)
        return known is None or known.filled > order.filled

    def known(self, order: Order) -> Order | None:
        """The order as the broker has it, None when it was never placed."""
        return self._working.get(order.client_order_id) or self._broker.find(order)

    def executions(self, known: Order) -> tuple[Fill, ...]:
        """Those of one order, read again when the ones read before do not make up what it has filled."""
        if fills.units_of(known.legs, self._of(known)) < known.filled:
            self._read = self._broker.fills(self._since)
        return self._of(known)

    def _of(self, order: Order) -> tuple[Fill, ...]:
        return tuple(fill for fill in self._read if fill.client_order_id == order.client_order_id)
