"""Taps and commands that trade: they decide about a proposal or end an order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from bot import words
from bot.cards.alerts import is_alert, is_position
from bot.command import Call
from bot.handlers import alerts
from bot.message import Card, Tone
from bot.proposal import change_card, proposal_card, story
from engine import approvals, nets, orders, variants
from engine.approvals import Outcome
from engine.desk import Desk
from engine.errors import BadRequest, DataError
from engine.model.trade import Approval


def approve(call: Call) -> Card:
    """Send the proposal's order, or say why not; a moved price asks again, live money asks for a second tap."""
    approval_id, version = shown_version(call)
    decision = approvals.approve(call.desk, approval_id, version, call.user.name)
    return _drawn(call, decision.approval.id)


def confirm(call: Call) -> Card:
    """The second tap on live money: send the order, with everything checked again."""
    approval_id, version = shown_version(call)
    decision = approvals.confirm(call.desk, approval_id, version, call.user.name)
    card = _drawn(call, decision.approval.id)
    return replace(card, lines=(decision.words, *card.lines)) if decision.outcome is Outcome.ASKED else card


def reject(call: Call) -> Card:
    """Decline the proposal for good."""
    approval_id, version = shown_version(call)
    approvals.reject(call.desk, approval_id, version, call.user.name, call.text("note"))
    return _drawn(call, approval_id)


def snooze(call: Call) -> Card:
    """Let a proposal sleep: it asks again, priced anew, before the session ends; or an alert."""
    if is_alert(call.text("id")):
        return alerts.snooze(call)
    if is_position(call.text("id")):
        held = call.text("id").upper()
        raise BadRequest(f"{held} is a position: /seen {held} answers its alarm, /alerts lists what can sleep.")
    approval_id, _, version = call.text("id").partition(".")
    seen = int(version) if version else _stored(call, approval_id).version
    minutes = call.whole("minutes", call.desk.rules.snooze_minutes)
    approvals.snooze(call.desk, approval_id, seen, call.user.name, minutes)
    return _drawn(call, approval_id)


def half(call: Call) -> Card:
    """Ask again with half the size, rounded down."""
    approval_id, version = shown_version(call)
    return _resized(call, approval_id, version, _stored(call, approval_id).plan.quantity // 2)


def one(call: Call) -> Card:
    """Ask again with a single unit."""
    approval_id, version = shown_version(call)
    return _resized(call, approval_id, version, 1)


def size(call: Call) -> Card:
    """Ask again with so many units, fewer than the card's."""
    approval_id, version = shown_version(call)
    return _resized(call, approval_id, version, call.whole("quantity", 0))


def _resized(call: Call, approval_id: str, version: int, quantity: int) -> Card:
    variants.resize(call.desk, approval_id, version, call.user.name, quantity)
    return _drawn(call, approval_id)


def better(call: Call) -> Card:
    """Ask again at a price a little better than the mid, which the order then never passes."""
    approval_id, version = shown_version(call)
    variants.better_price(call.desk, approval_id, version, call.user.name)
    return _drawn(call, approval_id)


def my_price(call: Call) -> Card:
    """Ask again at a price of your own, dollars a share, which the order then never passes."""
    approval_id, version = shown_version(call)
    price = call.values["price"]
    variants.own_price(call.desk, approval_id, version, call.user.name, Decimal(str(price)))
    return _drawn(call, approval_id)


def strike_up(call: Call) -> Card:
    """Ask again one strike higher."""
    return _varied(call, variants.strike, 1)


def strike_down(call: Call) -> Card:
    """Ask again one strike lower."""
    return _varied(call, variants.strike, -1)


def later(call: Call) -> Card:
    """Ask again one expiry later."""
    return _varied(call, variants.expiry, 1)


def sooner(call: Call) -> Card:
    """Ask again one expiry sooner."""
    return _varied(call, variants.expiry, -1)


def _varied(call: Call, vary: Callable[[Desk, str, int, str, int], Approval], steps: int) -> Card:
    approval_id, version = shown_version(call)
    vary(call.desk, approval_id, version, call.user.name, steps)
    return _drawn(call, approval_id)


def change(call: Call) -> Card:
    """The sizes, prices, strikes and expiries a proposal could have instead."""
    approval_id, version = shown_version(call)
    approval = approvals.pending(_stored(call, approval_id), version, call.desk.now())
    try:
        near = variants.neighbours(call.desk, approval)
    except DataError:
        near = None
    return change_card(approval, near, call.room.banner())


def cancel(call: Call) -> Card:
    """Take a working order off the market; what filled first stays."""
    ticket = orders.cancel(call.desk, call.text("order"), call.user.name)
    if ticket.approval_id:
        return _drawn(call, ticket.approval_id)
    state = ticket.note or "cancellation asked"
    lines = [f"{ticket.filled} of {ticket.quantity} filled; {state}."]
    if ticket.is_net:
        until = words.moment(nets.put_off(call.desk, ticket.position_id, call.user.name))
        lines.append(f"No stop order rests under {ticket.position_id} until {until}; the desk's own stop goes on.")
    return Card(f"Order {ticket.id}", Tone.NEUTRAL, tuple(lines), banner=call.room.banner())


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
        told = story(work, work.approval(approval_id), call.desk.rules)
    return proposal_card(told, call.desk.now(), call.room.banner())
