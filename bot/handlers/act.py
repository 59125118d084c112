"""Taps and commands that trade: they decide about a proposal or end an order."""

from __future__ import annotations

from bot.command import Call
from bot.message import Card, Tone
from bot.proposal import proposal_card, story
from engine import approvals, orders
from engine.errors import BadRequest
from engine.model.trade import Approval


def approve(call: Call) -> Card:
    """Send the proposal's order, or say why not; a moved price asks again."""
    approval_id, version = shown_version(call)
    decision = approvals.approve(call.desk, approval_id, version, call.user.name)
    return _drawn(call, decision.approval.id)


def reject(call: Call) -> Card:
    """Decline the proposal for good."""
    approval_id, version = shown_version(call)
    approvals.reject(call.desk, approval_id, version, call.user.name, call.text("note"))
    return _drawn(call, approval_id)


def half(call: Call) -> Card:
    """Ask again with half the size, rounded down."""
    approval_id, version = shown_version(call)
    return _resized(call, approval_id, version, _stored(call, approval_id).plan.quantity // 2)


def one(call: Call) -> Card:
    """Ask again with a single unit."""
    approval_id, version = shown_version(call)
    return _resized(call, approval_id, version, 1)


def _resized(call: Call, approval_id: str, version: int, quantity: int) -> Card:
    approvals.resize(call.desk, approval_id, version, call.user.name, quantity)
    return _drawn(call, approval_id)


def cancel(call: Call) -> Card:
    """Take a working order off the market; what filled first stays."""
    ticket = orders.cancel(call.desk, call.text("order"), call.user.name)
    if ticket.approval_id:
        return _drawn(call, ticket.approval_id)
    state = ticket.note or "cancellation asked"
    lines = (f"{ticket.filled} of {ticket.quantity} filled; {state}.",)
    return Card(f"Order {ticket.id}", Tone.NEUTRAL, lines, banner=call.room.banner())


def shown_version(call: Call) -> tuple[str, int]:
    """The proposal's id and the version that was looked at: an acting tap must name it.

    Raises:
        BadRequest: no version was given.
    """
    approval_id, _, version = call.text("proposal").partition(".")
    if not version:
        current = _stored(call, approval_id)
        raise BadRequest(f"Say which version you have seen: {current.key} is the latest of {approval_id}.")
    return approval_id, int(version)


def _stored(call: Call, approval_id: str) -> Approval:
    with call.desk.store.read() as work:
        return work.approval(approval_id)


def _drawn(call: Call, approval_id: str) -> Card:
    """The proposal's card as it stands after the act."""
    with call.desk.store.read() as work:
        told = story(work, work.approval(approval_id))
    return proposal_card(told, call.desk.now(), call.room.banner())
