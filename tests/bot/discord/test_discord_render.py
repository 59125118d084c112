"""Cards as Discord messages: readable, complete, within every limit, and harmless whatever stands in them."""

from __future__ import annotations

import re

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.message import Button, Card, Picture, Table, Tone
from bot.platforms.discord_render import (
    ALT,
    AUTHOR,
    CUSTOM_ID,
    DESCRIPTION,
    EMBEDS,
    FILE_BYTES,
    FILES,
    FOOTER,
    IN_A_ROW,
    LABEL,
    PREFIX,
    ROWS,
    TITLE,
    TOTAL,
    Drawing,
    Layout,
    layout,
)
from bot.platforms.discord_text import WIDE, escaped
from tests.samples import SAMPLES

HOSTILE = "@everyone <@&7> <#8> <@!9> [you won](https://evil.example/x) **bold** `code` ||gone|| <t:1:R> \u202eabc"
FENCE = re.compile(r"```\n(.*?)\n```", re.DOTALL)


def text_of(shown: Layout) -> str:
    return "\n".join(f"{embed.title or ''}\n{embed.description or ''}" for embed in shown.embeds)


def outside_code(shown: Layout) -> str:
    return FENCE.sub("", text_of(shown))


def assert_within_limits(shown: Layout) -> None:
    assert 1 <= len(shown.embeds) <= EMBEDS
    assert sum(map(len, shown.embeds)) <= TOTAL
    for embed in shown.embeds:
        assert len(embed.title or "") <= TITLE
        assert len(embed.description or "") <= DESCRIPTION
        assert len(embed.author.name or "") <= AUTHOR
        assert len(embed.footer.text or "") <= FOOTER
    assert shown.embeds[0].title
    assert len(shown.files) <= FILES
    assert len({file.name for file in shown.files}) == len(shown.files)
    assert all(len(file.alt) <= ALT and len(file.body) <= FILE_BYTES for file in shown.files)
    assert len(shown.rows) <= ROWS
    assert all(1 <= len(row) <= IN_A_ROW for row in shown.rows)
    actions = [button.action for row in shown.rows for button in row]
    assert len(set(actions)) == len(actions)
    assert all(1 <= len(PREFIX + action) <= CUSTOM_ID for action in actions)


LED = re.compile(r"(?<!\\)\[((?:\\.|[^\\\[\]])*)\]\(<https?://[^\s<>()]+>\)")
"""A link of ours: its text is escaped like any other, its address checked (`message.Link.host`)."""


def assert_harmless(shown: Layout) -> None:
    """Outside of code no mention, link but ours, spoiler or foreign timestamp is left that a client would draw."""
    text = re.sub(r"Open until <t:\d+:T> \(<t:\d+:R>\)", "", outside_code(shown))
    text = LED.sub(r"\1", text)
    bare = re.sub(r"\\[^0-9A-Za-z\s]", "x", text)  # an escaped sign is a sign like any other
    assert not re.search(r"[<>`\[\]|_~]", bare)
    assert not re.search(r"@(everyone|here|[!&]?\d)", bare)
    assert "://" not in bare
    assert not re.search(r"^\s*([#+-]|\d+[.)]\s)", bare, re.MULTILINE)
    assert "```" not in FENCE.sub("", text_of(shown))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_card_of_the_desk_fits_and_is_harmless(name: str) -> None:
    shown = layout(SAMPLES[name](), until=1_700_000_000)

    assert_within_limits(shown)
    assert_harmless(shown)


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_of_a_card_is_lost(name: str) -> None:
    card = SAMPLES[name]()

    text = text_of(layout(card))

    if not any(file.name == "card.txt" for file in layout(card).files):
        assert all(escaped(line) in text for line in card.lines)
        assert all(escaped(value) in text for _, value in card.facts)


@pytest.mark.parametrize("name", SAMPLES)
def test_tables_fit_on_a_phone(name: str) -> None:
    for block in FENCE.findall(text_of(layout(SAMPLES[name]()))):
        assert max(map(len, block.splitlines())) <= WIDE


def test_a_headline_can_neither_call_anybody_nor_format_nor_link() -> None:
    shown = layout(Card(HOSTILE, lines=(HOSTILE, f"# {HOSTILE}", f"> {HOSTILE}"), facts=((HOSTILE, HOSTILE),)))

    assert_harmless(shown)
    assert "\u202e" not in text_of(shown)


def test_a_table_cannot_leave_its_block() -> None:
    shown = layout(Card("T", tables=(Table(("a",), (("```",), ("@everyone",))),)))

    assert len(FENCE.findall(text_of(shown))) == 1
    assert outside_code(shown).strip() == "T"


def test_a_proposal_counts_down_on_the_readers_own_clock() -> None:
    shown = layout(SAMPLES["proposal"](), until=1_700_000_000)

    assert (shown.embeds[0].description or "").startswith("Open until <t:1700000000:T> (<t:1700000000:R>)")


def test_the_mode_stands_above_everything() -> None:
    live, paper = (layout(Card("Risk", banner=banner)).embeds[0].author.name for banner in ("LIVE 1234", "PAPER"))

    assert (live, paper) == ("🔴 REAL MONEY 🔴 LIVE 1234", "PAPER")


def test_what_does_not_fit_is_attached_as_it_is() -> None:
    lines = tuple(f"line {number} of the story" for number in range(900))

    shown = layout(Card("Story", lines=lines))

    assert_within_limits(shown)
    assert text_of(shown).rstrip().endswith("… the rest is in card.txt")
    assert shown.files[-1].name == "card.txt"
    assert shown.files[-1].body.decode().splitlines()[-1] == lines[-1]


def test_a_picture_is_shown_with_its_words() -> None:
    picture = Picture("Payoff / A1", "Profit at expiry.", lambda dark: b"png")

    shown = layout(Card("P", pictures=(picture,)), (Drawing(picture, b"png"),))

    assert shown.embeds[-1].image.url == "attachment://payoff-a1-1.png"
    assert [(file.name, file.alt) for file in shown.files] == [("payoff-a1-1.png", "Profit at expiry.")]


def test_a_picture_that_is_too_large_is_told_in_words() -> None:
    picture = Picture("chart", "It rose to 48.", lambda dark: b"")

    shown = layout(Card("P", pictures=(picture,)), (Drawing(picture, b"x" * (FILE_BYTES + 1)),))

    assert shown.files == ()
    assert "too large for Discord; in words: It rose to 48." in text_of(shown)


def test_more_buttons_than_fit_are_named() -> None:
    rows = tuple((Button(f"B{number}", f"why:A{number}"),) for number in range(30))

    shown = layout(Card("Many", buttons=rows))

    assert_within_limits(shown)
    assert sum(map(len, shown.rows)) == 25
    assert "B25, B26, B27, B28, B29" in text_of(shown)


WILD = st.text(alphabet=st.one_of(st.characters(), st.sampled_from(list("`*_~|<>@#[]()\\:-+1. \n"))), max_size=400)
LONG = st.builds(lambda text, times: text * times, WILD, st.integers(1, 30))
BUTTONS = st.lists(
    st.lists(st.builds(Button, WILD, st.text(max_size=120), st.sampled_from(Tone)), max_size=8), max_size=8
)
TABLES = st.builds(
    lambda headers, rows: Table(
        headers, tuple(row[: len(headers)] + ("",) * (len(headers) - len(row)) for row in rows)
    ),
    st.lists(WILD, min_size=1, max_size=4).map(tuple),
    st.lists(st.lists(WILD, max_size=4).map(tuple), max_size=30),
)
CARDS = st.builds(
    Card,
    title=LONG,
    tone=st.sampled_from(Tone),
    lines=st.lists(LONG, max_size=6).map(tuple),
    facts=st.lists(st.tuples(WILD, LONG), max_size=20).map(tuple),
    tables=st.lists(TABLES, max_size=2).map(tuple),
    buttons=BUTTONS.map(lambda rows: tuple(map(tuple, rows))),
    footer=LONG,
    banner=WILD,
)


@given(card=CARDS)
def test_no_card_whatever_is_in_it_passes_a_limit_or_does_harm(card: Card) -> None:
    shown = layout(card, until=1_700_000_000)

    assert_within_limits(shown)
    assert_harmless(shown)
    assert all(isinstance(embed, discord.Embed) for embed in shown.embeds)
    assert LABEL
