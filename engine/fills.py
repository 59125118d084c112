"""Booking executions: order, ticket, position, ledger and event in one transaction, each execution once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from engine import alarms, ledger, standing
from engine.attempts import story_of
from engine.desk import Desk
from engine.exposures import plan_exposure
from engine.model.book import ZERO, Position
from engine.model.events import Event, EventKind, Severity
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import DONE, STOPS, Fill, Order, OrderStatus, Purpose, Ticket, TicketStatus
from engine.model.trade import TradePlan
from engine.store import UnitOfWork

UNFILLED = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED})


def unfilled(order: Order) -> Order:
    """The order as accepted, before its executions are booked: only a booked execution counts as filled."""
    status = OrderStatus.ACCEPTED if order.status in UNFILLED or order.filled else order.status
    return replace(order, status=status, filled=0, average=None)


def units_of(legs: Iterable[Leg], executions: Iterable[Fill]) -> int:
    """Whole units that the executions make up: the leg that is furthest behind decides."""
    done: dict[str, int] = {}
    for fill in executions:
        done[fill.instrument.symbol] = done.get(fill.instrument.symbol, 0) + abs(fill.quantity)
    return min((done.get(leg.instrument.symbol, 0) // abs(leg.ratio) for leg in legs), default=0)


def average_of(legs: Iterable[Leg], executions: Iterable[Fill]) -> Decimal | None:
    """Net price per share of a unit over the executions: + paid, - received; None while a leg has none."""
    booked = tuple(executions)
    total = ZERO
    for leg in legs:
        mine = [fill for fill in booked if fill.instrument == leg.instrument]
        quantity = sum(abs(fill.quantity) for fill in mine)
        if not quantity:
            return None
        total += sum((fill.price * abs(fill.quantity) for fill in mine), ZERO) / quantity * leg.ratio
    return total


def book(desk: Desk, order: Order, known: Order, executions: tuple[Fill, ...]) -> Order:
    """The order after the broker's word `known` and its new executions are booked.

    It becomes terminal here only when every unit the broker calls filled has its executions booked, so that no fill
    can be lost behind a finished order.
    """
    with desk.store.begin() as work:
        stored = work.order(order.client_order_id)
        if stored.status in DONE:
            return stored
        ticket = work.ticket(order.ticket_id)
        fresh = [fill for fill in executions if work.add_fill(fill, ticket.position_id)]
        booked = work.fills(client_order_id=order.client_order_id)
        merged = _merged(stored, known, booked, desk.now())
        if merged != stored:
            work.save_order(merged)
        _book_ticket(desk, work, ticket, merged, fresh)
        if fresh:
            _book_position(desk, work, ticket, fresh)
            standing.forget_account(desk, work)
    return merged


def _merged(stored: Order, known: Order, booked: tuple[Fill, ...], now: datetime) -> Order:
    units = units_of(stored.legs, booked)
    status = known.status
    if status in DONE and units < known.filled:
        status = stored.status
    elif status is OrderStatus.ACCEPTED and units:
        status = OrderStatus.PARTIALLY_FILLED
    return replace(
        stored,
        status=status,
        broker_id=known.broker_id or stored.broker_id,
        filled=units,
        average=average_of(stored.legs, booked),
        sent_at=stored.sent_at or stored.created_at,
        accepted_at=stored.accepted_at or now,
        done_at=now if status in DONE else None,
        error=known.error,
    )


def _book_ticket(desk: Desk, work: UnitOfWork, ticket: Ticket, order: Order, fresh: list[Fill]) -> None:
    filled = sum(sibling.filled for sibling in work.orders(ticket.id))
    changed = replace(ticket, filled=filled)
    if changed.left == 0 and not order.is_open:
        changed = replace(changed, status=TicketStatus.FILLED, note="filled")
    if changed != ticket:
        work.save_ticket(changed)
    if fresh:
        work.add_event(_filled_event(desk, work, changed, order, fresh))


def _filled_event(desk: Desk, work: UnitOfWork, ticket: Ticket, order: Order, fresh: list[Fill]) -> Event:
    data = {
        "client_order_id": order.client_order_id,
        "executions": [fill.execution_id for fill in fresh],
        "average": str(order.average),
        "filled": ticket.filled,
        "quantity": ticket.quantity,
        "ticker": ticket.ticker,
        "strategy": ticket.strategy,
        "purpose": ticket.purpose.value,
        "position": ticket.position_id,
        "approval": ticket.approval_id or "",
    }
    return desk.event(EventKind.FILLED, ticket.position_id, data, correlation=story_of(work, ticket))


def _book_position(desk: Desk, work: UnitOfWork, ticket: Ticket, fresh: list[Fill]) -> None:
    position = work.find_position(ticket.position_id)
    plan = work.approval_version(ticket.approval_id, ticket.version).plan if ticket.approval_id else None
    if position is None:
        position = _opened(ticket, plan, fresh[0].at)
    for fill in fresh:
        position, postings = ledger.apply_fill(position, fill, ticket.reason)
        work.add_postings(postings)
    if ticket.purpose is Purpose.ENTRY and plan is not None:
        position = _sized(position, plan)
    work.save_position(position)
    if not position.is_open:
        closed(desk, work, position)


def _opened(ticket: Ticket, plan: TradePlan | None, at: datetime) -> Position:
    """The empty position of an entry's first fill, with its exits armed from the start."""
    signal = plan.signal if plan else None
    return Position(
        id=ticket.position_id,
        campaign=(signal.campaign if signal else None) or ticket.position_id,
        strategy=ticket.strategy,
        ticker=ticket.ticker,
        structure=signal.structure if signal else Structure.SHARES,
        unit=ticket.legs,
        legs=(),
        exits=signal.exits if signal else ExitPlan(),
        opened_at=at,
        approval_id=ticket.approval_id,
        modelled=bool(signal and signal.modelled),
    )


def _sized(position: Position, plan: TradePlan) -> Position:
    """The position with the plan's risk numbers in proportion to what has been opened."""
    opened = max(position.opened_units, position.units)
    share = Decimal(opened) / plan.quantity
    held = {leg.instrument: leg.average for leg in position.legs}
    delta = plan_exposure(plan).delta
    entry = sum((held.get(leg.instrument, ZERO) * leg.ratio for leg in position.unit), ZERO)
    return replace(
        position,
        opened_units=opened,
        entry=entry if opened else None,
        risk=plan.counted_risk * share,
        max_loss=None if plan.max_loss is None else plan.max_loss * share,
        collateral=plan.collateral * share,
        delta=None if delta is None else delta * share,
    )


def new_position_id(desk: Desk, work: UnitOfWork) -> str:
    """An id that neither a position nor an order has: a clock that went back must not make two trades one."""
    id = desk.new_id("P")
    while work.is_position_id(id):
        id = desk.new_id("P")
    return id


def closed(desk: Desk, work: UnitOfWork, position: Position) -> None:
    """Record the end of a structure: its `trades` row and its event."""
    work.add_trade(position)
    data = {
        "ticker": position.ticker,
        "strategy": position.strategy,
        "realised": str(position.realised),
        "fees": str(position.fees),
        "reason": position.close_reason,
    }
    severity = Severity.WARNING if position.close_reason in STOPS else Severity.INFO
    work.add_event(desk.event(EventKind.POSITION_CLOSED, position.id, data, severity, position.story))
    alarms.over(desk, work, position, f"{position.ticker} is closed: {position.close_reason}.")
