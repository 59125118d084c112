"""What providers send is untrusted: headlines, addresses, publishers, sectors and troubles, on every platform."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from bot.message import Card, as_text
from bot.platforms.discord_render import layout
from bot.platforms.telegram_render import Text, pieces_of
from bot.platforms.web_frames import card_json
from engine.model.news import Headline
from tests import make, told
from tests.bot.rooms import visit
from tests.standins.telegram_html import parse_html, utf16

PIECES = (
    "XYZ", "beats", "misses", "@everyone", "@here", "@someone", "<@&1>", "<@1>", "<#2>", "<b>", "</b>", "<script>",
    "<a href='https://evil.example'>", "&lt;b&gt;", "&amp;#60;", "[win](https://evil.example)", "](", "**", "__", "~~",
    "`", "```\n", "||", "\u202e", "\u2066", "\u200b", "\x00", "\ud800", "\r\n# head", "> said", "- item", "1. one",
    "https://evil.example/a", "tg://user?id=1", "<t:1:R>", "<:x:1>", "é" + "\u0301" * 40, "A" * 4_000, "🚀" * 300,
    "/halt", "{0}", "%s", "\\", "\\[", "javascript:alert(1)", "",
)  # fmt: skip
GOOD = ("https://www.example.com/a?b=1&c=%20", "http://news.example.org:8080/x#y")
SAFE = {*GOOD, *(url for *_, url in told.STORIES)} - {""}
BAD = (
    "javascript:alert(1)", "data:text/html,x", "https://evil.example/)[x](y", "https://evil.example/>x",
    'https://evil.example/"onclick="x', "https://a@evil.example", "//evil.example", "https://", "tg://user?id=1",
    "https://evil.example/\u202e", "https://evil.example/" + "a" * 3_000, "https://evil.example/<script>", "",
)  # fmt: skip
LINES = ("/news XYZ", "/facts XYZ", "/quote XYZ", "/earnings XYZ", "/health")
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def cards(seed: int) -> Iterator[Card]:
    """What a desk shows whose providers send all kinds of things."""
    dice = np.random.default_rng(seed)

    def text(most: int = 6) -> str:
        return " ".join(PIECES[int(dice.integers(len(PIECES)))] for _ in range(int(dice.integers(1, most))))

    def url(number: int) -> str:
        of = GOOD if number % 3 == 0 else BAD
        return of[int(dice.integers(len(of)))]

    articles = tuple(
        Headline(str(n), make.NOW - timedelta(minutes=n), f"{n} {text()}", text(), ("XYZ",), "yahoo", text(), url(n))
        for n in range(12)
    )
    facts = replace(told.facts(), sector=text(12))
    desk = visit()
    desk.world.market.set_snapshot(
        told.snapshot(load_news=lambda: told.news(*articles), fundamentals=facts, troubles=(text(), text()))
    )
    desk.world.market.states = tuple(replace(state, trouble=text(12)) for state in told.states())
    yield from (desk.card(line) for line in LINES)


@pytest.mark.parametrize("seed", range(12))
def test_telegram_gets_text_and_leads_nowhere_it_should_not(seed: int) -> None:
    texts = [piece.html for card in cards(seed) for piece in pieces_of(card) if isinstance(piece, Text)]

    parsed = [parse_html(html) for html in texts]

    assert max(utf16(text) for text, _ in parsed) <= 4_096
    led = {entity["url"] for _, entities in parsed for entity in entities if "url" in entity}
    assert led <= SAFE
    assert not any(re.search(r"@(everyone|here|someone)", text) for text, _ in parsed if text.startswith("XYZ news"))


@pytest.mark.parametrize("seed", range(12))
def test_discord_gets_text_and_leads_nowhere_it_should_not(seed: int) -> None:
    for card in cards(seed):
        sent = layout(card)
        shown = [str(embed.description or "") for embed in sent.embeds]

        assert sum(map(len, sent.embeds)) <= 6_000
        assert {url for text in shown for url in re.findall(r"(?<!\\)\]\((.*?)\)", text)} <= {f"<{u}>" for u in SAFE}
        assert not any(re.search(r"@(everyone|here)|<[@#:t]", text.replace("\\<", "")) for text in shown)
        assert not any(TURNING.search(text) for text in shown)


@pytest.mark.parametrize("seed", range(12))
def test_the_page_gets_data_and_leads_nowhere_it_should_not(seed: int) -> None:
    for card in cards(seed):
        frame = json.loads(json.dumps(card_json(card, ())))

        assert {link["url"] for link in frame["links"]} <= {*SAFE, ""}
        assert all((link["url"] == "") == (link["host"] == "") for link in frame["links"])
        assert not any(TURNING.search(link["text"] + link["note"]) for link in frame["links"])


@pytest.mark.parametrize("seed", range(12))
def test_no_card_grows_beyond_what_two_messages_hold(seed: int) -> None:
    assert max(len(as_text(card)) for card in cards(seed)) <= 6_000
