"""/panic freeze and /panic flatten, the second tap, and what is left to decide while everything is being closed."""

from __future__ import annotations

from bot.cards.panic import asked_card, frozen_card, panic_card, which_card
from bot.command import Call
from bot.message import Card
from engine import panic as emergencies
from engine.model.flatten import Flatten


def panic(call: Call) -> Card:
    """Freeze at once; flatten asks for a second tap, with the list of what it would close; alone it asks which."""
    if not call.text("what"):
        return which_card(call.room.banner())
    if call.text("what") == "freeze":
        left = emergencies.freeze(call.desk, call.user.name)
        return frozen_card(left, _held(call), emergencies.untouched(call.desk), call.room.banner())
    asked = emergencies.ask(call.desk, call.user.name)
    if asked.is_running:
        return _shown(call, asked)
    now = call.desk.now()
    starts = emergencies.starts_at(call.desk, asked)
    return asked_card(asked, starts, call.desk.sessions.is_open(now), call.room.banner())


def _held(call: Call) -> tuple[str, ...]:
    with call.desk.store.read() as work:
        return tuple(f"{emergencies.what(position)} ({position.id})" for position in work.open_positions())


def flatten(call: Call) -> Card:
    """The second tap of the person who asked: begin."""
    return _shown(call, emergencies.confirm(call.desk, call.text("id"), call.user.name))


def again(call: Call) -> Card:
    """Try again what was given up."""
    return _shown(call, emergencies.again(call.desk, call.text("id"), call.user.name))


def suspend(call: Call) -> Card:
    """Block every order at the broker although something is open."""
    return _shown(call, emergencies.suspend(call.desk, call.text("id"), call.user.name))


def _shown(call: Call, state: Flatten) -> Card:
    return panic_card(state, call.room.banner())
