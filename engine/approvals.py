"""A person's decision: re-check price and risk now, then place the order exactly once, or say why not.

A refusal for a passing reason (no fresh quote, market closed, halted) leaves the proposal pending; a moved price makes
a new version; a broken limit blocks it. The decision and the order are one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from engine import bounds, checks, consents, fills, gateway, grounds, halts, nets, orders, risk, sizing, standing
from engine.checks import Change, Seen
from engine.consents import Authority
from engine.desk import Desk, Mode
from engine.each import each
from engine.errors import AlreadyDecided, BadRequest, DataError, NotAllowed
from engine.model.events import Event, EventKind
from engine.model.instruments import Option
from engine.model.orders import Order, Purpose, Ticket, TicketStatus
from engine.model.trade import Approval, ApprovalStatus, TradePlan
from engine.protection import entry_price, lifetime, nearest_dte, to_cent, worst_price
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork

READ = (halts.SETTING, *standing.READ)
"""Settings that a decision reads."""

WAKING = timedelta(seconds=60)
"""How long a proposal that wakes up is tried again while there is no quote to ask with."""


class Outcome(StrEnum):
    """What a tap led to."""

    SENT = "sent"
    ASKED = "asked"
    """One more tap is needed."""
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

    A person's tap may need another one first (`engine.consents`). Under a `warrant` none is needed, and a broken limit
    leaves the proposal to people instead of blocking it.

    Raises:
        AlreadyDecided: somebody was first, it has expired, or this is an older version's button.
        NotAllowed: halted, outside the hours for entries, shares still held by their net, or this person's word does
            not count here; it stays pending.
        DataUnavailable, DataInvalid: no quote good enough to trade on; it stays pending.
    """
    authority = consents.by_tap if warrant is None else consents.pre_authorised
    return _tapped(desk, approval_id, version, by, authority, warrant)


def confirm(desk: Desk, approval_id: str, version: int, by: str) -> Decision:
    """The second tap on live money; everything is checked again as at the first.

    Raises:
        As `approve`; NotAllowed also when the first tap was somebody else's.
    """
    return _tapped(desk, approval_id, version, by, consents.by_confirmation, None)


def _tapped(
    desk: Desk, approval_id: str, version: int, by: str, authority: Authority, warrant: Warrant | None
) -> Decision:
    with desk.store.read() as reading:
        shown = pending(reading.approval(approval_id), version, desk.now())
        is_account_known = standing.account_is_known(desk, reading)
        unknown = standing.missing_returns(desk, reading, [shown.plan.signal.ticker])
    signal = shown.plan.signal
    checks.check_open(desk, signal)
    covers = signal.covers
    if covers is not None and not nets.step_aside(desk, covers, f"made way for the call of {approval_id}"):
        raise NotAllowed(f"The stop order under the shares of {covers} is being taken off; try again in a moment.")
    if not is_account_known:
        standing.refresh_account(desk)
    standing.ask_returns(desk, unknown)
    seen = checks.at_tap(desk, signal)
    with desk.store.begin() as work:
        work.read_ahead(signal.strategy, READ)
        approval = pending(work.approval(approval_id), version, desk.now())
        decision = _decide(desk, work, approval, seen, by, authority, warrant)
    if decision.order is not None:
        decision = replace(decision, order=orders.send(desk, decision.order))
    return decision


def pending(approval: Approval, version: int, now: datetime) -> Approval:
    """The approval, if this version of it can still be answered.

    Raises:
        AlreadyDecided: decided, expired, or changed since.
    """
    if not approval.is_pending:
        who = f" by {approval.decided_by}" if approval.decided_by else ""
        raise AlreadyDecided(f"{approval.id} is already {approval.status.value}{who}.")
    if now >= approval.expires_at:
        until = approval.expires_at.astimezone(NEW_YORK)
        raise AlreadyDecided(f"{approval.id} has expired: it could be answered until {until:%H:%M:%S} ET.")
    if approval.version != version:
        raise AlreadyDecided(f"{approval.id} has changed since that button was made; answer its latest card.")
    return approval


def _decide(
    desk: Desk,
    work: UnitOfWork,
    approval: Approval,
    seen: Seen,
    by: str,
    authority: Authority,
    warrant: Warrant | None,
) -> Decision:
    """The decision inside the transaction: halted, blocked, moved, one more tap, or an order."""
    fresh = repriced(desk, approval.plan, seen)
    if warrant is not None:
        warrant.check(work, approval, fresh)
    closed = gateway.why_closed(desk, work, approval.plan.signal.strategy, approval.plan.signal.ticker)
    if closed:
        raise NotAllowed(f"{' '.join(closed)} {approval.id} stays pending.")
    changed = checks.change(desk, approval.plan.signal, seen)
    reviewed = review(desk, work, fresh)
    checked = _checked(desk, approval, seen, changed, reviewed, by)
    if reviewed.wrong and warrant is not None:
        raise NotAllowed(f"{_sentence(reviewed.wrong)} {approval.id} stays pending.")
    note = shrunk(approval.plan, reviewed.plan, "" if changed is None else changed.words)
    if note and warrant is not None:
        note = f"{left_by(by)} {note}"
    if reviewed.wrong:
        decision = _block(desk, work, approval, by, reviewed.wrong)
    elif note:
        decision = _ask_again(work, approval, reviewed.plan, note)
    elif missing := authority(desk, work, approval, by):
        decision = Decision(work.approval(approval.id), Outcome.ASKED, missing)
    else:
        decision = _order(desk, work, approval, seen, by)
    work.add_events((checked, changed_event(desk, _told(decision), by)))
    if warrant is not None and decision.outcome is Outcome.SENT:
        warrant.record(work, decision.approval)
    return decision


def _told(decision: Decision) -> Approval:
    """The proposal as its event tells it: with what is still missing, where something is."""
    if decision.outcome is Outcome.ASKED:
        return replace(decision.approval, note=decision.words)
    return decision.approval


def repriced(desk: Desk, plan: TradePlan, seen: Seen) -> TradePlan:
    """The plan at the prices of now, its exits set anew by its strategy."""
    strategy = desk.strategies.get(plan.signal.strategy)
    exits = None
    if strategy is not None and strategy.exits is not None:
        exits = strategy.exits(replace(plan.signal, limit=seen.limit, spot=seen.spot), strategy.params)
    natural = to_cent(seen.price.natural)
    fresh = sizing.reprice(plan, seen.limit, natural, seen.spot, desk.limits, exits)
    return fresh if seen.dates is None else replace(fresh, signal=replace(fresh.signal, dates=seen.dates))


@dataclass(frozen=True, slots=True)
class Review:
    """A plan as the limits in force see it now.

    `plan` has as many of its units as they allow and says what it does to them; `wrong` why it may not be traded, as
    sentences, empty when it may.
    """

    plan: TradePlan
    checks: tuple[risk.Check, ...]
    wrong: tuple[str, ...]


def review(desk: Desk, work: UnitOfWork, plan: TradePlan) -> Review:
    """`plan` against the limits in force, everything held and everything being worked."""
    tickets = work.open_tickets()
    state = standing.risk_state(desk, work, tickets)
    limits = bounds.limits_in_force(desk, work)
    fitted = sizing.fitted(plan, state, limits, desk.costs)
    found = risk.check(fitted, state, limits)
    shown = replace(standing.told(desk, fitted, state), impact=risk.impact(found))
    return Review(shown, found, _problems(work, fitted, found, tickets))


def _problems(
    work: UnitOfWork, plan: TradePlan, found: tuple[risk.Check, ...], tickets: tuple[Ticket, ...]
) -> tuple[str, ...]:
    if not plan.quantity:
        return ("at the price of now a single unit is more than this trade may risk",)
    wrong = [check.words for check in risk.breaches(found)]
    if not _has_shares(work, plan, tickets):
        wrong.append("the shares it would be written on are gone, pledged or being sold")
    for leg in plan.signal.legs:
        if isinstance(leg.instrument, Option) and (leg.instrument.multiplier != 100 or leg.instrument.is_adjusted):
            wrong.append(f"{leg.instrument} is an adjusted contract: it can only be closed")
    ours = {leg.instrument: leg.ratio for leg in plan.signal.legs}
    crossed = {ticket.id for ticket in tickets for leg in ticket.legs if ours.get(leg.instrument, 0) * leg.ratio < 0}
    wrong += [f"order {id} works the other side of the same contract" for id in sorted(crossed)]
    return tuple(wrong)


def _has_shares(work: UnitOfWork, plan: TradePlan, tickets: tuple[Ticket, ...]) -> bool:
    """Whether the shares a call is written on are still held and free; true for what is written on none."""
    if plan.signal.covers is None:
        return True
    shares = work.find_position(plan.signal.covers)
    if shares is None or not shares.is_open:
        return False
    if any(ticket.position_id == shares.id for ticket in tickets):
        return False
    return shares.units >= grounds.pledged(work, shares, tickets) + 100 * plan.quantity


def _sentence(wrong: tuple[str, ...]) -> str:
    text = "; ".join(wrong)
    return f"{text[:1].upper()}{text[1:]}."


def _block(desk: Desk, work: UnitOfWork, approval: Approval, by: str, wrong: tuple[str, ...]) -> Decision:
    note = "; ".join(wrong)
    blocked = work.decide_read(approval, ApprovalStatus.BLOCKED, by, desk.now(), note)
    return Decision(blocked, Outcome.BLOCKED, f"Not sent: {note}.")


def left_by(actor: str) -> str:
    """How a card says that a proposal was left to people: `Envelope V00001 of ann did not approve this.`"""
    return f"{actor[:1].upper()}{actor[1:]} did not approve this."


def _ask_again(work: UnitOfWork, approval: Approval, fresh: TradePlan, note: str) -> Decision:
    revised = work.revise(approval.id, approval.version, fresh, approval.expires_at, note)
    return Decision(revised, Outcome.MOVED, note)


def shrunk(before: TradePlan, after: TradePlan, words: str) -> str:
    """`words`, and that the size is no longer allowed where it is not; "" when there is nothing to say."""
    if after.quantity >= before.quantity:
        return words
    return f"{words} Size {before.quantity} → {after.quantity}: at this price no more is allowed.".strip()


def _order(desk: Desk, work: UnitOfWork, approval: Approval, seen: Seen, by: str) -> Decision:
    now = desk.now()
    decided = work.decide_read(approval, ApprovalStatus.APPROVED, by, now)
    wait = undo_window(desk, approval.plan, desk.today)
    ticket = _ticket(desk, approval, seen, now + wait, fills.new_position_id(desk, work))
    order = None
    if not wait:
        ticket, order = orders.next_order(ticket, ticket.limit, now)
    work.add_ticket(ticket)
    if order is not None:
        work.add_order(order)
    return Decision(decided, Outcome.SENT, f"Approved by {by}; order {ticket.id} is working.", order)


def undo_window(desk: Desk, plan: TradePlan, today: date) -> timedelta:
    """How long an approved order waits before it is sent: nothing on paper, 5 s live (2 s for same-day expiries)."""
    if desk.mode is not Mode.LIVE:
        return timedelta(seconds=desk.rules.undo_paper)
    is_0dte = nearest_dte(plan.signal.legs, today) == 0
    return timedelta(seconds=desk.rules.undo_live_0dte if is_0dte else desk.rules.undo_live)


def _ticket(desk: Desk, approval: Approval, seen: Seen, send_after: datetime, position_id: str) -> Ticket:
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
        limit=entry_price(seen.price, 0, worst, desk.rules),
        worst=worst,
        working=signal.working,
        status=TicketStatus.WORKING,
        created_at=desk.now(),
        send_after=send_after,
        position_id=position_id,
        approval_id=approval.id,
        version=approval.version,
        spot=seen.spot,
    )


def changed_event(desk: Desk, approval: Approval, by: str) -> Event:
    """A new version, a decision, a tap or an end: the card is drawn again from the store."""
    data: dict[str, object] = {
        "status": approval.status.value,
        "version": approval.version,
        "note": approval.note,
        "ticker": approval.plan.signal.ticker,
        "strategy": approval.plan.signal.strategy,
    }
    return _event(desk, EventKind.APPROVAL_CHANGED, approval, data, by)


def _checked(desk: Desk, approval: Approval, seen: Seen, changed: Change | None, reviewed: Review, by: str) -> Event:
    """The quotes a tap was judged on, what had moved, and the verdict of every limit."""
    now = desk.now()
    quotes = {
        item.symbol: {
            "bid": str(quote.bid),
            "ask": str(quote.ask),
            "age": round(quote.age(now).total_seconds(), 3),
            "source": str(quote.source),
        }
        for item, quote in seen.quotes.items()
    }
    data = {
        "version": approval.version,
        "quotes": quotes,
        "mid": str(seen.limit),
        "spot": str(seen.spot),
        "move": "none" if changed is None else changed.move.value,
        "limits": [f"{check.words}: {'holds' if check.holds else 'broken'}" for check in reviewed.checks],
    }
    return _event(desk, EventKind.CHECKED, approval, data, by)


def _event(desk: Desk, kind: EventKind, approval: Approval, data: dict[str, object], by: str) -> Event:
    return desk.event(kind, approval.id, data, correlation=approval.id, actor=by)


def reject(desk: Desk, approval_id: str, version: int, by: str, note: str = "") -> Approval:
    """Decline the proposal for good.

    Raises:
        AlreadyDecided: somebody was first, or it has expired.
    """
    with desk.store.begin() as work:
        approval = pending(work.approval(approval_id), version, desk.now())
        rejected = work.decide(approval.id, version, ApprovalStatus.REJECTED, by, desk.now(), note)
        work.add_event(changed_event(desk, rejected, by))
    return rejected


def snooze(desk: Desk, approval_id: str, version: int, by: str, minutes: int) -> Approval:
    """A version that sleeps for so long, is then priced anew and asks again; the session is never outlived.

    Raises:
        AlreadyDecided: as `reject`. BadRequest: no time, or entries have ended by then.
    """
    now = desk.now()
    until = now + timedelta(minutes=minutes)
    with desk.store.begin() as work:
        approval = pending(work.approval(approval_id), version, now)
        if minutes < 1:
            raise BadRequest(f"{minutes} minutes is no time to wait: say at least 1.")
        last = entries_end(desk)
        if until >= last:
            raise BadRequest(f"Entries end at {last.astimezone(NEW_YORK):%H:%M} ET: {minutes} minutes are too long.")
        note = f"Snoozed by {by} until {until.astimezone(NEW_YORK):%H:%M:%S} ET."
        asleep = work.revise(approval.id, version, approval.plan, until, note, until)
        work.add_event(changed_event(desk, asleep, by))
    return asleep


def entries_end(desk: Desk) -> datetime:
    """When today's entries end; now, where there is no session today."""
    today = desk.today
    if not desk.sessions.is_session(today):
        return desk.now()
    return desk.sessions.at(today, checks.EARLY_END) if desk.sessions.is_early(today) else desk.sessions.close(today)


def wake_due(desk: Desk) -> tuple[Approval, ...]:
    """What has waited long enough: snoozed proposals ask again or end, unconfirmed first taps are taken back."""
    now = desk.now()
    with desk.store.read() as reading:
        waiting = reading.pending_approvals()
        late = [approval for approval in waiting if consents.unconfirmed(reading, approval, now)]
    asleep = [approval for approval in waiting if approval.snoozed_until is not None and approval.snoozed_until <= now]
    changed = each(asleep, lambda approval: _wake(desk, approval), lambda approval: approval.id)
    changed += each(late, lambda approval: _take_back(desk, approval), lambda approval: approval.id)
    return tuple(approval for approval in changed if approval is not None)


def _wake(desk: Desk, approval: Approval) -> Approval | None:
    """The proposal at the prices of now as a new version, or ended with the reason; None when it has to wait."""
    try:
        checks.check_open(desk, approval.plan.signal)
        standing.ensure_account(desk)
        standing.ensure_returns(desk, [approval.plan.signal.ticker])
        seen = checks.at_tap(desk, approval.plan.signal)
    except (DataError, NotAllowed) as reason:
        may_wait = desk.now() < approval.expires_at + WAKING and desk.sessions.is_open(desk.now())
        return None if may_wait else _not_woken(desk, approval, str(reason))
    with desk.store.begin() as work:
        if work.approval(approval.id) != approval:
            return None
        plan = approval.plan
        closed = gateway.why_closed(desk, work, plan.signal.strategy, plan.signal.ticker)
        reviewed = review(desk, work, repriced(desk, plan, seen))
        wrong = closed or reviewed.wrong
        if not wrong:
            words = f"Back from its snooze: {abs(plan.signal.limit):.2f} then, {abs(seen.limit):.2f} now."
            note = shrunk(plan, reviewed.plan, words)
            awake = work.revise(approval.id, approval.version, reviewed.plan, life(desk, reviewed.plan), note)
            work.add_event(changed_event(desk, awake, "desk"))
            return awake
    return _not_woken(desk, approval, "; ".join(wrong))


def _not_woken(desk: Desk, approval: Approval, reason: str) -> Approval | None:
    note = f"not asked again after its snooze: {reason.rstrip('.')}"
    return _end(desk, approval, ApprovalStatus.EXPIRED, note)


def life(desk: Desk, plan: TradePlan) -> datetime:
    """A fresh end of life, inside the session."""
    return min(desk.now() + lifetime(plan.signal, desk.today, desk.rules), desk.sessions.close(desk.today))


def _take_back(desk: Desk, approval: Approval) -> Approval | None:
    with desk.store.begin() as work:
        current = work.approval(approval.id)
        if not current.is_pending or not consents.unconfirmed(work, current, desk.now()):
            return None
        consents.take_back(desk, work, current)
        work.add_event(changed_event(desk, replace(current, note="not confirmed in time"), "desk"))
    return current


def leave(desk: Desk, approval: Approval, by: str, note: str) -> Approval | None:
    """The proposal as its next version with `note` on it, still pending: `by` leaves it to people.

    None when it was decided or changed meanwhile.
    """
    try:
        with desk.store.begin() as work:
            left = work.revise(approval.id, approval.version, approval.plan, approval.expires_at, note)
            work.add_event(changed_event(desk, left, by))
    except AlreadyDecided:
        return None
    return left


def expire_due(desk: Desk) -> tuple[Approval, ...]:
    """Close every pending proposal whose time is over; what sleeps is woken first (`wake_due`)."""
    now = desk.now()
    with desk.store.read() as reading:
        late = [a for a in reading.pending_approvals() if a.expires_at <= now and a.snoozed_until is None]
        notes = [_why_expired(reading, approval) for approval in late]
    ended = (_end(desk, approval, ApprovalStatus.EXPIRED, note) for approval, note in zip(late, notes, strict=True))
    return tuple(expired for expired in ended if expired is not None)


def withdraw(desk: Desk, work: UnitOfWork, ticker: str, why: str) -> None:
    """End every proposal in a name that still waits: its contracts are not what its card says any more."""
    for approval in work.pending_approvals():
        if approval.plan.signal.ticker == ticker:
            done = work.decide(approval.id, approval.version, ApprovalStatus.EXPIRED, "desk", desk.now(), why)
            work.add_event(changed_event(desk, done, "desk"))


def _why_expired(work: UnitOfWork, approval: Approval) -> str:
    names = [consent.name for consent in consents.standing(work, approval)]
    return f"only {names[0]} approved in time" if names else "nobody answered in time"


def _end(desk: Desk, approval: Approval, status: ApprovalStatus, note: str) -> Approval | None:
    """The approval as the desk itself ended it; None when somebody decided it first."""
    try:
        with desk.store.begin() as work:
            done = work.decide(approval.id, approval.version, status, "desk", desk.now(), note)
            work.add_event(changed_event(desk, done, "desk"))
    except AlreadyDecided:
        return None
    return done
