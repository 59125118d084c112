"""A phone's screen with a plain chat on it, as HTML of our own: what a message looks like once it has been sent."""

from __future__ import annotations

import html
import re
from base64 import b64encode

WIDTH = 390
"""CSS pixels of a common phone held upright."""

DOTS = {"🟢": "#2e9e5b", "🔴": "#d6453d", "🟠": "#d98a1f", "🔵": "#2f6fc4"}
"""Signs that few computers have a font for, as colours: the picture must not depend on the fonts of its machine."""

STYLE = """
* { box-sizing: border-box; margin: 0; }
body { width: 390px; background: var(--wall); color: var(--ink);
  font: 15.5px/1.36 Roboto, "DejaVu Sans Condensed", sans-serif; overflow-wrap: anywhere; }
.screen { padding: 12px 10px 14px; display: grid; gap: 6px; }
.text, pre { white-space: pre-wrap; }
pre, code { font: 13.5px/1.4 "DejaVu Sans Mono", monospace; }
pre { padding: 7px 8px; border-radius: 6px; background: var(--code); }
img { display: block; width: 100%; }
.dot { display: inline-block; width: .8em; height: .8em; border-radius: 50%; }
.keys { display: grid; grid-template-columns: minmax(0, 1fr); gap: 5px; }
.row { display: flex; gap: 5px; }
.key { min-width: 0; text-align: center; }
a { color: var(--link); text-decoration: none; }
"""


def page(style: str, body: str) -> str:
    """A whole document, with nothing in it that would have to be fetched."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>chat</title>'
        f'<style>{STYLE}{style}</style><body><div class="screen">{body}</div></body></html>'
    )


def picture(png: bytes, alt: str) -> str:
    """An image that carries its own bytes."""
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{b64encode(png).decode()}">'


def dotted(text: str) -> str:
    """HTML with the coloured signs drawn as circles."""
    return re.sub("|".join(DOTS), lambda sign: f'<span class="dot" style="background:{DOTS[sign[0]]}"></span>', text)
