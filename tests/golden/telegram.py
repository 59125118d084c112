"""A card in Telegram: the messages the renderer makes of it, as text to pin and as a picture to look at."""

from __future__ import annotations

import html

from bot.message import Button, Card
from bot.platforms.telegram_buttons import STYLES
from bot.platforms.telegram_render import Album, Drawn, Photo, Piece, Rows, Text, pieces_of, rows_of
from tests.golden import phone

STYLE = """
:root { --wall: #d8e1e8; --ink: #14202b; --code: #eef2f5; --link: #1f6fb2; }
.bubble { max-width: 356px; padding: 7px 10px; border-radius: 13px; background: #fff; overflow: hidden; }
.bubble pre { margin: 3px 0; }
.bubble img { margin: -7px -10px 7px; width: calc(100% + 20px); }
.keys { max-width: 356px; }
.key { flex: 1 1 0; padding: 9px 5px; border-radius: 8px; background: #8fa5b6; color: #fff; font-size: 14.5px;
  font-weight: 500; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.key.success { background: #3f9a5f; } .key.danger { background: #c4524c; } .key.primary { background: #3d7fc0; }
"""


def _sent(card: Card) -> tuple[tuple[Piece, ...], Rows]:
    drawn = tuple(Drawn(one.name, one.alt, one.draw(False)) for one in card.pictures)
    return pieces_of(card, drawn), rows_of(card)


def text_of(card: Card) -> str:
    """Every message as it is sent, its HTML as it stands, then the rows of buttons."""
    pieces, rows = _sent(card)
    shown = [_text(piece) for piece in pieces]
    shown += [" ".join(f"[{button.label}{_colour(button)}]" for button in row) for row in rows]
    return "\n".join(shown) + "\n"


def _colour(button: Button) -> str:
    style = STYLES[button.tone]
    return f": {style}" if style else ""


def _text(piece: Piece) -> str:
    match piece:
        case Text(words):
            return f"--- message\n{words}"
        case Photo(picture, words):
            return f"--- photo {picture.name}\n{words}"
        case Album(pictures):
            return "--- album " + " ".join(picture.name for picture in pictures)


def page_of(card: Card) -> str:
    """The chat on a phone."""
    pieces, rows = _sent(card)
    keys = "".join(f'<div class="row">{"".join(map(_key, row))}</div>' for row in rows)
    return phone.page(STYLE, "".join(map(_bubble, pieces)) + f'<div class="keys">{keys}</div>')


def _key(button: Button) -> str:
    return f'<div class="key {STYLES[button.tone]}">{html.escape(button.label)}</div>'


def _bubble(piece: Piece) -> str:
    match piece:
        case Text(words):
            inner = _words(words)
        case Photo(picture, words):
            inner = phone.picture(picture.png, picture.alt) + _words(words)
        case Album(pictures):
            inner = "".join(phone.picture(each.png, each.alt) for each in pictures)
    return f'<div class="bubble">{inner}</div>'


def _words(words: str) -> str:
    """The message's own HTML; a line's end beside a block is not shown twice."""
    tidy = words.replace("\n<pre>", "<pre>").replace("</pre>\n", "</pre>")
    return f'<div class="text">{phone.dotted(tidy)}</div>' if words else ""
