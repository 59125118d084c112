"""What happened without an order: assignments, exercises, expiries, dividends, splits, interest, fees and flows.

Read from the broker, each applied once, matched to the positions that hold the instrument. What matches nothing
becomes an urgent event with both sides, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import structlog

from engine import approvals, envelopes, fills, ledger, mending, rolls, standing
from engine.codec import dump, load
from engine.desk import Desk
from engine.each import each
from engine.errors import DataInvalid
from engine.mending import is_broken, share_exits
from engine.model.book import Account, Lot, Position, Posting, PostingKind
from engine.model.events import EventKind, Severity
from engine.model.instruments import Right, Stock
from engine.model.legs import ExitPlan, Structure
from engine.model.orders import Activity, ActivityKind, Ticket
from engine.store import UnitOfWork

log = structlog.get_logger()

CURSOR = "activities_since"
OVERLAP = timedelta(days=7)
"""Brokers date activities after the fact: look back this far; ids make repeats harmless."""

START = "start"
"""Key of the opening balance in the ledger."""

OPENED = "books:opened"
"""Setting: when the books began with the balance of an account at a broker."""

WAITING = "activities_waiting"
"""Setting: contracts the broker says have ended and no position holds: perhaps their fills are not booked yet."""

CASH_KINDS = {
    ActivityKind.INTEREST: PostingKind.INTEREST,
    ActivityKind.FEE: PostingKind.FEE,
    ActivityKind.DEPOSIT: PostingKind.FLOW,
    ActivityKind.WITHDRAWAL: PostingKind.FLOW,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """The part of an activity that the books could not take yet, and whether a person was told."""

    activity: Activity
    is_told: bool


@dataclass(frozen=True, slots=True)
class Waitings:
    all: tuple[Waiting, ...]


def have_begun(work: UnitOfWork) -> bool:
    """Whether the ledger has its opening balance: before that, equity is only what was booked since."""
    return bool(work.totals().start or work.setting(OPENED))


def open_books(desk: Desk, account: Account) -> None:
    """Start the ledger with the account's cash, once; what it holds besides is adopted by a person.

    What the broker has reported until now is in that cash already, and so is what the ledger has booked before (a desk
    that could not ask when it started): neither is booked on top of it.

    Raises:
        BrokerUnavailable: the broker does not say what it has reported; nothing was opened.
    """
    with desk.store.read() as reading:
        if have_begun(reading):
            return
    reported = desk.broker.activities(desk.now() - OVERLAP)
    now = desk.now()
    with desk.store.begin() as work:
        opening = account.cash - work.totals().cash
        work.add_postings((Posting(START, PostingKind.START, now, opening),))
        for activity in reported:
            work.add_activity(activity)
        work.set_setting(OPENED, now.isoformat(), "desk", now)


def settle(desk: Desk) -> tuple[Activity, ...]:
    """Apply every activity not yet seen, oldest first; returns the new ones."""
    with desk.store.read() as reading:
        text = reading.setting(CURSOR)
    since = datetime.fromisoformat(text) - OVERLAP if text else desk.now() - OVERLAP
    found = desk.broker.activities(since)
    _book_waiting(desk)
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
        case ActivityKind.ADJUSTMENT:
            _adjusted(desk, work, activity)
        case _:
            kind = CASH_KINDS[activity.kind]
            work.add_postings((Posting(f"{activity.id}:cash", kind, activity.at, activity.amount),))


def _option_ended(desk: Desk, work: UnitOfWork, activity: Activity) -> None:
    """Take the contracts out of the positions that hold them, oldest first; keep what none of them holds yet."""
    left = _taken(desk, work, activity)
    if left:
        rest = replace(activity, quantity=left, amount=_cents(activity.amount * left / activity.quantity))
        _wait_for_book(desk, work, Waiting(rest, is_told=False))


def _taken(desk: Desk, work: UnitOfWork, activity: Activity) -> int:
    """Signed contracts that no position held after the others were booked."""
    left = activity.quantity
    for position in _holders(desk, work, activity):
        held = next(leg.quantity for leg in position.legs if leg.instrument == activity.instrument)
        if held * left <= 0:
            continue
        part = max(held, left) if left < 0 else min(held, left)
        amount = _cents(activity.amount * part / activity.quantity)
        share = replace(activity, id=f"{activity.id}:{position.id}", quantity=part, amount=amount)
        _end_part(desk, work, position, share)
        _withdraw(work, lambda ticket, id=position.id: ticket.position_id == id, activity)  # type: ignore[misc]
        left -= part
    return left


def _wait_for_book(desk: Desk, work: UnitOfWork, rest: Waiting) -> None:
    """Keep what no position holds: the executions that opened it may not be booked yet. What they cannot explain is
    told at once."""
    activity = rest.activity
    if not rest.is_told and abs(activity.quantity) > _unbooked(work, activity):
        _unmatched(desk, work, activity, activity.quantity)
        rest = replace(rest, is_told=True)
    _save_waiting(desk, work, (*_waiting(work), rest))


def _unbooked(work: UnitOfWork, activity: Activity) -> int:
    """Contracts of the activity's side that working orders may have traded without our knowing yet."""
    sides = (
        leg.ratio * ticket.left
        for ticket in work.open_tickets()
        for leg in ticket.legs
        if leg.instrument == activity.instrument
    )
    return abs(sum(side for side in sides if side * activity.quantity > 0))


def _book_waiting(desk: Desk) -> None:
    """Try again what was told by the broker before the books could take it; a week later it is let go."""
    with desk.store.begin() as work:
        waiting = _waiting(work)
        if not waiting:
            return
        _save_waiting(desk, work, ())
        for rest in waiting:
            again = replace(rest.activity, id=f"{rest.activity.id}+")
            left = _taken(desk, work, again)
            if left and desk.now() - again.at < OVERLAP:
                amount = _cents(again.amount * left / again.quantity)
                _wait_for_book(desk, work, replace(rest, activity=replace(again, quantity=left, amount=amount)))


def _waiting(work: UnitOfWork) -> tuple[Waiting, ...]:
    text = work.setting(WAITING)
    return load(Waitings, text).all if text else ()


def _save_waiting(desk: Desk, work: UnitOfWork, waiting: tuple[Waiting, ...]) -> None:
    work.set_setting(WAITING, dump(Waitings(waiting)), "desk", desk.now())


def _withdraw(work: UnitOfWork, concerns: Callable[[Ticket], bool], activity: Activity) -> None:
    """Ask for the end of orders that were made for what is not there any more."""
    for ticket in work.open_tickets():
        if concerns(ticket):
            work.save_ticket(ticket.canceling(f"{activity.kind.value} of {activity.instrument}"))


def _holders(desk: Desk, work: UnitOfWork, activity: Activity) -> list[Position]:
    """Positions that hold the instrument and did on that day, the oldest first."""
    day = desk.sessions.today(activity.at)
    open_positions = sorted(work.open_positions(), key=lambda position: (position.opened_at, position.id))
    return [p for p in open_positions if activity.instrument in p.instruments and _opened(desk, p) <= day]


def _opened(desk: Desk, position: Position) -> date:
    return desk.sessions.today(position.opened_at)


def _end_part(desk: Desk, work: UnitOfWork, position: Position, activity: Activity) -> None:
    """Contracts of one position end: worthless, in cash, or in shares."""
    if activity.kind is ActivityKind.EXPIRY:
        after, postings = ledger.apply_expiry(position, activity)
        _tell(desk, work, EventKind.EXPIRED, position, activity, {})
    elif activity.amount:
        after, postings = ledger.apply_cash_settlement(position, activity)
        _tell(desk, work, EventKind.ASSIGNED, position, activity, {"cash": str(activity.amount)})
    else:
        after, lots = ledger.delivered(position, activity)
        postings = ()
        loose = _deliver(desk, work, after, activity, lots)
        if loose is not None and not is_broken(after):
            mending.tell(desk, work, loose)
    _keep(desk, work, after, postings)
    broken = mending.mended(desk, work, after)
    if broken is not None:
        mending.tell(desk, work, broken)


def _deliver(
    desk: Desk, work: UnitOfWork, option: Position, activity: Activity, lots: tuple[Lot, ...]
) -> Position | None:
    """Shares come in or go: against those of the other side first, the campaign's own before others of the name.

    Returns the share position that is left without a stop, None when there is none.
    """
    for holder in _share_holders(work, option):
        after, lots, postings = ledger.receive(holder, activity, lots)
        if postings:
            _keep(desk, work, after, postings)
            _withdraw(work, lambda ticket, id=holder.id: _is_on(work, ticket, id), activity)  # type: ignore[misc]
            _tell(desk, work, _kind(activity), after, activity, {"option": option.id})
    if not lots:
        return None
    shares, postings = _more_shares(desk, work, option, activity, lots)
    shares = replace(shares, exits=share_exits(desk, shares))
    _keep(desk, work, shares, postings)
    _tell(desk, work, _kind(activity), shares, activity, {"basis": str(shares.entry), "option": option.id})
    return None if shares.exits.has_stop else shares


def _is_on(work: UnitOfWork, ticket: Ticket, position_id: str) -> bool:
    """Whether the ticket trades the position, or writes a call on its shares."""
    if ticket.position_id == position_id:
        return True
    approval = ticket.approval_id
    return approval is not None and work.approval_version(approval, ticket.version).plan.signal.covers == position_id


def _share_holders(work: UnitOfWork, option: Position) -> list[Position]:
    """Open share positions of the name: an account holds one pile of shares, whatever the books call them."""
    shares = [p for p in work.open_positions(ticker=option.ticker) if p.structure is Structure.SHARES]
    return sorted(shares, key=lambda p: (p.campaign != option.campaign, p.strategy != option.strategy, p.id))


def _more_shares(
    desk: Desk, work: UnitOfWork, option: Position, activity: Activity, lots: tuple[Lot, ...]
) -> ledger.Change:
    """The campaign's share position with the delivered lots, or a new one."""
    same = [p for p in _share_holders(work, option) if p.campaign == option.campaign]
    if same:
        return ledger.add_shares(same[0], activity, lots)
    return ledger.shares_from(option, activity, lots, fills.new_position_id(desk, work), ExitPlan())


def _kind(activity: Activity) -> EventKind:
    is_called = activity.kind is ActivityKind.ASSIGNMENT and ledger.right_of(activity) is Right.CALL
    return EventKind.CALLED_AWAY if is_called else EventKind.ASSIGNED


def _dividend(desk: Desk, work: UnitOfWork, activity: Activity) -> None:
    """Shared among the positions that hold the shares in proportion, the last one taking the odd cents."""
    holders = [p for p in work.open_positions() if activity.instrument in p.instruments]
    holders = holders if isinstance(activity.instrument, Stock) else []
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
    _withdraw_name(desk, work, ticker, activity)
    standing.forget_marks(desk, work, ticker)
    for position in work.open_positions():
        if position.ticker == ticker:
            work.save_position(ledger.apply_split(position, activity.ratio))
            _tell(desk, work, EventKind.SPLIT, position, activity, {"ratio": str(activity.ratio)})


def _withdraw_name(desk: Desk, work: UnitOfWork, ticker: str, activity: Activity) -> None:
    """Everything that waits or works on a name whose contracts have changed is taken back."""
    _withdraw(work, lambda ticket: ticket.ticker == ticker, activity)
    why = f"{activity.kind.value} of {ticker}: its contracts have changed"
    approvals.withdraw(desk, work, ticker, why)
    rolls.withdraw(desk, work, ticker, f"{why[:1].upper()}{why[1:]}.")
    envelopes.withdraw(desk, work, ticker)


def _adjusted(desk: Desk, work: UnitOfWork, activity: Activity) -> None:
    """Contracts may have another deliverable now: what works on the name is taken off, and a person is told."""
    name = "options" if activity.instrument is None else activity.instrument.underlying
    _withdraw_name(desk, work, name, activity)
    ours = f"not booked: look at the broker's {name} contracts and cash; adjusted ones can only be closed"
    _mismatch(desk, work, activity, activity.quantity, ours)


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
    work.add_event(desk.event(kind, position.id, data, severity, position.story))


def _unmatched(desk: Desk, work: UnitOfWork, activity: Activity, left: int) -> None:
    log.warning("activity.unmatched", id=activity.id, kind=activity.kind.value)
    _mismatch(desk, work, activity, left, "no open position holds it")


def _mismatch(desk: Desk, work: UnitOfWork, activity: Activity, left: int, ours: str) -> None:
    amount = f", {activity.amount:+,.2f}" if activity.amount else ""
    what = f"{left} × {activity.instrument}" if left else str(activity.instrument)
    data = {
        "broker": f"{activity.kind.value} of {what}{amount}",
        "desk": ours,
        "activity": activity.id,
    }
    event = desk.event(EventKind.POSITION_MISMATCH, activity.id, data, Severity.URGENT)
    work.add_event(event)
