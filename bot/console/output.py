"""Standard output and standard error: one JSON object or plain text on the first, notes on the second."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

from bot.command import Reply
from bot.message import Card, as_text


def emit(body: Mapping[str, object]) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.write(json.dumps(body, ensure_ascii=False, indent=2) + "\n")


def say(text: str) -> None:
    """Print text on standard output."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print text on standard error."""
    sys.stderr.write(text + "\n")


def reply_text(reply: Reply) -> str:
    """The reply's cards as text, a blank line between them."""
    return "\n\n".join(as_text(card) for card in reply.cards)


def reply_json(reply: Reply) -> dict[str, object]:
    """The reply's cards as JSON values; pictures by name and words."""
    return {"cards": [_card_json(card) for card in reply.cards], "error": reply.error, "ref": reply.ref}


def _card_json(card: Card) -> dict[str, object]:
    return {
        "banner": card.banner,
        "title": card.title,
        "tone": card.tone.value,
        "lines": list(card.lines),
        "facts": [list(fact) for fact in card.facts],
        "tables": [asdict(table) for table in card.tables],
        "pictures": [{"name": picture.name, "alt": picture.alt} for picture in card.pictures],
        "buttons": [{"label": b.label, "action": b.action} for row in card.buttons for b in row],
        "footer": card.footer,
        "key": card.key,
        "expires_at": card.expires_at,
    }
