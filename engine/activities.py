"""What happened without an order: assignments, exercises, expiries, dividends, splits, interest, fees and flows.

Read from the broker, each applied once, matched to the positions that hold the instrument. What matches nothing
becomes an urgent event with both sides, never an exception.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from engine import fills, ledger
from engine.desk import Desk
from engine.model.book import ZERO, Position, Posting, PostingKind
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import ExitPlan
from engine.model.orders import Activity, ActivityKind, Fill
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
    applied = tuple(activity for activity in desk.broker.activities(since) if _apply_once(desk, activity))
    with desk.store.begin() as work:
        work.set_setting(CURSOR, desk.now().isoformat(), "desk", desk.now())
    return applied


def _apply_once(desk: Desk, activity: Activity) -> bool:
    with desk.store.begin() as work:
        if not work.add_activity(activity):
            return False
        _apply(desk, work, activity)
    return True


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
        part = max(held, left) if left < 0 else min(held, left)
        if not part or held * left < 0:
            continue
        amount = _cents(activity.amount * part / activity.quantity)
        share = replace(activity, id=f"{activity.id}:{position.id}", quantity=part, amount=amount)
        _end_part(desk, work, position, share)
        left -= part
    if left:
        _unmatched(desk, work, activity, left)


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
    (after, postings), shares = ledger.shares_from_put(position, activity, desk.new_id("P"), ExitPlan())
    shares = replace(shares, exits=_share_exits(desk, shares))
    work.save_position(shares)
    _keep(desk, work, after, postings)
    _tell(desk, work, EventKind.ASSIGNED, shares, activity, {"basis": str(shares.entry), "put": position.id})


def _share_exits(desk: Desk, shares: Position) -> ExitPlan:
    """The stop of shares that came by assignment, from the strategy they belong to."""
    strategy = desk.strategies.get(shares.strategy)
    if strategy is None or strategy.shares_exits is None or shares.entry is None:
        return ExitPlan(words=("These shares came by assignment; no strategy arms a stop for them.",))
    return strategy.shares_exits(shares.entry, strategy.params)


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
    for position in work.open_positions():
        if position.ticker == activity.instrument.underlying:
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
    data = {
        "broker": f"{activity.kind.value} of {left} × {activity.instrument}",
        "desk": "no open position holds it",
        "activity": activity.id,
    }
    event = Event(desk.new_id("E"), EventKind.POSITION_MISMATCH, desk.now(), activity.id, data, Severity.URGENT)
    work.add_event(event)
