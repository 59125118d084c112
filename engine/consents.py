"""Whose word sends an order: one tap on paper, two on live money, two different people above a configured risk.

An `Authority` answers inside the decision's transaction: "" when the order may go out now, else what is still missing,
in words. A tap that does not decide yet is kept in `consents`, bound to the version that was shown, with a name and an
end. The second tap on live money is another button, so that one button hit twice is still one tap.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from engine.desk import Desk, Mode
from engine.errors import NotAllowed
from engine.model.records import Consent, Need
from engine.model.trade import Approval, TradePlan
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork

Authority = Callable[[Desk, UnitOfWork, Approval, str], str]
"""(desk, transaction, the proposal, who) -> "" to send the order, or what is still missing."""

NOBODY = ""
"""The name of a tap that takes the earlier ones back."""


def by_tap(desk: Desk, work: UnitOfWork, approval: Approval, by: str) -> str:
    """Somebody tapped Approve.

    Raises:
        NotAllowed: the same name again, where another one is needed.
    """
    if needs_another_name(desk, approval.plan):
        return _second_name(desk, work, approval, by)
    if desk.mode is not Mode.LIVE:
        return ""
    valid = [consent for consent in standing(work, approval) if desk.now() < consent.until]
    if by not in {consent.name for consent in valid}:
        until = desk.now() + timedelta(seconds=desk.rules.confirm_seconds)
        _keep(desk, work, approval, by, until, Need.CONFIRMATION)
    return "Real money: tap Confirm to send."


def by_confirmation(desk: Desk, work: UnitOfWork, approval: Approval, by: str) -> str:
    """Somebody tapped Confirm: it counts for whoever tapped Approve on the same version a moment ago.

    Raises:
        NotAllowed: somebody else tapped first, or nobody did.
    """
    if desk.mode is not Mode.LIVE or needs_another_name(desk, approval.plan):
        return by_tap(desk, work, approval, by)
    given = standing(work, approval)
    valid = [consent for consent in given if desk.now() < consent.until]
    if by in {consent.name for consent in valid}:
        return ""
    if valid:
        raise NotAllowed(f"{valid[0].name} tapped first and confirms alone, until {_clock(valid[0].until)}.")
    if not given:
        raise NotAllowed("Nobody has tapped Approve on this card yet.")
    take_back(desk, work, approval)
    return "The first tap is too long ago: start over with Approve."


def pre_authorised(desk: Desk, work: UnitOfWork, approval: Approval, by: str) -> str:
    """Nothing more is needed: somebody agreed in advance, inside bounds that were checked."""
    del desk, work, approval, by
    return ""


def needs_another_name(desk: Desk, plan: TradePlan) -> bool:
    """Whether the plan may lose more than one person decides about."""
    above = desk.rules.second_approver_above
    return above > 0 and (plan.max_loss is None or plan.max_loss > above)


def _second_name(desk: Desk, work: UnitOfWork, approval: Approval, by: str) -> str:
    given = standing(work, approval)
    names = [consent.name for consent in given]
    if by in names:
        raise NotAllowed(f"{by} has approved already; this much risk needs another name as well.")
    if names:
        return ""
    longest = desk.now() + timedelta(seconds=desk.rules.second_approver_seconds)
    until = max(approval.expires_at, min(longest, desk.sessions.close(desk.today)))
    _keep(desk, work, approval, by, until, Need.ANOTHER_NAME)
    work.postpone(approval.id, approval.version, until)
    return f"{by} has approved; another name is needed until {_clock(until)}."


def standing(work: UnitOfWork, approval: Approval) -> tuple[Consent, ...]:
    """The taps on this version that were not taken back; their time may be over."""
    given = work.consents(approval.id, approval.version)
    taken_back = max((consent.number for consent in given if consent.name == NOBODY), default=0)
    return tuple(consent for consent in given if consent.number > taken_back)


def unconfirmed(work: UnitOfWork, approval: Approval, now: datetime) -> bool:
    """Whether nobody confirmed a first tap on live money in time."""
    given = standing(work, approval)
    return bool(given) and all(consent.needs is Need.CONFIRMATION and consent.until <= now for consent in given)


def take_back(desk: Desk, work: UnitOfWork, approval: Approval) -> None:
    """Nobody confirmed in time: the card asks anew."""
    _keep(desk, work, approval, NOBODY, desk.now(), Need.CONFIRMATION)


def _keep(desk: Desk, work: UnitOfWork, approval: Approval, by: str, until: datetime, needs: Need) -> None:
    number = len(work.consents(approval.id, approval.version)) + 1
    work.add_consent(Consent(approval.id, approval.version, number, by, desk.now(), until, needs))


def _clock(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%H:%M:%S} ET"
