"""A card in Discord: the message the renderer makes of it, as text to pin and as a picture to look at."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bot.message import Button, Card
from bot.platforms.discord_buttons import STYLES
from bot.platforms.discord_render import Drawing, Layout, layout
from tests.golden import phone
from tests.golden.markdown import to_html

STYLE = """
:root { --wall: #fbfbfc; --ink: #22262b; --code: #eef0f2; --link: #2f66c4; }
.message { display: grid; grid-template-columns: 34px minmax(0, 1fr); gap: 9px; }
.face { width: 34px; height: 34px; border-radius: 50%; background: #38506b; color: #fff; display: grid;
  place-items: center; font-weight: 600; }
.who { font-weight: 600; }
small { font-size: 12.5px; color: #6b737c; }
.box { display: grid; gap: 6px; margin-top: 5px; padding: 9px 11px; border: 1px solid #dfe2e6; border-radius: 7px;
  border-left: 4px solid; background: #fff; }
.box img { border-radius: 6px; }
.author { font-size: 13px; font-weight: 600; }
.title { font-weight: 700; }
.keys { margin-top: 7px; }
.row { flex-wrap: wrap; gap: 6px; }
.key { padding: 7px 12px; border-radius: 7px; background: #e3e5e9; font-size: 14px; font-weight: 500; }
.key.success { background: #24804a; color: #fff; }
.key.danger { background: #c03537; color: #fff; }
.key.primary { background: #4257c9; color: #fff; }
"""


def _sent(card: Card) -> Layout:
    until = int(datetime.fromisoformat(card.expires_at).timestamp()) if card.expires_at else None
    return layout(card, [Drawing(picture, picture.draw(False)) for picture in card.pictures], until)


def text_of(card: Card) -> str:
    """Every embed as it is sent, its markdown as it stands, then the rows of buttons with their colours."""
    sent = _sent(card)
    parts = [line for embed in sent.embeds for line in _lines(embed.to_dict())]
    parts += [" ".join(f"[{button.label}{_colour(button)}]" for button in row) for row in sent.rows]
    parts += [f"({file.name}: {file.alt})" for file in sent.files]
    return "\n".join(parts) + "\n"


def _lines(embed: Any) -> Iterator[str]:
    yield f"--- embed #{embed.get('color', 0):06x}"
    if author := embed.get("author"):
        yield author["name"]
    yield from (embed[part] for part in ("title", "description") if embed.get(part))
    if image := embed.get("image"):
        yield image["url"]
    if footer := embed.get("footer"):
        yield footer["text"]


def _colour(button: Button) -> str:
    style = STYLES[button.tone].name
    return "" if style == "secondary" else f": {style}"


def page_of(card: Card) -> str:
    """The chat on a phone."""
    sent = _sent(card)
    pictures = {f"attachment://{file.name}": phone.picture(file.body, file.alt) for file in sent.files}
    boxes = "".join(_box(embed.to_dict(), pictures) for embed in sent.embeds)
    keys = "".join(f'<div class="row">{"".join(map(_key, row))}</div>' for row in sent.rows)
    message = f'<div class="who">desk <small>app</small></div>{boxes}<div class="keys">{keys}</div>'
    return phone.page(STYLE, f'<div class="message"><div class="face">d</div><div>{message}</div></div>')


def _box(embed: Any, pictures: dict[str, str]) -> str:
    parts = [f'<div class="author">{html.escape(embed["author"]["name"])}</div>'] if embed.get("author") else []
    parts += [f'<div class="title">{to_html(embed["title"])}</div>'] if embed.get("title") else []
    parts += [f"<div>{to_html(embed['description'])}</div>"] if embed.get("description") else []
    parts += [pictures[embed["image"]["url"]]] if embed.get("image") else []
    parts += [f"<small>{html.escape(embed['footer']['text'])}</small>"] if embed.get("footer") else []
    return f'<div class="box" style="border-left-color: #{embed.get("color", 0):06x}">{"".join(parts)}</div>'


def _key(button: Button) -> str:
    return f'<div class="key {STYLES[button.tone].name}">{html.escape(button.label)}</div>'
