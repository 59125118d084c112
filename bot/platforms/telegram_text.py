"""Text as Telegram takes it: cleaned, escaped, counted in its units and cut so that no message is over a limit.

The limits are those of https://core.telegram.org/bots/api (sendMessage: 4096 characters after entities parsing,
sendPhoto: a caption of 1024). Lengths are UTF-16 code units, as https://core.telegram.org/api/entities says.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
MOST_ENTITIES = 100
"""Formatted stretches of one message: Telegram drops the format of what is over it."""
NOTHING = "(nothing to show)"


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text; `tag` is "" or one of b, i, pre, a; `url` is where an a leads."""

    text: str
    tag: str = ""
    url: str = ""

    @property
    def html(self) -> str:
        """The stretch with everything that could be markup escaped."""
        escaped = html.escape(self.text, quote=False)
        if not self.tag or not self.text.strip():
            return escaped
        where = f' href="{html.escape(self.url)}"' if self.url else ""
        return f"<{self.tag}{where}>{escaped}</{self.tag}>"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, or a table when it is `pre`; `head` is repeated above each part of a table that has to be cut."""

    runs: tuple[Run, ...]
    head: str = ""

    @property
    def html(self) -> str:
        return "".join(run.html for run in self.runs)

    @property
    def units(self) -> int:
        return sum(units(run.text) for run in self.runs)

    @property
    def entities(self) -> int:
        return sum(1 for run in self.runs if run.tag)


def clean(text: str) -> str:
    """The text without what no message may have: half surrogates and control characters other than a line's end.

    >>> clean("a" + chr(0) + "b" + chr(0xD800) + chr(10) + "c")
    'a b\ufffd\\nc'
    """
    return "".join(_sign(sign) for sign in text.replace("\r\n", "\n"))


def _sign(sign: str) -> str:
    if sign == "\n" or sign.isprintable():
        return sign
    match unicodedata.category(sign):
        case "Cs":
            return "\ufffd"
        case "Cc":
            return " "
    return sign


def units(text: str) -> int:
    """How long Telegram counts the text: signs outside the basic plane are two.

    >>> units("a€😀")
    4
    """
    return len(text) + sum(1 for sign in text if sign > "\uffff")


def line(text: str, tag: str = "") -> Block:
    """A paragraph in one format."""
    return Block((Run(clean(text), tag),))


def packed(blocks: Iterable[Block], limit: int = LONGEST_TEXT) -> tuple[str, ...]:
    """The blocks, a line's end between two, as the HTML of as few messages as their order allows."""
    messages: list[list[Block]] = [[]]
    for block in _fitting(blocks, limit):
        if messages[-1] and not _has_room(messages[-1], block, limit):
            messages.append([])
        messages[-1].append(block)
    shown = ("\n".join(block.html for block in message) for message in messages)
    return tuple(text for text in shown if text.strip()) or (NOTHING,)


def _has_room(message: list[Block], block: Block, limit: int) -> bool:
    together = sum(known.units + 1 for known in message) + block.units
    return together <= limit and sum(known.entities for known in message) + block.entities <= MOST_ENTITIES


def _fitting(blocks: Iterable[Block], limit: int) -> Iterator[Block]:
    """Each block, in parts where it is longer than a message."""
    for block in blocks:
        if block.units <= limit:
            yield block
            continue
        for run in block.runs:
            head = block.head if units(block.head) < limit // 2 else ""
            for number, part in enumerate(cut(run.text, limit - units(head) - 1)):
                yield Block((Run(f"{head}\n{part}" if head and number else part, run.tag, run.url),))


def cut(text: str, limit: int) -> Iterator[str]:
    """Parts of at most `limit` units, cut at a line's end, else at a space, else anywhere between two signs.

    >>> list(cut("one two three", 8))
    ['one two', 'three']
    """
    while units(text) > limit:
        end = _reach(text, limit)
        whole = text[: end + 1]
        at = max(whole.rfind("\n"), 0) or max(whole.rfind(" "), 0)
        yield text[: at or end]
        text = text[at + 1 :] if at else text[end:]
    if text:
        yield text


def _reach(text: str, limit: int) -> int:
    """How many signs fit into `limit` units."""
    used = 0
    for place, sign in enumerate(text):
        used += 2 if sign > "\uffff" else 1
        if used > limit:
            return place
    return len(text)


def clipped(text: str, limit: int) -> str:
    """The text in at most `limit` units, an ellipsis where something is left out."""
    if units(text) <= limit:
        return text
    return text[: _reach(text, limit - 1)] + "…"
