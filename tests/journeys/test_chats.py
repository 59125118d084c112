"""The desk in Discord and Telegram at once: a scan becomes cards, a tap an order, on both, over restarts."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

from tests import make
from tests.journeys.chats import SOON, Live, live

PNG = b"\x89PNG\r\n\x1a\n"
IN_TIME = 5.0
"""Seconds a desk that was told to end has."""


def test_from_a_scheduled_scan_over_taps_and_restarts_to_the_digest_on_both(tmp_path: Path) -> None:
    with live(tmp_path) as here:
        chats, first = here.chats, here.start()
        card, photo = chats.until_both("XYZ 44 put?")
        token = photo.data("Approve")
        chats.until_noted()

        chats.end(first, signal.SIGKILL)
        second = here.start()
        why = chats.discord.press(chats.ann, card, "Why").result()
        assert "Realised volatility" in why.text or "realised volatility" in why.text
        chats.telegram.press_data(chats.bob, photo, token).answered(within=SOON).get()
        chats.until_both("(order working)")
        (order,) = here.orders("sell_to_open")
        assert chats.on_discord("(order working)") == [card]
        assert chats.on_telegram("(order working)") == [photo]

        code, seconds = chats.end(second)
        assert (code, seconds < IN_TIME) == (0, True)
        here.alpaca.exchange.fill(order, 2)
        third = here.start()
        chats.until_both("(filled)")
        chats.telegram.press_data(chats.bob, photo, token).answered(within=SOON).get()
        assert here.orders("sell_to_open") == [order]

        closed_by_slash_command(here)
        the_digest_on_both(here)
        assert chats.end(third)[0] == 0
        chats.assert_valid()
        assert here.alpaca.journal.violations == []


def closed_by_slash_command(here: Live) -> None:
    chats = here.chats
    found = chats.discord.autocomplete(chats.ann, "close", chats.channel, "position", "P").result()
    assert found.choices is not None
    (position,) = [choice["value"] for choice in found.choices]

    chats.discord.slash(chats.ann, "close", chats.channel, position=position).result()

    chats.until("the closing order at the wire", lambda: here.orders("buy_to_close"))
    here.alpaca.exchange.fill(here.orders("buy_to_close")[-1], 2)
    chats.until_both("(closed)")


def the_digest_on_both(here: Live) -> None:
    evening = make.NOW.replace(hour=20) + timedelta(minutes=16)
    here.clock.set(evening)
    here.chats.until_both("Digest Mon 15 Jun 26")
    here.clock.set(evening + timedelta(days=1))

    card, photo = here.chats.until_both("Digest Tue 16 Jun 26")

    assert [file.content[:8] for file in card.files] == [PNG]
    assert "Equity" in (card.files[0].description or "")
    assert photo.photo is not None
    assert photo.photo.content[:8] == PNG
    assert "Equity" in photo.text


def test_a_broker_that_hangs_keeps_no_desk_from_ending_in_time(tmp_path: Path) -> None:
    with live(tmp_path) as here:
        here.alpaca.hang_openings(10)
        desk, chats = here.start(), here.chats
        card, _ = chats.until_both("XYZ 44 put?")
        chats.discord.press(chats.ann, card, "Approve")
        chats.until("the order at the wire", lambda: here.orders("sell_to_open"))

        code, seconds = chats.end(desk)

        assert (code, seconds < IN_TIME) == (0, True), chats.log()
