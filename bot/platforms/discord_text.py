"""Text for Discord: what is not ours is shown as it stands, never as formatting, a mention or a link.

Discord's markup and the backslash that switches it off: https://support.discord.com/hc/en-us/articles/210298617.
Mentions, timestamps and emoji in angle brackets: https://discord.com/developers/docs/reference#message-formatting.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator

from bot.message import Table, table_text

WIDE = 36
"""Characters of fixed width that fit on a phone."""
CHUNK = 1900
"""Characters of one code block: a long table is several, each whole."""
NOTHING = "\u200b"
"""A space of no width: it keeps signs apart that mean something together."""
UNSEEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
"""Signs that turn the direction of text: with them words read otherwise than they were written."""

_MARKUP = re.compile(r"([\\`*_~|\[\]<>])")
_MENTION = re.compile(r"@(?=everyone|here|[!&]?[0-9])")
_LINK = re.compile(r"://")
_LINE_START = re.compile(r"^(\s*)([#+-]|[0-9]+(?=[.)]\s))", re.MULTILINE)


def plain(text: str) -> str:
    """The text without signs that cannot be seen; for titles of menus, labels and footers, which know no markup."""
    return "".join(sign for sign in text if sign == "\n" or (sign not in UNSEEN and not _is_unreadable(sign)))


def _is_unreadable(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cs"}


def escaped(text: str) -> str:
    r"""The text as it is read, whatever is in it.

    >>> escaped("[win](https://x.example) <@&7> *now*")
    '\\[win\\](https:\\//x.example) \\<@\u200b&7\\> \\*now\\*'
    >>> escaped("# Big\n1. one\n-0.40")
    '\\# Big\n1\\. one\n\\-0.40'
    """
    safe = _MARKUP.sub(r"\\\1", plain(text))
    safe = _LINK.sub(r":\\//", _MENTION.sub(f"@{NOTHING}", safe))
    return _LINE_START.sub(_without_meaning, safe)


def _without_meaning(start: re.Match[str]) -> str:
    """A line's first sign that would begin a heading or a list; of a number it is the point behind it."""
    space, sign = start.groups()
    return f"{space}{sign}\\" if sign[0].isdigit() else f"{space}\\{sign}"


def clipped(text: str, limit: int) -> str:
    """At most `limit` characters of the text, "…" where some were left out.

    >>> clipped("Positions", 5)
    'Posi…'
    """
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def clipped_escaped(text: str, limit: int) -> str:
    r"""The text escaped, in at most `limit` characters; no escape is cut in two.

    >>> clipped_escaped("a_b_c", 5)
    'a\\_b…'
    """
    whole = escaped(text)
    if len(whole) <= limit:
        return whole
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(escaped(text[:middle])) < limit else (low, middle - 1)
    return f"{escaped(text[:low])}…"


def code_blocks(table: Table) -> Iterator[str]:
    """The table in fixed width, in blocks that are whole each; rows too wide for a phone go on in the next line."""
    lines = [line for row in table_text(table).splitlines() for line in _folded(plain(row))]
    for part in _chunks(lines):
        yield f"```\n{part}\n```"


def _folded(row: str) -> list[str]:
    row = row.replace("`", f"`{NOTHING}")
    if len(row) <= WIDE:
        return [row]
    return textwrap.wrap(row, WIDE, subsequent_indent="  ", replace_whitespace=False, break_on_hyphens=False)


def _chunks(lines: Iterable[str]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for line in lines:
        if part and size + len(line) >= CHUNK:
            yield "\n".join(part)
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield "\n".join(part)
