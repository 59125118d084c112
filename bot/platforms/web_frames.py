"""What the page and the server say to each other over the WebSocket: small JSON objects with a `type`.

From the page (at most 4 KiB each; `id` is made by the page, unique, and comes back in every answer):
    {"type": "command", "id", "text"}            a command line
    {"type": "tap", "id", "message", "action", "options"}
                                                 a button of a message, or of a request that is being worked on (then
                                                 without a message); `options` are the values of its form, by name
    {"type": "complete", "id", "line"}           what could come next on this line

From the server:
    {"type": "welcome", "name", "role"}          who is logged in
    {"type": "feed", "messages": [message]}      everything recent, oldest first; replaces what the page has
    {"type": "message", "message"}               a new message, or one that changed: the higher `rev` wins
    {"type": "working", "id", "words", "fraction", "stop"}
                                                 a request is being worked on: how far it is, 0 to 1 (null: not known),
                                                 and the action that ends it ("": none)
    {"type": "done", "id", "error", "last"}      it is answered; `last` is the message that holds the answer
    {"type": "completions", "id", "items": [{"text", "summary"}]}
    {"type": "clock", "now", "shown", "banner"}  the desk's time (ISO), the same in words, and its mode
    {"type": "error", "id", "words"}             a frame that was not understood

A message is {"id", "rev", "order", "said"} with what a person typed, or {"id", "rev", "order", "card"}. A button of a
card that still has to ask for values has its `form`: [{"name", "label", "kind", "required", "choices", "low", "high",
"example"}].
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.command import Parameter
from bot.completion import Completion
from bot.forms import form_of
from bot.message import Button, Card, Progress, Table
from engine.errors import BadRequest

LONGEST_FRAME = 4096
LONGEST_LINE = 500
LONGEST_ACTION = 64
LONGEST_OPTION = 1000
MOST_OPTIONS = 10
OPTION = re.compile(r"[a-z][a-z0-9_]{0,31}")
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
UNREADABLE = {"Cc", "Cs"}
"""Control characters and half surrogates: no line of a person has them, and not every database takes them."""

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A command line that was sent."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Tap:
    """A button that was tapped, with what was filled into its form; `message` is "" where it belongs to none."""

    id: str
    message: str
    action: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Typing:
    """A line that is being typed and wants suggestions."""

    id: str
    line: str


def read(raw: str) -> Line | Tap | Typing:
    """The frame the page sent.

    Raises:
        BadRequest: it is not one of the three, or a part of it is missing, too long or unreadable.
    """
    frame = _object(raw)
    match frame.get("type"):
        case "command":
            return Line(_identifier(frame, "id"), _text(frame, "text", LONGEST_LINE).strip())
        case "tap":
            message = _identifier(frame, "message") if "message" in frame else ""
            action = _text(frame, "action", LONGEST_ACTION)
            return Tap(_identifier(frame, "id"), message, action, _options(frame))
        case "complete":
            return Typing(_identifier(frame, "id"), _text(frame, "line", LONGEST_LINE))
    raise BadRequest("This frame has no type that is known here: command, tap or complete.")


def _object(raw: str) -> Mapping[str, object]:
    try:
        frame = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequest("This frame is not JSON.") from error
    if not isinstance(frame, dict):
        raise BadRequest("A frame is a JSON object.")
    return frame


def _identifier(frame: Mapping[str, object], key: str) -> str:
    value = frame.get(key)
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise BadRequest(f"{key} has to be 1 to 64 letters, digits, - or _.")
    return value


def _text(frame: Mapping[str, object], key: str, longest: int) -> str:
    value = frame.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"{key} has to be text.")
    if len(value.encode("utf-8", "replace")) > longest:
        raise BadRequest(f"{key} is longer than {longest} bytes.")
    if any(unicodedata.category(sign) in UNREADABLE for sign in value):
        raise BadRequest(f"{key} has a character that cannot be read.")
    return value


def _options(frame: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    given = frame.get("options", {})
    if not isinstance(given, dict) or len(given) > MOST_OPTIONS:
        raise BadRequest(f"options has to be an object of at most {MOST_OPTIONS} values.")
    if not all(OPTION.fullmatch(name) for name in given):
        raise BadRequest("The name of an option has to be 1 to 32 small letters, digits or _.")
    return tuple((name, _text(given, name, LONGEST_OPTION)) for name in given)


def identifier_of(raw: str) -> str:
    """The id of a frame that was refused, "" when there is none that could be sent back."""
    try:
        return _identifier(_object(raw), "id")
    except BadRequest:
        return ""


def welcome(name: str, role: str) -> Frame:
    return {"type": "welcome", "name": name, "role": role}


def working(request: str, words: str, progress: Progress | None = None) -> Frame:
    frame: Frame = {"type": "working", "id": request, "words": words, "fraction": None, "stop": ""}
    if progress is None:
        return frame
    fraction = round(min(max(progress.fraction, 0.0), 1.0), 3)
    return frame | {"words": progress.words or words, "fraction": fraction, "stop": progress.stop}


def done(request: str, error: str, last: str) -> Frame:
    return {"type": "done", "id": request, "error": error, "last": last}


def refused(request: str, words: str) -> Frame:
    return {"type": "error", "id": request, "words": words}


def completions(request: str, items: tuple[Completion, ...]) -> Frame:
    found = [{"text": item.text, "summary": item.summary} for item in items]
    return {"type": "completions", "id": request, "items": found}


def card_json(card: Card, picture_ids: tuple[str, ...]) -> Frame:
    """The card as plain data; `picture_ids` are the names under which its pictures are served."""
    pictures = zip(picture_ids, card.pictures, strict=True)
    return {
        "key": card.key,
        "title": card.title,
        "tone": card.tone.value,
        "lines": card.lines,
        "facts": card.facts,
        "links": [
            {"text": link.text, "url": link.url if link.host else "", "host": link.host, "note": link.note}
            for link in card.links
        ],
        "tables": [_table(table) for table in card.tables],
        "buttons": [[_button(button) for button in row] for row in card.buttons],
        "pictures": [{"src": f"/picture/{name}.png", "alt": picture.alt} for name, picture in pictures],
        "footer": card.footer,
        "banner": card.banner,
        "expires_at": card.expires_at,
    }


def _table(table: Table) -> Frame:
    return {"title": table.title, "headers": table.headers, "rows": table.rows, "right": table.right}


def _button(button: Button) -> Frame:
    shown: Frame = {"label": button.label, "action": button.action, "tone": button.tone.value}
    form = form_of(button.action)
    return shown if form is None else shown | {"form": [_field(parameter) for parameter in form.fields]}


def _field(parameter: Parameter) -> Frame:
    return {
        "name": parameter.name,
        "label": parameter.summary,
        "kind": parameter.kind.value,
        "required": parameter.required,
        "choices": parameter.choices,
        "low": parameter.low,
        "high": parameter.high,
        "example": parameter.sample,
    }
