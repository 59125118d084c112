"""What goes to and from people, in no platform's dialect: requests in; cards, tables, buttons, pictures out.

Text is plain; adapters escape and decorate it. Tables are at most 36 characters wide where they can be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][A-Za-z0-9._~:/?#@!$&*+,;=%-]*)?")
"""An address of the web without anything that could end a link early or hide where it leads (RFC 3986 without quotes
and brackets, no user before the host)."""
LONGEST_ADDRESS = 500


class Tone(StrEnum):
    """The colour of a card or button; always said in words too."""

    NEUTRAL = "neutral"
    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headers. `right` names the columns (by index) that are numbers, aligned right."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """A tap. `action` is `verb:id` (at most 64 bytes): all state is in the store, none in the button."""

    label: str
    action: str
    tone: Tone = Tone.NEUTRAL


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG drawn when it is wanted (off the event loop), with the text that says the same in words."""

    name: str
    alt: str
    draw: Callable[[bool], bytes] = field(repr=False, compare=False)
    """draw(dark) -> PNG bytes"""


@dataclass(frozen=True, slots=True)
class Link:
    """A line that leads to a page outside, where `url` is one, with a remark under it.

    Text and address may come from anybody: platforms escape the one and lead nowhere without a `host`.
    """

    text: str
    url: str = ""
    note: str = ""

    @property
    def host(self) -> str:
        """Where it leads, to be shown beside it: "" for an address that no platform shows as a link.

        >>> Link("x", "https://www.example.com/a").host, Link("x", "javascript:alert(1)").host
        ('www.example.com', '')
        """
        if len(self.url) > LONGEST_ADDRESS or not ADDRESS.fullmatch(self.url):
            return ""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class Card:
    """One message.

    Attributes:
        key: what it shows ("approval:A00004"); a later card of the same key and a higher version replaces it.
        facts: label, value pairs. lines: paragraphs. links: pages outside.
        banner: the mode ("PAPER", "REPLAY 2019-03-04, modelled chains").
        expires_at: ISO time the platform may count down to, empty for none.
        sounded: the version since which it is to be heard: where an older one stands it is posted anew. 0 for never: it
            makes no sound at all. None: it is heard where it is posted and not where it is drawn again.
    """

    title: str
    tone: Tone = Tone.NEUTRAL
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    pictures: tuple[Picture, ...] = ()
    footer: str = ""
    banner: str = ""
    key: str = ""
    version: int = 0
    expires_at: str = ""
    links: tuple[Link, ...] = ()
    sounded: int | None = None

    @property
    def is_live(self) -> bool:
        """Whether real money is at stake: every platform shows that so that nobody overlooks it."""
        return self.banner.startswith("LIVE")


@dataclass(frozen=True, slots=True)
class Request:
    """One thing a person did. `text` is a command line ("/risk", "scan wheel AAPL"), `action` a button's verb:id.

    Attributes:
        identity: `platform:id` of the person ("web:1", "discord:123"), never a display name.
        source: unique id of the update at the platform; the same one twice acts once.
        chat: where the answer goes.
        options: values given by name, as they were typed into a platform's own fields: (("price", "1.05"),).
        groups: further identities that come with the platform's own payload ("discord-role:456"), never typed.
        age: seconds since the person did it, at most; None where the platform vouches that it was just now.
    """

    identity: str
    text: str = ""
    action: str = ""
    source: str = ""
    chat: str = ""
    options: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()
    age: float | None = None

    @property
    def raw(self) -> str:
        """What the person did, in one line, for the audit trail and the log.

        >>> Request("web:1", "/close", options=(("position", "P00003"),)).raw
        '/close position=P00003'
        """
        return " ".join((self.action or self.text, *(f"{name}={value}" for name, value in self.options)))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far long work has come, 0 to 1, in words; `stop` is the action of the button that ends it."""

    fraction: float
    words: str
    stop: str = ""


@dataclass(frozen=True, slots=True)
class MessageRef:
    """Where a posted card lives, so that it can be edited."""

    platform: str
    chat: str
    message: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How a message is put into a chat.

    Attributes:
        silent: without sound or vibration (quiet hours).
        heard: it has to be heard: not where only those hear it who follow one trade.
        urgent: before everything else that waits on the platform.
        under: the card of the same trade that stands in this chat: the message goes into its thread, or answers it.
    """

    silent: bool = False
    heard: bool = False
    under: MessageRef | None = None
    urgent: bool = False


PLAIN = Manner()


def as_text(card: Card) -> str:
    """The card as plain text, for terminals and tests.

    >>> print(as_text(Card("Halted", lines=("Entries are off.",), buttons=((Button("Resume", "resume:"),),))))
    Halted
    Entries are off.
    [Resume]
    """
    parts = [card.banner, card.title, *card.lines]
    label = max((len(name) for name, _ in card.facts), default=0)
    parts += [f"{name:<{label}}  {value}" for name, value in card.facts]
    parts += [part for link in card.links for part in (link.text, link.note, link.url if link.host else "")]
    parts += [table_text(table) for table in card.tables]
    parts += [f"({picture.alt})" for picture in card.pictures]
    parts += [" ".join(f"[{button.label}]" for button in row) for row in card.buttons]
    parts.append(card.footer)
    return "\n".join(part for part in parts if part)


def table_text(table: Table) -> str:
    """The table in fixed-width columns."""
    rows = (table.headers, *table.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headers))]

    def line(row: tuple[str, ...]) -> str:
        cells = (
            cell.rjust(widths[column]) if column in table.right else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        )
        return "  ".join(cells).rstrip()

    title = (table.title,) if table.title else ()
    return "\n".join((*title, *map(line, rows)))
