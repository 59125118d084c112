"""The audit trail of the wire: one event for every try to reach the broker with an order, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from structlog.contextvars import bound_contextvars

from engine.desk import Desk
from engine.errors import BrokerError, OrderRejected
from engine.model.events import Event, EventKind
from engine.model.orders import Order, Ticket
from engine.store import UnitOfWork


class Act(StrEnum):
    SUBMIT = "submit"
    CANCEL = "cancel"


ACCEPTED, REFUSED, NO_ANSWER = "accepted", "refused", "no answer"


def note(desk: Desk, work: UnitOfWork, ticket: Ticket, order: Order, act: Act, problem: BrokerError | None) -> None:
    """Write down a try and its answer."""
    work.add_event(tried(desk, work, ticket, order, act, problem))


def tried(desk: Desk, work: UnitOfWork, ticket: Ticket, order: Order, act: Act, problem: BrokerError | None) -> Event:
    """A try and its answer: no problem is a yes, OrderRejected a no, everything else silence."""
    data: dict[str, object] = {
        "client_order_id": order.client_order_id,
        "act": act.value,
        "answer": ACCEPTED if problem is None else REFUSED if isinstance(problem, OrderRejected) else NO_ANSWER,
    }
    if problem is not None:
        data["words"] = str(problem)
    if isinstance(problem, OrderRejected):
        data |= {"code": problem.code, "kind": problem.kind.value}
    return desk.event(EventKind.ATTEMPTED, ticket.id, data, correlation=story_of(work, ticket))


def note_alone(desk: Desk, order: Order, act: Act, problem: BrokerError | None) -> None:
    """`note` where nothing else is written."""
    with desk.store.begin() as work:
        note(desk, work, work.ticket(order.ticket_id), order, act, problem)


@contextmanager
def in_story(desk: Desk, order: Order) -> Iterator[None]:
    """What is logged inside belongs to the trade of this order."""
    with desk.store.read() as work:
        story = story_of(work, work.ticket(order.ticket_id))
    with bound_contextvars(trade=story):
        yield


def story_of(work: UnitOfWork, ticket: Ticket) -> str:
    """The approval a ticket's trade started from, or its position: what the events of one trade have in common."""
    if ticket.approval_id:
        return ticket.approval_id
    position = work.find_position(ticket.position_id)
    return position.story if position else ticket.position_id
