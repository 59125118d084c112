"""The part of Discord's markdown that the desk uses, as HTML.

https://support.discord.com/hc/en-us/articles/210298617 names the signs; a backslash takes a sign's meaning away.
"""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime

from engine.sessions import NEW_YORK
from tests.make import NOW

BLOCK = re.compile(r"```(?:\w*\n)?(.*?)\n?```", re.DOTALL)
SPAN = re.compile(
    r"\\(?P<plain>[^A-Za-z0-9\s])|`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|__(?P<under>.+?)__|\*(?P<it>[^*\s][^*]*)\*"
    r"|(?<!\w)_(?P<italic>[^_]+)_(?!\w)|<t:(?P<time>\d+):(?P<how>\w)>|\[(?P<words>[^\]]+)\]\((?P<link>[^)]+)\)"
)
HEADS = (("### ", "h3"), ("## ", "h2"), ("# ", "h1"), ("-# ", "small"), ("> ", "blockquote"))


def to_html(text: str) -> str:
    """Paragraphs, headings and code blocks as they are shown."""
    parts, at = [], 0
    for block in BLOCK.finditer(text):
        parts.append(_lines(text[at : block.start()]))
        parts.append(f"<pre>{html.escape(block[1])}</pre>")
        at = block.end()
    parts.append(_lines(text[at:]))
    return "".join(parts)


def _lines(text: str) -> str:
    shown = [_line(line) for line in text.strip("\n").split("\n")]
    return "" if shown == [_line("")] else "".join(shown)


def _line(line: str) -> str:
    for sign, tag in HEADS:
        if line.startswith(sign):
            return f"<{tag}>{_spans(line.removeprefix(sign))}</{tag}>"
    return f"<div>{_spans(line) or '&nbsp;'}</div>"


def _spans(text: str) -> str:
    parts, at = [], 0
    for span in SPAN.finditer(text):
        parts += [html.escape(text[at : span.start()]), _span(span)]
        at = span.end()
    return "".join((*parts, html.escape(text[at:])))


def _time(seconds: int, how: str) -> str:
    """A moment as a reader in New York has it, looking at it when the samples were made."""
    at = datetime.fromtimestamp(seconds, UTC)
    if how == "R":
        return f"in {round((at - NOW).total_seconds() / 60)} minutes"
    return f"{at.astimezone(NEW_YORK):%-I:%M:%S %p}"


def _span(span: re.Match[str]) -> str:
    kind = span.lastgroup or ""
    inner = span[kind]
    match kind:
        case "plain":
            return html.escape(inner)
        case "code":
            return f"<code>{html.escape(inner)}</code>"
        case "bold":
            return f"<b>{_spans(inner)}</b>"
        case "under":
            return f"<u>{_spans(inner)}</u>"
        case "it" | "italic":
            return f"<i>{_spans(inner)}</i>"
        case "how":
            return _time(int(span["time"]), inner)
        case _:
            return f"<a>{_spans(span['words'])}</a>"
