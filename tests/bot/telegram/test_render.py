"""Cards as Telegram gets them: valid HTML that says the same, never over a limit, nothing of a person's text alive."""

from __future__ import annotations

import struct
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.message import Button, Card, Link, Picture, Table, Tone
from bot.platforms.telegram_render import (
    MOST_BUTTONS,
    PNG,
    Album,
    Drawn,
    Photo,
    Piece,
    Text,
    may_be_sent,
    page_of,
    pieces_of,
    rows_of,
    sheet_of,
)
from bot.platforms.telegram_text import LONGEST_CAPTION, LONGEST_TEXT, MOST_ENTITIES, clean, cut, units
from tests.samples import SAMPLES

TAGS = {"b", "i", "pre", "a"}
ADDRESSES = ("https://www.example.com/a?b=1&c=2", "javascript:alert(1)", 'https://x.example/"onclick="y', "")


class Reader(HTMLParser):
    """Reads HTML as strictly as Telegram does: known tags only, each closed in its order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.entities = 0
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert [name for name, _ in attrs] == (["href"] if tag == "a" else [])
        assert all(Link("", url or "").host for _, url in attrs)
        assert not self._open, "nested"
        self._open.append(tag)
        self.entities += 1

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


def html_of(piece: Piece) -> str:
    match piece:
        case Text(html) | Photo(_, html):
            return html
    return ""


def read(piece: Piece) -> str:
    """The text of a piece, held against its limits."""
    html = html_of(piece)
    limit = LONGEST_TEXT if isinstance(piece, Text) else LONGEST_CAPTION
    reader = Reader(html)
    assert units(reader.text) <= limit
    assert reader.entities <= MOST_ENTITIES
    if isinstance(piece, Text):
        assert reader.text.strip()
    return reader.text


def png(width: int, height: int) -> bytes:
    return PNG + bytes(8) + struct.pack(">II", width, height)


def picture(name: str = "payoff", alt: str = "profit at expiry") -> Picture:
    return Picture(name, alt, lambda dark: png(800, 600))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_sample_card_is_valid_html_within_the_limits(name: str) -> None:
    card = SAMPLES[name]()

    told = "\n".join(read(piece) for piece in pieces_of(card))

    for text in (card.title, *card.lines, *(value for _, value in card.facts), card.footer, card.banner):
        assert clean(text) in told


HOSTILE = st.text(st.sampled_from([*"<>&\"'`*_[]()~#+-=|{}.! \n\t\r\x00\x1b\ud800\u202e😀aé€;/"]))
LABELS = st.one_of(HOSTILE, st.text(max_size=60))


@st.composite
def cards(draw: st.DrawFn) -> Card:
    width = draw(st.integers(1, 4))
    row = st.lists(LABELS, min_size=width, max_size=width).map(tuple)
    table = Table(draw(row), tuple(draw(st.lists(row, max_size=60))), title=draw(LABELS))
    return Card(
        draw(LABELS),
        draw(st.sampled_from(list(Tone))),
        tuple(draw(st.lists(st.one_of(LABELS, HOSTILE.map(lambda text: text * 300)), max_size=6))),
        tuple(draw(st.lists(st.tuples(LABELS, LABELS), max_size=130))),
        (table,),
        buttons=tuple(
            draw(st.lists(st.lists(st.builds(Button, LABELS, st.just("why:A1")), max_size=12).map(tuple), max_size=12))
        ),
        footer=draw(LABELS),
        banner=draw(LABELS),
        links=tuple(draw(st.lists(st.builds(Link, LABELS, st.sampled_from(ADDRESSES), LABELS), max_size=6))),
    )


@given(cards())
def test_a_hostile_card_is_shown_as_the_text_it_is(card: Card) -> None:
    told = "".join("".join(read(piece) for piece in pieces_of(card)).split())

    for text in (card.title, *card.lines, card.footer):
        assert "".join(clean(text).split()) in told


@given(cards())
def test_no_keyboard_is_more_than_telegram_takes(card: Card) -> None:
    rows = rows_of(card)

    assert sum(map(len, rows)) <= MOST_BUTTONS
    assert all(0 < len(row) <= 8 for row in rows)
    assert all(button.label.strip() and units(button.label) <= 60 for row in rows for button in row)


@given(cards(), st.integers(-3, 400))
def test_every_page_of_a_long_card_is_one_message(card: Card, page: int) -> None:
    sheet = page_of(card, page, lambda number: f"~page:{number} /positions")

    assert len(sheet.pieces) == 1
    read(sheet.pieces[0])


def test_turning_all_pages_shows_all_rows() -> None:
    rows = tuple((f"P{number:05d}", "XYZ 44 put", "+12.30") for number in range(300))
    card = Card("Positions", tables=(Table(("Id", "What", "P&L"), rows),))
    told, page, labels = "", 1, []
    while True:
        sheet = page_of(card, page, str)
        told += read(sheet.pieces[0])
        labels.append([button.label for row in sheet.rows for button in row])
        if "Next ▶" not in labels[-1]:
            break
        page += 1

    assert all(row[0] in told for row in rows)
    assert labels[0] == ["Next ▶"]
    assert labels[1] == ["◀ Previous", "Next ▶"]
    assert told.count("Id      What") == page  # the headers stand above every part


def test_a_message_is_never_cut_inside_a_sign_of_two_units() -> None:
    parts = list(cut("😀" * 5000, LONGEST_TEXT))

    assert "".join(parts) == "😀" * 5000
    assert max(map(units, parts)) == LONGEST_TEXT


def test_emoji_are_counted_as_telegram_counts_them() -> None:
    pieces = pieces_of(Card("t", lines=("😀" * 2040,)))  # 2,042 signs, but 4,082 units

    assert [units(read(piece)) for piece in pieces] == [4082]
    assert len(pieces_of(Card("t", lines=("😀" * 2050,)))) == 2


def test_a_table_that_is_too_wide_for_a_phone_becomes_lines() -> None:
    table = Table(("Id", "What it is", "Since"), (("P00003", "a very long description of it", "10:00:00 ET"),))

    (piece,) = pieces_of(Card("t", tables=(table,)))

    assert "<pre>" not in html_of(piece)
    assert "P00003  What it is a very long description of it · Since 10:00:00 ET" in read(piece)


def test_a_short_card_stands_under_its_picture() -> None:
    card = Card("Payoff", pictures=(picture(),))

    (piece,) = pieces_of(card, (Drawn("payoff", "profit at expiry", b""),))

    assert isinstance(piece, Photo)
    assert read(piece) == "Payoff\n(profit at expiry)"


def test_a_long_card_follows_its_picture() -> None:
    card = Card("Payoff", lines=("x" * 1100,), pictures=(picture(),))

    photo, text = pieces_of(card, (Drawn("payoff", "profit at expiry", b""),))

    assert isinstance(photo, Photo)
    assert photo.html == ""
    assert "profit at expiry" in read(text)


def test_several_pictures_are_one_album_and_the_text_has_the_keyboard() -> None:
    card = Card("Digest", pictures=(picture("a"), picture("b")), buttons=((Button("Refresh", "refresh:/digest"),),))

    sheet = sheet_of(card, (Drawn("a", "", b""), Drawn("b", "", b"")))

    album, text = sheet.pieces
    assert isinstance(album, Album)
    assert isinstance(text, Text)
    assert sheet.messages == 3


def test_a_picture_that_was_not_drawn_is_told_in_words() -> None:
    (piece,) = pieces_of(Card("Payoff", pictures=(picture(),)))

    assert read(piece) == "Payoff\n(no picture: profit at expiry)"


@pytest.mark.parametrize(
    ("width", "height", "is_fine"),
    [(800, 600, True), (5000, 5000, True), (5001, 5000, False), (2000, 100, True), (2001, 100, False), (0, 10, False)],
)
def test_photos_keep_to_telegrams_measures(width: int, height: int, is_fine: bool) -> None:
    assert may_be_sent(png(width, height)) is is_fine


def test_a_photo_of_more_than_ten_megabytes_is_not_sent() -> None:
    assert not may_be_sent(png(800, 600) + bytes(10_000_000))


def test_a_card_counts_down_once() -> None:
    until = "2026-06-15T14:05:00+00:00"

    (told,) = pieces_of(Card("Question", expires_at=until))
    (card,) = pieces_of(Card("Question", facts=(("Answer by", "10:05:00 ET"),), expires_at=until))

    assert "until 10:05:00 ET" in read(told)
    assert "until" not in read(card)


def test_real_money_is_not_to_be_overlooked() -> None:
    live, paper = (pieces_of(Card("Risk", banner=banner)) for banner in ("LIVE 1234", "PAPER"))

    assert live == (Text("<b>🔴 REAL MONEY 🔴 LIVE 1234</b>\n<b>Risk</b>"),)
    assert paper == (Text("<i>PAPER</i>\n<b>Risk</b>"),)
