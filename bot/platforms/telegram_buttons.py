"""The tokens behind Telegram's buttons: opaque, each for one place, single use where the button acts.

Telegram shows a button's data to everybody's client, and lets a changed client send any data
(https://core.telegram.org/bots/api#callbackquery): so it means nothing by itself. What it means is in the table
`buttons`, which a restart does not lose.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType

from bot.catalogue import COMMANDS
from bot.message import Button, Tone
from engine.desk import Desk
from engine.model.records import KeptButton

PLATFORM = "telegram"
KEPT_FOR = timedelta(days=30)
FORM = "~form:"
"""`~form:77 myprice:A00004.1`: a prompt for a value, the message of the card it came from, what it completes."""
PAGE = "~page:"
"""`~page:2 /positions`: another part of the answer to a look."""

STYLES: Mapping[Tone, str] = MappingProxyType(
    {Tone.NEUTRAL: "", Tone.GOOD: "success", Tone.BAD: "danger", Tone.WARNING: "danger", Tone.ASK: "primary"}
)
"""The colours a button can have: https://core.telegram.org/bots/api#inlinekeyboardbutton; "" leaves it to the app."""
TONES: Mapping[str, Tone] = MappingProxyType({"success": Tone.GOOD, "danger": Tone.BAD, "primary": Tone.ASK})

Key = tuple[str, str, str]
"""Label, token and style of a button."""
Keys = tuple[tuple[Key, ...], ...]


def keep(desk: Desk, chat: str, message: str, rows: Iterable[Iterable[Button]]) -> Keys:
    """New tokens for a keyboard in `chat`; `message` names the card's messages ("12,13"), "" until it is posted."""
    made_at = desk.now()
    made = [[(button, secrets.token_urlsafe(24)) for button in row] for row in rows]
    kept = [KeptButton(token, PLATFORM, chat, message, one.action, made_at) for row in made for one, token in row]
    if kept:
        with desk.store.begin() as work:
            work.add_buttons(kept)
    return tuple(tuple((button.label, token, STYLES[button.tone]) for button, token in row) for row in made)


def place(desk: Desk, keys: Keys, message: str) -> None:
    """Write down under which message the keyboard stands."""
    tokens = [token for row in keys for _, token, _ in row]
    if tokens:
        with desk.store.begin() as work:
            work.place_buttons(tokens, message)


def find(desk: Desk, token: str, chat: str, message: str) -> KeptButton | None:
    """The button with this token if it was made for this place.

    One whose message is not known is good in its chat: the desk was killed before it could write it down.
    """
    with desk.store.read() as work:
        button = work.button(token)
    if button is None or button.platform != PLATFORM or button.chat != chat:
        return None
    return button if not button.message or button.message.split(",")[-1] == message else None


def claim(desk: Desk, token: str) -> bool:
    """Whether this press is the token's first."""
    with desk.store.begin() as work:
        return work.use_button(token, desk.now())


def under(desk: Desk, chat: str, message: str) -> tuple[KeptButton, ...]:
    """Every button that was ever shown under a message, oldest first."""
    with desk.store.read() as work:
        return work.buttons_of(PLATFORM, chat, message)


def known(desk: Desk, rows: Keys) -> tuple[tuple[Button, ...], ...]:
    """The buttons of a keyboard as a person saw it."""
    with desk.store.read() as work:
        found = [
            [(label, work.button(token), TONES.get(style, Tone.NEUTRAL)) for label, token, style in row] for row in rows
        ]
    return tuple(tuple(Button(label, kept.action, tone) for label, kept, tone in row if kept) for row in found)


def forget_old(desk: Desk) -> int:
    """Drop the tokens nobody will press any more."""
    with desk.store.begin() as work:
        return work.forget_buttons(desk.now() - KEPT_FOR)


def form_action(card: str, action: str) -> str:
    """What a prompt is kept as."""
    return f"{FORM}{card} {action}"


def form_in(kept: Iterable[KeptButton]) -> tuple[str, str] | None:
    """The card's message and the action of a prompt, None where it is none."""
    prompts = [each.action.removeprefix(FORM) for each in kept if each.action.startswith(FORM)]
    if not prompts:
        return None
    card, _, action = prompts[-1].partition(" ")
    return card, action


def acts(action: str) -> bool:
    """Whether the button changes something: then its token counts once."""
    command = COMMANDS.get(action.partition(":")[0])
    return command is not None and command.acts
