"""Carrying out a command that was understood and may be given: long work can be stopped, looks can be refreshed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.command import Call, Command
from bot.message import Button, Card, Tone

LONGEST_ACTION = 64
"""Bytes of a button's action."""
REFRESH = "Refresh"
IN_A_ROW = 3


def carried_out(call: Call, command: Command, words: Iterable[str]) -> tuple[Card, ...]:
    """The cards of the command's handler; the answer to a look has a button that looks again."""
    cards = _handled(call, command)
    if command.acts or command.is_button or command.is_still or len(cards) != 1:
        return cards
    action = f"refresh:{line_of(command, words, call.request.options)}"
    return (_with_refresh(cards[0], action),) if fits(action) else cards


def _handled(call: Call, command: Command) -> tuple[Card, ...]:
    if not command.is_long:
        cards = command.handler(call)
    else:
        id = call.desk.new_id("W")
        with call.room.works.begun(id, call.user.name, f"/{command.name}", call.tell) as tell:
            cards = command.handler(replace(call, tell=tell))
    return cards if isinstance(cards, tuple) else (cards,)


def line_of(command: Command, words: Iterable[str], options: Iterable[tuple[str, str]] = ()) -> str:
    """The command line that asks for the same again.

    >>> from bot.people import Role
    >>> line_of(Command("chain", Role.VIEWER, "", lambda call: Card("")), ["XYZ"], [("right", "put"), ("expiry", "")])
    '/chain XYZ right=put'
    """
    given = (f"{name}={value.strip()}" for name, value in options if value.strip())
    return " ".join((f"/{command.name}", *map(quoted, words), *given))


def quoted(word: str) -> str:
    """The word as it has to be typed: in quotes where it is more than one, or none."""
    return f'"{word}"' if not word or any(sign.isspace() for sign in word) else word


def fits(action: str) -> bool:
    """Whether a button can carry it on every platform."""
    return len(action.encode()) <= LONGEST_ACTION


def _with_refresh(card: Card, action: str) -> Card:
    """The card with one more button, unless it has one that looks again already."""
    if any(button.label == REFRESH for row in card.buttons for button in row):
        return card
    last = card.buttons[-1] if card.buttons else ()
    is_full = len(last) >= IN_A_ROW or any(button.tone is not Tone.NEUTRAL for button in last)
    button = Button(REFRESH, action)
    if not last or is_full:
        return replace(card, buttons=(*card.buttons, (button,)))
    return replace(card, buttons=(*card.buttons[:-1], (*last, button)))
