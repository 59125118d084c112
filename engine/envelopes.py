"""Envelopes at work: proposals inside a person's bounds are approved in their name, through the same checks as a tap.

An envelope replaces the taps and nothing else: quotes, bands, limits, halts, locks and hours hold as they do for
people. Whether it still covers a proposal is asked inside the transaction that decides, where no other process can be
at the same time: one that was revoked or used up before that transaction approves nothing. What it leaves, people find
as an ordinary proposal, with the reason on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from engine import approvals, consents, orders
from engine.desk import Desk, Mode
from engine.each import each
from engine.errors import AlreadyDecided, BadRequest, DeskError, NotAllowed, NotFound
from engine.exposures import is_entry
from engine.model.book import ZERO
from engine.model.envelopes import Bounds, Envelope, EnvelopeStatus, Usage, outside, risk_of, used_up
from engine.model.events import Event, EventKind, Severity
from engine.model.orders import Ticket
from engine.model.trade import Approval, TradePlan
from engine.store import UnitOfWork

log = structlog.get_logger()

LONGEST = timedelta(days=31)
"""No envelope reaches further ahead: what was decided in advance is looked at again."""
CONFIRM_WITHIN = timedelta(minutes=5)
"""How long an envelope on live money waits for its second tap."""
MOST_PER_DAY = 20


class NotCovered(NotAllowed):
    """The envelope does not cover this, or not any more: as though there were none."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """An envelope that was revoked, and the entries it had approved that were open then.

    `taken_back` had not been sent yet and never will be; `working` are at the broker and stay there.
    """

    envelope: Envelope
    taken_back: tuple[Ticket, ...]
    working: tuple[Ticket, ...]


def create(desk: Desk, bounds: Bounds, by: str) -> Envelope:
    """A new envelope: in force at once on paper; on live money it waits for `confirm`.

    Raises:
        NotFound: no such strategy. BadRequest: a bound makes no sense.
    """
    _check(desk, bounds)
    status = EnvelopeStatus.ASKED if desk.mode is Mode.LIVE else EnvelopeStatus.IN_FORCE
    envelope = Envelope(desk.new_id("V"), bounds, by, desk.now(), desk.mode.value, desk.account, status)
    with desk.store.begin() as work:
        work.add_envelope(envelope)
        if status is EnvelopeStatus.IN_FORCE:
            work.add_event(_changed(desk, envelope, by))
    return envelope


def _check(desk: Desk, bounds: Bounds) -> None:
    if bounds.strategy not in desk.strategies:
        raise NotFound(f"No strategy “{bounds.strategy}” is enabled.")
    if bounds.max_risk <= 0:
        raise BadRequest(f"max_risk: {bounds.max_risk} should be above 0 dollars.")
    if not 1 <= bounds.per_day <= MOST_PER_DAY:
        raise BadRequest(f"per_day: {bounds.per_day} should be 1 to {MOST_PER_DAY}.")
    if bounds.total is not None and bounds.total <= 0:
        raise BadRequest(f"total: {bounds.total} should be above 0 dollars.")
    if desk.sessions.close(bounds.until) <= desk.now():
        raise BadRequest(f"until: the session of {bounds.until} is over.")
    if bounds.until > desk.today + LONGEST:
        raise BadRequest(f"until: {bounds.until} is too far ahead, the most is {LONGEST.days} days.")


def confirm(desk: Desk, envelope_id: str, by: str) -> Envelope:
    """Put an envelope on live money in force: the second tap, in place of the two taps of each of its trades.

    Raises:
        NotFound: no such envelope. AlreadyDecided: it is in force or has ended. NotAllowed: somebody else asked for it.
    """
    expire_due(desk)
    with desk.store.begin() as work:
        asked = work.envelope(envelope_id)
        if asked.status is not EnvelopeStatus.ASKED:
            raise AlreadyDecided(_state(asked))
        if asked.created_by != by:
            raise NotAllowed(
                f"{asked.id} was asked for by {asked.created_by}: only they confirm it. /envelope makes another."
            )
        envelope = replace(asked, status=EnvelopeStatus.IN_FORCE, since=desk.now())
        work.save_envelope(envelope)
        work.add_event(_changed(desk, envelope, by))
    return envelope


def revoke(desk: Desk, envelope_id: str, by: str) -> Revoked:
    """End an envelope now. What it approved and was not sent yet is taken back; what is at the broker stays.

    Raises:
        NotFound: no such envelope. AlreadyDecided: it has ended before.
    """
    with desk.store.begin() as work:
        envelope = work.envelope(envelope_id)
        if not envelope.is_open:
            raise AlreadyDecided(_state(envelope))
        ended = _end(desk, work, envelope, EnvelopeStatus.REVOKED, by)
        mine = [ticket for ticket in work.open_tickets() if _is_of(work, envelope, ticket)]
        unsent = [ticket for ticket in mine if not ticket.attempts]
        note = f"{envelope.id} was revoked by {by} before it was sent"
        taken_back = tuple(orders.end(desk, work, ticket.canceling(note), note) for ticket in unsent)
    return Revoked(ended, taken_back, tuple(ticket for ticket in mine if ticket.attempts))


def _is_of(work: UnitOfWork, envelope: Envelope, ticket: Ticket) -> bool:
    """Whether the ticket is an entry this envelope approved."""
    if not is_entry(ticket) or ticket.approval_id is None:
        return False
    return work.approval(ticket.approval_id).decided_by == envelope.actor


def expire_due(desk: Desk) -> tuple[Envelope, ...]:
    """End every envelope whose last session is over, and those on live money that nobody confirmed."""
    with desk.store.read() as reading:
        if not any(_is_over(desk, envelope) for envelope in reading.open_envelopes()):
            return ()
    with desk.store.begin() as work:
        over = [envelope for envelope in work.open_envelopes() if _is_over(desk, envelope)]
        return tuple(_end(desk, work, envelope, EnvelopeStatus.EXPIRED, "desk") for envelope in over)


def withdraw(desk: Desk, work: UnitOfWork, ticker: str) -> None:
    """Revoke every envelope that names a ticker whose contracts have changed: it was agreed for the old ones."""
    for envelope in work.open_envelopes():
        if ticker in envelope.bounds.tickers:
            _end(desk, work, envelope, EnvelopeStatus.REVOKED, "desk")


def _is_over(desk: Desk, envelope: Envelope) -> bool:
    if envelope.status is EnvelopeStatus.ASKED and desk.now() - envelope.since >= CONFIRM_WITHIN:
        return True
    return desk.sessions.close(envelope.bounds.until) <= desk.now()


def _end(desk: Desk, work: UnitOfWork, envelope: Envelope, status: EnvelopeStatus, by: str) -> Envelope:
    ended = replace(envelope, status=status, ended_by=by, ended_at=desk.now())
    work.save_envelope(ended)
    work.add_event(_changed(desk, ended, by))
    return ended


def _state(envelope: Envelope) -> str:
    by = f" by {envelope.ended_by}" if envelope.status is EnvelopeStatus.REVOKED else ""
    return f"{envelope.id} is already {envelope.status}{by}."


def usage(desk: Desk, work: UnitOfWork, envelope: Envelope) -> Usage:
    """What the envelope has approved, counted from the stored decisions. An order that did not fill counts as well."""
    done = work.approved_by(envelope.actor, envelope.since)
    days = [desk.sessions.today(approval.decided_at) for approval in done if approval.decided_at is not None]
    return Usage(days.count(desk.today), len(done), sum((risk_of(approval.plan) for approval in done), ZERO))


def apply(desk: Desk) -> tuple[approvals.Decision, ...]:
    """Approve every waiting proposal that an envelope in force covers; the decisions that were made.

    Each proposal has one try. A price that moved, a limit or a closed market leaves it to people.
    """
    expire_due(desk)
    with desk.store.read() as reading:
        if not reading.open_envelopes():
            return ()
        waiting = [approval for approval in reading.pending_approvals() if approval.version == 1]
    made = each(waiting, lambda approval: _try(desk, approval), lambda approval: approval.id)
    return tuple(decision for decision in made if decision is not None)


def _try(desk: Desk, approval: Approval) -> approvals.Decision | None:
    """The decision about one proposal; None when no envelope covers it or it is left to people."""
    envelope = _covering(desk, approval)
    if envelope is None:
        return None
    try:
        return approvals.approve(desk, approval.id, approval.version, envelope.actor, Warrant(desk, envelope.id))
    except (AlreadyDecided, NotCovered) as late:
        log.info("envelope.late", envelope=envelope.id, approval=approval.id, why=str(late))
    except DeskError as problem:
        approvals.leave(desk, approval, envelope.actor, f"{approvals.left_by(envelope.actor)} {problem}")
    return None


def _covering(desk: Desk, approval: Approval) -> Envelope | None:
    """The oldest envelope with room for this proposal."""
    with desk.store.read() as reading:
        for envelope in reading.open_envelopes():
            if not _why_not(desk, reading, envelope, approval, approval.plan):
                return envelope
    return None


def _why_not(desk: Desk, work: UnitOfWork, envelope: Envelope, approval: Approval, plan: TradePlan) -> str:
    """Why the envelope does not cover `plan`, this proposal at some price, as a sentence; "" when it does."""
    if envelope.status is not EnvelopeStatus.IN_FORCE:
        return _state(envelope)
    if _is_over(desk, envelope):
        return f"{envelope.id} ended with the session of {envelope.bounds.until}."
    if (envelope.mode, envelope.account) != (desk.mode.value, desk.account):
        return f"{envelope.id} was made for {envelope.mode} account {envelope.account or 'none'}."
    if approval.created_at < envelope.since:
        return f"{envelope.id} is younger than {approval.id}."
    if consents.needs_another_name(desk, plan):
        return f"A maximum loss above {desk.rules.second_approver_above:,.2f} takes two people."
    words = outside(envelope.bounds, plan) or used_up(envelope.bounds, plan, usage(desk, work, envelope))
    return f"{envelope.id} does not cover it: {words}." if words else ""


@dataclass(frozen=True, slots=True)
class Warrant:
    """An envelope in place of taps, as `approvals.approve` asks it inside the deciding transaction."""

    desk: Desk
    envelope_id: str

    def check(self, work: UnitOfWork, approval: Approval, fresh: TradePlan) -> None:
        """Whether it covers the proposal at the prices of now.

        Raises:
            NotCovered: it does not, or not any more.
        """
        words = _why_not(self.desk, work, work.envelope(self.envelope_id), approval, fresh)
        if words:
            raise NotCovered(words)

    def record(self, work: UnitOfWork, approval: Approval) -> None:
        """Write down that the proposal was approved under it."""
        desk, envelope = self.desk, work.envelope(self.envelope_id)
        used, plan = usage(desk, work, envelope), approval.plan
        data = {
            "approval": approval.key,
            "risk": str(risk_of(plan)),
            "max_loss": None if plan.max_loss is None else str(plan.max_loss),
            "collateral": str(plan.collateral),
            "today": f"{used.today} of {envelope.bounds.per_day}",
            "in_all": str(used.risk),
        }
        kind = EventKind.ENVELOPE_USED
        event = desk.event(kind, envelope.id, data, correlation=approval.id, actor=envelope.actor)
        work.add_event(event)


def words_of(envelope: Envelope) -> str:
    """The envelope's bounds in a sentence."""
    bounds = envelope.bounds
    what = " ".join(part for part in (bounds.strategy, str(bounds.structure or ""), ", ".join(bounds.tickers)) if part)
    total = f", {bounds.total:,.2f} in all" if bounds.total is not None else ""
    return (
        f"{what}: risk up to {bounds.max_risk:,.2f} a trade{total}, at most {bounds.per_day} a day, "
        f"until {bounds.until:%a %d %b %Y}."
    )


def _changed(desk: Desk, envelope: Envelope, by: str) -> Event:
    data = {
        "words": words_of(envelope),
        "status": envelope.status.value,
        "by": by,
        "account": f"{envelope.mode} {envelope.account}".rstrip(),
    }
    kind, severity = EventKind.ENVELOPE_CHANGED, Severity.INFO
    return desk.event(kind, envelope.id, data, severity, envelope.id, by)
