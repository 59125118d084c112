"""Working a decision through the broker: one order after another, each sent exactly once, every fill booked once.

The attempt row is committed before the POST under a deterministic client_order_id. Whatever happens in between, the
next look asks the broker by that id; a time-out never means "send again under another id".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from engine import alarms, attempts, fills, gateway, grounds, looks, meters, pauses, quoted, refusals
from engine.attempts import Act, story_of
from engine.desk import Desk
from engine.each import each
from engine.errors import AlreadyDecided, BrokerError, BrokerUnavailable, OrderRejected, Refusal
from engine.looks import Look
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Option
from engine.model.orders import Order, OrderStatus, OrderType, Purpose, Ticket, TicketStatus
from engine.model.trade import Working
from engine.protection import (
    PackagePrice,
    closing_price,
    entry_price,
    package_price,
    step_time,
)
from engine.refusals import Ticks
from engine.store import UnitOfWork

log = structlog.get_logger()

UNSENT_ALARM = timedelta(seconds=30)
"""How long the order of an exit may fail to reach the broker before people are told."""

CANCEL_AGAIN = timedelta(seconds=5)
"""How long the broker has to carry out a cancel before it is asked once more."""

STUCK = timedelta(seconds=60)
"""How long an exit's order may go on being canceled before a person is told."""

TICKS = "ticks:"
"""Setting of an underlying: the ticks its options have, as far as refused prices have shown."""


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

    A refusal gets the answer of its kind (`engine.refusals`), which may be a next order: that one is returned then.
    No answer leaves the order NEW for `reconcile` to look up; so does the loss of the lease.

    Raises:
        LeaseLost: another process acts for the desk, or may do so by now; nothing was sent.
    """
    with attempts.in_story(desk, order):
        return _sent(desk, order)


def _sent(desk: Desk, order: Order) -> Order:
    try:
        gateway.check_order(desk, order)
        decided = _decided_meanwhile(desk, order)
        if decided is not None:
            return decided
        gateway.check_term(desk)
        sent = desk.now()
        accepted = desk.broker.submit(order)
    except OrderRejected as refusal:
        return _refused(desk, order, refusal)
    except BrokerUnavailable as problem:
        log.warning("order.outcome_unknown", client_order_id=order.client_order_id, problem=str(problem))
        return _unanswered(desk, order, problem)
    now = desk.now()
    accepted = replace(accepted, sent_at=sent, accepted_at=now)
    with desk.store.begin() as work:
        stored, ticket = work.order_with_ticket(order.client_order_id)
        told = [attempts.tried(desk, work, ticket, order, Act.SUBMIT, None)]
        if stored.broker_id is None:
            stored = fills.unfilled(accepted)
            work.save_order(stored)
            ticket = _kept_open(work, ticket)
            told.append(_order_event(desk, work, ticket, accepted))
        work.add_events(told)
    if ticket.attempts == 1 and ticket.purpose is Purpose.ENTRY:
        meters.EXECUTION.observe(max(0.0, (now - ticket.send_after).total_seconds()))
    return accepted if accepted.status is OrderStatus.ACCEPTED else _look_up(desk, stored)


def _decided_meanwhile(desk: Desk, order: Order) -> Order | None:
    """The order as it is stored, when it is not to be sent any more: the gate may have taken its time."""
    with desk.store.read() as work:
        stored = work.order(order.client_order_id)
        is_taken_back = order.opening and work.ticket(order.ticket_id).cancel_requested
    return stored if is_taken_back or stored.status is not OrderStatus.NEW else None


def _unanswered(desk: Desk, order: Order, problem: BrokerUnavailable) -> Order:
    """The order with the time of its latest try: nobody knows whether the broker has it.

    One that was given up as never sent while this try was under way is open again, to be looked up and taken off. An
    exit that has not got through for a while is an alarm.
    """
    now = desk.now()
    with desk.store.begin() as work:
        stored, ticket = work.order(order.client_order_id), work.ticket(order.ticket_id)
        attempts.note(desk, work, ticket, order, Act.SUBMIT, problem)
        given_up = stored.status is OrderStatus.CANCELED and stored.broker_id is None
        if stored.status is not OrderStatus.NEW and not given_up:
            return stored
        tried = replace(stored, status=OrderStatus.NEW, sent_at=now, done_at=None, error="")
        work.save_order(tried)
        ticket = _kept_open(work, ticket)
        position = work.find_position(ticket.position_id)
    is_late = ticket.purpose is Purpose.EXIT and not ticket.is_net and now - order.created_at >= UNSENT_ALARM
    if is_late and position is not None:
        alarms.remind(desk, position, f"order {order.client_order_id} does not get through to the broker: {problem}")
    return tried


def _kept_open(work: UnitOfWork, ticket: Ticket) -> Ticket:
    """The ticket of an order the broker has just taken.

    When it was given up meanwhile (an answer that came after the order was believed lost) it is open again, for
    nothing but the cancellation.
    """
    if ticket.is_open:
        return ticket
    revived = replace(ticket, status=TicketStatus.WORKING, cancel_requested=True)
    work.save_ticket(revived)
    return revived


def _look_up(desk: Desk, order: Order) -> Order:
    """`refresh` for an order that is surely placed: no answer now leaves it for the next look."""
    try:
        return refresh(desk, order)
    except BrokerUnavailable as problem:
        log.warning("order.not_looked_up", client_order_id=order.client_order_id, problem=str(problem))
        return order


def _refused(desk: Desk, order: Order, refusal: OrderRejected) -> Order:
    """Record the refusal; the order it was answered with, or the refused one when its ticket ends or waits."""
    rejected = replace(order, status=OrderStatus.REJECTED, error=str(refusal), done_at=desk.now())
    with desk.store.begin() as work:
        stored, ticket = work.order(order.client_order_id), work.ticket(order.ticket_id)
        attempts.note(desk, work, ticket, order, Act.SUBMIT, refusal)
        if stored.status is not OrderStatus.NEW:
            return stored
        work.save_order(rejected)
        learned = _learned(desk, work, ticket, order) if refusal.kind is Refusal.PRICE else None
        goes_on = ticket.is_open and refusals.is_answered(ticket, refusal.kind, learned)
        if not goes_on:
            end(desk, work, ticket, refusals.in_words(ticket, refusal))
        if refusal.kind in refusals.OF_THE_ACCOUNT and ticket.purpose is Purpose.ENTRY:
            work.add_event(_shut_out(desk, work, ticket, refusal))
        is_first = refusals.in_a_row(work.orders(ticket.id)) == 1
    return (_answered(desk, ticket, refusal, is_first) if goes_on else None) or rejected


def _ticks(work: UnitOfWork, ticker: str) -> Ticks:
    return Ticks(work.setting(f"{TICKS}{ticker}") or Ticks.CENTS)


def _learned(desk: Desk, work: UnitOfWork, ticket: Ticket, order: Order) -> Ticks | None:
    """The wider ticks that the refusal of this price has shown, kept; None when none would change it."""
    learned = refusals.wider(order, ticket.bound, _ticks(work, ticket.ticker))
    if learned is not None:
        work.set_setting(f"{TICKS}{ticket.ticker}", learned.value, "desk", desk.now())
    return learned


def _shut_out(desk: Desk, work: UnitOfWork, ticket: Ticket, refusal: OrderRejected) -> Event:
    data = {"words": f"No order gets through, exits neither: {refusal}", "ticker": ticket.ticker}
    return desk.event(EventKind.ERROR, ticket.id, data, Severity.URGENT, story_of(work, ticket))


def _answered(desk: Desk, ticket: Ticket, refusal: OrderRejected, is_first: bool) -> Order | None:
    """What a refusal that can be answered is answered with now; None where `work` goes on after a pause."""
    is_clear = refusal.kind not in refusals.IN_THE_WAY or _clear_way(desk, ticket, refusal)
    is_priced = refusal.kind is Refusal.PRICE
    if refusal.kind is Refusal.TIMING or not (is_first or is_priced) or not is_clear:
        return None
    return _next_step(desk, ticket, ticket.step)


def _clear_way(desk: Desk, ticket: Ticket, refusal: OrderRejected) -> bool:
    """Take our own orders out of an exit's way; whether they have ended. Where there are none, the exit ends."""
    with desk.store.begin() as work:
        ours = [order for order in work.open_orders() if _is_in_the_way(work, ticket, order, refusal)]
        for order in ours:
            other = work.ticket(order.ticket_id)
            if other.is_open:
                work.save_ticket(other.canceling(f"in the way of {ticket.id}"))
        if not ours:
            end(desk, work, work.ticket(ticket.id), refusals.barred(refusal))
    ended = [stop(desk, order) for order in ours]
    return bool(ended) and not any(order.is_open for order in ended)


def _is_in_the_way(work: UnitOfWork, ticket: Ticket, order: Order, refusal: OrderRejected) -> bool:
    """Whether an open order of ours is what bars the exit: another exit of its position, or an entry it would meet."""
    if order.ticket_id == ticket.id or (refusal.related and order.broker_id not in refusal.related):
        return False
    if refusal.kind is Refusal.HELD:
        return not order.opening and work.ticket(order.ticket_id).position_id == ticket.position_id
    mine = {leg.instrument: leg.ratio for leg in ticket.legs}
    return order.opening and any(mine.get(leg.instrument, 0) * leg.ratio < 0 for leg in order.legs)


def end(desk: Desk, work: UnitOfWork, ticket: Ticket, note: str) -> Ticket:
    """Close a ticket that will trade no more, saying why; an exit that ends unfilled is urgent.

    A close that a person asked for and took back is not: the position's own exits watch it as before. Neither is one
    that made way for another exit of the same position.
    """
    if not ticket.is_open:
        return ticket
    status = TicketStatus.FILLED if ticket.left == 0 else TicketStatus.CLOSED
    ended = replace(ticket, status=status, note=note)
    work.save_ticket(ended)
    if status is TicketStatus.CLOSED and _told_failed(desk, work, ended, note):
        return ended
    data = {
        "note": note,
        "filled": ended.filled,
        "quantity": ended.quantity,
        "ticker": ticket.ticker,
        "reason": ticket.reason,
        "purpose": ticket.purpose.value,
    }
    work.add_event(desk.event(EventKind.ORDER_ENDED, ticket.id, data, correlation=story_of(work, ticket)))
    return ended


def _told_failed(desk: Desk, work: UnitOfWork, ticket: Ticket, note: str) -> bool:
    """Whether an exit ended with its position still held; that is an alarm, each time."""
    if ticket.purpose is not Purpose.EXIT or ticket.was_optional:
        return False
    position = work.find_position(ticket.position_id)
    if position is None or not grounds.units_held(work, ticket) or not _is_last(work, ticket):
        return False
    alarms.tell(desk, work, position, f"order {ticket.id}, {ticket.filled} of {ticket.quantity} filled: {note}")
    return True


def _is_last(work: UnitOfWork, ticket: Ticket) -> bool:
    """Whether no other exit of its position is being worked: then it did not make way for one."""
    others = (other for other in work.open_tickets() if other.position_id == ticket.position_id)
    return not any(other.purpose is Purpose.EXIT and not other.is_net for other in others)


def _order_event(desk: Desk, work: UnitOfWork, ticket: Ticket, order: Order) -> Event:
    data = {
        "client_order_id": order.client_order_id,
        "limit": str(order.limit),
        "quantity": order.quantity,
        "ticker": ticket.ticker,
        "purpose": ticket.purpose.value,
        "position": ticket.position_id,
    }
    return desk.event(EventKind.ORDER_SENT, ticket.id, data, correlation=story_of(work, ticket))


def send_due(desk: Desk) -> tuple[Order, ...]:
    """Make and send the first order of every open ticket whose undo window has passed."""
    now = desk.now()
    with desk.store.read() as work:
        due = [ticket for ticket in work.open_tickets() if ticket.attempts == 0 and ticket.send_after <= now]
    sent = each(due, lambda ticket: _send_first(desk, ticket), lambda ticket: ticket.id)
    return tuple(order for order in sent if order is not None)


def next_due(desk: Desk) -> datetime | None:
    """When the next undo window ends that has not ended yet; None while none runs."""
    now = desk.now()
    with desk.store.read() as work:
        tickets = work.open_tickets()
    return min((each.send_after for each in tickets if each.attempts == 0 and each.send_after > now), default=None)


def _send_first(desk: Desk, ticket: Ticket) -> Order | None:
    order = _claim_first(desk, ticket, grounds.too_late(desk, ticket))
    return None if order is None else send(desk, order)


def _claim_first(desk: Desk, ticket: Ticket, too_late: str) -> Order | None:
    """The first order of a ticket, committed; None when another thread was quicker or its end was asked for."""
    with desk.store.begin() as work:
        fresh = work.ticket(ticket.id)
        if fresh.attempts or not fresh.is_open:
            return None
        if fresh.cancel_requested or too_late:
            end(desk, work, fresh, fresh.note or too_late or "canceled before it was sent")
            return None
        changed, order = next_order(fresh, fresh.limit, desk.now())
        work.save_ticket(changed)
        work.add_order(order)
    return order


def reconcile(desk: Desk, purpose: Purpose | None = None) -> None:
    """Bring every open order (of one purpose) up to the broker's truth and book new fills; safe to call at any time."""
    _refresh_all(desk, looks.due(desk, purpose))


def _refresh_all(desk: Desk, open_orders: Sequence[Order]) -> None:
    if open_orders:
        look = Look(desk, open_orders)
        each(open_orders, lambda order: _brought_up(desk, order, look), lambda order: order.client_order_id)


def refresh(desk: Desk, order: Order) -> Order:
    """One order as the broker has it now, with its fills booked."""
    return _brought_up(desk, order, Look(desk, (order,)))


def _brought_up(desk: Desk, order: Order, look: Look) -> Order:
    """The order at the broker's word; one to which nothing has happened costs no transaction."""
    known = look.known(order)
    if known is None:
        return _never_placed(desk, order)
    if looks.state(known) == looks.state(order):
        return order
    return fills.book(desk, order, known, look.executions(known) if known.filled > order.filled else ())


def _never_placed(desk: Desk, order: Order) -> Order:
    """The broker does not know it: send it under the same id while its reason stands, else end it.

    One that it had taken and knows no more ends when a cancel was asked for, here and there: nobody works it.
    """
    with desk.store.begin() as work:
        stored, ticket = work.order(order.client_order_id), work.ticket(order.ticket_id)
        if looks.state(stored) != looks.state(order):
            return stored
        is_over = ticket.is_net or (ticket.cancel_requested and order.cancel_again_at is not None)
        if order.status is not OrderStatus.NEW and not is_over:
            log.error("order.vanished", client_order_id=order.client_order_id)
            _tell_vanished(desk, work, ticket, order)
            return order
        if order.status is not OrderStatus.NEW or not grounds.still_wanted(desk, work, ticket):
            dropped = replace(order, status=OrderStatus.CANCELED, done_at=desk.now(), error="never sent")
            work.save_order(dropped)
            end(desk, work, ticket, ticket.note or "not sent: too late")
            return dropped
    return send(desk, order)


def _tell_vanished(desk: Desk, work: UnitOfWork, ticket: Ticket, order: Order) -> None:
    """Say that an exit's order was taken and is not known any more: nothing else is sent until somebody looks."""
    position = work.find_position(ticket.position_id)
    if ticket.purpose is Purpose.EXIT and position is not None:
        words = f"the broker does not know order {order.client_order_id} any more; /cancel {ticket.id} makes room"
        alarms.nudge(desk, work, position, words)


def resume(desk: Desk, purpose: Purpose | None = None) -> None:
    """Take up (of one purpose) where a killed process left off: look up what was perhaps sent, send what was not."""
    try:
        _refresh_all(desk, looks.unfinished(desk, purpose))
    finally:
        if purpose is not Purpose.EXIT:
            send_due(desk)


def work(desk: Desk, purpose: Purpose | None = None) -> None:
    """Move every open ticket (of one purpose) on: cancel what must end, step the ladders, pull resting orders."""
    with desk.store.read() as reading:
        tickets = reading.open_tickets()
    sent = [ticket for ticket in tickets if ticket.attempts and purpose in (None, ticket.purpose)]
    each(sent, lambda ticket: _work_one(desk, ticket), lambda ticket: ticket.id)


def _work_one(desk: Desk, ticket: Ticket) -> None:
    with desk.store.read() as reading:
        orders = reading.orders(ticket.id)
    latest = max(orders, key=lambda order: order.attempt)
    if not latest.is_open:
        _go_on(desk, ticket, latest)
    elif _must_stop(desk, ticket, latest):
        stop(desk, latest)


def _must_stop(desk: Desk, ticket: Ticket, order: Order) -> bool:
    """Whether the working order has to be taken off: its end was asked for, its step is over, or the spot left."""
    if order.status is OrderStatus.PENDING_CANCEL:
        _tell_stuck(desk, ticket, order)
        return False
    if order.status is OrderStatus.NEW or _was_asked_just_now(desk, order):
        return False
    if ticket.cancel_requested or order.type is OrderType.STOP:
        return ticket.cancel_requested
    if ticket.working is Working.LADDER:
        since = order.accepted_at or order.created_at
        is_over = desk.now() - since >= step_time(ticket, desk.today, desk.rules)
        return is_over and not grounds.is_halted(desk, ticket)
    return grounds.spot_left(desk, ticket)


def _was_asked_just_now(desk: Desk, order: Order) -> bool:
    """Whether the broker's answer to a cancel is so fresh that asking again would only use up its patience."""
    return order.cancel_again_at is not None and desk.now() < order.cancel_again_at


def _tell_stuck(desk: Desk, ticket: Ticket, order: Order) -> None:
    """Say that the cancel of an exit's order does not end: nothing else can be sent for what it holds."""
    asked = (order.accepted_at or order.created_at) + timedelta(seconds=desk.rules.ladder_seconds)
    if ticket.purpose is not Purpose.EXIT or desk.now() - asked < STUCK:
        return
    with desk.store.read() as reading:
        position = reading.position(ticket.position_id)
    words = f"the cancel of {order.client_order_id} has not ended for a minute: no other order can be sent for it"
    alarms.remind(desk, position, words)


def stop(desk: Desk, order: Order) -> Order:
    """Ask the broker to cancel and look at once how it ended; it may have filled meanwhile.

    Raises:
        LeaseLost: as `send`.
    """
    try:
        take_off(desk, order)
    except OrderRejected as late:
        log.info("order.cancel_too_late", client_order_id=order.client_order_id, answer=str(late))
        asked = _asked_to_cancel(desk, order, late)
    except BrokerUnavailable as problem:
        log.warning("order.cancel_unknown", client_order_id=order.client_order_id, problem=str(problem))
        return _asked_to_cancel(desk, order, problem)
    else:
        asked = _asked_to_cancel(desk, order, None)
    ended = _look_up(desk, asked)
    if not ended.is_open:
        with desk.store.read() as reading:
            ticket = reading.ticket(order.ticket_id)
        if ticket.is_open:
            _go_on(desk, ticket, ended)
    return ended


def take_off(desk: Desk, order: Order) -> None:
    """Ask the broker to cancel, for as long as this process acts for the desk.

    Raises:
        LeaseLost: as `send`. OrderRejected, BrokerUnavailable: as `Broker.cancel`.
    """
    gateway.check_term(desk)
    desk.broker.cancel(order)


def _asked_to_cancel(desk: Desk, order: Order, problem: BrokerError | None) -> Order:
    """The order, with what the broker said written down; without an answer it may be asked again at once."""
    pause = timedelta(0) if isinstance(problem, BrokerUnavailable) else CANCEL_AGAIN
    with desk.store.begin() as work:
        attempts.note(desk, work, work.ticket(order.ticket_id), order, Act.CANCEL, problem)
        asked = replace(work.order(order.client_order_id), cancel_again_at=desk.now() + pause)
        work.save_order(asked)
    return asked


def _go_on(desk: Desk, ticket: Ticket, latest: Order) -> None:
    """After the broker called the latest order terminal: the next step of the ladder, or the end."""
    over = grounds.why_over(desk, ticket, latest)
    if over:
        _finish(desk, ticket, over)
    elif not desk.sessions.is_open(desk.now()) or grounds.is_halted(desk, ticket):
        return
    elif latest.status is OrderStatus.REJECTED:
        _try_again(desk, ticket, latest)
    else:
        _next_step(desk, ticket, 0 if grounds.is_of_earlier_day(desk, latest) else ticket.step + 1)


def _try_again(desk: Desk, ticket: Ticket, latest: Order) -> None:
    """The next order of an exit whose latest was refused: after a pause, and a person is told from the third on."""
    with desk.store.read() as reading:
        refused = refusals.in_a_row(reading.orders(ticket.id))
    if desk.now() - (latest.done_at or latest.created_at) < pauses.between_tries(refused, desk.rules):
        return
    if refused >= refusals.TOO_MANY:
        with desk.store.begin() as work:
            why = latest.error or "no reason given"
            _alarm(desk, work, ticket, f"refused {refused} times in a row, tried again now: {why}")
    _next_step(desk, ticket, ticket.step)


def _finish(desk: Desk, ticket: Ticket, note: str) -> None:
    with desk.store.begin() as work:
        end(desk, work, work.ticket(ticket.id), note)


def _next_step(desk: Desk, ticket: Ticket, step: int) -> Order | None:
    """Commit and send the next order of a ladder; None, and it waits, when there is no price."""
    quotes = quoted.known(desk, (leg.instrument for leg in ticket.legs))
    exiting = ticket.purpose is Purpose.EXIT
    price = package_price(ticket.legs, quotes) if exiting or not quoted.why_unfit(desk, quotes) else None
    bound = ticket.bound
    with desk.store.begin() as work:
        fresh = _fitted(desk, work, work.ticket(ticket.id))
        if price is None and exiting and fresh.is_open:
            position = work.position(ticket.position_id)
            alarms.nudge(desk, work, position, f"order {ticket.id}: no quote to price its next step with")
        if price is None or not fresh.is_open or fresh.attempts != ticket.attempts or fresh.cancel_requested:
            return None
        limit = _limit(desk, ticket, price, step)
        limit = limit if bound is None else min(limit, bound)
        if isinstance(ticket.legs[0].instrument, Option):
            limit = refusals.on_ticks(limit, bound, _ticks(work, ticket.ticker))
        changed, order = next_order(replace(fresh, step=step), limit, desk.now())
        work.save_ticket(changed)
        work.add_order(order)
        if exiting and step >= desk.rules.ladder_steps:
            tell = alarms.tell if step == desk.rules.ladder_steps else alarms.nudge
            words = f"order {ticket.id}: still not filled, now at {abs(limit)}, beyond the natural price"
            tell(desk, work, work.position(ticket.position_id), words)
    return send(desk, order)


def _limit(desk: Desk, ticket: Ticket, price: PackagePrice, step: int) -> Decimal:
    if ticket.purpose is Purpose.ENTRY:
        return entry_price(price, step, ticket.worst, desk.rules)
    return closing_price(ticket.reason, ticket.legs, price, step, desk.rules)


def _fitted(desk: Desk, work: UnitOfWork, ticket: Ticket) -> Ticket:
    """An exit cut down to what is still held (an assignment or expiry may have come first), ended when nothing is."""
    if ticket.purpose is not Purpose.EXIT or not ticket.is_open:
        return ticket
    held = grounds.units_held(work, ticket)
    if not held:
        return end(desk, work, ticket, "nothing is left to close")
    return replace(ticket, quantity=ticket.filled + min(held, ticket.left))


def _alarm(desk: Desk, work: UnitOfWork, ticket: Ticket, note: str) -> None:
    """An exit that is not getting done while it is still being worked."""
    alarms.tell(desk, work, work.position(ticket.position_id), f"order {ticket.id}: {note}")


def cancel(desk: Desk, ticket_id: str, by: str, why: str = "") -> Ticket:
    """Ask for the end of a ticket; a working order is taken off the market, fills that came first stay.

    `why` is what the ticket says it ended for, who asked where nothing is given.

    Raises:
        AlreadyDecided: the ticket has ended.
    """
    with desk.store.begin() as work:
        ticket = work.ticket(ticket_id)
        if not ticket.is_open:
            raise AlreadyDecided(f"Order {ticket_id} has already ended: {ticket.note or ticket.status.value}.")
        asked = ticket.canceling(why or f"canceled by {by}")
        work.save_ticket(asked)
        if ticket.attempts == 0:
            return end(desk, work, asked, f"canceled by {by} before it was sent")
    _work_one(desk, asked)
    with desk.store.read() as reading:
        return reading.ticket(ticket_id)
