"""One act, told once in a chat: the answer to whoever acted there is the notice of what they did."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from alerts.routes import card_key
from bot.command import Call
from bot.message import Card
from engine.model.events import Event, EventKind
from engine.model.orders import MANUAL
from engine.store import UnitOfWork

ANSWERED = frozenset(
    {
        EventKind.HALTED,
        EventKind.RESUMED,
        EventKind.LOCK_CHANGED,
        EventKind.LIMIT_CHANGED,
        EventKind.STRATEGY_CHANGED,
        EventKind.EXIT_STARTED,
    }
)
"""What a command's answer tells completely: the answer carries the key of the event's card."""
ANSWER_TAKES = timedelta(seconds=4)
"""How long a notice waits for the answer in the same chat before it is posted there after all."""
LOOKS_BACK = 20
"""Acts of people that are looked at: as many as there can be in a few seconds."""


def as_told(call: Call, card: Card, kind: EventKind) -> Card:
    """The answer as the card of the event it brought about, so that the outbox finds it told in this chat already."""
    now, position = call.desk.now(), call.text("position")
    with call.desk.store.read() as work:
        recent = (each for each in work.newest_events((kind,), LOOKS_BACK) if now - each.at <= ANSWER_TAKES)
        brought = next((each for each in recent if each.actor == call.user.name or each.subject == position), None)
    return card if brought is None else replace(card, key=card_key(brought))


def is_answered_in(work: UnitOfWork, event: Event, platform: str, chat: str, now: datetime) -> bool:
    """Whether somebody brought `event` about in this chat a moment ago, so that an answer is on its way there."""
    if event.kind not in ANSWERED or not event.at <= now < event.at + ANSWER_TAKES:
        return False
    return any(
        _brought_about(act, event)
        and act.data.get("chat") == chat
        and str(act.data.get("identity", "")).startswith(f"{platform}:")
        for act in work.newest_events((EventKind.COMMAND,), LOOKS_BACK)
    )


def _brought_about(act: Event, event: Event) -> bool:
    """Whether an event is what somebody's command did; the start of an exit has no name, only its trade."""
    is_theirs = act.actor == event.actor or (
        event.data.get("reason") == MANUAL and bool(event.correlation) and act.correlation == event.correlation
    )
    return is_theirs and abs(event.at - act.at) < ANSWER_TAKES
