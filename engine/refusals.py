"""What is done about an order the broker refused: kinds that have an answer, prices on wider ticks, pauses. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import takewhile

from engine.errors import OrderRejected, Refusal
from engine.model.instruments import Option
from engine.model.limits import ApprovalRules
from engine.model.orders import Order, OrderStatus, Purpose, Ticket

IN_THE_WAY = frozenset({Refusal.HELD, Refusal.WASH_TRADE})
"""Another order has to go first."""
OF_THE_ACCOUNT = frozenset({Refusal.KEYS, Refusal.SUSPENDED})
"""Not this order but every order is refused."""
NIMBLE, WIDE, FROM = Decimal("0.05"), Decimal("0.10"), Decimal(3)
"""Ticks of options outside the penny program, below 3 dollars and from there."""
TOO_MANY = 3
"""Refusals in a row after which a person has to look."""
LONGEST_PAUSE = timedelta(minutes=5)


def is_answered(ticket: Ticket, order: Order, kind: Refusal) -> bool:
    """Whether the ticket goes on after this refusal.

    An exit goes on whenever something can be done; an entry only at a price inside what was approved. A net is no exit.
    """
    if ticket.is_net:
        return False
    if kind is Refusal.PRICE and isinstance(order.legs[0].instrument, Option):
        return order.limit is not None and order.limit != on_wide_ticks(order.limit, ticket.bound)
    return ticket.purpose is Purpose.EXIT and (kind in IN_THE_WAY or kind is Refusal.TIMING)


def on_wide_ticks(limit: Decimal, worst: Decimal | None) -> Decimal:
    """`limit` (net, + paid, - received) as a class on nickels and dimes takes it, given up against ourselves.

    Never past `worst`: then it is the better tick, and `limit` itself where that would be nothing at all.

    >>> [str(on_wide_ticks(Decimal(x), None)) for x in ("-1.03", "1.03", "3.12", "-3.12", "-0.03")]
    ['-1.00', '1.05', '3.20', '-3.10', '-0.05']
    """
    tick = NIMBLE if abs(limit) < FROM else WIDE
    up = (limit / tick).to_integral_value(ROUND_CEILING) * tick
    if not up:
        up = -tick
    if worst is None or up <= worst:
        return up
    down = (limit / tick).to_integral_value(ROUND_FLOOR) * tick
    return down or limit


def in_words(ticket: Ticket, refusal: OrderRejected) -> str:
    """Why the ticket ends, and what a person can do."""
    words = f"refused by the broker: {refusal}"
    if refusal.kind is Refusal.UNCOVERED and ticket.purpose is Purpose.EXIT:
        return f"{words}. It takes two steps: the short leg is bought back first, then the rest is sold."
    return words


def barred(refusal: OrderRejected) -> str:
    """Why an exit ends whose way cannot be cleared: what is there is not ours to cancel, or nothing is there."""
    if refusal.related:
        return f"refused by the broker: {refusal}. In the way is {', '.join(refusal.related)}, not this trade's order."
    return f"refused by the broker: {refusal}. The desk has no order in the way: compare the broker's holdings."


def in_a_row(orders: Iterable[Order]) -> int:
    """How many of the latest orders of a ticket (given in any order) were refused, one after another."""
    latest = sorted(orders, key=lambda order: int(order.client_order_id.rpartition(".")[2]), reverse=True)
    return len(list(takewhile(lambda order: order.status is OrderStatus.REJECTED, latest)))


def pause(refused: int, rules: ApprovalRules) -> timedelta:
    """How long to wait after so many refusals in a row: a step of the ladder, then twice as long each, up to 5 min."""
    return min(timedelta(seconds=rules.ladder_seconds) * float(1 << min(max(refused, 1) - 1, 10)), LONGEST_PAUSE)
