"""Cards for things that happened and need no live state: assignments, halts, breaches, failures."""

from __future__ import annotations

from collections.abc import Mapping

from bot.message import Button, Card, Tone
from engine.model.envelopes import EnvelopeStatus
from engine.model.events import Event, EventKind, Severity
from engine.model.locks import LockStatus

TONES = {Severity.INFO: Tone.NEUTRAL, Severity.WARNING: Tone.WARNING, Severity.URGENT: Tone.BAD}
TOLD = frozenset({EventKind.LIMIT_CHANGED, EventKind.LOCK_CHANGED, EventKind.RISK_BREACHED, EventKind.STRATEGY_CHANGED})
"""Their sentence says everything; what else is in their data is for the audit trail."""

LABELS = {
    "by": "By",
    "why": "Why",
    "ticker": "Name",
    "instrument": "Contract",
    "quantity": "Quantity",
    "note": "Note",
    "step": "Where",
}

TITLES: Mapping[EventKind, str] = {
    EventKind.ASSIGNED: "Assigned: {ticker}",
    EventKind.EXPIRED: "Expired: {ticker}",
    EventKind.CALLED_AWAY: "Shares called away: {ticker}",
    EventKind.DIVIDEND: "Dividend: {ticker}",
    EventKind.SPLIT: "Split: {ticker}",
    EventKind.RISK_BREACHED: "Risk limit passed",
    EventKind.POSITION_MISMATCH: "The broker and the desk disagree",
    EventKind.LEG_LOST: "A leg is gone: {ticker}",
    EventKind.RECONCILED: "The broker and the desk agree again",
    EventKind.DATA_STALE: "Market data is stale",
    EventKind.EXIT_OFFERED: "Close or roll? {ticker}",
    EventKind.HALTED: "Entries halted",
    EventKind.RESUMED: "Entries allowed again",
    EventKind.ERROR: "Something broke",
    EventKind.ENVELOPE_CHANGED: "Envelope {subject}",
    EventKind.LOCK_CHANGED: "Lock: {subject}",
    EventKind.LIMIT_CHANGED: "Limit: {subject}",
    EventKind.STRATEGY_CHANGED: "Strategy {subject}",
    EventKind.PANIC: "Panic",
    EventKind.ADOPTION_ASKED: "Not in the books: {ticker}",
    EventKind.ADOPTION_DECIDED: "Settled: {ticker}",
    EventKind.EXPIRY_WARNING: "Before expiry: {ticker}",
    EventKind.PLATFORM_DOWN: "Not reachable: {subject}",
    EventKind.PLATFORM_UP: "Reachable again: {subject}",
    EventKind.UNDELIVERED: "Not delivered: {subject}",
    EventKind.TEST_CARD: "Test card",
}
"""Kinds that are told as they happened; `{ticker}` comes from the event's data, `{subject}` is what it is about."""


def notice(event: Event, banner: str) -> Card:
    """The event as a card: its title, its sentence, its facts; urgent ones say so."""
    data = {key: str(value) for key, value in event.data.items()}
    title = TITLES[event.kind].format_map({"ticker": data.get("ticker", event.subject), "subject": event.subject})
    if event.severity is Severity.URGENT:
        title = f"URGENT: {title}"
    words = data.pop("words", "") or data.pop("problem", "")
    for unsaid in ("campaign", "position", "kind"):
        data.pop(unsaid, None)
    facts = () if words and event.kind in TOLD else tuple(data.items())
    return Card(
        title=title,
        tone=TONES[event.severity],
        lines=(words,) if words else (),
        facts=tuple((_label(key), value) for key, value in facts if value and value != "None"),
        buttons=_buttons(event),
        footer=event.subject if any(sign.isdigit() for sign in event.subject) else "",
        banner=banner,
        key=f"event:{event.id}",
    )


def _label(key: str) -> str:
    return LABELS.get(key, key.replace("_", " ").capitalize())


def _buttons(event: Event) -> tuple[tuple[Button, ...], ...]:
    if event.kind is EventKind.EXIT_OFFERED or "position" in event.data:
        position = event.subject
        return ((Button("Close", f"close:{position}", Tone.BAD),), (Button("Position", f"position:{position}"),))
    if event.kind is EventKind.ENVELOPE_CHANGED and event.data.get("status") == EnvelopeStatus.IN_FORCE:
        return ((Button(f"Revoke {event.subject}", f"revoke:{event.subject}", Tone.BAD),),)
    if event.kind is EventKind.POSITION_MISMATCH and event.subject == "holdings":
        return ((Button("What is open", "adoptions:"),),)
    if event.kind is EventKind.UNDELIVERED:
        return ((Button("What was not delivered", "refresh:/undelivered"),),)
    if event.kind in {EventKind.HALTED, EventKind.PANIC}:
        return ((Button("Resume", "resume:", Tone.ASK),),)
    if event.kind in {EventKind.RISK_BREACHED, EventKind.LOCK_CHANGED} and event.data.get("status") == LockStatus.HELD:
        unlock, held = Button("Unlock", f"unlock:{event.subject}", Tone.ASK), Button("Locks", "locks:")
        if event.kind is EventKind.LOCK_CHANGED:
            return ((unlock, held),)
        # First what shows why: half asleep, people tap the first one.
        return ((Button("Risk", "risk:"), held), (unlock,))
    if event.kind in {EventKind.ERROR, EventKind.PLATFORM_DOWN}:
        return ((Button("Health", "health:"),),)
    return ()
