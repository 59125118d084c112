"""The feed of the page: who sees what, what replaces what, pictures."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from bot.command import Place, Reply
from bot.message import Button, Card, MessageRef, Picture, Tone
from bot.platforms.web_feed import DESK, KEPT, Feed, Message
from engine.errors import NotFound
from engine.model.events import EventKind
from engine.model.records import EquityDay
from tests import make
from tests.page import PageSocket, PageWorld

PNG = b"\x89PNG\r\n\x1a\n"


def card(title: str, **more: object) -> Card:
    return Card(title, **more)  # type: ignore[arg-type]


async def test_post_and_edit_reach_open_pages(page: PageWorld):
    async with page.socket() as socket:
        await socket.next("feed")
        ref = await page.web.post(DESK, card("one", key="k", version=1))
        first = (await socket.next("message"))["message"]
        await page.web.edit(ref, card("two", key="k", version=2))
        second = (await socket.next("message"))["message"]

    assert (first["card"]["title"], second["card"]["title"]) == ("one", "two")
    assert first["id"] == second["id"] == ref.message


async def test_page_asks_until_the_time_of_its_question_is_up(page: PageWorld):
    await page.web.post(DESK, card("told", expires_at=make.NOW.isoformat()))
    await page.web.post("ann", card("asked", tone=Tone.ASK, expires_at=make.NOW.isoformat()))

    asking = [page.web.is_asking(make.NOW + timedelta(seconds=seconds)) for seconds in (-1, 0)]

    assert asking == [True, False]


async def test_post_to_one_person_is_seen_by_nobody_else(page: PageWorld):
    await page.web.post("ann", card("for ann"))

    async with page.socket("ann") as ann, page.socket("ben") as ben:
        mine, theirs = await ann.next("feed"), await ben.next("feed")

    assert [message["card"]["title"] for message in mine["messages"]] == ["for ann"]
    assert theirs["messages"] == []


async def test_post_to_an_unknown_chat_is_an_error(page: PageWorld):
    with pytest.raises(NotFound, match="lobby"):
        await page.web.post("lobby", card("lost"))


async def test_older_version_changes_nothing(page: PageWorld):
    ref = await page.web.post(DESK, card("new", key="k", version=5))

    await page.web.edit(ref, card("old", key="k", version=4))

    async with page.socket() as socket:
        feed = await socket.next("feed")
    assert [message["card"]["title"] for message in feed["messages"]] == ["new"]


async def test_message_of_an_earlier_run_comes_back_when_it_changes(page: PageWorld):
    await page.web.edit(MessageRef("web", DESK, "m0ldx7"), card("again", key="k", version=2))

    async with page.socket() as socket:
        feed = await socket.next("feed")
    assert [(message["id"], message["card"]["title"]) for message in feed["messages"]] == [("m0ldx7", "again")]


async def test_picture_is_drawn_once_for_each_theme_and_only_for_who_sees_it(page: PageWorld):
    drawn: list[bool] = []

    def draw(dark: bool) -> bytes:
        drawn.append(dark)
        return PNG + bytes([dark])

    await page.web.post("ann", card("chart", pictures=(Picture("a.png", "a line", draw),)))
    async with page.socket("ann") as ann:
        picture = (await ann.next("feed"))["messages"][0]["card"]["pictures"][0]
    async with page.login("ann") as client:
        bodies = [
            await (await client.get(page.url(f"{picture['src']}?theme={theme}"))).read()
            for theme in ("light", "dark", "light")
        ]
    async with page.login("ben") as other:
        refused = await other.get(page.url(picture["src"]))

    assert picture["alt"] == "a line"
    assert bodies == [PNG + b"\x00", PNG + b"\x01", PNG + b"\x00"]
    assert drawn == [False, True]
    assert refused.status == 404


def equity_day(day: date, equity: int) -> EquityDay:
    zero, at = Decimal(0), make.NOW - (make.TODAY - day)
    return EquityDay(day, at, Decimal(equity), Decimal(equity), zero, zero, zero, zero, zero, zero)


async def test_digest_has_its_chart(page: PageWorld):
    with page.world.store.begin() as work:
        for number, day in enumerate(make.weekdays(5)):
            work.add_equity(equity_day(day, 100_000 + number))

    await page.tell(EventKind.DIGEST_READY, "2026-06-15")

    async with page.login() as client, client.ws_connect(page.url("/socket"), headers=page.origin()) as ws:
        shown = (await PageSocket(ws).next("feed"))["messages"][0]["card"]
        answer = await client.get(page.url(shown["pictures"][0]["src"] + "?theme=dark"))
        assert shown["title"] == "Digest Mon 15 Jun 26"
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert (await answer.read()).startswith(PNG)


def feed_of() -> tuple[Feed, list[Message]]:
    told: list[Message] = []
    return Feed(told.append), told


def test_answer_in_place_changes_the_tapped_message():
    feed, told = feed_of()
    posted = feed.post("ann", card("Risk"))

    last = feed.answer("ann", Reply((card("Risk again"),), Place.SAME), posted.id)

    assert last == posted.id
    assert [message.id for message in told] == [posted.id, posted.id]


def test_card_without_a_key_never_replaces_one_that_everybody_sees():
    feed, _ = feed_of()
    posted = feed.post(DESK, card("Notice"))

    last = feed.answer("ann", Reply((card("Risk"),), Place.SAME), posted.id)

    assert last != posted.id
    assert [message.card.title for message in feed.recent("ben") if message.card] == ["Notice"]


def test_answer_never_changes_another_persons_message():
    feed, _ = feed_of()
    posted = feed.post("ben", card("for ben"))

    feed.answer("ann", Reply((card("for ann"),), Place.SAME), posted.id)

    assert [message.card.title for message in feed.recent("ben") if message.card] == ["for ben"]


def titles(feed: Feed, name: str) -> list[str]:
    return [message.card.title for message in feed.recent(name) if message.card]


def test_newer_card_for_everybody_changes_every_copy():
    feed, _ = feed_of()
    posted = feed.post(DESK, card("asked", key="approval:A1", version=1))
    feed.post("ann", card("asked", key="approval:A1", version=1))

    feed.edit(posted.id, DESK, card("filled", key="approval:A1", version=2))

    assert titles(feed, "ann") == ["filled", "filled"]


def test_card_as_one_person_wants_it_changes_that_persons_copies_alone():
    feed, _ = feed_of()
    feed.post(DESK, card("asked, 10:05 ET", key="approval:A1", version=1))
    feed.post("ben", card("asked, 10:05 ET", key="approval:A1", version=1))
    own = feed.post("ann", card("asked, 16:05 Berlin", key="approval:A1", version=1))

    feed.edit(own.id, "ann", card("sending, 16:04 Berlin", key="approval:A1", version=2))
    feed.post("ann", card("working, since 16:04 Berlin", key="approval:A1", version=3))

    assert titles(feed, "ann") == ["asked, 10:05 ET", *["working, since 16:04 Berlin"] * 2]
    assert titles(feed, "ben") == ["asked, 10:05 ET"] * 2


def test_feed_forgets_the_oldest_but_keeps_what_waits_for_an_answer():
    feed, _ = feed_of()
    feed.post(DESK, card("question", tone=Tone.ASK, buttons=((Button("Approve", "approve:A1.1"),),)))
    for number in range(KEPT):
        feed.post(DESK, card(f"notice {number}"))

    titles = [message.card.title for message in feed.recent("ann") if message.card]
    assert (len(titles), titles[0], titles[1]) == (KEPT, "question", "notice 1")
