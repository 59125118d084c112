"""A person's decision: re-check price and risk now, then place the order exactly once, or say why not.

A refusal for a passing reason (no fresh quote, market closed, halted) leaves the proposal pending; a moved price makes
a new version; a broken limit blocks it. The decision and the order are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from engine import bounds, fills, gateway, nets, orders, risk, sizing, standing
from engine.desk import Desk, Mode
from engine.errors import AlreadyDecided, BadRequest, DataInvalid, DataUnavailable, NotAllowed
from engine.model.events import Event, EventKind
from engine.model.instruments import Instrument, Option, Stock
from engine.model.limits import Limits
from engine.model.market import Quote
from engine.model.orders import Order, Purpose, Ticket, TicketStatus
from engine.model.trade import Approval, ApprovalStatus, Step, TradePlan, Verdict
from engine.protection import Move, PackagePrice, entry_price, moved, nearest_dte, package_price, to_cent, worst_price
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork

OPENING_PAUSE = timedelta(minutes=15)
"""No entries in the first fifteen minutes of a session."""

EARLY_END = "11:30"
"""New York time at which entries end where the session closes early."""


class Outcome(StrEnum):
    """What a tap led to."""

    SENT = "sent"
    MOVED = "moved"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Decision:
    """The approval after the tap, what happened, and in which words."""

    approval: Approval
    outcome: Outcome
    words: str
    order: Order | None = None


class Warrant(Protocol):
    """What stands in for a person's taps; both are called inside the deciding transaction."""

    def check(self, work: UnitOfWork, approval: Approval, fresh: TradePlan) -> None:
        """Raise NotAllowed unless the proposal, at the prices of now in `fresh`, is covered."""

    def record(self, work: UnitOfWork, approval: Approval) -> None:
        """Write down that the proposal was approved under it."""


def approve(desk: Desk, approval_id: str, version: int, by: str, warrant: Warrant | None = None) -> Decision:
    """Send the proposal's order if price, session, limits and buying power still allow it.

    Under a `warrant` a broken limit leaves the proposal to people instead of blocking it.

    Raises:
        AlreadyDecided: somebody was first, it has expired, or this is an older version's button.
        NotAllowed: halted, outside the hours for entries, or shares still held by their net; it stays pending.
        DataUnavailable, DataInvalid: no fresh two-sided quote; it stays pending.
    """
    with desk.store.read() as reading:
        shown = _pending(reading.approval(approval_id), version, desk.now())
        is_account_known = standing.account_is_known(desk, reading)
    _check_session(desk, shown.plan)
    covers = shown.plan.signal.covers
    if covers is not None and not nets.step_aside(desk, covers, f"made way for the call of {approval_id}"):
        raise NotAllowed(f"The stop order under the shares of {covers} is being taken off; try again in a moment.")
    if not is_account_known:
        standing.refresh_account(desk)
    price, spot = fresh_prices(desk, shown.plan)
    standing.ensure_returns(desk, [shown.plan.signal.ticker])
    with desk.store.begin() as work:
        approval = _pending(work.approval(approval_id), version, desk.now())
        decision = _decide(desk, work, approval, price, spot, by, warrant)
    if decision.order is not None:
        decision = replace(decision, order=orders.send(desk, decision.order))
    return decision


def _pending(approval: Approval, version: int, now: datetime) -> Approval:
    """The approval, if this version of it can still be answered."""
    if not approval.is_pending:
        who = f" by {approval.decided_by}" if approval.decided_by else ""
        raise AlreadyDecided(f"{approval.id} is already {approval.status.value}{who}.")
    if now >= approval.expires_at:
        until = approval.expires_at.astimezone(NEW_YORK)
        raise AlreadyDecided(f"{approval.id} has expired: it could be answered until {until:%H:%M:%S} ET.")
    if approval.version != version:
        raise AlreadyDecided(f"{approval.id} has changed since that button was made; answer its latest card.")
    return approval


def _check_session(desk: Desk, plan: TradePlan) -> None:
    now = desk.now()
    today = desk.sessions.today(now)
    if not desk.sessions.is_open(now):
        raise NotAllowed(f"The market is closed; {plan.signal.ticker} cannot be entered now.")
    if now < desk.sessions.open(today) + OPENING_PAUSE:
        raise NotAllowed("No entries in the first 15 minutes of the session.")
    if desk.sessions.is_early(today) and now >= desk.sessions.at(today, EARLY_END):
        raise NotAllowed(f"The market closes early today: no entries after {EARLY_END}.")


def fresh_prices(desk: Desk, plan: TradePlan) -> tuple[PackagePrice, Decimal]:
    """(package price, spot) of a plan from quotes young enough to trade on.

    Raises:
        DataUnavailable: a leg or the underlying has no quote.
        DataInvalid: a quote is one-sided or too old.
    """
    signal = plan.signal
    share = Stock(signal.ticker)
    wanted: list[Instrument] = [*(leg.instrument for leg in signal.legs), share]
    quotes = desk.market.quotes(wanted)
    price = package_price(signal.legs, quotes)
    if price is None or share not in quotes:
        missing = next(item for item in wanted if item not in quotes)
        raise DataUnavailable(f"No quote for {missing} right now; try again in a moment.")
    _check_fresh(desk, plan, price, quotes)
    return price, quotes[share].mid


def _check_fresh(desk: Desk, plan: TradePlan, price: PackagePrice, quotes: Mapping[Instrument, Quote]) -> None:
    dte = nearest_dte(plan.signal.legs, desk.today)
    allowed = desk.rules.quote_age_0dte if dte == 0 else desk.rules.quote_age
    oldest = min(quote.at for quote in quotes.values())
    if desk.now() - oldest > timedelta(seconds=allowed):
        age = (desk.now() - oldest).total_seconds()
        raise DataInvalid(f"The newest quote for {plan.signal.ticker} is {age:.0f} s old, more than {allowed} s.")
    if not price.is_two_sided or not quotes[Stock(plan.signal.ticker)].is_two_sided:
        raise DataInvalid(f"The quote for {plan.signal.ticker} is one-sided or crossed.")


def _decide(
    desk: Desk,
    work: UnitOfWork,
    approval: Approval,
    price: PackagePrice,
    spot: Decimal,
    by: str,
    warrant: Warrant | None,
) -> Decision:
    """The decision inside the transaction: halted, blocked, moved, or an order."""
    fresh = _repriced(desk, approval.plan, price, spot)
    if warrant is not None:
        warrant.check(work, approval, fresh)
    closed = gateway.why_closed(desk, work, approval.plan.signal.strategy, approval.plan.signal.ticker)
    if closed:
        raise NotAllowed(f"{' '.join(closed)} {approval.id} stays pending.")
    move = moved(approval.plan.signal, to_cent(price.mid), spot, desk.today, desk.rules)
    tickets = work.open_tickets()
    state = standing.risk_state(desk, work, tickets)
    limits = bounds.limits_in_force(desk, work)
    fresh = sizing.fitted(fresh, state, limits, desk.costs)
    problems = _problems(work, fresh, state, limits, tickets)
    if problems and warrant is not None:
        raise NotAllowed(f"{_sentence(problems)} {approval.id} stays pending.")
    if problems:
        return _block(desk, work, approval, by, problems)
    if move is not Move.NONE or fresh.quantity < approval.plan.quantity:
        note = _moved_words(approval.plan, fresh, move)
        if warrant is not None:
            note = f"{left_by(by)} {note}"
        return _ask_again(desk, work, approval, _with_impact(fresh, state, limits), note, by)
    decision = _order(desk, work, approval, price, spot, by)
    if warrant is not None:
        warrant.record(work, decision.approval)
    return decision


def _repriced(desk: Desk, plan: TradePlan, price: PackagePrice, spot: Decimal) -> TradePlan:
    """The plan at the prices of now, its exits set anew by its strategy."""
    limit = to_cent(price.mid)
    strategy = desk.strategies.get(plan.signal.strategy)
    exits = None
    if strategy is not None and strategy.exits is not None:
        exits = strategy.exits(replace(plan.signal, limit=limit, spot=spot), strategy.params)
    return sizing.reprice(plan, limit, to_cent(price.natural), spot, desk.limits, exits)


def _problems(
    work: UnitOfWork, plan: TradePlan, state: risk.RiskState, limits: Limits, tickets: tuple[Ticket, ...]
) -> tuple[str, ...]:
    """Why the plan may not be traded now, as sentences; empty when it may."""
    if not plan.quantity:
        return ("at the price of now a single unit is more than this trade may risk",)
    found = [check.words for check in risk.breaches(risk.check(plan, state, limits))]
    if not _has_shares(work, plan, tickets):
        found.append("the shares it would be written on are gone, pledged or being sold")
    for leg in plan.signal.legs:
        if isinstance(leg.instrument, Option) and (leg.instrument.multiplier != 100 or leg.instrument.is_adjusted):
            found.append(f"{leg.instrument} is an adjusted contract: it can only be closed")
    ours = {leg.instrument: leg.ratio for leg in plan.signal.legs}
    for ticket in tickets:
        if any(ours.get(leg.instrument, 0) * leg.ratio < 0 for leg in ticket.legs):
            found.append(f"order {ticket.id} works the other side of the same contract")
    return tuple(found)


def _has_shares(work: UnitOfWork, plan: TradePlan, tickets: tuple[Ticket, ...]) -> bool:
    """Whether the shares a call is written on are still held and free; true for what is written on none."""
    if plan.signal.covers is None:
        return True
    shares = work.find_position(plan.signal.covers)
    if shares is None or not shares.is_open:
        return False
    pledged = sum(call.units for call in risk.calls_on(shares, work.open_positions(ticker=shares.ticker)))
    for ticket in tickets:
        if ticket.position_id == shares.id:
            return False
        if ticket.approval_id is not None and risk.is_entry(ticket):
            written = work.approval_version(ticket.approval_id, ticket.version).plan.signal
            pledged += ticket.left if written.covers == shares.id else 0
    return shares.units >= 100 * (pledged + plan.quantity)


def _sentence(problems: tuple[str, ...]) -> str:
    text = "; ".join(problems)
    return f"{text[:1].upper()}{text[1:]}."


def _block(desk: Desk, work: UnitOfWork, approval: Approval, by: str, problems: tuple[str, ...]) -> Decision:
    note = "; ".join(problems)
    blocked = work.decide(approval.id, approval.version, ApprovalStatus.BLOCKED, by, desk.now(), note)
    work.add_event(_changed(desk, blocked, by))
    return Decision(blocked, Outcome.BLOCKED, f"Not sent: {note}.")


def left_by(actor: str) -> str:
    """How a card says that a proposal was left to people: `Envelope V00001 of ann did not approve this.`"""
    return f"{actor[:1].upper()}{actor[1:]} did not approve this."


def _moved_words(plan: TradePlan, fresh: TradePlan, move: Move) -> str:
    signal = plan.signal
    change = fresh.signal.limit - signal.limit
    if move is Move.SPOT:
        note = f"{signal.ticker} moved from {signal.spot:.2f} to {fresh.signal.spot:.2f}: approve again?"
    else:
        note = f"The price moved {-change:+.2f} to {abs(fresh.signal.limit):.2f}: approve at the new price?"
    if fresh.quantity < plan.quantity:
        note += f" Size {plan.quantity} → {fresh.quantity}: at this price no more is allowed."
    return note


def _ask_again(desk: Desk, work: UnitOfWork, approval: Approval, fresh: TradePlan, note: str, by: str) -> Decision:
    revised = work.revise(approval.id, approval.version, fresh, approval.expires_at, note)
    work.add_event(_changed(desk, revised, by))
    return Decision(revised, Outcome.MOVED, note)


def _order(desk: Desk, work: UnitOfWork, approval: Approval, price: PackagePrice, spot: Decimal, by: str) -> Decision:
    now = desk.now()
    decided = work.decide(approval.id, approval.version, ApprovalStatus.APPROVED, by, now)
    wait = undo_window(desk, approval.plan, desk.today)
    ticket = _ticket(desk, approval, price, spot, now + wait, fills.new_position_id(desk, work))
    order = None
    if not wait:
        ticket, order = orders.next_order(ticket, ticket.limit, now)
    work.add_ticket(ticket)
    if order is not None:
        work.add_order(order)
    work.add_event(_changed(desk, decided, by))
    return Decision(decided, Outcome.SENT, f"Approved by {by}; order {ticket.id} is working.", order)


def _with_impact(plan: TradePlan, state: risk.RiskState, limits: Limits) -> TradePlan:
    """The plan with what it does to the limits now, for /why: size and price are no longer those of its scan."""
    return replace(plan, impact=risk.impact(plan, state, limits))


def undo_window(desk: Desk, plan: TradePlan, today: date) -> timedelta:
    """How long an approved order waits before it is sent: nothing on paper, 5 s live (2 s for same-day expiries)."""
    if desk.mode is not Mode.LIVE:
        return timedelta(seconds=desk.rules.undo_paper)
    is_0dte = nearest_dte(plan.signal.legs, today) == 0
    return timedelta(seconds=desk.rules.undo_live_0dte if is_0dte else desk.rules.undo_live)


def _ticket(
    desk: Desk, approval: Approval, price: PackagePrice, spot: Decimal, send_after: datetime, position_id: str
) -> Ticket:
    signal = approval.plan.signal
    worst = worst_price(signal, desk.rules)
    return Ticket(
        id=approval.key,
        purpose=Purpose.ENTRY,
        reason="entry",
        strategy=signal.strategy,
        ticker=signal.ticker,
        legs=signal.legs,
        quantity=approval.plan.quantity,
        limit=entry_price(price, 0, worst, desk.rules),
        worst=worst,
        working=signal.working,
        status=TicketStatus.WORKING,
        created_at=desk.now(),
        send_after=send_after,
        position_id=position_id,
        approval_id=approval.id,
        version=approval.version,
        spot=spot,
    )


def _changed(desk: Desk, approval: Approval, by: str) -> Event:
    data = {
        "status": approval.status.value,
        "version": approval.version,
        "note": approval.note,
        "ticker": approval.plan.signal.ticker,
        "strategy": approval.plan.signal.strategy,
    }
    return Event(
        desk.new_id("E"),
        EventKind.APPROVAL_CHANGED,
        desk.now(),
        approval.id,
        data,
        correlation=approval.id,
        actor=by,
    )


def reject(desk: Desk, approval_id: str, version: int, by: str, note: str = "") -> Approval:
    """Decline the proposal for good.

    Raises:
        AlreadyDecided: somebody was first, or it has expired.
    """
    with desk.store.begin() as work:
        approval = _pending(work.approval(approval_id), version, desk.now())
        rejected = work.decide(approval.id, version, ApprovalStatus.REJECTED, by, desk.now(), note)
        work.add_event(_changed(desk, rejected, by))
    return rejected


def resize(desk: Desk, approval_id: str, version: int, by: str, quantity: int) -> Approval:
    """A new pending version with `quantity` units; smaller only, for the card's risk check covered the larger.

    Raises:
        BadRequest: not between 1 and the card's quantity. AlreadyDecided: as `reject`.
        DataUnavailable: the account is not known, and so not what the new size does to the limits.
    """
    standing.ensure_account(desk)
    with desk.store.begin() as work:
        approval = _pending(work.approval(approval_id), version, desk.now())
        most = approval.plan.quantity
        if not 1 <= quantity < most:
            raise BadRequest(f"{quantity} is not a smaller size: this proposal is for {most}.")
        chosen = Step(f"chosen by {by}", f"of {most}", str(quantity), Verdict.PASSED)
        plan = sizing.resize(approval.plan, quantity, desk.costs)
        plan = replace(plan, sizing=(*plan.sizing, chosen))
        state = standing.risk_state(desk, work, work.open_tickets())
        plan = _with_impact(plan, state, bounds.limits_in_force(desk, work))
        revised = work.revise(approval.id, version, plan, approval.expires_at, f"size {most} → {quantity} by {by}")
        work.add_event(_changed(desk, revised, by))
    return revised


def leave(desk: Desk, approval: Approval, by: str, note: str) -> Approval | None:
    """The proposal as its next version with `note` on it, still pending: `by` leaves it to people.

    None when it was decided or changed meanwhile.
    """
    try:
        with desk.store.begin() as work:
            left = work.revise(approval.id, approval.version, approval.plan, approval.expires_at, note)
            work.add_event(_changed(desk, left, by))
    except AlreadyDecided:
        return None
    return left


def expire_due(desk: Desk) -> tuple[Approval, ...]:
    """Close every pending proposal whose time is over."""
    now = desk.now()
    with desk.store.read() as reading:
        late = [approval for approval in reading.pending_approvals() if approval.expires_at <= now]
    return tuple(expired for approval in late if (expired := _expire(desk, approval)) is not None)


def _expire(desk: Desk, approval: Approval) -> Approval | None:
    """The expired approval; None when somebody decided it first."""
    try:
        with desk.store.begin() as work:
            done = work.decide(
                approval.id, approval.version, ApprovalStatus.EXPIRED, "desk", desk.now(), "nobody answered in time"
            )
            work.add_event(_changed(desk, done, "desk"))
    except AlreadyDecided:
        return None
    return done
