"""What a person means who answers a card in words: "2", "at 1.20", "why", "reject too wild".

A pure reading of the text and of the buttons under the card; approving takes the button, never a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.catalogue import COMMANDS
from bot.command import Kind
from bot.parse import clipped
from engine.errors import BadRequest

SIZE = re.compile(r"(\d{1,6})(?:\s*(?:x|contracts?|units?|lots?|shares?))?")
PRICE = re.compile(r"(?:at|@|for|price)?\s*\$?\s*(\d{1,6}(?:\.\d{1,4})?|\.\d{1,4})")
SNOOZE = re.compile(r"snooze(?:\s+(?:for\s+)?(\d{1,4})(?:\s*(?:m|min|mins|minutes?))?)?")
REJECT = re.compile(r"(?:reject|no|decline)(?:[\s:,]+(.+))?", re.DOTALL | re.IGNORECASE)
CLOSE = re.compile(r"close(?:\s+(?:(\d{1,6})(?:\s*(?:contracts?|units?|lots?|shares?))?|all))?")
APPROVING = frozenset({"approve", "approved", "yes", "y", "ok", "okay", "confirm", "go", "do it", "buy", "sell"})
PLAIN = frozenset({"half", "one", "better", "why", "payoff", "change", "show"})

FOR_PROPOSAL = (
    "2 (that many), at 1.20 (your price), half, one, better, why, payoff, snooze 10, or reject and the reason"
)
FOR_POSITION = "close, close 2, payoff, or roll"


@dataclass(frozen=True, slots=True)
class Meant:
    """The action a text stands for, with the values it gives by name."""

    action: str
    options: tuple[tuple[str, str], ...] = ()


def meant(text: str, actions: Iterable[str]) -> Meant:
    """What `text` means as an answer to a card that has, or had, buttons with these actions.

    Raises:
        BadRequest: it means nothing here; the message says what can be written.

    >>> meant("at 1.20", ["approve:A00004.1", "why:A00004"])
    Meant(action='myprice:A00004.1', options=(('price', '1.20'),))
    >>> meant("close 2", ["position:P00003"])
    Meant(action='close:P00003', options=(('units', '2'),))
    """
    said = " ".join(text.split())
    known = tuple(actions)
    if proposal := proposal_in(known):
        _only_one(_subjects(known, Kind.APPROVAL))
        return _of_proposal(said, proposal)
    if positions := _subjects(known, Kind.POSITION):
        _only_one(positions)
        return _of_position(said, positions[-1])
    raise BadRequest("That message is about no proposal and no position: send a command instead. /help lists them all.")


def _only_one(subjects: Iterable[str]) -> None:
    """Nothing is done to one of several because it stands last in a list.

    Raises:
        BadRequest: they are several.
    """
    ids = tuple(dict.fromkeys(each.partition(".")[0] for each in subjects))
    if len(ids) > 1:
        raise BadRequest(
            f"That message is about {', '.join(ids)}: tap the one you mean and answer its own card, or send a command "
            "that names it. Nothing was done."
        )


def _subjects(actions: Iterable[str], kind: Kind) -> list[str]:
    """What the buttons are about: the first word of those whose command takes such an id first."""
    found = []
    for action in actions:
        verb, _, rest = action.partition(":")
        command = COMMANDS.get(verb)
        if command is not None and command.parameters and command.parameters[0].kind is kind and rest.split():
            found.append(rest.split()[0])
    return found


def proposal_in(actions: Iterable[str]) -> str:
    """The proposal these buttons are about, in the highest version they name ("A00004.2"); "" for none."""
    found = _subjects(actions, Kind.APPROVAL)
    return max(found, key=lambda each: int(each.partition(".")[2] or 0), default="")


def _of_proposal(said: str, key: str) -> Meant:
    word = said.lower()
    if word in APPROVING:
        raise BadRequest(f"Approving takes the button: tap Approve on the card of {key}. Nothing was done.")
    if word in PLAIN:
        return Meant(f"{word}:{key}")
    if match := SIZE.fullmatch(word):
        return Meant(f"size:{key}", (("quantity", match[1]),))
    if match := PRICE.fullmatch(word):
        return Meant(f"myprice:{key}", (("price", match[1]),))
    if match := SNOOZE.fullmatch(word):
        return Meant(f"snooze:{key}", (("minutes", match[1]),) if match[1] else ())
    if match := REJECT.fullmatch(said):
        return Meant(f"reject:{key}", (("note", match[1]),) if match[1] else ())
    raise BadRequest(f"“{clipped(said)}” is no answer to {key}. You can write: {FOR_PROPOSAL}.")


def _of_position(said: str, id: str) -> Meant:
    word = said.lower()
    if match := CLOSE.fullmatch(word):
        return Meant(f"close:{id}", (("units", match[1]),) if match[1] else ())
    if word in {"payoff", "roll"}:
        return Meant(f"{word}:{id}")
    raise BadRequest(f"“{clipped(said)}” is no answer to {id}. You can write: {FOR_POSITION}.")
