"""Tickets, orders, fills and activities in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from engine.errors import AlreadyDecided, NotFound
from engine.model.orders import ActivityKind, OrderStatus, TicketStatus
from engine.store import Store
from tests import make


@pytest.fixture
def approved(store: Store) -> Store:
    """A store with the default proposal and an empty position."""
    with store.begin() as work:
        work.add_approval(make.approval())
        work.save_position(make.position())
    return store


def test_a_ticket_and_its_orders_come_back_as_stored(approved: Store):
    ticket, first = make.ticket(), make.order()
    second = make.order(client_order_id="A00001.1.2", created_at=make.NOW + timedelta(seconds=15))
    with approved.begin() as work:
        work.add_ticket(ticket)
        work.add_order(second)
        work.add_order(first)
    with approved.read() as work:
        assert work.ticket("A00001.1") == ticket
        assert work.orders("A00001.1") == (first, second)
        assert work.recent_orders(1) == (second,)
        assert work.tickets_of("P00001") == (ticket,)
        assert work.tickets_of("P9") == ()


def test_an_ended_ticket_is_not_open(approved: Store):
    with approved.begin() as work:
        work.add_ticket(make.ticket())
        work.save_ticket(replace(make.ticket(), status=TicketStatus.CLOSED, note="canceled by ann"))
    with approved.read() as work:
        assert work.open_tickets() == ()
        assert work.ticket("A00001.1").note == "canceled by ann"


@pytest.mark.parametrize("status", OrderStatus)
def test_open_orders_are_those_the_broker_may_still_fill(approved: Store, status: OrderStatus):
    order = make.order()
    with approved.begin() as work:
        work.add_ticket(make.ticket())
        work.add_order(order)
        work.save_order(replace(order, status=status, broker_id="b-1"))
    with approved.read() as work:
        assert [x.status for x in work.open_orders()] == ([status] if replace(order, status=status).is_open else [])


def test_a_client_order_id_is_used_once(approved: Store):
    with approved.begin() as work:
        work.add_ticket(make.ticket())
        work.add_order(make.order())
    with approved.begin() as work, pytest.raises(AlreadyDecided, match=r"A00001\.1\.1 exists already"):
        work.add_order(make.order(limit="-0.90"))
    with approved.read() as work:
        assert work.order("A00001.1.1").limit == Decimal("-1.03")


def test_a_ticket_id_is_used_once(approved: Store):
    with approved.begin() as work:
        work.add_ticket(make.ticket())
    with approved.begin() as work, pytest.raises(AlreadyDecided):
        work.add_ticket(make.ticket(quantity=9))


def test_saving_what_was_never_added_is_not_found(store: Store):
    with store.begin() as work, pytest.raises(NotFound, match=r"A00001\.1"):
        work.save_ticket(make.ticket())
    with store.begin() as work, pytest.raises(NotFound, match=r"A00001\.1\.1"):
        work.save_order(make.order())


@pytest.mark.parametrize("ask", ["ticket", "order", "position", "event"])
def test_what_does_not_exist_is_not_found_by_name(store: Store, ask: str):
    with store.read() as work, pytest.raises(NotFound, match="X404"):
        getattr(work, ask)("X404")


def test_an_execution_is_stored_once(approved: Store):
    with approved.begin() as work:
        assert work.add_fill(make.fill(), "P00001")
    with approved.begin() as work:
        assert not work.add_fill(make.fill(quantity=-9), "P00001")
    with approved.read() as work:
        assert work.fills() == (make.fill(),)


def test_fills_are_found_by_position_order_and_time(approved: Store):
    late = make.fill(execution_id="E0", client_order_id="A2.1.1", at=make.NOW + timedelta(hours=1))
    with approved.begin() as work:
        work.add_fill(late, "P00001")
        work.add_fill(make.fill(), "P00001")
    with approved.read() as work:
        assert work.fills(position_id="P00001") == (make.fill(), late)
        assert work.fills(client_order_id="A2.1.1") == (late,)
        assert work.fills(since=make.NOW + timedelta(minutes=1)) == (late,)


def test_an_activity_is_stored_once(store: Store):
    paid = make.activity(ActivityKind.DIVIDEND, make.share(), 0, "D1", amount="12.50")
    with store.begin() as work:
        assert work.add_activity(paid)
        assert not work.add_activity(replace(paid, amount=Decimal(99)))
    with store.read() as work:
        assert work.seen_activity("D1")
        assert not work.seen_activity("D2")
        assert work.activities(make.NOW) == (paid,)


def test_an_order_of_no_ticket_is_refused_at_commit(store: Store):
    with pytest.raises(Exception, match=r"(?i)foreign key"), store.begin() as work:
        work.add_order(make.order())
