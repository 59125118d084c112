"""Tickets (table `orders`), the orders made from them (table `attempts`), their fills, and other activities."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select, union, union_all, update
from sqlalchemy.sql.base import Executable

from engine.codec import dump, load_frozen
from engine.errors import AlreadyDecided, NotFound
from engine.model.orders import Activity, Fill, Order, Purpose, Ticket
from engine.schema.tables import activities, attempts, fills, orders, positions
from engine.store.work import Params, Queries

_TICKET = select(orders.c.body).where(orders.c.id == bindparam("id_"))
OPEN_TICKETS = select(orders.c.body).where(orders.c.status == "working").order_by(orders.c.id)
_EVERY_TICKET = select(orders.c.body).order_by(orders.c.created_at.desc(), orders.c.id.desc())
_TICKETS = _EVERY_TICKET.limit(bindparam("limit_"))
_TICKETS_OF = _EVERY_TICKET.where(orders.c.position_id == bindparam("position_"))
_IN_PLAY = union(
    select(positions.c.ticker).where(positions.c.status == "open"),
    select(orders.c.ticker).where(orders.c.status == "working").where(orders.c.purpose == Purpose.ENTRY.value),
)
_SAVE_TICKET = (
    update(orders)
    .where(orders.c.id == bindparam("id_"))
    .values(status=bindparam("status_"), send_after=bindparam("send_after_"), body=bindparam("body_"))
)
_ORDER = select(attempts.c.body).where(attempts.c.client_order_id == bindparam("id_"))
_WITH_TICKET = (
    select(attempts.c.body, orders.c.body)
    .join_from(attempts, orders, attempts.c.order_id == orders.c.id)
    .where(attempts.c.client_order_id == bindparam("id_"))
)
_FIRST_ORDERS = (
    select(orders.c.body, attempts.c.body)
    .join_from(orders, attempts, attempts.c.client_order_id == orders.c.id + ".1")
    .where(orders.c.purpose == Purpose.ENTRY.value)
    .where(orders.c.created_at >= bindparam("since_"))
    .order_by(orders.c.created_at, orders.c.id)
)
_TRADED_AS = union_all(
    select(positions.c.id).where(positions.c.id == bindparam("id_")),
    select(orders.c.position_id).where(orders.c.position_id == bindparam("id_")),
).limit(1)
_ORDERS = (
    select(attempts.c.body)
    .where(attempts.c.order_id == bindparam("id_"))
    .order_by(attempts.c.created_at, attempts.c.client_order_id)
)
_OPEN_ORDERS = select(attempts.c.body).where(attempts.c.is_open).order_by(attempts.c.client_order_id)
_RECENT_ORDERS = (
    select(attempts.c.body)
    .order_by(attempts.c.created_at.desc(), attempts.c.client_order_id.desc())
    .limit(bindparam("limit_"))
)
_SAVE_ORDER = (
    update(attempts)
    .where(attempts.c.client_order_id == bindparam("id_"))
    .values(
        status=bindparam("status_"),
        is_open=bindparam("is_open_"),
        broker_id=bindparam("broker_id_"),
        body=bindparam("body_"),
    )
)
_FILLS = select(fills.c.body).order_by(fills.c.at, fills.c.execution_id)
_FILLS_THAT = {
    "position_": fills.c.position_id == bindparam("position_"),
    "since_": fills.c.at >= bindparam("since_", type_=fills.c.at.type),
    "order_": fills.c.client_order_id == bindparam("order_"),
}
_SEEN = select(activities.c.id).where(activities.c.id == bindparam("id_"))
_ACTIVITIES = (
    select(activities.c.body).where(activities.c.at >= bindparam("since_")).order_by(activities.c.at, activities.c.id)
)


@cache
def _fills_that(names: tuple[str, ...]) -> Executable:
    """Executions inside the conditions of these names; built once, for building costs more than running it."""
    return _FILLS.where(*(_FILLS_THAT[name] for name in names))


class Orders(Queries):
    """From the decision to trade to what the broker did."""

    __slots__ = ()

    def add_ticket(self, ticket: Ticket) -> None:
        """Store a new decision to trade.

        Raises:
            AlreadyDecided: one with this id is there.
        """
        row = {
            "id": ticket.id,
            "status": ticket.status.value,
            "purpose": ticket.purpose.value,
            "strategy": ticket.strategy,
            "ticker": ticket.ticker,
            "position_id": ticket.position_id,
            "approval_id": ticket.approval_id,
            "created_at": ticket.created_at,
            "send_after": ticket.send_after,
            "body": dump(ticket),
        }
        if not self._insert_new(orders, row):
            raise AlreadyDecided(f"Order {ticket.id} exists already.")

    def save_ticket(self, ticket: Ticket) -> None:
        """Store a changed ticket.

        Raises:
            NotFound: it was never added.
        """
        params = {
            "id_": ticket.id,
            "status_": ticket.status.value,
            "send_after_": ticket.send_after,
            "body_": dump(ticket),
        }
        if not self._write(_SAVE_TICKET, params):
            raise NotFound(f"There is no order {ticket.id}.")

    def ticket(self, id: str) -> Ticket:
        """One ticket.

        Raises:
            NotFound: there is none of this id.
        """
        found = self.find_ticket(id)
        if found is None:
            raise NotFound(f"There is no order {id}.")
        return found

    def find_ticket(self, id: str) -> Ticket | None:
        """One ticket, None when there is none of this id."""
        row = self._row(_TICKET, {"id_": id})
        return None if row is None else load_frozen(Ticket, row[0])

    def open_tickets(self) -> tuple[Ticket, ...]:
        """Everything being worked, by id."""
        return self._tickets(OPEN_TICKETS)

    def names_in_play(self) -> frozenset[str]:
        """The underlyings of everything held and of every entry being worked."""
        return frozenset(row[0] for row in self._rows(_IN_PLAY))

    def tickets(self, limit: int = 50) -> tuple[Ticket, ...]:
        """The latest tickets, newest first."""
        return self._tickets(_TICKETS, {"limit_": limit})

    def tickets_of(self, position_id: str) -> tuple[Ticket, ...]:
        """Every ticket of a position, newest first."""
        return self._tickets(_TICKETS_OF, {"position_": position_id})

    def _tickets(self, statement: Any, params: Params | None = None) -> tuple[Ticket, ...]:
        return tuple(load_frozen(Ticket, row[0]) for row in self._rows(statement, params))

    def add_order(self, order: Order) -> None:
        """Store a new order before it is sent.

        Raises:
            AlreadyDecided: its client_order_id is taken.
        """
        row = {
            "client_order_id": order.client_order_id,
            "order_id": order.ticket_id,
            "status": order.status.value,
            "is_open": order.is_open,
            "broker_id": order.broker_id,
            "created_at": order.created_at,
            "body": dump(order),
        }
        if not self._insert_new(attempts, row):
            raise AlreadyDecided(f"Order {order.client_order_id} exists already.")

    def save_order(self, order: Order) -> None:
        """Store a changed order.

        Raises:
            NotFound: it was never added.
        """
        params = {
            "id_": order.client_order_id,
            "status_": order.status.value,
            "is_open_": order.is_open,
            "broker_id_": order.broker_id,
            "body_": dump(order),
        }
        if not self._write(_SAVE_ORDER, params):
            raise NotFound(f"There is no order {order.client_order_id}.")

    def order(self, client_order_id: str) -> Order:
        """One order.

        Raises:
            NotFound: there is none of this client_order_id.
        """
        row = self._row(_ORDER, {"id_": client_order_id})
        if row is None:
            raise NotFound(f"There is no order {client_order_id}.")
        return load_frozen(Order, row[0])

    def order_with_ticket(self, client_order_id: str) -> tuple[Order, Ticket]:
        """One order and the ticket it was made from.

        Raises:
            NotFound: there is none of this client_order_id.
        """
        row = self._row(_WITH_TICKET, {"id_": client_order_id})
        if row is None:
            raise NotFound(f"There is no order {client_order_id}.")
        return load_frozen(Order, row[0]), load_frozen(Ticket, row[1])

    def first_orders(self, since: datetime) -> tuple[tuple[Ticket, Order], ...]:
        """Every entry decided at or after `since` of which an order was made, with its first one, oldest first."""
        rows = self._rows(_FIRST_ORDERS, {"since_": since})
        return tuple((load_frozen(Ticket, ticket), load_frozen(Order, order)) for ticket, order in rows)

    def is_position_id(self, id: str) -> bool:
        """Whether a position has this id, or an order that may still become one."""
        return self._row(_TRADED_AS, {"id_": id}) is not None

    def orders(self, ticket_id: str) -> tuple[Order, ...]:
        """The orders of one ticket, first to last."""
        return self._orders(_ORDERS, {"id_": ticket_id})

    def open_orders(self) -> tuple[Order, ...]:
        """Every order that is not at its end, by client_order_id."""
        return self._orders(_OPEN_ORDERS)

    def recent_orders(self, limit: int = 50) -> tuple[Order, ...]:
        """The latest orders, newest first."""
        return self._orders(_RECENT_ORDERS, {"limit_": limit})

    def _orders(self, statement: Any, params: Params | None = None) -> tuple[Order, ...]:
        return tuple(load_frozen(Order, row[0]) for row in self._rows(statement, params))

    def add_fill(self, fill: Fill, position_id: str) -> bool:
        """Store an execution; False when its id is known already (nothing is written)."""
        row = {
            "execution_id": fill.execution_id,
            "client_order_id": fill.client_order_id,
            "position_id": position_id,
            "symbol": fill.instrument.symbol,
            "quantity": fill.quantity,
            "price": fill.price,
            "fee": fill.fee,
            "at": fill.at,
            "body": dump(fill),
        }
        return self._insert_new(fills, row)

    def fills(
        self, position_id: str | None = None, since: datetime | None = None, client_order_id: str | None = None
    ) -> tuple[Fill, ...]:
        """Executions inside every given condition, oldest first."""
        every = {"position_": position_id, "since_": since, "order_": client_order_id}
        given = {name: value for name, value in every.items() if value is not None}
        return tuple(load_frozen(Fill, row[0]) for row in self._rows(_fills_that(tuple(given)), given))

    def seen_activity(self, id: str) -> bool:
        """Whether this account activity was stored before."""
        return self._row(_SEEN, {"id_": id}) is not None

    def add_activity(self, activity: Activity) -> bool:
        """Store an account activity; False when its id is known already (nothing is written)."""
        row = {
            "id": activity.id,
            "kind": activity.kind.value,
            "at": activity.at,
            "symbol": activity.instrument.symbol if activity.instrument else None,
            "amount": activity.amount,
            "body": dump(activity),
        }
        return self._insert_new(activities, row)

    def activities(self, since: datetime) -> tuple[Activity, ...]:
        """What happened without an order at or after `since`, oldest first."""
        return tuple(load_frozen(Activity, row[0]) for row in self._rows(_ACTIVITIES, {"since_": since}))
