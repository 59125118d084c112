"""The audit trail: /audit tells a trade's story, /note adds to it."""

from __future__ import annotations

from bot.cards.trail import latest_card, trail_card
from bot.command import Call
from bot.message import Button, Card
from engine import audit, trail

TRADES = 8


def tell(call: Call) -> Card:
    """One trade's story from any of its ids; without one the latest trades and the head of the chain."""
    if not call.text("id"):
        return _latest(call)
    with call.desk.store.read() as work:
        found = trail.follow(work, call.text("id"))
        holds = trail.check(work, found)
    return trail_card(found, call.whole("page", 1), holds, call.room.banner())


def _latest(call: Call) -> Card:
    with call.desk.store.read() as work:
        trades, unsealed = trail.latest(work, TRADES), work.count_unsealed()
    return latest_card(trades, audit.head(call.desk.store), unsealed, call.room.banner())


def note(call: Call) -> Card:
    """Write down what a person has to say about a trade, or about the desk."""
    return _noted(call, call.text("text"))


def note_on(call: Call) -> Card:
    """The same from the button of a trade's card."""
    return _noted(call, f"{call.text('about')} {call.text('text')}")


def _noted(call: Call, text: str) -> Card:
    written = trail.note(call.desk, text, call.user.name, call.request.identity)
    about = written.subject if written.correlation else ""
    buttons = ((Button("Story", f"audit:{about}"),),) if about else ()
    return Card(
        f"Noted about {about}" if about else "Noted",
        lines=(str(written.data["words"]),),
        footer=written.id,
        buttons=buttons,
        banner=call.room.banner(),
    )
