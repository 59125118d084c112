"""What a button still has to ask: a form of the values its command needs and the button does not carry.

A button `myprice:A00004.1` names a command that also needs a price. Discord opens a modal for it, Telegram asks for a
reply, the page shows fields. What comes back is the same action with `Request.options`, checked by `bot.dispatch` like
any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.catalogue import COMMANDS
from bot.command import Command, Parameter, Room
from bot.gate import may
from engine.errors import Denied


@dataclass(frozen=True, slots=True)
class Form:
    """The values that are still to be asked for, in the order of the command's parameters."""

    command: Command
    action: str
    fields: tuple[Parameter, ...]


def form_of(action: str) -> Form | None:
    """The form a tap on `action` opens, None where the button carries all its command needs."""
    verb, _, rest = action.partition(":")
    command = COMMANDS.get(verb)
    if command is None:
        return None
    missing = command.parameters[len(rest.split()) :]
    if not any(parameter.required for parameter in missing):
        return None
    return Form(command, action, missing)


def form_for(room: Room, identity: str, groups: Iterable[str], action: str) -> Form | None:
    """The form a tap on `action` opens for this person; None for somebody who may not, whom `dispatch` then tells."""
    form = form_of(action)
    if form is None:
        return None
    try:
        may(room, identity, groups, form.command)
    except Denied:
        return None
    return form
