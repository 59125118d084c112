"""The grounds on which an order may be sent, goes on to its next step or ends. They look; they change nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from engine import missing, quoted, triggers
from engine.desk import Desk
from engine.exposures import calls_on, is_entry
from engine.model.book import Position
from engine.model.instruments import Stock
from engine.model.orders import PANIC, ROLL, Order, OrderStatus, Purpose, Ticket
from engine.model.trade import ApprovalStatus, Working
from engine.protection import FLATTEN_REACH, Move, moved, package_price, to_cent
from engine.store import UnitOfWork

UNDO_GRACE = timedelta(seconds=30)
"""How much later than the end of its undo window an approved order may still be sent."""


def too_late(desk: Desk, ticket: Ticket) -> str:
    """Why an approved order may not be sent any more when its undo window ends, "" when it may: time, session, price.

    A process that was down meanwhile finds the ticket of a market that is long gone.
    """
    now = desk.now()
    if now - ticket.send_after > UNDO_GRACE or not desk.sessions.is_open(now):
        return "not sent: its time was over"
    with desk.store.read() as work:
        signal = work.approval_version(ticket.approval_id, ticket.version).plan.signal if ticket.approval_id else None
    if signal is None:
        return ""
    share = Stock(ticket.ticker)
    quotes = desk.market.quotes([*(leg.instrument for leg in signal.legs), share])
    price = package_price(signal.legs, quotes)
    if price is None or share not in quotes or not price.is_two_sided or not quotes[share].is_two_sided:
        return "not sent: no two-sided quote when the undo window ended"
    if unfit := quoted.why_unfit(desk, quotes):
        return f"not sent: {unfit}"
    if moved(signal, to_cent(price.mid), quotes[share].mid, desk.today, desk.rules) is not Move.NONE:
        return "not sent: the price moved in the undo window"
    return ""


def still_wanted(desk: Desk, work: UnitOfWork, ticket: Ticket) -> bool:
    """Whether an order that never reached the broker may still be sent: exits of what is held, entries while asked."""
    if ticket.cancel_requested or not ticket.is_open:
        return False
    if ticket.reason == ROLL and desk.now() - ticket.created_at > UNDO_GRACE:
        return False
    if ticket.purpose is Purpose.EXIT or ticket.approval_id is None:
        return units_held(work, ticket) > 0
    approval = work.approval(ticket.approval_id)
    return approval.status is ApprovalStatus.APPROVED and desk.now() < approval.expires_at


def is_halted(desk: Desk, ticket: Ticket) -> bool:
    """Whether an exit's name does not trade: its order stays where it is, the quotes of a halt are no prices."""
    return ticket.purpose is Purpose.EXIT and ticket.ticker in triggers.halted_names(desk, [ticket.ticker])


def spot_left(desk: Desk, ticket: Ticket) -> bool:
    share = Stock(ticket.ticker)
    quote = quoted.known(desk, [share]).get(share)
    if quote is None or not quote.is_two_sided or not ticket.spot:
        return False
    return abs(quote.mid / ticket.spot - 1) >= desk.rules.rest_spot_move


def why_over(desk: Desk, ticket: Ticket, latest: Order) -> str:
    """Why no further order is made, "" when one is. An exit ends only with its position or by another's hand."""
    must_end = ticket.purpose is Purpose.EXIT and ticket.reason != ROLL
    if ticket.cancel_requested:
        return ticket.note or "canceled"
    if ticket.is_net:
        return f"its net has ended: {latest.error or latest.status.value}"
    if latest.status is OrderStatus.REJECTED:
        if must_end:
            return ""
        return f"refused by the broker: {latest.error or 'no reason given'}"
    if latest.error:
        return latest.error
    if ticket.reason == PANIC and ticket.step + 1 >= len(FLATTEN_REACH) and not is_of_earlier_day(desk, latest):
        return "not filled at 10 % beyond the natural price"
    if must_end:
        return ""
    if latest.status is OrderStatus.EXPIRED:
        return "expired at the close"
    if latest.status is OrderStatus.CANCELED and latest.cancel_again_at is None:
        return "canceled at the broker, not by the desk"
    if not desk.sessions.is_open(desk.now()) or is_of_earlier_day(desk, latest):
        return "not filled: the session ended"
    if ticket.working is Working.REST:
        return "pulled: the underlying moved 1 %"
    return "not filled: the ladder ended" if ticket.step + 1 >= desk.rules.ladder_steps else ""


def is_of_earlier_day(desk: Desk, order: Order) -> bool:
    return desk.sessions.today(order.created_at) < desk.today


def units_held(work: UnitOfWork, ticket: Ticket) -> int:
    """Whole units of the ticket's position that there are to close, here and at the broker."""
    position = work.find_position(ticket.position_id)
    return missing.units(work, position) if position is not None and position.is_open else 0


def pledged(work: UnitOfWork, shares: Position, tickets: Iterable[Ticket]) -> int:
    """How many of these shares written calls need, and calls that are being written with these open tickets."""
    calls = calls_on(shares, work.open_positions(ticker=shares.ticker))
    taken = sum(call.units * sum(leg.instrument.multiplier for leg in call.unit) for call in calls)
    for ticket in tickets:
        if ticket.approval_id is None or not is_entry(ticket):
            continue
        if work.approval_version(ticket.approval_id, ticket.version).plan.signal.covers == shares.id:
            taken += ticket.left * sum(leg.instrument.multiplier for leg in ticket.legs)
    return taken
