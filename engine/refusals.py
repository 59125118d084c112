"""What is done about an order the broker refused: kinds that have an answer, prices on wider ticks. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from itertools import takewhile

from engine.errors import OrderRejected, Refusal
from engine.model.instruments import Option
from engine.model.orders import Order, OrderStatus, Purpose, Ticket

IN_THE_WAY = frozenset({Refusal.HELD, Refusal.WASH_TRADE})
"""Another order has to go first."""
OF_THE_ACCOUNT = frozenset({Refusal.KEYS, Refusal.SUSPENDED})
"""Not this order but every order is refused."""
FROM = Decimal(3)
"""Dollars from which ticks are wider."""
TOO_MANY = 3
"""Refusals in a row after which a person has to look."""


class Ticks(StrEnum):
    """What the prices of a class of options are multiples of, below 3 dollars and from there."""

    CENTS = "cents"
    PENNY = "penny program"
    WIDE = "nickels and dimes"

    @property
    def sizes(self) -> tuple[Decimal, Decimal]:
        """Dollars below 3, dollars from 3 on."""
        return SIZES[self]


SIZES = {
    Ticks.CENTS: (Decimal("0.01"), Decimal("0.01")),
    Ticks.PENNY: (Decimal("0.01"), Decimal("0.05")),
    Ticks.WIDE: (Decimal("0.05"), Decimal("0.10")),
}


def is_answered(ticket: Ticket, kind: Refusal, learned: Ticks | None) -> bool:
    """Whether the ticket goes on after this refusal; `learned` are the wider ticks a refused price has shown.

    An exit goes on whenever something can be done; an entry only at a price inside what was approved. A net is no exit.
    """
    if ticket.is_net:
        return False
    if kind is Refusal.PRICE:
        return learned is not None
    return ticket.purpose is Purpose.EXIT and (kind in IN_THE_WAY or kind is Refusal.TIMING)


def wider(order: Order, bound: Decimal | None, known: Ticks) -> Ticks | None:
    """The next wider ticks on which a refused order has another price; None when there are none, and for shares."""
    limit = order.limit
    if limit is None or not isinstance(order.legs[0].instrument, Option):
        return None
    every = list(Ticks)
    later = every[every.index(known) + 1 :]
    return next((ticks for ticks in later if on_ticks(limit, bound, ticks) != limit), None)


def on_ticks(limit: Decimal, bound: Decimal | None, ticks: Ticks) -> Decimal:
    """`limit` (net, + paid, - received) as a class with these ticks takes it, given up against ourselves.

    Never past `bound`: then it is the better tick, and `limit` itself where that would be nothing at all.

    >>> [str(on_ticks(Decimal(x), None, Ticks.WIDE)) for x in ("-1.03", "1.03", "3.12", "-3.12", "-0.03")]
    ['-1.00', '1.05', '3.20', '-3.10', '-0.05']
    """
    below, above = ticks.sizes
    tick = below if abs(limit) < FROM else above
    up = (limit / tick).to_integral_value(ROUND_CEILING) * tick
    if not up:
        up = -tick
    if bound is None or up <= bound:
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
    latest = sorted(orders, key=lambda order: order.attempt, reverse=True)
    return len(list(takewhile(lambda order: order.status is OrderStatus.REJECTED, latest)))
