"""A card as a Discord message: embeds, buttons and files, every one of Discord's limits kept and nothing lost silently.

Embeds and not layout components: they hold half as much again (6,000 characters to 4,000), a phone's notification can
read them, and a message once sent with layout components can never be anything else.

Limits: https://discord.com/developers/docs/resources/message#embed-object-embed-limits (embeds), and
https://discord.com/developers/docs/components/reference#button (buttons).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

import discord

from bot.message import Button, Card, Link, Picture, Tone, as_text
from bot.platforms.discord_text import clipped, clipped_escaped, code_blocks, escaped, plain

TITLE = 256
LINK_TEXT = 350
AUTHOR = 256
FOOTER = 2048
DESCRIPTION = 4096
TOTAL = 6000
EMBEDS = 10
FILES = 10
PICTURES = 8
"""Each picture has an embed; two are left for text."""
FILE_BYTES = 10 * 1024 * 1024
ALT = 1024
ROWS, IN_A_ROW = 5, 5
LABEL = 80
CUSTOM_ID = 100
PREFIX = "wsb:"
"""What the custom id of every button of ours begins with; behind it stands the action."""
LEAST = 80
"""Characters of a paragraph below which a cut is not worth showing."""

COLOURS: Mapping[Tone, int] = MappingProxyType(
    {Tone.NEUTRAL: 0x5C6B7A, Tone.GOOD: 0x2E9E5B, Tone.BAD: 0xD64545, Tone.WARNING: 0xE0A030, Tone.ASK: 0x3B82F6}
)
REAL_MONEY = "🔴 REAL MONEY 🔴 "
NO_MENTIONS = discord.AllowedMentions.none()


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that was drawn, or why it was not: `png` is empty and the words say what is missing."""

    picture: Picture
    png: bytes
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that goes with a message; `alt` says in words what a picture shows."""

    name: str
    body: bytes
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """One message as Discord takes it. `rows` are buttons that fit."""

    embeds: tuple[discord.Embed, ...]
    rows: tuple[tuple[Button, ...], ...] = ()
    files: tuple[Attached, ...] = ()

    @property
    def has_pictures(self) -> bool:
        """Whether a picture goes with it; a long text does as a file too."""
        return any(file.name.endswith(".png") for file in self.files)

    def uploads(self) -> list[discord.File]:
        """The files, to be sent once."""
        return [discord.File(io.BytesIO(file.body), file.name, description=file.alt or None) for file in self.files]

    def new(self, view: discord.ui.View | None) -> dict[str, Any]:
        """The arguments of a message that is sent."""
        shown: dict[str, Any] = {"view": view} if view is not None else {}
        return {"embeds": list(self.embeds), "files": self.uploads(), "allowed_mentions": NO_MENTIONS, **shown}

    def again(self, view: discord.ui.View | None) -> dict[str, Any]:
        """The arguments of an edit; what the message held before is gone."""
        return {
            "content": None,
            "embeds": list(self.embeds),
            "attachments": self.uploads(),
            "view": view,
            "allowed_mentions": NO_MENTIONS,
        }


def layout(card: Card, drawings: Iterable[Drawing] = (), until: int | None = None) -> Layout:
    """The card as one message.

    What does not fit is cut with "…", and the whole card is attached as a text. `until`: when it can no longer be
    answered, in seconds since 1970, for a countdown.
    """
    shown, hidden = _pictures(drawings)
    rows, left_out = _rows(card.buttons)
    head = _head(card)
    parts, was_cut = _packed(_blocks(card, until, hidden, left_out), TOTAL - len(head))
    embeds = _embeds(head, parts, shown)
    whole = (Attached("card.txt", as_text(card).encode("utf-8", "replace")),) if was_cut else ()
    return Layout(embeds, rows, (*shown, *whole))


def _head(card: Card) -> discord.Embed:
    """The first embed, without its text: title, mode, colour and footer."""
    title = clipped_escaped(card.title.strip(), TITLE) or "—"
    head = discord.Embed(title=title, colour=COLOURS[card.tone])
    if banner := plain(card.banner).strip():
        head.set_author(name=clipped(f"{REAL_MONEY}{banner}" if card.is_live else banner, AUTHOR))
    if footer := plain(card.footer).strip():
        head.set_footer(text=clipped(footer, FOOTER))
    return head


def _blocks(card: Card, until: int | None, hidden: Iterable[Drawing], left_out: Iterable[Button]) -> Iterator[str]:
    """The card's text in pieces that are not torn apart where they fit."""
    if until is not None:
        yield f"Open until <t:{until}:T> (<t:{until}:R>)"
    yield from (escaped(line) for line in card.lines if line.strip())
    if card.lines and card.facts:
        yield ""
    yield from (f"**{escaped(label)}** {escaped(value)}" for label, value in card.facts)
    yield from (_link(link) for link in card.links)
    yield from chain.from_iterable(code_blocks(table) for table in card.tables)
    yield from (escaped(f"{each.trouble} {each.picture.alt}") for each in hidden)
    labels = ", ".join(button.label for button in left_out)
    if labels:
        yield escaped(f"Not shown here, there is no room for it: {labels}")


def _link(link: Link) -> str:
    """The text as a link, its host in words beside it: nobody is led somewhere else than is said."""
    text = clipped_escaped(link.text.replace("\n", " "), LINK_TEXT)
    shown = f"[{text}](<{link.url}>) {escaped(link.host)}" if link.host else text
    return f"• {shown}\n{escaped(link.note)}" if link.note else f"• {shown}"


def _packed(blocks: Iterable[str], room: int) -> tuple[list[str], bool]:
    """The blocks in as few descriptions as hold them; whether something had to be left out."""
    parts = [""]
    for block in blocks:
        joint = "\n" if parts[-1] else ""
        left = min(room - sum(map(len, parts)), DESCRIPTION - len(parts[-1])) - len(joint)
        if len(block) <= left:
            parts[-1] += joint + block
        elif len(block) <= min(room - sum(map(len, parts)), DESCRIPTION):
            parts.append(block)
        else:
            _add_cut(parts, block, room)
            return parts, True
    return parts, False


def _add_cut(parts: list[str], block: str, room: int) -> None:
    """The beginning of a block that does not fit, and that there is more."""
    more = "… the rest is in card.txt"
    left = min(room - sum(map(len, parts)), DESCRIPTION - len(parts[-1])) - len(more) - 2
    if left >= LEAST and not block.startswith("```"):
        parts[-1] += "\n" + _torn(block, left) + more
        return
    while parts[-1] and left < 0:
        kept, _, _ = parts[-1].rpartition("\n")
        left += len(parts[-1]) - len(kept)
        parts[-1] = kept
    parts[-1] += "\n" + more


def _torn(block: str, limit: int) -> str:
    """The first characters of escaped text; no escape and no bold label is cut in two."""
    start = block[:limit]
    tail = len(start) - len(start.rstrip("\\"))
    start = start[:-1] if tail % 2 else start
    return start + "**" if start.count("**") % 2 else start


def _embeds(head: discord.Embed, parts: list[str], pictures: tuple[Attached, ...]) -> tuple[discord.Embed, ...]:
    """The head with the first text, an embed for every further one, then the pictures."""
    head.description = parts[0] or None
    embeds = [head, *(discord.Embed(description=part, colour=head.colour) for part in parts[1:])]
    for index, picture in enumerate(pictures):
        if index:
            embeds.append(discord.Embed(colour=head.colour))
        embeds[-1].set_image(url=f"attachment://{picture.name}")
    return tuple(embeds)


def _pictures(drawings: Iterable[Drawing]) -> tuple[tuple[Attached, ...], tuple[Drawing, ...]]:
    """The pictures as files, and those that can only be told in words."""
    shown: list[Attached] = []
    hidden: list[Drawing] = []
    for drawing in drawings:
        if drawing.png and len(drawing.png) <= FILE_BYTES and len(shown) < PICTURES:
            name = re.sub(r"[^a-z0-9]+", "-", drawing.picture.name.lower()).strip("-")[:40] or "picture"
            alt = clipped(plain(drawing.picture.alt), ALT)
            shown.append(Attached(f"{name}-{len(shown) + 1}.png", drawing.png, alt))
        else:
            why = drawing.trouble or "A picture is too large for Discord; in words:"
            hidden.append(Drawing(drawing.picture, b"", why))
    return tuple(shown), tuple(hidden)


def _rows(wanted: tuple[tuple[Button, ...], ...]) -> tuple[tuple[tuple[Button, ...], ...], tuple[Button, ...]]:
    """The buttons in at most five rows of five, and those there is no room for. The same action is there once."""
    known: dict[str, Button] = {}
    rows = []
    for row in wanted:
        fresh = [button for button in row if button.action not in known]
        fresh = list({button.action: button for button in fresh}.values())
        known |= {button.action: button for button in fresh}
        usable = [button for button in fresh if len(PREFIX + button.action) <= CUSTOM_ID and button.action]
        rows += [tuple(usable[start : start + IN_A_ROW]) for start in range(0, len(usable), IN_A_ROW)]
    if len(rows) > ROWS:
        flat = list(chain.from_iterable(rows))
        rows = [tuple(flat[start : start + IN_A_ROW]) for start in range(0, len(flat), IN_A_ROW)]
    kept = tuple(rows[:ROWS])
    shown = {button.action for row in kept for button in row}
    return kept, tuple(button for button in known.values() if button.action not in shown)
