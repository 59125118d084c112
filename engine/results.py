"""What each strategy has made: one reckoning for /pnl, for the pauses and for the history of every day. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.model.book import ZERO, Position
from engine.model.instruments import Instrument, Stock
from engine.model.orders import NET, PANIC, Order, Ticket
from engine.model.records import PnlLine, StrategyTotals

NOTHING = StrategyTotals(ZERO, ZERO, ZERO)
"""Of a strategy that has booked nothing."""
NO_LADDER = frozenset({NET, PANIC})
"""Reasons of exits whose first price is a bound and no mid."""


def by_strategy(
    booked: Mapping[str, StrategyTotals],
    positions: Iterable[Position],
    prices: Mapping[Instrument, Decimal],
    strategies: Iterable[str] = (),
) -> tuple[PnlLine, ...]:
    """What each strategy has made, by name: those that traded, and those of `strategies`.

    Args:
        booked: sums of the ledger by strategy. positions: what is open. prices: dollars per share of what is open, at
            the mid or at what it could be closed for.
    """
    parts: dict[str, list[Decimal | None]] = {}
    for position in positions:
        parts.setdefault(position.strategy, []).append(position.unrealised(prices))
    return tuple(
        _line(name, booked.get(name, NOTHING), parts.get(name, [])) for name in sorted({*booked, *parts, *strategies})
    )


def _line(name: str, booked: StrategyTotals, parts: list[Decimal | None]) -> PnlLine:
    known = [part for part in parts if part is not None]
    unrealised = sum(known, ZERO) if len(known) == len(parts) else None
    return PnlLine(name, booked.realised, unrealised, booked.dividends, booked.fees)


def slippage(tickets: Iterable[Ticket], orders: Iterable[Order]) -> dict[str, Decimal]:
    """Dollars that fills cost beyond the mid their decision was made at, by strategy; below zero they were better.

    The first price of a ladder is that mid; shares leave beyond it at once and are held against their spot. Exits that
    have no ladder are left out.
    """
    mids = {ticket.id: (ticket.strategy, mid) for ticket in tickets if (mid := _mid(ticket)) is not None}
    cost: dict[str, Decimal] = {}
    for order in orders:
        if order.ticket_id not in mids or order.average is None:
            continue
        strategy, mid = mids[order.ticket_id]
        beyond = (order.average - mid) * order.filled * order.legs[0].instrument.multiplier
        cost[strategy] = cost.get(strategy, ZERO) + beyond
    return cost


def _mid(ticket: Ticket) -> Decimal | None:
    """Net mid per share of a unit when the decision was made, None where it is not kept."""
    if ticket.reason in NO_LADDER:
        return None
    first = ticket.legs[0]
    if isinstance(first.instrument, Stock):
        return None if ticket.spot is None else ticket.spot * first.ratio
    return ticket.limit
