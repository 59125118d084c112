"""/undelivered: messages that were given up; they can be tried again, in their old order, or be let go."""

from __future__ import annotations

from bot.cards.undelivered import undelivered_card
from bot.command import Call
from bot.message import Button, Card
from engine.errors import NotFound

BACK = ((Button("Undelivered", "refresh:/undelivered"),),)


def undelivered(call: Call) -> Card:
    """What was not delivered, where, why and since when."""
    with call.desk.store.read() as work:
        letters, count = work.undelivered(), work.dead_letters()
    return undelivered_card(letters, count, call.desk.now(), call.room.banner())


def redeliver(call: Call) -> Card:
    """Let what was given up at a destination wait for it again."""
    destination = call.text("destination")
    with call.desk.store.begin() as work:
        count = _some(work.revive(destination), destination)
    line = f"{count} for {destination} are on their way again; a card that changed since shows how it stands now."
    return Card("Tried again", lines=(line,), buttons=BACK, banner=call.room.banner())


def drop(call: Call) -> Card:
    """Let what was given up at a destination go."""
    destination = call.text("destination")
    with call.desk.store.begin() as work:
        count = _some(work.drop(destination), destination)
    line = f"{count} for {destination} are not told there any more; what happened stays in the audit trail."
    return Card("Let go", lines=(line,), buttons=BACK, banner=call.room.banner())


def _some(count: int, destination: str) -> int:
    if not count:
        raise NotFound(f"Nothing that was given up waits for {destination}; /undelivered lists what does.")
    return count
