"""A card as Telegram shows it: pieces of HTML and photos, the last of which carries the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from bot import words
from bot.message import Button, Card, Link, Table, Tone, table_text
from bot.platforms.telegram_text import LONGEST_CAPTION, LONGEST_TEXT, Block, Run, clean, clipped, line, packed

WIDE = 36
"""Characters of a fixed-width line that a phone shows without breaking it."""

APART = "\u200b"
"""A space of no width: with it behind an @ nobody is called who is not on the desk."""
MARKS: Mapping[Tone, str] = MappingProxyType(
    {Tone.GOOD: "🟢 ", Tone.BAD: "🔴 ", Tone.WARNING: "🟠 ", Tone.ASK: "🔵 ", Tone.NEUTRAL: ""}
)

REAL_MONEY = "🔴 REAL MONEY 🔴 "

# https://core.telegram.org/bots/api#sendphoto: at most 10 MB, width and height together at most 10000, one at most
# twenty times the other. https://core.telegram.org/bots/api#sendmediagroup: 2-10 photos.
LARGEST_PHOTO = 10_000_000
LONGEST_SIDES = 10_000
STEEPEST = 20
MOST_IN_ALBUM = 10
PNG = b"\x89PNG\r\n\x1a\n"

PAGE_LINE = 40
"""Signs that are left for the line that says which page it is."""
LONGEST_LABEL = 60
MOST_IN_ROW = 8
MOST_BUTTONS = 100


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as PNG bytes, and the same in words."""

    name: str
    alt: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """A message of HTML."""

    html: str


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo with HTML below it."""

    picture: Drawn
    html: str


@dataclass(frozen=True, slots=True)
class Album:
    """Several photos as one message: it can have no keyboard."""

    pictures: tuple[Drawn, ...]


Piece = Text | Photo | Album
Rows = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is sent for a card: its messages in order, and the keyboard of the last one."""

    pieces: tuple[Piece, ...]
    rows: Rows = ()

    @property
    def messages(self) -> int:
        """How many messages of a chat it makes: each photo of an album is one."""
        return sum(len(piece.pictures) if isinstance(piece, Album) else 1 for piece in self.pieces)


def sheet_of(card: Card, pictures: tuple[Drawn, ...] = ()) -> Sheet:
    """All of the card, in as many messages as it takes."""
    return Sheet(pieces_of(card, pictures), rows_of(card))


def page_of(card: Card, page: int, turn: Callable[[int], str]) -> Sheet:
    """One part of a card that is too long for one message, with buttons to turn pages; `turn(page)` is their action."""
    texts = packed(_blocks(card, ()), LONGEST_TEXT - PAGE_LINE)
    if len(texts) == 1:
        return sheet_of(card)
    number = min(max(page, 1), len(texts))
    sides = (("◀ Previous", number - 1), ("Next ▶", number + 1))
    turns = tuple(Button(label, turn(to)) for label, to in sides if 1 <= to <= len(texts))
    html = f"{texts[number - 1]}\n<i>Page {number} of {len(texts)}</i>"
    return Sheet((Text(html),), (turns, *rows_of(card)))


def pieces_of(card: Card, pictures: tuple[Drawn, ...] = ()) -> tuple[Piece, ...]:
    """The card's messages in order; `pictures` are those of its pictures that could be drawn and may be sent."""
    fitting = packed(_blocks(card, pictures), LONGEST_CAPTION) if len(pictures) == 1 else ()
    if len(fitting) == 1:
        return (Photo(pictures[0], fitting[0]),)
    texts = tuple(Text(html) for html in packed(_blocks(card, pictures)))
    return (*_photos(pictures), *texts)


def _photos(pictures: tuple[Drawn, ...]) -> Iterator[Piece]:
    for start in range(0, len(pictures), MOST_IN_ALBUM):
        part = pictures[start : start + MOST_IN_ALBUM]
        yield Album(part) if len(part) > 1 else Photo(part[0], "")


def may_be_sent(png: bytes) -> bool:
    """Whether Telegram takes this picture as a photo.

    >>> sides = (800).to_bytes(4) + (600).to_bytes(4)
    >>> may_be_sent(PNG + bytes(8) + sides), may_be_sent(b"no picture")
    (True, False)
    """
    if not png.startswith(PNG) or len(png) < 24 or len(png) > LARGEST_PHOTO:
        return False
    width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    short, long = sorted((width, height))
    return short > 0 and long <= STEEPEST * short and width + height <= LONGEST_SIDES


def _blocks(card: Card, pictures: tuple[Drawn, ...]) -> Iterator[Block]:
    """The card's paragraphs in order."""
    if card.banner:
        yield line(f"{REAL_MONEY}{card.banner}", "b") if card.is_live else line(card.banner, "i")
    yield line(MARKS[card.tone] + card.title, "b")
    yield from (line(text) for text in card.lines)
    if card.lines and card.facts:
        yield line("")
    for label, value in card.facts:
        yield Block((Run(clean(label), "b"), Run("  " + clean(value))))
    for link in card.links:
        yield from _link(link)
    for table in card.tables:
        yield from _table(table)
    yield from (line(f"({told})", "i") for told in _told(card, pictures))
    for text in (card.footer, _until(card)):
        if text:
            yield line(text, "i")


def _link(link: Link) -> Iterator[Block]:
    """The text as a link, its host in words beside it: nobody is led somewhere else than is said."""
    text = clean(link.text).replace("\n", " ").replace("@", f"@{APART}")
    if link.host:
        yield Block((Run("• "), Run(text, "a", link.url), Run(f" {link.host}")))
    else:
        yield line(f"• {text}")
    if link.note:
        yield line(link.note.replace("@", f"@{APART}"), "i")


def _told(card: Card, pictures: tuple[Drawn, ...]) -> Iterable[str]:
    """What every picture shows, in words: for who cannot see it, and where it could not be sent."""
    sent = {picture.name for picture in pictures}
    return (picture.alt if picture.name in sent else f"no picture: {picture.alt}" for picture in card.pictures)


def _until(card: Card) -> str:
    """`until 10:05:00 ET`, unless the card says that itself."""
    if not card.expires_at:
        return ""
    clock = words.clock(datetime.fromisoformat(card.expires_at))
    return "" if any(clock in value for _, value in card.facts) else f"until {clock}"


def _table(table: Table) -> Iterator[Block]:
    if not table.headers:
        return
    if table.title:
        yield line(table.title, "b")
    shown = Table(_cells(table.headers), tuple(_cells(row) for row in table.rows), table.right)
    text = table_text(shown)
    if max(map(len, text.split("\n"))) <= WIDE:
        yield Block((Run(text, "pre"),), head=text.split("\n")[0])
        return
    yield from (_stacked(shown, row) for row in shown.rows)


def _cells(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(clean(cell).replace("\n", " ") for cell in row)


def _stacked(table: Table, row: tuple[str, ...]) -> Block:
    """A row of a table that is too wide for a phone: its first cell, then the others with their headers."""
    others = (
        f"{name} {cell}" if name else cell for name, cell in zip(table.headers[1:], row[1:], strict=False) if cell
    )
    return Block((Run(row[0], "b"), Run("  " + " · ".join(others))))


def rows_of(card: Card) -> Rows:
    """The card's buttons in rows that Telegram takes, their labels cleaned."""
    rows = [
        tuple(_labelled(button) for button in row[start : start + MOST_IN_ROW])
        for row in card.buttons
        for start in range(0, len(row), MOST_IN_ROW)
    ]
    kept: list[tuple[Button, ...]] = []
    left = MOST_BUTTONS
    for row in rows:
        kept.append(row[:left])
        left -= len(kept[-1])
    return tuple(row for row in kept if row)


def _labelled(button: Button) -> Button:
    label = clipped(clean(button.label).replace("\n", " ").strip(), LONGEST_LABEL)
    return Button(label or "·", button.action, button.tone)
