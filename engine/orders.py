"""Working a decision through the broker: one order after another, each sent exactly once, every fill booked once.

The attempt row is committed before the POST under a deterministic client_order_id. Whatever happens in between, the
next look asks the broker by that id; a time-out never means "send again under another id".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from engine import fills
from engine.desk import Desk
from engine.errors import AlreadyDecided, BrokerUnavailable, OrderRejected
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Stock
from engine.model.orders import Order, OrderStatus, Purpose, Ticket, TicketStatus
from engine.model.trade import ApprovalStatus, Working
from engine.protection import entry_price, exit_price, package_price
from engine.store import UnitOfWork

log = structlog.get_logger()

UNSENT_GRACE = timedelta(seconds=10)
"""A NEW order younger than this is probably being sent by another thread right now."""


CLOCK_SKEW = timedelta(minutes=5)
"""The broker's clock may be behind ours: executions are asked for from this much earlier; their ids tell repeats."""


def next_order(ticket: Ticket, limit: Decimal, now: datetime) -> tuple[Ticket, Order]:
    """The ticket and its next order; the id is `{ticket}.{attempt}`, attempts count from 1."""
    number = ticket.attempts + 1
    order = Order(
        client_order_id=f"{ticket.id}.{number}",
        ticket_id=ticket.id,
        legs=ticket.legs,
        quantity=ticket.left,
        limit=limit,
        opening=ticket.purpose is Purpose.ENTRY,
        status=OrderStatus.NEW,
        created_at=now,
    )
    return replace(ticket, attempts=number), order


def send(desk: Desk, order: Order) -> Order:
    """Put a committed NEW order on the wire and record the answer.

    A refusal ends the ticket; no answer leaves the order NEW for `reconcile` to look up.
    """
    try:
        accepted = desk.broker.submit(order)
    except OrderRejected as refusal:
        return _refused(desk, order, refusal)
    except BrokerUnavailable as problem:
        log.warning("order.outcome_unknown", client_order_id=order.client_order_id, problem=str(problem))
        return order
    now = desk.now()
    accepted = replace(accepted, sent_at=order.created_at, accepted_at=accepted.accepted_at or now)
    with desk.store.begin() as work:
        work.save_order(fills.unfilled(accepted))
        work.add_event(_order_event(desk, work.ticket(order.ticket_id), accepted, EventKind.ORDER_SENT))
    return accepted if accepted.status is OrderStatus.ACCEPTED else refresh(desk, fills.unfilled(accepted))


def _refused(desk: Desk, order: Order, refusal: OrderRejected) -> Order:
    rejected = replace(order, status=OrderStatus.REJECTED, error=str(refusal), done_at=desk.now())
    with desk.store.begin() as work:
        work.save_order(rejected)
        ticket = work.ticket(order.ticket_id)
        end(desk, work, ticket, f"refused by the broker: {refusal}")
    return rejected


def end(desk: Desk, work: UnitOfWork, ticket: Ticket, note: str) -> Ticket:
    """Close a ticket that will trade no more, saying why; an exit that ends unfilled is urgent."""
    if not ticket.is_open:
        return ticket
    status = TicketStatus.FILLED if ticket.left == 0 else TicketStatus.CLOSED
    ended = replace(ticket, status=status, note=note)
    work.save_ticket(ended)
    failed = ticket.purpose is Purpose.EXIT and status is TicketStatus.CLOSED
    kind = EventKind.EXIT_FAILED if failed else EventKind.ORDER_ENDED
    data = {"note": note, "filled": ended.filled, "quantity": ended.quantity, "ticker": ticket.ticker}
    severity = Severity.URGENT if failed else Severity.INFO
    subject = ticket.approval_id or ticket.position_id
    work.add_event(Event(desk.new_id("E"), kind, desk.now(), ticket.id, data, severity, subject))
    return ended


def _order_event(desk: Desk, ticket: Ticket, order: Order, kind: EventKind) -> Event:
    data = {
        "client_order_id": order.client_order_id,
        "limit": str(order.limit),
        "quantity": order.quantity,
        "ticker": ticket.ticker,
        "purpose": ticket.purpose.value,
        "position": ticket.position_id,
    }
    correlation = ticket.approval_id or ticket.position_id
    return Event(desk.new_id("E"), kind, desk.now(), ticket.id, data, correlation=correlation)


def send_due(desk: Desk) -> tuple[Order, ...]:
    """Make and send the first order of every open ticket whose undo window has passed."""
    now = desk.now()
    with desk.store.read() as work:
        due = [ticket for ticket in work.open_tickets() if ticket.attempts == 0 and ticket.send_after <= now]
    sent = []
    for ticket in due:
        order = _claim_first(desk, ticket)
        if order is not None:
            sent.append(send(desk, order))
    return tuple(sent)


def _claim_first(desk: Desk, ticket: Ticket) -> Order | None:
    """The first order of a ticket, committed; None when another thread was quicker or its end was asked for."""
    with desk.store.begin() as work:
        fresh = work.ticket(ticket.id)
        if fresh.attempts or not fresh.is_open:
            return None
        if fresh.cancel_requested:
            end(desk, work, fresh, fresh.note or "canceled before it was sent")
            return None
        changed, order = next_order(fresh, fresh.limit, desk.now())
        work.save_ticket(changed)
        work.add_order(order)
    return order


def reconcile(desk: Desk) -> None:
    """Bring every open order up to the broker's truth and book new fills; safe to call at any time."""
    with desk.store.read() as work:
        open_orders = work.open_orders()
    for order in open_orders:
        if order.status is OrderStatus.NEW and desk.now() - order.created_at < UNSENT_GRACE:
            continue
        refresh(desk, order)


def refresh(desk: Desk, order: Order) -> Order:
    """One order as the broker has it now, with its fills booked."""
    known = desk.broker.find(order)
    if known is None:
        return _never_placed(desk, order)
    executions = desk.broker.fills(order.created_at - CLOCK_SKEW) if known.filled > order.filled else ()
    mine = tuple(fill for fill in executions if fill.client_order_id == order.client_order_id)
    return fills.book(desk, order, known, mine)


def _never_placed(desk: Desk, order: Order) -> Order:
    """The broker does not know it: send it under the same id while its reason stands, else end it."""
    if order.status is not OrderStatus.NEW:
        log.error("order.vanished", client_order_id=order.client_order_id)
        return order
    with desk.store.begin() as work:
        ticket = work.ticket(order.ticket_id)
        if not _still_wanted(desk, work, ticket):
            dropped = replace(order, status=OrderStatus.CANCELED, done_at=desk.now(), error="never sent")
            work.save_order(dropped)
            end(desk, work, ticket, ticket.note or "not sent: too late")
            return dropped
    return send(desk, order)


def _still_wanted(desk: Desk, work: UnitOfWork, ticket: Ticket) -> bool:
    """Whether an order that never reached the broker may still be sent: exits always, entries inside their life."""
    if ticket.cancel_requested or not ticket.is_open:
        return False
    if ticket.purpose is Purpose.EXIT or ticket.approval_id is None:
        return True
    approval = work.approval(ticket.approval_id)
    return approval.status is ApprovalStatus.APPROVED and desk.now() < approval.expires_at


def resume(desk: Desk) -> None:
    """Take up where a stopped or killed process left off: look up what was perhaps sent, send what was not."""
    with desk.store.read() as work:
        unfinished = work.open_orders()
    for order in unfinished:
        refresh(desk, order)
    send_due(desk)


def work(desk: Desk) -> None:
    """Move every open ticket on: cancel what must end, step the ladders, pull resting orders."""
    with desk.store.read() as reading:
        tickets = reading.open_tickets()
    for ticket in tickets:
        if ticket.attempts:
            _work_one(desk, ticket)


def _work_one(desk: Desk, ticket: Ticket) -> None:
    with desk.store.read() as reading:
        orders = reading.orders(ticket.id)
    latest = max(orders, key=lambda order: order.created_at) if orders else None
    if latest is not None and latest.is_open:
        if _must_stop(desk, ticket, latest):
            stop(desk, latest)
        return
    _go_on(desk, ticket, latest)


def _must_stop(desk: Desk, ticket: Ticket, order: Order) -> bool:
    """Whether the working order has to be taken off: its end was asked for, its step is over, or the spot left."""
    if order.status is OrderStatus.PENDING_CANCEL or order.status is OrderStatus.NEW:
        return False
    if ticket.cancel_requested:
        return True
    if ticket.working is Working.LADDER:
        since = order.accepted_at or order.created_at
        return desk.now() - since >= timedelta(seconds=desk.rules.ladder_seconds)
    return _spot_left(desk, ticket)


def _spot_left(desk: Desk, ticket: Ticket) -> bool:
    share = Stock(ticket.ticker)
    quote = desk.market.quotes([share]).get(share)
    if quote is None or not ticket.spot:
        return False
    return abs(quote.mid / ticket.spot - 1) >= desk.rules.rest_spot_move


def stop(desk: Desk, order: Order) -> Order:
    """Ask the broker to cancel and look at once how it ended; it may have filled meanwhile."""
    try:
        desk.broker.cancel(order)
    except OrderRejected as late:
        log.info("order.cancel_too_late", client_order_id=order.client_order_id, answer=str(late))
    except BrokerUnavailable as problem:
        log.warning("order.cancel_unknown", client_order_id=order.client_order_id, problem=str(problem))
        return order
    ended = refresh(desk, order)
    if not ended.is_open:
        with desk.store.read() as reading:
            ticket = reading.ticket(order.ticket_id)
        if ticket.is_open:
            _go_on(desk, ticket, ended)
    return ended


def _go_on(desk: Desk, ticket: Ticket, latest: Order | None) -> None:
    """After the broker called the latest order terminal: the next step of the ladder, or the end."""
    overnight = latest is not None and latest.status is OrderStatus.EXPIRED
    step = 0 if overnight else ticket.step + 1
    if ticket.cancel_requested:
        _finish(desk, ticket, ticket.note or "canceled")
    elif overnight and ticket.purpose is Purpose.ENTRY:
        _finish(desk, ticket, "expired at the close")
    elif ticket.purpose is Purpose.ENTRY and ticket.working is Working.REST:
        _finish(desk, ticket, "pulled: the underlying moved 1 %")
    elif ticket.purpose is Purpose.ENTRY and step >= desk.rules.ladder_steps:
        _finish(desk, ticket, "not filled: the ladder ended")
    else:
        _next_step(desk, ticket, step)


def _finish(desk: Desk, ticket: Ticket, note: str) -> None:
    with desk.store.begin() as work:
        end(desk, work, work.ticket(ticket.id), note)


def _next_step(desk: Desk, ticket: Ticket, step: int) -> None:
    """Commit and send the next order of a ladder; waits when there is no price or no session to trade in."""
    if not desk.sessions.is_open(desk.now()):
        return
    price = package_price(ticket.legs, desk.market.quotes(leg.instrument for leg in ticket.legs))
    if price is None:
        return
    exiting = ticket.purpose is Purpose.EXIT
    limit = exit_price(price, step, desk.rules) if exiting else entry_price(price, step, ticket.worst, desk.rules)
    with desk.store.begin() as work:
        fresh = work.ticket(ticket.id)
        if not fresh.is_open or fresh.attempts != ticket.attempts or fresh.cancel_requested:
            return
        changed, order = next_order(replace(fresh, step=step), limit, desk.now())
        work.save_ticket(changed)
        work.add_order(order)
        if exiting and step == desk.rules.ladder_steps:
            work.add_event(_beyond_natural(desk, ticket, limit))
    send(desk, order)


def _beyond_natural(desk: Desk, ticket: Ticket, limit: Decimal) -> Event:
    data = {"note": f"still not filled: now at {abs(limit)}, beyond the natural price", "ticker": ticket.ticker}
    return Event(
        desk.new_id("E"), EventKind.EXIT_FAILED, desk.now(), ticket.id, data, Severity.URGENT, ticket.position_id
    )


def cancel(desk: Desk, ticket_id: str, by: str) -> Ticket:
    """Ask for the end of a ticket; a working order is taken off the market, fills that came first stay.

    Raises:
        AlreadyDecided: the ticket has ended.
    """
    with desk.store.begin() as work:
        ticket = work.ticket(ticket_id)
        if not ticket.is_open:
            raise AlreadyDecided(f"Order {ticket_id} has already ended: {ticket.note or ticket.status.value}.")
        asked = ticket.canceling(f"canceled by {by}")
        work.save_ticket(asked)
        if ticket.attempts == 0:
            return end(desk, work, asked, f"canceled by {by} before it was sent")
    _work_one(desk, asked)
    with desk.store.read() as reading:
        return reading.ticket(ticket_id)
