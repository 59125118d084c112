"""Taps and commands that close positions: /close, the second tap on live money, and another try of a failed exit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot import words
from bot.command import Call
from bot.message import Button, Card, Tone
from bot.told import as_told
from engine import alarms, closing, daytrades, exits, nets
from engine.alarms import Trouble
from engine.closing import Question
from engine.errors import AlreadyDecided
from engine.model.events import EventKind
from engine.model.orders import Ticket


def close(call: Call) -> Card:
    """Start closing a position at the exit ladder's prices; on live money a second tap is asked for first."""
    position_id = call.text("position")
    counted = _day_trade(call, position_id)
    made = closing.close(call.desk, position_id, call.user.name, call.whole("units", 0) or None)
    card = _asked(call, position_id, made) if isinstance(made, Question) else _working(call, made)
    return replace(card, lines=(*card.lines, counted)) if counted else card


def _day_trade(call: Call, position_id: str) -> str:
    """Which day trade this close would be where the broker counts them; it is told, never held up."""
    with call.desk.store.read() as work:
        return daytrades.warning(call.desk, work, work.position(position_id))


def close_now(call: Call) -> Card:
    """The second tap of the person who asked."""
    return _working(call, closing.confirm(call.desk, call.text("position"), call.user.name))


def retry(call: Call) -> Card:
    """Try again what did not get done: the exit, or the net where only that is in trouble."""
    position_id = call.text("position")
    with call.desk.store.read() as work:
        troubles = [trouble for trouble in Trouble if alarms.running(work, position_id, trouble) is not None]
    if not troubles:
        raise AlreadyDecided(f"Nothing of {position_id} is in trouble any more.")
    if Trouble.EXIT in troubles:
        return _working(call, exits.retry(call.desk, position_id, call.user.name))
    net = nets.again(call.desk, position_id)
    lines = (f"Order {net.id} rests at the broker: {words.legs_words(net.legs, net.quantity)} from {-net.limit} on.",)
    return Card(f"The net of {position_id}", Tone.GOOD, lines, banner=call.room.banner())


def _asked(call: Call, position_id: str, question: Question) -> Card:
    wanted = question.closing
    legs = words.legs_words(wanted.legs, wanted.units)
    until = call.desk.now() + timedelta(seconds=question.seconds)
    lines = (
        f"This is real money: tap again by {words.clock(until)}. Without a tap nothing is closed.",
        f"To {legs} at {words.net(wanted.limit)} to begin with, then step by step to {words.net(wanted.natural)}.",
    )
    buttons = ((Button("Close now", f"close_now:{position_id}", Tone.BAD),),)
    return Card(
        f"Close {position_id}?",
        Tone.ASK,
        lines,
        buttons=buttons,
        banner=call.room.banner(),
        expires_at=until.isoformat(),
    )


def _working(call: Call, ticket: Ticket) -> Card:
    order = f"{words.legs_words(ticket.legs, ticket.quantity)} at {words.net(ticket.limit)} to begin with"
    lines = (f"Order {ticket.id} is working: {order}.", "Until it fills it can be canceled.")
    buttons = ((Button("Cancel order", f"cancel:{ticket.id}", Tone.BAD),),)
    card = Card(f"Closing {ticket.position_id}", Tone.NEUTRAL, lines, buttons=buttons, banner=call.room.banner())
    return as_told(call, card, EventKind.EXIT_STARTED)
