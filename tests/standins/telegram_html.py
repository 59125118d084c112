"""Telegram's HTML: the text without tags, and the entities; refused in the words of TDLib's parser.

Which tags there are: https://core.telegram.org/bots/api#html-style; the refusals:
https://github.com/tdlib/td/blob/master/td/telegram/MessageEntity.cpp (`parse_html`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(lt|gt|amp|quot));?")
_ATTRIBUTE = re.compile(r"""\s*([^\s=>/]*)\s*(?:(=)\s*("[^"]*"|'[^']*'|[A-Za-z0-9.-]+))?""")

Entity = dict[str, Any]


class Unparsable(Exception):
    """What Telegram says after "can't parse entities:"."""


def utf16(text: str) -> int:
    """Length as Telegram counts: in UTF-16 code units.

    >>> utf16("a\\U0001f680")
    3
    """
    return len(text) + sum(character > "\uffff" for character in text)


@dataclass(slots=True)
class _Open:
    tag: str
    offset: int
    attributes: dict[str, str]


@dataclass(slots=True)
class _Parse:
    """One text being read; `at` is the index of the next character."""

    source: str
    at: int = 0
    text: list[str] = field(default_factory=list)
    length: int = 0
    nested: list[_Open] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)

    def run(self) -> tuple[str, list[Entity]]:
        while self.at < len(self.source):
            if self.source[self.at] == "<":
                self._tag()
            else:
                self._characters()
        if self.nested:
            raise Unparsable(f'Can\'t find end tag corresponding to start tag "{self.nested[-1].tag}"')
        return "".join(self.text), sorted(self.entities, key=lambda entity: (entity["offset"], -entity["length"]))

    def _byte(self, index: int) -> int:
        return len(self.source[:index].encode("utf-8", "surrogatepass"))

    def _characters(self) -> None:
        found = _REFERENCE.match(self.source, self.at)
        piece = _decoded(found) if found else self.source[self.at]
        self.at = found.end() if found else self.at + 1
        self.text.append(piece)
        self.length += utf16(piece)

    def _tag(self) -> None:
        if self.source.startswith("</", self.at):
            self._end()
        else:
            self._start()

    def _start(self) -> None:
        begin = self.at
        found = re.compile(r"[^\s>]*").match(self.source, begin + 1)
        assert found is not None
        tag, at = found[0].lower(), found.end()
        if at >= len(self.source):
            raise Unparsable(f"Unclosed start tag at byte offset {self._byte(begin)}")
        if tag not in KINDS:
            raise Unparsable(f'Unsupported start tag "{tag}" at byte offset {self._byte(begin)}')
        attributes, self.at = self._attributes(tag, begin, at)
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            raise Unparsable(f'Tag "span" must have class "tg-spoiler" at byte offset {self._byte(begin)}')
        self.nested.append(_Open(tag, self.length, attributes))

    def _attributes(self, tag: str, begin: int, at: int) -> tuple[dict[str, str], int]:
        """The attributes of a tag, and where the text goes on behind it."""
        attributes: dict[str, str] = {}
        while True:
            while at < len(self.source) and self.source[at].isspace():
                at += 1
            if at >= len(self.source):
                raise Unparsable(f"Unclosed start tag at byte offset {self._byte(begin)}")
            if self.source[at] == ">":
                return attributes, at + 1
            found = _ATTRIBUTE.match(self.source, at)
            if found is None or not found[1]:
                raise Unparsable(f'Empty attribute name in the tag "{tag}" at byte offset {self._byte(begin)}')
            if not found[2] and found[1] != "expandable":
                raise Unparsable(
                    f'Expected equal sign in declaration of an attribute of the tag "{tag}" '
                    f"at byte offset {self._byte(begin)}"
                )
            attributes[found[1].lower()] = _REFERENCE.sub(_decoded, (found[3] or "").strip("\"'"))
            at = found.end()

    def _end(self) -> None:
        begin = self.at
        if not self.nested:
            raise Unparsable(f"Unexpected end tag at byte offset {self._byte(begin)}")
        found = re.compile(r"([^\s>]*)\s*(>?)").match(self.source, begin + 2)
        assert found is not None
        if not found[2]:
            raise Unparsable(f"Unclosed end tag at byte offset {self._byte(begin)}")
        opened, name = self.nested.pop(), found[1].lower()
        if name and name != opened.tag:
            raise Unparsable(
                f'Unmatched end tag at byte offset {self._byte(begin)}, expected "</{opened.tag}>", found "</{name}>"'
            )
        self.at = found.end()
        if self.length > opened.offset:
            self._add(opened)

    def _add(self, opened: _Open) -> None:
        entity: Entity = {
            "type": KINDS[opened.tag],
            "offset": opened.offset,
            "length": self.length - opened.offset,
        }
        if opened.tag == "a":
            if not re.match(r"(https?|tg|mailto|tel)://?|mailto:|tel:", opened.attributes.get("href", "")):
                return  # what is no link stays text
            entity["url"] = opened.attributes["href"]
        if opened.tag == "tg-emoji":
            entity["custom_emoji_id"] = opened.attributes.get("emoji-id", "")
        if opened.tag == "blockquote" and "expandable" in opened.attributes:
            entity["type"] = "expandable_blockquote"
        self.entities.append(entity)


def _decoded(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return NAMED[name]
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else found[0]


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """The text people see, and its entities.

    Raises:
        Unparsable: in the words Telegram uses.

    >>> parse_html("<b>P&amp;L</b> 3 &lt; 4")
    ('P&L 3 < 4', [{'type': 'bold', 'offset': 0, 'length': 3}])
    """
    return trimmed(*_Parse(source).run())


def trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Text without the white space around it, as Telegram's servers keep it; entities move along."""
    body = text.strip()
    before, length = utf16(text[: len(text) - len(text.lstrip())]), utf16(body)
    moved = []
    for entity in entities:
        start = max(entity["offset"] - before, 0)
        end = min(entity["offset"] - before + entity["length"], length)
        if end > start:
            moved.append({**entity, "offset": start, "length": end - start})
    return body, moved
