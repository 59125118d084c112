"""What happened without an order: assignments, exercises, expiries, dividends, splits, interest, fees and flows.

Read from the broker, each applied once, matched to the positions that hold the instrument. What matches nothing
becomes an urgent event with both sides, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from engine import fills, ledger, standing
from engine.desk import Desk
from engine.each import each
from engine.errors import DataInvalid
from engine.mending import share_exits
from engine.model.book import ZERO, Position, Posting, PostingKind
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import ExitPlan
from engine.model.orders import Activity, ActivityKind, Fill, Ticket
from engine.store import UnitOfWork

log = structlog.get_logger()

CURSOR = "activities_since"
OVERLAP = timedelta(days=7)
"""Brokers date activities after the fact: look back this far; ids make repeats harmless."""

CASH_KINDS = {
    ActivityKind.INTEREST: PostingKind.INTEREST,
    ActivityKind.FEE: PostingKind.FEE,
    ActivityKind.DEPOSIT: PostingKind.FLOW,
    ActivityKind.WITHDRAWAL: PostingKind.FLOW,
}


def settle(desk: Desk) -> tuple[Activity, ...]:
    """Apply every activity not yet seen, oldest first; returns the new ones."""
    with desk.store.read() as reading:
        text = reading.setting(CURSOR)
    since = datetime.fromisoformat(text) - OVERLAP if text else desk.now() - OVERLAP
    found = desk.broker.activities(since)
    news = each(found, lambda activity: _apply_once(desk, activity), lambda activity: activity.id)
    with desk.store.begin() as work:
        work.set_setting(CURSOR, desk.now().isoformat(), "desk", desk.now())
    return tuple(activity for activity, is_new in zip(found, news, strict=True) if is_new)


def _apply_once(desk: Desk, activity: Activity) -> bool:
    try:
        with desk.store.begin() as work:
            if not work.add_activity(activity):
                return False
            _apply(desk, work, activity)
            standing.forget_account(desk, work)
    except DataInvalid as problem:
        _set_aside(desk, activity, problem)
    return True


def _set_aside(desk: Desk, activity: Activity, problem: DataInvalid) -> None:
    """What the books cannot take is told to a person; it must not keep everything behind it from being booked."""
    log.error("activity.set_aside", id=activity.id, kind=activity.kind.value, problem=str(problem))
    with desk.store.begin() as work:
        work.add_activity(activity)
        _mismatch(desk, work, activity, activity.quantity, f"not booked: {problem}")


def _apply(desk: Desk, work: UnitOfWork, activity: Activity) -> None:
    match activity.kind:
        case ActivityKind.ASSIGNMENT | ActivityKind.EXERCISE | ActivityKind.EXPIRY:
            _option_ended(desk, work, activity)
        case ActivityKind.DIVIDEND:
            _dividend(desk, work, activity)
        case ActivityKind.SPLIT:
            _split(desk, work, activity)
        case _:
            kind = CASH_KINDS[activity.kind]
            work.add_postings((Posting(f"{activity.id}:cash", kind, activity.at, activity.amount),))


def _option_ended(desk: Desk, work: UnitOfWork, activity: Activity) -> None:
    """Take the contracts out of the positions that hold them, oldest position first."""
    left = activity.quantity
    for position in _holders(work, activity):
        held = next(leg.quantity for leg in position.legs if leg.instrument == activity.instrument)
        if held * left <= 0:
            continue
        part = max(held, left) if left < 0 else min(held, left)
        amount = _cents(activity.amount * part / activity.quantity)
        share = replace(activity, id=f"{activity.id}:{position.id}", quantity=part, amount=amount)
        _end_part(desk, work, position, share)
        _withdraw(work, lambda ticket, id=position.id: ticket.position_id == id, activity)  # type: ignore[misc]
        left -= part
    if left:
        _unmatched(desk, work, activity, left)


def _withdraw(work: UnitOfWork, concerns: Callable[[Ticket], bool], activity: Activity) -> None:
    """Ask for the end of orders that were made for what is not there any more."""
    for ticket in work.open_tickets():
        if concerns(ticket):
            work.save_ticket(ticket.canceling(f"{activity.kind.value} of {activity.instrument}"))


def _holders(work: UnitOfWork, activity: Activity) -> list[Position]:
    open_positions = sorted(work.open_positions(), key=lambda position: (position.opened_at, position.id))
    return [p for p in open_positions if activity.instrument in p.instruments]


def _end_part(desk: Desk, work: UnitOfWork, position: Position, activity: Activity) -> None:
    if activity.kind is ActivityKind.EXPIRY:
        after, postings = ledger.apply_expiry(position, activity)
        _keep(desk, work, after, postings)
        _tell(desk, work, EventKind.EXPIRED, position, activity, {})
        return
    if activity.amount:
        after, postings = ledger.apply_cash_settlement(position, activity)
        _keep(desk, work, after, postings)
        _tell(desk, work, EventKind.ASSIGNED, position, activity, {"cash": str(activity.amount)})
        return
    option = activity.instrument
    if not isinstance(option, Option):
        return
    if option.right is Right.PUT and activity.quantity < 0:
        _put_assigned(desk, work, position, activity)
    elif option.right is Right.CALL and activity.quantity < 0:
        _call_assigned(desk, work, position, activity, option)
    else:
        _exercised(desk, work, position, activity, option)


def _put_assigned(desk: Desk, work: UnitOfWork, position: Position, activity: Activity) -> None:
    (after, postings), shares = ledger.shares_from_put(
        position, activity, fills.new_position_id(desk, work), ExitPlan()
    )
    shares = replace(shares, exits=share_exits(desk, shares))
    work.save_position(shares)
    _keep(desk, work, after, postings)
    _tell(desk, work, EventKind.ASSIGNED, shares, activity, {"basis": str(shares.entry), "put": position.id})


def _call_assigned(desk: Desk, work: UnitOfWork, call: Position, activity: Activity, option: Option) -> None:
    """Shares called away; a short call whose shares are not in the same campaign is reported, not guessed."""
    share = Stock(option.underlying)
    needed = -activity.quantity * option.multiplier
    campaign = [p for p in work.open_positions() if p.campaign == call.campaign and p.id != call.id]
    holder = next((p for p in campaign if _held(p, share) >= needed), None)
    if holder is None:
        _unmatched(desk, work, activity, activity.quantity)
        return
    after, shares, postings = ledger.shares_called(call, holder, activity)
    _keep(desk, work, after, postings)
    _keep(desk, work, shares, ())
    _tell(desk, work, EventKind.CALLED_AWAY, shares, activity, {"call": call.id})


def _exercised(desk: Desk, work: UnitOfWork, position: Position, activity: Activity, option: Option) -> None:
    """A long option exercised: its cost moves into shares bought (call) or sold (put) at the strike."""
    shares = activity.quantity * option.multiplier * (1 if option.right is Right.CALL else -1)
    after, postings = ledger.apply_expiry(position, activity)
    cost = after.realised - position.realised
    moved = replace(after, realised=position.realised)
    price = option.strike - cost / shares
    fill = Fill(f"{activity.id}:shares", activity.id, Stock(option.underlying), shares, price, activity.at)
    booked, share_postings = ledger.apply_fill(moved, fill, "exercised")
    paid = tuple(replace(p, cash=p.cash - cost) for p in share_postings)
    _keep(desk, work, booked, (*(replace(p, realised=ZERO) for p in postings), *paid))
    _tell(desk, work, EventKind.ASSIGNED, booked, activity, {"exercised": str(option)})


def _dividend(desk: Desk, work: UnitOfWork, activity: Activity) -> None:
    """Shared among the positions that hold the shares in proportion, the last one taking the odd cents."""
    holders = [p for p in _holders(work, activity) if isinstance(activity.instrument, Stock)]
    total = sum(_shares_in(p) for p in holders)
    if not total:
        work.add_postings((Posting(f"{activity.id}:cash", PostingKind.DIVIDEND, activity.at, activity.amount),))
        return
    left = activity.amount
    for position in holders:
        part = left if position is holders[-1] else _cents(activity.amount * _shares_in(position) / total)
        left -= part
        share = replace(activity, id=f"{activity.id}:{position.id}", amount=part)
        after, postings = ledger.apply_dividend(position, share)
        _keep(desk, work, after, postings)
    _tell(desk, work, EventKind.DIVIDEND, holders[0], activity, {"amount": str(activity.amount)})


def _held(position: Position, share: Stock) -> int:
    return sum(leg.quantity for leg in position.legs if leg.instrument == share)


def _shares_in(position: Position) -> int:
    return sum(leg.quantity for leg in position.legs if isinstance(leg.instrument, Stock))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _split(desk: Desk, work: UnitOfWork, activity: Activity) -> None:
    """Every position in the underlying is restated; open orders were canceled by the broker."""
    if activity.instrument is None or activity.ratio is None:
        _unmatched(desk, work, activity, activity.quantity)
        return
    ticker = activity.instrument.underlying
    _withdraw(work, lambda ticket: ticket.ticker == ticker, activity)
    standing.forget_marks(desk, work, ticker)
    for position in work.open_positions():
        if position.ticker == ticker:
            work.save_position(ledger.apply_split(position, activity.ratio))
            _tell(desk, work, EventKind.SPLIT, position, activity, {"ratio": str(activity.ratio)})


def _keep(desk: Desk, work: UnitOfWork, position: Position, postings: tuple[Posting, ...]) -> None:
    work.save_position(position)
    work.add_postings(postings)
    if not position.is_open:
        fills.closed(desk, work, position)


def _tell(
    desk: Desk, work: UnitOfWork, kind: EventKind, position: Position, activity: Activity, more: dict[str, object]
) -> None:
    data: dict[str, object] = {
        "ticker": position.ticker,
        "strategy": position.strategy,
        "instrument": str(activity.instrument),
        "quantity": activity.quantity,
        **more,
    }
    severity = Severity.WARNING if kind is EventKind.ASSIGNED else Severity.INFO
    correlation = position.approval_id or position.id
    work.add_event(Event(desk.new_id("E"), kind, desk.now(), position.id, data, severity, correlation))


def _unmatched(desk: Desk, work: UnitOfWork, activity: Activity, left: int) -> None:
    log.warning("activity.unmatched", id=activity.id, kind=activity.kind.value)
    _mismatch(desk, work, activity, left, "no open position holds it")


def _mismatch(desk: Desk, work: UnitOfWork, activity: Activity, left: int, ours: str) -> None:
    data = {
        "broker": f"{activity.kind.value} of {left} × {activity.instrument}",
        "desk": ours,
        "activity": activity.id,
    }
    event = Event(desk.new_id("E"), EventKind.POSITION_MISMATCH, desk.now(), activity.id, data, Severity.URGENT)
    work.add_event(event)
