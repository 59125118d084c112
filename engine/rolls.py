"""Rolling a position: close it and open another in its place, two orders in a row that no crash can double or lose.

A cash-secured put or a covered call cannot be rolled in one order: the broker takes a short leg only where it is
covered in the same order. So the old position is bought back first, by an order bounded by what was agreed. Once that
is booked the new one is priced again and goes through every check of an entry. What stops it there leaves the position
closed, and says so. The state in between is a row of `sequences`; `advance` takes it on, after a restart too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

import structlog

from engine import approvals, bounds, checks, consents, exits, gateway, sizing, standing
from engine.candidates import Old, candidates, carried_exits, default_rules, why_not
from engine.codec import dump, load
from engine.desk import Desk, Mode
from engine.each import each
from engine.errors import AlreadyDecided, BadRequest, DataError, DataInvalid, DataUnavailable, DeskError, NotAllowed
from engine.exits import Closing
from engine.model.book import ZERO, Position
from engine.model.events import EventKind, Severity
from engine.model.legs import ExitPlan, Structure
from engine.model.orders import ROLL, Ticket
from engine.model.records import Sequence
from engine.model.rolls import ROLLING, Candidate, Roll, RollStatus
from engine.model.trade import Approval, ApprovalStatus, RollRules, Signal, TradePlan
from engine.protection import PackagePrice, band, lifetime, spot_band, to_cent
from engine.store import UnitOfWork

log = structlog.get_logger()

KIND = "roll"
CURSOR = "rolls_seen"
"""Setting: the id of the latest question of a strategy that was answered with an offer."""

BEGIN_WITHIN = timedelta(seconds=30)
"""From the choice to the first order: later the desk must have been stopped in between, and nothing is begun."""

DONE_WITHIN = timedelta(minutes=5)
"""From the choice to the second order: later it would be another decision."""

CENT = Decimal("0.01")
UNDER_WAY = (RollStatus.OFFERED, *sorted(ROLLING))


def offer(desk: Desk, position_id: str, by: str) -> Roll:
    """Ways to roll a position, priced now, waiting for a choice; an earlier offer that waits is replaced.

    Raises:
        NotFound: no such position. BadRequest: it cannot be rolled. NotAllowed: closed, halted, or entries stopped.
        AlreadyDecided: it is being closed or rolled. DataUnavailable: no chain or no quote.
    """
    wanted = _closable(desk, position_id)
    position = wanted.watched.position
    found, missing = _candidates(desk, wanted)
    now = desk.now()
    with desk.store.begin() as work:
        _check_gate(desk, work, position)
        _replace_waiting(desk, work, position_id)
        roll = Roll(
            id=desk.new_id("R"),
            version=1,
            status=RollStatus.OFFERED,
            position_id=position.id,
            campaign=position.campaign,
            strategy=position.strategy,
            ticker=position.ticker,
            units=position.units,
            candidates=found,
            missing=missing,
            close=to_cent(wanted.watched.price.mid),
            spot=_spot(wanted),
            credit_only=_rules(desk, position).credit_only,
            created_at=now,
            expires_at=now + lifetime(_signal(found, wanted), desk.today, desk.rules),
            by=by,
        )
        _save(desk, work, roll, EventKind.ROLL_OFFERED)
    return roll


def _closable(desk: Desk, position_id: str) -> Closing:
    """What closing the position would be now, on quotes good enough to agree to."""
    with desk.store.read() as work:
        problem = why_not(work.position(position_id))
        if any(roll.status in ROLLING for roll in of_position(work, position_id)):
            raise AlreadyDecided(f"{position_id} is being rolled already.")
    if problem:
        raise BadRequest(problem)
    wanted = exits.preview(desk, position_id)
    if not wanted.watched.price.is_two_sided:
        raise DataInvalid(f"The quote for {wanted.watched.position.ticker} is one-sided or crossed.")
    _spot(wanted)
    return wanted


def _spot(wanted: Closing) -> Decimal:
    if wanted.watched.spot is None:
        raise DataUnavailable(f"No usable quote for {wanted.watched.position.ticker} right now; try again in a moment.")
    return wanted.watched.spot


def _signal(found: tuple[Candidate, ...], wanted: Closing) -> Signal:
    if not found:
        raise NotAllowed(f"There is nothing to roll {wanted.watched.position.id} into now; it can be closed.")
    return found[0].signal


def _check_gate(desk: Desk, work: UnitOfWork, position: Position) -> None:
    closed = gateway.why_closed(desk, work, position.strategy, position.ticker)
    if closed:
        raise NotAllowed(f"{' '.join(closed)} A roll opens a position; {position.id} can be closed.")


def _candidates(desk: Desk, wanted: Closing) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    position = wanted.watched.position
    chain = desk.market.snapshot(position.ticker).chain
    if chain is None or not len(chain):
        raise DataUnavailable(f"There are no option prices of {position.ticker} right now.")
    with desk.store.read() as work:
        campaign = work.campaign(position.campaign)
    earlier = [p for p in campaign if not p.is_open and p.structure is not Structure.SHARES]
    dollars = sum((p.realised for p in earlier), ZERO)
    carried = dollars / (position.units * max(leg.instrument.multiplier for leg in position.unit))
    shares = next((p for p in campaign if p.is_open and p.structure is Structure.SHARES), None)
    covering = shares if position.structure is Structure.COVERED_CALL else None
    old = Old(position, wanted.watched.price, carried, covering)
    return candidates(old, chain, _rules(desk, position), desk.rules, lambda signal: _exit_plan(desk, position, signal))


def _rules(desk: Desk, position: Position) -> RollRules:
    strategy = desk.strategies.get(position.strategy)
    if strategy is None or strategy.rolls is None:
        return default_rules(position, desk.today)
    return strategy.rolls(position, strategy.params)


def _exit_plan(desk: Desk, position: Position, signal: Signal) -> ExitPlan:
    strategy = desk.strategies.get(position.strategy)
    if strategy is None or strategy.exits is None:
        return carried_exits(position, signal)
    return strategy.exits(signal, strategy.params)


def find(work: UnitOfWork, roll_id: str) -> Roll:
    """One roll.

    Raises:
        NotFound: there is none of this id.
    """
    return load(Roll, work.sequence(roll_id).body)


def of_position(work: UnitOfWork, position_id: str) -> tuple[Roll, ...]:
    """Every roll of a position, the oldest first."""
    return tuple(load(Roll, row.body) for row in work.sequences_of(KIND, position_id))


def _under_way(work: UnitOfWork) -> tuple[Roll, ...]:
    rows = work.sequences_in(KIND, [status.value for status in UNDER_WAY])
    return tuple(load(Roll, row.body) for row in rows)


def _save(desk: Desk, work: UnitOfWork, roll: Roll, kind: EventKind = EventKind.ROLL_CHANGED) -> Roll:
    work.save_sequence(Sequence(roll.id, KIND, roll.status.value, roll.position_id, roll.created_at, dump(roll)))
    data = {
        "ticker": roll.ticker,
        "strategy": roll.strategy,
        "status": roll.status.value,
        "note": roll.note,
        "position": roll.position_id,
        "version": roll.version,
        "approval": roll.approval_id,
    }
    position = work.find_position(roll.position_id)
    correlation = (position.approval_id if position else None) or roll.position_id
    severity = Severity.WARNING if roll.status is RollStatus.STOPPED else Severity.INFO
    actor = roll.by or "desk"
    work.add_event(desk.event(kind, roll.id, data, severity, correlation, actor))
    return roll


def _replace_waiting(desk: Desk, work: UnitOfWork, position_id: str) -> None:
    for roll in of_position(work, position_id):
        if roll.status in ROLLING:
            raise AlreadyDecided(f"{position_id} is being rolled already.")
        if roll.status is RollStatus.OFFERED:
            _ended(desk, work, roll, RollStatus.WITHDRAWN, "A newer offer has taken its place.")


def _ended(desk: Desk, work: UnitOfWork, roll: Roll, status: RollStatus, note: str) -> Roll:
    return _save(desk, work, replace(roll, status=status, note=note, version=roll.version + 1))


def choose(desk: Desk, roll_id: str, version: int, index: int, by: str) -> Roll:
    """Begin the roll that was picked, if it can still be done as shown; a moved price asks again.

    Live money needs the same tap of the same person twice.

    Raises:
        AlreadyDecided: answered, expired, or an older version's button. BadRequest: no such candidate.
        NotAllowed: outside the hours for entries, or entries are stopped.
        DataUnavailable, DataInvalid: no fresh quotes.
    """
    with desk.store.read() as work:
        roll = _waiting(find(work, roll_id), version, desk)
    if not 0 <= index < len(roll.candidates):
        raise BadRequest(f"{roll_id} has no candidate {index + 1}.")
    wanted = _closable(desk, roll.position_id)
    picked = roll.candidates[index]
    _check_names(desk, picked, wanted.units)
    price, spot = _entry_prices(desk, picked.signal)
    close, limit = to_cent(wanted.watched.price.mid), to_cent(price.mid)
    asked = _why_ask(desk, roll, picked, close + limit, spot, wanted.units)
    if asked:
        return _ask_again(desk, roll, wanted, asked)
    with desk.store.begin() as work:
        fresh = _waiting(find(work, roll_id), version, desk)
        _check_gate(desk, work, wanted.watched.position)
        if desk.mode is Mode.LIVE and (fresh.tapped, fresh.by) != (index, by):
            first = replace(fresh, tapped=index, by=by, version=version + 1, note="Real money: tap it once more.")
            return _save(desk, work, first)
        worst = picked.net + band(picked.signal, desk.rules)
        begun = _save(desk, work, _chosen(fresh, index, by, desk.now(), worst))
    return _begin(desk, begun, wanted, limit)


def _check_names(desk: Desk, picked: Candidate, units: int) -> None:
    """A roll is one person's word; what needs two is closed here, and opened by a proposal that two approve."""
    loss = picked.signal.outlook.max_loss
    plan = TradePlan(picked.signal, units, None if loss is None else loss * units, None, ZERO, ZERO, ZERO)
    if consents.needs_another_name(desk, plan):
        raise NotAllowed("So much risk needs two names: close it here; the next proposal is approved by both.")


def _chosen(roll: Roll, index: int, by: str, now: datetime, worst: Decimal) -> Roll:
    """The roll that was picked; its bound in whole cents, rounded toward what was shown."""
    worst = worst.quantize(CENT, rounding=ROUND_FLOOR)
    return replace(
        roll,
        status=RollStatus.CLOSING,
        version=roll.version + 1,
        chosen=index,
        by=by,
        chosen_at=now,
        worst=min(worst, -CENT) if roll.credit_only else worst,
        note="",
    )


def _waiting(roll: Roll, version: int, desk: Desk) -> Roll:
    if roll.status is not RollStatus.OFFERED:
        raise AlreadyDecided(f"{roll.id} is {roll.status.value} already{f' by {roll.by}' if roll.by else ''}.")
    if desk.now() >= roll.expires_at:
        raise AlreadyDecided(f"{roll.id} has expired; /roll {roll.position_id} prices it again.")
    if roll.version != version:
        raise AlreadyDecided(f"{roll.id} has changed since that button was made; answer its latest card.")
    return roll


def _entry_prices(desk: Desk, signal: Signal) -> tuple[PackagePrice, Decimal]:
    """(package price, spot) of an entry that may be made now.

    Raises:
        As the tap of a proposal.
    """
    checks.check_open(desk, signal)
    seen = checks.at_tap(desk, signal)
    return seen.price, seen.spot


def _why_ask(desk: Desk, roll: Roll, picked: Candidate, net: Decimal, spot: Decimal, units: int) -> str:
    """Why the roll is not what the card showed any more, as words; "" when it is."""
    reach = band(picked.signal, desk.rules)
    if roll.credit_only and net >= 0:
        return f"Rolling {picked.name} would cost {net:.2f} now, and only a net credit is allowed."
    if net - picked.net > reach or picked.net - net >= 2 * reach:
        return f"The net of rolling {picked.name} moved {picked.net - net:+.2f} to {-net:+.2f}: choose again?"
    if abs(spot / roll.spot - 1) >= spot_band(picked.signal, desk.today, desk.rules):
        return f"{roll.ticker} moved from {roll.spot:.2f} to {spot:.2f}: choose again?"
    return f"{units} are held now, the card was for {roll.units}: choose again?" if units != roll.units else ""


def _ask_again(desk: Desk, roll: Roll, wanted: Closing, note: str) -> Roll:
    found, missing = _candidates(desk, wanted)
    with desk.store.begin() as work:
        fresh = _waiting(find(work, roll.id), roll.version, desk)
        revised = replace(
            fresh,
            version=fresh.version + 1,
            candidates=found,
            missing=missing,
            units=wanted.units,
            close=to_cent(wanted.watched.price.mid),
            spot=_spot(wanted),
            tapped=None,
            note=note,
        )
        return _save(desk, work, revised)


def _begin(desk: Desk, roll: Roll, wanted: Closing, limit: Decimal) -> Roll:
    """The order that closes the old position, at no more than leaves the roll what was agreed."""
    worst = (roll.worst or ZERO) - limit
    words = f"rolled by {roll.by}: the first of two steps"
    ticket = exits.start(desk, wanted.watched, ROLL, words, wanted.units, worst)
    with desk.store.begin() as work:
        fresh = find(work, roll.id)
        if fresh.status is not RollStatus.CLOSING:
            return fresh
        if ticket is None:
            note = f"Nothing was done: another order works on {roll.position_id}."
            return _ended(desk, work, fresh, RollStatus.WITHDRAWN, note)
        return _save(desk, work, replace(fresh, exit_ticket=ticket.id, version=fresh.version + 1))


def advance(desk: Desk) -> None:
    """Take every roll on by what has happened: the second step after the first, the end after the second."""
    _offer_asked(desk)
    with desk.store.read() as work:
        rolls = _under_way(work)
    each(rolls, lambda roll: _advance(desk, roll), lambda roll: roll.id)


def _offer_asked(desk: Desk) -> None:
    """Candidates for every position its strategy has just asked about."""
    with desk.store.read() as work:
        asked = work.events(work.setting(CURSOR) or "", (EventKind.EXIT_OFFERED,))
        rollable = [event.subject for event in asked if is_rollable(work, event.subject)]
    if not asked:
        return
    with desk.store.begin() as work:
        work.set_setting(CURSOR, asked[-1].id, "desk", desk.now())
    for position_id in rollable:
        try:
            offer(desk, position_id, "")
        except DeskError as problem:
            log.debug("roll.not_offered", position=position_id, problem=str(problem))


def is_rollable(work: UnitOfWork, position_id: str) -> bool:
    """Whether the position is one that can be rolled."""
    position = work.find_position(position_id)
    return position is not None and not why_not(position)


def _advance(desk: Desk, roll: Roll) -> None:
    match roll.status:
        case RollStatus.OFFERED:
            _expire(desk, roll)
        case RollStatus.CLOSING:
            _after_closing(desk, roll)
        case RollStatus.OPENING:
            _after_opening(desk, roll)


def _expire(desk: Desk, roll: Roll) -> None:
    with desk.store.read() as work:
        position = work.position(roll.position_id)
    if not position.is_open:
        _end(desk, roll, RollStatus.WITHDRAWN, f"{roll.position_id} is closed.")
    elif desk.now() >= roll.expires_at:
        _end(desk, roll, RollStatus.WITHDRAWN, "Nobody chose in time: nothing is done.")


def _end(desk: Desk, roll: Roll, status: RollStatus, note: str) -> None:
    """The end of a roll, unless it has gone on meanwhile."""
    with desk.store.begin() as work:
        fresh = find(work, roll.id)
        if fresh.version == roll.version:
            _ended(desk, work, replace(fresh, closed=roll.closed), status, note)


def _exit_ticket(work: UnitOfWork, roll: Roll) -> Ticket | None:
    """The order that closes the old position: the latest of its kind since the choice, None before there is one."""
    tickets = work.tickets_of(roll.position_id)
    since = roll.chosen_at or roll.created_at
    return next((t for t in tickets if t.reason == ROLL and t.created_at >= since), None)


def _after_closing(desk: Desk, roll: Roll) -> None:
    with desk.store.read() as work:
        ticket = _exit_ticket(work, roll)
        paid = None if ticket is None else _paid(work, ticket)
        is_held = work.position(roll.position_id).is_open
    if ticket is None:
        if desk.now() - (roll.chosen_at or roll.created_at) > BEGIN_WITHIN:
            _end(desk, roll, RollStatus.WITHDRAWN, "Nothing was done: the desk was stopped before the first order.")
        return
    if ticket.is_open:
        return
    if paid is None:
        left = "is as it was" if is_held else "has ended by itself"
        note = f"Nothing was closed ({ticket.note}): {roll.position_id} {left}."
        _end(desk, roll, RollStatus.WITHDRAWN, note)
        return
    _open_other(desk, replace(roll, closed=ticket.filled), paid)


def _paid(work: UnitOfWork, ticket: Ticket) -> Decimal | None:
    """Net per share over the filled units of a ticket, + paid; None when nothing filled."""
    filled = [order for order in work.orders(ticket.id) if order.filled and order.average is not None]
    units = sum(order.filled for order in filled)
    total = sum(((order.average or ZERO) * order.filled for order in filled), ZERO)
    return total / units if units else None


def _open_other(desk: Desk, roll: Roll, paid: Decimal) -> None:
    """The old position is closed: price the new one again and propose it, once."""
    picked = roll.picked
    if picked is None:
        raise DataInvalid(f"{roll.id} was begun without a choice.")
    if _is_over(desk, roll):
        _stop(desk, roll, "the time for it was over")
        return
    try:
        price, spot = _entry_prices(desk, picked.signal)
        standing.ensure_account(desk)
    except NotAllowed as refusal:
        _stop(desk, roll, str(refusal))
        return
    except DataError as problem:
        log.info("roll.waits", roll=roll.id, problem=str(problem))
        return
    worst = (roll.worst or ZERO) - paid
    limit = to_cent(price.mid)
    if limit > worst:
        _stop(desk, roll, f"at {abs(limit):.2f} the roll would pass what was agreed by {limit - worst:.2f}")
        return
    signal = sizing.repriced(picked.signal, limit, to_cent(price.natural), spot)
    with desk.store.read() as work:
        signal = replace(signal, worst=worst, exits=_exit_plan(desk, work.position(roll.position_id), signal))
    opening = _proposed(desk, roll, signal)
    if opening is not None:
        _approve(desk, opening)


def _is_over(desk: Desk, roll: Roll) -> bool:
    now, chosen = desk.now(), roll.chosen_at or roll.created_at
    return now - chosen > DONE_WITHIN or not desk.sessions.is_open(now)


def _stop(desk: Desk, roll: Roll, why: str) -> None:
    note = f"{roll.closed} of {roll.position_id} closed, nothing was opened in its place: {why.rstrip('.')}."
    _end(desk, roll, RollStatus.STOPPED, note)


def _proposed(desk: Desk, roll: Roll, signal: Signal) -> Roll | None:
    """The roll with the proposal of its second step, in one transaction; None when it was stopped or taken on."""
    now = desk.now()
    with desk.store.begin() as work:
        fresh = find(work, roll.id)
        if fresh.version != roll.version:
            return None
        state = standing.risk_state(desk, work, work.open_tickets())
        limits = bounds.limits_in_force(desk, work)
        plan = sizing.size(signal, state, limits, desk.costs, roll.closed)
        if not plan.quantity:
            reasons = ", ".join(f"{step.rule} {step.value}" for step in plan.sizing if not step.passed)
            note = f"{roll.closed} of {roll.position_id} closed, nothing was opened in its place: {reasons}."
            _ended(desk, work, roll, RollStatus.STOPPED, note)
            return None
        plan = standing.told(desk, plan, state)
        until = now + lifetime(signal, desk.today, desk.rules)
        approval = Approval(desk.new_id("A"), 1, ApprovalStatus.PENDING, plan, now, until, f"second step of {roll.id}")
        work.add_approval(approval)
        opening = replace(roll, status=RollStatus.OPENING, approval_id=approval.id, version=roll.version + 1)
        return _save(desk, work, opening)


@dataclass(frozen=True, slots=True)
class Agreed:
    """The word that a choice gives for the second step of its roll: good while the roll goes on, at its price."""

    roll_id: str

    def check(self, work: UnitOfWork, approval: Approval, fresh: TradePlan) -> None:
        roll = find(work, self.roll_id)
        if roll.status is not RollStatus.OPENING or roll.approval_id != approval.id:
            raise NotAllowed(f"{self.roll_id} is {roll.status.value}.")
        worst = approval.plan.signal.worst
        if worst is not None and fresh.signal.limit > worst:
            raise NotAllowed(f"at {abs(fresh.signal.limit):.2f} the roll would pass what was agreed")

    def record(self, work: UnitOfWork, approval: Approval) -> None:
        """The decision itself says who chose."""


def _approve(desk: Desk, roll: Roll) -> None:
    """Send the second step through every check of an entry; what stops it ends the roll with the position closed."""
    with desk.store.read() as work:
        approval = work.approval(roll.approval_id)
    try:
        approvals.approve(desk, approval.id, approval.version, roll.by, Agreed(roll.id))
    except NotAllowed as refusal:
        _take_back(desk, approval, str(refusal))
        _stop(desk, roll, str(refusal))
    except (DataError, AlreadyDecided) as problem:
        log.info("roll.waits", roll=roll.id, problem=str(problem))


def _take_back(desk: Desk, approval: Approval, why: str) -> None:
    try:
        approvals.reject(desk, approval.id, approval.version, "desk", why)
    except AlreadyDecided as late:
        log.info("roll.decided_meanwhile", approval=approval.id, problem=str(late))


def _after_opening(desk: Desk, roll: Roll) -> None:
    with desk.store.read() as work:
        approval = work.approval(roll.approval_id)
        ticket = work.ticket(approval.key) if approval.status is ApprovalStatus.APPROVED else None
    if ticket is not None:
        if not ticket.is_open:
            _finish(desk, roll, ticket)
    elif not approval.is_pending:
        _stop(desk, roll, approval.note or approval.status.value)
    elif _is_over(desk, roll):
        _take_back(desk, approval, "the roll's time was over")
        _stop(desk, roll, "the time for it was over")
    else:
        _approve(desk, roll)


def _finish(desk: Desk, roll: Roll, ticket: Ticket) -> None:
    """The end of a roll whose second order has ended: done, done in part, or closed only."""
    if not ticket.filled:
        _stop(desk, roll, ticket.note)
        return
    with desk.store.begin() as work:
        fresh = find(work, roll.id)
        closing = _exit_ticket(work, roll)
        closed, opened = (None if closing is None else _paid(work, closing)), _paid(work, ticket)
        if fresh.version != roll.version or closed is None or opened is None:
            return
        net = closed + opened
        part = "" if ticket.filled == roll.closed else f" {ticket.filled} of {roll.closed}: {ticket.note}."
        kind = "credit" if net < 0 else "debit"
        note = f"Rolled into {ticket.position_id} for a net {kind} of {abs(net):.2f} a share.{part}"
        _ended(desk, work, replace(fresh, rolled=ticket.filled), RollStatus.DONE, note)


def withdraw(desk: Desk, work: UnitOfWork, ticker: str, why: str) -> None:
    """End every roll in a name whose contracts have changed; what a roll has closed already stays closed."""
    for roll in _under_way(work):
        if roll.ticker == ticker:
            begun = roll.status in ROLLING
            _ended(desk, work, roll, RollStatus.STOPPED if begun else RollStatus.WITHDRAWN, why)
